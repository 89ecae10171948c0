/* SPDX-License-Identifier: MIT */

/*
 * What the daemon believes about the kernel, asserted twice with the same words: against Linux and against the
 * simulated kernel (RPB_SIM). Where the two disagree one of them is wrong, and it is not Linux.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "check.h"

#define TRUE_PROGRAM "/bin/true"
#define SLEEP_PROGRAM "/bin/sleep"

static char top[64];

/* ------------------------------------------------------------------------------------------------ where it happens */

#ifdef RPB_SIM
#include "sim.h"

static void step_program(struct sim_actor *actor)
{
    const char *path = actor->data;

    if (!actor->proc->has_executed) {
        if (k_exec(actor->proc, path, 0) == 0) {
            sim_wake_at(actor, strcmp(path, TRUE_PROGRAM) ? sim.now_nsec + 60 * SEC : sim.now_nsec + MSEC);
        }
        return;
    }
    k_proc_exit(actor->proc, CLD_EXITED, 0);
}

static void spawned(struct sim_proc *proc, const char *path)
{
    (void)sim_add_actor("program", proc, step_program, sim_copy(path));
}

static void begin(void)
{
    sim_reset(1, NULL);
    sim.current = k_proc_new("/bin/test", 1);
    (void)k_mkdirs("/tmp");
    (void)k_mkdirs("/bin");
    (void)k_put_file(TRUE_PROGRAM, "true", 4, 0755);
    (void)k_put_file(SLEEP_PROGRAM, "sleep", 5, 0755);
    (void)k_mkdir("/tmp/facts", 0700);
    sim.on_spawn = spawned;
    strcpy(top, "/tmp/facts");
}

static void end(void)
{
    check_int(k_count_fds(sim.current), 3);
    check_str(sim.failure, "");
}
#else
static void begin(void)
{
    snprintf(top, sizeof(top), "%s", check_tmpdir());
}

static void end(void)
{
}
#endif

static const char *in_top(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
    return path;
}

static int put(const char *name, const char *text)
{
    int fd = sys_open(in_top(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    check_int(sys_write(fd, text, strlen(text)), strlen(text));
    return sys_close(fd);
}

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_top(name));
    return address;
}

static int stream(void)
{
    return sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int listener(const char *name, int backlog)
{
    struct sockaddr_un address = address_of(name);
    int fd = stream();

    check_int(sys_bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    check_int(sys_listen(fd, backlog), 0);
    return fd;
}

static int dial(const char *name, int *ret_fd)
{
    struct sockaddr_un address = address_of(name);
    int fd = stream(), r = sys_connect(fd, (const struct sockaddr *)&address, sizeof(address));

    if (r < 0) {
        close_fd(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static void pair(const char *name, int *ret_client, int *ret_server, int *ret_listener)
{
    *ret_listener = listener(name, 8);
    check_int(dial(name, ret_client), 0);
    *ret_server = sys_accept4(*ret_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    check(*ret_server >= 0);
}

static int ready(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    (void)sys_poll(&poll_fd, 1, 0);
    return poll_fd.revents & (POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
}

static ssize_t receive(int fd, char *text)
{
    return sys_recv(fd, text, 16, MSG_DONTWAIT);
}

static ssize_t transmit(int fd, const char *text)
{
    return sys_send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* --------------------------------------------------------------------------------------------------------- sockets */

static void test_before_accept(void)
{
    int listening, client = -1, server;
    char text[16];

    begin();
    listening = listener("a", 8);
    check_int(ready(listening), 0);
    check_int(dial("a", &client), 0);
    check_int(transmit(client, "hello"), 5);
    check_int(ready(listening), POLLIN);
    server = sys_accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    check_int(receive(server, text), 5);
    check_int(receive(server, text), -EAGAIN); /* although it is in blocking mode */
    check_int(sys_accept4(listening, NULL, NULL, SOCK_CLOEXEC), -EAGAIN);
    close_fd(client);
    close_fd(server);
    close_fd(listening);
    end();
}

static void test_ends(void)
{
    int listening, client, server;
    char text[16];

    begin();
    pair("a", &client, &server, &listening);
    check_int(ready(client), POLLOUT);
    check_int(transmit(client, "bye"), 3);
    close_fd(client);
    check_int(ready(server) & (POLLIN | POLLRDHUP | POLLHUP), POLLIN | POLLRDHUP | POLLHUP);
    check_int(receive(server, text), 3); /* what was sent comes first */
    check_int(receive(server, text), 0);
    check_int(transmit(server, "x"), -EPIPE);
    close_fd(server);
    close_fd(listening);
    end();
}

static void test_reset(void)
{
    int listening, client, server;
    char text[16];

    begin();
    pair("a", &client, &server, &listening);
    check_int(transmit(client, "unread"), 6);
    check_int(transmit(server, "reply"), 5);
    close_fd(server);
    check_int(receive(client, text), 5);
    check_int(receive(client, text), -ECONNRESET); /* once */
    check_int(receive(client, text), 0);
    close_fd(client);
    close_fd(listening);
    end();
}

static void test_half_close(void)
{
    int listening, client, server;
    char text[16];

    begin();
    pair("a", &client, &server, &listening);
    check_int(transmit(client, "all"), 3);
    check_int(sys_shutdown(client, SHUT_WR), 0);
    check_int(ready(server), POLLIN | POLLOUT | POLLRDHUP);
    check_int(receive(server, text), 3);
    check_int(receive(server, text), 0);
    check_int(transmit(server, "answer"), 6);
    check_int(receive(client, text), 6);
    check_int(transmit(client, "more"), -EPIPE);
    close_fd(server);
    check_int(ready(client) & POLLHUP, POLLHUP);
    check_int(receive(client, text), 0);
    close_fd(client);
    close_fd(listening);
    end();
}

static void test_nobody_there(void)
{
    int listening, client = -1, fd;
    char text[16];

    begin();
    check_int(dial("missing", &fd), -ENOENT);
    (void)put("file", "x");
    check_int(dial("file", &fd), -ECONNREFUSED);
    listening = listener("a", 8);
    check_int(dial("a", &client), 0);
    close_fd(listening);
    check_int(receive(client, text), -ECONNRESET); /* it was never accepted */
    check_int(receive(client, text), 0);
    check_int(dial("a", &fd), -ECONNREFUSED); /* the name outlives the socket */
    close_fd(client);
    end();
}

static void test_backlog(void)
{
    int listening, clients[3] = {-1, -1, -1}, fd = -1;

    begin();
    listening = listener("a", 1);
    check_int(dial("a", &clients[0]), 0);
    check_int(dial("a", &clients[1]), 0);
    check_int(dial("a", &fd), -EAGAIN);
    fd = sys_accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    check(fd >= 0);
    check_int(dial("a", &clients[2]), 0);
    for (int i = 0; i < 3; i++) {
        close_fd(clients[i]);
    }
    close_fd(fd);
    close_fd(listening);
    end();
}

static void test_names(void)
{
    struct sockaddr_un address;
    struct stat st;
    int fd, second;

    begin();
    address = address_of("a");
    fd = stream();
    check_int(sys_fchmod(fd, 0600), 0);
    check_int(sys_bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    check_int(sys_lstat(in_top("a"), &st), 0);
    check_int(st.st_mode, S_IFSOCK | 0600);
    check_int(ready(fd), POLLOUT | POLLHUP); /* neither connected nor listening */
    second = stream();
    check_int(sys_bind(second, (const struct sockaddr *)&address, sizeof(address)), -EADDRINUSE);
    check_int(sys_open(in_top("a"), O_RDONLY, 0), -ENXIO);
    address = address_of("none/a");
    check_int(sys_bind(second, (const struct sockaddr *)&address, sizeof(address)), -ENOENT);
    close_fd(fd);
    close_fd(second);
    end();
}

static void test_peers(void)
{
    int listening, client, server, value = 0;
    struct ucred peer = {0};

    begin();
    pair("a", &client, &server, &listening);
    check_int(sys_getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof(peer)}), 0);
    check_int(peer.pid, sys_getpid());
    check_int(peer.uid, sys_geteuid());
    check_int(sys_getsockopt(server, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof(peer)}), 0);
    check_int(peer.pid, sys_getpid());
    check_int(sys_getsockopt(listening, SOL_SOCKET, SO_ACCEPTCONN, &value, &(socklen_t){sizeof(value)}), 0);
    check_int(value, 1);
    check_int(sys_listen(listening, 5), 0); /* again: the same */
    check_int(sys_accept4(server, NULL, NULL, 0), -EINVAL);
    close_fd(client);
    close_fd(server);
    close_fd(listening);
    end();
}

static void test_replaced_listener(void)
{
    int listening, other, client = -1, server;

    begin();
    listening = listener("a", 8);
    other = listener("b", 8);
    check_int(sys_dup3(other, listening, O_CLOEXEC), listening); /* the old one is closed by it */
    close_fd(other);
    check_int(dial("a", &client), -ECONNREFUSED);
    check_int(dial("b", &client), 0);
    server = sys_accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    check(server >= 0);
    close_fd(client);
    close_fd(server);
    close_fd(listening);
    end();
}

/* ------------------------------------------------------------------------------------------------------- waiting */

static void test_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7}, got[4];
    int epoll, counter, file;
    uint64_t value = 3;

    begin();
    epoll = sys_epoll_create1(EPOLL_CLOEXEC);
    counter = sys_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    check_int(sys_read(counter, &value, sizeof(value)), -EAGAIN);
    check_int(sys_epoll_ctl(epoll, EPOLL_CTL_MOD, counter, &event), -ENOENT);
    check_int(sys_epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event), 0);
    check_int(sys_epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event), -EEXIST);
    check_int(ready(epoll) & POLLIN, 0);
    check_int(sys_write(counter, &value, sizeof(value)), sizeof(value));
    check_int(sys_write(counter, &value, sizeof(value)), sizeof(value));
    check_int(ready(epoll) & POLLIN, POLLIN);
    for (int i = 0; i < 2; i++) { /* as long as it is so */
        check_int(sys_epoll_wait(epoll, got, 4, 0), 1);
        check_int(got[0].data.u64, 7);
        check_int(got[0].events, EPOLLIN);
    }
    check_int(sys_read(counter, &value, sizeof(value)), sizeof(value));
    check_int(value, 6);
    check_int(sys_epoll_wait(epoll, got, 4, 0), 0);
    event.events = EPOLLOUT;
    check_int(sys_epoll_ctl(epoll, EPOLL_CTL_MOD, counter, &event), 0);
    check_int(sys_epoll_wait(epoll, got, 4, 0), 1);
    close_fd(counter); /* leaves the instance by itself */
    check_int(sys_epoll_wait(epoll, got, 4, 0), 0);
    (void)put("file", "x");
    file = sys_open(in_top("file"), O_RDONLY | O_CLOEXEC, 0);
    check_int(sys_epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event), -EPERM);
    close_fd(file);
    close_fd(epoll);
    end();
}

static void test_hangup_behind_epoll(void)
{
    struct epoll_event event = {.events = 0, .data.u64 = 1}, got[2];
    int listening, client, server, epoll;

    begin();
    pair("a", &client, &server, &listening);
    epoll = sys_epoll_create1(EPOLL_CLOEXEC);
    check_int(sys_epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event), 0);
    check_int(transmit(client, "x"), 1);
    check_int(sys_epoll_wait(epoll, got, 2, 0), 0); /* nothing was asked for */
    close_fd(client);
    check_int(sys_epoll_wait(epoll, got, 2, 0), 1);
    check_int(got[0].events, EPOLLHUP);
    close_fd(server);
    close_fd(listening);
    close_fd(epoll);
    end();
}

static void test_pipe(void)
{
    int fds[2];
    char text[16];

    begin();
    check_int(sys_pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    check_int(sys_read(fds[0], text, 4), -EAGAIN);
    check_int(sys_write(fds[1], "abcd", 4), 4);
    check_int(ready(fds[0]), POLLIN);
    close_fd(fds[1]);
    check_int(ready(fds[0]), POLLIN | POLLHUP);
    check_int(sys_read(fds[0], text, 16), 4);
    check_int(sys_read(fds[0], text, 16), 0);
    check_int(ready(fds[0]), POLLHUP);
    close_fd(fds[0]);
    end();
}

static void test_signals(void)
{
    struct signalfd_siginfo info;
    sigset_t set, before;
    int fd;

    begin();
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    fd = sys_signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    check_int(sys_sigprocmask(SIG_BLOCK, &set, &before), 0);
    check_int(sys_read(fd, &info, sizeof(info)), -EAGAIN);
    check_int(sys_kill(sys_getpid(), SIGHUP), 0);
    check_int(sys_kill(sys_getpid(), SIGHUP), 0); /* one is pending already */
    check_int(ready(fd), POLLIN);
    check_int(sys_read(fd, &info, sizeof(info)), sizeof(info));
    check_int(info.ssi_signo, SIGHUP);
    check_int(sys_read(fd, &info, sizeof(info)), -EAGAIN);
    check_int(sys_sigprocmask(SIG_SETMASK, &before, NULL), 0);
    close_fd(fd);
    end();
}

static void test_descriptors(void)
{
    int fd, copy;

    begin();
    fd = sys_open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    copy = sys_dup_cloexec(fd, 40);
    check_int(copy, 40);
    check_int(sys_fcntl(copy, F_GETFD, 0), FD_CLOEXEC);
    close_fd(fd);
    check_int(sys_fcntl(fd, F_GETFD, 0), -EBADF);
    check_int(sys_openat(copy, "missing", O_RDONLY, 0), -ENOENT); /* the copy is good still */
    close_fd(copy);
    end();
}

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

CHECK_PROGRAM("sim/kernel-facts", {"connect, send, then accept", test_before_accept},
              {"bytes before the end", test_ends}, {"unread bytes reset the other side", test_reset},
              {"half a connection", test_half_close}, {"nobody listens", test_nobody_there},
              {"a full backlog", test_backlog}, {"names of sockets", test_names},
              {"who is at the other end", test_peers},
              {"a listener takes another one's number", test_replaced_listener},
              {"epoll tells what is, not what happened", test_epoll},
              {"a hang-up is told unasked", test_hangup_behind_epoll}, {"pipes", test_pipe},
              {"signals as descriptors", test_signals}, {"copies of descriptors", test_descriptors},
              {"opening", test_opening}, {"renaming", test_renaming}, {"removing", test_removing},
              {"the identity of a file", test_identity}, {"flock", test_locks}, {"real paths", test_real_paths},
              {"watching names", test_watches}, {"a child that exits", test_exit},
              {"a child that is killed", test_kill}, {"a child that cannot exec", test_no_exec})
