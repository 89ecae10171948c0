/* SPDX-License-Identifier: MIT */

/*
 * Two machines that read a frame byte by byte, in pieces of any size. The first takes the five header bytes. The second
 * walks a protobuf message and proves, before anything is allocated for it, that the decoder will see no surprise: every
 * length fits into its message, every known field has its wire type, every string is UTF-8 without NUL, and there are
 * not too many fields. Which fields exist is read from the generated descriptors, never listed here. Neither machine
 * keeps a pointer into its input, judges what a value means, or unpacks anything.
 */

#include <stdint.h>

#include "wire/frame_scan.h"
#include "wire/protocol.h"

/* ragel -G2 goes from the code of one state into the label of the next on purpose */
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"

%%{
    machine frame_header;
    alphtype unsigned char;

    length = any @{ scan->body_size = fc; }
             any @{ scan->body_size |= (uint32_t)fc << 8; }
             any @{ scan->body_size |= (uint32_t)fc << 16; }
             any @{ scan->body_size |= (uint32_t)fc << 24; };

    main := ( 0x01 @{ scan->version = fc; } length
            | ^0x01 @{ scan->version = fc; }
            ) @{ fbreak; };

    write data noerror noentry;
}%%

void frame_scan_init(struct frame_scan *scan, uint32_t cap)
{
    int cs;

    %% write init;
    *scan = (struct frame_scan){.state = cs, .version = FRAMING_VERSION, .cap = cap};
}

static enum frame_scan_verdict frame_scan_verdict(const struct frame_scan *scan)
{
    if (scan->state < frame_header_first_final) {
        return FRAME_SCAN_MORE;
    }
    if (scan->version != FRAMING_VERSION) {
        return FRAME_SCAN_BAD_VERSION;
    }
    return scan->body_size > scan->cap ? FRAME_SCAN_TOO_LARGE : FRAME_SCAN_DONE;
}

enum frame_scan_verdict frame_scan_feed(struct frame_scan *scan, const uint8_t *bytes, size_t size, size_t *ret_used)
{
    const uint8_t *p = bytes, *pe = size == 0 ? bytes : bytes + size;
    int cs = scan->state;

    if (cs < frame_header_first_final) {
        %% write exec;
        scan->state = cs;
    }
    *ret_used = (size_t)(p - bytes);
    return frame_scan_verdict(scan);
}

%%{
    machine prescan;
    alphtype unsigned char;
    include utf8 "text.rl";

    action digit {
        scan->number |= (uint64_t)(fc & 0x7f) << scan->shift;
        scan->shift = (uint8_t)(scan->shift + 7);
    }

    # bytes, fixed-width numbers and unknown fields: skipped in one step
    action data {
        p += prescan_skip(scan, (size_t)(pe - p)) - 1;
        if (scan->left == 0)
            fgoto *prescan_after_value(scan, AT);
    }

    # a value that ends inside a character
    action text_byte {
        if (scan->left == 0)
            fgoto refused;
        prescan_text(scan, p, 1);
    }

    # between two characters; what is plain ASCII from here on needs no machine
    action text_character {
        size_t run = prescan_ascii_run(p + 1, pe, scan->left);
        if (run > 0)
            prescan_text(scan, p + 1, run);
        p += run;
        if (scan->left == 0)
            fgoto *prescan_after_value(scan, AT);
    }

    # A varint has at most ten bytes, of which the tenth carries one bit.
    more = 0x80..0xff;
    last = 0x00..0x7f;
    varint = ( more{0,8} last | more{9} 0x00..0x01 ) $digit;

    # Keys and lengths have 32 bits; the decoder behind us reads them from at most five bytes.
    short  = ( more{0,3} last | more{4} 0x00..0x0f ) $digit;

    # message: { key value }, where the key says which of these the value is
    main    := short  @{ fgoto *prescan_after_key(scan, AT); };
    number  := varint @{ fgoto *prescan_after_number(scan, AT); };
    length  := short  @{ fgoto *prescan_after_length(scan, AT); };
    data    := ( any $data )*;
    text    := ( ( character - 0x00 ) $text_byte @text_character )*;

    complete := any @{ fgoto refused; };
    refused  := ( any @{ fbreak; } )*;

    write data;
}%%

/* Position behind the byte that an action looks at. */
#define AT (scan->position + (uint64_t)(p + 1 - bytes))

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_LENGTH = 2,
    WIRE_32 = 5,
};

/* No schema of ours has a repeated number, so a field has exactly one wire type (a test holds us to it). */
static enum wire_type prescan_wire_type(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LENGTH;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    default:
        return WIRE_VARINT;
    }
}

static bool prescan_is_heard(const struct prescan *scan)
{
    return scan->sink != NULL && scan->depth == 0 && scan->known != NULL;
}

static int prescan_varint(struct prescan *scan, int state)
{
    scan->number = 0;
    scan->shift = 0;
    return state;
}

/* A value has ended at @at: with it perhaps its message, and that one's message. */
static int prescan_after_value(struct prescan *scan, uint64_t at)
{
    while (at == scan->level[scan->depth].end) {
        if (scan->depth == 0) {
            return prescan_en_complete;
        }
        scan->depth--;
    }
    if (at > scan->level[scan->depth].end) {
        return prescan_en_refused;
    }
    return prescan_varint(scan, prescan_en_main);
}

/* A value of @size bytes begins at @at. */
static int prescan_value(struct prescan *scan, uint64_t at, uint64_t size, int state)
{
    uint64_t end = scan->level[scan->depth].end;

    if (at > end || size > end - at) {
        return prescan_en_refused;
    }
    scan->left = size;
    return size == 0 ? prescan_after_value(scan, at) : state;
}

static int prescan_after_key(struct prescan *scan, uint64_t at)
{
    uint32_t wire = (uint32_t)(scan->number & 7);

    if (scan->number >> 3 == 0) {
        return prescan_en_refused;
    }
    if (scan->depth == 0 && ++scan->fields > scan->fields_max) {
        return prescan_en_refused;
    }
    scan->known = protobuf_c_message_descriptor_get_field(scan->level[scan->depth].type, (unsigned)(scan->number >> 3));
    if (scan->known != NULL && prescan_wire_type(scan->known) != wire) {
        return prescan_en_refused;
    }
    switch (wire) {
    case WIRE_VARINT:
        return prescan_varint(scan, prescan_en_number);
    case WIRE_64:
        return prescan_value(scan, at, 8, prescan_en_data);
    case WIRE_LENGTH:
        return prescan_varint(scan, prescan_en_length);
    case WIRE_32:
        return prescan_value(scan, at, 4, prescan_en_data);
    default:
        return prescan_en_refused; /* groups, and what is no wire type */
    }
}

static int prescan_after_number(struct prescan *scan, uint64_t at)
{
    if (prescan_is_heard(scan)) {
        scan->sink->number(scan->sink->owner, scan->known, scan->number);
    }
    return prescan_after_value(scan, at);
}

static int prescan_enter(struct prescan *scan, uint64_t at)
{
    uint64_t outer_end = scan->level[scan->depth].end;

    if (at > outer_end || scan->number > outer_end - at || scan->depth + 1 == PRESCAN_DEPTH) {
        return prescan_en_refused;
    }
    scan->depth++;
    scan->level[scan->depth].type = scan->known->descriptor;
    scan->level[scan->depth].end = at + scan->number;
    return prescan_after_value(scan, at);
}

static int prescan_after_length(struct prescan *scan, uint64_t at)
{
    if (scan->known == NULL || scan->known->type == PROTOBUF_C_TYPE_BYTES) {
        return prescan_value(scan, at, scan->number, prescan_en_data);
    }
    if (scan->known->type == PROTOBUF_C_TYPE_MESSAGE) {
        return prescan_enter(scan, at);
    }
    if (prescan_is_heard(scan)) {
        scan->sink->begin(scan->sink->owner, scan->known, scan->number);
    }
    return prescan_value(scan, at, scan->number, prescan_en_text);
}

static size_t prescan_skip(struct prescan *scan, size_t available)
{
    size_t n = scan->left < available ? (size_t)scan->left : available;

    scan->left -= n;
    return n;
}

/* @size bytes of the current string, all inside it. */
static void prescan_text(struct prescan *scan, const uint8_t *bytes, size_t size)
{
    scan->left -= size;
    if (prescan_is_heard(scan)) {
        scan->sink->bytes(scan->sink->owner, scan->known, bytes, size);
    }
}

/* Number of bytes from @from on that are ASCII, not NUL, and among the next @left. */
static size_t prescan_ascii_run(const uint8_t *from, const uint8_t *end, uint64_t left)
{
    size_t max = (uint64_t)(end - from) < left ? (size_t)(end - from) : (size_t)left;
    size_t n = 0;

    while (n < max && (uint8_t)(from[n] - 1) < 0x7f) {
        n++;
    }
    return n;
}

void prescan_init(struct prescan *scan, const ProtobufCMessageDescriptor *type, uint64_t size, uint32_t fields_max,
                  const struct prescan_sink *sink)
{
    *scan = (struct prescan){.fields_max = fields_max, .sink = sink, .level[0] = {.type = type, .end = size}};
    scan->state = prescan_after_value(scan, 0);
}

int prescan_feed(struct prescan *scan, const uint8_t *bytes, size_t size)
{
    const uint8_t *p = bytes, *pe = size == 0 ? bytes : bytes + size;
    int cs = scan->state;

    %% write exec;
    scan->state = cs;
    scan->position += (uint64_t)(p - bytes);
    if (cs == prescan_en_complete) {
        return 0;
    }
    if (cs == prescan_error || cs == prescan_en_refused || scan->position >= scan->level[0].end) {
        scan->state = prescan_en_refused;
        return PRESCAN_E_MALFORMED;
    }
    return PRESCAN_E_MORE;
}

int prescan(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size, uint32_t fields_max)
{
    struct prescan scan;

    prescan_init(&scan, type, size, fields_max, NULL);
    return prescan_feed(&scan, bytes, size) == 0 ? 0 : PRESCAN_E_MALFORMED;
}
