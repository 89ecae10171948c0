/* SPDX-License-Identifier: MIT */
#pragma once

/* What a broker checks and arranges before it does anything (spec 02 §14, §19, decisions 2, 9c, 20). */

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { STARTUP_TEXT_MAX = 512 };

enum { STARTUP_E_REFUSED = 1 }; /* the text says why */

/* Of the process, as the kernel tells it; tests make their own. */
struct startup_ids {
    uid_t ruid, euid;
};

/*
 * Serving as root is refused unless RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED is exactly "1" (@allow: its value or NULL),
 * and so is a real uid that differs from the effective one: names are made of one, policies of the other.
 */
int startup_check_ids(const struct startup_ids *ids, const char *allow, char ret_text[STARTUP_TEXT_MAX]);

/* pidfd_open() and close_range(CLOSE_RANGE_CLOEXEC) are there (Linux 5.11), or the text says what is missing. */
int startup_check_kernel(char ret_text[STARTUP_TEXT_MAX]);

/* The limits that the broker was given; its children get them back. */
struct startup_limits {
    struct rlimit nofile, data;
    rlim_t nofile_now; /* soft limit of this process from here on */
};

/* Raises the soft RLIMIT_NOFILE to min(hard, 8192), and sets RLIMIT_DATA to 256 MiB at most. 0 or a negative errno. */
int startup_set_limits(struct startup_limits *ret_limits);

/* Name of the file system when sockets and locks must not live on it (spec 02 §19), else NULL; FUSE sets *@ret_warn. */
const char *startup_filesystem_refused(unsigned long magic, bool *ret_warn);

/*
 * Makes the crash directory that the environment names (spec 02 §14); nothing when it names none. 0, or
 * STARTUP_E_REFUSED with the text.
 */
int startup_make_crash_dir(char ret_text[STARTUP_TEXT_MAX]);
