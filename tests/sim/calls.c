/* SPDX-License-Identifier: MIT */

/*
 * The C library as the product's objects see it: one function for each name of calls.def, with the library's own
 * signature and its errno. Each begins with the chance of a fault and ends in the trace; the work is done by the k_
 * functions.
 */

#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* The prototypes are those of the names that they stand for. */
#define TAKES(name) extern __typeof__(name) sim_##name;

TAKES(accept4)
TAKES(bind)
TAKES(close)
TAKES(connect)
TAKES(epoll_create1)
TAKES(epoll_ctl)
TAKES(epoll_wait)
TAKES(eventfd)
TAKES(dup3)
TAKES(fcntl)
TAKES(inotify_add_watch)
TAKES(inotify_init1)
TAKES(listen)
TAKES(poll)
TAKES(ppoll)
TAKES(recv)
TAKES(send)
TAKES(sendto)
TAKES(shutdown)
TAKES(signalfd)
TAKES(socket)

/* One call: the fault that is due, or @work; then the trace. */
#define RUN(type, name, what, argument, work)                                                                          \
    do {                                                                                                               \
        long result_ = -(long)sim_enter(CALL_##name);                                                                  \
        if (result_ == 0) {                                                                                            \
            result_ = (work);                                                                                          \
        }                                                                                                              \
        return (type)sim_leave(CALL_##name, result_, what, (long)(argument));                                          \
    } while (0)

/* The same for a call that cannot fail by bad luck. */
#define RUN_SAFELY(type, name, what, argument, work)                                                                   \
    do {                                                                                                               \
        (void)sim_enter_safely(CALL_##name);                                                                           \
        return (type)sim_leave(CALL_##name, (work), what, (long)(argument));                                           \
    } while (0)

/* --------------------------------------------------------------------------------------------------------- sockets */

static const char *path_of(const struct sockaddr *address)
{
    return ((const struct sockaddr_un *)(const void *)address)->sun_path;
}

int sim_socket(int family, int type, int protocol)
{
    if (family != AF_UNIX) {
        sim_fail("a socket of family %d is asked for", family);
    }
    RUN(int, socket, NULL, type, k_socket(type));
}

int sim_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    RUN(int, bind, path_of(address), fd, k_bind(fd, path_of(address)));
}

int sim_listen(int fd, int backlog)
{
    RUN(int, listen, NULL, fd, k_listen(fd, backlog));
}

int sim_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    RUN(int, connect, path_of(address), fd, k_connect(fd, path_of(address)));
}

static bool is_fd_ready(void *argument)
{
    const struct pollfd *poll_fd = argument;
    struct sim_file *file = k_file(poll_fd->fd);

    return !file || k_ready(file) & (poll_fd->events | POLLHUP | POLLERR);
}

/* A descriptor in blocking mode that is used without MSG_DONTWAIT blocks the loop: allowed to nobody but tests. */
static void wait_if_blocking(int fd, int flags, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    struct sim_file *file = k_file(fd);

    if (!file || flags & MSG_DONTWAIT || file->flags & O_NONBLOCK || is_fd_ready(&poll_fd)) {
        return;
    }
    if (sim.current == sim.broker && sim.is_faulty) {
        sim_fail("the broker blocks on descriptor %d", fd);
        return;
    }
    (void)sim_block(is_fd_ready, &poll_fd, NEVER);
}

int sim_accept4(int fd, struct sockaddr *ret_address, socklen_t *size, int flags)
{
    wait_if_blocking(fd, 0, POLLIN);
    RUN(int, accept4, NULL, fd, k_accept(fd, flags));
}

ssize_t sim_recv(int fd, void *data, size_t size, int flags)
{
    wait_if_blocking(fd, flags, POLLIN);
    RUN(ssize_t, recv, NULL, fd, k_recv(fd, data, size, flags & MSG_PEEK));
}

ssize_t sim_send(int fd, const void *data, size_t size, int flags)
{
    if (!(flags & MSG_NOSIGNAL) && sim.current == sim.broker) {
        sim_fail("a send that may raise SIGPIPE");
    }
    wait_if_blocking(fd, flags, POLLOUT);
    RUN(ssize_t, send, NULL, fd, k_send(fd, data, size));
}

ssize_t sim_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *address, socklen_t n)
{
    RUN(ssize_t, sendto, NULL, fd, -ECONNREFUSED);
}

int sim_shutdown(int fd, int how)
{
    RUN(int, shutdown, NULL, fd, k_shutdown(fd, how));
}

static int get_option(int fd, int option, void *ret, socklen_t *size)
{
    struct sim_file *file = k_file(fd);

    if (!file || file->kind != KIND_SOCKET) {
        return file ? -ENOTSOCK : -EBADF;
    }
    switch (option) {
    case SO_PEERCRED:
        return k_peercred(fd, ret);
    case SO_ACCEPTCONN:
        *(int *)ret = file->socket->state == SOCKET_LISTENING;
        return 0;
    case SO_TYPE:
        *(int *)ret = file->socket->type;
        return 0;
    case SO_ERROR:
        *(int *)ret = file->socket->error;
        file->socket->error = 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int sim_getsockopt(int fd, int level, int option, void *restrict ret, socklen_t *restrict size);
int sim_getsockopt(int fd, int level, int option, void *restrict ret, socklen_t *restrict size)
{
    RUN(int, getsockopt, NULL, fd, get_option(fd, option, ret, size));
}

/* Of what may be set only SO_PASSRIGHTS comes by, and nobody sends descriptors here. */
static int set_option(int fd)
{
    struct sim_file *file = k_file(fd);

    return !file ? -EBADF : file->kind == KIND_SOCKET ? 0 : -ENOTSOCK;
}

int sim_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int sim_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    RUN(int, setsockopt, NULL, fd, set_option(fd));
}

/* --------------------------------------------------------------------------------------------------------- waiting */

struct poll_wait {
    struct pollfd *fds;
    nfds_t n;
};

static int look(struct poll_wait *wait)
{
    int n_ready = 0;

    for (nfds_t i = 0; i < wait->n; i++) {
        struct pollfd *fd = &wait->fds[i];
        struct sim_file *file = k_file(fd->fd);

        fd->revents = 0;
        if (fd->fd >= 0) {
            fd->revents = !file ? POLLNVAL : k_ready(file) & (short)(fd->events | POLLHUP | POLLERR);
        }
        n_ready += fd->revents != 0;
    }
    return n_ready;
}

static bool is_ready(void *argument)
{
    return look(argument) > 0;
}

static long do_poll(struct pollfd *fds, nfds_t n, uint64_t wait_nsec)
{
    struct poll_wait wait = {.fds = fds, .n = n};

    if (wait_nsec == 0) {
        return look(&wait);
    }
    if (sim_in_thread()) {
        sim_thread_sleep(wait_nsec);
        return look(&wait);
    }
    (void)sim_block(is_ready, &wait, wait_nsec == NEVER ? NEVER : sim.now_nsec + wait_nsec);
    return look(&wait);
}

int sim_poll(struct pollfd *fds, nfds_t n, int timeout_msec)
{
    RUN(int, poll, NULL, timeout_msec, do_poll(fds, n, timeout_msec < 0 ? NEVER : (uint64_t)timeout_msec * MSEC));
}

int sim_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t wait_nsec = timeout ? (uint64_t)timeout->tv_sec * SEC + (uint64_t)timeout->tv_nsec : NEVER;

    if (n == 0) { /* needs no memory */
        RUN_SAFELY(int, ppoll, NULL, wait_nsec / 1000, do_poll(fds, n, wait_nsec));
    }
    RUN(int, ppoll, NULL, wait_nsec / 1000, do_poll(fds, n, wait_nsec));
}

static int new_fd(enum sim_kind kind, int flags, bool is_cloexec)
{
    return k_fd_new(k_file_new(kind, O_RDWR | flags), is_cloexec, 0);
}

int sim_epoll_create1(int flags)
{
    RUN(int, epoll_create1, NULL, flags, new_fd(KIND_EPOLL, 0, flags & EPOLL_CLOEXEC));
}

int sim_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD) {
        RUN(int, epoll_ctl, "add", fd, k_epoll_ctl(epoll_fd, operation, fd, event));
    }
    RUN_SAFELY(int, epoll_ctl, operation == EPOLL_CTL_MOD ? "mod" : "del", fd,
               k_epoll_ctl(epoll_fd, operation, fd, event));
}

int sim_epoll_wait(int epoll_fd, struct epoll_event *ret_events, int n, int timeout_msec)
{
    RUN(int, epoll_wait, NULL, epoll_fd, k_epoll_wait(epoll_fd, ret_events, n));
}

int sim_eventfd(unsigned int value, int flags)
{
    RUN(int, eventfd, NULL, value, new_fd(KIND_EVENT, flags & EFD_NONBLOCK, flags & EFD_CLOEXEC));
}

static int make_signalfd(const sigset_t *set, int flags)
{
    struct sim_file *file = k_file_new(KIND_SIGNAL, O_RDWR | (flags & SFD_NONBLOCK));

    for (int signo = 1; signo < 64; signo++) {
        file->signals |= sigismember(set, signo) == 1 ? UINT64_C(1) << signo : 0;
    }
    file->proc = sim.current;
    return k_fd_new(file, flags & SFD_CLOEXEC, 0);
}

int sim_signalfd(int fd, const sigset_t *set, int flags)
{
    RUN(int, signalfd, NULL, fd, make_signalfd(set, flags));
}

static int make_pipe(int ret_fds[2], int flags)
{
    struct sim_file *reader = k_file_new(KIND_PIPE_READ, flags), *writer = k_file_new(KIND_PIPE_WRITE, flags);
    struct sim_pipe *pipe = sim_new(sizeof(*pipe));
    int fds[2];

    reader->pipe = writer->pipe = pipe;
    fds[0] = k_fd_new(reader, flags & O_CLOEXEC, 0);
    if (fds[0] < 0) {
        return fds[0];
    }
    pipe->n_readers = 1;
    fds[1] = k_fd_new(writer, flags & O_CLOEXEC, 0);
    if (fds[1] < 0) {
        (void)k_close(fds[0]);
        return fds[1];
    }
    pipe->n_writers = 1;
    memcpy(ret_fds, fds, sizeof(fds));
    return 0;
}

int sim_pipe2(int ret_fds[2], int flags);
int sim_pipe2(int ret_fds[2], int flags)
{
    RUN(int, pipe2, NULL, flags, make_pipe(ret_fds, flags));
}

/* ----------------------------------------------------------------------------------------------------- descriptors */

/* Gone whatever the result. */
int sim_close(int fd)
{
    int error = sim_enter(CALL_close), r = k_close(fd);

    if (r == -EBADF && sim.current == sim.broker) {
        sim_fail("descriptor %d is closed twice", fd);
    }
    return (int)sim_leave(CALL_close, error ? -error : r, NULL, fd);
}

ssize_t sim_read(int fd, void *data, size_t size);
/* Where bytes pass a device or a file system. Counters, pipes and signals are memory. */
static bool can_fail(int fd)
{
    const struct sim_file *file = k_file(fd);

    return !file || file->kind == KIND_FILE || file->kind == KIND_TEXT || file->kind == KIND_LOG;
}

ssize_t sim_read(int fd, void *data, size_t size)
{
    if (!can_fail(fd)) {
        RUN_SAFELY(ssize_t, read, NULL, fd, k_read(fd, data, size));
    }
    RUN(ssize_t, read, NULL, fd, k_read(fd, data, size));
}

static long do_pread(int fd, void *data, size_t size, off_t offset)
{
    struct sim_file *file = k_file(fd);
    uint64_t before;
    long n;

    if (!file) {
        return -EBADF;
    }
    before = file->offset;
    file->offset = (uint64_t)offset;
    n = k_read(fd, data, size);
    file->offset = before;
    return n;
}

ssize_t sim_pread(int fd, void *data, size_t size, off_t offset);
ssize_t sim_pread(int fd, void *data, size_t size, off_t offset)
{
    RUN(ssize_t, pread, NULL, fd, do_pread(fd, data, size, offset));
}

ssize_t sim_write(int fd, const void *data, size_t size);
ssize_t sim_write(int fd, const void *data, size_t size)
{
    if (!can_fail(fd)) {
        RUN_SAFELY(ssize_t, write, NULL, fd, k_write(fd, data, size));
    }
    RUN(ssize_t, write, NULL, fd, k_write(fd, data, size));
}

int sim_fsync(int fd);
int sim_fsync(int fd)
{
    RUN(int, fsync, NULL, fd, k_fsync(fd));
}

static int do_fcntl(int fd, int command, int argument)
{
    struct sim_file *file = k_file(fd);

    if (!file) {
        return -EBADF;
    }
    switch (command) {
    case F_GETFD:
        return sim.current->fds[fd].is_cloexec ? FD_CLOEXEC : 0;
    case F_SETFD:
        sim.current->fds[fd].is_cloexec = argument & FD_CLOEXEC;
        return 0;
    case F_DUPFD_CLOEXEC:
        return k_fd_new(file, true, argument);
    case F_GETFL:
        return file->flags;
    case F_SETFL:
        file->flags = (file->flags & ~O_NONBLOCK) | (argument & O_NONBLOCK);
        return 0;
    default:
        return -EINVAL;
    }
}

int sim_fcntl(int fd, int command, ...)
{
    va_list arguments;
    int argument;

    va_start(arguments, command);
    argument = va_arg(arguments, int);
    va_end(arguments);
    RUN(int, fcntl, NULL, fd, do_fcntl(fd, command, argument));
}

static int do_dup3(int fd, int number, int flags)
{
    struct sim_file *file = k_file(fd), *replaced = k_file(number);

    if (!file || number < 0 || number >= SIM_FDS) {
        return -EBADF;
    }
    file->n_refs++;
    sim.current->fds[number] = (struct sim_fd){.file = file, .is_cloexec = flags & O_CLOEXEC};
    if (replaced) {
        k_file_release(replaced);
    }
    return number;
}

int sim_dup3(int fd, int number, int flags)
{
    RUN(int, dup3, NULL, fd, do_dup3(fd, number, flags));
}

int sim_inotify_init1(int flags)
{
    RUN(int, inotify_init1, NULL, flags, new_fd(KIND_INOTIFY, flags & O_NONBLOCK, flags & O_CLOEXEC));
}

int sim_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    RUN(int, inotify_add_watch, path, fd, k_inotify_add(fd, path, mask));
}

static int make_pidfd(pid_t pid)
{
    struct sim_proc *proc = k_proc_find(pid);
    struct sim_file *file;

    if (!proc) {
        return -ESRCH;
    }
    file = k_file_new(KIND_PIDFD, O_RDWR);
    file->proc = proc;
    return k_fd_new(file, true, 0);
}

static long do_syscall(long number, long a, long b, long c)
{
    struct sim_file *file;

    switch (number) {
    case SYS_pidfd_open:
        return make_pidfd((pid_t)a);
    case SYS_pidfd_send_signal:
        file = k_file((int)a);
        if (!file || file->kind != KIND_PIDFD) {
            return -EBADF;
        }
        if (!file->proc->is_alive) {
            return -ESRCH;
        }
        k_proc_signal(file->proc, (int)b);
        return 0;
    case SYS_close_range:
        return 0; /* nothing is ever asked of it but to be there */
    default:
        sim_fail("system call %ld is not simulated (%ld)", number, c);
        return -ENOSYS;
    }
}

long sim_syscall(long number, ...);
long sim_syscall(long number, ...)
{
    va_list arguments;
    long a, b, c;

    va_start(arguments, number);
    a = va_arg(arguments, long);
    b = va_arg(arguments, long);
    c = va_arg(arguments, long);
    va_end(arguments);
    RUN(long, syscall, NULL, number, do_syscall(number, a, b, c));
}
