/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Time. Deadlines are nanoseconds of CLOCK_MONOTONIC, which does not count suspends; idleness is measured on
 * CLOCK_BOOTTIME, which does; what is shown or stored is Unix milliseconds.
 */

#include <stdint.h>

#include "base/sys.h"

typedef uint64_t nsec_t;
typedef uint64_t msec_t;

#define NSEC_NEVER UINT64_MAX
#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_SEC UINT64_C(1000000000)
#define MSEC_PER_SEC UINT64_C(1000)

/* Sum that stops at NSEC_NEVER instead of wrapping; NSEC_NEVER plus anything is NSEC_NEVER. */
static inline nsec_t nsec_add(nsec_t a, nsec_t b)
{
    nsec_t sum;

    return __builtin_add_overflow(a, b, &sum) ? NSEC_NEVER : sum;
}

/* a - b, 0 when b is later than a. */
static inline nsec_t nsec_sub(nsec_t a, nsec_t b)
{
    return a > b ? a - b : 0;
}

/* Saturates at NSEC_NEVER. */
static inline nsec_t nsec_from_msec(msec_t msec)
{
    nsec_t nsec;

    return __builtin_mul_overflow(msec, NSEC_PER_MSEC, &nsec) ? NSEC_NEVER : nsec;
}

/* Rounded up, so that what waits for it does not wake early. */
static inline msec_t msec_from_nsec(nsec_t nsec)
{
    return nsec / NSEC_PER_MSEC + (nsec % NSEC_PER_MSEC != 0);
}

static inline nsec_t clock_read(clockid_t clock)
{
    struct timespec now = {0};

    (void)sys_clock_gettime(clock, &now);
    return (nsec_t)now.tv_sec * NSEC_PER_SEC + (nsec_t)now.tv_nsec;
}

static inline nsec_t clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

static inline nsec_t clock_boottime(void)
{
    return clock_read(CLOCK_BOOTTIME);
}

/* Nanoseconds since 1970 by the wall clock: for names and stamps, never for deadlines. */
static inline nsec_t clock_unix_nsec(void)
{
    return clock_read(CLOCK_REALTIME);
}

static inline uint64_t clock_unix_msec(void)
{
    return clock_unix_nsec() / NSEC_PER_MSEC;
}
