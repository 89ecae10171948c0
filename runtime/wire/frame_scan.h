/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Two machines of grammar/frame.rl. Both take their input in pieces of any size, keep no pointer into it, allocate
 * nothing, and cannot be driven out of bounds by any bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

/* ------------------------------------------------------------------------------------------------ frame header */

enum frame_scan_verdict {
    FRAME_SCAN_MORE,        /* header not complete yet */
    FRAME_SCAN_DONE,        /* body_size bytes of body follow */
    FRAME_SCAN_BAD_VERSION, /* first byte is not 1; it is in `version` */
    FRAME_SCAN_TOO_LARGE,   /* body_size exceeds the cap */
};

struct frame_scan {
    int state;
    uint8_t version;
    uint32_t body_size; /* valid with DONE and TOO_LARGE */
    uint32_t cap;
};

/* Starts over: the next byte is the first of a header. A body of exactly @cap bytes is accepted (spec 01 §1.2). */
void frame_scan_init(struct frame_scan *scan, uint32_t cap);

/*
 * Feeds @size bytes. The version is judged on its byte alone, the length before anything is allocated for it. Consumes
 * up to the end of the header, never a byte behind it; *@ret_used says how many. A final verdict is repeated on every
 * further call, which then uses nothing. frame_scan_init() starts the next header.
 */
enum frame_scan_verdict frame_scan_feed(struct frame_scan *scan, const uint8_t *bytes, size_t size, size_t *ret_used);

/* --------------------------------------------------------------------------------------------- message pre-scan */

#define PRESCAN_FIELDS_MAX 256 /* top-level fields of a message from a socket */
#define PRESCAN_DEPTH 4        /* a message, and three inside it: the deepest of the schemas */

enum {
    PRESCAN_E_MORE = 1, /* everything so far is right, the message is not complete */
    PRESCAN_E_MALFORMED,
};

/* Told about known top-level fields in the order in which they arrive, before the message is known to be right. */
struct prescan_sink {
    /* a varint */
    void (*number)(void *owner, const ProtobufCFieldDescriptor *field, uint64_t value);
    /* a string of @size bytes, which then come in pieces */
    void (*begin)(void *owner, const ProtobufCFieldDescriptor *field, uint64_t size);
    void (*bytes)(void *owner, const ProtobufCFieldDescriptor *field, const uint8_t *bytes, size_t size);
    void *owner;
};

struct prescan {
    int state;
    uint8_t depth;                         /* index of the message that is being read */
    uint8_t shift;                         /* weight of the next varint byte */
    const ProtobufCFieldDescriptor *known; /* row of the current field in the field table, or NULL */
    uint64_t number;                       /* value of the current varint */
    uint64_t left;                         /* bytes of the current value still to come */
    uint64_t position;
    uint32_t fields; /* top-level fields so far */
    uint32_t fields_max;
    struct {
        const ProtobufCMessageDescriptor *type;
        uint64_t end; /* position at which the message ends */
    } level[PRESCAN_DEPTH];
    const struct prescan_sink *sink;
};

/*
 * Starts a scan of one message of @type which is @size bytes long. The field table is the generated descriptor itself.
 * @fields_max: top-level fields allowed (UINT32_MAX: any number, for files that are bounded by their size).
 * @sink (may be NULL) must outlive the scan.
 */
void prescan_init(struct prescan *scan, const ProtobufCMessageDescriptor *type, uint64_t size, uint32_t fields_max,
                  const struct prescan_sink *sink);

/*
 * Feeds the next @size bytes. 0: the message is complete and right (spec 01 §1.6); PRESCAN_E_MORE; PRESCAN_E_MALFORMED,
 * which is final, as are bytes behind the end. An empty message is complete before the first byte: feed nothing.
 */
int prescan_feed(struct prescan *scan, const uint8_t *bytes, size_t size);

/* All of it at once: 0, or PRESCAN_E_MALFORMED (also for a cut message). */
int prescan(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size, uint32_t fields_max);
