/* SPDX-License-Identifier: MIT */

/*
 * Reads of /proc, each in one place. They say what the kernel says about a number at one instant; that the number still
 * means the same process is for the caller to check with the pidfd afterwards.
 */

#include "backend/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"

/* Of the ticks in which /proc counts, whatever the kernel's own timer does: USER_HZ. */
#define NSEC_PER_TICK (10 * NSEC_PER_MSEC)

/* Reads a small file of /proc whole; always terminated. */
static int read_text(const char *path, char *buffer, size_t size)
{
    _cleanup_close_ int fd = -1;
    size_t used = 0;
    ssize_t n;

    fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        return error_trace(fd);
    }
    while (used < size - 1) {
        n = sys_read(fd, buffer + used, size - 1 - used);
        if (n < 0) {
            return error_trace((int)n);
        }
        if (n == 0) {
            break;
        }
        used += (size_t)n;
    }
    buffer[used] = '\0';
    return 0;
}

int process_boot_id(char ret[BOOT_ID_SIZE])
{
    char text[BOOT_ID_SIZE];
    size_t size;
    int r;

    r = read_text("/proc/sys/kernel/random/boot_id", text, sizeof(text));
    if (r >= 0) {
        size = strcspn(text, " \t\r\n");
        text[size] = '\0';
        r = size > 0 ? 0 : error_origin(-ENODATA);
    }
    if (r < 0) {
        snprintf(ret, BOOT_ID_SIZE, "boot-unavailable-%d-%llu", (int)sys_getpid(),
                 (unsigned long long)clock_monotonic());
        return r;
    }
    memcpy(ret, text, size + 1);
    return 0;
}

int process_exe_path(pid_t pid, char **ret)
{
    char link[64], path[PATH_MAX];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    n = sys_readlinkat(AT_FDCWD, link, path, sizeof(path) - 1);
    if (n < 0) {
        return error_trace((int)n);
    }
    path[n] = '\0';
    *ret = strdup(path);
    return *ret ? 0 : error_origin(-ENOMEM);
}

static int proc_stat(pid_t pid, const char *name, struct stat *ret)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d%s", (int)pid, name);
    return sys_fstatat(AT_FDCWD, path, ret, 0);
}

int process_exe_file(pid_t pid, dev_t *ret_dev, ino_t *ret_ino)
{
    struct stat st;
    int r;

    r = proc_stat(pid, "/exe", &st);
    if (r < 0) {
        return error_trace(r);
    }
    *ret_dev = st.st_dev;
    *ret_ino = st.st_ino;
    return 0;
}

int process_start_ticks(pid_t pid, uint64_t *ret)
{
    char path[64], text[1024], *p;
    int r;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    r = read_text(path, text, sizeof(text));
    if (r < 0) {
        return error_trace(r);
    }
    p = strrchr(text, ')'); /* the name of the program may hold anything, also parentheses */
    for (int field = 2; p && field < 22; field++) {
        p = strchr(p + 1, ' ');
    }
    if (!p) {
        return error_origin(-EINVAL);
    }
    *ret = strtoull(p + 1, NULL, 10);
    return 0;
}

uint64_t process_ticks_between(nsec_t before_nsec, nsec_t after_nsec)
{
    uint64_t ticks = before_nsec / NSEC_PER_TICK;

    return ticks == after_nsec / NSEC_PER_TICK ? ticks : 0;
}

int process_owner(pid_t pid, uid_t *ret)
{
    struct stat st;
    int r;

    r = proc_stat(pid, "", &st);
    if (r < 0) {
        return error_trace(r);
    }
    *ret = st.st_uid;
    return 0;
}

int process_is_running(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int r;

    r = sys_poll(&p, 1, 0);
    if (r < 0) {
        return error_trace(r);
    }
    return r == 0;
}
