/* SPDX-License-Identifier: MIT */
/* Generated from connection.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "connection_fsm.h"

#include "fsm/cells.h"

struct connection {
    struct fsm fsm;
};

_Static_assert(CONNECTION_STATE_CHECKING == 1, "number of a state");
_Static_assert(CONNECTION_STATE_READING == 2, "number of a state");
_Static_assert(CONNECTION_STATE_ROUTING == 3, "number of a state");
_Static_assert(CONNECTION_STATE_WAITING == 4, "number of a state");
_Static_assert(CONNECTION_STATE_WRITING == 5, "number of a state");
_Static_assert(CONNECTION_STATE_LINGERING == 6, "number of a state");
_Static_assert(CONNECTION_STATE_CLOSED == 7, "number of a state");
_Static_assert(CONNECTION_EVENT_HANG_UP == 1, "number of an event");
_Static_assert(CONNECTION_EVENT_ANSWERED == 2, "number of an event");
_Static_assert(CONNECTION_EVENT_EVICTED == 3, "number of an event");
_Static_assert(CONNECTION_EVENT_CUT_OFF == 4, "number of an event");
_Static_assert(CONNECTION_EVENT_DEADLINE == 5, "number of an event");
_Static_assert(CONNECTION_EVENT_PATIENCE == 6, "number of an event");
_Static_assert(CONNECTION_EVENT_STALL == 7, "number of an event");
_Static_assert(CONNECTION_EVENT_LINGER == 8, "number of an event");
_Static_assert(CONNECTION_EVENT_WELCOME == 9, "number of an event");
_Static_assert(CONNECTION_EVENT_UNWELCOME == 10, "number of an event");
_Static_assert(CONNECTION_EVENT_UNKNOWN == 11, "number of an event");
_Static_assert(CONNECTION_EVENT_CROWDED == 12, "number of an event");
_Static_assert(CONNECTION_EVENT_STARVED == 13, "number of an event");
_Static_assert(CONNECTION_EVENT_COMPLETE == 14, "number of an event");
_Static_assert(CONNECTION_EVENT_MALFORMED == 15, "number of an event");
_Static_assert(CONNECTION_EVENT_EMPTY == 16, "number of an event");
_Static_assert(CONNECTION_EVENT_REPLIED == 17, "number of an event");
_Static_assert(CONNECTION_EVENT_MUST_WAIT == 18, "number of an event");
_Static_assert(CONNECTION_EVENT_UNANSWERABLE == 19, "number of an event");
_Static_assert(CONNECTION_EVENT_WRITTEN == 20, "number of an event");
_Static_assert(CONNECTION_EVENT_LOST == 21, "number of an event");
_Static_assert(CONNECTION_EVENT_QUIET == 22, "number of an event");

enum connection_event connection_check_peer(struct connection *machine)
{
    cells_did("check_peer", NULL);
    return 0;
}

enum connection_event connection_read_frame(struct connection *machine)
{
    cells_did("read_frame", NULL);
    return 0;
}

enum connection_event connection_route(struct connection *machine)
{
    cells_did("route", NULL);
    return 0;
}

enum connection_event connection_write_reply(struct connection *machine)
{
    cells_did("write_reply", NULL);
    return 0;
}

enum connection_event connection_discard(struct connection *machine)
{
    cells_did("discard", NULL);
    return 0;
}

void connection_close(struct connection *machine, enum connection_close_arg argument)
{
    static const char *const names[] = {"shutdown", "peer_policy", "peer_unknown", "peer_cap", "memory", "probe", "deadline", "evicted", "bad_admin", "lost", "done", "stalled", "refused"};

    cells_did("close", (unsigned int)argument < 13 ? names[argument] : "?");
}

void connection_refuse(struct connection *machine, enum connection_refuse_arg argument)
{
    static const char *const names[] = {"malformed", "in_progress"};

    cells_did("refuse", (unsigned int)argument < 2 ? names[argument] : "?");
}

void connection_leave_waiters(struct connection *machine)
{
    cells_did("leave_waiters", NULL);
}

bool connection_input_left(const struct connection *machine)
{
    return cells_asked("input_left");
}

bool connection_shutdown_asked(const struct connection *machine)
{
    return cells_asked("shutdown_asked");
}

void connection_tell_broker(struct connection *machine)
{
    cells_did("tell_broker", NULL);
}

bool connection_was_taking(const struct connection *machine)
{
    return cells_asked("was_taking");
}

nsec_t connection_request_deadline(const struct connection *machine, nsec_t now)
{
    return cells_until("request_deadline", now);
}

nsec_t connection_waiter_deadline(const struct connection *machine, nsec_t now)
{
    return cells_until("waiter_deadline", now);
}

nsec_t connection_stall_due(const struct connection *machine, nsec_t now)
{
    return cells_until("stall_due", now);
}

nsec_t connection_linger_due(const struct connection *machine, nsec_t now)
{
    return cells_until("linger_due", now);
}

void connection_ended(struct connection *machine)
{
    cells_ended();
}

static const struct cells_until untils[] = {
    {"request_deadline", 600000},
    {"waiter_deadline", 600001},
    {"stall_due", 600002},
    {"linger_due", 600003},
    {NULL, 0},
};

/* from, event, work before | guards asked, actions, to, work after, timers after (ms), ended, reported */
static const struct cells_case cases[] = {
    {NULL, NULL, "", "", "check_peer", "checking", "check_peer", "", 0, 0},
    {"checking", "hang_up", "check_peer", "", "", "checking", "check_peer", "", 0, 0},
    {"checking", "answered", "check_peer", "", "", "checking", "check_peer", "", 0, 1},
    {"checking", "evicted", "check_peer", "", "", "checking", "check_peer", "", 0, 1},
    {"checking", "cut_off", "check_peer", "", "close(shutdown)", "closed", "", "", 1, 0},
    {"checking", "deadline", "check_peer", "", "", "checking", "check_peer", "", 0, 1},
    {"checking", "patience", "check_peer", "", "", "checking", "check_peer", "", 0, 1},
    {"checking", "stall", "check_peer", "", "", "checking", "check_peer", "", 0, 1},
    {"checking", "linger", "check_peer", "", "", "checking", "check_peer", "", 0, 1},
    {"checking", "welcome", "check_peer", "", "read_frame", "reading", "read_frame", "deadline=600000", 0, 0},
    {"checking", "unwelcome", "check_peer", "", "close(peer_policy)", "closed", "", "", 1, 0},
    {"checking", "unknown", "check_peer", "", "close(peer_unknown)", "closed", "", "", 1, 0},
    {"checking", "crowded", "check_peer", "", "close(peer_cap)", "closed", "", "", 1, 0},
    {"checking", "starved", "check_peer", "", "close(memory)", "closed", "", "", 1, 0},
    {"checking", "complete", "", "", "", "checking", "", "", 0, 1},
    {"checking", "malformed", "", "", "", "checking", "", "", 0, 1},
    {"checking", "empty", "", "", "", "checking", "", "", 0, 1},
    {"checking", "replied", "", "", "", "checking", "", "", 0, 1},
    {"checking", "must_wait", "", "", "", "checking", "", "", 0, 1},
    {"checking", "unanswerable", "", "", "", "checking", "", "", 0, 1},
    {"checking", "written", "", "", "", "checking", "", "", 0, 1},
    {"checking", "lost", "", "", "", "checking", "", "", 0, 1},
    {"checking", "quiet", "", "", "", "checking", "", "", 0, 1},
    {"reading", "hang_up", "read_frame", "", "", "reading", "read_frame", "deadline=500000", 0, 0},
    {"reading", "answered", "read_frame", "", "", "reading", "read_frame", "deadline=500000", 0, 1},
    {"reading", "evicted", "read_frame", "", "close(evicted)", "closed", "", "", 1, 0},
    {"reading", "cut_off", "read_frame", "", "close(shutdown)", "closed", "", "", 1, 0},
    {"reading", "deadline", "read_frame", "", "close(deadline)", "closed", "", "", 1, 0},
    {"reading", "patience", "read_frame", "", "", "reading", "read_frame", "deadline=500000", 0, 1},
    {"reading", "stall", "read_frame", "", "", "reading", "read_frame", "deadline=500000", 0, 1},
    {"reading", "linger", "read_frame", "", "", "reading", "read_frame", "deadline=500000", 0, 1},
    {"reading", "welcome", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"reading", "unwelcome", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"reading", "unknown", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"reading", "crowded", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"reading", "starved", "read_frame", "", "close(memory)", "closed", "", "", 1, 0},
    {"reading", "complete", "read_frame", "", "route", "routing", "route", "", 0, 0},
    {"reading", "malformed", "read_frame", "", "refuse(malformed) write_reply", "writing", "write_reply", "stall=600002", 0, 0},
    {"reading", "empty", "read_frame", "", "close(probe)", "closed", "", "", 1, 0},
    {"reading", "replied", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"reading", "must_wait", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"reading", "unanswerable", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"reading", "written", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"reading", "lost", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"reading", "quiet", "", "", "", "reading", "", "deadline=500000", 0, 1},
    {"routing", "hang_up", "route", "", "", "routing", "route", "", 0, 0},
    {"routing", "answered", "route", "", "", "routing", "route", "", 0, 1},
    {"routing", "evicted", "route", "", "", "routing", "route", "", 0, 1},
    {"routing", "cut_off", "route", "", "close(shutdown)", "closed", "", "", 1, 0},
    {"routing", "deadline", "route", "", "", "routing", "route", "", 0, 1},
    {"routing", "patience", "route", "", "", "routing", "route", "", 0, 1},
    {"routing", "stall", "route", "", "", "routing", "route", "", 0, 1},
    {"routing", "linger", "route", "", "", "routing", "route", "", 0, 1},
    {"routing", "welcome", "", "", "", "routing", "", "", 0, 1},
    {"routing", "unwelcome", "", "", "", "routing", "", "", 0, 1},
    {"routing", "unknown", "", "", "", "routing", "", "", 0, 1},
    {"routing", "crowded", "", "", "", "routing", "", "", 0, 1},
    {"routing", "starved", "route", "", "close(memory)", "closed", "", "", 1, 0},
    {"routing", "complete", "", "", "", "routing", "", "", 0, 1},
    {"routing", "malformed", "", "", "", "routing", "", "", 0, 1},
    {"routing", "empty", "", "", "", "routing", "", "", 0, 1},
    {"routing", "replied", "route", "", "write_reply", "writing", "write_reply", "stall=600002", 0, 0},
    {"routing", "must_wait", "route", "", "", "waiting", "", "patience=600001", 0, 0},
    {"routing", "unanswerable", "route", "", "close(bad_admin)", "closed", "", "", 1, 0},
    {"routing", "written", "", "", "", "routing", "", "", 0, 1},
    {"routing", "lost", "", "", "", "routing", "", "", 0, 1},
    {"routing", "quiet", "", "", "", "routing", "", "", 0, 1},
    {"waiting", "hang_up", "", "", "leave_waiters close(lost)", "closed", "", "", 1, 0},
    {"waiting", "answered", "", "", "write_reply", "writing", "write_reply", "stall=600002", 0, 0},
    {"waiting", "evicted", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "cut_off", "", "", "leave_waiters close(shutdown)", "closed", "", "", 1, 0},
    {"waiting", "deadline", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "patience", "", "", "leave_waiters refuse(in_progress) write_reply", "writing", "write_reply", "stall=600002", 0, 0},
    {"waiting", "stall", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "linger", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "welcome", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "unwelcome", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "unknown", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "crowded", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "starved", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "complete", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "malformed", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "empty", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "replied", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "must_wait", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "unanswerable", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "written", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "lost", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"waiting", "quiet", "", "", "", "waiting", "", "patience=500001", 0, 1},
    {"writing", "hang_up", "write_reply", "", "", "writing", "write_reply", "stall=500002", 0, 0},
    {"writing", "answered", "write_reply", "", "", "writing", "write_reply", "stall=500002", 0, 1},
    {"writing", "evicted", "write_reply", "", "", "writing", "write_reply", "stall=500002", 0, 1},
    {"writing", "cut_off", "write_reply", "", "close(shutdown)", "closed", "", "", 1, 0},
    {"writing", "deadline", "write_reply", "", "", "writing", "write_reply", "stall=500002", 0, 1},
    {"writing", "patience", "write_reply", "", "", "writing", "write_reply", "stall=500002", 0, 1},
    {"writing", "stall", "write_reply", "was_taking=1", "", "writing", "write_reply", "stall=600002", 0, 0},
    {"writing", "stall", "write_reply", "was_taking=0", "close(stalled)", "closed", "", "", 1, 0},
    {"writing", "linger", "write_reply", "", "", "writing", "write_reply", "stall=500002", 0, 1},
    {"writing", "welcome", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "unwelcome", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "unknown", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "crowded", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "starved", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "complete", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "malformed", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "empty", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "replied", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "must_wait", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "unanswerable", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"writing", "written", "write_reply", "input_left=1", "discard", "lingering", "discard", "linger=600003", 0, 0},
    {"writing", "written", "write_reply", "input_left=0 shutdown_asked=1", "tell_broker close(done)", "closed", "", "", 1, 0},
    {"writing", "written", "write_reply", "input_left=0 shutdown_asked=0", "close(done)", "closed", "", "", 1, 0},
    {"writing", "lost", "write_reply", "", "close(lost)", "closed", "", "", 1, 0},
    {"writing", "quiet", "", "", "", "writing", "", "stall=500002", 0, 1},
    {"lingering", "hang_up", "discard", "", "", "lingering", "discard", "linger=500003", 0, 0},
    {"lingering", "answered", "discard", "", "", "lingering", "discard", "linger=500003", 0, 1},
    {"lingering", "evicted", "discard", "", "close(evicted)", "closed", "", "", 1, 0},
    {"lingering", "cut_off", "discard", "", "close(shutdown)", "closed", "", "", 1, 0},
    {"lingering", "deadline", "discard", "", "", "lingering", "discard", "linger=500003", 0, 1},
    {"lingering", "patience", "discard", "", "", "lingering", "discard", "linger=500003", 0, 1},
    {"lingering", "stall", "discard", "", "", "lingering", "discard", "linger=500003", 0, 1},
    {"lingering", "linger", "discard", "", "close(refused)", "closed", "", "", 1, 0},
    {"lingering", "welcome", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "unwelcome", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "unknown", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "crowded", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "starved", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "complete", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "malformed", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "empty", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "replied", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "must_wait", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "unanswerable", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "written", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "lost", "", "", "", "lingering", "", "linger=500003", 0, 1},
    {"lingering", "quiet", "discard", "", "close(refused)", "closed", "", "", 1, 0},
};

int main(void)
{
    static struct connection machine;

    return cells_run(&connection_machine, &machine.fsm, untils, cases, sizeof(cases) / sizeof(cases[0]));
}
