/* SPDX-License-Identifier: MIT */

/*
 * After somebody has cleaned up below the broker: a live backend whose socket is gone is of no use to clients, though
 * it may still serve those that it has. So it is only left out of the look-ups, and said so once. It is not stopped; a
 * launch under way is, since it could only hold its key until the ceiling.
 */

#include "backend/backends.h"
#include "backend/launch.h"
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
    log_event(&record,
              "the socket %s of the backend " KEY_FORMAT ", pid %d, was removed by somebody: it gets no more clients",
              backend_path(backend), KEY_ARGS(&backend->key), (int)backend->pid);
}

void backends_recheck_endpoints(struct backends *backends)
{
    struct launch *launch;

    registry_recheck(&backends->registry, on_lost, NULL);
    LIST_FOREACH(launch, &backends->launches, entry)
    {
        launch_recheck(launch);
    }
}
