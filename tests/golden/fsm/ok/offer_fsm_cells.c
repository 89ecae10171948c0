/* SPDX-License-Identifier: MIT */
/* Generated from offer.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "offer_fsm.h"

#include "fsm/cells.h"

struct offer {
    struct fsm fsm;
};

_Static_assert(OFFER_STATE_PASSING == 1, "number of a state");
_Static_assert(OFFER_STATE_WAITING == 2, "number of a state");
_Static_assert(OFFER_STATE_READYING == 3, "number of a state");
_Static_assert(OFFER_STATE_DONE == 4, "number of a state");
_Static_assert(OFFER_STATE_FALLBACK == 5, "number of a state");
_Static_assert(OFFER_STATE_REVOKED == 6, "number of a state");
_Static_assert(OFFER_EVENT_ACK == 1, "number of an event");
_Static_assert(OFFER_EVENT_NACK == 2, "number of an event");
_Static_assert(OFFER_EVENT_HANG_UP == 3, "number of an event");
_Static_assert(OFFER_EVENT_CLOSED == 4, "number of an event");
_Static_assert(OFFER_EVENT_SEND_LIMIT == 5, "number of an event");
_Static_assert(OFFER_EVENT_ACK_LIMIT == 6, "number of an event");
_Static_assert(OFFER_EVENT_OFFERED == 7, "number of an event");
_Static_assert(OFFER_EVENT_PARTIAL == 8, "number of an event");
_Static_assert(OFFER_EVENT_REFUSED == 9, "number of an event");
_Static_assert(OFFER_EVENT_READY_SENT == 10, "number of an event");
_Static_assert(OFFER_EVENT_READY_BLOCKED == 11, "number of an event");

enum offer_event offer_pass_offer(struct offer *machine)
{
    cells_did("pass_offer", NULL);
    return 0;
}

enum offer_event offer_send_ready(struct offer *machine)
{
    cells_did("send_ready", NULL);
    return 0;
}

void offer_count(struct offer *machine, enum offer_count_arg argument)
{
    static const char *const names[] = {"broken", "refused", "no_channel", "too_late", "no_ack"};

    cells_did("count", (unsigned int)argument < 5 ? names[argument] : "?");
}

void offer_close_channel(struct offer *machine)
{
    cells_did("close_channel", NULL);
}

void offer_revoke_token(struct offer *machine)
{
    cells_did("revoke_token", NULL);
}

void offer_kill_client(struct offer *machine)
{
    cells_did("kill_client", NULL);
}

bool offer_retried(const struct offer *machine)
{
    return cells_asked("retried");
}

void offer_close_client(struct offer *machine)
{
    cells_did("close_client", NULL);
}

bool offer_pool_empty(const struct offer *machine)
{
    return cells_asked("pool_empty");
}

void offer_take_next_channel(struct offer *machine)
{
    cells_did("take_next_channel", NULL);
}

void offer_consume_token(struct offer *machine)
{
    cells_did("consume_token", NULL);
}

nsec_t offer_ack_due(const struct offer *machine, nsec_t now)
{
    return cells_until("ack_due", now);
}

void offer_ended(struct offer *machine)
{
    cells_ended();
}

static const struct cells_until untils[] = {
    {"ack_due", 600001},
    {NULL, 0},
};

/* from, event, work before | guards asked, actions, to, work after, timers after (ms), ended, reported */
static const struct cells_case cases[] = {
    {NULL, NULL, "", "", "pass_offer", "passing", "pass_offer", "send_limit=1100", 0, 0},
    {"passing", "ack", "pass_offer", "", "", "passing", "pass_offer", "send_limit=500000", 0, 0},
    {"passing", "nack", "pass_offer", "", "", "passing", "pass_offer", "send_limit=500000", 0, 0},
    {"passing", "hang_up", "pass_offer", "", "count(too_late) revoke_token close_client", "fallback", "", "", 1, 0},
    {"passing", "closed", "pass_offer", "", "", "passing", "pass_offer", "send_limit=500000", 0, 1},
    {"passing", "send_limit", "pass_offer", "", "count(too_late) revoke_token close_client", "fallback", "", "", 1, 0},
    {"passing", "ack_limit", "pass_offer", "", "", "passing", "pass_offer", "send_limit=500000", 0, 1},
    {"passing", "offered", "pass_offer", "", "", "waiting", "", "ack_limit=600001", 0, 0},
    {"passing", "partial", "pass_offer", "", "count(broken) close_channel revoke_token kill_client", "revoked", "", "", 1, 0},
    {"passing", "refused", "pass_offer", "retried=1", "count(refused) revoke_token close_client", "fallback", "", "", 1, 0},
    {"passing", "refused", "pass_offer", "retried=0 pool_empty=1", "count(no_channel) revoke_token close_client", "fallback", "", "", 1, 0},
    {"passing", "refused", "pass_offer", "retried=0 pool_empty=0", "take_next_channel pass_offer", "passing", "pass_offer", "send_limit=500000", 0, 0},
    {"passing", "ready_sent", "", "", "", "passing", "", "send_limit=500000", 0, 1},
    {"passing", "ready_blocked", "", "", "", "passing", "", "send_limit=500000", 0, 1},
    {"waiting", "ack", "", "", "consume_token send_ready", "readying", "send_ready", "", 0, 0},
    {"waiting", "nack", "", "", "count(no_ack) close_channel revoke_token kill_client", "revoked", "", "", 1, 0},
    {"waiting", "hang_up", "", "", "", "waiting", "", "ack_limit=500001", 0, 0},
    {"waiting", "closed", "", "", "count(no_ack) close_channel revoke_token kill_client", "revoked", "", "", 1, 0},
    {"waiting", "send_limit", "", "", "", "waiting", "", "ack_limit=500001", 0, 1},
    {"waiting", "ack_limit", "", "", "count(no_ack) close_channel revoke_token kill_client", "revoked", "", "", 1, 0},
    {"waiting", "offered", "", "", "", "waiting", "", "ack_limit=500001", 0, 1},
    {"waiting", "partial", "", "", "", "waiting", "", "ack_limit=500001", 0, 1},
    {"waiting", "refused", "", "", "", "waiting", "", "ack_limit=500001", 0, 1},
    {"waiting", "ready_sent", "", "", "", "waiting", "", "ack_limit=500001", 0, 1},
    {"waiting", "ready_blocked", "", "", "", "waiting", "", "ack_limit=500001", 0, 1},
    {"readying", "ack", "send_ready", "", "", "readying", "send_ready", "", 0, 0},
    {"readying", "nack", "send_ready", "", "", "readying", "send_ready", "", 0, 0},
    {"readying", "hang_up", "send_ready", "", "", "readying", "send_ready", "", 0, 0},
    {"readying", "closed", "send_ready", "", "", "readying", "send_ready", "", 0, 0},
    {"readying", "send_limit", "send_ready", "", "", "readying", "send_ready", "", 0, 1},
    {"readying", "ack_limit", "send_ready", "", "", "readying", "send_ready", "", 0, 1},
    {"readying", "offered", "", "", "", "readying", "", "", 0, 1},
    {"readying", "partial", "", "", "", "readying", "", "", 0, 1},
    {"readying", "refused", "", "", "", "readying", "", "", 0, 1},
    {"readying", "ready_sent", "send_ready", "", "close_client", "done", "", "", 1, 0},
    {"readying", "ready_blocked", "send_ready", "", "close_channel kill_client", "revoked", "", "", 1, 0},
};

int main(void)
{
    static struct offer machine;

    return cells_run(&offer_machine, &machine.fsm, untils, cases, sizeof(cases) / sizeof(cases[0]));
}
