/* SPDX-License-Identifier: MIT */

#include "backend/spawn_budget.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

#define S(seconds) ((nsec_t)(seconds)*NSEC_PER_SEC)

static const nsec_t T0 = S(1000);

static struct backend_key key_of(const char *version)
{
    struct backend_key key;

    check_fatal(backend_key_make(SLICE("shared"), SLICE("svc"), slice_from(version), (const uint8_t[32]){1}, &key));
    return key;
}

static int fail_at(struct spawn_budget *budget, const struct backend_key *key, nsec_t now,
                   struct spawn_refusal *refusal)
{
    struct spawn_permit permit;
    int r = spawn_budget_try_begin(budget, key, now, &permit, refusal);

    if (r == 0) {
        spawn_budget_finish_failed(budget, key, permit, now);
    }
    return r;
}

static void test_storm_trip(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct spawn_permit permit;
    struct backend_key key = key_of("1.0.0");

    spawn_budget_init(&budget, 2, S(10));
    check_int(fail_at(&budget, &key, T0, &refusal), 0);
    check_int(fail_at(&budget, &key, T0, &refusal), 0);
    check_int(fail_at(&budget, &key, T0, &refusal), SPAWN_BUDGET_E_EXHAUSTED);
    check_int(refusal.retry_after_nsec, S(10));
    check(refusal.is_storm_trip);
    for (int i = 0; i < 5; i++) {
        check_int(fail_at(&budget, &key, T0, &refusal), SPAWN_BUDGET_E_EXHAUSTED);
        check(!refusal.is_storm_trip);
    }
    /* the next window trips again, and so does the time after a success */
    check_int(spawn_budget_try_begin(&budget, &key, T0 + S(10), &permit, &refusal), 0);
    spawn_budget_finish_success(&budget, &key, permit, T0 + S(10));
    check_int(fail_at(&budget, &key, T0 + S(10), &refusal), 0);
    check_int(fail_at(&budget, &key, T0 + S(10), &refusal), 0);
    check_int(fail_at(&budget, &key, T0 + S(10), &refusal), SPAWN_BUDGET_E_EXHAUSTED);
    check(refusal.is_storm_trip);
    spawn_budget_deinit(&budget);
}

static void test_snapshot(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct backend_key key = key_of("1.0.0"), other = key_of("1.0.1");
    struct spawn_row row;

    spawn_budget_init(&budget, 1, S(10));
    check_int(fail_at(&budget, &key, T0, &refusal), 0);
    spawn_budget_snapshot(&budget, &key, T0 + S(3), &row);
    check_int(row.attempts_used, 1);
    check_int(row.remaining, 0);
    check(row.has_retry_after && !row.in_flight);
    check_int(row.retry_after_ms, 7000);
    spawn_budget_snapshot(&budget, &other, T0, &row);
    check_int(row.attempts_used, 0);
    check_int(row.remaining, 1);
    check(!row.has_retry_after);
    check_int(budget.n_states, 1); /* looking creates nothing */
    check_int(spawn_budget_check(&budget, &other, T0, &refusal), 0);
    check_int(budget.n_states, 1);
    spawn_budget_deinit(&budget);
}

static void test_default(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct spawn_permit permit;
    struct backend_key key = key_of("1.0.0");

    spawn_budget_init(&budget, SPAWN_BUDGET_ATTEMPTS, nsec_from_msec(SPAWN_BUDGET_WINDOW_MS));
    for (int i = 0; i < 3; i++) {
        check_int(fail_at(&budget, &key, T0, &refusal), 0);
    }
    check_int(spawn_budget_check(&budget, &key, T0 + S(29), &refusal), SPAWN_BUDGET_E_EXHAUSTED);
    check_int(refusal.retry_after_nsec, S(1));
    check_int(spawn_budget_try_begin(&budget, &key, T0 + S(30), &permit, &refusal), 0);
    check_int(permit.attempt, 1);
    check_int(permit.remaining, 2);
    spawn_budget_deinit(&budget);
}

static void test_clamps(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct backend_key key = key_of("1.0.0");

    spawn_budget_init(&budget, 0, 0);
    check_int(fail_at(&budget, &key, T0, &refusal), 0);
    check_int(fail_at(&budget, &key, T0, &refusal), SPAWN_BUDGET_E_EXHAUSTED);
    check_int(refusal.retry_after_nsec, NSEC_PER_MSEC);
    check_int(fail_at(&budget, &key, T0 + NSEC_PER_MSEC, &refusal), 0);
    spawn_budget_deinit(&budget);
}

static void test_single_flight(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct spawn_permit permit, second;
    struct backend_key key = key_of("1.0.0"), other = key_of("1.0.1");
    struct spawn_row row;

    spawn_budget_init(&budget, 3, S(30));
    check_int(spawn_budget_try_begin(&budget, &key, T0, &permit, &refusal), 0);
    check_int(permit.attempt, 1);
    check_int(spawn_budget_try_begin(&budget, &key, T0, &second, &refusal), SPAWN_BUDGET_E_IN_PROGRESS);
    spawn_budget_snapshot(&budget, &key, T0, &row);
    check_int(row.attempts_used, 1);                                              /* the refusal spent nothing */
    check_int(spawn_budget_try_begin(&budget, &other, T0, &second, &refusal), 0); /* keys are independent */
    spawn_budget_finish_failed(&budget, &other, second, T0);
    /* a launch that lasts longer than the window stays the only one */
    check_int(spawn_budget_try_begin(&budget, &key, T0 + S(40), &second, &refusal), SPAWN_BUDGET_E_IN_PROGRESS);
    spawn_budget_finish_launched(&budget, &key, permit, T0 + S(41));
    check_int(spawn_budget_try_begin(&budget, &key, T0 + S(41), &second, &refusal), 0);
    /* and its permit ends nothing a second time */
    spawn_budget_finish_failed(&budget, &key, permit, T0 + S(41));
    check_int(spawn_budget_check(&budget, &key, T0 + S(41), &refusal), SPAWN_BUDGET_E_IN_PROGRESS);
    spawn_budget_finish_failed(&budget, &key, (struct spawn_permit){0}, T0 + S(41));
    check_int(spawn_budget_check(&budget, &key, T0 + S(41), &refusal), SPAWN_BUDGET_E_IN_PROGRESS);
    spawn_budget_deinit(&budget);
}

/* Generation 0 means that there is no permit; it is left out when they begin anew. */
static void test_generations_wrap(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct spawn_permit permit;
    struct backend_key key = key_of("1.0.0");

    spawn_budget_init(&budget, 3, S(30));
    check_int(fail_at(&budget, &key, T0, &refusal), 0);
    TAILQ_FIRST(&budget.by_age)->generation = UINT32_MAX;
    check_int(spawn_budget_try_begin(&budget, &key, T0, &permit, &refusal), 0);
    check_int(permit.generation, 1);
    spawn_budget_finish_failed(&budget, &key, permit, T0);
    check_int(spawn_budget_check(&budget, &key, T0, &refusal), 0);
    spawn_budget_deinit(&budget);
}

static void test_launched_is_not_forgiven(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct spawn_permit permit;
    struct backend_key key = key_of("1.0.0"), unknown = key_of("9.9.9");
    struct spawn_row row;

    spawn_budget_init(&budget, 3, S(30));
    for (int i = 0; i < 3; i++) {
        check_int(spawn_budget_try_begin(&budget, &key, T0 + S(i), &permit, &refusal), 0);
        spawn_budget_finish_launched(&budget, &key, permit, T0 + S(i));
    }
    check_int(spawn_budget_check(&budget, &key, T0 + S(3), &refusal), SPAWN_BUDGET_E_EXHAUSTED);
    spawn_budget_mark_stable(&budget, &key, T0 + S(4));
    spawn_budget_snapshot(&budget, &key, T0 + S(4), &row);
    check_int(row.attempts_used, 0);
    spawn_budget_mark_stable(&budget, &unknown, T0);
    spawn_budget_finish_failed(&budget, &unknown, permit, T0);
    spawn_budget_refund(&budget, &unknown, permit, T0);
    check_int(budget.n_states, 1);
    spawn_budget_deinit(&budget);
}

static void test_refund(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct spawn_permit permit;
    struct backend_key key = key_of("1.0.0");
    struct spawn_row row;

    spawn_budget_init(&budget, 1, S(30));
    check_int(spawn_budget_try_begin(&budget, &key, T0, &permit, &refusal), 0);
    spawn_budget_refund(&budget, &key, permit, T0);
    spawn_budget_snapshot(&budget, &key, T0, &row);
    check_int(row.attempts_used, 0);
    check(row.in_flight);
    spawn_budget_finish_failed(&budget, &key, permit, T0);
    check_int(spawn_budget_try_begin(&budget, &key, T0, &permit, &refusal), 0);
    spawn_budget_finish_failed(&budget, &key, permit, T0);
    spawn_budget_refund(&budget, &key, permit, T0); /* over: gives nothing back any more */
    check_int(spawn_budget_check(&budget, &key, T0, &refusal), SPAWN_BUDGET_E_EXHAUSTED);
    /* nor is there anything to give back when the window has ended meanwhile */
    check_int(spawn_budget_try_begin(&budget, &key, T0 + S(30), &permit, &refusal), 0);
    spawn_budget_refund(&budget, &key, permit, T0 + S(60));
    spawn_budget_finish_failed(&budget, &key, permit, T0 + S(60));
    spawn_budget_snapshot(&budget, &key, T0 + S(60), &row);
    check_int(row.attempts_used, 0);
    check_int(row.remaining, 1);
    spawn_budget_deinit(&budget);
}

static void test_clock_going_back(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct backend_key key = key_of("1.0.0");

    spawn_budget_init(&budget, 1, S(10));
    check_int(fail_at(&budget, &key, T0, &refusal), 0);
    check_int(fail_at(&budget, &key, T0 - S(5), &refusal), SPAWN_BUDGET_E_EXHAUSTED);
    check_int(refusal.retry_after_nsec, S(10));
    spawn_budget_deinit(&budget);
}

static void test_collection(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct spawn_permit permit;
    struct backend_key key, flying = key_of("0.0.0");
    struct spawn_row row;
    char version[32];

    spawn_budget_init(&budget, 3, S(30));
    check_int(spawn_budget_try_begin(&budget, &flying, T0, &permit, &refusal), 0);
    for (int i = 1; i < SPAWN_BUDGET_KEYS_MAX; i++) {
        snprintf(version, sizeof(version), "1.0.%d", i);
        key = key_of(version);
        check_int(fail_at(&budget, &key, T0, &refusal), 0);
    }
    check_int(budget.n_states, SPAWN_BUDGET_KEYS_MAX);
    key = key_of("2.0.0"); /* the oldest makes room, but not the one that flies */
    check_int(spawn_budget_check(&budget, &key, T0 + S(1), &refusal), 0);
    check_int(fail_at(&budget, &key, T0 + S(1), &refusal), 0);
    check_int(budget.n_states, SPAWN_BUDGET_KEYS_MAX);
    check_int(spawn_budget_check(&budget, &flying, T0 + S(1), &refusal), SPAWN_BUDGET_E_IN_PROGRESS);
    key = key_of("1.0.1");
    spawn_budget_snapshot(&budget, &key, T0 + S(1), &row);
    check_int(row.attempts_used, 0);
    key = key_of("1.0.2");
    spawn_budget_snapshot(&budget, &key, T0 + S(1), &row);
    check_int(row.attempts_used, 1);
    check_int(spawn_budget_sweep(&budget, T0 + S(29)), SPAWN_BUDGET_KEYS_MAX);
    check_int(spawn_budget_sweep(&budget, T0 + S(30)), 2); /* the flight, and the one that came a second later */
    check_int(spawn_budget_check(&budget, &flying, T0 + S(60), &refusal), SPAWN_BUDGET_E_IN_PROGRESS);
    check_int(spawn_budget_sweep(&budget, T0 + S(31)), 1);
    spawn_budget_finish_failed(&budget, &flying, permit, T0 + S(61)); /* which looks at it, so its window began anew */
    check_int(spawn_budget_sweep(&budget, T0 + S(61)), 0);
    spawn_budget_deinit(&budget);
    spawn_budget_deinit(&budget);
}

struct rows {
    int n;
    uint32_t used;
};

static void count_row(const struct spawn_row *row, void *userdata)
{
    struct rows *rows = userdata;

    rows->n++;
    rows->used += row->attempts_used;
}

static void test_rows(void)
{
    struct spawn_budget budget;
    struct spawn_refusal refusal;
    struct backend_key a = key_of("1.0.0"), b = key_of("1.0.1");
    struct rows rows = {0};

    spawn_budget_init(&budget, 3, S(30));
    fail_at(&budget, &a, T0, &refusal);
    fail_at(&budget, &a, T0, &refusal);
    fail_at(&budget, &b, T0 + S(20), &refusal);
    spawn_budget_each(&budget, T0 + S(20), count_row, &rows);
    check_int(rows.n, 2);
    check_int(rows.used, 3);
    rows = (struct rows){0};
    spawn_budget_each(&budget, T0 + S(31), count_row, &rows);
    check_int(rows.used, 1); /* the first window is over */
    spawn_budget_deinit(&budget);
}

CHECK_PROGRAM("backend/spawn_budget", {"2 in 10 s: the trip is told once", test_storm_trip},
              {"1 in 10 s: what a snapshot says", test_snapshot}, {"3 in 30 s", test_default},
              {"zeroes are clamped", test_clamps}, {"one flight a key, generations", test_single_flight},
              {"generations begin anew at 1", test_generations_wrap},
              {"a launch is not forgiven before it is stable", test_launched_is_not_forgiven},
              {"a refund gives the attempt back, not the flight", test_refund},
              {"a clock that goes back counts as none elapsed", test_clock_going_back},
              {"states that say nothing are collected", test_collection}, {"rows", test_rows})
