/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The engine that steps the machines of statemachines/ (their language: statemachines/LANGUAGE.md).
 *
 * A machine's table is generated (gen/<m>_fsm.h and .c); its actions, guards and work are written by its owner. An
 * instance is any structure whose FIRST member is `struct fsm`. All instances of a process live in one world, and the
 * world runs on one loop, on one thread.
 *
 * What the rest of the program may rely on:
 *   - Steps never nest. <m>_raise() and fsm_finish() only write down what happened; the step itself is taken by
 *     fsm_world_run(), which the loop calls after each of its callbacks. <m>_start() runs the birth actions at once and
 *     nothing more.
 *   - Everything queued is worked off before the loop delivers the next descriptor, timer or worker result.
 *   - Whoever raises or finishes outside of the loop's callbacks calls fsm_world_run(), or waits for the next turn.
 *   - Nothing is allocated but the slot table, which grows by <m>_start() and never shrinks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "loop/loop.h"

struct fsm;
struct fsm_machine;

enum {
    FSM_QUEUE_MAX = 4,  /* events that wait for one instance; a fifth is a bug of ours */
    FSM_TIMERS_MAX = 8, /* timers of one machine */
    FSM_STEPS_MAX = 16, /* steps that each instance remembers */
};

/* One step of the past, for dumps. Event 0 is the birth. */
struct fsm_step {
    uint8_t state;
    uint8_t event;
    uint8_t next;
    uint8_t branch; /* row of the cell that was taken, from 0; FSM_STEP_NEVER: nothing was done */
};

enum { FSM_STEP_NEVER = 255 };

/* Where a ticket finds its instance; the generation outlives the instance. */
struct fsm_slot {
    struct fsm *fsm;
    uint32_t generation;
    uint32_t next_free;
};

TAILQ_HEAD(fsm_list, fsm);

struct fsm_world {
    struct loop *loop; /* NULL: no timers fire by themselves, the clock is `now_nsec` (tests, libraries) */
    nsec_t now_nsec;
    struct fsm_list turns;    /* instances that have something to step, in the order of their turns */
    struct fsm_list finished; /* instances whose work ended late; stepped when `turns` is empty */
    struct fsm_slot *slots;
    uint32_t n_slots;
    uint32_t first_free; /* index + 1; 0: none */
    uint32_t n_alive;
    uint32_t depth; /* > 0 while actions run */
    uint64_t n_steps;
    uint64_t n_never; /* cells that cannot happen but did, full queues, raises into oneself */
    bool strict;      /* abort on the first of them; default: only in builds with FSM_STRICT */
    void (*on_never)(struct fsm_world *, struct fsm *, int event, const char *what); /* NULL, or told instead (tests) */
};

/* One instance. Zeroed memory is a valid instance that is not alive. The members belong to the engine. */
struct fsm {
    struct fsm_world *world; /* NULL: not alive */
    const struct fsm_machine *machine;
    TAILQ_ENTRY(fsm) turn;
    TAILQ_ENTRY(fsm) done;
    uint32_t slot;
    uint32_t serial; /* of the work begun last */
    uint8_t state;
    uint8_t work;     /* unfinished work, 0: none */
    uint8_t returned; /* outcome that the birth's work returned, 0: none */
    uint8_t late;     /* outcome told by fsm_finish(), 0: none */
    uint8_t queue[FSM_QUEUE_MAX];
    uint8_t n_queue;
    bool in_turns;
    bool in_finished;
    bool is_stepping;
    uint32_t n_steps;
    struct fsm_step steps[FSM_STEPS_MAX];
    nsec_t due_nsec[FSM_TIMERS_MAX]; /* NSEC_NEVER: not running */
    nsec_t armed_nsec;               /* where `timer` stands: the earliest of them */
    struct loop_timer timer;
};

/* What a result must show to be believed. Plain data: copy it, send it through a worker, keep it for ever. */
struct fsm_ticket {
    struct fsm_world *world;
    uint32_t instance;
    uint32_t generation;
    uint32_t serial;
};

/*
 * Prepares a world on @loop (borrowed; must outlive the world) and installs fsm_world_run() as the loop's after hook.
 * Allocates nothing. @loop may be NULL: then no timer fires by itself, and the owner drives the world with `now_nsec`,
 * fsm_due() and fsm_fire_due().
 * Returns 0.
 */
int fsm_world_init(struct fsm_world *world, struct loop *loop);

/* Frees the slot table. Instances that are still alive must have been let go by fsm_deinit() before. Accepts zeroes. */
void fsm_world_deinit(struct fsm_world *world);

/* Makes room for @n instances in all, so that no start up to there allocates. 0 or -ENOMEM. */
int fsm_world_reserve(struct fsm_world *world, uint32_t n);

/* Nothing is queued, nothing is finished and unstepped, and no action is running. */
bool fsm_world_is_quiet(const struct fsm_world *world);

/*
 * Steps until the world is quiet: instances with queued events take turns, first come first served, one event a turn;
 * when none is left, work that has ended is stepped, one result at a time. Does nothing when called from an action.
 */
void fsm_world_run(struct fsm_world *world);

/* The instant that timers and `until` functions are told: the loop's, sampled once a turn. */
nsec_t fsm_world_now(struct fsm_world *world);

/*
 * For worlds without a loop. The earliest instant at which a timer of @fsm is due, NSEC_NEVER when none runs; and the
 * step that follows when it is over at the world's `now_nsec`, with everything that it causes. One timer a call, since
 * its step may stop the others: true when one fired. Not to be called from an action.
 */
nsec_t fsm_due(const struct fsm *fsm);
bool fsm_fire_due(struct fsm *fsm);

/*
 * The ticket of the work that has just been begun. To be taken inside the work function. Whoever holds it reports the
 * outcome with fsm_finish(); it dies when the instance leaves the state, begins other work or ends.
 */
struct fsm_ticket fsm_ticket(const struct fsm *fsm);

/* True while a result with this ticket would still be taken; lets a caller save work, never needed for safety. */
bool fsm_ticket_is_valid(struct fsm_ticket ticket);

/*
 * Reports the outcome @event (an <M>_EVENT_ constant of that work) of unfinished work. The step follows when the world
 * is quiet. A late, repeated or zeroed ticket changes nothing.
 */
void fsm_finish(struct fsm_ticket ticket, int event);

/*
 * Lets go of an instance that has not reached a final state, without any action and without <m>_ended(): timers stop,
 * queued events and tickets die. For shutting down and for machines without final states. Accepts zeroes, twice; must
 * not be called from the instance's own actions.
 */
void fsm_deinit(struct fsm *fsm);

/*
 * Writes name, state, unfinished work, running timers and the last steps into @ret_text, one line each, cut at @size
 * (> 0) and always terminated. Returns the length written.
 */
size_t fsm_describe(const struct fsm *fsm, char *ret_text, size_t size);

/* Calls @each for every living instance. @each may end instances, but must not start any. */
void fsm_world_each(struct fsm_world *world, void (*each)(struct fsm *fsm, void *userdata), void *userdata);

/*
 * What every generated header declares for its machine <m>:
 *
 *   int  <m>_start(struct <m> *, struct fsm_world *);   birth: initial state and its actions, at once. 0 or -ENOMEM
 *                                                       (then no action has run). The memory must be zeroed, or an
 *                                                       instance that has ended.
 *   void <m>_raise(struct <m> *, enum <m>_event);       appends to the instance's queue; dropped once it has ended
 *   bool <m>_is_alive(const struct <m> *);              started and not in a final state
 *   enum <m>_state <m>_state(const struct <m> *);       0 before the birth
 *   const char *<m>_state_name(enum <m>_state);         and <m>_event_name(), <m>_<action>_name() likewise
 *
 * and what the machine's owner writes:
 *
 *   void <m>_<action>(struct <m> *[, enum <m>_<action>_arg]);
 *   enum <m>_event <m>_<work>(struct <m> *);            an outcome at once, or 0: later, by fsm_finish()
 *   bool <m>_<guard>(const struct <m> *);
 *   nsec_t <m>_<until>(const struct <m> *, nsec_t now); absolute, monotonic; NSEC_NEVER: do not set
 *   void <m>_ended(struct <m> *);                       a final state was entered; may free the instance, the engine
 *                                                       does not touch it again
 */
