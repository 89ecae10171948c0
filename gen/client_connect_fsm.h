/* SPDX-License-Identifier: MIT */
/* Generated from client_connect.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#pragma once

/* From the wish to talk to a service to a socket that leads to its backend. */

#include <stdbool.h>

#include "base/clock.h"
#include "fsm/fsm.h"

struct client_connect; /* defined by the owner; its first member is `struct fsm` */
extern const struct fsm_machine client_connect_machine;

enum client_connect_state { /* 0: not born */
    CLIENT_CONNECT_STATE_STARTING = 1,
    CLIENT_CONNECT_STATE_SKIPPING,
    CLIENT_CONNECT_STATE_DIALING,
    CLIENT_CONNECT_STATE_QUEUEING,
    CLIENT_CONNECT_STATE_ASKING,
    CLIENT_CONNECT_STATE_PAUSING,
    CLIENT_CONNECT_STATE_REDIALING,
    CLIENT_CONNECT_STATE_BACKLOGGED,
    CLIENT_CONNECT_STATE_CONNECTED, /* final */
    CLIENT_CONNECT_STATE_FAILED, /* final */
    CLIENT_CONNECT_STATE_ENDED, /* final */
    CLIENT_CONNECT_STATE_MAX
};

enum client_connect_event { /* 0: none */
    /* events */
    CLIENT_CONNECT_EVENT_CLOSE = 1, /* the caller is done */
    /* timers */
    CLIENT_CONNECT_EVENT_BUDGET, /* 30 s for all of it, retries too; RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS */
    CLIENT_CONNECT_EVENT_CROWDED, /* a full backlog refuses at once and gives nothing to wait for */
    CLIENT_CONNECT_EVENT_PAUSE, /* as long as the broker said */
    /* outcomes of work */
    CLIENT_CONNECT_EVENT_SKIP_HELLO,
    CLIENT_CONNECT_EVENT_ASK_BROKER,
    CLIENT_CONNECT_EVENT_CACHED_UP,
    CLIENT_CONNECT_EVENT_CACHED_DOWN,
    CLIENT_CONNECT_EVENT_BROKER_UP,
    CLIENT_CONNECT_EVENT_BROKER_FULL,
    CLIENT_CONNECT_EVENT_BROKER_DOWN,
    CLIENT_CONNECT_EVENT_NEGOTIATED,
    CLIENT_CONNECT_EVENT_REFUSED,
    CLIENT_CONNECT_EVENT_HELLO_FAILED,
    CLIENT_CONNECT_EVENT_BACKEND_UP,
    CLIENT_CONNECT_EVENT_BACKEND_FULL,
    CLIENT_CONNECT_EVENT_BACKEND_DOWN,
    CLIENT_CONNECT_EVENT_MAX
};

enum client_connect_take_backend_arg {
    CLIENT_CONNECT_TAKE_BACKEND_HELLO_SKIP,
    CLIENT_CONNECT_TAKE_BACKEND_NEGOTIATED,
    CLIENT_CONNECT_TAKE_BACKEND_MAX
};

/* What others may call; see fsm/fsm.h. */
int client_connect_start(struct client_connect *machine, struct fsm_world *world);
void client_connect_raise(struct client_connect *machine, enum client_connect_event event);
bool client_connect_is_alive(const struct client_connect *machine);
enum client_connect_state client_connect_state(const struct client_connect *machine);
const char *client_connect_state_name(enum client_connect_state state);
const char *client_connect_event_name(enum client_connect_event event);
const char *client_connect_take_backend_name(enum client_connect_take_backend_arg argument);

/* Written by the machine's owner: work (0: the outcome comes later, by fsm_finish()) … */
/* cached endpoint and equal versions */
enum client_connect_event client_connect_choose_way(struct client_connect *machine);
/* the endpoint of an earlier call */
enum client_connect_event client_connect_dial_cached(struct client_connect *machine);
/* its path, one connect, the peer's uid */
enum client_connect_event client_connect_dial_broker(struct client_connect *machine);
/* one frame out, one frame in */
enum client_connect_event client_connect_say_hello(struct client_connect *machine);
/* backend_pipe of the reply */
enum client_connect_event client_connect_dial_backend(struct client_connect *machine);

/* … actions, which cannot fail … */
void client_connect_time_out(struct client_connect *machine);
void client_connect_take_backend(struct client_connect *machine, enum client_connect_take_backend_arg argument);
void client_connect_close_broker(struct client_connect *machine);
void client_connect_count_retry(struct client_connect *machine);

/* … guards and `until` functions, which only read … */
bool client_connect_worth_retry(const struct client_connect *machine);
nsec_t client_connect_call_deadline(const struct client_connect *machine, nsec_t now);
nsec_t client_connect_retry_due(const struct client_connect *machine, nsec_t now);

/* … and the end: a final state was entered; the instance may be freed here. */
void client_connect_ended(struct client_connect *machine);
