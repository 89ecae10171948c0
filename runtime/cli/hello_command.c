/* SPDX-License-Identifier: MIT */

/*
 * One Hello from the command line. Which broker is asked follows from the service's definition, as it does for clients:
 * its instance has a socket of its own; without a definition the shared one is asked, and it will say that it knows no
 * such service. The command never connects to the backend, and offers no capabilities, so nothing is handed over to it.
 */

#include "cli/hello_command.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/client.h"
#include "cli/endpoint_choice.h"
#include "ops/admin_document.h"
#include "service/definition_dir.h"
#include "service/store.h"
#include "wire/message.h"
#include "wire/protocol.h"

/* ----------------------------------------------------------------------------------------------------- which broker */

/* Looks until a definition that is being written has settled. */
static int get_definition(struct store *store, const char *service, const struct definition **ret_definition,
                          struct store_fault *ret_fault)
{
    int r;

    for (unsigned int tries = 0;; tries++) {
        r = store_get(store, slice_from(service), clock_monotonic(), ret_definition, ret_fault);
        if (r != STORE_E_UNSETTLED || tries > STORE_UNSETTLED_TRIES) {
            return r;
        }
        (void)sys_poll(NULL, 0, (int)msec_from_nsec(nsec_sub(ret_fault->retry_at_nsec, clock_monotonic())));
    }
}

int hello_find_instance(const struct options *options, const char *service, struct instance_id *ret_instance)
{
    _cleanup_(store_deinit) struct store store = {.dir_fd = -1};
    const struct definition *definition;
    struct store_fault fault = {0};
    char dir[DEFINITION_DIR_SIZE];
    const char *source;
    int r = definition_dir_resolve(options_get(options, OPTION_SERVICE_DEF_DIR), dir, &source);

    if (r) {
        return options_usage_error(options, "%s", definition_dir_error_text(r));
    }
    (void)instance_parse("shared", ret_instance);
    if (endpoint_named(options) || store_init(&store, dir)) {
        return 0;
    }
    r = get_definition(&store, service, &definition, &fault);
    if (!r) {
        (void)instance_resolve(definition, ret_instance); /* a definition that was loaded resolves */
    } else if (r == STORE_E_BROKEN) {
        fprintf(options->err, "warning: the shared broker is asked, since the definition of %s cannot be used: %s\n",
                service, fault.detail);
    }
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- printing */

static json_t *strings_json(char *const *strings, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < n; i++) {
        if (json_array_append_new(array, admin_document_string(strings[i]))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *hex_json(const ProtobufCBinaryData *bytes)
{
    char text[2 * 64 + 1] = "";

    for (size_t i = 0; i < bytes->len && i < 64; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes->data[i]);
    }
    return json_string(text);
}

static json_t *negotiated_json(const Negotiated *n)
{
    /* clang-format off */
    return json_pack("{s:s, s:I, s:o, s:o, s:o, s:I, s:I, s:o, s:I}",
                     "result", "negotiated",
                     "negotiated_protocol", (json_int_t)n->negotiated_protocol,
                     "daemon_version", admin_document_string(n->daemon_version),
                     "backend_pipe", admin_document_string(n->backend_pipe),
                     "warnings", strings_json(n->warnings, n->n_warnings),
                     "server_capabilities", (json_int_t)n->server_capabilities,
                     "keepalive_interval_secs", (json_int_t)n->keepalive_interval_secs,
                     "handle_passed_token", hex_json(&n->handle_passed_token),
                     "connection_id", (json_int_t)n->connection_id);
    /* clang-format on */
}

static json_t *refused_json(const Refused *refused)
{
    json_t *details = json_object();

    for (size_t i = 0; details && i < refused->n_details; i++) {
        (void)json_object_set_new(details, refused->details[i]->key, admin_document_string(refused->details[i]->value));
    }
    /* clang-format off */
    return json_pack("{s:s, s:o, s:I, s:I, s:i, s:s, s:o, s:I}",
                     "result", "refused",
                     "reason", admin_document_string(refused->reason),
                     "daemon_min_protocol", (json_int_t)refused->daemon_min_protocol,
                     "daemon_max_protocol", (json_int_t)refused->daemon_max_protocol,
                     "code", (int)refused->code,
                     "code_name", message_error_name((uint32_t)refused->code),
                     "details", details,
                     "retry_after_ms", (json_int_t)refused->retry_after_ms);
    /* clang-format on */
}

static int print_json(const struct options *options, json_t *document, int status)
{
    _cleanup_free_ char *text = NULL;

    if (admin_document_print(document, &text)) {
        fputs("out of memory\n", options->err);
        return EXIT_STATUS_FAILED;
    }
    fprintf(options->out, "%s\n", text);
    return status;
}

static int print_negotiated(const struct options *options, const Negotiated *negotiated)
{
    if (options_has(options, OPTION_JSON)) {
        return print_json(options, negotiated_json(negotiated), EXIT_STATUS_OK);
    }
    fprintf(options->out, "negotiated: version %s at %s (connection %" PRIu64 ")\n", negotiated->daemon_version,
            negotiated->backend_pipe, negotiated->connection_id);
    return EXIT_STATUS_OK;
}

static int print_refused(const struct options *options, const Refused *refused)
{
    if (options_has(options, OPTION_JSON)) {
        return print_json(options, refused_json(refused), EXIT_STATUS_FAILED);
    }
    fprintf(options->out, "refused: %s (%s, code %d)", refused->reason, message_error_name((uint32_t)refused->code),
            (int)refused->code);
    if (refused->retry_after_ms) {
        fprintf(options->out, "; try again in %" PRIu64 " ms", refused->retry_after_ms);
    }
    fputc('\n', options->out);
    return EXIT_STATUS_FAILED;
}

int hello_print(const struct options *options, const HelloReply *reply)
{
    switch (reply->result_case) {
    case RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED:
        return print_negotiated(options, reply->negotiated);
    case RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED:
        return print_refused(options, reply->refused);
    default:
        fputs("the broker's reply is neither a negotiation nor a refusal\n", options->err);
        return EXIT_STATUS_FAILED;
    }
}

/* ----------------------------------------------------------------------------------------------------------- asking */

static void fill_hello(Hello *hello, const char *service, const char *version)
{
    message_init(MESSAGE_HELLO, hello);
    hello->client_min_protocol = PROTOCOL_VERSION;
    hello->client_max_protocol = PROTOCOL_VERSION;
    /* protobuf-c has no const strings; the message is only read */
    hello->service_name = (char *)(uintptr_t)service;
    hello->wanted_version = (char *)(uintptr_t)version;
    hello->client_version = (char *)(uintptr_t)RPB_VERSION;
    hello->request_id = (char *)(uintptr_t) "hello";
    hello->peer_pid = (uint32_t)sys_getpid();
    hello->client_lib_name = (char *)(uintptr_t) "running-process-broker-v1";
    hello->client_lib_version = (char *)(uintptr_t)RPB_VERSION;
}

int hello_ask_at(const char *path, const char *service, const char *version, struct arena *arena,
                 const HelloReply **ret_reply, char text[CLIENT_TEXT_MAX])
{
    nsec_t deadline_nsec = nsec_add(clock_monotonic(), client_patience_nsec());
    _cleanup_close_ int fd = -1;
    ProtobufCMessage *reply;
    Frame *frame;
    Hello hello;
    int r = client_connect(path, deadline_nsec, &fd, text);

    if (r) {
        return r;
    }
    fill_hello(&hello, service, version);
    r = client_ask(fd, LANE_CONTROL, MESSAGE_OF(&hello), deadline_nsec, arena, &frame, text);
    if (r) {
        return r;
    }
    r = message_unpack(MESSAGE_HELLO_REPLY, message_bytes(&frame->payload), arena, &reply);
    if (r == MESSAGE_E_MALFORMED) {
        snprintf(text, CLIENT_TEXT_MAX, "failed to decode broker HelloReply: malformed message");
        return CLIENT_E_FAILED;
    }
    if (!r) {
        *ret_reply = (const HelloReply *)reply;
    }
    return r;
}

int hello_command(const struct options *options)
{
    char text[CLIENT_TEXT_MAX] = "out of memory";
    _cleanup_(arena_deinit) struct arena arena;
    struct endpoint_choice endpoint;
    struct instance_id instance;
    const HelloReply *reply;
    int r;

    arena_init(&arena, NULL, 0, 5 * (size_t)FRAME_BODY_MAX);
    r = hello_find_instance(options, options->operands[0], &instance);
    if (!r) {
        r = endpoint_choose(options, &instance, &endpoint);
    }
    if (r) {
        return r;
    }
    r = hello_ask_at(endpoint.path, options->operands[0], options->operands[1], &arena, &reply, text);
    if (!r) {
        return hello_print(options, reply);
    }
    if (r == CLIENT_E_ABSENT && endpoint.is_canonical) {
        endpoint_tell_absent(options, &endpoint);
    } else {
        fprintf(options->err, "hello to \"%s\" failed: %s\n", endpoint.path, text);
    }
    return EXIT_STATUS_FAILED;
}
