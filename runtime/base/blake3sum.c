/* SPDX-License-Identifier: MIT */

/*
 * BLAKE3 over memory or a file. Files are read with pread() in pieces that suit the vector code; they are never mapped,
 * because a file that shrinks under a mapping kills the process.
 */

#include "base/blake3sum.h"

#include <blake3.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

enum { PIECE_SIZE = 256 * 1024 };

void blake3_sum(const void *data, size_t size, uint8_t ret[BLAKE3_SIZE])
{
    blake3_hasher hasher;

    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, data, size);
    blake3_hasher_finalize(&hasher, ret, BLAKE3_SIZE);
}

int blake3_sum_fd_sized(int fd, uint8_t ret[BLAKE3_SIZE], uint64_t *ret_size)
{
    _cleanup_free_ uint8_t *piece = malloc(PIECE_SIZE);
    blake3_hasher hasher;
    nsec_t end_nsec = nsec_add(clock_monotonic(), BLAKE3_LIMIT_S * NSEC_PER_SEC);
    off_t offset = 0;
    ssize_t n;

    if (!piece) {
        return error_origin(-ENOMEM);
    }
    blake3_hasher_init(&hasher);
    while ((n = sys_pread(fd, piece, PIECE_SIZE, offset)) > 0) {
        blake3_hasher_update(&hasher, piece, (size_t)n);
        offset += n;
        if (clock_monotonic() >= end_nsec) {
            return error_origin(-ETIMEDOUT);
        }
    }
    if (n < 0) {
        return error_origin((int)n);
    }
    blake3_hasher_finalize(&hasher, ret, BLAKE3_SIZE);
    if (ret_size) {
        *ret_size = (uint64_t)offset;
    }
    return 0;
}

int blake3_sum_fd(int fd, uint8_t ret[BLAKE3_SIZE])
{
    return error_trace(blake3_sum_fd_sized(fd, ret, NULL));
}

char *hex_encode(const void *data, size_t size, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) {
        ret[2 * i] = digits[bytes[i] >> 4];
        ret[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret[2 * size] = '\0';
    return ret;
}
