/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Asks whoever listens at an endpoint who it is (spec 03 §5 and §6.4, decision 12a). One connection is kept and waited
 * on across attempts, because every new one would leave a dead entry in the backlog of a backend that is still
 * starting; it is dropped only when the peer closed it or when the endpoint has become another socket.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backend/registry.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "wire/probe.h"

enum {
    PROBER_DEADLINE_MS = 500,
    PROBER_RETRY_MS = 5,
    PROBER_WATCH_MAX_MS = 50,  /* the endpoint is looked at at least this often */
    PROBER_ANSWER_MAX = 65536, /* body of the answer (spec 03 §5.4) */
};

enum prober_outcome {
    PROBER_ANSWERED = 1,
    PROBER_NOT_READY, /* nobody there, a full backlog, silence, or closed without an answer */
    PROBER_WRONG,     /* somebody else, or no proper answer: prober.why says what differs */
};

/* What the answer must say. Strings are borrowed for the prober's life. */
struct prober_expected {
    pid_t pid;
    const char *exe_path;
    const uint8_t *exe_hash; /* 32 bytes */
    const char *boot_id;
    const char *namespace_id;
};

struct prober {
    struct loop *loop;
    const char *path;
    const struct prober_expected *expected; /* NULL: take whoever answers properly */
    struct socket_identity bound;           /* the socket that the broker bound there; zeroed: none */
    const struct prober_hooks *hooks;
    void *owner;
    /* results */
    DaemonProcess *identity;       /* who answered; lives until the next question */
    pid_t peer_pid;                /* SO_PEERCRED: who called listen() */
    struct socket_identity seen;   /* the socket that was dialled last */
    struct socket_identity proven; /* a socket that the expected process was seen to listen on; zeroed: none */
    char why[160];                 /* of the last outcome that was not an answer */
    /* private */
    int fd;
    bool is_asking, is_stirred, is_taken_over;
    struct socket_identity looked; /* what was at the path when it was looked at last; zeroed: nothing */
    uint8_t nonce[PROBE_NONCE_SIZE];
    struct buffer answer;
    struct arena arena;
    uint8_t room[1024]; /* its first block, enough for an ordinary answer */
    nsec_t watch_since_nsec;
    struct loop_io io;
    struct loop_timer deadline, retry, watch;
};

struct prober_hooks {
    /* Called from the loop with the outcome of a question that prober_ask() left open. */
    void (*done)(void *owner, enum prober_outcome outcome);
    /* Between two questions, at most once: asking again is worth it before the back-off is over. May be NULL. */
    void (*stirred)(void *owner);
    /* The endpoint is not the broker's socket any more: whoever holds the old listener drops it. May be NULL. */
    void (*taken_over)(void *owner);
};

/* Prepares a prober of @path. Everything is borrowed for its life; @bound (may be NULL) is copied. No system call. */
void prober_init(struct prober *prober, struct loop *loop, const char *path, const struct prober_expected *expected,
                 const struct socket_identity *bound, const struct prober_hooks *hooks, void *owner);

/* Drops the connection and all timers. Accepts zeroes, twice; may be called from the prober's own hooks. */
void prober_deinit(struct prober *prober);

/*
 * Asks, or goes on waiting for the answer to the last question, for at most PROBER_DEADLINE_MS. Returns the outcome, or
 * 0: hooks->done() brings it.
 */
enum prober_outcome prober_ask(struct prober *prober);

/* Gives the question under way up without done(); the connection is kept. Harmless when none is. */
void prober_pause(struct prober *prober);
