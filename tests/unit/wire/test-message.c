/* SPDX-License-Identifier: MIT */

/* Unpacking: values as the protocol wants them, memory within its budget, and every allocation failing once. */

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

#include "check.h"
#include "samples.h"
#include "wire/message.h"
#include "wire/protocol.h"

static struct arena arena;
static alignas(16) uint8_t block[MESSAGE_ARENA_BLOCK];

static int unpack(enum message_type type, const char *hex, ProtobufCMessage **ret)
{
    struct sample in = sample_hex(hex);

    arena_deinit(&arena);
    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    return message_unpack(type, sample_slice(&in), &arena, ret);
}

static const Frame *unpack_frame(const char *hex)
{
    ProtobufCMessage *message = NULL;

    check_int(unpack(MESSAGE_FRAME, hex, &message), 0);
    check_fatal(message != NULL);
    return (const Frame *)message;
}

static void test_numbers(void)
{
    check_int(unpack_frame("28 05 08 01 28 07")->request_id, 7);
    check_int(unpack_frame("08 81 80 80 80 10")->envelope_version, 1); /* low 32 bits */
    check_int(unpack_frame("08 ff ff ff ff ff ff ff ff ff 01")->envelope_version, UINT32_MAX);
    check_int((int)unpack_frame("10 63")->kind, 99);
    check_int((int)unpack_frame("10 ff ff ff ff ff ff ff ff ff 01")->kind, -1);
    check(unpack_frame("28 ff ff ff ff ff ff ff ff ff 01")->request_id == UINT64_MAX);
    check_int(unpack_frame("18 81 da 02")->payload_protocol, LANE_ADMIN);
}

static void test_empty_is_all_default(void)
{
    const Frame *frame = unpack_frame("");

    check_int(frame->envelope_version, 0);
    check_int(frame->request_id, 0);
    check_int(frame->payload.len, 0);
    check_str(frame->traceparent, "");
    check_int(message_size(MESSAGE_OF(frame)), 0);
}

static void test_unknown_fields_are_not_sent_on(void)
{
    const Frame *frame = unpack_frame("08 01 f8 07 01 fa 07 01 61");
    const HelloReply *reply;
    const CacheManifest *manifest;
    ProtobufCMessage *message;
    uint8_t out[64];

    check_int(message_pack(MESSAGE_OF(frame), out), 2);
    check_mem(out, "\x08\x01", 2);

    check_int(unpack(MESSAGE_HELLO_REPLY, "0a 05 08 01 f8 07 01 f8 07 02", &message), 0);
    reply = (const HelloReply *)message;
    check_int(message_pack(MESSAGE_OF(reply), out), 4);
    check_mem(out, "\x0a\x02\x08\x01", 4);

    check_int(unpack(MESSAGE_CACHE_MANIFEST, "52 05 f8 07 01 10 01 52 05 2a 03 f8 07 01", &message), 0);
    manifest = (const CacheManifest *)message;
    check_int(message_pack(MESSAGE_OF(manifest), out), 8);
    check_mem(out, "\x52\x02\x10\x01\x52\x02\x2a\x00", 8);
}

static void test_oneof(void)
{
    ProtobufCMessage *message;

    check_int(unpack(MESSAGE_HELLO_REPLY, "0a 02 08 01 12 02 10 01", &message), 0);
    check_int(((HelloReply *)message)->result_case, RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED);
    check_int(unpack(MESSAGE_HELLO_REPLY, "12 02 10 01 0a 02 08 01", &message), 0);
    check_int(((HelloReply *)message)->result_case, RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED);
    check_int(unpack(MESSAGE_HELLO_REPLY, "", &message), 0);
    check_int(((HelloReply *)message)->result_case, RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT__NOT_SET);
    check_int(unpack(MESSAGE_DAEMON_PROCESS, "38 00", &message), 0); /* present though zero */
    check_int(((DaemonProcess *)message)->idle_timeout_case,
              RUNNING_PROCESS__BROKER__V1__DAEMON_PROCESS__IDLE_TIMEOUT_IDLE_TIMEOUT_SECS);
    check_int(message_size(message), 2);
    check_int(unpack(MESSAGE_DAEMON_PROCESS, "08 01", &message), 0);
    check_int(((DaemonProcess *)message)->idle_timeout_case,
              RUNNING_PROCESS__BROKER__V1__DAEMON_PROCESS__IDLE_TIMEOUT__NOT_SET);
}

static void test_malformed(void)
{
    static const char *rows[] = {"42 01 ff", "42 03 61 00 62", "5b 5c", "0a 00", "22 05 01", "00 00"};
    ProtobufCMessage *message = NULL;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_int(unpack(MESSAGE_FRAME, rows[i], &message), MESSAGE_E_MALFORMED);
        check(message == NULL);
        check_int(arena.used, 0); /* refused before anything was allocated */
    }
}

static void test_unknown_21_is_tolerated(void)
{
    struct sample in = sample_read("message-hello");
    struct sample want = in;
    ProtobufCMessage *message;
    uint8_t out[256];

    memcpy(in.bytes + in.size, "\xa8\x01\x01", 3);
    in.size += 3;
    arena_deinit(&arena);
    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    check_int(message_unpack(MESSAGE_HELLO, sample_slice(&in), &arena, &message), 0);
    check_int(message_pack(message, out), want.size);
    check_mem(out, want.bytes, want.size);
}

static void test_ordinary_messages_need_no_heap(void)
{
    static const struct {
        const char *name;
        enum message_type type;
        bool framed;
    } rows[] = {
        {"hello-minimal", MESSAGE_FRAME, true},
        {"hello-stock-client", MESSAGE_FRAME, true},
        {"message-hello", MESSAGE_HELLO, false},
        {"message-refused", MESSAGE_REFUSED, false},
        {"probe-reply", MESSAGE_FRAME, true},
        {"message-hello-reply", MESSAGE_HELLO_REPLY, false},
        {"message-service-definition", MESSAGE_SERVICE_DEFINITION, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sample in = sample_read(rows[i].name);
        ProtobufCMessage *message;

        arena_deinit(&arena);
        arena_init(&arena, block, sizeof(block), SIZE_MAX);
        check_int(message_unpack(rows[i].type, rows[i].framed ? sample_body(&in) : sample_slice(&in), &arena, &message),
                  0);
        check(arena.chunks == NULL);
    }
}

/*
 * Unpacks @in with every smaller amount of memory than it needs: each allocation fails in its turn. Only the padding of
 * an object that begins a new chunk may turn out not to be needed.
 */
static void starve(enum message_type type, struct slice in)
{
    ProtobufCMessage *message;
    size_t needed;
    int r;

    arena_deinit(&arena);
    arena_init(&arena, NULL, 0, SIZE_MAX);
    check_int(message_unpack(type, in, &arena, &message), 0);
    needed = arena.used;
    arena_deinit(&arena);
    for (size_t limit = 0; limit < needed; limit++) {
        arena_init(&arena, limit % 2 ? block : NULL, sizeof(block), limit);
        message = NULL;
        r = message_unpack(type, in, &arena, &message);
        check(r == -ENOMEM ? message == NULL : r == 0 && needed - limit < _Alignof(max_align_t));
        check(arena.used <= limit);
        arena_deinit(&arena);
    }
    arena_init(&arena, NULL, 0, needed);
    check_int(message_unpack(type, in, &arena, &message), 0);
    arena_deinit(&arena);
}

static void test_every_allocation_fails_once(void)
{
    for (size_t i = 0; i < SAMPLE_MESSAGES; i++) {
        struct sample in = sample_read(sample_messages[i].name);

        starve(sample_messages[i].type, sample_slice(&in));
    }
}

/* @size bytes that repeat the two-byte field @key 00. */
static char *flood(size_t size, char key)
{
    char *bytes = calloc(1, size);

    check_fatal(bytes != NULL);
    for (size_t i = 0; i + 1 < size; i += 2) {
        bytes[i] = key;
    }
    return bytes;
}

static void test_floods_from_a_socket(void)
{
    static const size_t sizes[] = {2 * 257, 65536, 16777216};
    ProtobufCMessage *message;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *bytes = flood(sizes[i], 0x58); /* unknown field 11 */

        arena_init(&arena, block, sizeof(block), SIZE_MAX);
        check_int(message_unpack(MESSAGE_FRAME, (struct slice){bytes, sizes[i]}, &arena, &message),
                  MESSAGE_E_MALFORMED);
        check_int(arena.used, 0);
        arena_deinit(&arena);
        free(bytes);
    }
}

static void test_nested_floods_from_a_socket(void)
{
    size_t size = 16 << 20, body = size - 5;
    char *bytes = flood(size, 0x58);
    ProtobufCMessage *message;
    int r;

    bytes[0] = 0x0a; /* HelloReply.negotiated, all the rest */
    for (int i = 0; i < 4; i++) {
        bytes[1 + i] = (char)(body >> (7 * i) & 0x7f) | (char)(i < 3 ? 0x80 : 0);
    }
    bytes[5] = 0x58;
    for (size_t i = 5; i + 1 < size; i += 2) {
        bytes[i] = 0x58;
        bytes[i + 1] = 0;
    }
    bytes[size - 1] = 0;
    bytes[size - 3] = 0x5a; /* 5a 01 00: the odd byte */
    bytes[size - 2] = 1;
    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    r = message_unpack(MESSAGE_HELLO_REPLY, (struct slice){bytes, size}, &arena, &message);
    check_int(r, MESSAGE_E_MALFORMED);
    check(arena.used > 0); /* the scan let it pass, the budget did not */
    check(arena.used <= message_budget(MESSAGE_HELLO_REPLY, size));
    check(arena.limit == SIZE_MAX);
    arena_deinit(&arena);
    free(bytes);
}

static void test_dear_files_fit(void)
{
    static const char keys[] = {0x3a, 0x42, 0x58}; /* allow list entry, label, unknown field: two bytes each */
    size_t size = 65536;
    ProtobufCMessage *message;

    for (size_t i = 0; i < sizeof(keys); i++) {
        char *bytes = flood(size, keys[i]);

        arena_init(&arena, block, sizeof(block), SIZE_MAX);
        check_int(message_unpack(MESSAGE_SERVICE_DEFINITION, (struct slice){bytes, size}, &arena, &message), 0);
        check(arena.used <= message_budget(MESSAGE_SERVICE_DEFINITION, size));
        arena_deinit(&arena);
        free(bytes);
    }
}

/* As many fields as the scan lets through fit the budget, even when each is as small as can be and unknown. */
static void test_all_fields_allowed_fit(void)
{
    ProtobufCMessage *message;
    char *bytes = flood(2 * 257, 0x50); /* field 10 of Frame is reserved */

    arena_init(&arena, block, sizeof(block), SIZE_MAX);
    check_int(message_unpack(MESSAGE_FRAME, (struct slice){bytes, 2 * 256}, &arena, &message), 0);
    check_int(message_unpack(MESSAGE_FRAME, (struct slice){bytes, 2 * 257}, &arena, &message), MESSAGE_E_MALFORMED);
    arena_deinit(&arena);
    free(bytes);
}

static void test_budget_arithmetic(void)
{
    check_int(message_budget(MESSAGE_FRAME, 0), 4096 + 256 * 96);
    check_int(message_budget(MESSAGE_FRAME, 1000), 4 * 1000 + 4096 + 256 * 96);
    check(message_budget(MESSAGE_FRAME, SIZE_MAX) == SIZE_MAX);
    check(message_budget(MESSAGE_FRAME, SIZE_MAX / 4) == SIZE_MAX);
}

static void test_budget_is_per_message(void)
{
    struct sample in = sample_read("message-hello");
    ProtobufCMessage *message;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    for (unsigned int i = 0; i < 1000; i++) { /* an arena may hold many messages */
        check_int(message_unpack(MESSAGE_HELLO, sample_slice(&in), &arena, &message), 0);
    }
    arena_deinit(&arena);
    arena_init(&arena, NULL, 0, 64); /* its own limit is obeyed, too */
    check_int(message_unpack(MESSAGE_HELLO, sample_slice(&in), &arena, &message), -ENOMEM);
    check_int(arena.limit, 64);
    arena_deinit(&arena);
}

static void test_names(void)
{
    check_str(message_name(MESSAGE_HELLO_REPLY), "HelloReply");
    for (int type = 0; type < MESSAGE_TYPE_COUNT; type++) {
        check_str(message_descriptor((enum message_type)type)->package_name, "running_process.broker.v1");
    }
    check_str(message_error_name(0), "ERROR_CODE_UNSPECIFIED");
    check_str(message_error_name(4), "ERROR_RATE_LIMITED");
    check_str(message_error_name(77), "ERROR_UNKNOWN");
    check_str(message_error_name(UINT32_MAX), "ERROR_UNKNOWN");
}

CHECK_PROGRAM("wire/message", {"numbers: last wins, low 32 bits, unknown enums stay", test_numbers},
              {"an empty message is all defaults", test_empty_is_all_default},
              {"unknown fields are not sent on", test_unknown_fields_are_not_sent_on},
              {"oneofs: last arm wins, presence is explicit", test_oneof},
              {"malformed messages allocate nothing", test_malformed},
              {"an unknown field behind a Hello changes nothing", test_unknown_21_is_tolerated},
              {"ordinary messages stay off the heap", test_ordinary_messages_need_no_heap},
              {"every allocation fails once", test_every_allocation_fails_once},
              {"floods of tiny fields from a socket", test_floods_from_a_socket},
              {"floods inside a nested message", test_nested_floods_from_a_socket},
              {"files of the dearest legal fields", test_dear_files_fit},
              {"256 unknown fields fit the budget", test_all_fields_allowed_fit},
              {"budgets do not overflow", test_budget_arithmetic},
              {"each message has a budget of its own", test_budget_is_per_message}, {"names", test_names})
