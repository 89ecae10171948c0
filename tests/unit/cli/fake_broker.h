/* SPDX-License-Identifier: MIT */
#pragma once

/* A listener that takes one connection on a thread of its own, reads one frame, answers with given bytes and closes. */

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct fake_broker {
    char path[200];
    int fd;
    pthread_t thread;
    const uint8_t *reply; /* borrowed */
    size_t reply_size;
    int hush_fd; /* write end: closed to end a broker that never answers; -1: it answers */
    int hush_read_fd;
    uint8_t request[70000];
    size_t request_size;
};

/* Begins to listen on a fresh path. @reply NULL: it reads and then says nothing until fake_broker_end(). */
void fake_broker_begin(struct fake_broker *broker, const uint8_t *reply, size_t reply_size);

/* Waits for the one exchange to be over; broker->request holds what was asked. */
void fake_broker_end(struct fake_broker *broker);
