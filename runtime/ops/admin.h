/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The admin verbs: a decoded request in, the document of the reply out (spec 05 §1-5). Frames, peers and deadlines are
 * the control socket's affair; so is what a shutdown does. Every answer is made of one snapshot.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "ops/admin_inodes.h"
#include "wire/message.h"

struct backend_row;
struct arena;
struct buffer;

/* What changes while a broker runs, as of now. */
struct admin_facts {
    bool is_accepting; /* Hellos are taken: running, and not demoted */
    bool is_demoted;   /* fd pressure */
    uint64_t connections_open;
    uint64_t unix_msec; /* wall clock */
    nsec_t uptime_nsec;
    struct admin_inodes inodes; /* looked at by STATUS alone */
};

/* Who is asked. Everything is borrowed and must outlive it. */
struct admin {
    const char *broker_instance; /* the instance, "launch" for a broker of all instances, "local" without a broker */
    pid_t broker_pid;
    void (*facts)(void *owner, struct admin_facts *ret_facts);
    /* Calls @each for every backend, in any order; NULL: there are none. */
    void (*each_backend)(void *owner, void (*each)(const struct backend_row *row, void *userdata), void *userdata);
    void *owner;
    struct inode_probe *inodes; /* what asks for the inodes of @facts; NULL: they are there at once */
};

/* A reply. Freed by admin_reply_deinit(). */
struct admin_reply {
    RunningProcess__Broker__V1__AdminReplyKind kind;
    char *body; /* owned; UTF-8 */
    uint32_t exit_code;
    const char *content_type; /* static */
    bool is_shutdown;         /* the ack of a shutdown: once it is written, the broker is to drain */
    msec_t drain_msec;        /* shutdown: as the client sent it; 0: the default */
};

enum {
    ADMIN_E_MALFORMED = 1, /* service_name or output_path is longer than ADMIN_TEXT_MAX: close without a reply */
};

#define ADMIN_TEXT_MAX 4096u

/*
 * To be called before admin_answer() by whoever cannot block. INODE_PROBE_E_WAIT: what the answer to @request needs is
 * being asked for, @waiter is told when it is there (inode_probe_ask()). 0: nothing is to be waited for.
 */
int admin_prepare(const struct admin *admin, const AdminRequest *request, struct inode_waiter *waiter);

/*
 * Answers @request. 0 and *@ret_reply, also for verbs that are not supported (exit code 2, spec 05 §2);
 * ADMIN_E_MALFORMED; -ENOMEM. Nothing is changed: acting on a shutdown is the caller's.
 */
int admin_answer(const struct admin *admin, const AdminRequest *request, struct admin_reply *ret_reply);

/* Frees the body. Accepts a zeroed reply, twice. */
void admin_reply_deinit(struct admin_reply *reply);

/* Makes @ret_message say what @reply says; it borrows from @reply. */
void admin_reply_message(const struct admin_reply *reply, AdminReply *ret_message);
