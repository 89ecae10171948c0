/* SPDX-License-Identifier: MIT */

/* The limiter against the check values of spec 01 section 8, and its bound on memory. */

#include "check.h"
#include "hello/rate_limit.h"

static struct rate_limit make(uint32_t max, nsec_t window_nsec)
{
    struct rate_limit limit;

    check_fatal(rate_limit_init(&limit, max, window_nsec) == 0);
    return limit;
}

static void test_third_of_two(void)
{
    struct rate_limit limit = make(2, NSEC_PER_SEC);

    check_int(rate_limit_check(&limit, 7, 0, 100), 0);
    check_int(rate_limit_check(&limit, 7, 0, 200), 0);
    check(rate_limit_check(&limit, 7, 0, 300) > 0);
    check_int(rate_limit_check(&limit, 8, 0, 300), 0);
    rate_limit_deinit(&limit);
}

/* Time left, in whole milliseconds, at least one; the refused one did not count, and the window is fixed. */
static void test_retry_after(void)
{
    struct rate_limit limit = make(1, NSEC_PER_SEC);
    nsec_t start_nsec = 5 * NSEC_PER_SEC;

    check_int(rate_limit_check(&limit, 7, 0, start_nsec), 0);
    check_int(rate_limit_check(&limit, 7, 0, start_nsec), 1000);
    check_int(rate_limit_check(&limit, 7, 0, start_nsec + 268 * NSEC_PER_MSEC + 1), 731);
    check_int(rate_limit_check(&limit, 7, 0, start_nsec + NSEC_PER_SEC - 1), 1);
    check_int(rate_limit_check(&limit, 7, 0, start_nsec + NSEC_PER_SEC), 0);
    check_int(rate_limit_check(&limit, 7, 0, start_nsec + NSEC_PER_SEC), 1000);
    rate_limit_deinit(&limit);
}

static void test_default_window(void)
{
    struct rate_limit limit = make(RATE_LIMIT_DEFAULT, 0);

    for (int i = 0; i < 256; i++) {
        check_int(rate_limit_check(&limit, 7, 0, 0), 0);
    }
    check_int(rate_limit_check(&limit, 7, 0, 0), 1000);
    check_int(rate_limit_check(&limit, 7, 0, NSEC_PER_SEC), 0);
    rate_limit_deinit(&limit);
}

static void test_off(void)
{
    struct rate_limit limit = make(0, 0);

    for (int i = 0; i < 100000; i++) {
        check_fatal(rate_limit_check(&limit, 7, 0, 0) == 0);
    }
    check(limit.entries == NULL);
    rate_limit_deinit(&limit);
}

/* Peers without a pid share one bucket by uid; a uid is never taken for a pid. */
static void test_without_pid(void)
{
    struct rate_limit limit = make(1, NSEC_PER_SEC);

    check_int(rate_limit_check(&limit, 0, 1000, 0), 0);
    check(rate_limit_check(&limit, 0, 1000, 0) > 0);
    check_int(rate_limit_check(&limit, 0, 1001, 0), 0);
    check_int(rate_limit_check(&limit, 1000, 1000, 0), 0);
    rate_limit_deinit(&limit);
}

static void test_million_peers(void)
{
    struct rate_limit limit = make(1, NSEC_PER_SEC);

    for (pid_t pid = 1; pid <= 1000000; pid++) {
        check_fatal(rate_limit_check(&limit, pid, 0, (nsec_t)pid) == 0);
    }
    check_int(limit.n_entries, RATE_LIMIT_PEERS_MAX);
    check(rate_limit_check(&limit, 1000000, 0, 1000001) > 0);
    check(rate_limit_check(&limit, 1000000 - RATE_LIMIT_PEERS_MAX + 1, 0, 1000001) > 0);
    check_int(rate_limit_check(&limit, 1000000 - RATE_LIMIT_PEERS_MAX, 0, 1000001), 0);
    rate_limit_deinit(&limit);
}

/* Who keeps asking is never the one that is forgotten. */
static void test_busy_peer_is_kept(void)
{
    struct rate_limit limit = make(1, NSEC_PER_SEC);

    check_int(rate_limit_check(&limit, 1, 0, 0), 0);
    for (pid_t pid = 2; pid <= 3 * RATE_LIMIT_PEERS_MAX; pid++) {
        check_fatal(rate_limit_check(&limit, pid, 0, 0) == 0);
        check_fatal(rate_limit_check(&limit, 1, 0, 0) > 0);
    }
    rate_limit_deinit(&limit);
}

static void test_deinit(void)
{
    struct rate_limit limit = {0};

    rate_limit_deinit(&limit);
    check_int(rate_limit_check(&limit, 1, 0, 0), 0);
    check_int(rate_limit_init(&limit, 3, 0), 0);
    rate_limit_deinit(&limit);
    rate_limit_deinit(&limit);
}

CHECK_PROGRAM("hello/rate_limit", {"limit 2: the third of one pid is refused, others are not", test_third_of_two},
              {"retry is what is left of a fixed window, at least 1 ms", test_retry_after},
              {"256 a second by default", test_default_window}, {"0 turns it off and holds no table", test_off},
              {"peers without a pid share a bucket by uid", test_without_pid},
              {"a million pids fit a table of 4096, the latest are remembered", test_million_peers},
              {"a peer that keeps asking is not forgotten", test_busy_peer_is_kept},
              {"deinit accepts zeroes, and twice", test_deinit})
