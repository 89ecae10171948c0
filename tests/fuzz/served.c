/* SPDX-License-Identifier: MIT */

/*
 * A Unix socket loses and reorders nothing, so each connection is a list of messages, and what has to become of it is
 * known to the byte. Responses come in the order in which they were given, answers to probes in the order of the
 * probes; how the two mix is left open, since an answer that was put off may overtake.
 */

#include "fuzz/served.h"

#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "fuzz/ground.h"
#include "wire/probe.h"

enum { PROBE_BODY_MAX = 65536 };

enum said {
    SAID_PART, /* of a message */
    SAID_REQUEST,
    SAID_PROBE,
    SAID_WRONG,
    SAID_LONG, /* a part of what is refused as soon as it is known to be a probe */
};

void served_begin(struct life *life, const struct rules *rules, int fd, uint64_t number)
{
    peer_begin(&life->peer, fd);
    life->rules = rules;
    life->number = number;
    life->born_nsec = ground_now_nsec;
    life->accepted_nsec = 0;
    life->handled = life->probed = life->read = 0;
    life->n_answers = life->n_seen = 0;
    life->may_be_dropped = life->is_lost = life->was_taken = false;
}

static bool is_served(const struct rules *rules, const Frame *frame)
{
    return frame->envelope_version == 1 && (int)frame->payload_encoding == 0 && rules->has_lanes &&
           (frame->payload_protocol == rules->lanes[0] || frame->payload_protocol == rules->lanes[1]);
}

static bool is_probe(const Frame *frame, size_t body)
{
    return body <= PROBE_BODY_MAX && frame->envelope_version == 1 && frame->kind == FRAME_KIND(REQUEST) &&
           (int)frame->payload_encoding == 0 && frame->payload.len == PROBE_NONCE_SIZE;
}

/* The message at *@at of what was sent; *@at behind it when it is a request or a probe. */
static enum said judge(const struct life *life, size_t *at, struct arena *arena, Frame **ret_frame)
{
    const struct peer *peer = &life->peer;
    const uint8_t *bytes = peer->sent + *at;
    size_t size = peer->n_sent - *at, body = 0, next = *at;
    enum said said;

    if (size == 0 || (life->rules->detect && life->rules->detect(bytes, size, NULL) == RPB_BACKEND_LEGACY_NEED_MORE)) {
        return SAID_PART;
    }
    if (bytes[0] != 1) {
        return SAID_WRONG;
    }
    if (size < FRAME_HEADER_SIZE) {
        return SAID_PART;
    }
    body = bytes[1] | (size_t)bytes[2] << 8 | (size_t)bytes[3] << 16 | (size_t)bytes[4] << 24;
    if (body > life->rules->body_max) {
        return SAID_WRONG;
    }
    if (size - FRAME_HEADER_SIZE < body) {
        return body > PROBE_BODY_MAX ? SAID_LONG : SAID_PART;
    }
    if (!peer_next(peer->sent, peer->n_sent, &next, arena, ret_frame)) {
        return SAID_WRONG;
    }
    if ((*ret_frame)->payload_protocol == LANE_PROBE) {
        said = is_probe(*ret_frame, body) ? SAID_PROBE : SAID_WRONG;
    } else {
        said = is_served(life->rules, *ret_frame) ? SAID_REQUEST : SAID_WRONG;
    }
    *at = said == SAID_WRONG ? *at : next;
    return said;
}

static uint32_t sum(const void *data, size_t size)
{
    uint32_t value = 2166136261u;

    for (size_t i = 0; i < size; i++) {
        value = (value ^ ((const uint8_t *)data)[i]) * 16777619u;
    }
    return value;
}

/* The next in what was sent that is not @passed_over: it has to be @wanted. */
static Frame *next_said(struct life *life, size_t *at, enum said passed_over, enum said wanted, struct arena *arena)
{
    Frame *frame;
    enum said said;

    do {
        said = judge(life, at, arena, &frame);
    } while (said == passed_over);
    MUST(said == wanted);
    return frame;
}

void served_request(struct life *life, const struct rpb_backend_request *request)
{
    struct arena arena;
    Frame *frame;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    frame = next_said(life, &life->handled, SAID_PROBE, SAID_REQUEST, &arena);
    MUST(frame->request_id == request->request_id && request->lane == frame->payload_protocol);
    MUST(request->kind == (uint32_t)frame->kind && request->deadline_unix_ms == frame->deadline_unix_ms);
    MUST(slice_equal(slice_from_bytes(request->data, request->size), message_bytes(&frame->payload)));
    MUST(strcmp(request->traceparent, frame->traceparent) == 0 && strcmp(request->tracestate, frame->tracestate) == 0);
    MUST(request->peer_uid == geteuid() && request->peer_pid == getpid());
    arena_deinit(&arena);
}

void served_answer(struct life *life, const struct answer *answer, struct slice payload)
{
    if (life->n_answers == ANSWERS_MAX) {
        life->is_lost = true;
        return;
    }
    life->answers[life->n_answers] = *answer;
    life->answers[life->n_answers].size = payload.size;
    life->answers[life->n_answers++].sum = sum(payload.data, payload.size);
}

/* The answer to the next probe in what was sent. */
static void check_probe_answer(struct life *life, const uint8_t *body, size_t size)
{
    DaemonProcess *answered;
    enum probe_fault fault;
    struct arena arena;
    Frame *frame;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    frame = next_said(life, &life->probed, SAID_REQUEST, SAID_PROBE, &arena);
    MUST(probe_check_reply((struct slice){(const char *)body, size}, frame->payload.data, &arena, &fault, &answered) ==
         0);
    MUST(frame->request_id == probe_request_id(frame->payload.data) ? fault == PROBE_OK : fault == PROBE_REQUEST_ID);
    MUST(fault != PROBE_OK ||
         (answered->pid == (uint32_t)getpid() && strcmp(answered->ipc_endpoint->path, life->rules->path) == 0));
    arena_deinit(&arena);
}

static void check_response(struct life *life, const Frame *frame)
{
    const struct answer *answer = &life->answers[life->n_seen];

    MUST(life->n_seen++ < life->n_answers);
    MUST(frame->kind == FRAME_KIND(RESPONSE) && frame->envelope_version == 1 && (int)frame->payload_encoding == 0);
    MUST(frame->request_id == answer->request_id && frame->payload_protocol == answer->lane);
    MUST(frame->payload.len == answer->size && sum(frame->payload.data, frame->payload.len) == answer->sum);
}

void served_read(struct life *life)
{
    struct peer *peer = &life->peer;
    size_t begin = life->read;
    struct arena arena;
    Frame *frame;

    peer_read(peer, SIZE_MAX);
    arena_init(&arena, NULL, 0, SIZE_MAX);
    while (!life->is_lost && peer_next(peer->got, peer->n_got, &life->read, &arena, &frame)) {
        if (frame->payload_protocol == LANE_PROBE) {
            check_probe_answer(life, peer->got + begin + FRAME_HEADER_SIZE, life->read - begin - FRAME_HEADER_SIZE);
        } else {
            check_response(life, frame);
        }
        begin = life->read;
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    if (life->read < peer->n_got && peer->got[life->read] != 1) {
        MUST(peer->got[life->read] == 'T' && life->read + 1 == peer->n_got && life->rules->takes);
        life->was_taken = true;
    }
}

/* Whoever has said nothing whole in time is dropped. */
static void check_first_frame(const struct life *life)
{
    const struct rules *rules = life->rules;
    struct arena arena;
    size_t at = 0;
    Frame *frame;
    enum said said;

    if (life->peer.is_ended || life->accepted_nsec == 0 ||
        ground_now_nsec - life->accepted_nsec < rules->first_frame_nsec) {
        return;
    }
    arena_init(&arena, NULL, 0, SIZE_MAX);
    said = judge(life, &at, &arena, &frame);
    MUST(said != SAID_PART && said != SAID_LONG);
    arena_deinit(&arena);
}

void served_check(struct life *life)
{
    struct peer *peer = &life->peer;
    struct arena arena;
    Frame *frame;
    enum said said;

    if (life->number > 0 && peer->fd >= 0 && !peer->is_deaf) {
        check_first_frame(life);
    }
    if (life->number == 0 || peer->fd < 0 || peer->is_deaf || life->may_be_dropped || life->is_lost ||
        peer->n_got == sizeof(peer->got) || ground_now_nsec - life->born_nsec >= life->rules->first_frame_nsec) {
        return;
    }
    arena_init(&arena, NULL, 0, SIZE_MAX);
    do {
        said = judge(life, &life->handled, &arena, &frame);
    } while (said == SAID_PROBE);
    MUST(said != SAID_REQUEST);
    MUST(said == SAID_LONG || peer->is_ended == (said == SAID_WRONG || peer->is_silent));
    if (said == SAID_PART || life->was_taken) {
        do {
            said = judge(life, &life->probed, &arena, &frame);
        } while (said == SAID_REQUEST);
        MUST(said != SAID_PROBE && life->n_seen == life->n_answers);
    }
    arena_deinit(&arena);
}
