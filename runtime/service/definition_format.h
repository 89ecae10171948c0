/* SPDX-License-Identifier: MIT */
#pragma once

/* Writing the text form of a service definition. */

#include "base/slice.h"

struct buffer;
struct definition;

/*
 * Appends the canonical text of @definition: one field a line in the order of their numbers, defaults left out, a label
 * a line. Parsing it gives an equal definition. 0, -ENOMEM or -ENOBUFS.
 */
int definition_print(const struct definition *definition, struct buffer *out);

/*
 * Appends @text, which definition_text_read() accepts, in canonical form: one field a line in the order in which they
 * stand there, lists as repeated fields, adjacent strings joined, numbers of isolation as names, comments and single
 * empty lines kept. Doing it twice changes nothing. 0, -ENOMEM or -ENOBUFS.
 */
int definition_format_text(struct slice text, struct buffer *out);

/* Appends @value as a string literal. 0, -ENOMEM or -ENOBUFS. */
int definition_print_string(struct slice value, struct buffer *out);
