/* SPDX-License-Identifier: MIT */

/*
 * A file's content is named by device, inode, size and both times; under that name its hash is remembered, the least
 * recently used forgotten first. A name that is not known is read once, on the worker, for everyone who asks meanwhile.
 * The worker stats what it has opened before and after reading, so a hash is never remembered under a name that it does
 * not belong to. It trusts neither path nor mtime alone, and never reads on the loop.
 *
 * A job looks first (what file is it, is it on a local file system) and reads only when its content is not known. A
 * path that was seen to be local is looked at on the loop from then on, which is the warm way. A job that hung keeps
 * its path refused until its thread comes back: one dead mount costs one thread, however often it is asked for.
 */

#include "backend/exe_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3sum.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/sys.h"

enum { READS_MAX = 3 }; /* of a file that changes while it is read */

struct exe_hash_entry {
    TAILQ_ENTRY(exe_hash_entry) by_use, in_bucket;
    struct exe_identity identity;
    uint8_t hash[32];
};

TAILQ_HEAD(exe_hash_waiters, exe_hash_waiter);

struct exe_hash_job {
    LIST_ENTRY(exe_hash_job) entry;
    struct exe_hash *cache;
    struct loop_job job;
    bool is_looking; /* not known yet which file it is; else `wanted` is to be read */
    struct exe_identity wanted;
    struct exe_hash_waiters waiters;
    uint32_t n_waiters;
    _Atomic(bool) is_released; /* by one of loop and thread: the other one frees */
    /* the worker's */
    bool (*is_local_fs)(int fd);
    int result;
    bool is_local;
    struct exe_identity identity;
    uint8_t hash[32];
    char path[];
};

void exe_identity_from(const struct stat *st, struct exe_identity *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->dev = st->st_dev;
    ret->ino = st->st_ino;
    ret->size = (uint64_t)st->st_size;
    ret->mtime_nsec = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    ret->ctime_nsec = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

bool exe_identity_equal(const struct exe_identity *a, const struct exe_identity *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

void exe_identity_await_rest(const struct exe_identity *identity)
{
    int64_t age_nsec = (int64_t)clock_unix_nsec() - identity->ctime_nsec;
    int64_t rest_nsec = (int64_t)(EXE_HASH_REST_MS * NSEC_PER_MSEC);

    if (age_nsec < rest_nsec) { /* a stamp in the future says nothing, and waits no longer */
        (void)sys_poll(NULL, 0, age_nsec > 0 ? (int)msec_from_nsec((nsec_t)(rest_nsec - age_nsec)) : EXE_HASH_REST_MS);
    }
}

void exe_hash_init(struct exe_hash *cache, struct loop *loop)
{
    memset(cache, 0, sizeof(*cache));
    cache->loop = loop;
    cache->limit_nsec = EXE_HASH_LIMIT_S * NSEC_PER_SEC;
    cache->is_local = fs_is_local;
    local_paths_init(&cache->local_paths);
    TAILQ_INIT(&cache->by_use);
    for (size_t i = 0; i < 64; i++) {
        TAILQ_INIT(&cache->buckets[i]);
    }
}

/* ------------------------------------------------------------------------------------------------------- the table */

static struct exe_hash_entries *bucket_of(struct exe_hash *cache, const struct exe_identity *identity)
{
    return &cache->buckets[(identity->ino ^ identity->dev ^ (uint64_t)identity->mtime_nsec) % 64];
}

static void forget(struct exe_hash *cache, struct exe_hash_entry *entry)
{
    TAILQ_REMOVE(&cache->by_use, entry, by_use);
    TAILQ_REMOVE(bucket_of(cache, &entry->identity), entry, in_bucket);
    cache->n_entries--;
    free(entry);
}

bool exe_hash_find(struct exe_hash *cache, const struct exe_identity *identity, uint8_t ret_hash[32])
{
    struct exe_hash_entry *entry;

    TAILQ_FOREACH(entry, bucket_of(cache, identity), in_bucket)
    {
        if (exe_identity_equal(&entry->identity, identity)) {
            TAILQ_REMOVE(&cache->by_use, entry, by_use);
            TAILQ_INSERT_TAIL(&cache->by_use, entry, by_use);
            memcpy(ret_hash, entry->hash, 32);
            return true;
        }
    }
    return false;
}

void exe_hash_put(struct exe_hash *cache, const struct exe_identity *identity, const uint8_t hash[32])
{
    struct exe_hash_entry *entry;
    uint8_t known[32];

    if (exe_hash_find(cache, identity, known)) {
        return;
    }
    if (cache->n_entries >= EXE_HASH_ENTRIES_MAX) {
        forget(cache, TAILQ_FIRST(&cache->by_use));
    }
    entry = calloc(1, sizeof(*entry));
    if (!entry) {
        return; /* it will be read again, that is all */
    }
    entry->identity = *identity;
    memcpy(entry->hash, hash, 32);
    TAILQ_INSERT_TAIL(&cache->by_use, entry, by_use);
    TAILQ_INSERT_TAIL(bucket_of(cache, identity), entry, in_bucket);
    cache->n_entries++;
}

/* ------------------------------------------------------------------------------------------------------ the worker */

static int identify(int fd, struct exe_identity *ret)
{
    struct stat st;
    int r;

    r = sys_fstat(fd, &st);
    if (r < 0) {
        return error_trace(r);
    }
    if (!S_ISREG(st.st_mode)) {
        return error_origin(-EINVAL);
    }
    exe_identity_from(&st, ret);
    return 0;
}

static int read_once(int fd, struct exe_hash_job *job)
{
    struct exe_identity before, after;
    int r;

    r = identify(fd, &before);
    if (r < 0) {
        return error_trace(r);
    }
    exe_identity_await_rest(&before);
    r = blake3_sum_fd(fd, job->hash);
    if (r < 0) {
        return error_trace(r);
    }
    r = identify(fd, &after);
    if (r < 0) {
        return error_trace(r);
    }
    if (!exe_identity_equal(&before, &after)) {
        return -EAGAIN;
    }
    job->identity = after;
    return 0;
}

static int work_on_file(struct exe_hash_job *job)
{
    _cleanup_close_ int fd = -1;
    int r = -EAGAIN;

    fd = sys_openat(AT_FDCWD, job->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        return error_trace(fd);
    }
    if (job->is_looking) {
        job->is_local = job->is_local_fs(fd);
        return error_trace(identify(fd, &job->identity));
    }
    for (int i = 0; i < READS_MAX && r == -EAGAIN; i++) {
        r = read_once(fd, job);
    }
    return r;
}

static void work(void *owner)
{
    struct exe_hash_job *job = owner;

    job->result = work_on_file(job);
}

/* By the loop and by the thread, or by one of them when the other never had it; the last one frees. */
static void release(void *owner)
{
    struct exe_hash_job *job = owner;

    if (atomic_exchange(&job->is_released, true)) {
        free(job);
    }
}

/* ------------------------------------------------------------------------------------------------------ who waits */

static void join(struct exe_hash_job *job, struct exe_hash_waiter *waiter)
{
    waiter->job = job;
    TAILQ_INSERT_TAIL(&job->waiters, waiter, entry);
    job->n_waiters++;
}

void exe_hash_leave(struct exe_hash_waiter *waiter)
{
    if (!waiter->job) {
        return;
    }
    TAILQ_REMOVE(&waiter->job->waiters, waiter, entry);
    waiter->job->n_waiters--;
    waiter->job = NULL;
}

/* --------------------------------------------------------------------------------------------------- the end of a job
 */

static void tell_all(struct exe_hash_job *job, enum exe_hash_outcome outcome)
{
    bool is_done = outcome == EXE_HASH_DONE;
    struct exe_hash_waiter *waiter;

    while ((waiter = TAILQ_FIRST(&job->waiters))) {
        exe_hash_leave(waiter);
        waiter->done(waiter, outcome, is_done ? &job->identity : NULL, is_done ? job->hash : NULL);
    }
}

static int submit(struct exe_hash_job *job);

/* The job that reads the file that @identity names, or NULL. */
static struct exe_hash_job *find_reader(struct exe_hash *cache, const struct exe_identity *identity)
{
    struct exe_hash_job *job;

    LIST_FOREACH(job, &cache->jobs, entry)
    {
        if (!job->is_looking && exe_identity_equal(&job->wanted, identity)) {
            return job;
        }
    }
    return NULL;
}

/* The job that looks at @path, or NULL. */
static struct exe_hash_job *find_looker(struct exe_hash *cache, const char *path)
{
    struct exe_hash_job *job;

    LIST_FOREACH(job, &cache->jobs, entry)
    {
        if (job->is_looking && strcmp(job->path, path) == 0) {
            return job;
        }
    }
    return NULL;
}

static void conclude(struct exe_hash_job *job, enum exe_hash_outcome outcome)
{
    LIST_REMOVE(job, entry); /* nobody can join any more */
    tell_all(job, outcome);
    free(job);
}

/* The thread is still in there: it has the memory, and keeps the path refused, until it comes back. */
static void give_up(struct exe_hash_job *job)
{
    LIST_REMOVE(job, entry);
    LIST_INSERT_HEAD(&job->cache->hung, job, entry);
    tell_all(job, EXE_HASH_GIVEN_UP);
}

/* All who wait for @from wait for @to from here on. */
static void hand_over(struct exe_hash_job *from, struct exe_hash_job *to)
{
    struct exe_hash_waiter *waiter;

    while ((waiter = TAILQ_FIRST(&from->waiters))) {
        exe_hash_leave(waiter);
        join(to, waiter);
    }
    conclude(from, EXE_HASH_FAILED);
}

/* It is known which file it is: what it holds may be known, may be being read, or is read now. */
static void looked(struct exe_hash_job *job)
{
    struct exe_hash *cache = job->cache;
    struct exe_hash_job *reader;

    if (job->is_local) {
        local_paths_put(&cache->local_paths, job->path, job->identity.dev);
    }
    if (exe_hash_find(cache, &job->identity, job->hash)) {
        conclude(job, EXE_HASH_DONE);
        return;
    }
    reader = find_reader(cache, &job->identity);
    if (reader) {
        hand_over(job, reader);
        return;
    }
    job->is_looking = false;
    job->wanted = job->identity;
    if (submit(job) < 0) {
        conclude(job, EXE_HASH_FAILED);
    }
}

static void done(void *owner, bool given_up)
{
    struct exe_hash_job *job = owner;

    if (given_up) {
        give_up(job);
    } else if (job->result < 0) {
        conclude(job, EXE_HASH_FAILED);
    } else if (job->is_looking) {
        looked(job);
    } else {
        job->cache->n_read++;
        exe_hash_put(job->cache, &job->identity, job->hash);
        conclude(job, EXE_HASH_DONE);
    }
}

/* --------------------------------------------------------------------------------------------------------- asking */

static int submit(struct exe_hash_job *job)
{
    return error_trace(loop_job_submit(job->cache->loop, &job->job, work, done, job, job->cache->limit_nsec));
}

/* @identity NULL: it is not known which file is at @path. */
static int begin(struct exe_hash *cache, const char *path, const struct exe_identity *identity,
                 struct exe_hash_job **ret)
{
    size_t size = strlen(path) + 1;
    struct exe_hash_job *job = calloc(1, sizeof(*job) + size);
    int r;

    if (!job) {
        return error_origin(-ENOMEM);
    }
    memcpy(job->path, path, size);
    job->cache = cache;
    job->is_looking = !identity;
    job->is_local_fs = cache->is_local;
    if (identity) {
        job->wanted = *identity;
    }
    job->job.discard = release;
    TAILQ_INIT(&job->waiters);
    r = submit(job);
    if (r < 0) {
        free(job);
        return error_trace(r);
    }
    LIST_INSERT_HEAD(&cache->jobs, job, entry);
    *ret = job;
    return 0;
}

/* True while the thread of a job that was given up has not come back from @path. Forgets those that have. */
static bool is_hung(struct exe_hash *cache, const char *path)
{
    struct exe_hash_job *job, *next;
    bool is_there = false;

    for (job = LIST_FIRST(&cache->hung); job; job = next) {
        next = LIST_NEXT(job, entry);
        if (atomic_load(&job->is_released)) {
            LIST_REMOVE(job, entry);
            release(job);
        } else if (strcmp(job->path, path) == 0) {
            is_there = true;
        }
    }
    return is_there;
}

/* Joins @job, or one that is begun for it. As exe_hash_get(). */
static int wait_for(struct exe_hash *cache, struct exe_hash_job *job, const char *path,
                    const struct exe_identity *identity, struct exe_hash_waiter *waiter)
{
    int r;

    if (!waiter) {
        return EXE_HASH_E_WAIT;
    }
    if (!job) {
        r = begin(cache, path, identity, &job);
        if (r < 0) {
            return error_trace(r);
        }
    }
    if (job->n_waiters >= EXE_HASH_WAITERS_MAX) {
        return EXE_HASH_E_FULL;
    }
    join(job, waiter);
    return EXE_HASH_E_WAIT;
}

/* A path that was seen to lead to @dev, which is local. */
static int get_local(struct exe_hash *cache, const char *path, dev_t dev, struct exe_hash_waiter *waiter,
                     struct exe_identity *ret_identity, uint8_t ret_hash[32])
{
    struct exe_identity identity;
    struct stat st;
    int r;

    r = sys_fstatat(AT_FDCWD, path, &st, 0);
    if (r < 0 || !S_ISREG(st.st_mode)) {
        return EXE_HASH_E_ABSENT;
    }
    if (st.st_dev != dev) {
        local_paths_forget(&cache->local_paths, path);
        return wait_for(cache, find_looker(cache, path), path, NULL, waiter);
    }
    exe_identity_from(&st, &identity);
    if (exe_hash_find(cache, &identity, ret_hash)) {
        *ret_identity = identity;
        return 0;
    }
    return wait_for(cache, find_reader(cache, &identity), path, &identity, waiter);
}

int exe_hash_get(struct exe_hash *cache, const char *path, struct exe_hash_waiter *waiter,
                 struct exe_identity *ret_identity, uint8_t ret_hash[32])
{
    dev_t dev;

    if (!LIST_EMPTY(&cache->hung) && is_hung(cache, path)) {
        return EXE_HASH_E_HUNG;
    }
    if (local_paths_find(&cache->local_paths, path, &dev)) {
        return get_local(cache, path, dev, waiter, ret_identity, ret_hash);
    }
    return wait_for(cache, find_looker(cache, path), path, NULL, waiter);
}

/* The worker may still have it; then it frees it. */
static void discard(struct exe_hash_job *job)
{
    struct exe_hash_waiter *waiter;

    LIST_REMOVE(job, entry);
    while ((waiter = TAILQ_FIRST(&job->waiters))) {
        exe_hash_leave(waiter);
    }
    if (loop_job_cancel(&job->job)) {
        free(job);
    } else {
        release(job);
    }
}

void exe_hash_deinit(struct exe_hash *cache)
{
    struct exe_hash_entry *entry;
    struct exe_hash_job *job;

    if (!cache->loop) {
        return;
    }
    while ((job = LIST_FIRST(&cache->jobs))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each call takes the first one off the list */
        discard(job);
    }
    while ((job = LIST_FIRST(&cache->hung))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): as above */
        LIST_REMOVE(job, entry);
        release(job);
    }
    while ((entry = TAILQ_FIRST(&cache->by_use))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each call takes the first one off the list */
        forget(cache, entry);
    }
    local_paths_deinit(&cache->local_paths);
    cache->loop = NULL;
}
