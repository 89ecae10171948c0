/* SPDX-License-Identifier: MIT */

/*
 * What the launch machine has ready before the fork: the endpoint's path, the file that will be run, the socket. A file
 * that is known and on a local path is recognized at once. Any other is looked at on the worker, in a job with memory
 * of its own: a launch that ends takes the job back or leaves it to free itself. A socket is unlinked only if it is one
 * that we bound, one that our own child was seen to listen on, or one that nobody listens on any more.
 */

#include "backend/launch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/private_dir.h"

/* ------------------------------------------------------------------------------------------------ the file (a job) */

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

    resolve->result =
        launcher_resolve(resolve->binary_path, resolve->root_path, &resolve->known, &resolve->binary, resolve->text);
}

/* Takes over what was found: @result and the other things that launcher_resolve() gave. */
static enum launch_event take(struct launch *launch, int result, struct launch_binary *binary, const char *text)
{
    struct backends *backends = launch->backends;

    if (result < 0) {
        launch_set_failure(launch, "%s", text);
        return LAUNCH_EVENT_UNRESOLVABLE;
    }
    launch->binary = *binary;
    *binary = (struct launch_binary){.fd = -1};
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
        event = take(launch, resolve->result, &resolve->binary, resolve->text);
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

/*
 * Whether the loop may look for itself: the path was seen to be on a local file system, and the way to the root is the
 * beginning of the way to the binary, so it leads through nothing else.
 */
static bool is_local(struct launch *launch)
{
    dev_t dev;

    return launch->known.is_known && *launch->root_path && launcher_is_under(launch->binary_path, launch->root_path) &&
           local_paths_find(&launch->backends->hashes.local_paths, launch->binary_path, &dev);
}

/* 0: the worker has to look. */
static enum launch_event recognize(struct launch *launch)
{
    struct launch_binary binary = {.fd = -1};
    char text[LAUNCHER_TEXT_MAX];
    int r;

    if (!is_local(launch)) {
        return 0;
    }
    r = launcher_recognize(launch->binary_path, launch->root_path, &launch->known, &binary, text);
    return r == LAUNCHER_E_UNKNOWN ? 0 : take(launch, r, &binary, text);
}

enum launch_event launch_resolve_binary(struct launch *launch)
{
    enum launch_event event;
    char text[128];
    int r;

    r = allocator_reserve(&launch->backends->allocator, &launch->endpoint);
    if (r != 0) {
        launch_set_failure(launch, "%s", allocator_error(r));
        return LAUNCH_EVENT_UNRESOLVABLE;
    }
    event = recognize(launch);
    if (event) {
        return event;
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

/* A directory that was cleaned away meanwhile is made again, as private as before. */
static int bind_endpoint(struct launch *launch)
{
    int fd = -1, r;

    r = launcher_bind(launch->endpoint.path, &launch->listener_fd, &launch->bound);
    if (r != -ENOENT) {
        return r;
    }
    r = private_dir_open_broker(launch->backends->config.runtime_dir, true, NULL, &fd);
    close_fd(fd);
    return r == 0 ? launcher_bind(launch->endpoint.path, &launch->listener_fd, &launch->bound) : -ENOENT;
}

void launch_bind_listener(struct launch *launch)
{
    int r;

    if (!launch->backends->config.owned_bind) {
        return;
    }
    r = bind_endpoint(launch);
    if (r < 0) {
        log_info(LOG_CODE_LAUNCH_BIND, "%s cannot be bound for the backend, which will have to: %s",
                 launch->endpoint.path, strerrordesc_np(-r));
    }
}

void launch_close_listener(struct launch *launch)
{
    launch->listener_fd = close_fd(launch->listener_fd);
}

/*
 * What we bound, or what our own child was seen to listen on (decision 12a); and what a child that bound for itself and
 * died before anybody looked has left at the path that was made for it alone.
 */
void launch_unlink_socket(struct launch *launch)
{
    const char *path = launch->endpoint.path;

    if (!launch->endpoint.is_held) {
        return;
    }
    if (!socket_unlink_if(path, &launch->bound) && !socket_unlink_if(path, &launch->prober.proven)) {
        socket_unlink_deserted(path);
    }
}
