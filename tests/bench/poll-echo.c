/* SPDX-License-Identifier: MIT */
/*
 * The yardstick of the benches: the least that a poll() server of framed messages does for one exchange. It accepts
 * until there is nobody left to accept, reads five bytes of header and then the rest of a request of known size, writes
 * a reply of known size, and closes when the peer has closed: nine system calls. It decodes nothing, keeps no deadline
 * and no limit, and ends with the first signal. Usage: poll-echo SOCKET REQUEST_BYTES REPLY_BYTES
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PEERS_MAX = 1024, BYTES_MAX = 65536, HEADER = 5 };

static struct pollfd set[1 + PEERS_MAX];
static size_t got[1 + PEERS_MAX];
static nfds_t n_set = 1;
static uint8_t bytes[BYTES_MAX];
static size_t request_size, reply_size;

static void drop(nfds_t i)
{
    close(set[i].fd);
    n_set--;
    set[i] = set[n_set];
    got[i] = got[n_set];
}

static void accept_all(void)
{
    int fd;

    while ((fd = accept4(set[0].fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (n_set > PEERS_MAX) {
            close(fd);
            continue;
        }
        set[n_set] = (struct pollfd){.fd = fd, .events = POLLIN};
        got[n_set] = 0;
        n_set++;
    }
}

/* One read of what is still missing of @size bytes; false: the peer is gone. */
static bool take(nfds_t i, size_t size)
{
    ssize_t n = recv(set[i].fd, bytes, size - got[i], MSG_DONTWAIT);

    if (n > 0) {
        got[i] += (size_t)n;
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static void serve(nfds_t i)
{
    if (got[i] < HEADER && !take(i, HEADER)) {
        drop(i);
        return;
    }
    if (got[i] >= HEADER && !take(i, request_size)) {
        drop(i);
        return;
    }
    if (got[i] == request_size) {
        got[i] = 0;
        if (send(set[i].fd, bytes, reply_size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)reply_size) {
            drop(i);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (argc != 4 || strlen(argv[1]) >= sizeof(address.sun_path)) {
        fprintf(stderr, "usage: poll-echo SOCKET REQUEST_BYTES REPLY_BYTES\n");
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    request_size = strtoul(argv[2], NULL, 10);
    reply_size = strtoul(argv[3], NULL, 10);
    if (request_size <= HEADER || reply_size == 0 || request_size > BYTES_MAX || reply_size > BYTES_MAX) {
        fprintf(stderr, "poll-echo: a request has 6, a reply 1 to %d bytes\n", BYTES_MAX);
        return 2;
    }
    set[0] = (struct pollfd){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .events = POLLIN};
    if (set[0].fd < 0 || bind(set[0].fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(set[0].fd, SOMAXCONN) < 0) {
        perror(argv[1]);
        return 1;
    }
    for (;;) {
        if (poll(set, n_set, -1) < 0) {
            return 1;
        }
        for (nfds_t i = n_set; i-- > 1;) {
            if (set[i].revents) {
                serve(i);
            }
        }
        if (set[0].revents) {
            accept_all();
        }
    }
}
