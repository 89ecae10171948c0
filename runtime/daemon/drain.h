/* SPDX-License-Identifier: MIT */
#pragma once

/* The way from serving to the end (spec 05 §5.2, spec 03 §13, decision 21). */

#include <stdbool.h>

#include "base/clock.h"
#include "loop/loop.h"

enum {
    DRAIN_DEFAULT_MSEC = 10000,
    DRAIN_MAX_MSEC = 60000,
    DRAIN_LOOK_MSEC = 20, /* how often it is asked whether all is quiet, besides being told */
};

struct drain_config {
    struct loop *loop;
    void (*begin)(void *owner);               /* once: refuse Hellos, cancel launches */
    bool (*is_quiet)(void *owner);            /* nothing that was promised is unfinished */
    void (*end)(void *owner, bool is_forced); /* once: stop; forced: something is still unfinished */
    void *owner;
};

enum drain_state {
    DRAIN_SERVING,
    DRAIN_DRAINING,
    DRAIN_STOPPED,
};

/* Zeroed: not in use. */
struct drain {
    struct drain_config config;
    enum drain_state state;
    nsec_t deadline_nsec;
    struct loop_timer limit, look;
};

void drain_init(struct drain *drain, const struct drain_config *config);

/* Stops its timers. Accepts zeroes. */
void drain_deinit(struct drain *drain);

/* The shutdown verb: @drain_msec from now, 0 for the default, at most 60 s. Draining already: only an earlier deadline
 * counts. */
void drain_by_request(struct drain *drain, msec_t drain_msec);

/* SIGTERM or SIGINT: begins a drain of the default length, or, when one is under way, ends it at once. */
void drain_by_signal(struct drain *drain, int signo);

/* Something may have become quiet. */
void drain_look(struct drain *drain);

/* How long a drain takes at most that is asked for with @drain_msec: 0 is the default, more than 60 s are 60 s. */
static inline msec_t drain_length(msec_t drain_msec)
{
    if (drain_msec == 0) {
        return DRAIN_DEFAULT_MSEC;
    }
    return drain_msec < DRAIN_MAX_MSEC ? drain_msec : DRAIN_MAX_MSEC;
}

static inline bool drain_has_begun(const struct drain *drain)
{
    return drain->state != DRAIN_SERVING;
}
