/* SPDX-License-Identifier: MIT */

/*
 * Both sides of the identity probe as functions from bytes to bytes. The checks run in the order of the specification
 * and name the first that fails, so that a refusal can say what was wrong with a backend. The bytes behind the identity
 * (legacy field 3) are written but never looked at. Connecting, deadlines and hashing are the caller's.
 */

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "wire/probe.h"

#define PROBE_HASH_NAME "blake3"

uint64_t probe_request_id(const uint8_t nonce[PROBE_NONCE_SIZE])
{
    uint64_t id = 0;

    for (unsigned int i = 0; i < sizeof(id); i++) {
        id |= (uint64_t)nonce[i] << (8 * i);
    }
    return id;
}

int probe_pack_request(struct buffer *buffer, const uint8_t nonce[PROBE_NONCE_SIZE])
{
    Frame frame;

    envelope_request(&frame, LANE_PROBE, (struct slice){.data = (const char *)nonce, .size = PROBE_NONCE_SIZE});
    frame.request_id = probe_request_id(nonce);
    return envelope_pack(buffer, &frame);
}

/* The answer's envelope: unlike elsewhere the request id is checked before the encoding. */
static enum probe_fault probe_check_envelope(const Frame *frame, uint64_t request_id)
{
    enum envelope_fault fault = envelope_check(frame, FRAME_KIND(RESPONSE), LANE_PROBE);

    if (fault == ENVELOPE_BAD_VERSION) {
        return PROBE_VERSION;
    }
    if (fault == ENVELOPE_BAD_KIND) {
        return PROBE_KIND;
    }
    if (fault == ENVELOPE_BAD_LANE) {
        return PROBE_LANE;
    }
    if (frame->request_id != request_id) {
        return PROBE_REQUEST_ID;
    }
    return fault == ENVELOPE_BAD_ENCODING ? PROBE_ENCODING : PROBE_OK;
}

static enum probe_fault probe_check_nonce(const Frame *frame, const uint8_t nonce[PROBE_NONCE_SIZE])
{
    if (frame->payload.len < PROBE_NONCE_SIZE) {
        return PROBE_SHORT;
    }
    return memcmp(frame->payload.data, nonce, PROBE_NONCE_SIZE) == 0 ? PROBE_OK : PROBE_NONCE;
}

/* What every identity must have (spec 03 §4.1). */
static enum probe_fault probe_check_identity(const DaemonProcess *identity)
{
    if (identity->ipc_endpoint == NULL) {
        return PROBE_NO_ENDPOINT;
    }
    if (strcmp(identity->exe_hash_algorithm, PROBE_HASH_NAME) != 0) {
        return PROBE_ALGORITHM;
    }
    return identity->exe_hash.len == PROBE_HASH_SIZE ? PROBE_OK : PROBE_HASH;
}

static int probe_unpack_identity(const Frame *frame, struct arena *arena, enum probe_fault *ret_fault,
                                 DaemonProcess **ret_identity)
{
    struct slice payload = message_bytes(&frame->payload);
    struct slice identity = {.data = payload.data + PROBE_NONCE_SIZE, .size = payload.size - PROBE_NONCE_SIZE};
    ProtobufCMessage *message;
    int r;

    r = message_unpack(MESSAGE_DAEMON_PROCESS, identity, arena, &message);
    if (r < 0) {
        return error_trace(r);
    }
    if (r > 0) {
        *ret_fault = PROBE_IDENTITY;
        return 0;
    }
    *ret_fault = probe_check_identity((const DaemonProcess *)message);
    if (*ret_fault == PROBE_OK) {
        *ret_identity = (DaemonProcess *)message;
    }
    return 0;
}

int probe_check_reply(struct slice body, const uint8_t nonce[PROBE_NONCE_SIZE], struct arena *arena,
                      enum probe_fault *ret_fault, DaemonProcess **ret_identity)
{
    ProtobufCMessage *message;
    const Frame *frame;
    enum probe_fault fault;
    int r;

    r = message_unpack(MESSAGE_FRAME, body, arena, &message);
    if (r < 0) {
        return error_trace(r);
    }
    if (r > 0) {
        *ret_fault = PROBE_FRAME;
        return 0;
    }
    frame = (const Frame *)message;
    fault = probe_check_envelope(frame, probe_request_id(nonce));
    if (fault == PROBE_OK) {
        fault = probe_check_nonce(frame, nonce);
    }
    if (fault != PROBE_OK) {
        *ret_fault = fault;
        return 0;
    }
    return error_trace(probe_unpack_identity(frame, arena, ret_fault, ret_identity));
}

static bool probe_same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
    return slice_equal(message_bytes(a), message_bytes(b));
}

static bool probe_same_endpoint(const Endpoint *a, const Endpoint *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return strcmp(a->namespace_id, b->namespace_id) == 0 && strcmp(a->path, b->path) == 0;
}

enum probe_fault probe_compare(const DaemonProcess *expected, const DaemonProcess *answered)
{
    if (expected->pid != answered->pid) {
        return PROBE_OTHER_PID;
    }
    if (strcmp(expected->exe_path, answered->exe_path) != 0) {
        return PROBE_OTHER_EXE_PATH;
    }
    if (!probe_same_bytes(&expected->exe_hash, &answered->exe_hash)) {
        return PROBE_OTHER_EXE_HASH;
    }
    if (strcmp(expected->boot_id, answered->boot_id) != 0) {
        return PROBE_OTHER_BOOT_ID;
    }
    return probe_same_endpoint(expected->ipc_endpoint, answered->ipc_endpoint) ? PROBE_OK : PROBE_OTHER_ENDPOINT;
}

enum probe_fault probe_check_request(const Frame *request, const uint8_t **ret_nonce)
{
    switch (envelope_check(request, FRAME_KIND(REQUEST), LANE_PROBE)) {
    case ENVELOPE_BAD_VERSION:
        return PROBE_VERSION;
    case ENVELOPE_BAD_KIND:
        return PROBE_KIND;
    case ENVELOPE_BAD_LANE:
        return PROBE_LANE;
    case ENVELOPE_BAD_ENCODING:
        return PROBE_ENCODING;
    case ENVELOPE_OK:
        break;
    }
    if (request->payload.len != PROBE_NONCE_SIZE) {
        return PROBE_SHORT;
    }
    *ret_nonce = request->payload.data;
    return PROBE_OK;
}

int probe_pack_reply(struct buffer *buffer, const Frame *request, const DaemonProcess *identity,
                     const uint8_t sha256[PROBE_HASH_SIZE])
{
    static const uint8_t no_sha256[PROBE_HASH_SIZE];
    struct envelope_payload payload = {.head = message_bytes(&request->payload), .message = MESSAGE_OF(identity)};
    uint8_t tail[2 + PROBE_HASH_SIZE] = {0x1a, PROBE_HASH_SIZE}; /* field 3, length-delimited */
    Frame frame;

    memcpy(tail + 2, sha256 != NULL ? sha256 : no_sha256, PROBE_HASH_SIZE);
    payload.tail = (struct slice){.data = (const char *)tail, .size = sizeof(tail)};
    envelope_response_to(&frame, request, (struct slice){0});
    return error_trace(envelope_pack_parts(buffer, &frame, &payload));
}

const char *probe_fault_text(enum probe_fault fault)
{
    switch (fault) {
    case PROBE_OK:
        return "probe answer is good";
    case PROBE_FRAME:
        return "probe answer is not a frame";
    case PROBE_VERSION:
        return "probe answer has another envelope version";
    case PROBE_KIND:
        return "probe answer is not a response";
    case PROBE_LANE:
        return "probe answer is on another lane";
    case PROBE_REQUEST_ID:
        return "probe answer has another request id";
    case PROBE_ENCODING:
        return "probe answer is compressed";
    case PROBE_SHORT:
        return "probe answer is too short";
    case PROBE_NONCE:
        return "probe answer has another nonce";
    case PROBE_IDENTITY:
        return "probe answer holds no identity";
    case PROBE_NO_ENDPOINT:
        return "backend identity has no endpoint";
    case PROBE_ALGORITHM:
        return "backend identity has an unsupported hash algorithm, expected blake3";
    case PROBE_HASH:
        return "backend identity has a hash of another size than 32 bytes";
    case PROBE_OTHER_PID:
        return "backend answered with another pid";
    case PROBE_OTHER_EXE_PATH:
        return "backend answered with another executable path";
    case PROBE_OTHER_EXE_HASH:
        return "backend answered with another executable hash";
    case PROBE_OTHER_BOOT_ID:
        return "backend answered with another boot id";
    case PROBE_OTHER_ENDPOINT:
        break;
    }
    return "backend answered with another endpoint";
}
