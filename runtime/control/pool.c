/* SPDX-License-Identifier: MIT */

/*
 * Pieces of the smallest size are kept when they come back, last in first out, so that the same warm memory serves one
 * connection after the other; everything larger goes straight back to the heap, so that a flood leaves nothing behind.
 * The total is counted before memory is asked for. Who must give way when it is reached is not decided here.
 */

#include "control/pool.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"

struct pool_piece {
    struct pool_piece *next;
};

void pool_init(struct pool *pool, size_t max)
{
    *pool = (struct pool){.max = max};
}

void pool_deinit(struct pool *pool)
{
    struct pool_piece *piece;

    while ((piece = pool->spare) != NULL) {
        pool->spare = piece->next;
        free(piece);
    }
    *pool = (struct pool){0};
}

static size_t round_up(size_t size)
{
    size_t rounded = POOL_PIECE;

    while (rounded < size) {
        rounded *= 2;
    }
    return rounded;
}

static bool fits(const struct pool *pool, size_t size)
{
    return pool->used < pool->max && size <= pool->max - pool->used;
}

int pool_reserve(struct pool *pool, size_t size)
{
    if (size > POOL_PIECE && !fits(pool, size)) {
        return POOL_E_FULL;
    }
    pool->used += size;
    return 0;
}

void pool_release(struct pool *pool, size_t size)
{
    pool->used -= size;
}

int pool_take_piece(struct pool *pool, uint8_t **ret_memory, size_t *ret_size)
{
    struct pool_piece *piece = pool->spare;

    if (piece != NULL) {
        pool->spare = piece->next;
        pool->n_spare--;
    } else {
        piece = malloc(POOL_PIECE);
        if (piece == NULL) {
            return error_origin(-ENOMEM);
        }
    }
    pool->used += POOL_PIECE;
    *ret_memory = (uint8_t *)piece;
    *ret_size = POOL_PIECE;
    return 0;
}

int pool_take(struct pool *pool, size_t size, uint8_t **ret_memory, size_t *ret_size)
{
    size_t rounded = round_up(size);
    uint8_t *memory;

    if (!fits(pool, rounded)) {
        return POOL_E_FULL;
    }
    if (rounded == POOL_PIECE) {
        return pool_take_piece(pool, ret_memory, ret_size);
    }
    memory = malloc(rounded);
    if (memory == NULL) {
        return error_origin(-ENOMEM);
    }
    pool->used += rounded;
    *ret_memory = memory;
    *ret_size = rounded;
    return 0;
}

void pool_give(struct pool *pool, uint8_t *memory, size_t size)
{
    struct pool_piece *piece = (struct pool_piece *)(void *)memory;

    if (memory == NULL) {
        return;
    }
    pool_release(pool, size);
    if (size == POOL_PIECE && pool->n_spare < POOL_SPARE_MAX) {
        piece->next = pool->spare;
        pool->spare = piece;
        pool->n_spare++;
    } else {
        free(memory);
    }
}
