/* SPDX-License-Identifier: MIT */

/*
 * The mux of spec 03 §15.2: which protocol, and which lane, the bytes at the start of a read buffer belong to. A pure
 * function of the bytes: the same prefix always gets the same verdict, nothing is consumed here, and what was judged
 * lives in an arena, not in the buffer. Beyond the table, payload frames must carry version 1 and no compression, and a
 * frame that is known to be on the probe lane is refused as soon as its header claims more than 64 KiB.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "lib/backend_internal.h"

static void set_fatal(struct mux_frame *ret, enum rpb_backend_mux_fault fault)
{
    ret->verdict = RPB_BACKEND_MUX_FATAL;
    ret->fault = fault;
}

/* The varint at @at; false when it is not complete. */
static bool peek_varint(struct slice bytes, size_t *at, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned int shift = 0; *at < bytes.size && shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)bytes.data[(*at)++];

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* Whether the Frame that begins in @body says, in the fields before its payload, that it is on the probe lane. */
static bool begins_as_probe(struct slice body)
{
    uint64_t key, value;
    size_t at = 0;

    while (peek_varint(body, &at, &key) && (key == 0x08 || key == 0x10 || key == 0x18) &&
           peek_varint(body, &at, &value)) {
        if (key == 0x18 && (uint32_t)value == LANE_PROBE) {
            return true;
        }
    }
    return false;
}

static bool is_served(const struct rpb_backend_mux *mux, uint32_t lane)
{
    for (size_t i = 0; i < mux->n_lanes; i++) {
        if (mux->lanes[i] == lane) {
            return true;
        }
    }
    return false;
}

/* Rows 6 to 9: what a whole frame is. */
static void judge_frame(const struct rpb_backend_mux *mux, const Frame *frame, size_t consumed, struct mux_frame *ret)
{
    const uint8_t *nonce;

    ret->frame = frame;
    ret->consumed = consumed;
    if (frame->payload_protocol == LANE_PROBE) {
        ret->verdict = RPB_BACKEND_MUX_PROBE_ANSWERED;
        if (consumed - FRAME_HEADER_SIZE > BACKEND_PROBE_MAX) {
            set_fatal(ret, RPB_BACKEND_MUX_TOO_LARGE);
        } else if (probe_check_request(frame, &nonce) != PROBE_OK) {
            set_fatal(ret, RPB_BACKEND_MUX_BAD_PROBE);
        }
    } else if (LANE_IS_FIRST_PARTY(frame->payload_protocol)) {
        set_fatal(ret, RPB_BACKEND_MUX_FIRST_PARTY);
    } else if (!is_served(mux, frame->payload_protocol)) {
        set_fatal(ret, RPB_BACKEND_MUX_UNSERVED);
    } else if (frame->envelope_version != ENVELOPE_VERSION ||
               (int)frame->payload_encoding != (int)PAYLOAD_ENCODING(NONE)) {
        set_fatal(ret, RPB_BACKEND_MUX_ENVELOPE);
    } else {
        ret->verdict = RPB_BACKEND_MUX_PAYLOAD;
    }
}

/* Row 4: the header's verdict, before the body is there. */
static bool is_too_large(struct slice bytes, size_t body_max)
{
    struct frame_scan scan;
    size_t used;

    frame_scan_init(&scan, FRAME_BODY_MAX);
    switch (frame_scan_feed(&scan, (const uint8_t *)bytes.data, bytes.size, &used)) {
    case FRAME_SCAN_TOO_LARGE:
        return true;
    case FRAME_SCAN_DONE:
        return scan.body_size > body_max ||
               (scan.body_size > BACKEND_PROBE_MAX && begins_as_probe(slice_skip(bytes, used)));
    default:
        return false;
    }
}

int mux_judge(const struct rpb_backend_mux *mux, size_t body_max, struct slice bytes, struct arena *arena,
              struct mux_frame *ret)
{
    enum rpb_backend_legacy legacy = RPB_BACKEND_LEGACY_NO;
    Frame *frame;
    size_t consumed;
    int r;

    *ret = (struct mux_frame){.verdict = RPB_BACKEND_MUX_NEED_MORE};
    if (slice_is_empty(bytes)) {
        return 0;
    }
    if (mux->detect_legacy) {
        legacy = mux->detect_legacy(bytes.data, bytes.size, mux->user);
    }
    if (legacy == RPB_BACKEND_LEGACY_NEED_MORE) {
        return 0;
    }
    if (legacy == RPB_BACKEND_LEGACY_YES || bytes.data[0] != FRAMING_VERSION) {
        ret->verdict = RPB_BACKEND_MUX_LEGACY;
        return 0;
    }
    if (is_too_large(bytes, body_max)) {
        set_fatal(ret, RPB_BACKEND_MUX_TOO_LARGE);
        return 0;
    }
    r = envelope_try_decode(bytes, arena, &frame, &consumed);
    if (r < 0) {
        return error_trace(r);
    }
    if (r == 0) {
        judge_frame(mux, frame, consumed, ret);
    } else if (r != ENVELOPE_E_MORE) {
        set_fatal(ret, RPB_BACKEND_MUX_MALFORMED);
    }
    return 0;
}

int mux_answer_probe(struct buffer *out, const struct rpb_backend_identity *identity, const Frame *probe)
{
    Endpoint endpoint;
    DaemonProcess message;

    identity_show(identity, &message, &endpoint);
    return error_trace(probe_pack_reply(out, probe, &message, identity->legacy_exe_sha256));
}

void mux_show_request(const Frame *frame, struct rpb_backend_request *ret)
{
    *ret = (struct rpb_backend_request){
        .lane = frame->payload_protocol,
        .kind = (uint32_t)frame->kind,
        .request_id = frame->request_id,
        .data = frame->payload.data,
        .size = frame->payload.len,
        .traceparent = frame->traceparent,
        .tracestate = frame->tracestate,
        .deadline_unix_ms = frame->deadline_unix_ms,
    };
}

int mux_pack_response(struct buffer *out, uint32_t lane, uint64_t request_id, const char *traceparent,
                      const char *tracestate, struct slice payload)
{
    struct envelope_echo echo = {
        .request_id = request_id,
        .traceparent = traceparent ? traceparent : "",
        .tracestate = tracestate ? tracestate : "",
    };
    Frame frame;

    if (payload.size > FRAME_BODY_MAX) {
        return error_origin(-EMSGSIZE);
    }
    envelope_response(&frame, lane, &echo, payload);
    return error_trace(envelope_pack(out, &frame));
}

/* ----------------------------------------------------------------------------------------------------- public forms */

struct mux_memory {
    struct arena arena;
    struct buffer reply;
};

static int classify(const struct rpb_backend_mux *mux, struct slice bytes, struct mux_memory *memory,
                    struct rpb_backend_mux_result *ret)
{
    struct mux_frame judged;
    int r;

    r = mux_judge(mux, FRAME_BODY_MAX, bytes, &memory->arena, &judged);
    if (r < 0) {
        return error_trace(r);
    }
    ret->verdict = judged.verdict;
    ret->fault = judged.fault;
    if (judged.verdict == RPB_BACKEND_MUX_PAYLOAD) {
        mux_show_request(judged.frame, &ret->request);
    } else if (judged.verdict == RPB_BACKEND_MUX_PROBE_ANSWERED) {
        r = mux_answer_probe(&memory->reply, mux->identity, judged.frame);
        if (r < 0) {
            return error_trace(r);
        }
        ret->reply = memory->reply.data;
        ret->reply_size = memory->reply.size;
    } else {
        return 0;
    }
    ret->consumed = judged.consumed;
    return 0;
}

int rpb_backend_mux_classify(const struct rpb_backend_mux *mux, const void *bytes, size_t size,
                             struct rpb_backend_mux_result *ret)
{
    struct mux_memory *memory = calloc(1, sizeof(*memory));
    struct rpb_backend_mux_result result = {.memory = memory};
    int r;

    if (!memory) {
        return error_origin(-ENOMEM);
    }
    arena_init(&memory->arena, NULL, 0, message_budget(MESSAGE_FRAME, size));
    buffer_init(&memory->reply, 2 * BACKEND_PROBE_MAX);
    r = classify(mux, slice_from_bytes(bytes, size), memory, &result);
    if (r < 0) {
        rpb_backend_mux_result_deinit(&result);
        return error_trace(r);
    }
    if (!result.consumed) {
        rpb_backend_mux_result_deinit(&result);
    }
    *ret = result;
    return 0;
}

void rpb_backend_mux_result_deinit(struct rpb_backend_mux_result *result)
{
    struct mux_memory *memory = result ? result->memory : NULL;

    if (memory) {
        arena_deinit(&memory->arena);
        buffer_deinit(&memory->reply);
        free(memory);
        result->memory = NULL;
    }
}

int rpb_backend_response_pack(const struct rpb_backend_request *request, const void *data, size_t size,
                              void **ret_frame, size_t *ret_size)
{
    struct buffer out;
    int r;

    buffer_init(&out, FRAME_HEADER_SIZE + FRAME_BODY_MAX);
    r = mux_pack_response(&out, request->lane, request->request_id, request->traceparent, request->tracestate,
                          slice_from_bytes(data, size));
    if (r < 0) {
        return error_trace(r);
    }
    *ret_frame = out.data;
    *ret_size = out.size;
    return 0;
}

const char *rpb_backend_mux_fault_text(enum rpb_backend_mux_fault fault)
{
    switch (fault) {
    case RPB_BACKEND_MUX_OK:
        return "nothing is wrong";
    case RPB_BACKEND_MUX_TOO_LARGE:
        return "a frame that is too long";
    case RPB_BACKEND_MUX_MALFORMED:
        return "bytes that are no frame";
    case RPB_BACKEND_MUX_BAD_PROBE:
        return "an identity probe that is none";
    case RPB_BACKEND_MUX_FIRST_PARTY:
        return "a frame on a lane that only brokers serve";
    case RPB_BACKEND_MUX_UNSERVED:
        return "a frame on a lane that is not served";
    case RPB_BACKEND_MUX_ENVELOPE:
        return "a frame of another version, or compressed";
    }
    return "?"; /* of a later version, or none */
}
