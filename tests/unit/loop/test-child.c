/* SPDX-License-Identifier: MIT */

/* Ends of processes and signals as events of the loop. */

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "loop/loop.h"

struct watcher {
    struct loop_child child;
    unsigned int n_calls;
    bool had_info;
    int code, status;
    pid_t pid;
};

static void exited(void *owner, const siginfo_t *info)
{
    struct watcher *watcher = owner;

    watcher->n_calls++;
    watcher->had_info = info != NULL;
    if (info) {
        watcher->code = info->si_code;
        watcher->status = info->si_status;
        watcher->pid = info->si_pid;
    }
}

/* A child that ends with @status, or waits for a signal when that is negative. */
static pid_t start(int status)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (status < 0) {
            for (;;) {
                pause();
            }
        }
        _exit(status);
    }
    return pid;
}

static void turn_until_called(struct loop *loop, const unsigned int *n)
{
    while (*n == 0) {
        check_fatal(loop_turn(loop, true) == 0);
    }
}

static void test_exit_and_kill(void)
{
    struct watcher a = {0}, b = {0};
    pid_t pid_a = start(7), pid_b = start(-1);
    siginfo_t info;
    struct loop loop;

    check_int(loop_init(&loop), 0);
    check_int(loop_child_watch(&loop, &a.child, sys_pidfd_open(pid_a, 0), exited, &a), 0);
    check_int(loop_child_watch(&loop, &b.child, sys_pidfd_open(pid_b, 0), exited, &b), 0);
    turn_until_called(&loop, &a.n_calls);
    check_int(a.code, CLD_EXITED);
    check_int(a.status, 7);
    check_int(a.pid, pid_a);
    check_int(b.n_calls, 0);
    check_int(sys_kill(pid_b, SIGKILL), 0);
    turn_until_called(&loop, &b.n_calls);
    check_int(b.code, CLD_KILLED);
    check_int(b.status, SIGKILL);
    check_int(sys_waitid(P_ALL, 0, &info, WEXITED | WNOHANG), -ECHILD); /* both are reaped */
    check_int(loop_turn(&loop, false), 0);
    check_int(a.n_calls + b.n_calls, 2);
    loop_deinit(&loop);
}

/* A process that is not our child: its end is known, nothing more. */
static void test_stranger(void)
{
    struct watcher watcher = {0};
    struct loop loop;
    int fds[2];
    pid_t pid, between;
    siginfo_t info;

    check_int(sys_pipe2(fds, O_CLOEXEC), 0);
    between = fork();
    if (between == 0) {
        pid = start(-1);
        (void)sys_write(fds[1], &pid, sizeof(pid));
        _exit(0);
    }
    check_int(sys_read(fds[0], &pid, sizeof(pid)), sizeof(pid));
    check_int(sys_waitid(P_PID, (id_t)between, &info, WEXITED), 0);
    check_int(loop_init(&loop), 0);
    check_int(loop_child_watch(&loop, &watcher.child, sys_pidfd_open(pid, 0), exited, &watcher), 0);
    check_int(sys_kill(pid, SIGKILL), 0);
    turn_until_called(&loop, &watcher.n_calls);
    check(!watcher.had_info);
    loop_deinit(&loop);
    close_fd(fds[0]);
    close_fd(fds[1]);
}

/* A process that a debugger holds when it has ended: nothing can be reaped before the debugger lets go of it. */
static void test_held_by_a_tracer(void)
{
    struct watcher watcher = {0};
    int ready[2], go[2];
    pid_t pid, tracer;
    unsigned int n_turns = 0;
    struct loop loop;
    nsec_t end_nsec;
    siginfo_t info;
    char byte = 0;

    check_int(sys_pipe2(ready, O_CLOEXEC), 0);
    check_int(sys_pipe2(go, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
        (void)sys_write(ready[1], &byte, 1);
        (void)sys_read(go[0], &byte, 1);
        _exit(5);
    }
    check_int(sys_read(ready[0], &byte, 1), 1);
    tracer = fork();
    if (tracer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        byte = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
        (void)sys_write(ready[1], &byte, 1);
        for (;;) {
            pause();
        }
    }
    check_int(sys_read(ready[0], &byte, 1), 1);
    check_fatal(byte == 1);
    check_int(loop_init(&loop), 0);
    check_int(loop_child_watch(&loop, &watcher.child, sys_pidfd_open(pid, 0), exited, &watcher), 0);
    check_int(sys_write(go[1], &byte, 1), 1);
    check_int(sys_waitid(P_PID, (id_t)tracer, &info, WEXITED | WNOHANG), 0);
    for (end_nsec = clock_monotonic() + 400 * NSEC_PER_MSEC; clock_monotonic() < end_nsec; n_turns++) {
        check_fatal(loop_turn(&loop, true) == 0 && n_turns < 1000);
    }
    check(n_turns < 20);
    check_int(watcher.n_calls, 0);
    check_int(sys_kill(tracer, SIGKILL), 0);
    turn_until_called(&loop, &watcher.n_calls);
    check(watcher.had_info);
    check_int(watcher.code, CLD_EXITED);
    check_int(watcher.status, 5);
    check_int(sys_waitid(P_PID, (id_t)tracer, &info, WEXITED), 0);
    loop_deinit(&loop);
    for (int i = 0; i < 2; i++) {
        close_fd(ready[i]);
        close_fd(go[i]);
    }
}

static int watch_error; /* of every new watch; 0: none fails */

/* In place of the library's. */
int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && watch_error != 0) {
        errno = watch_error;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
}

static uint32_t wants_nothing(void *owner)
{
    (void)owner;
    return 0;
}

static void never_ready(void *owner, uint32_t events)
{
    (void)owner;
    (void)events;
    check(false);
}

/* The kernel has no room for another watch, and the poll set is full: the end is heard of all the same, in time. */
static void test_no_room_to_watch(void)
{
    struct loop_io fillers[LOOP_DIRECT_MAX] = {0};
    struct watcher watcher = {0}, other = {0};
    siginfo_t info;
    struct loop loop;
    pid_t pid;

    check_int(loop_init(&loop), 0);
    watch_error = ENOMEM;
    for (int i = 0; i < LOOP_DIRECT_MAX; i++) {
        if (loop_io_link(&loop, &fillers[i], STDIN_FILENO, LOOP_YOUNG, wants_nothing, never_ready, NULL) < 0) {
            break; /* some places are the loop's own */
        }
    }
    pid = start(7);
    check_fatal(loop_child_watch(&loop, &watcher.child, sys_pidfd_open(pid, 0), exited, &watcher) == 0);
    check_int(loop_child_watch(&loop, &watcher.child, sys_pidfd_open(pid, 0), exited, &watcher), -EINVAL);
    check_int(sys_waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    check_int(loop_child_watch(&loop, &other.child, sys_pidfd_open(getppid(), 0), exited, &other), 0); /* a stranger */
    for (int i = 0; i < 3; i++) {
        check_int(loop_turn(&loop, true), 0);
    }
    check_int(watcher.n_calls + other.n_calls, 0);
    watch_error = 0;
    turn_until_called(&loop, &watcher.n_calls);
    check_int(watcher.status, 7);
    check_int(other.n_calls, 0);
    loop_child_unlink(&other.child);
    loop_child_unlink(&other.child);
    for (int i = 0; i < LOOP_DIRECT_MAX; i++) {
        loop_io_unlink(&fillers[i]);
    }
    loop_deinit(&loop);
}

static void test_unlink_and_errors(void)
{
    struct watcher watcher = {0};
    struct loop_child unused = {0};
    pid_t pid = start(-1);
    siginfo_t info;
    struct loop loop;
    int pidfd;

    loop_child_unlink(&unused);
    check_int(loop_init(&loop), 0);
    check_int(loop_child_watch(&loop, &watcher.child, sys_pidfd_open(pid, 0), exited, &watcher), 0);
    pidfd = sys_pidfd_open(pid, 0);
    check_int(loop_child_watch(&loop, &watcher.child, pidfd, exited, &watcher), -EINVAL);
    check_int(sys_close(pidfd), -EBADF);                                          /* taken also on failure */
    check_int(loop_child_watch(&loop, &unused, pidfd, exited, &watcher), -EBADF); /* no want of room */
    loop_child_unlink(&watcher.child);
    loop_child_unlink(&watcher.child);
    check_int(sys_kill(pid, SIGKILL), 0);
    check_int(sys_waitid(P_PID, (id_t)pid, &info, WEXITED), 0); /* nobody else reaped it */
    check_int(watcher.n_calls, 0);
    loop_deinit(&loop);
}

/* A pidfd opened on an unreaped child names it even when the child has ended. */
static void test_kernel_pidfd_of_a_zombie(void)
{
    pid_t pid = start(3);
    siginfo_t info = {0};
    int pidfd;

    check_int(sys_waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0); /* has ended, is not reaped */
    pidfd = sys_pidfd_open(pid, 0);
    check(pidfd >= 0);
    check_int(sys_poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, 0), 1);
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED), 0);
    check_int(info.si_status, 3);
    check_int(sys_pidfd_send_signal(pidfd, SIGTERM), -ESRCH);
    check_int(sys_fcntl(pidfd, F_GETFD, 0), FD_CLOEXEC);
    close_fd(pidfd);
}

/* --------------------------------------------------------------------------------------------------------- signals */

struct catcher {
    struct loop_signals signals;
    unsigned int n_term, n_hup;
    bool ends;
};

static void caught(void *owner, int signo)
{
    struct catcher *catcher = owner;

    catcher->n_term += signo == SIGTERM;
    catcher->n_hup += signo == SIGHUP;
    if (catcher->ends) {
        loop_signals_deinit(&catcher->signals);
    }
}

static void test_signals(void)
{
    struct catcher catcher = {0};
    struct loop loop;
    sigset_t set, now;

    loop_signals_deinit(&catcher.signals);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    check_int(loop_init(&loop), 0);
    check_int(loop_signals_init(&loop, &catcher.signals, &set, caught, &catcher), 0);
    check_int(sys_kill(sys_getpid(), SIGTERM), 0);
    check_int(sys_kill(sys_getpid(), SIGHUP), 0);
    turn_until_called(&loop, &catcher.n_term);
    turn_until_called(&loop, &catcher.n_hup);
    check_int(catcher.n_term, 1);
    check_int(catcher.n_hup, 1);
    catcher.ends = true;
    check_int(sys_kill(sys_getpid(), SIGHUP), 0);
    check_int(loop_turn(&loop, true), 0);
    check_int(catcher.n_hup, 2);
    check_int(sys_sigprocmask(SIG_SETMASK, NULL, &now), 0);
    check(!sigismember(&now, SIGTERM)); /* as it was before */
    loop_deinit(&loop);
}

CHECK_PROGRAM("loop/child", {"a child that exits, a child that is killed", test_exit_and_kill},
              {"a process that is not our child", test_stranger},
              {"a child that a debugger holds", test_held_by_a_tracer}, {"no room to watch", test_no_room_to_watch},
              {"let go, and misuse", test_unlink_and_errors},
              {"kernel: a pidfd of an unreaped child", test_kernel_pidfd_of_a_zombie},
              {"signals are events", test_signals})
