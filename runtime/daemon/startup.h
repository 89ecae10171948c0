/* SPDX-License-Identifier: MIT */
#pragma once

/* What a broker checks and arranges before it does anything (spec 02 §14, decisions 2, 9c, 20). */

#include <sys/resource.h>
#include <sys/types.h>

enum { STARTUP_TEXT_MAX = 512 };

enum { STARTUP_E_REFUSED = 1 }; /* the text says why */

/*
 * Serving as root is refused unless RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED is exactly "1" (@allow: its value or NULL),
 * and so is a real uid that differs from the effective one: names are made of one, policies of the other.
 * 0 or STARTUP_E_REFUSED.
 */
int startup_check_ids(uid_t ruid, uid_t euid, const char *allow, char ret_text[STARTUP_TEXT_MAX]);

/* pidfds and close_range(CLOSE_RANGE_CLOEXEC) are there (Linux 5.11): 0, or STARTUP_E_REFUSED. */
int startup_check_kernel(char ret_text[STARTUP_TEXT_MAX]);

/* The verdict on what those two system calls returned. */
int startup_judge_kernel(int pidfd_result, int close_range_result, char ret_text[STARTUP_TEXT_MAX]);

/* The limits that this process was given, for its children, and the one that it goes on with. */
struct startup_limits {
    struct rlimit nofile, data;
    rlim_t nofile_now;
};

/* Raises the soft RLIMIT_NOFILE to min(hard, 8192) and lowers the soft RLIMIT_DATA to 256 MiB. 0 or negative errno. */
int startup_set_limits(struct startup_limits *ret_limits);

/*
 * Tells malloc to give memory back: what a flood of clients made the broker hold goes to the kernel when they are gone,
 * and the worker thread gets no heap of its own.
 */
void startup_set_allocator(void);

/*
 * Makes the crash directory that the environment names (spec 02 §14); nothing when it names none. 0, or
 * STARTUP_E_REFUSED.
 */
int startup_make_crash_dir(char ret_text[STARTUP_TEXT_MAX]);

/* Makes every missing level of @path at 0700. 0 or a negative errno; -ENOTDIR when something else is there. */
int startup_make_levels(const char *path);

/* Descriptors 0 to 2 are open afterwards, on /dev/null where they were not: no other file gets their numbers. */
int startup_open_standard_fds(void);
