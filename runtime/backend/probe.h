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
#include "base/clock.h"
#include "loop/loop.h"
#include "wire/probe.h"

enum {
    PROBE_DEADLINE_MS = 500,
    PROBE_RETRY_MS = 5,
    PROBE_ANSWER_MAX = 65536, /* body of the answer (spec 03 §5.4) */
};

enum probe_outcome {
    PROBE_ANSWERED = 1,
    PROBE_NOT_READY, /* nobody there, a full backlog, silence, or closed without an answer */
    PROBE_WRONG,     /* somebody else, or no proper answer: probe.why says what differs */
};

/* What the answer must say. Strings are borrowed for the probe's life. */
struct probe_expected {
    pid_t pid;
    const char *exe_path;
    const uint8_t *exe_hash; /* 32 bytes */
    const char *boot_id;
    const char *namespace_id;
};

/* Who answered; strings are owned by the probe. */
struct probe_identity {
    pid_t pid;
    pid_t peer_pid; /* SO_PEERCRED: who called listen() */
    char *exe_path;
    uint8_t exe_hash[32];
    char *boot_id;
    char *namespace_id;
    char *path;
    uint64_t started_at_unix_ms;
    bool has_idle_timeout;
    uint32_t idle_timeout_s;
};

struct probe {
    struct loop *loop;
    const char *path;
    const struct probe_expected *expected; /* NULL: take whoever answers properly and listens itself */
    struct socket_identity bound;          /* the socket that the broker bound there; zeroed: none */
    void (*done)(void *owner, enum probe_outcome outcome);
    void (*stirred)(void *owner);
    void *owner;
    /* results */
    struct probe_identity identity;
    struct socket_identity seen;  /* the socket that was dialled last */
    struct socket_identity proven; /* a socket that was seen to belong to the expected pid */
    bool is_taken_over;            /* the endpoint is no longer the broker's socket */
    char why[160];
    /* private */
    int fd;
    bool is_asking, is_asked, is_stirred;
    uint8_t nonce[32];
    uint8_t *answer;
    size_t answer_size, answer_capacity;
    nsec_t watch_since_nsec;
    nsec_t deadline_nsec;
    struct loop_io io;
    struct loop_timer deadline, retry, watch;
};

/*
 * Prepares a probe of @path. @expected, @path are borrowed. @bound: the broker's own socket there, or NULL.
 * @done is called from the loop, once for every probe_ask(). @stirred (may be NULL) is called at most once between two
 * questions, when the kept connection or the endpoint has changed and asking again is worth it.
 */
void probe_init(struct probe *probe, struct loop *loop, const char *path, const struct probe_expected *expected,
                const struct socket_identity *bound, void (*done)(void *owner, enum probe_outcome outcome),
                void (*stirred)(void *owner), void *owner);
void probe_deinit(struct probe *probe);

/* Asks, or goes on waiting for the answer to the last question, for at most PROBE_DEADLINE_MS. */
void probe_ask(struct probe *probe);

/* Gives the question under way up without calling done(); the connection is kept. Harmless when none is. */
void probe_pause(struct probe *probe);
