/* SPDX-License-Identifier: MIT */

/*
 * Defined in the program, malloc() and its like are found before the C library's or the sanitizer's, which do the work
 * when nothing is to fail. free() is left to them. What they call among themselves does not come here.
 */

#include "failing_alloc.h"

#include <errno.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *memory, size_t size);

static _Atomic long left = -1; /* allocations until one fails; negative: none does */
static _Atomic bool goes_on;   /* and all after it */
static _Atomic bool has_failed, is_held, is_asked;

static bool fails(void)
{
    is_asked = true;
    if (left < 0 || is_held) {
        return false;
    }
    if (left > 0) {
        left--;
        return false;
    }
    left = goes_on ? 0 : -1;
    has_failed = true;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : REAL(malloc)(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : REAL(calloc)(n, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : REAL(realloc)(memory, size);
}

void failing_alloc_start(long n, bool for_ever)
{
    has_failed = false;
    goes_on = for_ever;
    left = n;
}

bool failing_alloc_stop(void)
{
    left = -1;
    return has_failed;
}

bool failing_alloc_has_failed(void)
{
    return has_failed;
}

void failing_alloc_hold(bool held)
{
    is_held = held;
}

bool failing_alloc_is_possible(void)
{
    return is_asked;
}
