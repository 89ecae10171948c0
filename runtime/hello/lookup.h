/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Looking up definitions without blocking the loop (decision 14). A directory that was seen on a local file system is
 * looked at on the loop, at the cost of the store's two stat calls. Any other, and one that was not seen yet, is looked
 * at by the worker while whoever asks waits; what takes longer than 10 s is given up.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/slice.h"
#include "loop/loop.h"
#include "service/store.h"
#include "wire/text.h"

enum { LOOKUP_LIMIT_S = 10 };

/* Besides STORE_E_*. */
enum { LOOKUP_E_WAIT = 100 };

struct lookup_job;
TAILQ_HEAD(lookup_waiters, lookup_waiter);

/* Somebody who waits. Zeroed: waits for nothing. Embedded in its owner. */
struct lookup_waiter {
    /*
     * Called once, from the loop, unless left before. @r is what store_get() says, with @definition or @fault as there,
     * borrowed for the call.
     */
    void (*done)(struct lookup_waiter *waiter, int r, const struct definition *definition,
                 const struct store_fault *fault);
    struct slice service; /* what is asked for, borrowed; the owner sets it anew where it moves the text */
    /* private */
    TAILQ_ENTRY(lookup_waiter) entry;
    struct lookup_waiters *queue; /* NULL: does not wait */
};

/* The members are private. Zeroed: none. */
struct lookup {
    struct loop *loop;
    struct store *store; /* the loop's, for a local directory */
    bool is_local;       /* it was seen on a local file system, and the store is bound to that */
    nsec_t limit_nsec;   /* of one job; tests set less */
    struct lookup_waiters waiting;
    struct lookup_waiters asked; /* those for whom the job under way is */
    struct lookup_job *job;      /* with the worker's own store; NULL: none was needed yet */
    struct lookup_job *hung;     /* given up, and its thread has not come back */
    bool must_recheck, must_look;
};

/* @loop and @store are borrowed; nobody else looks into @store afterwards. Allocates and opens nothing. */
void lookup_init(struct lookup *lookup, struct loop *loop, struct store *store);

/* Whoever still waits is forgotten without being told. Before the store's deinit. Accepts zeroes, twice. */
void lookup_deinit(struct lookup *lookup);

/*
 * The definition of @service: as store_get(), or LOOKUP_E_WAIT: @waiter has joined and is told. A directory that does
 * not answer is STORE_E_BROKEN. Where no thread can be had the loop looks itself: better late than never.
 */
int lookup_get(struct lookup *lookup, struct slice service, nsec_t now_nsec, struct lookup_waiter *waiter,
               const struct definition **ret_definition, struct store_fault *ret_fault);

/*
 * Has the worker look at the directory before anybody asks: what is wrong with it is in the log at once, and whoever
 * asks first finds it known. Where no thread can be had nothing is looked at.
 */
void lookup_look(struct lookup *lookup);

/* Stops waiting. Harmless when not waiting. */
void lookup_leave(struct lookup_waiter *waiter);

/* Tells all who wait that nothing was found: their owner has another answer for them. */
void lookup_cancel(struct lookup *lookup);

/* store_recheck(), now or as soon as the worker can, and a line in the log that says how many changed. */
void lookup_recheck(struct lookup *lookup);
