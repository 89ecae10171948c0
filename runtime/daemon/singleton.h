/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The control socket's path belongs to one broker at a time: whoever holds the lock beside it (spec 02 §5.3). Only
 * under the lock is a stale socket recognised and removed and the new one bound.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/clock.h"
#include "service/endpoint.h"

enum {
    SINGLETON_E_BUSY = 1,  /* another broker holds the lock or answers on the socket */
    SINGLETON_E_FOREIGN,   /* something is there that is not ours to remove */
    SINGLETON_E_DIRECTORY, /* the directory is not fit to hold the socket */
    SINGLETON_E_PATH,      /* the path cannot be a socket's */
    SINGLETON_E_FAILED,    /* a system call failed */
};

enum { SINGLETON_TEXT_MAX = 1024 };

/* Zeroed memory is none; singleton_deinit() accepts it. */
struct singleton {
    bool is_open;                  /* the members below mean something */
    int dir_fd;                    /* of the socket's directory */
    int lock_fd;                   /* held for life */
    int socket_fd;                 /* listening */
    char path[ENDPOINT_PATH_SIZE]; /* as given */
    const char *name;              /* its last component, in `path` */
    bool is_bound;
    dev_t dev; /* of the socket that we bound */
    ino_t ino;
    /* for singleton_log() */
    bool removed_stale, narrowed_directory;
    const char *doubtful_fs; /* NULL: none */
};

struct singleton_config {
    const char *path;          /* of the socket */
    const char *canonical_dir; /* the user's `broker` directory: its levels are created. NULL: none is canonical */
    nsec_t patience_nsec;      /* how long a held lock is tried again; 0: one second */
};

/*
 * Prepares the directory, takes the lock, removes a stale socket, binds (0600 from birth) and listens. May take the
 * patience: for the time before the loop runs. 0, or SINGLETON_E_* with a clause for the operator in @ret_text; then
 * nothing is held and nothing was removed that answers or is not ours.
 */
int singleton_bind(struct singleton *singleton, const struct singleton_config *config,
                   char ret_text[SINGLETON_TEXT_MAX]);

/* Logs what is worth knowing of the last binding: a directory that was narrowed, a doubtful file system, a stale socket
 * that was removed. */
void singleton_log(const struct singleton *singleton);

/* Whether the path still leads to the socket that we bound. */
bool singleton_is_in_place(const struct singleton *singleton);

/*
 * Binds a new socket where the old one was lost: somebody removed its name, or the directory with it. All of
 * singleton_bind()'s rules hold, but a lock that somebody else took meanwhile is not waited for. The new socket takes
 * the old one's number, so whoever waits for connections there goes on; connections that nobody took from the old
 * one's queue are reset. 0, or SINGLETON_E_* with the clause and everything as it was.
 */
int singleton_rebind(struct singleton *singleton, const struct singleton_config *config,
                     char ret_text[SINGLETON_TEXT_MAX]);

/*
 * Unlinks the socket if its name still leads to the one that we bound, closes it, then gives the lock up. The lock file
 * stays. Twice is harmless.
 */
void singleton_deinit(struct singleton *singleton);
