/* SPDX-License-Identifier: MIT */

/*
 * A question is answered at once from the registry when the hash of the executable is known and its backend lives; that
 * path allocates nothing and makes one system call, the stat of the executable. Everything else waits: for the hash,
 * with its facts copied into a pending question, or for a launch, in that launch's queue. A waiter stands in exactly
 * one place and leaves it before it is told. Limits are checked before anything is begun. What happens during a launch
 * is the launch machine's.
 */

#include "backend/backends.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/external.h"
#include "backend/launch.h"
#include "backend/waiters.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/private_dir.h"
#include "base/sys.h"
#include "service/definition.h"
#include "service/endpoint.h"
#include "service/instance.h"

enum {
    STABLE_AFTER_S = 30,
    SWEEP_FLOOD = 128, /* keys forgotten at once whose memory is worth giving back */
    TRACE_MAX = 512,   /* longer trace values do not reach a child anyway */
};

/* A question that waits for the hash of its executable. */
struct backend_pending {
    LIST_ENTRY(backend_pending) entry;
    struct backends *backends;
    struct backend_waiter *waiter;
    struct exe_hash_waiter hash;
    const struct definition *definition; /* one reference */
    struct instance_id instance;
    char service[65], version[65], request_id[65];
    char traceparent[TRACE_MAX + 1], tracestate[TRACE_MAX + 1];
    uint64_t frame_request_id;
};

/* ------------------------------------------------------------------------------------------------------ what ends */

static void on_gone(void *owner, struct backend *backend, const siginfo_t *info)
{
    struct log_record record = {
        .level = LOG_INFO,
        .code = LOG_CODE_BACKEND_EXITED,
        .service = slice_from(backend->key.service),
        .version = slice_from(backend->key.version),
    };

    (void)owner;
    if (!info) {
        log_event(&record, "backend " KEY_FORMAT ", pid %d, has ended", KEY_ARGS(&backend->key), (int)backend->pid);
    } else if (info->si_code == CLD_EXITED && info->si_status == 0) {
        log_event(&record, "backend " KEY_FORMAT ", pid %d, has exited", KEY_ARGS(&backend->key), (int)backend->pid);
    } else {
        record.level = LOG_WARN;
        record.code = LOG_CODE_BACKEND_CRASHED;
        log_event(&record, "backend " KEY_FORMAT ", pid %d, has crashed: %s %d", KEY_ARGS(&backend->key),
                  (int)backend->pid, info->si_code == CLD_EXITED ? "status" : "signal", info->si_status);
    }
}

static void on_stable(void *owner, struct backend *backend)
{
    struct backends *backends = owner;

    spawn_budget_mark_stable(&backends->budget, &backend->key, loop_now(backends->config.loop));
}

/* Keys that nobody has asked for since, and what a flood of them took. */
static void on_sweep(void *owner)
{
    struct backends *backends = owner;
    uint32_t n_before = backends->budget.n_states;
    uint32_t n_left = spawn_budget_sweep(&backends->budget, loop_now(backends->config.loop));

    if (n_left > 0) {
        loop_timer_set_in(&backends->sweep, backends->budget.window_nsec / 4); /* younger ones are not over yet */
    }
    if (n_before - n_left >= SWEEP_FLOOD) {
        (void)malloc_trim(0);
    }
}

int backends_take_permit(struct backends *backends, const struct backend_key *key, struct spawn_permit *ret_permit,
                         struct spawn_refusal *ret_refusal)
{
    if (!loop_timer_is_set(&backends->sweep)) {
        loop_timer_set_in(&backends->sweep, backends->budget.window_nsec);
    }
    return spawn_budget_try_begin(&backends->budget, key, loop_now(backends->config.loop), ret_permit, ret_refusal);
}

/* --------------------------------------------------------------------------------------------------- begin and end */

/*
 * Where the runtime directory is too long for the endpoints, they go to the fallback directory (spec 03 W28), which
 * must be as private. If it is not, no endpoint may be made there, and launches say so.
 */
static void check_fallback(struct backends *backends)
{
    static const char digits[] = "00000000000000000000000000000000";
    struct private_dir_report report = {0};
    char dir[ENDPOINT_DIR_SIZE];
    int fd = -1, r;

    if (endpoint_path_size(backends->config.runtime_dir, ENDPOINT_BACKEND, slice_from(digits)) <= ENDPOINT_PATH_MAX) {
        return;
    }
    endpoint_fallback_dir(dir);
    r = private_dir_open_broker(dir, true, &report, &fd);
    close_fd(fd);
    if (r != 0) {
        backends->allocator.is_fallback_refused = true;
        log_error(LOG_CODE_LAUNCH_BIND, "no endpoint fits into %s, and its replacement cannot be used: %s",
                  backends->config.runtime_dir, report.text);
    }
}

static void set_defaults(struct backends_config *config)
{
    if (config->spawn_attempts == 0) {
        config->spawn_attempts = SPAWN_BUDGET_ATTEMPTS;
    }
    if (config->spawn_window_nsec == 0) {
        config->spawn_window_nsec = nsec_from_msec(SPAWN_BUDGET_WINDOW_MS);
    }
    if (config->launch_ceiling_nsec == 0) {
        config->launch_ceiling_nsec = nsec_from_msec(LAUNCH_CEILING_MS);
    }
    if (config->stable_after_nsec == 0) {
        config->stable_after_nsec = STABLE_AFTER_S * NSEC_PER_SEC;
    }
}

const char *backends_boot_id(struct backends *backends)
{
    if (!backends->is_boot_id_known) {
        backends->is_boot_id_known = process_boot_id(backends->boot_id) >= 0;
    }
    return backends->boot_id;
}

int backends_init(struct backends *backends, const struct backends_config *config)
{
    int r;

    memset(backends, 0, sizeof(*backends));
    backends->config = *config;
    backends->locks_fd = -1;
    set_defaults(&backends->config);
    r = child_baseline_init(&backends->baseline);
    if (r < 0) {
        return error_trace(r);
    }
    (void)backends_boot_id(backends);
    allocator_init(&backends->allocator, config->user_hash, config->runtime_dir);
    check_fallback(backends);
    exe_hash_init(&backends->hashes, config->loop);
    registry_init(&backends->registry, config->loop, backends->config.stable_after_nsec);
    backends->registry.gone = on_gone;
    backends->registry.stable = on_stable;
    backends->registry.owner = backends;
    spawn_budget_init(&backends->budget, backends->config.spawn_attempts, backends->config.spawn_window_nsec);
    loop_timer_init(&backends->sweep, config->loop, on_sweep, backends);
    backends->is_ready = true;
    return 0;
}

static void forget_pending(struct backend_pending *pending)
{
    LIST_REMOVE(pending, entry);
    pending->backends->n_pendings--;
    exe_hash_leave(&pending->hash);
    pending->waiter->pending = NULL;
    definition_unref(pending->definition);
    free(pending);
}

void backends_deinit(struct backends *backends)
{
    if (!backends->is_ready) {
        return;
    }
    while (!LIST_EMPTY(&backends->pendings)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each call takes the first one off the list */
        forget_pending(LIST_FIRST(&backends->pendings));
    }
    while (!LIST_EMPTY(&backends->launches)) {
        launch_discard(LIST_FIRST(&backends->launches));
    }
    while (!LIST_EMPTY(&backends->externals)) {
        external_discard(LIST_FIRST(&backends->externals));
    }
    backends_forget_orphans(backends);
    loop_timer_stop(&backends->sweep);
    registry_deinit(&backends->registry);
    exe_hash_deinit(&backends->hashes);
    spawn_budget_deinit(&backends->budget);
    child_baseline_deinit(&backends->baseline);
    backends->locks_fd = close_fd(backends->locks_fd);
    backends->is_ready = false;
}

/* --------------------------------------------------------------------------------------------------------- asking */

static int answer_ready(struct backend *backend, struct backend_answer *ret_answer)
{
    backend->last_hello_unix_ms = clock_unix_msec();
    ret_answer->ready = true;
    ret_answer->endpoint_path = backend_path(backend);
    ret_answer->pid = backend->pid;
    return 0;
}

static struct launch *find_launch(struct backends *backends, const struct backend_key *key)
{
    struct launch *launch;

    LIST_FOREACH(launch, &backends->launches, entry)
    {
        if (backend_key_equal(&launch->key, key)) {
            return launch;
        }
    }
    return NULL;
}

static int join(struct launch *launch, struct backend_waiter *waiter, struct backend_answer *ret_answer)
{
    if (!waiters_join(&launch->waiters, waiter)) {
        backend_answer_in_progress(ret_answer);
        return 0;
    }
    return BACKENDS_E_WAIT;
}

static void log_exhausted(const struct backend_key *key, const struct spawn_refusal *refusal)
{
    if (refusal->is_storm_trip) {
        log_event(&(struct log_record){.level = LOG_WARN,
                                       .code = LOG_CODE_LAUNCH_STORM,
                                       .service = slice_from(key->service),
                                       .version = slice_from(key->version)},
                  "the launches of %s keep failing: none for %llu ms", key->instance,
                  (unsigned long long)(refusal->retry_after_nsec / NSEC_PER_MSEC));
    }
}

/* True: the budget of @key leaves no launch now, and *@ret_answer says so. */
static bool is_over_budget(struct backends *backends, const struct backend_key *key, struct backend_answer *ret_answer)
{
    struct spawn_refusal refusal = {0};

    switch (spawn_budget_check(&backends->budget, key, loop_now(backends->config.loop), &refusal)) {
    case 0:
        return false;
    case SPAWN_BUDGET_E_IN_PROGRESS:
        backend_answer_in_progress(ret_answer);
        return true;
    default:
        backend_answer_exhausted(ret_answer, &refusal);
        log_exhausted(key, &refusal);
        return true;
    }
}

static uint32_t count_of_service(struct backends *backends, const char *service)
{
    uint32_t n = registry_count_service(&backends->registry, service);
    const struct launch *launch;

    LIST_FOREACH(launch, &backends->launches, entry)
    {
        n += strcmp(launch->key.service, service) == 0;
    }
    return n;
}

static bool is_at_limit(struct backends *backends, const struct backend_key *key)
{
    return backends->registry.n + backends->n_launches >= BACKENDS_TOTAL_MAX ||
           count_of_service(backends, key->service) >= BACKENDS_PER_SERVICE_MAX;
}

/* Steps 11 to 15 for a key that is as known as it will be. */
static int ask_for_key(struct backends *backends, const struct backend_key *key, const struct launch_known *known,
                       const struct backend_request *request, struct backend_waiter *waiter,
                       struct backend_answer *ret_answer)
{
    struct backend *backend = registry_get(&backends->registry, key);
    struct launch *launch;
    int r;

    if (backend) {
        return answer_ready(backend, ret_answer);
    }
    launch = find_launch(backends, key);
    if (launch) {
        return join(launch, waiter, ret_answer);
    }
    if (is_over_budget(backends, key, ret_answer)) {
        return 0;
    }
    if (backends->n_launches >= BACKENDS_LAUNCHES_MAX) {
        backend_answer_in_progress(ret_answer);
        return 0;
    }
    if (is_at_limit(backends, key)) {
        backend_answer_limit(ret_answer);
        return 0;
    }
    r = launch_begin(backends, key, request, known, waiter);
    return r < 0 ? error_trace(r) : BACKENDS_E_WAIT;
}

/* Where only registered backends are served no launch is spent: every miss says the same (spec 01 §11.1). */
static int ask_registered(struct backends *backends, const struct backend_request *request,
                          struct backend_answer *ret_answer)
{
    struct backend_key key;
    struct backend *backend;

    if (!backend_key_make(slice_from(request->instance->text), request->service, request->version, NULL, &key)) {
        return error_origin(-EINVAL);
    }
    backend = registry_get_any_build(&backends->registry, &key);
    if (!backend) {
        backend_answer_not_registered(ret_answer);
        return 0;
    }
    return answer_ready(backend, ret_answer);
}

/* ------------------------------------------------------------------------------------------- waiting for the hash */

static int ask_hashed(struct backends *backends, const struct backend_request *request, const uint8_t *hash,
                      const struct exe_identity *identity, struct backend_waiter *waiter,
                      struct backend_answer *ret_answer)
{
    struct launch_known known = {0};
    struct backend_key key;

    if (!backend_key_make(slice_from(request->instance->text), request->service, request->version, hash, &key)) {
        return error_origin(-EINVAL);
    }
    if (hash) {
        known.is_known = true;
        known.identity = *identity;
        memcpy(known.hash, hash, sizeof(known.hash));
    }
    return ask_for_key(backends, &key, &known, request, waiter, ret_answer);
}

static void answer_hung(struct backend_answer *ret_answer)
{
    backend_answer_failed(ret_answer, "reading the backend binary took longer than 10 s");
}

/* The hash has come, or will not: the question goes on from where it stopped. */
static void on_hashed(struct exe_hash_waiter *hash_waiter, enum exe_hash_outcome outcome,
                      const struct exe_identity *identity, const uint8_t *hash)
{
    struct backend_pending *pending =
        (struct backend_pending *)((char *)hash_waiter - offsetof(struct backend_pending, hash));
    struct backend_waiter *waiter = pending->waiter;
    struct backend_answer answer = {0};
    int r = 0;

    if (outcome == EXE_HASH_GIVEN_UP) {
        answer_hung(&answer);
    } else {
        r = ask_hashed(pending->backends,
                       &(struct backend_request){
                           .definition = pending->definition,
                           .instance = &pending->instance,
                           .service = slice_from(pending->service),
                           .version = slice_from(pending->version),
                           .traceparent = slice_from(pending->traceparent),
                           .tracestate = slice_from(pending->tracestate),
                           .request_id = slice_from(pending->request_id),
                           .frame_request_id = pending->frame_request_id,
                       },
                       hash, identity, waiter, &answer);
    }
    forget_pending(pending);
    if (r == BACKENDS_E_WAIT) {
        return;
    }
    if (r < 0) {
        backend_answer_failed(&answer, "out of memory");
    }
    waiter->answered(waiter, &answer);
}

/* Copies what fits; longer values are of no use to a child and are left out. */
static void copy_slice(char *field, size_t size, struct slice value)
{
    if (value.size > 0 && value.size < size) {
        memcpy(field, value.data, value.size);
    }
}

static int make_pending(struct backends *backends, const struct backend_request *request, struct backend_waiter *waiter,
                        struct backend_pending **ret)
{
    struct backend_pending *pending;

    if (request->service.size >= sizeof(pending->service) || request->version.size >= sizeof(pending->version)) {
        return error_origin(-EINVAL);
    }
    pending = calloc(1, sizeof(*pending));
    if (!pending) {
        return error_origin(-ENOMEM);
    }
    pending->backends = backends;
    pending->waiter = waiter;
    pending->hash.done = on_hashed;
    pending->definition = definition_ref(request->definition);
    pending->instance = *request->instance;
    copy_slice(pending->service, sizeof(pending->service), request->service);
    copy_slice(pending->version, sizeof(pending->version), request->version);
    copy_slice(pending->request_id, sizeof(pending->request_id), request->request_id);
    copy_slice(pending->traceparent, sizeof(pending->traceparent), request->traceparent);
    copy_slice(pending->tracestate, sizeof(pending->tracestate), request->tracestate);
    pending->frame_request_id = request->frame_request_id;
    LIST_INSERT_HEAD(&backends->pendings, pending, entry);
    backends->n_pendings++;
    waiter->pending = pending;
    *ret = pending;
    return 0;
}

static int wait_for_hash(struct backends *backends, const struct backend_request *request,
                         struct backend_waiter *waiter, struct backend_answer *ret_answer)
{
    struct backend_pending *pending = NULL;
    struct exe_identity identity;
    uint8_t hash[32];
    int r;

    r = make_pending(backends, request, waiter, &pending);
    if (r < 0) {
        return error_trace(r);
    }
    r = exe_hash_get(&backends->hashes, request->definition->binary_path, &pending->hash, &identity, hash);
    if (r == EXE_HASH_E_WAIT) {
        return BACKENDS_E_WAIT;
    }
    forget_pending(pending);
    switch (r) {
    case -EBUSY:
        backend_answer_failed(ret_answer, "the background worker is stuck on other files");
        return 0;
    case -EAGAIN: /* no more threads for this user */
        backend_answer_failed(ret_answer, "the background worker cannot be started: Resource temporarily unavailable");
        return 0;
    case EXE_HASH_E_HUNG:
        answer_hung(ret_answer);
        return 0;
    case 0: /* the file has changed since it was looked at a moment ago */
    case EXE_HASH_E_ABSENT:
    case EXE_HASH_E_FULL:
        backend_answer_in_progress(ret_answer);
        return 0;
    default:
        return error_trace(r);
    }
}

int backends_ask(struct backends *backends, const struct backend_request *request, struct backend_waiter *waiter,
                 struct backend_answer *ret_answer)
{
    struct exe_identity identity;
    uint8_t hash[32];

    if (backends->is_draining) {
        backend_answer_shutting_down(ret_answer);
        return 0;
    }
    if (!backends->config.launching) {
        return ask_registered(backends, request, ret_answer);
    }
    switch (exe_hash_get(&backends->hashes, request->definition->binary_path, NULL, &identity, hash)) {
    case 0:
        return ask_hashed(backends, request, hash, &identity, waiter, ret_answer);
    case EXE_HASH_E_ABSENT:
        return ask_hashed(backends, request, NULL, NULL, waiter, ret_answer);
    default:
        return wait_for_hash(backends, request, waiter, ret_answer);
    }
}

void backends_leave(struct backend_waiter *waiter)
{
    if (waiter->pending) {
        forget_pending(waiter->pending);
    }
    waiters_leave(waiter);
}

void backends_refuse_in_progress(struct backend_answer *ret_answer)
{
    backend_answer_in_progress(ret_answer);
}

/* ---------------------------------------------------------------------------------------------------------- draining
 */

static void refuse_pending(struct backend_pending *pending)
{
    struct backend_waiter *waiter = pending->waiter;
    struct backend_answer answer;

    forget_pending(pending);
    backend_answer_shutting_down(&answer);
    waiter->answered(waiter, &answer);
}

void backends_cancel(struct backends *backends)
{
    struct launch *launch;

    backends->is_draining = true;
    while (!LIST_EMPTY(&backends->pendings)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each call takes the first one off the list */
        refuse_pending(LIST_FIRST(&backends->pendings));
    }
    LIST_FOREACH(launch, &backends->launches, entry)
    {
        launch_raise(launch, LAUNCH_EVENT_CANCEL);
    }
    while (!LIST_EMPTY(&backends->externals)) {
        external_give_up(LIST_FIRST(&backends->externals), "the broker is shutting down");
    }
    fsm_world_run(backends->config.world);
}

bool backends_is_quiet(const struct backends *backends)
{
    return LIST_EMPTY(&backends->launches) && LIST_EMPTY(&backends->pendings) && LIST_EMPTY(&backends->externals);
}
