/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the engine share. Not for anyone else. */

#include "fsm/fsm.h"
#include "fsm/machine.h"

/* world.c: places in the slot table (0 or -ENOMEM) and in the lists */
int fsm_slot_take(struct fsm_world *world, struct fsm *fsm);
void fsm_slot_give_back(struct fsm_world *world, struct fsm *fsm);
void fsm_turn_queue(struct fsm *fsm);
void fsm_turn_unqueue(struct fsm *fsm);
void fsm_finished_queue(struct fsm *fsm);
void fsm_finished_unqueue(struct fsm *fsm);

/* step.c: steps @event and every outcome returned on the way; the timer @timer fires. The instance may be gone after.
 */
void fsm_step(struct fsm *fsm, int event);
void fsm_fire(struct fsm *fsm, unsigned int timer);
bool fsm_is_outcome(const struct fsm *fsm, int event);

/* timers.c: what runs after a go row; what stands still from now on; the timer of the loop is due */
void fsm_timers_adjust(struct fsm *fsm);
void fsm_timers_stop(struct fsm *fsm);
void fsm_timers_init(struct fsm *fsm);

/* trace.c */
void fsm_trace(struct fsm *fsm, int event, int next, unsigned int branch, const struct fsm_branch *row);

/* Something that only a bug of ours can cause. Changes nothing; aborts in a strict world. */
void fsm_report(struct fsm *fsm, int event, const char *what);

static inline const struct fsm_cell *fsm_cell(const struct fsm *fsm, int event)
{
    return &fsm->machine->cells[(size_t)fsm->state * fsm->machine->n_events + (size_t)event];
}
