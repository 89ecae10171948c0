/* SPDX-License-Identifier: MIT */

/*
 * Two indexes over the same peers: a hash by pid, and lists by rank, which is the number of connections a peer holds. A
 * peer stands in a rank only while it has an unfinished connection, so the first peer of the highest occupied rank is
 * the one to take from. Ranks change by one at a time; the highest is found by walking down from where it was last,
 * which costs no more steps than were made upwards. Nothing is closed here: a victim is struck off the books and
 * handed to the caller.
 */

#include "control/admission.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

enum { SPARE_MAX = 64 };

struct admission_peer {
    uint64_t key;
    uint32_t n_open;
    bool is_ranked;
    struct admission_tickets unfinished;
    struct admission_tickets lingering;
    LIST_ENTRY(admission_peer) in_bucket; /* or in the spare list */
    LIST_ENTRY(admission_peer) in_rank;
};

int admission_init(struct admission *admission, uint32_t per_peer_max)
{
    *admission = (struct admission){.per_peer_max = per_peer_max};
    TAILQ_INIT(&admission->lingering);
    admission->buckets = calloc(ADMISSION_BUCKETS, sizeof(*admission->buckets));
    admission->ranks = calloc((size_t)per_peer_max + 1, sizeof(*admission->ranks));
    if (admission->buckets == NULL || admission->ranks == NULL) {
        admission_deinit(admission);
        return error_origin(-ENOMEM);
    }
    return 0;
}

void admission_deinit(struct admission *admission)
{
    struct admission_peer *peer;

    while ((peer = LIST_FIRST(&admission->spare)) != NULL) {
        LIST_REMOVE(peer, in_bucket);
        free(peer);
    }
    free(admission->buckets);
    free(admission->ranks);
    *admission = (struct admission){0};
}

/* ------------------------------------------------------------------------------------------------- peers */

/* A pid has 31 bits at most, so a uid with a bit above them is never taken for one. */
static uint64_t key_of(pid_t pid, uid_t uid)
{
    return pid != 0 ? (uint64_t)(uint32_t)pid : (uint64_t)uid | UINT64_C(1) << 32;
}

static struct admission_peers *bucket_of(struct admission *admission, uint64_t key)
{
    return &admission->buckets[(key * UINT64_C(0x9E3779B97F4A7C15)) >> 54];
}

static struct admission_peer *find_peer(struct admission *admission, uint64_t key)
{
    struct admission_peer *peer;

    LIST_FOREACH(peer, bucket_of(admission, key), in_bucket)
    {
        if (peer->key == key) {
            return peer;
        }
    }
    return NULL;
}

static struct admission_peer *add_peer(struct admission *admission, uint64_t key)
{
    struct admission_peer *peer = LIST_FIRST(&admission->spare);

    if (peer != NULL) {
        LIST_REMOVE(peer, in_bucket);
        admission->n_spare--;
    } else {
        peer = malloc(sizeof(*peer));
        if (peer == NULL) {
            return NULL;
        }
    }
    *peer = (struct admission_peer){.key = key};
    TAILQ_INIT(&peer->unfinished);
    TAILQ_INIT(&peer->lingering);
    LIST_INSERT_HEAD(bucket_of(admission, key), peer, in_bucket);
    return peer;
}

static void drop_peer(struct admission *admission, struct admission_peer *peer)
{
    LIST_REMOVE(peer, in_bucket);
    if (admission->n_spare < SPARE_MAX) {
        LIST_INSERT_HEAD(&admission->spare, peer, in_bucket);
        admission->n_spare++;
    } else {
        free(peer);
    }
}

/* Puts @peer where its numbers say, after either of them has changed. */
static void rank_peer(struct admission *admission, struct admission_peer *peer)
{
    if (peer->is_ranked) {
        LIST_REMOVE(peer, in_rank);
        peer->is_ranked = false;
    }
    if (TAILQ_EMPTY(&peer->unfinished)) {
        return;
    }
    LIST_INSERT_HEAD(&admission->ranks[peer->n_open], peer, in_rank);
    peer->is_ranked = true;
    if (peer->n_open > admission->top_rank) {
        admission->top_rank = peer->n_open;
    }
}

/* ------------------------------------------------------------------------------------------------- tickets */

static void take_from_lists(struct admission *admission, struct admission_ticket *ticket)
{
    if (ticket->place == ADMISSION_UNFINISHED) {
        TAILQ_REMOVE(&ticket->peer->unfinished, ticket, of_peer);
    } else if (ticket->place == ADMISSION_LINGERING) {
        TAILQ_REMOVE(&ticket->peer->lingering, ticket, of_peer);
        TAILQ_REMOVE(&admission->lingering, ticket, lingering);
    }
}

int admission_join(struct admission *admission, struct admission_ticket *ticket, pid_t pid, uid_t uid)
{
    uint64_t key = key_of(pid, uid);
    struct admission_peer *peer = find_peer(admission, key);

    if (peer != NULL && peer->n_open >= admission->per_peer_max) {
        return ADMISSION_E_CROWDED;
    }
    if (peer == NULL) {
        peer = add_peer(admission, key);
        if (peer == NULL) {
            return error_origin(-ENOMEM);
        }
    }
    *ticket = (struct admission_ticket){.peer = peer, .place = ADMISSION_UNFINISHED};
    TAILQ_INSERT_TAIL(&peer->unfinished, ticket, of_peer);
    peer->n_open++;
    admission->n_open++;
    rank_peer(admission, peer);
    return 0;
}

void admission_settle(struct admission *admission, struct admission_ticket *ticket)
{
    if (ticket->place == ADMISSION_OUT) {
        return;
    }
    take_from_lists(admission, ticket);
    ticket->place = ADMISSION_BUSY;
    rank_peer(admission, ticket->peer);
}

void admission_linger(struct admission *admission, struct admission_ticket *ticket)
{
    if (ticket->place == ADMISSION_OUT) {
        return;
    }
    take_from_lists(admission, ticket);
    ticket->place = ADMISSION_LINGERING;
    TAILQ_INSERT_TAIL(&ticket->peer->lingering, ticket, of_peer);
    TAILQ_INSERT_TAIL(&admission->lingering, ticket, lingering);
    rank_peer(admission, ticket->peer);
}

void admission_leave(struct admission *admission, struct admission_ticket *ticket)
{
    struct admission_peer *peer = ticket->peer;

    if (ticket->place == ADMISSION_OUT) {
        return;
    }
    take_from_lists(admission, ticket);
    *ticket = (struct admission_ticket){0};
    peer->n_open--;
    admission->n_open--;
    rank_peer(admission, peer);
    if (peer->n_open == 0) {
        drop_peer(admission, peer);
    }
}

/* ------------------------------------------------------------------------------------------------- victims */

/* The peer with the most connections of those that have an unfinished one, or NULL. */
static struct admission_peer *greediest(struct admission *admission)
{
    while (admission->top_rank > 0 && LIST_EMPTY(&admission->ranks[admission->top_rank])) {
        admission->top_rank--;
    }
    return LIST_FIRST(&admission->ranks[admission->top_rank]);
}

static struct admission_ticket *struck(struct admission *admission, struct admission_ticket *ticket)
{
    if (ticket != NULL) {
        admission_leave(admission, ticket);
    }
    return ticket;
}

bool admission_has_victim(struct admission *admission)
{
    return !TAILQ_EMPTY(&admission->lingering) || greediest(admission) != NULL;
}

struct admission_ticket *admission_take_victim(struct admission *admission)
{
    struct admission_peer *peer;

    if (!TAILQ_EMPTY(&admission->lingering)) {
        return struck(admission, TAILQ_FIRST(&admission->lingering));
    }
    peer = greediest(admission);
    if (peer == NULL) {
        return NULL;
    }
    return struck(admission, TAILQ_FIRST(&peer->unfinished));
}

struct admission_ticket *admission_take_victim_of(struct admission *admission, pid_t pid, uid_t uid)
{
    struct admission_peer *peer = find_peer(admission, key_of(pid, uid));

    if (peer == NULL) {
        return NULL;
    }
    if (!TAILQ_EMPTY(&peer->lingering)) {
        return struck(admission, TAILQ_FIRST(&peer->lingering));
    }
    return struck(admission, TAILQ_FIRST(&peer->unfinished));
}
