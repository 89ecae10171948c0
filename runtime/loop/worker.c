/* SPDX-License-Identifier: MIT */

/*
 * One background thread for work that may block: hashing, fsync, files on a dead mount. The queue is the loop's alone;
 * it hands one job at a time to the thread, over a desk that both share under a lock, and so knows when each began. The
 * end of a job makes an eventfd readable.
 *
 * A job that is late is given up: desk and thread are left to each other, the memory of the job is the stuck work's,
 * and a fresh desk and thread take the next job. The thread that comes back at last disposes of that memory and of the
 * desk, and ends. When LOOP_STUCK_MAX + 1 threads are stuck nobody is left to work, so jobs are refused until one comes
 * back.
 *
 * The thread is made at the first job. It knows nothing of a job but what lies on the desk, so a job may be freed as
 * soon as the loop's side has let go of it. It never calls into the loop.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "loop/internal.h"

enum {
    STACK_SIZE = 256 * 1024,
    LIMIT_DEFAULT_S = 10,
};

enum desk_state {
    DESK_IDLE,
    DESK_BUSY,
    DESK_FINISHED, /* the work is done, the loop has yet to notice */
    DESK_CLOSED,   /* the thread is to end */
};

/* What loop and thread share; all of it under the lock, but for the work itself. */
struct desk {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum desk_state state;
    bool is_unwanted; /* nobody asks for the result: the thread discards */
    bool is_held;     /* the loop still looks at the memory: the thread waits before it discards */
    bool is_orphan;   /* the loop has left: the thread frees the desk and ends */
    void (*work)(void *owner);
    void (*discard)(void *owner);
    void *owner;
    int event_fd;
};

TAILQ_HEAD(job_queue, loop_job);

struct loop_worker {
    struct loop *loop;
    struct job_queue queue;
    struct loop_job *current; /* whose work is on the desk; NULL: nobody asks for it */
    struct desk *desk;        /* NULL: no thread */
    pthread_t thread;
    bool is_busy; /* as far as the loop has noticed */
    struct loop_timer limit;
    struct loop_io io;
    int event_fd;
};

/* Orphaned threads of this process. */
static _Atomic(uint32_t) n_stuck;

/* -------------------------------------------------------------------------------------------------------- the thread
 */

static void free_desk(struct desk *desk)
{
    (void)pthread_mutex_destroy(&desk->lock);
    (void)pthread_cond_destroy(&desk->changed);
    free(desk);
}

/* Does what is on the desk, with the lock held at both ends. */
static void do_work(struct desk *desk)
{
    pthread_mutex_unlock(&desk->lock);
    desk->work(desk->owner);
    pthread_mutex_lock(&desk->lock);
    while (desk->is_held) {
        pthread_cond_wait(&desk->changed, &desk->lock);
    }
    if (desk->is_unwanted && desk->discard) {
        pthread_mutex_unlock(&desk->lock);
        desk->discard(desk->owner);
        pthread_mutex_lock(&desk->lock);
    }
}

static void announce(struct desk *desk)
{
    const uint64_t one = 1;

    desk->state = DESK_FINISHED;
    (void)sys_write(desk->event_fd, &one, sizeof(one));
}

static void *run(void *argument)
{
    struct desk *desk = argument;

    pthread_mutex_lock(&desk->lock);
    for (;;) {
        while (desk->state == DESK_IDLE || desk->state == DESK_FINISHED) {
            pthread_cond_wait(&desk->changed, &desk->lock);
        }
        if (desk->state == DESK_CLOSED) {
            break;
        }
        do_work(desk);
        if (desk->is_orphan) {
            break;
        }
        announce(desk);
    }
    if (!desk->is_orphan) {
        pthread_mutex_unlock(&desk->lock);
        return NULL;
    }
    pthread_mutex_unlock(&desk->lock);
    free_desk(desk);
    atomic_fetch_sub(&n_stuck, 1);
    return NULL;
}

/* ---------------------------------------------------------------------------------------------------------- the desk
 */

static int open_desk(struct loop_worker *worker)
{
    struct desk *desk;
    int r;

    if (worker->desk) {
        return 0;
    }
    if (atomic_load(&n_stuck) > LOOP_STUCK_MAX) {
        return error_origin(-EBUSY);
    }
    desk = calloc(1, sizeof(*desk));
    if (!desk) {
        return error_origin(-ENOMEM);
    }
    desk->event_fd = worker->event_fd;
    (void)pthread_mutex_init(&desk->lock, NULL); /* neither can fail with default attributes */
    (void)pthread_cond_init(&desk->changed, NULL);
    r = sys_thread_start(run, desk, STACK_SIZE, &worker->thread);
    if (r < 0) {
        free_desk(desk);
        return error_origin(r);
    }
    worker->desk = desk;
    worker->is_busy = false;
    return 0;
}

/* Leaves desk and thread to each other. With @is_held the desk stays valid until release_desk(). */
static struct desk *abandon_desk(struct loop_worker *worker, bool is_held)
{
    struct desk *desk = worker->desk;

    atomic_fetch_add(&n_stuck, 1);
    (void)sys_thread_detach(worker->thread);
    worker->desk = NULL;
    worker->is_busy = false;
    desk->is_orphan = desk->is_unwanted = true;
    desk->is_held = is_held;
    return desk;
}

static void release_desk(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->is_held = false;
    pthread_cond_signal(&desk->changed);
    pthread_mutex_unlock(&desk->lock);
}

static void close_desk(struct loop_worker *worker)
{
    struct desk *desk = worker->desk;
    bool is_working;

    if (!desk) {
        return;
    }
    pthread_mutex_lock(&desk->lock);
    is_working = desk->state == DESK_BUSY;
    if (is_working) {
        (void)abandon_desk(worker, false);
    } else {
        desk->state = DESK_CLOSED;
        pthread_cond_signal(&desk->changed);
    }
    pthread_mutex_unlock(&desk->lock);
    if (!is_working) {
        (void)sys_thread_join(worker->thread);
        free_desk(desk);
        worker->desk = NULL;
    }
}

/* -------------------------------------------------------------------------------------------------------- the queue */

static void let_go(struct loop_worker *worker, struct loop_job *job)
{
    if (job->is_running) {
        worker->current = NULL;
    } else {
        TAILQ_REMOVE(&worker->queue, job, entry);
    }
    job->loop = NULL;
}

/* Nobody is left to do them. */
static void refuse_queue(struct loop_worker *worker)
{
    struct loop_job *job;

    while ((job = TAILQ_FIRST(&worker->queue))) {
        void (*discard)(void *owner) = job->discard;
        void *owner = job->owner;

        let_go(worker, job);
        job->done(owner, true);
        if (discard) {
            discard(owner);
        }
        loop_call_after(worker->loop);
    }
}

static void start_next(struct loop_worker *worker)
{
    struct loop_job *job = TAILQ_FIRST(&worker->queue);
    struct desk *desk = worker->desk;

    if (!job || !desk || worker->is_busy) {
        return;
    }
    TAILQ_REMOVE(&worker->queue, job, entry);
    worker->current = job;
    worker->is_busy = job->is_running = true;
    loop_timer_set(&worker->limit, nsec_add(clock_monotonic(), job->limit_nsec));
    pthread_mutex_lock(&desk->lock);
    desk->state = DESK_BUSY;
    desk->is_unwanted = false;
    desk->work = job->work;
    desk->discard = job->discard;
    desk->owner = job->owner;
    pthread_cond_signal(&desk->changed);
    pthread_mutex_unlock(&desk->lock);
}

/* The thread has finished: notes it, once. */
static bool take_finished(struct loop_worker *worker)
{
    bool is_finished = false;

    if (worker->desk) {
        pthread_mutex_lock(&worker->desk->lock);
        is_finished = worker->desk->state == DESK_FINISHED;
        if (is_finished) {
            worker->desk->state = DESK_IDLE;
        }
        pthread_mutex_unlock(&worker->desk->lock);
    }
    return is_finished;
}

static void finish(struct loop_worker *worker)
{
    struct loop_job *job = worker->current;

    worker->is_busy = false;
    loop_timer_stop(&worker->limit);
    if (job) {
        let_go(worker, job);
    }
    start_next(worker);
    if (job) {
        job->done(job->owner, false);
    }
}

static void on_event(void *owner, uint32_t events)
{
    struct loop_worker *worker = owner;
    uint64_t count;

    (void)sys_read(worker->event_fd, &count, sizeof(count));
    if (take_finished(worker)) {
        finish(worker);
    }
}

/* The work has outlived its limit. It may end at this very moment: the lock decides. */
static void on_limit(void *owner)
{
    struct loop_worker *worker = owner;
    struct loop_job *job = worker->current;
    struct desk *desk = worker->desk;

    pthread_mutex_lock(&desk->lock);
    if (desk->state != DESK_BUSY) {
        pthread_mutex_unlock(&desk->lock);
        return; /* its event is on the way */
    }
    (void)abandon_desk(worker, job != NULL);
    pthread_mutex_unlock(&desk->lock);
    if (job) { /* told first: what the queue's owners do next must not find it let go of and not told */
        let_go(worker, job);
        job->done(job->owner, true);
        release_desk(desk);
        loop_call_after(worker->loop);
    }
    if (TAILQ_EMPTY(&worker->queue) || open_desk(worker) >= 0) {
        start_next(worker);
    } else {
        refuse_queue(worker);
    }
}

/* ----------------------------------------------------------------------------------------------------------- public */

static uint32_t wants(void *owner)
{
    return LOOP_READ;
}

static int open_worker(struct loop *loop)
{
    struct loop_worker *worker;
    int r;

    if (loop->worker) {
        return 0;
    }
    worker = calloc(1, sizeof(*worker));
    if (!worker) {
        return error_origin(-ENOMEM);
    }
    worker->loop = loop;
    TAILQ_INIT(&worker->queue);
    loop_timer_init(&worker->limit, loop, on_limit, worker);
    worker->event_fd = r = sys_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r >= 0) {
        r = loop_io_link(loop, &worker->io, worker->event_fd, LOOP_PINNED, wants, on_event, worker);
    }
    if (r < 0) {
        close_fd(worker->event_fd);
        free(worker);
        return error_origin(r);
    }
    loop->worker = worker;
    return 0;
}

int loop_job_submit(struct loop *loop, struct loop_job *job, void (*work)(void *owner),
                    void (*done)(void *owner, bool given_up), void *owner, nsec_t limit_nsec)
{
    int r;

    if (job->loop) {
        return error_origin(-EBUSY);
    }
    r = open_worker(loop);
    if (r >= 0) {
        r = open_desk(loop->worker);
    }
    if (r < 0) {
        return error_trace(r);
    }
    *job = (struct loop_job){
        .loop = loop,
        .work = work,
        .done = done,
        .discard = job->discard,
        .owner = owner,
        .limit_nsec = limit_nsec ? limit_nsec : LIMIT_DEFAULT_S * NSEC_PER_SEC,
    };
    TAILQ_INSERT_TAIL(&loop->worker->queue, job, entry);
    start_next(loop->worker);
    return 0;
}

bool loop_job_cancel(struct loop_job *job)
{
    struct loop_worker *worker = job->loop ? job->loop->worker : NULL;
    struct desk *desk;
    bool is_over;

    if (!worker) {
        return true;
    }
    let_go(worker, job);
    if (!job->is_running) {
        return true;
    }
    desk = worker->desk;
    pthread_mutex_lock(&desk->lock);
    is_over = desk->state == DESK_FINISHED;
    desk->is_unwanted = !is_over;
    pthread_mutex_unlock(&desk->lock);
    return is_over;
}

uint32_t loop_jobs_stuck(const struct loop *loop)
{
    return atomic_load(&n_stuck);
}

void loop_worker_deinit(struct loop *loop)
{
    struct loop_worker *worker = loop->worker;
    struct loop_job *job;

    if (!worker) {
        return;
    }
    while ((job = TAILQ_FIRST(&worker->queue))) {
        let_go(worker, job);
    }
    if (worker->current) {
        let_go(worker, worker->current);
    }
    loop_timer_stop(&worker->limit);
    close_desk(worker);
    loop_io_unlink(&worker->io);
    close_fd(worker->event_fd);
    free(worker);
    loop->worker = NULL;
}
