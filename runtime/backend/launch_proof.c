/* SPDX-License-Identifier: MIT */

/*
 * How the launch machine makes sure of its child: what the kernel says about the process, what the process says about
 * itself at its endpoint, and its entry in the registry. Nothing is taken from one side alone: the file that runs must
 * be the file that was hashed, and the answer must name exactly it.
 */

#include "backend/launch.h"

#include <errno.h>
#include <string.h>

#include "backend/spawn_lock.h"
#include "base/cleanup.h"
#include "base/error.h"

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

    if (!loop_io_is_linked(&launch->child_io)) {
        return unverified(launch, "the backend's exit cannot be watched: out of descriptors or memory", 0);
    }
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
    if (r > 0 && launch->start_ticks == 0) {
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
    static const struct prober_hooks hooks = {.done = on_probed, .stirred = on_stirred, .taken_over = on_taken_over};
    struct backends *backends = launch->backends;

    if (!launch->prober.loop) {
        launch->expected = (struct prober_expected){
            .pid = launch->pid,
            .exe_path = launch->exe_path,
            .exe_hash = launch->binary.hash,
            .boot_id = backends_boot_id(backends),
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

void launch_recheck(struct launch *launch)
{
    bool had_socket = launch->bound.ino != 0 || (launch->prober.loop && launch->prober.seen.ino != 0);
    char name[SPAWN_LOCK_NAME_SIZE];
    struct socket_identity current;

    if (!had_socket || !launch->endpoint.is_held || socket_identity_get(launch->endpoint.path, &current) != -ENOENT) {
        return;
    }
    spawn_lock_name(&launch->key, name);
    if (spawn_lock_is_lost(launch->backends->config.runtime_dir, name, launch->lock_fd)) {
        launch_raise(launch, LAUNCH_EVENT_SWEPT);
    }
}

void launch_count_attempt(struct launch *launch)
{
    launch->attempt++;
}

/* The backend is good; it is the broker that has no room to watch it. */
static enum launch_event unkept(struct launch *launch, int error)
{
    char text[128];

    launch_set_failure(launch, "the backend cannot be watched: %s", launcher_errno_text(-error, text, sizeof(text)));
    return LAUNCH_EVENT_UNKEPT;
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
        return unkept(launch, pidfd);
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
        return unkept(launch, r);
    }
    launch->backend = NULL;
    launch_release_child(launch);
    return LAUNCH_EVENT_REGISTERED;
}
