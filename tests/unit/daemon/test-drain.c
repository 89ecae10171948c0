/* SPDX-License-Identifier: MIT */

/* The way from serving to the end (spec 05 §5.2, spec 03 §13.3, decision 21). */

#include <signal.h>

#include "check.h"
#include "base/log.h"
#include "daemon/drain.h"

struct house {
    struct loop loop;
    struct drain drain;
    bool is_quiet;
    int begun, ended, forced, asked;
};

static void begin(void *owner)
{
    ((struct house *)owner)->begun++;
}

static bool is_quiet(void *owner)
{
    struct house *house = owner;

    house->asked++;
    return house->is_quiet;
}

static void end(void *owner, bool is_forced)
{
    struct house *house = owner;

    house->ended++;
    house->forced += is_forced;
    loop_stop(&house->loop);
}

static void house_init(struct house *house)
{
    const struct drain_config config = {
        .loop = &house->loop, .begin = begin, .is_quiet = is_quiet, .end = end, .owner = house};

    log_set_level(LOG_ERROR);
    *house = (struct house){0};
    check_fatal(!loop_init(&house->loop));
    drain_init(&house->drain, &config);
    check_int(loop_turn(&house->loop, false), 0); /* a sampled clock */
}

static void house_deinit(struct house *house)
{
    drain_deinit(&house->drain);
    loop_deinit(&house->loop);
}

static void test_quiet_at_once(void)
{
    struct house house;

    house_init(&house);
    house.is_quiet = true;
    check(!drain_has_begun(&house.drain));
    drain_by_request(&house.drain, 0);
    check(drain_has_begun(&house.drain));
    check_int(house.begun, 1);
    check_int(house.ended, 0); /* not from inside of the request */
    check_int(loop_run(&house.loop), 0);
    check_int(house.ended, 1);
    check_int(house.forced, 0);
    house_deinit(&house);
}

static void test_told_when_quiet(void)
{
    struct house house;

    house_init(&house);
    drain_look(&house.drain); /* means nothing before */
    check_int(house.asked, 0);
    drain_by_signal(&house.drain, SIGTERM);
    drain_look(&house.drain);
    check_int(house.asked, 1);
    check_int(house.ended, 0);
    house.is_quiet = true;
    drain_look(&house.drain);
    check_int(house.ended, 1);
    check_int(house.forced, 0);
    drain_look(&house.drain);
    drain_by_request(&house.drain, 1);
    drain_by_signal(&house.drain, SIGINT);
    check_int(house.begun, 1);
    check_int(house.ended, 1); /* once */
    house_deinit(&house);
}

/* Nobody tells; it is noticed all the same. */
static void test_looks_by_itself(void)
{
    struct house house;

    house_init(&house);
    drain_by_request(&house.drain, 60000);
    while (house.asked < 3) {
        check_int(loop_turn(&house.loop, true), 0);
    }
    house.is_quiet = true;
    check_int(loop_run(&house.loop), 0);
    check_int(house.ended, 1);
    check_int(house.forced, 0);
    house_deinit(&house);
}

static void test_deadline(void)
{
    struct house house;

    house_init(&house);
    drain_by_request(&house.drain, 1);
    check_int(loop_run(&house.loop), 0);
    check_int(house.ended, 1);
    check_int(house.forced, 1);
    house_deinit(&house);
}

static nsec_t left(struct house *house)
{
    return house->drain.deadline_nsec - loop_now(&house->loop);
}

static void test_deadline_values(void)
{
    static const struct {
        msec_t asked, got;
    } rows[] = {{0, 10000}, {1, 1}, {9999, 9999}, {60000, 60000}, {60001, 60000}, {UINT64_MAX, 60000}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct house house;

        house_init(&house);
        drain_by_request(&house.drain, rows[i].asked);
        check_int(left(&house), nsec_from_msec(rows[i].got));
        house_deinit(&house);
    }
}

static void test_deadline_only_shrinks(void)
{
    struct house house;

    house_init(&house);
    drain_by_request(&house.drain, 5000);
    drain_by_request(&house.drain, 60000);
    check_int(left(&house), nsec_from_msec(5000));
    drain_by_request(&house.drain, 0); /* the default is later, too */
    check_int(left(&house), nsec_from_msec(5000));
    drain_by_request(&house.drain, 1);
    check_int(left(&house), nsec_from_msec(1));
    check_int(house.begun, 1);
    check_int(loop_run(&house.loop), 0);
    check_int(house.forced, 1);
    house_deinit(&house);
}

static void test_signals(void)
{
    struct house house;

    house_init(&house);
    drain_by_signal(&house.drain, SIGINT);
    check_int(left(&house), nsec_from_msec(10000));
    check_int(house.ended, 0);
    drain_by_signal(&house.drain, SIGTERM); /* the second one does not wait */
    check_int(house.ended, 1);
    check_int(house.forced, 1);
    house_deinit(&house);
}

static void test_signal_after_request(void)
{
    struct house house;

    house_init(&house);
    drain_by_request(&house.drain, 60000);
    drain_by_signal(&house.drain, SIGTERM);
    check_int(house.ended, 1);
    check_int(house.forced, 1);
    house_deinit(&house);
}

CHECK_PROGRAM("daemon/drain", {"nothing to wait for", test_quiet_at_once},
              {"ends when told that all is quiet, once", test_told_when_quiet},
              {"notices by itself that all is quiet", test_looks_by_itself}, {"the deadline forces", test_deadline},
              {"10 s without a wish, 60 s at most", test_deadline_values},
              {"a deadline only comes closer", test_deadline_only_shrinks}, {"the second signal forces", test_signals},
              {"so does a signal after a request", test_signal_after_request})
