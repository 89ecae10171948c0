/* SPDX-License-Identifier: MIT */

/*
 * The arena hands out the caller's block from front to back and then takes chunks from the heap, each at least as large
 * as all before together, so that their number stays logarithmic. `used` counts what was handed out and is compared
 * with the limit before anything is allocated. It deliberately cannot free a single object and never moves one.
 */

#include <stdalign.h>
#include <stdlib.h>

#include "base/arena.h"

#define ARENA_CHUNK_MIN 4096u

struct arena_chunk {
    struct arena_chunk *older;
    alignas(max_align_t) uint8_t bytes[];
};

static void arena_take_block(struct arena *arena)
{
    arena->next = arena->block;
    arena->left = arena->block_size;
}

void arena_init(struct arena *arena, void *block, size_t block_size, size_t limit)
{
    *arena = (struct arena){.block = block, .block_size = block == NULL ? 0 : block_size, .limit = limit};
    arena_take_block(arena);
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;

    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;

        free(chunk);
        chunk = older;
    }
    arena_init(arena, arena->block, arena->block_size, arena->limit);
}

void arena_deinit(struct arena *arena)
{
    arena_reset(arena);
    *arena = (struct arena){0};
}

/* An object's size is a multiple of its alignment, so the lowest set bit of the size bounds it. */
static size_t arena_alignment(size_t size)
{
    size_t lowest = size & (~size + 1);

    return lowest < alignof(max_align_t) ? lowest : alignof(max_align_t);
}

/* Makes a new chunk of at least @size bytes the place to allocate from. What was left of the old one is lost. */
static bool arena_grow(struct arena *arena, size_t size)
{
    size_t wanted = arena->used > ARENA_CHUNK_MIN ? arena->used : ARENA_CHUNK_MIN;
    struct arena_chunk *chunk;

    if (wanted > arena->limit - arena->used) {
        wanted = arena->limit - arena->used;
    }
    if (wanted < size) {
        wanted = size;
    }
    if (wanted > PTRDIFF_MAX - sizeof(*chunk)) {
        return false;
    }
    chunk = malloc(sizeof(*chunk) + wanted);
    if (chunk == NULL) {
        return false;
    }
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->next = chunk->bytes;
    arena->left = wanted;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t mask, padding;
    void *object;

    size = size == 0 ? 1 : size;
    mask = arena_alignment(size) - 1;
    padding = (size_t)(-(uintptr_t)arena->next & mask);
    if (size > arena->limit - arena->used) {
        arena->over_limit = true;
        return NULL;
    }
    if (padding > arena->left || size > arena->left - padding) {
        if (!arena_grow(arena, size)) {
            arena->out_of_heap = true;
            return NULL;
        }
        padding = 0;
    }
    if (padding > arena->limit - arena->used - size) {
        arena->over_limit = true;
        return NULL;
    }
    object = arena->next + padding;
    arena->next += padding + size;
    arena->left -= padding + size;
    arena->used += padding + size;
    return object;
}
