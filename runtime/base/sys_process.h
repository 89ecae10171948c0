/* SPDX-License-Identifier: MIT */
#pragma once

/* Processes, signals, users, limits, time, randomness and threads: part of sys.h. Children are started by spawn.h. */

#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sys_call.h"

/* ------------------------------------------------------------------------------------------------------- processes */

static inline pid_t sys_getpid(void)
{
    return getpid();
}

static inline pid_t sys_getppid(void)
{
    return getppid();
}

static inline uid_t sys_getuid(void)
{
    return getuid();
}

static inline uid_t sys_geteuid(void)
{
    return geteuid();
}

static inline gid_t sys_getegid(void)
{
    return getegid();
}

static inline gid_t sys_getgid(void)
{
    return getgid();
}

static inline pid_t sys_getsid(pid_t pid)
{
    SYS_ONCE(pid_t, getsid(pid));
}

/* fork() with the child's pidfd (CLOEXEC) in the same breath. Like fork() it returns twice; 0 in the child. No handlers of
 * pthread_atfork() run, so the child may only make async-signal-safe calls. Kernel 5.2. */
static inline pid_t sys_fork_pidfd(int *ret_pidfd)
{
    int pidfd = -1;
    long pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, NULL);

    if (pid < 0) {
        return (pid_t)sys_failure();
    }
    if (pid > 0) {
        *ret_pidfd = pidfd;
    }
    return (pid_t)pid;
}

/* A descriptor (CLOEXEC) that names the process until closed, whatever happens to its number. -ESRCH when there is
 * none. */
static inline int sys_pidfd_open(pid_t pid, unsigned int flags)
{
    SYS_ONCE(int, (int)syscall(SYS_pidfd_open, pid, flags));
}

static inline int sys_pidfd_send_signal(int pidfd, int signo)
{
    SYS_ONCE(int, (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0));
}

static inline int sys_kill(pid_t pid, int signo)
{
    SYS_ONCE(int, kill(pid, signo));
}

static inline int sys_waitid(idtype_t type, id_t id, siginfo_t *ret, int options)
{
    SYS_RETRY(int, waitid(type, id, ret, options));
}

/* The process that @pidfd names: P_PIDFD. @options as of waitid(). */
static inline int sys_waitid_pidfd(int pidfd, siginfo_t *ret, int options)
{
    return sys_waitid((idtype_t)P_PIDFD, (id_t)pidfd, ret, options);
}

static inline int sys_prctl(int option, unsigned long argument)
{
    SYS_ONCE(int, prctl(option, argument, 0UL, 0UL, 0UL));
}

static inline int sys_getrlimit(int resource, struct rlimit *ret)
{
    SYS_ONCE(int, getrlimit((__rlimit_resource_t)resource, ret));
}

static inline int sys_setrlimit(int resource, const struct rlimit *limit)
{
    SYS_ONCE(int, setrlimit((__rlimit_resource_t)resource, limit));
}

static inline int sys_prlimit(pid_t pid, int resource, const struct rlimit *limit, struct rlimit *ret_old)
{
    SYS_ONCE(int, prlimit(pid, (enum __rlimit_resource)resource, limit, ret_old));
}

/* --------------------------------------------------------------------------------------------------------- signals */

static inline int sys_sigprocmask(int how, const sigset_t *set, sigset_t *ret_old)
{
    return -pthread_sigmask(how, set, ret_old);
}

static inline int sys_sigaction(int signo, const struct sigaction *action, struct sigaction *ret_old)
{
    SYS_ONCE(int, sigaction(signo, action, ret_old));
}

/* ------------------------------------------------------------------------------------------- machine, users, random */

static inline int sys_uname(struct utsname *ret)
{
    SYS_ONCE(int, uname(ret));
}

static inline int sys_gethostname(char *ret, size_t size)
{
    SYS_ONCE(int, gethostname(ret, size));
}

/* 0 and *@ret: @entry, with its strings in @text; NULL when the user has no entry. May ask name services, so it blocks.
 */
static inline int sys_getpwuid_r(uid_t uid, struct passwd *entry, char *text, size_t size, struct passwd **ret)
{
    return -getpwuid_r(uid, entry, text, size, ret);
}

static inline ssize_t sys_getrandom(void *data, size_t size, unsigned int flags)
{
    SYS_RETRY(ssize_t, getrandom(data, size, flags));
}

static inline int sys_clock_gettime(clockid_t clock, struct timespec *ret)
{
    SYS_ONCE(int, clock_gettime(clock, ret));
}

static inline long sys_sysconf(int name)
{
    return sysconf(name);
}

/* --------------------------------------------------------------------------------------------------------- threads */

/*
 * Starts a thread with every signal blocked, so that signals stay the loop's, and a stack of @stack_size bytes. The
 * caller joins or detaches it.
 */
static inline int sys_thread_start(void *(*run)(void *), void *argument, size_t stack_size, pthread_t *ret)
{
    pthread_attr_t attributes;
    sigset_t all, old;
    int r;

    r = -pthread_attr_init(&attributes);
    if (r < 0) {
        return r;
    }
    sigfillset(&all);
    r = -pthread_attr_setstacksize(&attributes, stack_size);
    if (r == 0) {
        r = -pthread_sigmask(SIG_SETMASK, &all, &old);
    }
    if (r == 0) {
        r = -pthread_create(ret, &attributes, run, argument);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    (void)pthread_attr_destroy(&attributes);
    return r;
}

static inline int sys_thread_join(pthread_t thread)
{
    return -pthread_join(thread, NULL);
}

static inline int sys_thread_detach(pthread_t thread)
{
    return -pthread_detach(thread);
}
