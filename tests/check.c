/* SPDX-License-Identifier: MIT */

/*
 * Runs a table of tests through CUnit. Every test is bracketed by a count of /proc/self/fd: a test that ends with more
 * descriptors than it began with has failed, whatever it asserted. Comparison helpers print both values, because a bare
 * "expression was false" sends people to the debugger.
 */

#include "check.h"

#include <CUnit/Basic.h>
#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct check_test *running_tests;
static size_t n_running_tests;
static size_t next_test;
static char tmpdirs[256][32];
static size_t n_tmpdirs;

int check_count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = -3; /* ".", ".." and the directory itself */

    while (dir && readdir(dir)) {
        n++;
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_tmpdirs(void)
{
    for (size_t i = 0; i < n_tmpdirs; i++) {
        nftw(tmpdirs[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    n_tmpdirs = 0;
}

const char *check_tmpdir(void)
{
    if (n_tmpdirs == sizeof(tmpdirs) / sizeof(tmpdirs[0])) {
        fprintf(stderr, "check_tmpdir: too many directories\n");
        exit(1);
    }
    char *path = tmpdirs[n_tmpdirs];
    strcpy(path, "/tmp/rpbt-XXXXXX");
    if (!mkdtemp(path)) {
        perror("mkdtemp");
        exit(1);
    }
    n_tmpdirs++;
    return path;
}

const char *check_build_dir(void)
{
    static char path[PATH_MAX];
    const char *dir = getenv("BUILD");

    /* absolute: a test may have changed its directory, and so may the program that it starts */
    if (!*path && !realpath(dir && *dir ? dir : "build", path)) {
        perror("the build directory ($BUILD)");
        exit(1);
    }
    return path;
}

/* CUnit calls a test function without an argument: the tests run in table order, so a cursor tells which one it is. */
static void run_next(void)
{
    const struct check_test *test = &running_tests[next_test++];
    int before = check_count_fds();

    test->run();

    int after = check_count_fds();
    for (int patience_ms = 5000; after > before && patience_ms > 0; patience_ms--) {
        (void)poll(NULL, 0, 1); /* a thread that was let go of may be about to close what it has open */
        after = check_count_fds();
    }
    if (after > before) {
        fprintf(stderr, "\n    %s: %d descriptors before, %d after\n", test->name, before, after);
        CU_assertImplementation(CU_FALSE, __LINE__, "no descriptor leaks", __FILE__, "", CU_FALSE);
    }
}

void check_int_at(long long got, long long want, const char *text, const char *file, unsigned int line)
{
    char message[512];

    snprintf(message, sizeof(message), "%s is %lld, not %lld", text, got, want);
    CU_assertImplementation(got == want, line, message, file, "", CU_FALSE);
}

void check_str_at(const char *got, const char *want, const char *text, const char *file, unsigned int line)
{
    char message[4096];
    bool equal = got && want ? strcmp(got, want) == 0 : got == want;

    snprintf(message, sizeof(message), "%s is \"%s\", not \"%s\"", text, got ? got : "(null)", want ? want : "(null)");
    CU_assertImplementation(equal, line, message, file, "", CU_FALSE);
}

void check_mem_at(const void *got, const void *want, size_t size, const char *text, const char *file, unsigned int line)
{
    const uint8_t *g = got, *w = want;
    char message[512];

    for (size_t i = 0; i < size; i++) {
        if (g[i] != w[i]) {
            snprintf(message, sizeof(message), "%s differs at byte %zu: %02x, not %02x", text, i, g[i], w[i]);
            CU_assertImplementation(CU_FALSE, line, message, file, "", CU_FALSE);
            return;
        }
    }
    CU_assertImplementation(CU_TRUE, line, text, file, "", CU_FALSE);
}

size_t check_hex(const char *hex, void *ret, size_t size)
{
    uint8_t *bytes = ret;
    size_t n = 0;

    for (int used = 0; hex += strspn(hex, " \n"), *hex != '\0'; hex += used) {
        unsigned int byte;

        check_fatal(n < size && sscanf(hex, "%2x%n", &byte, &used) == 1 && used == 2);
        bytes[n++] = (uint8_t)byte;
    }
    return n;
}

int check_main(const char *suite_name, const struct check_test *tests, size_t n_tests)
{
    running_tests = tests;
    n_running_tests = n_tests;
    atexit(remove_tmpdirs);
    setvbuf(stdout, NULL, _IOLBF, 0);

    if (CU_initialize_registry() != CUE_SUCCESS) {
        fprintf(stderr, "cannot start CUnit: %s\n", CU_get_error_msg());
        return 1;
    }
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    for (size_t i = 0; suite && i < n_tests; i++) {
        if (!CU_add_test(suite, tests[i].name, run_next)) {
            fprintf(stderr, "cannot add test \"%s\": %s\n", tests[i].name, CU_get_error_msg());
            return 1;
        }
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    printf("\n%u passed, %u failed\n", run - failed, failed);
    return failed || run != n_tests;
}
