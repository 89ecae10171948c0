/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The one thin wrapper over CUnit. A test program is
 *
 *     static void test_empty(void) { check_int(name_check(""), NAME_E_EMPTY); }
 *     CHECK_PROGRAM("service/name", { "an empty name is refused", test_empty })
 *
 * It runs every test, prints CUnit's account, fails a test that leaves a descriptor open, and ends with the line
 * `N passed, N failed` (exit 1 if anything failed). Tests run in the order of the table.
 */

#include <CUnit/CUnit.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct check_test {
    const char *name;
    void (*run)(void);
};

/* Runs @tests; returns the exit status of the program. */
int check_main(const char *suite, const struct check_test *tests, size_t n_tests);

/* A fresh private directory (0700, short path), removed with its contents at exit. Never NULL. */
const char *check_tmpdir(void);

/* Number of open descriptors of this process. */
int check_count_fds(void);

/* The absolute path of $BUILD, the build directory (default "build"): where helper programs are found. */
const char *check_build_dir(void);

/*
 * The bytes of @hex, pairs of hex digits with white space between them, at @ret. Returns how many; anything else in
 * @hex, or more bytes than @size, ends the test.
 */
size_t check_hex(const char *hex, void *ret, size_t size);

void check_int_at(long long got, long long want, const char *got_text, const char *file, unsigned int line);
void check_str_at(const char *got, const char *want, const char *got_text, const char *file, unsigned int line);
void check_mem_at(const void *got, const void *want, size_t size, const char *got_text, const char *file,
                  unsigned int line);

#define check(expr) CU_assertImplementation((expr) ? CU_TRUE : CU_FALSE, __LINE__, #expr, __FILE__, "", CU_FALSE)
#define check_fatal(expr) CU_assertImplementation((expr) ? CU_TRUE : CU_FALSE, __LINE__, #expr, __FILE__, "", CU_TRUE)
#define check_int(got, want) check_int_at((long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define check_str(got, want) check_str_at((got), (want), #got, __FILE__, __LINE__)
#define check_mem(got, want, size) check_mem_at((got), (want), (size), #got, __FILE__, __LINE__)

#define CHECK_PROGRAM(suite, ...)                                                                                      \
    static const struct check_test check_tests[] = {__VA_ARGS__};                                                      \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        return check_main(suite, check_tests, sizeof(check_tests) / sizeof(check_tests[0]));                           \
    }
