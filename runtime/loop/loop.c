/* SPDX-License-Identifier: MIT */

/*
 * The turn: wait, timers, descriptors, deferred calls. One poll() waits for everything; its timeout is the earliest
 * timer, in nanoseconds, so no timer descriptor is needed. After each callback the after-hook runs, so whatever a
 * callback has queued is done before the next one sees the world. The loop knows nothing of what it drives and never
 * fails because a callback did; only the kernel's refusal to wait ends it, and not even that when it lacks memory.
 */

#include "loop/loop.h"

#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "loop/internal.h"

/* Until what the kernel had no memory for is tried again. */
#define MOMENT_NSEC (10 * NSEC_PER_MSEC)

int loop_init(struct loop *loop)
{
    *loop = (struct loop){.epoll_fd = -1, .now_nsec = clock_monotonic()};
    TAILQ_INIT(&loop->direct);
    TAILQ_INIT(&loop->touched);
    TAILQ_INIT(&loop->deferred);
    loop->is_ready = true;
    return 0;
}

void loop_deinit(struct loop *loop)
{
    struct loop_deferred *deferred;

    if (!loop->is_ready) {
        return;
    }
    loop_worker_deinit(loop);
    while ((deferred = TAILQ_FIRST(&loop->deferred))) {
        loop_defer_cancel(deferred);
    }
    loop_timer_deinit(loop);
    loop_io_deinit(loop);
    loop->is_ready = false;
}

nsec_t loop_now(const struct loop *loop)
{
    return loop->now_nsec;
}

void loop_set_after(struct loop *loop, void (*after)(void *userdata), void *userdata)
{
    loop->after = after;
    loop->after_userdata = userdata;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
}

void loop_defer(struct loop *loop, struct loop_deferred *deferred, void (*run)(void *owner), void *owner)
{
    if (deferred->loop) {
        return;
    }
    *deferred = (struct loop_deferred){.loop = loop, .run = run, .owner = owner};
    TAILQ_INSERT_TAIL(&loop->deferred, deferred, entry);
}

void loop_defer_cancel(struct loop_deferred *deferred)
{
    if (deferred->loop) {
        TAILQ_REMOVE(&deferred->loop->deferred, deferred, entry);
        deferred->loop = NULL;
    }
}

/*
 * Runs what was queued before it began: what those calls queue waits for the next turn, so one that queues itself again
 * cannot keep the others from their turn. A marker behind the last one tells where to stop, whatever is cancelled.
 */
static void run_deferred(struct loop *loop)
{
    struct loop_deferred *marker = &loop->defer_marker, *deferred;

    if (TAILQ_EMPTY(&loop->deferred)) {
        return;
    }
    TAILQ_INSERT_TAIL(&loop->deferred, marker, entry);
    while ((deferred = TAILQ_FIRST(&loop->deferred)) != marker) {
        TAILQ_REMOVE(&loop->deferred, deferred, entry);
        deferred->loop = NULL;
        deferred->run(deferred->owner);
        loop_call_after(loop);
    }
    TAILQ_REMOVE(&loop->deferred, marker, entry);
}

/* How long poll() may wait: NULL for ever. What is touched now could not be watched: the next turn tries again. */
static const struct timespec *timeout_of(const struct loop *loop, bool may_block, struct timespec *timeout)
{
    nsec_t next_nsec = loop_timer_next(loop), wait_nsec = 0;

    if (may_block && !loop->is_stopping && TAILQ_EMPTY(&loop->deferred)) {
        if (next_nsec == NSEC_NEVER && TAILQ_EMPTY(&loop->touched)) {
            return NULL;
        }
        wait_nsec = nsec_sub(next_nsec, clock_monotonic());
        if (!TAILQ_EMPTY(&loop->touched) && wait_nsec > MOMENT_NSEC) {
            wait_nsec = MOMENT_NSEC;
        }
    }
    timeout->tv_sec = (time_t)(wait_nsec / NSEC_PER_SEC);
    timeout->tv_nsec = (long)(wait_nsec % NSEC_PER_SEC);
    return timeout;
}

/* Waiting for nothing needs no memory. */
static void pause_a_moment(void)
{
    (void)sys_ppoll(NULL, 0, &(struct timespec){.tv_nsec = MOMENT_NSEC});
}

/* Whether poll() over @n descriptors failed with what may pass. It also fails while RLIMIT_NOFILE is below @n. */
static bool is_shortage(int r, uint32_t n)
{
    struct rlimit limit;

    if (r == -EINVAL) {
        return sys_getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < n;
    }
    return r == -ENOMEM || r == -EAGAIN;
}

int loop_turn(struct loop *loop, bool may_block)
{
    struct pollfd polls[LOOP_DIRECT_MAX + 1];
    struct loop_watch watches[LOOP_DIRECT_MAX + 1];
    struct timespec timeout;
    uint32_t n;
    int n_ready;

    loop_call_after(loop);
    loop->turn++;
    n = loop_io_prepare(loop, polls, watches);
    n_ready = sys_ppoll(polls, n, timeout_of(loop, may_block, &timeout));
    if (is_shortage(n_ready, n)) {
        pause_a_moment(); /* a turn without events, and the next attempt does not come at once */
    } else if (n_ready < 0 && n_ready != -EINTR) {
        return error_origin(n_ready);
    }
    loop->now_nsec = clock_monotonic();
    loop_timer_dispatch(loop);
    if (n_ready > 0) {
        loop_io_dispatch(loop, polls, watches, n);
    }
    run_deferred(loop);
    return 0;
}

int loop_run(struct loop *loop)
{
    int r;

    while (!loop->is_stopping) {
        r = loop_turn(loop, true);
        if (r < 0) {
            return error_trace(r);
        }
    }
    loop->is_stopping = false;
    return 0;
}
