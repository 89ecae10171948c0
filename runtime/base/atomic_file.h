/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Replaces the file @name in the directory @dirfd by the @size bytes at @data: readers see the old file or the new one,
 * never a mix (spec 02 §12.4). Written to `.<name>.tmp-<pid>-<unix nanoseconds>` beside it (O_EXCL, mode @mode; 0600 is
 * usual), renamed over it. With @sync file and directory are on the disk when this returns: that blocks, so only the
 * background worker and commands may ask for it. 0 or a negative errno; on failure the old file and nothing else is
 * there, or, when it was the directory's sync that failed, the new one. -ENAMETOOLONG: the temporary name would not fit,
 * also for a name that would.
 */
int atomic_file_write(int dirfd, const char *name, const void *data, size_t size, mode_t mode, bool sync);
