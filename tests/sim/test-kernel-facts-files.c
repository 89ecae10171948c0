/* SPDX-License-Identifier: MIT */

/*
 * What the daemon believes about files and processes, asserted twice with the same words: against Linux and against the
 * simulated kernel (RPB_SIM). Where the two disagree one of them is wrong, and it is not Linux.
 */

#include "facts.h"

/* ----------------------------------------------------------------------------------------------------------- files */

static void test_opening(void)
{
    struct stat st;
    int fd;

    begin();
    (void)put("file", "text");
    check_int(sys_symlinkat("file", AT_FDCWD, in_top("link")), 0);
    check_int(sys_mkdir(in_top("dir"), 0700), 0);
    check_int(sys_mkdir(in_top("dir"), 0700), -EEXIST);
    check_int(sys_symlinkat("dir", AT_FDCWD, in_top("dirlink")), 0);
    check_int(sys_open(in_top("link"), O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
    check_int(sys_open(in_top("dirlink"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0), -ENOTDIR);
    check_int(sys_open(in_top("file"), O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    check_int(sys_open(in_top("file/below"), O_RDONLY, 0), -ENOTDIR);
    check_int(sys_open(in_top("file"), O_WRONLY | O_CREAT | O_EXCL, 0600), -EEXIST);
    check_int(sys_open(in_top("dir"), O_WRONLY, 0), -EISDIR);
    check_int(sys_stat(in_top("link"), &st), 0);
    check_int(S_ISREG(st.st_mode), 1);
    check_int(sys_lstat(in_top("link"), &st), 0);
    check_int(S_ISLNK(st.st_mode), 1);
    check_int(st.st_size, 4);
    fd = sys_open(in_top("dirlink"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    check(fd >= 0);
    check_int(sys_fstatat(fd, "../file", &st, 0), 0);
    check_int(st.st_size, 4);
    close_fd(fd);
    end();
}

static void test_renaming(void)
{
    struct stat before, after;
    int fd;
    char text[16];

    begin();
    (void)put("new", "new text");
    (void)put("old", "old");
    fd = sys_open(in_top("old"), O_RDONLY | O_CLOEXEC, 0);
    check_int(sys_stat(in_top("new"), &before), 0);
    check_int(sys_rename(in_top("new"), in_top("old")), 0);
    check_int(sys_stat(in_top("old"), &after), 0);
    check_int(before.st_ino, after.st_ino);
    check_int(sys_stat(in_top("new"), &after), -ENOENT);
    check_int(sys_read(fd, text, sizeof(text)), 3); /* who has it open has the old one */
    check_int(sys_fstat(fd, &after), 0);
    check_int(after.st_nlink, 0);
    close_fd(fd);
    check_int(sys_rename(in_top("missing"), in_top("old")), -ENOENT);
    check_int(sys_linkat(AT_FDCWD, in_top("old"), AT_FDCWD, in_top("second"), 0), 0);
    check_int(sys_stat(in_top("old"), &after), 0);
    check_int(after.st_nlink, 2);
    check_int(sys_linkat(AT_FDCWD, in_top("old"), AT_FDCWD, in_top("second"), 0), -EEXIST);
    end();
}

static void test_removing(void)
{
    begin();
    (void)put("file", "x");
    check_int(sys_mkdir(in_top("dir"), 0700), 0);
    (void)put("dir/file", "x");
    check_int(sys_unlink(in_top("dir")), -EISDIR);
    check_int(sys_rmdir(in_top("dir")), -ENOTEMPTY);
    check_int(sys_rmdir(in_top("file")), -ENOTDIR);
    check_int(sys_unlink(in_top("dir/file")), 0);
    check_int(sys_unlink(in_top("dir/file")), -ENOENT);
    check_int(sys_rmdir(in_top("dir")), 0);
    end();
}

static void test_identity(void)
{
    struct stat before, after;
    int fd;

    begin();
    (void)put("file", "one");
    check_int(sys_stat(in_top("file"), &before), 0);
    (void)put("file", "three"); /* in place */
    check_int(sys_stat(in_top("file"), &after), 0);
    check_int(before.st_ino, after.st_ino);
    check_int(after.st_size, 5);
    check(after.st_ctim.tv_sec > before.st_ctim.tv_sec ||
          (after.st_ctim.tv_sec == before.st_ctim.tv_sec && after.st_ctim.tv_nsec >= before.st_ctim.tv_nsec));
    fd = sys_open(in_top("file"), O_RDONLY | O_CLOEXEC, 0);
    check_int(sys_fchmod(fd, 0640), 0);
    check_int(sys_fsync(fd), 0);
    check_int(sys_fstat(fd, &after), 0);
    check_int(after.st_mode, S_IFREG | 0640);
    close_fd(fd);
    end();
}

static void test_locks(void)
{
    int first, second, copy;

    begin();
    (void)put("lock", "");
    first = sys_open(in_top("lock"), O_RDWR | O_CLOEXEC, 0);
    second = sys_open(in_top("lock"), O_RDWR | O_CLOEXEC, 0);
    check_int(sys_flock(first, LOCK_EX | LOCK_NB), 0);
    check_int(sys_flock(first, LOCK_EX | LOCK_NB), 0);
    check_int(sys_flock(second, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
    copy = sys_dup_cloexec(first, 0);
    close_fd(first);
    check_int(sys_flock(second, LOCK_EX | LOCK_NB), -EWOULDBLOCK); /* the copy holds it */
    close_fd(copy);
    check_int(sys_flock(second, LOCK_EX | LOCK_NB), 0);
    check_int(sys_unlink(in_top("lock")), 0);
    check_int(sys_flock(second, LOCK_UN), 0);
    close_fd(second);
    end();
}

static void test_real_paths(void)
{
    _cleanup_free_ char *path = NULL, *direct = NULL;

    begin();
    check_int(sys_mkdir(in_top("dir"), 0700), 0);
    (void)put("dir/file", "x");
    check_int(sys_symlinkat(in_top("dir/file"), AT_FDCWD, in_top("link")), 0);
    check_int(sys_realpath(in_top("link"), &path), 0);
    check_int(sys_realpath(in_top("dir/../dir/./file"), &direct), 0);
    check_str(path, direct);
    check_int(sys_realpath(in_top("missing"), &path), -ENOENT);
    end();
}

static void test_watches(void)
{
    struct sockaddr_un address;
    char bytes[1024];
    int watch, fd;

    begin();
    fd = listener("a", 4);
    watch = sys_inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    check(sys_inotify_add_watch(watch, top, IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR) > 0);
    check(sys_inotify_add_watch(watch, in_top("a"), IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF) > 0);
    check_int(sys_inotify_add_watch(watch, in_top("missing"), IN_ATTRIB), -ENOENT);
    check_int(sys_read(watch, bytes, sizeof(bytes)), -EAGAIN);
    check_int(sys_unlink(in_top("a")), 0);
    check_int(ready(watch) & POLLIN, POLLIN);
    check(sys_read(watch, bytes, sizeof(bytes)) > 0);
    check(sys_inotify_add_watch(watch, top, IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR | IN_MASK_ADD) > 0);
    check_int(sys_read(watch, bytes, sizeof(bytes)), -EAGAIN);
    close_fd(listener("b", 4));
    (void)ready(watch); /* a name that comes is nothing */
    check_int(sys_read(watch, bytes, sizeof(bytes)), -EAGAIN);
    check_int(sys_unlink(in_top("b")), 0);
    check(sys_read(watch, bytes, sizeof(bytes)) > 0);
    address = address_of("a");
    check_int(sys_connect(fd, (const struct sockaddr *)&address, sizeof(address)), -ENOENT);
    close_fd(fd);
    close_fd(watch);
    end();
}

/* ------------------------------------------------------------------------------------------------------- processes */

static int start(const char *path, const char *argument, pid_t *ret_pid, int *ret_pidfd)
{
    char program[64], value[16];
    char *argv[] = {program, value, NULL}, *env[] = {NULL};
    struct sys_spawn spawn = {.path = path, .argv = argv, .envp = env, .listener_fd = -1, .new_session = true};
    struct pollfd poll_fd;
    int pipe = -1, error = 0, r;

    snprintf(program, sizeof(program), "%s", path);
    snprintf(value, sizeof(value), "%s", argument);
    r = sys_spawn(&spawn, ret_pid, ret_pidfd, &pipe);
    check_int(r, 0);
    poll_fd = (struct pollfd){.fd = pipe, .events = POLLIN};
    check_int(sys_poll(&poll_fd, 1, 10000), 1);
    check_int(sys_spawn_outcome(pipe, &error), 0);
    close_fd(pipe);
    return error;
}

static void await(int pidfd)
{
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

    check_int(sys_poll(&poll_fd, 1, 10000), 1);
    check_int(poll_fd.revents, POLLIN);
}

static void test_exit(void)
{
    siginfo_t info = {0};
    int pidfd = -1;
    pid_t pid = 0;

    begin();
    check_int(start(TRUE_PROGRAM, "", &pid, &pidfd), 0);
    await(pidfd);
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    check_int(info.si_pid, pid);
    check_int(sys_kill(pid, 0), 0); /* until it is reaped the number is its own */
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED | WNOHANG), 0);
    check_int(info.si_code, CLD_EXITED);
    check_int(info.si_status, 0);
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED | WNOHANG), -ECHILD);
    check_int(sys_kill(pid, 0), -ESRCH);
    check_int(sys_pidfd_open(pid, 0), -ESRCH);
    close_fd(pidfd);
    end();
}

static void test_kill(void)
{
    char link[64], path[256];
    siginfo_t info = {0};
    int pidfd = -1;
    pid_t pid = 0;

    begin();
    check_int(start(SLEEP_PROGRAM, "60", &pid, &pidfd), 0);
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED | WNOHANG), 0);
    check_int(info.si_pid, 0); /* it runs */
    check_int(ready(pidfd), 0);
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    check(sys_readlink(link, path, sizeof(path)) > 0);
    check_int(sys_kill(-pid, SIGKILL), 0); /* its group */
    await(pidfd);
    check_int(sys_readlink(link, path, sizeof(path)), -ENOENT); /* a zombie runs nothing */
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED | WNOHANG), 0);
    check_int(info.si_code, CLD_KILLED);
    check_int(info.si_status, SIGKILL);
    check_int(sys_kill(-pid, SIGKILL), -ESRCH);
    close_fd(pidfd);
    end();
}

static void test_no_exec(void)
{
    siginfo_t info = {0};
    int pidfd = -1;
    pid_t pid = 0;

    begin();
    (void)put("file", "x"); /* mode 0600 */
    check_int(start(in_top("missing"), "", &pid, &pidfd), ENOENT);
    await(pidfd);
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED | WNOHANG), 0);
    check_int(info.si_status, 127);
    close_fd(pidfd);
    check_int(start(in_top("file"), "", &pid, &pidfd), EACCES);
    await(pidfd);
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED | WNOHANG), 0);
    close_fd(pidfd);
    check_int(sys_waitid(P_PIDFD, 200, &info, WEXITED | WNOHANG), -EBADF);
    end();
}

static void copy_program(const char *from, const char *to)
{
    int in = sys_open(from, O_RDONLY | O_CLOEXEC, 0);
    int out = sys_open(in_top(to), O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    char bytes[4096];
    ssize_t n;

    check(in >= 0 && out >= 0);
    while ((n = sys_read(in, bytes, sizeof(bytes))) > 0) {
        check_int(sys_write(out, bytes, (size_t)n), n);
    }
    close_fd(in);
    close_fd(out);
}

/* Who runs a program and who writes to it shut each other out. */
static void test_text_busy(void)
{
    siginfo_t info = {0};
    int pidfd = -1, fd;
    pid_t pid = 0;

    begin();
    copy_program(SLEEP_PROGRAM, "sleep");
    fd = sys_open(in_top("sleep"), O_WRONLY | O_CLOEXEC, 0);
    check_int(start(in_top("sleep"), "60", &pid, &pidfd), ETXTBSY);
    await(pidfd);
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED | WNOHANG), 0);
    close_fd(pidfd);
    close_fd(fd);
    check_int(start(in_top("sleep"), "60", &pid, &pidfd), 0);
    check_int(sys_open(in_top("sleep"), O_WRONLY | O_CLOEXEC, 0), -ETXTBSY);
    fd = sys_open(in_top("sleep"), O_RDONLY | O_CLOEXEC, 0);
    check(fd >= 0);
    close_fd(fd);
    check_int(sys_kill(pid, SIGKILL), 0);
    await(pidfd);
    fd = sys_open(in_top("sleep"), O_WRONLY | O_CLOEXEC, 0); /* not reaped yet, and it runs nothing */
    check(fd >= 0);
    close_fd(fd);
    check_int(sys_waitid_pidfd(pidfd, &info, WEXITED | WNOHANG), 0);
    close_fd(pidfd);
    end();
}

CHECK_PROGRAM("sim/kernel-facts-files", {"opening", test_opening}, {"renaming", test_renaming},
              {"removing", test_removing}, {"the identity of a file", test_identity}, {"flock", test_locks},
              {"real paths", test_real_paths}, {"watching names", test_watches}, {"a child that exits", test_exit},
              {"a child that is killed", test_kill}, {"a child that cannot exec", test_no_exec},
              {"a program that is written to", test_text_busy})
