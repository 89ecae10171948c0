/* SPDX-License-Identifier: MIT */

/* The second half of calls.c: files, processes, users, limits, time. */

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"

#define TAKES(name) extern __typeof__(name) sim_##name;

TAKES(chdir)
TAKES(clock_gettime)
TAKES(dup2)
TAKES(_exit)
TAKES(execve)
TAKES(fchmod)
TAKES(flock)
TAKES(fstat)
TAKES(fstatat)
TAKES(fstatfs)
TAKES(getegid)
TAKES(getenv)
TAKES(geteuid)
TAKES(getgid)
TAKES(getpid)
TAKES(getppid)
TAKES(getpwuid_r)
TAKES(getuid)
TAKES(isatty)
TAKES(kill)
TAKES(linkat)
TAKES(lstat)
TAKES(mkdirat)
TAKES(openat)
TAKES(prctl)
TAKES(readlinkat)
TAKES(realpath)
TAKES(renameat)
TAKES(setsid)
TAKES(sigaction)
TAKES(stat)
TAKES(statvfs)
TAKES(symlinkat)
TAKES(unlinkat)

ssize_t sim_getrandom(void *data, size_t size, unsigned int flags);
int sim_getrlimit(int resource, struct rlimit *ret);
int sim_setrlimit(int resource, const struct rlimit *limit);
int sim_waitid(idtype_t type, id_t id, siginfo_t *ret, int options);
int sim_mallopt(int parameter, int value);
int sim_pthread_sigmask(int how, const sigset_t *set, sigset_t *ret_old);

#define RUN(type, name, what, argument, work)                                                                          \
    do {                                                                                                               \
        long result_ = -(long)sim_enter(CALL_##name);                                                                  \
        if (result_ == 0) {                                                                                            \
            result_ = (work);                                                                                          \
        }                                                                                                              \
        return (type)sim_leave(CALL_##name, result_, what, (long)(argument));                                          \
    } while (0)

/* ----------------------------------------------------------------------------------------------------------- files */

int sim_openat(int dirfd, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
    RUN(int, openat, path, flags, k_openat(dirfd, path, flags, mode));
}

int sim_fstatat(int dirfd, const char *restrict path, struct stat *restrict ret, int flags)
{
    RUN(int, fstatat, path, dirfd, k_stat(dirfd, path, ret, !(flags & AT_SYMLINK_NOFOLLOW)));
}

int sim_stat(const char *restrict path, struct stat *restrict ret)
{
    RUN(int, stat, path, 0, k_stat(AT_FDCWD, path, ret, true));
}

int sim_lstat(const char *restrict path, struct stat *restrict ret)
{
    RUN(int, lstat, path, 0, k_stat(AT_FDCWD, path, ret, false));
}

static int do_fstat(int fd, struct stat *ret)
{
    struct sim_file *file = k_file(fd);

    if (!file) {
        return -EBADF;
    }
    if (file->inode) {
        k_fill_stat(file->inode, ret);
    } else {
        *ret = (struct stat){.st_mode = file->kind == KIND_SOCKET ? file->socket->mode : S_IFCHR | 0666};
    }
    return 0;
}

int sim_fstat(int fd, struct stat *ret)
{
    RUN(int, fstat, NULL, fd, do_fstat(fd, ret));
}

static int do_fchmod(int fd, mode_t mode)
{
    struct sim_file *file = k_file(fd);

    if (!file) {
        return -EBADF;
    }
    if (file->kind == KIND_SOCKET) {
        file->socket->mode = S_IFSOCK | (mode & 07777);
    } else if (file->inode) {
        file->inode->mode = (file->inode->mode & (mode_t)S_IFMT) | (mode & 07777);
        k_touch(file->inode, false);
    }
    return 0;
}

int sim_fchmod(int fd, mode_t mode)
{
    RUN(int, fchmod, NULL, fd, do_fchmod(fd, mode));
}

int sim_flock(int fd, int operation)
{
    RUN(int, flock, NULL, fd, k_flock(fd, operation));
}

int sim_mkdirat(int dirfd, const char *path, mode_t mode)
{
    RUN(int, mkdirat, path, dirfd, k_mkdirat(dirfd, path, mode));
}

int sim_unlinkat(int dirfd, const char *path, int flags)
{
    RUN(int, unlinkat, path, dirfd, k_unlinkat(dirfd, path, flags));
}

int sim_renameat(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
    RUN(int, renameat, from, from_dirfd, k_renameat(from_dirfd, from, to_dirfd, to));
}

int sim_linkat(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
    RUN(int, linkat, from, from_dirfd, k_linkat(from_dirfd, from, to_dirfd, to));
}

int sim_symlinkat(const char *target, int dirfd, const char *path)
{
    RUN(int, symlinkat, path, dirfd, k_symlinkat(target, dirfd, path));
}

static long do_readlink(int dirfd, const char *path, char *text, size_t size)
{
    struct sim_inode *inode;
    int r;

    if (!strncmp(path, "/proc/", 6)) {
        return k_proc_link(path, text, size);
    }
    r = k_walk(dirfd, path, false, &inode, NULL, NULL);
    if (r < 0) {
        return r;
    }
    if (!S_ISLNK(inode->mode)) {
        return -EINVAL;
    }
    size = inode->size < size ? inode->size : size;
    memcpy(text, inode->data, size);
    return (long)size;
}

ssize_t sim_readlinkat(int dirfd, const char *restrict path, char *restrict text, size_t size)
{
    RUN(ssize_t, readlinkat, path, dirfd, do_readlink(dirfd, path, text, size));
}

/* The path of @inode, built from its parents. */
static int full_path(struct sim_inode *inode, struct sim_inode *parent, char *ret, size_t size)
{
    const struct sim_dirent *entry;
    size_t at = size - 1;

    ret[at] = '\0';
    while (inode != sim.root) {
        if (S_ISDIR(inode->mode)) {
            parent = inode->parent;
        }
        for (entry = parent->entries; entry && entry->inode != inode; entry = entry->next) {
        }
        if (!entry) {
            return -ENOENT;
        }
        at -= strlen(entry->name);
        memcpy(ret + at, entry->name, strlen(entry->name));
        ret[--at] = '/';
        inode = parent;
    }
    memmove(ret, ret + at, size - at);
    return 0;
}

void *sim_malloc(size_t size);

static long do_realpath(const char *path, char **ret)
{
    struct sim_inode *inode, *parent = NULL;
    char text[4096], name[256];
    int r = k_walk(AT_FDCWD, path, true, &inode, NULL, NULL);

    if (r < 0) {
        return r;
    }
    (void)k_walk(AT_FDCWD, path, false, &inode, &parent, name);
    if (S_ISLNK(inode->mode)) {
        return do_realpath((const char *)inode->data, ret); /* absolute ones only */
    }
    r = full_path(inode, parent, text, sizeof(text));
    if (r < 0) {
        return r;
    }
    *ret = sim_malloc(strlen(text) + 2);
    if (!*ret) {
        return -ENOMEM;
    }
    strcpy(*ret, *text ? text : "/");
    return 0;
}

char *sim_realpath(const char *restrict path, char *restrict resolved)
{
    char *found = NULL;
    long result = -(long)sim_enter(CALL_realpath);

    if (result == 0) {
        result = do_realpath(path, &found);
    }
    return sim_leave(CALL_realpath, result, path, 0) < 0 ? NULL : found;
}

static int do_statfs(int fd, struct statfs *ret)
{
    if (!k_file(fd)) {
        return -EBADF;
    }
    memset(ret, 0, sizeof(*ret));
    ret->f_type = 0x01021994; /* tmpfs */
    return 0;
}

int sim_fstatfs(int fd, struct statfs *ret)
{
    RUN(int, fstatfs, NULL, fd, do_statfs(fd, ret));
}

static int do_statvfs(struct statvfs *ret)
{
    *ret = (struct statvfs){.f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1000, .f_bfree = 900, .f_bavail = 900};
    ret->f_files = 1000;
    ret->f_ffree = ret->f_favail = 900;
    return 0;
}

int sim_statvfs(const char *restrict path, struct statvfs *restrict ret)
{
    RUN(int, statvfs, path, 0, do_statvfs(ret));
}

int sim_isatty(int fd)
{
    errno = ENOTTY;
    return 0;
}

int sim_chdir(const char *path)
{
    return 0;
}

int sim_dup2(int fd, int number)
{
    errno = EBADF;
    return -1; /* only between fork and exec, which is not run */
}

/* -------------------------------------------------------------------------------------------------------- processes */

pid_t sim_getpid(void)
{
    return sim.current->pid;
}

pid_t sim_getppid(void)
{
    return sim.current->ppid;
}

uid_t sim_getuid(void)
{
    return sim.current->uid;
}

uid_t sim_geteuid(void)
{
    return sim.current->uid;
}

gid_t sim_getgid(void)
{
    return sim.current->uid;
}

pid_t sim_setsid(void)
{
    return sim.current->pid;
}

int sim_execve(const char *path, char *const *argv, char *const *env)
{
    errno = ENOSYS;
    return -1;
}

void sim__exit(int status)
{
    abort();
}

int sim_prctl(int option, ...)
{
    return 0;
}

static int do_kill(pid_t pid, int signo)
{
    struct sim_proc *proc;
    int n = 0;

    if (pid > 0) {
        proc = k_proc_find(pid);
        if (!proc) {
            return -ESRCH;
        }
        k_proc_signal(proc, signo);
        return 0;
    }
    for (int i = 0; i < sim.n_procs; i++) {
        proc = sim.procs[i];
        if (proc->pgid == -pid && !proc->is_reaped) {
            n++;
            k_proc_signal(proc, signo);
        }
    }
    return n ? 0 : -ESRCH;
}

int sim_kill(pid_t pid, int signo)
{
    RUN(int, kill, NULL, pid, do_kill(pid, signo));
}

static int do_waitid(idtype_t type, id_t id, siginfo_t *ret, int options)
{
    struct sim_file *file = type == (idtype_t)P_PIDFD ? k_file((int)id) : NULL;
    struct sim_proc *proc;

    if (!file) {
        return -EBADF;
    }
    if (file->kind != KIND_PIDFD) {
        return -EBADF;
    }
    proc = file->proc;
    memset(ret, 0, sizeof(*ret));
    if (proc->ppid != sim.current->pid || proc->is_reaped) {
        return -ECHILD;
    }
    if (proc->is_alive) {
        return options & WNOHANG ? 0 : -EINTR;
    }
    ret->si_pid = proc->pid;
    ret->si_code = proc->exit_code;
    ret->si_status = proc->exit_status;
    ret->si_signo = SIGCHLD;
    if (!(options & WNOWAIT)) {
        proc->is_reaped = true;
    }
    return 0;
}

int sim_waitid(idtype_t type, id_t id, siginfo_t *ret, int options)
{
    RUN(int, waitid, NULL, id, do_waitid(type, id, ret, options));
}

static struct rlimit *limit_of(int resource)
{
    return resource == RLIMIT_NOFILE ? &sim.current->nofile : &sim.current->data;
}

static int do_limit(int resource, struct rlimit *ret, const struct rlimit *set)
{
    if (ret) {
        *ret = *limit_of(resource);
    } else {
        *limit_of(resource) = *set;
    }
    return 0;
}

int sim_getrlimit(int resource, struct rlimit *ret)
{
    RUN(int, getrlimit, NULL, resource, do_limit(resource, ret, NULL));
}

int sim_setrlimit(int resource, const struct rlimit *limit)
{
    RUN(int, setrlimit, NULL, resource, do_limit(resource, NULL, limit));
}

static uint64_t bits(const sigset_t *set)
{
    uint64_t all = 0;

    for (int signo = 1; signo < 64; signo++) {
        all |= sigismember(set, signo) == 1 ? UINT64_C(1) << signo : 0;
    }
    return all;
}

/* The mask of the process stands for that of its first thread; the others block everything anyway. */
int sim_pthread_sigmask(int how, const sigset_t *set, sigset_t *ret_old)
{
    uint64_t *blocked = &sim.current->blocked, before = *blocked;

    if (set) {
        uint64_t all = bits(set);

        *blocked = how == SIG_BLOCK ? *blocked | all : how == SIG_UNBLOCK ? *blocked & ~all : all;
    }
    if (ret_old) {
        sigemptyset(ret_old);
        for (int signo = 1; signo < 64; signo++) {
            if (before & UINT64_C(1) << signo) {
                sigaddset(ret_old, signo);
            }
        }
    }
    for (int signo = 1; signo < 64; signo++) {
        uint64_t bit = UINT64_C(1) << signo;

        if (sim.current->pending & bit && !(*blocked & bit)) {
            sim.current->pending &= ~bit;
            k_proc_signal(sim.current, signo);
        }
    }
    return 0;
}

int sim_sigaction(int signo, const struct sigaction *action, struct sigaction *ret_old)
{
    uint64_t bit = UINT64_C(1) << signo;

    if (ret_old) {
        memset(ret_old, 0, sizeof(*ret_old));
    }
    if (action && action->sa_handler == SIG_IGN) {
        sim.current->ignored |= bit;
        sim.current->pending &= ~bit;
    } else if (action) {
        sim.current->ignored &= ~bit;
    }
    return 0;
}

/* ----------------------------------------------------------------------------------- users, environment, time, dice */

char *sim_environment[32] = {NULL};
char **sim_environ = sim_environment;

char *sim_getenv(const char *name)
{
    size_t size = strlen(name);

    for (char **p = sim_environ; *p; p++) {
        if (!strncmp(*p, name, size) && (*p)[size] == '=') {
            return *p + size + 1;
        }
    }
    return NULL;
}

int sim_getpwuid_r(uid_t uid, struct passwd *entry, char *text, size_t size, struct passwd **ret)
{
    static char name[] = "user", home[] = "/home/user", shell[] = "/bin/sh";
    int error = sim_enter(CALL_getpwuid_r);

    *ret = NULL;
    (void)sim_leave(CALL_getpwuid_r, -error, NULL, uid);
    if (!error) {
        *entry = (struct passwd){.pw_name = name, .pw_uid = uid, .pw_gid = uid, .pw_dir = home, .pw_shell = shell};
        *ret = entry;
    }
    return error;
}

int sim_mallopt(int parameter, int value)
{
    return 1;
}

int sim_malloc_trim(size_t pad);
int sim_malloc_trim(size_t pad)
{
    return 0;
}

int sim_clock_gettime(clockid_t clock, struct timespec *ret)
{
    uint64_t nsec;

    (void)sim_enter(CALL_clock_gettime);
    nsec = clock == CLOCK_REALTIME ? sim_unix_nsec() : sim.now_nsec;
    *ret = (struct timespec){.tv_sec = (time_t)(nsec / SEC), .tv_nsec = (long)(nsec % SEC)};
    return 0;
}

static long fill_random(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)sim_random();
    }
    return (long)size;
}

ssize_t sim_getrandom(void *data, size_t size, unsigned int flags)
{
    RUN(ssize_t, getrandom, NULL, size, fill_random(data, size));
}
