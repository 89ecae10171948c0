/* SPDX-License-Identifier: MIT */
#pragma once

/* How the commands about service definitions write what they made. */

#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/slice.h"
#include "cli/options.h"

/*
 * Writes @bytes to the file @path (`-`: options->out), replacing it at once, with @mode when it is new. False, said on
 * options->err: nothing was changed.
 */
bool write_output(const struct options *options, const char *path, struct slice bytes, mode_t mode);

/* Writes @document to options->out on one line, compact, keys sorted. False when it is NULL or cannot be written. */
bool write_json(const struct options *options, const json_t *document);
