/* SPDX-License-Identifier: MIT */

/*
 * Requests and their answers. During the handler's call a request points at what is known about it here; afterwards
 * that pointer is dead, and an answer that was put off owns copies of what it must echo. A client is never left
 * waiting: a request that ends without an answer, or whose answer cannot be given, ends its connection.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/error.h"
#include "lib/backend_internal.h"

/* A request in its handler's hands. */
struct pending {
    struct connection *connection;
    bool is_settled; /* answered, or put off */
};

struct rpb_backend_later {
    struct rpb_backend_later *prev, *next;
    struct connection *connection; /* NULL: gone, for the reason in `error` */
    int error;
    uint32_t lane;
    uint64_t request_id;
    size_t size;      /* of all this */
    char *tracestate; /* behind traceparent */
    char traceparent[];
};

bool request_handle(struct connection *connection, const Frame *frame, const char **ret_reason)
{
    struct rpb_backend *backend = connection->backend;
    struct pending pending = {.connection = connection};
    struct rpb_backend_request request;
    int r;

    mux_show_request(frame, &request);
    request.connection = connection->number;
    request.peer_pid = connection->peer_pid;
    request.peer_uid = connection->peer_uid;
    request.internal = &pending;
    backend->last_use = backend->now;
    r = backend->config.handle(&request, backend->config.user);
    if (connection->fd < 0) {
        return true; /* closed meanwhile */
    }
    if (r < 0) {
        *ret_reason = "as its handler wished";
        return false;
    }
    if (request.kind == RPB_FRAME_REQUEST && !pending.is_settled) {
        *ret_reason = "a request of it got no answer";
        return false;
    }
    return true;
}

int rpb_backend_respond(struct rpb_backend_request *request, const void *data, size_t size)
{
    struct pending *pending = request->internal;
    int r;

    if (!pending) {
        return error_origin(-EINVAL);
    }
    if (pending->is_settled) {
        return error_origin(-EALREADY);
    }
    if (pending->connection->fd < 0) {
        return error_origin(-EPIPE);
    }
    r = mux_pack_response(&pending->connection->out, request->lane, request->request_id, request->traceparent,
                          request->tracestate, slice_from_bytes(data, size));
    if (r < 0) {
        return error_trace(r);
    }
    pending->is_settled = true;
    return 0;
}

int rpb_backend_defer(struct rpb_backend_request *request, struct rpb_backend_later **ret_later)
{
    size_t parent_size = strlen(request->traceparent) + 1, state_size = strlen(request->tracestate) + 1;
    size_t size = sizeof(struct rpb_backend_later) + parent_size + state_size;
    struct pending *pending = request->internal;
    struct rpb_backend_later *later;

    if (!pending) {
        return error_origin(-EINVAL);
    }
    if (pending->is_settled) {
        return error_origin(-EALREADY);
    }
    if (pending->connection->fd < 0) {
        return error_origin(-EPIPE);
    }
    later = calloc(1, size);
    if (!later) {
        return error_origin(-ENOMEM);
    }
    later->connection = pending->connection;
    later->size = size;
    later->lane = request->lane;
    later->request_id = request->request_id;
    later->tracestate = later->traceparent + parent_size;
    memcpy(later->traceparent, request->traceparent, parent_size);
    memcpy(later->tracestate, request->tracestate, state_size);
    DL_APPEND(later->connection->laters, later);
    later->connection->n_laters++;
    later->connection->laters_size += size;
    pending->is_settled = true;
    *ret_later = later;
    connection_account(later->connection); /* may close it: then answering says so */
    return 0;
}

/* Takes @later from its connection, which is returned; NULL when that is gone. */
static struct connection *detach(struct rpb_backend_later *later)
{
    struct connection *connection = later->connection;

    if (connection) {
        DL_DELETE(connection->laters, later);
        connection->n_laters--;
        connection->laters_size -= later->size;
        later->connection = NULL;
    }
    return connection;
}

void request_forget(struct connection *connection, int error)
{
    while (connection->laters) {
        struct rpb_backend_later *later = connection->laters;

        (void)detach(later);
        later->error = error;
    }
}

/* Sends what was packed, unless the connection's frames are being judged: then that is done behind them anyway. */
static void move_on(struct connection *connection)
{
    if (!connection->is_judging) {
        connection_flush(connection);
        connection_update(connection);
    }
}

int rpb_backend_respond_later(struct rpb_backend_later *later, const void *data, size_t size)
{
    struct connection *connection = detach(later);
    int r = later->error;

    if (connection) {
        connection->backend->last_use = clock_monotonic();
        r = mux_pack_response(&connection->out, later->lane, later->request_id, later->traceparent, later->tracestate,
                              slice_from_bytes(data, size));
        if (r < 0) {
            connection_close(connection, "an answer to it could not be given");
        } else {
            connection_account(connection);
            move_on(connection);
        }
    }
    free(later);
    return error_trace(r);
}

void rpb_backend_drop_later(struct rpb_backend_later *later)
{
    struct connection *connection;

    if (!later) {
        return;
    }
    connection = detach(later);
    if (connection) {
        connection_close(connection, "a request of it got no answer");
    }
    free(later);
}
