/* SPDX-License-Identifier: MIT */

/*
 * The n-th allocation fails, once and from then on, for every n: every call of a whole conversation either does its
 * work or says that there was no memory, nothing leaks, and what was not ended by it goes on.
 */

#include <string.h>

#include "check.h"
#include "failing_alloc.h"
#include "unit/lib/client_rig.h"

#define LANE 0x7A63u

static bool goes_on; /* all after the one that fails, too */

static int on(int status)
{
    failing_alloc_hold(true);
    return status;
}

/* A call of the library during which allocations may fail. */
#define LIBRARY(call) (failing_alloc_hold(false), on(call))

/* Every status of the conversation is one of these; NO_MEMORY only after an allocation has failed. */
static bool went_on(int status, int good)
{
    if (status == good) {
        return true;
    }
    check_int(status, RPB_CLIENT_E_NO_MEMORY);
    check(failing_alloc_has_failed());
    return false;
}

static struct rig rig;

/* One that is long enough to need memory twice: as a frame, and as what is in it. */
static void make_long_negotiated(struct bytes *ret)
{
    static char version[2600];
    struct bytes negotiated = {0}, reply = {0};

    memset(version, '1', sizeof(version));
    put_number(&negotiated, 1, 1);
    put_text(&negotiated, 2, version, sizeof(version));
    put_text(&negotiated, 3, rig.backend_path, strlen(rig.backend_path));
    put_text(&reply, 1, negotiated.data, negotiated.size);
    make_frame(ret, &reply, 0, 1, NULL);
}

static bool connects(struct rpb_client *client)
{
    struct bytes bytes;
    uint8_t hello[512];

    if (!went_on(LIBRARY(rpb_client_begin(client)), RPB_CLIENT_AGAIN)) {
        return false;
    }
    check_fatal(rig_accept(&rig, rig.broker));
    check(rig_read_frame(&rig, hello, sizeof(hello)) > 0);
    make_long_negotiated(&bytes);
    rig_send(&rig, &bytes);
    if (!went_on(LIBRARY(rpb_client_step(client)), RPB_CLIENT_OK)) {
        check_str(rpb_client_text(client), "out of memory");
        return false;
    }
    check_fatal(rig_accept(&rig, rig.backend));
    return true;
}

static void talk(struct rpb_client *client)
{
    struct rpb_client_request request = {.lane = LANE, .data = "hello", .size = 5};
    struct rpb_client_reply reply;
    struct bytes bytes;
    uint8_t frame[64];
    uint64_t id = 0;
    int r;

    if (!went_on(LIBRARY(rpb_client_send(client, &request, &id)), RPB_CLIENT_OK)) {
        check_int(rpb_client_in_flight(client), 0);
        if (goes_on) {
            return;
        }
        check_int(rpb_client_send(client, &request, &id), RPB_CLIENT_OK); /* nothing of it was sent */
    }
    check_int(id, 1);
    check(rig_read_frame(&rig, frame, sizeof(frame)) > 0);
    make_response(&bytes, LANE, id, "world", NULL);
    rig_send(&rig, &bytes);
    r = LIBRARY(rpb_client_step(client));
    if (went_on(r, RPB_CLIENT_OK)) {
        check_int(LIBRARY(rpb_client_receive(client, id, &reply)), RPB_CLIENT_OK);
        check_int(reply.size, 5);
        check_mem(reply.data, "world", 5);
    } else {
        check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_E_NO_MEMORY);
        check_int(rpb_client_fd(client), -1);
    }
}

static void converse(void)
{
    const struct rpb_client_options options =
        RPB_CLIENT_OPTIONS(.service = "zccache", .version = "1.11.20", .broker = rig.broker_path);
    struct rpb_client *client;

    if (!went_on(LIBRARY(rpb_client_new(&options, &client)), RPB_CLIENT_OK)) {
        check(client == NULL);
        return;
    }
    if (connects(client)) {
        talk(client);
    }
    rpb_client_free(client);
}

static void sweep(bool for_ever)
{
    bool has_failed;
    long n = 0;

    do {
        rig_up(&rig);
        goes_on = for_ever;
        failing_alloc_hold(true);
        failing_alloc_start(n, for_ever);
        converse();
        has_failed = failing_alloc_stop();
        rig_down(&rig);
        check_fatal(n++ < 200);
    } while (has_failed);
    check(n > 5 || !failing_alloc_is_possible()); /* or nothing was shown */
}

static void test_once(void)
{
    sweep(false);
}

static void test_for_ever(void)
{
    sweep(true);
}

CHECK_PROGRAM("lib/client-memory", {"one allocation fails", test_once}, {"and all that follow", test_for_ever})
