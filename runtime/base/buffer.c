/* SPDX-License-Identifier: MIT */

/*
 * A heap block that doubles until its limit. The limit is checked before anything is allocated, so a length from a peer
 * can never make it ask for more. It never shrinks; whoever wants the memory back deinitialises it.
 */

#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { FIRST_CAPACITY = 256 };

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = (struct buffer){.limit = limit};
}

void buffer_deinit(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer, buffer->limit);
}

int buffer_reserve(struct buffer *buffer, size_t n)
{
    size_t wanted, capacity;
    uint8_t *data;

    if (n <= buffer->capacity - buffer->size) {
        return 0;
    }
    if (buffer->size > buffer->limit || n > buffer->limit - buffer->size) {
        return error_origin(-ENOBUFS);
    }
    wanted = buffer->size + n;
    capacity = buffer->capacity > buffer->limit / 2 ? buffer->limit : buffer->capacity * 2;
    if (capacity < FIRST_CAPACITY) {
        capacity = buffer->limit < FIRST_CAPACITY ? buffer->limit : FIRST_CAPACITY;
    }
    if (capacity < wanted) {
        capacity = wanted;
    }
    data = realloc(buffer->data, capacity);
    if (!data) {
        return error_origin(-ENOMEM);
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int buffer_extend(struct buffer *buffer, size_t n, uint8_t **ret)
{
    int r;

    r = buffer_reserve(buffer, n);
    if (r < 0) {
        return error_trace(r);
    }
    *ret = buffer->data ? buffer->data + buffer->size : NULL;
    buffer->size += n;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t n)
{
    uint8_t *room = NULL;
    int r;

    r = buffer_extend(buffer, n, &room);
    if (r < 0) {
        return error_trace(r);
    }
    if (n > 0 && room) {
        memcpy(room, data, n);
    }
    return 0;
}

void buffer_drop(struct buffer *buffer, size_t n)
{
    size_t left = n < buffer->size ? buffer->size - n : 0;

    if (left > 0) {
        memmove(buffer->data, buffer->data + n, left);
    }
    buffer->size = left;
}
