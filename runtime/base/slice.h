/* SPDX-License-Identifier: MIT */
#pragma once

/* Bytes that somebody else owns. Not terminated; may contain anything, NUL too. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data; /* may be NULL when size is 0 */
    size_t size;
};

/* The slice of a string literal. */
#define SLICE(literal) ((struct slice){.data = "" literal, .size = sizeof(literal) - 1})

/* printf("%.*s", SLICE_ARGS(s)); of a slice whose size fits an int. */
#define SLICE_ARGS(slice) (int)(slice).size, (slice).data ? (slice).data : ""

/* The slice of a string; NULL is the empty slice. */
static inline struct slice slice_from(const char *text)
{
    return (struct slice){.data = text, .size = text ? strlen(text) : 0};
}

static inline struct slice slice_from_bytes(const void *data, size_t size)
{
    return (struct slice){.data = data, .size = size};
}

static inline bool slice_is_empty(struct slice slice)
{
    return slice.size == 0;
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_is(struct slice slice, const char *text)
{
    return slice_equal(slice, slice_from(text));
}

static inline bool slice_has_prefix(struct slice slice, struct slice prefix)
{
    return slice.size >= prefix.size && (prefix.size == 0 || memcmp(slice.data, prefix.data, prefix.size) == 0);
}

/* The slice without its first @n bytes; empty when there are not as many. */
static inline struct slice slice_skip(struct slice slice, size_t n)
{
    if (n >= slice.size) {
        return (struct slice){0};
    }
    return (struct slice){.data = slice.data + n, .size = slice.size - n};
}
