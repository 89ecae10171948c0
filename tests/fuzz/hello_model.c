/* SPDX-License-Identifier: MIT */

/*
 * Only the first frame counts. When nothing that can be judged is there, the deadline decides.
 */

#include "fuzz/hello_model.h"

#include <string.h>

#include "fuzz/calls_model.h"
#include "fuzz/fuzz.h"
#include "fuzz/ground.h"
#include "rpb/client.h"
#include "service/endpoint.h"

/* What is behind a negotiated path. */
static int judge_path(const struct hello_model *model, const char *path)
{
    if (!*path) {
        return RPB_CLIENT_E_NO_ENDPOINT;
    }
    if (*path != '/' || strlen(path) >= ENDPOINT_PATH_SIZE) {
        return RPB_CLIENT_E_BACKEND_CONNECT;
    }
    if (strcmp(path, model->backend_path) != 0 || model->is_crowded) {
        return HELLO_UNTOLD;
    }
    return model->is_stranger ? RPB_CLIENT_E_PEER : RPB_CLIENT_OK;
}

static bool is_worth_repeating(const struct hello_model *model, const Refused *refused)
{
    uint64_t left_msec = (model->deadline_nsec - ground_now_nsec) / NSEC_PER_MSEC;
    uint32_t code = (uint32_t)refused->code;

    return model->retries_left > 0 && model->deadline_nsec > ground_now_nsec && refused->retry_after_ms > 0 &&
           (refused->retry_after_ms < left_msec ||
            (refused->retry_after_ms == left_msec && (model->deadline_nsec - ground_now_nsec) % NSEC_PER_MSEC > 0)) &&
           code != 1 && code != 2 && code != 8;
}

static int judge_hello_reply(struct hello_model *model, const Frame *frame, struct arena *arena)
{
    ProtobufCMessage *message;
    const HelloReply *reply;
    bool is_refusal;

    if (frame->envelope_version != 1 || frame->kind != FRAME_KIND(RESPONSE) ||
        frame->payload_protocol != LANE_CONTROL || (int)frame->payload_encoding != 0) {
        return RPB_CLIENT_E_UNEXPECTED_FRAME;
    }
    if (message_unpack(MESSAGE_HELLO_REPLY, message_bytes(&frame->payload), arena, &message) != 0) {
        return RPB_CLIENT_E_DECODE_REPLY;
    }
    reply = (const HelloReply *)(const void *)message;
    is_refusal = reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED;
    if (frame->request_id != 1 && !(frame->request_id == 0 && is_refusal)) {
        return RPB_CLIENT_E_UNEXPECTED_FRAME;
    }
    if (is_refusal) {
        if (!is_worth_repeating(model, reply->refused)) {
            return RPB_CLIENT_E_REFUSED;
        }
        model->retries_left--;
        return RPB_CLIENT_AGAIN;
    }
    return reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED
               ? judge_path(model, reply->negotiated->backend_pipe)
               : RPB_CLIENT_E_MISSING_RESULT;
}

int hello_model_step(struct hello_model *model)
{
    struct calls_model nobody;
    struct arena arena;
    Frame *frame;
    size_t at = 0;
    int wanted;

    if (!model->is_heard) {
        wanted = RPB_CLIENT_OK; /* nothing has been said yet */
    } else {
        arena_init(&arena, NULL, 0, SIZE_MAX);
        if (peer_next(model->broker->sent, model->broker->n_sent, &at, &arena, &frame)) {
            wanted = judge_hello_reply(model, frame, &arena);
            arena_deinit(&arena);
            return wanted;
        }
        arena_deinit(&arena);
        model_begin(&nobody, model->broker, 0);
        wanted = model_step(&nobody, 0);
    }
    if (wanted == RPB_CLIENT_E_LOST) {
        /* cut within a frame; but a reset is told as such, and comes of what we had not read */
        return model->broker->n_sent > 0 ? HELLO_UNTOLD : RPB_CLIENT_E_BROKER_CONNECT;
    }
    if (wanted == RPB_CLIENT_OK) {
        return ground_now_nsec >= model->deadline_nsec ? RPB_CLIENT_E_BROKER_CONNECT : RPB_CLIENT_AGAIN;
    }
    return wanted;
}

void hello_model_check(const struct hello_model *model)
{
    ProtobufCMessage *message;
    struct arena arena;
    size_t at = 0;
    Frame *frame;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    if (peer_next(model->broker->got, model->broker->n_got, &at, &arena, &frame)) {
        MUST(envelope_check(frame, FRAME_KIND(REQUEST), LANE_CONTROL) == ENVELOPE_OK && frame->request_id == 1);
        MUST(message_unpack(MESSAGE_HELLO, message_bytes(&frame->payload), &arena, &message) == 0);
        MUST(strcmp(((const Hello *)(const void *)message)->service_name, "tool") == 0 && at == model->broker->n_got);
    }
    arena_deinit(&arena);
}
