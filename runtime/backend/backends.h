/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The one door to backends: ask for the backend of a service, get its endpoint or a refusal, now or later. Behind it:
 * the hash of the executable, the registry, the spawn budget and the launches (spec 01 §6.5 steps 10-16, spec 03).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "backend/allocator.h"
#include "backend/exe_hash.h"
#include "backend/key.h"
#include "backend/launcher.h"
#include "backend/process.h"
#include "backend/registry.h"
#include "backend/spawn_budget.h"
#include "base/clock.h"
#include "base/slice.h"

struct backend_pending;
struct definition;
struct external;
struct instance_id;
struct loop;
struct fsm_world;
struct launch;

enum {
    BACKENDS_WAITERS_MAX = 256,    /* Hellos that wait for one key */
    BACKENDS_LAUNCHES_MAX = 8,     /* launches at once, over all keys */
    BACKENDS_PER_SERVICE_MAX = 16, /* live backends of one service */
    BACKENDS_TOTAL_MAX = 1024,     /* live backends */
    BACKENDS_PATIENCE_MS = 25000,  /* how long the caller may keep one waiter here (decision 10) */
};

enum {
    _BACKENDS_E_SUCCESS,
    BACKENDS_E_WAIT,
};

struct backends;

struct backend_answer {
    bool ready;
    const char *endpoint_path; /* ready: borrowed for the call */
    pid_t pid;                 /* ready */
    uint32_t code;             /* refused: an ErrorCode of the envelope schema */
    uint64_t retry_after_ms;
    char reason[512];
};

/* Somebody who waits for an answer. Zeroed: waits for nothing. Embedded in its owner, whose memory it is. */
struct backend_waiter {
    /* Called exactly once unless left before; the waiter has been let go by then. */
    void (*answered)(struct backend_waiter *waiter, const struct backend_answer *answer);
    /* private */
    struct backend_waiter *next, *previous;
    struct backend_waiters *queue;   /* where it stands; NULL: nowhere */
    struct backend_pending *pending; /* waits for a hash */
};

struct backend_waiters {
    struct backend_waiter *first, *last;
    uint32_t n;
};

/* Everything is borrowed for the call and copied where it must live longer. */
struct backend_request {
    const struct definition *definition;
    const struct instance_id *instance;
    struct slice service, version;
    struct slice traceparent, tracestate, request_id; /* request_id: of the Hello, for the log */
    uint64_t frame_request_id;
};

enum backend_lifetime {
    BACKEND_DETACHED, /* lives on when the broker goes */
    BACKEND_BOUND,    /* dies with the broker */
};

struct backends_config {
    struct loop *loop;
    struct fsm_world *world;
    const char *user_hash;   /* 16 hex digits; copied */
    const char *runtime_dir; /* the `broker` directory, made by the caller; borrowed for life */
    bool launching;          /* false: only registered backends are served */
    bool owned_bind;         /* the broker binds the endpoint before the fork (spec 03 §3.4) */
    enum backend_lifetime lifetime;
    struct rlimit child_nofile, child_data; /* given to every child: the limits that the broker was given */
    /* 0: the default of the specification. For tests. */
    uint32_t spawn_attempts;
    nsec_t spawn_window_nsec, launch_ceiling_nsec, stable_after_nsec;
};

LIST_HEAD(launch_list, launch);
LIST_HEAD(external_list, external);
LIST_HEAD(pending_list, backend_pending);
LIST_HEAD(orphan_list, orphan);

/* A broker's backends. The members are private. */
struct backends {
    struct backends_config config;
    struct allocator allocator;
    struct exe_hash hashes;
    struct registry registry;
    struct spawn_budget budget;
    struct loop_timer sweep; /* of the budget; runs while it knows any key */
    struct child_baseline baseline;
    char boot_id[BOOT_ID_SIZE];
    int locks_fd;
    bool is_draining, is_ready, is_boot_id_known;
    uint32_t n_launches, n_pendings;
    struct launch_list launches;
    struct external_list externals;
    struct pending_list pendings;
    struct orphan_list orphans;
};

/*
 * Makes a broker's table of backends. The passwd entry of the user is looked up here, once, because name services may
 * block. 0 or a negative errno.
 */
int backends_init(struct backends *backends, const struct backends_config *config);

/* The boot id; while it cannot be read, one that matches nothing, and each call tries again. */
const char *backends_boot_id(struct backends *backends);

/* Kills and forgets what is being launched, forgets (and does not stop) what lives. Accepts zeroes, twice. */
void backends_deinit(struct backends *backends);

/*
 * Asks for the backend of @request. 0: *@ret_answer is the answer. BACKENDS_E_WAIT: @waiter has joined and its
 * answered() comes later, never from inside this call. A negative errno: out of memory or the like; nothing was joined.
 * A warm answer allocates nothing.
 */
int backends_ask(struct backends *backends, const struct backend_request *request, struct backend_waiter *waiter,
                 struct backend_answer *ret_answer);

/* Stops waiting; a launch under way goes on. Harmless when not joined, also after the backends are gone. */
void backends_leave(struct backend_waiter *waiter);

/* The refusal that a waiter gets when its owner's patience is over (decision 10); spends nothing. */
void backends_refuse_in_progress(struct backend_answer *ret_answer);

/*
 * Looks whether the endpoint of every backend still is there, after somebody has cleaned up below the broker. A backend
 * that has lost its own is left alone but given to no client any more: the next one that asks gets a new backend. A
 * launch under way that has lost its own to a cleaner (launch_recheck()) fails.
 */
void backends_recheck_endpoints(struct backends *backends);

/* The broker drains: every waiter is refused with code 5, every later question too, partial children are killed. */
void backends_cancel(struct backends *backends);

/* Nothing is being launched, hashed or registered. */
bool backends_is_quiet(const struct backends *backends);

/* The owned-bind switch of spec 03 §3.4: @value is the variable's text, NULL when it is not set. */
bool backends_owned_bind_from(const char *value);

/* ------------------------------------------------------------------------------- a backend that somebody else runs */

struct external_config {
    const struct definition *definition;
    const struct instance_id *instance;
    struct slice service, version;
    const char *path;  /* of its socket */
    nsec_t limit_nsec; /* 0: the 10 s of spec 03 §8 */
    /* Called once, later: @error is NULL when the backend is registered, else the text of the last failure. */
    void (*done)(void *owner, const char *error);
    void *owner;
};

/*
 * Proves who listens at the path and registers it (decision 12, spec 03 §8): dialled and asked until it answers or the
 * limit is over; a wrong answer ends it at once. 0: done() comes; or a negative errno.
 */
int backends_register_external(struct backends *backends, const struct external_config *config);

/* ------------------------------------------------------------------------------------------------------- for admin */

struct backend_row {
    const struct backend_key *key;
    const char *state; /* "running", "stale" (its endpoint is gone), "spawning" */
    pid_t pid;
    const char *endpoint_path; /* "" while there is none */
    const char *exe_path;
    bool is_external;
    uint64_t started_at_unix_ms, registered_at_unix_ms, last_active_unix_ms, last_hello_unix_ms;
    const char *last_error; /* NULL: none */
};

/* Calls @each for every live and every launching backend, in no order. */
void backends_each(struct backends *backends, void (*each)(const struct backend_row *row, void *userdata),
                   void *userdata);

void backends_each_budget(struct backends *backends, void (*each)(const struct spawn_row *row, void *userdata),
                          void *userdata);

uint32_t backends_count_live(const struct backends *backends);
uint32_t backends_count_launching(const struct backends *backends);
uint32_t backends_count_waiters(const struct backends *backends);

/*
 * For the launches: spawn_budget_try_begin() for @key now, and the states that it leaves are freed when their windows
 * are over.
 */
int backends_take_permit(struct backends *backends, const struct backend_key *key, struct spawn_permit *ret_permit,
                         struct spawn_refusal *ret_refusal);

/* For the launches: a place for a killed process that does not die. NULL: no memory. */
struct orphan *orphan_new(void);

/* Of a place that was not needed. Returns NULL, accepts NULL. */
struct orphan *orphan_free(struct orphan *orphan);

/* Takes @orphan and the pidfd of a process that was killed; it is reaped when it ends. */
void backends_adopt_orphan(struct backends *backends, struct orphan *orphan, int pidfd);

/* For backends_deinit(): none of them is watched any more, and their memory is freed. */
void backends_forget_orphans(struct backends *backends);
