/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A bump allocator for things that die together: a block given by the caller first, then chunks from the heap, never
 * more than a limit. Nothing is freed one by one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
    uint8_t *block; /* given by the caller, may be NULL; not owned */
    size_t block_size;
    uint8_t *next; /* first free byte of the block or of the newest chunk */
    size_t left;
    size_t used;  /* bytes handed out, padding included */
    size_t limit; /* `used` never exceeds it */
    struct arena_chunk *chunks;
    bool over_limit;  /* an allocation was refused by the limit */
    bool out_of_heap; /* an allocation was refused by malloc */
};

/*
 * Prepares @arena to hand out the @block_size bytes at @block (NULL and 0: heap only) and then heap chunks, at most
 * @limit bytes in all. The block stays the caller's and must outlive the arena. Cannot fail, allocates nothing.
 */
void arena_init(struct arena *arena, void *block, size_t block_size, size_t limit);

/* Frees every chunk. Accepts a zeroed arena, and one already deinitialised. */
void arena_deinit(struct arena *arena);

/* Forgets everything handed out and frees the chunks; the block and the limit stay. */
void arena_reset(struct arena *arena);

/*
 * @size bytes, not cleared, aligned for any object of that size (an object's size is a multiple of its alignment, so
 * strings are packed without gaps). NULL when the limit or the heap refuses; the arena then says which. Valid until
 * reset or deinit. Size 0 counts as 1.
 */
void *arena_alloc(struct arena *arena, size_t size);
