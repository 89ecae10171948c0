/* SPDX-License-Identifier: MIT */

/* The small ones: errors, ownership, slices, time, buffers, random bytes, the environment. */

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/error.h"
#include "base/random.h"
#include "base/slice.h"

/* ---------------------------------------------------------------------------------------------------------- errors */

static int born(void)
{
    return error_origin(-ENOENT);
}

static int passes(void)
{
    return error_trace(born());
}

static int folds(int r)
{
    return error_fold(r);
}

static void test_error_path(void)
{
    char text[256], tiny[8];
    int lines[2] = {0};

    check_int(passes(), -ENOENT);
    error_path(text, sizeof(text));
    check_int(sscanf(text, "test-values.c:%d < test-values.c:%d", &lines[0], &lines[1]), 2);
    check(lines[0] > 0 && lines[0] < lines[1]);
    check_int(strlen(error_path(tiny, sizeof(tiny))), 7);
    for (int i = 0; i < 100; i++) {
        (void)error_trace(-EIO); /* more places than are kept */
    }
    check_int(born(), -ENOENT); /* a new birth forgets them */
    check(strchr(error_path(text, sizeof(text)), '<') == NULL);
}

static void test_error_fold(void)
{
    check_int(folds(0), 0);
    check_int(folds(-EIO), -EIO);
    check_int(folds(3), -ENOTRECOVERABLE);
    check_int(error_trace(7), 7);
    check_str(error_name(-EAGAIN), "EAGAIN");
    check_str(error_name(ENOENT), "ENOENT");
    check_str(error_name(-99999), "E?");
}

static void test_ownership(void)
{
    char *word = strdup("a"), *taken;
    int fd = sys_open("/dev/null", O_RDONLY | O_CLOEXEC, 0), before = check_count_fds();

    taken = TAKE_PTR(word);
    check(word == NULL && taken != NULL);
    free(taken);
    {
        _cleanup_close_ int scoped = take_fd(&fd);
        _cleanup_close_ int none = -1;
        _cleanup_free_ char *nothing = NULL;

        check_int(fd, -1);
        check(scoped >= 0);
        check(none == -1 && nothing == NULL);
    }
    check_int(check_count_fds(), before - 1);
    errno = EDOM;
    check_int(close_fd(-1), -1);
    check_int(errno, EDOM);
}

/* ----------------------------------------------------------------------------------------------------------- slices */

static void test_slices(void)
{
    struct slice none = {0};

    check_int(SLICE("abc").size, 3);
    check(slice_equal(none, SLICE("")));
    check(slice_equal(none, slice_from(NULL)));
    check(slice_is(SLICE("abc"), "abc"));
    check(!slice_equal(SLICE("a\0b"), SLICE("a\0c")));
    check(!slice_equal(SLICE("ab"), SLICE("abc")));
    check(slice_has_prefix(SLICE("abc"), SLICE("ab")));
    check(slice_has_prefix(SLICE("abc"), none));
    check(!slice_has_prefix(SLICE("a"), SLICE("ab")));
    check(slice_is(slice_skip(SLICE("abc"), 1), "bc"));
    check(slice_is_empty(slice_skip(SLICE("abc"), 9)));
}

/* ------------------------------------------------------------------------------------------------------------- time */

static void test_time(void)
{
    nsec_t before = clock_monotonic(), now = clock_monotonic();

    check(now >= before);
    check(clock_boottime() >= before);
    check(clock_unix_msec() > 1600000000000u);
    check(nsec_add(NSEC_NEVER, 1) == NSEC_NEVER);
    check(nsec_add(NSEC_NEVER - 1, 5) == NSEC_NEVER);
    check_int(nsec_add(1, 2), 3);
    check_int(nsec_sub(1, 2), 0);
    check_int(nsec_sub(5, 2), 3);
    check_int(nsec_from_msec(3), 3000000);
    check(nsec_from_msec(UINT64_MAX / 2) == NSEC_NEVER);
    check_int(msec_from_nsec(1), 1);
    check_int(msec_from_nsec(1000000), 1);
    check_int(msec_from_nsec(1000001), 2);
    check_int(msec_from_nsec(0), 0);
}

/* ---------------------------------------------------------------------------------------------------------- buffers */

static void test_buffer_grows_to_its_limit(void)
{
    struct buffer buffer;
    uint8_t byte = 7;

    buffer_init(&buffer, 1000);
    for (int i = 0; i < 1000; i++) {
        byte = (uint8_t)i;
        check_int(buffer_append(&buffer, &byte, 1), 0);
    }
    check_int(buffer.size, 1000);
    check_int(buffer.capacity, 1000);
    check_int(buffer.data[999], 999 & 255);
    check_int(buffer_append(&buffer, &byte, 1), -ENOBUFS);
    check_int(buffer.size, 1000);
    check_int(buffer_append(&buffer, NULL, 0), 0);
    buffer_drop(&buffer, 998);
    check_int(buffer.size, 2);
    check_int(buffer.data[0], 998 & 255);
    buffer_drop(&buffer, 5);
    check_int(buffer.size, 0);
    check_int(buffer_append(&buffer, "abc", 3), 0);
    check(slice_is(buffer_slice(&buffer), "abc"));
    buffer_clear(&buffer);
    check_int(buffer.size, 0);
    check_int(buffer.capacity, 1000);
    buffer_deinit(&buffer);
    buffer_deinit(&buffer);
    check_int(buffer.limit, 1000);
}

/* Let the sanitizer's allocator refuse as the real one does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_buffer_limits(void)
{
    struct buffer zeroed = {0}, buffer;
    uint8_t *room = NULL;

    check_int(buffer_append(&zeroed, "a", 1), -ENOBUFS);
    buffer_deinit(&zeroed);
    buffer_init(&buffer, SIZE_MAX);
    check_int(buffer_append(&buffer, "abc", 3), 0);
    check_int(buffer_reserve(&buffer, SIZE_MAX), -ENOBUFS); /* no sum overflows */
    check_int(buffer_reserve(&buffer, SIZE_MAX / 2), -ENOMEM);
    check(slice_is(buffer_slice(&buffer), "abc")); /* untouched by failures */
    check_int(buffer_extend(&buffer, 2, &room), 0);
    room[0] = room[1] = 'd';
    check(slice_is(buffer_slice(&buffer), "abcdd"));
    buffer_deinit(&buffer);
    buffer_init(&buffer, 10);
    check_int(buffer_reserve(&buffer, 1), 0);
    check_int(buffer.capacity, 10); /* never above the limit */
    buffer_deinit(&buffer);
    check_int(buffer_reserve(&buffer, 11), -ENOBUFS);
    check_int(buffer_reserve(&buffer, 10), 0); /* all of it at once */
    buffer_deinit(&buffer);
}

/* ----------------------------------------------------------------------------------------------------------- others */

static void test_random(void)
{
    static uint8_t a[70000], b[70000];
    unsigned int n_zero = 0;

    check_int(random_bytes(a, sizeof(a)), 0);
    check_int(random_bytes(b, sizeof(b)), 0);
    check(memcmp(a, b, sizeof(a)) != 0);
    for (size_t i = 0; i < sizeof(a); i++) {
        n_zero += a[i] == 0;
    }
    check(n_zero > 100 && n_zero < 600); /* filled to the end: 273 are expected */
    check_int(random_bytes(NULL, 0), 0);
}

static msec_t msec_of(const char *value)
{
    setenv("RPBT_MSEC", value, 1);
    return env_msec("RPBT_MSEC", 30);
}

static void test_env(void)
{
    unsetenv("RPBT_MSEC");
    check(env_get("RPBT_MSEC") == NULL);
    check_int(env_msec("RPBT_MSEC", 30), 30);
    setenv("RPBT_MSEC", "", 1);
    check(env_get("RPBT_MSEC") == NULL);
    check_str(env_get_raw("RPBT_MSEC"), "");
    check(env_get_raw("RPBT_NEVER_SET") == NULL);
    setenv("RPBT_MSEC", "x", 1);
    check_str(env_get("RPBT_MSEC"), "x");
    check_int(msec_of("500"), 500);
    check_int(msec_of(" \t500\r\n"), 500);
    check_int(msec_of("0"), 30);
    check_int(msec_of("-5"), 30);
    check_int(msec_of("+5"), 30);
    check_int(msec_of("5ms"), 30);
    check_int(msec_of("5 5"), 30);
    check_int(msec_of("0x10"), 30);
    check_int(msec_of("1.5"), 30);
    check_int(msec_of("   "), 30);
    check_int(msec_of("86400000"), 86400000);
    check_int(msec_of("86400001"), 86400000);
    check_int(msec_of("99999999999999999999999999"), 86400000);
    unsetenv("RPBT_MSEC");
}

CHECK_PROGRAM("base/values", {"an error remembers its way", test_error_path},
              {"unexpected positives become errors", test_error_fold}, {"ownership leaves a scope", test_ownership},
              {"slices", test_slices}, {"time saturates and rounds up", test_time},
              {"a buffer grows to its limit", test_buffer_grows_to_its_limit},
              {"a buffer's limits", test_buffer_limits}, {"random bytes", test_random}, {"the environment", test_env})
