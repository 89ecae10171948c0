/* SPDX-License-Identifier: MIT */
#pragma once

/* Sockets and waiting for descriptors: part of sys.h. AF_UNIX is the only family that this program ever asks for. */

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/sys_call.h"

static inline int sys_socket(int family, int type, int protocol)
{
    SYS_ONCE(int, socket(family, type, protocol));
}

static inline int sys_socketpair(int family, int type, int protocol, int ret_fds[2])
{
    SYS_ONCE(int, socketpair(family, type, protocol, ret_fds));
}

static inline int sys_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    SYS_ONCE(int, bind(fd, address, size));
}

static inline int sys_listen(int fd, int backlog)
{
    SYS_ONCE(int, listen(fd, backlog));
}

/* Not repeated: an interrupted connect() goes on by itself. */
static inline int sys_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    SYS_ONCE(int, connect(fd, address, size));
}

static inline int sys_accept4(int fd, struct sockaddr *ret_address, socklen_t *size, int flags)
{
    SYS_RETRY(int, accept4(fd, ret_address, size, flags));
}

static inline int sys_shutdown(int fd, int how)
{
    SYS_ONCE(int, shutdown(fd, how));
}

static inline ssize_t sys_recv(int fd, void *data, size_t size, int flags)
{
    SYS_RETRY(ssize_t, recv(fd, data, size, flags));
}

static inline ssize_t sys_send(int fd, const void *data, size_t size, int flags)
{
    SYS_RETRY(ssize_t, send(fd, data, size, flags));
}

static inline ssize_t sys_recvmsg(int fd, struct msghdr *message, int flags)
{
    SYS_RETRY(ssize_t, recvmsg(fd, message, flags));
}

static inline ssize_t sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
    SYS_RETRY(ssize_t, sendmsg(fd, message, flags));
}

static inline ssize_t sys_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *address,
                                 socklen_t address_size)
{
    SYS_RETRY(ssize_t, sendto(fd, data, size, flags, address, address_size));
}

static inline int sys_getsockopt(int fd, int level, int option, void *ret, socklen_t *size)
{
    SYS_ONCE(int, getsockopt(fd, level, option, ret, size));
}

/* Since Linux 6.16; the number is that of all machines but a few old ones, and older kernels say -ENOPROTOOPT. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static inline int sys_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    SYS_ONCE(int, setsockopt(fd, level, option, value, size));
}

static inline int sys_getsockname(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    SYS_ONCE(int, getsockname(fd, ret_address, size));
}

static inline int sys_getpeername(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    SYS_ONCE(int, getpeername(fd, ret_address, size));
}

/* Milliseconds; -1 waits for ever. -EINTR is the caller's. */
static inline int sys_poll(struct pollfd *fds, nfds_t n, int timeout_msec)
{
    SYS_ONCE(int, poll(fds, n, timeout_msec));
}

/* poll() with a timeout in nanoseconds, NULL for ever. The signal mask is left alone. */
static inline int sys_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout)
{
    SYS_ONCE(int, ppoll(fds, n, timeout, NULL));
}

static inline int sys_epoll_create1(int flags)
{
    SYS_ONCE(int, epoll_create1(flags));
}

static inline int sys_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    SYS_ONCE(int, epoll_ctl(epoll_fd, operation, fd, event));
}

static inline int sys_epoll_wait(int epoll_fd, struct epoll_event *ret_events, int n, int timeout_msec)
{
    SYS_ONCE(int, epoll_wait(epoll_fd, ret_events, n, timeout_msec));
}

static inline int sys_eventfd(unsigned int value, int flags)
{
    SYS_ONCE(int, eventfd(value, flags));
}

static inline int sys_signalfd(int fd, const sigset_t *set, int flags)
{
    SYS_ONCE(int, signalfd(fd, set, flags));
}
