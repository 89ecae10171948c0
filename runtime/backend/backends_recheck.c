/* SPDX-License-Identifier: MIT */

/*
 * After somebody has cleaned up below the broker: a live backend whose socket is gone is of no use to clients, though
 * it may still serve those that it has. So it is only left out of the look-ups, and said so once. Nothing is stopped.
 */

#include "backend/backends.h"
#include "base/log.h"

static void on_lost(struct backend *backend, void *userdata)
{
    const struct log_record record = {
        .level = LOG_WARN,
        .code = LOG_CODE_BACKEND_UNREACHABLE,
        .service = slice_from(backend->key.service),
        .version = slice_from(backend->key.version),
    };

    (void)userdata;
    log_event(&record, "the socket %s of the backend of %s, pid %d, was removed by somebody: it gets no more clients",
              backend_path(backend), backend->key.instance, (int)backend->pid);
}

void backends_recheck_endpoints(struct backends *backends)
{
    registry_recheck(&backends->registry, on_lost, NULL);
}
