/* SPDX-License-Identifier: MIT */
#pragma once

/* Probes, as the rules for backends send and judge them. */

#include "cli/conform.h"

#define CONFORM_TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define CONFORM_TRACESTATE "conform=1"

/* One probe: how it is asked, and what came back. */
struct conform_try {
    uint8_t nonce[PROBE_NONCE_SIZE];
    bool is_slow; /* byte by byte */
    bool is_traced;
    struct buffer in; /* begins with the answer */
    size_t size;      /* of the answer */
    nsec_t took_nsec;
};

/* A fresh nonce, asked in the ordinary way. */
void conform_try_init(struct conform_try *try);
void conform_try_deinit(struct conform_try *try);

/* Appends the request. 0 or a negative errno. */
int conform_try_pack(const struct conform_try *try, struct buffer *out);

/* The answer's body, once there is one. */
struct slice conform_try_body(const struct conform_try *try);

/* Asks on @fd and waits for the frame that comes back. Not judged yet. */
enum conform_verdict conform_try_ask(struct conform *conform, int fd, struct conform_try *try);

/* The verdict of a prober on what came back; with HOLDS *@ret_identity (may be NULL), in the arena, else NULL. */
enum conform_verdict conform_try_judge(struct conform *conform, const struct conform_try *try,
                                       enum probe_fault *ret_fault, const DaemonProcess **ret_identity);

/* Whether a backend answered the probe, be its identity good or not. */
bool conform_is_answer(enum probe_fault fault);

/* The first rule of both tables: this user listens, and somebody is seen to accept. */
enum conform_verdict conform_check_accepts(struct conform *conform);

/* Asks on @fd; the answer must be good in every respect. */
enum conform_verdict conform_probe_on(struct conform *conform, int fd, bool is_slow);

/* An ordinary probe on a connection of its own. */
enum conform_verdict conform_probe(struct conform *conform);

/* The same after @what, which must not have hurt the backend. */
enum conform_verdict conform_lives_on(struct conform *conform, const char *what);
