/* SPDX-License-Identifier: MIT */
#pragma once

/* The reply to a Hello: its facts, and its bytes (spec 01 sections 2.3, 4.2 and 7). */

#include <stddef.h>
#include <stdint.h>

#include "wire/envelope.h"

enum {
    REPLY_KEEPALIVE_SECS_DEFAULT = 1800, /* told to a client that proposes none (spec 01 section 7.2) */
    REPLY_REASON_MAX = 640,              /* bytes of a reason; longer ones are cut at the edge of a character */
};

/*
 * One HelloReply in its response Frame, as facts. Every string is borrowed: a reply lives as long as the call that
 * hands it over, or as long as that call says. code 0: negotiated; else an ErrorCode of the wire, refused.
 */
struct reply {
    struct envelope_echo echo;
    uint32_t code;
    /* refused */
    const char *reason; /* what is no UTF-8 in it is replaced by U+FFFD */
    uint64_t retry_after_ms;
    /* negotiated */
    const char *version;     /* of the backend, which is the one that was wanted */
    const char *endpoint;    /* path of the backend's socket */
    uint64_t keepalive_secs; /* the client's proposal, 0: none */
    uint64_t connection_id;
};

/* Makes *@ret a refusal. The echo is left as it is. Borrows @reason. */
void reply_refuse(struct reply *ret, uint32_t code, const char *reason, uint64_t retry_after_ms);

/* No more bytes than this are written by reply_pack(): about 1 KiB and the trace values. */
size_t reply_bound(const struct reply *reply);

/* Writes header and body to @ret_bytes; allocates nothing. Returns their number. */
size_t reply_pack(const struct reply *reply, uint8_t *ret_bytes);

/* "negotiated", or message_error_name() of a refusal's code. Static. */
const char *reply_code_name(uint32_t code);
