/* SPDX-License-Identifier: MIT */

/* The memory of buffers: sizes, the total, and what is kept at hand. */

#include "check.h"
#include "control/pool.h"

static void test_sizes(void)
{
    struct pool pool;
    uint8_t *memory;
    size_t size;

    pool_init(&pool, 1 << 20);
    check_int(pool_take(&pool, 1, &memory, &size), 0);
    check_int(size, 4096);
    pool_give(&pool, memory, size);
    check_int(pool_take(&pool, 4097, &memory, &size), 0);
    check_int(size, 8192);
    check_int(pool.used, 8192);
    memset(memory, 1, size);
    pool_give(&pool, memory, size);
    check_int(pool.used, 0);
    pool_give(&pool, NULL, 0);
    pool_deinit(&pool);
    pool_deinit(&pool);
}

static void test_total(void)
{
    uint8_t *a, *b, *c;
    size_t a_size, b_size, c_size;
    struct pool pool;

    pool_init(&pool, 12288);
    check_int(pool_take(&pool, 8192, &a, &a_size), 0);
    check_int(pool_take(&pool, 8192, &b, &b_size), POOL_E_FULL);
    check_int(pool_take(&pool, 4096, &b, &b_size), 0);
    check_int(pool_take(&pool, 1, &c, &c_size), POOL_E_FULL);
    check_int(pool_reserve(&pool, 4097), POOL_E_FULL);
    check_int(pool_reserve(&pool, 4096), 0);
    pool_release(&pool, 4096);
    check_int(pool_take_piece(&pool, &c, &c_size), 0);
    check_int(pool.used, 16384);
    pool_give(&pool, c, c_size);
    pool_give(&pool, a, a_size);
    check_int(pool_reserve(&pool, 8192), 0);
    check_int(pool_take(&pool, 1, &c, &c_size), POOL_E_FULL);
    pool_release(&pool, 8192);
    pool_give(&pool, b, b_size);
    check_int(pool.used, 0);
    pool_deinit(&pool);
}

/* The piece given back last comes first, and no more than a few are kept. */
static void test_at_hand(void)
{
    uint8_t *pieces[40];
    size_t size;
    struct pool pool;

    pool_init(&pool, 1 << 20);
    for (size_t i = 0; i < 40; i++) {
        check_int(pool_take(&pool, 100, &pieces[i], &size), 0);
    }
    for (size_t i = 0; i < 40; i++) {
        pool_give(&pool, pieces[i], size);
    }
    check_int(pool.n_spare, POOL_SPARE_MAX);
    check_int(pool_take(&pool, 100, &pieces[0], &size), 0);
    check(pieces[0] == pieces[POOL_SPARE_MAX - 1]);
    pool_give(&pool, pieces[0], size);
    pool_deinit(&pool);
}

CHECK_PROGRAM("control/pool", {"sizes are powers of two of pieces", test_sizes},
              {"the total is kept, but for a reply's piece", test_total},
              {"a few pieces stay at hand, last in first out", test_at_hand})
