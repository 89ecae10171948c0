/* SPDX-License-Identifier: MIT */

/* Envelope: order of checks, constructors, the writer's limit, and the incremental decoder. */

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "check.h"
#include "samples.h"
#include "wire/envelope.h"

static struct arena arena;
static struct buffer buffer;
static alignas(16) uint8_t block[MESSAGE_ARENA_BLOCK];

static void test_order_of_checks(void)
{
    static const struct {
        uint32_t version;
        int kind;
        uint32_t lane;
        int encoding;
        enum envelope_fault fault;
    } rows[] = {
        {1, 0, LANE_ADMIN, 0, ENVELOPE_OK},
        {0, 0, LANE_ADMIN, 0, ENVELOPE_BAD_VERSION},
        {2, 1, LANE_PROBE, 1, ENVELOPE_BAD_VERSION},
        {UINT32_MAX, 0, LANE_PROBE, 0, ENVELOPE_BAD_VERSION},
        {1, 1, LANE_PROBE, 1, ENVELOPE_BAD_KIND},
        {1, 99, LANE_ADMIN, 0, ENVELOPE_BAD_KIND},
        {1, -1, LANE_ADMIN, 0, ENVELOPE_BAD_KIND},
        {1, 0, LANE_PROBE, 1, ENVELOPE_BAD_LANE},
        {1, 0, LANE_ADMIN | 0x10000, 0, ENVELOPE_BAD_LANE},
        {1, 0, LANE_ADMIN, 1, ENVELOPE_BAD_ENCODING},
        {1, 0, LANE_ADMIN, 77, ENVELOPE_BAD_ENCODING},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Frame frame;

        message_init(MESSAGE_FRAME, &frame);
        frame.envelope_version = rows[i].version;
        frame.kind = (RunningProcess__Broker__V1__FrameKind)rows[i].kind;
        frame.payload_protocol = rows[i].lane;
        frame.payload_encoding = (RunningProcess__Broker__V1__PayloadEncoding)rows[i].encoding;
        check_int(envelope_check(&frame, FRAME_KIND(REQUEST), LANE_ADMIN), rows[i].fault);
    }
}

static void test_constructors(void)
{
    struct envelope_echo echo;
    Frame request, response;
    Endpoint endpoint;
    char trace[] = "00-x", state[] = "rp=1";

    envelope_request(&request, LANE_PROBE, SLICE("nonce"));
    check_int(envelope_check(&request, FRAME_KIND(REQUEST), LANE_PROBE), ENVELOPE_OK);
    check_int(request.request_id, 0);
    check_str(request.traceparent, "");
    check_int(request.payload.len, 5);

    request.request_id = 77;
    request.traceparent = trace;
    request.tracestate = state;
    request.deadline_unix_ms = 5;
    envelope_response_to(&response, &request, SLICE("answer"));
    check_int(envelope_check(&response, FRAME_KIND(RESPONSE), LANE_PROBE), ENVELOPE_OK);
    check_int(response.request_id, 77);
    check_str(response.traceparent, trace);
    check_str(response.tracestate, state);
    check_int(response.deadline_unix_ms, 0);
    check_int(response.payload.len, 6);

    echo = envelope_echo(&request); /* the Hello side answers on its own lane whatever the request's was */
    envelope_response(&response, LANE_CONTROL, &echo, (struct slice){0});
    check_int(envelope_check(&response, FRAME_KIND(RESPONSE), LANE_CONTROL), ENVELOPE_OK);
    check_int(response.request_id, 77);
    check_str(response.traceparent, trace);
    echo = envelope_echo(NULL);
    check_int(echo.request_id, 0);
    check_str(echo.traceparent, "");
    check_str(echo.tracestate, "");

    check(envelope_endpoint_unix(&endpoint, "shared", "/tmp/b.sock"));
    check_str(endpoint.namespace_id, "shared");
    check_str(endpoint.path, "/tmp/b.sock");
    check(!envelope_endpoint_unix(&endpoint, "shared", ""));
    check_str(endpoint.path, "/tmp/b.sock");
}

static void test_lanes(void)
{
    static const uint32_t own[] = {0x0000, 0xAD01, 0xB232, 0xD0FF};
    unsigned int n_first_party = 0;

    for (uint32_t id = 0; id <= 0x10000; id++) {
        n_first_party += LANE_IS_FIRST_PARTY(id);
        check_int(LANE_IS_CONSUMER(id) + LANE_IS_PRIVATE(id) + LANE_IS_FIRST_PARTY(id) <= 1, 1);
    }
    check_int(n_first_party, 4);
    for (size_t i = 0; i < 4; i++) {
        check(LANE_IS_FIRST_PARTY(own[i]));
    }
    check(!LANE_IS_FIRST_PARTY(LANE_SESSION_NEXT));
    check(LANE_IS_CONSUMER(0x7000u) && LANE_IS_CONSUMER(0x7effu));
    check(!LANE_IS_CONSUMER(0x6fffu) && !LANE_IS_CONSUMER(0x7f00u));
    check(LANE_IS_PRIVATE(0xf000u) && LANE_IS_PRIVATE(0xffffu));
    check(!LANE_IS_PRIVATE(0xefffu) && !LANE_IS_PRIVATE(0x10000u));
}

/* Size of the payload that makes a frame's body exactly @body bytes: version and payload only. */
static size_t payload_for(size_t body)
{
    return body - 2 - 1 - 4;
}

static void test_writer_limit(void)
{
    size_t most = payload_for(FRAME_BODY_MAX);
    char *payload = calloc(1, most + 1);
    AdminReply reply;
    Frame frame;

    check_fatal(payload != NULL);
    buffer_init(&buffer, 2 * (size_t)FRAME_BODY_MAX);
    check_int(buffer_append(&buffer, "before", 6), 0);
    envelope_request(&frame, LANE_CONTROL, (struct slice){payload, most + 1});
    check_int(envelope_pack(&buffer, &frame), -EMSGSIZE);
    check_int(buffer.size, 6);
    envelope_request(&frame, LANE_CONTROL, (struct slice){payload, most});
    check_int(envelope_pack(&buffer, &frame), 0);
    check_int(buffer.size, 6 + 5 + FRAME_BODY_MAX);
    check_mem(buffer.data, "before\x01\x00\x00\x00\x01", 11);

    buffer_clear(&buffer); /* the other writer has the same limit; the body of AdminReply costs 5 bytes more */
    memset(payload, 'x', most);
    payload[most - 5] = '\0';
    message_init(MESSAGE_ADMIN_REPLY, &reply);
    reply.body = payload;
    check_int(envelope_pack_message(&buffer, &frame, MESSAGE_OF(&reply)), 0);
    check_int(buffer.size, 5 + FRAME_BODY_MAX);
    buffer_clear(&buffer);
    payload[most - 5] = 'x';
    payload[most - 4] = '\0';
    check_int(envelope_pack_message(&buffer, &frame, MESSAGE_OF(&reply)), -EMSGSIZE);
    check_int(buffer.size, 0);
    buffer_deinit(&buffer);
    free(payload);
}

static void test_buffer_limit(void)
{
    struct sample in = sample_read("hello-minimal");
    AdminReply reply;
    Frame frame;

    envelope_request(&frame, LANE_CONTROL, SLICE("payload"));
    message_init(MESSAGE_ADMIN_REPLY, &reply);
    reply.exit_code = 300;
    for (size_t limit = 0; limit < 16; limit++) { /* the frame is 5 + 2 + 9 bytes, the other 5 + 2 + 5 */
        buffer_init(&buffer, limit);
        check_int(envelope_pack(&buffer, &frame), -ENOBUFS);
        check_int(buffer.size, 0);
        check_int(envelope_pack_message(&buffer, &frame, MESSAGE_OF(&reply)), limit < 12 ? -ENOBUFS : 0);
        check_int(buffer.size, limit < 12 ? 0 : 12);
        buffer_deinit(&buffer);
    }
    buffer_init(&buffer, 16);
    check_int(envelope_pack(&buffer, &frame), 0);
    buffer_deinit(&buffer);
    check_int(in.size, 33);
}

static void test_parts(void)
{
    static const uint8_t want[] = {1, 14, 0, 0, 0, 8, 1, 0x10, 1, 0x22, 6, 'h', 'e', 0x18, 5, 't', 'a', 0x28, 9};
    struct envelope_echo echo = envelope_echo(NULL);
    AdminReply reply;
    Frame frame;

    message_init(MESSAGE_ADMIN_REPLY, &reply);
    buffer_init(&buffer, 1024);
    echo.request_id = 9;
    envelope_response(&frame, LANE_CONTROL, &echo, SLICE("ignored"));
    check_int(envelope_pack_message(&buffer, &frame, MESSAGE_OF(&reply)), 0); /* empty payload: field absent */
    check_int(buffer.size, 5 + 6);
    check_mem(buffer.data, "\x01\x06\x00\x00\x00\x08\x01\x10\x01\x28\x09", 11);
    buffer_clear(&buffer);
    reply.exit_code = 5;
    check_int(envelope_pack_parts(
                  &buffer, &frame,
                  &(struct envelope_payload){.head = SLICE("he"), .message = MESSAGE_OF(&reply), .tail = SLICE("ta")}),
              0);
    check_int(buffer.size, sizeof(want));
    check_mem(buffer.data, want, sizeof(want));
    buffer_deinit(&buffer);
}

static int try_decode(const void *bytes, size_t size)
{
    Frame *frame = NULL;
    size_t consumed = 0;
    int r;

    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    r = envelope_try_decode((struct slice){bytes, size}, &arena, &frame, &consumed);
    check_int(r == 0, frame != NULL);
    check(consumed <= size);
    arena_deinit(&arena);
    return r;
}

static void test_try_decode(void)
{
    check_int(try_decode("", 0), ENVELOPE_E_MORE);
    check_int(try_decode(NULL, 0), ENVELOPE_E_MORE);
    check_int(try_decode("\x02", 1), ENVELOPE_E_VERSION);
    check_int(try_decode("\x00\x01\x01\x01\x01", 5), ENVELOPE_E_VERSION);
    check_int(try_decode("\x01\x00\x00\x00", 4), ENVELOPE_E_MORE);
    check_int(try_decode("\x01\x00\x00\x00\x00", 5), 0);
    check_int(try_decode("\x01\x00\x00\x00\x01", 5), ENVELOPE_E_MORE);      /* exactly the cap */
    check_int(try_decode("\x01\x01\x00\x00\x01", 5), ENVELOPE_E_TOO_LARGE); /* one more */
    check_int(try_decode("\x01\xff\xff\xff\xff", 5), ENVELOPE_E_TOO_LARGE);
    check_int(try_decode("\x01\x02\x00\x00\x00\x08", 6), ENVELOPE_E_MORE);
    check_int(try_decode("\x01\x02\x00\x00\x00\x0a\x00", 7), ENVELOPE_E_MALFORMED);
    check_int(try_decode("\x01\x02\x00\x00\x00\x08\x01", 7), 0);
    check_int(try_decode("\x01\x02\x00\x00\x00\x08\x01\x02", 8), 0); /* what follows is the next call's */
}

static void test_three_frames_back_to_back(void)
{
    static const char *names[] = {"hello-minimal", "admin-healthz-request", "probe-request"};
    static const uint64_t ids[] = {1, 1, UINT64_C(0x0706050403020100)};
    uint8_t bytes[512];
    size_t size = 0, at = 0;

    for (size_t i = 0; i < 3; i++) {
        struct sample in = sample_read(names[i]);

        memcpy(bytes + size, in.bytes, in.size);
        size += in.size;
    }
    for (size_t i = 0; i < 3; i++) {
        Frame *frame = NULL;
        size_t consumed = 0;

        arena_init(&arena, block, sizeof(block), SIZE_MAX);
        check_int(envelope_try_decode((struct slice){(const char *)bytes + at, size - at}, &arena, &frame, &consumed),
                  0);
        check_fatal(frame != NULL);
        check(frame->request_id == ids[i]);
        at += consumed;
        arena_deinit(&arena);
    }
    check_int(at, size);
}

static void test_out_of_memory(void)
{
    struct sample in = sample_read("hello-minimal");
    Frame *frame = NULL;
    size_t consumed;

    arena_init(&arena, NULL, 0, 10);
    check_int(envelope_try_decode(sample_slice(&in), &arena, &frame, &consumed), -ENOMEM);
    check(frame == NULL);
    arena_deinit(&arena);
}

CHECK_PROGRAM("wire/envelope", {"faults are found in the order version, kind, lane, encoding", test_order_of_checks},
              {"constructors fill what they say", test_constructors}, {"lanes and their ranges", test_lanes},
              {"a body of 16 MiB is written, one byte more is not", test_writer_limit},
              {"a full buffer is left as it was", test_buffer_limit}, {"payloads in parts", test_parts},
              {"incremental decoder", test_try_decode}, {"three frames back to back", test_three_frames_back_to_back},
              {"no memory", test_out_of_memory})
