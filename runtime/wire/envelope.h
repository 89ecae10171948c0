/* SPDX-License-Identifier: MIT */
#pragma once

/* Frames: making, checking, writing and reading them (spec 01 §1.3, §2). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "wire/frame_scan.h"
#include "wire/message.h"
#include "wire/protocol.h"

enum envelope_fault {
    ENVELOPE_OK,
    ENVELOPE_BAD_VERSION,
    ENVELOPE_BAD_KIND,
    ENVELOPE_BAD_LANE,
    ENVELOPE_BAD_ENCODING,
};

enum {
    ENVELOPE_E_MORE = 1,  /* a strict prefix of a frame */
    ENVELOPE_E_VERSION,   /* first byte is not 1 */
    ENVELOPE_E_TOO_LARGE, /* body longer than FRAME_BODY_MAX */
    ENVELOPE_E_MALFORMED, /* body is not a Frame */
};

/* First fault in the fixed order version, kind, lane, encoding (spec 01 §2.2). */
enum envelope_fault envelope_check(const Frame *frame, int kind, uint32_t lane);

/* What every answer repeats of its request. Borrowed strings, never NULL once filled by the functions below. */
struct envelope_echo {
    uint64_t request_id;
    const char *traceparent, *tracestate;
};

/* Echo of @frame, or for NULL the empty echo of an answer without a decodable request. Borrows from @frame. */
struct envelope_echo envelope_echo(const Frame *frame);

/* A request: version 1, REQUEST, no encoding, request_id 0 (set it afterwards). Borrows @payload. */
void envelope_request(Frame *ret, uint32_t lane, struct slice payload);

/* The response to @request on the request's own lane. Borrows @payload and the trace values of @request. */
void envelope_response_to(Frame *ret, const Frame *request, struct slice payload);

/* A response on @lane that repeats @echo; the Hello side always answers on LANE_CONTROL. Borrows everything. */
void envelope_response(Frame *ret, uint32_t lane, const struct envelope_echo *echo, struct slice payload);

/* Endpoint of a Unix socket; borrows both strings. False, *@ret untouched, when @path is empty. */
bool envelope_endpoint_unix(Endpoint *ret, const char *namespace_id, const char *path);

/*
 * Appends header and body of @frame to @buffer. 0; -EMSGSIZE when the body would exceed FRAME_BODY_MAX; -ENOMEM,
 * -ENOBUFS from the buffer. On failure the buffer is as before.
 */
int envelope_pack(struct buffer *buffer, const Frame *frame);

/* A payload made of raw bytes, a message, and raw bytes again; both slices may be empty. Borrows everything. */
struct envelope_payload {
    struct slice head;
    const ProtobufCMessage *message;
    struct slice tail;
};

/*
 * envelope_pack() with the parts of @payload in place of frame->payload, which is ignored. Everything is packed where
 * it belongs; nothing is copied twice.
 */
int envelope_pack_parts(struct buffer *buffer, const Frame *frame, const struct envelope_payload *payload);

/* The same with @message alone as the payload: the usual way to answer. */
int envelope_pack_message(struct buffer *buffer, const Frame *frame, const ProtobufCMessage *message);

/*
 * Incremental decoder for owners of a read buffer: looks at @bytes from the start of a frame, consumes nothing itself.
 * 0 with the frame (in @arena) and the number of bytes it took; ENVELOPE_E_…; -ENOMEM. The cap is FRAME_BODY_MAX.
 */
int envelope_try_decode(struct slice bytes, struct arena *arena, Frame **ret_frame, size_t *ret_consumed);
