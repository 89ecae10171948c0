/* SPDX-License-Identifier: MIT */
/* Generated from client_connect.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "client_connect_fsm.h"

#include "fsm/machine.h"

enum { FIRST_TIMER = CLIENT_CONNECT_EVENT_BUDGET };
#define TIMER(event) (1U << ((event) - FIRST_TIMER))
#define CALLS(...) (const struct fsm_call *const[]){__VA_ARGS__, NULL}
#define ROWS(...) (const struct fsm_branch[]){__VA_ARGS__}

static int do_choose_way(struct fsm *fsm)
{
    return (int)client_connect_choose_way((struct client_connect *)fsm);
}
static const struct fsm_call call_choose_way = {.name = "choose_way", .work = do_choose_way, .work_id = 1};

static int do_dial_cached(struct fsm *fsm)
{
    return (int)client_connect_dial_cached((struct client_connect *)fsm);
}
static const struct fsm_call call_dial_cached = {.name = "dial_cached", .work = do_dial_cached, .work_id = 2};

static int do_dial_broker(struct fsm *fsm)
{
    return (int)client_connect_dial_broker((struct client_connect *)fsm);
}
static const struct fsm_call call_dial_broker = {.name = "dial_broker", .work = do_dial_broker, .work_id = 3};

static void do_time_out(struct fsm *fsm)
{
    client_connect_time_out((struct client_connect *)fsm);
}
static const struct fsm_call call_time_out = {.name = "time_out", .act = do_time_out};

static void do_take_backend__hello_skip(struct fsm *fsm)
{
    client_connect_take_backend((struct client_connect *)fsm, CLIENT_CONNECT_TAKE_BACKEND_HELLO_SKIP);
}
static const struct fsm_call call_take_backend__hello_skip = {.name = "take_backend(hello_skip)", .act = do_take_backend__hello_skip};

static int do_say_hello(struct fsm *fsm)
{
    return (int)client_connect_say_hello((struct client_connect *)fsm);
}
static const struct fsm_call call_say_hello = {.name = "say_hello", .work = do_say_hello, .work_id = 4};

static int do_dial_backend(struct fsm *fsm)
{
    return (int)client_connect_dial_backend((struct client_connect *)fsm);
}
static const struct fsm_call call_dial_backend = {.name = "dial_backend", .work = do_dial_backend, .work_id = 5};

static void do_close_broker(struct fsm *fsm)
{
    client_connect_close_broker((struct client_connect *)fsm);
}
static const struct fsm_call call_close_broker = {.name = "close_broker", .act = do_close_broker};

static void do_count_retry(struct fsm *fsm)
{
    client_connect_count_retry((struct client_connect *)fsm);
}
static const struct fsm_call call_count_retry = {.name = "count_retry", .act = do_count_retry};

static void do_take_backend__negotiated(struct fsm *fsm)
{
    client_connect_take_backend((struct client_connect *)fsm, CLIENT_CONNECT_TAKE_BACKEND_NEGOTIATED);
}
static const struct fsm_call call_take_backend__negotiated = {.name = "take_backend(negotiated)", .act = do_take_backend__negotiated};

static bool ask_worth_retry(const struct fsm *fsm)
{
    return client_connect_worth_retry((const struct client_connect *)fsm);
}
static const struct fsm_guard guard_worth_retry = {.name = "worth_retry", .holds = ask_worth_retry};

static nsec_t until_call_deadline(const struct fsm *fsm, nsec_t now)
{
    return client_connect_call_deadline((const struct client_connect *)fsm, now);
}

static nsec_t until_retry_due(const struct fsm *fsm, nsec_t now)
{
    return client_connect_retry_due((const struct client_connect *)fsm, now);
}

static const char *const event_names[] = {
    [0] = "none",
    [CLIENT_CONNECT_EVENT_CLOSE] = "close",
    [CLIENT_CONNECT_EVENT_BUDGET] = "budget",
    [CLIENT_CONNECT_EVENT_CROWDED] = "crowded",
    [CLIENT_CONNECT_EVENT_PAUSE] = "pause",
    [CLIENT_CONNECT_EVENT_SKIP_HELLO] = "skip_hello",
    [CLIENT_CONNECT_EVENT_ASK_BROKER] = "ask_broker",
    [CLIENT_CONNECT_EVENT_CACHED_UP] = "cached_up",
    [CLIENT_CONNECT_EVENT_CACHED_DOWN] = "cached_down",
    [CLIENT_CONNECT_EVENT_BROKER_UP] = "broker_up",
    [CLIENT_CONNECT_EVENT_BROKER_FULL] = "broker_full",
    [CLIENT_CONNECT_EVENT_BROKER_DOWN] = "broker_down",
    [CLIENT_CONNECT_EVENT_NEGOTIATED] = "negotiated",
    [CLIENT_CONNECT_EVENT_REFUSED] = "refused",
    [CLIENT_CONNECT_EVENT_HELLO_FAILED] = "hello_failed",
    [CLIENT_CONNECT_EVENT_BACKEND_UP] = "backend_up",
    [CLIENT_CONNECT_EVENT_BACKEND_FULL] = "backend_full",
    [CLIENT_CONNECT_EVENT_BACKEND_DOWN] = "backend_down",
};

static const struct fsm_state_info states[] = {
    [0] = {.name = "unborn"},
    [CLIENT_CONNECT_STATE_STARTING] = {.name = "starting"},
    [CLIENT_CONNECT_STATE_SKIPPING] = {.name = "skipping", .timers = TIMER(CLIENT_CONNECT_EVENT_BUDGET)},
    [CLIENT_CONNECT_STATE_DIALING] = {.name = "dialing", .timers = TIMER(CLIENT_CONNECT_EVENT_BUDGET)},
    [CLIENT_CONNECT_STATE_QUEUEING] = {.name = "queueing", .timers = TIMER(CLIENT_CONNECT_EVENT_BUDGET) | TIMER(CLIENT_CONNECT_EVENT_CROWDED)},
    [CLIENT_CONNECT_STATE_ASKING] = {.name = "asking", .timers = TIMER(CLIENT_CONNECT_EVENT_BUDGET)},
    [CLIENT_CONNECT_STATE_PAUSING] = {.name = "pausing", .timers = TIMER(CLIENT_CONNECT_EVENT_BUDGET) | TIMER(CLIENT_CONNECT_EVENT_PAUSE)},
    [CLIENT_CONNECT_STATE_REDIALING] = {.name = "redialing", .timers = TIMER(CLIENT_CONNECT_EVENT_BUDGET)},
    [CLIENT_CONNECT_STATE_BACKLOGGED] = {.name = "backlogged", .timers = TIMER(CLIENT_CONNECT_EVENT_BUDGET) | TIMER(CLIENT_CONNECT_EVENT_CROWDED)},
    [CLIENT_CONNECT_STATE_CONNECTED] = {.name = "connected", .is_final = true},
    [CLIENT_CONNECT_STATE_FAILED] = {.name = "failed", .is_final = true},
    [CLIENT_CONNECT_STATE_ENDED] = {.name = "ended", .is_final = true},
};

static const struct fsm_timer_info timers[] = {
    [CLIENT_CONNECT_EVENT_BUDGET - FIRST_TIMER] = {.until = until_call_deadline},
    [CLIENT_CONNECT_EVENT_CROWDED - FIRST_TIMER] = {.lasts_nsec = 10 * NSEC_PER_MSEC},
    [CLIENT_CONNECT_EVENT_PAUSE - FIRST_TIMER] = {.until = until_retry_due},
};

static const struct fsm_work_info works[] = {
    [0] = {.name = "none"},
    [1] = {.name = "choose_way", .outcomes = (const uint8_t[]){CLIENT_CONNECT_EVENT_SKIP_HELLO, CLIENT_CONNECT_EVENT_ASK_BROKER, 0}},
    [2] = {.name = "dial_cached", .outcomes = (const uint8_t[]){CLIENT_CONNECT_EVENT_CACHED_UP, CLIENT_CONNECT_EVENT_CACHED_DOWN, 0}},
    [3] = {.name = "dial_broker", .outcomes = (const uint8_t[]){CLIENT_CONNECT_EVENT_BROKER_UP, CLIENT_CONNECT_EVENT_BROKER_FULL, CLIENT_CONNECT_EVENT_BROKER_DOWN, 0}},
    [4] = {.name = "say_hello", .outcomes = (const uint8_t[]){CLIENT_CONNECT_EVENT_NEGOTIATED, CLIENT_CONNECT_EVENT_REFUSED, CLIENT_CONNECT_EVENT_HELLO_FAILED, 0}},
    [5] = {.name = "dial_backend", .outcomes = (const uint8_t[]){CLIENT_CONNECT_EVENT_BACKEND_UP, CLIENT_CONNECT_EVENT_BACKEND_FULL, CLIENT_CONNECT_EVENT_BACKEND_DOWN, 0}},
};

static const struct fsm_cell cells[CLIENT_CONNECT_STATE_MAX][CLIENT_CONNECT_EVENT_MAX] = {
    [CLIENT_CONNECT_STATE_STARTING] = {
        [CLIENT_CONNECT_EVENT_CLOSE] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_ENDED})},
        [CLIENT_CONNECT_EVENT_SKIP_HELLO] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_SKIPPING, .calls = CALLS(&call_dial_cached)})},
        [CLIENT_CONNECT_EVENT_ASK_BROKER] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_DIALING, .calls = CALLS(&call_dial_broker)})},
    },
    [CLIENT_CONNECT_STATE_SKIPPING] = {
        [CLIENT_CONNECT_EVENT_CLOSE] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_ENDED})},
        [CLIENT_CONNECT_EVENT_BUDGET] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED, .calls = CALLS(&call_time_out)})},
        [CLIENT_CONNECT_EVENT_CACHED_UP] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_CONNECTED, .calls = CALLS(&call_take_backend__hello_skip)})},
        [CLIENT_CONNECT_EVENT_CACHED_DOWN] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_DIALING, .calls = CALLS(&call_dial_broker)})},
    },
    [CLIENT_CONNECT_STATE_DIALING] = {
        [CLIENT_CONNECT_EVENT_CLOSE] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_ENDED})},
        [CLIENT_CONNECT_EVENT_BUDGET] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED, .calls = CALLS(&call_time_out)})},
        [CLIENT_CONNECT_EVENT_BROKER_UP] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_ASKING, .calls = CALLS(&call_say_hello)})},
        [CLIENT_CONNECT_EVENT_BROKER_FULL] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_QUEUEING})},
        [CLIENT_CONNECT_EVENT_BROKER_DOWN] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED})},
    },
    [CLIENT_CONNECT_STATE_QUEUEING] = {
        [CLIENT_CONNECT_EVENT_CLOSE] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_ENDED})},
        [CLIENT_CONNECT_EVENT_BUDGET] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED, .calls = CALLS(&call_time_out)})},
        [CLIENT_CONNECT_EVENT_CROWDED] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_DIALING, .calls = CALLS(&call_dial_broker)})},
    },
    [CLIENT_CONNECT_STATE_ASKING] = {
        [CLIENT_CONNECT_EVENT_CLOSE] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_ENDED})},
        [CLIENT_CONNECT_EVENT_BUDGET] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED, .calls = CALLS(&call_time_out)})},
        [CLIENT_CONNECT_EVENT_NEGOTIATED] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_REDIALING, .calls = CALLS(&call_dial_backend)})},
        [CLIENT_CONNECT_EVENT_REFUSED] = {2, ROWS(
            {.guard = &guard_worth_retry, .verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_PAUSING, .calls = CALLS(&call_close_broker, &call_count_retry)},
            {.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED})},
        [CLIENT_CONNECT_EVENT_HELLO_FAILED] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED})},
    },
    [CLIENT_CONNECT_STATE_PAUSING] = {
        [CLIENT_CONNECT_EVENT_CLOSE] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_ENDED})},
        [CLIENT_CONNECT_EVENT_BUDGET] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED, .calls = CALLS(&call_time_out)})},
        [CLIENT_CONNECT_EVENT_PAUSE] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_DIALING, .calls = CALLS(&call_dial_broker)})},
    },
    [CLIENT_CONNECT_STATE_REDIALING] = {
        [CLIENT_CONNECT_EVENT_CLOSE] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_ENDED})},
        [CLIENT_CONNECT_EVENT_BUDGET] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED, .calls = CALLS(&call_time_out)})},
        [CLIENT_CONNECT_EVENT_BACKEND_UP] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_CONNECTED, .calls = CALLS(&call_take_backend__negotiated)})},
        [CLIENT_CONNECT_EVENT_BACKEND_FULL] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_BACKLOGGED})},
        [CLIENT_CONNECT_EVENT_BACKEND_DOWN] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED})},
    },
    [CLIENT_CONNECT_STATE_BACKLOGGED] = {
        [CLIENT_CONNECT_EVENT_CLOSE] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_ENDED})},
        [CLIENT_CONNECT_EVENT_BUDGET] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_FAILED, .calls = CALLS(&call_time_out)})},
        [CLIENT_CONNECT_EVENT_CROWDED] = {1, ROWS({.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_REDIALING, .calls = CALLS(&call_dial_backend)})},
    },
};

static void tell_ended(struct fsm *fsm)
{
    client_connect_ended((struct client_connect *)fsm);
}

const struct fsm_machine client_connect_machine = {
    .name = "client_connect",
    .n_states = CLIENT_CONNECT_STATE_MAX,
    .n_events = CLIENT_CONNECT_EVENT_MAX,
    .n_raised = 2,
    .states = states,
    .events = event_names,
    .n_timers = 3,
    .first_timer = FIRST_TIMER,
    .timers = timers,
    .n_works = 6,
    .works = works,
    .cells = &cells[0][0],
    .birth = {.verdict = FSM_GO, .next = CLIENT_CONNECT_STATE_STARTING, .calls = CALLS(&call_choose_way)},
    .ended = tell_ended,
};

int client_connect_start(struct client_connect *machine, struct fsm_world *world)
{
    return fsm_start((struct fsm *)machine, world, &client_connect_machine);
}

void client_connect_raise(struct client_connect *machine, enum client_connect_event event)
{
    fsm_raise((struct fsm *)machine, (int)event);
}

bool client_connect_is_alive(const struct client_connect *machine)
{
    return fsm_is_alive((const struct fsm *)machine);
}

enum client_connect_state client_connect_state(const struct client_connect *machine)
{
    return (enum client_connect_state)((const struct fsm *)machine)->state;
}

const char *client_connect_state_name(enum client_connect_state state)
{
    return (unsigned int)state < sizeof(states) / sizeof(states[0]) ? states[state].name : "?";
}

const char *client_connect_event_name(enum client_connect_event event)
{
    return (unsigned int)event < sizeof(event_names) / sizeof(event_names[0]) ? event_names[event] : "?";
}

const char *client_connect_take_backend_name(enum client_connect_take_backend_arg argument)
{
    static const char *const names[] = {
        [CLIENT_CONNECT_TAKE_BACKEND_HELLO_SKIP] = "hello_skip",
        [CLIENT_CONNECT_TAKE_BACKEND_NEGOTIATED] = "negotiated",
    };

    return (unsigned int)argument < sizeof(names) / sizeof(names[0]) ? names[argument] : "?";
}
