/* SPDX-License-Identifier: MIT */

/*
 * One client. What arrives is read into one block that all connections share and judged there; only an unfinished frame
 * is copied to the connection, so an idle one holds next to nothing. It is read from only while its answers flow:
 * unsent bytes, or too many answers put off, stop the reading and leave the rest to the kernel and thus to the sender.
 * Sockets stay blocking and are used with MSG_DONTWAIT, because one of another protocol is handed over as it is. A
 * closed connection stays in memory until the end of the turn, since callers up the stack and epoll's list still name
 * it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "lib/backend_internal.h"

/* ------------------------------------------------------------------------------------------------------------- life */

static size_t body_max(const struct connection *connection)
{
    const struct rpb_backend_config *config = &connection->backend->config;
    bool probes_only = connection->is_reserved || config->n_lanes == 0;

    return probes_only && config->max_frame_bytes > BACKEND_PROBE_MAX ? BACKEND_PROBE_MAX : config->max_frame_bytes;
}

static size_t room_for_input(const struct connection *connection)
{
    return body_max(connection) + FRAME_HEADER_SIZE + BACKEND_READ_SIZE;
}

/* Makes a client of one that could only probe. False: there is no place. */
static bool promote(struct connection *connection)
{
    if (!connection->is_reserved || !backend_find_place(connection->backend)) {
        return false;
    }
    connection->is_reserved = false;
    connection->backend->n_reserved--;
    connection->in.limit = room_for_input(connection);
    return true;
}

static bool is_welcome(struct rpb_backend *backend, int fd, struct ucred *ret_peer)
{
    socklen_t size = sizeof(*ret_peer);

    if (sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &size) < 0) {
        return false;
    }
    if (ret_peer->uid != sys_geteuid() && !backend->config.any_user) {
        backend_tell(backend, "a connection of user %u was dropped", (unsigned int)ret_peer->uid);
        return false;
    }
    return true;
}

int connection_new(struct rpb_backend *backend, int fd, bool is_reserved)
{
    struct connection *connection;
    struct epoll_event event = {.events = EPOLLIN};
    struct ucred peer;
    int r;

    if (!is_welcome(backend, fd, &peer)) {
        (void)close_fd(fd);
        return error_origin(-EPERM);
    }
    connection = calloc(1, sizeof(*connection));
    event.data.ptr = connection;
    r = connection ? sys_epoll_ctl(backend->epoll_fd, EPOLL_CTL_ADD, fd, &event) : -ENOMEM;
    if (r < 0) {
        (void)close_fd(fd);
        free(connection);
        return error_origin(r);
    }
    connection->backend = backend;
    connection->fd = fd;
    connection->number = ++backend->n_accepted;
    connection->peer_pid = (int32_t)peer.pid;
    connection->peer_uid = (uint32_t)peer.uid;
    connection->interest = EPOLLIN;
    connection->is_reserved = is_reserved;
    connection->stall_deadline = NSEC_NEVER;
    connection->first_deadline = nsec_add(backend->now, nsec_from_msec(backend->config.first_frame_msec));
    backend_due(backend, connection->first_deadline);
    buffer_init(&connection->in, room_for_input(connection));
    buffer_init(&connection->out, FRAME_BODY_MAX + FRAME_HEADER_SIZE + 2 * BACKEND_UNSENT_HIGH);
    DL_APPEND(backend->connections, connection);
    backend->n_connections++;
    backend->n_reserved += is_reserved;
    return 0;
}

/* Takes it out of the books. Its descriptor is the caller's from here on. */
static int retire(struct connection *connection)
{
    struct rpb_backend *backend = connection->backend;
    int fd = take_fd(&connection->fd);

    (void)sys_epoll_ctl(backend->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    request_forget(connection, -EPIPE);
    backend->held -= connection->accounted;
    connection->accounted = 0;
    DL_DELETE(backend->connections, connection);
    DL_APPEND(backend->dead, connection);
    backend->n_connections--;
    backend->n_reserved -= connection->is_reserved;
    if (connection->is_client && --backend->n_clients == 0) {
        backend->last_use = clock_monotonic();
        backend_due(backend, backend->last_use); /* idleness begins: look at it */
    }
    return fd;
}

void connection_close(struct connection *connection, const char *reason)
{
    if (connection->fd < 0) {
        return;
    }
    if (reason) {
        backend_tell(connection->backend, "connection %llu of process %d dropped: %s",
                     (unsigned long long)connection->number, (int)connection->peer_pid, reason);
    }
    (void)close_fd(retire(connection));
}

void connections_bury(struct rpb_backend *backend)
{
    struct connection *connection, *next;

    DL_FOREACH_SAFE(backend->dead, connection, next)
    {
        if (!connection->is_judging) {
            DL_DELETE(backend->dead, connection);
            buffer_deinit(&connection->in);
            buffer_deinit(&connection->out);
            free(connection);
        }
    }
}

/* ----------------------------------------------------------------------------------------------------------- bounds */

static bool is_closed(const struct connection *connection)
{
    return connection->fd < 0;
}

bool connection_is_quiet(const struct connection *connection)
{
    return connection->out.size == 0 && connection->n_laters == 0;
}

/* Answers must flow before more is taken in. */
static bool is_held_up(const struct connection *connection)
{
    return connection->out.size - connection->sent > BACKEND_UNSENT_HIGH ||
           connection->n_laters >= BACKEND_LATERS_MAX || connection->backend->is_ending;
}

void connection_account(struct connection *connection)
{
    struct rpb_backend *backend = connection->backend;
    struct connection *largest = connection, *other;
    size_t size = connection->in.capacity + connection->out.capacity + connection->laters_size;

    if (is_closed(connection)) {
        return; /* counts no more */
    }
    backend->held = backend->held - connection->accounted + size;
    connection->accounted = size;
    if (backend->held <= backend->config.max_memory_bytes) {
        return;
    }
    DL_FOREACH(backend->connections, other)
    {
        if (other->accounted > largest->accounted) {
            largest = other;
        }
    }
    connection_close(largest, "all connections together hold too much, and it the most");
}

void connection_check_time(struct connection *connection)
{
    struct rpb_backend *backend = connection->backend;

    if (!connection->is_proven && backend->now >= connection->first_deadline) {
        connection_close(connection, "it sent no frame in time");
    } else if (backend->now >= connection->stall_deadline) {
        connection_close(connection, "it does not read its answers");
    } else {
        backend_due(backend, connection->is_proven ? NSEC_NEVER : connection->first_deadline);
        backend_due(backend, connection->stall_deadline);
    }
}

/* Memory that an idle connection need not keep. */
static void trim(struct buffer *buffer)
{
    if (buffer->size == 0 && buffer->capacity > BACKEND_KEPT_SIZE) {
        buffer_deinit(buffer);
    }
}

/* ---------------------------------------------------------------------------------------------------------- writing */

void connection_update(struct connection *connection)
{
    struct epoll_event event = {.data.ptr = connection};
    bool wants_turn = connection->is_backlogged && !is_held_up(connection);

    if (is_closed(connection)) {
        return;
    }
    if (connection->is_at_end && connection_is_quiet(connection) && !connection->is_backlogged) {
        connection_close(connection, connection->in.size ? "it ended within a frame" : NULL);
        return;
    }
    if (connection->backend->is_ending && connection_is_quiet(connection)) {
        connection_close(connection, NULL);
        return;
    }
    event.events = (connection->is_at_end || connection->is_backlogged || is_held_up(connection) ? 0 : EPOLLIN) |
                   (connection->out.size > 0 || wants_turn ? EPOLLOUT : 0);
    if (event.events != connection->interest) {
        if (sys_epoll_ctl(connection->backend->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event) < 0) {
            connection_close(connection, "it cannot be waited for");
            return;
        }
        connection->interest = event.events;
    }
}

void connection_flush(struct connection *connection)
{
    struct rpb_backend *backend = connection->backend;

    while (!is_closed(connection) && connection->sent < connection->out.size) {
        ssize_t n = sys_send(connection->fd, connection->out.data + connection->sent,
                             connection->out.size - connection->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n == -EAGAIN) {
            break;
        }
        if (n < 0) {
            connection_close(connection, NULL); /* gone: there is nobody to blame */
            return;
        }
        connection->sent += (size_t)n;
        connection->stall_deadline = NSEC_NEVER; /* it moves: the time is counted anew */
    }
    if (connection->sent < connection->out.size) {
        if (connection->sent >= connection->out.size - connection->sent) { /* moves each byte once at most */
            buffer_drop(&connection->out, connection->sent);
            connection->sent = 0;
        }
        if (connection->stall_deadline == NSEC_NEVER) {
            connection->stall_deadline = nsec_add(clock_monotonic(), nsec_from_msec(backend->config.stall_msec));
            backend_due(backend, connection->stall_deadline);
        }
        return;
    }
    connection->sent = 0;
    buffer_clear(&connection->out);
    trim(&connection->out);
    connection_account(connection);
}

/* ---------------------------------------------------------------------------------------------------------- reading */

static void answer_probe(struct connection *connection, const Frame *frame)
{
    struct rpb_backend *backend = connection->backend;

    if (mux_answer_probe(&connection->out, &backend->identity, frame) < 0) {
        connection_close(connection, "an answer to its probe found no room");
    }
}

static void take_payload(struct connection *connection, const Frame *frame)
{
    struct rpb_backend *backend = connection->backend;
    const char *reason = NULL;

    if (connection->is_reserved && !promote(connection)) {
        connection_close(connection, "all places for clients are taken");
        return;
    }
    if (!connection->is_client) {
        connection->is_client = true;
        backend->n_clients++;
    }
    if (!request_handle(connection, frame, &reason)) {
        connection_flush(connection); /* what was answered before */
        connection_close(connection, reason);
    }
}

static void hand_over(struct connection *connection, struct slice bytes)
{
    struct rpb_backend *backend = connection->backend;

    if (!backend->config.take_legacy) {
        connection_close(connection, "it speaks another protocol");
        return;
    }
    if (connection->n_laters > 0) {
        connection_close(connection, "it went over to another protocol while an answer was put off");
        return;
    }
    connection_flush(connection);
    if (is_closed(connection)) {
        return;
    }
    if (connection->out.size > 0) {
        connection->is_backlogged = true; /* judged again when its answers are out */
        return;
    }
    backend->config.take_legacy(retire(connection), bytes.data, bytes.size, backend->config.user);
    backend->last_use = clock_monotonic(); /* the connection is not seen any more, but it was use */
}

/* Acts on one verdict. False: no more can be judged now. */
static bool act(struct connection *connection, const struct mux_frame *judged, struct slice bytes)
{
    switch (judged->verdict) {
    case RPB_BACKEND_MUX_NEED_MORE:
        return false;
    case RPB_BACKEND_MUX_LEGACY:
        hand_over(connection, bytes);
        return false;
    case RPB_BACKEND_MUX_FATAL:
        connection_flush(connection);
        connection_close(connection, rpb_backend_mux_fault_text(judged->fault));
        return false;
    case RPB_BACKEND_MUX_PROBE_ANSWERED:
        answer_probe(connection, judged->frame);
        break;
    case RPB_BACKEND_MUX_PAYLOAD:
        take_payload(connection, judged->frame);
        break;
    }
    connection->is_proven = true;
    return !is_closed(connection);
}

/* Judges what begins @bytes, frame by frame. Returns the number of bytes that are done with. */
static size_t judge(struct connection *connection, struct slice bytes)
{
    struct rpb_backend *backend = connection->backend;
    size_t used = 0;
    bool goes_on = true;

    connection->is_judging = true;
    connection->is_backlogged = false;
    while (goes_on && used < bytes.size) {
        struct slice rest = slice_skip(bytes, used);
        struct mux_frame judged;
        struct arena arena;

        if (is_held_up(connection)) {
            connection->is_backlogged = true;
            break;
        }
        arena_init(&arena, backend->arena_block, sizeof(backend->arena_block),
                   message_budget(MESSAGE_FRAME, rest.size));
        if (mux_judge(&backend->mux, body_max(connection), rest, &arena, &judged) < 0) {
            connection_close(connection, "out of memory");
            goes_on = false;
        } else if (judged.fault != RPB_BACKEND_MUX_TOO_LARGE || !promote(connection)) {
            /* otherwise judged again: a client may send more than a prober */
            goes_on = act(connection, &judged, rest);
            used += judged.consumed;
        }
        arena_deinit(&arena);
        if (connection->out.size - connection->sent > BACKEND_UNSENT_HIGH) {
            connection_flush(connection);
            goes_on = goes_on && !is_closed(connection);
        }
    }
    connection->is_judging = false;
    return used;
}

/* Judges @bytes, which were just read, or with none what is kept; keeps what is left. */
static void take_in(struct connection *connection, struct slice bytes)
{
    bool is_kept = connection->in.size > 0 || slice_is_empty(bytes);
    size_t used;

    if (is_kept && buffer_append(&connection->in, bytes.data, bytes.size) < 0) {
        connection_close(connection, "out of memory");
        return;
    }
    used = judge(connection, is_kept ? buffer_slice(&connection->in) : bytes);
    if (is_closed(connection)) {
        return;
    }
    if (is_kept) {
        buffer_drop(&connection->in, used);
    } else if (used < bytes.size && buffer_append(&connection->in, bytes.data + used, bytes.size - used) < 0) {
        connection_close(connection, "out of memory");
        return;
    }
    trim(&connection->in);
    connection_account(connection);
}

static void receive(struct connection *connection)
{
    struct rpb_backend *backend = connection->backend;
    ssize_t n = sys_recv(connection->fd, backend->scratch, sizeof(backend->scratch), MSG_DONTWAIT);

    if (n > 0) {
        take_in(connection, slice_from_bytes(backend->scratch, (size_t)n));
    } else if (n == 0) {
        connection->is_at_end = true;
    } else if (n != -EAGAIN) {
        connection_close(connection, NULL);
    }
}

void connection_ready(struct connection *connection, uint32_t events)
{
    if (is_closed(connection)) {
        return; /* closed earlier in this turn */
    }
    if (!(connection->interest & EPOLLIN) && (events & (EPOLLHUP | EPOLLERR))) {
        connection_close(connection, NULL); /* nobody is left who could be answered */
        return;
    }
    if (events & EPOLLOUT) {
        connection_flush(connection);
    }
    if (!is_closed(connection) && connection->is_backlogged && !is_held_up(connection)) {
        take_in(connection, (struct slice){0});
    }
    if (!is_closed(connection) && (connection->interest & EPOLLIN) && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
        receive(connection);
    }
    if (!is_closed(connection)) {
        connection_flush(connection);
    }
    connection_update(connection);
}
