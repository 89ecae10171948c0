/* SPDX-License-Identifier: MIT */

/* The arena: order of its two sources, alignment, the limit, and what a refusal leaves behind. */

#include "base/arena.h"
#include "check.h"

#include <stdalign.h>

static void test_block_first(void)
{
    alignas(16) uint8_t block[64];
    struct arena arena;
    uint8_t *a, *b;

    arena_init(&arena, block, sizeof(block), 1024);
    a = arena_alloc(&arena, 48);
    b = arena_alloc(&arena, 16);
    check(a == block);
    check(b == block + 48);
    check(arena.chunks == NULL);
    a = arena_alloc(&arena, 1);
    check(a != NULL && (a < block || a >= block + sizeof(block)));
    check(arena.chunks != NULL);
    arena_reset(&arena);
    check(arena.chunks == NULL);
    check(arena_alloc(&arena, 8) == block);
    arena_deinit(&arena);
    arena_deinit(&arena);
}

static void test_alignment(void)
{
    static const size_t sizes[] = {1, 2, 3, 4, 5, 8, 12, 16, 24, 32, 40, 7, 64};
    alignas(16) uint8_t block[256];
    struct arena arena;

    for (unsigned int shift = 0; shift < 16; shift++) {
        arena_init(&arena, block + shift, sizeof(block) - shift, SIZE_MAX);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            size_t lowest = sizes[i] & (~sizes[i] + 1);
            uint8_t *object = arena_alloc(&arena, sizes[i]);

            check_fatal(object != NULL);
            check_int((uintptr_t)object % (lowest < 16 ? lowest : 16), 0);
            memset(object, 0xa5, sizes[i]);
        }
        arena_deinit(&arena);
    }
}

static void test_strings_without_gaps(void)
{
    uint8_t block[64];
    struct arena arena;
    uint8_t *a, *b;

    arena_init(&arena, block, sizeof(block), sizeof(block));
    a = arena_alloc(&arena, 5);
    b = arena_alloc(&arena, 7);
    check(b == a + 5);
    check_int(arena.used, 12);
    arena_deinit(&arena);
}

static void test_limit(void)
{
    struct arena arena;
    _Alignas(16) uint8_t block[64];

    arena_init(&arena, block, sizeof(block), 15); /* the gap before an object counts too */
    check(arena_alloc(&arena, 1) == block);
    check(arena_alloc(&arena, 8) == NULL);
    check(arena.over_limit);
    check_int(arena.used, 1);
    arena.limit = 16;
    check(arena_alloc(&arena, 8) == block + 8);
    check_int(arena.used, 16);
    arena_deinit(&arena);

    arena_init(&arena, NULL, 0, 100);
    check(arena_alloc(&arena, 10) != NULL);
    check_int(arena.left, 90); /* no more is taken from the heap than may be handed out */
    arena_reset(&arena);
    check(arena_alloc(&arena, 100) != NULL);
    check(arena_alloc(&arena, 1) == NULL);
    check(arena.over_limit);
    check(!arena.out_of_heap);
    check_int(arena.used, 100);
    arena_reset(&arena);
    check(!arena.over_limit);
    check(arena_alloc(&arena, 101) == NULL);
    check(arena.chunks == NULL); /* judged before the heap was asked */
    check(arena_alloc(&arena, SIZE_MAX) == NULL);
    arena_deinit(&arena);

    arena_init(&arena, NULL, 0, 0);
    check(arena_alloc(&arena, 0) == NULL); /* counts as one byte */
    arena_deinit(&arena);
}

static void test_heap_refuses(void)
{
    struct arena arena;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    check(arena_alloc(&arena, SIZE_MAX - 64) == NULL);
    check(arena.out_of_heap);
    check(!arena.over_limit);
    check(arena_alloc(&arena, 8) != NULL); /* still usable */
    arena_deinit(&arena);
}

static void test_many_chunks(void)
{
    struct arena arena;
    unsigned int chunks = 0;
    uint8_t *first, *last = NULL;

    arena_init(&arena, NULL, 0, 1 << 20);
    first = arena_alloc(&arena, 64);
    check_fatal(first != NULL);
    memset(first, 1, 64);
    for (unsigned int i = 1; i < (1 << 20) / 64; i++) {
        void *before = arena.chunks;

        last = arena_alloc(&arena, 64);
        check_fatal(last != NULL);
        memset(last, 2, 64);
        chunks += before != (void *)arena.chunks;
    }
    check(chunks <= 12);
    check_int(first[63], 1);
    check(arena_alloc(&arena, 1) == NULL);
    arena_deinit(&arena);
}

static void test_zeroed(void)
{
    struct arena arena = {0};

    arena_deinit(&arena);
    check(arena_alloc(&arena, 1) == NULL);
}

CHECK_PROGRAM("base/arena", {"the caller's block comes first", test_block_first},
              {"every size is aligned for its object", test_alignment},
              {"strings are packed without gaps", test_strings_without_gaps},
              {"the limit holds before the heap is asked", test_limit}, {"the heap may refuse", test_heap_refuses},
              {"chunks grow", test_many_chunks}, {"a zeroed arena is harmless", test_zeroed})
