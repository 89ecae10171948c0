/* SPDX-License-Identifier: MIT */
/*
 * Writes the text form. Formatting walks the tokens of a text that has been parsed before, so it knows that they fit
 * together; it needs no tree, because lists come apart into repeated fields and blocks hold plain values. A comment
 * behind a finished field stays behind it; every other one goes on a line of its own before the field that follows.
 */
#include "service/definition_format.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "service/definition_syntax.h"
#include "servicedef_parser.h"

/* ------------------------------------------------------------------------------------------------ pieces */

static int put(struct buffer *out, struct slice text)
{
    return buffer_append(out, text.data, text.size);
}

static int put_text(struct buffer *out, const char *text)
{
    return put(out, slice_from(text));
}

static struct slice escape_of(char c, char buffer[8])
{
    static const char plain[] = "\n\r\t\"\\";
    static const char letters[] = "nrt\"\\";
    const char *found = c != '\0' ? strchr(plain, c) : NULL;
    int size;

    if (found)
        size = snprintf(buffer, 8, "\\%c", letters[found - plain]);
    else if ((unsigned char)c < 0x20 || c == 0x7f)
        size = snprintf(buffer, 8, "\\%03o", (unsigned char)c);
    else
        size = snprintf(buffer, 8, "%c", c);
    return (struct slice){.data = buffer, .size = (size_t)size};
}

int definition_print_string(struct slice value, struct buffer *out)
{
    char escape[8];
    int r;

    r = put_text(out, "\"");
    for (size_t i = 0; i < value.size && r == 0; i++)
        r = put(out, escape_of(value.data[i], escape));
    if (r == 0)
        r = put_text(out, "\"");
    return error_trace(r);
}

/* ------------------------------------------------------------------------------------------------ definitions */

static int print_field(struct buffer *out, uint32_t number, const char *value)
{
    int r;

    r = put_text(out, definition_field_name(number));
    if (r == 0)
        r = put_text(out, ": ");
    if (r == 0)
        r = definition_print_string(slice_from(value), out);
    if (r == 0)
        r = put_text(out, "\n");
    return r;
}

static int print_isolation(struct buffer *out, int32_t isolation)
{
    const char *name = definition_isolation_name(isolation);
    char line[64];

    if (name)
        snprintf(line, sizeof(line), "%s: %s\n", definition_field_name(3), name);
    else
        snprintf(line, sizeof(line), "%s: %d\n", definition_field_name(3), (int)isolation);
    return put_text(out, line);
}

static int print_label(struct buffer *out, const struct definition_label *label)
{
    int r;

    r = put_text(out, "labels { key: ");
    if (r == 0)
        r = definition_print_string(slice_from(label->key), out);
    if (r == 0)
        r = put_text(out, " value: ");
    if (r == 0)
        r = definition_print_string(slice_from(label->value), out);
    if (r == 0)
        r = put_text(out, " }\n");
    return r;
}

/* Prints the field of that number, unless it has its default. */
static int print_number(struct buffer *out, const struct definition *definition, uint32_t number)
{
    const char *text;
    int r = 0;

    switch (number) {
    case 3:
        return definition->isolation != 0 ? print_isolation(out, definition->isolation) : 0;
    case 7:
        for (size_t i = 0; i < definition->n_version_allow_list && r == 0; i++)
            r = print_field(out, number, definition->version_allow_list[i]);
        return r;
    case 8:
        for (size_t i = 0; i < definition->n_labels && r == 0; i++)
            r = print_label(out, &definition->labels[i]);
        return r;
    default:
        text = definition_string(definition, number);
        return text && text[0] != '\0' ? print_field(out, number, text) : 0;
    }
}

int definition_print(const struct definition *definition, struct buffer *out)
{
    const ProtobufCMessageDescriptor *schema = message_descriptor(MESSAGE_SERVICE_DEFINITION);
    int r = 0;

    for (unsigned int i = 0; i < schema->n_fields && r == 0; i++)
        r = print_number(out, definition, schema->fields[i].id);
    return error_trace(r);
}

/* ------------------------------------------------------------------------------------------------ texts */

struct formatter {
    struct slice text;
    struct text_lexer lexer;
    struct text_token token; /* the next one; never a comment */
    size_t previous_end;     /* of the token or comment before it */
    bool is_blank_before;    /* an empty line stood before it */
    bool is_behind_field;    /* a field has just been written: a comment on its line belongs to it */
    struct buffer comments;  /* lines that wait for the next field */
    struct buffer *out;
    bool is_line_open; /* the last line has no newline yet */
    bool is_started;
    unsigned int indent;
    int error;
};

static void keep_error(struct formatter *formatter, int r)
{
    if (formatter->error == 0)
        formatter->error = r;
}

static void write_text(struct formatter *formatter, const char *text)
{
    keep_error(formatter, put_text(formatter->out, text));
}

static void end_line(struct formatter *formatter)
{
    if (formatter->is_line_open)
        write_text(formatter, "\n");
    formatter->is_line_open = false;
}

static struct slice without_trailing_space(struct slice text)
{
    while (text.size > 0 && strchr(" \t\r\v\f", text.data[text.size - 1]))
        text.size--;
    return text;
}

static bool has_blank_line(struct formatter *formatter, size_t from, size_t to)
{
    unsigned int n = 0;

    for (size_t i = from; i < to; i++)
        n += formatter->text.data[i] == '\n';
    return n > 1;
}

static void take_comment(struct formatter *formatter, struct text_token comment, bool is_blank_before)
{
    struct slice text = without_trailing_space(comment.text);

    if (formatter->is_behind_field && !comment.is_first_on_line && formatter->comments.size == 0 &&
        formatter->is_line_open) {
        write_text(formatter, "  ");
        keep_error(formatter, put(formatter->out, text));
        return;
    }
    if (is_blank_before)
        keep_error(formatter, put_text(&formatter->comments, "\n"));
    keep_error(formatter, put(&formatter->comments, text));
    keep_error(formatter, put_text(&formatter->comments, "\n"));
}

/* Reads the next token into place; comments on the way are written or kept. */
static void advance(struct formatter *formatter)
{
    struct text_token token;
    bool is_blank_before = false;

    for (;;) {
        token = definition_lexer_next(&formatter->lexer);
        is_blank_before = has_blank_line(formatter, formatter->previous_end, token.offset);
        formatter->previous_end = token.offset + token.text.size;
        if (token.kind != TOKEN_COMMENT)
            break;
        take_comment(formatter, token, is_blank_before);
    }
    formatter->token = token;
    formatter->is_blank_before = is_blank_before;
}

static void write_indent(struct formatter *formatter)
{
    for (unsigned int i = 0; i < formatter->indent; i++)
        write_text(formatter, "  ");
}

static void write_comments(struct formatter *formatter)
{
    struct slice rest = buffer_slice(&formatter->comments);

    while (rest.size > 0 && formatter->error == 0) {
        size_t size = (size_t)((const char *)memchr(rest.data, '\n', rest.size) - rest.data);

        if (size > 0)
            write_indent(formatter);
        if (size > 0 || formatter->is_started) {
            keep_error(formatter, buffer_append(formatter->out, rest.data, size));
            write_text(formatter, "\n");
        }
        formatter->is_started = true;
        rest = slice_skip(rest, size + 1);
    }
    buffer_clear(&formatter->comments);
}

/* Starts a line: the comments that wait, then the indent. @is_blank_before: an empty line first, or after the comments.
 */
static void start_line(struct formatter *formatter, bool is_blank_before)
{
    end_line(formatter);
    write_comments(formatter);
    if (is_blank_before && formatter->is_started)
        write_text(formatter, "\n");
    write_indent(formatter);
    formatter->is_started = true;
    formatter->is_line_open = true;
}

/* Kind of the token behind the present one, comments left out. */
static int kind_ahead(const struct formatter *formatter)
{
    struct text_lexer ahead = formatter->lexer;
    struct text_token token;

    do
        token = definition_lexer_next(&ahead);
    while (token.kind == TOKEN_COMMENT);
    return token.kind;
}

/* Whether a comment stands between the brace at the present token and the one that closes it. */
static bool block_has_comment(const struct formatter *formatter)
{
    struct text_lexer ahead = formatter->lexer;
    struct text_token token;

    do {
        token = definition_lexer_next(&ahead);
        if (token.kind == TOKEN_COMMENT)
            return true;
    } while (token.kind != SERVICEDEF_RBRACE && token.kind != SERVICEDEF_RANGLE && token.kind != TOKEN_END);
    return false;
}

/* ------------------------------------------------------------------------------------------------ fields */

/* Appends the string at the present token, and those adjacent to it, to @value; the last one becomes the present one.
 */
static void take_string(struct formatter *formatter, struct buffer *value)
{
    _cleanup_(buffer_deinit) struct buffer decoded;
    struct text_string_fault fault;

    buffer_init(&decoded, formatter->text.size + 1);
    for (;;) {
        size_t size = decoded.size;
        uint8_t *room;
        int r = buffer_extend(&decoded, formatter->token.text.size, &room);

        if (r < 0) {
            keep_error(formatter, r);
            return;
        }
        decoded.size = size + definition_string_decode(formatter->token.text, (char *)room, &fault);
        if (kind_ahead(formatter) != SERVICEDEF_STRING)
            break;
        advance(formatter);
    }
    keep_error(formatter, definition_print_string(buffer_slice(&decoded), value));
}

/* The same for any value. A number becomes the name that it stands for. */
static void take_value(struct formatter *formatter, struct buffer *value)
{
    const char *name;

    if (formatter->token.kind == SERVICEDEF_STRING) {
        take_string(formatter, value);
        return;
    }
    if (formatter->token.kind == SERVICEDEF_MINUS)
        advance(formatter); /* the only number that it can stand before is 0 */
    if (formatter->token.kind != SERVICEDEF_INTEGER) {
        keep_error(formatter, put(value, formatter->token.text));
        return;
    }
    name = definition_isolation_name((int32_t)definition_syntax_number_value(formatter->token.text));
    keep_error(formatter, put(value, name ? slice_from(name) : formatter->token.text));
}

/* NAME ":" value, from the present token on; then the last token of the value is the present one. */
static void take_member(struct formatter *formatter, struct buffer *line)
{
    keep_error(formatter, put(line, formatter->token.text));
    keep_error(formatter, put_text(line, ": "));
    advance(formatter); /* the colon */
    advance(formatter);
    take_value(formatter, line);
}

static void write_line(struct formatter *formatter, bool is_blank_before, struct slice line)
{
    start_line(formatter, is_blank_before);
    keep_error(formatter, put(formatter->out, line));
}

/* Goes on behind a field. When it was written, a comment on its line belongs to it. */
static void leave_field(struct formatter *formatter, bool is_written)
{
    formatter->is_behind_field = is_written;
    advance(formatter);
    if (formatter->token.kind == SERVICEDEF_COMMA || formatter->token.kind == SERVICEDEF_SEMICOLON)
        advance(formatter);
    formatter->is_behind_field = false;
}

static bool is_block_end(const struct formatter *formatter)
{
    return formatter->token.kind == SERVICEDEF_RBRACE || formatter->token.kind == SERVICEDEF_RANGLE ||
           formatter->token.kind == TOKEN_END || formatter->error < 0;
}

static void take_short_block(struct formatter *formatter, struct buffer *line)
{
    advance(formatter);
    while (!is_block_end(formatter)) {
        keep_error(formatter, put_text(line, " "));
        take_member(formatter, line);
        leave_field(formatter, true);
    }
    keep_error(formatter, put_text(line, " }"));
}

static void take_long_block(struct formatter *formatter)
{
    _cleanup_(buffer_deinit) struct buffer line;

    buffer_init(&line, SIZE_MAX);
    formatter->indent++;
    formatter->is_behind_field = true;
    advance(formatter);
    formatter->is_behind_field = false;
    while (!is_block_end(formatter)) {
        bool is_blank_before = formatter->is_blank_before;

        buffer_clear(&line);
        take_member(formatter, &line);
        write_line(formatter, is_blank_before, buffer_slice(&line));
        leave_field(formatter, true);
    }
    end_line(formatter);
    write_comments(formatter);
    formatter->indent--;
    write_line(formatter, false, SLICE("}"));
}

/* One value of the field @name, which becomes one line or one block; the last token of it is then the present one. */
static void take_element(struct formatter *formatter, struct slice name, bool is_blank_before)
{
    bool is_block = formatter->token.kind == SERVICEDEF_LBRACE || formatter->token.kind == SERVICEDEF_LANGLE;
    bool is_long = is_block && block_has_comment(formatter);
    _cleanup_(buffer_deinit) struct buffer line;

    buffer_init(&line, SIZE_MAX);
    keep_error(formatter, put(&line, name));
    keep_error(formatter, put_text(&line, is_block ? " {" : ": "));
    if (is_block && !is_long)
        take_short_block(formatter, &line);
    else if (!is_block)
        take_value(formatter, &line);
    write_line(formatter, is_blank_before, buffer_slice(&line));
    if (is_long)
        take_long_block(formatter);
}

static void take_field(struct formatter *formatter)
{
    struct slice name = formatter->token.text;
    bool is_blank_before = formatter->is_blank_before;
    bool is_written = false;

    advance(formatter);
    if (formatter->token.kind == SERVICEDEF_COLON)
        advance(formatter);
    if (formatter->token.kind != SERVICEDEF_LBRACKET) {
        take_element(formatter, name, is_blank_before);
        leave_field(formatter, true);
        return;
    }
    advance(formatter);
    while (formatter->token.kind != SERVICEDEF_RBRACKET && formatter->token.kind != TOKEN_END &&
           formatter->error == 0) {
        take_element(formatter, name, is_blank_before);
        leave_field(formatter, true);
        is_blank_before = false;
        is_written = true;
    }
    leave_field(formatter, is_written);
}

int definition_format_text(struct slice text, struct buffer *out)
{
    struct formatter formatter = {.text = text, .out = out};

    buffer_init(&formatter.comments, SIZE_MAX);
    definition_lexer_init(&formatter.lexer, text);
    advance(&formatter);
    while (formatter.token.kind != TOKEN_END && formatter.error == 0)
        take_field(&formatter);
    end_line(&formatter);
    write_comments(&formatter);
    buffer_deinit(&formatter.comments);
    return error_trace(formatter.error);
}
