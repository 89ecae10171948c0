/* SPDX-License-Identifier: MIT */
#pragma once

/* Requests in flight over one connection to a backend, and their replies (spec 03 §15.3). */

#include "base/arena.h"
#include "base/clock.h"
#include "lib/client_failure.h"
#include "lib/client_stream.h"

enum client_call_state {
    CLIENT_CALL_FREE,
    CLIENT_CALL_WAITING,
    CLIENT_CALL_ARRIVED,
    CLIENT_CALL_TIMED_OUT, /* and its caller has not been told yet */
    CLIENT_CALL_FORGOTTEN, /* nobody waits, but the reply will still come */
};

struct client_call {
    enum client_call_state state;
    bool is_answered; /* no reply will come any more */
    uint32_t lane;
    uint64_t id;
    nsec_t deadline_nsec;
    uint64_t turn;      /* when it was decided, counted */
    struct arena arena; /* holds the reply */
    const Frame *reply;
};

struct client_calls {
    struct client_stream stream;
    struct client_call *calls; /* `n_max` of them, owned */
    unsigned int n_max, n_used;
    uint64_t next_id, turns;
    struct arena handed_out; /* of the reply received last */
    int ended;               /* status that ended the connection; RPB_CLIENT_OK: it is up */
};

/* Prepares for up to @n_max requests. 0 or -ENOMEM. client_calls_deinit() in any case. */
int client_calls_init(struct client_calls *calls, unsigned int n_max);
void client_calls_deinit(struct client_calls *calls);

/* Takes over the connected @fd. */
void client_calls_connect(struct client_calls *calls, int fd);

/* Closes the connection; replies stay. Waiting requests are told @status. */
void client_calls_end(struct client_calls *calls, int status);

/* The calls of the public interface; all but receiving and forgetting while the connection is up. Failures that end the
 * connection go to @fatal, all others to @soft. */
int client_calls_send(struct client_calls *calls, const struct rpb_client_request *request, nsec_t deadline_nsec,
                      struct client_failure *soft, uint64_t *ret_id);
int client_calls_step(struct client_calls *calls, nsec_t now_nsec, struct client_failure *fatal);
int client_calls_receive(struct client_calls *calls, uint64_t id, struct rpb_client_reply *ret_reply);
int client_calls_forget(struct client_calls *calls, uint64_t id);

/* Earliest deadline of a waiting request, NSEC_NEVER for none. */
nsec_t client_calls_deadline(const struct client_calls *calls);
