/* SPDX-License-Identifier: MIT */

/*
 * A fixed table of requests in flight; a reply finds its request by id. A request whose caller has stopped waiting
 * keeps its place until its reply has come and gone, because a second use of the id could not tell the two apart, and
 * because the place is what bounds how much a slow backend owes us. What answers no request at all, or in another way
 * than a response on the request's lane, ends the connection: from then on nobody could know which bytes belong to
 * whom.
 */

#include "lib/client_calls.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"

int client_calls_init(struct client_calls *calls, unsigned int n_max)
{
    *calls = (struct client_calls){.next_id = 1};
    client_stream_init(&calls->stream, -1);
    calls->calls = calloc(n_max, sizeof(*calls->calls));
    if (!calls->calls) {
        return error_origin(-ENOMEM);
    }
    calls->n_max = n_max;
    return 0;
}

void client_calls_deinit(struct client_calls *calls)
{
    client_stream_deinit(&calls->stream);
    for (unsigned int i = 0; i < calls->n_max; i++) {
        arena_deinit(&calls->calls[i].arena);
    }
    free(calls->calls);
    calls->calls = NULL;
    calls->n_max = calls->n_used = 0;
    arena_deinit(&calls->handed_out);
}

void client_calls_connect(struct client_calls *calls, int fd)
{
    client_stream_init(&calls->stream, fd);
}

static void release(struct client_calls *calls, struct client_call *call)
{
    arena_deinit(&call->arena);
    *call = (struct client_call){0};
    calls->n_used--;
}

static void decide(struct client_calls *calls, struct client_call *call, enum client_call_state state)
{
    call->state = state;
    call->turn = ++calls->turns;
}

void client_calls_end(struct client_calls *calls, int status)
{
    client_stream_deinit(&calls->stream);
    if (!calls->ended) {
        calls->ended = status;
    }
    /* no reply comes any more: nothing to keep a place for */
    for (unsigned int i = 0; i < calls->n_max; i++) {
        calls->calls[i].is_answered = true;
        if (calls->calls[i].state == CLIENT_CALL_FORGOTTEN) {
            release(calls, &calls->calls[i]);
        }
    }
}

static struct client_call *find(struct client_calls *calls, uint64_t id)
{
    for (unsigned int i = 0; i < calls->n_max; i++) {
        if (calls->calls[i].state != CLIENT_CALL_FREE && calls->calls[i].id == id) {
            return &calls->calls[i];
        }
    }
    return NULL;
}

/* The next id: never 0, never one that is still in flight. There are always more ids than requests. */
static uint64_t fresh_id(struct client_calls *calls)
{
    while (calls->next_id == 0 || find(calls, calls->next_id)) {
        calls->next_id++;
    }
    return calls->next_id;
}

/* ---------------------------------------------------------------------------------------------------------- sending */

static struct client_call *find_free(struct client_calls *calls)
{
    for (unsigned int i = 0; i < calls->n_max; i++) {
        if (calls->calls[i].state == CLIENT_CALL_FREE) {
            return &calls->calls[i];
        }
    }
    return NULL;
}

static int queue(struct client_calls *calls, const struct rpb_client_request *request, uint64_t id,
                 struct client_failure *soft)
{
    Frame frame;
    int r;

    envelope_request(&frame, request->lane, slice_from_bytes(request->data, request->size));
    frame.request_id = id;
    /* protobuf-c has no const strings; a message that is packed is only read */
    frame.traceparent = (char *)(uintptr_t)(request->traceparent ? request->traceparent : "");
    frame.tracestate = (char *)(uintptr_t)(request->tracestate ? request->tracestate : "");
    r = client_stream_queue(&calls->stream, &frame, NULL);
    switch (r) {
    case 0:
        return RPB_CLIENT_OK;
    case -EMSGSIZE:
        return client_fail_plainly(soft, RPB_CLIENT_E_TOO_LARGE);
    case -ENOBUFS:
        return client_fail(soft, RPB_CLIENT_E_BUSY, 0, "too much is unsent");
    default:
        return client_fail_plainly(soft, RPB_CLIENT_E_NO_MEMORY);
    }
}

int client_calls_send(struct client_calls *calls, const struct rpb_client_request *request, nsec_t deadline_nsec,
                      struct client_failure *soft, uint64_t *ret_id)
{
    struct client_call *call = find_free(calls);
    uint64_t id;
    int r;

    if (!call) {
        return client_fail(soft, RPB_CLIENT_E_BUSY, 0, "%u requests are in flight", calls->n_used);
    }
    if (request->size > FRAME_BODY_MAX) {
        return client_fail_plainly(soft, RPB_CLIENT_E_TOO_LARGE);
    }
    if (calls->stream.is_deaf) {
        return client_fail(soft, RPB_CLIENT_E_LOST, calls->stream.error, "the backend takes no more requests");
    }
    id = fresh_id(calls);
    r = queue(calls, request, id, soft);
    if (r) {
        return r;
    }
    *call = (struct client_call){
        .state = CLIENT_CALL_WAITING, .lane = request->lane, .id = id, .deadline_nsec = deadline_nsec};
    calls->n_used++;
    calls->next_id = id + 1;
    client_stream_flush(&calls->stream);
    *ret_id = id;
    return RPB_CLIENT_OK;
}

/* -------------------------------------------------------------------------------------------------------- receiving */

/* The checks of spec 03 §15.3 in their order. RPB_CLIENT_OK, or what ends the connection. */
static int accept_reply(struct client_calls *calls, const Frame *frame, struct arena *arena,
                        struct client_failure *fatal)
{
    struct client_call *call = find(calls, frame->request_id);

    if (!call || call->is_answered) {
        return client_fail(fatal, RPB_CLIENT_E_UNEXPECTED_FRAME, 0,
                           "unexpected backend frame: request_id %" PRIu64 " answers no request", frame->request_id);
    }
    if (frame->payload_protocol != call->lane) {
        return client_fail(fatal, RPB_CLIENT_E_UNEXPECTED_FRAME, 0,
                           "unexpected backend frame: payload_protocol 0x%04X is not that of the request",
                           (unsigned int)frame->payload_protocol);
    }
    if (frame->kind != FRAME_KIND(RESPONSE)) {
        return client_fail(fatal, RPB_CLIENT_E_UNEXPECTED_FRAME, 0, "unexpected backend frame: kind is not RESPONSE");
    }
    call->is_answered = true;
    if (call->state == CLIENT_CALL_FORGOTTEN) {
        release(calls, call);
    } else if (call->state == CLIENT_CALL_WAITING) {
        call->arena = *arena;
        *arena = (struct arena){0};
        call->reply = frame;
        decide(calls, call, CLIENT_CALL_ARRIVED);
    }
    return RPB_CLIENT_OK;
}

static int no_frame(struct client_calls *calls, int r, struct client_failure *fatal)
{
    switch (r) {
    case CLIENT_STREAM_E_OVER:
        return client_fail(fatal, RPB_CLIENT_E_LOST, calls->stream.error, "the connection to the backend ended%s",
                           client_stream_is_cut(&calls->stream) ? " in the middle of a frame" : "");
    case CLIENT_STREAM_E_VERSION:
        return client_fail(fatal, RPB_CLIENT_E_FRAMING, 0, "unexpected backend bytes: unsupported framing version");
    case CLIENT_STREAM_E_TOO_LARGE:
        return client_fail(fatal, RPB_CLIENT_E_FRAMING, 0, "unexpected backend bytes: a frame exceeds 16 MiB");
    case CLIENT_STREAM_E_MALFORMED:
        return client_fail(fatal, RPB_CLIENT_E_DECODE_FRAME, 0, "failed to decode backend Frame: malformed message");
    default:
        return client_fail_plainly(fatal, RPB_CLIENT_E_NO_MEMORY);
    }
}

/* One frame in, if one is there. RPB_CLIENT_OK, RPB_CLIENT_AGAIN: nothing more just now; what ends the connection. */
static int take_frame(struct client_calls *calls, struct client_failure *fatal)
{
    struct arena arena;
    Frame *frame;
    int r;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    r = client_stream_next(&calls->stream, &arena, &frame);
    if (r == CLIENT_STREAM_E_MORE) {
        r = RPB_CLIENT_AGAIN;
    } else {
        r = r ? no_frame(calls, r, fatal) : accept_reply(calls, frame, &arena, fatal);
    }
    arena_deinit(&arena);
    return r;
}

static void time_out(struct client_calls *calls, nsec_t now_nsec)
{
    for (unsigned int i = 0; i < calls->n_max; i++) {
        struct client_call *call = &calls->calls[i];

        if (call->state == CLIENT_CALL_WAITING && call->deadline_nsec <= now_nsec) {
            decide(calls, call, CLIENT_CALL_TIMED_OUT);
        }
    }
}

int client_calls_step(struct client_calls *calls, nsec_t now_nsec, struct client_failure *fatal)
{
    int r;

    client_stream_flush(&calls->stream);
    do {
        r = take_frame(calls, fatal);
    } while (r == RPB_CLIENT_OK);
    if (r != RPB_CLIENT_AGAIN) {
        client_calls_end(calls, r);
        return r;
    }
    time_out(calls, now_nsec);
    return RPB_CLIENT_OK;
}

/* The decided request whose turn came first, else the one that has waited longest. */
static struct client_call *find_first(struct client_calls *calls)
{
    struct client_call *first = NULL, *waiting = NULL;

    for (unsigned int i = 0; i < calls->n_max; i++) {
        struct client_call *call = &calls->calls[i];

        if (call->state == CLIENT_CALL_WAITING) {
            waiting = waiting && waiting->id < call->id ? waiting : call;
        } else if ((call->state == CLIENT_CALL_ARRIVED || call->state == CLIENT_CALL_TIMED_OUT) &&
                   (!first || call->turn < first->turn)) {
            first = call;
        }
    }
    return first ? first : waiting;
}

static void hand_out(struct client_calls *calls, struct client_call *call, struct rpb_client_reply *ret_reply)
{
    const Frame *frame = call->reply;

    calls->handed_out = call->arena;
    call->arena = (struct arena){0};
    *ret_reply = (struct rpb_client_reply){
        .request_id = call->id,
        .lane = frame->payload_protocol,
        .encoding = (uint32_t)frame->payload_encoding,
        .data = frame->payload.len ? (const void *)frame->payload.data : "",
        .size = frame->payload.len,
        .traceparent = frame->traceparent,
        .tracestate = frame->tracestate,
    };
    release(calls, call);
}

/* Its caller waits no longer; the place is kept while a reply may come. */
static void let_go(struct client_calls *calls, struct client_call *call)
{
    if (call->is_answered) {
        release(calls, call);
    } else {
        call->state = CLIENT_CALL_FORGOTTEN;
    }
}

int client_calls_receive(struct client_calls *calls, uint64_t id, struct rpb_client_reply *ret_reply)
{
    struct client_call *call = id ? find(calls, id) : find_first(calls);
    int ended = calls->ended;

    arena_deinit(&calls->handed_out);
    switch (call ? call->state : CLIENT_CALL_FREE) {
    case CLIENT_CALL_ARRIVED:
        hand_out(calls, call, ret_reply);
        return RPB_CLIENT_OK;
    case CLIENT_CALL_TIMED_OUT:
        ret_reply->request_id = call->id;
        let_go(calls, call);
        return RPB_CLIENT_E_TIMEOUT;
    case CLIENT_CALL_WAITING:
        if (ended) {
            ret_reply->request_id = call->id;
            release(calls, call);
            return ended;
        }
        return RPB_CLIENT_AGAIN;
    default:
        return RPB_CLIENT_E_STATE;
    }
}

int client_calls_forget(struct client_calls *calls, uint64_t id)
{
    struct client_call *call = find(calls, id);

    if (!call || call->state == CLIENT_CALL_FORGOTTEN) {
        return RPB_CLIENT_E_STATE;
    }
    let_go(calls, call);
    return RPB_CLIENT_OK;
}

nsec_t client_calls_deadline(const struct client_calls *calls)
{
    nsec_t earliest = NSEC_NEVER;

    for (unsigned int i = 0; i < calls->n_max; i++) {
        if (calls->calls[i].state == CLIENT_CALL_WAITING && calls->calls[i].deadline_nsec < earliest) {
            earliest = calls->calls[i].deadline_nsec;
        }
    }
    return earliest;
}
