/* SPDX-License-Identifier: MIT */
#pragma once

/* Files, directories and descriptors: part of sys.h. */

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/sys_call.h"

static inline int sys_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    SYS_RETRY(int, openat(dirfd, path, flags, mode));
}

static inline int sys_open(const char *path, int flags, mode_t mode)
{
    return sys_openat(AT_FDCWD, path, flags, mode);
}

/*
 * openat() that follows no symbolic link at all, not even in the middle of @path. -ENOSYS, or -EPERM under some
 * sandboxes, where the kernel does not offer it.
 */
static inline int sys_openat_nolinks(int dirfd, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (unsigned int)flags,
        .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
        .resolve = RESOLVE_NO_SYMLINKS,
    };

    SYS_RETRY(int, (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
}

/* Never repeated: the descriptor is gone, whatever the result. */
static inline int sys_close(int fd)
{
    SYS_ONCE(int, close(fd));
}

static inline ssize_t sys_read(int fd, void *data, size_t size)
{
    SYS_RETRY(ssize_t, read(fd, data, size));
}

static inline ssize_t sys_pread(int fd, void *data, size_t size, off_t offset)
{
    SYS_RETRY(ssize_t, pread(fd, data, size, offset));
}

static inline ssize_t sys_write(int fd, const void *data, size_t size)
{
    SYS_RETRY(ssize_t, write(fd, data, size));
}

static inline ssize_t sys_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    SYS_RETRY(ssize_t, pwrite(fd, data, size, offset));
}

static inline int sys_fsync(int fd)
{
    SYS_RETRY(int, fsync(fd));
}

static inline int sys_ftruncate(int fd, off_t size)
{
    SYS_RETRY(int, ftruncate(fd, size));
}

static inline off_t sys_lseek(int fd, off_t offset, int whence)
{
    SYS_ONCE(off_t, lseek(fd, offset, whence));
}

static inline int sys_fstat(int fd, struct stat *ret)
{
    SYS_RETRY(int, fstat(fd, ret));
}

static inline int sys_stat(const char *path, struct stat *ret)
{
    SYS_RETRY(int, stat(path, ret));
}

static inline int sys_lstat(const char *path, struct stat *ret)
{
    SYS_RETRY(int, lstat(path, ret));
}

static inline int sys_fstatat(int dirfd, const char *path, struct stat *ret, int flags)
{
    SYS_RETRY(int, fstatat(dirfd, path, ret, flags));
}

static inline int sys_statvfs(const char *path, struct statvfs *ret)
{
    SYS_RETRY(int, statvfs(path, ret));
}

static inline int sys_fstatvfs(int fd, struct statvfs *ret)
{
    SYS_RETRY(int, fstatvfs(fd, ret));
}

static inline int sys_statfs(const char *path, struct statfs *ret)
{
    SYS_RETRY(int, statfs(path, ret));
}

static inline int sys_fstatfs(int fd, struct statfs *ret)
{
    SYS_RETRY(int, fstatfs(fd, ret));
}

static inline int sys_access(const char *path, int mode)
{
    SYS_RETRY(int, access(path, mode));
}

static inline int sys_faccessat(int dirfd, const char *path, int mode, int flags)
{
    SYS_RETRY(int, faccessat(dirfd, path, mode, flags));
}

static inline int sys_mkdirat(int dirfd, const char *path, mode_t mode)
{
    SYS_RETRY(int, mkdirat(dirfd, path, mode));
}

static inline int sys_mkdir(const char *path, mode_t mode)
{
    return sys_mkdirat(AT_FDCWD, path, mode);
}

static inline int sys_unlinkat(int dirfd, const char *path, int flags)
{
    SYS_RETRY(int, unlinkat(dirfd, path, flags));
}

static inline int sys_unlink(const char *path)
{
    return sys_unlinkat(AT_FDCWD, path, 0);
}

static inline int sys_rmdir(const char *path)
{
    return sys_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

static inline int sys_renameat(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
    SYS_RETRY(int, renameat(from_dirfd, from, to_dirfd, to));
}

static inline int sys_rename(const char *from, const char *to)
{
    return sys_renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static inline int sys_linkat(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
    SYS_RETRY(int, linkat(from_dirfd, from, to_dirfd, to, flags));
}

static inline int sys_symlinkat(const char *target, int dirfd, const char *path)
{
    SYS_RETRY(int, symlinkat(target, dirfd, path));
}

static inline ssize_t sys_readlinkat(int dirfd, const char *path, char *text, size_t size)
{
    SYS_RETRY(ssize_t, readlinkat(dirfd, path, text, size));
}

static inline ssize_t sys_readlink(const char *path, char *text, size_t size)
{
    return sys_readlinkat(AT_FDCWD, path, text, size);
}

static inline int sys_fchmod(int fd, mode_t mode)
{
    SYS_RETRY(int, fchmod(fd, mode));
}

static inline int sys_fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
    SYS_RETRY(int, fchmodat(dirfd, path, mode, flags));
}

static inline int sys_chmod(const char *path, mode_t mode)
{
    return sys_fchmodat(AT_FDCWD, path, mode, 0);
}

static inline int sys_chdir(const char *path)
{
    SYS_RETRY(int, chdir(path));
}

static inline mode_t sys_umask(mode_t mask)
{
    return umask(mask);
}

/* LOCK_NB is the caller's business; with it -EWOULDBLOCK when somebody else holds the lock. */
static inline int sys_flock(int fd, int operation)
{
    SYS_RETRY(int, flock(fd, operation));
}

static inline int sys_fcntl(int fd, int command, int argument)
{
    SYS_RETRY(int, fcntl(fd, command, argument));
}

static inline int sys_dup_cloexec(int fd, int lowest)
{
    return sys_fcntl(fd, F_DUPFD_CLOEXEC, lowest);
}

static inline int sys_dup2(int fd, int number)
{
    SYS_RETRY(int, dup2(fd, number));
}

static inline int sys_dup3(int fd, int number, int flags)
{
    SYS_RETRY(int, dup3(fd, number, flags));
}

static inline int sys_inotify_init1(int flags)
{
    SYS_ONCE(int, inotify_init1(flags));
}

/* The number of the watch; -EACCES when @path cannot be read. */
static inline int sys_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    SYS_ONCE(int, inotify_add_watch(fd, path, mask));
}

static inline int sys_pipe2(int ret_fds[2], int flags)
{
    SYS_ONCE(int, pipe2(ret_fds, flags));
}

static inline int sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
    SYS_ONCE(int, (int)syscall(SYS_close_range, first, last, flags));
}

static inline int sys_isatty(int fd)
{
    return isatty(fd);
}

/* The canonical path, *@ret freed by the caller. Blocks like any path lookup. */
static inline int sys_realpath(const char *path, char **ret)
{
    char *resolved = realpath(path, NULL);

    if (!resolved) {
        return sys_failure();
    }
    *ret = resolved;
    return 0;
}

/* Reads the directory @fd, which belongs to *@ret from then on, also when this fails. */
static inline int sys_fdopendir(int fd, DIR **ret)
{
    DIR *dir = fdopendir(fd);
    int r;

    if (!dir) {
        r = sys_failure();
        (void)close(fd);
        return r;
    }
    *ret = dir;
    return 0;
}

static inline int sys_opendir(const char *path, DIR **ret)
{
    int fd = sys_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

    return fd < 0 ? fd : sys_fdopendir(fd, ret);
}

/* 0 and *@ret: the next entry, valid until the next call, NULL behind the last one. */
static inline int sys_readdir(DIR *dir, struct dirent **ret)
{
    struct dirent *entry;

    errno = 0;
    entry = readdir(dir);
    if (!entry && errno != 0) {
        return sys_failure();
    }
    *ret = entry;
    return 0;
}

static inline void sys_rewinddir(DIR *dir)
{
    rewinddir(dir);
}

static inline int sys_dirfd(DIR *dir)
{
    SYS_ONCE(int, dirfd(dir));
}

static inline int sys_closedir(DIR *dir)
{
    SYS_ONCE(int, closedir(dir));
}
