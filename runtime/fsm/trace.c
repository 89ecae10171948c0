/* SPDX-License-Identifier: MIT */
/*
 * What happened, by name: each step at debug level, the last ones of every instance for dumps, and a loud report of
 * what only a bug of ours can cause. A report changes nothing: the instance stays where it is.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "fsm/step.h"

static const char *event_name(const struct fsm_machine *machine, int event)
{
    if (event == 0)
        return "birth";
    return event > 0 && event < machine->n_events ? machine->events[event] : "?";
}

static const char *state_name(const struct fsm_machine *machine, int state)
{
    return state >= 0 && state < machine->n_states ? machine->states[state].name : "?";
}

__attribute__((format(printf, 4, 5))) static void append(char *text, size_t size, size_t *used, const char *format, ...)
{
    va_list args;
    int n;

    if (*used + 1 >= size)
        return;
    va_start(args, format);
    n = vsnprintf(text + *used, size - *used, format, args);
    va_end(args);
    if (n > 0)
        *used += (size_t)n < size - *used ? (size_t)n : size - *used - 1;
}

static void log_step(const struct fsm *fsm, int event, int next, const struct fsm_branch *row)
{
    char calls[256] = "";
    size_t used = 0;

    for (const struct fsm_call *const *call = row->calls; call && *call; call++)
        append(calls, sizeof(calls), &used, " %s", (*call)->name);
    if (row->verdict == FSM_IGNORE)
        log_debug(LOG_CODE_FSM_STEP, "%s %u: %s: %s ignored: %s", fsm->machine->name, fsm->slot,
                  state_name(fsm->machine, fsm->state), event_name(fsm->machine, event), row->reason);
    else
        log_debug(LOG_CODE_FSM_STEP, "%s %u: %s: %s%s%s -> %s%s", fsm->machine->name, fsm->slot,
                  state_name(fsm->machine, fsm->state), event_name(fsm->machine, event), row->guard ? " if " : "",
                  row->guard ? row->guard->name : "", state_name(fsm->machine, next), calls);
}

void fsm_trace(struct fsm *fsm, int event, int next, unsigned int branch, const struct fsm_branch *row)
{
    fsm->steps[fsm->n_steps++ % FSM_STEPS_MAX] = (struct fsm_step){
        .state = fsm->state,
        .event = (uint8_t)event,
        .next = (uint8_t)next,
        .branch = (uint8_t)branch,
    };
    fsm->world->n_steps++;
    if (row && log_is_on(LOG_DEBUG))
        log_step(fsm, event, next, row);
}

size_t fsm_describe(const struct fsm *fsm, char *ret_text, size_t size)
{
    const struct fsm_machine *machine = fsm->machine;
    uint32_t first = fsm->n_steps > FSM_STEPS_MAX ? fsm->n_steps - FSM_STEPS_MAX : 0;
    size_t used = 0;

    ret_text[0] = '\0';
    if (!machine) {
        append(ret_text, size, &used, "unborn\n");
        return used;
    }
    append(ret_text, size, &used, "%s %u: %s%s", machine->name, fsm->slot, state_name(machine, fsm->state),
           fsm->world ? "" : ", ended");
    if (fsm->work)
        append(ret_text, size, &used, ", at work: %s", machine->works[fsm->work].name);
    for (unsigned int t = 0; fsm->world && t < machine->n_timers; t++)
        if (fsm->due_nsec[t] != NSEC_NEVER)
            append(ret_text, size, &used, ", %s in %lld ms", machine->events[machine->first_timer + t],
                   (long long)(fsm->due_nsec[t] - fsm_world_now(fsm->world)) / (long long)NSEC_PER_MSEC);
    append(ret_text, size, &used, "\n");
    for (uint32_t i = first; i < fsm->n_steps; i++) {
        const struct fsm_step *s = &fsm->steps[i % FSM_STEPS_MAX];

        append(ret_text, size, &used, "  %u %s: %s -> %s%s\n", i + 1, state_name(machine, s->state),
               event_name(machine, s->event), state_name(machine, s->next),
               s->branch == FSM_STEP_NEVER ? " (never)" : "");
    }
    return used;
}

void fsm_report(struct fsm *fsm, int event, const char *what)
{
    struct fsm_world *world = fsm->world;
    char text[2048];

    world->n_never++;
    if (world->on_never) {
        world->on_never(world, fsm, event, what);
        return;
    }
    fsm_describe(fsm, text, sizeof(text));
    log_error(LOG_CODE_FSM_NEVER, "%s: %s %s; %s", fsm->machine->name, event_name(fsm->machine, event), what, text);
    if (world->strict)
        abort();
}
