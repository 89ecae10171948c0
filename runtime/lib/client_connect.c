/* SPDX-License-Identifier: MIT */

/*
 * The work and the actions of client_connect.fsm. The machine decides what comes next; each function here does one
 * thing and says how it ended, having written down why when it failed. There is no loop: time is what the caller says
 * it is, and every step first lets the Hello under way progress, then the timers, so an answer that is there in time is
 * seen.
 *
 * Only saying Hello ends later than it began; everything else either happens or fails at once on a Unix socket. The
 * broker's socket stays open until the connect has ended, so that no later socket gets its number while it is watched.
 */

#include "lib/client_connect.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "lib/client_dial.h"

#define ASK_FAILED "failed to read the broker's reply"
#define TOO_LATE "broker client round-trip did not complete within the deadline"

enum { HELLO_REQUEST_ID = 1 };

/* --------------------------------------------------------------------------------------------------------- dialling */

enum client_connect_event client_connect_choose_way(struct client_connect *c)
{
    const struct client_settings *s = c->settings;

    return s->cached_endpoint && s->self_version && strcmp(s->version, s->self_version) == 0
               ? CLIENT_CONNECT_EVENT_SKIP_HELLO
               : CLIENT_CONNECT_EVENT_ASK_BROKER;
}

enum client_connect_event client_connect_dial_cached(struct client_connect *c)
{
    return client_dial(c->settings->cached_endpoint, c->settings->server_uid, &c->backend_fd)
               ? CLIENT_CONNECT_EVENT_CACHED_DOWN
               : CLIENT_CONNECT_EVENT_CACHED_UP;
}

enum client_connect_event client_connect_dial_broker(struct client_connect *c)
{
    int r, fd;

    if (client_settings_broker_path(c->settings, c->broker_path, c->failure)) {
        return CLIENT_CONNECT_EVENT_BROKER_DOWN;
    }
    r = client_dial(c->broker_path, c->settings->server_uid, &fd);
    if (r == -EAGAIN) {
        return CLIENT_CONNECT_EVENT_BROKER_FULL;
    }
    if (r) {
        if (r == CLIENT_DIAL_E_UID) {
            (void)client_fail(c->failure, RPB_CLIENT_E_PEER, 0, "the broker at %s runs as another user",
                              c->broker_path);
        } else {
            (void)client_fail(c->failure, RPB_CLIENT_E_BROKER_CONNECT, -r, "failed to connect to broker at %s",
                              c->broker_path);
        }
        return CLIENT_CONNECT_EVENT_BROKER_DOWN;
    }
    client_stream_init(&c->broker, fd);
    return CLIENT_CONNECT_EVENT_BROKER_UP;
}

enum client_connect_event client_connect_dial_backend(struct client_connect *c)
{
    const char *path = c->negotiated->backend_pipe;
    int r;

    if (!*path) {
        (void)client_fail_plainly(c->failure, RPB_CLIENT_E_NO_ENDPOINT);
        return CLIENT_CONNECT_EVENT_BACKEND_DOWN;
    }
    /* a relative one would lead wherever this process happens to stand */
    r = *path == '/' ? client_dial(path, c->settings->server_uid, &c->backend_fd) : -EINVAL;
    if (!r) {
        return CLIENT_CONNECT_EVENT_BACKEND_UP;
    }
    if (r == -EAGAIN) {
        return CLIENT_CONNECT_EVENT_BACKEND_FULL;
    }
    if (r == CLIENT_DIAL_E_UID) {
        (void)client_fail(c->failure, RPB_CLIENT_E_PEER, 0, "the backend at %s runs as another user", path);
    } else {
        (void)client_fail(c->failure, RPB_CLIENT_E_BACKEND_CONNECT, -r, "failed to connect to backend at %.200s", path);
    }
    return CLIENT_CONNECT_EVENT_BACKEND_DOWN;
}

/* ------------------------------------------------------------------------------------------------------------ Hello */

/* protobuf-c has no const strings; a message that is packed is only read. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

static int queue_hello(struct client_connect *c)
{
    const struct client_settings *s = c->settings;
    Frame frame;
    Hello hello;

    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = PROTOCOL_VERSION;
    hello.client_max_protocol = PROTOCOL_VERSION;
    hello.service_name = text_of(s->service);
    hello.wanted_version = text_of(s->version);
    hello.client_version = text_of(s->client_version);
    hello.client_capabilities = CAPABILITY_HANDLE_PASSING; /* always set, spec 01 §14.1; the token decides */
    hello.request_id = text_of("hello");
    hello.peer_pid = (uint32_t)sys_getpid();
    hello.client_lib_name = text_of(s->lib_name);
    hello.client_lib_version = text_of(s->lib_version);
    hello.client_keepalive_secs = s->keepalive_secs;
    envelope_request(&frame, LANE_CONTROL, (struct slice){0});
    frame.request_id = HELLO_REQUEST_ID;
    return client_stream_queue(&c->broker, &frame, MESSAGE_OF(&hello));
}

static enum client_connect_event hello_failed(struct client_connect *c, int status, const char *text)
{
    (void)client_fail(c->failure, status, 0, "%s", text);
    return CLIENT_CONNECT_EVENT_HELLO_FAILED;
}

/* The stream brings no frame. */
static enum client_connect_event no_frame(struct client_connect *c, int r)
{
    switch (r) {
    case CLIENT_STREAM_E_OVER:
        if (c->broker.error || !client_stream_is_cut(&c->broker)) {
            (void)client_fail(c->failure, RPB_CLIENT_E_BROKER_CONNECT, c->broker.error,
                              c->broker.error ? ASK_FAILED : ASK_FAILED ": connection closed");
            return CLIENT_CONNECT_EVENT_HELLO_FAILED;
        }
        return hello_failed(c, RPB_CLIENT_E_FRAMING, ASK_FAILED ": connection closed in the middle of a frame");
    case CLIENT_STREAM_E_VERSION:
        return hello_failed(c, RPB_CLIENT_E_FRAMING, ASK_FAILED ": unsupported framing version");
    case CLIENT_STREAM_E_TOO_LARGE:
        return hello_failed(c, RPB_CLIENT_E_FRAMING, ASK_FAILED ": it exceeds 16 MiB");
    case CLIENT_STREAM_E_MALFORMED:
        return hello_failed(c, RPB_CLIENT_E_DECODE_FRAME, "failed to decode broker response Frame: malformed message");
    default:
        return hello_failed(c, RPB_CLIENT_E_NO_MEMORY, rpb_client_status_text(RPB_CLIENT_E_NO_MEMORY));
    }
}

/* NULL, or what is wrong with the envelope of a reply (spec 01 §2.2). */
static const char *envelope_complaint(const Frame *frame)
{
    switch (envelope_check(frame, FRAME_KIND(RESPONSE), LANE_CONTROL)) {
    case ENVELOPE_OK:
        return NULL;
    case ENVELOPE_BAD_VERSION:
        return "unexpected broker response frame: envelope_version is not v1";
    case ENVELOPE_BAD_KIND:
        return "unexpected broker response frame: kind is not RESPONSE";
    case ENVELOPE_BAD_LANE:
        return "unexpected broker response frame: payload_protocol is not control-plane";
    case ENVELOPE_BAD_ENCODING:
        break;
    }
    return "unexpected broker response frame: payload is compressed";
}

/* A broker that could not read our frame refuses without an id to repeat; everything else has to bring it. */
static bool is_answer_to_us(const Frame *frame, const HelloReply *reply)
{
    return frame->request_id == HELLO_REQUEST_ID ||
           (frame->request_id == 0 && reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED);
}

static enum client_connect_event take_reply(struct client_connect *c, const Frame *frame)
{
    const char *complaint = envelope_complaint(frame);
    ProtobufCMessage *message;
    const HelloReply *reply;
    int r;

    if (complaint) {
        return hello_failed(c, RPB_CLIENT_E_UNEXPECTED_FRAME, complaint);
    }
    r = message_unpack(MESSAGE_HELLO_REPLY, message_bytes(&frame->payload), &c->arena, &message);
    if (r < 0) {
        return no_frame(c, r);
    }
    if (r) {
        return hello_failed(c, RPB_CLIENT_E_DECODE_REPLY, "failed to decode broker HelloReply: malformed message");
    }
    reply = (const HelloReply *)message;
    if (!is_answer_to_us(frame, reply)) {
        return hello_failed(c, RPB_CLIENT_E_UNEXPECTED_FRAME,
                            "unexpected broker response frame: request_id is not that of the request");
    }
    switch (reply->result_case) {
    case RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED:
        c->negotiated = reply->negotiated;
        return CLIENT_CONNECT_EVENT_NEGOTIATED;
    case RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED:
        (void)client_fail_refused(c->failure, (uint32_t)reply->refused->code, reply->refused->reason,
                                  reply->refused->retry_after_ms);
        return CLIENT_CONNECT_EVENT_REFUSED;
    default:
        return hello_failed(c, RPB_CLIENT_E_MISSING_RESULT, "broker HelloReply has no result");
    }
}

/* What has become of the Hello; 0: nothing yet. */
static enum client_connect_event progress(struct client_connect *c)
{
    Frame *frame;
    int r;

    client_stream_flush(&c->broker);
    r = client_stream_next(&c->broker, &c->arena, &frame);
    if (r == CLIENT_STREAM_E_MORE) {
        return 0;
    }
    return r ? no_frame(c, r) : take_reply(c, frame);
}

enum client_connect_event client_connect_say_hello(struct client_connect *c)
{
    int r;

    arena_reset(&c->arena);
    c->negotiated = NULL;
    c->hello = fsm_ticket(&c->fsm);
    r = queue_hello(c);
    return r ? no_frame(c, r) : progress(c);
}

/* ------------------------------------------------------------------------------------------ actions, guards, timers */

void client_connect_time_out(struct client_connect *c)
{
    if (c->negotiated) {
        (void)client_fail(c->failure, RPB_CLIENT_E_BACKEND_CONNECT, ETIMEDOUT, "failed to connect to backend at %.200s",
                          c->negotiated->backend_pipe);
        return;
    }
    (void)client_fail(c->failure, RPB_CLIENT_E_BROKER_CONNECT, ETIMEDOUT, "failed to connect to broker: " TOO_LATE);
}

void client_connect_take_backend(struct client_connect *c, enum client_connect_take_backend_arg route)
{
    c->route =
        route == CLIENT_CONNECT_TAKE_BACKEND_HELLO_SKIP ? RPB_CLIENT_ROUTE_HELLO_SKIP : RPB_CLIENT_ROUTE_NEGOTIATED;
}

void client_connect_close_broker(struct client_connect *c)
{
    client_stream_deinit(&c->broker);
}

void client_connect_count_retry(struct client_connect *c)
{
    c->retries_left--;
}

nsec_t client_connect_retry_due(const struct client_connect *c, nsec_t now_nsec)
{
    return nsec_add(now_nsec, nsec_from_msec(c->failure->shown.retry_after_ms));
}

bool client_connect_worth_retry(const struct client_connect *c)
{
    const struct rpb_client_failure *refused = &c->failure->shown;

    switch (refused->refusal) {
    case RPB_CLIENT_REFUSAL_VERSION_UNSUPPORTED:
    case RPB_CLIENT_REFUSAL_VERSION_BLOCKED:
    case RPB_CLIENT_REFUSAL_SERVICE_UNKNOWN:
        return false;
    default:
        return c->retries_left && refused->retry_after_ms &&
               client_connect_retry_due(c, c->world.now_nsec) < c->deadline_nsec;
    }
}

nsec_t client_connect_call_deadline(const struct client_connect *c, nsec_t now_nsec)
{
    (void)now_nsec;
    return c->deadline_nsec;
}

void client_connect_ended(struct client_connect *c)
{
    client_stream_deinit(&c->broker);
    if (client_connect_state(c) != CLIENT_CONNECT_STATE_CONNECTED) {
        c->backend_fd = close_fd(c->backend_fd);
    }
}

/* ---------------------------------------------------------------------------------------------------------- driving */

static void note_bug(struct fsm_world *world, struct fsm *fsm, int event, const char *what)
{
    (void)world;
    (void)event;
    (void)what;
    ((struct client_connect *)fsm)->is_broken = true;
}

void client_connect_init(struct client_connect *connect, const struct client_settings *settings,
                         struct client_failure *failure)
{
    *connect = (struct client_connect){
        .settings = settings, .failure = failure, .retries_left = settings->retries, .backend_fd = -1};
    client_stream_init(&connect->broker, -1);
    arena_init(&connect->arena, NULL, 0, SIZE_MAX);
    (void)fsm_world_init(&connect->world, NULL);
    connect->world.on_never = note_bug;
}

void client_connect_deinit(struct client_connect *connect)
{
    fsm_deinit(&connect->fsm);
    fsm_world_deinit(&connect->world);
    client_stream_deinit(&connect->broker);
    arena_deinit(&connect->arena);
    connect->backend_fd = close_fd(connect->backend_fd);
    connect->negotiated = NULL;
}

/* Works off everything that has happened or is due. */
static int settle(struct client_connect *c)
{
    fsm_world_run(&c->world);
    while (fsm_fire_due(&c->fsm)) {
    }
    if (c->is_broken) {
        return client_fail_plainly(c->failure, RPB_CLIENT_E_INTERNAL);
    }
    switch (client_connect_state(c)) {
    case CLIENT_CONNECT_STATE_CONNECTED:
        return RPB_CLIENT_OK;
    case CLIENT_CONNECT_STATE_FAILED:
        return c->failure->shown.status;
    case CLIENT_CONNECT_STATE_ENDED:
        return RPB_CLIENT_E_STATE;
    default:
        return RPB_CLIENT_AGAIN;
    }
}

int client_connect_begin(struct client_connect *c, nsec_t now_nsec)
{
    c->world.now_nsec = now_nsec;
    c->deadline_nsec = nsec_add(now_nsec, c->settings->timeout_nsec);
    if (client_connect_start(c, &c->world) < 0) {
        return client_fail_plainly(c->failure, RPB_CLIENT_E_NO_MEMORY);
    }
    return settle(c);
}

int client_connect_step(struct client_connect *c, nsec_t now_nsec)
{
    c->world.now_nsec = now_nsec;
    if (fsm_ticket_is_valid(c->hello)) {
        enum client_connect_event event = progress(c);

        if (event) {
            fsm_finish(c->hello, event);
        }
    }
    return settle(c);
}

void client_connect_give_up(struct client_connect *c)
{
    client_connect_raise(c, CLIENT_CONNECT_EVENT_CLOSE);
    fsm_world_run(&c->world);
}

int client_connect_fd(const struct client_connect *c)
{
    return client_connect_state(c) == CLIENT_CONNECT_STATE_ASKING ? c->broker.fd : -1;
}

short client_connect_wants(const struct client_connect *c)
{
    return client_connect_state(c) == CLIENT_CONNECT_STATE_ASKING ? client_stream_wants(&c->broker) : 0;
}

nsec_t client_connect_deadline(const struct client_connect *c)
{
    return fsm_due(&c->fsm);
}

int client_connect_take_fd(struct client_connect *c)
{
    return take_fd(&c->backend_fd);
}
