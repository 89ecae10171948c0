/* SPDX-License-Identifier: MIT */

/* What no broker can bring about: the machine is told what cannot be, or is asked after its end. */

#include "check.h"
#include "lib/client_object.h"
#include "unit/lib/client_rig.h"

static struct rig rig;

/* Builds for tests stop at such a bug; what users have says so, and lets go of everything. */
static void test_impossible(void)
{
#ifndef FSM_STRICT
    struct rpb_client *client;
    uint8_t end;

    rig_up(&rig);
    client = rig_begin(&rig, NULL);
    fsm_finish(client->connect.hello, CLIENT_CONNECT_EVENT_BROKER_UP);
    check_int(rpb_client_step(client), RPB_CLIENT_E_INTERNAL);
    check_int(rpb_client_failure(client)->status, RPB_CLIENT_E_INTERNAL);
    check_int(rpb_client_step(client), RPB_CLIENT_E_INTERNAL);
    check_int(rpb_client_fd(client), -1);
    rpb_client_free(client);
    check_int(rig_read_frame(&rig, &end, sizeof(end)), 0);
    rig_down(&rig);
#endif
}

static void test_after_the_end(void)
{
    struct rpb_client *client;

    rig_up(&rig);
    client = rig_begin(&rig, NULL);
    client_connect_give_up(&client->connect);
    check_int(client->connect.broker.fd, -1);
    for (int i = 0; i < 2; i++) {
        check_int(client_connect_step(&client->connect, clock_monotonic()), RPB_CLIENT_E_STATE);
        client_connect_give_up(&client->connect);
    }
    rpb_client_free(client);
    rig_down(&rig);
}

CHECK_PROGRAM("lib/client-bug", {"the impossible is told", test_impossible}, {"after the end", test_after_the_end})
