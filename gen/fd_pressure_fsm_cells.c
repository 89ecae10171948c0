/* SPDX-License-Identifier: MIT */
/* Generated from fd_pressure.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
#include "fd_pressure_fsm.h"

#include "fsm/cells.h"

struct fd_pressure {
    struct fsm fsm;
};

_Static_assert(FD_PRESSURE_STATE_NORMAL == 1, "number of a state");
_Static_assert(FD_PRESSURE_STATE_RESTING == 2, "number of a state");
_Static_assert(FD_PRESSURE_STATE_DEMOTED == 3, "number of a state");
_Static_assert(FD_PRESSURE_EVENT_ACCEPTED == 1, "number of an event");
_Static_assert(FD_PRESSURE_EVENT_EXHAUSTED == 2, "number of an event");
_Static_assert(FD_PRESSURE_EVENT_REST == 3, "number of an event");

void fd_pressure_count_demotion(struct fd_pressure *machine)
{
    cells_did("count_demotion", NULL);
}

void fd_pressure_log_once(struct fd_pressure *machine)
{
    cells_did("log_once", NULL);
}

void fd_pressure_pause_listener(struct fd_pressure *machine)
{
    cells_did("pause_listener", NULL);
}

void fd_pressure_serve_by_reserve(struct fd_pressure *machine)
{
    cells_did("serve_by_reserve", NULL);
}

void fd_pressure_resume_listener(struct fd_pressure *machine)
{
    cells_did("resume_listener", NULL);
}

bool fd_pressure_recovered(const struct fd_pressure *machine)
{
    return cells_asked("recovered");
}

void fd_pressure_forgive(struct fd_pressure *machine)
{
    cells_did("forgive", NULL);
}

void fd_pressure_count_good_accept(struct fd_pressure *machine)
{
    cells_did("count_good_accept", NULL);
}

void fd_pressure_forget_good_accepts(struct fd_pressure *machine)
{
    cells_did("forget_good_accepts", NULL);
}

void fd_pressure_ended(struct fd_pressure *machine)
{
    cells_ended();
}

static const struct cells_until untils[] = {
    {NULL, 0},
};

/* from, event, work before | guards asked, actions, to, work after, timers after (ms), ended, reported */
static const struct cells_case cases[] = {
    {NULL, NULL, "", "", "", "normal", "", "", 0, 0},
    {"normal", "accepted", "", "", "", "normal", "", "", 0, 0},
    {"normal", "exhausted", "", "", "count_demotion log_once pause_listener serve_by_reserve", "resting", "", "rest=1050", 0, 0},
    {"normal", "rest", "", "", "", "normal", "", "", 0, 1},
    {"resting", "accepted", "", "", "", "resting", "", "rest=500000", 0, 1},
    {"resting", "exhausted", "", "", "", "resting", "", "rest=500000", 0, 1},
    {"resting", "rest", "", "", "resume_listener", "demoted", "", "", 0, 0},
    {"demoted", "accepted", "", "recovered=1", "forgive", "normal", "", "", 0, 0},
    {"demoted", "accepted", "", "recovered=0", "count_good_accept", "demoted", "", "", 0, 0},
    {"demoted", "exhausted", "", "", "forget_good_accepts pause_listener serve_by_reserve", "resting", "", "rest=1050", 0, 0},
    {"demoted", "rest", "", "", "", "demoted", "", "", 0, 1},
};

int main(void)
{
    static struct fd_pressure machine;

    return cells_run(&fd_pressure_machine, &machine.fsm, untils, cases, sizeof(cases) / sizeof(cases[0]));
}
