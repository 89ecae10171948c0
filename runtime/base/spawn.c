/* SPDX-License-Identifier: MIT */

/*
 * fork() and exec() with the whole recipe of a child. It is fork() from the loop's own thread: vfork() and
 * posix_spawn() would stop the loop until the exec is through, and a parent-death signal follows the forking thread.
 * Between fork and exec the child makes only async-signal-safe calls on memory that was ready before, because another
 * thread may have held a lock at the fork. A failure on that way travels as 4 bytes through a CLOEXEC pipe, whose end
 * of file is the proof of the exec. The pidfd comes with the fork itself, so it cannot name a stranger and there is no
 * child without one. It waits for nothing.
 */

#include "base/spawn.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
    EXIT_NOT_EXECUTED = 127,
    NUMBERS_END = 64, /* numbers of the recipe are below this */
};

/* Signals with another action than the default one, looked up once: setting all of them costs a tenth of a fork. */
static struct {
    bool are_known;
    size_t n;
    int signos[NSIG];
} altered;

/* A recipe made ready for the child: nothing is left to be computed there. */
struct child {
    const struct sys_spawn *spawn;
    struct sys_spawn_fd fds[SYS_SPAWN_FDS_MAX + 1];
    size_t n_fds;
    int exec_pipe, null_fd;
    pid_t parent;
};

static int highest_number(const struct child *child)
{
    int highest = STDERR_FILENO;

    for (size_t i = 0; i < child->n_fds; i++) {
        if (child->fds[i].number > highest) {
            highest = child->fds[i].number;
        }
    }
    return highest;
}

/* In the child from here on: no allocation, no stdio, no locks. */

static int reset_signals(void)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (size_t i = 0; i < altered.n; i++) {
        (void)sys_sigaction(altered.signos[i], &standard, NULL);
    }
    sigemptyset(&none);
    return sys_sigprocmask(SIG_SETMASK, &none, NULL);
}

static int arrange_standard_fds(int null_fd)
{
    int r = 0;

    for (int number = STDIN_FILENO; number <= STDERR_FILENO && r >= 0; number++) {
        r = null_fd == number ? sys_fcntl(null_fd, F_SETFD, 0) : sys_dup2(null_fd, number);
    }
    return r < 0 ? r : 0;
}

/* @fd, or a copy of it that is not below @lowest. */
static int lift(int fd, int lowest)
{
    return fd >= lowest ? fd : sys_dup_cloexec(fd, lowest);
}

/* Every source and the pipe first move above all targets, so that no dup2() can overwrite what is still needed. */
static int arrange_fds(struct child *child)
{
    int lowest = highest_number(child) + 1;
    int r;

    r = lift(child->exec_pipe, lowest);
    if (r < 0) {
        return r;
    }
    child->exec_pipe = r;
    for (size_t i = 0; i < child->n_fds; i++) {
        child->fds[i].fd = lift(child->fds[i].fd, lowest);
        if (child->fds[i].fd < 0) {
            return child->fds[i].fd;
        }
    }
    r = arrange_standard_fds(child->null_fd);
    if (r < 0) {
        return r;
    }
    r = sys_close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    for (size_t i = 0; i < child->n_fds && r >= 0; i++) {
        r = sys_dup2(child->fds[i].fd, child->fds[i].number); /* the copy is not CLOEXEC */
    }
    return r < 0 ? r : 0;
}

static int tie_to_parent(pid_t parent)
{
    int r;

    r = sys_prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (r < 0) {
        return r;
    }
    return sys_getppid() == parent ? 0 : -ESRCH; /* the parent ended before the signal was asked for */
}

static int set_limits(const struct sys_spawn *spawn)
{
    int r = 0;

    if (spawn->data) {
        r = sys_setrlimit(RLIMIT_DATA, spawn->data);
    }
    if (r >= 0 && spawn->nofile) {
        r = sys_setrlimit(RLIMIT_NOFILE, spawn->nofile);
    }
    return r;
}

static int become(struct child *child)
{
    const struct sys_spawn *spawn = child->spawn;
    int r;

    r = arrange_fds(child);
    if (r >= 0) {
        r = reset_signals();
    }
    if (r >= 0 && spawn->new_session) {
        (void)setsid();
    }
    if (r >= 0 && spawn->die_with_parent) {
        r = tie_to_parent(child->parent);
    }
    if (r >= 0 && spawn->cwd) {
        r = sys_chdir(spawn->cwd);
    }
    if (r >= 0) {
        r = set_limits(spawn);
    }
    if (r < 0) {
        return r;
    }
    execve(spawn->path, spawn->argv, spawn->envp);
    return -errno;
}

static void __attribute__((noreturn)) run_child(struct child *child)
{
    int error = -become(child);

    (void)sys_write(child->exec_pipe, &error, sizeof(error));
    _exit(EXIT_NOT_EXECUTED);
}

/* In the parent again. */

void sys_spawn_learn_signals(void)
{
    struct sigaction action;

    altered.n = 0;
    for (int signo = 1; signo < NSIG; signo++) { /* the library's own two refuse */
        if (sys_sigaction(signo, NULL, &action) >= 0 && action.sa_handler != SIG_DFL) {
            altered.signos[altered.n++] = signo;
        }
    }
    altered.are_known = true;
}

static int prepare(struct child *child, const struct sys_spawn *spawn)
{
    *child = (struct child){.spawn = spawn, .exec_pipe = -1, .null_fd = -1, .parent = sys_getpid()};
    if (spawn->n_fds > SYS_SPAWN_FDS_MAX) {
        return error_origin(-EINVAL);
    }
    if (!altered.are_known) {
        sys_spawn_learn_signals();
    }
    if (spawn->listener_fd >= 0) {
        child->fds[child->n_fds++] = (struct sys_spawn_fd){.fd = spawn->listener_fd, .number = SYS_SPAWN_LISTENER};
    }
    for (size_t i = 0; i < spawn->n_fds; i++) {
        int number = spawn->fds[i].number;

        if (number <= STDERR_FILENO || number >= NUMBERS_END) {
            return error_origin(-EINVAL);
        }
        for (size_t j = 0; j < child->n_fds; j++) {
            if (child->fds[j].number == number) {
                return error_origin(-EINVAL);
            }
        }
        child->fds[child->n_fds++] = spawn->fds[i];
    }
    return 0;
}

int sys_spawn(const struct sys_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, int *ret_exec_pipe)
{
    _cleanup_close_ int read_end = -1, write_end = -1, null_fd = -1;
    struct child child;
    int fds[2], pidfd = -1, r;
    pid_t pid;

    r = prepare(&child, spawn);
    if (r < 0) {
        return error_trace(r);
    }
    r = sys_pipe2(fds, O_CLOEXEC | O_NONBLOCK);
    if (r < 0) {
        return error_origin(r);
    }
    read_end = fds[0];
    write_end = fds[1];
    child.exec_pipe = write_end;
    child.null_fd = null_fd = sys_open("/dev/null", O_RDWR | O_CLOEXEC, 0);
    if (null_fd < 0) {
        return error_origin(null_fd);
    }
    pid = sys_fork_pidfd(&pidfd);
    if (pid < 0) {
        return error_origin(pid);
    }
    if (pid == 0) {
        run_child(&child);
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    *ret_exec_pipe = take_fd(&read_end);
    return 0;
}

int sys_spawn_outcome(int exec_pipe, int *ret_errno)
{
    int error = 0;
    ssize_t n;

    n = sys_read(exec_pipe, &error, sizeof(error));
    if (n == -EAGAIN) {
        return -EAGAIN; /* not yet: no error that has a way */
    }
    if (n < 0) {
        return error_origin((int)n);
    }
    if (n != 0 && (n != (ssize_t)sizeof(error) || error <= 0)) {
        return error_origin(-EPROTO);
    }
    *ret_errno = n == 0 ? 0 : error;
    return 0;
}
