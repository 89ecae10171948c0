/* SPDX-License-Identifier: MIT */

#include "backend/spawn_wait.h"

#include "check.h"

#define MS(n) ((nsec_t)(n)*NSEC_PER_MSEC)

static void test_instants(void)
{
    static const int wanted_ms[] = {50, 150, 350, 850, 1850, 3850, 5850, 7850};
    nsec_t elapsed = 0;

    for (uint32_t attempt = 0; attempt < 8; attempt++) {
        elapsed += spawn_wait_pause(elapsed, MS(60000), attempt);
        check_int(elapsed, MS(wanted_ms[attempt]));
    }
    check_int(spawn_wait_pause(0, MS(60000), 1000000), MS(2000));
}

static void test_ceiling(void)
{
    check_int(spawn_wait_pause(MS(100), MS(125), 6), MS(25));
    check_int(spawn_wait_pause(MS(125), MS(125), 6), 0);
    check_int(spawn_wait_pause(MS(200), MS(125), 0), 0);
    check_int(spawn_wait_pause(MS(59000), MS(60000), 9), MS(1000));
}

static void test_text_busy(void)
{
    static const int wanted_ms[] = {1, 4, 16, 64, 256};

    for (uint32_t attempt = 0; attempt < 5; attempt++) {
        check_int(spawn_wait_text_busy(attempt), MS(wanted_ms[attempt]));
    }
}

CHECK_PROGRAM("backend/spawn_wait", {"nominal instants", test_instants}, {"cut at the ceiling", test_ceiling},
              {"a busy binary", test_text_busy})
