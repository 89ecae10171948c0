/* SPDX-License-Identifier: MIT */

/*
 * What cannot be sent is tried again a few times, with the broker running in between; then the client is truncated, and
 * sends no more, so that what is remembered is always what the broker was given.
 */

#include "fuzz/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "wire/envelope.h"
#include "wire/protocol.h"

void client_connect(struct client *client, const char *path, void (*turn)(void))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    client->turn = turn;
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    client->n_sent = client->n_got = 0;
    client->is_ended = client->was_closed = client->is_truncated = false;
    MUST(client->fd >= 0 && connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
}

void client_close(struct client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
        client->fd = -1;
    }
}

void client_send(struct client *client, const void *bytes, size_t size)
{
    size_t done = 0;

    if (size == 0) {
        return;
    }
    for (int tries = 0; client->fd >= 0 && !client->is_truncated && done < size && tries < 8;) {
        ssize_t n = send(client->fd, (const uint8_t *)bytes + done, size - done, MSG_NOSIGNAL);

        if (n > 0) {
            done += (size_t)n;
        } else {
            tries++;
            client->turn();
        }
    }
    if (client->n_sent + done <= CLIENT_SENT_MAX) {
        memcpy(client->sent + client->n_sent, bytes, done);
        client->n_sent += done;
    } else {
        client->n_sent = CLIENT_SENT_MAX + 1;
    }
    client->is_truncated |= done < size || client->n_sent > CLIENT_SENT_MAX;
}

void client_read(struct client *client, size_t most)
{
    while (client->fd >= 0 && !client->is_ended && most > 0) {
        size_t room = sizeof(client->got) - client->n_got;
        ssize_t n = recv(client->fd, client->got + client->n_got, room < most ? room : most, 0);

        MUST(room > 0);
        if (n > 0) {
            client->n_got += (size_t)n;
            most -= (size_t)n;
        } else {
            client->is_ended = n == 0 || errno != EAGAIN;
            return;
        }
    }
}

size_t client_make_hello(uint8_t *ret, struct slice service, struct slice version, uint64_t request_id)
{
    char service_text[64] = "", version_text[64] = "";
    uint8_t payload[256];
    Frame frame;
    Hello message;
    size_t size;

    memcpy(service_text, service.data, service.size);
    memcpy(version_text, version.data, version.size);
    message_init(MESSAGE_HELLO, &message);
    message.client_min_protocol = message.client_max_protocol = 1;
    message.service_name = service_text;
    message.wanted_version = version_text;
    size = message_pack(MESSAGE_OF(&message), payload);
    envelope_request(&frame, LANE_CONTROL, (struct slice){(const char *)payload, size});
    frame.request_id = request_id;
    size = message_pack(MESSAGE_OF(&frame), ret + FRAME_HEADER_SIZE);
    ret[0] = 1;
    for (int i = 0; i < 4; i++) {
        ret[1 + i] = (uint8_t)(size >> (8 * i));
    }
    return FRAME_HEADER_SIZE + size;
}
