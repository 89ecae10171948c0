/* SPDX-License-Identifier: MIT */

/*
 * A fixed window a key. Every operation first refreshes the state that it touches: when the window is over, the
 * attempts and the storm signal are forgotten. What is not forgotten is a flight under way: a launch that lasts longer
 * than the window stays the only one. A permit carries the generation of the flight, so that the late end of an old
 * launch cannot clear a newer one. A success forgives nothing by itself: only a backend that stays up does. States
 * that say nothing any more are freed by the sweep. In a full table the oldest state
 * without a flight makes room, so that one client's many versions never keep another service from being launched. No
 * clock, no input or output.
 */

#include "backend/spawn_budget.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void spawn_budget_init(struct spawn_budget *budget, uint32_t max_attempts, nsec_t window_nsec)
{
    memset(budget, 0, sizeof(*budget));
    budget->max_attempts = max_attempts > 0 ? max_attempts : 1;
    budget->window_nsec = window_nsec > 0 ? window_nsec : NSEC_PER_MSEC;
    TAILQ_INIT(&budget->by_age);
}

static void forget(struct spawn_budget *budget, struct spawn_state *state)
{
    LIST_REMOVE(state, entry);
    TAILQ_REMOVE(&budget->by_age, state, by_age);
    free(state);
    budget->n_states--;
}

void spawn_budget_deinit(struct spawn_budget *budget)
{
    struct spawn_state *state;

    while (budget->n_states > 0 && (state = TAILQ_FIRST(&budget->by_age))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each call takes the first one off the list */
        forget(budget, state);
    }
}

static struct spawn_states *bucket_of(struct spawn_budget *budget, const struct backend_key *key)
{
    return &budget->buckets[backend_key_bucket(key) % 256];
}

static nsec_t elapsed_of(const struct spawn_state *state, nsec_t now_nsec)
{
    return now_nsec > state->window_started_nsec ? now_nsec - state->window_started_nsec : 0;
}

static void refresh(struct spawn_budget *budget, struct spawn_state *state, nsec_t now_nsec)
{
    if (elapsed_of(state, now_nsec) < budget->window_nsec) {
        return;
    }
    state->window_started_nsec = now_nsec;
    state->attempts_used = 0;
    state->storm_signaled = false;
}

static struct spawn_state *find(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec)
{
    struct spawn_state *state;

    LIST_FOREACH(state, bucket_of(budget, key), entry)
    {
        if (backend_key_equal(&state->key, key)) {
            refresh(budget, state, now_nsec);
            return state;
        }
    }
    return NULL;
}

/* Somebody who knew nothing of the key would judge the same. */
static bool says_nothing(const struct spawn_budget *budget, const struct spawn_state *state, nsec_t now_nsec)
{
    return !state->in_flight && (state->attempts_used == 0 || elapsed_of(state, now_nsec) >= budget->window_nsec);
}

uint32_t spawn_budget_sweep(struct spawn_budget *budget, nsec_t now_nsec)
{
    struct spawn_state *state, *next;

    for (state = TAILQ_FIRST(&budget->by_age); state; state = next) {
        next = TAILQ_NEXT(state, by_age);
        if (says_nothing(budget, state, now_nsec)) {
            forget(budget, state);
        }
    }
    return budget->n_states;
}

/* In a full table the oldest that does not fly goes; flights are few. */
static void make_room(struct spawn_budget *budget)
{
    struct spawn_state *state;

    TAILQ_FOREACH(state, &budget->by_age, by_age)
    {
        if (budget->n_states < SPAWN_BUDGET_KEYS_MAX) {
            return;
        }
        if (!state->in_flight) {
            forget(budget, state);
            return;
        }
    }
}

static int find_or_add(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec,
                       struct spawn_state **ret)
{
    struct spawn_state *state = find(budget, key, now_nsec);

    if (state) {
        *ret = state;
        return 0;
    }
    make_room(budget);
    state = calloc(1, sizeof(*state));
    if (!state) {
        return error_origin(-ENOMEM);
    }
    state->key = *key;
    state->window_started_nsec = now_nsec;
    LIST_INSERT_HEAD(bucket_of(budget, key), state, entry);
    TAILQ_INSERT_TAIL(&budget->by_age, state, by_age);
    budget->n_states++;
    *ret = state;
    return 0;
}

/* 0, or why @state may not begin a flight now. */
static int judge(struct spawn_budget *budget, struct spawn_state *state, nsec_t now_nsec,
                 struct spawn_refusal *ret_refusal)
{
    if (state->in_flight) {
        return SPAWN_BUDGET_E_IN_PROGRESS;
    }
    if (state->attempts_used < budget->max_attempts) {
        return 0;
    }
    *ret_refusal = (struct spawn_refusal){
        .retry_after_nsec = budget->window_nsec - elapsed_of(state, now_nsec),
        .is_storm_trip = !state->storm_signaled,
    };
    state->storm_signaled = true;
    return SPAWN_BUDGET_E_EXHAUSTED;
}

int spawn_budget_try_begin(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec,
                           struct spawn_permit *ret_permit, struct spawn_refusal *ret_refusal)
{
    struct spawn_state *state = NULL;
    int r;

    r = find_or_add(budget, key, now_nsec, &state);
    if (r < 0 || !state) {
        return error_trace(r);
    }
    r = judge(budget, state, now_nsec, ret_refusal);
    if (r) {
        return r;
    }
    state->attempts_used++;
    state->in_flight = true;
    state->generation++;
    if (state->generation == 0) {
        state->generation = 1; /* 0 means: no permit */
    }
    *ret_permit = (struct spawn_permit){
        .generation = state->generation,
        .attempt = state->attempts_used,
        .remaining = budget->max_attempts - state->attempts_used,
    };
    return 0;
}

int spawn_budget_check(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec,
                       struct spawn_refusal *ret_refusal)
{
    struct spawn_state *state = find(budget, key, now_nsec);

    return state ? judge(budget, state, now_nsec, ret_refusal) : 0;
}

/* The state whose flight @permit still is; NULL: it was overtaken, or is over. */
static struct spawn_state *find_flight(struct spawn_budget *budget, const struct backend_key *key,
                                       struct spawn_permit permit, nsec_t now_nsec)
{
    struct spawn_state *state = permit.generation != 0 ? find(budget, key, now_nsec) : NULL;

    return state && state->in_flight && state->generation == permit.generation ? state : NULL;
}

void spawn_budget_finish_failed(struct spawn_budget *budget, const struct backend_key *key, struct spawn_permit permit,
                                nsec_t now_nsec)
{
    struct spawn_state *state = find_flight(budget, key, permit, now_nsec);

    if (state) {
        state->in_flight = false;
    }
}

void spawn_budget_finish_launched(struct spawn_budget *budget, const struct backend_key *key,
                                  struct spawn_permit permit, nsec_t now_nsec)
{
    spawn_budget_finish_failed(budget, key, permit, now_nsec);
}

static void forgive(struct spawn_state *state, nsec_t now_nsec)
{
    state->window_started_nsec = now_nsec;
    state->attempts_used = 0;
    state->storm_signaled = false;
}

void spawn_budget_finish_success(struct spawn_budget *budget, const struct backend_key *key, struct spawn_permit permit,
                                 nsec_t now_nsec)
{
    struct spawn_state *state = find_flight(budget, key, permit, now_nsec);

    if (state) {
        state->in_flight = false;
        forgive(state, now_nsec);
    }
}

void spawn_budget_refund(struct spawn_budget *budget, const struct backend_key *key, struct spawn_permit permit,
                         nsec_t now_nsec)
{
    struct spawn_state *state = find_flight(budget, key, permit, now_nsec);

    if (state && state->attempts_used > 0) {
        state->attempts_used--;
    }
}

void spawn_budget_mark_stable(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec)
{
    struct spawn_state *state = find(budget, key, now_nsec);

    if (state) {
        forgive(state, now_nsec);
    }
}

static uint64_t retry_ms(nsec_t left_nsec)
{
    uint64_t ms = left_nsec / NSEC_PER_MSEC;

    return ms > 0 ? ms : 1;
}

static void fill_row(const struct spawn_budget *budget, const struct spawn_state *state, nsec_t now_nsec,
                     struct spawn_row *ret_row)
{
    uint32_t used = state->attempts_used;
    uint32_t remaining = used < budget->max_attempts ? budget->max_attempts - used : 0;

    *ret_row = (struct spawn_row){
        .key = state->key,
        .attempts_used = used,
        .remaining = remaining,
        .in_flight = state->in_flight,
        .has_retry_after = remaining == 0,
        .retry_after_ms = remaining == 0 ? retry_ms(budget->window_nsec - elapsed_of(state, now_nsec)) : 0,
    };
}

void spawn_budget_snapshot(struct spawn_budget *budget, const struct backend_key *key, nsec_t now_nsec,
                           struct spawn_row *ret_row)
{
    const struct spawn_state *state = find(budget, key, now_nsec);

    if (state) {
        fill_row(budget, state, now_nsec, ret_row);
    } else {
        *ret_row = (struct spawn_row){.key = *key, .remaining = budget->max_attempts};
    }
}

void spawn_budget_each(struct spawn_budget *budget, nsec_t now_nsec,
                       void (*each)(const struct spawn_row *row, void *userdata), void *userdata)
{
    struct spawn_state *state;
    struct spawn_row row;

    for (size_t i = 0; i < 256; i++) {
        LIST_FOREACH(state, &budget->buckets[i], entry)
        {
            refresh(budget, state, now_nsec);
            fill_row(budget, state, now_nsec, &row);
            each(&row, userdata);
        }
    }
}
