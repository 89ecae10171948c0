/* SPDX-License-Identifier: MIT */

/*
 * The status document. The backends come in whatever order their table has and are sorted here, by service, version,
 * instance and build, so that two documents of the same state are the same bytes. Backends that are being launched are
 * no rows: they have no socket to name yet.
 */

#include "ops/admin_status.h"

#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "base/error.h"
#include "ops/admin.h"
#include "ops/admin_document.h"

struct status_row {
    struct backend_key key;
    json_t *json; /* owned until it is in the document */
};

struct status_rows {
    struct status_row *rows;
    size_t n, capacity;
    bool is_out_of_memory;
};

static json_t *row_json(const struct backend_row *row)
{
    /* clang-format off */
    return json_pack("{s:o, s:I, s:I, s:s, s:s, s:s}",
                     "backend_pipe", admin_document_string(row->endpoint_path),
                     "last_active_unix_ms", (json_int_t)row->last_active_unix_ms,
                     "pid", (json_int_t)row->pid,
                     "service_name", row->key->service,
                     "service_version", row->key->version,
                     "state", row->state);
    /* clang-format on */
}

static void add_row(const struct backend_row *row, void *userdata)
{
    struct status_rows *rows = userdata;

    if (rows->is_out_of_memory || !strcmp(row->state, "spawning")) {
        return;
    }
    if (rows->n == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 16;
        struct status_row *more = reallocarray(rows->rows, capacity, sizeof(*more));

        if (!more) {
            rows->is_out_of_memory = true;
            return;
        }
        rows->rows = more;
        rows->capacity = capacity;
    }
    rows->rows[rows->n] = (struct status_row){.key = *row->key, .json = row_json(row)};
    rows->is_out_of_memory = !rows->rows[rows->n].json;
    rows->n += rows->rows[rows->n].json ? 1 : 0;
}

static int compare_rows(const void *a, const void *b)
{
    const struct backend_key *x = &((const struct status_row *)a)->key, *y = &((const struct status_row *)b)->key;
    int order = strcmp(x->service, y->service);

    if (!order) {
        order = strcmp(x->version, y->version);
    }
    if (!order) {
        order = strcmp(x->instance, y->instance);
    }
    return order ? order : memcmp(x->exe_hash, y->exe_hash, sizeof(x->exe_hash));
}

static json_t *backend_rows(const struct admin *admin)
{
    struct status_rows rows = {0};
    json_t *array = json_array();

    if (array && admin->each_backend) {
        admin->each_backend(admin->owner, add_row, &rows);
    }
    if (rows.n) {
        qsort(rows.rows, rows.n, sizeof(rows.rows[0]), compare_rows);
    }
    for (size_t i = 0; i < rows.n; i++) {
        if (!array || json_array_append_new(array, rows.rows[i].json)) {
            rows.is_out_of_memory = true; /* a value that could not be appended is released all the same */
        }
    }
    free(rows.rows);
    if (rows.is_out_of_memory) {
        json_decref(array);
        return NULL;
    }
    return array;
}

int admin_status_print(const struct admin *admin, const struct admin_facts *facts, char **ret_text)
{
    json_t *document;

    /* clang-format off */
    document = json_pack("{s:b, s:o, s:s, s:I, s:s, s:I, s:{s:b}, s:I, s:o, s:i, s:f}",
                         "accepting_hello", facts->is_accepting,
                         "backends", backend_rows(admin),
                         "broker_instance", admin->broker_instance,
                         "broker_pid", (json_int_t)admin->broker_pid,
                         "command", "status",
                         "connections_open", (json_int_t)facts->connections_open,
                         "fd_pressure", "demoted", facts->is_demoted,
                         "generated_at_unix_ms", (json_int_t)facts->unix_msec,
                         "inode_pressure", admin_inode_row(&facts->inodes),
                         "schema_version", 1,
                         "uptime_seconds", (double)facts->uptime_nsec / 1e9);
    /* clang-format on */
    return error_trace(admin_document_print(document, ret_text));
}
