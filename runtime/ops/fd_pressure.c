/* SPDX-License-Identifier: MIT */

/*
 * The guard against running out of descriptors: a failed accept demotes, three good ones in a row forgive. Meanwhile
 * the listener is left alone for a moment after each failure instead of spinning, and the one descriptor in reserve is
 * given up so that somebody in the queue is accepted and told, or an administrator served. It is opened again as soon
 * as a descriptor is free. Which connections could be closed instead is known, and tried, by the caller.
 */

#include "ops/fd_pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"

int fd_pressure_init(struct fd_pressure *pressure, const struct fd_pressure_config *config)
{
    int r;

    *pressure = (struct fd_pressure){.config = *config, .reserve_fd = -1};
    pressure->reserve_fd = sys_open("/dev/null", O_RDONLY | O_CLOEXEC, 0);
    if (pressure->reserve_fd < 0) {
        return error_trace(pressure->reserve_fd);
    }
    r = fd_pressure_start(pressure, config->world);
    if (r < 0) {
        pressure->reserve_fd = close_fd(pressure->reserve_fd);
        return error_trace(r);
    }
    pressure->is_ready = true;
    return 0;
}

void fd_pressure_deinit(struct fd_pressure *pressure)
{
    if (!pressure->is_ready) {
        return;
    }
    fsm_deinit(&pressure->fsm);
    pressure->reserve_fd = close_fd(pressure->reserve_fd);
    pressure->is_ready = false;
}

void fd_pressure_note_accept(struct fd_pressure *pressure)
{
    fd_pressure_raise(pressure, FD_PRESSURE_EVENT_ACCEPTED);
}

void fd_pressure_note_exhausted(struct fd_pressure *pressure, int error)
{
    pressure->error = error;
    fd_pressure_raise(pressure, FD_PRESSURE_EVENT_EXHAUSTED);
}

void fd_pressure_restore(struct fd_pressure *pressure)
{
    if (pressure->reserve_fd < 0) {
        pressure->reserve_fd = sys_open("/dev/null", O_RDONLY | O_CLOEXEC, 0);
    }
}

bool fd_pressure_is_demoted(const struct fd_pressure *pressure)
{
    return fd_pressure_state(pressure) != FD_PRESSURE_STATE_NORMAL;
}

bool fd_pressure_is_resting(const struct fd_pressure *pressure)
{
    return pressure->is_resting;
}

/* ------------------------------------------------------------------------------------------------- the machine */

void fd_pressure_count_demotion(struct fd_pressure *pressure)
{
    pressure->demotions_total++;
    pressure->good_accepts = 0;
}

/* The frozen line L1 of spec 05 section 8.1. */
void fd_pressure_log_once(struct fd_pressure *pressure)
{
    log_event(&(struct log_record){.level = LOG_WARN, .code = LOG_CODE_FD_PRESSURE, .event_kind = "RESOURCE_PRESSURE"},
              "running-process-broker: accept on %s demoted under fd pressure: %s (os error %d)",
              pressure->config.socket_path, strerror(pressure->error), pressure->error);
}

void fd_pressure_pause_listener(struct fd_pressure *pressure)
{
    pressure->is_resting = true;
    pressure->config.listener_changed(pressure->config.owner);
}

void fd_pressure_resume_listener(struct fd_pressure *pressure)
{
    pressure->is_resting = false;
    pressure->config.listener_changed(pressure->config.owner);
}

void fd_pressure_serve_by_reserve(struct fd_pressure *pressure)
{
    if (pressure->reserve_fd < 0) {
        return;
    }
    pressure->reserve_fd = close_fd(pressure->reserve_fd);
    if (!pressure->config.serve_by_reserve(pressure->config.owner)) {
        fd_pressure_restore(pressure);
    }
}

bool fd_pressure_recovered(const struct fd_pressure *pressure)
{
    return pressure->good_accepts + 1 >= FD_PRESSURE_RECOVERY_ACCEPTS;
}

void fd_pressure_count_good_accept(struct fd_pressure *pressure)
{
    pressure->good_accepts++;
}

void fd_pressure_forget_good_accepts(struct fd_pressure *pressure)
{
    pressure->good_accepts = 0;
}

void fd_pressure_forgive(struct fd_pressure *pressure)
{
    pressure->good_accepts = 0;
    log_event(&(struct log_record){.level = LOG_INFO, .code = LOG_CODE_FD_PRESSURE_OVER},
              "accept on %s recovered from fd pressure", pressure->config.socket_path);
}

/* The machine has no final state: it ends with fsm_deinit(). */
void fd_pressure_ended(struct fd_pressure *pressure)
{
    (void)pressure;
}
