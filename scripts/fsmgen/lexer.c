/* SPDX-License-Identifier: MIT */
/*
 * Gives the words of a file to the parser, with line and column. The matching is generated (grammar/fsm.rl); here
 * lines are counted, and empty ones left out. A word never crosses a line.
 */
#include "fsmgen/lexer.h"

#include "fsm_parser.h"

void lexer_init(struct lexer *lexer, const char *data, size_t size)
{
    *lexer = (struct lexer){
        .next = (const unsigned char *)data,
        .end = (const unsigned char *)data + size,
        .line_start = (const unsigned char *)data,
        .line = 1,
        .ended_line = true,
    };
}

static struct word word_here(const struct lexer *lexer)
{
    return (struct word){
        .text = (const char *)lexer->start,
        .size = (uint32_t)(lexer->next - lexer->start),
        .line = lexer->line,
        .column = (uint32_t)(lexer->start - lexer->line_start) + 1,
    };
}

int lexer_next(struct lexer *lexer, struct word *ret_word)
{
    for (;;) {
        int kind = lexer_scan(lexer);

        *ret_word = word_here(lexer);
        if (kind == FSM_NL) {
            lexer->line++;
            lexer->line_start = lexer->next;
            if (lexer->ended_line)
                continue;
            lexer->ended_line = true;
            return kind;
        }
        if (kind == 0 && !lexer->ended_line) {
            lexer->ended_line = true;
            return FSM_NL;
        }
        if (kind != 0)
            lexer->ended_line = false;
        return kind;
    }
}
