/* SPDX-License-Identifier: MIT */

/*
 * Replacement by rename. The temporary file lies in the same directory, so the rename is atomic by construction, and is
 * made with O_EXCL under a name that a link planted beforehand cannot have; the directory is a descriptor, so it cannot
 * be swapped on the way. What a killed writer leaves behind is read by nobody. It does not lock: of two writers the
 * last one wins, whole.
 */

#include "base/atomic_file.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

static int write_all(int fd, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    while (size > 0) {
        ssize_t n = sys_write(fd, bytes, size);

        if (n < 0) {
            return error_origin((int)n);
        }
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Writes the temporary file, which the caller removes when this or anything later fails. @fd is closed. */
static int fill(int fd, const void *data, size_t size, mode_t mode, bool sync)
{
    int r, r_close;

    r = sys_fchmod(fd, mode); /* whatever the umask says */
    if (r >= 0) {
        r = write_all(fd, data, size);
    }
    if (r >= 0 && sync) {
        r = sys_fsync(fd);
    }
    r_close = sys_close(fd); /* may be where a quota speaks up */
    return error_trace(r < 0 ? r : r_close);
}

int atomic_file_write(int dirfd, const char *name, const void *data, size_t size, mode_t mode, bool sync)
{
    char temporary[NAME_MAX + 1];
    int n, fd, r;

    n = snprintf(temporary, sizeof(temporary), ".%s.tmp-%ld-%llu", name, (long)sys_getpid(),
                 (unsigned long long)clock_unix_nsec());
    if (n < 0 || (size_t)n >= sizeof(temporary)) {
        return error_origin(-ENAMETOOLONG);
    }
    fd = sys_openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0600);
    if (fd < 0) {
        return error_origin(fd);
    }
    r = fill(fd, data, size, mode, sync);
    if (r >= 0) {
        r = sys_renameat(dirfd, temporary, dirfd, name);
    }
    if (r < 0) {
        (void)sys_unlinkat(dirfd, temporary, 0);
        return error_trace(r);
    }
    return sync ? error_trace(sys_fsync(dirfd)) : 0;
}
