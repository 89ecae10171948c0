/* SPDX-License-Identifier: MIT */

/*
 * The pre-scan machine walks the body; this module is its listener and keeps four values, each replaced when it comes
 * again, as a decoder would. A trace value that is too long is forgotten as a whole: half a value would be a wrong one.
 * It judges nothing; the caller asks once the body is complete.
 */

#include <string.h>

#include "wire/skim.h"

static void skim_number(void *owner, const ProtobufCFieldDescriptor *field, uint64_t value)
{
    struct skim *skim = owner;

    if (field->offset == offsetof(Frame, payload_protocol)) {
        skim->payload_protocol = (uint32_t)value;
    } else if (field->offset == offsetof(Frame, request_id)) {
        skim->request_id = value;
    }
}

static struct skim_text *skim_text(struct skim *skim, const ProtobufCFieldDescriptor *field)
{
    if (field->offset == offsetof(Frame, traceparent)) {
        return &skim->traceparent;
    }
    return field->offset == offsetof(Frame, tracestate) ? &skim->tracestate : NULL;
}

static void skim_forget(struct skim_text *text)
{
    text->size = 0;
    text->filled = 0;
    text->text[0] = '\0';
}

static void skim_begin(void *owner, const ProtobufCFieldDescriptor *field, uint64_t size)
{
    struct skim_text *text = skim_text(owner, field);

    if (text != NULL) {
        skim_forget(text);
        text->size = size;
    }
}

static void skim_bytes(void *owner, const ProtobufCFieldDescriptor *field, const uint8_t *bytes, size_t size)
{
    struct skim_text *text = skim_text(owner, field);

    if (text == NULL || text->size > TRACE_ECHO_MAX) {
        return;
    }
    memcpy(text->text + text->filled, bytes, size);
    text->filled += (uint32_t)size;
    text->text[text->filled] = '\0';
}

void skim_init(struct skim *skim, uint32_t body_size)
{
    skim->sink = (struct prescan_sink){.number = skim_number, .begin = skim_begin, .bytes = skim_bytes, .owner = skim};
    skim->payload_protocol = 0;
    skim->request_id = 0;
    skim_forget(&skim->traceparent);
    skim_forget(&skim->tracestate);
    prescan_init(&skim->scan, message_descriptor(MESSAGE_FRAME), body_size, PRESCAN_FIELDS_MAX, &skim->sink);
}

int skim_feed(struct skim *skim, const uint8_t *bytes, size_t size)
{
    return prescan_feed(&skim->scan, bytes, size);
}

struct envelope_echo skim_echo(const struct skim *skim)
{
    return (struct envelope_echo){
        .request_id = skim->request_id, .traceparent = skim->traceparent.text, .tracestate = skim->tracestate.text};
}
