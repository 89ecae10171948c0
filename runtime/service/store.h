/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The definitions of one directory, looked up by the name of a service on every Hello. What is in force is what is on
 * disk now: a cached definition is used only while the directory and the file in force look as they did (two stat calls
 * and no allocation). At most STORE_DEFINITIONS_MAX are kept, the least recently used go first.
 *
 * A store is one thread's at a time. Looking may block for as long as the file system does; one that is bound by
 * store_bind() looks at one local file system and at no other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/slice.h"
#include "service/definition.h"
#include "service/definition_file.h"

#define STORE_DEFINITIONS_MAX 1024u
#define STORE_UNSETTLED_RETRY (20 * NSEC_PER_MSEC)
#define STORE_UNSETTLED_TRIES 5u
#define STORE_UNSETTLED_AGE (200 * NSEC_PER_MSEC)

enum {
    STORE_E_NOT_FOUND = 1, /* no directory, or none of the three files */
    STORE_E_BROKEN,        /* fault.detail says why */
    STORE_E_UNSETTLED,     /* a binary that is being written: ask again at fault.retry_at_nsec */
    STORE_E_ELSEWHERE,     /* the directory is on another file system than the one that the store is bound to */
};

struct store_fault {
    nsec_t retry_at_nsec;                /* UNSETTLED: on the monotonic clock */
    char detail[DEFINITION_DETAIL_SIZE]; /* BROKEN */
};

struct store_entry;
struct log_record;

struct store {
    char *dir;
    bool (*is_local_fs)(int fd);                                                    /* tests put their own */
    void (*log)(void *owner, const struct log_record *record, const char *message); /* NULL: log_event() */
    void *log_owner;
    bool is_bound;
    dev_t bound_dev;
    bool is_open;  /* dir_fd is open and dir_identity describes it */
    bool is_local; /* and it is on a local file system */
    int dir_fd;
    struct file_identity dir_identity;
    bool is_dir_settled;                    /* the directory had been at rest when it was opened */
    uint64_t dir_generation;                /* counts the states of the directory seen; entries remember theirs */
    char dir_fault[DEFINITION_DETAIL_SIZE]; /* logged last; empty while the directory is good */
    struct store_entry *by_name;            /* hash */
    struct store_entry *by_use;             /* list, most recently used first */
    size_t n_entries;
    size_t limit;     /* STORE_DEFINITIONS_MAX; tests set less */
    uint64_t n_loads; /* times that a service was read anew */
};

/* Prepares @store for @dir, which need not exist. Nothing is opened. 0 or -ENOMEM. */
int store_init(struct store *store, const char *dir);

/* From now on nothing is looked at that is not on the file system @dev, where the directory was seen. */
static inline void store_bind(struct store *store, dev_t dev)
{
    store->is_bound = true;
    store->bound_dev = dev;
}

/* Gives back everything; definitions that are held stay valid. Accepts a zeroed store. */
void store_deinit(struct store *store);

/*
 * The definition of @service as it is on disk now, fully checked (spec 02 §8.2; a name that is not valid is not
 * found). @now_nsec is the monotonic time. 0 and *@ret_definition, borrowed until the next call on @store:
 * definition_ref() it to keep it longer. Else STORE_E_* with *@ret_fault filled, or -ENOMEM.
 */
int store_get(struct store *store, struct slice service, nsec_t now_nsec, const struct definition **ret_definition,
              struct store_fault *ret_fault);

/*
 * Looks at the directory alone and logs what is wrong with it, unless that was logged last. 0, STORE_E_NOT_FOUND,
 * STORE_E_BROKEN with *@ret_fault filled, or STORE_E_ELSEWHERE.
 */
int store_look(struct store *store, struct store_fault *ret_fault);

/*
 * Looks at everything that is cached once more and logs what changed (SIGHUP, decision 21). Returns the number of
 * definitions that changed, became broken or went away.
 */
size_t store_recheck(struct store *store, nsec_t now_nsec);

/* The directory, as given. */
static inline const char *store_dir(const struct store *store)
{
    return store->dir;
}
