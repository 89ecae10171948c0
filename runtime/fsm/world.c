/* SPDX-License-Identifier: MIT */
/*
 * The world of all instances: the slot table, by which tickets find their instance or learn that it is gone; the order
 * of turns; and the clock. A slot's generation moves on when its instance ends, so that a ticket can never name a later
 * one. Slots are kept for ever: the table only grows, and only when an instance starts. This file steps nothing; see
 * step.c.
 */
#include "fsm/fsm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fsm/machine.h"
#include "fsm/step.h"

enum { SLOTS_MIN = 64 };

static void run_after_callback(void *userdata)
{
    fsm_world_run(userdata);
}

int fsm_world_init(struct fsm_world *world, struct loop *loop)
{
    *world = (struct fsm_world){.loop = loop};
    TAILQ_INIT(&world->turns);
    TAILQ_INIT(&world->finished);
#ifdef FSM_STRICT
    world->strict = true;
#endif
    if (loop)
        loop_set_after(loop, run_after_callback, world);
    return 0;
}

void fsm_world_deinit(struct fsm_world *world)
{
    if (world->loop)
        loop_set_after(world->loop, NULL, NULL);
    free(world->slots);
    *world = (struct fsm_world){0};
    TAILQ_INIT(&world->turns);
    TAILQ_INIT(&world->finished);
}

int fsm_world_reserve(struct fsm_world *world, uint32_t n)
{
    struct fsm_slot *slots;

    if (n <= world->n_slots)
        return 0;
    slots = reallocarray(world->slots, n, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    world->slots = slots;
    /* the lowest index ends up first in the list of free ones */
    for (uint32_t i = n; i > world->n_slots; i--) {
        slots[i - 1] = (struct fsm_slot){.generation = 1, .next_free = world->first_free};
        world->first_free = i;
    }
    world->n_slots = n;
    return 0;
}

int fsm_slot_take(struct fsm_world *world, struct fsm *fsm)
{
    uint32_t i;

    if (!world->first_free) {
        uint32_t n = world->n_slots ? world->n_slots + world->n_slots / 2 : SLOTS_MIN;
        int r = n > world->n_slots ? fsm_world_reserve(world, n) : -ENOMEM;

        if (r < 0)
            return r;
    }
    i = world->first_free - 1;
    world->first_free = world->slots[i].next_free;
    world->slots[i].fsm = fsm;
    world->slots[i].next_free = 0;
    world->n_alive++;
    fsm->slot = i;
    return 0;
}

void fsm_slot_give_back(struct fsm_world *world, struct fsm *fsm)
{
    struct fsm_slot *slot = &world->slots[fsm->slot];

    slot->fsm = NULL;
    slot->generation++;
    slot->next_free = world->first_free;
    world->first_free = fsm->slot + 1;
    world->n_alive--;
}

nsec_t fsm_world_now(struct fsm_world *world)
{
    return world->loop ? loop_now(world->loop) : world->now_nsec;
}

bool fsm_world_is_quiet(const struct fsm_world *world)
{
    return world->depth == 0 && TAILQ_EMPTY(&world->turns) && TAILQ_EMPTY(&world->finished);
}

void fsm_turn_queue(struct fsm *fsm)
{
    if (fsm->in_turns)
        return;
    fsm->in_turns = true;
    TAILQ_INSERT_TAIL(&fsm->world->turns, fsm, turn);
}

void fsm_turn_unqueue(struct fsm *fsm)
{
    if (!fsm->in_turns)
        return;
    fsm->in_turns = false;
    TAILQ_REMOVE(&fsm->world->turns, fsm, turn);
}

void fsm_finished_queue(struct fsm *fsm)
{
    if (fsm->in_finished)
        return;
    fsm->in_finished = true;
    TAILQ_INSERT_TAIL(&fsm->world->finished, fsm, done);
}

void fsm_finished_unqueue(struct fsm *fsm)
{
    if (!fsm->in_finished)
        return;
    fsm->in_finished = false;
    TAILQ_REMOVE(&fsm->world->finished, fsm, done);
}

void fsm_world_each(struct fsm_world *world, void (*each)(struct fsm *fsm, void *userdata), void *userdata)
{
    for (uint32_t i = 0; i < world->n_slots; i++)
        if (world->slots[i].fsm)
            each(world->slots[i].fsm, userdata);
}

struct fsm_ticket fsm_ticket(const struct fsm *fsm)
{
    if (!fsm->world || !fsm->work)
        return (struct fsm_ticket){0};
    return (struct fsm_ticket){
        .world = fsm->world,
        .instance = fsm->slot,
        .generation = fsm->world->slots[fsm->slot].generation,
        .serial = fsm->serial,
    };
}

/* The instance whose unfinished, unreported work the ticket is for; NULL: late. */
static struct fsm *ticket_get(struct fsm_ticket ticket)
{
    const struct fsm_slot *slot;

    if (!ticket.world || ticket.instance >= ticket.world->n_slots)
        return NULL;
    slot = &ticket.world->slots[ticket.instance];
    if (!slot->fsm || slot->generation != ticket.generation)
        return NULL;
    if (slot->fsm->serial != ticket.serial || !slot->fsm->work || slot->fsm->late || slot->fsm->returned)
        return NULL;
    return slot->fsm;
}

bool fsm_ticket_is_valid(struct fsm_ticket ticket)
{
    return ticket_get(ticket) != NULL;
}

void fsm_finish(struct fsm_ticket ticket, int event)
{
    struct fsm *fsm = ticket_get(ticket);

    if (!fsm)
        return;
    if (!fsm_is_outcome(fsm, event)) {
        fsm_report(fsm, event, "is no outcome of the work under way");
        return;
    }
    fsm->late = (uint8_t)event;
    fsm_finished_queue(fsm);
}
