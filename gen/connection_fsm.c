/* SPDX-License-Identifier: MIT */
/* Generated from connection.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "connection_fsm.h"

#include "fsm/machine.h"

enum { FIRST_TIMER = CONNECTION_EVENT_DEADLINE };
#define TIMER(event) (1U << ((event) - FIRST_TIMER))
#define CALLS(...) (const struct fsm_call *const[]){__VA_ARGS__, NULL}
#define ROWS(...) (const struct fsm_branch[]){__VA_ARGS__}

static int do_check_peer(struct fsm *fsm)
{
    return (int)connection_check_peer((struct connection *)fsm);
}
static const struct fsm_call call_check_peer = {.name = "check_peer", .work = do_check_peer, .work_id = 1};

static void do_close__shutdown(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_SHUTDOWN);
}
static const struct fsm_call call_close__shutdown = {.name = "close(shutdown)", .act = do_close__shutdown};

static int do_read_frame(struct fsm *fsm)
{
    return (int)connection_read_frame((struct connection *)fsm);
}
static const struct fsm_call call_read_frame = {.name = "read_frame", .work = do_read_frame, .work_id = 2};

static void do_close__peer_policy(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_PEER_POLICY);
}
static const struct fsm_call call_close__peer_policy = {.name = "close(peer_policy)", .act = do_close__peer_policy};

static void do_close__peer_unknown(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_PEER_UNKNOWN);
}
static const struct fsm_call call_close__peer_unknown = {.name = "close(peer_unknown)", .act = do_close__peer_unknown};

static void do_close__peer_cap(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_PEER_CAP);
}
static const struct fsm_call call_close__peer_cap = {.name = "close(peer_cap)", .act = do_close__peer_cap};

static void do_close__memory(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_MEMORY);
}
static const struct fsm_call call_close__memory = {.name = "close(memory)", .act = do_close__memory};

static int do_route(struct fsm *fsm)
{
    return (int)connection_route((struct connection *)fsm);
}
static const struct fsm_call call_route = {.name = "route", .work = do_route, .work_id = 3};

static void do_refuse__malformed(struct fsm *fsm)
{
    connection_refuse((struct connection *)fsm, CONNECTION_REFUSE_MALFORMED);
}
static const struct fsm_call call_refuse__malformed = {.name = "refuse(malformed)", .act = do_refuse__malformed};

static int do_write_reply(struct fsm *fsm)
{
    return (int)connection_write_reply((struct connection *)fsm);
}
static const struct fsm_call call_write_reply = {.name = "write_reply", .work = do_write_reply, .work_id = 4};

static void do_close__probe(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_PROBE);
}
static const struct fsm_call call_close__probe = {.name = "close(probe)", .act = do_close__probe};

static void do_close__deadline(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_DEADLINE);
}
static const struct fsm_call call_close__deadline = {.name = "close(deadline)", .act = do_close__deadline};

static void do_close__evicted(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_EVICTED);
}
static const struct fsm_call call_close__evicted = {.name = "close(evicted)", .act = do_close__evicted};

static void do_close__bad_admin(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_BAD_ADMIN);
}
static const struct fsm_call call_close__bad_admin = {.name = "close(bad_admin)", .act = do_close__bad_admin};

static void do_leave_waiters(struct fsm *fsm)
{
    connection_leave_waiters((struct connection *)fsm);
}
static const struct fsm_call call_leave_waiters = {.name = "leave_waiters", .act = do_leave_waiters};

static void do_refuse__in_progress(struct fsm *fsm)
{
    connection_refuse((struct connection *)fsm, CONNECTION_REFUSE_IN_PROGRESS);
}
static const struct fsm_call call_refuse__in_progress = {.name = "refuse(in_progress)", .act = do_refuse__in_progress};

static void do_close__lost(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_LOST);
}
static const struct fsm_call call_close__lost = {.name = "close(lost)", .act = do_close__lost};

static int do_discard(struct fsm *fsm)
{
    return (int)connection_discard((struct connection *)fsm);
}
static const struct fsm_call call_discard = {.name = "discard", .work = do_discard, .work_id = 5};

static void do_tell_broker(struct fsm *fsm)
{
    connection_tell_broker((struct connection *)fsm);
}
static const struct fsm_call call_tell_broker = {.name = "tell_broker", .act = do_tell_broker};

static void do_close__done(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_DONE);
}
static const struct fsm_call call_close__done = {.name = "close(done)", .act = do_close__done};

static void do_close__stalled(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_STALLED);
}
static const struct fsm_call call_close__stalled = {.name = "close(stalled)", .act = do_close__stalled};

static void do_close__refused(struct fsm *fsm)
{
    connection_close((struct connection *)fsm, CONNECTION_CLOSE_REFUSED);
}
static const struct fsm_call call_close__refused = {.name = "close(refused)", .act = do_close__refused};

static bool ask_input_left(const struct fsm *fsm)
{
    return connection_input_left((const struct connection *)fsm);
}
static const struct fsm_guard guard_input_left = {.name = "input_left", .holds = ask_input_left};

static bool ask_shutdown_asked(const struct fsm *fsm)
{
    return connection_shutdown_asked((const struct connection *)fsm);
}
static const struct fsm_guard guard_shutdown_asked = {.name = "shutdown_asked", .holds = ask_shutdown_asked};

static bool ask_was_taking(const struct fsm *fsm)
{
    return connection_was_taking((const struct connection *)fsm);
}
static const struct fsm_guard guard_was_taking = {.name = "was_taking", .holds = ask_was_taking};

static nsec_t until_request_deadline(const struct fsm *fsm, nsec_t now)
{
    return connection_request_deadline((const struct connection *)fsm, now);
}

static nsec_t until_waiter_deadline(const struct fsm *fsm, nsec_t now)
{
    return connection_waiter_deadline((const struct connection *)fsm, now);
}

static nsec_t until_stall_due(const struct fsm *fsm, nsec_t now)
{
    return connection_stall_due((const struct connection *)fsm, now);
}

static nsec_t until_linger_due(const struct fsm *fsm, nsec_t now)
{
    return connection_linger_due((const struct connection *)fsm, now);
}

static const char *const event_names[] = {
    [0] = "none",
    [CONNECTION_EVENT_HANG_UP] = "hang_up",
    [CONNECTION_EVENT_ANSWERED] = "answered",
    [CONNECTION_EVENT_EVICTED] = "evicted",
    [CONNECTION_EVENT_CUT_OFF] = "cut_off",
    [CONNECTION_EVENT_DEADLINE] = "deadline",
    [CONNECTION_EVENT_PATIENCE] = "patience",
    [CONNECTION_EVENT_STALL] = "stall",
    [CONNECTION_EVENT_LINGER] = "linger",
    [CONNECTION_EVENT_WELCOME] = "welcome",
    [CONNECTION_EVENT_UNWELCOME] = "unwelcome",
    [CONNECTION_EVENT_UNKNOWN] = "unknown",
    [CONNECTION_EVENT_CROWDED] = "crowded",
    [CONNECTION_EVENT_STARVED] = "starved",
    [CONNECTION_EVENT_COMPLETE] = "complete",
    [CONNECTION_EVENT_MALFORMED] = "malformed",
    [CONNECTION_EVENT_EMPTY] = "empty",
    [CONNECTION_EVENT_REPLIED] = "replied",
    [CONNECTION_EVENT_MUST_WAIT] = "must_wait",
    [CONNECTION_EVENT_UNANSWERABLE] = "unanswerable",
    [CONNECTION_EVENT_WRITTEN] = "written",
    [CONNECTION_EVENT_LOST] = "lost",
    [CONNECTION_EVENT_QUIET] = "quiet",
};

static const struct fsm_state_info states[] = {
    [0] = {.name = "unborn"},
    [CONNECTION_STATE_CHECKING] = {.name = "checking"},
    [CONNECTION_STATE_READING] = {.name = "reading", .timers = TIMER(CONNECTION_EVENT_DEADLINE)},
    [CONNECTION_STATE_ROUTING] = {.name = "routing"},
    [CONNECTION_STATE_WAITING] = {.name = "waiting", .timers = TIMER(CONNECTION_EVENT_PATIENCE)},
    [CONNECTION_STATE_WRITING] = {.name = "writing", .timers = TIMER(CONNECTION_EVENT_STALL)},
    [CONNECTION_STATE_LINGERING] = {.name = "lingering", .timers = TIMER(CONNECTION_EVENT_LINGER)},
    [CONNECTION_STATE_CLOSED] = {.name = "closed", .is_final = true},
};

static const struct fsm_timer_info timers[] = {
    [CONNECTION_EVENT_DEADLINE - FIRST_TIMER] = {.until = until_request_deadline},
    [CONNECTION_EVENT_PATIENCE - FIRST_TIMER] = {.until = until_waiter_deadline},
    [CONNECTION_EVENT_STALL - FIRST_TIMER] = {.until = until_stall_due},
    [CONNECTION_EVENT_LINGER - FIRST_TIMER] = {.until = until_linger_due},
};

static const struct fsm_work_info works[] = {
    [0] = {.name = "none"},
    [1] = {.name = "check_peer", .outcomes = (const uint8_t[]){CONNECTION_EVENT_WELCOME, CONNECTION_EVENT_UNWELCOME, CONNECTION_EVENT_UNKNOWN, CONNECTION_EVENT_CROWDED, CONNECTION_EVENT_STARVED, 0}},
    [2] = {.name = "read_frame", .outcomes = (const uint8_t[]){CONNECTION_EVENT_STARVED, CONNECTION_EVENT_COMPLETE, CONNECTION_EVENT_MALFORMED, CONNECTION_EVENT_EMPTY, 0}},
    [3] = {.name = "route", .outcomes = (const uint8_t[]){CONNECTION_EVENT_STARVED, CONNECTION_EVENT_REPLIED, CONNECTION_EVENT_MUST_WAIT, CONNECTION_EVENT_UNANSWERABLE, 0}},
    [4] = {.name = "write_reply", .outcomes = (const uint8_t[]){CONNECTION_EVENT_WRITTEN, CONNECTION_EVENT_LOST, 0}},
    [5] = {.name = "discard", .outcomes = (const uint8_t[]){CONNECTION_EVENT_QUIET, 0}},
};

static const struct fsm_cell cells[CONNECTION_STATE_MAX][CONNECTION_EVENT_MAX] = {
    [CONNECTION_STATE_CHECKING] = {
        [CONNECTION_EVENT_HANG_UP] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "read_frame sees it"})},
        [CONNECTION_EVENT_ANSWERED] = {1, ROWS({.verdict = FSM_NEVER})},
        [CONNECTION_EVENT_EVICTED] = {1, ROWS({.verdict = FSM_NEVER})},
        [CONNECTION_EVENT_CUT_OFF] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__shutdown)})},
        [CONNECTION_EVENT_WELCOME] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_READING, .calls = CALLS(&call_read_frame)})},
        [CONNECTION_EVENT_UNWELCOME] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__peer_policy)})},
        [CONNECTION_EVENT_UNKNOWN] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__peer_unknown)})},
        [CONNECTION_EVENT_CROWDED] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__peer_cap)})},
        [CONNECTION_EVENT_STARVED] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__memory)})},
    },
    [CONNECTION_STATE_READING] = {
        [CONNECTION_EVENT_HANG_UP] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "read_frame sees it"})},
        [CONNECTION_EVENT_ANSWERED] = {1, ROWS({.verdict = FSM_NEVER})},
        [CONNECTION_EVENT_EVICTED] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__evicted)})},
        [CONNECTION_EVENT_CUT_OFF] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__shutdown)})},
        [CONNECTION_EVENT_DEADLINE] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__deadline)})},
        [CONNECTION_EVENT_STARVED] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__memory)})},
        [CONNECTION_EVENT_COMPLETE] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_ROUTING, .calls = CALLS(&call_route)})},
        [CONNECTION_EVENT_MALFORMED] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_WRITING, .calls = CALLS(&call_refuse__malformed, &call_write_reply)})},
        [CONNECTION_EVENT_EMPTY] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__probe)})},
    },
    [CONNECTION_STATE_ROUTING] = {
        [CONNECTION_EVENT_HANG_UP] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "write_reply sees it"})},
        [CONNECTION_EVENT_ANSWERED] = {1, ROWS({.verdict = FSM_NEVER})},
        [CONNECTION_EVENT_EVICTED] = {1, ROWS({.verdict = FSM_NEVER})},
        [CONNECTION_EVENT_CUT_OFF] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__shutdown)})},
        [CONNECTION_EVENT_STARVED] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__memory)})},
        [CONNECTION_EVENT_REPLIED] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_WRITING, .calls = CALLS(&call_write_reply)})},
        [CONNECTION_EVENT_MUST_WAIT] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_WAITING})},
        [CONNECTION_EVENT_UNANSWERABLE] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__bad_admin)})},
    },
    [CONNECTION_STATE_WAITING] = {
        [CONNECTION_EVENT_HANG_UP] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_leave_waiters, &call_close__lost)})},
        [CONNECTION_EVENT_ANSWERED] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_WRITING, .calls = CALLS(&call_write_reply)})},
        [CONNECTION_EVENT_EVICTED] = {1, ROWS({.verdict = FSM_NEVER})},
        [CONNECTION_EVENT_CUT_OFF] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_leave_waiters, &call_close__shutdown)})},
        [CONNECTION_EVENT_PATIENCE] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_WRITING, .calls = CALLS(&call_leave_waiters, &call_refuse__in_progress, &call_write_reply)})},
    },
    [CONNECTION_STATE_WRITING] = {
        [CONNECTION_EVENT_HANG_UP] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "write_reply sees it"})},
        [CONNECTION_EVENT_ANSWERED] = {1, ROWS({.verdict = FSM_NEVER})},
        [CONNECTION_EVENT_EVICTED] = {1, ROWS({.verdict = FSM_NEVER})},
        [CONNECTION_EVENT_CUT_OFF] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__shutdown)})},
        [CONNECTION_EVENT_STALL] = {2, ROWS(
            {.guard = &guard_was_taking, .verdict = FSM_GO, .next = CONNECTION_STATE_WRITING, .stays = true},
            {.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__stalled)})},
        [CONNECTION_EVENT_WRITTEN] = {3, ROWS(
            {.guard = &guard_input_left, .verdict = FSM_GO, .next = CONNECTION_STATE_LINGERING, .calls = CALLS(&call_discard)},
            {.guard = &guard_shutdown_asked, .verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_tell_broker, &call_close__done)},
            {.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__done)})},
        [CONNECTION_EVENT_LOST] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__lost)})},
    },
    [CONNECTION_STATE_LINGERING] = {
        [CONNECTION_EVENT_HANG_UP] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "discard sees it"})},
        [CONNECTION_EVENT_ANSWERED] = {1, ROWS({.verdict = FSM_NEVER})},
        [CONNECTION_EVENT_EVICTED] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__evicted)})},
        [CONNECTION_EVENT_CUT_OFF] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__shutdown)})},
        [CONNECTION_EVENT_LINGER] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__refused)})},
        [CONNECTION_EVENT_QUIET] = {1, ROWS({.verdict = FSM_GO, .next = CONNECTION_STATE_CLOSED, .calls = CALLS(&call_close__refused)})},
    },
};

static void tell_ended(struct fsm *fsm)
{
    connection_ended((struct connection *)fsm);
}

const struct fsm_machine connection_machine = {
    .name = "connection",
    .n_states = CONNECTION_STATE_MAX,
    .n_events = CONNECTION_EVENT_MAX,
    .n_raised = 5,
    .states = states,
    .events = event_names,
    .n_timers = 4,
    .first_timer = FIRST_TIMER,
    .timers = timers,
    .n_works = 6,
    .works = works,
    .cells = &cells[0][0],
    .birth = {.verdict = FSM_GO, .next = CONNECTION_STATE_CHECKING, .calls = CALLS(&call_check_peer)},
    .ended = tell_ended,
};

int connection_start(struct connection *machine, struct fsm_world *world)
{
    return fsm_start((struct fsm *)machine, world, &connection_machine);
}

void connection_raise(struct connection *machine, enum connection_event event)
{
    fsm_raise((struct fsm *)machine, (int)event);
}

bool connection_is_alive(const struct connection *machine)
{
    return fsm_is_alive((const struct fsm *)machine);
}

enum connection_state connection_state(const struct connection *machine)
{
    return (enum connection_state)((const struct fsm *)machine)->state;
}

const char *connection_state_name(enum connection_state state)
{
    return (unsigned int)state < sizeof(states) / sizeof(states[0]) ? states[state].name : "?";
}

const char *connection_event_name(enum connection_event event)
{
    return (unsigned int)event < sizeof(event_names) / sizeof(event_names[0]) ? event_names[event] : "?";
}

const char *connection_close_name(enum connection_close_arg argument)
{
    static const char *const names[] = {
        [CONNECTION_CLOSE_SHUTDOWN] = "shutdown",
        [CONNECTION_CLOSE_PEER_POLICY] = "peer_policy",
        [CONNECTION_CLOSE_PEER_UNKNOWN] = "peer_unknown",
        [CONNECTION_CLOSE_PEER_CAP] = "peer_cap",
        [CONNECTION_CLOSE_MEMORY] = "memory",
        [CONNECTION_CLOSE_PROBE] = "probe",
        [CONNECTION_CLOSE_DEADLINE] = "deadline",
        [CONNECTION_CLOSE_EVICTED] = "evicted",
        [CONNECTION_CLOSE_BAD_ADMIN] = "bad_admin",
        [CONNECTION_CLOSE_LOST] = "lost",
        [CONNECTION_CLOSE_DONE] = "done",
        [CONNECTION_CLOSE_STALLED] = "stalled",
        [CONNECTION_CLOSE_REFUSED] = "refused",
    };

    return (unsigned int)argument < sizeof(names) / sizeof(names[0]) ? names[argument] : "?";
}

const char *connection_refuse_name(enum connection_refuse_arg argument)
{
    static const char *const names[] = {
        [CONNECTION_REFUSE_MALFORMED] = "malformed",
        [CONNECTION_REFUSE_IN_PROGRESS] = "in_progress",
    };

    return (unsigned int)argument < sizeof(names) / sizeof(names[0]) ? names[argument] : "?";
}
