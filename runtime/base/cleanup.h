/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Cleanup at the end of a scope, and the visible moment in which ownership leaves it:
 *
 *     _cleanup_close_ int fd = -1;
 *     ...
 *     *ret_fd = take_fd(&fd);
 */

#include <dirent.h>
#include <stdlib.h>

#include "base/sys.h"

#define _cleanup_(fn) __attribute__((__cleanup__(fn)))
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_closedir_ _cleanup_(cleanup_closedir)

/* The pointer variable's value, leaving NULL behind. */
#define TAKE_PTR(pointer)                                                                                              \
    ({                                                                                                                 \
        __typeof__(pointer) *take_from_ = &(pointer);                                                                  \
        __typeof__(pointer) taken_ = *take_from_;                                                                      \
        *take_from_ = NULL;                                                                                            \
        taken_;                                                                                                        \
    })

/* The descriptor's value, leaving -1 behind. */
static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* Closes @fd unless negative, keeping errno. Returns -1: `fd = close_fd(fd)`. */
static inline int close_fd(int fd)
{
    int saved = errno;

    if (fd >= 0) {
        (void)sys_close(fd);
    }
    errno = saved;
    return -1;
}

static inline void cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_close(int *fd)
{
    *fd = close_fd(*fd);
}

static inline void cleanup_closedir(DIR **dir)
{
    if (*dir) {
        (void)sys_closedir(*dir);
    }
}
