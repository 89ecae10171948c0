/* SPDX-License-Identifier: MIT */
/* Generated from client_connect.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "client_connect_fsm.h"

#include "fsm/cells.h"

struct client_connect {
    struct fsm fsm;
};

_Static_assert(CLIENT_CONNECT_STATE_STARTING == 1, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_SKIPPING == 2, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_DIALING == 3, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_QUEUEING == 4, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_ASKING == 5, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_PAUSING == 6, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_REDIALING == 7, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_BACKLOGGED == 8, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_CONNECTED == 9, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_FAILED == 10, "number of a state");
_Static_assert(CLIENT_CONNECT_STATE_ENDED == 11, "number of a state");
_Static_assert(CLIENT_CONNECT_EVENT_CLOSE == 1, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_BUDGET == 2, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_CROWDED == 3, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_PAUSE == 4, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_SKIP_HELLO == 5, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_ASK_BROKER == 6, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_CACHED_UP == 7, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_CACHED_DOWN == 8, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_BROKER_UP == 9, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_BROKER_FULL == 10, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_BROKER_DOWN == 11, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_NEGOTIATED == 12, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_REFUSED == 13, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_HELLO_FAILED == 14, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_BACKEND_UP == 15, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_BACKEND_FULL == 16, "number of an event");
_Static_assert(CLIENT_CONNECT_EVENT_BACKEND_DOWN == 17, "number of an event");

enum client_connect_event client_connect_choose_way(struct client_connect *machine)
{
    cells_did("choose_way", NULL);
    return 0;
}

enum client_connect_event client_connect_dial_cached(struct client_connect *machine)
{
    cells_did("dial_cached", NULL);
    return 0;
}

enum client_connect_event client_connect_dial_broker(struct client_connect *machine)
{
    cells_did("dial_broker", NULL);
    return 0;
}

enum client_connect_event client_connect_say_hello(struct client_connect *machine)
{
    cells_did("say_hello", NULL);
    return 0;
}

enum client_connect_event client_connect_dial_backend(struct client_connect *machine)
{
    cells_did("dial_backend", NULL);
    return 0;
}

void client_connect_time_out(struct client_connect *machine)
{
    cells_did("time_out", NULL);
}

void client_connect_take_backend(struct client_connect *machine, enum client_connect_take_backend_arg argument)
{
    static const char *const names[] = {"hello_skip", "negotiated"};

    cells_did("take_backend", (unsigned int)argument < 2 ? names[argument] : "?");
}

bool client_connect_worth_retry(const struct client_connect *machine)
{
    return cells_asked("worth_retry");
}

void client_connect_close_broker(struct client_connect *machine)
{
    cells_did("close_broker", NULL);
}

void client_connect_count_retry(struct client_connect *machine)
{
    cells_did("count_retry", NULL);
}

nsec_t client_connect_call_deadline(const struct client_connect *machine, nsec_t now)
{
    return cells_until("call_deadline", now);
}

nsec_t client_connect_retry_due(const struct client_connect *machine, nsec_t now)
{
    return cells_until("retry_due", now);
}

void client_connect_ended(struct client_connect *machine)
{
    cells_ended();
}

static const struct cells_until untils[] = {
    {"call_deadline", 600000},
    {"retry_due", 600002},
    {NULL, 0},
};

/* from, event, work before | guards asked, actions, to, work after, timers after (ms), ended, reported */
static const struct cells_case cases[] = {
    {NULL, NULL, "", "", "choose_way", "starting", "choose_way", "", 0, 0},
    {"starting", "close", "choose_way", "", "", "ended", "", "", 1, 0},
    {"starting", "budget", "choose_way", "", "", "starting", "choose_way", "", 0, 1},
    {"starting", "crowded", "choose_way", "", "", "starting", "choose_way", "", 0, 1},
    {"starting", "pause", "choose_way", "", "", "starting", "choose_way", "", 0, 1},
    {"starting", "skip_hello", "choose_way", "", "dial_cached", "skipping", "dial_cached", "budget=600000", 0, 0},
    {"starting", "ask_broker", "choose_way", "", "dial_broker", "dialing", "dial_broker", "budget=600000", 0, 0},
    {"starting", "cached_up", "", "", "", "starting", "", "", 0, 1},
    {"starting", "cached_down", "", "", "", "starting", "", "", 0, 1},
    {"starting", "broker_up", "", "", "", "starting", "", "", 0, 1},
    {"starting", "broker_full", "", "", "", "starting", "", "", 0, 1},
    {"starting", "broker_down", "", "", "", "starting", "", "", 0, 1},
    {"starting", "negotiated", "", "", "", "starting", "", "", 0, 1},
    {"starting", "refused", "", "", "", "starting", "", "", 0, 1},
    {"starting", "hello_failed", "", "", "", "starting", "", "", 0, 1},
    {"starting", "backend_up", "", "", "", "starting", "", "", 0, 1},
    {"starting", "backend_full", "", "", "", "starting", "", "", 0, 1},
    {"starting", "backend_down", "", "", "", "starting", "", "", 0, 1},
    {"skipping", "close", "dial_cached", "", "", "ended", "", "", 1, 0},
    {"skipping", "budget", "dial_cached", "", "time_out", "failed", "", "", 1, 0},
    {"skipping", "crowded", "dial_cached", "", "", "skipping", "dial_cached", "budget=500000", 0, 1},
    {"skipping", "pause", "dial_cached", "", "", "skipping", "dial_cached", "budget=500000", 0, 1},
    {"skipping", "skip_hello", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "ask_broker", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "cached_up", "dial_cached", "", "take_backend(hello_skip)", "connected", "", "", 1, 0},
    {"skipping", "cached_down", "dial_cached", "", "dial_broker", "dialing", "dial_broker", "budget=600000", 0, 0},
    {"skipping", "broker_up", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "broker_full", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "broker_down", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "negotiated", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "refused", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "hello_failed", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "backend_up", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "backend_full", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"skipping", "backend_down", "", "", "", "skipping", "", "budget=500000", 0, 1},
    {"dialing", "close", "dial_broker", "", "", "ended", "", "", 1, 0},
    {"dialing", "budget", "dial_broker", "", "time_out", "failed", "", "", 1, 0},
    {"dialing", "crowded", "dial_broker", "", "", "dialing", "dial_broker", "budget=500000", 0, 1},
    {"dialing", "pause", "dial_broker", "", "", "dialing", "dial_broker", "budget=500000", 0, 1},
    {"dialing", "skip_hello", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"dialing", "ask_broker", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"dialing", "cached_up", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"dialing", "cached_down", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"dialing", "broker_up", "dial_broker", "", "say_hello", "asking", "say_hello", "budget=600000", 0, 0},
    {"dialing", "broker_full", "dial_broker", "", "", "queueing", "", "budget=600000 crowded=1010", 0, 0},
    {"dialing", "broker_down", "dial_broker", "", "", "failed", "", "", 1, 0},
    {"dialing", "negotiated", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"dialing", "refused", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"dialing", "hello_failed", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"dialing", "backend_up", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"dialing", "backend_full", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"dialing", "backend_down", "", "", "", "dialing", "", "budget=500000", 0, 1},
    {"queueing", "close", "", "", "", "ended", "", "", 1, 0},
    {"queueing", "budget", "", "", "time_out", "failed", "", "", 1, 0},
    {"queueing", "crowded", "", "", "dial_broker", "dialing", "dial_broker", "budget=600000", 0, 0},
    {"queueing", "pause", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "skip_hello", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "ask_broker", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "cached_up", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "cached_down", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "broker_up", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "broker_full", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "broker_down", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "negotiated", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "refused", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "hello_failed", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "backend_up", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "backend_full", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"queueing", "backend_down", "", "", "", "queueing", "", "budget=500000 crowded=500001", 0, 1},
    {"asking", "close", "say_hello", "", "", "ended", "", "", 1, 0},
    {"asking", "budget", "say_hello", "", "time_out", "failed", "", "", 1, 0},
    {"asking", "crowded", "say_hello", "", "", "asking", "say_hello", "budget=500000", 0, 1},
    {"asking", "pause", "say_hello", "", "", "asking", "say_hello", "budget=500000", 0, 1},
    {"asking", "skip_hello", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"asking", "ask_broker", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"asking", "cached_up", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"asking", "cached_down", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"asking", "broker_up", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"asking", "broker_full", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"asking", "broker_down", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"asking", "negotiated", "say_hello", "", "dial_backend", "redialing", "dial_backend", "budget=600000", 0, 0},
    {"asking", "refused", "say_hello", "worth_retry=1", "close_broker count_retry", "pausing", "", "budget=600000 pause=600002", 0, 0},
    {"asking", "refused", "say_hello", "worth_retry=0", "", "failed", "", "", 1, 0},
    {"asking", "hello_failed", "say_hello", "", "", "failed", "", "", 1, 0},
    {"asking", "backend_up", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"asking", "backend_full", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"asking", "backend_down", "", "", "", "asking", "", "budget=500000", 0, 1},
    {"pausing", "close", "", "", "", "ended", "", "", 1, 0},
    {"pausing", "budget", "", "", "time_out", "failed", "", "", 1, 0},
    {"pausing", "crowded", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "pause", "", "", "dial_broker", "dialing", "dial_broker", "budget=600000", 0, 0},
    {"pausing", "skip_hello", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "ask_broker", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "cached_up", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "cached_down", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "broker_up", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "broker_full", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "broker_down", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "negotiated", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "refused", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "hello_failed", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "backend_up", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "backend_full", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"pausing", "backend_down", "", "", "", "pausing", "", "budget=500000 pause=500002", 0, 1},
    {"redialing", "close", "dial_backend", "", "", "ended", "", "", 1, 0},
    {"redialing", "budget", "dial_backend", "", "time_out", "failed", "", "", 1, 0},
    {"redialing", "crowded", "dial_backend", "", "", "redialing", "dial_backend", "budget=500000", 0, 1},
    {"redialing", "pause", "dial_backend", "", "", "redialing", "dial_backend", "budget=500000", 0, 1},
    {"redialing", "skip_hello", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "ask_broker", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "cached_up", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "cached_down", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "broker_up", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "broker_full", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "broker_down", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "negotiated", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "refused", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "hello_failed", "", "", "", "redialing", "", "budget=500000", 0, 1},
    {"redialing", "backend_up", "dial_backend", "", "take_backend(negotiated)", "connected", "", "", 1, 0},
    {"redialing", "backend_full", "dial_backend", "", "", "backlogged", "", "budget=600000 crowded=1010", 0, 0},
    {"redialing", "backend_down", "dial_backend", "", "", "failed", "", "", 1, 0},
    {"backlogged", "close", "", "", "", "ended", "", "", 1, 0},
    {"backlogged", "budget", "", "", "time_out", "failed", "", "", 1, 0},
    {"backlogged", "crowded", "", "", "dial_backend", "redialing", "dial_backend", "budget=600000", 0, 0},
    {"backlogged", "pause", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "skip_hello", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "ask_broker", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "cached_up", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "cached_down", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "broker_up", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "broker_full", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "broker_down", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "negotiated", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "refused", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "hello_failed", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "backend_up", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "backend_full", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
    {"backlogged", "backend_down", "", "", "", "backlogged", "", "budget=500000 crowded=500001", 0, 1},
};

int main(void)
{
    static struct client_connect machine;

    return cells_run(&client_connect_machine, &machine.fsm, untils, cases, sizeof(cases) / sizeof(cases[0]));
}
