/* SPDX-License-Identifier: MIT */

/*
 * Packs a reply on the stack and straight into the caller's bytes: first the HelloReply, which is small because every
 * text in it has a limit, then the Frame around it with the echoed trace values, which may be long. Nothing here looks
 * at who asked or why; nothing is allocated, so a reply can always be made.
 */

#include "hello/reply.h"

#include <string.h>

#include "wire/message.h"
#include "wire/protocol.h"
#include "wire/text.h"

enum {
    /* the longest HelloReply: a reason, or a version and a socket path, and the tags and numbers around them */
    PAYLOAD_MAX = REPLY_REASON_MAX + 128,
    /* and the frame around it, header, tags and numbers, without its trace values */
    FRAME_MAX = PAYLOAD_MAX + 96,
};

/* Where one reply is laid out; the messages point into each other. */
struct layout {
    char reason[REPLY_REASON_MAX + 1];
    Negotiated negotiated;
    Refused refused;
    HelloReply reply;
    uint8_t payload[PAYLOAD_MAX];
    size_t payload_size;
    Frame frame;
};

void reply_refuse(struct reply *ret, uint32_t code, const char *reason, uint64_t retry_after_ms)
{
    ret->code = code;
    ret->reason = reason;
    ret->retry_after_ms = retry_after_ms;
}

/*
 * Copies @text as far as it fits into @room bytes. A reason may name a path, and a path may be any bytes, or be cut in
 * the middle of a character; no client could decode a reply with such a string. So each byte that is no text is
 * replaced.
 */
static void copy_reason(char *ret, size_t room, const char *text)
{
    struct slice rest = {.data = text, .size = strnlen(text, room + 1)};
    size_t used = 0;

    while (rest.size > 0) {
        size_t size = text_character_size(rest);
        struct slice piece = size > 0 ? (struct slice){.data = rest.data, .size = size} : SLICE(TEXT_REPLACEMENT);

        if (piece.size > room - used) {
            break;
        }
        memcpy(ret + used, piece.data, piece.size);
        used += piece.size;
        rest = slice_skip(rest, size > 0 ? size : 1);
    }
    ret[used] = '\0';
}

/*
 * The generated messages declare `char *`, also for what they only read; the layout never writes through these. A
 * string that is not set is the generated empty string, which the packer leaves out.
 */
static void set_text(char **member, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        memcpy(member, &text, sizeof(*member));
    }
}

static void lay_negotiated(struct layout *layout, const struct reply *reply)
{
    Negotiated *negotiated = &layout->negotiated;

    message_init(MESSAGE_NEGOTIATED, negotiated);
    negotiated->negotiated_protocol = PROTOCOL_VERSION;
    set_text(&negotiated->daemon_version, reply->version);
    set_text(&negotiated->backend_pipe, reply->endpoint);
    negotiated->keepalive_interval_secs =
        reply->keepalive_secs != 0 ? reply->keepalive_secs : REPLY_KEEPALIVE_SECS_DEFAULT;
    negotiated->connection_id = reply->connection_id;
    layout->reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED;
    layout->reply.negotiated = negotiated;
}

static void lay_refused(struct layout *layout, const struct reply *reply)
{
    Refused *refused = &layout->refused;

    copy_reason(layout->reason, REPLY_REASON_MAX, reply->reason);
    message_init(MESSAGE_REFUSED, refused);
    set_text(&refused->reason, layout->reason);
    refused->daemon_min_protocol = PROTOCOL_VERSION;
    refused->daemon_max_protocol = PROTOCOL_VERSION;
    refused->code = (RunningProcess__Broker__V1__ErrorCode)reply->code;
    refused->retry_after_ms = reply->retry_after_ms;
    layout->reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED;
    layout->reply.refused = refused;
}

static void lay(struct layout *layout, const struct reply *reply)
{
    struct slice payload;

    message_init(MESSAGE_HELLO_REPLY, &layout->reply);
    if (reply->code == 0) {
        lay_negotiated(layout, reply);
    } else {
        lay_refused(layout, reply);
    }
    layout->payload_size = message_pack(MESSAGE_OF(&layout->reply), layout->payload);
    payload = (struct slice){.data = (const char *)layout->payload, .size = layout->payload_size};
    envelope_response(&layout->frame, LANE_CONTROL, &reply->echo, payload);
}

size_t reply_bound(const struct reply *reply)
{
    const struct envelope_echo *echo = &reply->echo;

    return FRAME_MAX + (echo->traceparent != NULL ? strlen(echo->traceparent) : 0) +
           (echo->tracestate != NULL ? strlen(echo->tracestate) : 0);
}

size_t reply_pack(const struct reply *reply, uint8_t *ret_bytes)
{
    struct layout layout;
    size_t size;

    lay(&layout, reply);
    size = message_pack(MESSAGE_OF(&layout.frame), ret_bytes + FRAME_HEADER_SIZE);
    ret_bytes[0] = FRAMING_VERSION;
    ret_bytes[1] = (uint8_t)size;
    ret_bytes[2] = (uint8_t)(size >> 8);
    ret_bytes[3] = (uint8_t)(size >> 16);
    ret_bytes[4] = (uint8_t)(size >> 24);
    return FRAME_HEADER_SIZE + size;
}

const char *reply_code_name(uint32_t code)
{
    return code == 0 ? "negotiated" : message_error_name(code);
}
