/* SPDX-License-Identifier: MIT */

/*
 * A Unix socket loses and reorders nothing, so what a step must find is known to the byte: everything that the backend
 * has sent until now.
 */

#include "fuzz/calls_model.h"

#include <string.h>

#include "fuzz/fuzz.h"
#include "rpb/client.h"

void model_begin(struct calls_model *model, const struct peer *backend, unsigned in_flight_max)
{
    *model = (struct calls_model){.backend = backend, .in_flight_max = in_flight_max};
}

static struct asked *find(struct calls_model *model, uint64_t id)
{
    return id >= 1 && id <= model->n_asked && model->asked[id - 1].state != ASKED_GONE ? &model->asked[id - 1] : NULL;
}

static uint64_t id_of(const struct calls_model *model, const struct asked *asked)
{
    return (uint64_t)(asked - model->asked) + 1;
}

static void let_go(struct calls_model *model, struct asked *asked)
{
    asked->state = ASKED_GONE;
    model->in_flight--;
}

uint64_t model_ask(struct calls_model *model, uint32_t lane, uint64_t deadline_nsec, struct slice payload)
{
    MUST(model->n_asked < ASKED_MAX);
    model->asked[model->n_asked++] = (struct asked){.lane = lane, .deadline_nsec = deadline_nsec, .payload = payload};
    model->in_flight++;
    return model->n_asked;
}

void model_end(struct calls_model *model, int status)
{
    model->ended = model->ended ? model->ended : status;
    for (unsigned i = 0; i < model->n_asked; i++) {
        model->asked[i].is_answered = true;
        if (model->asked[i].state == ASKED_FORGOTTEN) {
            let_go(model, &model->asked[i]);
        }
    }
}

/* ----------------------------------------------------------------------------------------------------------- a step */

/* The frame at @at answers what was asked, or it ends the connection. */
static int judge(struct calls_model *model, const Frame *frame, size_t at)
{
    struct asked *asked = find(model, frame->request_id);

    if (!asked || asked->is_answered || frame->payload_protocol != asked->lane || frame->kind != FRAME_KIND(RESPONSE)) {
        return RPB_CLIENT_E_UNEXPECTED_FRAME;
    }
    asked->is_answered = true;
    if (asked->state == ASKED_FORGOTTEN) {
        let_go(model, asked);
    } else if (asked->state == ASKED_WAITING) {
        asked->state = ASKED_ARRIVED;
        asked->turn = ++model->turns;
        asked->reply_at = at;
    }
    return RPB_CLIENT_OK;
}

/* No frame is at model->at: why. */
static int no_frame(struct calls_model *model)
{
    const uint8_t *bytes = model->backend->sent + model->at;
    size_t size = model->backend->n_sent - model->at, body;

    model->is_cut = size > 0;
    if (size > 0 && bytes[0] != 1) {
        return RPB_CLIENT_E_FRAMING;
    }
    if (size >= FRAME_HEADER_SIZE) {
        body = bytes[1] | (size_t)bytes[2] << 8 | (size_t)bytes[3] << 16 | (size_t)bytes[4] << 24;
        if (body > FRAME_BODY_MAX) {
            return RPB_CLIENT_E_FRAMING;
        }
        if (size - FRAME_HEADER_SIZE >= body) {
            return RPB_CLIENT_E_DECODE_FRAME;
        }
    }
    return model->backend->is_silent ? RPB_CLIENT_E_LOST : RPB_CLIENT_OK;
}

int model_step(struct calls_model *model, uint64_t now_nsec)
{
    int status = RPB_CLIENT_OK;
    size_t at = model->at;
    struct arena arena;
    Frame *frame;

    if (model->ended) {
        return model->ended;
    }
    arena_init(&arena, NULL, 0, SIZE_MAX);
    while (status == RPB_CLIENT_OK && peer_next(model->backend->sent, model->backend->n_sent, &at, &arena, &frame)) {
        status = judge(model, frame, model->at);
        model->at = at;
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    status = status ? status : no_frame(model);
    if (status) {
        model_end(model, status);
        return status;
    }
    for (unsigned i = 0; i < model->n_asked; i++) {
        if (model->asked[i].state == ASKED_WAITING && model->asked[i].deadline_nsec <= now_nsec) {
            model->asked[i].state = ASKED_TIMED_OUT;
            model->asked[i].turn = model->turns + 1; /* all of them at once */
        }
    }
    model->turns++;
    return RPB_CLIENT_OK;
}

/* -------------------------------------------------------------------------------------------------------- receiving */

/* What was decided first; else what waits, the oldest first. */
static struct asked *find_first(struct calls_model *model)
{
    struct asked *first = NULL;

    for (unsigned i = model->n_asked; i-- > 0;) {
        struct asked *asked = &model->asked[i];
        bool is_decided = asked->state == ASKED_ARRIVED || asked->state == ASKED_TIMED_OUT;

        if (is_decided && (!first || !first->turn || asked->turn < first->turn)) {
            first = asked;
        } else if (asked->state == ASKED_WAITING && (!first || !first->turn)) {
            first = asked;
        }
    }
    return first;
}

bool model_is_first(struct calls_model *model, uint64_t id)
{
    const struct asked *first = find_first(model), *asked = find(model, id);

    return first && asked && first->turn > 0 && first->turn == asked->turn;
}

int model_receive(struct calls_model *model, uint64_t id, uint64_t *ret_id)
{
    struct asked *asked = id ? find(model, id) : find_first(model);

    *ret_id = 0;
    if (!asked || asked->state == ASKED_FORGOTTEN) {
        return RPB_CLIENT_E_STATE;
    }
    if (asked->state == ASKED_WAITING && !model->ended) {
        return RPB_CLIENT_AGAIN;
    }
    *ret_id = id_of(model, asked);
    switch (asked->state) {
    case ASKED_ARRIVED:
        let_go(model, asked);
        return RPB_CLIENT_OK;
    case ASKED_TIMED_OUT:
        (void)model_forget(model, *ret_id);
        return RPB_CLIENT_E_TIMEOUT;
    default:
        let_go(model, asked);
        return model->ended;
    }
}

int model_forget(struct calls_model *model, uint64_t id)
{
    struct asked *asked = find(model, id);

    if (!asked || asked->state == ASKED_FORGOTTEN) {
        return RPB_CLIENT_E_STATE;
    }
    if (asked->is_answered) {
        let_go(model, asked);
    } else {
        asked->state = ASKED_FORGOTTEN;
    }
    return RPB_CLIENT_OK;
}

uint64_t model_deadline(const struct calls_model *model)
{
    uint64_t earliest = UINT64_MAX;

    for (unsigned i = 0; i < model->n_asked; i++) {
        if (model->asked[i].state == ASKED_WAITING && model->asked[i].deadline_nsec < earliest) {
            earliest = model->asked[i].deadline_nsec;
        }
    }
    return earliest;
}

/* ------------------------------------------------------------------------------------------------------ the requests
 */

void model_check_requests(const struct calls_model *model)
{
    const struct peer *backend = model->backend;
    struct arena arena;
    size_t at = 0;
    Frame *frame;
    unsigned n = 0;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    while (peer_next(backend->got, backend->n_got, &at, &arena, &frame)) {
        const struct asked *asked = &model->asked[n++];

        MUST(n <= model->n_asked && frame->request_id == n && frame->payload_protocol == asked->lane);
        MUST(frame->envelope_version == 1 && frame->kind == FRAME_KIND(REQUEST) && (int)frame->payload_encoding == 0);
        MUST(slice_equal(message_bytes(&frame->payload), asked->payload));
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    /* a rest is the beginning of one more */
    MUST(at == backend->n_got || (n < model->n_asked && backend->got[at] == 1));
}
