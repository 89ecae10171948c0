/* SPDX-License-Identifier: MIT */

/*
 * Random bytes come from getrandom() alone: there is no generator of our own to seed, fork or leak. Short answers,
 * which the kernel gives only for long requests, are continued.
 */

#include "base/random.h"

#include <stdint.h>

#include "base/error.h"
#include "base/sys.h"

int random_bytes(void *data, size_t size)
{
    uint8_t *bytes = data;

    while (size > 0) {
        ssize_t n = sys_getrandom(bytes, size, 0);

        if (n < 0) {
            return error_origin((int)n);
        }
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}
