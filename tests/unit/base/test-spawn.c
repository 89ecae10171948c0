/* SPDX-License-Identifier: MIT */

/* Children: what they find (arguments, environment, descriptors, session, signals, limits) and how a failure is told.
 */

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/spawn.h"

enum { WAIT_MSEC = 20000 };

static char helper_path[512];

static const char *helper(void)
{
    snprintf(helper_path, sizeof(helper_path), "%s/tests/helpers/child-report", check_build_dir());
    return helper_path;
}

/* argv and envp are not const in C. */
static char *word(const char *text)
{
    return (char *)(uintptr_t)text;
}

static bool wait_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return sys_poll(&poll_fd, 1, WAIT_MSEC) == 1;
}

static int outcome(int exec_pipe)
{
    int error = -1, r;

    check(wait_readable(exec_pipe));
    r = sys_spawn_outcome(exec_pipe, &error);
    return r < 0 ? r : error;
}

/* Exit status, or -signal. */
static int reap(int pidfd)
{
    siginfo_t info = {0};

    check(wait_readable(pidfd));
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED), 0);
    return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

static void read_report(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n;

    while (used + 1 < size && wait_readable(fd) && (n = sys_read(fd, text + used, size - 1 - used)) > 0) {
        used += (size_t)n;
    }
    text[used] = '\0';
}

static bool has_line(const char *report, const char *line)
{
    size_t size = strlen(line);

    for (const char *at = report; (at = strstr(at, line)); at++) {
        if ((at == report || at[-1] == '\n') && at[size] == '\n') {
            return true;
        }
    }
    return false;
}

static unsigned int count_lines(const char *report, const char *prefix)
{
    unsigned int n = 0;

    for (const char *at = report; (at = strstr(at, prefix)); at++) {
        n += at == report || at[-1] == '\n';
    }
    return n;
}

/* But for 32 and 33, which the C library keeps for itself: make starts its commands with these ignored. */
static unsigned long long ignored_signals(const char *report)
{
    const char *line = strstr(report, "SigIgn=");

    return line ? strtoull(line + strlen("SigIgn="), NULL, 16) & ~0x180000000ull : ~0ull;
}

#define check_line(report, line)                                                                                       \
    do {                                                                                                               \
        if (!has_line(report, line)) {                                                                                 \
            printf("\n    no line \"%s\" in:\n%s", line, report);                                                      \
        }                                                                                                              \
        check(has_line(report, line));                                                                                 \
    } while (0)

/* The whole recipe at once, from a process that blocks and ignores signals and has stray descriptors open. */
static void test_recipe(void)
{
    char *argv[] = {word(helper()), word("two words"), NULL};
    char *envp[] = {word("REPORT_FD=7"), word("A=b=c"), NULL};
    const struct rlimit nofile = {.rlim_cur = 200, .rlim_max = 300},
                        data = {.rlim_cur = 1ull << 46, .rlim_max = 1ull << 46};
    const struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
    int stray_fd = sys_fcntl(STDIN_FILENO, F_DUPFD, 30); /* not even CLOEXEC */
    int listener_fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int report_fds[2], pair_fds[2], pidfd = -1, exec_pipe = -1;
    struct sys_spawn_fd fds[2];
    struct sys_spawn spawn = {
        .path = helper(),
        .argv = argv,
        .envp = envp,
        .listener_fd = listener_fd,
        .fds = fds,
        .n_fds = 2,
        .new_session = true,
        .nofile = &nofile,
        .data = &data,
        .cwd = "/",
    };
    static char report[16384];
    char pid_line[32];
    sigset_t blocked, before;
    pid_t pid = 0;

    check_int(sys_bind(listener_fd, (const struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX},
                       sizeof(sa_family_t)),
              0);
    check_int(sys_listen(listener_fd, 8), 0);
    check_int(sys_pipe2(report_fds, O_CLOEXEC), 0);
    check_int(sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_fds), 0);
    fds[0] = (struct sys_spawn_fd){.fd = pair_fds[1], .number = 4};
    fds[1] = (struct sys_spawn_fd){.fd = report_fds[1], .number = 7};
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGUSR1);
    check_int(sys_sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    check_int(sys_sigaction(SIGPIPE, &ignore, NULL), 0);
    check_int(sys_sigaction(SIGINT, &ignore, NULL), 0);
    sys_spawn_learn_signals();

    check_int(sys_spawn(&spawn, &pid, &pidfd, &exec_pipe), 0);
    check_int(sys_fcntl(pidfd, F_GETFD, 0), FD_CLOEXEC);
    check_int(sys_fcntl(exec_pipe, F_GETFD, 0), FD_CLOEXEC);
    report_fds[1] = close_fd(report_fds[1]);
    check_int(outcome(exec_pipe), 0);
    read_report(report_fds[0], report, sizeof(report));
    check_int(reap(pidfd), 0);

    check_line(report, "end");
    check_line(report, "arg1=two words");
    check_int(count_lines(report, "arg"), 2);
    check_line(report, "env:REPORT_FD=7");
    check_line(report, "env:A=b=c");
    check_int(count_lines(report, "env:"), 2);
    check_line(report, "fd0=/dev/null cloexec=0");
    check_line(report, "fd1=/dev/null cloexec=0");
    check_line(report, "fd2=/dev/null cloexec=0");
    check_line(report, "fd3=socket cloexec=0");
    check_line(report, "fd4=socket cloexec=0");
    check_line(report, "fd7=pipe cloexec=0");
    check_int(count_lines(report, "fd"), 6);
    check_line(report, "listening=1"); /* the listener survives the exec */
    check_line(report, "leads_session=1");
    check_line(report, "leads_group=1");
    check_line(report, "cwd=/");
    check_line(report, "nofile=200/300");
    check_line(report, "data=70368744177664/70368744177664");
    check_line(report, "SigBlk=0000000000000000");
    check_int(ignored_signals(report), 0);
    check_line(report, "death_signal=0");
    snprintf(pid_line, sizeof(pid_line), "pid=%d", pid);
    check_line(report, pid_line);

    sys_sigprocmask(SIG_SETMASK, &before, NULL);
    sys_sigaction(SIGPIPE, &standard, NULL);
    sys_sigaction(SIGINT, &standard, NULL);
    sys_spawn_learn_signals();
    close_fd(stray_fd), close_fd(listener_fd), close_fd(report_fds[0]), close_fd(pair_fds[0]), close_fd(pair_fds[1]);
    close_fd(pidfd), close_fd(exec_pipe);
}

/*
 * Targets on the numbers of the sources, and on those which the child's copies would get if they took the lowest free
 * ones: nothing may overwrite what is still needed.
 */
static void test_crossed_numbers(void)
{
    int pipe_fds[2], zero_fd, lowest, report_number, pidfd = -1, exec_pipe = -1;
    char variable[32], line[64];
    char *argv[] = {word(helper()), NULL}, *envp[] = {variable, NULL};
    static char report[16384];
    struct sys_spawn_fd fds[5];
    struct sys_spawn spawn = {.path = helper(), .argv = argv, .envp = envp, .listener_fd = -1, .fds = fds, .n_fds = 5};
    pid_t pid;

    check_int(sys_pipe2(pipe_fds, O_CLOEXEC), 0);
    zero_fd = sys_open("/dev/zero", O_RDONLY | O_CLOEXEC, 0);
    lowest = sys_dup_cloexec(zero_fd, 3);
    close_fd(lowest);
    report_number = lowest + 3;
    fds[0] = (struct sys_spawn_fd){.fd = zero_fd, .number = pipe_fds[1]};
    fds[1] = (struct sys_spawn_fd){.fd = zero_fd, .number = lowest + 2};
    fds[2] = (struct sys_spawn_fd){.fd = zero_fd, .number = lowest + 4};
    fds[3] = (struct sys_spawn_fd){.fd = zero_fd, .number = lowest + 6};
    fds[4] = (struct sys_spawn_fd){.fd = pipe_fds[1], .number = report_number};
    snprintf(variable, sizeof(variable), "REPORT_FD=%d", report_number);
    check_int(sys_spawn(&spawn, &pid, &pidfd, &exec_pipe), 0);
    pipe_fds[1] = close_fd(pipe_fds[1]);
    check_int(outcome(exec_pipe), 0);
    read_report(pipe_fds[0], report, sizeof(report));
    check_int(reap(pidfd), 0);
    snprintf(line, sizeof(line), "fd%d=pipe cloexec=0", report_number);
    check_line(report, line);
    for (int i = 0; i < 4; i++) {
        snprintf(line, sizeof(line), "fd%d=/dev/zero cloexec=0", fds[i].number);
        check_line(report, line);
    }
    check_int(count_lines(report, "fd"), 8);
    check_line(report, "leads_session=0");
    close_fd(pipe_fds[0]), close_fd(zero_fd), close_fd(pidfd), close_fd(exec_pipe);
}

static int try_path(const char *path, const char *cwd)
{
    char *argv[] = {word(path), NULL}, *envp[] = {NULL};
    struct sys_spawn spawn = {.path = path, .argv = argv, .envp = envp, .listener_fd = -1, .cwd = cwd};
    int pidfd = -1, exec_pipe = -1, r;
    pid_t pid;

    check_int(sys_spawn(&spawn, &pid, &pidfd, &exec_pipe), 0);
    r = outcome(exec_pipe);
    if (r != 0) {
        check_int(reap(pidfd), 127);
    } else {
        (void)reap(pidfd);
    }
    close_fd(pidfd), close_fd(exec_pipe);
    return r;
}

static void put_file(char *path, size_t size, const char *dir, const char *name, const char *text, mode_t mode)
{
    int fd;

    snprintf(path, size, "%s/%s", dir, name);
    fd = sys_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0);
    check_int(sys_write(fd, text, strlen(text)), strlen(text));
    check_int(sys_fchmod(fd, mode), 0);
    close_fd(fd);
}

static void test_exec_errors(void)
{
    const char *dir = check_tmpdir();
    char path[256];
    int fd;

    check_int(try_path("/bin/true", NULL), 0);
    check_int(try_path("/nowhere/at/all", NULL), ENOENT);
    check_int(try_path(dir, NULL), EACCES);
    put_file(path, sizeof(path), dir, "not-executable", "#!/bin/sh\n", 0600);
    check_int(try_path(path, NULL), EACCES);
    put_file(path, sizeof(path), dir, "no-format", "nothing that runs\n", 0700);
    check_int(try_path(path, NULL), ENOEXEC);
    fd = sys_open(path, O_WRONLY | O_CLOEXEC, 0);
    check_int(try_path(path, NULL), ETXTBSY);
    close_fd(fd);
    check_int(try_path("/bin/true", "/nowhere/at/all"), ENOENT);
}

static void test_bad_recipes(void)
{
    char *argv[] = {word("/bin/true"), NULL}, *envp[] = {NULL};
    struct sys_spawn_fd fds[SYS_SPAWN_FDS_MAX + 1] = {{.fd = 0, .number = 2}};
    struct sys_spawn spawn = {.path = argv[0], .argv = argv, .envp = envp, .listener_fd = -1, .fds = fds, .n_fds = 1};
    int pidfd = -1, exec_pipe = -1;
    pid_t pid = 0;

    check_int(sys_spawn(&spawn, &pid, &pidfd, &exec_pipe), -EINVAL); /* a standard number */
    fds[0].number = SYS_SPAWN_LISTENER;
    spawn.listener_fd = 0;
    check_int(sys_spawn(&spawn, &pid, &pidfd, &exec_pipe), -EINVAL); /* one number twice */
    spawn.n_fds = SYS_SPAWN_FDS_MAX + 1;
    check_int(sys_spawn(&spawn, &pid, &pidfd, &exec_pipe), -EINVAL);
    check_int(pid, 0);
    check_int(pidfd, -1);
}

/* No descriptor left for the pidfd: no child is left either. */
static void test_no_descriptor_left(void)
{
    char *argv[] = {word("/bin/true"), NULL}, *envp[] = {NULL};
    struct sys_spawn spawn = {.path = argv[0], .argv = argv, .envp = envp, .listener_fd = -1};
    int pidfd = -1, exec_pipe = -1, lowest = sys_dup_cloexec(0, 0);
    struct rlimit limit, tight;
    siginfo_t info = {0};
    pid_t pid = 0;

    close_fd(lowest);
    check_int(sys_getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = (struct rlimit){.rlim_cur = (rlim_t)lowest + 2, .rlim_max = limit.rlim_max};
    check_int(sys_setrlimit(RLIMIT_NOFILE, &tight), 0);
    check_int(sys_spawn(&spawn, &pid, &pidfd, &exec_pipe), -EMFILE);
    check_int(sys_setrlimit(RLIMIT_NOFILE, &limit), 0);
    check_int(sys_waitid(P_ALL, 0, &info, WEXITED | WNOHANG), -ECHILD);
}

/* A bound child dies with the thread that forked it. */
static void test_dies_with_parent(void)
{
    char *argv[] = {word(helper()), NULL}, *envp[] = {word("REPORT_FD=5"), word("STAY=1"), NULL};
    int report_fds[2], go_fds[2], pidfd, child_pidfd;
    static char report[16384];
    const char *line;
    pid_t between;
    char byte;

    check_int(sys_pipe2(report_fds, O_CLOEXEC), 0);
    check_int(sys_pipe2(go_fds, O_CLOEXEC), 0);
    between = fork();
    if (between == 0) {
        struct sys_spawn_fd fds[] = {{.fd = report_fds[1], .number = 5}};
        struct sys_spawn spawn = {
            .path = helper(),
            .argv = argv,
            .envp = envp,
            .listener_fd = -1,
            .fds = fds,
            .n_fds = 1,
            .die_with_parent = true,
        };
        int unused_pidfd, unused_pipe;
        pid_t unused_pid;

        close_fd(go_fds[1]);
        if (sys_spawn(&spawn, &unused_pid, &unused_pidfd, &unused_pipe) < 0) {
            _exit(1);
        }
        close_fd(report_fds[1]);
        (void)sys_read(go_fds[0], &byte, 1);
        _exit(0);
    }
    child_pidfd = sys_pidfd_open(between, 0);
    report_fds[1] = close_fd(report_fds[1]);
    go_fds[0] = close_fd(go_fds[0]);
    read_report(report_fds[0], report, sizeof(report));
    check_line(report, "death_signal=15");
    line = strstr(report, "pid=");
    check_fatal(line != NULL);
    pidfd = sys_pidfd_open(atoi(line + 4), 0);
    check_fatal(pidfd >= 0);
    go_fds[1] = close_fd(go_fds[1]);
    check_int(reap(child_pidfd), 0);
    check(wait_readable(pidfd));
    close_fd(pidfd), close_fd(child_pidfd), close_fd(report_fds[0]);
}

CHECK_PROGRAM("base/spawn", {"the child finds exactly what the recipe says", test_recipe},
              {"descriptors on each other's numbers", test_crossed_numbers}, {"why an exec failed", test_exec_errors},
              {"recipes that cannot be", test_bad_recipes},
              {"no descriptor for the pidfd, no child", test_no_descriptor_left},
              {"a bound child dies with its parent", test_dies_with_parent})
