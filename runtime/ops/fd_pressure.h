/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Whether Hellos are refused because descriptors ran out (spec 01 section 12), and the one descriptor kept in reserve
 * so that a client can be told. One a listener; the instance of statemachines/fd_pressure.fsm.
 */

#include <stdbool.h>
#include <stdint.h>

#include "fd_pressure_fsm.h"
#include "fsm/fsm.h"

enum {
    FD_PRESSURE_RECOVERY_ACCEPTS = 3,
    FD_PRESSURE_RETRY_MS = 1000, /* what a refused Hello is told */
};

#define FD_PRESSURE_REASON "broker is low on file descriptors; retry shortly"

struct fd_pressure_config {
    struct fsm_world *world;
    const char *socket_path; /* borrowed; for the log line */
    /* fd_pressure_is_resting() has changed */
    void (*listener_changed)(void *owner);
    /* The reserve is free for one accept. False: nobody was accepted, and it can be taken back. */
    bool (*serve_by_reserve)(void *owner);
    void *owner;
};

struct fd_pressure {
    struct fsm fsm;
    struct fd_pressure_config config;
    bool is_ready;
    int reserve_fd;                 /* -1: lent, or it could not be opened again yet */
    bool is_resting;                /* the listener is to be left alone */
    int error;                      /* errno of the accept that failed last */
    uint32_t good_accepts;          /* in a row, while demoted */
    uint64_t demotions_total;       /* episodes */
    uint64_t refused_while_demoted; /* Hellos; counted by who refuses them */
};

/* Starts the machine and opens the reserve. 0 or a negative errno. */
int fd_pressure_init(struct fd_pressure *pressure, const struct fd_pressure_config *config);

/* Not from its own callbacks. Accepts zeroes, twice. */
void fd_pressure_deinit(struct fd_pressure *pressure);

/* accept gave a connection; not to be called for one that came through the reserve. */
void fd_pressure_note_accept(struct fd_pressure *pressure);

/* accept failed with @error, EMFILE or ENFILE, and nothing could be closed instead. Also what a test forces. */
void fd_pressure_note_exhausted(struct fd_pressure *pressure, int error);

/* A descriptor has been closed: opens the reserve again where it is missing. */
void fd_pressure_restore(struct fd_pressure *pressure);

/* Hellos are refused; admin requests are not. */
bool fd_pressure_is_demoted(const struct fd_pressure *pressure);

bool fd_pressure_is_resting(const struct fd_pressure *pressure);
