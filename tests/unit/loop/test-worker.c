/* SPDX-License-Identifier: MIT */

/* The background worker: results, order, giving up a job that blocks on a pipe, taking jobs back. */

#include "check.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "loop/loop.h"

struct task {
    struct loop_job job;
    int pipe_fd; /* the work reads one byte from it; -1: does not block */
    _Atomic(unsigned int) n_worked, n_discarded;
    unsigned int n_done;
    bool given_up;
    unsigned int order;
};

static unsigned int n_ended;

static void work(void *owner)
{
    struct task *task = owner;
    char byte;

    if (task->pipe_fd >= 0) {
        (void)sys_read(task->pipe_fd, &byte, 1);
    }
    atomic_fetch_add(&task->n_worked, 1);
}

static void done(void *owner, bool given_up)
{
    struct task *task = owner;

    task->n_done++;
    task->given_up = given_up;
    task->order = ++n_ended;
}

static void discard(void *owner)
{
    struct task *task = owner;

    atomic_fetch_add(&task->n_discarded, 1);
}

static void task_init(struct task *task, int pipe_fd)
{
    memset(task, 0, sizeof(*task));
    task->pipe_fd = pipe_fd;
    task->job.discard = discard;
}

static int submit(struct loop *loop, struct task *task, nsec_t limit)
{
    return loop_job_submit(loop, &task->job, work, done, task, limit);
}

static void turn_until_done(struct loop *loop, const struct task *task)
{
    while (task->n_done == 0) {
        check_fatal(loop_turn(loop, true) == 0);
    }
}

static void wait_for(_Atomic(unsigned int) *n)
{
    while (atomic_load(n) == 0) {
        sched_yield();
    }
}

static void wait_for_stuck(struct loop *loop, uint32_t n)
{
    while (loop_jobs_stuck(loop) != n) {
        sched_yield();
    }
}

static void test_done_in_order(void)
{
    struct task tasks[5];
    struct loop loop;

    check_int(loop_init(&loop), 0);
    n_ended = 0;
    for (int i = 0; i < 5; i++) {
        task_init(&tasks[i], -1);
        check_int(submit(&loop, &tasks[i], 0), 0);
        check_int(submit(&loop, &tasks[i], 0), -EBUSY);
    }
    turn_until_done(&loop, &tasks[4]);
    for (unsigned int i = 0; i < 5; i++) {
        check_int(tasks[i].n_done, 1);
        check_int(tasks[i].order, i + 1);
        check_int(tasks[i].n_worked, 1);
        check_int(tasks[i].n_discarded, 0);
        check(!tasks[i].given_up);
    }
    check_int(submit(&loop, &tasks[0], 0), 0); /* a job can be used again */
    tasks[0].n_done = 0;
    turn_until_done(&loop, &tasks[0]);
    loop_deinit(&loop);
}

static void test_given_up(void)
{
    struct task stuck, next;
    struct loop loop;
    int fds[2];

    check_int(loop_init(&loop), 0);
    check_int(sys_pipe2(fds, O_CLOEXEC), 0);
    n_ended = 0;
    task_init(&stuck, fds[0]);
    task_init(&next, -1);
    check_int(submit(&loop, &stuck, 5 * NSEC_PER_MSEC), 0);
    check_int(submit(&loop, &next, 0), 0);
    turn_until_done(&loop, &next);
    check_int(stuck.order, 1);
    check(stuck.given_up);
    check(!next.given_up);
    check_int(stuck.n_worked, 0);
    check_int(stuck.n_discarded, 0);
    check_int(loop_jobs_stuck(&loop), 1);
    check_int(sys_write(fds[1], "x", 1), 1); /* the mount comes back */
    wait_for(&stuck.n_discarded);
    wait_for_stuck(&loop, 0);
    check_int(stuck.n_done, 1);
    loop_deinit(&loop);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

/* Five threads stuck: nobody is left, what waits is refused at once, and work goes on when one comes back. */
static void test_all_stuck(void)
{
    struct task tasks[LOOP_STUCK_MAX + 3], more;
    struct loop loop;
    int fds[2];

    check_int(loop_init(&loop), 0);
    check_int(sys_pipe2(fds, O_CLOEXEC), 0);
    n_ended = 0;
    for (int i = 0; i < LOOP_STUCK_MAX + 3; i++) {
        task_init(&tasks[i], fds[0]);
        check_int(submit(&loop, &tasks[i], 2 * NSEC_PER_MSEC), 0);
    }
    turn_until_done(&loop, &tasks[LOOP_STUCK_MAX + 2]);
    for (int i = 0; i < LOOP_STUCK_MAX + 3; i++) {
        check_int(tasks[i].n_done, 1);
        check_int(tasks[i].order, (unsigned int)i + 1); /* the last that ran hears of it before those it refuses */
        check(tasks[i].given_up);
        check_int(tasks[i].n_discarded, i > LOOP_STUCK_MAX); /* never begun: over at once */
    }
    check_int(loop_jobs_stuck(&loop), LOOP_STUCK_MAX + 1);
    task_init(&more, -1);
    check_int(submit(&loop, &more, 0), -EBUSY);
    check_int(sys_write(fds[1], "x", 1), 1);
    wait_for_stuck(&loop, LOOP_STUCK_MAX);
    check_int(submit(&loop, &more, 0), 0);
    turn_until_done(&loop, &more);
    check(!more.given_up);
    check_int(sys_write(fds[1], "xxxx", 4), 4);
    wait_for_stuck(&loop, 0);
    loop_deinit(&loop);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

static void test_cancel(void)
{
    struct loop_job unused = {0};
    struct task running, queued, last;
    struct loop loop;
    int fds[2];

    check(loop_job_cancel(&unused));
    check_int(loop_init(&loop), 0);
    check_int(sys_pipe2(fds, O_CLOEXEC), 0);
    task_init(&running, fds[0]);
    task_init(&queued, -1);
    task_init(&last, -1);
    check_int(submit(&loop, &running, 0), 0);
    check_int(submit(&loop, &queued, 0), 0);
    check_int(submit(&loop, &last, 0), 0);
    check(loop_job_cancel(&queued.job));
    check(!loop_job_cancel(&running.job));
    check(loop_job_cancel(&queued.job)); /* again */
    check_int(sys_write(fds[1], "x", 1), 1);
    turn_until_done(&loop, &last);
    check_int(running.n_done, 0);
    check_int(running.n_discarded, 1);
    check_int(queued.n_worked, 0);
    check_int(queued.n_done, 0);
    check_int(loop_jobs_stuck(&loop), 0); /* the thread was healthy all along */
    loop_deinit(&loop);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

/* The loop goes while a job runs: the thread ends by itself and disposes. */
static void test_deinit_while_running(void)
{
    struct task running, queued;
    struct loop loop;
    int fds[2];

    check_int(loop_init(&loop), 0);
    check_int(sys_pipe2(fds, O_CLOEXEC), 0);
    task_init(&running, fds[0]);
    task_init(&queued, -1);
    check_int(submit(&loop, &running, 0), 0);
    check_int(submit(&loop, &queued, 0), 0);
    loop_deinit(&loop);
    check_int(sys_write(fds[1], "x", 1), 1);
    wait_for(&running.n_discarded);
    wait_for_stuck(&loop, 0);
    check_int(running.n_done, 0);
    check_int(queued.n_done, 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

static void look_at_mask(void *owner)
{
    struct task *task = owner;
    sigset_t mask;

    (void)sys_sigprocmask(SIG_SETMASK, NULL, &mask);
    atomic_store(&task->n_worked, sigismember(&mask, SIGTERM) && sigismember(&mask, SIGINT) ? 7 : 1);
}

static void test_signals_stay_with_the_loop(void)
{
    struct task task;
    struct loop loop;
    sigset_t mask;

    check_int(loop_init(&loop), 0);
    task_init(&task, -1);
    check_int(loop_job_submit(&loop, &task.job, look_at_mask, done, &task, 0), 0);
    turn_until_done(&loop, &task);
    check_int(task.n_worked, 7);
    check_int(sys_sigprocmask(SIG_SETMASK, NULL, &mask), 0);
    check(!sigismember(&mask, SIGTERM));
    loop_deinit(&loop);
}

/* A job that lies in the memory which done() frees. */
static void done_and_free(void *owner, bool given_up)
{
    struct task *task = owner;

    n_ended++;
    memset(task, 0xee, sizeof(*task));
    free(task);
}

static void test_freed_in_done(void)
{
    struct task *task = malloc(sizeof(*task));
    struct loop loop;

    check_int(loop_init(&loop), 0);
    n_ended = 0;
    task_init(task, -1);
    check_int(loop_job_submit(&loop, &task->job, work, done_and_free, task, 0), 0);
    while (n_ended == 0) {
        check_fatal(loop_turn(&loop, true) == 0);
    }
    loop_deinit(&loop);
}

CHECK_PROGRAM("loop/worker", {"jobs are done in order and can be used again", test_done_in_order},
              {"a job that blocks is given up, the next one runs", test_given_up},
              {"nobody left: refused, until one comes back", test_all_stuck},
              {"jobs are taken back, queued and running", test_cancel},
              {"the loop goes while a job runs", test_deinit_while_running},
              {"the thread takes no signals", test_signals_stay_with_the_loop},
              {"a job is freed in its own done()", test_freed_in_done})
