/* SPDX-License-Identifier: MIT */
#pragma once

/* The user's identity hash, a part of every socket name (spec 02 §1). A name-space key, not a secret. */

#include <stdbool.h>
#include <sys/types.h>

#define IDENTITY_HASH_SIZE 17u       /* 16 lower-case hex digits and the NUL */
#define IDENTITY_FILE_SIZE_MAX 4096u /* a longer machine-id file is refused */

/* Where the machine's identity is read; tests name others. */
struct identity_sources {
    const char *machine_id[2];
    const char *boot_id;
};

/*
 * Hash of "<real uid>:<machine id>". 0 or a negative errno: any failure to read a machine-id file but ENOENT, bad
 * UTF-8 in it (-EILSEQ) or more than IDENTITY_FILE_SIZE_MAX bytes (-EFBIG) is fatal, since a second process of the user
 * must never derive another name; -ENXIO when no source has a value.
 */
int identity_user_hash(char ret_hash[IDENTITY_HASH_SIZE]);

/* The same for @uid with other sources. */
int identity_hash_from(uid_t uid, const struct identity_sources *sources, char ret_hash[IDENTITY_HASH_SIZE]);

/* Hash of the NUL-terminated @input itself. */
void identity_hash_text(const char *input, char ret_hash[IDENTITY_HASH_SIZE]);

/* Whether @hash is 16 lower-case hex digits. */
bool identity_is_hash(const char *hash);
