/* SPDX-License-Identifier: MIT */

/*
 * Sends the one reply of a connection: once at once, which is nearly always all of it, and the rest when the socket has
 * room. A peer that was refused before it had sent everything gets time to stop: its input is thrown away for a moment,
 * because closing a socket with unread input would take the refusal from it. How long all this may take is the
 * machine's affair.
 */

#include "control/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/sys.h"
#include "control/state.h"

/* ------------------------------------------------------------------------------------------------- the reply */

int frame_writer_put(struct connection *connection, const struct reply *reply)
{
    struct pool *pool = &connection->control->pool;
    size_t bound = reply_bound(reply), capacity;
    uint8_t *memory;
    int r;

    r = bound <= POOL_PIECE ? pool_take_piece(pool, &memory, &capacity) : pool_take(pool, bound, &memory, &capacity);
    if (r == POOL_E_FULL) {
        return error_origin(-ENOBUFS);
    }
    if (r < 0) {
        return error_trace(r);
    }
    frame_writer_release(connection);
    connection->reply = memory;
    connection->reply_capacity = capacity;
    connection->reply_size = reply_pack(reply, memory);
    return 0;
}

int frame_writer_put_frame(struct connection *connection, struct buffer *frame)
{
    int r = pool_reserve(&connection->control->pool, frame->capacity);

    if (r != 0) {
        return error_origin(-ENOBUFS);
    }
    frame_writer_release(connection);
    connection->reply = frame->data;
    connection->reply_size = frame->size;
    connection->reply_capacity = frame->capacity;
    connection->is_reply_on_heap = true;
    *frame = (struct buffer){0};
    return 0;
}

void frame_writer_release(struct connection *connection)
{
    struct pool *pool = &connection->control->pool;

    if (connection->is_reply_on_heap) {
        pool_release(pool, connection->reply_capacity);
        free(connection->reply);
    } else {
        pool_give(pool, connection->reply, connection->reply_capacity);
    }
    connection->reply = NULL;
    connection->reply_size = connection->reply_sent = connection->reply_capacity = 0;
    connection->is_reply_on_heap = false;
}

/* ------------------------------------------------------------------------------------------------- writing */

/* An outcome, or 0 when the socket is full. */
static enum connection_event write_some(struct connection *connection)
{
    ssize_t n = sys_send(connection->fd, connection->reply + connection->reply_sent,
                         connection->reply_size - connection->reply_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n == -EAGAIN) {
        return 0;
    }
    if (n < 0) {
        return CONNECTION_EVENT_LOST;
    }
    connection->reply_sent += (size_t)n;
    connection->progress_nsec = loop_now(connection->control->config.loop);
    return connection->reply_sent == connection->reply_size ? CONNECTION_EVENT_WRITTEN : 0;
}

enum connection_event connection_write_reply(struct connection *connection)
{
    enum connection_event event;

    if (connection->reply == NULL) {
        return CONNECTION_EVENT_LOST;
    }
    connection->work = fsm_ticket(&connection->fsm);
    connection->progress_nsec = loop_now(connection->control->config.loop);
    event = write_some(connection);
    if (event == 0) {
        loop_io_touch(&connection->io);
    }
    return event;
}

void frame_writer_ready(struct connection *connection)
{
    enum connection_event event = write_some(connection);

    if (event != 0) {
        fsm_finish(connection->work, event);
    }
}

/* ------------------------------------------------------------------------------------------------- lingering */

/* Refused before all of the frame was read, so that there may be more on its way. */
bool connection_input_left(const struct connection *connection)
{
    return connection->fault == FRAME_FAULT_VERSION || connection->fault == FRAME_FAULT_TOO_LARGE;
}

static enum connection_event discard_some(struct connection *connection)
{
    ssize_t n = sys_recv(connection->fd, connection->control->scratch, CONTROL_DISCARD_MAX - connection->discarded,
                         MSG_DONTWAIT);

    if (n == -EAGAIN) {
        return 0;
    }
    if (n <= 0) {
        return CONNECTION_EVENT_QUIET;
    }
    connection->discarded += (size_t)n;
    return connection->discarded < CONTROL_DISCARD_MAX ? 0 : CONNECTION_EVENT_QUIET;
}

enum connection_event connection_discard(struct connection *connection)
{
    struct control *control = connection->control;
    enum connection_event event;

    connection->work = fsm_ticket(&connection->fsm);
    admission_linger(&control->admission, &connection->admission);
    frame_writer_release(connection);
    sys_shutdown(connection->fd, SHUT_WR);
    event = discard_some(connection);
    if (event == 0) {
        loop_io_touch(&connection->io);
        control_changed(control);
    }
    return event;
}

void frame_writer_discard(struct connection *connection)
{
    enum connection_event event = discard_some(connection);

    if (event != 0) {
        fsm_finish(connection->work, event);
    }
}
