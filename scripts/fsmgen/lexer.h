/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the file, where it stands. */
struct word {
    const char *text;
    uint32_t size;
    uint32_t line;
    uint32_t column;
};

/* Words that no specification may hold; the others are the FSM_ tokens of the parser, 0 is the end of the file. */
enum {
    LEXER_BAD_TEXT = 1000,
    LEXER_OPEN_TEXT,
    LEXER_BAD_NAME,
    LEXER_BAD_BYTE,
};

struct lexer {
    const unsigned char *next, *end, *start;
    const unsigned char *line_start;
    uint32_t line;
    bool ended_line; /* the last word was the end of a line: empty lines are no words */
};

void lexer_init(struct lexer *lexer, const char *data, size_t size);

/* The next word and its kind; ends of empty lines are left out, a last line without its end gets one. */
int lexer_next(struct lexer *lexer, struct word *ret_word);

/* Generated: one match from lexer->next on; sets start and next. 0 at the end. */
int lexer_scan(struct lexer *lexer);
