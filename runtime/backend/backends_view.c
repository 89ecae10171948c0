/* SPDX-License-Identifier: MIT */

/*
 * What others may know of the backends: rows for admin answers, counts for limits and metrics, the spelling of the one
 * switch. Reads only; rows come in the order of the tables, and whoever shows them sorts them.
 */

#include "backend/backends.h"

#include <string.h>
#include <strings.h>

#include "backend/launch.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool backends_owned_bind_from(const char *value)
{
    static const char *const off[] = {"", "0", "false", "no", "off"};
    size_t size;

    if (!value) {
        return true;
    }
    while (is_space(*value)) {
        value++;
    }
    size = strlen(value);
    while (size > 0 && is_space(value[size - 1])) {
        size--;
    }
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        if (size == strlen(off[i]) && strncasecmp(value, off[i], size) == 0) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------------- for admin */

struct each_row {
    void (*each)(const struct backend_row *row, void *userdata);
    void *userdata;
};

static void row_of_backend(struct backend *backend, void *userdata)
{
    const struct each_row *to = userdata;
    uint64_t active = backend->last_hello_unix_ms;

    to->each(
        &(struct backend_row){
            .key = &backend->key,
            .state = backend->is_unreachable ? "stale" : "running",
            .pid = backend->pid,
            .endpoint_path = backend_path(backend),
            .exe_path = backend->exe_path,
            .is_external = backend->is_external,
            .started_at_unix_ms = backend->started_at_unix_ms,
            .registered_at_unix_ms = backend->registered_at_unix_ms,
            .last_active_unix_ms = active > 0 ? active : backend->started_at_unix_ms,
            .last_hello_unix_ms = active,
        },
        to->userdata);
}

void backends_each(struct backends *backends, void (*each)(const struct backend_row *row, void *userdata),
                   void *userdata)
{
    struct each_row to = {.each = each, .userdata = userdata};
    const struct launch *launch;

    registry_each(&backends->registry, row_of_backend, &to);
    LIST_FOREACH(launch, &backends->launches, entry)
    {
        each(
            &(struct backend_row){
                .key = &launch->key,
                .state = "spawning",
                .pid = launch->pid,
                .endpoint_path = launch_path(launch),
                .exe_path = launch->binary.path ? launch->binary.path : launch->binary_path,
            },
            userdata);
    }
}

void backends_each_budget(struct backends *backends, void (*each)(const struct spawn_row *row, void *userdata),
                          void *userdata)
{
    spawn_budget_each(&backends->budget, loop_now(backends->config.loop), each, userdata);
}

uint32_t backends_count_live(const struct backends *backends)
{
    return backends->registry.n;
}

uint32_t backends_count_launching(const struct backends *backends)
{
    return backends->n_launches;
}

uint32_t backends_count_waiters(const struct backends *backends)
{
    const struct launch *launch;
    uint32_t n = backends->n_pendings;

    LIST_FOREACH(launch, &backends->launches, entry)
    {
        n += launch->waiters.n;
    }
    return n;
}
