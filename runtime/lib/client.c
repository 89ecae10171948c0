/* SPDX-License-Identifier: MIT */

/*
 * The object of the public interface: first one connect (client_connect.c), then requests and replies (client_calls.c),
 * and what failed last. Everything here returns without waiting except the blocking calls in client_blocking.c, which
 * are these calls and poll().
 */

#include "lib/client_object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sys.h"

/* ---------------------------------------------------------------------------------------------------------- failing */

int client_fail_soft(struct rpb_client *client, int status)
{
    client->last = &client->soft;
    return client_fail_plainly(&client->soft, status);
}

/* The connection has ended, or was never made: @status is in `fatal`. */
static int fail_for_good(struct rpb_client *client, int status)
{
    if (client->state == CLIENT_STATE_CONNECTING || client->state == CLIENT_STATE_CONNECTED) {
        client->state = CLIENT_STATE_FAILED;
    }
    client->last = &client->fatal;
    return status;
}

/* What a call returns that needs a connection and has none. */
static int not_connected(struct rpb_client *client)
{
    if (client->state == CLIENT_STATE_FAILED) {
        client->last = &client->fatal;
        return client->fatal.shown.status;
    }
    return client_fail_soft(client, RPB_CLIENT_E_STATE);
}

const struct rpb_client_failure *rpb_client_failure(const struct rpb_client *client)
{
    static const struct rpb_client_failure no_client = {
        .status = RPB_CLIENT_E_NO_MEMORY,
        .reason = "",
        .text = "there is no client: no memory for one, or none was made",
    };

    return client ? &client->last->shown : &no_client;
}

const char *rpb_client_text(const struct rpb_client *client)
{
    return rpb_client_failure(client)->text;
}

/* ----------------------------------------------------------------------------------------------- making, letting go */

int rpb_client_new(const struct rpb_client_options *options, struct rpb_client **ret_client)
{
    struct rpb_client *client = calloc(1, sizeof(*client));
    int r;

    *ret_client = NULL;
    if (!client) {
        return RPB_CLIENT_E_NO_MEMORY;
    }
    client_failure_init(&client->fatal);
    client_failure_init(&client->soft);
    client->last = &client->soft;
    r = client_settings_init(&client->settings, options, &client->fatal);
    client_connect_init(&client->connect, &client->settings, &client->fatal);
    if (client_calls_init(&client->calls, client->settings.in_flight_max) < 0) {
        r = RPB_CLIENT_E_NO_MEMORY;
    }
    if (r == RPB_CLIENT_E_NO_MEMORY) {
        rpb_client_free(client);
        return r;
    }
    *ret_client = client;
    if (r) {
        client->state = CLIENT_STATE_FAILED;
        client->last = &client->fatal;
    }
    return r;
}

void rpb_client_free(struct rpb_client *client)
{
    if (!client) {
        return;
    }
    client_connect_deinit(&client->connect);
    client_calls_deinit(&client->calls);
    client_settings_deinit(&client->settings);
    free(client);
}

void rpb_client_close(struct rpb_client *client)
{
    if (!client) {
        return;
    }
    if (client->state == CLIENT_STATE_CONNECTING) {
        client_connect_give_up(&client->connect);
    }
    client_calls_end(&client->calls, RPB_CLIENT_E_STATE);
    client->state = CLIENT_STATE_CLOSED;
}

/* ------------------------------------------------------------------------------------------------------- connecting */

static void note_negotiated(struct rpb_client *client)
{
    const Negotiated *n = client->connect.negotiated;

    if (n) {
        client->negotiated = (struct rpb_client_negotiated){
            .protocol = n->negotiated_protocol,
            .daemon_version = n->daemon_version,
            .backend_pipe = n->backend_pipe,
            .server_capabilities = n->server_capabilities,
            .keepalive_secs = n->keepalive_interval_secs,
            .connection_id = n->connection_id,
        };
    }
}

/* @r comes from the connect. */
static int note_connect(struct rpb_client *client, int r)
{
    if (r == RPB_CLIENT_AGAIN) {
        return r;
    }
    note_negotiated(client);
    if (r) {
        return fail_for_good(client, r);
    }
    client_calls_connect(&client->calls, client_connect_take_fd(&client->connect));
    client->state = CLIENT_STATE_CONNECTED;
    return RPB_CLIENT_OK;
}

int rpb_client_begin(struct rpb_client *client)
{
    int r;

    if (client->state != CLIENT_STATE_NEW) {
        /* one with wrong options could never begin: that is still what is wrong */
        return client->fatal.shown.status == RPB_CLIENT_E_ARGUMENT ? not_connected(client)
                                                                   : client_fail_soft(client, RPB_CLIENT_E_STATE);
    }
    client->state = CLIENT_STATE_CONNECTING;
    r = client_settings_may_use_broker(&client->settings, &client->fatal);
    if (r) {
        return fail_for_good(client, r);
    }
    return note_connect(client, client_connect_begin(&client->connect, clock_monotonic()));
}

/* --------------------------------------------------------------------------------------------------------- the loop */

int rpb_client_step(struct rpb_client *client)
{
    nsec_t now_nsec = clock_monotonic();
    int r;

    if (client->state == CLIENT_STATE_CONNECTING) {
        r = note_connect(client, client_connect_step(&client->connect, now_nsec));
        if (r) {
            return r;
        }
    }
    if (client->state != CLIENT_STATE_CONNECTED) {
        return not_connected(client);
    }
    r = client_calls_step(&client->calls, now_nsec, &client->fatal);
    return r ? fail_for_good(client, r) : RPB_CLIENT_OK;
}

int rpb_client_fd(const struct rpb_client *client)
{
    return client->state == CLIENT_STATE_CONNECTING ? client_connect_fd(&client->connect) : client->calls.stream.fd;
}

short rpb_client_wants(const struct rpb_client *client)
{
    if (rpb_client_fd(client) < 0) {
        return 0;
    }
    return client->state == CLIENT_STATE_CONNECTING ? client_connect_wants(&client->connect)
                                                    : client_stream_wants(&client->calls.stream);
}

uint64_t rpb_client_deadline(const struct rpb_client *client)
{
    switch (client->state) {
    case CLIENT_STATE_CONNECTING:
        return client_connect_deadline(&client->connect);
    case CLIENT_STATE_CONNECTED:
        return client_calls_deadline(&client->calls);
    default:
        return RPB_CLIENT_NEVER;
    }
}

/* ------------------------------------------------------------------------------------------------------- the frames */

/* Something that only a later version of the library can. */
static bool is_asking_for_more(const struct rpb_client_request *request)
{
    static const uint64_t none[sizeof(request->reserved) / sizeof(request->reserved[0])];

    return memcmp(request->reserved, none, sizeof(none)) != 0;
}

int rpb_client_send(struct rpb_client *client, const struct rpb_client_request *request, uint64_t *ret_id)
{
    nsec_t timeout_nsec;
    uint64_t id = 0;
    int r;

    if (client->state != CLIENT_STATE_CONNECTED) {
        return not_connected(client);
    }
    if ((!request->data && request->size) || !client_text_is_fit(request->traceparent) ||
        !client_text_is_fit(request->tracestate) || is_asking_for_more(request)) {
        return client_fail_soft(client, RPB_CLIENT_E_ARGUMENT);
    }
    timeout_nsec = client_timeout(request->timeout_ms, client->settings.timeout_nsec);
    r = client_calls_send(&client->calls, request, nsec_add(clock_monotonic(), timeout_nsec), &client->soft, &id);
    if (r) {
        client->last = &client->soft;
    } else if (ret_id) {
        *ret_id = id;
    }
    return r;
}

int rpb_client_receive(struct rpb_client *client, uint64_t id, struct rpb_client_reply *ret_reply)
{
    int r = client_calls_receive(&client->calls, id, ret_reply);

    switch (r) {
    case RPB_CLIENT_OK:
    case RPB_CLIENT_AGAIN:
        return r;
    case RPB_CLIENT_E_TIMEOUT:
    case RPB_CLIENT_E_STATE:
        return client_fail_soft(client, r);
    default:
        client->last = &client->fatal;
        return r;
    }
}

int rpb_client_forget(struct rpb_client *client, uint64_t id)
{
    int r = client_calls_forget(&client->calls, id);

    arena_deinit(&client->calls.handed_out);
    return r ? client_fail_soft(client, r) : RPB_CLIENT_OK;
}

unsigned int rpb_client_in_flight(const struct rpb_client *client)
{
    return client->calls.n_used;
}

int rpb_client_take_fd(struct rpb_client *client, int *ret_fd)
{
    int r;

    if (client->state != CLIENT_STATE_CONNECTED) {
        return not_connected(client);
    }
    if (client->calls.n_used || client_stream_is_buffering(&client->calls.stream)) {
        return client_fail_soft(client, RPB_CLIENT_E_BUFFERED);
    }
    r = sys_fcntl(client->calls.stream.fd, F_SETFL, O_RDWR);
    if (r < 0) {
        client->last = &client->soft;
        return client_fail(&client->soft, RPB_CLIENT_E_LOST, -r, "the socket cannot be made blocking");
    }
    *ret_fd = take_fd(&client->calls.stream.fd);
    rpb_client_close(client);
    return RPB_CLIENT_OK;
}

/* ------------------------------------------------------------------------------------------------- asking questions */

enum rpb_client_route rpb_client_route(const struct rpb_client *client)
{
    return client->connect.route;
}

const char *rpb_client_endpoint(const struct rpb_client *client)
{
    switch (client->connect.route) {
    case RPB_CLIENT_ROUTE_HELLO_SKIP:
        return client->settings.cached_endpoint;
    case RPB_CLIENT_ROUTE_NEGOTIATED:
        return client->negotiated.backend_pipe;
    default:
        return NULL;
    }
}

const struct rpb_client_negotiated *rpb_client_negotiated(const struct rpb_client *client)
{
    return client->negotiated.backend_pipe ? &client->negotiated : NULL;
}

const char *rpb_client_library_version(void)
{
    return RPB_VERSION;
}
