/* SPDX-License-Identifier: MIT */

/* The identity probe: frozen bytes of both directions, every check in its order, and what is never looked at. */

#include <errno.h>
#include <stdalign.h>

#include "base/buffer.h"
#include "check.h"
#include "samples.h"
#include "wire/probe.h"

static struct arena arena;
static struct buffer buffer;
static alignas(16) uint8_t block[MESSAGE_ARENA_BLOCK];
static uint8_t nonce[PROBE_NONCE_SIZE], hash[PROBE_HASH_SIZE], sha256[PROBE_HASH_SIZE];
static char exe_path[] = "/opt/toy/1.0.0/toyd", boot_id[] = "3f1c2a4e-7b5d-4c8e-9a1b-0d2e4f6a8c10",
            algorithm[] = "blake3";
static Endpoint endpoint;

static DaemonProcess toyd(void)
{
    DaemonProcess identity;

    for (unsigned int i = 0; i < PROBE_NONCE_SIZE; i++) {
        nonce[i] = (uint8_t)i;
    }
    memset(hash, 0x11, sizeof(hash));
    memset(sha256, 0x22, sizeof(sha256));
    envelope_endpoint_unix(&endpoint, "shared", "/tmp/t.sock");
    message_init(MESSAGE_DAEMON_PROCESS, &identity);
    identity.pid = 4242;
    identity.exe_path = exe_path;
    identity.ipc_endpoint = &endpoint;
    identity.started_at_unix_ms = 1700000000000;
    identity.boot_id = boot_id;
    identity.idle_timeout_case = RUNNING_PROCESS__BROKER__V1__DAEMON_PROCESS__IDLE_TIMEOUT_IDLE_TIMEOUT_SECS;
    identity.idle_timeout_secs = 30;
    identity.exe_hash_algorithm = algorithm;
    identity.exe_hash = (ProtobufCBinaryData){.data = hash, .len = sizeof(hash)};
    return identity;
}

/* The request of toyd's prober, decoded. */
static Frame *request(void)
{
    struct sample in = sample_read("probe-request");
    ProtobufCMessage *message = NULL;

    toyd();
    arena_deinit(&arena);
    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    check_int(message_unpack(MESSAGE_FRAME, sample_body(&in), &arena, &message), 0);
    check_fatal(message != NULL);
    return (Frame *)message;
}

static void test_request_bytes(void)
{
    struct sample want = sample_read("probe-request");

    toyd();
    check(probe_request_id(nonce) == UINT64_C(0x0706050403020100));
    buffer_init(&buffer, 1024);
    check_int(probe_pack_request(&buffer, nonce), 0);
    check_int(buffer.size, want.size);
    check_mem(buffer.data, want.bytes, want.size);
    buffer_deinit(&buffer);
    buffer_init(&buffer, 54);
    check_int(probe_pack_request(&buffer, nonce), -ENOBUFS);
    buffer_deinit(&buffer);
}

static void test_reply_bytes(void)
{
    struct sample want = sample_read("probe-reply");
    DaemonProcess identity = toyd();
    const uint8_t *asked = NULL;
    Frame *frame = request();

    check_int(probe_check_request(frame, &asked), PROBE_OK);
    check_mem(asked, nonce, PROBE_NONCE_SIZE);
    buffer_init(&buffer, 1024);
    check_int(probe_pack_reply(&buffer, frame, &identity, sha256), 0);
    check_int(buffer.size, want.size);
    check_mem(buffer.data, want.bytes, want.size);
    buffer_clear(&buffer);
    check_int(probe_pack_reply(&buffer, frame, &identity, NULL), 0); /* zeros in place of the digest */
    memset(want.bytes + want.size - 10 - 32, 0, 32);
    check_int(buffer.size, want.size);
    check_mem(buffer.data, want.bytes, want.size);
    buffer_deinit(&buffer);
}

static void test_request_checks(void)
{
    const uint8_t *asked;
    Frame *frame = request();

    frame->payload.len = 31;
    check_int(probe_check_request(frame, &asked), PROBE_SHORT);
    frame->payload.len = 33;
    check_int(probe_check_request(frame, &asked), PROBE_SHORT);
    frame->payload_encoding = PAYLOAD_ENCODING(LZ4);
    check_int(probe_check_request(frame, &asked), PROBE_ENCODING);
    frame->payload_protocol = LANE_CONTROL;
    check_int(probe_check_request(frame, &asked), PROBE_LANE);
    frame->kind = FRAME_KIND(RESPONSE);
    check_int(probe_check_request(frame, &asked), PROBE_KIND);
    frame->envelope_version = 2;
    check_int(probe_check_request(frame, &asked), PROBE_VERSION);
    arena_deinit(&arena);
}

static enum probe_fault check_reply(struct slice body, DaemonProcess **ret)
{
    enum probe_fault fault = (enum probe_fault) - 1;

    arena_deinit(&arena);
    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    *ret = NULL;
    check_int(probe_check_reply(body, nonce, &arena, &fault, ret), 0);
    check_int(fault == PROBE_OK, *ret != NULL);
    return fault;
}

static void test_good_reply(void)
{
    struct sample in = sample_read("probe-reply");
    DaemonProcess expected = toyd(), *answered;

    check_int(check_reply(sample_body(&in), &answered), PROBE_OK);
    check_fatal(answered != NULL);
    check_int(probe_compare(&expected, answered), PROBE_OK);
    check_int(answered->pid, 4242);
    check_str(answered->ipc_endpoint->path, "/tmp/t.sock");
    check_int(answered->idle_timeout_secs, 30);
    memset(in.bytes + in.size - 10 - 32, 0, 32); /* the legacy digest is nobody's business */
    check_int(check_reply(sample_body(&in), &answered), PROBE_OK);
}

/* Packs a reply of @identity around a frame that @spoil has changed; judges it. */
static enum probe_fault spoiled(void (*spoil)(Frame *reply, DaemonProcess *identity), size_t payload_size)
{
    struct buffer whole = {0};
    DaemonProcess identity = toyd(), *answered;
    enum probe_fault fault;
    Frame reply;
    uint8_t payload[512];

    envelope_response_to(&reply, request(), (struct slice){0});
    memcpy(payload, nonce, PROBE_NONCE_SIZE);
    spoil(&reply, &identity);
    reply.payload.len = PROBE_NONCE_SIZE + message_pack(MESSAGE_OF(&identity), payload + PROBE_NONCE_SIZE);
    reply.payload.len = payload_size < reply.payload.len ? payload_size : reply.payload.len;
    payload[0] = reply.deadline_unix_ms == 1 ? 0xff : payload[0];
    reply.payload.data = payload;
    buffer_init(&whole, 1024);
    check_int(envelope_pack(&whole, &reply), 0);
    fault = check_reply((struct slice){(const char *)whole.data + 5, whole.size - 5}, &answered);
    buffer_deinit(&whole);
    return fault;
}

static void spoil_nothing(Frame *reply, DaemonProcess *identity)
{
}

static void spoil_hash(Frame *reply, DaemonProcess *identity)
{
    identity->exe_hash.len = 31;
}

static void spoil_algorithm(Frame *reply, DaemonProcess *identity)
{
    static char none[] = "";

    spoil_hash(reply, identity);
    identity->exe_hash_algorithm = none;
}

static void spoil_endpoint(Frame *reply, DaemonProcess *identity)
{
    spoil_algorithm(reply, identity);
    identity->ipc_endpoint = NULL;
}

static void spoil_nonce(Frame *reply, DaemonProcess *identity)
{
    spoil_endpoint(reply, identity);
    reply->deadline_unix_ms = 1; /* tells spoiled() to change the nonce; the field itself is ignored */
}

static void spoil_encoding(Frame *reply, DaemonProcess *identity)
{
    spoil_nonce(reply, identity);
    reply->payload_encoding = PAYLOAD_ENCODING(ZSTD);
}

static void spoil_request_id(Frame *reply, DaemonProcess *identity)
{
    spoil_encoding(reply, identity);
    reply->request_id ^= UINT64_C(1) << 63;
}

static void spoil_lane(Frame *reply, DaemonProcess *identity)
{
    spoil_request_id(reply, identity);
    reply->payload_protocol = LANE_ADMIN;
}

static void spoil_kind(Frame *reply, DaemonProcess *identity)
{
    spoil_lane(reply, identity);
    reply->kind = FRAME_KIND(REQUEST);
}

static void spoil_version(Frame *reply, DaemonProcess *identity)
{
    spoil_kind(reply, identity);
    reply->envelope_version = 0;
}

/* Each row is wrong in everything that the rows before it are wrong in, and in one thing more that is judged earlier.
 */
static void test_order_of_reply_checks(void)
{
    DaemonProcess *answered;

    check_int(spoiled(spoil_nothing, 512), PROBE_OK);
    check_int(spoiled(spoil_hash, 512), PROBE_HASH);
    check_int(spoiled(spoil_algorithm, 512), PROBE_ALGORITHM);
    check_int(spoiled(spoil_endpoint, 512), PROBE_NO_ENDPOINT);
    check_int(spoiled(spoil_endpoint, 34), PROBE_IDENTITY);
    check_int(spoiled(spoil_endpoint, 32), PROBE_NO_ENDPOINT); /* an empty identity decodes */
    check_int(spoiled(spoil_nonce, 512), PROBE_NONCE);
    check_int(spoiled(spoil_nonce, 31), PROBE_SHORT);
    check_int(spoiled(spoil_nonce, 0), PROBE_SHORT);
    check_int(spoiled(spoil_encoding, 31), PROBE_ENCODING);
    check_int(spoiled(spoil_request_id, 31), PROBE_REQUEST_ID);
    check_int(spoiled(spoil_lane, 31), PROBE_LANE);
    check_int(spoiled(spoil_kind, 31), PROBE_KIND);
    check_int(spoiled(spoil_version, 31), PROBE_VERSION);
    check_int(check_reply(SLICE("\x0a\x00"), &answered), PROBE_FRAME);
    arena_deinit(&arena);
}

static void test_order_of_comparison(void)
{
    static char other_path[] = "/opt/toy/1.0.0/other", other_boot[] = "boot";
    uint8_t other_hash[PROBE_HASH_SIZE] = {0x12};
    DaemonProcess expected = toyd(), answered = toyd();
    Endpoint other;

    answered.started_at_unix_ms = 1; /* not compared */
    answered.idle_timeout_secs = 1;
    check_int(probe_compare(&expected, &answered), PROBE_OK);
    envelope_endpoint_unix(&other, "private:toy", "/tmp/t.sock");
    answered.ipc_endpoint = &other;
    check_int(probe_compare(&expected, &answered), PROBE_OTHER_ENDPOINT);
    envelope_endpoint_unix(&other, "shared", "/tmp/u.sock");
    check_int(probe_compare(&expected, &answered), PROBE_OTHER_ENDPOINT);
    answered.ipc_endpoint = NULL;
    check_int(probe_compare(&expected, &answered), PROBE_OTHER_ENDPOINT);
    answered.boot_id = other_boot;
    check_int(probe_compare(&expected, &answered), PROBE_OTHER_BOOT_ID);
    answered.exe_hash.data = other_hash;
    check_int(probe_compare(&expected, &answered), PROBE_OTHER_EXE_HASH);
    answered.exe_path = other_path;
    check_int(probe_compare(&expected, &answered), PROBE_OTHER_EXE_PATH);
    answered.pid = 1;
    check_int(probe_compare(&expected, &answered), PROBE_OTHER_PID);
}

static void test_no_memory(void)
{
    struct sample in = sample_read("probe-reply");
    DaemonProcess *answered = NULL;
    enum probe_fault fault;
    unsigned int refused = 0;

    toyd();
    for (size_t limit = 0; limit < 4096; limit++) {
        int r;

        arena_init(&arena, NULL, 0, limit);
        r = probe_check_reply(sample_body(&in), nonce, &arena, &fault, &answered);
        check(r == 0 || r == -ENOMEM);
        refused += r != 0;
        arena_deinit(&arena);
    }
    check(refused > 200 && refused < 4000);
}

static void test_words(void)
{
    for (int fault = PROBE_OK; fault <= PROBE_OTHER_ENDPOINT; fault++) {
        for (int other = PROBE_OK; other < fault; other++) {
            check(strcmp(probe_fault_text((enum probe_fault)fault), probe_fault_text((enum probe_fault)other)) != 0);
        }
    }
}

CHECK_PROGRAM("wire/probe", {"request bytes", test_request_bytes}, {"reply bytes", test_reply_bytes},
              {"requests are checked in order", test_request_checks}, {"a good reply", test_good_reply},
              {"replies are checked in order", test_order_of_reply_checks},
              {"identities are compared in order", test_order_of_comparison}, {"no memory", test_no_memory},
              {"every fault has words of its own", test_words})
