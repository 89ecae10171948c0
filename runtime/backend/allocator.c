/* SPDX-License-Identifier: MIT */

/*
 * Sixteen random bytes make a name; a name is taken while a launch or a backend holds its reservation, or while
 * anything exists at its path. The table of reservations is intrusive, so reserving needs no memory. It derives names
 * and asks whether one exists; it makes no directory and binds nothing.
 */

#include "backend/allocator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/random.h"
#include "base/sys.h"
#include "service/endpoint.h"
#include "service/identity.h"

static bool exists_on_disk(const char *path)
{
    struct stat st;

    return sys_lstat(path, &st) != -ENOENT;
}

void allocator_init(struct allocator *allocator, const char *user_hash, const char *dir)
{
    memset(allocator, 0, sizeof(*allocator));
    snprintf(allocator->user_hash, sizeof(allocator->user_hash), "%s", user_hash);
    if (strlen(user_hash) >= sizeof(allocator->user_hash)) {
        allocator->user_hash[0] = '\0'; /* no hash at all: the first allocation says so */
    }
    allocator->dir = dir;
    allocator->max_attempts = ALLOCATOR_ATTEMPTS;
    allocator->random = random_bytes;
    allocator->exists = exists_on_disk;
}

static struct endpoint_reservations *bucket_of(struct allocator *allocator, const char *path)
{
    uint32_t hash = 2166136261u;

    for (; *path; path++) {
        hash = (hash ^ (uint8_t)*path) * 16777619u;
    }
    return &allocator->reserved[(hash ^ (hash >> 16)) % 64];
}

static bool is_reserved(struct allocator *allocator, const char *path)
{
    const struct endpoint_reservation *reservation;

    LIST_FOREACH(reservation, bucket_of(allocator, path), entry)
    {
        if (strcmp(reservation->path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void hold(struct allocator *allocator, struct endpoint_reservation *reservation, const char *path)
{
    memcpy(reservation->path, path, strlen(path) + 1); /* whoever calls has seen that it fits */
    reservation->is_held = true;
    LIST_INSERT_HEAD(bucket_of(allocator, path), reservation, entry);
}

static bool is_usable(const struct allocator *allocator, const char *path)
{
    size_t size = strlen(allocator->dir);

    return !allocator->is_fallback_refused || (strncmp(path, allocator->dir, size) == 0 && path[size] == '/');
}

static int derive(struct allocator *allocator, char ret_path[ALLOCATOR_PATH_SIZE])
{
    uint8_t random[ENDPOINT_RANDOM_SIZE];
    int r;

    r = allocator->random(random, sizeof(random));
    if (r < 0) {
        return error_trace(r);
    }
    switch (endpoint_backend_path(allocator->dir, allocator->user_hash, random, ret_path)) {
    case 0:
        return is_usable(allocator, ret_path) ? 0 : ALLOCATOR_E_FALLBACK;
    case ENDPOINT_E_HASH:
        return ALLOCATOR_E_USER_HASH;
    default:
        return ALLOCATOR_E_TOO_LONG;
    }
}

int allocator_reserve(struct allocator *allocator, struct endpoint_reservation *reservation)
{
    unsigned int n_attempts = allocator->max_attempts > 0 ? allocator->max_attempts : 1;
    char path[ALLOCATOR_PATH_SIZE];
    int r;

    if (!identity_is_hash(allocator->user_hash)) {
        return ALLOCATOR_E_USER_HASH;
    }
    for (unsigned int i = 0; i < n_attempts; i++) {
        r = derive(allocator, path);
        if (r) {
            return r;
        }
        if (!is_reserved(allocator, path) && !allocator->exists(path)) {
            hold(allocator, reservation, path);
            return 0;
        }
    }
    return ALLOCATOR_E_EXHAUSTED;
}

void allocator_release(struct endpoint_reservation *reservation)
{
    if (!reservation->is_held) {
        return;
    }
    LIST_REMOVE(reservation, entry);
    reservation->is_held = false;
}

void allocator_move(struct allocator *allocator, struct endpoint_reservation *from, struct endpoint_reservation *to)
{
    if (!from->is_held) {
        return;
    }
    allocator_release(from);
    hold(allocator, to, from->path);
}

const char *allocator_error(int code)
{
    switch (code) {
    case ALLOCATOR_E_USER_HASH:
        return "the user's identity hash is not 16 lowercase hexadecimal digits";
    case ALLOCATOR_E_TOO_LONG:
        return "derived path exceeds Linux sun_path (more than 107 bytes)";
    case ALLOCATOR_E_FALLBACK:
        return "derived path exceeds Linux sun_path, and the fallback directory in /tmp is not private";
    case ALLOCATOR_E_EXHAUSTED:
        return "collision exhausted after 16 attempts";
    default:
        return "no random bytes for an endpoint name";
    }
}
