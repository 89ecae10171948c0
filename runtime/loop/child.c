/* SPDX-License-Identifier: MIT */

/*
 * The end of a process, by its pidfd and nothing else: no SIGCHLD, no waitpid(-1), so every process has one who reaps
 * it and a reused number is never taken for the old process. A pidfd becomes readable when the process has ended, and
 * for a child it still is one to be reaped then; for a stranger waitid() says ECHILD, and its end is all that is known.
 * A child that somebody traces is given to its tracer first: until that one lets go the pidfd stays readable and
 * nothing can be reaped, so it is looked at by the clock and not waited for. When there is no room to watch a pidfd,
 * that too is tried again by the clock: a process that has been handed over is never lost for want of memory.
 */

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "loop/loop.h"

#define AGAIN_NSEC (100 * NSEC_PER_MSEC)

static uint32_t wants(void *owner)
{
    const struct loop_child *child = owner;

    return loop_timer_is_set(&child->again) ? 0 : LOOP_READ;
}

static void look(void *owner)
{
    struct loop_child *child = owner;
    siginfo_t info;
    int r;

    memset(&info, 0, sizeof(info));
    r = sys_waitid_pidfd(child->pidfd, &info, WEXITED | WNOHANG);
    if (r == 0 && info.si_pid == 0) {
        loop_timer_set_in(&child->again, AGAIN_NSEC);
        return;
    }
    loop_child_unlink(child);
    child->exited(child->owner, r == 0 ? &info : NULL);
}

static void on_ready(void *owner, uint32_t events)
{
    struct loop_child *child = owner;

    if (!loop_timer_is_set(&child->again)) { /* else it is told of a hang-up, which is known */
        look(child);
    }
}

/* 0: it is watched, or that is tried again later. */
static int begin(struct loop_child *child)
{
    int r = loop_io_link(child->again.loop, &child->io, child->pidfd, LOOP_NESTED, wants, on_ready, child);

    if (r == -ENOMEM || r == -ENOSPC) {
        loop_timer_set_in(&child->again, AGAIN_NSEC);
        return 0;
    }
    return error_trace(r);
}

static void on_again(void *owner)
{
    struct loop_child *child = owner;

    if (loop_io_is_linked(&child->io)) {
        look(child);
    } else {
        (void)begin(child); /* what it was refused for before was want of room, and that is all there can be */
    }
}

static bool is_watched(const struct loop_child *child)
{
    return loop_io_is_linked(&child->io) || loop_timer_is_set(&child->again);
}

int loop_child_watch(struct loop *loop, struct loop_child *child, int pidfd,
                     void (*exited)(void *owner, const siginfo_t *info), void *owner)
{
    int r;

    if (is_watched(child)) {
        close_fd(pidfd);
        return error_origin(-EINVAL);
    }
    *child = (struct loop_child){.pidfd = pidfd, .exited = exited, .owner = owner};
    loop_timer_init(&child->again, loop, on_again, child);
    r = begin(child);
    if (r < 0) {
        child->pidfd = close_fd(pidfd);
        return error_trace(r);
    }
    return 0;
}

void loop_child_unlink(struct loop_child *child)
{
    if (is_watched(child)) {
        loop_io_unlink(&child->io);
        loop_timer_stop(&child->again);
        child->pidfd = close_fd(child->pidfd);
    }
}
