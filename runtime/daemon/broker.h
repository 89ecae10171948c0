/* SPDX-License-Identifier: MIT */
#pragma once

/* The objects of one broker, wired together. The steps of its life are in daemon.c. */

#include <stdbool.h>
#include <stddef.h>

#include "backend/backends.h"
#include "control/control.h"
#include "daemon/daemon.h"
#include "daemon/drain.h"
#include "daemon/singleton.h"
#include "daemon/socket_watch.h"
#include "daemon/startup.h"
#include "fsm/fsm.h"
#include "hello/hello.h"
#include "hello/lookup.h"
#include "loop/loop.h"
#include "ops/admin.h"
#include "service/endpoint.h"
#include "service/identity.h"
#include "service/store.h"

struct broker {
    const struct daemon_config *config; /* borrowed */
    struct startup_limits limits;
    char user_hash[IDENTITY_HASH_SIZE];
    char runtime_dir[ENDPOINT_DIR_SIZE];  /* the user's `broker` directory; "": it cannot be named */
    char fallback_dir[ENDPOINT_DIR_SIZE]; /* for backends, where paths in runtime_dir would be too long */
    const char *backends_dir;             /* of the two, where backends have their sockets; NULL: none is launched */
    char canonical_path[ENDPOINT_PATH_SIZE];
    const char *socket_path;
    struct instance_id name; /* what the broker calls itself */
    nsec_t started_nsec;

    struct loop loop;
    struct fsm_world world;
    struct loop_signals signals;
    struct singleton singleton;
    struct socket_watch socket_watch;
    struct store store;
    struct lookup lookup;
    struct backends backends;
    struct hello hello;
    struct control *control;
    struct inode_probe inodes;
    struct admin admin;
    struct drain drain;
    /* which of them stand */
    bool has_loop, has_world, has_signals, has_store, has_backends, has_hello;
    bool is_interrupted; /* told to end before it was ready */
};

/* Loop, machines, signals. 0 or a negative errno. */
int broker_init_base(struct broker *broker);

/* Definitions and backends (not for DAEMON_ONCE). 0 or a negative errno. */
int broker_init_backends(struct broker *broker);

/* The control socket, bound and from then on watched. 0, or SINGLETON_E_* with the clause in @ret_text. */
int broker_bind_socket(struct broker *broker, char ret_text[SINGLETON_TEXT_MAX]);

/* Hello, admin, control: needs the bound socket; clients are served from the next turn on. 0 or a negative errno. */
int broker_init_control(struct broker *broker);

/* Takes everything down in the opposite order. Accepts one that is half built. */
void broker_deinit(struct broker *broker);
