/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The parts of bringing a backend up that are not decisions (spec 03 §3): which file will be run and whether it may be,
 * what its environment is, the socket that the broker binds for it, the fork. The launch machine orders them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "backend/exe_hash.h"
#include "backend/registry.h"
#include "base/slice.h"

enum { LAUNCHER_TEXT_MAX = 448 }; /* a detail, so that it fits behind `backend spawn failed: ` */

/* ------------------------------------------------------------------------------------------------------- which file */

/* The file that will be run, held open. */
struct launch_binary {
    char *path; /* canonical */
    int fd;
    struct exe_identity identity;
    uint8_t hash[32];
};

/* What is known already, so that the file need not be read again. */
struct launch_known {
    bool is_known;
    struct exe_identity identity;
    uint8_t hash[32];
};

/*
 * Resolves and judges @binary_path and its root (spec 03 §3.1 steps 2-6, §3.5 with the mode rule of decision 8), opens
 * the file and hashes what was opened unless @known says what it holds. Blocks: for the worker only.
 * 0 and *@ret (released by launch_binary_deinit()); else a negative errno and the refusal's detail in @ret_text.
 */
int launcher_resolve(const char *binary_path, const char *root_path, const struct launch_known *known,
                     struct launch_binary *ret, char ret_text[LAUNCHER_TEXT_MAX]);

enum { LAUNCHER_E_UNKNOWN = 1 };

/*
 * The same without reading the file: for the loop, where both paths are local. LAUNCHER_E_UNKNOWN, with nothing held:
 * it is not the file that @known names.
 */
int launcher_recognize(const char *binary_path, const char *root_path, const struct launch_known *known,
                       struct launch_binary *ret, char ret_text[LAUNCHER_TEXT_MAX]);
void launch_binary_deinit(struct launch_binary *binary);

/* True when @path is @root or lies below it, compared by component. Both canonical. */
bool launcher_is_under(const char *path, const char *root);

/*
 * Decision 8: owned by the user or by root, writable by no one but the owner and, for a file of the user, the user's
 * own primary group.
 */
bool launcher_mode_is_safe(uid_t owner, gid_t group, mode_t mode, uid_t uid, gid_t primary_gid);

/* ---------------------------------------------------------------------------------------------------- environment */

/* What every child starts from, made once. */
struct child_baseline {
    char **variables; /* NAME=value, ends with NULL */
    size_t n;
};

/* Looks the user up (may block: at start only) and copies what passes from this process's environment. */
int child_baseline_init(struct child_baseline *baseline);
/* The same from given facts; @name, @home empty: no usable entry, everything of @from passes. For tests. */
int child_baseline_make(struct child_baseline *baseline, const char *name, const char *home, const char *shell,
                        char *const *from);
void child_baseline_deinit(struct child_baseline *baseline);

struct child_facts {
    const char *service, *version, *path, *instance;
    struct slice traceparent, tracestate; /* left out unless well-formed */
    int listener_fd;                      /* number in the child; -1: none */
};

/* 0 and *@ret, one block that free() takes and that borrows the strings of the baseline; or -ENOMEM. */
int child_env_make(const struct child_baseline *baseline, const struct child_facts *facts, char ***ret);

/* ----------------------------------------------------------------------------------------------------- the socket */

/*
 * Binds and listens at @path, mode 0600 from birth, CLOEXEC, non-blocking accept left to the child.
 * 0, *@ret_fd (owned by the caller) and *@ret_identity, or a negative errno with nothing left behind.
 */
int launcher_bind(const char *path, int *ret_fd, struct socket_identity *ret_identity);

/* The text of an errno as error details print it: `No such file or directory (os error 2)`. */
const char *launcher_errno_text(int error, char *buffer, size_t size);
