/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One Hello, from its decoded Frame to the facts of its reply: decode, shape, draining, rate limit, router, negotiated
 * values (spec 01 section 6.6). One of these exists in a process: the rate limiter and the connection ids are
 * broker-wide.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "backend/backends.h"
#include "base/arena.h"
#include "hello/lookup.h"
#include "hello/rate_limit.h"
#include "hello/reply.h"
#include "loop/loop.h"
#include "service/instance.h"
#include "service/store.h"
#include "wire/message.h"

struct hello_config {
    struct loop *loop;                /* borrowed */
    struct store *store;              /* borrowed. NULL: handler mode, no service is registered (--serve-once) */
    struct lookup *lookup;            /* borrowed. NULL: the loop itself looks into the store, wherever it is */
    struct backends *backends;        /* borrowed. NULL only in handler mode */
    const struct instance_id *serves; /* copied. NULL: every instance (decision 13) */
    uint32_t rate_limit;              /* Hellos of a peer in a window; 0: no limit (decision 9a) */
    nsec_t rate_window_nsec;          /* 0: one second */
};

/* Who asks, by the kernel's word. */
struct hello_peer {
    pid_t pid; /* 0: outside our pid namespace */
    uid_t uid;
};

enum { HELLO_CODES_MAX = 10 };

/* Room for the texts that a reply borrows. */
struct route_scratch {
    struct backend_answer answer;
    char reason[REPLY_REASON_MAX + 1];
};

struct hello {
    struct hello_config config;
    struct instance_id serves;
    bool is_draining;
    struct rate_limit limiter;
    uint64_t last_connection_id;
    uint64_t outcomes[HELLO_CODES_MAX]; /* by wire error code; 0: negotiated */
    uint32_t n_waiting;                 /* exchanges that wait now */
    struct route_scratch scratch;       /* the reply of the latest hello_ask() borrows from it */
};

/*
 * What the broker remembers of a Hello while it is answered. Embedded in its owner; zeroed memory is one that is not
 * under way. While it waits, the strings point into the memory that the caller offered for keeping.
 */
struct hello_exchange {
    struct hello *hello;
    void (*answered)(struct hello_exchange *exchange, const struct reply *reply);
    struct backend_waiter waiter;
    struct lookup_waiter looking; /* its definition is looked up by the worker */
    struct loop_timer again;      /* its definition is just being written: asked again then (decision 5) */
    struct hello_peer peer;
    struct envelope_echo echo;
    const char *service;
    const char *version;
    const char *request_id; /* the Hello's own, for logs */
    uint64_t keepalive_secs;
    bool is_waiting;
    bool is_settling; /* `again` is set */
};

enum { HELLO_E_WAIT = 1 };

/* 0 or a negative errno. */
int hello_init(struct hello *hello, const struct hello_config *config);

/* Nothing may wait any more. Accepts zeroes, twice. */
void hello_deinit(struct hello *hello);

/*
 * From now on a Hello of good shape is refused with ERROR_SHUTTING_DOWN, those that wait for a definition at once.
 * Those that wait for a backend are not touched: backends_cancel() refuses them.
 */
void hello_set_draining(struct hello *hello);

/*
 * Answers the Hello in @frame, sent by @peer, at @now_nsec (monotonic).
 *
 * @arena takes what is decoded; the reply may point into it. @keep (@keep_size bytes) stays with the exchange while it
 * waits: the body that @frame was decoded from is always big enough, and may be that very memory.
 *
 * 0 with *@ret_reply, whose strings are good until the arena is reset or another Hello is asked; HELLO_E_WAIT:
 * answered() is called once, later, never from inside this call, unless hello_leave() or hello_give_up() comes first; a
 * negative errno: there is no answer.
 */
int hello_ask(struct hello *hello, struct hello_exchange *exchange, const Frame *frame, const struct hello_peer *peer,
              nsec_t now_nsec, struct arena *arena, void *keep, size_t keep_size,
              void (*answered)(struct hello_exchange *exchange, const struct reply *reply), struct reply *ret_reply);

/* Stops waiting; what is being launched goes on. Harmless when nothing waits. */
void hello_leave(struct hello_exchange *exchange);

/*
 * hello_leave() with the in-progress refusal of spec 01 section 6.5 step 12: the client's patience is over. The strings
 * of *@ret_reply are good as long as the kept memory is.
 */
void hello_give_up(struct hello_exchange *exchange, struct reply *ret_reply);

/* Counts and logs a refusal that was decided before hello_ask(): framing, size, descriptors. */
void hello_note(struct hello *hello, const struct hello_peer *peer, const struct reply *reply);
