/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * BLAKE3 of executables, remembered by what stat says (spec 03 §6.1 step 6). A file is read once however many ask, on
 * the loop's worker. The loop itself only stats, and only what is known to be on a local file system: everything else
 * is looked at by the worker each time, so that a dead server never stops the loop (decision 14).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "backend/local_paths.h"
#include "base/clock.h"
#include "loop/loop.h"

enum {
    EXE_HASH_ENTRIES_MAX = 256,
    EXE_HASH_WAITERS_MAX = 256, /* of one file */
    EXE_HASH_LIMIT_S = 10,      /* decision 14 */
    EXE_HASH_REST_MS = 20,
};

enum {
    _EXE_HASH_E_SUCCESS,
    EXE_HASH_E_WAIT,   /* being read; the waiter is told */
    EXE_HASH_E_ABSENT, /* no regular file that can be read there */
    EXE_HASH_E_FULL,   /* too many wait for this file already */
    EXE_HASH_E_HUNG,   /* an earlier look at this path was given up and has not come back yet */
};

/* What tells one content of a file from another without reading it. Compared whole; zeroed before it is filled. */
struct exe_identity {
    uint64_t dev, ino, size;
    int64_t mtime_nsec, ctime_nsec;
};

void exe_identity_from(const struct stat *st, struct exe_identity *ret);
bool exe_identity_equal(const struct exe_identity *a, const struct exe_identity *b);

/*
 * Waits until the file has been at rest for EXE_HASH_REST_MS, at most that long. The kernel's stamps are coarse (a
 * tick, 4 ms): of two changes within one the second leaves no trace, so what is read sooner than that after a change
 * may not be remembered under this identity. For the worker.
 */
void exe_identity_await_rest(const struct exe_identity *identity);

enum exe_hash_outcome {
    EXE_HASH_DONE,
    EXE_HASH_FAILED,   /* the file could not be read */
    EXE_HASH_GIVEN_UP, /* reading took longer than EXE_HASH_LIMIT_S */
};

/* Somebody who waits. Zeroed: waits for nothing. */
struct exe_hash_waiter {
    TAILQ_ENTRY(exe_hash_waiter) entry;
    struct exe_hash_job *job; /* NULL: does not wait */
    /* Called once, from the loop, unless left before. @hash: 32 bytes when DONE, else NULL. */
    void (*done)(struct exe_hash_waiter *waiter, enum exe_hash_outcome outcome, const struct exe_identity *identity,
                 const uint8_t *hash);
};

struct exe_hash_entry;
struct exe_hash_job;
TAILQ_HEAD(exe_hash_entries, exe_hash_entry);
LIST_HEAD(exe_hash_jobs, exe_hash_job);

struct exe_hash {
    struct loop *loop;
    nsec_t limit_nsec;
    bool (*is_local)(int fd); /* replaced in tests; called on the worker */
    uint32_t n_entries;
    uint64_t n_read;                /* files read so far */
    struct local_paths local_paths; /* where the loop may look */
    struct exe_hash_entries by_use; /* least recently used first */
    struct exe_hash_entries buckets[64];
    struct exe_hash_jobs jobs;
    struct exe_hash_jobs hung; /* given up, and the worker's thread is still in there */
};

/* Allocates nothing. @loop is borrowed. */
void exe_hash_init(struct exe_hash *cache, struct loop *loop);

/* Whoever still waits is forgotten without being told; jobs under way are left to end by themselves. */
void exe_hash_deinit(struct exe_hash *cache);

/*
 * The hash of the file at @path, symbolic links followed. 0: *@ret_identity and @ret_hash are filled (no allocation).
 * EXE_HASH_E_WAIT: *@waiter has joined and is told; a NULL @waiter only looks, and nothing is begun. EXE_HASH_E_ABSENT,
 * EXE_HASH_E_FULL, EXE_HASH_E_HUNG, -ENOMEM or another errno.
 */
int exe_hash_get(struct exe_hash *cache, const char *path, struct exe_hash_waiter *waiter,
                 struct exe_identity *ret_identity, uint8_t ret_hash[32]);

/* What the cache knows of @identity; false: nothing. */
bool exe_hash_find(struct exe_hash *cache, const struct exe_identity *identity, uint8_t ret_hash[32]);

/* Remembers what somebody else has read. Failure to remember is no error. */
void exe_hash_put(struct exe_hash *cache, const struct exe_identity *identity, const uint8_t hash[32]);

/* Stops waiting. Harmless when not waiting. */
void exe_hash_leave(struct exe_hash_waiter *waiter);
