/* SPDX-License-Identifier: MIT */

#include "fake_broker.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

static size_t frame_size(const struct fake_broker *broker)
{
    const uint8_t *b = broker->request;

    return broker->request_size < 5 ? 5 : 5 + (b[1] | (size_t)b[2] << 8 | (size_t)b[3] << 16 | (size_t)b[4] << 24);
}

static void *run(void *userdata)
{
    struct fake_broker *broker = userdata;
    int fd = accept(broker->fd, NULL, NULL);

    while (broker->request_size < frame_size(broker)) {
        ssize_t n = recv(fd, broker->request + broker->request_size, sizeof(broker->request) - broker->request_size, 0);

        if (n <= 0) {
            break;
        }
        broker->request_size += (size_t)n;
    }
    if (broker->reply) {
        (void)!send(fd, broker->reply, broker->reply_size, MSG_NOSIGNAL);
    } else {
        struct pollfd polled = {.fd = broker->hush_read_fd, .events = POLLIN};

        poll(&polled, 1, -1);
    }
    close(fd);
    return NULL;
}

void fake_broker_begin(struct fake_broker *broker, const uint8_t *reply, size_t reply_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static int n;
    int fds[2] = {-1, -1};

    *broker = (struct fake_broker){.reply = reply, .reply_size = reply_size};
    snprintf(broker->path, sizeof(broker->path), "%s/%d.sock", check_tmpdir(), n++);
    strcpy(address.sun_path, broker->path);
    broker->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_fatal(!bind(broker->fd, (struct sockaddr *)&address, sizeof(address)) && !listen(broker->fd, 4));
    check_fatal(!pipe(fds));
    broker->hush_read_fd = fds[0];
    broker->hush_fd = fds[1];
    check_fatal(!pthread_create(&broker->thread, NULL, run, broker));
}

void fake_broker_end(struct fake_broker *broker)
{
    close(broker->hush_fd);
    pthread_join(broker->thread, NULL);
    close(broker->hush_read_fd);
    close(broker->fd);
}
