/* SPDX-License-Identifier: MIT */
/*
 * Drives scanner and grammar over a text. Where the two meet a mistake it is reported and reading goes on: a bad token
 * is passed on marked as bad, and after a syntax error everything is skipped up to the next field, which is a name at
 * the start of a line that is outside of all brackets or is a field of the definition. So several mistakes come out of
 * one run, and an unclosed bracket does not hide the rest. The decision whether a text is good never depends on this.
 */
#include "service/definition_syntax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "servicedef_parser.h"

#define OPEN_MAX 8u
#define FIELD_LABELS 8u

struct driver {
    struct text_parser parser;
    struct text_lexer lexer;
    void *grammar;
    int previous_kind; /* of the token fed last */
    size_t previous_end;
    unsigned int open_depth; /* brackets open: { < [ */
    struct text_token open[OPEN_MAX];
};

void *servicedef_parseAlloc(void *(*allocate)(size_t), struct text_parser *parser);
void servicedef_parseInit(void *grammar, struct text_parser *parser);
void servicedef_parseFinalize(void *grammar);
void servicedef_parseFree(void *grammar, void (*release)(void *));
void servicedef_parse(void *grammar, int kind, struct text_token token);

int definition_syntax_punctuation(unsigned char c)
{
    switch (c) {
    case ':':
        return SERVICEDEF_COLON;
    case ',':
        return SERVICEDEF_COMMA;
    case ';':
        return SERVICEDEF_SEMICOLON;
    case '-':
        return SERVICEDEF_MINUS;
    case '{':
        return SERVICEDEF_LBRACE;
    case '}':
        return SERVICEDEF_RBRACE;
    case '<':
        return SERVICEDEF_LANGLE;
    case '>':
        return SERVICEDEF_RANGLE;
    case '[':
        return SERVICEDEF_LBRACKET;
    default:
        return SERVICEDEF_RBRACKET;
    }
}

struct text_token definition_lexer_token(struct text_lexer *lexer, int kind)
{
    struct text_token token = {.kind = kind, .is_first_on_line = lexer->line_started};

    if (kind == TOKEN_END) {
        token.offset = (size_t)(lexer->end - lexer->start);
        return token;
    }
    token.offset = (size_t)(lexer->ts - lexer->start);
    token.text = (struct slice){.data = (const char *)lexer->ts, .size = (size_t)(lexer->te - lexer->ts)};
    lexer->ts = NULL;
    lexer->line_started = false;
    return token;
}

/* ------------------------------------------------------------------------------------------------ tokens */

static bool is_definition_field(struct text_token token)
{
    return token.kind == SERVICEDEF_IDENT &&
           definition_syntax_find(message_descriptor(MESSAGE_SERVICE_DEFINITION), token.text);
}

/* Reports a token that the scanner marked as bad and makes of it what was meant. False: it is to be dropped. */
static bool mend_token(struct driver *driver, struct text_token *token)
{
    struct text_parser *parser = &driver->parser;
    unsigned char first = token->text.size > 0 ? (unsigned char)token->text.data[0] : 0;

    switch (token->kind) {
    case TOKEN_COMMENT:
        return false;
    case TOKEN_BAD_BYTES:
        if (parser->is_lost)
            return false;
        if (first >= 0x80)
            text_report_add(parser->report, parser->text, TEXT_FAULT_BYTE, false, token->offset, token->text.size,
                            slice_is(token->text, "\xef\xbb\xbf")
                                ? "a byte order mark cannot stand here"
                                : "non-ASCII text may stand in strings and comments only");
        else if (first < 0x20 || first == 0x7f)
            text_report_add(parser->report, parser->text, TEXT_FAULT_BYTE, false, token->offset, token->text.size,
                            "a control character (0x%02x) cannot stand here", first);
        else
            text_report_add(parser->report, parser->text, TEXT_FAULT_BYTE, false, token->offset, token->text.size,
                            "'%c' cannot stand here%s", first, first == '=' ? "; did you mean ':'?" : "");
        parser->is_quiet = true;
        return false;
    case TOKEN_BAD_NUMBER:
        text_report_add(parser->report, parser->text, TEXT_FAULT_NUMBER, false, token->offset, token->text.size,
                        "this is no whole number (decimal, octal with 0, hex with 0x; nothing may touch it)");
        token->kind = SERVICEDEF_INTEGER;
        token->is_bad = true;
        return true;
    case TOKEN_BAD_STRING:
        text_report_add(parser->report, parser->text, TEXT_FAULT_STRING_END, false, token->offset, token->text.size,
                        "the string is not closed on its line; expected %c", first);
        token->kind = SERVICEDEF_STRING;
        token->is_bad = true;
        return true;
    default:
        return true;
    }
}

static void count_brackets(struct driver *driver, struct text_token token)
{
    switch (token.kind) {
    case SERVICEDEF_LBRACE:
    case SERVICEDEF_LANGLE:
    case SERVICEDEF_LBRACKET:
        if (driver->open_depth < OPEN_MAX)
            driver->open[driver->open_depth] = token;
        driver->open_depth++;
        break;
    case SERVICEDEF_RBRACE:
    case SERVICEDEF_RANGLE:
    case SERVICEDEF_RBRACKET:
        driver->open_depth -= driver->open_depth > 0;
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------------------------------------ recovery */

static void start_anew(struct driver *driver)
{
    servicedef_parseFinalize(driver->grammar);
    servicedef_parseInit(driver->grammar, &driver->parser);
    driver->parser.depth = 0;
    driver->parser.unknown_depth = 0;
    driver->parser.is_lost = false;
    driver->open_depth = 0;
    driver->previous_kind = TOKEN_END;
}

static bool is_next_field(const struct driver *driver, struct text_token token)
{
    if (token.kind != SERVICEDEF_IDENT || !token.is_first_on_line)
        return false;
    return driver->open_depth == 0 || is_definition_field(token);
}

/*
 * A field of the definition at the start of a line, where a value or the end of a block is due: what comes before it
 * was forgotten. (No value is spelt like a field, so this never refuses a good text.)
 */
static void notice_forgotten(struct driver *driver, struct text_token token)
{
    struct text_parser *parser = &driver->parser;

    if (!token.is_first_on_line || !is_definition_field(token))
        return;
    if (driver->previous_kind == SERVICEDEF_COLON) {
        text_report_add(parser->report, parser->text, TEXT_FAULT_SYNTAX, false, driver->previous_end - 1, 1,
                        "expected a value after ':', found the next field");
    } else if (driver->open_depth > 0 && driver->open_depth <= OPEN_MAX) {
        struct text_token open = driver->open[driver->open_depth - 1];

        text_report_add(parser->report, parser->text, TEXT_FAULT_SYNTAX, false, token.offset, token.text.size,
                        "expected '%c' before this field (opened on line %u)",
                        open.kind == SERVICEDEF_LBRACE   ? '}'
                        : open.kind == SERVICEDEF_LANGLE ? '>'
                                                         : ']',
                        text_line_of(parser->text, open.offset));
    } else {
        return;
    }
    start_anew(driver);
}

static void feed(struct driver *driver, struct text_token token)
{
    count_brackets(driver, token);
    servicedef_parse(driver->grammar, token.kind, token);
    driver->parser.is_quiet = false;
    driver->previous_kind = token.kind;
    driver->previous_end = token.offset + token.text.size;
}

static void take_token(struct driver *driver, struct text_token token)
{
    struct text_parser *parser = &driver->parser;

    if (!parser->is_lost) {
        notice_forgotten(driver, token);
        feed(driver, token);
        if (!parser->is_lost)
            return;
    } else {
        count_brackets(driver, token);
    }
    if (is_next_field(driver, token)) {
        start_anew(driver);
        feed(driver, token);
    }
}

static void run(struct driver *driver)
{
    struct text_parser *parser = &driver->parser;
    struct text_token token;

    do {
        token = definition_lexer_next(&driver->lexer);
        if (mend_token(driver, &token))
            take_token(driver, token);
    } while (token.kind != TOKEN_END && parser->error == 0 && !text_report_is_full(parser->report));
}

/* ------------------------------------------------------------------------------------------------ whole texts */

/* The dearest text is a list of empty blocks, "{},": three bytes make an entry and its pointers. */
size_t definition_text_budget(size_t size)
{
    return 64 * size + 8192;
}

int definition_text_read(struct slice text, struct arena *arena, struct text_report *report,
                         struct text_positions *positions, ServiceDefinition **ret_message)
{
    struct driver driver = {.previous_kind = TOKEN_END};
    struct text_parser *parser = &driver.parser;
    ServiceDefinition *message;

    text_report_init(report);
    if (positions)
        positions->n_values = 0;
    if (text.size > DEFINITION_SIZE_MAX) {
        text_report_add(report, text, TEXT_FAULT_TOO_LARGE, false, 0, 1, "the text has %zu bytes, more than %u",
                        text.size, DEFINITION_SIZE_MAX);
        return DEFINITION_TEXT_E_WRONG;
    }
    message = arena_alloc(arena, sizeof(*message));
    parser->scratch = arena_alloc(arena, text.size + 1);
    if (!message || !parser->scratch)
        return error_origin(-ENOMEM);
    message_init(MESSAGE_SERVICE_DEFINITION, message);
    parser->text = text;
    parser->arena = arena;
    parser->report = report;
    parser->positions = positions;
    parser->frames[0] = (struct text_frame){.descriptor = message->base.descriptor, .message = MESSAGE_OF(message)};
    driver.grammar = servicedef_parseAlloc(malloc, parser);
    if (!driver.grammar)
        return error_origin(-ENOMEM);
    definition_lexer_init(&driver.lexer, text);
    run(&driver);
    servicedef_parseFree(driver.grammar, free);
    if (parser->error < 0)
        return error_trace(parser->error);
    text_report_sort(report);
    if (report->n_errors > 0)
        return DEFINITION_TEXT_E_WRONG;
    *ret_message = message;
    return 0;
}

static void warn_about_label(struct slice text, const struct definition_label_place *place,
                             const struct text_positions *positions, struct text_report *report)
{
    char quoted[80];
    size_t offset = 0;

    for (size_t i = 0; i < positions->n_values; i++) {
        if (positions->values[i].field == FIELD_LABELS && positions->values[i].index == place->index)
            offset = positions->values[i].offset;
    }
    text_report_add(report, text, TEXT_FAULT_LABEL_AGAIN, true, offset, 1, "label %s is given again; the last one wins",
                    text_quote(slice_from(place->key), quoted, sizeof(quoted)));
}

/* A label key that is given twice: allowed, but surely a mistake. */
static int warn_about_labels(struct slice text, const ServiceDefinition *message,
                             const struct text_positions *positions, struct text_report *report)
{
    struct definition_label_place *places;
    int r;

    r = definition_sort_labels(message, &places);
    if (r < 0)
        return error_trace(r);
    for (size_t i = 1; i < message->n_labels && report->n_diagnostics < TEXT_DIAGNOSTICS_MAX / 2; i++) {
        if (strcmp(places[i].key, places[i - 1].key) == 0)
            warn_about_label(text, &places[i], positions, report);
    }
    free(places);
    return 0;
}

static void report_problem(struct slice text, const struct definition_problem *problem,
                           const struct text_positions *positions, struct text_report *report)
{
    size_t offset = 0, size = 0;

    for (size_t i = 0; i < positions->n_values; i++) {
        if (positions->values[i].field == problem->field &&
            (positions->values[i].index == problem->index || size == 0)) {
            offset = positions->values[i].offset;
            size = positions->values[i].size;
        }
    }
    text_report_add(report, text, (enum text_fault)(TEXT_FAULT_NAME + (problem->fault - DEFINITION_FAULT_NAME)), false,
                    offset, size, "%s", problem->detail);
}

_Static_assert(TEXT_FAULT_ISOLATION - TEXT_FAULT_NAME == DEFINITION_FAULT_ISOLATION - DEFINITION_FAULT_NAME,
               "the rules are listed in the same order in both tables");

static int check_meaning(struct slice text, const char *wanted, const struct definition *definition,
                         const struct text_positions *positions, struct text_report *report)
{
    struct definition_problem problem;
    size_t cursor = 0;

    while (!definition_check_next(definition, wanted, &cursor, &problem))
        report_problem(text, &problem, positions, report);
    text_report_sort(report);
    return report->n_errors > 0 ? DEFINITION_TEXT_E_WRONG : 0;
}

int definition_parse_text(struct slice text, const char *wanted, struct text_report *report,
                          struct definition **ret_definition)
{
    struct arena arena;
    struct text_positions positions;
    struct definition *definition;
    ServiceDefinition *message;
    int r;

    arena_init(&arena, NULL, 0, definition_text_budget(text.size));
    r = definition_text_read(text, &arena, report, &positions, &message);
    if (r == 0)
        r = definition_from_message(message, &definition);
    if (r == 0) {
        r = warn_about_labels(text, message, &positions, report);
        if (r == 0)
            r = check_meaning(text, wanted, definition, &positions, report);
        if (r == 0)
            *ret_definition = definition;
        else
            definition_unref(definition);
    }
    arena_deinit(&arena);
    return r;
}
