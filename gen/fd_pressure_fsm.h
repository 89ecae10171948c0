/* SPDX-License-Identifier: MIT */
/* Generated from fd_pressure.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#pragma once

/* Whether Hellos are refused because descriptors ran out; admin requests are always served. */

#include <stdbool.h>

#include "base/clock.h"
#include "fsm/fsm.h"

struct fd_pressure; /* defined by the owner; its first member is `struct fsm` */
extern const struct fsm_machine fd_pressure_machine;

enum fd_pressure_state { /* 0: not born */
    FD_PRESSURE_STATE_NORMAL = 1,
    FD_PRESSURE_STATE_RESTING,
    FD_PRESSURE_STATE_DEMOTED,
    FD_PRESSURE_STATE_MAX
};

enum fd_pressure_event { /* 0: none */
    /* events */
    FD_PRESSURE_EVENT_ACCEPTED = 1, /* accept gave a connection */
    FD_PRESSURE_EVENT_EXHAUSTED, /* accept failed with EMFILE or ENFILE */
    /* timers */
    FD_PRESSURE_EVENT_REST, /* the listener is left alone for this long after it ran out */
    FD_PRESSURE_EVENT_MAX
};

/* What others may call; see fsm/fsm.h. */
int fd_pressure_start(struct fd_pressure *machine, struct fsm_world *world);
void fd_pressure_raise(struct fd_pressure *machine, enum fd_pressure_event event);
bool fd_pressure_is_alive(const struct fd_pressure *machine);
enum fd_pressure_state fd_pressure_state(const struct fd_pressure *machine);
const char *fd_pressure_state_name(enum fd_pressure_state state);
const char *fd_pressure_event_name(enum fd_pressure_event event);

/* Written by the machine's owner: work (0: the outcome comes later, by fsm_finish()) … */

/* … actions, which cannot fail … */
void fd_pressure_count_demotion(struct fd_pressure *machine);
void fd_pressure_log_once(struct fd_pressure *machine);
void fd_pressure_pause_listener(struct fd_pressure *machine);
void fd_pressure_serve_by_reserve(struct fd_pressure *machine);
void fd_pressure_resume_listener(struct fd_pressure *machine);
void fd_pressure_forgive(struct fd_pressure *machine);
void fd_pressure_count_good_accept(struct fd_pressure *machine);
void fd_pressure_forget_good_accepts(struct fd_pressure *machine);

/* … guards and `until` functions, which only read … */
bool fd_pressure_recovered(const struct fd_pressure *machine);

/* … and the end: a final state was entered; the instance may be freed here. */
void fd_pressure_ended(struct fd_pressure *machine);
