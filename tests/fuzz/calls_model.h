/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the requests of one client must have become (spec 03 §15.3, rpb/client.h), said a second time: from the whole
 * stream of the backend, never from pieces, and from a list that only grows instead of a table.
 */

#include "fuzz/peer.h"

enum { ASKED_MAX = 256 };

enum asked_state { ASKED_WAITING, ASKED_ARRIVED, ASKED_TIMED_OUT, ASKED_FORGOTTEN, ASKED_GONE };

struct asked {
    enum asked_state state;
    bool is_answered; /* no reply will come any more */
    uint32_t lane;
    uint64_t deadline_nsec;
    uint64_t turn;        /* when it was decided */
    size_t reply_at;      /* in what the backend has sent */
    struct slice payload; /* of the request; borrowed */
};

struct calls_model {
    const struct peer *backend;
    size_t at;   /* what the client has read of it as frames */
    bool is_cut; /* behind that it has read a part of one */
    int ended;   /* status that ended the connection; 0: it is up */
    unsigned n_asked, in_flight, in_flight_max;
    uint64_t turns;
    struct asked asked[ASKED_MAX]; /* id 1 first */
};

void model_begin(struct calls_model *model, const struct peer *backend, unsigned in_flight_max);

/* A request was sent; its id. */
uint64_t model_ask(struct calls_model *model, uint32_t lane, uint64_t deadline_nsec, struct slice payload);

/* The client steps at @now_nsec: what that must return. */
int model_step(struct calls_model *model, uint64_t now_nsec);

/* The connection ends. */
void model_end(struct calls_model *model, int status);

/* What receiving @id (0: any) must return; *@ret_id is the request's, 0 when it is about none. */
int model_receive(struct calls_model *model, uint64_t id, uint64_t *ret_id);

/* Whether none was decided before request @id. */
bool model_is_first(struct calls_model *model, uint64_t id);

/* What forgetting @id must return. */
int model_forget(struct calls_model *model, uint64_t id);

/* Earliest deadline of those that wait, UINT64_MAX for none. */
uint64_t model_deadline(const struct calls_model *model);

/* What the backend has got must be the requests in their order, each whole, but for the end of the last. */
void model_check_requests(const struct calls_model *model);
