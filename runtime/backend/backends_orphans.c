/* SPDX-License-Identifier: MIT */

/*
 * Processes that were killed and do not die: each keeps its place in a list until the loop has reaped it. The place is
 * made before there is a process, so none is lost for want of memory. Nothing here waits or kills.
 */

#include "backend/backends.h"

#include <stdlib.h>

#include "base/cleanup.h"

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

struct orphan *orphan_new(void)
{
    return calloc(1, sizeof(struct orphan));
}

struct orphan *orphan_free(struct orphan *orphan)
{
    free(orphan);
    return NULL;
}

void backends_adopt_orphan(struct backends *backends, struct orphan *orphan, int pidfd)
{
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
