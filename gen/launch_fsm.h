/* SPDX-License-Identifier: MIT */
/* Generated from launch.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#pragma once

/* One attempt to bring up the backend of one key; answers every waiter exactly once. */

#include <stdbool.h>

#include "base/clock.h"
#include "fsm/fsm.h"

struct launch; /* defined by the owner; its first member is `struct fsm` */
extern const struct fsm_machine launch_machine;

enum launch_state { /* 0: not born */
    LAUNCH_STATE_ASKING = 1,
    LAUNCH_STATE_LOCKING,
    LAUNCH_STATE_RECHECKING,
    LAUNCH_STATE_RESOLVING,
    LAUNCH_STATE_FORKING,
    LAUNCH_STATE_EXEC_WAITING,
    LAUNCH_STATE_VERIFYING,
    LAUNCH_STATE_PROBING,
    LAUNCH_STATE_WAITING,
    LAUNCH_STATE_REGISTERING,
    LAUNCH_STATE_REAPING,
    LAUNCH_STATE_UP, /* final */
    LAUNCH_STATE_FOUND_UP, /* final */
    LAUNCH_STATE_FAILED, /* final */
    LAUNCH_STATE_MAX
};

enum launch_event { /* 0: none */
    /* events */
    LAUNCH_EVENT_CHILD_EXIT = 1, /* the pidfd became readable */
    LAUNCH_EVENT_CANCEL, /* the broker drains or the key is dropped */
    LAUNCH_EVENT_STIRRED, /* between two probes: the kept connection woke up, or the endpoint is another socket now */
    LAUNCH_EVENT_SWEPT, /* somebody has cleaned up: neither the socket nor the spawn lock is found by its name any more */
    /* timers */
    LAUNCH_EVENT_CEILING, /* 60 s from the fork: no backend may take longer to become ready */
    LAUNCH_EVENT_RETRY_EXEC, /* 1, 4, 16, 64, 256 ms after the binary was found busy */
    LAUNCH_EVENT_BACKOFF, /* 50, 100, 200, 500, 1000, 2000 ms, cut at the ceiling */
    LAUNCH_EVENT_REAP_LIMIT, /* a killed child is gone within this, or the reaper of the loop gets it */
    /* outcomes of work */
    LAUNCH_EVENT_PERMITTED,
    LAUNCH_EVENT_NO_PERMIT,
    LAUNCH_EVENT_LOCKED,
    LAUNCH_EVENT_LOCK_BUSY,
    LAUNCH_EVENT_LOCK_FAILED,
    LAUNCH_EVENT_PRESENT,
    LAUNCH_EVENT_MISSING,
    LAUNCH_EVENT_RESOLVED,
    LAUNCH_EVENT_UNRESOLVABLE,
    LAUNCH_EVENT_EXECUTED,
    LAUNCH_EVENT_TEXT_BUSY,
    LAUNCH_EVENT_EXEC_FAILED,
    LAUNCH_EVENT_VERIFIED,
    LAUNCH_EVENT_UNVERIFIED,
    LAUNCH_EVENT_ANSWERED,
    LAUNCH_EVENT_NOT_READY,
    LAUNCH_EVENT_WRONG_ANSWER,
    LAUNCH_EVENT_REGISTERED,
    LAUNCH_EVENT_MISMATCHED,
    LAUNCH_EVENT_GONE,
    LAUNCH_EVENT_UNKEPT,
    LAUNCH_EVENT_MAX
};

enum launch_answer_arg {
    LAUNCH_ANSWER_NO_PERMIT,
    LAUNCH_ANSWER_SHUTTING_DOWN,
    LAUNCH_ANSWER_IN_PROGRESS,
    LAUNCH_ANSWER_FAILED,
    LAUNCH_ANSWER_READY,
    LAUNCH_ANSWER_TIMED_OUT,
    LAUNCH_ANSWER_SWEPT,
    LAUNCH_ANSWER_EXITED_EARLY,
    LAUNCH_ANSWER_WRONG_IDENTITY,
    LAUNCH_ANSWER_MISMATCH,
    LAUNCH_ANSWER_MAX
};

enum launch_report_arg {
    LAUNCH_REPORT_REFUSED,
    LAUNCH_REPORT_FAILED,
    LAUNCH_REPORT_FOUND,
    LAUNCH_REPORT_UP,
    LAUNCH_REPORT_MAX
};

enum launch_finish_arg {
    LAUNCH_FINISH_FAILED,
    LAUNCH_FINISH_LAUNCHED,
    LAUNCH_FINISH_MAX
};

/* What others may call; see fsm/fsm.h. */
int launch_start(struct launch *machine, struct fsm_world *world);
void launch_raise(struct launch *machine, enum launch_event event);
bool launch_is_alive(const struct launch *machine);
enum launch_state launch_state(const struct launch *machine);
const char *launch_state_name(enum launch_state state);
const char *launch_event_name(enum launch_event event);
const char *launch_answer_name(enum launch_answer_arg argument);
const char *launch_report_name(enum launch_report_arg argument);
const char *launch_finish_name(enum launch_finish_arg argument);

/* Written by the machine's owner: work (0: the outcome comes later, by fsm_finish()) … */
/* spawn budget: try_begin */
enum launch_event launch_take_permit(struct launch *machine);
/* flock on the spawn lock file, three tries when it was recreated */
enum launch_event launch_take_lock(struct launch *machine);
/* registry look-up under the lock */
enum launch_event launch_look_again(struct launch *machine);
/* endpoint, canonical paths, modes, hash: on the worker unless known and local */
enum launch_event launch_resolve_binary(struct launch *machine);
/* spawn and wait for the exec pipe; a child that could not exec is reaped */
enum launch_event launch_fork_child(struct launch *machine);
/* 03 section 4.3, steps 2 to 7 */
enum launch_event launch_verify_child(struct launch *machine);
/* 03 section 5, one deadline of 500 ms */
enum launch_event launch_probe(struct launch *machine);
/* insert under the key of the verified handle, unless the child has died meanwhile */
enum launch_event launch_register_backend(struct launch *machine);

/* … actions, which cannot fail … */
void launch_answer(struct launch *machine, enum launch_answer_arg argument);
void launch_report(struct launch *machine, enum launch_report_arg argument);
void launch_finish(struct launch *machine, enum launch_finish_arg argument);
void launch_refund_permit(struct launch *machine);
void launch_release_lock(struct launch *machine);
void launch_bind_listener(struct launch *machine);
void launch_unlink_socket(struct launch *machine);
void launch_release_path(struct launch *machine);
void launch_watch_exit(struct launch *machine);
void launch_kill_child(struct launch *machine);
void launch_reap_child(struct launch *machine);
void launch_count_attempt(struct launch *machine);
void launch_close_listener(struct launch *machine);
void launch_abandon_child(struct launch *machine);

/* … guards and `until` functions, which only read … */
bool launch_retries_left(const struct launch *machine);
nsec_t launch_ceiling_due(const struct launch *machine, nsec_t now);
nsec_t launch_text_busy_due(const struct launch *machine, nsec_t now);
nsec_t launch_probe_due(const struct launch *machine, nsec_t now);

/* … and the end: a final state was entered; the instance may be freed here. */
void launch_ended(struct launch *machine);
