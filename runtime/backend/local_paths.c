/* SPDX-License-Identifier: MIT */

/*
 * A small table of strings, the least recently used forgotten first. It remembers what somebody else found out and
 * asks the kernel nothing. A path that comes to lead to another file system is known by the device that a later stat
 * reports; what it leads through on its way (a link on a server) is not known here.
 */

#include "backend/local_paths.h"

#include <stdlib.h>
#include <string.h>

struct local_path {
    TAILQ_ENTRY(local_path) by_use, in_bucket;
    dev_t dev;
    char path[];
};

void local_paths_init(struct local_paths *paths)
{
    memset(paths, 0, sizeof(*paths));
    TAILQ_INIT(&paths->by_use);
    for (size_t i = 0; i < 64; i++) {
        TAILQ_INIT(&paths->buckets[i]);
    }
    paths->is_ready = true;
}

static struct local_path_list *bucket_of(struct local_paths *paths, const char *path)
{
    uint32_t hash = 2166136261u;

    for (; *path; path++) {
        hash = (hash ^ (uint8_t)*path) * 16777619u; /* FNV-1a */
    }
    return &paths->buckets[(hash ^ (hash >> 16)) % 64];
}

static void drop(struct local_paths *paths, struct local_path *entry)
{
    TAILQ_REMOVE(&paths->by_use, entry, by_use);
    TAILQ_REMOVE(bucket_of(paths, entry->path), entry, in_bucket);
    paths->n--;
    free(entry);
}

void local_paths_deinit(struct local_paths *paths)
{
    struct local_path *entry;

    while (paths->is_ready && (entry = TAILQ_FIRST(&paths->by_use))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each call takes the first one off the list */
        drop(paths, entry);
    }
    paths->is_ready = false;
}

static struct local_path *find(struct local_paths *paths, const char *path)
{
    struct local_path *entry;

    TAILQ_FOREACH(entry, bucket_of(paths, path), in_bucket)
    {
        if (strcmp(entry->path, path) == 0) {
            return entry;
        }
    }
    return NULL;
}

bool local_paths_find(struct local_paths *paths, const char *path, dev_t *ret_dev)
{
    struct local_path *entry = find(paths, path);

    if (!entry) {
        return false;
    }
    TAILQ_REMOVE(&paths->by_use, entry, by_use);
    TAILQ_INSERT_TAIL(&paths->by_use, entry, by_use);
    *ret_dev = entry->dev;
    return true;
}

void local_paths_put(struct local_paths *paths, const char *path, dev_t dev)
{
    size_t size = strlen(path) + 1;
    struct local_path *entry = find(paths, path);

    if (entry) {
        entry->dev = dev;
        return;
    }
    if (paths->n >= LOCAL_PATHS_MAX) {
        drop(paths, TAILQ_FIRST(&paths->by_use));
    }
    entry = malloc(sizeof(*entry) + size);
    if (!entry) {
        return; /* it will be looked at on the worker again, that is all */
    }
    entry->dev = dev;
    memcpy(entry->path, path, size);
    TAILQ_INSERT_TAIL(&paths->by_use, entry, by_use);
    TAILQ_INSERT_TAIL(bucket_of(paths, path), entry, in_bucket);
    paths->n++;
}

void local_paths_forget(struct local_paths *paths, const char *path)
{
    struct local_path *entry = find(paths, path);

    if (entry) {
        drop(paths, entry);
    }
}
