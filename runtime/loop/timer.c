/* SPDX-License-Identifier: MIT */

/*
 * Timers in a pairing heap threaded through the timers themselves: setting costs O(1), taking the first or any other
 * O(log n), and nothing is ever allocated. Equal moments run in the order in which they were set, and a moment in the
 * past counts as now, so a timer that sets itself again at once takes its place behind those already waiting. A turn
 * runs at most as many timers as were set when it began: no chain of timers keeps the descriptors from their turn.
 */

#include <stddef.h>

#include "loop/internal.h"

static bool is_before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->when_nsec != b->when_nsec ? a->when_nsec < b->when_nsec : a->serial < b->serial;
}

/* Joins two heaps, either of which may be empty. @previous of a first child is its parent, else its left sibling. */
static struct loop_timer *meld(struct loop_timer *a, struct loop_timer *b)
{
    struct loop_timer *top, *sub;

    if (!a || !b) {
        return a ? a : b;
    }
    top = is_before(b, a) ? b : a;
    sub = top == a ? b : a;
    sub->sibling = top->child;
    sub->previous = top;
    if (top->child) {
        top->child->previous = sub;
    }
    top->child = sub;
    top->sibling = top->previous = NULL;
    return top;
}

static struct loop_timer *detach(struct loop_timer *timer)
{
    if (timer) {
        timer->sibling = timer->previous = NULL;
    }
    return timer;
}

/* Melds a row of siblings into one heap: pairs from left to right, then all of them from right to left. No recursion.
 */
static struct loop_timer *meld_row(struct loop_timer *row)
{
    struct loop_timer *pairs = NULL, *result = NULL;

    while (row) {
        struct loop_timer *a = row, *b = row->sibling, *pair;

        row = b ? b->sibling : NULL;
        pair = meld(detach(a), detach(b));
        pair->sibling = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct loop_timer *pair = pairs;

        pairs = pair->sibling;
        result = meld(result, detach(pair));
    }
    return result;
}

static void take_out(struct loop *loop, struct loop_timer *timer)
{
    struct loop_timer *below = meld_row(timer->child);

    if (timer == loop->timers) {
        loop->timers = below;
    } else {
        if (timer->previous->child == timer) {
            timer->previous->child = timer->sibling;
        } else {
            timer->previous->sibling = timer->sibling;
        }
        if (timer->sibling) {
            timer->sibling->previous = timer->previous;
        }
        loop->timers = meld(loop->timers, below);
    }
    timer->child = timer->sibling = timer->previous = NULL;
    timer->is_set = false;
    loop->n_timers--;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*due)(void *owner), void *owner)
{
    *timer = (struct loop_timer){.loop = loop, .due = due, .owner = owner};
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer->is_set) {
        take_out(timer->loop, timer);
    }
}

void loop_timer_set(struct loop_timer *timer, nsec_t when_nsec)
{
    struct loop *loop = timer->loop;

    loop_timer_stop(timer);
    if (when_nsec == NSEC_NEVER) {
        return;
    }
    timer->when_nsec = when_nsec > loop->now_nsec ? when_nsec : loop->now_nsec;
    timer->serial = loop->timer_serial++;
    timer->is_set = true;
    loop->timers = meld(loop->timers, timer);
    loop->n_timers++;
}

void loop_timer_set_in(struct loop_timer *timer, nsec_t delay_nsec)
{
    loop_timer_set(timer, nsec_add(timer->loop->now_nsec, delay_nsec));
}

nsec_t loop_timer_next(const struct loop *loop)
{
    return loop->timers ? loop->timers->when_nsec : NSEC_NEVER;
}

void loop_timer_dispatch(struct loop *loop)
{
    uint32_t budget = loop->n_timers;

    while (budget-- > 0 && loop->timers && loop->timers->when_nsec <= loop->now_nsec) {
        struct loop_timer *timer = loop->timers;

        take_out(loop, timer);
        timer->due(timer->owner);
        loop_call_after(loop);
    }
}

void loop_timer_deinit(struct loop *loop)
{
    while (loop->timers) {
        take_out(loop, loop->timers);
    }
}
