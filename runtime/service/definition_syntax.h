/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the scanner, the grammar and the driver of the text form share. Private to the text form, its formatter and the
 * generated files; everyone else uses definition_text.h.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "service/definition_text.h"

/* Kinds of tokens that the grammar does not know; the others are the SERVICEDEF_… of servicedef_parser.h. */
enum {
    TOKEN_END = 0,
    TOKEN_COMMENT = 100,
    TOKEN_BAD_NUMBER,
    TOKEN_BAD_STRING,
    TOKEN_BAD_BYTES,
};

struct text_token {
    int kind;
    bool is_first_on_line;
    bool is_bad; /* already reported: its value is not looked at */
    size_t offset;
    struct slice text;
};

/* ------------------------------------------------------------------------------------------------ scanner */

struct text_lexer {
    const unsigned char *start, *p, *end, *ts, *te;
    int cs, act;
    bool line_started; /* nothing but white space since the last newline */
};

/* Prepares to scan @text, which must outlive the lexer. */
void definition_lexer_init(struct text_lexer *lexer, struct slice text);

/* The next token; TOKEN_END at the end, as often as it is asked for. */
struct text_token definition_lexer_next(struct text_lexer *lexer);

/* Makes the token of @kind from the scanner's marks (called by the scanner). */
struct text_token definition_lexer_token(struct text_lexer *lexer, int kind);

/* Token kind of one of : , ; - { } < > [ ] */
int definition_syntax_punctuation(unsigned char c);

/* ------------------------------------------------------------------------------------------------ strings */

/* The first mistake in a string literal, as an offset into it. */
struct text_string_fault {
    enum text_fault fault; /* ESCAPE, NUL or UTF8 */
    size_t offset, size;
    const char *message; /* static */
};

/*
 * Decodes the escapes of @literal (with its quotes) to @out, which takes at least as many bytes as the literal has.
 * Returns the number of bytes; a mistake is put into *@fault (whose fault is NONE otherwise) and decoding goes on.
 */
size_t definition_string_decode(struct slice literal, char *out, struct text_string_fault *fault);

/* ------------------------------------------------------------------------------------------------ parser */

struct text_frame {
    const ProtobufCMessageDescriptor *descriptor;
    ProtobufCMessage *message;
    const ProtobufCFieldDescriptor *field; /* being read; NULL: unknown */
    struct text_token name;
    bool is_ignored;    /* what is read for the field is dropped: an error was reported */
    uint32_t seen;      /* bit a field of the descriptor */
    size_t seen_at[32]; /* offset of the first name */
};

struct text_parser {
    struct slice text;
    struct arena *arena;
    struct text_report *report;
    struct text_positions *positions; /* may be NULL */
    struct text_frame frames[2];      /* the definition, and a message in it */
    unsigned int depth;               /* frame in use */
    unsigned int unknown_depth;       /* blocks open inside of it whose fields are not looked at */
    char *scratch;                    /* as long as the text: the string being read */
    size_t scratch_used;
    struct text_token string; /* its first literal */
    size_t string_end;        /* offset behind its last literal */
    bool string_is_bad;
    bool is_lost;  /* a syntax error: skip to the next field */
    bool is_quiet; /* the mistake right before was reported: a syntax error now is its echo */
    int error;     /* -ENOMEM */
};

/* Actions of the grammar, in the order in which they are met. */
void definition_syntax_field(struct text_parser *parser, struct text_token name);
void definition_syntax_list(struct text_parser *parser, struct text_token bracket);
void definition_syntax_bare_list(struct text_parser *parser, struct text_token bracket);
void definition_syntax_block(struct text_parser *parser, struct text_token brace);
void definition_syntax_block_end(struct text_parser *parser, struct text_token brace);
void definition_syntax_string(struct text_parser *parser, struct text_token literal);
void definition_syntax_string_more(struct text_parser *parser, struct text_token literal);
void definition_syntax_string_end(struct text_parser *parser);
void definition_syntax_word(struct text_parser *parser, struct text_token word);
void definition_syntax_number(struct text_parser *parser, struct text_token number, bool is_negative);
void definition_syntax_unexpected(struct text_parser *parser, struct text_token found, const bool *expected,
                                  int n_expected);
void definition_syntax_too_deep(struct text_parser *parser);

/* Value of an integer token, or a value that no enum has when it is larger than that. */
int64_t definition_syntax_number_value(struct slice number);

/* Field of @descriptor called @name, or NULL. */
const ProtobufCFieldDescriptor *definition_syntax_find(const ProtobufCMessageDescriptor *descriptor, struct slice name);

/* ------------------------------------------------------------------------------------------------ report */

void text_report_init(struct text_report *report);
bool text_report_is_full(const struct text_report *report);

/* Adds an error (a warning with @is_warning) about @size bytes at @offset of @text. The last place says "too many". */
void text_report_add(struct text_report *report, struct slice text, enum text_fault fault, bool is_warning,
                     size_t offset, size_t size, const char *format, ...) __attribute__((format(printf, 7, 8)));
void text_report_addv(struct text_report *report, struct slice text, enum text_fault fault, bool is_warning,
                      size_t offset, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 7, 0)));

/* Puts the diagnostics into the order of the text. */
void text_report_sort(struct text_report *report);

/* Line of @offset in @text, from 1. */
unsigned int text_line_of(struct slice text, size_t offset);

/* Of @candidates (NULL-terminated) the one nearest to @word, if it is near enough to be meant; else NULL. */
const char *text_nearest(struct slice word, const char *const *candidates);

/*
 * @text in double quotes with everything unprintable escaped, cut with "..." to fit @size bytes (at least 16).
 * Returns @ret_quoted.
 */
const char *text_quote(struct slice text, char *ret_quoted, size_t size);
