/* SPDX-License-Identifier: MIT */

/*
 * One table leads from a message type to its generated descriptor and its limits; packing and unpacking go through it
 * and nowhere else. Before the decoder sees a byte the message is scanned (frame_scan.h), because the decoder by itself
 * accepts bad UTF-8, cuts strings at NUL and turns a flood of tiny unknown fields into a hundred times their size. Its
 * allocations come from an arena under a budget derived from the message's size. What fields mean is not judged here.
 */

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "wire/frame_scan.h"
#include "wire/message.h"

struct message_row {
    const ProtobufCMessageDescriptor *descriptor;
    uint32_t fields_max;
    uint32_t budget_factor;
};

/* 4 KiB, and the decoder's notes on as many unknown fields as the scan lets through. */
#define MESSAGE_BUDGET_FIXED (4096u + PRESCAN_FIELDS_MAX * 96u)

/* The dearest legal byte pair is a one-byte field: 40 bytes of the decoder's notes, twice, and a map entry. */
enum {
    BUDGET_SOCKET = 4,
    BUDGET_FILE = 64,
};
#define FIELDS_SOCKET PRESCAN_FIELDS_MAX
#define FIELDS_FILE UINT32_MAX

static const struct message_row messages[] = {
#define MESSAGE_ROW(NAME, Schema, symbol, source)                                                                      \
    [MESSAGE_##NAME] = {&running_process__broker__v1__##symbol##__descriptor, FIELDS_##source, BUDGET_##source},
    MESSAGE_TYPES(MESSAGE_ROW)
#undef MESSAGE_ROW
};

const ProtobufCMessageDescriptor *message_descriptor(enum message_type type)
{
    return messages[type].descriptor;
}

const char *message_name(enum message_type type)
{
    return messages[type].descriptor->short_name;
}

const char *message_error_name(uint32_t code)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&running_process__broker__v1__error_code__descriptor, (int)code);

    return value ? value->name : "ERROR_UNKNOWN";
}

size_t message_budget(enum message_type type, size_t size)
{
    size_t factor = messages[type].budget_factor;

    return size > (SIZE_MAX - MESSAGE_BUDGET_FIXED) / factor ? SIZE_MAX : size * factor + MESSAGE_BUDGET_FIXED;
}

static void *message_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void message_free(void *arena, void *object)
{
    /* everything goes at once, with the arena */
}

/* Lowers the limit of @arena so that it can hand out at most @budget bytes more; returns the limit it had. */
static size_t message_limit(struct arena *arena, size_t budget)
{
    size_t limit = arena->limit;

    if (budget < limit - arena->used) {
        arena->limit = arena->used + budget;
    }
    return limit;
}

static void message_drop_unknown(ProtobufCMessage *message);

/* The pointer kept at @member, whatever it is declared to point to. */
static void *message_pointer(const void *member)
{
    void *pointer;

    memcpy(&pointer, member, sizeof(pointer));
    return pointer;
}

static void message_drop_unknown_of(const ProtobufCFieldDescriptor *field, const uint8_t *message)
{
    const uint8_t *member = message + field->offset;
    uint32_t arm;
    size_t n;

    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        uint8_t *list = message_pointer(member);

        memcpy(&n, message + field->quantifier_offset, sizeof(n));
        for (size_t i = 0; i < n; i++) {
            message_drop_unknown(message_pointer(list + i * sizeof(void *)));
        }
        return;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        memcpy(&arm, message + field->quantifier_offset, sizeof(arm));
        if (arm != field->id) {
            return; /* the place holds another arm */
        }
    }
    message_drop_unknown(message_pointer(member));
}

/* Unknown fields are accepted and never sent on: what is packed later holds only what we know. */
static void message_drop_unknown(ProtobufCMessage *message)
{
    if (message == NULL) {
        return;
    }
    message->n_unknown_fields = 0;
    message->unknown_fields = NULL;
    for (unsigned int i = 0; i < message->descriptor->n_fields; i++) {
        if (message->descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
            message_drop_unknown_of(&message->descriptor->fields[i], (const uint8_t *)message);
        }
    }
}

int message_unpack(enum message_type type, struct slice bytes, struct arena *arena, ProtobufCMessage **ret)
{
    const struct message_row *row = &messages[type];
    const uint8_t *data = (const uint8_t *)(bytes.size == 0 ? "" : bytes.data);
    ProtobufCAllocator allocator = {.alloc = message_alloc, .free = message_free, .allocator_data = arena};
    size_t budget = message_budget(type, bytes.size);
    ProtobufCMessage *message;
    size_t limit;

    if (prescan(row->descriptor, data, bytes.size, row->fields_max) != 0) {
        return MESSAGE_E_MALFORMED;
    }
    arena->over_limit = arena->out_of_heap = false;
    limit = message_limit(arena, budget);
    message = protobuf_c_message_unpack(row->descriptor, &allocator, bytes.size, data);
    budget = arena->limit;
    arena->limit = limit;
    if (message != NULL) {
        message_drop_unknown(message);
        *ret = message;
        return 0;
    }
    if (arena->out_of_heap || (arena->over_limit && budget == limit)) {
        return error_origin(-ENOMEM);
    }
    return MESSAGE_E_MALFORMED;
}

void message_init(enum message_type type, void *message)
{
    messages[type].descriptor->message_init(message);
}

size_t message_size(const ProtobufCMessage *message)
{
    return protobuf_c_message_get_packed_size(message);
}

size_t message_pack(const ProtobufCMessage *message, uint8_t *out)
{
    return protobuf_c_message_pack(message, out);
}
