/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A broker and a backend made of bare sockets, and messages encoded by hand: nothing of the library's own encoder or
 * decoder has a part in what the client is shown. Everything runs on one thread; the client is stepped between the
 * moves of the other side.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpb/client.h"

struct bytes {
    size_t size;
    uint8_t data[4096];
};

struct rig {
    char broker_path[108], backend_path[108];
    int broker, backend; /* listeners */
    int peer;            /* the accepted end of the client's connection, -1: none */
};

/* Listeners in a fresh directory. */
void rig_up(struct rig *rig);
void rig_down(struct rig *rig);

/* A listening socket at @path. */
int rig_listen(const char *path, int backlog);

/* Accepts what is waiting at @listener as rig->peer, closing the former. False when nobody waits. */
bool rig_accept(struct rig *rig, int listener);
void rig_hang_up(struct rig *rig);

/* Sends all of it to the client. */
void rig_send(struct rig *rig, const struct bytes *bytes);
void rig_send_raw(struct rig *rig, const void *data, size_t size);

/* Reads exactly one frame from the client: header and body. Its size, 0 when there is none. */
size_t rig_read_frame(struct rig *rig, uint8_t *ret, size_t room);

/* A client of service zccache 1.11.20 at the rig's broker, with @more options on top (NULL: none). */
struct rpb_client *rig_client(struct rig *rig, const struct rpb_client_options *more);

/* The same, begun, and its Hello read from rig->peer. */
struct rpb_client *rig_begin(struct rig *rig, const struct rpb_client_options *more);

/* Steps until it is decided, waiting as an event loop would. */
int rig_finish(struct rpb_client *client);

/* Accepts the client's Hello, answers with the backend's path, and finishes the connect: rig->peer is the backend. */
void rig_connect(struct rig *rig, struct rpb_client *client);
struct rpb_client *rig_connected(struct rig *rig, const struct rpb_client_options *more);

/* Encoding by hand. */
void put_varint(struct bytes *out, uint64_t value);
void put_number(struct bytes *out, unsigned int field, uint64_t value); /* absent when 0, as proto3 has it */
void put_text(struct bytes *out, unsigned int field, const void *data, size_t size);

/* What is not zero overrides what a right answer has; a kind of -1 is REQUEST, an id of UINT64_MAX is 0. */
struct envelope_faults {
    uint32_t version, lane, encoding;
    int kind;
    uint64_t id;
};

void make_frame(struct bytes *ret, const struct bytes *payload, uint32_t lane, uint64_t id,
                const struct envelope_faults *faults);
void make_negotiated(struct bytes *ret, const char *backend_pipe, const struct envelope_faults *faults);
void make_refused(struct bytes *ret, uint32_t code, const char *reason, uint64_t retry_ms,
                  const struct envelope_faults *faults);
void make_response(struct bytes *ret, uint32_t lane, uint64_t id, const char *text,
                   const struct envelope_faults *faults);

/* "01 2B 00" */
void from_hex(struct bytes *ret, const char *hex);
