/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of control/ share. For them only. */

#include <sys/queue.h>

#include "base/arena.h"
#include "control/admission.h"
#include "control/connection.h"
#include "control/control.h"
#include "control/pool.h"
#include "loop/loop.h"
#include "ops/fd_pressure.h"
#include "wire/message.h"

enum {
    CONTROL_SPARE_MAX = 16,   /* connection objects at hand */
    CONTROL_READ_MAX = 65536, /* bytes read from one connection in a turn */
    CONTROL_STALL_MSEC = 5000,
    CONTROL_LINGER_MSEC = 100,
    CONTROL_DISCARD_MAX = 65536, /* bytes thrown away while lingering */
    CONTROL_PATIENCE_MSEC = BACKENDS_PATIENCE_MS,
    CONTROL_BACKOFF_MSEC = 50,
    CONTROL_FLOOD_MIN = 32,  /* open connections that count as a flood */
    CONTROL_TRIM_MSEC = 200, /* after a flood has ebbed */
};

LIST_HEAD(connections, connection);

struct control {
    struct control_config config;
    nsec_t timeout_nsec;
    struct connections open;
    struct connections spare;
    uint32_t n_spare, n_open;
    uint32_t n_peak;        /* most that were open since memory was last given back */
    struct loop_timer trim; /* a flood has ebbed: give its memory back */
    uint32_t n_owed;        /* complete requests without an answer */
    struct admission admission;
    struct pool pool;
    struct arena arena; /* for what is decoded during one step */
    uint8_t *scratch;   /* CONTROL_READ_MAX bytes that nobody wants to keep */
    struct fd_pressure pressure;
    struct loop_io listener;
    struct loop_timer backoff; /* after an accept error that may pass */
    bool is_backing_off;
    bool is_closed;  /* no more accepts: enough have come, or the broker ends */
    bool is_cut_off; /* those that were open have been told */
    bool is_draining;
    bool is_freeing;
    uint64_t n_counted; /* towards max_connections */
    struct loop_deferred telling;
    bool must_tell; /* telling is under way */
    bool is_finished_told, is_drained_told, is_shutdown_due;
    msec_t drain_msec;
    const char *first_error;
    struct control_counters counters;
    uint8_t arena_block[MESSAGE_ARENA_BLOCK];
};

/* Starts the machine on @fd, which it takes. For accept.c. */
void connection_begin(struct control *control, int fd);

/* Closes without a word and frees; not from the connection's own actions. For control_free(). */
void connection_abandon(struct connection *connection);

static inline struct connection *connection_of_ticket(struct admission_ticket *ticket)
{
    return (struct connection *)(void *)((char *)ticket - offsetof(struct connection, admission));
}

/* @connection makes room: it is told once. */
void control_evict(struct control *control, struct connection *connection);

/* The total of all buffers is reached: the connection that holds most, and may be evicted, is. */
void control_evict_biggest(struct control *control);

/* Something that listening, finishing or draining depends on has changed. */
void control_changed(struct control *control);

/* A connection has begun, or ended: @control->n_open has changed. */
void control_counted(struct control *control);

/* Notes the first failure of a connection, in words. */
void control_failed(struct control *control, const char *error);

/* accept.c: starts and stops listening. */
int accept_init(struct control *control);
void accept_deinit(struct control *control);
