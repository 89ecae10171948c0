/* SPDX-License-Identifier: MIT */

/*
 * Every row of the table of protobuf rules (spec 01 §1.6), each fed whole, byte by byte and cut at every pair of
 * offsets: the verdict may not depend on how the bytes arrive.
 */

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "samples.h"
#include "wire/frame_scan.h"
#include "wire/message.h"

/* Feeds three pieces; returns the last verdict that was not MORE, or MORE. */
static int feed_pieces(enum message_type type, const struct sample *in, size_t a, size_t b)
{
    size_t cuts[] = {0, a, b, in->size};
    struct prescan scan;
    int r = PRESCAN_E_MORE;

    prescan_init(&scan, message_descriptor(type), in->size, PRESCAN_FIELDS_MAX, NULL);
    for (size_t i = 0; i + 1 < 4; i++) {
        r = prescan_feed(&scan, in->bytes + cuts[i], cuts[i + 1] - cuts[i]);
        if (r == PRESCAN_E_MALFORMED) {
            break;
        }
    }
    return r;
}

static int feed_bytes(enum message_type type, const struct sample *in)
{
    struct prescan scan;
    int r;

    prescan_init(&scan, message_descriptor(type), in->size, PRESCAN_FIELDS_MAX, NULL);
    r = prescan_feed(&scan, in->bytes, 0);
    for (size_t i = 0; i < in->size; i++) {
        check(r == PRESCAN_E_MORE || r == PRESCAN_E_MALFORMED);
        r = prescan_feed(&scan, in->bytes + i, 1);
    }
    return r;
}

static int verdict(enum message_type type, const struct sample *in)
{
    uint8_t *exact = malloc(in->size + 1); /* so that a sanitizer sees a byte too many */
    int whole;

    check_fatal(exact != NULL);
    memcpy(exact, in->bytes, in->size);
    whole = prescan(message_descriptor(type), exact, in->size, PRESCAN_FIELDS_MAX);
    free(exact);
    check_int(feed_bytes(type, in), whole);
    if (in->size <= 64) {
        for (size_t a = 0; a <= in->size; a++) {
            for (size_t b = a; b <= in->size; b++) {
                check_int(feed_pieces(type, in, a, b), whole);
            }
        }
    }
    return whole;
}

struct row {
    enum message_type type;
    const char *hex;
    int verdict;
    const char *why;
};

#define GOOD 0
#define BAD PRESCAN_E_MALFORMED

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sample in = sample_hex(rows[i].hex);
        int got = verdict(rows[i].type, &in);

        if (got != rows[i].verdict) {
            printf("row \"%s\": %s\n", rows[i].why, rows[i].hex);
        }
        check_int(got, rows[i].verdict);
    }
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_accepted(void)
{
    static const struct row rows[] = {
        {MESSAGE_FRAME, "", GOOD, "empty message"},
        {MESSAGE_FRAME, "28 05 08 01 28 07", GOOD, "out of order, duplicated"},
        {MESSAGE_FRAME, "f8 07 01", GOOD, "unknown varint"},
        {MESSAGE_FRAME, "f9 07 01 02 03 04 05 06 07 08", GOOD, "unknown 64 bit"},
        {MESSAGE_FRAME, "fd 07 01 02 03 04", GOOD, "unknown 32 bit"},
        {MESSAGE_FRAME, "fa 07 03 ff 00 80", GOOD, "unknown bytes, not UTF-8"},
        {MESSAGE_FRAME, "fa 07 00", GOOD, "unknown bytes, none"},
        {MESSAGE_FRAME, "58 01", GOOD, "reserved field"},
        {MESSAGE_FRAME, "08 81 80 80 80 10", GOOD, "uint32 as a wider varint"},
        {MESSAGE_FRAME, "10 63", GOOD, "unknown enum value"},
        {MESSAGE_FRAME, "10 ff ff ff ff ff ff ff ff ff 01", GOOD, "negative enum value"},
        {MESSAGE_FRAME, "28 ff ff ff ff ff ff ff ff ff 01", GOOD, "largest varint"},
        {MESSAGE_FRAME, "28 80 80 80 80 80 80 80 80 80 00", GOOD, "ten bytes of nothing"},
        {MESSAGE_FRAME, "f8 ff ff ff 0f 01", GOOD, "largest key"},
        {MESSAGE_FRAME, "88 80 80 80 00 01", GOOD, "small key in five bytes"},
        {MESSAGE_FRAME, "a2 00 81 00 ff", GOOD, "long forms of key and length"},
        {MESSAGE_FRAME, "22 81 80 80 80 00 ff", GOOD, "small length in five bytes"},
        {MESSAGE_FRAME, "22 00", GOOD, "empty bytes"},
        {MESSAGE_FRAME, "42 00", GOOD, "empty string"},
        {MESSAGE_FRAME, "22 02 c3 00", GOOD, "bytes are not text"},
        {MESSAGE_FRAME, "42 05 c3 a4 7a e2 82 4a 00", BAD, "string cut in a character, next field behind"},
        {MESSAGE_FRAME, "42 06 c3 a4 7a e2 82 ac 4a 00", GOOD, "characters of two and three bytes"},
        {MESSAGE_FRAME, "42 04 f0 9f 98 80", GOOD, "character of four bytes"},
        {MESSAGE_HELLO_REPLY, "0a 02 08 01 12 02 10 01", GOOD, "both arms of a oneof"},
        {MESSAGE_HELLO_REPLY, "0a 02 08 01 0a 02 08 02", GOOD, "one arm twice"},
        {MESSAGE_HELLO_REPLY, "0a 00 12 00", GOOD, "empty nested messages"},
        {MESSAGE_REFUSED, "2a 0a 0a 05 66 6c 6f 6f 72 12 01 32", GOOD, "map entry"},
        {MESSAGE_REFUSED, "2a 00", GOOD, "empty map entry"},
        {MESSAGE_DAEMON_PROCESS, "08 01 1a 02 ff 00", GOOD, "reserved field 3 as unknown bytes"},
    };

    CHECK_ROWS(rows);
}

static void test_malformed_keys_and_numbers(void)
{
    static const struct row rows[] = {
        {MESSAGE_FRAME, "00 01", BAD, "field 0"},
        {MESSAGE_FRAME, "02 00", BAD, "field 0, bytes"},
        {MESSAGE_FRAME, "5b 5c", BAD, "balanced unknown group"},
        {MESSAGE_FRAME, "5b", BAD, "group start"},
        {MESSAGE_FRAME, "5c", BAD, "group end"},
        {MESSAGE_FRAME, "5e 00", BAD, "wire type 6"},
        {MESSAGE_FRAME, "5f 00", BAD, "wire type 7"},
        {MESSAGE_FRAME, "0b 00", BAD, "known field as a group"},
        {MESSAGE_FRAME, "08", BAD, "key without value"},
        {MESSAGE_FRAME, "08 80", BAD, "cut varint"},
        {MESSAGE_FRAME, "88", BAD, "cut key"},
        {MESSAGE_FRAME, "28 80 80 80 80 80 80 80 80 80 80 00", BAD, "varint of eleven bytes"},
        {MESSAGE_FRAME, "28 80 80 80 80 80 80 80 80 80 02", BAD, "tenth byte is 2"},
        {MESSAGE_FRAME, "28 ff ff ff ff ff ff ff ff ff 7f", BAD, "tenth byte is 7f"},
        {MESSAGE_FRAME, "f8 80 80 80 80 80 80 80 80 02 01", BAD, "key of ten bytes"},
        {MESSAGE_FRAME, "88 80 80 80 80 00 01", BAD, "key of six bytes"},
        {MESSAGE_FRAME, "80 80 80 80 10 01", BAD, "key 2^32"},
        {MESSAGE_FRAME, "88 80 80 80 10 01", BAD, "key 2^32 + 8"},
        {MESSAGE_FRAME, "59 01 02 03 04 05 06 07", BAD, "64 bit cut"},
        {MESSAGE_FRAME, "5d 01 02 03", BAD, "32 bit cut"},
        {MESSAGE_FRAME, "59", BAD, "64 bit missing"},
    };

    CHECK_ROWS(rows);
}

static void test_malformed_lengths_and_types(void)
{
    static const struct row rows[] = {
        {MESSAGE_FRAME, "22", BAD, "length missing"},
        {MESSAGE_FRAME, "22 01", BAD, "bytes missing"},
        {MESSAGE_FRAME, "22 05 01 02 03 04", BAD, "length overrun by one"},
        {MESSAGE_FRAME, "22 ff ff ff ff ff ff ff ff ff 01", BAD, "length 2^64 - 1"},
        {MESSAGE_FRAME, "22 ff ff ff ff 0f 00", BAD, "length 2^32 - 1"},
        {MESSAGE_FRAME, "22 81 80 80 80 80 00 ff", BAD, "length of six bytes"},
        {MESSAGE_FRAME, "22 81 80 80 80 10 ff", BAD, "length 2^32 + 1"},
        {MESSAGE_FRAME, "5a 02 00", BAD, "unknown field overruns"},
        {MESSAGE_FRAME, "42 02 61", BAD, "string overruns"},
        {MESSAGE_FRAME, "0a 00", BAD, "uint32 as bytes"},
        {MESSAGE_FRAME, "0d 01 02 03 04", BAD, "uint32 as 32 bit"},
        {MESSAGE_FRAME, "29 01 02 03 04 05 06 07 08", BAD, "uint64 as 64 bit"},
        {MESSAGE_FRAME, "20 01", BAD, "bytes as varint"},
        {MESSAGE_FRAME, "40 01", BAD, "string as varint"},
        {MESSAGE_FRAME, "45 01 02 03 04", BAD, "string as 32 bit"},
        {MESSAGE_HELLO_REPLY, "08 01", BAD, "message as varint"},
        {MESSAGE_HELLO_REPLY, "0a 03 08 01", BAD, "nested message overruns"},
        {MESSAGE_HELLO_REPLY, "0a 01 08 01", BAD, "varint crosses the end of its message"},
        {MESSAGE_HELLO_REPLY, "0a 02 08 80 01", BAD, "varint continues behind the end of its message"},
        {MESSAGE_HELLO_REPLY, "0a 03 12 02 61 62", BAD, "string crosses the end of its message"},
        {MESSAGE_HELLO_REPLY, "0a 01 88 01 01", BAD, "key crosses the end of its message"},
        {MESSAGE_HELLO_REPLY, "0a 05 59 01 02 03 04 05 06 07 08", BAD, "64 bit crosses the end of its message"},
        {MESSAGE_HELLO_REPLY, "12 04 2a 03 0a 01 61", BAD, "map entry crosses the end of its message"},
        {MESSAGE_HELLO_REPLY, "12 05 2a 03 0a 02 61 62", BAD, "string crosses the end of the map entry"},
        {MESSAGE_HELLO_REPLY, "0a 02 00 01", BAD, "field 0 inside"},
        {MESSAGE_HELLO_REPLY, "0a 01 5b", BAD, "group inside"},
    };

    CHECK_ROWS(rows);
}

static void test_malformed_strings(void)
{
    static const struct row rows[] = {
        {MESSAGE_FRAME, "42 01 00", BAD, "NUL"},
        {MESSAGE_FRAME, "42 03 61 00 62", BAD, "NUL inside"},
        {MESSAGE_FRAME, "42 02 61 00", BAD, "NUL at the end"},
        {MESSAGE_FRAME, "42 01 80", BAD, "lone continuation"},
        {MESSAGE_FRAME, "42 01 c3", BAD, "cut character at the end"},
        {MESSAGE_FRAME, "42 01 c3 4a 00", BAD, "cut character, then a field"},
        {MESSAGE_FRAME, "42 02 c0 80", BAD, "overlong NUL"},
        {MESSAGE_FRAME, "42 02 c1 bf", BAD, "overlong ASCII"},
        {MESSAGE_FRAME, "42 03 e0 9f bf", BAD, "overlong, three bytes"},
        {MESSAGE_FRAME, "42 04 f0 8f bf bf", BAD, "overlong, four bytes"},
        {MESSAGE_FRAME, "42 03 ed a0 80", BAD, "surrogate"},
        {MESSAGE_FRAME, "42 03 ed bf bf", BAD, "surrogate"},
        {MESSAGE_FRAME, "42 04 f4 90 80 80", BAD, "above U+10FFFF"},
        {MESSAGE_FRAME, "42 01 ff", BAD, "no byte of UTF-8"},
        {MESSAGE_FRAME, "4a 03 61 ff 62", BAD, "tracestate as well"},
        {MESSAGE_HELLO, "1a 09 7a 63 63 61 63 68 65 00 78", BAD, "service name with NUL"},
        {MESSAGE_HELLO_REPLY, "0a 03 12 01 ff", BAD, "string of a nested message"},
        {MESSAGE_HELLO_REPLY, "0a 03 22 01 00", BAD, "repeated string"},
        {MESSAGE_REFUSED, "2a 03 0a 01 ff", BAD, "map key"},
        {MESSAGE_REFUSED, "2a 03 12 01 00", BAD, "map value"},
        {MESSAGE_SERVICE_DEFINITION, "42 03 0a 01 80", BAD, "label"},
        {MESSAGE_HELLO, "1a 01 61 3a 02 ff 00", GOOD, "bytes field beside"},
    };

    CHECK_ROWS(rows);
}

static void test_field_count(void)
{
    struct sample in = {.size = 0};
    uint8_t nested[1024] = {0x0a, 0x80, 0x06}; /* one field of 384 unknown fields */

    for (unsigned int i = 0; i < PRESCAN_FIELDS_MAX; i++) {
        in.bytes[in.size++] = 0x58;
        in.bytes[in.size++] = 0x00;
    }
    check_int(verdict(MESSAGE_FRAME, &in), 0);
    in.bytes[in.size++] = 0x58;
    in.bytes[in.size++] = 0x00;
    check_int(verdict(MESSAGE_FRAME, &in), PRESCAN_E_MALFORMED);
    check_int(prescan(message_descriptor(MESSAGE_FRAME), in.bytes, in.size, UINT32_MAX), 0);
    for (unsigned int i = 0; i < 384; i++) { /* only the top level is counted */
        nested[3 + 2 * i] = 0x58;
    }
    check_int(prescan(message_descriptor(MESSAGE_HELLO_REPLY), nested, 3 + 768, PRESCAN_FIELDS_MAX), 0);
}

static void test_bytes_behind_the_end(void)
{
    struct prescan scan;

    prescan_init(&scan, message_descriptor(MESSAGE_FRAME), 2, PRESCAN_FIELDS_MAX, NULL);
    check_int(prescan_feed(&scan, (const uint8_t *)"\x08\x01", 2), 0);
    check_int(prescan_feed(&scan, (const uint8_t *)"", 0), 0);
    check_int(prescan_feed(&scan, (const uint8_t *)"\x08", 1), PRESCAN_E_MALFORMED);
    check_int(prescan_feed(&scan, (const uint8_t *)"\x01", 1), PRESCAN_E_MALFORMED);
    check_int(prescan_feed(&scan, NULL, 0), PRESCAN_E_MALFORMED);
    prescan_init(&scan, message_descriptor(MESSAGE_FRAME), 0, PRESCAN_FIELDS_MAX, NULL);
    check_int(prescan_feed(&scan, NULL, 0), 0);
    check_int(prescan_feed(&scan, (const uint8_t *)"\x08\x01", 2), PRESCAN_E_MALFORMED);
}

static char heard[256];

static void hear_number(void *owner, const ProtobufCFieldDescriptor *field, uint64_t value)
{
    check(owner == heard);
    snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%s=%llu ", field->name, (unsigned long long)value);
}

static void hear_begin(void *owner, const ProtobufCFieldDescriptor *field, uint64_t size)
{
    snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%s/%llu:", field->name, (unsigned long long)size);
}

static void hear_bytes(void *owner, const ProtobufCFieldDescriptor *field, const uint8_t *bytes, size_t size)
{
    snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%.*s ", (int)size, (const char *)bytes);
}

static void test_listener(void)
{
    static const struct prescan_sink sink = {hear_number, hear_begin, hear_bytes, heard};
    /* pid, unknown varint, unknown bytes, endpoint{path}, exe_path, boot_id (empty), exe_hash */
    struct sample in = sample_hex("08 92 21 f8 07 05 fa 07 01 61 22 04 12 02 2f 78 12 02 2f 62 32 00 4a 01 11");
    struct prescan scan;

    prescan_init(&scan, message_descriptor(MESSAGE_DAEMON_PROCESS), in.size, PRESCAN_FIELDS_MAX, &sink);
    check_int(prescan_feed(&scan, in.bytes, in.size), 0);
    check_str(heard, "pid=4242 exe_path/2:/ b boot_id/0:");
}

/* Depth of @type, and no field that could have two wire types. */
static unsigned int measure(const ProtobufCMessageDescriptor *type)
{
    unsigned int deepest = 0;

    for (unsigned int i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        bool is_number = field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_BYTES &&
                         field->type != PROTOBUF_C_TYPE_MESSAGE;

        check(!is_number || field->label != PROTOBUF_C_LABEL_REPEATED);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            unsigned int inner = measure(field->descriptor);

            deepest = inner > deepest ? inner : deepest;
        }
    }
    return deepest + 1;
}

static void test_schemas_fit(void)
{
    for (int type = 0; type < MESSAGE_TYPE_COUNT; type++) {
        check(measure(message_descriptor((enum message_type)type)) <= PRESCAN_DEPTH);
    }
}

static void test_golden_prefixes(void)
{
    for (size_t i = 0; i < SAMPLE_MESSAGES; i++) {
        struct sample in = sample_read(sample_messages[i].name);
        struct prescan scan;

        check_int(verdict(sample_messages[i].type, &in), 0);
        prescan_init(&scan, message_descriptor(sample_messages[i].type), in.size, PRESCAN_FIELDS_MAX, NULL);
        for (size_t n = 0; n + 1 < in.size; n++) {
            check_int(prescan_feed(&scan, in.bytes + n, 1), PRESCAN_E_MORE);
        }
        check_int(prescan_feed(&scan, in.bytes + in.size - 1, 1), 0);
    }
}

CHECK_PROGRAM("wire/prescan", {"what a decoder must accept", test_accepted},
              {"keys and numbers that are refused", test_malformed_keys_and_numbers},
              {"lengths and wire types that are refused", test_malformed_lengths_and_types},
              {"strings that are refused", test_malformed_strings},
              {"256 top-level fields from a socket, any number from a file", test_field_count},
              {"bytes behind the end", test_bytes_behind_the_end},
              {"a listener hears known fields of the top level", test_listener},
              {"the schemas fit the machine: depth, one wire type a field", test_schemas_fit},
              {"frozen messages pass, each of their prefixes is incomplete", test_golden_prefixes})
