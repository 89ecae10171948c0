/* SPDX-License-Identifier: MIT */
/* Timers of the engine, on a real loop. No test waits longer than a timer of a few milliseconds. */
#include "check.h"
#include "unit/fsm/offer.h"

static struct loop loop;
static struct fsm_world world;
static struct offer a, b;

static void begin(void)
{
    check_fatal(loop_init(&loop) == 0);
    fsm_world_init(&world, &loop);
    check_int(loop_turn(&loop, false), 0); /* samples the clock */
    a = (struct offer){.name = 'A', .ack_due_nsec = NSEC_NEVER};
    b = (struct offer){.name = 'B', .ack_due_nsec = NSEC_NEVER};
    offer_log_clear();
}

static void end(void)
{
    fsm_deinit(&a.fsm);
    fsm_deinit(&b.fsm);
    check(loop_timer_next(&loop) == NSEC_NEVER);
    fsm_world_deinit(&world);
    loop_deinit(&loop);
}

static void test_fixed(void)
{
    nsec_t due_nsec;

    begin();
    offer_start(&a, &world);
    due_nsec = loop_now(&loop) + 100 * NSEC_PER_MSEC;
    check(loop_timer_next(&loop) == due_nsec);
    fsm_finish(a.ticket, OFFER_EVENT_REFUSED); /* -> same: it goes on as it was set */
    check_int(loop_turn(&loop, false), 0);
    check(loop_now(&loop) + 100 * NSEC_PER_MSEC != due_nsec);
    check(loop_timer_next(&loop) == due_nsec);
    fsm_finish(a.ticket, OFFER_EVENT_OFFERED); /* the next state does not list it */
    check_int(loop_turn(&loop, false), 0);
    check(loop_timer_next(&loop) == NSEC_NEVER);
    end();
}

static void test_until(void)
{
    begin();
    offer_start(&a, &world);
    a.ack_due_nsec = loop_now(&loop) + 3600 * NSEC_PER_SEC;
    fsm_finish(a.ticket, OFFER_EVENT_OFFERED);
    fsm_world_run(&world);
    check(a.told_now_nsec == loop_now(&loop));
    check(loop_timer_next(&loop) == a.ack_due_nsec);
    a.told_now_nsec = 0;
    offer_raise(&a, OFFER_EVENT_HANG_UP); /* ignored: no go row, so it is not asked again */
    fsm_world_run(&world);
    check(a.told_now_nsec == 0);
    offer_raise(&a, OFFER_EVENT_NACK);
    fsm_world_run(&world);
    check(loop_timer_next(&loop) == NSEC_NEVER); /* the final state stops it */
    end();
}

static void test_fires(void)
{
    begin();
    offer_start(&a, &world);
    a.ack_due_nsec = loop_now(&loop) + 2 * NSEC_PER_MSEC;
    fsm_finish(a.ticket, OFFER_EVENT_OFFERED);
    for (int i = 0; i < 1000 && offer_is_alive(&a); i++)
        check_int(loop_turn(&loop, true), 0);
    check_int(offer_state(&a), OFFER_STATE_REVOKED);
    check(loop_now(&loop) >= a.ack_due_nsec);
    check_str(offer_log(), "A.pass_offer A.count(no_ack) A.close_channel A.revoke_token A.kill_client A.ended");
    end();
}

static void raise_in_b(struct offer *o, const char *action)
{
    (void)o;
    (void)action;
    offer_raise(&b, OFFER_EVENT_ACK);
}

/* Both are due at once. A's step raises in B: that is stepped before B's own timer, which then no longer runs. */
static void test_queues_before_timers(void)
{
    begin();
    offer_start(&a, &world);
    offer_start(&b, &world);
    a.ack_due_nsec = loop_now(&loop) - 1;
    b.ack_due_nsec = loop_now(&loop);
    fsm_finish(a.ticket, OFFER_EVENT_OFFERED);
    fsm_finish(b.ticket, OFFER_EVENT_OFFERED);
    fsm_world_run(&world);
    a.on_action = raise_in_b;
    offer_log_clear();
    check_int(loop_turn(&loop, false), 0);
    check_int(offer_state(&a), OFFER_STATE_REVOKED);
    check_int(offer_state(&b), OFFER_STATE_READYING);
    end();
}

static void test_after_hook(void)
{
    begin();
    offer_start(&a, &world);
    offer_raise(&a, OFFER_EVENT_HANG_UP);
    check_int(loop_turn(&loop, false), 0);
    check_int(offer_state(&a), OFFER_STATE_FALLBACK);
    end();
}

static void test_by_hand(void)
{
    fsm_world_init(&world, NULL);
    a = (struct offer){.name = 'A', .ack_due_nsec = 7000};
    offer_log_clear();
    check(fsm_due(&a.fsm) == NSEC_NEVER);
    check(!fsm_fire_due(&a.fsm)); /* not born */
    world.now_nsec = 1000;
    offer_start(&a, &world);
    check(fsm_due(&a.fsm) == 1000 + 100 * NSEC_PER_MSEC);
    fsm_finish(a.ticket, OFFER_EVENT_OFFERED);
    check(!fsm_fire_due(&a.fsm)); /* steps what was finished before it looks */
    check(fsm_due(&a.fsm) == 7000);
    world.now_nsec = 6999;
    check(!fsm_fire_due(&a.fsm));
    world.now_nsec = 7000;
    check(fsm_fire_due(&a.fsm));
    check_int(offer_state(&a), OFFER_STATE_REVOKED);
    check(fsm_due(&a.fsm) == NSEC_NEVER);
    check(!fsm_fire_due(&a.fsm));
    check_str(offer_log(), "A.pass_offer A.count(no_ack) A.close_channel A.revoke_token A.kill_client A.ended");
    fsm_world_deinit(&world);
}

CHECK_PROGRAM("fsm/timers", {"a fixed timer runs on over rows that stay", test_fixed},
              {"an until timer is asked after every go row, and only then", test_until},
              {"a due timer steps its instance", test_fires},
              {"queues are empty before the next timer", test_queues_before_timers},
              {"the loop runs the world", test_after_hook},
              {"without a loop the owner drives the timers", test_by_hand})
