/* SPDX-License-Identifier: MIT */
/* Generated from offer.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "offer_fsm.h"

#include "fsm/machine.h"

enum { FIRST_TIMER = OFFER_EVENT_SEND_LIMIT };
#define TIMER(event) (1U << ((event) - FIRST_TIMER))
#define CALLS(...) (const struct fsm_call *const[]){__VA_ARGS__, NULL}
#define ROWS(...) (const struct fsm_branch[]){__VA_ARGS__}

static int do_pass_offer(struct fsm *fsm)
{
    return (int)offer_pass_offer((struct offer *)fsm);
}
static const struct fsm_call call_pass_offer = {.name = "pass_offer", .work = do_pass_offer, .work_id = 1};

static void do_count__broken(struct fsm *fsm)
{
    offer_count((struct offer *)fsm, OFFER_COUNT_BROKEN);
}
static const struct fsm_call call_count__broken = {.name = "count(broken)", .act = do_count__broken};

static void do_close_channel(struct fsm *fsm)
{
    offer_close_channel((struct offer *)fsm);
}
static const struct fsm_call call_close_channel = {.name = "close_channel", .act = do_close_channel};

static void do_revoke_token(struct fsm *fsm)
{
    offer_revoke_token((struct offer *)fsm);
}
static const struct fsm_call call_revoke_token = {.name = "revoke_token", .act = do_revoke_token};

static void do_kill_client(struct fsm *fsm)
{
    offer_kill_client((struct offer *)fsm);
}
static const struct fsm_call call_kill_client = {.name = "kill_client", .act = do_kill_client};

static void do_count__refused(struct fsm *fsm)
{
    offer_count((struct offer *)fsm, OFFER_COUNT_REFUSED);
}
static const struct fsm_call call_count__refused = {.name = "count(refused)", .act = do_count__refused};

static void do_close_client(struct fsm *fsm)
{
    offer_close_client((struct offer *)fsm);
}
static const struct fsm_call call_close_client = {.name = "close_client", .act = do_close_client};

static void do_count__no_channel(struct fsm *fsm)
{
    offer_count((struct offer *)fsm, OFFER_COUNT_NO_CHANNEL);
}
static const struct fsm_call call_count__no_channel = {.name = "count(no_channel)", .act = do_count__no_channel};

static void do_take_next_channel(struct fsm *fsm)
{
    offer_take_next_channel((struct offer *)fsm);
}
static const struct fsm_call call_take_next_channel = {.name = "take_next_channel", .act = do_take_next_channel};

static void do_count__too_late(struct fsm *fsm)
{
    offer_count((struct offer *)fsm, OFFER_COUNT_TOO_LATE);
}
static const struct fsm_call call_count__too_late = {.name = "count(too_late)", .act = do_count__too_late};

static void do_consume_token(struct fsm *fsm)
{
    offer_consume_token((struct offer *)fsm);
}
static const struct fsm_call call_consume_token = {.name = "consume_token", .act = do_consume_token};

static int do_send_ready(struct fsm *fsm)
{
    return (int)offer_send_ready((struct offer *)fsm);
}
static const struct fsm_call call_send_ready = {.name = "send_ready", .work = do_send_ready, .work_id = 2};

static void do_count__no_ack(struct fsm *fsm)
{
    offer_count((struct offer *)fsm, OFFER_COUNT_NO_ACK);
}
static const struct fsm_call call_count__no_ack = {.name = "count(no_ack)", .act = do_count__no_ack};

static bool ask_retried(const struct fsm *fsm)
{
    return offer_retried((const struct offer *)fsm);
}
static const struct fsm_guard guard_retried = {.name = "retried", .holds = ask_retried};

static bool ask_pool_empty(const struct fsm *fsm)
{
    return offer_pool_empty((const struct offer *)fsm);
}
static const struct fsm_guard guard_pool_empty = {.name = "pool_empty", .holds = ask_pool_empty};

static nsec_t until_ack_due(const struct fsm *fsm, nsec_t now)
{
    return offer_ack_due((const struct offer *)fsm, now);
}

static const char *const event_names[] = {
    [0] = "none",
    [OFFER_EVENT_ACK] = "ack",
    [OFFER_EVENT_NACK] = "nack",
    [OFFER_EVENT_HANG_UP] = "hang_up",
    [OFFER_EVENT_CLOSED] = "closed",
    [OFFER_EVENT_SEND_LIMIT] = "send_limit",
    [OFFER_EVENT_ACK_LIMIT] = "ack_limit",
    [OFFER_EVENT_OFFERED] = "offered",
    [OFFER_EVENT_PARTIAL] = "partial",
    [OFFER_EVENT_REFUSED] = "refused",
    [OFFER_EVENT_READY_SENT] = "ready_sent",
    [OFFER_EVENT_READY_BLOCKED] = "ready_blocked",
};

static const struct fsm_state_info states[] = {
    [0] = {.name = "unborn"},
    [OFFER_STATE_PASSING] = {.name = "passing", .timers = TIMER(OFFER_EVENT_SEND_LIMIT)},
    [OFFER_STATE_WAITING] = {.name = "waiting", .timers = TIMER(OFFER_EVENT_ACK_LIMIT)},
    [OFFER_STATE_READYING] = {.name = "readying"},
    [OFFER_STATE_DONE] = {.name = "done", .is_final = true},
    [OFFER_STATE_FALLBACK] = {.name = "fallback", .is_final = true},
    [OFFER_STATE_REVOKED] = {.name = "revoked", .is_final = true},
};

static const struct fsm_timer_info timers[] = {
    [OFFER_EVENT_SEND_LIMIT - FIRST_TIMER] = {.lasts_nsec = 100 * NSEC_PER_MSEC},
    [OFFER_EVENT_ACK_LIMIT - FIRST_TIMER] = {.until = until_ack_due},
};

static const struct fsm_work_info works[] = {
    [0] = {.name = "none"},
    [1] = {.name = "pass_offer", .outcomes = (const uint8_t[]){OFFER_EVENT_OFFERED, OFFER_EVENT_PARTIAL, OFFER_EVENT_REFUSED, 0}},
    [2] = {.name = "send_ready", .outcomes = (const uint8_t[]){OFFER_EVENT_READY_SENT, OFFER_EVENT_READY_BLOCKED, 0}},
};

static const struct fsm_cell cells[OFFER_STATE_MAX][OFFER_EVENT_MAX] = {
    [OFFER_STATE_PASSING] = {
        [OFFER_EVENT_ACK] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no offer is out: the channel closes itself for it"})},
        [OFFER_EVENT_NACK] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no offer is out: the channel closes itself for it"})},
        [OFFER_EVENT_HANG_UP] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_FALLBACK, .calls = CALLS(&call_count__too_late, &call_revoke_token, &call_close_client)})},
        [OFFER_EVENT_CLOSED] = {1, ROWS({.verdict = FSM_NEVER})},
        [OFFER_EVENT_SEND_LIMIT] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_FALLBACK, .calls = CALLS(&call_count__too_late, &call_revoke_token, &call_close_client)})},
        [OFFER_EVENT_OFFERED] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_WAITING})},
        [OFFER_EVENT_PARTIAL] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_REVOKED, .calls = CALLS(&call_count__broken, &call_close_channel, &call_revoke_token, &call_kill_client)})},
        [OFFER_EVENT_REFUSED] = {3, ROWS(
            {.guard = &guard_retried, .verdict = FSM_GO, .next = OFFER_STATE_FALLBACK, .calls = CALLS(&call_count__refused, &call_revoke_token, &call_close_client)},
            {.guard = &guard_pool_empty, .verdict = FSM_GO, .next = OFFER_STATE_FALLBACK, .calls = CALLS(&call_count__no_channel, &call_revoke_token, &call_close_client)},
            {.verdict = FSM_GO, .next = OFFER_STATE_PASSING, .stays = true, .calls = CALLS(&call_take_next_channel, &call_pass_offer)})},
    },
    [OFFER_STATE_WAITING] = {
        [OFFER_EVENT_ACK] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_READYING, .calls = CALLS(&call_consume_token, &call_send_ready)})},
        [OFFER_EVENT_NACK] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_REVOKED, .calls = CALLS(&call_count__no_ack, &call_close_channel, &call_revoke_token, &call_kill_client)})},
        [OFFER_EVENT_HANG_UP] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "the backend holds its own copy and sees the end of file"})},
        [OFFER_EVENT_CLOSED] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_REVOKED, .calls = CALLS(&call_count__no_ack, &call_close_channel, &call_revoke_token, &call_kill_client)})},
        [OFFER_EVENT_ACK_LIMIT] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_REVOKED, .calls = CALLS(&call_count__no_ack, &call_close_channel, &call_revoke_token, &call_kill_client)})},
    },
    [OFFER_STATE_READYING] = {
        [OFFER_EVENT_ACK] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "one answer counts; the channel closes itself for a second"})},
        [OFFER_EVENT_NACK] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "one answer counts; the channel closes itself for a second"})},
        [OFFER_EVENT_HANG_UP] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "the backend holds its own copy and sees the end of file"})},
        [OFFER_EVENT_CLOSED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "the backend owns the socket by now"})},
        [OFFER_EVENT_READY_SENT] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_DONE, .calls = CALLS(&call_close_client)})},
        [OFFER_EVENT_READY_BLOCKED] = {1, ROWS({.verdict = FSM_GO, .next = OFFER_STATE_REVOKED, .calls = CALLS(&call_close_channel, &call_kill_client)})},
    },
};

static void tell_ended(struct fsm *fsm)
{
    offer_ended((struct offer *)fsm);
}

const struct fsm_machine offer_machine = {
    .name = "offer",
    .n_states = OFFER_STATE_MAX,
    .n_events = OFFER_EVENT_MAX,
    .n_raised = 5,
    .states = states,
    .events = event_names,
    .n_timers = 2,
    .first_timer = FIRST_TIMER,
    .timers = timers,
    .n_works = 3,
    .works = works,
    .cells = &cells[0][0],
    .birth = {.verdict = FSM_GO, .next = OFFER_STATE_PASSING, .calls = CALLS(&call_pass_offer)},
    .ended = tell_ended,
};

int offer_start(struct offer *machine, struct fsm_world *world)
{
    return fsm_start((struct fsm *)machine, world, &offer_machine);
}

void offer_raise(struct offer *machine, enum offer_event event)
{
    fsm_raise((struct fsm *)machine, (int)event);
}

bool offer_is_alive(const struct offer *machine)
{
    return fsm_is_alive((const struct fsm *)machine);
}

enum offer_state offer_state(const struct offer *machine)
{
    return (enum offer_state)((const struct fsm *)machine)->state;
}

const char *offer_state_name(enum offer_state state)
{
    return (unsigned int)state < sizeof(states) / sizeof(states[0]) ? states[state].name : "?";
}

const char *offer_event_name(enum offer_event event)
{
    return (unsigned int)event < sizeof(event_names) / sizeof(event_names[0]) ? event_names[event] : "?";
}

const char *offer_count_name(enum offer_count_arg argument)
{
    static const char *const names[] = {
        [OFFER_COUNT_BROKEN] = "broken",
        [OFFER_COUNT_REFUSED] = "refused",
        [OFFER_COUNT_NO_CHANNEL] = "no_channel",
        [OFFER_COUNT_TOO_LATE] = "too_late",
        [OFFER_COUNT_NO_ACK] = "no_ack",
    };

    return (unsigned int)argument < sizeof(names) / sizeof(names[0]) ? names[argument] : "?";
}
