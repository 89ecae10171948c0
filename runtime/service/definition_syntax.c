/* SPDX-License-Identifier: MIT */
/*
 * The actions of the text form's grammar. They fill a ServiceDefinition through its descriptor, so names, types and
 * numbers of fields are written down once, in the schema. Everything lives in the arena; a value with a mistake is
 * reported and dropped, and reading goes on. What follows what is the grammar's affair, what the values must be like is
 * definition_check()'s.
 */
#include "service/definition_syntax.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "servicedef_parser.h"
#include "wire/text.h"

#define QUOTED_SIZE 80u

/* ------------------------------------------------------------------------------------------------ helpers */

__attribute__((format(printf, 4, 5))) static void report_token(struct text_parser *parser, enum text_fault fault,
                                                               struct text_token token, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_report_addv(parser->report, parser->text, fault, false, token.offset, token.text.size, format, arguments);
    va_end(arguments);
}

static struct text_frame *frame_of(struct text_parser *parser)
{
    return &parser->frames[parser->depth];
}

/* The field that a value is for, or NULL when the value is to be dropped. */
static const ProtobufCFieldDescriptor *wanted_field(struct text_parser *parser)
{
    struct text_frame *frame = frame_of(parser);

    if (parser->unknown_depth > 0 || frame->is_ignored)
        return NULL;
    return frame->field;
}

static void *allocate(struct text_parser *parser, size_t size)
{
    void *memory = arena_alloc(parser->arena, size);

    if (!memory)
        parser->error = -ENOMEM;
    return memory;
}

static void *member(ProtobufCMessage *message, size_t offset)
{
    return (uint8_t *)message + offset;
}

/* Appends a string or a message to a repeated field; the array doubles when it is full. */
static void append_pointer(struct text_parser *parser, void *value)
{
    struct text_frame *frame = frame_of(parser);
    size_t *n = member(frame->message, frame->field->quantifier_offset);
    void ***array = member(frame->message, frame->field->offset);

    if ((*n & (*n - 1)) == 0) { /* 0 or a power of two: exactly full */
        void **larger = allocate(parser, (*n ? *n * 2 : 1) * sizeof(void *));

        if (!larger)
            return;
        if (*n > 0)
            memcpy(larger, *array, *n * sizeof(void *));
        *array = larger;
    }
    (*array)[(*n)++] = value;
}

static void store_pointer(struct text_parser *parser, void *value)
{
    struct text_frame *frame = frame_of(parser);

    if (frame->field->label == PROTOBUF_C_LABEL_REPEATED)
        append_pointer(parser, value);
    else
        *(void **)member(frame->message, frame->field->offset) = value;
}

static void remember_position(struct text_parser *parser, size_t offset, size_t size)
{
    struct text_positions *positions = parser->positions;
    struct text_frame *frame = frame_of(parser);
    size_t index = 0;

    if (!positions || parser->depth > 0 || positions->n_values == TEXT_POSITIONS_MAX)
        return;
    if (frame->field->label == PROTOBUF_C_LABEL_REPEATED)
        index = *(size_t *)member(frame->message, frame->field->quantifier_offset);
    positions->values[positions->n_values].field = frame->field->id;
    positions->values[positions->n_values].index = index;
    positions->values[positions->n_values].offset = offset;
    positions->values[positions->n_values].size = size;
    positions->n_values++;
}

/* What a field takes, for "… takes …". */
static const char *field_takes(const ProtobufCFieldDescriptor *field, char *buffer, size_t size)
{
    const ProtobufCEnumDescriptor *values = field->descriptor;
    size_t used;

    if (field->type == PROTOBUF_C_TYPE_STRING)
        return "a string";
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return "a block { key: \"...\" value: \"...\" }";
    used = (size_t)snprintf(buffer, size, "one of");
    for (unsigned int i = 0; i < values->n_values && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s %s", i > 0 ? "," : "", values->values[i].name);
    return buffer;
}

static void report_type(struct text_parser *parser, struct text_token token, const char *found)
{
    const ProtobufCFieldDescriptor *field = frame_of(parser)->field;
    char takes[128], quoted[QUOTED_SIZE];
    bool wants_quotes =
        field->type == PROTOBUF_C_TYPE_STRING && (token.kind == SERVICEDEF_IDENT || token.kind == SERVICEDEF_INTEGER);

    report_token(parser, TEXT_FAULT_TYPE, token, "%s takes %s, found %s%s%s%s", field->name,
                 field_takes(field, takes, sizeof(takes)), found, wants_quotes ? " (did you mean " : "",
                 wants_quotes ? text_quote(token.text, quoted, sizeof(quoted)) : "", wants_quotes ? "?)" : "");
}

/* ------------------------------------------------------------------------------------------------ fields */

const ProtobufCFieldDescriptor *definition_syntax_find(const ProtobufCMessageDescriptor *descriptor, struct slice name)
{
    for (unsigned int i = 0; i < descriptor->n_fields; i++) {
        if (slice_equal(name, slice_from(descriptor->fields[i].name)))
            return &descriptor->fields[i];
    }
    return NULL;
}

static void report_unknown_field(struct text_parser *parser, struct text_token name)
{
    const ProtobufCMessageDescriptor *descriptor = frame_of(parser)->descriptor;
    const char *names[33] = {NULL};
    const char *nearest;
    char quoted[QUOTED_SIZE];

    for (unsigned int i = 0; i < descriptor->n_fields && i < 32; i++)
        names[i] = descriptor->fields[i].name;
    nearest = text_nearest(name.text, names);
    report_token(parser, TEXT_FAULT_FIELD, name, "%s has no field %s%s%s%s",
                 parser->depth > 0 ? "a label" : descriptor->short_name, text_quote(name.text, quoted, sizeof(quoted)),
                 nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

void definition_syntax_field(struct text_parser *parser, struct text_token name)
{
    struct text_frame *frame = frame_of(parser);
    size_t index;

    if (parser->unknown_depth > 0)
        return;
    frame->name = name;
    frame->is_ignored = false;
    frame->field = definition_syntax_find(frame->descriptor, name.text);
    if (!frame->field) {
        report_unknown_field(parser, name);
        return;
    }
    index = (size_t)(frame->field - frame->descriptor->fields);
    if (frame->field->label != PROTOBUF_C_LABEL_REPEATED && frame->seen & 1u << index) {
        report_token(parser, TEXT_FAULT_DUPLICATE, name, "%s is given twice (first on line %u)", frame->field->name,
                     text_line_of(parser->text, frame->seen_at[index]));
        frame->is_ignored = true;
        return;
    }
    frame->seen |= 1u << index;
    frame->seen_at[index] = name.offset;
}

void definition_syntax_list(struct text_parser *parser, struct text_token bracket)
{
    const ProtobufCFieldDescriptor *field = wanted_field(parser);

    if (!field || field->label == PROTOBUF_C_LABEL_REPEATED)
        return;
    report_token(parser, TEXT_FAULT_LIST, bracket, "%s takes one value, not a list", field->name);
    frame_of(parser)->is_ignored = true;
}

/* NAME [ ] without a colon is for messages only; the grammar cannot tell an empty list of them from one of scalars. */
void definition_syntax_bare_list(struct text_parser *parser, struct text_token bracket)
{
    const ProtobufCFieldDescriptor *field = wanted_field(parser);
    struct text_token name = frame_of(parser)->name;

    if (field && field->type != PROTOBUF_C_TYPE_MESSAGE)
        report_token(parser, TEXT_FAULT_SYNTAX, name, "expected ':' after %s", field->name);
}

void definition_syntax_block(struct text_parser *parser, struct text_token brace)
{
    const ProtobufCFieldDescriptor *field = wanted_field(parser);
    const ProtobufCMessageDescriptor *descriptor;
    ProtobufCMessage *message;

    if (field && field->type != PROTOBUF_C_TYPE_MESSAGE)
        report_type(parser, brace, "a block");
    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE || parser->depth == 1) {
        parser->unknown_depth++;
        return;
    }
    descriptor = field->descriptor;
    message = allocate(parser, descriptor->sizeof_message);
    if (!message) {
        parser->unknown_depth++;
        return;
    }
    descriptor->message_init(message);
    remember_position(parser, brace.offset, 1);
    store_pointer(parser, message);
    parser->frames[++parser->depth] = (struct text_frame){.descriptor = descriptor, .message = message};
}

void definition_syntax_block_end(struct text_parser *parser, struct text_token brace)
{
    if (parser->unknown_depth > 0)
        parser->unknown_depth--;
    else
        parser->depth--;
}

/* ------------------------------------------------------------------------------------------------ values */

static void append_literal(struct text_parser *parser, struct text_token literal)
{
    struct text_string_fault fault;

    parser->string_end = literal.offset + literal.text.size;
    if (literal.is_bad) {
        parser->string_is_bad = true;
        return;
    }
    parser->scratch_used += definition_string_decode(literal.text, parser->scratch + parser->scratch_used, &fault);
    if (fault.fault == TEXT_FAULT_NONE)
        return;
    parser->string_is_bad = true;
    text_report_add(parser->report, parser->text, fault.fault, false, literal.offset + fault.offset, fault.size, "%s",
                    fault.message);
}

void definition_syntax_string(struct text_parser *parser, struct text_token literal)
{
    parser->string = literal;
    parser->scratch_used = 0;
    parser->string_is_bad = false;
    append_literal(parser, literal);
}

void definition_syntax_string_more(struct text_parser *parser, struct text_token literal)
{
    append_literal(parser, literal);
}

void definition_syntax_string_end(struct text_parser *parser)
{
    const ProtobufCFieldDescriptor *field = wanted_field(parser);
    struct slice value = {.data = parser->scratch, .size = parser->scratch_used};
    struct text_token whole = parser->string;
    char *copy;

    whole.text.size = parser->string_end - whole.offset;
    if (!parser->string_is_bad && !text_is_utf8(value)) {
        report_token(parser, TEXT_FAULT_UTF8, whole, "the string is not valid UTF-8");
        parser->string_is_bad = true;
    }
    if (!field)
        return;
    if (field->type != PROTOBUF_C_TYPE_STRING) {
        report_type(parser, whole, "a string");
        return;
    }
    if (parser->string_is_bad)
        return;
    copy = allocate(parser, value.size + 1);
    if (!copy)
        return;
    memcpy(copy, value.data, value.size);
    copy[value.size] = '\0';
    remember_position(parser, whole.offset, whole.text.size);
    store_pointer(parser, copy);
}

static void store_enum(struct text_parser *parser, struct text_token token, int value)
{
    struct text_frame *frame = frame_of(parser);

    remember_position(parser, token.offset, token.text.size);
    *(int *)member(frame->message, frame->field->offset) = value;
}

void definition_syntax_word(struct text_parser *parser, struct text_token word)
{
    const ProtobufCFieldDescriptor *field = wanted_field(parser);
    const ProtobufCEnumDescriptor *descriptor;
    const char *names[17] = {NULL};
    const char *nearest;
    char quoted[QUOTED_SIZE], takes[128];

    if (!field)
        return;
    text_quote(word.text, quoted, sizeof(quoted));
    if (field->type != PROTOBUF_C_TYPE_ENUM) {
        char found[QUOTED_SIZE + 16];

        snprintf(found, sizeof(found), "the word %.*s", (int)(strlen(quoted) - 2), quoted + 1);
        report_type(parser, word, found);
        return;
    }
    descriptor = field->descriptor;
    for (unsigned int i = 0; i < descriptor->n_values && i < 16; i++) {
        names[i] = descriptor->values[i].name;
        if (slice_equal(word.text, slice_from(names[i]))) {
            store_enum(parser, word, descriptor->values[i].value);
            return;
        }
    }
    nearest = text_nearest(word.text, names);
    report_token(parser, TEXT_FAULT_VALUE, word, "%s is no value of %s, which takes %s%s%s%s", quoted, field->name,
                 field_takes(field, takes, sizeof(takes)), nearest ? "; did you mean " : "", nearest ? nearest : "",
                 nearest ? "?" : "");
}

int64_t definition_syntax_number_value(struct slice number)
{
    const char *digits = number.data;
    size_t n = number.size;
    int base = 10;
    int64_t value = 0;

    if (n > 1 && digits[0] == '0') {
        base = digits[1] == 'x' || digits[1] == 'X' ? 16 : 8;
        digits += base == 16 ? 2 : 1;
        n -= base == 16 ? 2 : 1;
    }
    for (size_t i = 0; i < n && value <= INT32_MAX; i++) {
        char c = digits[i];

        value = value * base + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

void definition_syntax_number(struct text_parser *parser, struct text_token number, bool is_negative)
{
    const ProtobufCFieldDescriptor *field = wanted_field(parser);
    const ProtobufCEnumDescriptor *descriptor;
    char quoted[QUOTED_SIZE], takes[128];
    int64_t value;

    if (!field)
        return;
    if (field->type != PROTOBUF_C_TYPE_ENUM) {
        report_type(parser, number, "a number");
        return;
    }
    if (number.is_bad)
        return;
    value = definition_syntax_number_value(number.text);
    descriptor = field->descriptor;
    for (unsigned int i = 0; i < descriptor->n_values; i++) {
        if (descriptor->values[i].value == (is_negative ? -value : value)) {
            store_enum(parser, number, descriptor->values[i].value);
            return;
        }
    }
    text_quote(number.text, quoted, sizeof(quoted));
    report_token(parser, TEXT_FAULT_VALUE, number, "%s%.*s is no value of %s, which takes %s", is_negative ? "-" : "",
                 (int)(strlen(quoted) - 2), quoted + 1, field->name, field_takes(field, takes, sizeof(takes)));
}

/* ------------------------------------------------------------------------------------------------ syntax errors */

static const char *describe_found(struct text_token found, char *buffer, size_t size)
{
    char quoted[QUOTED_SIZE];

    switch (found.kind) {
    case TOKEN_END:
        return "the end of the file";
    case SERVICEDEF_STRING:
        return "a string";
    case SERVICEDEF_INTEGER:
        return "a number";
    case SERVICEDEF_IDENT:
        return text_quote(found.text, buffer, size);
    default:
        text_quote(found.text, quoted, sizeof(quoted));
        snprintf(buffer, size, "'%.*s'", (int)(strlen(quoted) - 2), quoted + 1);
        return buffer;
    }
}

/* What may stand at a place where the grammar accepts the tokens of @expected. */
static const char *describe_expected(struct text_parser *parser, const bool *expected, char *buffer, size_t size)
{
    const ProtobufCFieldDescriptor *field = wanted_field(parser);
    char takes[128];

    if (expected[SERVICEDEF_STRING] && field) {
        snprintf(buffer, size, "%s%s", field_takes(field, takes, sizeof(takes)),
                 expected[SERVICEDEF_RBRACKET] ? " or ']'" : "");
        return buffer;
    }
    if (expected[SERVICEDEF_STRING])
        return "a value";
    if (expected[SERVICEDEF_IDENT] && expected[SERVICEDEF_RBRACE])
        return "a field name or '}'";
    if (expected[SERVICEDEF_IDENT] && expected[SERVICEDEF_RANGLE])
        return "a field name or '>'";
    if (expected[SERVICEDEF_IDENT])
        return "a field name";
    if (expected[SERVICEDEF_COLON])
        return field && field->type == PROTOBUF_C_TYPE_MESSAGE ? "'{'" : field ? "':'" : "':' or '{'";
    if (expected[SERVICEDEF_COMMA] && expected[SERVICEDEF_RBRACKET])
        return "',' or ']'";
    if (expected[SERVICEDEF_LBRACE])
        return expected[SERVICEDEF_RBRACKET] ? "'{' or ']'" : "'{'";
    return "a number"; /* behind a minus; there is no other place */
}

void definition_syntax_unexpected(struct text_parser *parser, struct text_token found, const bool *expected,
                                  int n_expected)
{
    char found_text[QUOTED_SIZE + 8], expected_text[160];

    parser->is_lost = true;
    if (parser->is_quiet)
        return;
    report_token(parser, TEXT_FAULT_SYNTAX, found, "expected %s, found %s",
                 describe_expected(parser, expected, expected_text, sizeof(expected_text)),
                 describe_found(found, found_text, sizeof(found_text)));
}

void definition_syntax_too_deep(struct text_parser *parser)
{
    parser->is_lost = true;
    text_report_add(parser->report, parser->text, TEXT_FAULT_SYNTAX, false, frame_of(parser)->name.offset,
                    frame_of(parser)->name.text.size, "blocks are nested too deeply here");
}
