/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How full the file system of the state directory is, for `status` (spec 05 §3.2), and how the loop asks for it. A dead
 * server behind a home directory must not stop the broker, so the worker asks (decision 14) while whoever wants to know
 * waits; what takes longer than 2 s is answered with ETIMEDOUT.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "loop/loop.h"

enum { ADMIN_INODES_LIMIT_S = 2 };

/* @error: positive errno of the question, 0: it was answered. */
struct admin_inodes {
    int error;
    uint64_t total, free;
};

/* The directory whose file system it is about. Returns @ret_path. */
const char *admin_state_dir(char *ret_path, size_t size);

/* Asks about @path, or its nearest ancestor that exists. May block for ever: not for the loop. */
void admin_inodes_look(const char *path, struct admin_inodes *ret_inodes);

enum { INODE_PROBE_E_WAIT = 1 };

struct inode_job;

/* Somebody who waits. Embedded in its owner; zeroed: waits for nothing. */
struct inode_waiter {
    void (*known)(struct inode_waiter *waiter); /* called once, from the loop, unless left before */
    /* private */
    LIST_ENTRY(inode_waiter) entry;
    bool is_waiting;
};

/* The members are private, but for what is said of them. Zeroed: none. */
struct inode_probe {
    struct loop *loop;
    struct admin_inodes known; /* to be read: the latest answer, good when inode_probe_ask() or known() has said so */
    LIST_HEAD(, inode_waiter) waiting;
    struct inode_job *job;  /* queued or under way; NULL: nobody asks */
    struct inode_job *hung; /* given up, and its thread has not come back */
    struct loop_timer patience;
    nsec_t limit_nsec;                                               /* tests set less */
    void (*look)(const char *path, struct admin_inodes *ret_inodes); /* admin_inodes_look(); tests set another */
};

/* @loop is borrowed. Allocates and asks nothing. */
void inode_probe_init(struct inode_probe *probe, struct loop *loop);

/* Whoever still waits is forgotten without being told. Before the loop's deinit. Accepts zeroes, twice. */
void inode_probe_deinit(struct inode_probe *probe);

/*
 * INODE_PROBE_E_WAIT: @waiter has joined and is told when @probe->known has a fresh answer. 0: there is nothing to wait
 * for, and @probe->known says why: the last question still hangs, or there is no thread to ask it.
 */
int inode_probe_ask(struct inode_probe *probe, struct inode_waiter *waiter);

/* Stops waiting; until there is an answer @probe->known is ETIMEDOUT. Harmless when not waiting. */
void inode_probe_leave(struct inode_waiter *waiter);
