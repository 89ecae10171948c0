/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"

/* Peers that are remembered at once; the one that was heard of longest ago is forgotten for a new one. */
enum { RATE_LIMIT_PEERS_MAX = 4096, RATE_LIMIT_DEFAULT = 256 };

struct rate_limit_entry;

/* Fixed-window counter per kernel-verified pid (spec 01 section 8). Zeroed memory is a limiter that is off. */
struct rate_limit {
    uint32_t max; /* 0: off */
    nsec_t window_nsec;
    uint64_t seed;
    uint32_t n_entries;
    uint32_t newest, oldest;          /* by last use; index + 1, 0: none */
    struct rate_limit_entry *entries; /* RATE_LIMIT_PEERS_MAX of them; pages are touched as peers come */
    uint32_t *buckets;                /* index + 1 of the first entry */
};

/* @max Hellos per @window_nsec (0: one second) for each peer; @max 0 turns the limiter off. 0 or -ENOMEM. */
int rate_limit_init(struct rate_limit *limit, uint32_t max, nsec_t window_nsec);
void rate_limit_deinit(struct rate_limit *limit);

/*
 * Counts one Hello of @pid at @now_nsec. A pid of 0 (a peer outside our pid namespace) shares one bucket with all such
 * peers of @uid. Returns 0 when allowed, else the milliseconds until the window ends (at least 1); a refused one is not
 * counted.
 */
uint64_t rate_limit_check(struct rate_limit *limit, pid_t pid, uid_t uid, nsec_t now_nsec);
