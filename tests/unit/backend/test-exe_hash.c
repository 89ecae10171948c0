/* SPDX-License-Identifier: MIT */

#include "backend/exe_hash.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/blake3sum.h"
#include "check.h"

struct asker {
    struct exe_hash_waiter waiter; /* first */
    int n_told;
    enum exe_hash_outcome outcome;
    struct exe_identity identity;
    uint8_t hash[32];
};

static void on_done(struct exe_hash_waiter *waiter, enum exe_hash_outcome outcome, const struct exe_identity *identity,
                    const uint8_t *hash)
{
    struct asker *asker = (struct asker *)waiter;

    asker->n_told++;
    asker->outcome = outcome;
    if (hash) {
        asker->identity = *identity;
        memcpy(asker->hash, hash, 32);
    }
}

static int ask(struct exe_hash *cache, const char *path, struct asker *asker)
{
    memset(asker, 0, sizeof(*asker));
    asker->waiter.done = on_done;
    return exe_hash_get(cache, path, &asker->waiter, &asker->identity, asker->hash);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    check_fatal(fd >= 0);
    check_int(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void run_until_told(struct loop *loop, struct asker *asker)
{
    while (asker->n_told == 0) {
        check_fatal(loop_turn(loop, true) == 0);
    }
}

static void check_hash(const uint8_t *hash, const char *text)
{
    uint8_t wanted[32];

    blake3_sum(text, strlen(text), wanted);
    check_mem(hash, wanted, 32);
}

static void test_read_once(void)
{
    struct loop loop;
    struct exe_hash cache;
    struct asker askers[40], later;
    char path[512], link_path[512];

    check_int(loop_init(&loop), 0);
    exe_hash_init(&cache, &loop);
    snprintf(path, sizeof(path), "%s/a", check_tmpdir());
    snprintf(link_path, sizeof(link_path), "%s/b", check_tmpdir());
    write_file(path, "abc");
    check_int(symlink(path, link_path), 0);
    check_int(exe_hash_get(&cache, path, NULL, &later.identity, later.hash), EXE_HASH_E_WAIT);
    for (int i = 0; i < 40; i++) {
        check_int(ask(&cache, i % 2 ? path : link_path, &askers[i]), EXE_HASH_E_WAIT);
    }
    exe_hash_leave(&askers[5].waiter);
    exe_hash_leave(&askers[5].waiter);
    run_until_told(&loop, &askers[0]);
    for (int i = 0; i < 40; i++) {
        check_int(askers[i].n_told, i == 5 ? 0 : 1);
        if (i != 5) {
            check_int(askers[i].outcome, EXE_HASH_DONE);
            check_hash(askers[i].hash, "abc");
        }
    }
    check_int(cache.n_read, 1);
    check_int(ask(&cache, link_path, &later), 0);
    check_hash(later.hash, "abc");
    exe_hash_deinit(&cache);
    exe_hash_deinit(&cache);
    loop_deinit(&loop);
}

static void test_change_is_seen(void)
{
    struct loop loop;
    struct exe_hash cache;
    struct asker asker;
    struct timespec times[2];
    struct stat st;
    char path[512];

    check_int(loop_init(&loop), 0);
    exe_hash_init(&cache, &loop);
    snprintf(path, sizeof(path), "%s/a", check_tmpdir());
    write_file(path, "abc");
    check_int(ask(&cache, path, &asker), EXE_HASH_E_WAIT);
    run_until_told(&loop, &asker);
    check_int(stat(path, &st), 0);
    /* same size, and the old mtime put back: the ctime still tells (once the clock of the file system has moved on) */
    do {
        write_file(path, "xyz");
        times[0] = st.st_atim;
        times[1] = st.st_mtim;
        check_int(utimensat(AT_FDCWD, path, times, 0), 0);
    } while (ask(&cache, path, &asker) == 0);
    run_until_told(&loop, &asker);
    check_hash(asker.hash, "xyz");
    check_int(cache.n_read, 2);
    exe_hash_deinit(&cache);
    loop_deinit(&loop);
}

static void check_failed(struct loop *loop, struct exe_hash *cache, const char *path)
{
    struct asker asker;

    check_int(ask(cache, path, &asker), EXE_HASH_E_WAIT);
    run_until_told(loop, &asker);
    check_int(asker.outcome, EXE_HASH_FAILED);
}

/* Of two changes within one tick the second has no stamp of its own: nothing is read before the first has aged. */
static void test_young_file_rests(void)
{
    struct loop loop;
    struct exe_hash cache;
    struct asker asker;
    char path[512];
    int64_t age_nsec;

    check_int(loop_init(&loop), 0);
    exe_hash_init(&cache, &loop);
    snprintf(path, sizeof(path), "%s/a", check_tmpdir());
    write_file(path, "one");
    check_int(ask(&cache, path, &asker), EXE_HASH_E_WAIT);
    write_file(path, "two"); /* as long as before, most often within the same tick */
    run_until_told(&loop, &asker);
    check_hash(asker.hash, "two");
    age_nsec = (int64_t)clock_unix_nsec() - asker.identity.ctime_nsec;
    check(age_nsec >= (int64_t)(EXE_HASH_REST_MS * NSEC_PER_MSEC));
    exe_hash_deinit(&cache);
    loop_deinit(&loop);
}

static void test_absent(void)
{
    struct loop loop;
    struct exe_hash cache;
    struct asker asker;
    char path[512];

    check_int(loop_init(&loop), 0);
    exe_hash_init(&cache, &loop);
    snprintf(path, sizeof(path), "%s/fifo", check_tmpdir());
    check_int(mkfifo(path, 0700), 0);
    check_failed(&loop, &cache, path);
    check_failed(&loop, &cache, check_tmpdir());
    check_failed(&loop, &cache, "/does/not/exist");
    check_failed(&loop, &cache, "");
    snprintf(path, sizeof(path), "%s/b", check_tmpdir());
    write_file(path, "abc"); /* known to be local, and gone: the loop sees it for itself */
    check_int(ask(&cache, path, &asker), EXE_HASH_E_WAIT);
    run_until_told(&loop, &asker);
    check_int(unlink(path), 0);
    check_int(ask(&cache, path, &asker), EXE_HASH_E_ABSENT);
    exe_hash_deinit(&cache);
    loop_deinit(&loop);
}

static bool is_never_local(int fd)
{
    (void)fd;
    return false;
}

/* What is not known to be local is looked at on the worker each time; it is still read only once. */
static void test_remote(void)
{
    struct loop loop;
    struct exe_hash cache;
    struct asker asker, other;
    char path[512], link_path[512];

    check_int(loop_init(&loop), 0);
    exe_hash_init(&cache, &loop);
    cache.is_local = is_never_local;
    snprintf(path, sizeof(path), "%s/a", check_tmpdir());
    snprintf(link_path, sizeof(link_path), "%s/b", check_tmpdir());
    write_file(path, "abc");
    check_int(symlink(path, link_path), 0);
    for (int i = 0; i < 3; i++) {
        check_int(ask(&cache, path, &asker), EXE_HASH_E_WAIT);
        check_int(ask(&cache, link_path, &other), EXE_HASH_E_WAIT);
        run_until_told(&loop, &asker);
        run_until_told(&loop, &other);
        check_int(asker.outcome, EXE_HASH_DONE);
        check_hash(asker.hash, "abc");
        check_hash(other.hash, "abc");
    }
    check_int(cache.n_read, 1);
    exe_hash_deinit(&cache);
    loop_deinit(&loop);
}

/* A path that leads to another file system than it did is not stat()ed on the loop for what it was. */
static void test_moved(void)
{
    struct loop loop;
    struct exe_hash cache;
    struct asker asker;
    char path[512];

    check_int(loop_init(&loop), 0);
    exe_hash_init(&cache, &loop);
    snprintf(path, sizeof(path), "%s/a", check_tmpdir());
    write_file(path, "abc");
    check_int(ask(&cache, path, &asker), EXE_HASH_E_WAIT);
    run_until_told(&loop, &asker);
    check_int(ask(&cache, path, &asker), 0);
    local_paths_put(&cache.local_paths, path, asker.identity.dev + 1);
    check_int(ask(&cache, path, &asker), EXE_HASH_E_WAIT);
    run_until_told(&loop, &asker);
    check_hash(asker.hash, "abc");
    check_int(ask(&cache, path, &asker), 0);
    exe_hash_deinit(&cache);
    loop_deinit(&loop);
}

static int hang_fds[2]; /* who reads it hangs until the other end is closed */

static bool hang(int fd)
{
    char byte;

    (void)fd;
    (void)!read(hang_fds[0], &byte, 1);
    return false;
}

/* One dead mount costs one thread: whoever asks again before it comes back is refused at once. */
static void test_hung(bool comes_back)
{
    struct loop loop;
    struct exe_hash cache;
    struct asker asker, other;
    char path[512], other_path[512];

    check_int(loop_init(&loop), 0);
    check_int(pipe(hang_fds), 0);
    exe_hash_init(&cache, &loop);
    cache.limit_nsec = 20 * NSEC_PER_MSEC;
    cache.is_local = hang;
    snprintf(path, sizeof(path), "%s/a", check_tmpdir());
    snprintf(other_path, sizeof(other_path), "%s/b", check_tmpdir());
    write_file(path, "abc");
    write_file(other_path, "xyz");
    check_int(ask(&cache, path, &asker), EXE_HASH_E_WAIT);
    run_until_told(&loop, &asker);
    check_int(asker.outcome, EXE_HASH_GIVEN_UP);
    cache.is_local = is_never_local;
    for (int i = 0; i < 10; i++) {
        check_int(ask(&cache, path, &asker), EXE_HASH_E_HUNG);
    }
    check_int(loop_jobs_stuck(&loop), 1);
    check_int(ask(&cache, other_path, &other), EXE_HASH_E_WAIT); /* nobody else is kept from anything */
    run_until_told(&loop, &other);
    check_hash(other.hash, "xyz");
    if (comes_back) {
        close(hang_fds[1]);
        while (ask(&cache, path, &asker) == EXE_HASH_E_HUNG) {
            sched_yield();
        }
        run_until_told(&loop, &asker);
        check_hash(asker.hash, "abc");
    }
    exe_hash_deinit(&cache);
    if (!comes_back) {
        close(hang_fds[1]);
    }
    while (loop_jobs_stuck(&loop) > 0) {
        sched_yield();
    }
    loop_deinit(&loop);
    close(hang_fds[0]);
}

static void test_hung_and_back(void)
{
    test_hung(true);
}

static void test_hung_for_good(void)
{
    test_hung(false);
}

static void test_full(void)
{
    static struct asker askers[EXE_HASH_WAITERS_MAX + 1];
    struct loop loop;
    struct exe_hash cache;
    char path[512];

    check_int(loop_init(&loop), 0);
    exe_hash_init(&cache, &loop);
    snprintf(path, sizeof(path), "%s/a", check_tmpdir());
    write_file(path, "abc");
    for (int i = 0; i < EXE_HASH_WAITERS_MAX; i++) {
        check_int(ask(&cache, path, &askers[i]), EXE_HASH_E_WAIT);
    }
    check_int(ask(&cache, path, &askers[EXE_HASH_WAITERS_MAX]), EXE_HASH_E_FULL);
    exe_hash_deinit(&cache); /* while it is being read */
    check_int(askers[0].n_told, 0);
    exe_hash_leave(&askers[0].waiter);
    loop_deinit(&loop);
}

static void test_least_recently_used_goes(void)
{
    struct loop loop;
    struct exe_hash cache;
    struct exe_identity identity = {.size = 1};
    uint8_t hash[32] = {0};

    check_int(loop_init(&loop), 0);
    exe_hash_init(&cache, &loop);
    for (uint64_t i = 0; i < EXE_HASH_ENTRIES_MAX; i++) {
        identity.ino = i;
        hash[0] = (uint8_t)i;
        exe_hash_put(&cache, &identity, hash);
    }
    identity.ino = 0;
    check(exe_hash_find(&cache, &identity, hash)); /* used: not the oldest any more */
    identity.ino = 1000;
    exe_hash_put(&cache, &identity, hash);
    check_int(cache.n_entries, EXE_HASH_ENTRIES_MAX);
    identity.ino = 1;
    check(!exe_hash_find(&cache, &identity, hash));
    identity.ino = 0;
    check(exe_hash_find(&cache, &identity, hash));
    identity.ino = 2;
    check(exe_hash_find(&cache, &identity, hash));
    check_int(hash[0], 2);
    exe_hash_deinit(&cache);
    loop_deinit(&loop);
}

CHECK_PROGRAM("backend/exe_hash", {"one read for all who ask", test_read_once},
              {"a young file is left to rest first", test_young_file_rests},
              {"a changed file is read again", test_change_is_seen}, {"no regular file", test_absent},
              {"what is not local is looked at on the worker", test_remote},
              {"another file system at the path", test_moved},
              {"a path that hangs, and comes back", test_hung_and_back},
              {"a path that hangs for good", test_hung_for_good}, {"too many wait; deinit in between", test_full},
              {"the least recently used goes", test_least_recently_used_goes})
