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

/* ---------------------------------------------------------------------------------------------- resolve (a job) */

struct launch_resolve {
    struct loop_job job;
    struct launch *launch; /* takes the job back before it goes */
    struct fsm_ticket ticket;
    struct launch_known known;
    /* the worker's */
    int result;
    struct launch_binary binary;
    char text[LAUNCHER_TEXT_MAX];
    char *binary_path, *root_path;
};

/* On the loop, or on the worker's thread when nobody waits for it any more. */
static void resolve_free(void *owner)
{
    struct launch_resolve *resolve = owner;

    launch_binary_deinit(&resolve->binary);
    free(resolve->binary_path);
    free(resolve->root_path);
    free(resolve);
}

static void resolve_work(void *owner)
{
    struct launch_resolve *resolve = owner;

    resolve->result = launcher_resolve(resolve->binary_path, resolve->root_path, &resolve->known, &resolve->binary,
                                       resolve->text);
}

/* Takes over what the worker found. */
static enum launch_event resolve_take(struct launch *launch, struct launch_resolve *resolve)
{
    struct backends *backends = launch->backends;

    if (resolve->result < 0) {
        launch_set_failure(launch, "%s", resolve->text);
        return LAUNCH_EVENT_UNRESOLVABLE;
    }
    launch->binary = resolve->binary;
    resolve->binary = (struct launch_binary){.fd = -1};
    exe_hash_put(&backends->hashes, &launch->binary.identity, launch->binary.hash);
    if (!launch->key.is_hashed || memcmp(launch->key.exe_hash, launch->binary.hash, 32) != 0) {
        launch_set_failure(launch, "backend binary %.255s was replaced while it was being launched",
                           launch->binary.path);
        return LAUNCH_EVENT_UNRESOLVABLE;
    }
    return LAUNCH_EVENT_RESOLVED;
}

static void resolve_done(void *owner, bool given_up)
{
    struct launch_resolve *resolve = owner;
    struct launch *launch = resolve->launch;
    struct fsm_ticket ticket = resolve->ticket;
    enum launch_event event = LAUNCH_EVENT_UNRESOLVABLE;

    launch->resolve = NULL;
    if (given_up) { /* the memory belongs to the stuck work from here on */
        launch_set_failure(launch, "reading the backend binary took longer than %d s", EXE_HASH_LIMIT_S);
    } else {
        event = resolve_take(launch, resolve);
        resolve_free(resolve);
    }
    fsm_finish(ticket, event);
}

static int resolve_begin(struct launch *launch)
{
    struct launch_resolve *resolve = calloc(1, sizeof(*resolve));
    int r;

    if (!resolve) {
        return error_origin(-ENOMEM);
    }
    resolve->binary.fd = -1;
    resolve->job.discard = resolve_free;
    resolve->known = launch->known;
    resolve->ticket = fsm_ticket(&launch->fsm);
    resolve->binary_path = strdup(launch->binary_path);
    resolve->root_path = strdup(launch->root_path);
    if (!resolve->binary_path || !resolve->root_path) {
        resolve_free(resolve);
        return error_origin(-ENOMEM);
    }
    r = loop_job_submit(launch->backends->config.loop, &resolve->job, resolve_work, resolve_done, resolve,
                        EXE_HASH_LIMIT_S * NSEC_PER_SEC);
    if (r < 0) {
        resolve_free(resolve);
        return error_trace(r);
    }
    resolve->launch = launch;
    launch->resolve = resolve;
    return 0;
}

enum launch_event launch_resolve_binary(struct launch *launch)
{
    char text[128];
    int r;

    r = allocator_reserve(&launch->backends->allocator, &launch->endpoint);
    if (r != 0) {
        launch_set_failure(launch, "%s", allocator_error(r));
        return LAUNCH_EVENT_UNRESOLVABLE;
    }
    r = resolve_begin(launch);
    if (r < 0) {
        launch_set_failure(launch, "%s", launcher_errno_text(-r, text, sizeof(text)));
        return LAUNCH_EVENT_UNRESOLVABLE;
    }
    return 0;
}

void launch_forget_resolve(struct launch *launch)
{
    struct launch_resolve *resolve = TAKE_PTR(launch->resolve);

    if (resolve && loop_job_cancel(&resolve->job)) {
        resolve_free(resolve);
    }
}

/* ------------------------------------------------------------------------------------------------------ the socket */

void launch_bind_listener(struct launch *launch)
{
    int r;

    if (!launch->backends->config.owned_bind) {
        return;
    }
    r = launcher_bind(launch->endpoint.path, &launch->listener_fd, &launch->bound);
    if (r < 0) {
        log_info(LOG_CODE_LAUNCH_BIND, "%s cannot be bound for the backend, which will have to: %s",
                 launch->endpoint.path, strerrordesc_np(-r));
    }
}

void launch_close_listener(struct launch *launch)
{
    launch->listener_fd = close_fd(launch->listener_fd);
}

/* Only what we bound, or what our own child was seen to listen on (decision 12a). */
void launch_unlink_socket(struct launch *launch)
{
    if (!launch->endpoint.is_held) {
        return;
    }
    if (!socket_unlink_if(launch->endpoint.path, &launch->bound)) {
        socket_unlink_if(launch->endpoint.path, &launch->prober.proven);
    }
}

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

    launch_set_failure(launch, "backend daemon spawn failed: %s",
                       launcher_errno_text(launch->exec_error, text, sizeof(text)));
    fsm_finish(launch->ticket,
               launch->exec_error == ETXTBSY ? LAUNCH_EVENT_TEXT_BUSY : LAUNCH_EVENT_EXEC_FAILED);
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
    return loop_io_link(launch->backends->config.loop, &launch->child_io, launch->pidfd, LOOP_NESTED, wants_read, ready,
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

static int make_env(struct launch *launch, char ***ret_env)
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

    return child_env_make(&launch->backends->baseline, &facts, ret_env);
}

static int spawn(struct launch *launch)
{
    const struct backends_config *config = &launch->backends->config;
    _cleanup_(child_env_freep) char **env = NULL;
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
    int r;

    r = make_env(launch, &env);
    if (r < 0) {
        return error_trace(r);
    }
    recipe.envp = env;
    return sys_spawn(&recipe, &launch->pid, &launch->pidfd, &launch->exec_pipe);
}

enum launch_event launch_fork_child(struct launch *launch)
{
    char text[128];
    int r;

    launch->exec_tries++;
    launch->exec_error = 0;
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
    if (watch_child(launch, on_exit_seen) < 0) {
        kill_group(launch); /* a child that cannot be watched is not kept; the ceiling ends the launch */
    }
}

/* ---------------------------------------------------------------------------------------------------- who it is */

static enum launch_event unverified(struct launch *launch, const char *what, int error)
{
    char text[128];

    if (error < 0) {
        launch_set_failure(launch, "%s: %s", what, launcher_errno_text(-error, text, sizeof(text)));
    } else {
        launch_set_failure(launch, "%s", what);
    }
    return LAUNCH_EVENT_UNVERIFIED;
}

static int compare_file(struct launch *launch)
{
    dev_t dev;
    ino_t ino;
    int r;

    r = process_exe_file(launch->pid, &dev, &ino);
    if (r < 0) {
        return error_trace(r);
    }
    return dev == launch->binary.identity.dev && ino == launch->binary.identity.ino;
}

enum launch_event launch_verify_child(struct launch *launch)
{
    int r;

    r = process_exe_path(launch->pid, &launch->exe_path);
    if (r == -ENOENT || r == -ESRCH) {
        return 0; /* only a process on its way out has no executable: its exit is the event to come */
    }
    if (r < 0) {
        return unverified(launch, "the path of the backend's executable cannot be read", r);
    }
    if (strcmp(launch->exe_path, launch->binary.path) != 0) {
        return unverified(launch, "the backend runs another executable than was launched", 0);
    }
    r = compare_file(launch);
    if (r == 0) {
        return unverified(launch, "the backend's executable is not the file that was hashed", 0);
    }
    if (r > 0) {
        r = process_start_ticks(launch->pid, &launch->start_ticks);
    }
    if (r == -ENOENT || r == -ESRCH || process_is_running(launch->pidfd) == 0) {
        return 0;
    }
    return r < 0 ? unverified(launch, "the backend cannot be looked at", r) : LAUNCH_EVENT_VERIFIED;
}

static void on_probed(void *owner, enum prober_outcome outcome)
{
    struct launch *launch = owner;

    fsm_finish(launch->ticket, outcome == PROBER_ANSWERED    ? LAUNCH_EVENT_ANSWERED
                               : outcome == PROBER_NOT_READY ? LAUNCH_EVENT_NOT_READY
                                                             : LAUNCH_EVENT_WRONG_ANSWER);
}

static void on_stirred(void *owner)
{
    launch_raise(owner, LAUNCH_EVENT_STIRRED);
}

static void on_taken_over(void *owner)
{
    launch_close_listener(owner);
}

enum launch_event launch_probe(struct launch *launch)
{
    static const struct prober_hooks hooks = {
        .done = on_probed, .stirred = on_stirred, .taken_over = on_taken_over};
    struct backends *backends = launch->backends;

    if (!launch->prober.loop) {
        launch->expected = (struct prober_expected){
            .pid = launch->pid,
            .exe_path = launch->exe_path,
            .exe_hash = launch->binary.hash,
            .boot_id = backends->boot_id,
            .namespace_id = launch->key.instance,
        };
        prober_init(&launch->prober, backends->config.loop, launch->endpoint.path, &launch->expected, &launch->bound,
                    &hooks, launch);
    }
    launch->ticket = fsm_ticket(&launch->fsm);
    switch (prober_ask(&launch->prober)) {
    case PROBER_ANSWERED:
        return LAUNCH_EVENT_ANSWERED;
    case PROBER_NOT_READY:
        return LAUNCH_EVENT_NOT_READY;
    case PROBER_WRONG:
        return LAUNCH_EVENT_WRONG_ANSWER;
    default:
        return 0;
    }
}

void launch_count_attempt(struct launch *launch)
{
    launch->attempt++;
}

enum launch_event launch_register_backend(struct launch *launch)
{
    struct backend *backend = launch->backend;
    int pidfd, r;

    if (process_is_running(launch->pidfd) <= 0) {
        return LAUNCH_EVENT_GONE;
    }
    if (!backend_key_equal(&backend->key, &launch->key) ||
        memcmp(backend->key.exe_hash, launch->binary.hash, sizeof(launch->binary.hash)) != 0) {
        return LAUNCH_EVENT_MISMATCHED;
    }
    pidfd = sys_dup_cloexec(launch->pidfd, 3);
    if (pidfd < 0) {
        return LAUNCH_EVENT_MISMATCHED;
    }
    backend->pid = launch->pid;
    backend->start_ticks = launch->start_ticks;
    backend->socket = launch->prober.seen;
    backend->started_at_unix_ms = launch->prober.identity->started_at_unix_ms;
    backend->registered_at_unix_ms = clock_unix_msec();
    backend->last_probe_nsec = loop_now(launch->backends->config.loop);
    backend->exe_path = TAKE_PTR(launch->exe_path);
    allocator_move(&launch->backends->allocator, &launch->endpoint, &backend->endpoint);
    r = registry_insert(&launch->backends->registry, backend, pidfd);
    if (r < 0) {
        allocator_move(&launch->backends->allocator, &backend->endpoint, &launch->endpoint);
        return LAUNCH_EVENT_MISMATCHED;
    }
    launch->backend = NULL;
    launch_release_child(launch);
    return LAUNCH_EVENT_REGISTERED;
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
        backends_adopt_orphan(launch->backends, take_fd(&launch->pidfd));
        launch->is_child_reaped = true;
    }
}
