/* SPDX-License-Identifier: MIT */
/*
 * The list of diagnostics of the text form, and the two helpers that make them readable: quoting what was found and
 * guessing what was meant. The list has a fixed size, so reporting never allocates and cannot fail; its last place
 * always says that there were more. Printing is the caller's affair.
 */
#include "service/definition_syntax.h"

#include <stdio.h>
#include <string.h>

#include "wire/text.h"

void text_report_init(struct text_report *report)
{
    report->n_diagnostics = 0;
    report->n_errors = 0;
}

bool text_report_is_full(const struct text_report *report)
{
    return report->n_diagnostics == TEXT_DIAGNOSTICS_MAX;
}

unsigned int text_line_of(struct slice text, size_t offset)
{
    unsigned int line = 1;

    for (size_t i = 0; i < offset && i < text.size; i++)
        line += text.data[i] == '\n';
    return line;
}

static unsigned int column_of(struct slice text, size_t offset)
{
    size_t start = offset < text.size ? offset : text.size;

    while (start > 0 && text.data[start - 1] != '\n')
        start--;
    return (unsigned int)(offset - start) + 1;
}

void text_report_addv(struct text_report *report, struct slice text, enum text_fault fault, bool is_warning,
                      size_t offset, size_t size, const char *format, va_list arguments)
{
    struct text_diagnostic *diagnostic;

    if (text_report_is_full(report))
        return;
    diagnostic = &report->diagnostics[report->n_diagnostics++];
    *diagnostic = (struct text_diagnostic){
        .fault = fault,
        .is_warning = is_warning,
        .offset = offset,
        .size = size,
        .line = text_line_of(text, offset),
        .column = column_of(text, offset),
    };
    if (text_report_is_full(report)) {
        diagnostic->fault = TEXT_FAULT_TOO_MANY;
        diagnostic->is_warning = false;
        snprintf(diagnostic->message, sizeof(diagnostic->message), "too many errors; stopped here");
    } else {
        vsnprintf(diagnostic->message, sizeof(diagnostic->message), format, arguments);
    }
    report->n_errors += !diagnostic->is_warning;
}

void text_report_add(struct text_report *report, struct slice text, enum text_fault fault, bool is_warning,
                     size_t offset, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_report_addv(report, text, fault, is_warning, offset, size, format, arguments);
    va_end(arguments);
}

void text_report_sort(struct text_report *report)
{
    for (size_t i = 1; i < report->n_diagnostics; i++) {
        struct text_diagnostic moved = report->diagnostics[i];
        size_t j = i;

        for (; j > 0 && report->diagnostics[j - 1].offset > moved.offset; j--)
            report->diagnostics[j] = report->diagnostics[j - 1];
        report->diagnostics[j] = moved;
    }
}

const char *text_fault_symbol(enum text_fault fault)
{
    static const char *const symbols[] = {"NONE",
#define TEXT_FAULT_SYMBOL(NAME) #NAME,
                                          TEXT_FAULTS(TEXT_FAULT_SYMBOL)
#undef TEXT_FAULT_SYMBOL
    };

    return symbols[fault];
}

const char *definition_text_first_error(const struct text_report *report, const char *file, char *ret_line, size_t size)
{
    ret_line[0] = '\0';
    for (size_t i = 0; i < report->n_diagnostics; i++) {
        const struct text_diagnostic *diagnostic = &report->diagnostics[i];

        if (diagnostic->is_warning)
            continue;
        snprintf(ret_line, size, "%s:%u:%u: %s", file, diagnostic->line, diagnostic->column, diagnostic->message);
        break;
    }
    return ret_line;
}

/* ------------------------------------------------------------------------------------------------ quoting */

/* Bytes of the character at @text, if it can be shown as it is: printable ASCII, or UTF-8 that is no C1 control. */
static size_t shown_size(struct slice text)
{
    const unsigned char *byte = (const unsigned char *)text.data;
    size_t size = text_character_size(text);

    if (byte[0] < 0x20 || byte[0] == 0x7f || byte[0] == '"' || byte[0] == '\\')
        return 0;
    return size == 2 && byte[0] == 0xc2 && byte[1] < 0xa0 ? 0 : size;
}

const char *text_quote(struct slice text, char *ret_quoted, size_t size)
{
    size_t used = 0;
    size_t i = 0;

    ret_quoted[used++] = '"';
    while (i < text.size) {
        struct slice rest = {.data = text.data + i, .size = text.size - i};
        size_t shown = shown_size(rest);

        if (used + 4 + 5 > size) { /* the longest piece, then ..." and the NUL */
            memcpy(ret_quoted + used, "...", 3);
            used += 3;
            break;
        }
        if (shown > 0) {
            memcpy(ret_quoted + used, rest.data, shown);
            used += shown;
            i += shown;
        } else {
            used +=
                (size_t)snprintf(ret_quoted + used, 5, rest.data[0] == '"' || rest.data[0] == '\\' ? "\\%c" : "\\%03o",
                                 (unsigned char)rest.data[0]);
            i++;
        }
    }
    ret_quoted[used++] = '"';
    ret_quoted[used] = '\0';
    return ret_quoted;
}

/* ------------------------------------------------------------------------------------------------ guessing */

#define GUESS_SIZE_MAX 32u

static unsigned char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c == '-' ? '_' : (unsigned char)c;
}

/* Number of insertions, deletions, replacements and swaps of neighbours that turn @a into @b; case does not count. */
static unsigned int edit_distance(struct slice a, struct slice b)
{
    unsigned int rows[3][GUESS_SIZE_MAX + 1];
    unsigned int *before = rows[0], *above = rows[1], *row = rows[2];

    for (unsigned int j = 0; j <= b.size; j++)
        above[j] = j;
    for (unsigned int i = 1; i <= a.size; i++) {
        unsigned int *spare = before;

        row[0] = i;
        for (unsigned int j = 1; j <= b.size; j++) {
            unsigned char x = folded(a.data[i - 1]), y = folded(b.data[j - 1]);
            unsigned int best = above[j - 1] + (x != y);

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && x == folded(b.data[j - 2]) && y == folded(a.data[i - 2]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        before = above;
        above = row;
        row = spare;
    }
    return above[b.size];
}

const char *text_nearest(struct slice word, const char *const *candidates)
{
    const char *nearest = NULL;
    unsigned int nearest_distance = 0;

    if (word.size == 0 || word.size > GUESS_SIZE_MAX)
        return NULL;
    for (; *candidates; candidates++) {
        struct slice candidate = slice_from(*candidates);
        unsigned int distance;
        bool is_prefix;

        if (candidate.size > GUESS_SIZE_MAX)
            continue;
        distance = edit_distance(word, candidate);
        is_prefix = word.size >= 3 && word.size < candidate.size && memcmp(word.data, candidate.data, word.size) == 0;
        if (is_prefix && distance > 2)
            distance = 2;
        if (distance > 1 + candidate.size / 5)
            continue;
        if (!nearest || distance < nearest_distance) {
            nearest = *candidates;
            nearest_distance = distance;
        }
    }
    return nearest;
}
