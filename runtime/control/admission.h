/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Who may stay connected (decision 9c): counts the open connections of each peer, and knows which one to close when
 * there is no room. Every operation takes constant time, however many are connected.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct admission_peer;

enum { ADMISSION_BUCKETS = 1024 };

enum admission_place {
    ADMISSION_OUT,        /* not counted */
    ADMISSION_UNFINISHED, /* its request is not complete: may be evicted */
    ADMISSION_BUSY,       /* it is owed an answer: never evicted */
    ADMISSION_LINGERING,  /* it has its refusal: the first to be evicted */
};

/* The part of a connection that stands in the books. Zeroed: out. */
struct admission_ticket {
    struct admission_peer *peer;
    enum admission_place place;
    TAILQ_ENTRY(admission_ticket) of_peer;   /* among the unfinished or the lingering of its peer, oldest first */
    TAILQ_ENTRY(admission_ticket) lingering; /* among the lingering of everybody, oldest first */
};

TAILQ_HEAD(admission_tickets, admission_ticket);
LIST_HEAD(admission_peers, admission_peer);

struct admission {
    size_t n_open;
    uint32_t per_peer_max;
    struct admission_peers *buckets;
    struct admission_peers *ranks; /* peers with unfinished connections by the number of all their connections */
    uint32_t top_rank;             /* none above it is occupied */
    struct admission_tickets lingering;
    struct admission_peers spare;
    uint32_t n_spare;
};

enum { ADMISSION_E_CROWDED = 1 };

/* At most @per_peer_max connections of one peer. 0 or -ENOMEM. */
int admission_init(struct admission *admission, uint32_t per_peer_max);

/* Every ticket must be out. Accepts zeroes, twice. */
void admission_deinit(struct admission *admission);

/*
 * Counts @ticket, which must be out, as an unfinished connection of @pid (0: of all peers of @uid without a pid).
 * 0; ADMISSION_E_CROWDED when the peer is at its cap (make room with admission_take_victim_of()); -ENOMEM.
 */
int admission_join(struct admission *admission, struct admission_ticket *ticket, pid_t pid, uid_t uid);

/* Its request is complete, or it has been refused: not to be evicted from now on. Harmless when it is out. */
void admission_settle(struct admission *admission, struct admission_ticket *ticket);

/* It has its refusal and lingers. Harmless when it is out. */
void admission_linger(struct admission *admission, struct admission_ticket *ticket);

/* It closes. Harmless when it is out. */
void admission_leave(struct admission *admission, struct admission_ticket *ticket);

/* Somebody could be evicted. */
bool admission_has_victim(struct admission *admission);

/*
 * The one to close when the total is reached: the oldest that lingers, else the oldest unfinished one of the peer with
 * the most connections. It is out by the time this returns; NULL: there is nobody.
 */
struct admission_ticket *admission_take_victim(struct admission *admission);

/* The same among the connections of one peer. */
struct admission_ticket *admission_take_victim_of(struct admission *admission, pid_t pid, uid_t uid);
