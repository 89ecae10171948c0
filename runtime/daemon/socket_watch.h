/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Keeps the control socket reachable: somebody who cleans the run-time directory may remove the socket, or the
 * directory with it, while the broker lives. Then it is bound again. What has become of the sockets beside it is for
 * their owner to see, who is told when to look.
 */

#include "daemon/singleton.h"
#include "loop/loop.h"

/* Zeroed: none. */
struct socket_watch {
    struct loop *loop;
    struct singleton *singleton;    /* borrowed */
    struct singleton_config config; /* its strings are borrowed */
    const char *backends_dir;       /* borrowed */
    void (*looked)(void *owner);
    void *owner;
    int inotify_fd;
    struct loop_io io;
    struct loop_timer look;
    nsec_t pause_nsec;             /* before the next attempt */
    uint32_t n_guest_pauses;       /* for who is in the lost socket's queue */
    char told[SINGLETON_TEXT_MAX]; /* why the last attempt failed, as it was logged */
};

/*
 * Watches the socket of @singleton, which was bound by @config. Never fails: without inotify (its number a user is
 * limited) that is logged, and only socket_watch_look() looks. @looked is called whenever there was a reason to look
 * and the control socket is in place, again or still: something beside it, or in @backends_dir (NULL: no such), may be
 * gone.
 */
void socket_watch_init(struct socket_watch *watch, struct loop *loop, struct singleton *singleton,
                       const struct singleton_config *config, const char *backends_dir, void (*looked)(void *owner),
                       void *owner);

/* Looks soon whether the path still leads to the socket, also while an attempt to bind it anew pauses. */
void socket_watch_look(struct socket_watch *watch);

/* Before the singleton's deinit. Accepts zeroes, twice. */
void socket_watch_deinit(struct socket_watch *watch);
