/* SPDX-License-Identifier: MIT */

/*
 * Two buffers around a socket. Neither grows beyond one frame of the largest kind, and the receiving one only with
 * bytes that have really come, so a length that lies costs its sender the bytes. A peer that closes while we write has
 * perhaps answered before: a failed send ends sending only, and what was received comes out as frames before the end is
 * told.
 */

#include "lib/client_stream.h"

#include <poll.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"

enum {
    FRAME_MAX = FRAME_HEADER_SIZE + FRAME_BODY_MAX,
    READ_MIN = 4096,
    READ_MAX = 256 * 1024,
    KEEP_MAX = 256 * 1024, /* a bigger empty buffer is given back */
};

void client_stream_init(struct client_stream *stream, int fd)
{
    *stream = (struct client_stream){.fd = fd};
    buffer_init(&stream->out, FRAME_MAX);
    /* a read may bring the beginning of the next frames behind the end of the largest */
    buffer_init(&stream->in, FRAME_MAX + READ_MAX);
}

void client_stream_deinit(struct client_stream *stream)
{
    stream->fd = close_fd(stream->fd);
    buffer_deinit(&stream->out);
    buffer_deinit(&stream->in);
    stream->sent = stream->taken = 0;
}

/* Forgets the first @n bytes. */
static void drop(struct buffer *buffer, size_t *n)
{
    if (!*n) {
        return;
    }
    buffer->size -= *n;
    if (buffer->size) {
        memmove(buffer->data, buffer->data + *n, buffer->size);
    } else if (buffer->capacity > KEEP_MAX) {
        buffer_deinit(buffer);
    }
    *n = 0;
}

int client_stream_queue(struct client_stream *stream, const Frame *frame, const ProtobufCMessage *payload)
{
    int r;

    drop(&stream->out, &stream->sent);
    r = payload ? envelope_pack_message(&stream->out, frame, payload) : envelope_pack(&stream->out, frame);
    return error_trace(r);
}

static void note_error(struct client_stream *stream, int r)
{
    if (!stream->error) {
        stream->error = -r;
    }
}

void client_stream_flush(struct client_stream *stream)
{
    while (stream->sent < stream->out.size && !stream->is_deaf) {
        ssize_t n = sys_send(stream->fd, stream->out.data + stream->sent, stream->out.size - stream->sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n == -EAGAIN) {
            return;
        }
        if (n < 0) {
            note_error(stream, (int)n);
            stream->is_deaf = true;
            stream->sent = stream->out.size;
            break;
        }
        stream->sent += (size_t)n;
    }
    drop(&stream->out, &stream->sent);
}

/* How much to ask the socket for: the rest of the frame that has begun. */
static size_t missing(const struct client_stream *stream)
{
    struct frame_scan scan;
    size_t have = stream->in.size - stream->taken, used, rest;

    frame_scan_init(&scan, FRAME_BODY_MAX);
    if (!have || frame_scan_feed(&scan, stream->in.data + stream->taken, have, &used) != FRAME_SCAN_DONE) {
        return READ_MIN;
    }
    rest = used + scan.body_size - have;
    return rest < READ_MIN ? READ_MIN : rest > READ_MAX ? READ_MAX : rest;
}

/* 0: something was received; CLIENT_STREAM_E_MORE; CLIENT_STREAM_E_OVER; -ENOMEM. */
static int receive(struct client_stream *stream)
{
    size_t room = missing(stream);
    ssize_t n;
    int r;

    if (stream->is_over) {
        return CLIENT_STREAM_E_OVER;
    }
    drop(&stream->in, &stream->taken);
    r = buffer_reserve(&stream->in, room);
    if (r < 0) {
        return error_trace(r);
    }
    n = sys_recv(stream->fd, stream->in.data + stream->in.size, room, MSG_DONTWAIT);
    if (n == -EAGAIN) {
        return CLIENT_STREAM_E_MORE;
    }
    if (n <= 0) {
        if (n < 0) {
            note_error(stream, (int)n);
        }
        stream->is_over = true;
        return CLIENT_STREAM_E_OVER;
    }
    stream->in.size += (size_t)n;
    return 0;
}

int client_stream_next(struct client_stream *stream, struct arena *arena, Frame **ret_frame)
{
    for (;;) {
        struct slice bytes = slice_skip(slice_from_bytes(stream->in.data, stream->in.size), stream->taken);
        size_t consumed;
        int r = bytes.size ? envelope_try_decode(bytes, arena, ret_frame, &consumed) : ENVELOPE_E_MORE;

        switch (r) {
        case 0:
            stream->taken += consumed;
            if (stream->taken == stream->in.size) {
                drop(&stream->in, &stream->taken);
            }
            return 0;
        case ENVELOPE_E_MORE:
            break;
        case ENVELOPE_E_VERSION:
            return CLIENT_STREAM_E_VERSION;
        case ENVELOPE_E_TOO_LARGE:
            return CLIENT_STREAM_E_TOO_LARGE;
        case ENVELOPE_E_MALFORMED:
            return CLIENT_STREAM_E_MALFORMED;
        default:
            return error_trace(r);
        }
        r = receive(stream);
        if (r) {
            return r;
        }
    }
}

bool client_stream_is_cut(const struct client_stream *stream)
{
    return stream->taken < stream->in.size;
}

bool client_stream_is_buffering(const struct client_stream *stream)
{
    return stream->sent < stream->out.size || client_stream_is_cut(stream);
}

short client_stream_wants(const struct client_stream *stream)
{
    return (short)(POLLIN | (stream->sent < stream->out.size ? POLLOUT : 0));
}
