/* SPDX-License-Identifier: MIT */

/*
 * JSON by jansson, in the one form that the admin lane has: compact, keys sorted, and reals short. jansson prints all
 * reals of a document with one number of digits, so that number is looked for: the smallest of 15, 16 and 17 with which
 * every real of this document reads back as the same double (17 always does).
 */

#include "ops/admin_document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/slice.h"
#include "ops/admin_inodes.h"
#include "wire/text.h"

enum { DIGITS_MIN = 15, DIGITS_MAX = 17, DEPTH_MAX = 16 };

static bool real_survives(double value, int digits)
{
    char text[64];

    snprintf(text, sizeof(text), "%.*g", digits, value);
    return strtod(text, NULL) == value;
}

static bool reals_survive(const json_t *value, int digits, int depth)
{
    const char *key;
    json_t *member, *unconst = (json_t *)(uintptr_t)value; /* jansson's iteration takes no const object */
    size_t i;

    if (json_is_real(value)) {
        return real_survives(json_real_value(value), digits);
    }
    if (depth == DEPTH_MAX) {
        return true;
    }
    json_array_foreach(value, i, member)
    {
        if (!reals_survive(member, digits, depth + 1)) {
            return false;
        }
    }
    json_object_foreach(unconst, key, member)
    {
        if (!reals_survive(member, digits, depth + 1)) {
            return false;
        }
    }
    return true;
}

int admin_document_print(json_t *document, char **ret_text)
{
    int digits = DIGITS_MIN;
    char *text;

    if (!document) {
        return error_origin(-ENOMEM);
    }
    while (digits < DIGITS_MAX && !reals_survive(document, digits, 0)) {
        digits++;
    }
    text = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(digits));
    json_decref(document);
    if (!text) {
        return error_origin(-ENOMEM);
    }
    *ret_text = text;
    return 0;
}

json_t *admin_document_string(const char *text)
{
    size_t left = strlen(text), size = 0;
    json_t *string = json_string(text);
    char *repaired;

    if (string) {
        return string;
    }
    repaired = malloc(left * (sizeof(TEXT_REPLACEMENT) - 1) + 1);
    if (!repaired) {
        return NULL;
    }
    while (left) {
        size_t good = text_character_size((struct slice){.data = text, .size = left});

        memcpy(repaired + size, good ? text : TEXT_REPLACEMENT, good ? good : sizeof(TEXT_REPLACEMENT) - 1);
        size += good ? good : sizeof(TEXT_REPLACEMENT) - 1;
        text += good ? good : 1;
        left -= good ? good : 1;
    }
    repaired[size] = 0;
    string = json_string(repaired);
    free(repaired);
    return string;
}

json_t *admin_inode_row(const struct admin_inodes *inodes)
{
    uint64_t used = inodes->total > inodes->free ? inodes->total - inodes->free : 0;
    char detail[160];

    if (inodes->error) {
        snprintf(detail, sizeof(detail), "%s (os error %d)", strerror(inodes->error), inodes->error);
        return json_pack("{s:s, s:b}", "detail", detail, "supported", 0);
    }
    if (!inodes->total) {
        return json_pack("{s:s, s:b}", "detail", "inode accounting not applicable on this filesystem", "supported", 0);
    }
    /* clang-format off */
    return json_pack("{s:I, s:I, s:I, s:b, s:f}",
                     "inodes_free", (json_int_t)inodes->free,
                     "inodes_total", (json_int_t)inodes->total,
                     "inodes_used", (json_int_t)used,
                     "supported", 1,
                     "used_ratio", (double)used / (double)inodes->total);
    /* clang-format on */
}
