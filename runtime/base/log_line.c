/* SPDX-License-Identifier: MIT */

/*
 * The bytes of a log line. Every string goes through one filter first, whatever the format: a control character (C0,
 * DEL, C1) or a byte that is not part of valid UTF-8 becomes '?', so no peer can forge a line, drive a terminal or
 * break the JSON. Then the format adds what it needs: JSON escapes quotation marks and backslashes; text puts values
 * with spaces, quotation marks or '=' in quotes.
 */

#include "base/log_line.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

enum {
    TAIL_SIZE = 2,           /* what log_line_end() may add */
    TEXT_MAX = LOG_LINE_MAX, /* escaped form of one string */
};

/* Length of the valid UTF-8 sequence at the beginning of @text, 0: there is none. Overlong forms and surrogates are
 * none. */
static size_t utf8_size(const unsigned char *text, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc2 ? 2 : 0;
    uint32_t point = text[0] & (n < 2 ? 0x7fu : 0xffu >> (n + 1));

    if (n == 0 || n > size || text[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (text[i] & 0x3fu);
    }
    if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
        return 0;
    }
    return n;
}

static bool is_control(const unsigned char *text, size_t n)
{
    return (n == 1 && (text[0] < 0x20 || text[0] == 0x7f)) || (n == 2 && text[0] == 0xc2 && text[1] < 0xa0);
}

/* A string made harmless: room for its quotes included. */
struct text {
    size_t size;
    char bytes[TEXT_MAX];
};

static void add(struct text *text, const void *bytes, size_t n)
{
    if (n < sizeof(text->bytes) - text->size) { /* one byte stays free for the closing quote */
        memcpy(text->bytes + text->size, bytes, n);
        text->size += n;
    }
}

static void filter(struct text *text, struct slice value, size_t max, bool escapes)
{
    const unsigned char *bytes = (const unsigned char *)value.data;
    size_t left = value.size < max ? value.size : max;

    while (left > 0) {
        size_t n = utf8_size(bytes, left);

        if (n == 0 || is_control(bytes, n)) {
            n = n ? n : 1;
            add(text, "?", 1);
        } else if (escapes && (*bytes == '"' || *bytes == '\\')) {
            add(text, *bytes == '"' ? "\\\"" : "\\\\", 2);
        } else {
            add(text, bytes, n);
        }
        bytes += n;
        left -= n;
    }
}

static bool needs_quotes(struct slice value)
{
    return value.size == 0 || memchr(value.data, ' ', value.size) || memchr(value.data, '"', value.size) ||
           memchr(value.data, '=', value.size) || memchr(value.data, '\\', value.size);
}

static void quote(struct text *text, struct slice value, size_t max, bool is_quoted)
{
    text->size = 0;
    if (is_quoted) {
        add(text, "\"", 1);
    }
    filter(text, value, max, is_quoted);
    if (is_quoted) {
        text->bytes[text->size++] = '"';
    }
}

/* Appends all of it or nothing. */
static void append(struct log_line *line, const char *before, const char *key, const char *between, const char *value,
                   size_t value_size)
{
    size_t key_size = strlen(key), n = strlen(before) + key_size + strlen(between) + value_size;

    if (n > sizeof(line->bytes) - TAIL_SIZE - line->size) {
        return;
    }
    memcpy(line->bytes + line->size, before, strlen(before));
    line->size += strlen(before);
    memcpy(line->bytes + line->size, key, key_size);
    line->size += key_size;
    memcpy(line->bytes + line->size, between, strlen(between));
    line->size += strlen(between);
    memcpy(line->bytes + line->size, value, value_size);
    line->size += value_size;
}

static void append_member(struct log_line *line, const char *key, const char *value, size_t value_size)
{
    if (line->format == LOG_JSON) {
        append(line, line->size > 1 ? ",\"" : "\"", key, "\":", value, value_size);
    } else {
        append(line, " ", key, "=", value, value_size);
    }
}

void log_line_begin(struct log_line *line, enum log_format format)
{
    line->format = format;
    line->size = 0;
    if (format == LOG_JSON) {
        line->bytes[line->size++] = '{';
    }
}

void log_line_head(struct log_line *line, uint64_t unix_msec, const char *level, const char *message)
{
    time_t seconds = (time_t)(unix_msec / 1000);
    struct slice text = slice_from(message);
    char stamp[64], upper[8] = "";
    struct text value;
    struct tm utc = {0};
    size_t n;

    (void)gmtime_r(&seconds, &utc);
    n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(stamp + n, sizeof(stamp) - n, ".%03uZ", (unsigned int)(unix_msec % 1000));
    if (line->format == LOG_JSON) {
        log_line_text(line, "ts", slice_from(stamp));
        log_line_text(line, "level", slice_from(level));
        quote(&value, text, text.size, true);
        append_member(line, "msg", value.bytes, value.size);
        return;
    }
    for (n = 0; n < sizeof(upper) - 1 && level[n]; n++) {
        upper[n] = (char)(level[n] - 'a' + 'A');
    }
    quote(&value, text, text.size, false);
    append(line, stamp, " ", upper, " ", 1);
    append(line, "", "", "", value.bytes, value.size);
}

void log_line_text(struct log_line *line, const char *key, struct slice value)
{
    struct text text;

    if (value.size == 0) {
        return;
    }
    quote(&text, value, LOG_FIELD_MAX, line->format == LOG_JSON || needs_quotes(value));
    append_member(line, key, text.bytes, text.size);
}

void log_line_number(struct log_line *line, const char *key, uint64_t value)
{
    char text[24];

    if (value != 0) {
        append_member(line, key, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
    }
}

void log_line_end(struct log_line *line)
{
    if (line->format == LOG_JSON) {
        line->bytes[line->size++] = '}';
    }
    line->bytes[line->size++] = '\n';
}
