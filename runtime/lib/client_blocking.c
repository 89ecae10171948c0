/* SPDX-License-Identifier: MIT */

/*
 * The blocking form: the non-blocking one, driven by poll(). Nothing here waits without a deadline, since a client that
 * connects or waits for a reply always has one.
 */

#include "lib/client_object.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "base/sys.h"

int rpb_client_poll_timeout(const struct rpb_client *client)
{
    nsec_t deadline_nsec = rpb_client_deadline(client);
    msec_t msec;

    if (deadline_nsec == RPB_CLIENT_NEVER) {
        return -1;
    }
    msec = msec_from_nsec(nsec_sub(deadline_nsec, clock_monotonic()));
    return msec > INT_MAX ? INT_MAX : (int)msec;
}

/* Until there is something to do. RPB_CLIENT_OK, or the failure of waiting itself. */
static int wait_for(struct rpb_client *client)
{
    struct pollfd polled = {.fd = rpb_client_fd(client), .events = rpb_client_wants(client)};
    int r = sys_poll(&polled, 1, rpb_client_poll_timeout(client));

    if (r >= 0 || r == -EINTR) {
        return RPB_CLIENT_OK;
    }
    client->last = &client->soft;
    return client_fail(&client->soft, RPB_CLIENT_E_NO_MEMORY, -r, "waiting failed");
}

int rpb_client_connect(struct rpb_client *client)
{
    int r = client->state == CLIENT_STATE_NEW ? rpb_client_begin(client) : rpb_client_step(client);

    while (r == RPB_CLIENT_AGAIN) {
        r = wait_for(client);
        if (r) {
            return r;
        }
        r = rpb_client_step(client);
    }
    return r;
}

int rpb_client_open(const struct rpb_client_options *options, struct rpb_client **ret_client)
{
    int r = rpb_client_new(options, ret_client);

    return r ? r : rpb_client_connect(*ret_client);
}

int rpb_client_exchange(struct rpb_client *client, const struct rpb_client_request *request,
                        struct rpb_client_reply *ret_reply)
{
    struct rpb_client_reply reply = {0};
    uint64_t id = 0;
    int r = rpb_client_send(client, request, &id);

    if (r) {
        return r;
    }
    for (;;) {
        (void)rpb_client_step(client); /* a failure comes out of receiving, behind what had arrived before it */
        r = rpb_client_receive(client, id, &reply);
        if (r != RPB_CLIENT_AGAIN) {
            break;
        }
        r = wait_for(client);
        if (r) {
            (void)rpb_client_forget(client, id);
            return r;
        }
    }
    if (r == RPB_CLIENT_OK) {
        *ret_reply = reply;
    }
    return r;
}

int rpb_client_call(struct rpb_client *client, uint32_t lane, const void *data, size_t size,
                    struct rpb_client_reply *ret_reply)
{
    return rpb_client_exchange(client, &(struct rpb_client_request){.lane = lane, .data = data, .size = size},
                               ret_reply);
}
