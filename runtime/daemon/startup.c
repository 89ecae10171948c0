/* SPDX-License-Identifier: MIT */

/*
 * Checks that need nothing but the process itself. Limits: the broker wants more descriptors than a login shell gives
 * and far less memory, while a child gets back exactly what the broker was given. The kernel is asked for the two calls
 * without which children could neither be watched nor kept from inheriting descriptors; there is no way around them.
 */

#include "daemon/startup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/env.h"
#include "base/error.h"
#include "base/sys.h"

#define CRASH_DIR_VARIABLE "RUNNING_PROCESS_BROKER_CRASH_DUMP_DIR"
#define NOFILE_WANTED 8192
#define DATA_MAX ((rlim_t)256 << 20)
#define ALLOCATOR_MMAP (32 * 1024)
#define ALLOCATOR_TRIM (128 * 1024)

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4U
#endif

#if defined(__SANITIZE_ADDRESS__)
#define LIMITS_DATA 0 /* the sanitizer's shadow memory counts as data */
#else
#define LIMITS_DATA 1
#endif

int startup_check_ids(uid_t ruid, uid_t euid, const char *allow, char ret_text[STARTUP_TEXT_MAX])
{
    if (euid == 0 && !(allow && !strcmp(allow, "1"))) {
        snprintf(ret_text, STARTUP_TEXT_MAX,
                 "running-process-broker-v1 refuses to run as root (effective uid 0) by default; set "
                 "RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED=1 only for isolated test environments");
        return STARTUP_E_REFUSED;
    }
    if (ruid != euid) {
        snprintf(
            ret_text, STARTUP_TEXT_MAX,
            "running-process-broker-v1 refuses to run with real uid %u and effective uid %u: they must be the same",
            ruid, euid);
        return STARTUP_E_REFUSED;
    }
    return 0;
}

int startup_judge_kernel(int pidfd_result, int close_range_result, char ret_text[STARTUP_TEXT_MAX])
{
    const char *missing = NULL;

    if (pidfd_result == -EINVAL) {
        missing = "waitid() by pidfd";
    } else if (close_range_result == -ENOSYS || close_range_result == -EINVAL) {
        missing = "close_range() with CLOSE_RANGE_CLOEXEC";
    }
    if (missing) {
        snprintf(ret_text, STARTUP_TEXT_MAX, "this kernel has no %s: Linux 5.11 or newer is needed", missing);
        return STARTUP_E_REFUSED;
    }
    return 0;
}

int startup_check_kernel(char ret_text[STARTUP_TEXT_MAX])
{
    siginfo_t info;
    int by_pidfd = sys_waitid(P_PIDFD, INT_MAX, &info, WEXITED | WNOHANG);        /* no descriptor has that number … */
    int close_range = sys_close_range(UINT_MAX, UINT_MAX, CLOSE_RANGE_CLOEXEC); /* … nor that one */

    return startup_judge_kernel(by_pidfd, close_range, ret_text);
}

int startup_set_limits(struct startup_limits *ret_limits)
{
    struct startup_limits limits;
    struct rlimit wanted;
    int r = sys_getrlimit(RLIMIT_NOFILE, &limits.nofile);

    if (!r) {
        r = sys_getrlimit(RLIMIT_DATA, &limits.data);
    }
    if (r < 0) {
        return error_origin(r);
    }
    wanted = limits.nofile;
    if (wanted.rlim_cur != RLIM_INFINITY && wanted.rlim_cur < NOFILE_WANTED) {
        wanted.rlim_cur = wanted.rlim_max < NOFILE_WANTED ? wanted.rlim_max : NOFILE_WANTED;
        r = sys_setrlimit(RLIMIT_NOFILE, &wanted);
        if (r < 0) {
            return error_origin(r);
        }
    }
    limits.nofile_now = wanted.rlim_cur;
    wanted = limits.data;
    if (LIMITS_DATA && wanted.rlim_cur > DATA_MAX) {
        wanted.rlim_cur = DATA_MAX;
        r = sys_setrlimit(RLIMIT_DATA, &wanted);
        if (r < 0) {
            return error_origin(r);
        }
    }
    *ret_limits = limits;
    return 0;
}

void startup_set_allocator(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, ALLOCATOR_MMAP); /* a fixed value: else each freed block raises it */
    (void)mallopt(M_TRIM_THRESHOLD, ALLOCATOR_TRIM);
}

/* One level. Something that exists is good when it is a directory. */
static int make_level(const char *path)
{
    struct stat st;
    int r = sys_mkdir(path, 0700);

    if (r < 0 && !sys_stat(path, &st)) { /* whatever mkdir says (-EROFS, -EACCES), it is there */
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    }
    return r;
}

int startup_make_levels(const char *path)
{
    char level[PATH_MAX];
    int r;

    if (strlen(path) >= sizeof(level)) {
        return error_origin(-ENAMETOOLONG);
    }
    strcpy(level, path);
    for (char *slash = strchr(level + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        r = make_level(level);
        *slash = '/';
        if (r < 0) {
            return error_origin(r);
        }
    }
    r = make_level(level);
    return r < 0 ? error_origin(r) : 0;
}

int startup_make_crash_dir(char ret_text[STARTUP_TEXT_MAX])
{
    const char *path = env_get(CRASH_DIR_VARIABLE);
    int r = path ? startup_make_levels(path) : 0;

    if (r < 0) {
        snprintf(ret_text, STARTUP_TEXT_MAX, "failed to install broker crash dump handler: %s: %s", path, strerror(-r));
        return STARTUP_E_REFUSED;
    }
    return 0;
}

int startup_open_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        int opened;

        if (sys_fcntl(fd, F_GETFD, 0) >= 0) {
            continue;
        }
        opened = sys_open("/dev/null", O_RDWR, 0); /* the lowest free number, which is this one */
        if (opened != fd) {
            return error_origin(opened < 0 ? opened : -EBADF);
        }
    }
    return 0;
}
