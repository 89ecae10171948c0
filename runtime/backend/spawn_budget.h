/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How often a key may be launched (spec 03 §7.1): so many attempts in a fixed window, one at a time. The clock is an
 * argument, so that this is arithmetic and nothing else.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backend/key.h"
#include "base/clock.h"

enum {
    SPAWN_BUDGET_ATTEMPTS = 3,
    SPAWN_BUDGET_WINDOW_MS = 30000,
    SPAWN_BUDGET_KEYS_MAX = 4096, /* more keys than this in one window: the oldest is forgotten */
};

enum {
    _SPAWN_BUDGET_E_SUCCESS,
    SPAWN_BUDGET_E_IN_PROGRESS,
    SPAWN_BUDGET_E_EXHAUSTED,
};

struct spawn_state {
    LIST_ENTRY(spawn_state) entry;
    TAILQ_ENTRY(spawn_state) by_age; /* oldest first */
    struct backend_key key;
    nsec_t window_started_nsec;
    uint32_t attempts_used;
    uint32_t generation; /* of the permit given last */
    bool in_flight;
    bool storm_signaled;
};

LIST_HEAD(spawn_states, spawn_state);
TAILQ_HEAD(spawn_states_by_age, spawn_state);

struct spawn_budget {
    uint32_t max_attempts;
    nsec_t window_nsec;
    uint32_t n_states;
    struct spawn_states buckets[256];
    struct spawn_states_by_age by_age;
};

/* A leave to launch. Plain data; one that has been finished, or was overtaken, changes nothing any more. */
struct spawn_permit {
    uint32_t generation; /* 0: none */
    uint32_t attempt;    /* 1-based */
    uint32_t remaining;  /* after this attempt */
};

struct spawn_refusal {
    nsec_t retry_after_nsec;
    bool is_storm_trip; /* the first such refusal since the window began */
};

struct spawn_row {
    struct backend_key key;
    uint32_t attempts_used;
    uint32_t remaining;
    bool in_flight;
    bool has_retry_after; /* only when nothing remains */
    uint64_t retry_after_ms;
};

/* @max_attempts 0 counts as 1, @window 0 as one millisecond. Allocates nothing. */
void spawn_budget_init(struct spawn_budget *budget, uint32_t max_attempts, nsec_t window_nsec);
void spawn_budget_deinit(struct spawn_budget *budget);

/* Frees every state that says nothing any more: no flight, no attempt in its window. Returns how many are left. */
uint32_t spawn_budget_sweep(struct spawn_budget *budget, nsec_t now_nsec);

/*
 * Takes one attempt and the single flight of @key. 0 and *@ret_permit; SPAWN_BUDGET_E_IN_PROGRESS;
 * SPAWN_BUDGET_E_EXHAUSTED and *@ret_refusal; -ENOMEM. Only 0 spends an attempt.
 */
int spawn_budget_try_begin(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec,
                           struct spawn_permit *ret_permit, struct spawn_refusal *ret_refusal);

/* The same answer without taking anything but, when refused, the storm signal. Creates no state. */
int spawn_budget_check(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec,
                       struct spawn_refusal *ret_refusal);

/* The launch is over and failed: the flight ends, the attempt stays spent. */
void spawn_budget_finish_failed(struct spawn_budget *budget, const struct backend_key *key, struct spawn_permit permit,
                                nsec_t now_nsec);

/* The launch is over and a backend lives: the flight ends, the attempt stays spent until mark_stable(). */
void spawn_budget_finish_launched(struct spawn_budget *budget, const struct backend_key *key,
                                  struct spawn_permit permit, nsec_t now_nsec);

/* The reference's success: the flight ends and the window begins anew. What mark_stable() and the model's tests use. */
void spawn_budget_finish_success(struct spawn_budget *budget, const struct backend_key *key, struct spawn_permit permit,
                                 nsec_t now_nsec);

/* Gives the attempt of @permit back; the flight goes on until it is finished. */
void spawn_budget_refund(struct spawn_budget *budget, const struct backend_key *key, struct spawn_permit permit,
                         nsec_t now_nsec);

/* A backend of @key has run for the stability period: its attempts are forgiven. A flight under way goes on. */
void spawn_budget_mark_stable(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec);

/* What is known of @key; a key never seen has its whole budget. Creates nothing. */
void spawn_budget_snapshot(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec,
                           struct spawn_row *ret_row);

/* Calls @each for every key with state, in no order. */
void spawn_budget_each(struct spawn_budget *budget, nsec_t now_nsec,
                       void (*each)(const struct spawn_row *row, void *userdata), void *userdata);
