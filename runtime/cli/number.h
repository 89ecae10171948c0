/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A number of decimal digits, perhaps with a plus sign before them, and nothing else, that fits 64 bits. */
static inline bool number_parse(const char *text, uint64_t *ret)
{
    uint64_t number = 0;

    text += *text == '+';
    for (const char *digit = text; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*digit - '0'), &number)) {
            return false;
        }
    }
    *ret = number;
    return *text != 0;
}
