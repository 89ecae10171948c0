/* SPDX-License-Identifier: MIT */

/*
 * Everything in wire/ that reads bytes of a peer. The first byte of an input chooses a message type, the second how the
 * rest is cut into pieces. Beyond "no crash" it checks what must hold for any bytes: pieces give the verdict of the
 * whole; what the scan accepts the decoder accepts, within its budget; what was decoded packs and decodes to the same,
 * and is what protobuf-c makes of it by itself; every admin request that can be read is answered with a document;
 * the skimmer remembers what the decoder says; a name or version that passes fits a second reading of its form.
 */

#include <stdalign.h>
#include <string.h>

#include "base/buffer.h"
#include "fuzz/fuzz.h"
#include "ops/admin.h"
#include "wire/envelope.h"
#include "wire/frame_scan.h"
#include "wire/message.h"
#include "wire/probe.h"
#include "wire/skim.h"
#include "wire/text.h"

static alignas(16) uint8_t block[MESSAGE_ARENA_BLOCK];

/* Size of the next piece, 1 to 8 bytes. */
static size_t piece(uint32_t *state, size_t left)
{
    size_t n;

    *state = *state * 1664525u + 1013904223u;
    n = 1 + (*state >> 29);
    return n < left ? n : left;
}

static void fuzz_header(const uint8_t *data, size_t size)
{
    struct frame_scan whole, pieces;
    enum frame_scan_verdict verdict, last = FRAME_SCAN_MORE;
    size_t used, total = 0, n;

    frame_scan_init(&whole, HELLO_BODY_MAX);
    verdict = frame_scan_feed(&whole, data, size, &used);
    MUST(used <= size && used <= FRAME_HEADER_SIZE);
    frame_scan_init(&pieces, HELLO_BODY_MAX);
    for (size_t i = 0; i < size; i++) {
        last = frame_scan_feed(&pieces, data + i, 1, &n);
        total += n;
    }
    MUST(last == verdict && total == used);
    MUST(verdict != FRAME_SCAN_DONE || whole.body_size <= HELLO_BODY_MAX);
    MUST(verdict == FRAME_SCAN_MORE || verdict == FRAME_SCAN_BAD_VERSION || whole.body_size == pieces.body_size);
}

static int fuzz_pieces(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size, uint32_t fields_max,
                       uint32_t state)
{
    struct prescan scan;
    int r;

    prescan_init(&scan, type, size, fields_max, NULL);
    r = prescan_feed(&scan, data, 0);
    for (size_t at = 0, n; at < size; at += n) {
        MUST(r != 0);
        n = piece(&state, size - at);
        r = prescan_feed(&scan, data + at, n);
    }
    return r;
}

/* What was decoded survives another round. */
static void fuzz_again(enum message_type type, const ProtobufCMessage *message)
{
    size_t size = message_size(message);
    uint8_t *packed = malloc(size + 1), *again;
    ProtobufCMessage *second = NULL;
    struct arena arena;
    int r;

    MUST(packed != NULL && message_pack(message, packed) == size);
    arena_init(&arena, NULL, 0, SIZE_MAX);
    r = message_unpack(type, (struct slice){(const char *)packed, size}, &arena, &second);
    if (r == 0) { /* else dearer per byte than before, now that unknown fields are gone */
        MUST(message_size(second) == size);
        again = malloc(size + 1);
        MUST(again != NULL && message_pack(second, again) == size && memcmp(packed, again, size) == 0);
        free(again);
    } else {
        MUST(arena.over_limit);
    }
    arena_deinit(&arena);
    free(packed);
}

/* Whether a field that the schema lacks is anywhere in @message. */
static bool has_unknown(const ProtobufCMessage *message)
{
    bool found = message->n_unknown_fields > 0;

    for (unsigned i = 0; i < message->descriptor->n_fields && !found; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *quantifier = (const char *)message + field->quantifier_offset;
        void *const *member = (void *const *)(const void *)((const char *)message + field->offset);

        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            for (size_t k = 0; k < *(const size_t *)(const void *)quantifier && !found; k++) {
                found = has_unknown(((ProtobufCMessage **)*member)[k]);
            }
        } else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
                   *(const uint32_t *)(const void *)quantifier == field->id) {
            found = *member != NULL && has_unknown(*member);
        }
    }
    return found;
}

/* The library by itself, without scan, budget and arena, reads the same. */
static void fuzz_stock(enum message_type type, const ProtobufCMessage *message, const uint8_t *data, size_t size)
{
    ProtobufCMessage *stock = protobuf_c_message_unpack(message_descriptor(type), NULL, size, data);
    size_t packed_size = message_size(message);
    uint8_t *packed = malloc(packed_size + 1), *other = malloc(packed_size + 1);

    MUST(stock != NULL && packed != NULL && other != NULL);
    if (!has_unknown(stock)) {
        MUST(protobuf_c_message_get_packed_size(stock) == packed_size);
        MUST(message_pack(message, packed) == packed_size);
        MUST(protobuf_c_message_pack(stock, other) == packed_size && memcmp(packed, other, packed_size) == 0);
    }
    free(packed);
    free(other);
    protobuf_c_message_free_unpacked(stock, NULL);
}

static void facts(void *owner, struct admin_facts *ret_facts)
{
    (void)owner;
    *ret_facts = (struct admin_facts){.is_accepting = true, .connections_open = 1};
}

/* Refused for nothing but a text that is too long; else answered, with a reply that can be read. */
static void fuzz_admin(const AdminRequest *request)
{
    static const struct admin admin = {.broker_instance = "shared", .broker_pid = 1, .facts = facts};
    bool is_long = strlen(request->service_name) > 4096 || strlen(request->output_path) > 4096;
    struct admin_reply reply = {0};
    ProtobufCMessage *message;
    uint8_t *packed;
    struct arena arena;
    AdminReply made;
    size_t size;
    int r = admin_answer(&admin, request, &reply);

    MUST(r == (is_long ? ADMIN_E_MALFORMED : 0));
    if (r == 0) {
        admin_reply_message(&reply, &made);
        size = message_size(MESSAGE_OF(&made));
        packed = malloc(size + 1);
        MUST(packed != NULL && message_pack(MESSAGE_OF(&made), packed) == size);
        arena_init(&arena, NULL, 0, SIZE_MAX);
        MUST(message_unpack(MESSAGE_ADMIN_REPLY, slice_from_bytes(packed, size), &arena, &message) == 0);
        arena_deinit(&arena);
        free(packed);
    }
    admin_reply_deinit(&reply);
}

static void fuzz_skim(const Frame *frame, const uint8_t *data, size_t size, uint32_t state)
{
    static struct skim skim;
    struct envelope_echo echo;
    int r;

    skim_init(&skim, (uint32_t)size);
    r = skim_feed(&skim, data, 0);
    for (size_t at = 0, n; at < size; at += n) {
        n = piece(&state, size - at);
        r = skim_feed(&skim, data + at, n);
    }
    MUST((r == 0) == (frame != NULL));
    if (frame == NULL) {
        return;
    }
    echo = skim_echo(&skim);
    MUST(echo.request_id == frame->request_id);
    MUST(skim.payload_protocol == frame->payload_protocol);
    MUST(strcmp(echo.traceparent, strlen(frame->traceparent) <= TRACE_ECHO_MAX ? frame->traceparent : "") == 0);
    MUST(strcmp(echo.tracestate, strlen(frame->tracestate) <= TRACE_ECHO_MAX ? frame->tracestate : "") == 0);
}

static void fuzz_message(enum message_type type, const uint8_t *data, size_t size, uint32_t state)
{
    const ProtobufCMessageDescriptor *descriptor = message_descriptor(type);
    int scanned = prescan(descriptor, data, size, PRESCAN_FIELDS_MAX);
    ProtobufCMessage *message = NULL;
    struct arena arena;
    int r;

    r = fuzz_pieces(descriptor, data, size, PRESCAN_FIELDS_MAX, state);
    MUST((r == 0) == (scanned == 0));
    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    r = message_unpack(type, (struct slice){(const char *)data, size}, &arena, &message);
    MUST(r == 0 || r == MESSAGE_E_MALFORMED);
    MUST(arena.used <= message_budget(type, size));
    MUST(scanned != 0 || r == 0 || arena.over_limit);
    if (r == 0) {
        fuzz_again(type, message);
        fuzz_stock(type, message, data, size);
    }
    if (r == 0 && type == MESSAGE_ADMIN_REQUEST) {
        fuzz_admin((const AdminRequest *)(const void *)message);
    }
    if (type == MESSAGE_FRAME && !arena.over_limit) {
        fuzz_skim((const Frame *)message, data, size, state);
    }
    arena_deinit(&arena);
}

static void fuzz_envelope(const uint8_t *data, size_t size)
{
    struct buffer buffer;
    struct arena arena;
    Frame *frame = NULL;
    size_t consumed = 0;
    int r;

    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    r = envelope_try_decode((struct slice){(const char *)data, size}, &arena, &frame, &consumed);
    MUST(r >= 0);
    if (r == 0) {
        MUST(consumed >= FRAME_HEADER_SIZE && consumed <= size);
        buffer_init(&buffer, 1 << 20);
        MUST(envelope_pack(&buffer, frame) == 0);
        MUST(buffer.size <= consumed + 16); /* canonical is never longer, but for a negative enum */
        buffer_deinit(&buffer);
    }
    arena_deinit(&arena);
}

static void fuzz_probe(const uint8_t *data, size_t size)
{
    uint8_t nonce[PROBE_NONCE_SIZE];
    DaemonProcess *identity = NULL;
    enum probe_fault fault = PROBE_FRAME;
    struct arena arena;

    memset(nonce, 0x5a, sizeof(nonce));
    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    MUST(probe_check_reply((struct slice){(const char *)data, size}, nonce, &arena, &fault, &identity) == 0);
    MUST(fault != PROBE_OK || (identity->ipc_endpoint != NULL && identity->exe_hash.len == PROBE_HASH_SIZE));
    arena_deinit(&arena);
}

/* The same bytes as the identity of an otherwise perfect answer. */
static void fuzz_identity(const uint8_t *data, size_t size)
{
    static uint8_t payload[PROBE_NONCE_SIZE + 4096];
    struct buffer buffer;
    Frame frame;

    if (size > 4096) {
        return;
    }
    memset(payload, 0x5a, PROBE_NONCE_SIZE);
    memcpy(payload + PROBE_NONCE_SIZE, data, size);
    envelope_request(&frame, LANE_PROBE, (struct slice){(const char *)payload, PROBE_NONCE_SIZE + size});
    frame.kind = FRAME_KIND(RESPONSE);
    frame.request_id = probe_request_id(payload);
    buffer_init(&buffer, 8192);
    MUST(envelope_pack(&buffer, &frame) == 0);
    fuzz_probe(buffer.data + FRAME_HEADER_SIZE, buffer.size - FRAME_HEADER_SIZE);
    buffer_deinit(&buffer);
}

static void fuzz_text(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    size_t offset = 0, dots = 0;

    if (text_check_name_at(text, &offset) == NAME_OK) {
        MUST(size >= 1 && size <= 64);
        for (size_t i = 0; i < size; i++) {
            MUST((data[i] >= 'a' && data[i] <= 'z') || (data[i] >= '0' && data[i] <= '9') || data[i] == '-');
        }
    }
    MUST(offset == 0 || offset < size);
    if (text_check_version(text) == VERSION_OK) {
        for (size_t i = 0; i < size && data[i] != '-'; i++) {
            MUST((data[i] >= '0' && data[i] <= '9') || data[i] == '.');
            dots += data[i] == '.';
        }
        MUST(dots == 2);
    }
    MUST(!text_is_traceparent(text) || size == 55);
    MUST(!text_is_tracestate(text) || text_is_utf8(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum message_type type;
    uint32_t state;

    if (size < 2) {
        return 0;
    }
    type = (enum message_type)(data[0] % MESSAGE_TYPE_COUNT);
    state = data[1];
    data += 2;
    size -= 2;
    fuzz_message(type, data, size, state);
    fuzz_header(data, size);
    fuzz_envelope(data, size);
    fuzz_probe(data, size);
    fuzz_identity(data, size);
    fuzz_text(data, size);
    return 0;
}
