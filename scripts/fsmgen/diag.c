/* SPDX-License-Identifier: MIT */
/*
 * Collects the refusals of one file and prints them in the order of its lines. Bounded: beyond DIAG_MAX they are only
 * counted, a hopeless file needs no thousand lines of complaint.
 */
#include "fsmgen/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void diag_add(struct diags *diags, struct word word, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (unsigned int i = 0; i < diags->n; i++) {
        const struct diag *d = &diags->items[i];

        if (d->line == word.line && d->column == word.column && d->text && !strcmp(d->text, text))
            return;
    }
    if (diags->n == DIAG_MAX) {
        diags->n_lost++;
        return;
    }
    diags->items[diags->n++] = (struct diag){
        .line = word.line ? word.line : 1,
        .column = word.column ? word.column : 1,
        .text = strdup(text),
    };
}

static int compare(const void *a_, const void *b_)
{
    const struct diag *a = a_, *b = b_;

    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->text ? a->text : "", b->text ? b->text : "");
}

bool diags_print(struct diags *diags)
{
    qsort(diags->items, diags->n, sizeof(diags->items[0]), compare);
    for (unsigned int i = 0; i < diags->n; i++)
        fprintf(stderr, "%s:%u:%u: error: %s\n", diags->file, diags->items[i].line, diags->items[i].column,
                diags->items[i].text ? diags->items[i].text : "out of memory");
    if (diags->n_lost)
        fprintf(stderr, "%s: %u more\n", diags->file, diags->n_lost);
    return diags->n > 0;
}

void diags_deinit(struct diags *diags)
{
    for (unsigned int i = 0; i < diags->n; i++)
        free(diags->items[i].text);
    diags->n = 0;
}
