/* SPDX-License-Identifier: MIT */
#pragma once

/* What every fuzz target has: its entry, a check that does not depend on NDEBUG, and a reader of the input. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(expr)                                                                                                     \
    do {                                                                                                               \
        if (!(expr)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #expr);                                         \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The next byte of @input; 0 when there is none. */
static inline uint8_t take_byte(struct slice *input)
{
    uint8_t byte;

    if (input->size == 0) {
        return 0;
    }
    byte = (uint8_t)input->data[0];
    *input = slice_skip(*input, 1);
    return byte;
}

/* The next @n bytes, or what is left. */
static inline struct slice take_bytes(struct slice *input, size_t n)
{
    struct slice bytes = {.data = input->data, .size = n < input->size ? n : input->size};

    *input = slice_skip(*input, bytes.size);
    return bytes;
}
