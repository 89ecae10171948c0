/* SPDX-License-Identifier: MIT */
/* Generated from fd_pressure.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "fd_pressure_fsm.h"

#include "fsm/machine.h"

enum { FIRST_TIMER = FD_PRESSURE_EVENT_REST };
#define TIMER(event) (1U << ((event) - FIRST_TIMER))
#define CALLS(...) (const struct fsm_call *const[]){__VA_ARGS__, NULL}
#define ROWS(...) (const struct fsm_branch[]){__VA_ARGS__}

static void do_count_demotion(struct fsm *fsm)
{
    fd_pressure_count_demotion((struct fd_pressure *)fsm);
}
static const struct fsm_call call_count_demotion = {.name = "count_demotion", .act = do_count_demotion};

static void do_log_once(struct fsm *fsm)
{
    fd_pressure_log_once((struct fd_pressure *)fsm);
}
static const struct fsm_call call_log_once = {.name = "log_once", .act = do_log_once};

static void do_pause_listener(struct fsm *fsm)
{
    fd_pressure_pause_listener((struct fd_pressure *)fsm);
}
static const struct fsm_call call_pause_listener = {.name = "pause_listener", .act = do_pause_listener};

static void do_serve_by_reserve(struct fsm *fsm)
{
    fd_pressure_serve_by_reserve((struct fd_pressure *)fsm);
}
static const struct fsm_call call_serve_by_reserve = {.name = "serve_by_reserve", .act = do_serve_by_reserve};

static void do_resume_listener(struct fsm *fsm)
{
    fd_pressure_resume_listener((struct fd_pressure *)fsm);
}
static const struct fsm_call call_resume_listener = {.name = "resume_listener", .act = do_resume_listener};

static void do_forgive(struct fsm *fsm)
{
    fd_pressure_forgive((struct fd_pressure *)fsm);
}
static const struct fsm_call call_forgive = {.name = "forgive", .act = do_forgive};

static void do_count_good_accept(struct fsm *fsm)
{
    fd_pressure_count_good_accept((struct fd_pressure *)fsm);
}
static const struct fsm_call call_count_good_accept = {.name = "count_good_accept", .act = do_count_good_accept};

static void do_forget_good_accepts(struct fsm *fsm)
{
    fd_pressure_forget_good_accepts((struct fd_pressure *)fsm);
}
static const struct fsm_call call_forget_good_accepts = {.name = "forget_good_accepts", .act = do_forget_good_accepts};

static bool ask_recovered(const struct fsm *fsm)
{
    return fd_pressure_recovered((const struct fd_pressure *)fsm);
}
static const struct fsm_guard guard_recovered = {.name = "recovered", .holds = ask_recovered};

static const char *const event_names[] = {
    [0] = "none",
    [FD_PRESSURE_EVENT_ACCEPTED] = "accepted",
    [FD_PRESSURE_EVENT_EXHAUSTED] = "exhausted",
    [FD_PRESSURE_EVENT_REST] = "rest",
};

static const struct fsm_state_info states[] = {
    [0] = {.name = "unborn"},
    [FD_PRESSURE_STATE_NORMAL] = {.name = "normal"},
    [FD_PRESSURE_STATE_RESTING] = {.name = "resting", .timers = TIMER(FD_PRESSURE_EVENT_REST)},
    [FD_PRESSURE_STATE_DEMOTED] = {.name = "demoted"},
};

static const struct fsm_timer_info timers[] = {
    [FD_PRESSURE_EVENT_REST - FIRST_TIMER] = {.lasts_nsec = 50 * NSEC_PER_MSEC},
};

static const struct fsm_cell cells[FD_PRESSURE_STATE_MAX][FD_PRESSURE_EVENT_MAX] = {
    [FD_PRESSURE_STATE_NORMAL] = {
        [FD_PRESSURE_EVENT_ACCEPTED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "nothing to recover from"})},
        [FD_PRESSURE_EVENT_EXHAUSTED] = {1, ROWS({.verdict = FSM_GO, .next = FD_PRESSURE_STATE_RESTING, .calls = CALLS(&call_count_demotion, &call_log_once, &call_pause_listener, &call_serve_by_reserve)})},
    },
    [FD_PRESSURE_STATE_RESTING] = {
        [FD_PRESSURE_EVENT_ACCEPTED] = {1, ROWS({.verdict = FSM_NEVER})},
        [FD_PRESSURE_EVENT_EXHAUSTED] = {1, ROWS({.verdict = FSM_NEVER})},
        [FD_PRESSURE_EVENT_REST] = {1, ROWS({.verdict = FSM_GO, .next = FD_PRESSURE_STATE_DEMOTED, .calls = CALLS(&call_resume_listener)})},
    },
    [FD_PRESSURE_STATE_DEMOTED] = {
        [FD_PRESSURE_EVENT_ACCEPTED] = {2, ROWS(
            {.guard = &guard_recovered, .verdict = FSM_GO, .next = FD_PRESSURE_STATE_NORMAL, .calls = CALLS(&call_forgive)},
            {.verdict = FSM_GO, .next = FD_PRESSURE_STATE_DEMOTED, .stays = true, .calls = CALLS(&call_count_good_accept)})},
        [FD_PRESSURE_EVENT_EXHAUSTED] = {1, ROWS({.verdict = FSM_GO, .next = FD_PRESSURE_STATE_RESTING, .calls = CALLS(&call_forget_good_accepts, &call_pause_listener, &call_serve_by_reserve)})},
    },
};

static void tell_ended(struct fsm *fsm)
{
    fd_pressure_ended((struct fd_pressure *)fsm);
}

const struct fsm_machine fd_pressure_machine = {
    .name = "fd_pressure",
    .n_states = FD_PRESSURE_STATE_MAX,
    .n_events = FD_PRESSURE_EVENT_MAX,
    .n_raised = 3,
    .states = states,
    .events = event_names,
    .n_timers = 1,
    .first_timer = FIRST_TIMER,
    .timers = timers,
    .cells = &cells[0][0],
    .birth = {.verdict = FSM_GO, .next = FD_PRESSURE_STATE_NORMAL},
    .ended = tell_ended,
};

int fd_pressure_start(struct fd_pressure *machine, struct fsm_world *world)
{
    return fsm_start((struct fsm *)machine, world, &fd_pressure_machine);
}

void fd_pressure_raise(struct fd_pressure *machine, enum fd_pressure_event event)
{
    fsm_raise((struct fsm *)machine, (int)event);
}

bool fd_pressure_is_alive(const struct fd_pressure *machine)
{
    return fsm_is_alive((const struct fsm *)machine);
}

enum fd_pressure_state fd_pressure_state(const struct fd_pressure *machine)
{
    return (enum fd_pressure_state)((const struct fsm *)machine)->state;
}

const char *fd_pressure_state_name(enum fd_pressure_state state)
{
    return (unsigned int)state < sizeof(states) / sizeof(states[0]) ? states[state].name : "?";
}

const char *fd_pressure_event_name(enum fd_pressure_event event)
{
    return (unsigned int)event < sizeof(event_names) / sizeof(event_names[0]) ? event_names[event] : "?";
}
