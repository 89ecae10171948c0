/* SPDX-License-Identifier: MIT */

/*
 * The rules for a broker: framing refusals byte for byte, envelope, Hello, admin (spec 01 §1.4, §6, spec 05 §1-2). What
 * is expected is written here as the specification has it, not taken from our own broker. Nothing is launched here: the
 * service that is asked for has a random name that nobody defines.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3sum.h"
#include "base/cleanup.h"
#include "base/random.h"
#include "base/sys.h"
#include "cli/conform_probe.h"
#include "wire/envelope.h"

enum { MANY = 16, UNKNOWN_VERB = 17, REQUEST_ID = 77 };

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define TRACESTATE "conform=1"
#define VERSION "1.0.0"

static char *constant(const char *text)
{
    return (char *)(uintptr_t)text; /* protobuf-c has no const strings; messages are only read */
}

/* ------------------------------------------------------------------------------------------------------------ bytes */

/* What a request's answer must repeat. */
static const struct envelope_echo echo_none = {.traceparent = "", .tracestate = ""};
static const struct envelope_echo echo_full = {
    .request_id = REQUEST_ID, .traceparent = TRACEPARENT, .tracestate = TRACESTATE};

/* The framed refusal. */
static int pack_refusal(struct buffer *out, const struct envelope_echo *echo, int code, const char *reason)
{
    Refused refused;
    HelloReply reply;
    Frame frame;

    message_init(MESSAGE_REFUSED, &refused);
    refused.code = (RunningProcess__Broker__V1__ErrorCode)code;
    refused.reason = constant(reason);
    refused.daemon_min_protocol = PROTOCOL_VERSION;
    refused.daemon_max_protocol = PROTOCOL_VERSION;
    message_init(MESSAGE_HELLO_REPLY, &reply);
    reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED;
    reply.refused = &refused;
    envelope_response(&frame, LANE_CONTROL, echo, (struct slice){0});
    return envelope_pack_message(out, &frame, MESSAGE_OF(&reply));
}

static int pack_admin_reply(struct buffer *out, const char *body, uint32_t exit_code)
{
    AdminReply reply;
    Frame frame;

    message_init(MESSAGE_ADMIN_REPLY, &reply);
    reply.kind = ADMIN_REPLY_KIND(TEXT);
    reply.body = constant(body);
    reply.exit_code = exit_code;
    reply.content_type = constant("text/plain");
    envelope_response(&frame, LANE_ADMIN, &echo_full, (struct slice){0});
    return envelope_pack_message(out, &frame, MESSAGE_OF(&reply));
}

static void trace(Frame *frame)
{
    frame->request_id = REQUEST_ID;
    frame->traceparent = constant(TRACEPARENT);
    frame->tracestate = constant(TRACESTATE);
}

static void make_hello(Hello *ret, const char *service)
{
    message_init(MESSAGE_HELLO, ret);
    ret->client_min_protocol = PROTOCOL_VERSION;
    ret->client_max_protocol = PROTOCOL_VERSION;
    ret->service_name = constant(service);
    ret->wanted_version = constant(VERSION);
    ret->request_id = constant("conform");
    ret->client_lib_name = constant("running-process-conform");
}

/* A name that no definition has. */
static void make_name(char ret[64])
{
    uint8_t random[8] = {0};
    char hex[2 * sizeof(random) + 1];

    (void)random_bytes(random, sizeof(random));
    snprintf(ret, 64, "rp-conform-%s", hex_encode(random, sizeof(random), hex));
}

/* A Hello of a service that nobody defines, with a full echo. @edit (may be NULL) spoils frame or Hello. */
static int pack_hello(struct buffer *out, void (*edit)(Frame *, Hello *))
{
    char name[64];
    Frame frame;
    Hello hello;

    make_name(name);
    make_hello(&hello, name);
    envelope_request(&frame, LANE_CONTROL, (struct slice){0});
    trace(&frame);
    if (edit) {
        edit(&frame, &hello);
    }
    return envelope_pack_message(out, &frame, MESSAGE_OF(&hello));
}

/* -------------------------------------------------------------------------------------------------------- exchanges */

/* How a request is sent. */
enum manner { WHOLE, SLOWLY, THEN_END };

/* Sends @request and reads to the end of the stream. 0, or -1 with the failure noted. */
static int exchange(struct conform *conform, struct slice request, enum manner manner, struct buffer *ret_answer)
{
    _cleanup_close_ int fd = -1;

    if (conform_dial(conform, &fd)) {
        return -1;
    }
    if (manner == SLOWLY) {
        conform_trickle(fd, request.data, request.size);
    } else {
        conform_send(fd, request.data, request.size);
    }
    if (manner == THEN_END) {
        (void)sys_shutdown(fd, SHUT_WR);
    }
    if (conform_read_all(fd, nsec_add(clock_monotonic(), CONFORM_PATIENCE_NSEC), ret_answer)) {
        (void)conform_fails(conform, ret_answer->size ? "an answer came, but the connection stayed open"
                                                      : "no answer, and the connection stayed open");
        return -1;
    }
    return 0;
}

/* The refusal in @answer as words; false when it is none. */
static bool describe(struct conform *conform, const struct buffer *answer, char *ret, size_t size)
{
    ProtobufCMessage *message;
    const HelloReply *reply;
    size_t consumed;
    Frame *frame;

    if (envelope_try_decode(buffer_slice(answer), &conform->arena, &frame, &consumed) ||
        message_unpack(MESSAGE_HELLO_REPLY, message_bytes(&frame->payload), &conform->arena, &message)) {
        return false;
    }
    reply = (const HelloReply *)message;
    if (reply->result_case != RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED) {
        return false;
    }
    snprintf(ret, size, "code %d, \"%.200s\", request id %llu", (int)reply->refused->code, reply->refused->reason,
             (unsigned long long)frame->request_id);
    return true;
}

static enum conform_verdict compare(struct conform *conform, const struct buffer *answer, const struct buffer *want)
{
    char text[300];

    if (slice_equal(buffer_slice(answer), buffer_slice(want))) {
        return CONFORM_HOLDS;
    }
    if (!answer->size) {
        return conform_fails(conform, "closed without an answer");
    }
    if (describe(conform, answer, text, sizeof(text))) {
        return conform_fails(conform, "%s (%zu bytes instead of %zu)", text, answer->size, want->size);
    }
    return conform_fails(conform, "%zu other bytes instead of %zu", answer->size, want->size);
}

enum { BUFFER_MAX = 4 << 20 };

bool conform_is_broker(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer request = {.limit = BUFFER_MAX}, answer = {.limit = BUFFER_MAX};
    char text[300];

    return pack_hello(&request, NULL) == 0 && exchange(conform, buffer_slice(&request), WHOLE, &answer) == 0 &&
           describe(conform, &answer, text, sizeof(text));
}

/* @request must be answered with exactly this refusal. */
static enum conform_verdict is_refused(struct conform *conform, struct slice request, enum manner manner,
                                       const struct envelope_echo *echo, int code, const char *reason)
{
    _cleanup_(buffer_deinit) struct buffer answer = {.limit = BUFFER_MAX}, want = {.limit = BUFFER_MAX};

    if (pack_refusal(&want, echo, code, reason) < 0) {
        return conform_fails(conform, "out of memory");
    }
    return exchange(conform, request, manner, &answer) ? CONFORM_FAILS : compare(conform, &answer, &want);
}

/* The spoilt Hello must be refused so. */
static enum conform_verdict hello_is_refused(struct conform *conform, void (*edit)(Frame *, Hello *), int code,
                                             const char *reason)
{
    _cleanup_(buffer_deinit) struct buffer request = {.limit = BUFFER_MAX};

    if (pack_hello(&request, edit) < 0) {
        return conform_fails(conform, "out of memory");
    }
    return is_refused(conform, buffer_slice(&request), WHOLE, &echo_full, code, reason);
}

/* ---------------------------------------------------------------------------------------------------------- framing */

static enum conform_verdict check_framing_byte(struct conform *conform)
{
    return is_refused(conform, SLICE("\x02"), WHOLE, &echo_none, ERROR_CODE(VERSION_UNSUPPORTED),
                      "unsupported framing version");
}

static enum conform_verdict check_oversized(struct conform *conform)
{
    return is_refused(conform, SLICE("\x01\x01\x00\x00\x01"), WHOLE, &echo_none, ERROR_CODE(PEER_REJECTED),
                      "initial Hello frame exceeds 64 KiB");
}

static enum conform_verdict check_end_within_frame(struct conform *conform)
{
    static const struct slice cut[] = {{"\x01", 1}, {"\x01\x10\x00\x00", 4}, {"\x01\x10\x00\x00\x00\x08\x01", 7}};
    enum conform_verdict verdict = CONFORM_HOLDS;

    for (size_t i = 0; i < 3 && verdict == CONFORM_HOLDS; i++) {
        verdict =
            is_refused(conform, cut[i], THEN_END, &echo_none, ERROR_CODE(PEER_REJECTED), "incomplete Hello frame");
    }
    return verdict;
}

static enum conform_verdict check_undecodable(struct conform *conform)
{
    return is_refused(conform, SLICE("\x01\x04\x00\x00\x00\xff\xff\xff\xff"), WHOLE, &echo_none,
                      ERROR_CODE(PEER_REJECTED), "malformed broker Frame");
}

static enum conform_verdict check_end_without_bytes(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer answer = {.limit = BUFFER_MAX};
    char text[300];

    if (exchange(conform, (struct slice){0}, THEN_END, &answer)) {
        return CONFORM_FAILS;
    }
    if (answer.size && describe(conform, &answer, text, sizeof(text))) {
        return conform_notice(conform, "it is answered: %s", text);
    }
    return answer.size ? conform_fails(conform, "%zu bytes were answered", answer.size) : CONFORM_HOLDS;
}

static enum conform_verdict check_empty_frame(struct conform *conform)
{
    return is_refused(conform, SLICE("\x01\x00\x00\x00\x00"), WHOLE, &echo_none, ERROR_CODE(VERSION_UNSUPPORTED),
                      "frame envelope_version is not v1");
}

/* ----------------------------------------------------------------------------------------------- envelope and Hello */

static void edit_version(Frame *frame, Hello *hello)
{
    frame->envelope_version = 2;
}

static void edit_kind(Frame *frame, Hello *hello)
{
    frame->kind = FRAME_KIND(RESPONSE);
}

static void edit_lane(Frame *frame, Hello *hello)
{
    frame->payload_protocol = LANE_ZCCACHE;
}

static void edit_probe_lane(Frame *frame, Hello *hello)
{
    frame->payload_protocol = LANE_PROBE;
}

static void edit_encoding(Frame *frame, Hello *hello)
{
    frame->payload_encoding = PAYLOAD_ENCODING(ZSTD);
}

static void edit_range(Frame *frame, Hello *hello)
{
    hello->client_min_protocol = 2;
    hello->client_max_protocol = 3;
}

static void edit_name(Frame *frame, Hello *hello)
{
    hello->service_name = constant("../Upper");
}

static void edit_wanted(Frame *frame, Hello *hello)
{
    hello->wanted_version = constant("1.0");
}

static enum conform_verdict check_version(struct conform *conform)
{
    return hello_is_refused(conform, edit_version, ERROR_CODE(VERSION_UNSUPPORTED), "frame envelope_version is not v1");
}

static enum conform_verdict check_kind(struct conform *conform)
{
    return hello_is_refused(conform, edit_kind, ERROR_CODE(PEER_REJECTED), "Hello frame kind must be REQUEST");
}

static enum conform_verdict check_lane(struct conform *conform)
{
    static const char reason[] = "Hello frame payload_protocol must be control-plane";
    enum conform_verdict verdict = hello_is_refused(conform, edit_lane, ERROR_CODE(PEER_REJECTED), reason);

    return verdict == CONFORM_HOLDS ? hello_is_refused(conform, edit_probe_lane, ERROR_CODE(PEER_REJECTED), reason)
                                    : verdict;
}

static enum conform_verdict check_encoding(struct conform *conform)
{
    return hello_is_refused(conform, edit_encoding, ERROR_CODE(PEER_REJECTED), "Hello payload must not be compressed");
}

static enum conform_verdict check_payload(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer request = {.limit = BUFFER_MAX};
    Frame frame;

    envelope_request(&frame, LANE_CONTROL, SLICE("\xff"));
    trace(&frame);
    if (envelope_pack(&request, &frame) < 0) {
        return conform_fails(conform, "out of memory");
    }
    return is_refused(conform, buffer_slice(&request), WHOLE, &echo_full, ERROR_CODE(PEER_REJECTED),
                      "malformed Hello payload");
}

static enum conform_verdict check_range(struct conform *conform)
{
    return hello_is_refused(conform, edit_range, ERROR_CODE(VERSION_UNSUPPORTED),
                            "client protocol range does not include v1");
}

static enum conform_verdict check_name(struct conform *conform)
{
    return hello_is_refused(conform, edit_name, ERROR_CODE(PEER_REJECTED), "invalid service_name");
}

static enum conform_verdict check_wanted(struct conform *conform)
{
    return hello_is_refused(conform, edit_wanted, ERROR_CODE(PEER_REJECTED), "invalid wanted_version");
}

/* A Hello whose frame is a little longer than 64 KiB is read to its end and refused with its echo. */
static enum conform_verdict check_long_hello(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer request = {.limit = BUFFER_MAX};
    _cleanup_free_ char *name = calloc(1, HELLO_BODY_MAX + 1);
    Frame frame;
    Hello hello;

    if (!name) {
        return conform_fails(conform, "out of memory");
    }
    memset(name, 'a', HELLO_BODY_MAX);
    make_hello(&hello, name);
    envelope_request(&frame, LANE_CONTROL, (struct slice){0});
    trace(&frame);
    if (envelope_pack_message(&request, &frame, MESSAGE_OF(&hello)) < 0) {
        return conform_fails(conform, "out of memory");
    }
    return is_refused(conform, buffer_slice(&request), WHOLE, &echo_full, ERROR_CODE(PEER_REJECTED),
                      "initial Hello frame exceeds 64 KiB");
}

/* The answer to a Hello for a service that nobody defines: code and echo count, the words are the broker's. */
static enum conform_verdict ask_unknown(struct conform *conform, enum manner manner)
{
    _cleanup_(buffer_deinit) struct buffer request = {.limit = BUFFER_MAX}, answer = {.limit = BUFFER_MAX};
    ProtobufCMessage *message;
    const HelloReply *reply;
    size_t consumed;
    Frame *frame;

    if (pack_hello(&request, NULL) < 0) {
        return conform_fails(conform, "out of memory");
    }
    if (exchange(conform, buffer_slice(&request), manner, &answer)) {
        return CONFORM_FAILS;
    }
    if (envelope_try_decode(buffer_slice(&answer), &conform->arena, &frame, &consumed) || consumed != answer.size) {
        return conform_fails(conform, "%zu bytes were answered, not one frame", answer.size);
    }
    if (envelope_check(frame, FRAME_KIND(RESPONSE), LANE_CONTROL) != ENVELOPE_OK || frame->request_id != REQUEST_ID ||
        strcmp(frame->traceparent, TRACEPARENT) != 0 || strcmp(frame->tracestate, TRACESTATE) != 0) {
        return conform_fails(conform, "the answer is no plain response, or repeats not what was sent");
    }
    if (message_unpack(MESSAGE_HELLO_REPLY, message_bytes(&frame->payload), &conform->arena, &message)) {
        return conform_fails(conform, "the answer holds no HelloReply");
    }
    reply = (const HelloReply *)message;
    if (reply->result_case != RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED ||
        (int)reply->refused->code != (int)ERROR_CODE(SERVICE_UNKNOWN)) {
        return conform_fails(conform, "not refused with code %d", (int)ERROR_CODE(SERVICE_UNKNOWN));
    }
    return CONFORM_HOLDS;
}

static enum conform_verdict check_unknown(struct conform *conform)
{
    return ask_unknown(conform, WHOLE);
}

static enum conform_verdict check_slow(struct conform *conform)
{
    return ask_unknown(conform, SLOWLY);
}

/* ------------------------------------------------------------------------------------------------------------ admin */

static int pack_admin(struct buffer *out, int verb, bool is_good)
{
    AdminRequest request;
    Frame frame;

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    request.verb = (RunningProcess__Broker__V1__AdminVerb)verb;
    envelope_request(&frame, LANE_ADMIN, (struct slice){0});
    trace(&frame);
    frame.envelope_version = is_good ? ENVELOPE_VERSION : ENVELOPE_VERSION + 1;
    return envelope_pack_message(out, &frame, MESSAGE_OF(&request));
}

static enum conform_verdict verb_answers(struct conform *conform, int verb, const char *body, uint32_t exit_code)
{
    _cleanup_(buffer_deinit) struct buffer request = {.limit = BUFFER_MAX}, answer = {.limit = BUFFER_MAX};
    _cleanup_(buffer_deinit) struct buffer want = {.limit = BUFFER_MAX};

    if (pack_admin(&request, verb, true) < 0 || pack_admin_reply(&want, body, exit_code) < 0) {
        return conform_fails(conform, "out of memory");
    }
    return exchange(conform, buffer_slice(&request), WHOLE, &answer) ? CONFORM_FAILS : compare(conform, &answer, &want);
}

static enum conform_verdict check_healthz(struct conform *conform)
{
    return verb_answers(conform, ADMIN_VERB(HEALTHZ), "ok\n", 0);
}

static enum conform_verdict check_readyz(struct conform *conform)
{
    enum conform_verdict verdict = verb_answers(conform, ADMIN_VERB(READYZ), "ready\n", 0);

    if (verdict == CONFORM_FAILS && verb_answers(conform, ADMIN_VERB(READYZ), "not ready\n", 1) == CONFORM_HOLDS) {
        return conform_notice(conform, "not ready");
    }
    return verdict;
}

static enum conform_verdict check_unknown_verb(struct conform *conform)
{
    return verb_answers(conform, UNKNOWN_VERB, "unsupported admin verb\n", 2);
}

static enum conform_verdict check_bad_admin(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer request = {.limit = BUFFER_MAX}, answer = {.limit = BUFFER_MAX};

    if (pack_admin(&request, ADMIN_VERB(HEALTHZ), false) < 0) {
        return conform_fails(conform, "out of memory");
    }
    if (exchange(conform, buffer_slice(&request), WHOLE, &answer)) {
        return CONFORM_FAILS;
    }
    return answer.size ? conform_fails(conform, "%zu bytes were answered", answer.size) : CONFORM_HOLDS;
}

/* ----------------------------------------------------------------------------------------------------------- crowds */

static enum conform_verdict check_idle_crowd(struct conform *conform)
{
    enum conform_verdict verdict = CONFORM_HOLDS;
    int fds[MANY], n = 0;

    while (n < MANY && verdict == CONFORM_HOLDS) {
        if (conform_dial(conform, &fds[n])) {
            verdict = CONFORM_FAILS;
        } else {
            conform_send(fds[n], "\x01\x10", n % 2 ? 2 : 0);
            n++;
        }
    }
    if (verdict == CONFORM_HOLDS) {
        verdict = ask_unknown(conform, WHOLE);
    }
    while (n > 0) {
        (void)close_fd(fds[--n]);
    }
    return verdict;
}

const struct conform_rule conform_broker_rules[] = {
    {"accepts", "01 §11.7", "connections of its user are accepted", conform_check_accepts},
    {"bad-framing-byte", "01 §1.4", "another framing byte is refused, byte for byte", check_framing_byte},
    {"bad-length", "01 §1.4", "a length above 16 MiB is refused before the body", check_oversized},
    {"end-within-frame", "01 §1.4", "an end within a frame is refused", check_end_within_frame},
    {"end-without-bytes", "01 §1.4", "an end before any byte is not answered", check_end_without_bytes},
    {"bad-frame", "01 §1.4", "a body that is no Frame is refused", check_undecodable},
    {"empty-frame", "01 §1.1", "an empty frame is refused for its version", check_empty_frame},
    {"bad-version", "01 §6.2", "another envelope version is refused", check_version},
    {"bad-kind", "01 §6.2", "a frame that is no request is refused", check_kind},
    {"bad-lane", "01 §6.2", "a lane that brokers do not serve is refused", check_lane},
    {"bad-encoding", "01 §6.2", "a compressed Hello is refused", check_encoding},
    {"bad-payload", "01 §6.2", "a payload that is no Hello is refused", check_payload},
    {"bad-range", "01 §6.3", "a client without protocol 1 is refused", check_range},
    {"bad-name", "01 §6.3", "a name that is none is refused", check_name},
    {"bad-wanted", "01 §6.3", "a version that is none is refused", check_wanted},
    {"long-hello", "01 §11.3", "a Hello of more than 64 KiB is refused with its echo", check_long_hello},
    {"unknown-service", "01 §6.5", "a service that nobody defines is refused with code 2", check_unknown},
    {"hello-bytewise", "01 §1.3", "a Hello that comes byte by byte is answered", check_slow},
    {"negotiated", "01 §6", "a service is negotiated, and its backend can be reached", conform_check_service},
    {"healthz", "05 §2", "healthz says ok", check_healthz},
    {"readyz", "05 §2", "readyz says ready", check_readyz},
    {"unknown-verb", "05 §2", "an unknown admin verb gets exit code 2", check_unknown_verb},
    {"bad-admin", "05 §1.3", "a faulty admin frame is closed without an answer", check_bad_admin},
    {"idle-crowd", "01 §11.7", "16 silent connections do not stop a Hello", check_idle_crowd},
    {0},
};
