/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The live backends (spec 03 §8): a table of proven processes by key, emptied by their pidfds. Only what has passed the
 * verification of spec 03 §4.3 enters; nothing dead stays, because the exit removes the entry before the loop delivers
 * anything else of that turn.
 */

#include <stdbool.h>
#include <stdint.h>
#include <signal.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "backend/allocator.h"
#include "backend/key.h"
#include "base/clock.h"
#include "loop/loop.h"

struct registry;

/* Which socket file is meant: another one at the same path is another identity. Zeroed: none. */
struct socket_identity {
    dev_t dev;
    ino_t ino;
};

/* One live backend. */
struct backend {
    LIST_ENTRY(backend) entry, of_service;
    struct registry *registry; /* NULL: not registered */
    struct backend_key key;
    struct endpoint_reservation endpoint;
    char *external_path;           /* of a backend that was registered from outside; NULL: `endpoint` */
    struct socket_identity socket; /* proven to be this backend's; unlinked when it has exited */
    char *exe_path;
    pid_t pid;
    uint64_t start_ticks;
    uint64_t started_at_unix_ms, registered_at_unix_ms, last_hello_unix_ms;
    nsec_t last_probe_nsec;
    bool is_external;    /* not our child: it was there before us */
    bool is_unreachable; /* its socket was removed by somebody: no look-up finds it, its exit is awaited all the same */
    struct loop_child child;
    struct loop_timer stable;
};

LIST_HEAD(backend_list, backend);

struct registry {
    struct loop *loop;
    nsec_t stable_after_nsec;
    /* The backend has exited and has left the table; @info is NULL when it was not our child. Freed afterwards. */
    void (*gone)(void *owner, struct backend *backend, const siginfo_t *info);
    /* It has run for the stability period. */
    void (*stable)(void *owner, struct backend *backend);
    void *owner;
    uint32_t n;
    struct backend_list buckets[256];
    struct backend_list services[64]; /* the same backends by their service alone */
};

void registry_init(struct registry *registry, struct loop *loop, nsec_t stable_after_nsec);

/* Forgets every backend; none is stopped, none of their sockets is unlinked. */
void registry_deinit(struct registry *registry);

/* 0 and *@ret (zeroed but for the key), or -ENOMEM. */
int backend_new(const struct backend_key *key, struct backend **ret);
struct backend *backend_free(struct backend *backend);

/* The path that clients dial. */
const char *backend_path(const struct backend *backend);

/*
 * Puts @backend, with pid, socket and paths filled in, under its key and watches @pidfd (taken in every case). The
 * table owns the backend from here on. 0; -EEXIST when the key has a live backend; or a negative errno. On failure the
 * caller still owns the backend.
 */
int registry_insert(struct registry *registry, struct backend *backend, int pidfd);

/* The live backend of exactly @key whose endpoint is there, or NULL. */
struct backend *registry_get(struct registry *registry, const struct backend_key *key);

/* The same, whatever its build. Never for routing in launch mode. */
struct backend *registry_get_any_build(struct registry *registry, const struct backend_key *key);

/*
 * Looks whether the endpoint of every backend still is there. One whose path leads to no socket any more, or to one of
 * the user's that nobody listens on, is no longer found by look-ups; it stays in the table, counts, and is watched
 * until it has exited. @lost is called for each that is found so now.
 */
void registry_recheck(struct registry *registry, void (*lost)(struct backend *backend, void *userdata), void *userdata);

/* Takes @backend out without stopping it; the caller owns it. */
void registry_remove(struct backend *backend);

uint32_t registry_count_service(struct registry *registry, const char *service);
void registry_each(struct registry *registry, void (*each)(struct backend *backend, void *userdata), void *userdata);

/* What is at @path now. 0, or a negative errno (-ENOENT: nothing; -ENOTSOCK: no socket). Never follows a link. */
int socket_identity_get(const char *path, struct socket_identity *ret);
bool socket_identity_equal(const struct socket_identity *a, const struct socket_identity *b);

/* Unlinks the socket at @path if it is @known, and nothing else. Returns true when it did. */
bool socket_unlink_if(const char *path, const struct socket_identity *known);

/* Unlinks the socket at @path if it is the user's own and nobody listens on it any more. Returns true when it did. */
bool socket_unlink_deserted(const char *path);
