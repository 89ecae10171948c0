/* SPDX-License-Identifier: MIT */

/*
 * A verdict on a part stays the verdict on the whole; what the mux answers, and what is answered to it, can be read.
 */

#include "fuzz/mux_check.h"

#include "fuzz/fuzz.h"
#include "wire/envelope.h"

static void check_verdict(const struct rpb_backend_mux_result *result, size_t size)
{
    struct arena arena;
    Frame *frame;
    size_t used;

    MUST(result->consumed <= size &&
         (result->verdict == RPB_BACKEND_MUX_FATAL) == (result->fault != RPB_BACKEND_MUX_OK));
    arena_init(&arena, NULL, 0, SIZE_MAX);
    if (result->verdict == RPB_BACKEND_MUX_PROBE_ANSWERED) {
        MUST(envelope_try_decode(slice_from_bytes(result->reply, result->reply_size), &arena, &frame, &used) == 0);
        MUST(used == result->reply_size && frame->payload_protocol == LANE_PROBE);
    } else if (result->verdict == RPB_BACKEND_MUX_PAYLOAD) {
        void *bytes;
        size_t n;

        MUST(rpb_backend_response_pack(&result->request, "x", 1, &bytes, &n) == 0);
        MUST(envelope_try_decode(slice_from_bytes(bytes, n), &arena, &frame, &used) == 0 && used == n);
        MUST(frame->request_id == result->request.request_id && frame->payload_protocol == result->request.lane);
        free(bytes);
    }
    arena_deinit(&arena);
}

void mux_check(const struct rpb_backend_mux *mux, struct slice bytes)
{
    struct rpb_backend_mux_result first = {.verdict = RPB_BACKEND_MUX_NEED_MORE}, result;

    for (size_t size = 1; size <= bytes.size; size += 1 + size / 8) {
        size_t n = size + 1 + size / 8 > bytes.size ? bytes.size : size;

        MUST(rpb_backend_mux_classify(mux, bytes.data, n, &result) == 0);
        check_verdict(&result, n);
        if (first.verdict == RPB_BACKEND_MUX_NEED_MORE) {
            first = result;
        }
        MUST(first.verdict == result.verdict && first.fault == result.fault && first.consumed == result.consumed);
        rpb_backend_mux_result_deinit(&result);
    }
}
