/* SPDX-License-Identifier: MIT */

/*
 * The listener: one accept each time it is readable. Whether it is looked at at all is derived from what is true now:
 * not while descriptors rest, not while an error backs off, not when the total is reached and nobody may be evicted,
 * not when enough have come. No failure of accept ends the broker.
 */

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "control/state.h"

/* ------------------------------------------------------------------------------------------------- caps */

enum { CONNECTIONS_MAX = 4096, CONNECTIONS_MIN = 32, DESCRIPTORS_APART = 64, DESCRIPTORS_A_BACKEND = 2 };

/* Decision 9c: what the limit leaves beside the backends, and never fewer than 32. */
size_t control_connections_max(const struct control *control)
{
    const struct control_config *config = &control->config;
    const struct backends *backends = config->hello->config.backends;
    uint64_t cap = config->connections_max != 0 ? config->connections_max : CONNECTIONS_MAX;
    uint64_t apart = DESCRIPTORS_APART;
    uint64_t free_descriptors;

    if (config->connections_max != 0) {
        return config->connections_max;
    }
    if (backends != NULL) {
        apart += (uint64_t)DESCRIPTORS_A_BACKEND * backends_count_live(backends);
    }
    free_descriptors = config->nofile_limit > apart ? config->nofile_limit - apart : 0;
    if (free_descriptors < cap) {
        cap = free_descriptors;
    }
    return cap > CONNECTIONS_MIN ? cap : CONNECTIONS_MIN;
}

static bool has_room(const struct control *control)
{
    return control->admission.n_open < control_connections_max(control);
}

/* Closes somebody for the newcomer. False: there is nobody to close. */
static bool make_room(struct control *control)
{
    struct admission_ticket *victim = admission_take_victim(&control->admission);

    if (victim == NULL) {
        return false;
    }
    control_evict(control, connection_of_ticket(victim));
    return true;
}

/* ------------------------------------------------------------------------------------------------- accept */

/* Towards --max-connections: connections and accepts that found no descriptor (spec 01 section 11.1). */
static void count_one(struct control *control)
{
    control->n_counted++;
    if (control->config.max_connections != 0 && control->n_counted >= control->config.max_connections) {
        control->is_closed = true;
        control_changed(control);
    }
}

static int accept_one(struct control *control)
{
    int fd = sys_accept4(control->config.listener_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        control->counters.accepted++;
        count_one(control);
    }
    return fd;
}

static void back_off(struct control *control)
{
    control->is_backing_off = true;
    loop_timer_set(&control->backoff, nsec_add(loop_now(control->config.loop), nsec_from_msec(CONTROL_BACKOFF_MSEC)));
}

static void backoff_due(void *owner)
{
    struct control *control = owner;

    control->is_backing_off = false;
    control_changed(control);
}

/* What may pass at once is left to the next turn; what may not, memory above all, waits a little. */
static void accept_failed(struct control *control, int r)
{
    switch (r) {
    case -EAGAIN:
    case -EINTR:
    case -ECONNABORTED:
        return;
    case -EMFILE:
    case -ENFILE:
        if (!make_room(control)) {
            count_one(control);
            fd_pressure_note_exhausted(&control->pressure, -r);
        }
        return;
    default:
        control->counters.accept_errors++;
        log_warn(LOG_CODE_ACCEPT_FAILED, "accept on %s failed: %s", control->config.socket_path, strerror(-r));
        back_off(control);
    }
}

static void listener_ready(void *owner, uint32_t events)
{
    struct control *control = owner;
    int fd;

    (void)events;
    if (!has_room(control) && !make_room(control)) {
        return;
    }
    fd = accept_one(control);
    if (fd < 0) {
        accept_failed(control, fd);
        return;
    }
    fd_pressure_note_accept(&control->pressure);
    connection_begin(control, fd);
}

static uint32_t listener_wants(void *owner)
{
    struct control *control = owner;

    if (control->is_closed || control->is_backing_off || fd_pressure_is_resting(&control->pressure)) {
        return 0;
    }
    return has_room(control) || admission_has_victim(&control->admission) ? LOOP_READ : 0;
}

/* ------------------------------------------------------------------------------------------------- fd pressure */

static void listener_changed(void *owner)
{
    struct control *control = owner;

    loop_io_touch(&control->listener);
}

/* Counts neither for nor against the recovery (spec 01 section 12). */
static bool serve_by_reserve(void *owner)
{
    struct control *control = owner;
    int fd;

    if (control->is_closed) {
        return false;
    }
    fd = accept_one(control);
    if (fd < 0) {
        return false;
    }
    connection_begin(control, fd);
    return true;
}

/* ------------------------------------------------------------------------------------------------- start and stop */

static int find_limit(struct control *control)
{
    struct rlimit limit;
    int r;

    if (control->config.nofile_limit != 0) {
        return 0;
    }
    r = sys_getrlimit(RLIMIT_NOFILE, &limit);
    if (r < 0) {
        return error_trace(r);
    }
    control->config.nofile_limit = limit.rlim_cur;
    return 0;
}

int accept_init(struct control *control)
{
    const struct control_config *config = &control->config;
    const struct fd_pressure_config pressure = {
        .world = config->world,
        .socket_path = config->socket_path,
        .listener_changed = listener_changed,
        .serve_by_reserve = serve_by_reserve,
        .owner = control,
    };
    int r;

    loop_timer_init(&control->backoff, config->loop, backoff_due, control);
    r = find_limit(control);
    if (r < 0) {
        return error_trace(r);
    }
    r = fd_pressure_init(&control->pressure, &pressure);
    if (r < 0) {
        return error_trace(r);
    }
    r = loop_io_link(config->loop, &control->listener, config->listener_fd, LOOP_PINNED, listener_wants, listener_ready,
                     control);
    return r < 0 ? error_trace(r) : 0;
}

void accept_deinit(struct control *control)
{
    loop_io_unlink(&control->listener);
    loop_timer_stop(&control->backoff);
    fd_pressure_deinit(&control->pressure);
}
