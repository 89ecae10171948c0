/* SPDX-License-Identifier: MIT */

/* Both libraries in one process and one thread, each in its pollable form: they agree. */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "backend_scene.h"
#include "check.h"
#include "rpb/client.h"

static struct scene scene;
static struct rpb_client *client;

static void up(void)
{
    scene_init(&scene);
    scene_open(&scene);
    check_int(rpb_client_new(&RPB_CLIENT_OPTIONS(.service = "toy", .version = "1.0.0", .self_version = "1.0.0",
                                                 .broker = "/nonexistent/broker.sock", .cached_endpoint = scene.path,
                                                 .flags = RPB_CLIENT_IGNORE_DISABLE),
                             &client),
              RPB_CLIENT_OK);
    check_fatal(client != NULL);
    check_int(rpb_client_begin(client), RPB_CLIENT_OK);
    while (rpb_client_step(client) == RPB_CLIENT_AGAIN) {
        scene_pump(&scene);
    }
    scene_pump(&scene);
    check_int(rpb_client_route(client), RPB_CLIENT_ROUTE_HELLO_SKIP);
}

static void down(void)
{
    rpb_client_free(client);
    scene_pump(&scene);
    check_int(rpb_backend_connections(scene.backend), 0);
    scene_close(&scene);
}

static uint64_t ask(const char *text, size_t size)
{
    struct rpb_client_request request = {
        .lane = SCENE_LANE, .data = text, .size = size, .traceparent = "parent", .tracestate = "state"};
    uint64_t id = 0;

    check_int(rpb_client_send(client, &request, &id), RPB_CLIENT_OK);
    return id;
}

/* One loop over both descriptors, as a program that holds both would have it, until reply @id is there. */
static struct rpb_client_reply await(uint64_t id)
{
    struct rpb_client_reply reply = {0};
    int r;

    while ((r = rpb_client_receive(client, id, &reply)) == RPB_CLIENT_AGAIN) {
        struct pollfd set[] = {
            {.fd = rpb_client_fd(client), .events = rpb_client_wants(client)},
            {.fd = rpb_backend_fd(scene.backend), .events = rpb_backend_wants(scene.backend)},
        };

        check_fatal(poll(set, 2, 20000) > 0);
        scene_pump(&scene);
        (void)rpb_client_step(client);
    }
    check_int(r, RPB_CLIENT_OK);
    check_str(reply.traceparent, "parent");
    check_str(reply.tracestate, "state");
    check_int(reply.lane, SCENE_LANE);
    check_int(reply.encoding, RPB_ENCODING_NONE);
    return reply;
}

static void test_calls(void)
{
    uint64_t first, second, third;
    struct rpb_client_reply reply;

    up();
    first = ask("d", 1); /* put off */
    second = ask("second", 6);
    third = ask("", 0);
    reply = await(third);
    check_int(reply.size, 0);
    reply = await(second);
    check_int(reply.size, 6);
    check_mem(reply.data, "second", 6);
    check_int(scene.n_laters, 1);
    check_int(rpb_backend_respond_later(scene.laters[0], "first", 5), 0);
    reply = await(first);
    check_mem(reply.data, "first", 5);
    down();
}

static void test_large(void)
{
    enum { SIZE = 16 * 1024 * 1024 - 64 };
    char *large = malloc(SIZE);
    struct rpb_client_reply reply;

    check_fatal(large != NULL);
    memset(large, 'e', SIZE);
    up();
    reply = await(ask(large, SIZE));
    check_int(reply.size, SIZE);
    check(memcmp(reply.data, large, SIZE) == 0);
    reply = await(ask("L", 1)); /* and a small one behind it, with a large answer */
    check_int(reply.size, 1 << 20);
    down();
    free(large);
}

static void test_dropped(void)
{
    struct rpb_client_reply reply;
    uint64_t id;

    up();
    id = ask("n", 1);
    (void)rpb_client_step(client);
    scene_pump(&scene);
    (void)rpb_client_step(client);
    check(rpb_client_receive(client, id, &reply) > RPB_CLIENT_AGAIN); /* told, not left waiting */
    down();
}

CHECK_PROGRAM("lib/backend-client", {"requests in flight, answers in another order", test_calls},
              {"the longest request and answer", test_large}, {"a request that gets no answer", test_dropped})
