/* SPDX-License-Identifier: MIT */
/*
 * String literals of the text form: escapes become bytes. A decoded string is never longer than its literal, which is
 * why the caller can give a buffer without asking. Whether the whole is UTF-8 is judged by the caller, since adjacent
 * literals may share a character; what can be judged here is each escape and NUL.
 */
#include "service/definition_syntax.h"

#include <string.h>

struct decoder {
    struct slice literal;
    size_t at; /* index into the literal */
    char *out;
    size_t used;
    struct text_string_fault *fault;
};

static void fault_at(struct decoder *decoder, enum text_fault fault, size_t offset, size_t size, const char *message)
{
    if (decoder->fault->fault != TEXT_FAULT_NONE)
        return;
    *decoder->fault = (struct text_string_fault){.fault = fault, .offset = offset, .size = size, .message = message};
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

/* Reads at most @max digits of @base from the place that the decoder is at. Returns their number. */
static size_t take_digits(struct decoder *decoder, int base, size_t max, uint32_t *ret_value)
{
    uint32_t value = 0;
    size_t n = 0;

    while (n < max && decoder->at < decoder->literal.size && digit_value(decoder->literal.data[decoder->at]) < base) {
        value = value * (uint32_t)base + (uint32_t)digit_value(decoder->literal.data[decoder->at]);
        decoder->at++;
        n++;
    }
    *ret_value = value;
    return n;
}

static void put_byte(struct decoder *decoder, size_t start, uint32_t value)
{
    if (value == 0)
        fault_at(decoder, TEXT_FAULT_NUL, start, decoder->at - start, "a NUL byte cannot be part of a string");
    decoder->out[decoder->used++] = (char)value;
}

static void put_character(struct decoder *decoder, size_t start, uint32_t c)
{
    if (c < 0x80) {
        put_byte(decoder, start, c);
    } else if (c < 0x800) {
        decoder->out[decoder->used++] = (char)(0xc0 | c >> 6);
        decoder->out[decoder->used++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        decoder->out[decoder->used++] = (char)(0xe0 | c >> 12);
        decoder->out[decoder->used++] = (char)(0x80 | (c >> 6 & 0x3f));
        decoder->out[decoder->used++] = (char)(0x80 | (c & 0x3f));
    } else {
        decoder->out[decoder->used++] = (char)(0xf0 | c >> 18);
        decoder->out[decoder->used++] = (char)(0x80 | (c >> 12 & 0x3f));
        decoder->out[decoder->used++] = (char)(0x80 | (c >> 6 & 0x3f));
        decoder->out[decoder->used++] = (char)(0x80 | (c & 0x3f));
    }
}

/* The other half of a pair of surrogates, written as a second \u escape. 0: there is none. */
static uint32_t take_low_surrogate(struct decoder *decoder)
{
    struct slice rest = {.data = decoder->literal.data + decoder->at, .size = decoder->literal.size - decoder->at};
    size_t back = decoder->at;
    uint32_t low;

    if (rest.size < 6 || rest.data[0] != '\\' || rest.data[1] != 'u')
        return 0;
    decoder->at += 2;
    if (take_digits(decoder, 16, 4, &low) == 4 && low >= 0xdc00 && low <= 0xdfff)
        return low;
    decoder->at = back;
    return 0;
}

static void take_unicode(struct decoder *decoder, size_t start, size_t n_digits)
{
    uint32_t c;

    if (take_digits(decoder, 16, n_digits, &c) != n_digits) {
        fault_at(decoder, TEXT_FAULT_ESCAPE, start, decoder->at - start,
                 n_digits == 4 ? "\\u needs four hex digits" : "\\U needs eight hex digits");
        return;
    }
    if (c >= 0xd800 && c <= 0xdbff) {
        uint32_t low = take_low_surrogate(decoder);

        if (low)
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c >= 0xd800 && c <= 0xdfff)
        fault_at(decoder, TEXT_FAULT_UTF8, start, decoder->at - start, "half of a pair of surrogates is no character");
    else if (c > 0x10ffff)
        fault_at(decoder, TEXT_FAULT_ESCAPE, start, decoder->at - start, "the last character is \\U0010FFFF");
    else
        put_character(decoder, start, c);
}

static void take_octal(struct decoder *decoder, size_t start)
{
    uint32_t value;

    take_digits(decoder, 8, 3, &value);
    if (value > 0xff)
        fault_at(decoder, TEXT_FAULT_ESCAPE, start, decoder->at - start, "the largest octal escape is \\377");
    else
        put_byte(decoder, start, value);
}

static void take_hex(struct decoder *decoder, size_t start)
{
    uint32_t value;

    if (take_digits(decoder, 16, 2, &value) == 0)
        fault_at(decoder, TEXT_FAULT_ESCAPE, start, decoder->at - start, "\\x needs one or two hex digits");
    else
        put_byte(decoder, start, value);
}

static void take_escape(struct decoder *decoder)
{
    static const char letters[] = "abfnrtv\\'\"?";
    static const char values[] = "\a\b\f\n\r\t\v\\'\"?";
    size_t start = decoder->at++;
    char c = decoder->literal.data[decoder->at];
    const char *letter = c ? strchr(letters, c) : NULL;

    if (c >= '0' && c <= '7') {
        take_octal(decoder, start);
        return;
    }
    decoder->at++;
    if (letter)
        decoder->out[decoder->used++] = values[letter - letters];
    else if (c == 'x')
        take_hex(decoder, start);
    else if (c == 'u' || c == 'U')
        take_unicode(decoder, start, c == 'u' ? 4 : 8);
    else
        fault_at(
            decoder, TEXT_FAULT_ESCAPE, start, 2,
            "no such escape; there are \\n \\r \\t \\\\ \\' \\\" \\? \\a \\b \\f \\v \\ooo \\xHH \\uXXXX \\UXXXXXXXX");
}

size_t definition_string_decode(struct slice literal, char *out, struct text_string_fault *fault)
{
    struct decoder decoder = {.literal = literal, .at = 1, .out = out, .fault = fault};

    *fault = (struct text_string_fault){.fault = TEXT_FAULT_NONE};
    decoder.literal.size--; /* the closing quote; the scanner saw to it that no escape swallows it */
    while (decoder.at < decoder.literal.size) {
        char c = literal.data[decoder.at];

        if (c == '\\') {
            take_escape(&decoder);
        } else {
            decoder.at++;
            put_byte(&decoder, decoder.at - 1, (unsigned char)c);
        }
    }
    return decoder.used;
}
