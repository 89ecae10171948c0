/* SPDX-License-Identifier: MIT */

/*
 * What the daemon believes about sockets and waiting, asserted twice with the same words: against Linux and against the
 * simulated kernel (RPB_SIM). Where the two disagree one of them is wrong, and it is not Linux.
 */

#include "facts.h"

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

CHECK_PROGRAM("sim/kernel-facts", {"connect, send, then accept", test_before_accept},
              {"bytes before the end", test_ends}, {"unread bytes reset the other side", test_reset},
              {"half a connection", test_half_close}, {"nobody listens", test_nobody_there},
              {"a full backlog", test_backlog}, {"names of sockets", test_names},
              {"who is at the other end", test_peers},
              {"a listener takes another one's number", test_replaced_listener},
              {"epoll tells what is, not what happened", test_epoll},
              {"a hang-up is told unasked", test_hangup_behind_epoll}, {"pipes", test_pipe},
              {"signals as descriptors", test_signals}, {"copies of descriptors", test_descriptors})
