/* SPDX-License-Identifier: MIT */

/*
 * What is remembered is exactly what the kernel took or gave, so the whole of a stream can be judged behind the one who
 * met it in pieces.
 */

#include "fuzz/peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "fuzz/fuzz.h"

void peer_begin(struct peer *peer, int fd)
{
    peer_close(peer);
    peer->fd = fd;
    peer->n_sent = peer->n_got = 0;
    peer->is_silent = peer->is_deaf = peer->is_ended = false;
}

void peer_close(struct peer *peer)
{
    if (peer->fd >= 0) {
        close(peer->fd);
    }
    peer->fd = -1;
    peer->is_silent = true;
}

void peer_send(struct peer *peer, struct slice bytes)
{
    size_t room = sizeof(peer->sent) - peer->n_sent, size = bytes.size < room ? bytes.size : room;
    ssize_t n;

    if (peer->fd < 0 || peer->is_silent || size == 0) {
        return;
    }
    n = send(peer->fd, bytes.data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
        memcpy(peer->sent + peer->n_sent, bytes.data, (size_t)n);
        peer->n_sent += (size_t)n;
    }
}

void peer_send_frame(struct peer *peer, const Frame *frame, size_t cut)
{
    struct buffer buffer;

    buffer_init(&buffer, PEER_SENT_MAX);
    if (envelope_pack(&buffer, frame) == 0) {
        MUST(buffer.size > cut);
        peer_send(peer, (struct slice){(const char *)buffer.data, buffer.size - cut});
    }
    buffer_deinit(&buffer);
}

void peer_send_body(struct peer *peer, struct slice body)
{
    const char header[FRAME_HEADER_SIZE] = {1, (char)body.size, (char)(body.size >> 8), (char)(body.size >> 16)};

    peer_send(peer, (struct slice){header, sizeof(header)});
    peer_send(peer, body);
}

void peer_hush(struct peer *peer, bool both)
{
    if (peer->fd >= 0) {
        shutdown(peer->fd, both ? SHUT_RDWR : SHUT_WR);
        peer->is_silent = true;
        peer->is_deaf |= both;
    }
}

void peer_read(struct peer *peer, size_t most)
{
    while (peer->fd >= 0 && !peer->is_ended && most > 0 && peer->n_got < sizeof(peer->got)) {
        size_t room = sizeof(peer->got) - peer->n_got;
        ssize_t n = recv(peer->fd, peer->got + peer->n_got, room < most ? room : most, MSG_DONTWAIT);

        if (n <= 0) {
            peer->is_ended = n == 0 || errno != EAGAIN;
            return;
        }
        peer->n_got += (size_t)n;
        most -= (size_t)n;
    }
}

bool peer_next(const uint8_t *bytes, size_t size, size_t *at, struct arena *arena, Frame **ret_frame)
{
    size_t used;

    if (*at >= size ||
        envelope_try_decode((struct slice){(const char *)bytes + *at, size - *at}, arena, ret_frame, &used) != 0) {
        return false;
    }
    *at += used;
    return true;
}
