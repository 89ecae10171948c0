/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What names a backend: instance, service, version and the hash of its executable (spec 03 §8). Two keys are equal when
 * every byte is, so a key is zeroed before it is filled and compared whole.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct backend_key {
    uint8_t exe_hash[32];
    bool is_hashed; /* false: the executable cannot be read; such a key never matches a live backend */
    char instance[80];
    char service[65];
    char version[65];
};

/* How log lines name a backend. */
#define KEY_FORMAT "%s %s of %s"
#define KEY_ARGS(key) (key)->service, (key)->version, (key)->instance

/*
 * Fills *@ret. @exe_hash points to 32 bytes or is NULL (not hashed). Returns false, and writes nothing, when a part is
 * longer than its place.
 */
bool backend_key_make(struct slice instance, struct slice service, struct slice version, const uint8_t *exe_hash,
                      struct backend_key *ret);

bool backend_key_equal(const struct backend_key *a, const struct backend_key *b);

/* Same instance, service and version, whatever the build. */
bool backend_key_equal_but_hash(const struct backend_key *a, const struct backend_key *b);

/* A number to choose a bucket by. Keys are equal => numbers are equal; independent of the hash of the executable. */
uint32_t backend_key_bucket(const struct backend_key *key);

/* The same for all backends of a service. */
uint32_t backend_service_bucket(const char *service);

/* Order of rows in listings: instance, service, version, hash. <0, 0, >0. */
int backend_key_compare(const struct backend_key *a, const struct backend_key *b);
