/* SPDX-License-Identifier: MIT */

/*
 * Processes that were killed and do not die: each keeps its place in a list until the loop has reaped it. Who cannot be
 * kept, for want of memory, is left to whoever reaps after the broker. Nothing here waits or kills.
 */

#include "backend/backends.h"

#include <stdlib.h>

#include "base/cleanup.h"

/* One process that was killed and does not die. The loop reaps it whenever it does. */
struct orphan {
    LIST_ENTRY(orphan) entry;
    struct loop_child child;
};

static void on_orphan_exited(void *owner, const siginfo_t *info)
{
    struct orphan *orphan = owner;

    (void)info;
    LIST_REMOVE(orphan, entry);
    free(orphan);
}

void backends_adopt_orphan(struct backends *backends, int pidfd)
{
    struct orphan *orphan = calloc(1, sizeof(*orphan));

    if (!orphan) {
        close_fd(pidfd);
        return;
    }
    LIST_INSERT_HEAD(&backends->orphans, orphan, entry);
    if (loop_child_watch(backends->config.loop, &orphan->child, pidfd, on_orphan_exited, orphan) < 0) {
        on_orphan_exited(orphan, NULL);
    }
}

void backends_forget_orphans(struct backends *backends)
{
    struct orphan *orphan, *next;

    for (orphan = LIST_FIRST(&backends->orphans); orphan; orphan = next) {
        next = LIST_NEXT(orphan, entry);
        loop_child_unlink(&orphan->child);
        on_orphan_exited(orphan, NULL);
    }
}
