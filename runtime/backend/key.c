/* SPDX-License-Identifier: MIT */

/*
 * Keys are plain zeroed memory, so equality is one comparison of bytes and a copy is a struct assignment. The bucket
 * leaves the hash of the executable out: all builds of a version share a bucket, which makes the look-up that ignores
 * the build as cheap as the exact one. Names are not judged here; whoever makes a key has checked them.
 */

#include "backend/key.h"

#include <string.h>

static bool put(char *field, size_t size, struct slice value)
{
    if (value.size >= size) {
        return false;
    }
    if (value.size > 0) {
        memcpy(field, value.data, value.size);
    }
    return true;
}

bool backend_key_make(struct slice instance, struct slice service, struct slice version, const uint8_t *exe_hash,
                      struct backend_key *ret)
{
    struct backend_key key;

    memset(&key, 0, sizeof(key));
    if (!put(key.instance, sizeof(key.instance), instance) || !put(key.service, sizeof(key.service), service) ||
        !put(key.version, sizeof(key.version), version)) {
        return false;
    }
    if (exe_hash) {
        memcpy(key.exe_hash, exe_hash, sizeof(key.exe_hash));
        key.is_hashed = true;
    }
    memcpy(ret, &key, sizeof(key));
    return true;
}

bool backend_key_equal(const struct backend_key *a, const struct backend_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

bool backend_key_equal_but_hash(const struct backend_key *a, const struct backend_key *b)
{
    return strcmp(a->service, b->service) == 0 && strcmp(a->version, b->version) == 0 &&
           strcmp(a->instance, b->instance) == 0;
}

static uint32_t mix(uint32_t hash, const char *text)
{
    for (; *text; text++) {
        hash = (hash ^ (uint8_t)*text) * 16777619u; /* FNV-1a */
    }
    return (hash ^ 0xffu) * 16777619u;
}

uint32_t backend_service_bucket(const char *service)
{
    uint32_t hash = mix(2166136261u, service);

    return hash ^ (hash >> 16);
}

uint32_t backend_key_bucket(const struct backend_key *key)
{
    uint32_t hash = mix(mix(mix(2166136261u, key->service), key->version), key->instance);

    return hash ^ (hash >> 16);
}

int backend_key_compare(const struct backend_key *a, const struct backend_key *b)
{
    int r = strcmp(a->instance, b->instance);

    if (r == 0) {
        r = strcmp(a->service, b->service);
    }
    if (r == 0) {
        r = strcmp(a->version, b->version);
    }
    if (r == 0) {
        r = memcmp(a->exe_hash, b->exe_hash, sizeof(a->exe_hash));
    }
    return r;
}
