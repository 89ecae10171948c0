/* SPDX-License-Identifier: MIT */
/*
 * Keeps what the parser reads, in arrays of fixed size: a specification that is larger than any sane one is refused,
 * never stored. Lists are ranges of shared arrays, which works because the parser finishes one before it begins the
 * next. Nothing is resolved here; see resolve.c.
 */
#include "fsmgen/spec.h"

#include <string.h>

/* Takes one of @max places of an array; says once that there are too many. */
static bool take_place(struct spec *spec, unsigned int *n, unsigned int max, struct word word, const char *what)
{
    if (*n < max) {
        (*n)++;
        return true;
    }
    diag_add(spec->diags, word, "too many %s (at most %u)", what, max);
    return false;
}

void spec_machine(struct spec *spec, struct word name, struct word text)
{
    spec->machine = name;
    spec->text = text;
}

void spec_initial(struct spec *spec, struct word name, struct range actions)
{
    spec->initial = name;
    spec->birth = actions;
}

void spec_finals(struct spec *spec, struct range names)
{
    spec->finals = names;
}

void spec_peers(struct spec *spec, struct range names)
{
    spec->peers = names;
}

void spec_ours(struct spec *spec, struct range names)
{
    spec->ours = names;
}

static uint64_t duration_ms(struct word value, struct word unit)
{
    uint64_t ms = 0;

    if (value.size > 9)
        return 0;
    for (uint32_t i = 0; i < value.size; i++)
        ms = ms * 10 + (uint64_t)(value.text[i] - '0');
    if (unit.size == 1)
        ms *= 1000;
    else if (unit.size == 3)
        ms *= 60 * 1000;
    return ms;
}

void spec_timer(struct spec *spec, struct word name, struct word value, struct word unit, struct word text)
{
    uint64_t ms = duration_ms(value, unit);

    if (ms < 1 || ms > SPEC_DURATION_MAX_MS)
        diag_add(spec->diags, value, "a duration is 1 ms to 24 h");
    if (take_place(spec, &spec->n_timers, SPEC_TIMERS_MAX, name, "timers"))
        spec->timers[spec->n_timers - 1] = (struct spec_timer){.name = name, .text = text, .ms = ms};
}

void spec_timer_until(struct spec *spec, struct word name, struct word until, struct word text)
{
    if (take_place(spec, &spec->n_timers, SPEC_TIMERS_MAX, name, "timers"))
        spec->timers[spec->n_timers - 1] = (struct spec_timer){.name = name, .until = until, .text = text};
}

void spec_event(struct spec *spec, struct word name, struct word party, struct word text)
{
    if (take_place(spec, &spec->n_events, SPEC_EVENTS_MAX, name, "events"))
        spec->events[spec->n_events - 1] = (struct spec_event){.name = name, .party = party, .text = text};
}

void spec_work(struct spec *spec, struct word name, struct range yields, struct word text)
{
    if (take_place(spec, &spec->n_works, SPEC_WORKS_MAX, name, "works"))
        spec->works[spec->n_works - 1] = (struct spec_work){.name = name, .yields = yields, .text = text};
}

void spec_do(struct spec *spec, struct word name, struct range actions)
{
    if (take_place(spec, &spec->n_dos, SPEC_DOS_MAX, name, "action lists"))
        spec->dos[spec->n_dos - 1] = (struct spec_do){.name = name, .actions = actions};
}

void spec_group(struct spec *spec, struct word name)
{
    spec->open_rows = NULL;
    if (!take_place(spec, &spec->n_groups, SPEC_GROUPS_MAX, name, "groups of rows"))
        return;
    spec->groups[spec->n_groups - 1] = (struct spec_group){.name = name, .rows = {spec->n_rows, 0}};
    spec->open_rows = &spec->groups[spec->n_groups - 1].rows;
}

void spec_state(struct spec *spec, struct word name, struct range with)
{
    spec->open_rows = NULL;
    if (!take_place(spec, &spec->n_states, SPEC_STATES_MAX, name, "states"))
        return;
    spec->states[spec->n_states - 1] =
        (struct spec_state){.name = name, .with = with, .uses = {spec->n_words, 0}, .rows = {spec->n_rows, 0}};
    spec->open_rows = &spec->states[spec->n_states - 1].rows;
}

void spec_use(struct spec *spec, struct range names)
{
    struct spec_state *state;

    if (!spec->open_rows || spec->n_states == 0)
        return;
    state = &spec->states[spec->n_states - 1];
    /* the lines of `use` of one state follow each other, so their words do */
    state->uses.n = names.first + names.n - state->uses.first;
}

void spec_row(struct spec *spec, struct range events, struct condition condition, struct verdict verdict)
{
    if (!spec->open_rows || !take_place(spec, &spec->n_rows, SPEC_ROWS_MAX, spec->words[events.first], "rows"))
        return;
    spec->rows[spec->n_rows - 1] = (struct spec_row){.events = events, .condition = condition, .verdict = verdict};
    spec->open_rows->n++;
}

struct condition spec_always(void)
{
    return (struct condition){.kind = CONDITION_ALWAYS};
}

struct condition spec_if(struct word guard)
{
    return (struct condition){.kind = CONDITION_IF, .word = guard};
}

struct condition spec_else(struct word word)
{
    return (struct condition){.kind = CONDITION_ELSE, .word = word};
}

struct verdict spec_go(struct word state, struct range actions)
{
    return (struct verdict){.kind = VERDICT_GO, .word = state, .actions = actions};
}

struct verdict spec_same(struct word word, struct range actions)
{
    return (struct verdict){.kind = VERDICT_GO, .same = true, .word = word, .actions = actions};
}

struct verdict spec_ignore(struct word word, struct word reason)
{
    return (struct verdict){.kind = VERDICT_IGNORE, .word = word, .reason = reason};
}

struct verdict spec_never(struct word word)
{
    return (struct verdict){.kind = VERDICT_NEVER, .word = word};
}

struct range spec_no_words(struct spec *spec)
{
    return (struct range){spec->n_words, 0};
}

struct range spec_word(struct spec *spec, struct range range, struct word word)
{
    if (take_place(spec, &spec->n_words, SPEC_WORDS_MAX, word, "names")) {
        spec->words[spec->n_words - 1] = word;
        range.n++;
    }
    return range;
}

struct range spec_no_actions(struct spec *spec)
{
    return (struct range){spec->n_actions, 0};
}

struct range spec_action(struct spec *spec, struct range range, struct word name)
{
    return spec_action_with(spec, range, name, (struct word){0});
}

struct range spec_action_with(struct spec *spec, struct range range, struct word name, struct word argument)
{
    if (take_place(spec, &spec->n_actions, SPEC_ACTIONS_MAX, name, "actions")) {
        spec->actions[spec->n_actions - 1] = (struct action_use){.name = name, .argument = argument};
        range.n++;
    }
    return range;
}
