/* SPDX-License-Identifier: MIT */
/* Steps, turns and tickets of the engine, in a world without a loop. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "unit/fsm/offer.h"

static struct fsm_world world;
static struct offer a, b;
static int reports;
static const char *report_text;

static void on_never(struct fsm_world *w, struct fsm *fsm, int event, const char *what)
{
    (void)w;
    (void)fsm;
    (void)event;
    reports++;
    report_text = what;
}

static void begin(void)
{
    fsm_world_init(&world, NULL);
    world.on_never = on_never;
    world.now_nsec = 1000;
    reports = 0;
    a = (struct offer){.name = 'A', .ack_due_nsec = NSEC_NEVER};
    b = (struct offer){.name = 'B', .ack_due_nsec = NSEC_NEVER};
    offer_log_clear();
}

static void end(void)
{
    fsm_deinit(&a.fsm);
    fsm_deinit(&b.fsm);
    check_int(world.n_alive, 0);
    check(fsm_world_is_quiet(&world));
    fsm_world_deinit(&world);
}

static void finish(struct fsm_ticket ticket, enum offer_event event)
{
    fsm_finish(ticket, (int)event);
    fsm_world_run(&world);
}

static void raise_and_run(struct offer *o, enum offer_event event)
{
    offer_raise(o, event);
    fsm_world_run(&world);
}

/* A stands in `waiting`, with a clean log. */
static void begin_waiting(void)
{
    begin();
    check_int(offer_start(&a, &world), 0);
    finish(a.ticket, OFFER_EVENT_OFFERED);
    check_int(offer_state(&a), OFFER_STATE_WAITING);
    offer_log_clear();
}

static void test_life(void)
{
    begin();
    check(!offer_is_alive(&a));
    check_int(offer_state(&a), 0);
    check_int(offer_start(&a, &world), 0);
    check_int(offer_state(&a), OFFER_STATE_PASSING);
    check(offer_is_alive(&a));
    finish(a.ticket, OFFER_EVENT_OFFERED);
    raise_and_run(&a, OFFER_EVENT_ACK);
    check_int(offer_state(&a), OFFER_STATE_READYING);
    finish(a.ticket, OFFER_EVENT_READY_SENT);
    check_int(offer_state(&a), OFFER_STATE_DONE);
    check(!offer_is_alive(&a));
    check_str(offer_log(), "A.pass_offer A.consume_token A.send_ready A.close_client A.ended");
    raise_and_run(&a, OFFER_EVENT_ACK); /* dropped */
    check_int(a.fsm.n_steps, 4);
    check_int(reports, 0);
    end();
}

static void test_nothing_before_the_run(void)
{
    begin_waiting();
    offer_raise(&a, OFFER_EVENT_NACK);
    check_int(offer_state(&a), OFFER_STATE_WAITING);
    check(!fsm_world_is_quiet(&world));
    fsm_world_run(&world);
    check_int(offer_state(&a), OFFER_STATE_REVOKED);
    check_str(offer_log(), "A.count(no_ack) A.close_channel A.revoke_token A.kill_client A.ended");
    end();
}

static void test_guards(void)
{
    begin();
    a.pool_empty = true;
    offer_start(&a, &world);
    finish(a.ticket, OFFER_EVENT_REFUSED);
    check_str(offer_log(), "A.pass_offer A.count(no_channel) A.revoke_token A.close_client A.ended");
    end();
}

static void test_late_tickets(void)
{
    struct fsm_ticket first, zero = {0};

    begin();
    offer_start(&a, &world);
    first = a.ticket;
    check(fsm_ticket_is_valid(first));
    finish(first, OFFER_EVENT_REFUSED); /* stays, and begins the work anew */
    check(!fsm_ticket_is_valid(first));
    check(fsm_ticket_is_valid(a.ticket));
    finish(first, OFFER_EVENT_PARTIAL);
    check_int(offer_state(&a), OFFER_STATE_PASSING);
    finish(zero, OFFER_EVENT_PARTIAL);
    raise_and_run(&a, OFFER_EVENT_ACK); /* ignored: the work goes on */
    check(fsm_ticket_is_valid(a.ticket));
    raise_and_run(&a, OFFER_EVENT_HANG_UP);
    check_int(offer_state(&a), OFFER_STATE_FALLBACK);
    first = a.ticket;
    check(!fsm_ticket_is_valid(first));
    offer_start(&b, &world); /* takes the slot */
    check_int(b.fsm.slot, first.instance);
    finish(first, OFFER_EVENT_PARTIAL);
    check_int(offer_state(&b), OFFER_STATE_PASSING);
    check_int(reports, 0);
    end();
}

static void test_one_report_a_work(void)
{
    begin();
    offer_start(&a, &world);
    fsm_finish(a.ticket, OFFER_EVENT_OFFERED);
    check(!fsm_ticket_is_valid(a.ticket));
    fsm_finish(a.ticket, OFFER_EVENT_PARTIAL);
    fsm_world_run(&world);
    check_int(offer_state(&a), OFFER_STATE_WAITING);
    check_int(reports, 0);
    end();
}

static void test_withdrawn_result(void)
{
    begin();
    offer_start(&a, &world);
    fsm_finish(a.ticket, OFFER_EVENT_OFFERED); /* the queue comes first, and leaves the state */
    offer_raise(&a, OFFER_EVENT_HANG_UP);
    fsm_world_run(&world);
    check_int(offer_state(&a), OFFER_STATE_FALLBACK);
    check(fsm_world_is_quiet(&world));
    end();
}

static void test_returned_outcome_first(void)
{
    begin_waiting();
    a.send_returns = OFFER_EVENT_READY_SENT;
    offer_raise(&a, OFFER_EVENT_ACK);
    offer_raise(&a, OFFER_EVENT_NACK);
    fsm_world_run(&world);
    check_int(offer_state(&a), OFFER_STATE_DONE);
    check_int(a.fsm.n_steps, 4); /* birth, offered, ack, ready_sent: nack was dropped, not ignored */
    check_str(offer_log(), "A.consume_token A.send_ready A.close_client A.ended");
    end();
}

static void test_birth_outcome(void)
{
    begin();
    a.pass_returns = OFFER_EVENT_OFFERED;
    offer_start(&a, &world);
    check_int(offer_state(&a), OFFER_STATE_PASSING); /* only the birth's actions */
    check(!fsm_ticket_is_valid(a.ticket));           /* the work has said what came of it, once and for all */
    fsm_finish(a.ticket, OFFER_EVENT_REFUSED);
    offer_raise(&a, OFFER_EVENT_NACK);
    fsm_world_run(&world);
    check_int(offer_state(&a), OFFER_STATE_REVOKED); /* offered, then nack */
    check_int(a.fsm.n_steps, 3);
    end();
}

static void test_turns(void)
{
    begin();
    offer_start(&a, &world);
    offer_start(&b, &world);
    finish(a.ticket, OFFER_EVENT_OFFERED);
    finish(b.ticket, OFFER_EVENT_OFFERED);
    offer_log_clear();
    offer_raise(&b, OFFER_EVENT_ACK);
    offer_raise(&a, OFFER_EVENT_ACK);
    offer_raise(&b, OFFER_EVENT_ACK);
    offer_raise(&a, OFFER_EVENT_ACK);
    fsm_world_run(&world);
    check_str(offer_log(), "B.consume_token B.send_ready A.consume_token A.send_ready");
    offer_log_clear();
    fsm_finish(a.ticket, OFFER_EVENT_READY_SENT); /* waits until no event is queued */
    offer_raise(&b, OFFER_EVENT_HANG_UP);
    fsm_finish(b.ticket, OFFER_EVENT_READY_SENT);
    fsm_world_run(&world);
    check_str(offer_log(), "A.close_client A.ended B.close_client B.ended");
    end();
}

static void test_queue_full(void)
{
    begin_waiting();
    for (int i = 0; i < FSM_QUEUE_MAX; i++)
        offer_raise(&a, OFFER_EVENT_HANG_UP);
    check_int(reports, 0);
    offer_raise(&a, OFFER_EVENT_NACK);
    check_int(reports, 1);
    check(strstr(report_text, "queue full") != NULL);
    fsm_world_run(&world);
    check_int(offer_state(&a), OFFER_STATE_WAITING);
    check_int(a.fsm.n_steps, 2 + FSM_QUEUE_MAX);
    end();
}

static void raise_in_itself(struct offer *o, const char *action)
{
    (void)action;
    offer_raise(o, OFFER_EVENT_HANG_UP);
}

static void test_raise_in_itself(void)
{
    begin_waiting();
    a.on_action = raise_in_itself;
    raise_and_run(&a, OFFER_EVENT_ACK);
    check_int(reports, 2);
    check_int(offer_state(&a), OFFER_STATE_READYING);
    check_int(a.fsm.n_queue, 0);
    end();
}

static int depth_max, depth_now;

/* A's action starts B, raises in it, and even asks for a run: nothing of that may step anything now. */
static void cause_everything(struct offer *o, const char *action)
{
    depth_max = ++depth_now > depth_max ? depth_now : depth_max;
    if (o == &a && !strcmp(action, "consume_token")) {
        offer_start(&b, &world);
        check_int(offer_state(&b), OFFER_STATE_PASSING);
        offer_raise(&b, OFFER_EVENT_HANG_UP);
        fsm_world_run(&world);
        check_int(offer_state(&b), OFFER_STATE_PASSING);
        check_int(offer_state(&a), OFFER_STATE_READYING); /* the new state is there before the actions */
    }
    depth_now--;
}

static void test_never_nested(void)
{
    begin_waiting();
    a.on_action = b.on_action = cause_everything;
    b.pass_returns = OFFER_EVENT_REFUSED;
    b.retried = true;
    depth_max = depth_now = 0;
    raise_and_run(&a, OFFER_EVENT_ACK);
    check_str(offer_log(),
              "A.consume_token B.pass_offer A.send_ready B.count(refused) B.revoke_token B.close_client B.ended");
    check_int(depth_max, 2); /* B's birth inside A's action, no more */
    check_int(reports, 0);
    end();
}

static void test_impossible(void)
{
    begin();
    offer_start(&a, &world);
    raise_and_run(&a, OFFER_EVENT_CLOSED); /* never */
    check_int(reports, 1);
    check_int(world.n_never, 1);
    check_int(offer_state(&a), OFFER_STATE_PASSING);
    check(fsm_ticket_is_valid(a.ticket));
    fsm_finish(a.ticket, OFFER_EVENT_READY_SENT); /* of other work */
    check_int(reports, 2);
    check(fsm_ticket_is_valid(a.ticket));
    offer_raise(&a, OFFER_EVENT_OFFERED); /* an outcome cannot be raised */
    check_int(reports, 3);
    a.pass_returns = OFFER_EVENT_READY_SENT; /* nor returned by other work */
    finish(a.ticket, OFFER_EVENT_REFUSED);
    check_int(reports, 4);
    check_int(offer_state(&a), OFFER_STATE_PASSING);
    check_str(offer_log(), "A.pass_offer A.take_next_channel A.pass_offer");
    end();
}

/* The exit of a child in which a never cell is stepped. */
static int never_in_child(bool strict)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        if (!freopen("/dev/null", "w", stderr))
            _exit(3);
        world.on_never = NULL;
        world.strict = strict;
        raise_and_run(&a, OFFER_EVENT_CLOSED);
        _exit(offer_state(&a) == OFFER_STATE_PASSING && world.n_never == 1 ? 0 : 1);
    }
    check_fatal(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static void deinit_itself(struct offer *o, const char *action)
{
    (void)action;
    fsm_deinit(&o->fsm);
}

static void test_misuse(void)
{
    begin_waiting();
    check_int(offer_start(&a, &world), -EALREADY);
    check_int(reports, 1);
    check_int(offer_state(&a), OFFER_STATE_WAITING);
    a.on_action = deinit_itself;
    raise_and_run(&a, OFFER_EVENT_ACK); /* two actions */
    check_int(reports, 3);
    check_int(offer_state(&a), OFFER_STATE_READYING);
    a.on_action = NULL;
    end();
}

static void test_strict(void)
{
    int status;

    begin();
    offer_start(&a, &world);
    status = never_in_child(false);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = never_in_child(true);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    end();
}

static void free_it(struct offer *o)
{
    memset(o, 0xa5, sizeof(*o));
    free(o);
}

static void start_again(struct offer *o)
{
    o->on_ended = NULL;
    check_int(offer_start(o, &world), 0);
}

static void test_end(void)
{
    struct offer *c = calloc(1, sizeof(*c));

    check_fatal(c != NULL);
    begin_waiting();
    c->name = 'C';
    c->on_ended = free_it;
    c->pass_returns = OFFER_EVENT_PARTIAL;
    offer_start(c, &world);
    offer_raise(c, OFFER_EVENT_ACK);
    fsm_world_run(&world);
    a.on_ended = start_again;
    raise_and_run(&a, OFFER_EVENT_NACK);
    check_int(offer_state(&a), OFFER_STATE_PASSING);
    check(offer_is_alive(&a));
    check_int(world.n_alive, 1);
    end();
}

static void test_deinit(void)
{
    struct fsm_ticket ticket;

    begin();
    fsm_deinit(&a.fsm);
    offer_start(&a, &world);
    ticket = a.ticket;
    offer_raise(&a, OFFER_EVENT_ACK);
    fsm_finish(ticket, OFFER_EVENT_OFFERED);
    fsm_deinit(&a.fsm);
    fsm_deinit(&a.fsm);
    check(fsm_world_is_quiet(&world));
    finish(ticket, OFFER_EVENT_OFFERED);
    check_str(offer_log(), "A.pass_offer");
    end();
}

static void test_slots(void)
{
    static struct offer many[300];
    struct fsm_slot *slots;

    begin();
    check_int(fsm_world_reserve(&world, 300), 0);
    slots = world.slots;
    for (int i = 0; i < 300; i++) {
        many[i] = (struct offer){.name = 'm'};
        check_int(offer_start(&many[i], &world), 0);
        offer_log_clear();
    }
    check(world.slots == slots); /* nothing was allocated */
    check_int(world.n_alive, 300);
    check_int(offer_start(&a, &world), 0); /* grows */
    for (int i = 0; i < 300; i++)
        check(fsm_ticket_is_valid(many[i].ticket));
    for (int i = 0; i < 300; i++)
        fsm_deinit(&many[i].fsm);
    end();
}

static void test_describe(void)
{
    char text[1024], small[20];
    size_t size;

    begin_waiting();
    size = fsm_describe(&a.fsm, text, sizeof(text));
    check_int(size, strlen(text));
    check_str(text, "offer 0: waiting\n  1 unborn: birth -> passing\n  2 passing: offered -> waiting\n");
    check_int(fsm_describe(&a.fsm, small, sizeof(small)), 19);
    check_int(strlen(small), 19);
    for (int i = 0; i < 30; i++)
        raise_and_run(&a, OFFER_EVENT_HANG_UP);
    raise_and_run(&a, OFFER_EVENT_NACK);
    fsm_describe(&a.fsm, text, sizeof(text));
    check(strstr(text, "offer 0: revoked, ended\n  18 waiting: hang_up -> waiting\n") == text);
    check(strstr(text, "  33 waiting: nack -> revoked\n") != NULL);
    fsm_describe(&b.fsm, text, sizeof(text));
    check_str(text, "unborn\n");
    end();
}

static void count_each(struct fsm *fsm, void *userdata)
{
    (void)fsm;
    ++*(int *)userdata;
}

static void test_each(void)
{
    int n = 0;

    begin();
    offer_start(&a, &world);
    offer_start(&b, &world);
    fsm_world_each(&world, count_each, &n);
    check_int(n, 2);
    end();
}

CHECK_PROGRAM("fsm/step", {"birth, outcomes, events, end", test_life},
              {"raising only queues", test_nothing_before_the_run}, {"the first guard that holds decides", test_guards},
              {"a late ticket changes nothing", test_late_tickets}, {"work is reported once", test_one_report_a_work},
              {"leaving the state withdraws a result that waits", test_withdrawn_result},
              {"a returned outcome comes before the queue", test_returned_outcome_first},
              {"so does that of the birth, when the world runs", test_birth_outcome},
              {"instances take turns; finished work comes last", test_turns},
              {"a fifth event is reported and dropped", test_queue_full},
              {"an instance cannot raise in itself", test_raise_in_itself}, {"steps never nest", test_never_nested},
              {"what cannot happen changes nothing", test_impossible},
              {"a living instance is not started, a stepping one not let go", test_misuse},
              {"it aborts a strict world only", test_strict}, {"the end may free or restart the instance", test_end},
              {"deinit lets go of everything", test_deinit}, {"starts within the reserve do not allocate", test_slots},
              {"the last steps can be shown", test_describe}, {"living instances can be visited", test_each})
