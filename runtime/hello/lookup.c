/* SPDX-License-Identifier: MIT */

/*
 * Two stores for one directory. The loop's is bound to a local file system and never looks anywhere else; it is used as
 * soon as the worker has seen where the directory is. The worker's belongs to the one job that exists and is looked
 * into by the thread alone while that job is under way; what it would log is kept and written by the loop. Everybody
 * who asked for a service before its job began is answered by that job, so an answer is never older than the question.
 *
 * A job that is late leaves its store to the stuck thread, and all who wait are refused; so is whoever asks until the
 * thread has come back. So a dead server costs one thread, however often it is asked.
 */

#include "hello/lookup.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

enum { LINES_MAX = 8 }; /* of the log, kept by one job; one service has three files */

/* What the worker's store would have logged. */
struct line {
    enum log_level level;
    enum log_code code;
    const char *event_kind; /* static */
    char service[NAME_SIZE_MAX + 1];
    char message[1024];
};

struct lookup_job {
    struct loop_job job;
    struct lookup *lookup;
    bool is_running;
    _Atomic(bool) is_released; /* by one of loop and thread: the other one frees */
    /* the thread's while it runs */
    struct store store;
    char service[NAME_SIZE_MAX + 1]; /* "": everything is looked at again, or the directory alone */
    bool is_look;                    /* the directory alone */
    nsec_t now_nsec;
    int result;
    size_t n_changed;
    const struct definition *definition; /* a reference */
    struct store_fault fault;
    struct line *lines[LINES_MAX];
    size_t n_lines;
};

/* ------------------------------------------------------------------------------------------------------ the worker */

static void keep_line(void *owner, const struct log_record *record, const char *message)
{
    struct lookup_job *job = owner;
    struct line *line = job->n_lines < LINES_MAX ? malloc(sizeof(*line)) : NULL;

    if (!line) {
        return;
    }
    *line = (struct line){.level = record->level, .code = record->code, .event_kind = record->event_kind};
    snprintf(line->service, sizeof(line->service), "%.*s", SLICE_ARGS(record->service));
    snprintf(line->message, sizeof(line->message), "%s", message);
    job->lines[job->n_lines++] = line;
}

static void work(void *owner)
{
    struct lookup_job *job = owner;
    const struct definition *definition = NULL;

    if (job->is_look) {
        (void)store_look(&job->store, &job->fault); /* what there is to say is logged */
        return;
    }
    if (!*job->service) {
        job->n_changed = store_recheck(&job->store, job->now_nsec);
        return;
    }
    job->result = store_get(&job->store, slice_from(job->service), job->now_nsec, &definition, &job->fault);
    if (job->result == 0) {
        job->definition = definition_ref(definition);
    }
}

/* ---------------------------------------------------------------------------------------------------- jobs and logs */

static void drop_lines(struct lookup_job *job)
{
    while (job->n_lines > 0) {
        free(job->lines[--job->n_lines]);
    }
}

static void write_lines(struct lookup_job *job)
{
    for (size_t i = 0; i < job->n_lines; i++) {
        const struct line *line = job->lines[i];

        log_event(&(struct log_record){.level = line->level,
                                       .code = line->code,
                                       .service = slice_from(line->service),
                                       .event_kind = line->event_kind},
                  "%s", line->message);
    }
    drop_lines(job);
}

static void free_job(struct lookup_job *job)
{
    definition_unref(job->definition);
    drop_lines(job);
    store_deinit(&job->store);
    free(job);
}

/* By the loop and by the thread; the last one frees. */
static void release(void *owner)
{
    struct lookup_job *job = owner;

    if (atomic_exchange(&job->is_released, true)) {
        free_job(job);
    }
}

static int new_job(struct lookup *lookup, struct lookup_job **ret)
{
    struct lookup_job *job = calloc(1, sizeof(*job));
    int r = job ? store_init(&job->store, store_dir(lookup->store)) : -ENOMEM;

    if (r < 0) {
        free(job);
        return error_origin(r);
    }
    job->lookup = lookup;
    job->store.is_local_fs = lookup->store->is_local_fs;
    job->store.log = keep_line;
    job->store.log_owner = job;
    *ret = job;
    return 0;
}

/* True while the thread of the job that was given up has not come back. */
static bool is_hung(struct lookup *lookup)
{
    if (lookup->hung && atomic_load(&lookup->hung->is_released)) {
        release(lookup->hung);
        lookup->hung = NULL;
    }
    return lookup->hung != NULL;
}

/* ------------------------------------------------------------------------------------------------------ who waits */

void lookup_leave(struct lookup_waiter *waiter)
{
    if (waiter->queue) {
        TAILQ_REMOVE(waiter->queue, waiter, entry);
        waiter->queue = NULL;
    }
}

/* At the end of @queue, and nowhere else. */
static void put(struct lookup_waiter *waiter, struct lookup_waiters *queue)
{
    lookup_leave(waiter);
    TAILQ_INSERT_TAIL(queue, waiter, entry);
    waiter->queue = queue;
}

static void tell(struct lookup_waiter *waiter, int r, const struct definition *definition,
                 const struct store_fault *fault)
{
    lookup_leave(waiter);
    waiter->done(waiter, r, definition, fault);
}

static struct lookup_waiter *first_of_all(struct lookup *lookup)
{
    return TAILQ_EMPTY(&lookup->asked) ? TAILQ_FIRST(&lookup->waiting) : TAILQ_FIRST(&lookup->asked);
}

static void tell_all(struct lookup *lookup, int r, const struct store_fault *fault)
{
    struct lookup_waiter *waiter;

    while ((waiter = first_of_all(lookup))) {
        tell(waiter, r, NULL, fault);
    }
}

void lookup_cancel(struct lookup *lookup)
{
    if (lookup->loop) {
        tell_all(lookup, STORE_E_NOT_FOUND, &(struct store_fault){0});
    }
}

/* Those for whom the job was. */
static void tell_asked(struct lookup *lookup, struct lookup_job *job)
{
    struct lookup_waiter *waiter;

    while ((waiter = TAILQ_FIRST(&lookup->asked))) {
        tell(waiter, job->result, job->definition, &job->fault);
    }
}

/* ------------------------------------------------------------------------------------------------- the end of a job */

static void refuse_hung(const struct lookup *lookup, struct store_fault *ret_fault)
{
    snprintf(ret_fault->detail, sizeof(ret_fault->detail), "%.400s: has not answered for %d s",
             store_dir(lookup->store), LOOKUP_LIMIT_S);
}

/* So many threads are stuck that there is none for this. */
static int refuse_unread(const struct lookup *lookup, struct store_fault *ret_fault)
{
    snprintf(ret_fault->detail, sizeof(ret_fault->detail), "%.400s: the background worker is stuck on other files",
             store_dir(lookup->store));
    return STORE_E_BROKEN;
}

static bool is_recheck(const struct lookup_job *job)
{
    return !*job->service && !job->is_look;
}

static void say_unchecked(void)
{
    log_warn(LOG_CODE_DEFINITIONS_RECHECKED, "SIGHUP: the directory of the definitions does not answer");
}

static void say_rechecked(size_t n_changed)
{
    log_info(LOG_CODE_DEFINITIONS_RECHECKED, "SIGHUP: all definitions in use were looked at again, %zu changed",
             n_changed);
}

static void recheck_here(struct lookup *lookup)
{
    say_rechecked(store_recheck(lookup->store, loop_now(lookup->loop)));
}

/* The directory is local: from here on it is looked at on the loop, for those who wait first of all. */
static void go_local(struct lookup *lookup)
{
    struct lookup_job *job = lookup->job;
    const struct definition *definition;
    struct lookup_waiter *waiter;
    struct store_fault fault;
    int r;

    store_bind(lookup->store, job->store.dir_identity.dev);
    lookup->is_local = true;
    lookup->must_recheck |= is_recheck(job);
    lookup->job = NULL;
    free_job(job);
    while (lookup->is_local && (waiter = first_of_all(lookup))) {
        definition = NULL;
        fault = (struct store_fault){0};
        r = store_get(lookup->store, waiter->service, loop_now(lookup->loop), &definition, &fault);
        if (r == STORE_E_ELSEWHERE) {
            lookup->is_local = false; /* not any more; who still waits is asked for anew */
            while ((waiter = TAILQ_FIRST(&lookup->asked))) {
                put(waiter, &lookup->waiting);
            }
        } else {
            tell(waiter, r, definition, &fault);
        }
    }
    if (lookup->is_local && lookup->must_recheck) {
        lookup->must_recheck = false;
        recheck_here(lookup);
    }
}

static void give_up(struct lookup *lookup)
{
    struct store_fault fault = {0};

    lookup->hung = lookup->job;
    lookup->job = NULL;
    refuse_hung(lookup, &fault);
    if (lookup->must_recheck || is_recheck(lookup->hung)) {
        lookup->must_recheck = false;
        say_unchecked();
    }
    if (lookup->hung->is_look) {
        log_warn(LOG_CODE_SERVICE_DEF_BROKEN, "%s", fault.detail);
    }
    tell_all(lookup, STORE_E_BROKEN, &fault);
}

static void start_next(struct lookup *lookup);

static void done(void *owner, bool given_up)
{
    struct lookup_job *job = owner;
    struct lookup *lookup = job->lookup;

    job->is_running = false;
    if (given_up) {
        give_up(lookup);
    } else if (job->store.is_local) {
        go_local(lookup);
    } else {
        write_lines(job);
        if (*job->service) {
            tell_asked(lookup, job);
        } else if (!job->is_look) {
            say_rechecked(job->n_changed);
        }
        job->definition = definition_unref(job->definition);
    }
    start_next(lookup);
}

/* ---------------------------------------------------------------------------------------------------------- asking */

/* What the next job is for: the first who waits, and all who ask the same; or everything; or the directory. */
static void choose(struct lookup *lookup, struct lookup_job *job)
{
    struct lookup_waiter *waiter = TAILQ_FIRST(&lookup->waiting), *next;

    *job->service = '\0';
    job->is_look = lookup->must_look;
    if (lookup->must_look) {
        lookup->must_look = false;
        return;
    }
    if (lookup->must_recheck) {
        lookup->must_recheck = false;
        return;
    }
    snprintf(job->service, sizeof(job->service), "%.*s", SLICE_ARGS(waiter->service));
    for (; waiter; waiter = next) {
        next = TAILQ_NEXT(waiter, entry);
        if (slice_equal(waiter->service, slice_from(job->service))) {
            put(waiter, &lookup->asked);
        }
    }
}

static int begin(struct lookup *lookup)
{
    struct lookup_job *job = lookup->job;
    int r = 0;

    if (!job) {
        r = new_job(lookup, &job);
    }
    if (r < 0) {
        return error_trace(r);
    }
    lookup->job = job;
    choose(lookup, job);
    job->now_nsec = loop_now(lookup->loop);
    job->result = 0;
    job->fault = (struct store_fault){0};
    job->job.discard = release;
    r = loop_job_submit(lookup->loop, &job->job, work, done, job, lookup->limit_nsec);
    if (r < 0) {
        return error_trace(r);
    }
    job->is_running = true;
    return 0;
}

/* Unless one is under way, or nobody asks. Who cannot be helped is told. */
static void start_next(struct lookup *lookup)
{
    struct store_fault fault = {0};

    if (lookup->is_local || (lookup->job && lookup->job->is_running) ||
        (TAILQ_EMPTY(&lookup->waiting) && !lookup->must_recheck && !lookup->must_look) || begin(lookup) >= 0) {
        return;
    }
    (void)refuse_unread(lookup, &fault);
    lookup->must_look = false;
    if (lookup->must_recheck) {
        lookup->must_recheck = false;
        say_unchecked();
    }
    tell_all(lookup, STORE_E_BROKEN, &fault);
}

/* There is no thread and none can be had. */
static int look_here(struct lookup *lookup, struct slice service, nsec_t now_nsec,
                     const struct definition **ret_definition, struct store_fault *ret_fault)
{
    int r = store_get(lookup->store, service, now_nsec, ret_definition, ret_fault);

    return r == STORE_E_ELSEWHERE ? refuse_unread(lookup, ret_fault) : r;
}

int lookup_get(struct lookup *lookup, struct slice service, nsec_t now_nsec, struct lookup_waiter *waiter,
               const struct definition **ret_definition, struct store_fault *ret_fault)
{
    int r;

    if (lookup->is_local) {
        r = store_get(lookup->store, service, now_nsec, ret_definition, ret_fault);
        if (r != STORE_E_ELSEWHERE) {
            return r;
        }
        lookup->is_local = false;
    }
    if (is_hung(lookup)) {
        refuse_hung(lookup, ret_fault);
        return STORE_E_BROKEN;
    }
    waiter->service = service;
    put(waiter, &lookup->waiting);
    if (!lookup->job || !lookup->job->is_running) {
        r = begin(lookup);
        if (r < 0) {
            lookup_leave(waiter);
            return r == -EBUSY ? refuse_unread(lookup, ret_fault)
                               : look_here(lookup, service, now_nsec, ret_definition, ret_fault);
        }
    }
    return LOOKUP_E_WAIT;
}

void lookup_look(struct lookup *lookup)
{
    lookup->must_look = !lookup->is_local && !is_hung(lookup);
    start_next(lookup);
}

void lookup_recheck(struct lookup *lookup)
{
    if (lookup->is_local) {
        recheck_here(lookup);
    } else if (is_hung(lookup)) {
        say_unchecked();
    } else if (!lookup->job) {
        say_rechecked(0); /* none was in use */
    } else {
        lookup->must_recheck = true;
        start_next(lookup);
    }
}

/* --------------------------------------------------------------------------------------------------- begin and end */

void lookup_init(struct lookup *lookup, struct loop *loop, struct store *store)
{
    *lookup = (struct lookup){.loop = loop, .store = store, .limit_nsec = LOOKUP_LIMIT_S * NSEC_PER_SEC};
    TAILQ_INIT(&lookup->waiting);
    TAILQ_INIT(&lookup->asked);
}

void lookup_deinit(struct lookup *lookup)
{
    struct lookup_waiter *waiter;

    if (!lookup->loop) {
        return;
    }
    while ((waiter = first_of_all(lookup))) {
        lookup_leave(waiter);
    }
    if (lookup->job && loop_job_cancel(&lookup->job->job)) {
        free_job(lookup->job);
    } else if (lookup->job) {
        release(lookup->job);
    }
    if (lookup->hung) {
        release(lookup->hung);
    }
    *lookup = (struct lookup){0};
}
