/* SPDX-License-Identifier: MIT */

/*
 * The identity probe from both sides. The input is (a) the body of an answer, raw; (b) the payload of an otherwise
 * perfect answer; (c) the identity behind the right nonce; (d) a request; (e) the text of an identity file. What an
 * answer says is accepted only with an endpoint and a hash of 32 bytes, and in the order of the specification; what we
 * answer to a request that we accept is accepted by our own check and names the identity that was put in; a file that
 * can be read says the same when it is written again.
 */

#include <string.h>

#include "base/buffer.h"
#include "fuzz/fuzz.h"
#include "rpb/backend.h"
#include "wire/envelope.h"
#include "wire/message.h"
#include "wire/probe.h"
#include "wire/protocol.h"

enum { PAYLOAD_MAX = 8192 };

static uint8_t nonce[PROBE_NONCE_SIZE];

/* The verdict in the order of the specification, from the decoded frame. */
static enum probe_fault judge(const Frame *frame)
{
    struct slice payload = message_bytes(&frame->payload);

    if (frame->envelope_version != 1) {
        return PROBE_VERSION;
    }
    if (frame->kind != FRAME_KIND(RESPONSE)) {
        return PROBE_KIND;
    }
    if (frame->payload_protocol != LANE_PROBE) {
        return PROBE_LANE;
    }
    if (frame->request_id != UINT64_C(0x5a5a5a5a5a5a5a5a)) {
        return PROBE_REQUEST_ID;
    }
    if (frame->payload_encoding != 0) {
        return PROBE_ENCODING;
    }
    if (payload.size < PROBE_NONCE_SIZE) {
        return PROBE_SHORT;
    }
    for (size_t i = 0; i < PROBE_NONCE_SIZE; i++) {
        if (payload.data[i] != 0x5a) {
            return PROBE_NONCE;
        }
    }
    return PROBE_OK; /* as far as the frame goes */
}

static void check_identity(const DaemonProcess *identity)
{
    MUST(identity->ipc_endpoint != NULL && strcmp(identity->exe_hash_algorithm, "blake3") == 0);
    MUST(identity->exe_hash.len == PROBE_HASH_SIZE);
    MUST(probe_compare(identity, identity) == PROBE_OK);
}

static void fuzz_answer(struct slice body)
{
    DaemonProcess *identity = NULL;
    ProtobufCMessage *frame;
    enum probe_fault fault, wanted;
    struct arena arena, other;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    arena_init(&other, NULL, 0, SIZE_MAX);
    MUST(probe_check_reply(body, nonce, &arena, &fault, &identity) == 0);
    if (message_unpack(MESSAGE_FRAME, body, &other, &frame) == 0) {
        wanted = judge((const Frame *)(const void *)frame);
        MUST(wanted == PROBE_OK ? fault == PROBE_OK || fault >= PROBE_IDENTITY : fault == wanted);
    } else {
        MUST(fault == PROBE_FRAME);
    }
    MUST(probe_fault_text(fault) != NULL);
    if (fault == PROBE_OK) {
        check_identity(identity);
    }
    arena_deinit(&arena);
    arena_deinit(&other);
}

static void fuzz_payload(struct slice head, struct slice tail)
{
    static uint8_t payload[PROBE_NONCE_SIZE + PAYLOAD_MAX];
    struct buffer buffer;
    Frame frame;

    memcpy(payload, head.data, head.size);
    memcpy(payload + head.size, tail.data, tail.size);
    envelope_request(&frame, LANE_PROBE, (struct slice){(const char *)payload, head.size + tail.size});
    frame.kind = FRAME_KIND(RESPONSE);
    frame.request_id = probe_request_id(nonce);
    buffer_init(&buffer, 2 * PAYLOAD_MAX);
    MUST(envelope_pack(&buffer, &frame) == 0);
    fuzz_answer(slice_skip(buffer_slice(&buffer), FRAME_HEADER_SIZE));
    buffer_deinit(&buffer);
}

/* Our answer to an accepted request, read by our own check. */
static void check_our_answer(const Frame *request, const uint8_t *asked, const DaemonProcess *identity)
{
    DaemonProcess *answered;
    enum probe_fault fault;
    struct buffer buffer;
    struct arena arena;

    buffer_init(&buffer, 4 * PAYLOAD_MAX);
    arena_init(&arena, NULL, 0, SIZE_MAX);
    MUST(probe_pack_reply(&buffer, request, identity, NULL) == 0);
    MUST(probe_check_reply(slice_skip(buffer_slice(&buffer), FRAME_HEADER_SIZE), asked, &arena, &fault, &answered) ==
         0);
    /* the id of a request is its sender's affair; of an answer it is checked */
    MUST(request->request_id == probe_request_id(asked) ? fault == PROBE_OK : fault == PROBE_REQUEST_ID);
    MUST(fault != PROBE_OK || probe_compare(identity, answered) == PROBE_OK);
    arena_deinit(&arena);
    buffer_deinit(&buffer);
}

static void fuzz_request(struct slice body)
{
    static uint8_t hash[PROBE_HASH_SIZE];
    char empty[] = "", path[] = "/run/s", exe[] = "/bin/x", algorithm[] = "blake3", boot[] = "boot";
    const uint8_t *asked;
    ProtobufCMessage *message;
    DaemonProcess identity;
    struct arena arena;
    Endpoint endpoint;

    message_init(MESSAGE_ENDPOINT, &endpoint);
    endpoint.namespace_id = empty;
    endpoint.path = path;
    message_init(MESSAGE_DAEMON_PROCESS, &identity);
    identity.pid = 7;
    identity.exe_path = exe;
    identity.boot_id = boot;
    identity.exe_hash_algorithm = algorithm;
    identity.exe_hash = (ProtobufCBinaryData){.len = sizeof(hash), .data = hash};
    identity.ipc_endpoint = &endpoint;
    arena_init(&arena, NULL, 0, SIZE_MAX);
    if (message_unpack(MESSAGE_FRAME, body, &arena, &message) == 0 &&
        probe_check_request((const Frame *)(const void *)message, &asked) == PROBE_OK) {
        check_our_answer((const Frame *)(const void *)message, asked, &identity);
    }
    arena_deinit(&arena);
}

static void fuzz_file(struct slice text)
{
    static struct rpb_backend_identity identity, again;
    char *json = NULL;

    memset(&identity, 0, sizeof(identity));
    memset(&again, 0, sizeof(again));
    if (rpb_backend_identity_from_json(text.data, text.size, &identity) != 0) {
        return;
    }
    MUST(rpb_backend_identity_to_json(&identity, &json) == 0);
    MUST(rpb_backend_identity_from_json(json, strlen(json), &again) == 0);
    MUST(memcmp(&identity, &again, sizeof(again)) == 0);
    free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data, size};

    if (size > PAYLOAD_MAX) {
        return 0;
    }
    memset(nonce, 0x5a, sizeof(nonce));
    fuzz_answer(input);
    fuzz_payload((struct slice){(const char *)nonce, 0}, input);
    fuzz_payload((struct slice){(const char *)nonce, sizeof(nonce)}, input);
    fuzz_request(input);
    fuzz_file(input);
    return 0;
}
