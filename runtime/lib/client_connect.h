/* SPDX-License-Identifier: MIT */
#pragma once

/* One connect: statemachines/client_connect.fsm, driven by hand. */

#include "client_connect_fsm.h"
#include "lib/client_failure.h"
#include "lib/client_settings.h"
#include "lib/client_stream.h"

struct client_connect {
    struct fsm fsm;
    struct fsm_world world; /* of this one instance */
    const struct client_settings *settings;
    struct client_failure *failure; /* filled before `failed` is entered */
    nsec_t deadline_nsec;
    unsigned int retries_left;
    char broker_path[ENDPOINT_PATH_SIZE];
    struct client_stream broker;
    struct fsm_ticket hello; /* of the Hello under way */
    struct arena arena;      /* holds the reply */
    const Negotiated *negotiated;
    int backend_fd;
    bool is_broken; /* the engine found a bug of ours */
    enum rpb_client_route route;
};

/* Nothing begun. Both are borrowed and must outlive it. @connect must not move. */
void client_connect_init(struct client_connect *connect, const struct client_settings *settings,
                         struct client_failure *failure);

/* Closes and frees, in any state, twice. */
void client_connect_deinit(struct client_connect *connect);

/* RPB_CLIENT_AGAIN, RPB_CLIENT_OK (take the socket), or the status that is in the failure. */
int client_connect_begin(struct client_connect *connect, nsec_t now_nsec);
int client_connect_step(struct client_connect *connect, nsec_t now_nsec);

/* Gives up; everything is closed. */
void client_connect_give_up(struct client_connect *connect);

/* As in the public interface, while connecting. */
int client_connect_fd(const struct client_connect *connect);
short client_connect_wants(const struct client_connect *connect);
nsec_t client_connect_deadline(const struct client_connect *connect);

/* Once connected: the socket, moved out. */
int client_connect_take_fd(struct client_connect *connect);
