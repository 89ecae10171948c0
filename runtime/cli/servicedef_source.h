/* SPDX-License-Identifier: MIT */
#pragma once

/* A definition that a command is given as a file (or `-`, standard input): read, understood, complained about. */

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "cli/options.h"
#include "service/definition.h"
#include "service/definition_text.h"

struct source {
    const struct options *options;
    const char *path;  /* as given */
    const char *shown; /* what messages call it */
    struct buffer bytes;
    bool is_text;
    mode_t mode;
    char wanted[NAME_MAX + 1]; /* the name that the file's name asks for; empty: none */
};

/* Reads all of @path. False, said on options->err: it cannot be read. Deinit in both cases. */
bool source_read(const struct options *options, const char *path, struct source *ret_source);
void source_deinit(struct source *source);

/*
 * What the source says, checked (against its file's name too, where that is a name). Mistakes and warnings are written
 * to options->err. NULL: there were mistakes. Else a reference.
 */
const struct definition *source_load(const struct source *source);

/* Writes the diagnostics about @text, each with its line and a caret. */
void source_print_report(FILE *out, const char *shown, struct slice text, const struct text_report *report);

/* Stem of the file's name in @path: without directory and without one of the known suffixes, or the last one. */
struct slice source_stem(const char *path);
