/* SPDX-License-Identifier: MIT */

/*
 * Dials the broker, sends one admin request and decodes the reply. Whatever goes wrong is told in one line; the exit
 * status says the rest. Nothing is retried: a broker that starts or stops at this moment is the caller's affair.
 */

#include "cli/admin_call.h"

#include "base/cleanup.h"
#include "wire/protocol.h"

static int tell_failure(const struct options *options, const struct endpoint_choice *endpoint, int code,
                        const char *text)
{
    if (code == CLIENT_E_ABSENT && endpoint->is_canonical) {
        endpoint_tell_absent(options, endpoint);
    } else {
        fprintf(options->err, "admin request to \"%s\" failed: %s\n", endpoint->path, text);
    }
    return EXIT_STATUS_FAILED;
}

static int ask(struct admin_call *call, const AdminRequest *request, char text[CLIENT_TEXT_MAX])
{
    ProtobufCMessage *reply;
    Frame *frame;
    int r;

    arena_init(&call->arena, NULL, 0, 5 * (size_t)FRAME_BODY_MAX);
    r = client_ask(call->fd, LANE_ADMIN, MESSAGE_OF(request), call->deadline_nsec, &call->arena, &frame, text);
    if (r) {
        return r;
    }
    r = message_unpack(MESSAGE_ADMIN_REPLY, message_bytes(&frame->payload), &call->arena, &reply);
    if (r == MESSAGE_E_MALFORMED) {
        snprintf(text, CLIENT_TEXT_MAX, "failed to decode broker AdminReply: malformed message");
        return CLIENT_E_FAILED;
    }
    if (!r) {
        call->reply = (const AdminReply *)reply;
    }
    return r;
}

int admin_call_dial(struct admin_call *call, const struct options *options)
{
    static const struct instance_id shared = {.text = "shared"};
    char text[CLIENT_TEXT_MAX] = "out of memory";
    int r = endpoint_choose(options, &shared, &call->endpoint);

    if (r) {
        return r;
    }
    call->deadline_nsec = nsec_add(clock_monotonic(), client_patience_nsec());
    r = client_connect(call->endpoint.path, call->deadline_nsec, &call->fd, text);
    return r ? tell_failure(options, &call->endpoint, r, text) : 0;
}

int admin_call_ask(struct admin_call *call, const struct options *options, const AdminRequest *request)
{
    char text[CLIENT_TEXT_MAX] = "out of memory";
    int r = ask(call, request, text);

    return r ? tell_failure(options, &call->endpoint, r, text) : 0;
}

void admin_call_deinit(struct admin_call *call)
{
    call->fd = close_fd(call->fd);
    arena_deinit(&call->arena);
    call->reply = NULL;
}
