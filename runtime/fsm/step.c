/* SPDX-License-Identifier: MIT */
/*
 * Steps instances by their tables. A step: the first row of the cell whose guard holds; the new state; its actions in
 * order; the timers; then an outcome that work returned, stepped at once before anything queued. Whatever is caused in
 * the meantime is only written down, so steps never nest; fsm_world_run() works it off, one event of an instance after
 * the other's. When a final state is entered the instance is let go of before its owner is told, and never touched
 * again. Nothing here knows what a machine is for.
 */
#include "fsm/step.h"

#include <errno.h>
#include <string.h>

bool fsm_is_alive(const struct fsm *fsm)
{
    return fsm->world && !fsm->machine->states[fsm->state].is_final;
}

bool fsm_is_outcome(const struct fsm *fsm, int event)
{
    if (!fsm->work)
        return false;
    for (const uint8_t *o = fsm->machine->works[fsm->work].outcomes; *o; o++)
        if (*o == event)
            return true;
    return false;
}

/* Whatever the work under way reports from now on is late. */
static void withdraw_work(struct fsm *fsm)
{
    fsm->serial++;
    fsm->work = 0;
    fsm->late = 0;
    fsm->returned = 0;
    fsm_finished_unqueue(fsm);
}

/* Runs the actions of a row; the outcome that its work returned, or 0. */
static int run_calls(struct fsm *fsm, const struct fsm_branch *row)
{
    int outcome = 0;

    for (const struct fsm_call *const *call = row->calls; call && *call; call++) {
        if ((*call)->act) {
            (*call)->act(fsm);
            continue;
        }
        withdraw_work(fsm);
        fsm->work = (*call)->work_id;
        outcome = (*call)->work(fsm);
        if (outcome && !fsm_is_outcome(fsm, outcome)) {
            fsm_report(fsm, outcome, "is no outcome of the work that returned it");
            outcome = 0;
        }
        if (outcome) {
            /* a report by ticket besides the returned one is the second of one work: it counts for nothing */
            fsm->late = 0;
            fsm_finished_unqueue(fsm);
        }
    }
    return outcome;
}

/* Takes a go row. Returns the outcome to be stepped next, or 0. */
static int go(struct fsm *fsm, int event, unsigned int branch, const struct fsm_branch *row)
{
    int outcome;

    fsm_trace(fsm, event, row->next, branch, row);
    if (!row->stays && fsm->work)
        withdraw_work(fsm);
    fsm->state = row->next;
    outcome = run_calls(fsm, row);
    if (!fsm->machine->states[fsm->state].is_final)
        fsm_timers_adjust(fsm);
    return outcome;
}

/* Steps one event. Returns the outcome to be stepped next, or 0. */
static int step_one(struct fsm *fsm, int event)
{
    const struct fsm_cell *cell = fsm_cell(fsm, event);

    for (unsigned int i = 0; i < cell->n_branches; i++) {
        const struct fsm_branch *row = &cell->branches[i];

        if (row->guard && !row->guard->holds(fsm))
            continue;
        if (row->verdict == FSM_GO)
            return go(fsm, event, i, row);
        if (row->verdict == FSM_IGNORE) {
            fsm_trace(fsm, event, fsm->state, i, row);
            return 0;
        }
        break;
    }
    fsm_trace(fsm, event, fsm->state, FSM_STEP_NEVER, NULL);
    fsm_report(fsm, event, cell->n_branches ? "must never happen here" : "cannot happen here");
    return 0;
}

static void let_go(struct fsm *fsm)
{
    struct fsm_world *world = fsm->world;

    fsm_timers_stop(fsm);
    fsm_turn_unqueue(fsm);
    withdraw_work(fsm);
    fsm->n_queue = 0;
    fsm_slot_give_back(world, fsm);
    fsm->world = NULL;
}

void fsm_step(struct fsm *fsm, int event)
{
    const struct fsm_machine *machine = fsm->machine;
    struct fsm_world *world = fsm->world;

    world->depth++;
    fsm->is_stepping = true;
    while (event) {
        event = step_one(fsm, event);
        if (event)
            fsm->work = 0; /* an outcome ends its work; then it is an event like others */
    }
    fsm->is_stepping = false;
    if (machine->states[fsm->state].is_final) {
        let_go(fsm);
        machine->ended(fsm);
    }
    world->depth--;
}

/* Steps the outcome of work that has ended by it. */
static void step_outcome(struct fsm *fsm, int outcome)
{
    fsm->work = 0;
    fsm_step(fsm, outcome);
}

void fsm_fire(struct fsm *fsm, unsigned int timer)
{
    fsm->due_nsec[timer] = NSEC_NEVER;
    fsm_step(fsm, fsm->machine->first_timer + (int)timer);
}

int fsm_start(struct fsm *fsm, struct fsm_world *world, const struct fsm_machine *machine)
{
    int r;

    if (fsm->world) {
        fsm_report(fsm, 0, "of an instance that is alive");
        return -EALREADY;
    }
    *fsm = (struct fsm){.world = world, .machine = machine};
    r = fsm_slot_take(world, fsm);
    if (r < 0) {
        fsm->world = NULL;
        return r;
    }
    fsm_timers_init(fsm);
    world->depth++;
    fsm->is_stepping = true;
    fsm->returned = (uint8_t)go(fsm, 0, 0, &machine->birth);
    fsm->is_stepping = false;
    world->depth--;
    if (fsm->returned)
        fsm_turn_queue(fsm);
    return 0;
}

void fsm_raise(struct fsm *fsm, int event)
{
    if (!fsm_is_alive(fsm))
        return;
    if (event <= 0 || event >= fsm->machine->n_raised) {
        fsm_report(fsm, event, "was raised, which is no event of a party");
        return;
    }
    if (fsm->is_stepping) {
        fsm_report(fsm, event, "was raised by the instance itself");
        return;
    }
    if (fsm->n_queue == FSM_QUEUE_MAX) {
        fsm_report(fsm, event, "was raised with the queue full");
        return;
    }
    fsm->queue[fsm->n_queue++] = (uint8_t)event;
    fsm_turn_queue(fsm);
}

/* One event of the instance whose turn it is. */
static void take_turn(struct fsm *fsm)
{
    int event = fsm->queue[0];

    fsm_turn_unqueue(fsm);
    if (fsm->returned) {
        event = fsm->returned;
        fsm->returned = 0;
        if (fsm->n_queue)
            fsm_turn_queue(fsm);
        step_outcome(fsm, event);
        return;
    }
    fsm->n_queue--;
    memmove(fsm->queue, fsm->queue + 1, fsm->n_queue);
    /* queued again before the step, which may end the instance and then takes it out of the list itself */
    if (fsm->n_queue)
        fsm_turn_queue(fsm);
    fsm_step(fsm, event);
}

static void take_finished(struct fsm *fsm)
{
    int outcome = fsm->late;

    fsm->late = 0;
    fsm_finished_unqueue(fsm);
    step_outcome(fsm, outcome);
}

void fsm_world_run(struct fsm_world *world)
{
    struct fsm *fsm;

    if (world->depth)
        return;
    for (;;) {
        if ((fsm = TAILQ_FIRST(&world->turns)))
            take_turn(fsm);
        else if ((fsm = TAILQ_FIRST(&world->finished)))
            take_finished(fsm);
        else
            return;
    }
}

void fsm_deinit(struct fsm *fsm)
{
    if (!fsm->world)
        return;
    if (fsm->is_stepping)
        fsm_report(fsm, 0, "is followed by deinit in an action of the instance itself");
    else
        let_go(fsm);
}
