/* SPDX-License-Identifier: MIT */
#pragma once

/* A whole control socket in one process: the rig of hello/, a listener, and clients that are plain descriptors. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/control.h"
#include "control/state.h"
#include "ops/admin.h"
#include "unit/hello/rig.h"

struct rig {
    struct hello_rig hello;
    struct control *control;
    struct admin admin;
    int listener;
    char path[108];
    int n_finished, n_drained, n_shutdown;
    msec_t drain_msec;
};

/* NULL for defaults. Of @config only limits, modes and timeouts are looked at. */
void rig_up(struct rig *rig, const struct hello_rig_options *options, const struct control_config *config);
void rig_down(struct rig *rig);

/* A service `never`, whose backend starts but never listens: whoever asks for it waits. */
void rig_define_never(struct rig *rig);

/* Asks for `never`; the client, which now waits. */
int rig_ask_never(struct rig *rig);

/* Conditions for rig_wait(): somebody waits and a backend is being launched. */
bool rig_is_launching(struct rig *rig);

/* Turns the loop until nothing is to be done at once. */
void rig_settle(struct rig *rig);

/* Turns the loop until @condition holds, blocking for timers; false after ten seconds. */
bool rig_wait(struct rig *rig, bool (*condition)(struct rig *rig));

/* A connected client, nonblocking. */
int rig_connect(struct rig *rig);

/* Sends all of it, turning the loop while the socket is full. Returns how much the broker's end took. */
size_t rig_send(struct rig *rig, int fd, const void *bytes, size_t size);

/* What the broker sends until it closes; its size, or SIZE_MAX when the end was a reset. Closes @fd. */
size_t rig_receive(struct rig *rig, int fd, uint8_t *ret, size_t size);

/* Connects, sends, receives. */
size_t rig_exchange(struct rig *rig, const void *bytes, size_t size, uint8_t *ret, size_t ret_size);

/* Connects, sends @bytes and expects exactly the bytes of @hex, then the end. */
void rig_expect(struct rig *rig, const void *bytes, size_t size, const char *hex);

/* The same for a refusal with these facts. */
void rig_expect_refusal(struct rig *rig, const void *bytes, size_t size, uint64_t request_id, uint32_t code,
                        const char *reason, uint64_t retry_ms);

/* The steps of the connection that closed last: "event>state event>state …". Static. */
const char *rig_last_path(struct rig *rig);

/* A health question and its answer. */
extern const char rig_healthz_hex[], rig_ok_hex[];

/* Somebody who asks for the broker's health is answered. */
void rig_check_healthy(struct rig *rig);

/* The log goes into a file from here on; what it wrote until rig_end_log(), which closes the file. Static. */
int rig_log_into_file(void);
const char *rig_end_log(int fd);

/* Bytes written as hex. */
size_t rig_from_hex(const char *hex, uint8_t *ret);

/* A process that connects @n times and holds on until rig_peer_end(). */
struct rig_peer {
    pid_t pid;
    int hold; /* closing it ends the process */
};
struct rig_peer rig_peer(struct rig *rig, int n);
void rig_peer_end(struct rig *rig, struct rig_peer *peer);
