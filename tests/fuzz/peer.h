/* SPDX-License-Identifier: MIT */
#pragma once

/* The other end of a socket whose owner is under test, in the same process: never blocks, remembers both ways. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "wire/envelope.h"

enum {
    PEER_SENT_MAX = 1 << 20, /* one that has sent so much sends no more */
    PEER_GOT_MAX = 1 << 20,
};

struct peer {
    int fd; /* -1: none */
    uint8_t sent[PEER_SENT_MAX], got[PEER_GOT_MAX];
    size_t n_sent, n_got;
    bool is_silent; /* says no more */
    bool is_deaf;   /* and takes nothing more */
    bool is_ended;  /* the owner has closed */
};

/* A new life with @fd. */
void peer_begin(struct peer *peer, int fd);
void peer_close(struct peer *peer);

/* Sends what the socket takes; the rest of @bytes has never been. */
void peer_send(struct peer *peer, struct slice bytes);

/* Sends @frame, without its last @cut bytes. */
void peer_send_frame(struct peer *peer, const Frame *frame, size_t cut);

/* Sends @body behind the header of a frame. */
void peer_send_body(struct peer *peer, struct slice body);

/* Stops sending, or with @both also takes nothing more. */
void peer_hush(struct peer *peer, bool both);

/* Reads what is there, @most bytes of it. */
void peer_read(struct peer *peer, size_t most);

/*
 * The frame at @at of @size bytes, read as a whole, into @arena. True with the place behind it in *@at; false: no frame
 * begins there, or not all of it is there.
 */
bool peer_next(const uint8_t *bytes, size_t size, size_t *at, struct arena *arena, Frame **ret_frame);
