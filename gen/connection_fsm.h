/* SPDX-License-Identifier: MIT */
/* Generated from connection.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#pragma once

/* One request, one reply, close; every close has one reason. */

#include <stdbool.h>

#include "base/clock.h"
#include "fsm/fsm.h"

struct connection; /* defined by the owner; its first member is `struct fsm` */
extern const struct fsm_machine connection_machine;

enum connection_state { /* 0: not born */
    CONNECTION_STATE_CHECKING = 1,
    CONNECTION_STATE_READING,
    CONNECTION_STATE_ROUTING,
    CONNECTION_STATE_WAITING,
    CONNECTION_STATE_WRITING,
    CONNECTION_STATE_LINGERING,
    CONNECTION_STATE_CLOSED, /* final */
    CONNECTION_STATE_MAX
};

enum connection_event { /* 0: none */
    /* events */
    CONNECTION_EVENT_HANG_UP = 1, /* POLLHUP or an error on the socket */
    CONNECTION_EVENT_ANSWERED, /* the reply of this waiter is ready: negotiated, refused, or a status */
    CONNECTION_EVENT_EVICTED, /* it makes room: the oldest unfinished connection of the greediest peer, or the biggest */
    CONNECTION_EVENT_CUT_OFF, /* the drain deadline is over, or the broker stops */
    /* timers */
    CONNECTION_EVENT_DEADLINE, /* 30 s from accept, RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS */
    CONNECTION_EVENT_PATIENCE, /* 25 s, and never into the last second of the deadline */
    CONNECTION_EVENT_STALL, /* 5 s after the last byte the client took; never past the deadline */
    CONNECTION_EVENT_LINGER, /* 100 ms in which a refused client may stop writing; never past the deadline */
    /* outcomes of work */
    CONNECTION_EVENT_WELCOME,
    CONNECTION_EVENT_UNWELCOME,
    CONNECTION_EVENT_UNKNOWN,
    CONNECTION_EVENT_CROWDED,
    CONNECTION_EVENT_STARVED,
    CONNECTION_EVENT_COMPLETE,
    CONNECTION_EVENT_MALFORMED,
    CONNECTION_EVENT_EMPTY,
    CONNECTION_EVENT_REPLIED,
    CONNECTION_EVENT_MUST_WAIT,
    CONNECTION_EVENT_UNANSWERABLE,
    CONNECTION_EVENT_WRITTEN,
    CONNECTION_EVENT_LOST,
    CONNECTION_EVENT_QUIET,
    CONNECTION_EVENT_MAX
};

enum connection_close_arg {
    CONNECTION_CLOSE_SHUTDOWN,
    CONNECTION_CLOSE_PEER_POLICY,
    CONNECTION_CLOSE_PEER_UNKNOWN,
    CONNECTION_CLOSE_PEER_CAP,
    CONNECTION_CLOSE_MEMORY,
    CONNECTION_CLOSE_PROBE,
    CONNECTION_CLOSE_DEADLINE,
    CONNECTION_CLOSE_EVICTED,
    CONNECTION_CLOSE_BAD_ADMIN,
    CONNECTION_CLOSE_LOST,
    CONNECTION_CLOSE_DONE,
    CONNECTION_CLOSE_STALLED,
    CONNECTION_CLOSE_REFUSED,
    CONNECTION_CLOSE_MAX
};

enum connection_refuse_arg {
    CONNECTION_REFUSE_MALFORMED,
    CONNECTION_REFUSE_IN_PROGRESS,
    CONNECTION_REFUSE_MAX
};

/* What others may call; see fsm/fsm.h. */
int connection_start(struct connection *machine, struct fsm_world *world);
void connection_raise(struct connection *machine, enum connection_event event);
bool connection_is_alive(const struct connection *machine);
enum connection_state connection_state(const struct connection *machine);
const char *connection_state_name(enum connection_state state);
const char *connection_event_name(enum connection_event event);
const char *connection_close_name(enum connection_close_arg argument);
const char *connection_refuse_name(enum connection_refuse_arg argument);

/* Written by the machine's owner: work (0: the outcome comes later, by fsm_finish()) … */
/* SO_PEERCRED, the uid policy, the peer's own cap */
enum connection_event connection_check_peer(struct connection *machine);
/* exactly one frame; empty: end of file before the first byte */
enum connection_event connection_read_frame(struct connection *machine);
/* spec 01 section 6.6, or an admin verb */
enum connection_event connection_route(struct connection *machine);
/* one send; the rest when the socket can take it */
enum connection_event connection_write_reply(struct connection *machine);
/* end of file or 64 KiB */
enum connection_event connection_discard(struct connection *machine);

/* … actions, which cannot fail … */
void connection_close(struct connection *machine, enum connection_close_arg argument);
void connection_refuse(struct connection *machine, enum connection_refuse_arg argument);
void connection_leave_waiters(struct connection *machine);
void connection_tell_broker(struct connection *machine);

/* … guards and `until` functions, which only read … */
bool connection_input_left(const struct connection *machine);
bool connection_shutdown_asked(const struct connection *machine);
bool connection_was_taking(const struct connection *machine);
nsec_t connection_request_deadline(const struct connection *machine, nsec_t now);
nsec_t connection_waiter_deadline(const struct connection *machine, nsec_t now);
nsec_t connection_stall_due(const struct connection *machine, nsec_t now);
nsec_t connection_linger_due(const struct connection *machine, nsec_t now);

/* … and the end: a final state was entered; the instance may be freed here. */
void connection_ended(struct connection *machine);
