/* SPDX-License-Identifier: MIT */
#pragma once

/* One question to a broker, one answer, within a time (spec 01 §14.3, §14.5; spec 05 §1.5). */

#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "wire/envelope.h"

enum { CLIENT_TEXT_MAX = 512 };

enum {
    CLIENT_E_ABSENT = 1, /* nobody listens there: no such socket, or connection refused */
    CLIENT_E_FAILED,     /* everything else */
};

/* How long a round trip may take: RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS, else 30 s. */
nsec_t client_patience_nsec(void);

/*
 * A nonblocking connection to @path by @deadline_nsec (monotonic), whoever listens there. 0 and a descriptor of the
 * caller's, or a negative errno: -ETIMEDOUT when the backlog stayed full, -ENAMETOOLONG.
 */
int client_dial(const char *path, nsec_t deadline_nsec, int *ret_fd);

/* The same, when it is this user who listens. 0 and a descriptor of the caller's, or CLIENT_E_* and a text. */
int client_connect(const char *path, nsec_t deadline_nsec, int *ret_fd, char ret_text[CLIENT_TEXT_MAX]);

/*
 * Sends @payload on @lane with request id 1 over @fd and reads one frame, which must be a plain RESPONSE on that lane.
 * 0 and the frame in @arena; CLIENT_E_FAILED with the text of the specification. -ENOMEM.
 */
int client_ask(int fd, uint32_t lane, const ProtobufCMessage *payload, nsec_t deadline_nsec, struct arena *arena,
               Frame **ret_reply, char ret_text[CLIENT_TEXT_MAX]);
