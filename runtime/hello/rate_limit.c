/* SPDX-License-Identifier: MIT */

/*
 * A fixed-window counter per peer, in a table of fixed size: a chained hash over entries that also form a list by last
 * use, and the least recently used one makes room for a newcomer. So a million short-lived processes cost no more
 * memory than four thousand, and a process that asks without pause is never forgotten. Time is given by the caller;
 * nothing sweeps, because a window that has ended is started anew when its peer comes back.
 */

#include "hello/rate_limit.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/random.h"

enum { BUCKETS = RATE_LIMIT_PEERS_MAX };

/* Links are index + 1, so that a zeroed table is an empty one and untouched pages stay untouched. */
struct rate_limit_entry {
    uint64_t key;
    nsec_t start_nsec;
    uint32_t count;
    uint32_t next; /* in the bucket */
    uint32_t newer, older;
};

int rate_limit_init(struct rate_limit *limit, uint32_t max, nsec_t window_nsec)
{
    int r;

    *limit = (struct rate_limit){
        .max = max,
        .window_nsec = window_nsec != 0 ? window_nsec : NSEC_PER_SEC,
    };
    if (max == 0) {
        return 0;
    }
    r = random_bytes(&limit->seed, sizeof(limit->seed));
    if (r < 0) {
        return error_trace(r);
    }
    limit->seed |= 1;
    limit->entries = calloc(RATE_LIMIT_PEERS_MAX, sizeof(*limit->entries));
    limit->buckets = calloc(BUCKETS, sizeof(*limit->buckets));
    if (limit->entries == NULL || limit->buckets == NULL) {
        rate_limit_deinit(limit);
        return error_origin(-ENOMEM);
    }
    return 0;
}

void rate_limit_deinit(struct rate_limit *limit)
{
    free(limit->entries);
    free(limit->buckets);
    *limit = (struct rate_limit){0};
}

/* A pid has 31 bits at most, so a uid with a bit above them is never taken for one. */
static uint64_t key_of(pid_t pid, uid_t uid)
{
    return pid != 0 ? (uint64_t)(uint32_t)pid : (uint64_t)uid | UINT64_C(1) << 32;
}

static uint32_t *bucket_of(struct rate_limit *limit, uint64_t key)
{
    return &limit->buckets[(key * limit->seed * UINT64_C(0x9E3779B97F4A7C15)) >> 52];
}

static struct rate_limit_entry *at(struct rate_limit *limit, uint32_t link)
{
    return &limit->entries[link - 1];
}

static void take_out(struct rate_limit *limit, uint32_t link)
{
    struct rate_limit_entry *entry = at(limit, link);

    if (entry->newer != 0) {
        at(limit, entry->newer)->older = entry->older;
    } else {
        limit->newest = entry->older;
    }
    if (entry->older != 0) {
        at(limit, entry->older)->newer = entry->newer;
    } else {
        limit->oldest = entry->newer;
    }
}

static void put_newest(struct rate_limit *limit, uint32_t link)
{
    struct rate_limit_entry *entry = at(limit, link);

    entry->newer = 0;
    entry->older = limit->newest;
    if (limit->newest != 0) {
        at(limit, limit->newest)->newer = link;
    } else {
        limit->oldest = link;
    }
    limit->newest = link;
}

static uint32_t find(struct rate_limit *limit, uint64_t key)
{
    uint32_t link = *bucket_of(limit, key);

    while (link != 0 && at(limit, link)->key != key) {
        link = at(limit, link)->next;
    }
    return link;
}

/* Removes the entry used longest ago from both lists and returns it. */
static uint32_t forget_oldest(struct rate_limit *limit)
{
    uint32_t link = limit->oldest;
    uint32_t *place = bucket_of(limit, at(limit, link)->key);

    while (*place != link) {
        place = &at(limit, *place)->next;
    }
    *place = at(limit, link)->next;
    take_out(limit, link);
    return link;
}

static uint32_t add(struct rate_limit *limit, uint64_t key, nsec_t now_nsec)
{
    uint32_t link = limit->n_entries < RATE_LIMIT_PEERS_MAX ? ++limit->n_entries : forget_oldest(limit);
    uint32_t *bucket = bucket_of(limit, key);

    *at(limit, link) = (struct rate_limit_entry){.key = key, .start_nsec = now_nsec, .next = *bucket};
    *bucket = link;
    put_newest(limit, link);
    return link;
}

uint64_t rate_limit_check(struct rate_limit *limit, pid_t pid, uid_t uid, nsec_t now_nsec)
{
    uint64_t key = key_of(pid, uid), left_ms;
    struct rate_limit_entry *entry;
    nsec_t elapsed_nsec;
    uint32_t link;

    if (limit->max == 0) {
        return 0;
    }
    link = find(limit, key);
    if (link == 0) {
        link = add(limit, key, now_nsec);
    } else if (limit->newest != link) {
        take_out(limit, link);
        put_newest(limit, link);
    }
    entry = at(limit, link);
    elapsed_nsec = now_nsec - entry->start_nsec;
    if (elapsed_nsec >= limit->window_nsec) {
        entry->start_nsec = now_nsec;
        entry->count = 0;
        elapsed_nsec = 0;
    }
    if (entry->count < limit->max) {
        entry->count++;
        return 0;
    }
    left_ms = (limit->window_nsec - elapsed_nsec) / NSEC_PER_MSEC;
    return left_ms > 0 ? left_ms : 1;
}
