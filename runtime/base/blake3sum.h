/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    BLAKE3_SIZE = 32,
    BLAKE3_LIMIT_S = 12, /* just longer than anybody waits for the hash of a file (decision 14) */
};

/* BLAKE3 of @size bytes. */
void blake3_sum(const void *data, size_t size, uint8_t ret[BLAKE3_SIZE]);

/*
 * BLAKE3 of what is in @fd from its first byte to its end, read with pread() in big pieces: the file position is
 * neither used nor moved. Blocks: for the background worker only. A file that is not read in BLAKE3_LIMIT_S is given up
 * with -ETIMEDOUT, so that nobody reads for hours what nobody waits for. *@ret_size (may be NULL) is the number of
 * bytes. 0 or a negative errno.
 */
int blake3_sum_fd(int fd, uint8_t ret[BLAKE3_SIZE]);
int blake3_sum_fd_sized(int fd, uint8_t ret[BLAKE3_SIZE], uint64_t *ret_size);

/* Writes @size bytes as 2 * @size lower-case hex digits and a NUL. Returns @ret. */
char *hex_encode(const void *data, size_t size, char *ret);
