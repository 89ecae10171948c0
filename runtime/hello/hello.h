/* SPDX-License-Identifier: MIT */
#ifndef HELLO_HELLO_H
#define HELLO_HELLO_H

/*
 * One Hello, from its decoded Frame to the facts of its reply: decode, shape, draining, rate limit, router, negotiated
 * values (spec 01 section 6.6). One of these exists in a process: the rate limiter and the connection ids are
 * broker-wide.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker_v1_envelope.pb-c.h"

#include "backend/backends.h"
#include "base/arena.h"
#include "base/slice.h"
#include "hello/rate_limit.h"
#include "hello/reply.h"
#include "loop/loop.h"
#include "service/instance.h"
#include "service/store.h"

struct hello_config {
    struct loop *loop;                /* borrowed */
    struct store *store;              /* borrowed. NULL: handler mode, no service is registered (--serve-once) */
    struct backends *backends;        /* borrowed. NULL only in handler mode */
    const struct instance_id *serves; /* copied. NULL: every instance (decision 13) */
    uint32_t rate_limit;              /* Hellos a peer and window; 0: no limit */
    nsec_t rate_window_nsec;          /* 0: one second */
};

/* Outcomes by wire error code; 0 counts the negotiated ones. */
enum { HELLO_CODES_MAX = 10 };

struct hello {
    struct hello_config config;
    struct instance_id serves;
    bool is_restricted;
    bool is_draining;
    struct rate_limit limiter;
    uint64_t last_connection_id;
    uint64_t outcomes[HELLO_CODES_MAX];
    uint64_t waiting; /* exchanges that wait right now */
};

/* Who asks, by the kernel's word. */
struct hello_peer {
    pid_t pid;
    uid_t uid;
};

/*
 * What the broker remembers of a Hello while it is answered. Embedded in the connection; zeroed memory is one that is
 * not under way. The slices point into the memory that the caller offered for keeping.
 */
struct hello_exchange {
    struct hello *hello;
    void (*answered)(struct hello_exchange *, const struct reply *);
    struct backend_waiter waiter;
    struct loop_timer again;    /* a definition that is being written: ask again then (decision 5) */
    struct hello_peer peer;
    struct reply_echo echo;
    struct slice service;
    struct slice version;
    struct slice request_id;
    uint64_t keepalive_secs;
    bool is_waiting;
};

enum { HELLO_E_WAIT = 1 };

/* 0, -ENOMEM. Borrows what the configuration names. */
int hello_init(struct hello *hello, const struct hello_config *config);
void hello_deinit(struct hello *hello);

/* From now on every Hello with a good shape is refused with ERROR_SHUTTING_DOWN; those that wait are not touched. */
void hello_set_draining(struct hello *hello, bool is_draining);
bool hello_is_draining(const struct hello *hello);

/*
 * Answers the Hello in @frame for @peer.
 *
 * @arena holds what is decoded, until this returns (the reply's slices may point into it).
 * @keep, @keep_size: memory that stays with the exchange while it waits; the body that @frame was decoded from is
 * always big enough, and may be that memory itself.
 *
 * Returns 0 with @ret_reply, whose slices are valid until the arena is reset or the exchange is used again;
 * HELLO_E_WAIT: @answered is called once, later, from a callback or an action, unless hello_leave() or
 * hello_give_up() comes first; negative errno: there is no answer.
 */
int hello_ask(struct hello *hello, struct hello_exchange *exchange, const RunningProcess__Broker__V1__Frame *frame,
              const struct hello_peer *peer, struct arena *arena, void *keep, size_t keep_size,
              void (*answered)(struct hello_exchange *, const struct reply *), struct reply *ret_reply);

/* Stops waiting; what is being launched goes on. Harmless when nothing waits. */
void hello_leave(struct hello_exchange *exchange);

/* hello_leave(), and the in-progress refusal of spec 01 section 6.5 step 12 in @ret_reply: patience has run out. */
void hello_give_up(struct hello_exchange *exchange, struct reply *ret_reply);

/* Counts and logs an outcome that was decided outside of hello_ask(): fd pressure, size, framing. */
void hello_note(struct hello *hello, const struct hello_exchange *exchange, const struct reply *reply);

#endif
