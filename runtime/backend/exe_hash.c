/* SPDX-License-Identifier: MIT */

/*
 * A file's content is named by device, inode, size and both times; under that name its hash is remembered, the least
 * recently used forgotten first. A name that is not known is read once, on the worker, for everyone who asks meanwhile.
 * The worker stats what it has opened before and after reading, so a hash is never remembered under a name that it does
 * not belong to. It trusts neither path nor mtime alone, and never reads on the loop.
 */

#include "backend/exe_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3sum.h"
#include "base/cleanup.h"
#include "base/error.h"
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
    struct exe_identity wanted;
    struct exe_hash_waiters waiters;
    uint32_t n_waiters;
    /* the worker's */
    int result;
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

void exe_hash_init(struct exe_hash *cache, struct loop *loop)
{
    memset(cache, 0, sizeof(*cache));
    cache->loop = loop;
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

static int read_once(int fd, struct exe_hash_job *job)
{
    struct exe_identity before, after;
    struct stat st;
    int r;

    r = sys_fstat(fd, &st);
    if (r < 0) {
        return error_trace(r);
    }
    if (!S_ISREG(st.st_mode)) {
        return error_origin(-EINVAL);
    }
    exe_identity_from(&st, &before);
    r = blake3_sum_fd(fd, job->hash);
    if (r < 0) {
        return error_trace(r);
    }
    r = sys_fstat(fd, &st);
    if (r < 0) {
        return error_trace(r);
    }
    exe_identity_from(&st, &after);
    if (!exe_identity_equal(&before, &after)) {
        return -EAGAIN;
    }
    job->identity = after;
    return 0;
}

static int read_file(struct exe_hash_job *job)
{
    _cleanup_close_ int fd = -1;
    int r = -EAGAIN;

    fd = sys_openat(AT_FDCWD, job->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        return error_trace(fd);
    }
    for (int i = 0; i < READS_MAX && r == -EAGAIN; i++) {
        r = read_once(fd, job);
    }
    return r;
}

static void work(void *owner)
{
    struct exe_hash_job *job = owner;

    job->result = read_file(job);
}

static void tell_all(struct exe_hash_job *job, enum exe_hash_outcome outcome)
{
    bool is_done = outcome == EXE_HASH_DONE;
    struct exe_hash_waiter *waiter;

    while ((waiter = TAILQ_FIRST(&job->waiters))) {
        exe_hash_leave(waiter);
        waiter->done(waiter, outcome, is_done ? &job->identity : NULL, is_done ? job->hash : NULL);
    }
}

static void done(void *owner, bool given_up)
{
    struct exe_hash_job *job = owner;

    LIST_REMOVE(job, entry); /* nobody can join any more */
    if (given_up) {          /* the memory belongs to the stuck work from here on */
        tell_all(job, EXE_HASH_GIVEN_UP);
        return;
    }
    job->cache->n_read++;
    if (job->result == 0) {
        exe_hash_put(job->cache, &job->identity, job->hash);
    }
    tell_all(job, job->result == 0 ? EXE_HASH_DONE : EXE_HASH_FAILED);
    free(job);
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
    job->wanted = *identity;
    job->job.discard = free;
    TAILQ_INIT(&job->waiters);
    r = loop_job_submit(cache->loop, &job->job, work, done, job, EXE_HASH_LIMIT_S * NSEC_PER_SEC);
    if (r < 0) {
        free(job);
        return error_trace(r);
    }
    job->cache = cache;
    LIST_INSERT_HEAD(&cache->jobs, job, entry);
    *ret = job;
    return 0;
}

int exe_hash_get(struct exe_hash *cache, const char *path, struct exe_hash_waiter *waiter,
                 struct exe_identity *ret_identity, uint8_t ret_hash[32])
{
    struct exe_identity identity;
    struct exe_hash_job *job;
    struct stat st;
    int r;

    r = sys_fstatat(AT_FDCWD, path, &st, 0);
    if (r < 0 || !S_ISREG(st.st_mode)) {
        return EXE_HASH_E_ABSENT;
    }
    exe_identity_from(&st, &identity);
    if (exe_hash_find(cache, &identity, ret_hash)) {
        *ret_identity = identity;
        return 0;
    }
    if (!waiter) {
        return EXE_HASH_E_WAIT;
    }
    LIST_FOREACH(job, &cache->jobs, entry)
    {
        if (exe_identity_equal(&job->wanted, &identity)) {
            break;
        }
    }
    if (!job) {
        r = begin(cache, path, &identity, &job);
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

void exe_hash_deinit(struct exe_hash *cache)
{
    struct exe_hash_waiter *waiter;
    struct exe_hash_entry *entry;
    struct exe_hash_job *job;

    if (!cache->loop) {
        return;
    }
    while ((job = LIST_FIRST(&cache->jobs))) {
        LIST_REMOVE(job, entry);
        while ((waiter = TAILQ_FIRST(&job->waiters))) {
            exe_hash_leave(waiter);
        }
        if (loop_job_cancel(&job->job)) {
            free(job);
        }
    }
    while ((entry = TAILQ_FIRST(&cache->by_use))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each call takes the first one off the list */
        forget(cache, entry);
    }
    cache->loop = NULL;
}
