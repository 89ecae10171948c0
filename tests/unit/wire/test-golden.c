/* SPDX-License-Identifier: MIT */

/*
 * Frozen bytes, both ways: from values written down here to exactly these bytes, and from the bytes back to the values.
 * The files were made by other encoders than ours.
 */

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>

#include "base/buffer.h"
#include "check.h"
#include "samples.h"
#include "wire/envelope.h"
#include "wire/message.h"

static struct arena arena;
static struct buffer buffer;
static alignas(16) uint8_t block[MESSAGE_ARENA_BLOCK];
static uint8_t token[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static char *text(const char *literal)
{
    union {
        const char *given;
        char *stored;
    } data = {.given = literal};

    return data.stored;
}

static ProtobufCBinaryData bytes_of(uint8_t *data, size_t size)
{
    return (ProtobufCBinaryData){.data = data, .len = size};
}

static void start(void)
{
    arena_deinit(&arena);
    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    buffer_deinit(&buffer);
    buffer_init(&buffer, 1 << 20);
}

static void stop(void)
{
    arena_deinit(&arena);
    buffer_deinit(&buffer);
}

static void check_packed(const char *name)
{
    struct sample want = sample_read(name);

    if (buffer.size != want.size || memcmp(buffer.data, want.bytes, want.size) != 0) {
        printf("%s differs\n", name);
    }
    check_int(buffer.size, want.size);
    check_fatal(buffer.size == want.size);
    check_mem(buffer.data, want.bytes, want.size);
}

/* A frame around @payload, as the golden file @name. Both ways of packing must agree. */
static void check_frame(const char *name, Frame *frame, const ProtobufCMessage *payload)
{
    uint8_t packed[512];

    start();
    check_int(envelope_pack_message(&buffer, frame, payload), 0);
    check_packed(name);
    buffer_clear(&buffer);
    check_fatal(message_size(payload) <= sizeof(packed));
    frame->payload = bytes_of(packed, message_pack(payload, packed));
    check_int(envelope_pack(&buffer, frame), 0);
    check_packed(name);
    stop();
}

static void check_message(const char *name, const ProtobufCMessage *message)
{
    struct sample want = sample_read(name);
    uint8_t packed[512];

    check_int(message_size(message), want.size);
    check_fatal(message_size(message) == want.size);
    check_int(message_pack(message, packed), want.size);
    check_mem(packed, want.bytes, want.size);
}

static Hello hello_of_zccache(void)
{
    Hello hello;

    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = 1;
    hello.client_max_protocol = 1;
    hello.service_name = text("zccache");
    hello.wanted_version = text("1.11.20");
    return hello;
}

static void test_hello(void)
{
    Hello hello = hello_of_zccache();
    Frame frame;

    envelope_request(&frame, LANE_CONTROL, (struct slice){0});
    frame.request_id = 1;
    check_frame("hello-minimal", &frame, MESSAGE_OF(&hello));
    hello.client_capabilities = CAPABILITY_HANDLE_PASSING;
    hello.request_id = text("hello");
    hello.peer_pid = 4242;
    hello.client_lib_name = text("running-process");
    hello.client_lib_version = text("4.10.6");
    check_frame("hello-stock-client", &frame, MESSAGE_OF(&hello));
}

static void reply_frame(Frame *frame, uint64_t request_id)
{
    struct envelope_echo echo = envelope_echo(NULL);

    echo.request_id = request_id;
    envelope_response(frame, LANE_CONTROL, &echo, (struct slice){0});
}

static void test_negotiated(void)
{
    Negotiated negotiated;
    HelloReply reply;
    Frame frame;

    message_init(MESSAGE_NEGOTIATED, &negotiated);
    negotiated.negotiated_protocol = PROTOCOL_VERSION;
    negotiated.daemon_version = text("1.11.20");
    negotiated.backend_pipe = text("/tmp/b.sock");
    negotiated.keepalive_interval_secs = 1800;
    negotiated.connection_id = 1;
    message_init(MESSAGE_HELLO_REPLY, &reply);
    reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED;
    reply.negotiated = &negotiated;
    reply_frame(&frame, 1);
    check_frame("negotiated", &frame, MESSAGE_OF(&reply));
    negotiated.server_capabilities = CAPABILITY_HANDLE_PASSING;
    negotiated.handle_passed_token = bytes_of(token, sizeof(token));
    check_frame("negotiated-token", &frame, MESSAGE_OF(&reply));
}

static void check_refusal(const char *name, const char *reason, int code, uint64_t retry_after_ms, uint64_t request_id)
{
    Refused refused;
    HelloReply reply;
    Frame frame;

    message_init(MESSAGE_REFUSED, &refused);
    refused.reason = text(reason);
    refused.daemon_min_protocol = PROTOCOL_VERSION;
    refused.daemon_max_protocol = PROTOCOL_VERSION;
    refused.code = (RunningProcess__Broker__V1__ErrorCode)code;
    refused.retry_after_ms = retry_after_ms;
    message_init(MESSAGE_HELLO_REPLY, &reply);
    reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED;
    reply.refused = &refused;
    reply_frame(&frame, request_id);
    check_frame(name, &frame, MESSAGE_OF(&reply));
}

static void test_refused(void)
{
    check_refusal("refused-service-unknown", "service definition was not found", ERROR_CODE(SERVICE_UNKNOWN), 0, 1);
    check_refusal("refused-below-floor", "wanted_version is below min_version", ERROR_CODE(VERSION_BLOCKED), 30000, 1);
    check_refusal("refused-rate-limited", "Hello rate limit exceeded", ERROR_CODE(RATE_LIMITED), 731, 1);
    check_refusal("refused-fd-pressure", "broker is low on file descriptors; retry shortly", ERROR_CODE(FD_PRESSURE),
                  1000, 41);
    check_refusal("refused-framing-version", "unsupported framing version", ERROR_CODE(VERSION_UNSUPPORTED), 0, 0);
    check_refusal("refused-envelope-version", "frame envelope_version is not v1", ERROR_CODE(VERSION_UNSUPPORTED), 0,
                  0);
}

static void check_admin_request(const char *name, int verb, bool json, uint64_t drain_ms)
{
    AdminRequest request;
    Frame frame;

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    request.verb = (RunningProcess__Broker__V1__AdminVerb)verb;
    request.json = json;
    request.drain_deadline_ms = drain_ms;
    envelope_request(&frame, LANE_ADMIN, (struct slice){0});
    frame.request_id = 1;
    check_frame(name, &frame, MESSAGE_OF(&request));
}

static void check_admin_reply(const char *name, const char *body, uint32_t exit_code)
{
    AdminReply reply;
    Frame request, frame;

    message_init(MESSAGE_ADMIN_REPLY, &reply);
    reply.body = text(body);
    reply.exit_code = exit_code;
    reply.content_type = text("text/plain");
    envelope_request(&request, LANE_ADMIN, (struct slice){0});
    request.request_id = 1;
    envelope_response_to(&frame, &request, (struct slice){0});
    check_frame(name, &frame, MESSAGE_OF(&reply));
}

static void test_admin(void)
{
    check_admin_request("admin-healthz-request", ADMIN_VERB(HEALTHZ), false, 0);
    check_admin_request("admin-status-json-request", ADMIN_VERB(STATUS), true, 0);
    check_admin_request("admin-shutdown-request", ADMIN_VERB(SHUTDOWN), false, 5000);
    check_admin_reply("admin-healthz-reply", "ok\n", 0);
    check_admin_reply("admin-readyz-reply-not-ready", "not ready\n", 1);
    check_admin_reply("admin-unknown-verb-reply", "unsupported admin verb\n", 2);
    check_admin_reply("admin-shutdown-reply", "broker shutting down\n", 0);
}

static void test_handoff(void)
{
    uint8_t other[16];
    HandoffOffer offer;
    HandoffAck ack;
    Frame frame;

    message_init(MESSAGE_HANDOFF_ACK, &ack);
    ack.token = bytes_of(token, sizeof(token));
    ack.accepted = true;
    ack.correlation_id = 1;
    envelope_request(&frame, LANE_HANDOFF, (struct slice){0});
    frame.kind = FRAME_KIND(EVENT);
    frame.request_id = 1;
    check_frame("handoff-ready-event", &frame, MESSAGE_OF(&ack));
    ack.error_detail = text("ok");
    ack.correlation_id = 7;
    check_message("message-handoff-ack", MESSAGE_OF(&ack));

    message_init(MESSAGE_HANDOFF_OFFER, &offer);
    offer.handle_value = 0xbec;
    offer.token = bytes_of(token, sizeof(token));
    offer.service_name = text("build-cache");
    offer.correlation_id = 7;
    check_message("message-handoff-offer", MESSAGE_OF(&offer));

    for (unsigned int i = 0; i < sizeof(other); i++) {
        other[i] = (uint8_t)(0xa0 + i);
    }
    message_init(MESSAGE_HANDOFF_OFFER, &offer);
    offer.token = bytes_of(other, sizeof(other));
    offer.service_name = text("zccache");
    offer.correlation_id = 300;
    offer.ctl_flags = 3;
    envelope_request(&frame, LANE_HANDOFF, (struct slice){0});
    frame.request_id = 300;
    check_frame("handoff-offer-flags", &frame, MESSAGE_OF(&offer));
    message_init(MESSAGE_HANDOFF_ACK, &ack);
    ack.token = bytes_of(other, sizeof(other));
    ack.accepted = true;
    ack.correlation_id = 300;
    ack.ctl_flags = 3;
    ack.credits = 16;
    frame.kind = FRAME_KIND(RESPONSE);
    check_frame("handoff-ack-credits", &frame, MESSAGE_OF(&ack));
}

static void test_offer_with_explicit_zero(void)
{
    struct sample in = sample_read("handoff-offer-linux");
    ProtobufCMessage *message;
    Frame *frame = NULL;
    const HandoffOffer *offer;
    size_t consumed;

    start();
    check_int(envelope_try_decode(sample_slice(&in), &arena, &frame, &consumed), 0);
    check_fatal(frame != NULL);
    check_int(message_unpack(MESSAGE_HANDOFF_OFFER, message_bytes(&frame->payload), &arena, &message), 0);
    offer = (const HandoffOffer *)message;
    check_int(offer->handle_value, 0);
    check_int(offer->token.len, 16);
    check_mem(offer->token.data, token, 16);
    check_str(offer->service_name, "zccache");
    check_int(offer->correlation_id, 1);
    stop();
}

static void test_frame_with_every_field(void)
{
    uint8_t payload[] = {0xde, 0xad, 0xbe, 0xef};
    Frame frame;

    message_init(MESSAGE_FRAME, &frame);
    frame.envelope_version = 1;
    frame.kind = FRAME_KIND(RESPONSE);
    frame.payload_protocol = LANE_ADMIN;
    frame.payload = bytes_of(payload, sizeof(payload));
    frame.request_id = 42;
    frame.payload_encoding = PAYLOAD_ENCODING(ZSTD);
    frame.deadline_unix_ms = 1700000000000;
    frame.traceparent = text("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    frame.tracestate = text("rp=1");
    check_message("message-frame", MESSAGE_OF(&frame));
}

static void test_hello_with_every_field(void)
{
    uint8_t auth[] = {1, 2, 3}, nonce[] = {0xaa, 0xbb}, capability[] = {0xcc};
    struct sample want = sample_read("message-hello");
    Frame frame;
    Hello hello;

    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = 1;
    hello.client_max_protocol = 3;
    hello.service_name = text("build-cache");
    hello.wanted_version = text("1.2.3-rc.1");
    hello.client_version = text("3.0.15");
    hello.client_capabilities = UINT64_C(0x8000000000000001);
    hello.auth_token = bytes_of(auth, sizeof(auth));
    hello.request_id = text("req-0001");
    hello.peer_pid = 4242;
    hello.client_lib_name = text("running-process");
    hello.client_lib_version = text("3.0.15");
    hello.peer_attestation_nonce = bytes_of(nonce, sizeof(nonce));
    hello.capability_token = bytes_of(capability, sizeof(capability));
    hello.client_keepalive_secs = 30;
    check_message("message-hello", MESSAGE_OF(&hello));

    start(); /* what a header in front of these 100 bytes looks like */
    message_init(MESSAGE_FRAME, &frame);
    frame.payload = bytes_of(want.bytes, 98);
    check_int(envelope_pack(&buffer, &frame), 0);
    check_mem(buffer.data, "\x01\x64\x00\x00\x00", 5);
    stop();
}

static void test_replies_with_every_field(void)
{
    RunningProcess__Broker__V1__Refused__DetailsEntry entry, *entries[] = {&entry};
    uint8_t short_token[] = {0x10, 0x20, 0x30};
    char *warnings[] = {text("w1"), text("w2")};
    Negotiated negotiated;
    HelloReply reply;
    Refused refused;

    message_init(MESSAGE_NEGOTIATED, &negotiated);
    negotiated.negotiated_protocol = 2;
    negotiated.daemon_version = text("3.0.15");
    negotiated.backend_pipe = text("rp-backend-7");
    negotiated.warnings = warnings;
    negotiated.n_warnings = 2;
    negotiated.server_capabilities = UINT64_C(0x8000000000000001);
    negotiated.keepalive_interval_secs = 60;
    negotiated.handle_passed_token = bytes_of(short_token, sizeof(short_token));
    negotiated.connection_id = 99;
    check_message("message-negotiated", MESSAGE_OF(&negotiated));
    message_init(MESSAGE_HELLO_REPLY, &reply);
    reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED;
    reply.negotiated = &negotiated;
    check_message("message-hello-reply", MESSAGE_OF(&reply));

    running_process__broker__v1__refused__details_entry__init(&entry);
    entry.key = text("floor");
    entry.value = text("2");
    message_init(MESSAGE_REFUSED, &refused);
    refused.reason = text("version below floor");
    refused.daemon_min_protocol = 2;
    refused.daemon_max_protocol = 3;
    refused.code = ERROR_CODE(VERSION_BLOCKED);
    refused.details = entries;
    refused.n_details = 1;
    refused.retry_after_ms = 1500;
    check_message("message-refused", MESSAGE_OF(&refused));
}

/* Every framed file comes back out of the decoder as it went in, and each of its prefixes asks for more. */
static void check_frame_round_trip(const char *name, enum message_type payload_type, bool canonical)
{
    struct sample in = sample_read(name);
    ProtobufCMessage *payload = NULL;
    Frame *frame = NULL;
    size_t consumed = 0;

    for (size_t n = 0; n < in.size; n++) {
        start();
        check_int(envelope_try_decode((struct slice){(const char *)in.bytes, n}, &arena, &frame, &consumed),
                  ENVELOPE_E_MORE);
    }
    start();
    check_int(envelope_try_decode(sample_slice(&in), &arena, &frame, &consumed), 0);
    check_fatal(frame != NULL);
    check_int(consumed, in.size);
    check_int(envelope_pack(&buffer, frame), 0);
    check_packed(name);
    buffer_clear(&buffer);
    check_int(message_unpack(payload_type, message_bytes(&frame->payload), &arena, &payload), 0);
    check_fatal(payload != NULL);
    if (canonical) {
        check_int(envelope_pack_message(&buffer, frame, payload), 0);
        check_packed(name);
    }
    stop();
}

static void test_frames_round_trip(void)
{
    static const struct {
        const char *name;
        enum message_type payload;
    } rows[] = {
        {"hello-minimal", MESSAGE_HELLO},
        {"hello-stock-client", MESSAGE_HELLO},
        {"negotiated", MESSAGE_HELLO_REPLY},
        {"negotiated-token", MESSAGE_HELLO_REPLY},
        {"refused-service-unknown", MESSAGE_HELLO_REPLY},
        {"refused-below-floor", MESSAGE_HELLO_REPLY},
        {"refused-rate-limited", MESSAGE_HELLO_REPLY},
        {"refused-fd-pressure", MESSAGE_HELLO_REPLY},
        {"refused-framing-version", MESSAGE_HELLO_REPLY},
        {"refused-envelope-version", MESSAGE_HELLO_REPLY},
        {"admin-healthz-request", MESSAGE_ADMIN_REQUEST},
        {"admin-healthz-reply", MESSAGE_ADMIN_REPLY},
        {"admin-readyz-reply-not-ready", MESSAGE_ADMIN_REPLY},
        {"admin-unknown-verb-reply", MESSAGE_ADMIN_REPLY},
        {"admin-status-json-request", MESSAGE_ADMIN_REQUEST},
        {"admin-shutdown-request", MESSAGE_ADMIN_REQUEST},
        {"admin-shutdown-reply", MESSAGE_ADMIN_REPLY},
        {"handoff-ready-event", MESSAGE_HANDOFF_ACK},
        {"handoff-offer-flags", MESSAGE_HANDOFF_OFFER},
        {"handoff-ack-credits", MESSAGE_HANDOFF_ACK},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_frame_round_trip(rows[i].name, rows[i].payload, true);
    }
    check_frame_round_trip("handoff-offer-linux", MESSAGE_HANDOFF_OFFER, false);
}

static void test_messages_round_trip(void)
{
    for (size_t i = 0; i < SAMPLE_MESSAGES; i++) {
        struct sample in = sample_read(sample_messages[i].name);
        ProtobufCMessage *message = NULL;

        start();
        check_int(message_unpack(sample_messages[i].type, sample_slice(&in), &arena, &message), 0);
        check_fatal(message != NULL);
        check_message(sample_messages[i].name, message);
        stop();
    }
}

CHECK_PROGRAM("wire/golden", {"Hello", test_hello}, {"Negotiated, with and without a token", test_negotiated},
              {"Refused, six of them", test_refused}, {"admin requests and replies", test_admin},
              {"handoff frames", test_handoff}, {"an offer that spells out its zero", test_offer_with_explicit_zero},
              {"Frame with every field", test_frame_with_every_field},
              {"Hello with every field", test_hello_with_every_field},
              {"replies with every field", test_replies_with_every_field},
              {"all frames there and back, every prefix incomplete", test_frames_round_trip},
              {"all messages there and back", test_messages_round_trip})
