/* SPDX-License-Identifier: MIT */
/*
 * Puts an instance into each cell of its table by hand (state, unfinished work, every listed timer running), causes the
 * event the way it is caused in life, and compares guards asked, actions done, the state, the work, the timers, the end
 * and reports with the case. The world has no loop; its clock stands at one second.
 */
#include "fsm/cells.h"

#include <stdio.h>
#include <string.h>

#include "fsm/step.h"

enum { NOW_MSEC = 1000, KEPT_MSEC = 500000, TEXT_SIZE = 2048 };

/* What happened in the case under way. */
static struct {
    const struct cells_case *now;
    const struct cells_until *untils;
    char asked[TEXT_SIZE];
    char did[TEXT_SIZE];
    int ended;
    int reported;
    bool clock_is_wrong;
} seen;

static void append(char *text, const char *a, const char *b, const char *c, const char *d)
{
    size_t used = strlen(text);

    snprintf(text + used, TEXT_SIZE - used, "%s%s%s%s%s", used ? " " : "", a, b, c, d);
}

void cells_did(const char *action, const char *argument)
{
    append(seen.did, action, argument ? "(" : "", argument ? argument : "", argument ? ")" : "");
}

bool cells_asked(const char *guard)
{
    size_t size = strlen(guard);
    bool answer = false;

    for (const char *p = seen.now->asked; (p = strstr(p, guard)); p += size)
        if ((p == seen.now->asked || p[-1] == ' ') && p[size] == '=')
            answer = p[size + 1] == '1';
    append(seen.asked, guard, answer ? "=1" : "=0", "", "");
    return answer;
}

nsec_t cells_until(const char *name, nsec_t now_nsec)
{
    if (now_nsec != NOW_MSEC * NSEC_PER_MSEC)
        seen.clock_is_wrong = true;
    for (const struct cells_until *u = seen.untils; u->name; u++)
        if (!strcmp(u->name, name))
            return u->msec * NSEC_PER_MSEC;
    return NSEC_NEVER;
}

void cells_ended(void)
{
    seen.ended++;
}

static void on_never(struct fsm_world *world, struct fsm *fsm, int event, const char *what)
{
    (void)world;
    (void)fsm;
    (void)event;
    (void)what;
    seen.reported++;
}

static int find(const char *const *names, int n, const char *name)
{
    for (int i = 1; i < n; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

static int find_state(const struct fsm_machine *machine, const char *name)
{
    for (int i = 1; i < machine->n_states; i++)
        if (!strcmp(machine->states[i].name, name))
            return i;
    return -1;
}

static int find_work(const struct fsm_machine *machine, const char *name)
{
    for (int i = 1; i < machine->n_works; i++)
        if (!strcmp(machine->works[i].name, name))
            return i;
    return 0;
}

/* Brings the living instance into the situation of the case. */
static void place(struct fsm *fsm, const struct cells_case *c, int state)
{
    fsm->state = (uint8_t)state;
    fsm->serial++;
    fsm->work = (uint8_t)find_work(fsm->machine, c->work);
    for (unsigned int t = 0; t < fsm->machine->n_timers; t++)
        fsm->due_nsec[t] =
            fsm->machine->states[state].timers & (1U << t) ? (KEPT_MSEC + t) * NSEC_PER_MSEC : NSEC_NEVER;
    seen.did[0] = '\0';
    seen.asked[0] = '\0';
}

/* Causes the event: by its timer, by the ticket of its work, or by raising it. */
static void cause(struct fsm *fsm, int event)
{
    const struct fsm_machine *machine = fsm->machine;
    struct fsm_world *world = fsm->world;

    if (event < machine->n_raised)
        fsm_raise(fsm, event);
    else if (fsm_is_outcome(fsm, event))
        fsm_finish(fsm_ticket(fsm), event);
    else if (event >= machine->first_timer && event < machine->first_timer + machine->n_timers)
        fsm_fire(fsm, (unsigned int)(event - machine->first_timer));
    else
        fsm_step(fsm, event);
    fsm_world_run(world);
}

static void describe_timers(const struct fsm *fsm, char *text)
{
    char number[32];

    text[0] = '\0';
    for (unsigned int t = 0; t < fsm->machine->n_timers; t++) {
        if (fsm->due_nsec[t] == NSEC_NEVER)
            continue;
        snprintf(number, sizeof(number), "%llu", (unsigned long long)(fsm->due_nsec[t] / NSEC_PER_MSEC));
        append(text, fsm->machine->events[fsm->machine->first_timer + (int)t], "=", number, "");
    }
}

static bool differs(const struct cells_case *c, const char *what, const char *got, const char *want)
{
    if (!strcmp(got, want))
        return false;
    printf("%s, %s: %s: got `%s`, want `%s`\n", c->state ? c->state : "(birth)", c->event ? c->event : "-", what, got,
           want);
    return true;
}

static bool differs_number(const struct cells_case *c, const char *what, long long got, long long want)
{
    char a[32], b[32];

    snprintf(a, sizeof(a), "%lld", got);
    snprintf(b, sizeof(b), "%lld", want);
    return differs(c, what, a, b);
}

static bool compare(struct fsm_world *world, const struct fsm *fsm, const struct cells_case *c, uint32_t steps_before)
{
    char timers[TEXT_SIZE];
    bool bad = false;

    describe_timers(fsm, timers);
    bad |= differs(c, "guards", seen.asked, c->asked);
    bad |= differs(c, "actions", seen.did, c->did);
    bad |= differs(c, "state", fsm->machine->states[fsm->state].name, c->next);
    bad |= differs(c, "work", fsm->work ? fsm->machine->works[fsm->work].name : "", c->work_after);
    bad |= differs(c, "timers", timers, c->timers);
    bad |= differs_number(c, "ended", seen.ended, c->ended);
    bad |= differs_number(c, "alive", fsm_is_alive(fsm), !c->ended);
    bad |= differs_number(c, "reports", seen.reported, c->reported);
    bad |= differs_number(c, "steps", fsm->n_steps - steps_before, 1);
    bad |= differs_number(c, "events left", fsm->n_queue, 0);
    bad |= differs_number(c, "world is quiet", fsm_world_is_quiet(world), 1);
    bad |= differs_number(c, "until was told a wrong time", seen.clock_is_wrong, 0);
    return bad;
}

static bool run_case(const struct fsm_machine *machine, struct fsm *fsm, const struct cells_case *c)
{
    struct fsm_world world;
    uint32_t steps_before = 0;
    bool bad;

    memset(&seen.asked, 0, sizeof(seen) - offsetof(__typeof__(seen), asked));
    seen.now = c;
    fsm_world_init(&world, NULL);
    world.now_nsec = NOW_MSEC * NSEC_PER_MSEC;
    world.on_never = on_never;
    if (fsm_start(fsm, &world, machine) < 0) {
        puts("out of memory");
        return true;
    }
    if (c->state) {
        int state = find_state(machine, c->state), event = find(machine->events, machine->n_events, c->event);

        if (state < 0 || event < 0) {
            printf("%s, %s: no such state or event in the table\n", c->state, c->event);
            fsm_deinit(fsm);
            fsm_world_deinit(&world);
            return true;
        }
        place(fsm, c, state);
        steps_before = fsm->n_steps;
        cause(fsm, event);
    }
    bad = compare(&world, fsm, c, steps_before);
    fsm_deinit(fsm);
    fsm_world_deinit(&world);
    return bad;
}

int cells_run(const struct fsm_machine *machine, struct fsm *fsm, const struct cells_until *untils,
              const struct cells_case *cases, size_t n_cases)
{
    size_t n_failed = 0;

    seen.untils = untils;
    for (size_t i = 0; i < n_cases; i++)
        n_failed += run_case(machine, fsm, &cases[i]);
    printf("%s: %zu cells\n%zu passed, %zu failed\n", machine->name, n_cases, n_cases - n_failed, n_failed);
    return n_failed ? 1 : 0;
}
