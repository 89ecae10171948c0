/* SPDX-License-Identifier: MIT */
/*
 * More of librpb-client than an example shows, for tests/lib/run: says on each line what came of it.
 * Usage: client-session SERVICE VERSION. Exit status: 0 when everything went as it has to.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <rpb/client.h>

enum { LANE = 0xF001, REQUESTS = 8 };

static int fail(const char *what, const struct rpb_client *client)
{
    printf("%s: %s: %s\n", what, rpb_client_status_name(rpb_client_failure(client)->status), rpb_client_text(client));
    return 1;
}

/* An event loop of the smallest kind: until @client has stepped to something else than AGAIN or a reply is there. */
static int wait_for(struct rpb_client *client)
{
    struct pollfd polled = {.fd = rpb_client_fd(client), .events = rpb_client_wants(client)};

    if (poll(&polled, 1, rpb_client_poll_timeout(client)) < 0 && errno != EINTR) {
        return -1;
    }
    return rpb_client_step(client);
}

/* Several requests at once, received as they come. */
static int exchange(struct rpb_client *client)
{
    int seen = 0;

    for (int i = 0; i < REQUESTS; i++) {
        char text[16];
        struct rpb_client_request request = {.lane = LANE, .data = text};
        uint64_t id;

        request.size = (size_t)snprintf(text, sizeof(text), "request %d", i + 1);
        if (rpb_client_send(client, &request, &id) || id != (uint64_t)i + 1) {
            return fail("send", client);
        }
    }
    while (seen != (1 << REQUESTS) - 1) {
        struct rpb_client_reply reply;
        char text[16];
        int r = rpb_client_receive(client, 0, &reply);

        if (r == RPB_CLIENT_AGAIN && !wait_for(client)) {
            continue;
        }
        if (r) {
            return fail("receive", client);
        }
        snprintf(text, sizeof(text), "request %" PRIu64, reply.request_id);
        if (reply.size != strlen(text) || memcmp(reply.data, text, reply.size) != 0 || reply.lane != LANE) {
            printf("another reply than the one to %s\n", text);
            return 1;
        }
        seen |= 1 << (reply.request_id - 1);
    }
    printf("%d replies\n", REQUESTS);
    return 0;
}

int main(int argc, char **argv)
{
    struct rpb_client_options options =
        RPB_CLIENT_OPTIONS(.service = argc > 1 ? argv[1] : "", .version = argc > 2 ? argv[2] : "");
    struct rpb_client *client, *again;
    int r;

    if (rpb_client_new(&options, &client)) {
        printf("new: %s\n", rpb_client_text(client));
        rpb_client_free(client);
        return 1;
    }
    for (r = rpb_client_begin(client); r == RPB_CLIENT_AGAIN; r = wait_for(client)) {
    }
    if (r) {
        const struct rpb_client_failure *failure = rpb_client_failure(client);

        printf("%s errno=%d code=%u refusal=%d retry=%" PRIu64 " reason=%s\n", rpb_client_status_name(r),
               failure->sys_errno, failure->code, (int)failure->refusal, failure->retry_after_ms, failure->reason);
        rpb_client_free(client);
        return 1;
    }
    printf("negotiated %s connection %" PRIu64 "\n", rpb_client_negotiated(client)->daemon_version,
           rpb_client_negotiated(client)->connection_id);
    r = exchange(client);
    options.cached_endpoint = rpb_client_endpoint(client);
    options.self_version = options.version;
    options.broker = "/nowhere"; /* it must not be asked */
    if (!r && rpb_client_open(&options, &again)) {
        r = fail("skip", again);
    } else if (!r) {
        printf("skipped: %s\n", rpb_client_route(again) == RPB_CLIENT_ROUTE_HELLO_SKIP ? "yes" : "no");
        r = exchange(again);
        rpb_client_free(again);
    }
    rpb_client_free(client);
    return r;
}
