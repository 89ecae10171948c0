/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Reads a Frame body that is too long to keep: walks the bytes as they arrive, stores no payload, and remembers only
 * what the answer needs (decision 9d). About 8 KiB; allocate it when a long body begins.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/envelope.h"
#include "wire/frame_scan.h"
#include "wire/protocol.h"

struct skim_text {
    uint64_t size; /* as announced; values above TRACE_ECHO_MAX are not kept */
    uint32_t filled;
    char text[TRACE_ECHO_MAX + 1];
};

struct skim {
    struct prescan scan;
    struct prescan_sink sink;
    uint32_t payload_protocol; /* of several the last, as everywhere */
    uint64_t request_id;
    struct skim_text traceparent, tracestate;
};

/* Starts with the first byte of a body of @body_size bytes. @skim must not move while in use. */
void skim_init(struct skim *skim, uint32_t body_size);

/* The next @size bytes, never more than the body has left. 0: body complete and a Frame; PRESCAN_E_MORE;
 * PRESCAN_E_MALFORMED. */
int skim_feed(struct skim *skim, const uint8_t *bytes, size_t size);

/* Complete and right: what to echo. Values longer than TRACE_ECHO_MAX are left empty. Borrows from @skim. */
struct envelope_echo skim_echo(const struct skim *skim);

/* Complete and right: belongs to the admin lane, so no answer is given. */
static inline bool skim_is_admin(const struct skim *skim)
{
    return skim->payload_protocol == LANE_ADMIN;
}
