/* SPDX-License-Identifier: MIT */

/*
 * What all connections have in common: who is open, who must make room, what is to be told to the daemon. The daemon is
 * told at the end of a turn, never from inside a step, so it may do whatever it likes to the control socket, which
 * includes ending it one turn later.
 */

#include "control/control.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/env.h"
#include "base/error.h"
#include "control/state.h"

enum { PER_PEER_MAX = 1024, BUFFERS_MAX = 32 * 1024 * 1024, TIMEOUT_MSEC = 30000 };

/* ------------------------------------------------------------------------------------------------- memory */

/* What a flood took lies about in pieces that the allocator would keep for ever. */
static void trim_due(void *owner)
{
    struct control *control = owner;

    control->n_peak = control->n_open;
    (void)malloc_trim(0);
}

void control_counted(struct control *control)
{
    if (control->n_open > control->n_peak) {
        control->n_peak = control->n_open;
    }
    if (control->n_peak >= CONTROL_FLOOD_MIN && control->n_open <= control->n_peak / 4 &&
        !loop_timer_is_set(&control->trim)) {
        loop_timer_set_in(&control->trim, nsec_from_msec(CONTROL_TRIM_MSEC));
    }
}

/* ------------------------------------------------------------------------------------------------- birth and end */

static int set_up(struct control *control)
{
    const struct control_config *config = &control->config;
    int r;

    control->timeout_nsec = nsec_from_msec(config->request_timeout_msec != 0
                                               ? config->request_timeout_msec
                                               : env_msec("RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS", TIMEOUT_MSEC));
    loop_timer_init(&control->trim, config->loop, trim_due, control);
    LIST_INIT(&control->open);
    LIST_INIT(&control->spare);
    pool_init(&control->pool, config->buffers_max != 0 ? config->buffers_max : BUFFERS_MAX);
    arena_init(&control->arena, control->arena_block, sizeof(control->arena_block),
               2 * message_budget(MESSAGE_FRAME, HELLO_BODY_MAX));
    control->scratch = malloc(CONTROL_READ_MAX);
    if (control->scratch == NULL) {
        return error_origin(-ENOMEM);
    }
    r = admission_init(&control->admission,
                       config->connections_per_pid != 0 ? (uint32_t)config->connections_per_pid : PER_PEER_MAX);
    if (r < 0) {
        return error_trace(r);
    }
    r = accept_init(control);
    return r < 0 ? error_trace(r) : 0;
}

int control_new(const struct control_config *config, struct control **ret_control)
{
    struct control *control = calloc(1, sizeof(*control));
    int r;

    if (control == NULL) {
        return error_origin(-ENOMEM);
    }
    control->config = *config;
    r = set_up(control);
    if (r < 0) {
        control_free(control);
        return error_trace(r);
    }
    *ret_control = control;
    return 0;
}

struct control *control_free(struct control *control)
{
    struct connection *connection;

    if (control == NULL) {
        return NULL;
    }
    control->is_freeing = true;
    while ((connection = LIST_FIRST(&control->open)) != NULL) {
        connection_abandon(connection);
    }
    while ((connection = LIST_FIRST(&control->spare)) != NULL) {
        LIST_REMOVE(connection, link);
        free(connection);
    }
    loop_defer_cancel(&control->telling);
    loop_timer_stop(&control->trim);
    accept_deinit(control);
    admission_deinit(&control->admission);
    pool_deinit(&control->pool);
    arena_deinit(&control->arena);
    free(control->scratch);
    free(control);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------- making room */

void control_evict(struct control *control, struct connection *connection)
{
    if (connection->is_evicted) {
        return;
    }
    connection->is_evicted = true;
    admission_leave(&control->admission, &connection->admission);
    connection_raise(connection, CONNECTION_EVENT_EVICTED);
}

static size_t held(const struct connection *connection)
{
    return connection->body_capacity + connection->skim_capacity + connection->reply_capacity;
}

static bool is_evictable(const struct connection *connection)
{
    return connection->admission.place == ADMISSION_UNFINISHED || connection->admission.place == ADMISSION_LINGERING;
}

void control_evict_biggest(struct control *control)
{
    struct connection *connection, *biggest = NULL;

    LIST_FOREACH(connection, &control->open, link)
    {
        if (is_evictable(connection) && (biggest == NULL || held(connection) > held(biggest))) {
            biggest = connection;
        }
    }
    if (biggest != NULL) {
        control_evict(control, biggest);
    }
}

/* ------------------------------------------------------------------------------------------------- telling */

static bool is_finished(const struct control *control)
{
    return control->config.max_connections != 0 && control->n_counted >= control->config.max_connections &&
           control->n_open == 0 && !control->is_finished_told;
}

static bool is_drained(const struct control *control)
{
    return control->is_draining && control->n_owed == 0 && !control->is_drained_told;
}

/* One a turn: what is told may end everything. */
static void tell(void *owner)
{
    struct control *control = owner;
    const struct control_config *config = &control->config;

    if (control->is_shutdown_due) {
        control->is_shutdown_due = false;
        control_changed(control);
        if (config->shutdown_asked != NULL) {
            config->shutdown_asked(config->owner, control->drain_msec);
        }
    } else if (is_drained(control)) {
        control->is_drained_told = true;
        control_changed(control);
        if (config->drained != NULL) {
            config->drained(config->owner);
        }
    } else if (is_finished(control)) {
        control->is_finished_told = true;
        if (config->finished != NULL) {
            config->finished(config->owner);
        }
    }
}

void control_changed(struct control *control)
{
    loop_io_touch(&control->listener);
    if (control->is_shutdown_due || is_drained(control) || is_finished(control)) {
        loop_defer(control->config.loop, &control->telling, tell, control);
    }
}

void control_failed(struct control *control, const char *error)
{
    if (control->first_error == NULL) {
        control->first_error = error;
    }
}

/* ------------------------------------------------------------------------------------------------- for the daemon */

void control_drain(struct control *control)
{
    control->is_draining = true;
    hello_set_draining(control->config.hello);
    control_changed(control);
}

bool control_is_quiet(const struct control *control)
{
    return control->n_owed == 0;
}

void control_cut_off(struct control *control)
{
    struct connection *connection;

    if (control->is_cut_off) {
        return; /* nobody has come since, and a connection's queue has room for one of each event */
    }
    control->is_closed = control->is_cut_off = true;
    LIST_FOREACH(connection, &control->open, link)
    {
        connection_raise(connection, CONNECTION_EVENT_CUT_OFF);
    }
    control_changed(control);
}

size_t control_connections_open(const struct control *control)
{
    return control->n_open;
}

bool control_is_demoted(const struct control *control)
{
    return fd_pressure_is_demoted(&control->pressure);
}

uint64_t control_demotions_total(const struct control *control)
{
    return control->pressure.demotions_total;
}

uint64_t control_refused_while_demoted(const struct control *control)
{
    return control->pressure.refused_while_demoted;
}

const struct control_counters *control_counters(const struct control *control)
{
    return &control->counters;
}

const char *control_first_error(const struct control *control)
{
    return control->first_error;
}
