/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The common half of the generated cell tests (gen/<m>_fsm_cells.c): steps one instance once for each case and compares
 * all that came of it. Only those test programs use it; the product does not link it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "fsm/fsm.h"
#include "fsm/machine.h"

struct cells_case {
    const char *state; /* NULL: the birth */
    const char *event;
    const char *work;  /* unfinished before the step, "" for none */
    const char *asked; /* `guard=answer …`, in this order and no further */
    const char *did;   /* `action(argument) …` */
    const char *next;
    const char *work_after;
    const char *timers; /* `timer=milliseconds …`: those that run after the step */
    int ended;
    int reported; /* as something that must not happen */
};

/* What the `until` function @name answers, in milliseconds. */
struct cells_until {
    const char *name;
    unsigned int msec;
};

/* Runs all cases; prints a line for each that failed and `N passed, N failed` at the end. Returns the exit status. */
int cells_run(const struct fsm_machine *machine, struct fsm *fsm, const struct cells_until *untils,
              const struct cells_case *cases, size_t n_cases);

/* What the recording functions tell. */
void cells_did(const char *action, const char *argument);
bool cells_asked(const char *guard);
nsec_t cells_until(const char *name, nsec_t now_nsec);
void cells_ended(void);
