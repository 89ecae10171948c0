/* SPDX-License-Identifier: MIT */
#pragma once

/* The shape of a generated table, and the calls that generated code makes. Nobody else includes this file but tests. */

#include "fsm/fsm.h"

/* One action, or one work, of a row. */
struct fsm_call {
    const char *name;          /* as written in the spec, with its argument */
    void (*act)(struct fsm *); /* NULL for work */
    int (*work)(struct fsm *); /* NULL for an action; 0: later */
    uint8_t work_id;           /* index into fsm_machine.works */
};

struct fsm_guard {
    const char *name;
    bool (*holds)(const struct fsm *);
};

enum fsm_verdict {
    FSM_IMPOSSIBLE, /* the compiler proved that it cannot happen */
    FSM_GO,
    FSM_IGNORE,
    FSM_NEVER,
};

struct fsm_branch {
    const struct fsm_guard *guard;       /* NULL: always, or else */
    const struct fsm_call *const *calls; /* NULL: none; else ends with NULL */
    const char *reason;                  /* of an ignored event */
    uint8_t verdict;
    uint8_t next;
    bool stays; /* `-> same`: unfinished work goes on */
};

struct fsm_cell {
    uint8_t n_branches; /* 0: impossible */
    const struct fsm_branch *branches;
};

struct fsm_state_info {
    const char *name;
    uint8_t timers; /* bit t: timer t runs here */
    bool is_final;
};

struct fsm_timer_info {
    nsec_t lasts_nsec; /* 0: asks `until` */
    nsec_t (*until)(const struct fsm *, nsec_t now_nsec);
};

struct fsm_work_info {
    const char *name;
    const uint8_t *outcomes; /* ends with 0 */
};

struct fsm_machine {
    const char *name;
    uint8_t n_states; /* one more than the last state; 0 is unborn */
    uint8_t n_events; /* one more than the last event; 0 is none */
    uint8_t n_raised; /* one more than the last event of a party; timers and outcomes cannot be raised */
    uint8_t n_timers;
    uint8_t first_timer; /* event number of timer 0 */
    uint8_t n_works;
    const struct fsm_state_info *states;
    const char *const *events;
    const struct fsm_timer_info *timers;
    const struct fsm_work_info *works; /* entry 0 is unused */
    const struct fsm_cell *cells;      /* [n_states][n_events] */
    struct fsm_branch birth;
    void (*ended)(struct fsm *);
};

/* Begins the life of @fsm. 0, -ENOMEM, or -EALREADY (a bug of ours: it is reported). */
int fsm_start(struct fsm *fsm, struct fsm_world *world, const struct fsm_machine *machine);

/* Appends @event to the queue of @fsm. */
void fsm_raise(struct fsm *fsm, int event);

bool fsm_is_alive(const struct fsm *fsm);
