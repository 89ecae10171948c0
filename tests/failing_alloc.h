/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The n-th allocation of the program fails: malloc(), calloc() and realloc() of every program that is linked with
 * failing_alloc.c, which the Makefile names one by one. Allocations of all threads count alike.
 */

#include <stdbool.h>

/* From here on the @n-th allocation (0: the next one) fails, and with @for_ever all that follow. */
void failing_alloc_start(long n, bool for_ever);

/* None fails any more. Whether one has since failing_alloc_start(). */
bool failing_alloc_stop(void);

/* Whether one has failed since failing_alloc_start(), which goes on. */
bool failing_alloc_has_failed(void);

/* While held, allocations neither count nor fail: the test's own amid those that are tested. */
void failing_alloc_hold(bool held);

/* False where another allocator stands before this one (valgrind's): nothing fails, so every n passes at once. */
bool failing_alloc_is_possible(void);
