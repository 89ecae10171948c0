/* SPDX-License-Identifier: MIT */
#pragma once

/* Frames over one nonblocking socket: bytes that wait to be sent, bytes that wait to become frames. */

#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "wire/envelope.h"

enum {
    CLIENT_STREAM_E_MORE = 1,  /* no whole frame, and the socket has nothing more just now */
    CLIENT_STREAM_E_OVER,      /* no whole frame, and none will come: `error` says why, 0 is an end of file */
    CLIENT_STREAM_E_VERSION,   /* not a frame: first byte */
    CLIENT_STREAM_E_TOO_LARGE, /* not a frame: more than 16 MiB announced */
    CLIENT_STREAM_E_MALFORMED, /* the body is no Frame */
};

struct client_stream {
    int fd; /* owned; -1: none */
    struct buffer out;
    size_t sent; /* bytes of `out` that are gone */
    struct buffer in;
    size_t taken; /* bytes of `in` that have been frames */
    bool is_deaf; /* the peer takes nothing any more; what it sent before is still read */
    bool is_over; /* nothing will be received any more */
    int error;    /* errno of the end, positive; of both directions the one that came first */
};

/* Takes over @fd. Allocates nothing. */
void client_stream_init(struct client_stream *stream, int fd);

/* Closes and frees. Accepts one that was never used (fd -1, else zeroes), twice. */
void client_stream_deinit(struct client_stream *stream);

/*
 * Appends @frame to what is to be sent; @payload may be NULL for what the frame itself holds. 0; -EMSGSIZE: no frame
 * may be that long; -ENOBUFS: it does not fit behind what is unsent; -ENOMEM. On failure nothing was appended.
 */
int client_stream_queue(struct client_stream *stream, const Frame *frame, const ProtobufCMessage *payload);

/* Sends what the socket takes. Cannot fail: a peer that is gone makes the stream deaf. */
void client_stream_flush(struct client_stream *stream);

/* The next frame, in @arena, after receiving as much as it needs and the socket has. 0, CLIENT_STREAM_E_…, -ENOMEM. */
int client_stream_next(struct client_stream *stream, struct arena *arena, Frame **ret_frame);

/* Something is unsent, or was received and is no frame yet. */
bool client_stream_is_buffering(const struct client_stream *stream);

/* An end of file now would cut a frame. */
bool client_stream_is_cut(const struct client_stream *stream);

/* POLLIN, and POLLOUT while something is unsent. */
short client_stream_wants(const struct client_stream *stream);
