/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the clients of a backend must get (spec 03 §5 and §15, rpb/backend.h), said a second time: from the whole of
 * what each has sent, never from pieces.
 */

#include "fuzz/peer.h"
#include "rpb/backend.h"

enum { ANSWERS_MAX = 1024 }; /* of one connection that are remembered */

/* How the backend was set up. */
struct rules {
    const char *path; /* of its socket */
    uint32_t lanes[2];
    bool has_lanes;
    size_t body_max;
    uint64_t first_frame_nsec;
    rpb_backend_legacy_fn detect; /* or NULL */
    bool takes;                   /* those of another protocol */
};

/* A response that has to come. */
struct answer {
    uint64_t request_id;
    uint32_t lane;
    size_t size; /* of its payload */
    uint32_t sum;
};

/* One of the clients, and its connection of now. */
struct life {
    const struct rules *rules;
    struct peer peer;
    uint64_t number;                   /* of the connection in the backend; 0: never connected */
    uint64_t born_nsec, accepted_nsec; /* 0: not accepted yet */
    size_t handled;                    /* of what was sent: until here the handler has seen it */
    size_t probed;                     /* and until here its probes have been answered */
    size_t read;                       /* of what was got: until here it has been judged */
    struct answer answers[ANSWERS_MAX];
    unsigned n_answers, n_seen; /* seen: those that have come back */
    bool may_be_dropped;        /* for another reason than what it said */
    bool is_lost;               /* too much has happened to be remembered */
    bool was_taken;             /* as one of another protocol */
};

/* A new connection with @fd, which is number @number of the backend; 0: none. */
void served_begin(struct life *life, const struct rules *rules, int fd, uint64_t number);

/* @request is the next one in what the client has sent. */
void served_request(struct life *life, const struct rpb_backend_request *request);

/* It is answered with @payload. */
void served_answer(struct life *life, const struct answer *answer, struct slice payload);

/* Reads what has come: answers to what was sent and nothing else, each once, and a T from who took the connection. */
void served_read(struct life *life);

/* Nothing moves any more: what the client has said has had its effect. */
void served_check(struct life *life);
