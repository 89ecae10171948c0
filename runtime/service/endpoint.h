/* SPDX-License-Identifier: MIT */
#pragma once

/* Names and paths of the sockets (spec 02 §3). Pure: nothing is looked up, nothing is created. */

#include <stdint.h>

#include "base/slice.h"

#define ENDPOINT_PATH_MAX 107u  /* bytes that sun_path takes before its NUL */
#define ENDPOINT_PATH_SIZE 108u /* a buffer for every endpoint path */
#define ENDPOINT_DIR_SIZE 4096u
#define ENDPOINT_RANDOM_SIZE 16u

enum endpoint_class {
    ENDPOINT_SHARED,   /* rpb-v1-<hash>-shared */
    ENDPOINT_PRIVATE,  /* rpb-v1-<hash>-svc-<service> */
    ENDPOINT_EXPLICIT, /* rpb-v1-<hash>-inst-<instance> */
    ENDPOINT_BACKEND,  /* rpb-v1-<hash>-be-<32 hex digits> */
};

enum {
    ENDPOINT_E_HASH = 1, /* the hash is not 16 lower-case hex digits */
    ENDPOINT_E_NAME,     /* service or instance name not valid, backend name not 32 lower-case hex digits */
    ENDPOINT_E_TOO_LONG, /* more than ENDPOINT_PATH_MAX bytes */
    ENDPOINT_E_RELATIVE, /* XDG_RUNTIME_DIR is a relative path */
    ENDPOINT_E_TEXT,     /* XDG_RUNTIME_DIR is not UTF-8, which every path in a reply has to be */
};

/*
 * Directory of all sockets of this user: $XDG_RUNTIME_DIR/running-process/broker, or endpoint_fallback_dir() when the
 * variable is unset or empty. 0, ENDPOINT_E_RELATIVE, ENDPOINT_E_TEXT or ENDPOINT_E_TOO_LONG (4 KiB).
 */
int endpoint_dir(char ret_dir[ENDPOINT_DIR_SIZE]);

/* /tmp/running-process-<real uid>/broker */
void endpoint_fallback_dir(char ret_dir[ENDPOINT_DIR_SIZE]);

/*
 * Path of a socket in @dir (NULL: endpoint_dir()). @name is the service, the instance or the 32 hex digits, and is not
 * looked at for ENDPOINT_SHARED. Checked in this order: hash, name, directory, length. 0 or ENDPOINT_E_*.
 */
int endpoint_path(const char *dir, enum endpoint_class class, const char *hash, struct slice name,
                  char ret_path[ENDPOINT_PATH_SIZE]);

/*
 * Path of a backend's socket from 16 random bytes: in @dir (NULL: endpoint_dir()), or in endpoint_fallback_dir() when
 * it would be too long there (decision 9b). 0 or ENDPOINT_E_*.
 */
int endpoint_backend_path(const char *dir, const char *hash, const uint8_t random[ENDPOINT_RANDOM_SIZE],
                          char ret_path[ENDPOINT_PATH_SIZE]);

/* Bytes that the path would have, however long: for messages and the doctor. @dir is not NULL. */
size_t endpoint_path_size(const char *dir, enum endpoint_class class, struct slice name);

/* The code as a sentence, to go behind a colon ("the path is longer than 107 bytes (Linux sun_path)"); static. */
const char *endpoint_error_text(int code);
