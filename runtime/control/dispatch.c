/* SPDX-License-Identifier: MIT */

/*
 * A complete frame, or the lack of one, becomes a reply: framing refusals, the split between admin and Hello, size and
 * descriptors (spec 01 section 11.3), then hello/ or ops/admin answers. What is decoded lives in one arena that is
 * empty again when the step is over, so the reply is packed before that. An admin frame with any fault gets no reply at
 * all.
 */

#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "control/state.h"
#include "ops/admin.h"

/* ------------------------------------------------------------------------------------------------- refusals */

struct refusal {
    uint32_t code;
    const char *reason;
};

#define TOO_LARGE_REASON "initial Hello frame exceeds 64 KiB"

static const struct refusal refusals[] = {
    [FRAME_FAULT_VERSION] = {ERROR_CODE(VERSION_UNSUPPORTED), "unsupported framing version"},
    [FRAME_FAULT_TOO_LARGE] = {ERROR_CODE(PEER_REJECTED), TOO_LARGE_REASON},
    [FRAME_FAULT_INCOMPLETE] = {ERROR_CODE(PEER_REJECTED), "incomplete Hello frame"},
    [FRAME_FAULT_NOT_A_FRAME] = {ERROR_CODE(PEER_REJECTED), "malformed broker Frame"},
};

/* Counts, logs and packs a refusal that hello/ has not seen. The step's outcome. */
static enum connection_event put_refusal(struct connection *connection, const struct reply *reply)
{
    hello_note(connection->control->config.hello, &connection->peer, reply);
    return frame_writer_put(connection, reply) == 0 ? CONNECTION_EVENT_REPLIED : CONNECTION_EVENT_STARVED;
}

static enum connection_event refuse_frame(struct connection *connection, enum frame_fault fault)
{
    struct control *control = connection->control;
    struct reply reply = {.echo = envelope_echo(NULL)};

    connection->fault = fault;
    control->counters.refused_frames++;
    reply_refuse(&reply, refusals[fault].code, refusals[fault].reason, 0);
    return put_refusal(connection, &reply);
}

static void answer_now(struct connection *connection);

/* A Hello is told that its backend is on its way; an administrator what is known by now. */
static void refuse_in_progress(struct connection *connection)
{
    struct reply reply;

    if (connection->is_slow_admin) {
        answer_now(connection);
        return;
    }
    hello_give_up(&connection->exchange, &reply);
    (void)frame_writer_put(connection, &reply);
}

/* Without memory for it there is no reply, which write_reply sees. */
void connection_refuse(struct connection *connection, enum connection_refuse_arg argument)
{
    admission_settle(&connection->control->admission, &connection->admission);
    switch (argument) {
    case CONNECTION_REFUSE_IN_PROGRESS:
        refuse_in_progress(connection);
        break;
    case CONNECTION_REFUSE_MALFORMED:
        (void)refuse_frame(connection, connection->fault);
        break;
    case CONNECTION_REFUSE_MAX:
        break;
    }
}

/* ------------------------------------------------------------------------------------------------- admin */

/* Closed without a reply; the line and the counter are all that tells of it (decision 9d). */
static enum connection_event refuse_admin(struct connection *connection, const char *text)
{
    log_event(&(struct log_record){.level = LOG_WARN, .code = LOG_CODE_ADMIN_REFUSED, .peer_pid = connection->peer.pid},
              "%s", text);
    return CONNECTION_EVENT_UNANSWERABLE;
}

/* The texts of spec 01 section 11.3 step 4. True when the envelope is right. */
static bool check_admin_envelope(const Frame *frame, char *ret_text, size_t size)
{
    switch (envelope_check(frame, FRAME_KIND(REQUEST), LANE_ADMIN)) {
    case ENVELOPE_OK:
        return true;
    case ENVELOPE_BAD_VERSION:
        snprintf(ret_text, size, "unsupported admin frame envelope_version %" PRIu32, frame->envelope_version);
        break;
    case ENVELOPE_BAD_KIND:
        snprintf(ret_text, size, "admin frame kind must be REQUEST, got %d", (int)frame->kind);
        break;
    case ENVELOPE_BAD_ENCODING:
    case ENVELOPE_BAD_LANE: /* which cannot be: by its lane the frame came here */
        snprintf(ret_text, size, "admin frame payload must not be compressed, got %d", (int)frame->payload_encoding);
        break;
    }
    return false;
}

/* Packs @answer for the request in @frame. 0 or a negative errno. */
static int put_admin(struct connection *connection, const Frame *frame, const struct admin_reply *answer)
{
    _cleanup_(buffer_deinit) struct buffer buffer;
    AdminReply message;
    Frame response;
    int r;

    buffer_init(&buffer, FRAME_HEADER_SIZE + FRAME_BODY_MAX);
    admin_reply_message(answer, &message);
    envelope_response_to(&response, frame, (struct slice){0});
    r = envelope_pack_message(&buffer, &response, MESSAGE_OF(&message));
    if (r < 0) {
        return error_trace(r);
    }
    return error_trace(frame_writer_put_frame(connection, &buffer));
}

static enum connection_event answer_admin(struct connection *connection, const Frame *frame,
                                          const AdminRequest *request)
{
    _cleanup_(admin_reply_deinit) struct admin_reply answer = {0};
    struct control *control = connection->control;
    int r;

    r = admin_answer(control->config.admin, request, &answer);
    if (r == ADMIN_E_MALFORMED) {
        return refuse_admin(connection, "malformed AdminRequest: a text is too long");
    }
    if (r != 0 || put_admin(connection, frame, &answer) < 0) {
        return CONNECTION_EVENT_STARVED;
    }
    connection->is_shutdown = answer.is_shutdown;
    connection->drain_msec = answer.drain_msec;
    control->counters.admin_requests++;
    return CONNECTION_EVENT_REPLIED;
}

static void inodes_known(struct inode_waiter *waiter)
{
    struct connection *connection = (struct connection *)(void *)((char *)waiter - offsetof(struct connection, inodes));

    answer_now(connection);
    connection_raise(connection, CONNECTION_EVENT_ANSWERED);
}

static enum connection_event route_admin(struct connection *connection, const Frame *frame)
{
    const struct admin *admin = connection->control->config.admin;
    ProtobufCMessage *message;
    char text[96];
    int r;

    if (!check_admin_envelope(frame, text, sizeof(text))) {
        return refuse_admin(connection, text);
    }
    r = message_unpack(MESSAGE_ADMIN_REQUEST, message_bytes(&frame->payload), &connection->control->arena, &message);
    if (r == MESSAGE_E_MALFORMED) {
        return refuse_admin(connection, "malformed AdminRequest");
    }
    if (r != 0) {
        return CONNECTION_EVENT_STARVED;
    }
    connection->inodes.known = inodes_known;
    if (!connection->is_slow_admin && admin_prepare(admin, (const AdminRequest *)message, &connection->inodes) != 0) {
        connection->is_slow_admin = true;
        loop_io_touch(&connection->io);
        return CONNECTION_EVENT_MUST_WAIT;
    }
    return answer_admin(connection, frame, (const AdminRequest *)message);
}

bool connection_shutdown_asked(const struct connection *connection)
{
    return connection->is_shutdown;
}

void connection_tell_broker(struct connection *connection)
{
    struct control *control = connection->control;

    control->is_shutdown_due = true;
    control->drain_msec = connection->drain_msec;
    control_changed(control);
}

/* ------------------------------------------------------------------------------------------------- Hello */

static struct connection *connection_of_exchange(struct hello_exchange *exchange)
{
    return (struct connection *)(void *)((char *)exchange - offsetof(struct connection, exchange));
}

/* Without memory for it the reply is lost, which write_reply sees. */
static void hello_answered(struct hello_exchange *exchange, const struct reply *reply)
{
    struct connection *connection = connection_of_exchange(exchange);

    (void)frame_writer_put(connection, reply);
    connection_raise(connection, CONNECTION_EVENT_ANSWERED);
}

static enum connection_event refuse_under_pressure(struct connection *connection, const Frame *frame)
{
    struct reply reply = {.echo = envelope_echo(frame)};

    connection->control->pressure.refused_while_demoted++;
    reply_refuse(&reply, ERROR_CODE(FD_PRESSURE), FD_PRESSURE_REASON, FD_PRESSURE_RETRY_MS);
    return put_refusal(connection, &reply);
}

static enum connection_event route_hello(struct connection *connection, const Frame *frame)
{
    struct control *control = connection->control;
    struct reply reply;
    int r;

    if (fd_pressure_is_demoted(&control->pressure)) {
        return refuse_under_pressure(connection, frame);
    }
    r = hello_ask(control->config.hello, &connection->exchange, frame, &connection->peer,
                  loop_now(control->config.loop), &control->arena, connection->body, connection->body_capacity,
                  hello_answered, &reply);
    if (r == HELLO_E_WAIT) {
        loop_io_touch(&connection->io);
        return CONNECTION_EVENT_MUST_WAIT;
    }
    if (r < 0 || frame_writer_put(connection, &reply) < 0) {
        return CONNECTION_EVENT_STARVED;
    }
    return CONNECTION_EVENT_REPLIED;
}

void connection_leave_waiters(struct connection *connection)
{
    hello_leave(&connection->exchange);
    inode_probe_leave(&connection->inodes);
}

/* ------------------------------------------------------------------------------------------------- the split */

/* A body that was not kept: too long for a Hello, and for us too long for an admin request (decision 9d). */
static enum connection_event route_skimmed(struct connection *connection)
{
    const struct skim *skim = connection->skim;
    struct reply reply = {0};

    if (connection->is_skim_broken) {
        return refuse_frame(connection, FRAME_FAULT_NOT_A_FRAME);
    }
    if (skim_is_admin(skim)) {
        return refuse_admin(connection, "admin frame exceeds 64 KiB");
    }
    reply.echo = skim_echo(skim);
    reply_refuse(&reply, ERROR_CODE(PEER_REJECTED), TOO_LARGE_REASON, 0);
    return put_refusal(connection, &reply);
}

static enum connection_event route_frame(struct connection *connection)
{
    struct control *control = connection->control;
    struct slice body = slice_from_bytes(connection->body, connection->body_filled);
    ProtobufCMessage *message;
    const Frame *frame;
    int r;

    r = message_unpack(MESSAGE_FRAME, body, &control->arena, &message);
    if (r == MESSAGE_E_MALFORMED) {
        return refuse_frame(connection, FRAME_FAULT_NOT_A_FRAME);
    }
    if (r != 0) {
        return CONNECTION_EVENT_STARVED;
    }
    frame = (const Frame *)message;
    if (frame->payload_protocol == LANE_ADMIN && !control->config.hello_only) {
        return route_admin(connection, frame);
    }
    return route_hello(connection, frame);
}

/* An admin request that has waited: once more from its body, which was kept. Without memory there is no reply. */
static void answer_now(struct connection *connection)
{
    (void)route_frame(connection);
    arena_reset(&connection->control->arena);
}

enum connection_event connection_route(struct connection *connection)
{
    struct control *control = connection->control;
    enum connection_event event;

    admission_settle(&control->admission, &connection->admission);
    connection->is_owed = true;
    control->n_owed++;
    if (connection->skim != NULL) {
        return route_skimmed(connection);
    }
    event = route_frame(connection);
    arena_reset(&control->arena);
    return event;
}
