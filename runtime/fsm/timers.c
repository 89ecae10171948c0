/* SPDX-License-Identifier: MIT */
/*
 * The timers of an instance. Each has an instant in the instance; one timer of the loop stands at the earliest of them,
 * so an instance costs one entry in the loop's heap however many timers its machine has. One due timer is taken a
 * callback: the step may stop the others.
 */
#include "fsm/step.h"

static nsec_t earliest(const struct fsm *fsm, unsigned int *ret_timer)
{
    nsec_t when = NSEC_NEVER;

    for (unsigned int t = 0; t < fsm->machine->n_timers; t++)
        if (fsm->due_nsec[t] < when) {
            when = fsm->due_nsec[t];
            *ret_timer = t;
        }
    return when;
}

/* Puts the loop's timer where it belongs. */
static void arm(struct fsm *fsm)
{
    unsigned int timer = 0;
    nsec_t when = earliest(fsm, &timer);

    if (!fsm->world->loop || when == fsm->armed_nsec)
        return;
    fsm->armed_nsec = when;
    loop_timer_set(&fsm->timer, when);
}

static void on_due(void *userdata)
{
    struct fsm *fsm = userdata;
    struct fsm_world *world = fsm->world;
    unsigned int timer = 0;
    nsec_t when;

    fsm->armed_nsec = NSEC_NEVER; /* a timer that fired does not run */
    if (!fsm_world_is_quiet(world)) {
        /* something was raised outside of the loop's callbacks: that comes first, and may end this instance */
        arm(fsm);
        fsm_world_run(world);
        return;
    }
    when = earliest(fsm, &timer);
    if (when == NSEC_NEVER)
        return;
    if (when > fsm_world_now(world)) {
        arm(fsm);
        return;
    }
    fsm_fire(fsm, timer);
}

nsec_t fsm_due(const struct fsm *fsm)
{
    unsigned int unused;

    return fsm->world ? earliest(fsm, &unused) : NSEC_NEVER;
}

bool fsm_fire_due(struct fsm *fsm)
{
    struct fsm_world *world = fsm->world;
    unsigned int timer = 0;
    nsec_t when;

    if (!world)
        return false;
    fsm_world_run(world); /* what was raised comes first, and may end this instance */
    if (!fsm->world)
        return false;
    when = earliest(fsm, &timer);
    if (when == NSEC_NEVER || when > fsm_world_now(world))
        return false;
    fsm_fire(fsm, timer);
    fsm_world_run(world);
    return true;
}

void fsm_timers_init(struct fsm *fsm)
{
    for (unsigned int t = 0; t < FSM_TIMERS_MAX; t++)
        fsm->due_nsec[t] = NSEC_NEVER;
    fsm->armed_nsec = NSEC_NEVER;
    if (fsm->world->loop)
        loop_timer_init(&fsm->timer, fsm->world->loop, on_due, fsm);
}

void fsm_timers_adjust(struct fsm *fsm)
{
    const struct fsm_machine *machine = fsm->machine;
    unsigned int listed = machine->states[fsm->state].timers;
    nsec_t now_nsec = machine->n_timers ? fsm_world_now(fsm->world) : 0;

    for (unsigned int t = 0; t < machine->n_timers; t++) {
        const struct fsm_timer_info *timer = &machine->timers[t];

        if (!(listed & (1U << t)))
            fsm->due_nsec[t] = NSEC_NEVER;
        else if (timer->until)
            fsm->due_nsec[t] = timer->until(fsm, now_nsec);
        else if (fsm->due_nsec[t] == NSEC_NEVER)
            fsm->due_nsec[t] = nsec_add(now_nsec, timer->lasts_nsec);
    }
    arm(fsm);
}

void fsm_timers_stop(struct fsm *fsm)
{
    for (unsigned int t = 0; t < FSM_TIMERS_MAX; t++)
        fsm->due_nsec[t] = NSEC_NEVER;
    fsm->armed_nsec = NSEC_NEVER;
    if (fsm->world->loop)
        loop_timer_stop(&fsm->timer);
}
