/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One attempt to bring up the backend of one key: the instance of statemachines/launch.fsm. It owns everything that the
 * attempt holds (permit, lock, path, listener, child, probe), and nothing of it outlives the final state but what the
 * registry has taken over.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backend/allocator.h"
#include "backend/backends.h"
#include "backend/launcher.h"
#include "backend/prober.h"
#include "backend/registry.h"
#include "backend/spawn_budget.h"
#include "fsm/fsm.h"
#include "launch_fsm.h"
#include "loop/loop.h"

enum {
    LAUNCH_CEILING_MS = 60000,
    LAUNCH_EXEC_RETRIES = 5,
};

struct launch_resolve;

struct launch {
    struct fsm fsm;
    LIST_ENTRY(launch) entry;
    struct backends *backends;
    struct backend_key key;
    struct backend_waiters waiters;
    char *binary_path, *root_path;
    struct launch_known known;
    char traceparent[56];
    char tracestate[513];
    char request_id[65];
    uint64_t frame_request_id;

    struct spawn_permit permit;
    int refused; /* SPAWN_BUDGET_E_, or an errno */
    struct spawn_refusal refusal;
    struct launch_resolve *resolve; /* the worker's job */
    struct launch_binary binary;
    struct endpoint_reservation endpoint;
    struct socket_identity bound;
    int lock_fd, listener_fd;

    pid_t pid;
    int pidfd;
    int exec_pipe;
    int exec_error;
    char **env; /* of the child; kept, since freeing it beside a child that is on its way copies pages */
    uint32_t exec_tries;
    uint32_t attempt; /* of probing */
    bool is_child_reaped;
    struct orphan *orphan; /* made before the child, for the case that it does not die */
    uint64_t start_ticks;  /* 0: not known yet */
    struct loop_io exec_io, child_io;

    struct prober prober;
    struct prober_expected expected;
    char *exe_path;          /* as the kernel prints it, once verified */
    struct backend *backend; /* made beforehand, so that registering cannot fail for memory */

    struct fsm_ticket ticket; /* of the work under way */
    nsec_t started_nsec, forked_nsec;
    char failure[LAUNCHER_TEXT_MAX];
};

/* Begins a launch for @key and puts @waiter (may be NULL) on it. 0 or a negative errno with nothing begun. */
int launch_begin(struct backends *backends, const struct backend_key *key, const struct backend_request *request,
                 const struct launch_known *known, struct backend_waiter *waiter);

/* Lets go of a launch at once, killing its child: only when the broker ends. */
void launch_discard(struct launch *launch);

/* Where its endpoint is; "" while it has none. */
const char *launch_path(const struct launch *launch);

/*
 * Somebody may have cleaned up: a launch whose socket is gone, and its spawn lock with it, fails. The lock is the
 * witness, because a backend itself may remove the socket and bind its own (decision 12a). So a cleaner that spares the
 * locks is not seen, and the launch goes on until its ceiling.
 */
void launch_recheck(struct launch *launch);

/* ------------------------------------------------------------------------ between the files of the launch only */

/* What a failed answer will say. */
__attribute__((format(printf, 2, 3))) void launch_set_failure(struct launch *launch, const char *format, ...);

/* The failure's text from the status of a child that has exited and is not reaped yet. */
void launch_describe_exit(struct launch *launch);

/* One line: the launch has come to its fork. */
void launch_log_start(const struct launch *launch);

/* Closes what leads to the child; it lives on, in other hands. */
void launch_release_child(struct launch *launch);

/* Takes the worker's job back, or leaves it to end by itself. */
void launch_forget_resolve(struct launch *launch);
