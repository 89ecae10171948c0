/* SPDX-License-Identifier: MIT */
#ifndef HELLO_REPLY_H
#define HELLO_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* Keepalive that is told to a client which proposes none (spec 01 section 7.2). */
enum { REPLY_KEEPALIVE_SECS_DEFAULT = 1800 };

/* A reason is never longer than this; longer ones are cut at a character's edge. */
enum { REPLY_REASON_MAX = 640 };

/* What a reply takes from the request that it answers. All zero for a request that could not be decoded. */
struct reply_echo {
    uint64_t frame_request_id;
    struct slice traceparent;
    struct slice tracestate;
};

/*
 * One HelloReply in its response Frame, as facts. Every slice is borrowed: a reply lives as long as the call that
 * hands it over. code 0: negotiated; else one of the wire's error codes, refused.
 */
struct reply {
    struct reply_echo echo;
    uint32_t code;
    /* refused */
    struct slice reason;
    uint64_t retry_after_ms;
    /* negotiated */
    struct slice version;
    struct slice endpoint;
    uint64_t keepalive_secs; /* the client's proposal, 0: none */
    uint64_t connection_id;
};

/* Makes @ret_reply a refusal with the literal or borrowed @reason; the echo is left alone. */
void reply_refuse(struct reply *ret_reply, uint32_t code, struct slice reason, uint64_t retry_after_ms);

/* Bytes of the framed reply, header included (spec 01 sections 1.1 and 4.2). */
size_t reply_size(const struct reply *reply);

/* Writes the framed reply, exactly reply_size() bytes, to @ret_bytes. Allocates nothing. Returns the size. */
size_t reply_pack(const struct reply *reply, uint8_t *ret_bytes);

#endif
