/* SPDX-License-Identifier: MIT */

/*
 * Three states and one deadline that only ever moves closer. The drain knows nothing of connections and backends: it is
 * told what to do when it begins and ends, and asks whether all is quiet, when it is told to look and every 20 ms,
 * since a killed child may be the last thing that is waited for. Its end comes once, from a callback of the loop.
 */

#include "daemon/drain.h"

#include <signal.h>

#include "base/log.h"

static void finish(struct drain *drain, bool is_forced)
{
    if (drain->state == DRAIN_STOPPED) {
        return;
    }
    drain->state = DRAIN_STOPPED;
    loop_timer_stop(&drain->limit);
    loop_timer_stop(&drain->look);
    drain->config.end(drain->config.owner, is_forced);
}

void drain_look(struct drain *drain)
{
    if (drain->state != DRAIN_DRAINING) {
        return;
    }
    if (drain->config.is_quiet(drain->config.owner)) {
        finish(drain, false);
        return;
    }
    loop_timer_set_in(&drain->look, nsec_from_msec(DRAIN_LOOK_MSEC));
}

static void on_look(void *owner)
{
    drain_look(owner);
}

static void on_limit(void *owner)
{
    struct drain *drain = owner;

    log_warn(LOG_CODE_DRAIN_FORCED, "the drain deadline is over, what is unfinished is cut off");
    finish(drain, true);
}

void drain_init(struct drain *drain, const struct drain_config *config)
{
    *drain = (struct drain){.config = *config, .deadline_nsec = NSEC_NEVER};
    loop_timer_init(&drain->limit, config->loop, on_limit, drain);
    loop_timer_init(&drain->look, config->loop, on_look, drain);
}

void drain_deinit(struct drain *drain)
{
    loop_timer_stop(&drain->limit);
    loop_timer_stop(&drain->look);
}

static void set_deadline(struct drain *drain, msec_t drain_msec)
{
    nsec_t deadline = nsec_add(loop_now(drain->config.loop), nsec_from_msec(drain_msec));

    if (deadline < drain->deadline_nsec) {
        drain->deadline_nsec = deadline;
        loop_timer_set(&drain->limit, deadline);
    }
}

static void begin(struct drain *drain, msec_t drain_msec, const char *cause)
{
    drain->state = DRAIN_DRAINING;
    set_deadline(drain, drain_msec);
    log_info(LOG_CODE_DRAINING, "%s: draining for at most %llu ms", cause, (unsigned long long)drain_msec);
    drain->config.begin(drain->config.owner);
    /* quiet at the end of the turn at the earliest: what begin() set in motion has to run first */
    loop_timer_set_in(&drain->look, 0);
}

void drain_by_request(struct drain *drain, msec_t drain_msec)
{
    drain_msec = drain_length(drain_msec);
    if (drain->state == DRAIN_SERVING) {
        begin(drain, drain_msec, "shutdown request");
    } else if (drain->state == DRAIN_DRAINING) {
        set_deadline(drain, drain_msec);
    }
}

void drain_by_signal(struct drain *drain, int signo)
{
    if (drain->state == DRAIN_SERVING) {
        begin(drain, DRAIN_DEFAULT_MSEC, signo == SIGTERM ? "SIGTERM" : "SIGINT");
    } else if (drain->state == DRAIN_DRAINING) {
        log_warn(LOG_CODE_DRAIN_FORCED, "a second signal: what is unfinished is cut off");
        finish(drain, true);
    }
}
