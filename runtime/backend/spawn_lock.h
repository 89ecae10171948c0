/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The lock between brokers of one user (spec 03 §7.2, decision 9g): one file a key, flock, never waited for, never
 * deleted. The descriptor is CLOEXEC, so no child ever shares the lock beyond its exec.
 */

#include <stdbool.h>
#include <stddef.h>

#include "backend/key.h"

enum {
    _SPAWN_LOCK_E_SUCCESS,
    SPAWN_LOCK_E_HELD,      /* somebody else launches this key */
    SPAWN_LOCK_E_RECREATED, /* the file was replaced under us, three times in a row */
    SPAWN_LOCK_E_DIRECTORY, /* the directory is not ours alone */
    SPAWN_LOCK_E_REMOTE,    /* the directory is on a network or FAT file system, where flock means nothing */
};

enum { SPAWN_LOCK_NAME_SIZE = 256 };

/*
 * Opens (creating it, 0700) the directory of the locks below the broker's runtime directory.
 * 0 and *@ret_fd (owned by the caller), SPAWN_LOCK_E_DIRECTORY, SPAWN_LOCK_E_REMOTE, or a negative errno.
 */
int spawn_lock_dir_open(const char *runtime_dir, int *ret_fd);

/* `<instance>.<service>-<version>-<8 hex digits>.spawn.lock` with every `:` as `_`. */
void spawn_lock_name(const struct backend_key *key, char ret_name[SPAWN_LOCK_NAME_SIZE]);

/* Takes the lock @name in @dir_fd. 0 and *@ret_fd (owned by the caller), SPAWN_LOCK_E_*, or a negative errno. */
int spawn_lock_acquire(int dir_fd, const char *name, int *ret_fd);

/* True: whoever takes the lock @name below @runtime_dir now takes another file than @fd, or there is none. */
bool spawn_lock_is_lost(const char *runtime_dir, const char *name, int fd);

/* Gives the lock back and closes *@fd, which becomes -1. Harmless at -1. The file stays. */
void spawn_lock_release(int *fd);
