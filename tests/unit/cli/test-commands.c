/* SPDX-License-Identifier: MIT */

/* Admin commands, hello, and the serve modes' usage errors: what goes over the wire, what is printed, how it exits
 * (spec 05 §1.5, §1.6, §10; decision 20). */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check.h"
#include "cli/client.h"
#include "cli/options.h"
#include "fake_broker.h"
#include "wire/envelope.h"
#include "wire/protocol.h"

/* ------------------------------------------------------------------------------------------------- running commands */

struct outcome {
    char *out, *err;
    int status;
};

static void run(const char *const *argv, struct outcome *ret)
{
    size_t out_size, err_size;
    struct options options;
    FILE *out = open_memstream(&ret->out, &out_size), *err = open_memstream(&ret->err, &err_size);

    check_fatal(out && err);
    ret->status = options_parse(argv, out, err, &options) ? EXIT_STATUS_USAGE : options.command->run(&options);
    fclose(out);
    fclose(err);
}

static void outcome_deinit(struct outcome *outcome)
{
    free(outcome->out);
    free(outcome->err);
}

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static void check_run(const char *const *argv, int status, const char *out, const char *err)
{
    struct outcome outcome;

    run(argv, &outcome);
    check_int(outcome.status, status);
    check_str(outcome.out, out);
    check_str(outcome.err, err);
    outcome_deinit(&outcome);
}

/* ------------------------------------------------------------------------------------------------------ admin bytes */

static const char ok_reply[] =
    "01 1D 00 00 00 08 01 10 01 18 81 DA 02 22 11 12 03 6F 6B 0A 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01";
static const char not_ready_reply[] =
    "01 26 00 00 00 08 01 10 01 18 81 DA 02 22 1A 12 0A 6E 6F 74 20 72 65 61 64 79 0A "
    "18 01 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01";
static const char unsupported_reply[] =
    "01 33 00 00 00 08 01 10 01 18 81 DA 02 22 27 12 17 75 6E 73 75 70 70 6F 72 74 65 64 20 61 64 6D 69 6E 20 76 65 72 "
    "62 0A 18 02 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01";

/* Runs @words against a broker that answers @reply_hex, and compares what it was asked with @request_hex. */
static void check_wire(const char *const *words, const char *request_hex, const char *reply_hex, int status,
                       const char *out)
{
    const char *argv[16] = {"--socket"};
    char err[100] = "";
    uint8_t reply[256], request[256];
    size_t reply_size = check_hex(reply_hex, reply, sizeof(reply)), n = 2;
    size_t request_size = check_hex(request_hex, request, sizeof(request));
    struct fake_broker broker;

    fake_broker_begin(&broker, reply, reply_size);
    argv[1] = broker.path;
    if (reply_hex == unsupported_reply) {
        snprintf(err, sizeof(err), "this broker's release does not have the command \"%s\"\n", words[0]);
    }
    while (*words) {
        argv[n++] = *words++;
    }
    check_run(argv, status, out, err);
    fake_broker_end(&broker);
    check_int(broker.request_size, request_size);
    check_mem(broker.request, request, request_size);
}

static void test_requests(void)
{
    check_wire(ARGV("healthz"), "01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 04 28 01", ok_reply, 0, "ok\n");
    check_wire(ARGV("readyz"), "01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 05 28 01", not_ready_reply, 1, "not ready\n");
    check_wire(ARGV("status", "--json"), "01 0E 00 00 00 08 01 18 81 DA 02 22 04 08 01 10 01 28 01", ok_reply, 0,
               "ok\n");
    check_wire(ARGV("status"), "01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 01 28 01", ok_reply, 0, "ok\n");
    check_wire(ARGV("metrics"), "01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 09 28 01", unsupported_reply, 2,
               "unsupported admin verb\n");
    check_wire(ARGV("dump"), "01 0E 00 00 00 08 01 18 81 DA 02 22 04 08 02 10 01 28 01", unsupported_reply, 2,
               "unsupported admin verb\n");
    check_wire(ARGV("list-instances"), "01 0E 00 00 00 08 01 18 81 DA 02 22 04 08 03 10 01 28 01", unsupported_reply, 2,
               "unsupported admin verb\n");
    check_wire(ARGV("config", "--effective", "--json"), "01 0E 00 00 00 08 01 18 81 DA 02 22 04 08 07 10 01 28 01",
               unsupported_reply, 2, "unsupported admin verb\n");
    check_wire(ARGV("backend-health", "zccache"),
               "01 17 00 00 00 08 01 18 81 DA 02 22 0D 08 06 10 01 1A 07 7A 63 63 61 63 68 65 28 01", unsupported_reply,
               2, "unsupported admin verb\n");
    check_wire(ARGV("diagnose"),
               "01 1D 00 00 00 08 01 18 81 DA 02 22 13 08 08 10 01 22 0D 62 75 6E 64 6C 65 2E 74 61 72 2E 67 7A 28 01",
               unsupported_reply, 2, "unsupported admin verb\n");
    /* a broker that is too old for the verb: nothing is waited for */
    check_wire(ARGV("shutdown", "--deadline-ms", "5000"), "01 0F 00 00 00 08 01 18 81 DA 02 22 05 08 15 28 88 27 28 01",
               unsupported_reply, 2, "unsupported admin verb\n");
    check_wire(ARGV("shutdown"), "01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 15 28 01", unsupported_reply, 2,
               "unsupported admin verb\n");
}

/* A packed reply frame with the given admin reply. */
static void pack_reply(struct buffer *buffer, const char *body, uint32_t exit_code, void (*spoil)(Frame *))
{
    AdminReply reply;
    Frame request, frame;

    message_init(MESSAGE_ADMIN_REPLY, &reply);
    reply.body = (char *)(uintptr_t)body;
    reply.exit_code = exit_code;
    envelope_request(&request, LANE_ADMIN, (struct slice){0});
    request.request_id = 1;
    envelope_response_to(&frame, &request, (struct slice){0});
    if (spoil) {
        spoil(&frame);
    }
    check_int(envelope_pack_message(buffer, &frame, MESSAGE_OF(&reply)), 0);
}

/* Who refuses to listen may have said why before: the answer is read, though the request cannot be sent. */
static void test_an_answer_before_the_request(void)
{
    AdminRequest request;

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    for (size_t i = 0; i < 2; i++) {
        char text[CLIENT_TEXT_MAX] = "";
        struct buffer buffer;
        struct arena arena;
        Frame *frame = NULL;
        int fds[2], r;

        buffer_init(&buffer, 65536);
        pack_reply(&buffer, "go away\n", 7, NULL);
        check_fatal(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
        check_int(write(fds[1], buffer.data, i ? 3 : buffer.size), i ? 3 : buffer.size);
        close(fds[1]);
        arena_init(&arena, NULL, 0, 65536);
        r = client_ask(fds[0], LANE_ADMIN, MESSAGE_OF(&request), NSEC_NEVER, &arena, &frame, text);
        check_int(r, i ? CLIENT_E_FAILED : 0);
        check_str(text, i ? "failed to read the broker's reply: connection closed" : "");
        check_int(frame != NULL, !i);
        arena_deinit(&arena);
        buffer_deinit(&buffer);
        close(fds[0]);
    }
}

static void check_reply(const char *body, uint32_t exit_code, int status, const char *out)
{
    struct buffer buffer;
    struct fake_broker broker;

    buffer_init(&buffer, 65536);
    pack_reply(&buffer, body, exit_code, NULL);
    fake_broker_begin(&broker, buffer.data, buffer.size);
    check_run(ARGV("--socket", broker.path, "status"), status, out, "");
    fake_broker_end(&broker);
    buffer_deinit(&buffer);
}

static void test_bodies_and_exit_codes(void)
{
    check_reply("x", 0, 0, "x\n");
    check_reply("x\n", 0, 0, "x\n");
    check_reply("x\n\n", 0, 0, "x\n\n");
    check_reply("", 0, 0, "\n");
    check_reply("x", 3, 3, "x\n");
    check_reply("x", INT_MAX, INT_MAX, "x\n");
    check_reply("x", (uint32_t)INT_MAX + 1, 1, "x\n");
    check_reply("x", UINT32_MAX, 1, "x\n");
}

/* -------------------------------------------------------------------------------------------------- what goes wrong */

static void check_failure(const uint8_t *reply, size_t reply_size, const char *detail)
{
    struct fake_broker broker;
    char err[600];

    fake_broker_begin(&broker, reply, reply_size);
    snprintf(err, sizeof(err), "admin request to \"%s\" failed: %s\n", broker.path, detail);
    check_run(ARGV("healthz", "--socket", broker.path), 1, "", err);
    fake_broker_end(&broker);
}

static void set_version(Frame *frame)
{
    frame->envelope_version = 2;
}
static void set_kind(Frame *frame)
{
    frame->kind = FRAME_KIND(REQUEST);
}
static void set_lane(Frame *frame)
{
    frame->payload_protocol = 0;
}
static void set_encoding(Frame *frame)
{
    frame->payload_encoding = PAYLOAD_ENCODING(ZSTD);
}
static void set_all(Frame *frame)
{
    set_kind(frame);
    set_lane(frame);
    set_encoding(frame);
}

static void test_unexpected_frames(void)
{
    static const struct {
        void (*spoil)(Frame *);
        const char *detail;
    } rows[] = {
        {set_version, "unexpected broker response frame: envelope_version is not v1"},
        {set_kind, "unexpected broker response frame: kind is not RESPONSE"},
        {set_lane, "unexpected broker response frame: payload_protocol is not admin"},
        {set_encoding, "unexpected broker response frame: payload is compressed"},
        {set_all, "unexpected broker response frame: kind is not RESPONSE"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer buffer;

        buffer_init(&buffer, 65536);
        pack_reply(&buffer, "ok\n", 0, rows[i].spoil);
        check_failure(buffer.data, buffer.size, rows[i].detail);
        buffer_deinit(&buffer);
    }
}

static void test_broken_replies(void)
{
    static const uint8_t bad_frame[] = {1, 1, 0, 0, 0, 0xFF}, other_framing[] = {2}, too_large[] = {1, 1, 0, 0, 1};
    uint8_t bad_reply[64];
    size_t size = check_hex("01 0C 00 00 00 08 01 10 01 18 81 DA 02 22 01 FF 28 01", bad_reply, sizeof(bad_reply));

    bad_reply[1] = (uint8_t)(size - 5);
    check_failure(bad_frame, sizeof(bad_frame), "failed to decode broker response Frame: malformed message");
    check_failure(bad_reply, size, "failed to decode broker AdminReply: malformed message");
    check_failure(other_framing, 1, "failed to read the broker's reply: unsupported framing version");
    check_failure(too_large, 5, "failed to read the broker's reply: it exceeds 16 MiB");
    check_failure(bad_frame, 0, "failed to read the broker's reply: connection closed");
    check_failure(bad_frame, 3, "failed to read the broker's reply: connection closed");
}

static void test_silence(void)
{
    setenv("RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS", " 20 ", 1);
    check_failure(NULL, 0,
                  "failed to connect to broker: broker client round-trip did not complete within the deadline");
    unsetenv("RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS");
}

static void test_nobody_there(void)
{
    const char *dir = check_tmpdir();
    char err[600], path[300];

    snprintf(path, sizeof(path), "%s/none.sock", dir);
    snprintf(err, sizeof(err),
             "admin request to \"%s\" failed: failed to connect to broker: No such file or directory (os error 2)\n",
             path);
    check_run(ARGV("healthz", "--socket", path), 1, "", err);
    setenv("RUNNING_PROCESS_BROKER_V1_SOCKET", path, 1);
    check_run(ARGV("readyz"), 1, "", err);
    /* an option beats the variable */
    snprintf(
        err, sizeof(err),
        "admin request to \"/none\" failed: failed to connect to broker: No such file or directory (os error 2)\n");
    check_run(ARGV("readyz", "--socket", "/none"), 1, "", err);
    setenv("RUNNING_PROCESS_BROKER_V1_SOCKET", "", 1); /* is not set */
    setenv("XDG_RUNTIME_DIR", dir, 1);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {"status", "healthz", "shutdown"};
        struct outcome outcome;

        run(ARGV(names[i]), &outcome);
        check_int(outcome.status, 1);
        check_str(outcome.out, "");
        check(!strncmp(outcome.err, "no broker is running at ", 24));
        check(strstr(outcome.err, dir) != NULL);
        check(strstr(outcome.err, "-shared.sock\n(to start it: running-process-broker-v1 serve)\n") != NULL);
        outcome_deinit(&outcome);
    }
    snprintf(path, sizeof(path), "/%0108d", 0);
    snprintf(err, sizeof(err),
             "admin request to \"%s\" failed: failed to connect to broker: the path is 109 bytes long, Linux takes at "
             "most 107\n",
             path);
    check_run(ARGV("status", "--socket", path), 1, "", err);
}

static void test_local(void)
{
    struct outcome outcome;

    check_run(ARGV("healthz", "--local"), 0, "ok\n", "");
    check_run(ARGV("readyz", "--local"), 1, "not ready\n", "");
    check_run(ARGV("status", "--local", "--socket", "/none"), 0, "broker_instance: local\naccepting_hello: false\n",
              "");
    run(ARGV("status", "--local", "--json"), &outcome);
    check_int(outcome.status, 0);
    check(!strncmp(outcome.out,
                   "{\"accepting_hello\":false,\"backends\":[],\"broker_instance\":\"local\",\"broker_pid\":", 77));
    check(strstr(outcome.out, "\"connections_open\":0,\"fd_pressure\":{\"demoted\":false},") != NULL);
    check(strstr(outcome.out, "\"uptime_seconds\":0.0}\n") != NULL);
    outcome_deinit(&outcome);
}

static void test_deadline_option(void)
{
    check_run(ARGV("shutdown", "--deadline-ms", "0"), 2, "", "--deadline-ms must be a positive integer, got \"0\"\n");
    check_run(ARGV("shutdown", "--deadline-ms", "+"), 2, "", "--deadline-ms must be a positive integer, got \"+\"\n");
    check_run(ARGV("shutdown", "--deadline-ms", "++1"), 2, "",
              "--deadline-ms must be a positive integer, got \"++1\"\n");
    check_run(ARGV("shutdown", "--deadline-ms", "1s"), 2, "", "--deadline-ms must be a positive integer, got \"1s\"\n");
    check_run(ARGV("shutdown", "--deadline-ms", "18446744073709551616"), 2, "",
              "--deadline-ms must be a positive integer, got \"18446744073709551616\"\n");
}

/* ------------------------------------------------------------------------------------------------------------ hello */

static void pack_hello_reply(struct buffer *buffer, HelloReply *reply)
{
    Frame frame;

    envelope_response(&frame, LANE_CONTROL,
                      &(struct envelope_echo){.request_id = 1, .traceparent = "", .tracestate = ""}, (struct slice){0});
    check_int(envelope_pack_message(buffer, &frame, MESSAGE_OF(reply)), 0);
}

static void check_hello(HelloReply *reply, bool json, int status, const char *out)
{
    struct fake_broker broker;
    struct buffer buffer;
    struct arena arena;
    ProtobufCMessage *message = NULL;
    const Hello *hello;
    Frame *frame = NULL;
    size_t consumed;

    buffer_init(&buffer, 65536);
    pack_hello_reply(&buffer, reply);
    fake_broker_begin(&broker, buffer.data, buffer.size);
    check_run(ARGV("hello", "svc", "1.2.3", "--socket", broker.path, json ? "--json" : NULL), status, out, "");
    fake_broker_end(&broker);
    buffer_deinit(&buffer);

    arena_init(&arena, NULL, 0, 65536);
    check_int(envelope_try_decode(slice_from_bytes(broker.request, broker.request_size), &arena, &frame, &consumed), 0);
    check_int(envelope_check(frame, FRAME_KIND(REQUEST), LANE_CONTROL), ENVELOPE_OK);
    check_int(frame->request_id, 1);
    check_int(message_unpack(MESSAGE_HELLO, message_bytes(&frame->payload), &arena, &message), 0);
    hello = (const Hello *)message;
    check_int(hello->client_min_protocol, 1);
    check_int(hello->client_max_protocol, 1);
    check_str(hello->service_name, "svc");
    check_str(hello->wanted_version, "1.2.3");
    check_int(hello->client_capabilities, 0);
    check_int(hello->peer_pid, getpid());
    arena_deinit(&arena);
}

static void test_hello_negotiated(void)
{
    Negotiated negotiated;
    HelloReply reply;

    message_init(MESSAGE_NEGOTIATED, &negotiated);
    negotiated.negotiated_protocol = 1;
    negotiated.daemon_version = (char *)(uintptr_t) "1.2.3";
    negotiated.backend_pipe = (char *)(uintptr_t) "/run/x.sock";
    negotiated.keepalive_interval_secs = 1800;
    negotiated.connection_id = 42;
    message_init(MESSAGE_HELLO_REPLY, &reply);
    reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED;
    reply.negotiated = &negotiated;
    check_hello(&reply, false, 0, "negotiated: version 1.2.3 at /run/x.sock (connection 42)\n");
    check_hello(&reply, true, 0,
                "{\"backend_pipe\":\"/run/x.sock\",\"connection_id\":42,\"daemon_version\":\"1.2.3\","
                "\"handle_passed_token\":\"\",\"keepalive_interval_secs\":1800,\"negotiated_protocol\":1,"
                "\"result\":\"negotiated\",\"server_capabilities\":0,\"warnings\":[]}\n");
}

static void test_hello_refused(void)
{
    Refused refused;
    HelloReply reply;

    message_init(MESSAGE_REFUSED, &refused);
    refused.reason = (char *)(uintptr_t) "wanted_version is below min_version";
    refused.daemon_min_protocol = 1;
    refused.daemon_max_protocol = 1;
    refused.code = ERROR_CODE(VERSION_BLOCKED);
    refused.retry_after_ms = 30000;
    message_init(MESSAGE_HELLO_REPLY, &reply);
    reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED;
    reply.refused = &refused;
    check_hello(
        &reply, false, 1,
        "refused: wanted_version is below min_version (ERROR_VERSION_BLOCKED, code 8); try again in 30000 ms\n");
    check_hello(&reply, true, 1,
                "{\"code\":8,\"code_name\":\"ERROR_VERSION_BLOCKED\",\"daemon_max_protocol\":1,"
                "\"daemon_min_protocol\":1,\"details\":{},\"reason\":\"wanted_version is below min_version\","
                "\"result\":\"refused\",\"retry_after_ms\":30000}\n");
    refused.code = 77;
    refused.retry_after_ms = 0;
    check_hello(&reply, false, 1, "refused: wanted_version is below min_version (ERROR_UNKNOWN, code 77)\n");
}

static void write_definition(const char *dir, const char *text)
{
    char path[400];
    FILE *file;

    snprintf(path, sizeof(path), "%s/svc.txtpb", dir);
    file = fopen(path, "w");
    check_fatal(file != NULL);
    fprintf(file, "service_name: \"svc\"\nbinary_path: \"/x\"\n%s", text);
    fclose(file);
}

/* Without a named socket the definition's instance decides who is asked. */
static void test_hello_finds_the_instance(void)
{
    static const struct {
        const char *text, *leaf;
    } rows[] = {
        {"", "-svc-svc.sock\n(to start it: running-process-broker-v1 serve --instance private:svc)\n"},
        {"isolation: SHARED_BROKER\n", "-shared.sock\n(to start it: running-process-broker-v1 serve)\n"},
        {"isolation: EXPLICIT_INSTANCE explicit_instance: \"ci\"\n",
         "-inst-ci.sock\n(to start it: running-process-broker-v1 serve --instance explicit:ci)\n"},
        {"nonsense", "-shared.sock\n"},
    };
    char dir[300];

    unsetenv("RUNNING_PROCESS_BROKER_V1_SOCKET");
    setenv("XDG_RUNTIME_DIR", check_tmpdir(), 1);
    snprintf(dir, sizeof(dir), "%s", check_tmpdir());
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outcome outcome;

        write_definition(dir, rows[i].text);
        run(ARGV("hello", "svc", "1.0.0", "--service-def-dir", dir), &outcome);
        check_int(outcome.status, 1);
        if (!strcmp(rows[i].text, "nonsense")) {
            const char *warning = "warning: the shared broker is asked, since the definition of svc cannot be used: "
                                  "svc.txtpb:3:";

            check(!strncmp(outcome.err, warning, strlen(warning)));
        } else {
            check(!strncmp(outcome.err, "no broker is running at ", 24));
        }
        check(strstr(outcome.err, rows[i].leaf) != NULL);
        outcome_deinit(&outcome);
    }
    /* with a named socket nobody looks */
    check_run(ARGV("hello", "svc", "1.0.0", "--service-def-dir", dir, "--socket", "/none"), 1, "",
              "hello to \"/none\" failed: failed to connect to broker: No such file or directory (os error 2)\n");
}

/* ----------------------------------------------------------------------------------------------- endpoint and serve */

static void test_endpoint(void)
{
    static const struct {
        const char *instance, *leaf;
    } rows[] = {{"shared", "-shared.sock\n"}, {"private:svc", "-svc-svc.sock\n"}, {"explicit:ci", "-inst-ci.sock\n"}};

    setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
    for (size_t i = 0; i < 3; i++) {
        struct outcome outcome;

        run(ARGV("endpoint", "--instance", rows[i].instance), &outcome);
        check_int(outcome.status, 0);
        check(!strncmp(outcome.out, "/run/user/1000/running-process/broker/rpb-v1-", 45));
        check_str(outcome.out + 45 + 16, rows[i].leaf);
        outcome_deinit(&outcome);
    }
    check_run(ARGV("endpoint", "--instance", "private:A"), 2, "",
              "--instance must be shared, private:<service> or explicit:<name>; got \"private:A\"\n");
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    {
        struct outcome outcome;

        run(ARGV("endpoint"), &outcome);
        check_int(outcome.status, 1);
        check_str(outcome.out, "");
        check_str(outcome.err, "the socket of instance shared cannot be named: XDG_RUNTIME_DIR is a relative path; it "
                               "must be absolute\n");
        outcome_deinit(&outcome);
    }
    setenv("XDG_RUNTIME_DIR", check_tmpdir(), 1);
}

static void test_serve_usage(void)
{
    setenv("RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED", "1", 1); /* the suite may run as root */
    check_run(ARGV("--serve", "/s"), 2, "", "--service is required for --serve\n");
    check_run(ARGV("--serve", "/s", "--service", "a"), 2, "", "--version is required for --serve\n");
    check_run(ARGV("--serve", "/s", "--service", "a", "--version", "1.0.0"), 2, "",
              "--backend-endpoint is required for --serve\n");
    check_run(ARGV("--serve", "/s", "--service", "a", "--version", "1.0.0", "--backend-endpoint", "/b",
                   "--max-connections", "x"),
              2, "", "--max-connections must be a positive integer, got \"x\"\n");
    check_run(ARGV("--serve", "/s", "--service", "a", "--version", "1.0.0", "--backend-endpoint", ""), 1, "",
              "serve failed: backend endpoint must not be empty\n");
    check_run(ARGV("serve", "--max-connections", "+0"), 2, "", "--max-connections must be greater than zero\n");
    check_run(ARGV("serve", "--socket", "/s"), 2, "", "serve takes its socket without --socket: serve '/s'\n");
    check_run(ARGV("--serve-launch", "/s", "--max-connections", "0"), 2, "",
              "--max-connections must be greater than zero\n");
    check_run(ARGV("--serve-launch", "/s", "--max-connections", "-1"), 2, "",
              "--max-connections must be a positive integer, got \"-1\"\n");
    check_run(ARGV("serve", "--max-connections", ""), 2, "",
              "--max-connections must be a positive integer, got \"\"\n");
    check_run(ARGV("serve", "--backend-lifetime", "forever"), 2, "",
              "--backend-lifetime must be bound or detached; got \"forever\"\n");
    check_run(ARGV("serve", "--instance", "mine"), 2, "",
              "--instance must be shared, private:<service> or explicit:<name>; got \"mine\"\n");
    check_run(ARGV("serve", "--hello-rate-limit", "4294967296"), 2, "",
              "--hello-rate-limit must be an integer from 0 to 4294967295, got \"4294967296\"\n");
}

CHECK_PROGRAM("cli/commands", {"what is asked, byte for byte", test_requests},
              {"bodies end in a line, exit codes are relayed", test_bodies_and_exit_codes},
              {"an answer that comes before the request is out", test_an_answer_before_the_request},
              {"frames that are no answer", test_unexpected_frames},
              {"replies that do not decode", test_broken_replies}, {"a broker that says nothing", test_silence},
              {"nobody listens", test_nobody_there}, {"--local asks nobody", test_local},
              {"--deadline-ms", test_deadline_option}, {"hello negotiated", test_hello_negotiated},
              {"hello refused", test_hello_refused},
              {"hello asks the broker of the service's instance", test_hello_finds_the_instance},
              {"endpoint prints the canonical paths", test_endpoint},
              {"usage errors of the serve modes", test_serve_usage})
