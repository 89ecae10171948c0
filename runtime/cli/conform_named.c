/* SPDX-License-Identifier: MIT */

/*
 * The rules that need a name: the service that a broker is asked for, and the lane of a backend's own protocol. Neither
 * is tried unless it was named, since both make somebody work: a service may be launched by it, and outlives the
 * command as it would any client; what a lane does with a payload is known to nobody here.
 */

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/client.h"
#include "cli/conform_probe.h"
#include "cli/hello_command.h"
#include "service/definition_dir.h"
#include "service/store.h"
#include "wire/text.h"

enum { REQUEST_ID = 0x636f6e66, ANSWER_MAX = FRAME_HEADER_SIZE + FRAME_BODY_MAX + 2 * 65536 };

#define LANE_PATIENCE_NSEC (30 * NSEC_PER_SEC) /* of a client of lanes, spec 03 §15.3 */

/* ------------------------------------------------------------------------------------------------------- the service
 */

/* The version to ask for when none was named: the floor of the definition, so that it is allowed. */
static void choose_version(const struct options *options, const char *service, char ret[HELLO_VERSION_SIZE_MAX + 1])
{
    _cleanup_(store_deinit) struct store store = {.dir_fd = -1};
    const char *version = options_get(options, OPTION_VERSION), *source;
    const struct definition *definition;
    struct store_fault fault = {0};
    char dir[DEFINITION_DIR_SIZE];

    snprintf(ret, HELLO_VERSION_SIZE_MAX + 1, "%s", version ? version : "1.0.0");
    if (!version && !definition_dir_resolve(options_get(options, OPTION_SERVICE_DEF_DIR), dir, &source) &&
        !store_init(&store, dir) && !store_get(&store, slice_from(service), clock_monotonic(), &definition, &fault)) {
        if (definition->min_version && *definition->min_version) {
            snprintf(ret, HELLO_VERSION_SIZE_MAX + 1, "%s", definition->min_version);
        } else if (definition->n_version_allow_list) {
            snprintf(ret, HELLO_VERSION_SIZE_MAX + 1, "%s", definition->version_allow_list[0]);
        }
    }
}

enum conform_verdict conform_negotiate(struct conform *conform, const struct options *options, const char *service,
                                       const char **ret_backend)
{
    char text[CLIENT_TEXT_MAX] = "out of memory", version[HELLO_VERSION_SIZE_MAX + 1];
    const HelloReply *reply;
    int r;

    choose_version(options, service, version);
    r = hello_ask_at(conform->path, service, version, &conform->arena, &reply, text);
    if (r) {
        return conform_fails(conform, "%s", text);
    }
    if (reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED) {
        return conform_fails(conform, "version %s refused with code %d: %s", version, (int)reply->refused->code,
                             reply->refused->reason);
    }
    if (reply->result_case != RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED) {
        return conform_fails(conform, "neither negotiated nor refused");
    }
    if (reply->negotiated->negotiated_protocol != PROTOCOL_VERSION) {
        return conform_fails(conform, "protocol %u was negotiated", reply->negotiated->negotiated_protocol);
    }
    *ret_backend = reply->negotiated->backend_pipe;
    return CONFORM_HOLDS;
}

enum conform_verdict conform_check_service(struct conform *conform)
{
    const char *service = conform->options ? options_get(conform->options, OPTION_SERVICE) : NULL;
    const char *backend = NULL;
    _cleanup_close_ int fd = -1;
    int r;

    if (!service) {
        return conform_untried(conform, "needs --service");
    }
    if (conform_negotiate(conform, conform->options, service, &backend) != CONFORM_HOLDS) {
        return CONFORM_FAILS;
    }
    r = client_dial(backend, nsec_add(clock_monotonic(), CONFORM_PATIENCE_NSEC), &fd);
    return r ? conform_fails(conform, "the backend is at \"%.200s\", where nobody can be reached: %s", backend,
                             strerror(-r))
             : CONFORM_HOLDS;
}

/* ---------------------------------------------------------------------------------------------------------- the lane
 */

/* The first difference of @answer from what @request must be answered with, in the order of a client. */
static enum conform_verdict compare(struct conform *conform, const Frame *request, const Frame *answer)
{
    if (answer->request_id != request->request_id) {
        return conform_fails(conform, "request id %llu instead of %llu", (unsigned long long)answer->request_id,
                             (unsigned long long)request->request_id);
    }
    if (answer->payload_protocol != request->payload_protocol) {
        return conform_fails(conform, "lane 0x%04x came back", answer->payload_protocol);
    }
    if (answer->kind != FRAME_KIND(RESPONSE)) {
        return conform_fails(conform, "kind %d is no response", (int)answer->kind);
    }
    if (answer->envelope_version != ENVELOPE_VERSION) {
        return conform_fails(conform, "envelope version %u", answer->envelope_version);
    }
    if (answer->payload_encoding != PAYLOAD_ENCODING(NONE)) {
        return conform_fails(conform, "encoding %d of the payload", (int)answer->payload_encoding);
    }
    if (strcmp(answer->traceparent, request->traceparent) != 0 ||
        strcmp(answer->tracestate, request->tracestate) != 0) {
        return conform_fails(conform, "another trace context: \"%.60s\", \"%.60s\"", answer->traceparent,
                             answer->tracestate);
    }
    return answer->deadline_unix_ms ? conform_fails(conform, "a response has no deadline") : CONFORM_HOLDS;
}

enum conform_verdict conform_check_lane(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer out = {.limit = 4096}, in = {.limit = ANSWER_MAX};
    _cleanup_close_ int fd = -1;
    ProtobufCMessage *message;
    Frame request;
    size_t size;
    int r;

    if (!conform->lane) {
        return conform_untried(conform, "needs --lane");
    }
    envelope_request(&request, conform->lane, SLICE("conform"));
    request.request_id = REQUEST_ID;
    request.traceparent = (char *)(uintptr_t)CONFORM_TRACEPARENT; /* protobuf-c has no const strings */
    request.tracestate = (char *)(uintptr_t)CONFORM_TRACESTATE;
    if (envelope_pack(&out, &request) < 0) {
        return conform_fails(conform, "out of memory");
    }
    if (conform_dial(conform, &fd)) {
        return CONFORM_FAILS;
    }
    conform_send(fd, out.data, out.size);
    r = conform_read_frame(fd, nsec_add(clock_monotonic(), LANE_PATIENCE_NSEC), &in, &size);
    if (r) {
        return conform_fails(conform, "%s: is lane 0x%04x served, and for any payload?", conform_read_text(r),
                             conform->lane);
    }
    if (message_unpack(MESSAGE_FRAME, slice_from_bytes(in.data + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE),
                       &conform->arena, &message)) {
        return conform_fails(conform, "%s", probe_fault_text(PROBE_FRAME));
    }
    return compare(conform, &request, (const Frame *)message);
}
