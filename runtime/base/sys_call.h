/* SPDX-License-Identifier: MIT */
#pragma once

/* How the wrappers of sys.h turn a C library call into a result or a negative errno. */

#include <errno.h>
#include <sys/types.h>

/* The negative errno of the call that has just failed. Never 0, so that a failure cannot look like success. */
static inline int sys_failure(void)
{
    int failure = errno;

    return failure > 0 ? -failure : -EIO;
}

#define SYS_ONCE(type, call)                                                                                           \
    do {                                                                                                               \
        type result_ = (call);                                                                                         \
        return result_ < 0 ? (type)sys_failure() : result_;                                                            \
    } while (0)

#define SYS_RETRY(type, call)                                                                                          \
    do {                                                                                                               \
        type result_;                                                                                                  \
        do {                                                                                                           \
            result_ = (call);                                                                                          \
        } while (result_ < 0 && errno == EINTR);                                                                       \
        return result_ < 0 ? (type)sys_failure() : result_;                                                            \
    } while (0)
