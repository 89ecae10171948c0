/* SPDX-License-Identifier: MIT */

/* The inodes of the state directory's file system are asked for by the worker (decision 14); the test says who hangs.
 */

#include "ops/admin_inodes.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "check.h"

static _Atomic(bool) is_dead;
static _Atomic(int) n_looks, n_loop_looks, n_back;
static pthread_t loop_thread;
static struct loop loop;
static struct inode_probe probe;

/* On a dead mount it comes back when the server does. */
static void look(const char *path, struct admin_inodes *ret_inodes)
{
    (void)path;
    n_looks++;
    n_loop_looks += pthread_equal(pthread_self(), loop_thread) ? 1 : 0;
    while (is_dead) {
        (void)sys_poll(NULL, 0, 1);
    }
    *ret_inodes = (struct admin_inodes){.total = 100, .free = 50};
    n_back++;
}

struct asker {
    struct inode_waiter waiter; /* first */
    int n_told;
    struct admin_inodes known;
};

static void on_known(struct inode_waiter *waiter)
{
    struct asker *asker = (struct asker *)waiter;

    asker->n_told++;
    asker->known = probe.known;
}

static int ask(struct asker *asker)
{
    *asker = (struct asker){.waiter.known = on_known};
    return inode_probe_ask(&probe, &asker->waiter);
}

static void wait_for(const struct asker *asker)
{
    while (asker->n_told == 0) {
        check_fatal(loop_turn(&loop, true) == 0);
    }
}

static void wait_for_back(int n)
{
    while (n_back < n) {
        (void)sys_poll(NULL, 0, 1);
    }
}

static void up(bool dead)
{
    loop_thread = pthread_self();
    is_dead = dead;
    n_looks = n_loop_looks = n_back = 0;
    check_int(loop_init(&loop), 0);
    inode_probe_init(&probe, &loop);
    probe.look = look;
    probe.limit_nsec = 60 * NSEC_PER_SEC; /* no test waits for that */
}

static void down(void)
{
    inode_probe_deinit(&probe);
    inode_probe_deinit(&probe);
    loop_deinit(&loop);
}

/* Two who ask together share one question; the next asks anew. */
static void test_shared(void)
{
    struct asker one, two, three;

    up(false);
    check_int(ask(&one), INODE_PROBE_E_WAIT);
    check_int(ask(&two), INODE_PROBE_E_WAIT);
    check_int(one.n_told + two.n_told, 0);
    wait_for(&one);
    wait_for(&two);
    check_int(one.known.error, 0);
    check_int(one.known.total, 100);
    check_int(two.known.free, 50);
    check_int(n_looks, 1);
    check_int(ask(&three), INODE_PROBE_E_WAIT);
    check_int(probe.known.error, ETIMEDOUT); /* not what was true before */
    wait_for(&three);
    check_int(n_looks, 2);
    check_int(n_loop_looks, 0);
    check_int(one.n_told + two.n_told + three.n_told, 3);
    down();
}

/* A dead server costs one thread, and who asks meanwhile is answered at once; when it is back so is the answer. */
static void test_dead(void)
{
    struct asker one, two;

    up(true);
    check_int(ask(&one), INODE_PROBE_E_WAIT);
    while (n_looks == 0) {
        (void)sys_poll(NULL, 0, 1);
    }
    loop_timer_set_in(&probe.patience, nsec_from_msec(1)); /* of those who wait for the thread that hangs now */
    wait_for(&one);
    check_int(one.known.error, ETIMEDOUT);
    for (int i = 0; i < 20; i++) {
        check_int(ask(&two), 0);
        check_int(probe.known.error, ETIMEDOUT);
    }
    check_int(n_looks, 1);
    is_dead = false;
    wait_for_back(1);
    while (ask(&two) != INODE_PROBE_E_WAIT) {
        (void)sys_poll(NULL, 0, 1); /* the thread has looked, and has yet to let go */
    }
    wait_for(&two);
    check_int(n_looks, 2);
    check_int(one.n_told, 1);
    down();
}

static _Atomic(bool) is_worker_held, is_worker_free;

static void hold(void *owner)
{
    (void)owner;
    while (is_worker_held) {
        (void)sys_poll(NULL, 0, 1);
    }
    is_worker_free = true;
}

static void held_done(void *owner, bool given_up)
{
    (void)owner;
    (void)given_up;
}

/* The worker is busy with something else: nobody waits longer for that, and the question is taken back. */
static void test_queued(void)
{
    struct loop_job other = {0};
    struct asker one;

    up(false);
    is_worker_held = true;
    is_worker_free = false;
    check_int(loop_job_submit(&loop, &other, hold, held_done, NULL, 0), 0);
    probe.limit_nsec = nsec_from_msec(20);
    check_int(ask(&one), INODE_PROBE_E_WAIT);
    wait_for(&one);
    check_int(one.known.error, ETIMEDOUT);
    check_int(n_looks, 0);
    probe.limit_nsec = 60 * NSEC_PER_SEC;
    check_int(ask(&one), INODE_PROBE_E_WAIT);
    is_worker_held = false;
    wait_for(&one);
    check_int(one.known.error, 0);
    check_int(n_looks, 1);
    check(is_worker_free);
    down();
}

/* Whoever has left is not told, and neither is anybody when the broker ends, with the thread still out. */
static void test_left(void)
{
    struct asker one, two;

    up(true);
    check_int(ask(&one), INODE_PROBE_E_WAIT);
    check_int(ask(&two), INODE_PROBE_E_WAIT);
    inode_probe_leave(&one.waiter);
    inode_probe_leave(&one.waiter);
    while (n_looks == 0) {
        (void)sys_poll(NULL, 0, 1);
    }
    down();
    is_dead = false;
    wait_for_back(1);
    while (loop_jobs_stuck(&loop) > 0) {
        (void)sys_poll(NULL, 0, 1);
    }
    check_int(one.n_told + two.n_told, 0);
}

static void test_state_dir(void)
{
    char path[4096];
    struct admin_inodes inodes = {.error = -1};

    setenv("XDG_STATE_HOME", "/var/state", 1);
    check_str(admin_state_dir(path, sizeof(path)), "/var/state/running-process");
    setenv("XDG_STATE_HOME", "", 1);
    setenv("HOME", "/home/x", 1);
    check_str(admin_state_dir(path, sizeof(path)), "/home/x/.local/state/running-process");
    unsetenv("HOME");
    check_str(admin_state_dir(path, sizeof(path)), "/tmp/running-process-state");
    /* a directory that is not there is asked about by its nearest ancestor, and is not made */
    snprintf(path, sizeof(path), "%s/a/b", check_tmpdir());
    admin_inodes_look(path, &inodes);
    check_int(inodes.error, 0);
    *strrchr(path, '/') = '\0';
    check(access(path, F_OK) != 0);
}

CHECK_PROGRAM("ops/admin_inodes", {"two share one question, the next is a new one", test_shared},
              {"a server that never answers", test_dead}, {"a worker that is busy with something else", test_queued},
              {"whoever has left is not told", test_left}, {"where the state directory is", test_state_dir})
