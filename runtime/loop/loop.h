/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The loop of the one thread on which everything runs: poll() over a handful of descriptors, behind one of which (an
 * epoll instance) all the others stand. Timers run before descriptors. Any callback may link, unlink and free anything,
 * itself included: between callbacks the loop holds no pointer, only {slot, generation} names that it looks up again.
 *
 * What a descriptor is waited for is never stored: the owner's wants() says so when the loop needs to know, and the
 * owner calls loop_io_touch() when the answer may have changed outside of its own callback.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/sys.h"

enum {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
    LOOP_HANGUP = 4, /* both directions are shut or the descriptor has an error; told whether it is wanted or not */
};

enum {
    LOOP_YOUNG_MAX = 8,    /* young descriptors that stand directly in the poll set */
    LOOP_YOUNG_TURNS = 64, /* and for how many turns at most */
    LOOP_DIRECT_MAX = 32,  /* pinned and young together */
    LOOP_BATCH_MAX = 64,   /* events taken from the epoll instance at once */
    LOOP_STUCK_MAX = 4,    /* worker threads given up and still stuck (decision 14) */
};

/* Where a descriptor is waited for. */
enum loop_place {
    LOOP_PINNED, /* in the poll set for ever: listener, signals, worker (beyond LOOP_DIRECT_MAX: nested after all) */
    LOOP_YOUNG,  /* in the poll set while it is new, then nested: a short exchange needs no further system call */
    LOOP_NESTED, /* behind the epoll instance: costs nothing while it is quiet */
};

struct loop;
struct loop_worker;

/* LOOP_READ | LOOP_WRITE that can be used now. Asked often and at any time: it computes, and changes nothing. */
typedef uint32_t (*loop_wants_fn)(void *owner);
typedef void (*loop_ready_fn)(void *owner, uint32_t events);

/* A descriptor that is waited for. Embedded in its owner; zeroed: unlinked. The members are private. */
struct loop_io {
    struct loop *loop; /* NULL: unlinked */
    void *owner;
    loop_wants_fn wants;
    loop_ready_fn ready;
    int fd;
    uint32_t slot;
    uint32_t registered; /* what the epoll instance waits for */
    uint32_t born_turn;
    uint8_t place;
    bool is_touched, is_muted;
    TAILQ_ENTRY(loop_io) direct, touched;
};

/* A moment that is waited for. Embedded in its owner. Zeroed it can be stopped, but not set. */
struct loop_timer {
    struct loop *loop;
    void (*due)(void *owner);
    void *owner;
    nsec_t when_nsec;
    uint64_t serial;
    bool is_set;
    struct loop_timer *child, *sibling, *previous; /* of the pairing heap */
};

/* Something to do at the end of the turn. Embedded in its owner; zeroed: not queued. */
struct loop_deferred {
    struct loop *loop; /* NULL: not queued */
    void (*run)(void *owner);
    void *owner;
    TAILQ_ENTRY(loop_deferred) entry;
};

/* Blocking work for the background thread. Embedded in its owner; zeroed: not queued. */
struct loop_job {
    struct loop *loop; /* NULL: neither queued nor running */
    void (*work)(void *owner);
    void (*done)(void *owner, bool given_up);
    void (*discard)(void *owner);
    void *owner;
    nsec_t limit_nsec;
    bool is_running;
    TAILQ_ENTRY(loop_job) entry;
};

/* A process whose end is waited for. Embedded in its owner; zeroed: not watched. */
struct loop_child {
    struct loop_io io;
    struct loop_timer again; /* set while nothing can be reaped yet though the end is known, or no room is to watch */
    int pidfd;
    void (*exited)(void *owner, const siginfo_t *info);
    void *owner;
};

/* Signals that are taken as events. Embedded in its owner; zeroed: none. */
struct loop_signals {
    struct loop_io io;
    int fd;
    void (*caught)(void *owner, int signo);
    void *owner;
    sigset_t blocked_before;
};

TAILQ_HEAD(loop_ios, loop_io);
TAILQ_HEAD(loop_defers, loop_deferred);

struct loop_slot {
    struct loop_io *io; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

/* The members are private; use the functions below. */
struct loop {
    struct loop_slot *slots;
    uint32_t n_slots, first_free;
    struct loop_ios direct, touched;
    uint32_t n_direct, n_young, n_nested;
    uint32_t turn;
    int epoll_fd;
    struct loop_timer *timers;
    uint32_t n_timers;
    uint64_t timer_serial;
    nsec_t now_nsec;
    struct loop_defers deferred;
    struct loop_deferred defer_marker;
    void (*after)(void *userdata);
    void *after_userdata;
    struct loop_worker *worker;
    bool is_ready, is_stopping;
};

/* 0, or a negative errno with nothing held. */
int loop_init(struct loop *loop);

/*
 * Frees what the loop holds. Whatever is still linked, set, queued or submitted is let go without being called; a job
 * that is running is left to end by itself (see loop_job_cancel()). Accepts zeroes, twice.
 */
void loop_deinit(struct loop *loop);

/* Turns until loop_stop(). 0, or a negative errno when the kernel refuses to wait. */
int loop_run(struct loop *loop);

/* Makes loop_run() return at the end of this turn. */
void loop_stop(struct loop *loop);

/* One turn: waits (at all only if @may_block), then timers, descriptors, deferred calls. 0 or a negative errno. */
int loop_turn(struct loop *loop, bool may_block);

/* CLOCK_MONOTONIC as it was when this turn began to work. */
nsec_t loop_now(const struct loop *loop);

/* @after is called after every callback of the loop and at the start of every turn: there queues are emptied. */
void loop_set_after(struct loop *loop, void (*after)(void *userdata), void *userdata);

/* ----------------------------------------------------------------------------------------------------- descriptors */

/*
 * Waits for @fd, which stays the caller's and must be unlinked before it is closed. 0, or a negative errno: -EINVAL
 * when
 * @io is linked already, -ENOMEM, what epoll_ctl() says.
 *
 * @ready gets those of the wanted events that are true, and LOOP_HANGUP. After a hang-up the owner reads to the end,
 * closes or unlinks; while it wants nothing it is told of it once and then not again before it wants something or is
 * touched, so that a dead peer never keeps the loop spinning.
 */
int loop_io_link(struct loop *loop, struct loop_io *io, int fd, enum loop_place place, loop_wants_fn wants,
                 loop_ready_fn ready, void *owner);

/* What @io wants may have changed. Cheap; harmless when unlinked. */
void loop_io_touch(struct loop_io *io);

/* Waits no longer. Any time, also in its own callback; the memory is free for use at once. Harmless when unlinked. */
void loop_io_unlink(struct loop_io *io);

static inline bool loop_io_is_linked(const struct loop_io *io)
{
    return io->loop != NULL;
}

/* ---------------------------------------------------------------------------------------------------------- timers */

/* A stopped timer that will call @due. No allocation ever. */
void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*due)(void *owner), void *owner);

/* Sets or moves it; @when is CLOCK_MONOTONIC, NSEC_NEVER stops. It is stopped when @due runs, and may be set anew
 * there. */
void loop_timer_set(struct loop_timer *timer, nsec_t when_nsec);

/* As loop_timer_set(), @delay from loop_now(). */
void loop_timer_set_in(struct loop_timer *timer, nsec_t delay_nsec);

/* Any time; the memory is free for use at once. Harmless when stopped or zeroed. */
void loop_timer_stop(struct loop_timer *timer);

static inline bool loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->is_set;
}

/* When the earliest timer is due; NSEC_NEVER: none is set. */
nsec_t loop_timer_next(const struct loop *loop);

/* -------------------------------------------------------------------------------------------------- end of the turn */

/* Calls @run at the end of this turn (or of the next, from outside of a turn). Once, however often it is asked for. */
void loop_defer(struct loop *loop, struct loop_deferred *deferred, void (*run)(void *owner), void *owner);

/* Forgets it. Harmless when not queued. */
void loop_defer_cancel(struct loop_deferred *deferred);

/* --------------------------------------------------------------------------------------------- the background worker
 */

/*
 * Runs work(@owner) on the background thread, one job after the other, then done(@owner, false) on the loop. When the
 * work takes longer than @limit (counted from its start; 0: 10 s) it is given up: done(@owner, true) comes, the thread
 * is left to itself and a fresh one takes over. From then on @owner's memory belongs to the stuck work: the loop's side
 * may not free or write it (beyond what done() itself does), and discard(@owner) is called exactly once, on whatever
 * thread, when the work is over at last; so give a job memory of its own. job->discard is set before the call; NULL:
 * nothing is called. The job itself may lie in that memory.
 *
 * 0; -EBUSY: LOOP_STUCK_MAX threads are stuck and so is the present one, or @job is queued already; or another negative
 * errno with nothing begun (no thread, no descriptor).
 */
int loop_job_submit(struct loop *loop, struct loop_job *job, void (*work)(void *owner),
                    void (*done)(void *owner, bool given_up), void *owner, nsec_t limit_nsec);

/*
 * Takes a job back: done() will not be called. True: the work is not running and will not; the memory is the caller's.
 * False: the work is under way; discard(owner) will be called when it is over. True also when nothing was submitted.
 */
bool loop_job_cancel(struct loop_job *job);

/* Threads that were given up and have not come back. */
uint32_t loop_jobs_stuck(const struct loop *loop);

/* ------------------------------------------------------------------------------------------------ children, signals */

/*
 * Calls exited() once when the process that @pidfd names has ended; it has then been reaped, which a debugger may hold
 * up. @info is NULL when it is not our child, so that nothing more is known. @pidfd is taken, also on failure, and
 * closed before exited() runs. Want of memory or room is no failure: then its end is heard of a little later.
 */
int loop_child_watch(struct loop *loop, struct loop_child *child, int pidfd,
                     void (*exited)(void *owner, const siginfo_t *info), void *owner);

/* Watches no longer and closes the pidfd. Harmless when not watching. */
void loop_child_unlink(struct loop_child *child);

/* Takes the signals of @set as events: blocked for the thread, read from a pinned descriptor, caught() for each. */
int loop_signals_init(struct loop *loop, struct loop_signals *signals, const sigset_t *set,
                      void (*caught)(void *owner, int signo), void *owner);

/* Puts the signal mask back. Accepts zeroes, twice. */
void loop_signals_deinit(struct loop_signals *signals);
