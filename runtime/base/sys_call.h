/* SPDX-License-Identifier: MIT */
#pragma once

/* How the wrappers of sys.h turn a C library call into a result or a negative errno. */

#include <errno.h>
#include <sys/types.h>

#define SYS_ONCE(type, call)                                                                                           \
    do {                                                                                                               \
        type result_ = (call);                                                                                         \
        return result_ < 0 ? -(type)errno : result_;                                                                   \
    } while (0)

#define SYS_RETRY(type, call)                                                                                          \
    do {                                                                                                               \
        type result_;                                                                                                  \
        do {                                                                                                           \
            result_ = (call);                                                                                          \
        } while (result_ < 0 && errno == EINTR);                                                                       \
        return result_ < 0 ? -(type)errno : result_;                                                                   \
    } while (0)
