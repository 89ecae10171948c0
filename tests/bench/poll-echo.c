/* SPDX-License-Identifier: MIT */
/*
 * The yardstick of the benches: the least that a poll() server can do for one exchange. It accepts, reads a request of
 * a known size, writes a reply of a known size and closes when the peer has closed. It decodes nothing, keeps no
 * deadline and no limit, and ends with the first signal. Usage: poll-echo SOCKET REQUEST_BYTES REPLY_BYTES
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PEERS_MAX = 1024, BYTES_MAX = 65536 };

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

static void accept_one(void)
{
    int fd = accept4(set[0].fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    if (n_set > PEERS_MAX) {
        close(fd);
        return;
    }
    set[n_set] = (struct pollfd){.fd = fd, .events = POLLIN};
    got[n_set] = 0;
    n_set++;
}

static void serve(nfds_t i)
{
    ssize_t n = recv(set[i].fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            drop(i);
        }
        return;
    }
    got[i] += (size_t)n;
    if (got[i] >= request_size) {
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
    if (request_size == 0 || reply_size == 0 || request_size > BYTES_MAX || reply_size > BYTES_MAX) {
        fprintf(stderr, "poll-echo: sizes are 1 to %d\n", BYTES_MAX);
        return 2;
    }
    set[0] = (struct pollfd){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = POLLIN};
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
            accept_one();
        }
    }
}
