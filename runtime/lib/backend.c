/* SPDX-License-Identifier: MIT */

/*
 * Birth and death of a backend. It listens before it does anything slow: the executable is hashed when serving begins,
 * while clients wait in the backlog. At the end it removes what it made and nothing else: the socket only while the
 * file at its path is the one that was there when it began to listen, the identity file only while it names this
 * process, and neither in a forked child. The turns in between are backend_turn.c's.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/env.h"
#include "base/error.h"
#include "lib/backend_internal.h"
#include "wire/text.h"

enum {
    CONNECTIONS_DEFAULT = 256,
    CONNECTIONS_MAX = 65536,
    FRAME_BYTES_MIN = 1024, /* a probe fits, with the longest trace context */
    MEMORY_MIN = 65536,
    FIRST_FRAME_DEFAULT_MSEC = 5000,
    STALL_DEFAULT_MSEC = 30000,
    DRAIN_DEFAULT_MSEC = 5000,
};

#define MEMORY_DEFAULT (UINT64_C(64) << 20)

static int __attribute__((format(printf, 3, 4))) refuse(char *ret_text, int r, const char *format, ...)
{
    va_list arguments;

    if (ret_text) {
        va_start(arguments, format);
        (void)vsnprintf(ret_text, RPB_BACKEND_TEXT_MAX, format, arguments);
        va_end(arguments);
    }
    return r;
}

/* @r, which rpb_backend_text() will explain. */
static int __attribute__((format(printf, 3, 4))) fail(struct rpb_backend *backend, int r, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(backend->text, sizeof(backend->text), format, arguments);
    va_end(arguments);
    return r;
}

const char *rpb_backend_text(const struct rpb_backend *backend)
{
    if (!backend) {
        return "there is no backend: rpb_backend_new() has said why";
    }
    return *backend->text ? backend->text : "nothing has failed";
}

void backend_tell(const struct rpb_backend *backend, const char *format, ...)
{
    char text[RPB_BACKEND_TEXT_MAX];
    va_list arguments;

    if (backend->config.notice) {
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        backend->config.notice(text, backend->config.user);
    }
}

/* ------------------------------------------------------------------------------------------------------------ birth */

/*
 * Takes the caller's configuration into the zeroed *@ret, which may be shorter than ours (an older program) or longer
 * (a newer one, which then must not use what is not known here), but never shorter than that of version 1.0.
 */
static int take_config(const struct rpb_backend_config *config, struct rpb_backend_config *ret, char *ret_text)
{
    const size_t least = offsetof(struct rpb_backend_config, any_user) + sizeof(config->any_user);
    const unsigned char *bytes = (const unsigned char *)config;

    if (!config) {
        return refuse(ret_text, error_origin(-EINVAL), "there is no configuration");
    }
    if (config->size < least) {
        return refuse(ret_text, error_origin(-EINVAL), "the configuration has no size: RPB_BACKEND_CONFIG() sets it");
    }
    for (size_t i = sizeof(*ret); i < config->size; i++) {
        if (bytes[i]) {
            return refuse(ret_text, error_origin(-EINVAL), "the configuration wants what only a later version can");
        }
    }
    memcpy(ret, config, config->size < sizeof(*ret) ? config->size : sizeof(*ret));
    return 0;
}

#define DEFAULT(field, value) ((field) = (field) ? (field) : (value))

static void fill_defaults(struct rpb_backend_config *config)
{
    DEFAULT(config->max_connections, CONNECTIONS_DEFAULT);
    DEFAULT(config->max_frame_bytes, FRAME_BODY_MAX);
    DEFAULT(config->max_memory_bytes, MEMORY_DEFAULT);
    DEFAULT(config->first_frame_msec, FIRST_FRAME_DEFAULT_MSEC);
    DEFAULT(config->stall_msec, STALL_DEFAULT_MSEC);
    DEFAULT(config->drain_msec, DRAIN_DEFAULT_MSEC);
    if (!config->endpoint) {
        config->endpoint = env_get(RPB_ENV_BACKEND_PIPE);
    }
    if (!config->namespace_id) {
        config->namespace_id = env_get(RPB_ENV_BACKEND_NAMESPACE);
    }
    DEFAULT(config->namespace_id, "default");
}

static int check_lanes(const struct rpb_backend_config *config, char *ret_text)
{
    if (config->n_lanes > BACKEND_LANES_MAX) {
        return refuse(ret_text, error_origin(-EINVAL), "more than %d lanes", BACKEND_LANES_MAX);
    }
    if (config->n_lanes > 0 && !config->lanes) {
        return refuse(ret_text, error_origin(-EINVAL), "a number of lanes without their list");
    }
    for (size_t i = 0; i < config->n_lanes; i++) {
        if (!RPB_LANE_IS_FOR_BACKENDS(config->lanes[i])) {
            return refuse(ret_text, error_origin(-EINVAL), "0x%x is not a lane for backends", config->lanes[i]);
        }
    }
    if (config->n_lanes > 0 && !config->handle) {
        return refuse(ret_text, error_origin(-EINVAL), "lanes without a handler");
    }
    return 0;
}

static int check_limits(const struct rpb_backend_config *config, char *ret_text)
{
    if (config->max_connections > CONNECTIONS_MAX) {
        return refuse(ret_text, error_origin(-EINVAL), "more than %d connections", CONNECTIONS_MAX);
    }
    if (config->max_frame_bytes < FRAME_BYTES_MIN || config->max_frame_bytes > FRAME_BODY_MAX) {
        return refuse(ret_text, error_origin(-EINVAL), "max_frame_bytes is not within %d to %u bytes", FRAME_BYTES_MIN,
                      RPB_FRAME_BODY_MAX);
    }
    if (config->max_memory_bytes < MEMORY_MIN) {
        return refuse(ret_text, error_origin(-EINVAL), "max_memory_bytes is less than %d bytes", MEMORY_MIN);
    }
    if (config->idle_timeout_secs > INT32_MAX) {
        return refuse(ret_text, error_origin(-EINVAL), "an idle timeout of more than %d s", INT32_MAX);
    }
    if ((unsigned int)config->sha256 > RPB_BACKEND_SHA256_ZEROS) {
        return refuse(ret_text, error_origin(-EINVAL), "sha256 is none of enum rpb_backend_sha256");
    }
    return 0;
}

static int check_texts(const struct rpb_backend_config *config, char *ret_text)
{
    if (config->endpoint && strlen(config->endpoint) > RPB_ENDPOINT_PATH_MAX) {
        return refuse(ret_text, error_origin(-EINVAL), "the endpoint's path is longer than %u bytes: %.120s",
                      RPB_ENDPOINT_PATH_MAX, config->endpoint);
    }
    if (strlen(config->namespace_id) >= sizeof(((struct rpb_backend *)NULL)->namespace_id)) {
        return refuse(ret_text, error_origin(-EINVAL), "the endpoint's namespace is too long");
    }
    if (!text_is_utf8(slice_from(config->namespace_id)) ||
        (config->endpoint && !text_is_utf8(slice_from(config->endpoint)))) {
        return refuse(ret_text, error_origin(-EINVAL), "the endpoint's path or namespace is not UTF-8");
    }
    if (config->sidecar_path && !*config->sidecar_path) {
        return refuse(ret_text, error_origin(-EINVAL), "sidecar_path is empty: NULL is for no identity file");
    }
    return 0;
}

static int check_config(const struct rpb_backend_config *config, char *ret_text)
{
    int r;

    r = check_lanes(config, ret_text);
    if (r == 0) {
        r = check_limits(config, ret_text);
    }
    return r < 0 ? error_trace(r) : error_trace(check_texts(config, ret_text));
}

/* Copies what @config points at, and points the copy at the copies. */
static int keep_config(struct rpb_backend *backend, const struct rpb_backend_config *config)
{
    backend->config = *config;
    memcpy(backend->namespace_id, config->namespace_id, strlen(config->namespace_id) + 1);
    if (config->endpoint) {
        memcpy(backend->path, config->endpoint, strlen(config->endpoint) + 1);
    }
    if (config->n_lanes) {
        memcpy(backend->lanes, config->lanes, config->n_lanes * sizeof(*config->lanes));
    }
    if (config->sidecar_path) {
        backend->sidecar_path = strdup(config->sidecar_path);
        if (!backend->sidecar_path) {
            return error_origin(-ENOMEM);
        }
    }
    backend->config.endpoint = backend->path;
    backend->config.namespace_id = backend->namespace_id;
    backend->config.lanes = backend->lanes;
    backend->config.sidecar_path = backend->sidecar_path;
    backend->mux = (struct rpb_backend_mux){
        .identity = &backend->identity,
        .lanes = backend->lanes,
        .n_lanes = config->n_lanes,
        .detect_legacy = config->detect_legacy,
        .user = config->user,
    };
    return 0;
}

static int watch(struct rpb_backend *backend, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};

    return sys_epoll_ctl(backend->epoll_fd, EPOLL_CTL_ADD, *fd, &event);
}

static int listen_and_watch(struct rpb_backend *backend, char *ret_text)
{
    struct stat st;
    int r;

    r = rpb_backend_listen(backend->path, &backend->listener_fd, ret_text);
    if (r < 0) {
        return error_trace(r);
    }
    if (sys_lstat(backend->path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        backend->has_socket = true;
        backend->socket_dev = st.st_dev;
        backend->socket_ino = st.st_ino;
    }
    r = backend->epoll_fd = sys_epoll_create1(EPOLL_CLOEXEC);
    if (r >= 0) {
        r = backend->stop_fd = sys_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (r >= 0) {
        r = watch(backend, &backend->stop_fd);
    }
    if (r >= 0) {
        r = watch(backend, &backend->listener_fd);
    }
    return r < 0 ? refuse(ret_text, error_trace(r), "%s", strerror(-r)) : 0;
}

/* Fills a zeroed backend. On failure it is to be freed as it is. */
static int set_up(struct rpb_backend *backend, const struct rpb_backend_config *config, char *ret_text)
{
    int r;

    backend->epoll_fd = backend->listener_fd = backend->stop_fd = -1;
    backend->due = backend->resume_at = backend->end_deadline = NSEC_NEVER;
    backend->owner = sys_getpid();
    backend->now = backend->last_use = clock_monotonic();
    r = keep_config(backend, config);
    return r < 0 ? refuse(ret_text, error_trace(r), "out of memory") : listen_and_watch(backend, ret_text);
}

int rpb_backend_new(const struct rpb_backend_config *config, struct rpb_backend **ret_backend, char *ret_text)
{
    struct rpb_backend_config filled = {0};
    struct rpb_backend *backend;
    int r;

    *ret_backend = NULL;
    r = take_config(config, &filled, ret_text);
    if (r < 0) {
        return error_trace(r);
    }
    fill_defaults(&filled);
    r = check_config(&filled, ret_text);
    if (r < 0) {
        return error_trace(r);
    }
    backend = calloc(1, sizeof(*backend));
    if (!backend) {
        return refuse(ret_text, error_origin(-ENOMEM), "out of memory");
    }
    r = set_up(backend, &filled, ret_text);
    if (r < 0) {
        rpb_backend_free(backend);
        return error_trace(r);
    }
    *ret_backend = backend;
    return 0;
}

int rpb_backend_prepare(struct rpb_backend *backend)
{
    int r;

    if (backend->is_prepared) {
        return 0;
    }
    r = rpb_backend_identity_make(backend->namespace_id, backend->path, backend->config.sha256, &backend->identity);
    if (r < 0) {
        return fail(backend, error_trace(r), "cannot tell who this process is (/proc/self/exe): %s", strerror(-r));
    }
    backend->identity.has_idle_timeout = backend->config.idle_timeout_secs > 0;
    backend->identity.idle_timeout_secs = backend->config.idle_timeout_secs;
    if (backend->sidecar_path) {
        r = rpb_backend_identity_write(&backend->identity, backend->sidecar_path);
        if (r < 0) {
            return fail(backend, error_trace(r), "cannot write the identity file %.300s: %s", backend->sidecar_path,
                        strerror(-r));
        }
    }
    backend->is_prepared = true;
    backend->now = backend->last_use = clock_monotonic();
    backend_due(backend, nsec_add(backend->now, backend->config.idle_timeout_secs * NSEC_PER_SEC));
    return 0;
}

const struct rpb_backend_identity *rpb_backend_get_identity(const struct rpb_backend *backend)
{
    return backend->is_prepared ? &backend->identity : NULL;
}

/* ------------------------------------------------------------------------------------------------------------ death */

void backend_unlisten(struct rpb_backend *backend)
{
    struct stat st;

    if (backend->has_socket && backend->owner == sys_getpid() && sys_lstat(backend->path, &st) == 0 &&
        st.st_dev == backend->socket_dev && st.st_ino == backend->socket_ino) {
        (void)sys_unlink(backend->path);
    }
    backend->has_socket = false;
    if (backend->listener_fd >= 0 && backend->epoll_fd >= 0) {
        (void)sys_epoll_ctl(backend->epoll_fd, EPOLL_CTL_DEL, backend->listener_fd, NULL);
    }
    backend->listener_fd = close_fd(backend->listener_fd);
}

void rpb_backend_free(struct rpb_backend *backend)
{
    struct connection *connection, *next;

    if (!backend) {
        return;
    }
    if (backend->owner != sys_getpid()) {
        /* shared with the parent, and what that waits for is its own affair */
        backend->epoll_fd = close_fd(backend->epoll_fd);
    }
    backend_unlisten(backend);
    DL_FOREACH_SAFE(backend->connections, connection, next)
    {
        request_forget(connection, -ESHUTDOWN);
        connection_close(connection, NULL);
    }
    connections_bury(backend);
    if (backend->sidecar_path && backend->is_prepared && backend->owner == sys_getpid()) {
        rpb_backend_identity_remove(backend->sidecar_path);
    }
    (void)close_fd(backend->stop_fd);
    (void)close_fd(backend->epoll_fd);
    free(backend->sidecar_path);
    free(backend);
}

/* ---------------------------------------------------------------------------------------------------------- running */

void rpb_backend_stop(struct rpb_backend *backend)
{
    const uint64_t one = 1;
    int saved = errno; /* a signal handler must not change it */

    if (backend &&
        backend->owner == sys_getpid()) { /* a forked child has the handler and the descriptor, but not the say */
        (void)sys_write(backend->stop_fd, &one, sizeof(one));
    }
    errno = saved;
}

void rpb_backend_hold(struct rpb_backend *backend)
{
    (void)atomic_fetch_add(&backend->n_holds, 1);
}

void rpb_backend_release(struct rpb_backend *backend)
{
    atomic_store(&backend->released_at, clock_monotonic());
    (void)atomic_fetch_sub(&backend->n_holds, 1);
}

int rpb_backend_poll_timeout(const struct rpb_backend *backend)
{
    nsec_t due = rpb_backend_deadline(backend);
    msec_t msec = msec_from_nsec(nsec_sub(due, clock_monotonic()));

    return due == NSEC_NEVER ? -1 : msec > INT32_MAX ? INT32_MAX : (int)msec;
}

static int turn(struct rpb_backend *backend, int timeout_msec)
{
    int r = backend_turn(backend, timeout_msec);

    return r < 0 ? fail(backend, error_trace(r), "cannot wait for clients: %s", strerror(-r)) : r;
}

int rpb_backend_run(struct rpb_backend *backend)
{
    int r = rpb_backend_prepare(backend);

    while (r == 0) {
        r = turn(backend, rpb_backend_poll_timeout(backend));
    }
    return r == RPB_BACKEND_DONE ? 0 : error_trace(r);
}

int rpb_backend_step(struct rpb_backend *backend)
{
    int r = rpb_backend_prepare(backend);

    return r < 0 ? error_trace(r) : error_trace(turn(backend, 0));
}

int rpb_backend_fd(const struct rpb_backend *backend)
{
    return backend->epoll_fd;
}

short rpb_backend_wants(const struct rpb_backend *backend)
{
    (void)backend;
    return POLLIN;
}

uint64_t rpb_backend_deadline(const struct rpb_backend *backend)
{
    return backend->is_prepared && !backend->is_done ? backend->due : 0;
}

size_t rpb_backend_connections(const struct rpb_backend *backend)
{
    return backend->n_connections;
}

const char *rpb_backend_library_version(void)
{
    return RPB_VERSION;
}
