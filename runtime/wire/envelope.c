/* SPDX-License-Identifier: MIT */

/*
 * A frame is five header bytes and one packed Frame. Writers reserve room for the whole frame in the buffer, pack in
 * place and only then move the buffer's end, so a failure leaves no half frame behind. Readers that own their buffer
 * use the incremental decoder; sockets are read by the layer that owns them. No input or output happens here, and which
 * answer a fault deserves is the caller's decision.
 */

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "wire/envelope.h"

#define ENVELOPE_PAYLOAD_KEY 0x22 /* field 4, length-delimited */

enum envelope_fault envelope_check(const Frame *frame, int kind, uint32_t lane)
{
    if (frame->envelope_version != ENVELOPE_VERSION) {
        return ENVELOPE_BAD_VERSION;
    }
    if ((int)frame->kind != kind) {
        return ENVELOPE_BAD_KIND;
    }
    if (frame->payload_protocol != lane) {
        return ENVELOPE_BAD_LANE;
    }
    if ((int)frame->payload_encoding != (int)PAYLOAD_ENCODING(NONE)) {
        return ENVELOPE_BAD_ENCODING;
    }
    return ENVELOPE_OK;
}

struct envelope_echo envelope_echo(const Frame *frame)
{
    if (frame == NULL) {
        return (struct envelope_echo){.traceparent = "", .tracestate = ""};
    }
    return (struct envelope_echo){
        .request_id = frame->request_id, .traceparent = frame->traceparent, .tracestate = frame->tracestate};
}

static ProtobufCBinaryData envelope_payload(struct slice payload)
{
    union {
        const char *given;
        uint8_t *stored;
    } data = {.given = payload.data}; /* the generated type has no const; packing only reads it */

    return (ProtobufCBinaryData){.data = data.stored, .len = payload.size};
}

static char *envelope_string(const char *text)
{
    union {
        const char *given;
        char *stored;
    } data = {.given = text};

    return data.stored;
}

void envelope_request(Frame *ret, uint32_t lane, struct slice payload)
{
    message_init(MESSAGE_FRAME, ret);
    ret->envelope_version = ENVELOPE_VERSION;
    ret->kind = FRAME_KIND(REQUEST);
    ret->payload_protocol = lane;
    ret->payload = envelope_payload(payload);
}

void envelope_response(Frame *ret, uint32_t lane, const struct envelope_echo *echo, struct slice payload)
{
    envelope_request(ret, lane, payload);
    ret->kind = FRAME_KIND(RESPONSE);
    ret->request_id = echo->request_id;
    ret->traceparent = envelope_string(echo->traceparent);
    ret->tracestate = envelope_string(echo->tracestate);
}

void envelope_response_to(Frame *ret, const Frame *request, struct slice payload)
{
    struct envelope_echo echo = envelope_echo(request);

    envelope_response(ret, request->payload_protocol, &echo, payload);
}

bool envelope_endpoint_unix(Endpoint *ret, const char *namespace_id, const char *path)
{
    if (path[0] == '\0') {
        return false;
    }
    message_init(MESSAGE_ENDPOINT, ret);
    ret->namespace_id = envelope_string(namespace_id);
    ret->path = envelope_string(path);
    return true;
}

static void envelope_pack_header(uint8_t *out, uint32_t body_size)
{
    out[0] = FRAMING_VERSION;
    for (unsigned int i = 0; i < 4; i++) {
        out[1 + i] = (uint8_t)(body_size >> (8 * i));
    }
}

int envelope_pack(struct buffer *buffer, const Frame *frame)
{
    size_t body_size = message_size(MESSAGE_OF(frame));
    int r;

    if (body_size > FRAME_BODY_MAX) {
        return error_origin(-EMSGSIZE);
    }
    r = buffer_reserve(buffer, FRAME_HEADER_SIZE + body_size);
    if (r < 0) {
        return error_trace(r);
    }
    envelope_pack_header(buffer->data + buffer->size, (uint32_t)body_size);
    message_pack(MESSAGE_OF(frame), buffer->data + buffer->size + FRAME_HEADER_SIZE);
    buffer->size += FRAME_HEADER_SIZE + body_size;
    return 0;
}

static size_t envelope_varint(uint64_t value, uint8_t out[10])
{
    size_t n = 0;

    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}

/* Splits @frame around its payload: fields before it and fields behind it. */
static void envelope_split(const Frame *frame, Frame *ret_head, Frame *ret_foot)
{
    message_init(MESSAGE_FRAME, ret_head);
    ret_head->envelope_version = frame->envelope_version;
    ret_head->kind = frame->kind;
    ret_head->payload_protocol = frame->payload_protocol;
    *ret_foot = *frame;
    ret_foot->envelope_version = 0;
    ret_foot->kind = 0;
    ret_foot->payload_protocol = 0;
    ret_foot->payload.len = 0;
}

static uint8_t *envelope_put(uint8_t *at, const void *bytes, size_t size)
{
    if (size > 0) {
        memcpy(at, bytes, size);
    }
    return at + size;
}

int envelope_pack_parts(struct buffer *buffer, const Frame *frame, const struct envelope_payload *payload)
{
    uint8_t key[1 + 10] = {ENVELOPE_PAYLOAD_KEY};
    size_t message, payload_size, key_size, size;
    Frame head, foot;
    uint8_t *at;
    int r;

    message = message_size(payload->message);
    if (message > FRAME_BODY_MAX || payload->head.size > FRAME_BODY_MAX || payload->tail.size > FRAME_BODY_MAX) {
        return error_origin(-EMSGSIZE);
    }
    payload_size = payload->head.size + message + payload->tail.size;
    key_size = payload_size == 0 ? 0 : 1 + envelope_varint(payload_size, key + 1);
    envelope_split(frame, &head, &foot);
    size = message_size(MESSAGE_OF(&head)) + key_size + payload_size + message_size(MESSAGE_OF(&foot));
    if (size > FRAME_BODY_MAX) {
        return error_origin(-EMSGSIZE);
    }
    r = buffer_reserve(buffer, FRAME_HEADER_SIZE + size);
    if (r < 0) {
        return error_trace(r);
    }
    at = buffer->data + buffer->size;
    envelope_pack_header(at, (uint32_t)size);
    at += FRAME_HEADER_SIZE;
    at += message_pack(MESSAGE_OF(&head), at);
    at = envelope_put(at, key, key_size);
    at = envelope_put(at, payload->head.data, payload->head.size);
    at += message_pack(payload->message, at);
    at = envelope_put(at, payload->tail.data, payload->tail.size);
    message_pack(MESSAGE_OF(&foot), at);
    buffer->size += FRAME_HEADER_SIZE + size;
    return 0;
}

int envelope_pack_message(struct buffer *buffer, const Frame *frame, const ProtobufCMessage *message)
{
    return envelope_pack_parts(buffer, frame, &(struct envelope_payload){.message = message});
}

int envelope_try_decode(struct slice bytes, struct arena *arena, Frame **ret_frame, size_t *ret_consumed)
{
    struct frame_scan scan;
    struct slice body;
    ProtobufCMessage *message;
    size_t used;
    int r;

    frame_scan_init(&scan, FRAME_BODY_MAX);
    switch (frame_scan_feed(&scan, (const uint8_t *)bytes.data, bytes.size, &used)) {
    case FRAME_SCAN_MORE:
        return ENVELOPE_E_MORE;
    case FRAME_SCAN_BAD_VERSION:
        return ENVELOPE_E_VERSION;
    case FRAME_SCAN_TOO_LARGE:
        return ENVELOPE_E_TOO_LARGE;
    case FRAME_SCAN_DONE:
        break;
    }
    if (bytes.size - used < scan.body_size) {
        return ENVELOPE_E_MORE;
    }
    body = (struct slice){.data = bytes.data + used, .size = scan.body_size};
    r = message_unpack(MESSAGE_FRAME, body, arena, &message);
    if (r < 0) {
        return error_trace(r);
    }
    if (r > 0) {
        return ENVELOPE_E_MALFORMED;
    }
    *ret_frame = (Frame *)message;
    *ret_consumed = used + scan.body_size;
    return 0;
}
