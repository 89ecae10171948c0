/* SPDX-License-Identifier: MIT */
#pragma once

/* A client of the broker under test, in the same process: it never blocks, and remembers both ways. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { CLIENT_SENT_MAX = 256 * 1024 }; /* bytes of one client that are remembered */

struct client {
    int fd; /* -1: none */
    void (*turn)(void);
    bool was_closed; /* by the script */
    uint8_t sent[CLIENT_SENT_MAX];
    size_t n_sent;     /* bytes that the broker's end took */
    bool is_truncated; /* something could not be sent or remembered: nothing after it is */
    uint8_t got[128 * 1024];
    size_t n_got;
    bool is_ended;
};

/* Connects to the socket at @path; @turn lets the broker run once. */
void client_connect(struct client *client, const char *path, void (*turn)(void));
void client_close(struct client *client);

/* Sends all of it, or notes that it could not. */
void client_send(struct client *client, const void *bytes, size_t size);

/* Reads what is there, @most bytes of it. */
void client_read(struct client *client, size_t most);

/* Puts the frame of a good Hello into @ret, which has room for 512 bytes; its size. */
size_t client_make_hello(uint8_t *ret, struct slice service, struct slice version, uint64_t request_id);
