/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * `conform ENDPOINT|SERVICE`: tries the rules of the protocol on somebody's backend or broker and says of each whether
 * it holds. A rule is a row of a table: a name for programs, where it is written, what it says, and how it is tried.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "cli/options.h"
#include "wire/message.h"
#include "wire/probe.h"

enum conform_verdict {
    CONFORM_HOLDS,
    CONFORM_NOTICE, /* holds, and something is worth a look */
    CONFORM_FAILS,
    CONFORM_UNTRIED, /* what it needs did not come about; does not count as holding, nor as failing */
};

/* What is tried, and what was found out about it so far. */
struct conform {
    const char *path;
    const struct options *options; /* of the command; NULL: none */
    uint32_t lane;                 /* of the backend's own; 0: none was named */
    char detail[512];              /* of the rule that is being tried; empty when there is nothing to say */
    struct arena arena;
    const DaemonProcess *identity; /* of a backend: its first good answer, in the arena; NULL: none yet */
    int32_t peer_pid;              /* of whoever listens; 0: not known yet */
    bool is_answered;              /* a probe was, by a backend, though perhaps without a good identity */
    enum probe_fault fault;        /* once answered: what is wrong with the identity */
    bool has_tail;                 /* once answered: the answer ended with the legacy digest */
};

struct conform_rule {
    const char *name, *spec, *text;
    enum conform_verdict (*check)(struct conform *conform);
};

/* Whether it is of this kind, be it good or not: for whoever was asked as the other. */
bool conform_is_backend(struct conform *conform);
bool conform_is_broker(struct conform *conform);

/* Rules that need a name: a Hello for --service, a frame on --lane. */
enum conform_verdict conform_check_service(struct conform *conform);
enum conform_verdict conform_check_lane(struct conform *conform);

/* Asks the broker at conform->path for @service. With HOLDS *@ret_backend in the arena. */
enum conform_verdict conform_negotiate(struct conform *conform, const struct options *options, const char *service,
                                       const char **ret_backend);

/* Both end with a rule that has no name. The first rule of each is that somebody accepts connections. */
extern const struct conform_rule conform_backend_rules[];
extern const struct conform_rule conform_broker_rules[];

/* The command: 0 every rule holds, 1 not, 2 usage. */
int conform_command(const struct options *options);

/* ------------------------------------------------------------------------------------------- what rules are made of */

#define CONFORM_PROBE_NSEC (500 * NSEC_PER_MSEC) /* a backend answers a probe within */
#define CONFORM_PATIENCE_NSEC (2 * NSEC_PER_SEC) /* whatever else is waited for */

/* Notes what is wrong; returns CONFORM_FAILS. */
enum conform_verdict conform_fails(struct conform *conform, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for what is only worth a look. */
enum conform_verdict conform_notice(struct conform *conform, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for what could not be tried, with the reason. */
enum conform_verdict conform_untried(struct conform *conform, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A connection, the caller's, nonblocking. 0, or -1 with the failure noted. */
int conform_dial(struct conform *conform, int *ret_fd);

/* Sends as much as the peer takes within the patience. */
void conform_send(int fd, const void *bytes, size_t size);

/* Byte by byte, with a moment between them. */
void conform_trickle(int fd, const void *bytes, size_t size);

enum {
    CONFORM_E_CLOSED = 1, /* the peer closed */
    CONFORM_E_LATE,       /* the deadline came first */
    CONFORM_E_RUBBISH,    /* what came is no frame */
};

/* Reads until @in begins with a whole frame; 0 and its size, header included, or CONFORM_E_*. */
int conform_read_frame(int fd, nsec_t deadline_nsec, struct buffer *in, size_t *ret_size);

/* Reads until the peer closes. 0, or CONFORM_E_LATE; in both cases @in holds what came. */
int conform_read_all(int fd, nsec_t deadline_nsec, struct buffer *in);

/* "no answer within 500 ms" for a CONFORM_E_*; static. */
const char *conform_read_text(int code);
