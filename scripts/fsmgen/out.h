/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "fsmgen/lexer.h"

/* A text that grows; once memory ran out it stays marked and takes nothing more. */
struct out {
    char *data;
    size_t size;
    size_t capacity;
    bool has_failed;
};

/* Appends, as printf() does. */
__attribute__((format(printf, 2, 3))) void put(struct out *out, const char *format, ...);

/* @word in capitals. */
void put_upper(struct out *out, struct word word);

/* @word as a C string with its quotes, or within a comment. */
void put_string(struct out *out, struct word word);
void put_comment(struct out *out, struct word word);

void out_deinit(struct out *out);

/* Writes the text to @dir/@name by way of a temporary file beside it. 0 or -errno. */
int out_save(const struct out *out, const char *dir, const char *name);
