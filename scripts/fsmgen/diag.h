/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "fsmgen/lexer.h"

enum { DIAG_MAX = 40 };

struct diag {
    uint32_t line;
    uint32_t column;
    char *text;
};

/* The refusals of one file. */
struct diags {
    const char *file; /* as named by the user */
    struct diag items[DIAG_MAX];
    unsigned int n;
    unsigned int n_lost; /* refusals beyond DIAG_MAX */
};

/* Adds a refusal at @word; the same text at the same place counts once. */
__attribute__((format(printf, 3, 4))) void diag_add(struct diags *diags, struct word word, const char *format, ...);

/* Prints them in the order of the file as `file:line:column: error: reason`. True if there was any. */
bool diags_print(struct diags *diags);

void diags_deinit(struct diags *diags);

/* printf arguments for "%.*s" */
#define W(word) (int)(word).size, (word).text
