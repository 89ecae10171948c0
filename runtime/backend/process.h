/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Facts about a process that the kernel vouches for (spec 03 §4.2-4.3). A pid alone is never trusted: whatever is read
 * under /proc counts only if the pidfd is still quiet afterwards.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"

enum { BOOT_ID_SIZE = 64 };

/* The trimmed boot id of this machine. 0 or a negative errno; then *@ret is a text that equals no other's. */
int process_boot_id(char ret[BOOT_ID_SIZE]);

/* Where /proc/<pid>/exe points, as the kernel prints it. 0 and *@ret (freed by the caller), or a negative errno. */
int process_exe_path(pid_t pid, char **ret);

/* Device and inode of the running executable itself. */
int process_exe_file(pid_t pid, dev_t *ret_dev, ino_t *ret_ino);

/* Start time in clock ticks since boot: field 22 of /proc/<pid>/stat. 0 or a negative errno. */
int process_start_ticks(pid_t pid, uint64_t *ret);

/*
 * The same of a process that was born between two readings of CLOCK_BOOTTIME, without a look into /proc; 0 when the
 * tick changed meanwhile, so that the readings do not tell.
 */
uint64_t process_ticks_between(nsec_t before_nsec, nsec_t after_nsec);

/* Who owns /proc/<pid>. */
int process_owner(pid_t pid, uid_t *ret);

/* 1: running, 0: has exited (zombie or gone), negative errno: unknown. */
int process_is_running(int pidfd);
