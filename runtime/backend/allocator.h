/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Names of backend endpoints (spec 03 §2): unguessable, reserved while a launch or a backend uses them, given back
 * afterwards. Derives paths only; binds and creates nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
    ALLOCATOR_ATTEMPTS = 16,
    ALLOCATOR_PATH_SIZE = 108, /* with the NUL: what a socket address holds */
};

enum {
    _ALLOCATOR_E_SUCCESS,
    ALLOCATOR_E_USER_HASH, /* not 16 of [0-9a-f] */
    ALLOCATOR_E_TOO_LONG,  /* even in the fallback directory */
    ALLOCATOR_E_FALLBACK,  /* it would fit there, but that directory may not be used */
    ALLOCATOR_E_EXHAUSTED, /* every attempt collided */
};

/* One reserved path. Embedded in its holder; zeroed: holds nothing. */
struct endpoint_reservation {
    LIST_ENTRY(endpoint_reservation) entry;
    bool is_held;
    char path[ALLOCATOR_PATH_SIZE];
};

LIST_HEAD(endpoint_reservations, endpoint_reservation);

struct allocator {
    char user_hash[17];
    const char *dir;                          /* borrowed: the broker's runtime directory */
    bool is_fallback_refused;                 /* set by the owner: the fallback directory is not private */
    unsigned int max_attempts;                /* 0 counts as 1 */
    int (*random)(void *buffer, size_t size); /* random_bytes(); tests put their own */
    bool (*exists)(const char *path);         /* something is at this path; tests put their own */
    struct endpoint_reservations reserved[64];
};

/* @dir is borrowed for the allocator's life. A user hash that is no hash is reported by the first allocation. */
void allocator_init(struct allocator *allocator, const char *user_hash, const char *dir);

/*
 * Reserves a fresh path into *@reservation (which must hold none), inside the runtime directory or, where the path
 * would not fit into a socket address, in /tmp/running-process-<uid>/broker. A path that exists on disk is a collision.
 * 0, ALLOCATOR_E_*, or a negative errno when there is no randomness.
 */
int allocator_reserve(struct allocator *allocator, struct endpoint_reservation *reservation);

/* Gives the path back. Harmless when none is held. */
void allocator_release(struct endpoint_reservation *reservation);

/* Moves what @from holds into @to, which must hold nothing. @from keeps the text of its path. */
void allocator_move(struct allocator *allocator, struct endpoint_reservation *from, struct endpoint_reservation *to);

/* Text for an ALLOCATOR_E_ code. */
const char *allocator_error(int code);
