/* SPDX-License-Identifier: MIT */

/*
 * One turn of a backend: what epoll reports, then what time makes due, then the burial of closed connections.
 * Everything hangs on one epoll descriptor, so a caller's loop has one thing to wait for. Nothing that a peer does ends
 * a turn with an error; only the loss of epoll itself does. When places or descriptors run out, the oldest connection
 * that has not sent a frame makes room, and a few places beyond the cap are kept for probes, so that a full house still
 * proves itself. Whoever sends more than a probe there gets the place of one that is silent, while there is one.
 */

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "lib/backend_internal.h"

#define ACCEPT_PAUSE_NSEC (100 * NSEC_PER_MSEC)

void backend_due(struct rpb_backend *backend, nsec_t when)
{
    if (when < backend->due) {
        backend->due = when;
    }
}

/* -------------------------------------------------------------------------------------------------------- accepting */

/* Closes the oldest connection that has shown nothing yet. False: there is none. */
static bool evict_silent(struct rpb_backend *backend)
{
    struct connection *connection;

    DL_FOREACH(backend->connections, connection)
    {
        if (!connection->is_judging && (!connection->is_proven || connection->is_reserved)) {
            connection_close(connection, "made room: it had sent no frame");
            return true;
        }
    }
    return false;
}

bool backend_find_place(struct rpb_backend *backend)
{
    struct connection *connection;

    if (backend->n_connections - backend->n_reserved < backend->config.max_connections) {
        return true;
    }
    DL_FOREACH(backend->connections, connection)
    {
        if (!connection->is_judging && !connection->is_proven && !connection->is_reserved) {
            connection_close(connection, "made room: it had sent no frame");
            return true;
        }
    }
    return false;
}

static void pause_listener(struct rpb_backend *backend)
{
    struct epoll_event event = {.events = 0, .data.ptr = &backend->listener_fd};

    if (sys_epoll_ctl(backend->epoll_fd, EPOLL_CTL_MOD, backend->listener_fd, &event) == 0) {
        backend->is_paused = true;
        backend->resume_at = nsec_add(backend->now, ACCEPT_PAUSE_NSEC);
        backend_due(backend, backend->resume_at);
    }
}

static void resume_listener(struct rpb_backend *backend)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &backend->listener_fd};

    backend->is_paused = false;
    backend->resume_at = NSEC_NEVER;
    if (backend->listener_fd >= 0 &&
        sys_epoll_ctl(backend->epoll_fd, EPOLL_CTL_MOD, backend->listener_fd, &event) < 0) {
        pause_listener(backend);
    }
}

static void admit(struct rpb_backend *backend, int fd)
{
    if (backend->n_connections >= backend->config.max_connections + BACKEND_RESERVED && !evict_silent(backend)) {
        (void)close_fd(fd);
        return;
    }
    if (connection_new(backend, fd, backend->n_connections - backend->n_reserved >= backend->config.max_connections) ==
        -ENOMEM) {
        backend_tell(backend, "a connection was closed: out of memory");
    }
}

/* What accept() says when there is nothing to accept with, also when nobody waits to be accepted. */
static bool is_shortage(int r)
{
    return r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM;
}

static int accept_one(struct rpb_backend *backend)
{
    int fd = sys_accept4(backend->listener_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        admit(backend, fd);
    }
    return fd;
}

static void accept_some(struct rpb_backend *backend)
{
    int r = accept_one(backend);

    if (is_shortage(r) && evict_silent(backend)) { /* somebody waits, or the listener would not be ready */
        r = accept_one(backend);
    } else if (r >= 0) {
        for (int i = 1; i < BACKEND_ACCEPTS && r >= 0; i++) {
            r = accept_one(backend);
        }
        return; /* whatever the last one met: if somebody still waits, the next turn tells */
    }
    if (r < 0 && r != -EAGAIN && r != -ECONNABORTED) {
        pause_listener(backend);
    }
}

/* ----------------------------------------------------------------------------------------------------------- ending */

static void begin_to_end(struct rpb_backend *backend)
{
    struct connection *connection, *next;

    if (backend->is_ending) {
        return;
    }
    backend->is_ending = true;
    backend->end_deadline = nsec_add(backend->now, nsec_from_msec(backend->config.drain_msec));
    backend_due(backend, backend->end_deadline);
    backend_unlisten(backend);
    DL_FOREACH_SAFE(backend->connections, connection, next)
    {
        if (connection_is_quiet(connection)) {
            connection_close(connection, NULL);
        }
    }
}

static bool is_over(const struct rpb_backend *backend)
{
    return backend->is_ending && (!backend->connections || backend->now >= backend->end_deadline);
}

static void take_stop(struct rpb_backend *backend)
{
    uint64_t count;

    (void)sys_read(backend->stop_fd, &count, sizeof(count));
    begin_to_end(backend);
}

/* ------------------------------------------------------------------------------------------------------------- time */

/*
 * Holds that come and go in other threads need not wake this one: while there are any, the next look is a whole timeout
 * ahead, and when the last one has gone meanwhile, the end of its timeout is later than that.
 */
static void check_idleness(struct rpb_backend *backend)
{
    nsec_t timeout = backend->config.idle_timeout_secs * NSEC_PER_SEC, last_use, released_at;

    if (!timeout || backend->is_ending || backend->n_clients) {
        return; /* the end of the last client sets the time anew */
    }
    if (atomic_load(&backend->n_holds)) {
        backend_due(backend, nsec_add(backend->now, timeout));
        return;
    }
    released_at = atomic_load(&backend->released_at); /* read last: it is that of the hold that went last */
    last_use = backend->last_use > released_at ? backend->last_use : released_at;
    if (backend->now >= nsec_add(last_use, timeout)) {
        backend_tell(backend, "idle for %u s", backend->config.idle_timeout_secs);
        begin_to_end(backend);
    } else {
        backend_due(backend, nsec_add(last_use, timeout));
    }
}

static void check_times(struct rpb_backend *backend)
{
    struct connection *connection, *next;

    if (backend->now < backend->due) {
        return;
    }
    backend->due = NSEC_NEVER;
    DL_FOREACH_SAFE(backend->connections, connection, next)
    {
        connection_check_time(connection);
    }
    if (backend->is_paused) {
        if (backend->now >= backend->resume_at) {
            resume_listener(backend);
        } else {
            backend_due(backend, backend->resume_at);
        }
    }
    check_idleness(backend);
    if (backend->is_ending) {
        backend_due(backend, backend->end_deadline);
    }
}

/* ------------------------------------------------------------------------------------------------------------- turn */

static void dispatch(struct rpb_backend *backend, const struct epoll_event *event)
{
    if (event->data.ptr == &backend->stop_fd) {
        take_stop(backend);
    } else if (event->data.ptr != &backend->listener_fd) {
        connection_ready(event->data.ptr, event->events);
    } else if (backend->listener_fd >= 0) {
        accept_some(backend);
    }
}

int backend_turn(struct rpb_backend *backend, int timeout_msec)
{
    struct epoll_event events[BACKEND_EVENTS];
    int n;

    if (backend->is_done) {
        connections_bury(backend); /* whom an answer that came late has closed */
        return RPB_BACKEND_DONE;
    }
    n = sys_epoll_wait(backend->epoll_fd, events, BACKEND_EVENTS, timeout_msec);
    if (n == -EINTR) {
        n = 0;
    }
    if (n < 0) {
        return error_trace(n);
    }
    backend->now = clock_monotonic();
    for (int i = 0; i < n; i++) {
        dispatch(backend, &events[i]);
    }
    check_times(backend);
    connections_bury(backend);
    backend->is_done = is_over(backend);
    return backend->is_done ? RPB_BACKEND_DONE : 0;
}
