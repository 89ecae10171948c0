/* SPDX-License-Identifier: MIT */

/*
 * What the launch machine does outside of processes: its birth and end, the permit, the lock, the last look into the
 * registry, the answers. Everything that an attempt holds hangs on the instance and goes with it; the actions of the
 * machine give things back in the order that the specification wants, and dispose() makes sure that nothing was left.
 * The order of steps is nowhere but in statemachines/launch.fsm.
 */

#include "backend/launch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/spawn_lock.h"
#include "backend/spawn_wait.h"
#include "backend/waiters.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "service/definition.h"
#include "wire/protocol.h"
#include "wire/text.h"

static nsec_t now_of(const struct launch *launch)
{
    return loop_now(launch->backends->config.loop);
}

void launch_set_failure(struct launch *launch, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(launch->failure, sizeof(launch->failure), format, arguments);
    va_end(arguments);
}

const char *launch_path(const struct launch *launch)
{
    return launch->endpoint.is_held ? launch->endpoint.path : "";
}

/* --------------------------------------------------------------------------------------------------- birth and end */

static void copy_trace(struct launch *launch, const struct backend_request *request)
{
    if (text_is_traceparent(request->traceparent) && request->traceparent.size < sizeof(launch->traceparent)) {
        memcpy(launch->traceparent, request->traceparent.data, request->traceparent.size);
    }
    if (text_is_tracestate(request->tracestate) && request->tracestate.size < sizeof(launch->tracestate)) {
        memcpy(launch->tracestate, request->tracestate.data, request->tracestate.size);
    }
    if (request->request_id.size < sizeof(launch->request_id) && request->request_id.size > 0) {
        memcpy(launch->request_id, request->request_id.data, request->request_id.size);
    }
    launch->frame_request_id = request->frame_request_id;
}

/* Gives back whatever the launch still holds. The child, if one lives, is not waited for. */
static void dispose(struct launch *launch)
{
    launch_release_child(launch);
    prober_deinit(&launch->prober);
    launch_forget_resolve(launch);
    launch_binary_deinit(&launch->binary);
    launch->listener_fd = close_fd(launch->listener_fd);
    spawn_lock_release(&launch->lock_fd);
    allocator_release(&launch->endpoint);
    backend_free(launch->backend);
    orphan_free(launch->orphan);
    free(launch->env);
    free(launch->exe_path);
    free(launch->binary_path);
    free(launch->root_path);
    free(launch);
}

static int make(struct backends *backends, const struct backend_key *key, const struct backend_request *request,
                const struct launch_known *known, struct launch **ret)
{
    struct launch *launch = calloc(1, sizeof(*launch));

    if (!launch) {
        return error_origin(-ENOMEM);
    }
    launch->backends = backends;
    launch->key = *key;
    launch->known = *known;
    launch->lock_fd = launch->listener_fd = launch->pidfd = launch->exec_pipe = launch->binary.fd = -1;
    launch->started_nsec = now_of(launch);
    launch->binary_path = strdup(request->definition->binary_path);
    launch->root_path = strdup(request->definition->per_version_binary_dir);
    copy_trace(launch, request);
    if (!launch->binary_path || !launch->root_path || backend_new(key, &launch->backend) < 0) {
        dispose(launch);
        return error_origin(-ENOMEM);
    }
    *ret = launch;
    return 0;
}

int launch_begin(struct backends *backends, const struct backend_key *key, const struct backend_request *request,
                 const struct launch_known *known, struct backend_waiter *waiter)
{
    struct launch *launch = NULL;
    int r;

    r = make(backends, key, request, known, &launch);
    if (r < 0) {
        return error_trace(r);
    }
    if (waiter) {
        waiters_join(&launch->waiters, waiter);
    }
    LIST_INSERT_HEAD(&backends->launches, launch, entry);
    backends->n_launches++;
    r = launch_start(launch, backends->config.world);
    if (r < 0) {
        if (waiter) {
            waiters_leave(waiter);
        }
        launch_ended(launch);
        return error_trace(r);
    }
    return 0;
}

void launch_ended(struct launch *launch)
{
    LIST_REMOVE(launch, entry);
    launch->backends->n_launches--;
    dispose(launch);
}

void launch_discard(struct launch *launch)
{
    while (launch->waiters.first) {
        waiters_leave(launch->waiters.first);
    }
    fsm_deinit(&launch->fsm);
    if (launch->pid > 0) {
        launch_kill_child(launch);
        launch_reap_child(launch);
        launch_unlink_socket(launch);
    }
    launch_ended(launch);
}

/* ------------------------------------------------------------------------------------------ permit, lock, registry */

enum launch_event launch_take_permit(struct launch *launch)
{
    int r = backends_take_permit(launch->backends, &launch->key, &launch->permit, &launch->refusal);

    launch->refused = r;
    return r == 0 ? LAUNCH_EVENT_PERMITTED : LAUNCH_EVENT_NO_PERMIT;
}

void launch_refund_permit(struct launch *launch)
{
    spawn_budget_refund(&launch->backends->budget, &launch->key, launch->permit, now_of(launch));
}

void launch_finish(struct launch *launch, enum launch_finish_arg how)
{
    struct spawn_budget *budget = &launch->backends->budget;

    if (how == LAUNCH_FINISH_LAUNCHED) {
        spawn_budget_finish_launched(budget, &launch->key, launch->permit, now_of(launch));
    } else {
        spawn_budget_finish_failed(budget, &launch->key, launch->permit, now_of(launch));
    }
    launch->permit = (struct spawn_permit){0};
}

static int lock(struct launch *launch, const char *name)
{
    struct backends *backends = launch->backends;
    int r = 0;

    if (backends->locks_fd < 0) {
        r = spawn_lock_dir_open(backends->config.runtime_dir, &backends->locks_fd);
    }
    return r ? r : spawn_lock_acquire(backends->locks_fd, name, &launch->lock_fd);
}

enum launch_event launch_take_lock(struct launch *launch)
{
    char name[SPAWN_LOCK_NAME_SIZE], text[128];
    int r;

    spawn_lock_name(&launch->key, name);
    r = lock(launch, name);
    if (r == -ENOENT) { /* the directory was removed: made again */
        launch->backends->locks_fd = close_fd(launch->backends->locks_fd);
        r = lock(launch, name);
    }
    switch (r) {
    case 0:
        return LAUNCH_EVENT_LOCKED;
    case SPAWN_LOCK_E_HELD:
        return LAUNCH_EVENT_LOCK_BUSY;
    case SPAWN_LOCK_E_RECREATED:
        launch_set_failure(launch, "the spawn lock %.200s is being replaced again and again", name);
        break;
    case SPAWN_LOCK_E_DIRECTORY:
        launch_set_failure(launch, "the directory of the spawn locks is not private");
        break;
    case SPAWN_LOCK_E_REMOTE:
        launch_set_failure(launch, "the directory of the spawn locks is on a network or FAT file system");
        break;
    default:
        launch_set_failure(launch, "spawn lock %.200s: %s", name, launcher_errno_text(-r, text, sizeof(text)));
    }
    return LAUNCH_EVENT_LOCK_FAILED;
}

void launch_release_lock(struct launch *launch)
{
    spawn_lock_release(&launch->lock_fd);
}

enum launch_event launch_look_again(struct launch *launch)
{
    return registry_get(&launch->backends->registry, &launch->key) ? LAUNCH_EVENT_PRESENT : LAUNCH_EVENT_MISSING;
}

void launch_release_path(struct launch *launch)
{
    allocator_release(&launch->endpoint);
}

/* --------------------------------------------------------------------------------------------------------- answers */

static void fill_ready(struct launch *launch, struct backend_answer *ret)
{
    struct backend *backend = registry_get(&launch->backends->registry, &launch->key);

    if (!backend) {
        backend_answer_failed(ret, "the backend has exited"); /* between its answer and ours */
        return;
    }
    backend->last_hello_unix_ms = clock_unix_msec();
    *ret = (struct backend_answer){.ready = true, .endpoint_path = backend_path(backend), .pid = backend->pid};
}

static void fill_no_permit(struct launch *launch, struct backend_answer *ret)
{
    switch (launch->refused) {
    case SPAWN_BUDGET_E_IN_PROGRESS:
        backend_answer_in_progress(ret);
        break;
    case SPAWN_BUDGET_E_EXHAUSTED:
        backend_answer_exhausted(ret, &launch->refusal);
        break;
    default:
        backend_answer_failed(ret, "out of memory");
    }
    launch_set_failure(launch, "%s", ret->reason);
}

/* The failure is written down first: whoever joins later gets it too. */
void launch_answer(struct launch *launch, enum launch_answer_arg what)
{
    struct backend_answer answer;

    switch (what) {
    case LAUNCH_ANSWER_READY:
        fill_ready(launch, &answer);
        break;
    case LAUNCH_ANSWER_NO_PERMIT:
        fill_no_permit(launch, &answer);
        break;
    case LAUNCH_ANSWER_IN_PROGRESS:
        launch_set_failure(launch, "another broker holds the spawn lock");
        backend_answer_in_progress(&answer);
        break;
    case LAUNCH_ANSWER_SHUTTING_DOWN:
        launch_set_failure(launch, "the broker is shutting down");
        backend_answer_shutting_down(&answer);
        break;
    case LAUNCH_ANSWER_MISMATCH:
        launch_set_failure(launch, "launched backend identity did not match request");
        backend_answer_mismatch(&answer);
        break;
    case LAUNCH_ANSWER_TIMED_OUT:
        launch_set_failure(launch, "backend did not become ready within %llu ms",
                           (unsigned long long)(launch->backends->config.launch_ceiling_nsec / NSEC_PER_MSEC));
        backend_answer_failed(&answer, launch->failure);
        break;
    case LAUNCH_ANSWER_EXITED_EARLY:
        launch_describe_exit(launch);
        backend_answer_failed(&answer, launch->failure);
        break;
    case LAUNCH_ANSWER_SWEPT:
        launch_set_failure(launch, "the socket %s was removed by somebody while the backend started",
                           launch_path(launch));
        backend_answer_failed(&answer, launch->failure);
        break;
    case LAUNCH_ANSWER_WRONG_IDENTITY:
        launch_set_failure(launch, "backend identity probe failed: %s", launch->prober.why);
        backend_answer_failed(&answer, launch->failure);
        break;
    case LAUNCH_ANSWER_FAILED:
    case LAUNCH_ANSWER_MAX:
        backend_answer_failed(&answer, launch->failure);
        break;
    }
    waiters_answer(&launch->waiters, &answer);
}

/* ------------------------------------------------------------------------------------------------------------- log */

static unsigned long long elapsed_ms(const struct launch *launch)
{
    return (unsigned long long)((now_of(launch) - launch->started_nsec) / NSEC_PER_MSEC);
}

static struct log_record record_of(const struct launch *launch)
{
    return (struct log_record){
        .level = LOG_INFO,
        .service = slice_from(launch->key.service),
        .version = slice_from(launch->key.version),
        .request_id = slice_from(launch->request_id),
        .frame_request_id = launch->frame_request_id,
    };
}

void launch_log_start(const struct launch *launch)
{
    struct log_record record = record_of(launch);

    record.code = LOG_CODE_LAUNCH_STARTED;
    log_event(&record, "launching %.512s for " KEY_FORMAT, launch->binary.path, KEY_ARGS(&launch->key));
}

void launch_report(struct launch *launch, enum launch_report_arg how)
{
    struct log_record record = record_of(launch);

    switch (how) {
    case LAUNCH_REPORT_UP:
        record.code = LOG_CODE_LAUNCH_READY;
        log_event(&record, "backend " KEY_FORMAT " is up: pid %d, %llu ms, %u probes", KEY_ARGS(&launch->key),
                  (int)launch->pid, elapsed_ms(launch), launch->attempt + 1);
        break;
    case LAUNCH_REPORT_FOUND:
        record.code = LOG_CODE_LAUNCH_READY;
        log_event(&record, "backend " KEY_FORMAT " was up already", KEY_ARGS(&launch->key));
        break;
    case LAUNCH_REPORT_REFUSED:
        record.code = LOG_CODE_LAUNCH_REFUSED;
        log_event(&record, "no launch for " KEY_FORMAT ": %s", KEY_ARGS(&launch->key), launch->failure);
        break;
    case LAUNCH_REPORT_FAILED:
    case LAUNCH_REPORT_MAX:
        record.level = LOG_WARN;
        record.code = LOG_CODE_LAUNCH_FAILED;
        log_event(&record, "launch for " KEY_FORMAT " failed after %llu ms: %s", KEY_ARGS(&launch->key),
                  elapsed_ms(launch), launch->failure);
        break;
    }
}

/* ------------------------------------------------------------------------------------------------------------ time */

nsec_t launch_ceiling_due(const struct launch *launch, nsec_t now)
{
    (void)now;
    return nsec_add(launch->forked_nsec, launch->backends->config.launch_ceiling_nsec);
}

nsec_t launch_text_busy_due(const struct launch *launch, nsec_t now)
{
    return nsec_add(now, spawn_wait_text_busy(launch->exec_tries - 1));
}

nsec_t launch_probe_due(const struct launch *launch, nsec_t now)
{
    nsec_t elapsed_nsec = now > launch->forked_nsec ? now - launch->forked_nsec : 0;

    return nsec_add(now,
                    spawn_wait_pause(elapsed_nsec, launch->backends->config.launch_ceiling_nsec, launch->attempt - 1));
}

bool launch_retries_left(const struct launch *launch)
{
    return launch->exec_tries <= LAUNCH_EXEC_RETRIES;
}
