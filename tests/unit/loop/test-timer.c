/* SPDX-License-Identifier: MIT */

/* Timers: order, re-entrancy, and the heap against a plain list over many random operations. */

#include "check.h"

#include <stdlib.h>

#include "loop/loop.h"

struct alarm {
    struct loop *loop;
    struct loop_timer timer;
    unsigned int n_calls;
    unsigned int order;
    nsec_t again_nsec; /* not 0: sets itself to this */
    struct loop_timer *stops;
    bool is_freed_when_due;
};

static unsigned int n_rung;

static void ring(void *owner)
{
    struct alarm *alarm = owner;

    alarm->n_calls++;
    alarm->order = ++n_rung;
    if (alarm->stops) {
        loop_timer_stop(alarm->stops);
    }
    if (alarm->again_nsec) {
        loop_timer_set(&alarm->timer, alarm->again_nsec);
    }
    if (alarm->is_freed_when_due) {
        memset(alarm, 0xee, sizeof(*alarm));
        free(alarm);
    }
}

static void alarm_init(struct alarm *alarm, struct loop *loop)
{
    *alarm = (struct alarm){.loop = loop};
    loop_timer_init(&alarm->timer, loop, ring, alarm);
}

static void test_order(void)
{
    struct alarm a, b, c, d;
    struct loop loop;
    nsec_t now;

    check_int(loop_init(&loop), 0);
    now = loop_now(&loop);
    alarm_init(&a, &loop);
    alarm_init(&b, &loop);
    alarm_init(&c, &loop);
    alarm_init(&d, &loop);
    n_rung = 0;
    loop_timer_set(&a.timer, now + 30);
    loop_timer_set(&b.timer, now + 10);
    loop_timer_set(&c.timer, now + 20);
    loop_timer_set(&d.timer, now + 20);
    check(loop_timer_next(&loop) == now + 10);
    check_int(loop_turn(&loop, true), 0);
    check_int(b.order, 1);
    check_int(c.order, 2); /* equal moments: as they were set */
    check_int(d.order, 3);
    check_int(a.order, 4);
    check(loop_timer_next(&loop) == NSEC_NEVER);
    check(!loop_timer_is_set(&a.timer));
    loop_deinit(&loop);
}

static void test_reentrancy(void)
{
    struct alarm *gone = malloc(sizeof(*gone)), a, b;
    struct loop loop;
    nsec_t now;

    check_int(loop_init(&loop), 0);
    now = loop_now(&loop);
    alarm_init(gone, &loop);
    gone->is_freed_when_due = true;
    alarm_init(&a, &loop);
    alarm_init(&b, &loop);
    a.stops = &b.timer; /* due as well, but stopped before it rings */
    loop_timer_set(&gone->timer, now);
    loop_timer_set(&a.timer, now + 1);
    loop_timer_set(&b.timer, now + 2);
    check_int(loop_turn(&loop, true), 0);
    check_int(a.n_calls, 1);
    check_int(b.n_calls, 0);
    check_int(loop.n_timers, 0);
    loop_deinit(&loop);
}

/* One that sets itself to the past rings once a turn and does not keep the others from ringing. */
static void test_no_starving(void)
{
    struct alarm greedy, other;
    struct loop loop;

    check_int(loop_init(&loop), 0);
    alarm_init(&greedy, &loop);
    alarm_init(&other, &loop);
    greedy.again_nsec = 1;
    loop_timer_set(&greedy.timer, 1);
    loop_timer_set(&other.timer, 2);
    check_int(loop_turn(&loop, true), 0);
    check_int(other.n_calls, 1);
    check(greedy.n_calls <= 2);
    check_int(loop_turn(&loop, true), 0);
    check(greedy.n_calls <= 3);
    greedy.again_nsec = 0;
    loop_deinit(&loop);
    check(!loop_timer_is_set(&greedy.timer));
}

static void test_move_and_stop(void)
{
    struct loop_timer unused = {0};
    struct alarm a;
    struct loop loop;

    loop_timer_stop(&unused);
    check_int(loop_init(&loop), 0);
    alarm_init(&a, &loop);
    loop_timer_set(&a.timer, 1);
    loop_timer_set(&a.timer, nsec_add(loop_now(&loop), 3600 * NSEC_PER_SEC));
    check_int(loop_turn(&loop, false), 0);
    check_int(a.n_calls, 0);
    loop_timer_set(&a.timer, NSEC_NEVER);
    check(!loop_timer_is_set(&a.timer));
    loop_timer_set_in(&a.timer, NSEC_NEVER); /* saturates: never */
    check(!loop_timer_is_set(&a.timer));
    loop_deinit(&loop);
}

/* Does not wake early: after the wait the moment has come, in one turn. */
static void test_wakes_when_due(void)
{
    struct alarm a;
    struct loop loop;
    nsec_t when;

    check_int(loop_init(&loop), 0);
    alarm_init(&a, &loop);
    when = nsec_add(clock_monotonic(), 3 * NSEC_PER_MSEC + 300000);
    loop_timer_set(&a.timer, when);
    check_int(loop_turn(&loop, true), 0);
    check_int(a.n_calls, 1);
    check(loop_now(&loop) >= when);
    loop_deinit(&loop);
}

enum { MANY = 300 };

static uint32_t rng = 12345;

static uint32_t pick(uint32_t n)
{
    rng = rng * 1664525u + 1013904223u;
    return (rng >> 8) % n;
}

static nsec_t earliest(const struct alarm *alarms)
{
    nsec_t first = NSEC_NEVER;

    for (unsigned int i = 0; i < MANY; i++) {
        if (alarms[i].timer.is_set && alarms[i].timer.when_nsec < first) {
            first = alarms[i].timer.when_nsec;
        }
    }
    return first;
}

static void test_heap(void)
{
    static struct alarm alarms[MANY];
    struct loop loop;
    nsec_t base;

    check_int(loop_init(&loop), 0);
    base = nsec_add(loop_now(&loop), 3600 * NSEC_PER_SEC);
    for (unsigned int i = 0; i < MANY; i++) {
        alarm_init(&alarms[i], &loop);
    }
    for (unsigned int step = 0; step < 20000; step++) {
        struct loop_timer *timer = &alarms[pick(MANY)].timer;

        if (pick(3) == 0) {
            loop_timer_stop(timer);
        } else {
            loop_timer_set(timer, base + pick(1000));
        }
        if (loop_timer_next(&loop) != earliest(alarms)) {
            check(loop_timer_next(&loop) == earliest(alarms));
            break;
        }
    }
    while (loop.timers) {
        check(loop_timer_next(&loop) == earliest(alarms));
        loop_timer_stop(loop.timers);
    }
    check_int(loop.n_timers, 0);
    loop_deinit(&loop);
}

static struct loop *stopped_loop;

static void stop(void *owner)
{
    loop_stop(stopped_loop);
}

static void test_run_until_stopped(void)
{
    struct loop_timer timer;
    struct loop loop;

    check_int(loop_init(&loop), 0);
    stopped_loop = &loop;
    loop_timer_init(&timer, &loop, stop, NULL);
    loop_timer_set_in(&timer, NSEC_PER_MSEC);
    check_int(loop_run(&loop), 0);
    loop_timer_set_in(&timer, NSEC_PER_MSEC);
    check_int(loop_run(&loop), 0);
    loop_deinit(&loop);
}

CHECK_PROGRAM("loop/timer", {"in the order of their moments", test_order},
              {"a callback frees its own timer and stops another", test_reentrancy},
              {"a greedy timer starves nobody", test_no_starving}, {"moved, stopped, never", test_move_and_stop},
              {"never early", test_wakes_when_due}, {"the heap against a plain list", test_heap},
              {"run until stopped", test_run_until_stopped})
