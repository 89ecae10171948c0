/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The memory of all connections' buffers: one total, and a few small pieces at hand so that a short exchange needs no
 * allocation.
 */

#include <stddef.h>
#include <stdint.h>

enum { POOL_PIECE = 4096, POOL_SPARE_MAX = 16 };

struct pool_piece;

struct pool {
    size_t used; /* handed out or reserved */
    size_t max;
    struct pool_piece *spare; /* of POOL_PIECE bytes */
    size_t n_spare;
};

enum { POOL_E_FULL = 1 };

void pool_init(struct pool *pool, size_t max);

/* Frees what is at hand; everything must have been given back. Accepts zeroes, twice. */
void pool_deinit(struct pool *pool);

/*
 * At least @size bytes (> 0), not cleared: POOL_PIECE times a power of two. 0 with *@ret_memory and its real size;
 * POOL_E_FULL when the total would be exceeded; -ENOMEM.
 */
int pool_take(struct pool *pool, size_t size, uint8_t **ret_memory, size_t *ret_size);

/* One piece, whatever the total is: for answers, of which there is one a connection. 0 or -ENOMEM. */
int pool_take_piece(struct pool *pool, uint8_t **ret_memory, size_t *ret_size);

/* Gives back what these gave, with its real size. NULL is harmless. */
void pool_give(struct pool *pool, uint8_t *memory, size_t size);

/*
 * Counts @size bytes of an answer that come from elsewhere; up to a piece whatever the total is. 0 or POOL_E_FULL.
 * pool_release() ends it.
 */
int pool_reserve(struct pool *pool, size_t size);
void pool_release(struct pool *pool, size_t size);
