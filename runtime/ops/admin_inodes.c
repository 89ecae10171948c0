/* SPDX-License-Identifier: MIT */

/*
 * statvfs() on the worker. There is one question at a time, and whoever asks while it is under way shares its answer;
 * an answer is never kept for the next. The patience of all who wait is one timer, set when the first of them came. It
 * also bounds how long the question may stand in the worker's queue behind somebody else's work.
 *
 * A question that is late is left to the stuck thread together with its memory, and until that thread has come back
 * everybody is told at once that nothing is known. So a dead server costs one thread, however often status is asked.
 */

#include "ops/admin_inodes.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/env.h"
#include "base/error.h"
#include "base/sys.h"

static const struct admin_inodes unknown = {.error = ETIMEDOUT};

/* ---------------------------------------------------------------------------------------------------- the question */

const char *admin_state_dir(char *ret_path, size_t size)
{
    const char *base = env_get("XDG_STATE_HOME"), *home = env_get("HOME");
    int n;

    if (base && base[0] == '/') {
        n = snprintf(ret_path, size, "%s/running-process", base);
    } else if (home && home[0] == '/') {
        n = snprintf(ret_path, size, "%s/.local/state/running-process", home);
    } else {
        n = snprintf(ret_path, size, "/tmp/running-process-state");
    }
    if (n < 0 || (size_t)n >= size) {
        snprintf(ret_path, size, "/");
    }
    return ret_path;
}

/* statvfs of @path or of its nearest ancestor that exists. */
static int nearest_statvfs(const char *path, struct statvfs *ret_st)
{
    char ancestor[PATH_MAX];
    int r = sys_statvfs(path, ret_st);

    snprintf(ancestor, sizeof(ancestor), "%s", path);
    while (r == -ENOENT || r == -ENOTDIR) {
        char *slash = strrchr(ancestor, '/');

        if (!slash) {
            return r;
        }
        if (slash == ancestor) {
            return sys_statvfs("/", ret_st);
        }
        *slash = 0;
        r = sys_statvfs(ancestor, ret_st);
    }
    return r;
}

void admin_inodes_look(const char *path, struct admin_inodes *ret_inodes)
{
    struct statvfs st;
    int r = nearest_statvfs(path, &st);

    *ret_inodes = (struct admin_inodes){0};
    if (r < 0) {
        ret_inodes->error = -r;
    } else {
        ret_inodes->total = st.f_files;
        ret_inodes->free = st.f_favail;
    }
}

/* --------------------------------------------------------------------------------------------------------- the job */

struct inode_job {
    struct loop_job job;
    struct inode_probe *probe;
    _Atomic(bool) is_released; /* by one of loop and thread: the other one frees */
    /* the thread's while it runs */
    void (*look)(const char *path, struct admin_inodes *ret_inodes);
    struct admin_inodes found;
    char path[PATH_MAX];
};

static void work(void *owner)
{
    struct inode_job *job = owner;

    job->look(job->path, &job->found);
}

/* By the loop and by the thread; the last one frees. */
static void release(void *owner)
{
    struct inode_job *job = owner;

    if (atomic_exchange(&job->is_released, true)) {
        free(job);
    }
}

/* True while the thread of the question that was given up has not come back. */
static bool is_hung(struct inode_probe *probe)
{
    if (probe->hung && atomic_load(&probe->hung->is_released)) {
        release(probe->hung);
        probe->hung = NULL;
    }
    return probe->hung != NULL;
}

/* -------------------------------------------------------------------------------------------------------- who waits */

void inode_probe_leave(struct inode_waiter *waiter)
{
    if (waiter->is_waiting) {
        LIST_REMOVE(waiter, entry);
        waiter->is_waiting = false;
    }
}

/* One who asks while the others are told is told with them: the answer is of this moment. */
static void tell_all(struct inode_probe *probe, const struct admin_inodes *known)
{
    struct inode_waiter *waiter;

    loop_timer_stop(&probe->patience);
    probe->known = *known;
    while ((waiter = LIST_FIRST(&probe->waiting))) {
        inode_probe_leave(waiter);
        waiter->known(waiter);
    }
}

/* The end of the job: in time, or given up by the worker. */
static void done(void *owner, bool given_up)
{
    struct inode_job *job = owner;
    struct inode_probe *probe = job->probe;
    struct admin_inodes found = unknown;

    probe->job = NULL;
    if (given_up) {
        probe->hung = job;
    } else {
        found = job->found;
        free(job);
    }
    tell_all(probe, &found);
}

/* Whether the question still stands in the queue or is on its way to nowhere. */
static void patience_over(void *owner)
{
    struct inode_probe *probe = owner;
    struct inode_job *job = probe->job;

    probe->job = NULL;
    if (loop_job_cancel(&job->job)) {
        free(job);
    } else {
        probe->hung = job;
    }
    tell_all(probe, &unknown);
}

static int begin(struct inode_probe *probe)
{
    struct inode_job *job = calloc(1, sizeof(*job));
    int r;

    if (!job) {
        return error_origin(-ENOMEM);
    }
    job->probe = probe;
    job->look = probe->look;
    job->job.discard = release;
    (void)admin_state_dir(job->path, sizeof(job->path)); /* here: the environment is no thread's */
    r = loop_job_submit(probe->loop, &job->job, work, done, job, probe->limit_nsec);
    if (r < 0) {
        free(job);
        return error_trace(r);
    }
    probe->job = job;
    probe->known = unknown;
    loop_timer_set_in(&probe->patience, probe->limit_nsec);
    return 0;
}

int inode_probe_ask(struct inode_probe *probe, struct inode_waiter *waiter)
{
    int r = is_hung(probe) ? -ETIMEDOUT : 0;

    if (!r && !probe->job) {
        r = begin(probe);
    }
    if (r < 0) {
        probe->known = (struct admin_inodes){.error = -r};
        return 0;
    }
    inode_probe_leave(waiter);
    LIST_INSERT_HEAD(&probe->waiting, waiter, entry);
    waiter->is_waiting = true;
    return INODE_PROBE_E_WAIT;
}

/* --------------------------------------------------------------------------------------------------- begin and end */

void inode_probe_init(struct inode_probe *probe, struct loop *loop)
{
    *probe = (struct inode_probe){
        .loop = loop, .limit_nsec = ADMIN_INODES_LIMIT_S * NSEC_PER_SEC, .look = admin_inodes_look};
    LIST_INIT(&probe->waiting);
    loop_timer_init(&probe->patience, loop, patience_over, probe);
}

void inode_probe_deinit(struct inode_probe *probe)
{
    struct inode_waiter *waiter;

    while ((waiter = LIST_FIRST(&probe->waiting))) {
        inode_probe_leave(waiter);
    }
    loop_timer_stop(&probe->patience);
    if (probe->job && loop_job_cancel(&probe->job->job)) {
        free(probe->job);
    } else if (probe->job) {
        release(probe->job);
    }
    if (probe->hung) {
        release(probe->hung);
    }
    *probe = (struct inode_probe){0};
}
