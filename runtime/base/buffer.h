/* SPDX-License-Identifier: MIT */
#pragma once

/* Bytes that grow up to a limit and never beyond. A zeroed buffer is valid, with limit 0: it takes nothing. */

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buffer {
    uint8_t *data; /* heap, owned; NULL while capacity is 0 */
    size_t size, capacity, limit;
};

/* An empty buffer that will hold at most @limit bytes; allocates nothing. */
void buffer_init(struct buffer *buffer, size_t limit);

/* Frees the bytes; the limit stays, so the buffer can be used again. Accepts zeroes, twice. */
void buffer_deinit(struct buffer *buffer);

/* Makes room for @n bytes behind the present ones. -ENOBUFS above the limit (nothing allocated), -ENOMEM. */
int buffer_reserve(struct buffer *buffer, size_t n);

/* Appends @n bytes: all or, with an error of buffer_reserve(), none. @data may be NULL when @n is 0. */
int buffer_append(struct buffer *buffer, const void *data, size_t n);

/* Appends @n bytes that the caller fills: *@ret points at them, valid until the next change. */
int buffer_extend(struct buffer *buffer, size_t n, uint8_t **ret);

/* Drops the first @n bytes (all of them if there are fewer) and moves the rest down. */
void buffer_drop(struct buffer *buffer, size_t n);

/* Forgets the bytes, keeps the room. */
static inline void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
}

/* The bytes, valid until the next change. */
static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_from_bytes(buffer->data, buffer->size);
}
