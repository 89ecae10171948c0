/* SPDX-License-Identifier: MIT */
#pragma once

/* The text form of a definition as protoc reads it, against ours. To be used from the top of the source tree. */

#include <stdbool.h>

#include "base/slice.h"
#include "service/definition_text.h"

bool protoc_is_there(void);

/*
 * Has both read @text: the same verdict, and where both accept, the same meaning? NULL, or in words what differs. Left
 * out are the points in which this parser is knowingly stricter (spec 02 §10): it may refuse alone only for those.
 * @ret_report is ours; *@ret_both whether both accept.
 */
const char *protoc_difference(struct slice text, struct text_report *ret_report, bool *ret_both);
