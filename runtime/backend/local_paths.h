/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Paths that may be looked at on the loop, because what they lead to was seen on a local file system (decision 14): a
 * stat of anything else can hang for as long as a server is dead.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

enum { LOCAL_PATHS_MAX = 256 };

struct local_path;
TAILQ_HEAD(local_path_list, local_path);

/* The members are private. Zeroed: empty, nothing to free. */
struct local_paths {
    uint32_t n;
    bool is_ready;
    struct local_path_list by_use; /* least recently used first */
    struct local_path_list buckets[64];
};

void local_paths_init(struct local_paths *paths);

/* Accepts zeroes, twice. */
void local_paths_deinit(struct local_paths *paths);

/* True when @path was seen to lead to the file system @ret_dev, which is local. Allocates nothing. */
bool local_paths_find(struct local_paths *paths, const char *path, dev_t *ret_dev);

/* Remembers that @path leads to @dev, a local file system. Failure to remember is no error. */
void local_paths_put(struct local_paths *paths, const char *path, dev_t dev);

/* @path leads elsewhere by now. Harmless when it is not known. */
void local_paths_forget(struct local_paths *paths, const char *path);
