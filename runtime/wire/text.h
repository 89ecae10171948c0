/* SPDX-License-Identifier: MIT */
#pragma once

/* Forms of text that the protocol knows: machines of grammar/text.rl. Bytes in, a verdict out; nothing is normalised.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

#define NAME_SIZE_MAX 64u          /* bytes of a service or instance name */
#define HELLO_VERSION_SIZE_MAX 64u /* bytes of a version in a Hello; elsewhere there is no limit */
#define TRACESTATE_SIZE_MAX 512u

enum name_fault {
    NAME_OK,
    NAME_EMPTY,
    NAME_TOO_LONG,  /* more than NAME_SIZE_MAX bytes */
    NAME_UPPERCASE, /* first offending byte is A to Z */
    NAME_CHARACTER, /* first offending byte is anything else outside [a-z0-9-] */
};

enum version_fault {
    VERSION_OK,
    VERSION_EMPTY,
    VERSION_CORE,           /* not three runs of digits joined by dots */
    VERSION_TAIL_EMPTY,     /* nothing behind the '-' */
    VERSION_TAIL_CHARACTER, /* a byte outside [a-z0-9.] behind the '-' */
};

/* Strict UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). NUL counts as a character here. */
bool text_is_utf8(struct slice text);

/* Stands where bytes that are no text cannot stay: U+FFFD. */
#define TEXT_REPLACEMENT "\xEF\xBF\xBD"

/* Bytes of the UTF-8 character that @text begins with; 0: it begins with none. */
size_t text_character_size(struct slice text);

/* Service or explicit-instance name, [a-z0-9-]{1,64}, checked in the order of spec 01 §5.1. */
enum name_fault text_check_name(struct slice name);

/* The same; with UPPERCASE and CHARACTER *@ret_offset is the index of the first offending byte. */
enum name_fault text_check_name_at(struct slice name, size_t *ret_offset);

/* MAJOR.MINOR.PATCH[-tail], spec 01 §5.2; digits of any length, no limit on the whole. */
enum version_fault text_check_version(struct slice version);

/* Why a name or a version is refused, as a clause ("must not be empty"); "" for OK. Static. */
const char *name_fault_text(enum name_fault fault);
const char *version_fault_text(enum version_fault fault);

/* W3C traceparent in the shape of spec 01 §10: lowercase hex 2-32-16-2, neither id all zeros. */
bool text_is_traceparent(struct slice text);

/* Printable ASCII, 1 to 512 bytes: what may be exported as a W3C tracestate. */
bool text_is_tracestate(struct slice text);
