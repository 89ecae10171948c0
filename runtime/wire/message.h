/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The only place where messages become bytes and bytes become messages. What comes in is scanned before it is unpacked
 * and unpacked into an arena with a byte budget, so no input costs more memory than a small multiple of its size.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "broker_v1_admin.pb-c.h"
#include "broker_v1_control.pb-c.h"
#include "broker_v1_envelope.pb-c.h"
#include "broker_v1_manifest.pb-c.h"
#include "broker_v1_service_def.pb-c.h"

/*
 * Every message that is packed or unpacked on its own: constant, name in the schema, name in generated symbols, and
 * where it is read from. SOCKET: at most 256 top-level fields and a budget of 4 times its size + 4 KiB + 96 bytes a
 * field. FILE: bounded by the file's own size limit, with a budget in which every legal message of that size fits.
 */
#define MESSAGE_TYPES(X)                                                                                               \
    X(FRAME, Frame, frame, SOCKET)                                                                                     \
    X(HELLO, Hello, hello, SOCKET)                                                                                     \
    X(HELLO_REPLY, HelloReply, hello_reply, SOCKET)                                                                    \
    X(NEGOTIATED, Negotiated, negotiated, SOCKET)                                                                      \
    X(REFUSED, Refused, refused, SOCKET)                                                                               \
    X(ADMIN_REQUEST, AdminRequest, admin_request, SOCKET)                                                              \
    X(ADMIN_REPLY, AdminReply, admin_reply, SOCKET)                                                                    \
    X(HANDOFF_OFFER, HandoffOffer, handoff_offer, SOCKET)                                                              \
    X(HANDOFF_ACK, HandoffAck, handoff_ack, SOCKET)                                                                    \
    X(ENDPOINT, Endpoint, endpoint, SOCKET)                                                                            \
    X(DAEMON_PROCESS, DaemonProcess, daemon_process, SOCKET)                                                           \
    X(LIFECYCLE_CONTROL, LifecycleControl, lifecycle_control, SOCKET)                                                  \
    X(LIFECYCLE_CONTROL_ACK, LifecycleControlAck, lifecycle_control_ack, SOCKET)                                       \
    X(SERVICE_DEFINITION, ServiceDefinition, service_definition, FILE)                                                 \
    X(CACHE_MANIFEST, CacheManifest, cache_manifest, FILE)                                                             \
    X(LIFECYCLE_EVENT, LifecycleEvent, lifecycle_event, FILE)

enum message_type {
#define MESSAGE_TYPE_CONSTANT(NAME, Schema, symbol, source) MESSAGE_##NAME,
    MESSAGE_TYPES(MESSAGE_TYPE_CONSTANT)
#undef MESSAGE_TYPE_CONSTANT
        MESSAGE_TYPE_COUNT
};

/* The schema's own names: Frame, Hello, HelloReply … for RunningProcess__Broker__V1__Frame … */
#define MESSAGE_SHORT_NAME(NAME, Schema, symbol, source) typedef RunningProcess__Broker__V1__##Schema Schema;
MESSAGE_TYPES(MESSAGE_SHORT_NAME)
#undef MESSAGE_SHORT_NAME

enum {
    MESSAGE_E_MALFORMED = 1, /* not this message, or dearer than its budget (spec 01 §1.6) */
};

/* An arena block of this many bytes takes every ordinary message without touching the heap. */
#define MESSAGE_ARENA_BLOCK 4096

/* Descriptor of @type; static. */
const ProtobufCMessageDescriptor *message_descriptor(enum message_type type);

/* Name in the schema, for example "HelloReply"; static. */
const char *message_name(enum message_type type);

/* Name in the schema of a refusal's code, for example "ERROR_RATE_LIMITED"; "ERROR_UNKNOWN" for others. Static. */
const char *message_error_name(uint32_t code);

/* The most bytes that unpacking @size bytes of @type may take from an arena. */
size_t message_budget(enum message_type type, size_t size);

/*
 * Scans @bytes and unpacks them as @type into @arena. Unknown fields are dropped. The result lives as long as the
 * arena's contents and holds no pointer into @bytes; it is never freed by itself. @arena may already hold other things.
 * 0; MESSAGE_E_MALFORMED (what was allocated stays until the arena is reset); -ENOMEM from the heap or from the
 * arena's own limit where that is below the budget.
 */
int message_unpack(enum message_type type, struct slice bytes, struct arena *arena, ProtobufCMessage **ret);

/*
 * Makes *@message an empty message of @type (all fields absent); it owns nothing. Use this and not the generated INIT
 * macros, which cast const away.
 */
void message_init(enum message_type type, void *message);

/* Size of @message when packed. */
size_t message_size(const ProtobufCMessage *message);

/* Writes message_size() bytes to @out: ascending fields, defaults omitted. Returns their number. */
size_t message_pack(const ProtobufCMessage *message, uint8_t *out);

/* Borrowed view of a bytes field, for example message_bytes(&frame->payload). */
static inline struct slice message_bytes(const ProtobufCBinaryData *field)
{
    return (struct slice){.data = (const char *)field->data, .size = field->len};
}

/* The pointer that message_pack() and message_size() take, checked to be a message. */
#define MESSAGE_OF(pointer) (&(pointer)->base)
