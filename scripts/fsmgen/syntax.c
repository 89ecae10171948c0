/* SPDX-License-Identifier: MIT */
/*
 * Drives the generated parser over the words of one file. Malformed words are reported here and kept from the parser;
 * one refusal a line, because the rest of a broken line is guesswork.
 */
#include "fsmgen/syntax.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsm_parser.h"

void *fsm_parserAlloc(void *(*allocate)(size_t));
void fsm_parserFree(void *parser, void (*release)(void *));
void fsm_parser(void *parser, int kind, struct word word, struct spec *spec);

static const struct {
    int kind;
    const char *text;
} kinds[] = {
    {FSM_MACHINE, "`machine`"},
    {FSM_INITIAL, "`initial`"},
    {FSM_FINAL, "`final`"},
    {FSM_PEERS, "`peers`"},
    {FSM_OURS, "`ours`"},
    {FSM_TIMER, "`timer`"},
    {FSM_EVENT, "`event`"},
    {FSM_WORK, "`work`"},
    {FSM_DO, "`do`"},
    {FSM_ROWS, "`rows`"},
    {FSM_STATE, "`state`"},
    {FSM_WITH, "`with`"},
    {FSM_USE, "`use`"},
    {FSM_UNTIL, "`until`"},
    {FSM_YIELDS, "`yields`"},
    {FSM_IF, "`if`"},
    {FSM_ELSE, "`else`"},
    {FSM_SAME, "`same`"},
    {FSM_ARROW, "`->`"},
    {FSM_IGNORE, "`ignore`"},
    {FSM_NEVER, "`never`"},
    {FSM_MS, "`ms`"},
    {FSM_S, "`s`"},
    {FSM_MIN, "`min`"},
    {FSM_NAME, "a name"},
    {FSM_NUMBER, "a number"},
    {FSM_TEXT, "a text in quotes"},
    {FSM_EQUALS, "`=`"},
    {FSM_COMMA, "`,`"},
    {FSM_OPEN, "`(`"},
    {FSM_CLOSE, "`)`"},
    {FSM_NL, "the end of the line"},
    {0, "the end of the file"},
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void describe_expected(char *text, size_t size, void *parser)
{
    const char *wanted[N_KINDS];
    bool takes_name = fsm_parser_accepts(parser, FSM_NAME) != 0;
    unsigned int n = 0;
    size_t used = 0;

    for (unsigned int i = 0; i < N_KINDS; i++) {
        bool is_unit = kinds[i].kind == FSM_MS || kinds[i].kind == FSM_S || kinds[i].kind == FSM_MIN;

        if (is_unit && takes_name)
            continue;
        if (fsm_parser_accepts(parser, kinds[i].kind))
            wanted[n++] = kinds[i].text;
    }
    text[0] = '\0';
    for (unsigned int i = 0; i < n && used < size; i++) {
        int r = snprintf(text + used, size - used, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", wanted[i]);

        used += r > 0 ? (size_t)r : 0;
    }
}

void syntax_error(struct spec *spec, int kind, struct word word, void *parser)
{
    char expected[400], found[SPEC_NAME_MAX + 8];

    spec->has_failed = true;
    if (spec->error_line == word.line)
        return;
    spec->error_line = word.line;
    if (kind == 0)
        snprintf(found, sizeof(found), "the end of the file");
    else if (kind == FSM_NL)
        snprintf(found, sizeof(found), "the end of the line");
    else if (kind == FSM_TEXT)
        snprintf(found, sizeof(found), "a text");
    else
        snprintf(found, sizeof(found), "`%.*s`", word.size < SPEC_NAME_MAX ? (int)word.size : SPEC_NAME_MAX, word.text);
    describe_expected(expected, sizeof(expected), parser);
    diag_add(spec->diags, word, "found %s%s%s", found, expected[0] ? ", expected " : "", expected);
}

/* True if the word may go to the parser. */
static bool check_word(struct spec *spec, int kind, struct word word)
{
    const char *reason = NULL;
    char text[80];

    if (kind == FSM_NAME && word.size > SPEC_NAME_MAX) {
        snprintf(text, sizeof(text), "a name has at most %d characters", SPEC_NAME_MAX);
        reason = text;
    } else if (kind == FSM_TEXT && word.size > SPEC_TEXT_MAX) {
        snprintf(text, sizeof(text), "a text has at most %d bytes", SPEC_TEXT_MAX);
        reason = text;
    } else if (kind == LEXER_BAD_TEXT) {
        reason = "a text holds no backslash, no control byte and nothing but UTF-8";
    } else if (kind == LEXER_OPEN_TEXT) {
        reason = "this text does not end on its line";
    } else if (kind == LEXER_BAD_NAME) {
        reason = "a name is a small letter, then small letters, digits and _";
    } else if (kind == LEXER_BAD_BYTE) {
        unsigned char byte = (unsigned char)word.text[0];

        if (byte > 0x20 && byte < 0x7f)
            snprintf(text, sizeof(text), "unexpected `%c`", byte);
        else
            snprintf(text, sizeof(text), "unexpected byte 0x%02x", byte);
        reason = text;
    }
    if (!reason)
        return true;
    spec->has_failed = true;
    if (spec->error_line != word.line)
        diag_add(spec->diags, word, "%s", reason);
    spec->error_line = word.line;
    return false;
}

bool spec_parse(struct spec *spec, const char *data, size_t size)
{
    struct lexer lexer;
    struct word word;
    void *parser;
    bool begins_line = true, skips_line = false;
    int kind;

    if (size > SPEC_SIZE_MAX) {
        diag_add(spec->diags, (struct word){0}, "larger than %d bytes", SPEC_SIZE_MAX);
        return false;
    }
    parser = fsm_parserAlloc(malloc);
    if (!parser) {
        diag_add(spec->diags, (struct word){0}, "out of memory");
        return false;
    }
    lexer_init(&lexer, data, size);
    do {
        kind = lexer_next(&lexer, &word);
        if (kind == FSM_TEXT && word.size <= SPEC_TEXT_MAX + 2) {
            word.text++;
            word.size -= 2;
        }
        if (!check_word(spec, kind, word) || skips_line) {
            skips_line &= kind != FSM_NL;
            continue;
        }
        /* asked before the parser reduces what it can, so that all that could stand here is named */
        if (!fsm_parser_accepts(parser, kind)) {
            syntax_error(spec, kind, word, parser);
            if (begins_line && kind != 0) { /* a line that does not belong here: the parser need not know */
                skips_line = true;
                continue;
            }
        }
        fsm_parser(parser, kind, word, spec);
        begins_line = kind == FSM_NL;
    } while (kind != 0);
    fsm_parserFree(parser, free);
    return !spec->has_failed && spec->diags->n == 0;
}
