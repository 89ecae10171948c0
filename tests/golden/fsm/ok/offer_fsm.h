/* SPDX-License-Identifier: MIT */
/* Generated from offer.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#pragma once

/* A backend takes the client's socket over, or the client is told at once to dial for itself. */

#include <stdbool.h>

#include "base/clock.h"
#include "fsm/fsm.h"

struct offer; /* defined by the owner; its first member is `struct fsm` */
extern const struct fsm_machine offer_machine;

enum offer_state { /* 0: not born */
    OFFER_STATE_PASSING = 1,
    OFFER_STATE_WAITING,
    OFFER_STATE_READYING,
    OFFER_STATE_DONE, /* final */
    OFFER_STATE_FALLBACK, /* final */
    OFFER_STATE_REVOKED, /* final */
    OFFER_STATE_MAX
};

enum offer_event { /* 0: none */
    /* events */
    OFFER_EVENT_ACK = 1, /* valid, accepted, matched by correlation id */
    OFFER_EVENT_NACK, /* valid, declined */
    OFFER_EVENT_HANG_UP, /* the client hung up */
    OFFER_EVENT_CLOSED, /* end of file or error; told only to records whose offer is out */
    /* timers */
    OFFER_EVENT_SEND_LIMIT, /* a client is never delayed longer than this for a channel */
    OFFER_EVENT_ACK_LIMIT, /* 1 s after the offer left, or when the client would give up */
    /* outcomes of work */
    OFFER_EVENT_OFFERED,
    OFFER_EVENT_PARTIAL,
    OFFER_EVENT_REFUSED,
    OFFER_EVENT_READY_SENT,
    OFFER_EVENT_READY_BLOCKED,
    OFFER_EVENT_MAX
};

enum offer_count_arg {
    OFFER_COUNT_BROKEN,
    OFFER_COUNT_REFUSED,
    OFFER_COUNT_NO_CHANNEL,
    OFFER_COUNT_TOO_LATE,
    OFFER_COUNT_NO_ACK,
    OFFER_COUNT_MAX
};

/* What others may call; see fsm/fsm.h. */
int offer_start(struct offer *machine, struct fsm_world *world);
void offer_raise(struct offer *machine, enum offer_event event);
bool offer_is_alive(const struct offer *machine);
enum offer_state offer_state(const struct offer *machine);
const char *offer_state_name(enum offer_state state);
const char *offer_event_name(enum offer_event event);
const char *offer_count_name(enum offer_count_arg argument);

/* Written by the machine's owner: work (0: the outcome comes later, by fsm_finish()) … */
/* one sendmsg of token, offer and descriptor, once the channel is writable */
enum offer_event offer_pass_offer(struct offer *machine);
/* the ready event, in one send */
enum offer_event offer_send_ready(struct offer *machine);

/* … actions, which cannot fail … */
void offer_count(struct offer *machine, enum offer_count_arg argument);
void offer_close_channel(struct offer *machine);
void offer_revoke_token(struct offer *machine);
void offer_kill_client(struct offer *machine);
void offer_close_client(struct offer *machine);
void offer_take_next_channel(struct offer *machine);
void offer_consume_token(struct offer *machine);

/* … guards and `until` functions, which only read … */
bool offer_retried(const struct offer *machine);
bool offer_pool_empty(const struct offer *machine);
nsec_t offer_ack_due(const struct offer *machine, nsec_t now);

/* … and the end: a final state was entered; the instance may be freed here. */
void offer_ended(struct offer *machine);
