/* SPDX-License-Identifier: MIT */

/*
 * What the launch machine does with files, sockets and processes. A child is never out of sight: from the fork on its
 * pidfd is here, and it leaves only into the registry, reaped, or (a killed process that does not die) to the orphans
 * that the loop reaps. Its group is killed before its leader is reaped, because only until then the number is certainly
 * its own. Nothing here waits: exec, exit, hash and answer arrive through the loop.
 */

#include "backend/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/sys.h"

/* -------------------------------------------------------------------------------------------------------- the fork */

static void drop_exec_pipe(struct launch *launch)
{
    if (launch->exec_pipe < 0) {
        return;
    }
    loop_io_unlink(&launch->exec_io);
    launch->exec_pipe = close_fd(launch->exec_pipe);
}

static void drop_pidfd(struct launch *launch)
{
    if (launch->pidfd < 0) {
        return;
    }
    loop_io_unlink(&launch->child_io);
    launch->pidfd = close_fd(launch->pidfd);
}

/* The number is the child's own until it has been reaped. */
static void kill_group(struct launch *launch)
{
    if (launch->pid > 0 && !launch->is_child_reaped) {
        (void)sys_kill(-launch->pid, SIGKILL);
        (void)sys_kill(launch->pid, SIGKILL);
    }
}

static uint32_t wants_read(void *owner)
{
    (void)owner;
    return LOOP_READ;
}

static void fail_exec(struct launch *launch)
{
    char text[128];

    launch_set_failure(
        launch, "backend daemon spawn failed: %s%s", launcher_errno_text(launch->exec_error, text, sizeof(text)),
        launch->exec_error == ENOENT ? "; the interpreter or loader that the file names is missing" : "");
    fsm_finish(launch->ticket, launch->exec_error == ETXTBSY ? LAUNCH_EVENT_TEXT_BUSY : LAUNCH_EVENT_EXEC_FAILED);
}

/* The exec has failed and the child that tried it is a zombie now. */
static void on_failed_child(void *owner, uint32_t events)
{
    struct launch *launch = owner;

    (void)events;
    launch_reap_child(launch);
    fail_exec(launch);
}

static void on_exit_seen(void *owner, uint32_t events)
{
    struct launch *launch = owner;

    (void)events;
    loop_io_unlink(&launch->child_io); /* stays readable for ever */
    launch_raise(launch, LAUNCH_EVENT_CHILD_EXIT);
}

static int watch_child(struct launch *launch, loop_ready_fn ready)
{
    loop_io_unlink(&launch->child_io);
    return loop_io_link(launch->backends->config.loop, &launch->child_io, launch->pidfd, LOOP_YOUNG, wants_read, ready,
                        launch);
}

static void on_exec(void *owner, uint32_t events)
{
    struct launch *launch = owner;
    int error = 0, r;

    (void)events;
    r = sys_spawn_outcome(launch->exec_pipe, &error);
    if (r == -EAGAIN) {
        return;
    }
    drop_exec_pipe(launch);
    if (r >= 0 && error == 0) {
        fsm_finish(launch->ticket, LAUNCH_EVENT_EXECUTED);
        return;
    }
    launch->exec_error = r < 0 ? -r : error;
    if (watch_child(launch, on_failed_child) < 0) {
        launch_abandon_child(launch);
        fail_exec(launch);
    }
}

static int make_env(struct launch *launch)
{
    struct child_facts facts = {
        .service = launch->key.service,
        .version = launch->key.version,
        .path = launch->endpoint.path,
        .instance = launch->key.instance,
        .traceparent = slice_from(launch->traceparent),
        .tracestate = slice_from(launch->tracestate),
        .listener_fd = launch->listener_fd >= 0 ? SYS_SPAWN_LISTENER : -1,
    };

    return launch->env ? 0 : child_env_make(&launch->backends->baseline, &facts, &launch->env);
}

static int spawn(struct launch *launch)
{
    const struct backends_config *config = &launch->backends->config;
    char *argv[] = {launch->binary.path, NULL};
    struct sys_spawn recipe = {
        .path = launch->binary.path,
        .argv = argv,
        .listener_fd = launch->listener_fd,
        .new_session = true,
        .die_with_parent = config->lifetime == BACKEND_BOUND,
        .nofile = config->child_nofile.rlim_max > 0 ? &config->child_nofile : NULL,
        .data = config->child_data.rlim_max > 0 ? &config->child_data : NULL,
        .cwd = "/",
    };
    nsec_t before_nsec;
    int r;

    r = make_env(launch);
    if (r < 0) {
        return error_trace(r);
    }
    if (!launch->orphan) {
        launch->orphan = orphan_new();
        if (!launch->orphan) {
            return error_origin(-ENOMEM);
        }
    }
    recipe.envp = launch->env;
    before_nsec = clock_boottime();
    r = sys_spawn(&recipe, &launch->pid, &launch->pidfd, &launch->exec_pipe);
    launch->start_ticks = process_ticks_between(before_nsec, clock_boottime());
    return error_trace(r);
}

enum launch_event launch_fork_child(struct launch *launch)
{
    char text[128];
    int r;

    launch->exec_tries++;
    launch->exec_error = 0;
    if (launch->exec_tries == 1) {
        launch_log_start(launch);
    }
    launch->forked_nsec = loop_now(launch->backends->config.loop);
    r = spawn(launch);
    if (r >= 0) {
        launch->is_child_reaped = false;
        launch->ticket = fsm_ticket(&launch->fsm);
        r = loop_io_link(launch->backends->config.loop, &launch->exec_io, launch->exec_pipe, LOOP_YOUNG, wants_read,
                         on_exec, launch);
        if (r >= 0) {
            return 0;
        }
        launch->exec_pipe = close_fd(launch->exec_pipe);
        launch_kill_child(launch);
        launch_abandon_child(launch);
    }
    launch_set_failure(launch, "backend daemon spawn failed: %s", launcher_errno_text(-r, text, sizeof(text)));
    return LAUNCH_EVENT_EXEC_FAILED;
}

void launch_watch_exit(struct launch *launch)
{
    (void)watch_child(launch, on_exit_seen); /* fails: verify_child does not keep a child that is not watched */
}

/* --------------------------------------------------------------------------------------------------------- the end */

void launch_release_child(struct launch *launch)
{
    drop_exec_pipe(launch);
    drop_pidfd(launch);
}

void launch_describe_exit(struct launch *launch)
{
    siginfo_t info = {0};
    int r;

    r = launch->pidfd < 0 ? -ESRCH : sys_waitid_pidfd(launch->pidfd, &info, WEXITED | WNOHANG | WNOWAIT);
    if (r < 0 || info.si_pid == 0) {
        launch_set_failure(launch, "backend exited before it was ready");
    } else if (info.si_code == CLD_EXITED) {
        launch_set_failure(launch, "backend exited before it was ready (status %d)", info.si_status);
    } else {
        launch_set_failure(launch, "backend exited before it was ready (signal %d)", info.si_status);
    }
}

void launch_kill_child(struct launch *launch)
{
    prober_deinit(&launch->prober);
    drop_exec_pipe(launch);
    kill_group(launch);
    if (launch->pidfd >= 0) {
        (void)watch_child(launch, on_exit_seen); /* fails: reap_limit ends it */
    }
}

void launch_reap_child(struct launch *launch)
{
    siginfo_t info = {0};

    if (launch->pidfd < 0) {
        return;
    }
    kill_group(launch);
    (void)sys_waitid_pidfd(launch->pidfd, &info, WEXITED | WNOHANG);
    launch->is_child_reaped = true;
    drop_pidfd(launch);
}

void launch_abandon_child(struct launch *launch)
{
    if (launch->pidfd >= 0) {
        loop_io_unlink(&launch->child_io);
        backends_adopt_orphan(launch->backends, launch->orphan, take_fd(&launch->pidfd));
        launch->orphan = NULL;
        launch->is_child_reaped = true;
    }
}
