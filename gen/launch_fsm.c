/* SPDX-License-Identifier: MIT */
/* Generated from launch.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "launch_fsm.h"

#include "fsm/machine.h"

enum { FIRST_TIMER = LAUNCH_EVENT_CEILING };
#define TIMER(event) (1U << ((event) - FIRST_TIMER))
#define CALLS(...) (const struct fsm_call *const[]){__VA_ARGS__, NULL}
#define ROWS(...) (const struct fsm_branch[]){__VA_ARGS__}

static int do_take_permit(struct fsm *fsm)
{
    return (int)launch_take_permit((struct launch *)fsm);
}
static const struct fsm_call call_take_permit = {.name = "take_permit", .work = do_take_permit, .work_id = 1};

static int do_take_lock(struct fsm *fsm)
{
    return (int)launch_take_lock((struct launch *)fsm);
}
static const struct fsm_call call_take_lock = {.name = "take_lock", .work = do_take_lock, .work_id = 2};

static void do_answer__no_permit(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_NO_PERMIT);
}
static const struct fsm_call call_answer__no_permit = {.name = "answer(no_permit)", .act = do_answer__no_permit};

static void do_report__refused(struct fsm *fsm)
{
    launch_report((struct launch *)fsm, LAUNCH_REPORT_REFUSED);
}
static const struct fsm_call call_report__refused = {.name = "report(refused)", .act = do_report__refused};

static void do_answer__shutting_down(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_SHUTTING_DOWN);
}
static const struct fsm_call call_answer__shutting_down = {.name = "answer(shutting_down)", .act = do_answer__shutting_down};

static void do_finish__failed(struct fsm *fsm)
{
    launch_finish((struct launch *)fsm, LAUNCH_FINISH_FAILED);
}
static const struct fsm_call call_finish__failed = {.name = "finish(failed)", .act = do_finish__failed};

static void do_report__failed(struct fsm *fsm)
{
    launch_report((struct launch *)fsm, LAUNCH_REPORT_FAILED);
}
static const struct fsm_call call_report__failed = {.name = "report(failed)", .act = do_report__failed};

static int do_look_again(struct fsm *fsm)
{
    return (int)launch_look_again((struct launch *)fsm);
}
static const struct fsm_call call_look_again = {.name = "look_again", .work = do_look_again, .work_id = 3};

static void do_refund_permit(struct fsm *fsm)
{
    launch_refund_permit((struct launch *)fsm);
}
static const struct fsm_call call_refund_permit = {.name = "refund_permit", .act = do_refund_permit};

static void do_answer__in_progress(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_IN_PROGRESS);
}
static const struct fsm_call call_answer__in_progress = {.name = "answer(in_progress)", .act = do_answer__in_progress};

static void do_answer__failed(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_FAILED);
}
static const struct fsm_call call_answer__failed = {.name = "answer(failed)", .act = do_answer__failed};

static void do_release_lock(struct fsm *fsm)
{
    launch_release_lock((struct launch *)fsm);
}
static const struct fsm_call call_release_lock = {.name = "release_lock", .act = do_release_lock};

static void do_answer__ready(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_READY);
}
static const struct fsm_call call_answer__ready = {.name = "answer(ready)", .act = do_answer__ready};

static void do_report__found(struct fsm *fsm)
{
    launch_report((struct launch *)fsm, LAUNCH_REPORT_FOUND);
}
static const struct fsm_call call_report__found = {.name = "report(found)", .act = do_report__found};

static int do_resolve_binary(struct fsm *fsm)
{
    return (int)launch_resolve_binary((struct launch *)fsm);
}
static const struct fsm_call call_resolve_binary = {.name = "resolve_binary", .work = do_resolve_binary, .work_id = 4};

static void do_bind_listener(struct fsm *fsm)
{
    launch_bind_listener((struct launch *)fsm);
}
static const struct fsm_call call_bind_listener = {.name = "bind_listener", .act = do_bind_listener};

static int do_fork_child(struct fsm *fsm)
{
    return (int)launch_fork_child((struct launch *)fsm);
}
static const struct fsm_call call_fork_child = {.name = "fork_child", .work = do_fork_child, .work_id = 5};

static void do_unlink_socket(struct fsm *fsm)
{
    launch_unlink_socket((struct launch *)fsm);
}
static const struct fsm_call call_unlink_socket = {.name = "unlink_socket", .act = do_unlink_socket};

static void do_release_path(struct fsm *fsm)
{
    launch_release_path((struct launch *)fsm);
}
static const struct fsm_call call_release_path = {.name = "release_path", .act = do_release_path};

static void do_watch_exit(struct fsm *fsm)
{
    launch_watch_exit((struct launch *)fsm);
}
static const struct fsm_call call_watch_exit = {.name = "watch_exit", .act = do_watch_exit};

static int do_verify_child(struct fsm *fsm)
{
    return (int)launch_verify_child((struct launch *)fsm);
}
static const struct fsm_call call_verify_child = {.name = "verify_child", .work = do_verify_child, .work_id = 6};

static void do_kill_child(struct fsm *fsm)
{
    launch_kill_child((struct launch *)fsm);
}
static const struct fsm_call call_kill_child = {.name = "kill_child", .act = do_kill_child};

static void do_answer__timed_out(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_TIMED_OUT);
}
static const struct fsm_call call_answer__timed_out = {.name = "answer(timed_out)", .act = do_answer__timed_out};

static void do_answer__swept(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_SWEPT);
}
static const struct fsm_call call_answer__swept = {.name = "answer(swept)", .act = do_answer__swept};

static void do_answer__exited_early(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_EXITED_EARLY);
}
static const struct fsm_call call_answer__exited_early = {.name = "answer(exited_early)", .act = do_answer__exited_early};

static void do_reap_child(struct fsm *fsm)
{
    launch_reap_child((struct launch *)fsm);
}
static const struct fsm_call call_reap_child = {.name = "reap_child", .act = do_reap_child};

static int do_probe(struct fsm *fsm)
{
    return (int)launch_probe((struct launch *)fsm);
}
static const struct fsm_call call_probe = {.name = "probe", .work = do_probe, .work_id = 7};

static int do_register_backend(struct fsm *fsm)
{
    return (int)launch_register_backend((struct launch *)fsm);
}
static const struct fsm_call call_register_backend = {.name = "register_backend", .work = do_register_backend, .work_id = 8};

static void do_count_attempt(struct fsm *fsm)
{
    launch_count_attempt((struct launch *)fsm);
}
static const struct fsm_call call_count_attempt = {.name = "count_attempt", .act = do_count_attempt};

static void do_answer__wrong_identity(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_WRONG_IDENTITY);
}
static const struct fsm_call call_answer__wrong_identity = {.name = "answer(wrong_identity)", .act = do_answer__wrong_identity};

static void do_finish__launched(struct fsm *fsm)
{
    launch_finish((struct launch *)fsm, LAUNCH_FINISH_LAUNCHED);
}
static const struct fsm_call call_finish__launched = {.name = "finish(launched)", .act = do_finish__launched};

static void do_close_listener(struct fsm *fsm)
{
    launch_close_listener((struct launch *)fsm);
}
static const struct fsm_call call_close_listener = {.name = "close_listener", .act = do_close_listener};

static void do_report__up(struct fsm *fsm)
{
    launch_report((struct launch *)fsm, LAUNCH_REPORT_UP);
}
static const struct fsm_call call_report__up = {.name = "report(up)", .act = do_report__up};

static void do_answer__mismatch(struct fsm *fsm)
{
    launch_answer((struct launch *)fsm, LAUNCH_ANSWER_MISMATCH);
}
static const struct fsm_call call_answer__mismatch = {.name = "answer(mismatch)", .act = do_answer__mismatch};

static void do_abandon_child(struct fsm *fsm)
{
    launch_abandon_child((struct launch *)fsm);
}
static const struct fsm_call call_abandon_child = {.name = "abandon_child", .act = do_abandon_child};

static bool ask_retries_left(const struct fsm *fsm)
{
    return launch_retries_left((const struct launch *)fsm);
}
static const struct fsm_guard guard_retries_left = {.name = "retries_left", .holds = ask_retries_left};

static nsec_t until_ceiling_due(const struct fsm *fsm, nsec_t now)
{
    return launch_ceiling_due((const struct launch *)fsm, now);
}

static nsec_t until_text_busy_due(const struct fsm *fsm, nsec_t now)
{
    return launch_text_busy_due((const struct launch *)fsm, now);
}

static nsec_t until_probe_due(const struct fsm *fsm, nsec_t now)
{
    return launch_probe_due((const struct launch *)fsm, now);
}

static const char *const event_names[] = {
    [0] = "none",
    [LAUNCH_EVENT_CHILD_EXIT] = "child_exit",
    [LAUNCH_EVENT_CANCEL] = "cancel",
    [LAUNCH_EVENT_STIRRED] = "stirred",
    [LAUNCH_EVENT_SWEPT] = "swept",
    [LAUNCH_EVENT_CEILING] = "ceiling",
    [LAUNCH_EVENT_RETRY_EXEC] = "retry_exec",
    [LAUNCH_EVENT_BACKOFF] = "backoff",
    [LAUNCH_EVENT_REAP_LIMIT] = "reap_limit",
    [LAUNCH_EVENT_PERMITTED] = "permitted",
    [LAUNCH_EVENT_NO_PERMIT] = "no_permit",
    [LAUNCH_EVENT_LOCKED] = "locked",
    [LAUNCH_EVENT_LOCK_BUSY] = "lock_busy",
    [LAUNCH_EVENT_LOCK_FAILED] = "lock_failed",
    [LAUNCH_EVENT_PRESENT] = "present",
    [LAUNCH_EVENT_MISSING] = "missing",
    [LAUNCH_EVENT_RESOLVED] = "resolved",
    [LAUNCH_EVENT_UNRESOLVABLE] = "unresolvable",
    [LAUNCH_EVENT_EXECUTED] = "executed",
    [LAUNCH_EVENT_TEXT_BUSY] = "text_busy",
    [LAUNCH_EVENT_EXEC_FAILED] = "exec_failed",
    [LAUNCH_EVENT_VERIFIED] = "verified",
    [LAUNCH_EVENT_UNVERIFIED] = "unverified",
    [LAUNCH_EVENT_ANSWERED] = "answered",
    [LAUNCH_EVENT_NOT_READY] = "not_ready",
    [LAUNCH_EVENT_WRONG_ANSWER] = "wrong_answer",
    [LAUNCH_EVENT_REGISTERED] = "registered",
    [LAUNCH_EVENT_MISMATCHED] = "mismatched",
    [LAUNCH_EVENT_GONE] = "gone",
    [LAUNCH_EVENT_UNKEPT] = "unkept",
};

static const struct fsm_state_info states[] = {
    [0] = {.name = "unborn"},
    [LAUNCH_STATE_ASKING] = {.name = "asking"},
    [LAUNCH_STATE_LOCKING] = {.name = "locking"},
    [LAUNCH_STATE_RECHECKING] = {.name = "rechecking"},
    [LAUNCH_STATE_RESOLVING] = {.name = "resolving"},
    [LAUNCH_STATE_FORKING] = {.name = "forking", .timers = TIMER(LAUNCH_EVENT_CEILING)},
    [LAUNCH_STATE_EXEC_WAITING] = {.name = "exec_waiting", .timers = TIMER(LAUNCH_EVENT_RETRY_EXEC)},
    [LAUNCH_STATE_VERIFYING] = {.name = "verifying", .timers = TIMER(LAUNCH_EVENT_CEILING)},
    [LAUNCH_STATE_PROBING] = {.name = "probing", .timers = TIMER(LAUNCH_EVENT_CEILING)},
    [LAUNCH_STATE_WAITING] = {.name = "waiting", .timers = TIMER(LAUNCH_EVENT_CEILING) | TIMER(LAUNCH_EVENT_BACKOFF)},
    [LAUNCH_STATE_REGISTERING] = {.name = "registering", .timers = TIMER(LAUNCH_EVENT_CEILING)},
    [LAUNCH_STATE_REAPING] = {.name = "reaping", .timers = TIMER(LAUNCH_EVENT_REAP_LIMIT)},
    [LAUNCH_STATE_UP] = {.name = "up", .is_final = true},
    [LAUNCH_STATE_FOUND_UP] = {.name = "found_up", .is_final = true},
    [LAUNCH_STATE_FAILED] = {.name = "failed", .is_final = true},
};

static const struct fsm_timer_info timers[] = {
    [LAUNCH_EVENT_CEILING - FIRST_TIMER] = {.until = until_ceiling_due},
    [LAUNCH_EVENT_RETRY_EXEC - FIRST_TIMER] = {.until = until_text_busy_due},
    [LAUNCH_EVENT_BACKOFF - FIRST_TIMER] = {.until = until_probe_due},
    [LAUNCH_EVENT_REAP_LIMIT - FIRST_TIMER] = {.lasts_nsec = 5000 * NSEC_PER_MSEC},
};

static const struct fsm_work_info works[] = {
    [0] = {.name = "none"},
    [1] = {.name = "take_permit", .outcomes = (const uint8_t[]){LAUNCH_EVENT_PERMITTED, LAUNCH_EVENT_NO_PERMIT, 0}},
    [2] = {.name = "take_lock", .outcomes = (const uint8_t[]){LAUNCH_EVENT_LOCKED, LAUNCH_EVENT_LOCK_BUSY, LAUNCH_EVENT_LOCK_FAILED, 0}},
    [3] = {.name = "look_again", .outcomes = (const uint8_t[]){LAUNCH_EVENT_PRESENT, LAUNCH_EVENT_MISSING, 0}},
    [4] = {.name = "resolve_binary", .outcomes = (const uint8_t[]){LAUNCH_EVENT_RESOLVED, LAUNCH_EVENT_UNRESOLVABLE, 0}},
    [5] = {.name = "fork_child", .outcomes = (const uint8_t[]){LAUNCH_EVENT_EXECUTED, LAUNCH_EVENT_TEXT_BUSY, LAUNCH_EVENT_EXEC_FAILED, 0}},
    [6] = {.name = "verify_child", .outcomes = (const uint8_t[]){LAUNCH_EVENT_VERIFIED, LAUNCH_EVENT_UNVERIFIED, 0}},
    [7] = {.name = "probe", .outcomes = (const uint8_t[]){LAUNCH_EVENT_ANSWERED, LAUNCH_EVENT_NOT_READY, LAUNCH_EVENT_WRONG_ANSWER, 0}},
    [8] = {.name = "register_backend", .outcomes = (const uint8_t[]){LAUNCH_EVENT_REGISTERED, LAUNCH_EVENT_MISMATCHED, LAUNCH_EVENT_GONE, LAUNCH_EVENT_UNKEPT, 0}},
};

static const struct fsm_cell cells[LAUNCH_STATE_MAX][LAUNCH_EVENT_MAX] = {
    [LAUNCH_STATE_ASKING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no child lives here"})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__shutting_down, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "nothing is asked yet"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no socket is there yet"})},
        [LAUNCH_EVENT_PERMITTED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_LOCKING, .calls = CALLS(&call_take_lock)})},
        [LAUNCH_EVENT_NO_PERMIT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__no_permit, &call_report__refused)})},
    },
    [LAUNCH_STATE_LOCKING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no child lives here"})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__shutting_down, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "nothing is asked yet"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no socket is there yet"})},
        [LAUNCH_EVENT_LOCKED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_RECHECKING, .calls = CALLS(&call_look_again)})},
        [LAUNCH_EVENT_LOCK_BUSY] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_refund_permit, &call_answer__in_progress, &call_finish__failed, &call_report__refused)})},
        [LAUNCH_EVENT_LOCK_FAILED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__failed, &call_finish__failed, &call_report__failed)})},
    },
    [LAUNCH_STATE_RECHECKING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no child lives here"})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__shutting_down, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "nothing is asked yet"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no socket is there yet"})},
        [LAUNCH_EVENT_PRESENT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FOUND_UP, .calls = CALLS(&call_refund_permit, &call_release_lock, &call_finish__failed, &call_answer__ready, &call_report__found)})},
        [LAUNCH_EVENT_MISSING] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_RESOLVING, .calls = CALLS(&call_resolve_binary)})},
    },
    [LAUNCH_STATE_RESOLVING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no child lives here"})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__shutting_down, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "nothing is asked yet"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no socket is there yet"})},
        [LAUNCH_EVENT_RESOLVED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FORKING, .calls = CALLS(&call_bind_listener, &call_fork_child)})},
        [LAUNCH_EVENT_UNRESOLVABLE] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__failed, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
    },
    [LAUNCH_STATE_FORKING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "the exec pipe says why; the pidfd is watched after it"})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__shutting_down, &call_kill_child)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "nothing is asked yet"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__swept, &call_kill_child)})},
        [LAUNCH_EVENT_CEILING] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__timed_out, &call_kill_child)})},
        [LAUNCH_EVENT_EXECUTED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_VERIFYING, .calls = CALLS(&call_watch_exit, &call_verify_child)})},
        [LAUNCH_EVENT_TEXT_BUSY] = {2, ROWS(
            {.guard = &guard_retries_left, .verdict = FSM_GO, .next = LAUNCH_STATE_EXEC_WAITING},
            {.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__failed, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_EXEC_FAILED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__failed, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
    },
    [LAUNCH_STATE_EXEC_WAITING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "no child lives here"})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__shutting_down, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "nothing is asked yet"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__swept, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_RETRY_EXEC] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FORKING, .calls = CALLS(&call_fork_child)})},
    },
    [LAUNCH_STATE_VERIFYING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__exited_early, &call_reap_child, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__shutting_down, &call_kill_child)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "nothing is asked yet"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__swept, &call_kill_child)})},
        [LAUNCH_EVENT_CEILING] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__timed_out, &call_kill_child)})},
        [LAUNCH_EVENT_VERIFIED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_PROBING, .calls = CALLS(&call_probe)})},
        [LAUNCH_EVENT_UNVERIFIED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__failed, &call_kill_child)})},
    },
    [LAUNCH_STATE_PROBING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__exited_early, &call_reap_child, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__shutting_down, &call_kill_child)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "the question under way sees it for itself"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__swept, &call_kill_child)})},
        [LAUNCH_EVENT_CEILING] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__timed_out, &call_kill_child)})},
        [LAUNCH_EVENT_ANSWERED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REGISTERING, .calls = CALLS(&call_register_backend)})},
        [LAUNCH_EVENT_NOT_READY] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_WAITING, .calls = CALLS(&call_count_attempt)})},
        [LAUNCH_EVENT_WRONG_ANSWER] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__wrong_identity, &call_kill_child)})},
    },
    [LAUNCH_STATE_WAITING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__exited_early, &call_reap_child, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__shutting_down, &call_kill_child)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_PROBING, .calls = CALLS(&call_probe)})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__swept, &call_kill_child)})},
        [LAUNCH_EVENT_CEILING] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__timed_out, &call_kill_child)})},
        [LAUNCH_EVENT_BACKOFF] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_PROBING, .calls = CALLS(&call_probe)})},
    },
    [LAUNCH_STATE_REGISTERING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__exited_early, &call_reap_child, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__shutting_down, &call_kill_child)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "it has answered"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__swept, &call_kill_child)})},
        [LAUNCH_EVENT_CEILING] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__timed_out, &call_kill_child)})},
        [LAUNCH_EVENT_REGISTERED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_UP, .calls = CALLS(&call_release_lock, &call_finish__launched, &call_close_listener, &call_answer__ready, &call_report__up)})},
        [LAUNCH_EVENT_MISMATCHED] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__mismatch, &call_kill_child)})},
        [LAUNCH_EVENT_GONE] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__exited_early, &call_reap_child, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_UNKEPT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .calls = CALLS(&call_answer__failed, &call_kill_child)})},
    },
    [LAUNCH_STATE_REAPING] = {
        [LAUNCH_EVENT_CHILD_EXIT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__failed, &call_reap_child, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
        [LAUNCH_EVENT_CANCEL] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_REAPING, .stays = true, .calls = CALLS(&call_answer__shutting_down)})},
        [LAUNCH_EVENT_STIRRED] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "already answered and ending"})},
        [LAUNCH_EVENT_SWEPT] = {1, ROWS({.verdict = FSM_IGNORE, .reason = "already answered and ending"})},
        [LAUNCH_EVENT_REAP_LIMIT] = {1, ROWS({.verdict = FSM_GO, .next = LAUNCH_STATE_FAILED, .calls = CALLS(&call_answer__failed, &call_abandon_child, &call_unlink_socket, &call_release_path, &call_release_lock, &call_finish__failed, &call_report__failed)})},
    },
};

static void tell_ended(struct fsm *fsm)
{
    launch_ended((struct launch *)fsm);
}

const struct fsm_machine launch_machine = {
    .name = "launch",
    .n_states = LAUNCH_STATE_MAX,
    .n_events = LAUNCH_EVENT_MAX,
    .n_raised = 5,
    .states = states,
    .events = event_names,
    .n_timers = 4,
    .first_timer = FIRST_TIMER,
    .timers = timers,
    .n_works = 9,
    .works = works,
    .cells = &cells[0][0],
    .birth = {.verdict = FSM_GO, .next = LAUNCH_STATE_ASKING, .calls = CALLS(&call_take_permit)},
    .ended = tell_ended,
};

int launch_start(struct launch *machine, struct fsm_world *world)
{
    return fsm_start((struct fsm *)machine, world, &launch_machine);
}

void launch_raise(struct launch *machine, enum launch_event event)
{
    fsm_raise((struct fsm *)machine, (int)event);
}

bool launch_is_alive(const struct launch *machine)
{
    return fsm_is_alive((const struct fsm *)machine);
}

enum launch_state launch_state(const struct launch *machine)
{
    return (enum launch_state)((const struct fsm *)machine)->state;
}

const char *launch_state_name(enum launch_state state)
{
    return (unsigned int)state < sizeof(states) / sizeof(states[0]) ? states[state].name : "?";
}

const char *launch_event_name(enum launch_event event)
{
    return (unsigned int)event < sizeof(event_names) / sizeof(event_names[0]) ? event_names[event] : "?";
}

const char *launch_answer_name(enum launch_answer_arg argument)
{
    static const char *const names[] = {
        [LAUNCH_ANSWER_NO_PERMIT] = "no_permit",
        [LAUNCH_ANSWER_SHUTTING_DOWN] = "shutting_down",
        [LAUNCH_ANSWER_IN_PROGRESS] = "in_progress",
        [LAUNCH_ANSWER_FAILED] = "failed",
        [LAUNCH_ANSWER_READY] = "ready",
        [LAUNCH_ANSWER_TIMED_OUT] = "timed_out",
        [LAUNCH_ANSWER_SWEPT] = "swept",
        [LAUNCH_ANSWER_EXITED_EARLY] = "exited_early",
        [LAUNCH_ANSWER_WRONG_IDENTITY] = "wrong_identity",
        [LAUNCH_ANSWER_MISMATCH] = "mismatch",
    };

    return (unsigned int)argument < sizeof(names) / sizeof(names[0]) ? names[argument] : "?";
}

const char *launch_report_name(enum launch_report_arg argument)
{
    static const char *const names[] = {
        [LAUNCH_REPORT_REFUSED] = "refused",
        [LAUNCH_REPORT_FAILED] = "failed",
        [LAUNCH_REPORT_FOUND] = "found",
        [LAUNCH_REPORT_UP] = "up",
    };

    return (unsigned int)argument < sizeof(names) / sizeof(names[0]) ? names[argument] : "?";
}

const char *launch_finish_name(enum launch_finish_arg argument)
{
    static const char *const names[] = {
        [LAUNCH_FINISH_FAILED] = "failed",
        [LAUNCH_FINISH_LAUNCHED] = "launched",
    };

    return (unsigned int)argument < sizeof(names) / sizeof(names[0]) ? names[argument] : "?";
}
