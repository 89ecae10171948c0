/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fsm/fsm.h"

/* Spec 01 section 12. The rest time is in statemachines/fd_pressure.fsm. */
enum { FD_PRESSURE_RECOVERY_ACCEPTS = 3, FD_PRESSURE_RETRY_MS = 1000 };

struct fd_pressure_config {
    struct fsm_world *world;
    const char *socket_path; /* borrowed; for the log line */
    /* Wanted by the machine: look at is_resting again. */
    void (*listener_changed)(void *owner);
    /* Accept one connection now, with the reserve closed; true when one came (it is to give the reserve back). */
    bool (*serve_by_reserve)(void *owner);
    void *owner;
};

/*
 * Whether Hellos are refused because descriptors ran out. One a listener. The first member is the machine of
 * statemachines/fd_pressure.fsm.
 */
struct fd_pressure {
    struct fsm fsm;
    struct fd_pressure_config config;
    int reserve_fd;             /* -1: lent out, or it could not be opened again */
    bool is_lent;
    bool is_resting;            /* leave the listener alone */
    int error;                  /* of the accept that failed last */
    uint32_t good_accepts;      /* in a row, while demoted */
    uint64_t demotions_total;
    uint64_t refused_while_demoted;
};

/* Starts the machine and opens the reserve descriptor. 0 or negative errno. */
int fd_pressure_init(struct fd_pressure *pressure, const struct fd_pressure_config *config);
void fd_pressure_deinit(struct fd_pressure *pressure);

/* accept gave a connection (never called for one that came through the reserve). */
void fd_pressure_accepted(struct fd_pressure *pressure);

/* accept failed with EMFILE or ENFILE (@error positive) and nothing could be closed instead. */
void fd_pressure_exhausted(struct fd_pressure *pressure, int error);

/* A connection has closed its descriptor: the moment to open the reserve again where it is missing. */
void fd_pressure_restore(struct fd_pressure *pressure);

/* Hellos are refused; admin requests are served. */
bool fd_pressure_is_demoted(const struct fd_pressure *pressure);
bool fd_pressure_is_resting(const struct fd_pressure *pressure);

/* Forces a demotion, as an exhausted accept would (tests). */
void fd_pressure_demote(struct fd_pressure *pressure, int error);
