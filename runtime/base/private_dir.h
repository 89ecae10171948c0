/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Directories that must be ours and nobody else's (spec 02 §5.3 (1), §6; decisions 8, 9b). Each is opened once, judged
 * through the descriptor, and used through it from then on.
 */

#include <stdbool.h>
#include <sys/types.h>

enum private_dir_rule {
    /* The `broker` directory: ours, a directory, mode exactly 0700. One that is ours and that nobody else can write,
     * but whose mode differs, is narrowed (report.was_narrowed: one log line is due); anything else is refused. */
    PRIVATE_DIR_EXACT,
    /* The level above it: ours, and nobody else can write it. Never changed. */
    PRIVATE_DIR_OWNED,
    /* Definitions when they are loaded: ours or root's, no bit for group or others. Never changed. */
    PRIVATE_DIR_PRIVATE,
    /* Definitions when one is installed: ours; a mode with bits for group or others is repaired to 0700. */
    PRIVATE_DIR_ENSURE,
};

enum {
    _PRIVATE_DIR_E_SUCCESS,
    PRIVATE_DIR_E_ABSENT,  /* it does not exist, and was not to be made */
    PRIVATE_DIR_E_REFUSED, /* it breaks the rule; report.text says which directory, its mode, and the remedy */
};

/* What is told about the directory, whatever the result. */
struct private_dir_report {
    char text[768];    /* one line without a full stop; empty when there is nothing to say */
    bool was_created;  /* the last level did not exist before */
    bool was_narrowed; /* its mode was changed */
    mode_t mode;       /* permission bits as found */
};

/*
 * Opens the directory at @path by @rule. @create: missing levels are made at 0700. The last component may not be a
 * symbolic link; those before it may. 0 and *@ret_fd (O_RDONLY | O_DIRECTORY | O_CLOEXEC, the caller's), a
 * PRIVATE_DIR_E_..., or a negative errno; report.text is filled for all but 0. @report may be NULL.
 */
int private_dir_open(const char *path, enum private_dir_rule rule, bool create, struct private_dir_report *report,
                     int *ret_fd);

/* The same for the one level @name (no slash) inside @dirfd; @path is what messages call it. */
int private_dir_open_at(int dirfd, const char *name, const char *path, enum private_dir_rule rule, bool create,
                        struct private_dir_report *report, int *ret_fd);

/*
 * The `broker` directory whose path is @path: its last two levels are made and judged as spec 02 §5.3 (1) says, the
 * upper by PRIVATE_DIR_OWNED, the lower by PRIVATE_DIR_EXACT, without following a link in either; what holds them must
 * be unwritable for others or sticky, as /tmp is. Results as above.
 */
int private_dir_open_broker(const char *path, bool create, struct private_dir_report *report, int *ret_fd);
