/* SPDX-License-Identifier: MIT */
/* Generated from launch.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "launch_fsm.h"

#include "fsm/cells.h"

struct launch {
    struct fsm fsm;
};

_Static_assert(LAUNCH_STATE_ASKING == 1, "number of a state");
_Static_assert(LAUNCH_STATE_LOCKING == 2, "number of a state");
_Static_assert(LAUNCH_STATE_RECHECKING == 3, "number of a state");
_Static_assert(LAUNCH_STATE_RESOLVING == 4, "number of a state");
_Static_assert(LAUNCH_STATE_FORKING == 5, "number of a state");
_Static_assert(LAUNCH_STATE_EXEC_WAITING == 6, "number of a state");
_Static_assert(LAUNCH_STATE_VERIFYING == 7, "number of a state");
_Static_assert(LAUNCH_STATE_PROBING == 8, "number of a state");
_Static_assert(LAUNCH_STATE_WAITING == 9, "number of a state");
_Static_assert(LAUNCH_STATE_REGISTERING == 10, "number of a state");
_Static_assert(LAUNCH_STATE_REAPING == 11, "number of a state");
_Static_assert(LAUNCH_STATE_UP == 12, "number of a state");
_Static_assert(LAUNCH_STATE_FOUND_UP == 13, "number of a state");
_Static_assert(LAUNCH_STATE_FAILED == 14, "number of a state");
_Static_assert(LAUNCH_EVENT_CHILD_EXIT == 1, "number of an event");
_Static_assert(LAUNCH_EVENT_CANCEL == 2, "number of an event");
_Static_assert(LAUNCH_EVENT_STIRRED == 3, "number of an event");
_Static_assert(LAUNCH_EVENT_SWEPT == 4, "number of an event");
_Static_assert(LAUNCH_EVENT_CEILING == 5, "number of an event");
_Static_assert(LAUNCH_EVENT_RETRY_EXEC == 6, "number of an event");
_Static_assert(LAUNCH_EVENT_BACKOFF == 7, "number of an event");
_Static_assert(LAUNCH_EVENT_REAP_LIMIT == 8, "number of an event");
_Static_assert(LAUNCH_EVENT_PERMITTED == 9, "number of an event");
_Static_assert(LAUNCH_EVENT_NO_PERMIT == 10, "number of an event");
_Static_assert(LAUNCH_EVENT_LOCKED == 11, "number of an event");
_Static_assert(LAUNCH_EVENT_LOCK_BUSY == 12, "number of an event");
_Static_assert(LAUNCH_EVENT_LOCK_FAILED == 13, "number of an event");
_Static_assert(LAUNCH_EVENT_PRESENT == 14, "number of an event");
_Static_assert(LAUNCH_EVENT_MISSING == 15, "number of an event");
_Static_assert(LAUNCH_EVENT_RESOLVED == 16, "number of an event");
_Static_assert(LAUNCH_EVENT_UNRESOLVABLE == 17, "number of an event");
_Static_assert(LAUNCH_EVENT_EXECUTED == 18, "number of an event");
_Static_assert(LAUNCH_EVENT_TEXT_BUSY == 19, "number of an event");
_Static_assert(LAUNCH_EVENT_EXEC_FAILED == 20, "number of an event");
_Static_assert(LAUNCH_EVENT_VERIFIED == 21, "number of an event");
_Static_assert(LAUNCH_EVENT_UNVERIFIED == 22, "number of an event");
_Static_assert(LAUNCH_EVENT_ANSWERED == 23, "number of an event");
_Static_assert(LAUNCH_EVENT_NOT_READY == 24, "number of an event");
_Static_assert(LAUNCH_EVENT_WRONG_ANSWER == 25, "number of an event");
_Static_assert(LAUNCH_EVENT_REGISTERED == 26, "number of an event");
_Static_assert(LAUNCH_EVENT_MISMATCHED == 27, "number of an event");
_Static_assert(LAUNCH_EVENT_GONE == 28, "number of an event");
_Static_assert(LAUNCH_EVENT_UNKEPT == 29, "number of an event");

enum launch_event launch_take_permit(struct launch *machine)
{
    cells_did("take_permit", NULL);
    return 0;
}

enum launch_event launch_take_lock(struct launch *machine)
{
    cells_did("take_lock", NULL);
    return 0;
}

enum launch_event launch_look_again(struct launch *machine)
{
    cells_did("look_again", NULL);
    return 0;
}

enum launch_event launch_resolve_binary(struct launch *machine)
{
    cells_did("resolve_binary", NULL);
    return 0;
}

enum launch_event launch_fork_child(struct launch *machine)
{
    cells_did("fork_child", NULL);
    return 0;
}

enum launch_event launch_verify_child(struct launch *machine)
{
    cells_did("verify_child", NULL);
    return 0;
}

enum launch_event launch_probe(struct launch *machine)
{
    cells_did("probe", NULL);
    return 0;
}

enum launch_event launch_register_backend(struct launch *machine)
{
    cells_did("register_backend", NULL);
    return 0;
}

void launch_answer(struct launch *machine, enum launch_answer_arg argument)
{
    static const char *const names[] = {"no_permit", "shutting_down", "in_progress", "failed", "ready", "timed_out", "swept", "exited_early", "wrong_identity", "mismatch"};

    cells_did("answer", (unsigned int)argument < 10 ? names[argument] : "?");
}

void launch_report(struct launch *machine, enum launch_report_arg argument)
{
    static const char *const names[] = {"refused", "failed", "found", "up"};

    cells_did("report", (unsigned int)argument < 4 ? names[argument] : "?");
}

void launch_finish(struct launch *machine, enum launch_finish_arg argument)
{
    static const char *const names[] = {"failed", "launched"};

    cells_did("finish", (unsigned int)argument < 2 ? names[argument] : "?");
}

void launch_refund_permit(struct launch *machine)
{
    cells_did("refund_permit", NULL);
}

void launch_release_lock(struct launch *machine)
{
    cells_did("release_lock", NULL);
}

void launch_bind_listener(struct launch *machine)
{
    cells_did("bind_listener", NULL);
}

void launch_unlink_socket(struct launch *machine)
{
    cells_did("unlink_socket", NULL);
}

void launch_release_path(struct launch *machine)
{
    cells_did("release_path", NULL);
}

void launch_watch_exit(struct launch *machine)
{
    cells_did("watch_exit", NULL);
}

bool launch_retries_left(const struct launch *machine)
{
    return cells_asked("retries_left");
}

void launch_kill_child(struct launch *machine)
{
    cells_did("kill_child", NULL);
}

void launch_reap_child(struct launch *machine)
{
    cells_did("reap_child", NULL);
}

void launch_count_attempt(struct launch *machine)
{
    cells_did("count_attempt", NULL);
}

void launch_close_listener(struct launch *machine)
{
    cells_did("close_listener", NULL);
}

void launch_abandon_child(struct launch *machine)
{
    cells_did("abandon_child", NULL);
}

nsec_t launch_ceiling_due(const struct launch *machine, nsec_t now)
{
    return cells_until("ceiling_due", now);
}

nsec_t launch_text_busy_due(const struct launch *machine, nsec_t now)
{
    return cells_until("text_busy_due", now);
}

nsec_t launch_probe_due(const struct launch *machine, nsec_t now)
{
    return cells_until("probe_due", now);
}

void launch_ended(struct launch *machine)
{
    cells_ended();
}

static const struct cells_until untils[] = {
    {"ceiling_due", 600000},
    {"text_busy_due", 600001},
    {"probe_due", 600002},
    {NULL, 0},
};

/* from, event, work before | guards asked, actions, to, work after, timers after (ms), ended, reported */
static const struct cells_case cases[] = {
    {NULL, NULL, "", "", "take_permit", "asking", "take_permit", "", 0, 0},
    {"asking", "child_exit", "take_permit", "", "", "asking", "take_permit", "", 0, 0},
    {"asking", "cancel", "take_permit", "", "answer(shutting_down) finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"asking", "stirred", "take_permit", "", "", "asking", "take_permit", "", 0, 0},
    {"asking", "swept", "take_permit", "", "", "asking", "take_permit", "", 0, 0},
    {"asking", "ceiling", "take_permit", "", "", "asking", "take_permit", "", 0, 1},
    {"asking", "retry_exec", "take_permit", "", "", "asking", "take_permit", "", 0, 1},
    {"asking", "backoff", "take_permit", "", "", "asking", "take_permit", "", 0, 1},
    {"asking", "reap_limit", "take_permit", "", "", "asking", "take_permit", "", 0, 1},
    {"asking", "permitted", "take_permit", "", "take_lock", "locking", "take_lock", "", 0, 0},
    {"asking", "no_permit", "take_permit", "", "answer(no_permit) report(refused)", "failed", "", "", 1, 0},
    {"asking", "locked", "", "", "", "asking", "", "", 0, 1},
    {"asking", "lock_busy", "", "", "", "asking", "", "", 0, 1},
    {"asking", "lock_failed", "", "", "", "asking", "", "", 0, 1},
    {"asking", "present", "", "", "", "asking", "", "", 0, 1},
    {"asking", "missing", "", "", "", "asking", "", "", 0, 1},
    {"asking", "resolved", "", "", "", "asking", "", "", 0, 1},
    {"asking", "unresolvable", "", "", "", "asking", "", "", 0, 1},
    {"asking", "executed", "", "", "", "asking", "", "", 0, 1},
    {"asking", "text_busy", "", "", "", "asking", "", "", 0, 1},
    {"asking", "exec_failed", "", "", "", "asking", "", "", 0, 1},
    {"asking", "verified", "", "", "", "asking", "", "", 0, 1},
    {"asking", "unverified", "", "", "", "asking", "", "", 0, 1},
    {"asking", "answered", "", "", "", "asking", "", "", 0, 1},
    {"asking", "not_ready", "", "", "", "asking", "", "", 0, 1},
    {"asking", "wrong_answer", "", "", "", "asking", "", "", 0, 1},
    {"asking", "registered", "", "", "", "asking", "", "", 0, 1},
    {"asking", "mismatched", "", "", "", "asking", "", "", 0, 1},
    {"asking", "gone", "", "", "", "asking", "", "", 0, 1},
    {"asking", "unkept", "", "", "", "asking", "", "", 0, 1},
    {"locking", "child_exit", "take_lock", "", "", "locking", "take_lock", "", 0, 0},
    {"locking", "cancel", "take_lock", "", "answer(shutting_down) release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"locking", "stirred", "take_lock", "", "", "locking", "take_lock", "", 0, 0},
    {"locking", "swept", "take_lock", "", "", "locking", "take_lock", "", 0, 0},
    {"locking", "ceiling", "take_lock", "", "", "locking", "take_lock", "", 0, 1},
    {"locking", "retry_exec", "take_lock", "", "", "locking", "take_lock", "", 0, 1},
    {"locking", "backoff", "take_lock", "", "", "locking", "take_lock", "", 0, 1},
    {"locking", "reap_limit", "take_lock", "", "", "locking", "take_lock", "", 0, 1},
    {"locking", "permitted", "", "", "", "locking", "", "", 0, 1},
    {"locking", "no_permit", "", "", "", "locking", "", "", 0, 1},
    {"locking", "locked", "take_lock", "", "look_again", "rechecking", "look_again", "", 0, 0},
    {"locking", "lock_busy", "take_lock", "", "refund_permit answer(in_progress) finish(failed) report(refused)", "failed", "", "", 1, 0},
    {"locking", "lock_failed", "take_lock", "", "answer(failed) finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"locking", "present", "", "", "", "locking", "", "", 0, 1},
    {"locking", "missing", "", "", "", "locking", "", "", 0, 1},
    {"locking", "resolved", "", "", "", "locking", "", "", 0, 1},
    {"locking", "unresolvable", "", "", "", "locking", "", "", 0, 1},
    {"locking", "executed", "", "", "", "locking", "", "", 0, 1},
    {"locking", "text_busy", "", "", "", "locking", "", "", 0, 1},
    {"locking", "exec_failed", "", "", "", "locking", "", "", 0, 1},
    {"locking", "verified", "", "", "", "locking", "", "", 0, 1},
    {"locking", "unverified", "", "", "", "locking", "", "", 0, 1},
    {"locking", "answered", "", "", "", "locking", "", "", 0, 1},
    {"locking", "not_ready", "", "", "", "locking", "", "", 0, 1},
    {"locking", "wrong_answer", "", "", "", "locking", "", "", 0, 1},
    {"locking", "registered", "", "", "", "locking", "", "", 0, 1},
    {"locking", "mismatched", "", "", "", "locking", "", "", 0, 1},
    {"locking", "gone", "", "", "", "locking", "", "", 0, 1},
    {"locking", "unkept", "", "", "", "locking", "", "", 0, 1},
    {"rechecking", "child_exit", "look_again", "", "", "rechecking", "look_again", "", 0, 0},
    {"rechecking", "cancel", "look_again", "", "answer(shutting_down) release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"rechecking", "stirred", "look_again", "", "", "rechecking", "look_again", "", 0, 0},
    {"rechecking", "swept", "look_again", "", "", "rechecking", "look_again", "", 0, 0},
    {"rechecking", "ceiling", "look_again", "", "", "rechecking", "look_again", "", 0, 1},
    {"rechecking", "retry_exec", "look_again", "", "", "rechecking", "look_again", "", 0, 1},
    {"rechecking", "backoff", "look_again", "", "", "rechecking", "look_again", "", 0, 1},
    {"rechecking", "reap_limit", "look_again", "", "", "rechecking", "look_again", "", 0, 1},
    {"rechecking", "permitted", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "no_permit", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "locked", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "lock_busy", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "lock_failed", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "present", "look_again", "", "refund_permit release_lock finish(failed) answer(ready) report(found)", "found_up", "", "", 1, 0},
    {"rechecking", "missing", "look_again", "", "resolve_binary", "resolving", "resolve_binary", "", 0, 0},
    {"rechecking", "resolved", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "unresolvable", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "executed", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "text_busy", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "exec_failed", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "verified", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "unverified", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "answered", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "not_ready", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "wrong_answer", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "registered", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "mismatched", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "gone", "", "", "", "rechecking", "", "", 0, 1},
    {"rechecking", "unkept", "", "", "", "rechecking", "", "", 0, 1},
    {"resolving", "child_exit", "resolve_binary", "", "", "resolving", "resolve_binary", "", 0, 0},
    {"resolving", "cancel", "resolve_binary", "", "answer(shutting_down) unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"resolving", "stirred", "resolve_binary", "", "", "resolving", "resolve_binary", "", 0, 0},
    {"resolving", "swept", "resolve_binary", "", "", "resolving", "resolve_binary", "", 0, 0},
    {"resolving", "ceiling", "resolve_binary", "", "", "resolving", "resolve_binary", "", 0, 1},
    {"resolving", "retry_exec", "resolve_binary", "", "", "resolving", "resolve_binary", "", 0, 1},
    {"resolving", "backoff", "resolve_binary", "", "", "resolving", "resolve_binary", "", 0, 1},
    {"resolving", "reap_limit", "resolve_binary", "", "", "resolving", "resolve_binary", "", 0, 1},
    {"resolving", "permitted", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "no_permit", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "locked", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "lock_busy", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "lock_failed", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "present", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "missing", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "resolved", "resolve_binary", "", "bind_listener fork_child", "forking", "fork_child", "ceiling=600000", 0, 0},
    {"resolving", "unresolvable", "resolve_binary", "", "answer(failed) unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"resolving", "executed", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "text_busy", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "exec_failed", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "verified", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "unverified", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "answered", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "not_ready", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "wrong_answer", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "registered", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "mismatched", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "gone", "", "", "", "resolving", "", "", 0, 1},
    {"resolving", "unkept", "", "", "", "resolving", "", "", 0, 1},
    {"forking", "child_exit", "fork_child", "", "", "forking", "fork_child", "ceiling=500000", 0, 0},
    {"forking", "cancel", "fork_child", "", "answer(shutting_down) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"forking", "stirred", "fork_child", "", "", "forking", "fork_child", "ceiling=500000", 0, 0},
    {"forking", "swept", "fork_child", "", "answer(swept) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"forking", "ceiling", "fork_child", "", "answer(timed_out) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"forking", "retry_exec", "fork_child", "", "", "forking", "fork_child", "ceiling=500000", 0, 1},
    {"forking", "backoff", "fork_child", "", "", "forking", "fork_child", "ceiling=500000", 0, 1},
    {"forking", "reap_limit", "fork_child", "", "", "forking", "fork_child", "ceiling=500000", 0, 1},
    {"forking", "permitted", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "no_permit", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "locked", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "lock_busy", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "lock_failed", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "present", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "missing", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "resolved", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "unresolvable", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "executed", "fork_child", "", "watch_exit verify_child", "verifying", "verify_child", "ceiling=600000", 0, 0},
    {"forking", "text_busy", "fork_child", "retries_left=1", "", "exec_waiting", "", "retry_exec=600001", 0, 0},
    {"forking", "text_busy", "fork_child", "retries_left=0", "answer(failed) unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"forking", "exec_failed", "fork_child", "", "answer(failed) unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"forking", "verified", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "unverified", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "answered", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "not_ready", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "wrong_answer", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "registered", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "mismatched", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "gone", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"forking", "unkept", "", "", "", "forking", "", "ceiling=500000", 0, 1},
    {"exec_waiting", "child_exit", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 0},
    {"exec_waiting", "cancel", "", "", "answer(shutting_down) unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"exec_waiting", "stirred", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 0},
    {"exec_waiting", "swept", "", "", "answer(swept) unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"exec_waiting", "ceiling", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "retry_exec", "", "", "fork_child", "forking", "fork_child", "ceiling=600000", 0, 0},
    {"exec_waiting", "backoff", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "reap_limit", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "permitted", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "no_permit", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "locked", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "lock_busy", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "lock_failed", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "present", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "missing", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "resolved", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "unresolvable", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "executed", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "text_busy", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "exec_failed", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "verified", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "unverified", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "answered", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "not_ready", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "wrong_answer", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "registered", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "mismatched", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "gone", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"exec_waiting", "unkept", "", "", "", "exec_waiting", "", "retry_exec=500001", 0, 1},
    {"verifying", "child_exit", "verify_child", "", "answer(exited_early) reap_child unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"verifying", "cancel", "verify_child", "", "answer(shutting_down) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"verifying", "stirred", "verify_child", "", "", "verifying", "verify_child", "ceiling=500000", 0, 0},
    {"verifying", "swept", "verify_child", "", "answer(swept) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"verifying", "ceiling", "verify_child", "", "answer(timed_out) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"verifying", "retry_exec", "verify_child", "", "", "verifying", "verify_child", "ceiling=500000", 0, 1},
    {"verifying", "backoff", "verify_child", "", "", "verifying", "verify_child", "ceiling=500000", 0, 1},
    {"verifying", "reap_limit", "verify_child", "", "", "verifying", "verify_child", "ceiling=500000", 0, 1},
    {"verifying", "permitted", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "no_permit", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "locked", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "lock_busy", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "lock_failed", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "present", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "missing", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "resolved", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "unresolvable", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "executed", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "text_busy", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "exec_failed", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "verified", "verify_child", "", "probe", "probing", "probe", "ceiling=600000", 0, 0},
    {"verifying", "unverified", "verify_child", "", "answer(failed) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"verifying", "answered", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "not_ready", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "wrong_answer", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "registered", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "mismatched", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "gone", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"verifying", "unkept", "", "", "", "verifying", "", "ceiling=500000", 0, 1},
    {"probing", "child_exit", "probe", "", "answer(exited_early) reap_child unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"probing", "cancel", "probe", "", "answer(shutting_down) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"probing", "stirred", "probe", "", "", "probing", "probe", "ceiling=500000", 0, 0},
    {"probing", "swept", "probe", "", "answer(swept) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"probing", "ceiling", "probe", "", "answer(timed_out) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"probing", "retry_exec", "probe", "", "", "probing", "probe", "ceiling=500000", 0, 1},
    {"probing", "backoff", "probe", "", "", "probing", "probe", "ceiling=500000", 0, 1},
    {"probing", "reap_limit", "probe", "", "", "probing", "probe", "ceiling=500000", 0, 1},
    {"probing", "permitted", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "no_permit", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "locked", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "lock_busy", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "lock_failed", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "present", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "missing", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "resolved", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "unresolvable", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "executed", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "text_busy", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "exec_failed", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "verified", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "unverified", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "answered", "probe", "", "register_backend", "registering", "register_backend", "ceiling=600000", 0, 0},
    {"probing", "not_ready", "probe", "", "count_attempt", "waiting", "", "ceiling=600000 backoff=600002", 0, 0},
    {"probing", "wrong_answer", "probe", "", "answer(wrong_identity) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"probing", "registered", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "mismatched", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "gone", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"probing", "unkept", "", "", "", "probing", "", "ceiling=500000", 0, 1},
    {"waiting", "child_exit", "", "", "answer(exited_early) reap_child unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"waiting", "cancel", "", "", "answer(shutting_down) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"waiting", "stirred", "", "", "probe", "probing", "probe", "ceiling=600000", 0, 0},
    {"waiting", "swept", "", "", "answer(swept) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"waiting", "ceiling", "", "", "answer(timed_out) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"waiting", "retry_exec", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "backoff", "", "", "probe", "probing", "probe", "ceiling=600000", 0, 0},
    {"waiting", "reap_limit", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "permitted", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "no_permit", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "locked", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "lock_busy", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "lock_failed", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "present", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "missing", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "resolved", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "unresolvable", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "executed", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "text_busy", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "exec_failed", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "verified", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "unverified", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "answered", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "not_ready", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "wrong_answer", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "registered", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "mismatched", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "gone", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"waiting", "unkept", "", "", "", "waiting", "", "ceiling=500000 backoff=500002", 0, 1},
    {"registering", "child_exit", "register_backend", "", "answer(exited_early) reap_child unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"registering", "cancel", "register_backend", "", "answer(shutting_down) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"registering", "stirred", "register_backend", "", "", "registering", "register_backend", "ceiling=500000", 0, 0},
    {"registering", "swept", "register_backend", "", "answer(swept) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"registering", "ceiling", "register_backend", "", "answer(timed_out) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"registering", "retry_exec", "register_backend", "", "", "registering", "register_backend", "ceiling=500000", 0, 1},
    {"registering", "backoff", "register_backend", "", "", "registering", "register_backend", "ceiling=500000", 0, 1},
    {"registering", "reap_limit", "register_backend", "", "", "registering", "register_backend", "ceiling=500000", 0, 1},
    {"registering", "permitted", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "no_permit", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "locked", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "lock_busy", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "lock_failed", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "present", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "missing", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "resolved", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "unresolvable", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "executed", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "text_busy", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "exec_failed", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "verified", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "unverified", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "answered", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "not_ready", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "wrong_answer", "", "", "", "registering", "", "ceiling=500000", 0, 1},
    {"registering", "registered", "register_backend", "", "release_lock finish(launched) close_listener answer(ready) report(up)", "up", "", "", 1, 0},
    {"registering", "mismatched", "register_backend", "", "answer(mismatch) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"registering", "gone", "register_backend", "", "answer(exited_early) reap_child unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"registering", "unkept", "register_backend", "", "answer(failed) kill_child", "reaping", "", "reap_limit=6000", 0, 0},
    {"reaping", "child_exit", "", "", "answer(failed) reap_child unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"reaping", "cancel", "", "", "answer(shutting_down)", "reaping", "", "reap_limit=500003", 0, 0},
    {"reaping", "stirred", "", "", "", "reaping", "", "reap_limit=500003", 0, 0},
    {"reaping", "swept", "", "", "", "reaping", "", "reap_limit=500003", 0, 0},
    {"reaping", "ceiling", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "retry_exec", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "backoff", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "reap_limit", "", "", "answer(failed) abandon_child unlink_socket release_path release_lock finish(failed) report(failed)", "failed", "", "", 1, 0},
    {"reaping", "permitted", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "no_permit", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "locked", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "lock_busy", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "lock_failed", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "present", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "missing", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "resolved", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "unresolvable", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "executed", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "text_busy", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "exec_failed", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "verified", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "unverified", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "answered", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "not_ready", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "wrong_answer", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "registered", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "mismatched", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "gone", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
    {"reaping", "unkept", "", "", "", "reaping", "", "reap_limit=500003", 0, 1},
};

int main(void)
{
    static struct launch machine;

    return cells_run(&launch_machine, &machine.fsm, untils, cases, sizeof(cases) / sizeof(cases[0]));
}
