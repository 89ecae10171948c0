/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One accepted connection: the instance of statemachines/connection.fsm, whose work and actions are spread over
 * connection.c (birth, end, timers), frame_reader.c (read_frame), dispatch.c (route, refuse) and frame_writer.c
 * (write_reply, discard). For the files of control/ only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "connection_fsm.h"
#include "control/admission.h"
#include "fsm/fsm.h"
#include "hello/hello.h"
#include "loop/loop.h"
#include "ops/admin_inodes.h"
#include "wire/frame_scan.h"
#include "wire/protocol.h"
#include "wire/skim.h"

struct control;

/* What was wrong with the frame (spec 01 section 1.4); the refusals stand in dispatch.c. */
enum frame_fault {
    FRAME_FAULT_NONE,
    FRAME_FAULT_VERSION,
    FRAME_FAULT_TOO_LARGE,
    FRAME_FAULT_INCOMPLETE,
    FRAME_FAULT_NOT_A_FRAME,
};

/* One of them is most of what an idle client costs: flags stand where the padding is. */
struct connection {
    struct fsm fsm;
    struct control *control;
    LIST_ENTRY(connection) link; /* open connections, or the spare ones */
    int fd;
    bool is_linked;  /* io is in the loop */
    bool is_evicted; /* the event is on its way */
    bool is_owed;    /* its request is complete and it has no answer yet: it holds a drain */
    struct loop_io io;
    struct loop_deferred first_read;
    struct fsm_ticket work; /* of the unfinished work of this state */
    struct hello_peer peer;
    nsec_t deadline_nsec;
    nsec_t progress_nsec; /* when the client last took a byte of the reply */
    struct admission_ticket admission;

    /* the frame: header, then a body that is kept or skimmed */
    struct frame_scan header;
    uint8_t header_filled;
    bool is_skim_broken;
    enum frame_fault fault;
    uint32_t body_filled; /* bytes of the body that have come */
    uint8_t *body;        /* kept; from the pool */
    size_t body_capacity;
    struct skim *skim; /* a body longer than HELLO_BODY_MAX; from the pool */
    size_t skim_capacity;

    /* who it is while it waits: a Hello, or an admin request, which is read again from the body when it goes on */
    struct hello_exchange exchange;
    struct inode_waiter inodes;
    msec_t drain_msec;
    bool is_shutdown;   /* an admin shutdown: told once the ack is written */
    bool is_slow_admin; /* it had to wait */

    /* the reply */
    bool is_reply_on_heap; /* reserved in the pool, but malloc()'s */
    uint8_t *reply;
    size_t reply_size, reply_sent;
    size_t reply_capacity; /* what the pool counts for it */
    size_t discarded;      /* bytes thrown away while lingering */
};

/* The socket is readable in state reading: as much of the frame as is there, at most 64 KiB. */
void frame_reader_ready(struct connection *connection);

/* Gives the memory of the request back to the pool. Twice is harmless. */
void frame_reader_release(struct connection *connection);

/* The socket has room in state writing. */
void frame_writer_ready(struct connection *connection);

/* The socket is readable in state lingering. */
void frame_writer_discard(struct connection *connection);

/* Gives the memory of the reply back. Twice is harmless. */
void frame_writer_release(struct connection *connection);

/* Packs @reply as this connection's answer. 0 or -ENOMEM, or -ENOBUFS at the total of all buffers. */
int frame_writer_put(struct connection *connection, const struct reply *reply);

/* The same for an admin reply, whose frame is already in @frame; takes its memory on success. */
struct buffer;
int frame_writer_put_frame(struct connection *connection, struct buffer *frame);
