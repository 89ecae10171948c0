/* SPDX-License-Identifier: MIT */

#include "backend/allocator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

#define HASH "0123456789abcdef"

static uint8_t next_byte;
static int n_draws;

static int random_fixed(void *data, size_t size)
{
    memset(data, next_byte, size);
    n_draws++;
    return 0;
}

static int random_counting(void *data, size_t size)
{
    memset(data, next_byte++, size);
    n_draws++;
    return 0;
}

static int random_broken(void *data, size_t size)
{
    (void)data;
    (void)size;
    n_draws++;
    return -EIO;
}

static bool nothing_exists(const char *path)
{
    (void)path;
    return false;
}

static void start(struct allocator *allocator, const char *dir, int (*random)(void *, size_t))
{
    allocator_init(allocator, HASH, dir);
    allocator->random = random;
    allocator->exists = nothing_exists;
    next_byte = 0xab;
    n_draws = 0;
}

static void test_exact_path(void)
{
    struct allocator allocator;
    struct endpoint_reservation reservation = {0};

    start(&allocator, "/run/user/1000/running-process/broker", random_fixed);
    check_int(allocator_reserve(&allocator, &reservation), 0);
    check_str(reservation.path,
              "/run/user/1000/running-process/broker/rpb-v1-" HASH "-be-abababababababababababababababab.sock");
    check_int(strlen(reservation.path), 102);
    allocator_release(&reservation);
}

static void test_collisions(void)
{
    struct allocator allocator;
    struct endpoint_reservation first = {0}, second = {0}, again = {0};

    start(&allocator, "/run/x", random_counting);
    check_int(allocator_reserve(&allocator, &first), 0);
    check_int(allocator_reserve(&allocator, &second), 0);
    check(strcmp(first.path, second.path) != 0);
    next_byte = 0xab;
    n_draws = 0;
    check_int(allocator_reserve(&allocator, &again), 0);
    check_int(n_draws, 3); /* two reserved ones were skipped */
    allocator_release(&first);
    allocator_release(&first);
    allocator_release(&second);
    allocator_release(&again);
    next_byte = 0xab;
    check_int(allocator_reserve(&allocator, &first), 0); /* given back: free again */
    allocator_release(&first);
}

static void test_exhaustion(void)
{
    struct allocator allocator;
    struct endpoint_reservation held = {0}, none = {0};

    start(&allocator, "/run/x", random_fixed);
    check_int(allocator_reserve(&allocator, &held), 0);
    n_draws = 0;
    check_int(allocator_reserve(&allocator, &none), ALLOCATOR_E_EXHAUSTED);
    check_int(n_draws, 16);
    check(!none.is_held);
    allocator.max_attempts = 0;
    n_draws = 0;
    check_int(allocator_reserve(&allocator, &none), ALLOCATOR_E_EXHAUSTED);
    check_int(n_draws, 1);
    allocator_move(&allocator, &held, &none);
    check(none.is_held && !held.is_held);
    check_int(allocator_reserve(&allocator, &held), ALLOCATOR_E_EXHAUSTED); /* it has moved, and is held still */
    allocator_release(&none);
    check_int(allocator_reserve(&allocator, &held), 0);
    allocator_release(&held);
}

static void test_what_is_on_disk(void)
{
    struct allocator allocator;
    struct endpoint_reservation first = {0}, second = {0};
    const char *dir = check_tmpdir();

    start(&allocator, dir, random_counting);
    check_int(allocator_reserve(&allocator, &first), 0);
    check_int(symlink("nowhere", first.path), 0); /* even a dangling link is something */
    allocator_release(&first);
    allocator_init(&allocator, HASH, dir);
    allocator.random = random_counting;
    next_byte = 0xab;
    check_int(allocator_reserve(&allocator, &second), 0);
    check(strcmp(first.path, second.path) != 0);
    check_int(unlink(first.path), 0);
    allocator_release(&second);
}

static void test_errors(void)
{
    static const char *const hashes[] = {"", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF",
                                         "0123456789abcdeg"};
    struct allocator allocator;
    struct endpoint_reservation reservation = {0};

    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        allocator_init(&allocator, hashes[i], "/run/x");
        check_int(allocator_reserve(&allocator, &reservation), ALLOCATOR_E_USER_HASH);
    }
    start(&allocator, "/run/x", random_broken);
    check_int(allocator_reserve(&allocator, &reservation), -EIO);
    check_int(n_draws, 1); /* no second try */
    check(!reservation.is_held);
}

static void test_long_directories(void)
{
    struct allocator allocator;
    struct endpoint_reservation reservation = {0};
    char fallback[64];

    /* a ten-digit uid: one byte too many, so the fallback in /tmp is used */
    start(&allocator, "/run/user/1811201103/running-process/broker", random_fixed);
    check_int(allocator_reserve(&allocator, &reservation), 0);
    snprintf(fallback, sizeof(fallback), "/tmp/running-process-%u/broker/rpb-v1-", getuid());
    check(strncmp(reservation.path, fallback, strlen(fallback)) == 0);
    allocator_release(&reservation);
    /* nine digits fit exactly */
    start(&allocator, "/run/user/999999999/running-process/broker", random_fixed);
    check_int(allocator_reserve(&allocator, &reservation), 0);
    check_int(strlen(reservation.path), 107);
    check(strncmp(reservation.path, "/run/user/999999999/", 20) == 0);
    allocator_release(&reservation);
}

static void test_real_randomness(void)
{
    struct allocator allocator;
    static struct endpoint_reservation reservations[64];

    allocator_init(&allocator, HASH, "/run/x");
    check_int(allocator.max_attempts, 16);
    for (size_t i = 0; i < 64; i++) {
        check_int(allocator_reserve(&allocator, &reservations[i]), 0);
    }
    for (size_t i = 0; i < 64; i++) {
        for (size_t j = 0; j < i; j++) {
            check(strcmp(reservations[i].path, reservations[j].path) != 0);
        }
    }
    for (size_t i = 0; i < 64; i++) {
        allocator_release(&reservations[i]);
    }
}

CHECK_PROGRAM("backend/allocator", {"fixed bytes make the exact path", test_exact_path},
              {"reserved paths are skipped and given back", test_collisions},
              {"sixteen attempts, then exhausted", test_exhaustion},
              {"what exists on disk is a collision", test_what_is_on_disk}, {"a bad hash, no randomness", test_errors},
              {"a path that does not fit moves to /tmp", test_long_directories},
              {"real randomness never repeats", test_real_randomness})
