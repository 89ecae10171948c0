/* SPDX-License-Identifier: MIT */
/*
 * Turns names into numbers: states, then final states; events, timers, outcomes; actions, guards and arguments by first
 * use. Every undeclared and every twice declared name is refused here; unused ones where their use is known.
 */
#include <string.h>

#include "fsmgen/model.h"

int model_find_state(const struct model *model, struct word name)
{
    for (unsigned int i = 0; i < model->n_states; i++)
        if (word_equal(model->states[i].name, name))
            return (int)i;
    return NONE;
}

int model_find_event(const struct model *model, struct word name)
{
    for (unsigned int i = 0; i < model->n_events; i++)
        if (word_equal(model->events[i].name, name))
            return (int)i;
    return NONE;
}

static int find_word(const struct spec *spec, struct range range, struct word name)
{
    for (unsigned int i = 0; i < range.n; i++)
        if (word_equal(spec->words[range.first + i], name))
            return (int)i;
    return NONE;
}

static void refuse_repeats(struct model *model, struct range range, const char *what)
{
    const struct spec *spec = model->spec;

    for (unsigned int i = 1; i < range.n; i++) {
        struct word name = spec->words[range.first + i];

        if (find_word(spec, (struct range){range.first, i}, name) != NONE)
            diag_add(model->diags, name, "%s `%.*s` is declared twice", what, W(name));
    }
}

static void add_state(struct model *model, struct word name, const struct spec_state *spec_state)
{
    int old = model_find_state(model, name);

    if (old != NONE) {
        if (model->states[old].is_final != !spec_state)
            diag_add(model->diags, spec_state ? name : model->states[old].name,
                     "`%.*s` is a final state: nothing happens in it, so it has no rows", W(name));
        else
            diag_add(model->diags, name, "state `%.*s` is declared twice", W(name));
        return;
    }
    if (model->n_states == SPEC_STATES_MAX) {
        diag_add(model->diags, name, "too many states (at most %d)", SPEC_STATES_MAX);
        return;
    }
    model->states[model->n_states++] = (struct model_state){.name = name, .is_final = !spec_state, .spec = spec_state};
}

static void resolve_states(struct model *model)
{
    const struct spec *spec = model->spec;

    for (unsigned int i = 0; i < spec->n_states; i++)
        add_state(model, spec->states[i].name, &spec->states[i]);
    model->n_living = model->n_states;
    for (unsigned int i = 0; i < spec->finals.n; i++)
        add_state(model, spec->words[spec->finals.first + i], NULL);
    model->initial = model_find_state(model, spec->initial);
    if (model->initial == NONE)
        diag_add(model->diags, spec->initial, "state `%.*s` is not declared", W(spec->initial));
    else if (model->states[model->initial].is_final)
        diag_add(model->diags, spec->initial, "the initial state `%.*s` is a final one", W(spec->initial));
}

static void add_event(struct model *model, struct model_event event)
{
    if (model_find_event(model, event.name) != NONE) {
        diag_add(model->diags, event.name, "`%.*s` is declared twice", W(event.name));
        return;
    }
    if (model->n_events == SPEC_EVENTS_MAX) {
        diag_add(model->diags, event.name, "too many events, timers and outcomes (at most %d)", SPEC_EVENTS_MAX);
        return;
    }
    model->events[model->n_events++] = event;
}

static void resolve_parties(struct model *model)
{
    const struct spec *spec = model->spec;

    refuse_repeats(model, spec->peers, "party");
    refuse_repeats(model, spec->ours, "party");
    for (unsigned int i = 0; i < spec->ours.n; i++) {
        struct word name = spec->words[spec->ours.first + i];

        if (find_word(spec, spec->peers, name) != NONE)
            diag_add(model->diags, name, "party `%.*s` is declared twice", W(name));
    }
    for (unsigned int which = 0; which < 2; which++) {
        struct range range = which ? spec->ours : spec->peers;

        for (unsigned int i = 0; i < range.n; i++) {
            struct word name = spec->words[range.first + i];
            bool used = false;

            for (unsigned int k = 0; k < spec->n_events; k++)
                used |= word_equal(spec->events[k].party, name);
            if (!used)
                diag_add(model->diags, name, "party `%.*s` is not used", W(name));
        }
    }
}

static void resolve_events(struct model *model)
{
    const struct spec *spec = model->spec;

    for (unsigned int i = 0; i < spec->n_events; i++) {
        const struct spec_event *event = &spec->events[i];
        bool is_peers = find_word(spec, spec->peers, event->party) != NONE;

        if (!is_peers && find_word(spec, spec->ours, event->party) == NONE)
            diag_add(model->diags, event->party, "party `%.*s` is not declared", W(event->party));
        add_event(
            model,
            (struct model_event){
                .name = event->name, .kind = EVENT_PARTY, .is_peers = is_peers, .timer = NONE, .text = event->text});
    }
    model->first_timer = model->n_events;
    for (unsigned int i = 0; i < spec->n_timers; i++)
        add_event(model, (struct model_event){.name = spec->timers[i].name,
                                              .kind = EVENT_TIMER,
                                              .timer = (int)i,
                                              .text = spec->timers[i].text});
    model->first_outcome = model->n_events;
    for (unsigned int i = 0; i < spec->n_works; i++) {
        struct range yields = spec->works[i].yields;

        refuse_repeats(model, yields, "outcome");
        for (unsigned int k = 0; k < yields.n; k++) {
            struct word name = spec->words[yields.first + k];
            int event = model_find_event(model, name);

            /* works may share an outcome, but it is no event or timer besides */
            if (event == NONE || model->events[event].kind != EVENT_OUTCOME)
                add_event(model, (struct model_event){
                                     .name = name, .kind = EVENT_OUTCOME, .timer = NONE, .text = spec->works[i].text});
            event = model_find_event(model, name);
            if (event != NONE)
                model->yields[i][event] = 1;
        }
    }
}

int model_function(struct model *model, struct word name, enum function_kind kind)
{
    static const char *const kinds[] = {"an action", "a guard", "work", "an `until` function", "a `do`"};

    for (unsigned int i = 0; i < model->n_functions; i++) {
        if (!word_equal(model->functions[i].name, name))
            continue;
        if (model->functions[i].kind == kind)
            return (int)i;
        diag_add(model->diags, name, "`%.*s` is %s and %s: one name, one kind of function", W(name),
                 kinds[model->functions[i].kind], kinds[kind]);
        return NONE;
    }
    if (model->n_functions == MODEL_FUNCTIONS_MAX) {
        diag_add(model->diags, name, "too many functions (at most %d)", MODEL_FUNCTIONS_MAX);
        return NONE;
    }
    model->functions[model->n_functions] = (struct model_function){.name = name, .kind = kind, .work = NONE};
    return (int)model->n_functions++;
}

/* Work and `do` are declared, so they come first; the order of the rest is that of their use. */
static void resolve_declared_functions(struct model *model)
{
    const struct spec *spec = model->spec;

    for (unsigned int i = 0; i < spec->n_works; i++) {
        unsigned int before = model->n_functions;
        int function = model_function(model, spec->works[i].name, FUNCTION_WORK);

        if (function != NONE && model->n_functions == before)
            diag_add(model->diags, spec->works[i].name, "work `%.*s` is declared twice", W(spec->works[i].name));
        else if (function != NONE)
            model->functions[function].work = (int)i;
    }
    for (unsigned int i = 0; i < spec->n_dos; i++) {
        unsigned int before = model->n_functions;
        int function = model_function(model, spec->dos[i].name, FUNCTION_DO);

        if (function != NONE && model->n_functions == before)
            diag_add(model->diags, spec->dos[i].name, "`do` `%.*s` is declared twice", W(spec->dos[i].name));
    }
    for (unsigned int i = 0; i < spec->n_timers; i++)
        if (spec->timers[i].until.size)
            model_function(model, spec->timers[i].until, FUNCTION_UNTIL);
}

static void resolve_groups(struct model *model)
{
    const struct spec *spec = model->spec;

    for (unsigned int i = 1; i < spec->n_groups; i++)
        for (unsigned int k = 0; k < i; k++)
            if (word_equal(spec->groups[i].name, spec->groups[k].name)) {
                diag_add(model->diags, spec->groups[i].name, "rows `%.*s` are declared twice", W(spec->groups[i].name));
                break;
            }
}

static void resolve_listed_timers(struct model *model)
{
    const struct spec *spec = model->spec;

    for (unsigned int i = 0; i < model->n_living; i++) {
        struct range with = model->states[i].spec->with;

        for (unsigned int k = 0; k < with.n; k++) {
            struct word name = spec->words[with.first + k];
            int event = model_find_event(model, name);

            if (event == NONE || model->events[event].kind != EVENT_TIMER) {
                diag_add(model->diags, name, "timer `%.*s` is not declared", W(name));
                continue;
            }
            if (model->states[i].timers & (1U << model->events[event].timer))
                diag_add(model->diags, name, "timer `%.*s` is listed twice", W(name));
            model->states[i].timers |= 1U << model->events[event].timer;
        }
    }
}

static bool row_calls(const struct spec *spec, struct range actions, struct word name)
{
    for (unsigned int i = 0; i < actions.n; i++)
        if (word_equal(spec->actions[actions.first + i].name, name))
            return true;
    return false;
}

static bool rows_call(const struct spec *spec, struct word name)
{
    if (row_calls(spec, spec->birth, name))
        return true;
    for (unsigned int i = 0; i < spec->n_rows; i++)
        if (spec->rows[i].verdict.kind == VERDICT_GO && row_calls(spec, spec->rows[i].verdict.actions, name))
            return true;
    return false;
}

/* Which `do`s the birth and the rows lead to; those that only name each other are not among them. */
static void find_used_dos(const struct spec *spec, bool used[SPEC_DOS_MAX])
{
    bool has_changed = true;

    for (unsigned int i = 0; i < spec->n_dos; i++)
        used[i] = rows_call(spec, spec->dos[i].name);
    while (has_changed) {
        has_changed = false;
        for (unsigned int i = 0; i < spec->n_dos; i++)
            for (unsigned int k = 0; k < spec->n_dos && used[i]; k++)
                if (!used[k] && row_calls(spec, spec->dos[i].actions, spec->dos[k].name))
                    used[k] = has_changed = true;
    }
}

/* Is the work called @name named in any row, birth or `do`? */
static bool is_called(const struct spec *spec, struct word name)
{
    if (rows_call(spec, name))
        return true;
    for (unsigned int i = 0; i < spec->n_dos; i++)
        if (row_calls(spec, spec->dos[i].actions, name))
            return true;
    return false;
}

static void refuse_unused(struct model *model)
{
    const struct spec *spec = model->spec;
    bool used_dos[SPEC_DOS_MAX];

    for (unsigned int i = 0; i < spec->n_works; i++)
        if (!is_called(spec, spec->works[i].name))
            diag_add(model->diags, spec->works[i].name, "work `%.*s` is not used", W(spec->works[i].name));
    find_used_dos(spec, used_dos);
    for (unsigned int i = 0; i < spec->n_dos; i++)
        if (!used_dos[i])
            diag_add(model->diags, spec->dos[i].name, "`do` `%.*s` is not used", W(spec->dos[i].name));
    for (unsigned int i = 0; i < spec->n_groups; i++)
        if (!model->uses_group[i])
            diag_add(model->diags, spec->groups[i].name, "rows `%.*s` are not used", W(spec->groups[i].name));
}

bool model_resolve(struct model *model, const struct spec *spec, struct diags *diags)
{
    model->spec = spec;
    model->diags = diags;
    memset(model->cells, 0xff, sizeof(model->cells)); /* NONE */
    model->n_works = spec->n_works;
    resolve_states(model);
    resolve_parties(model);
    resolve_events(model);
    resolve_declared_functions(model);
    resolve_groups(model);
    resolve_listed_timers(model);
    model->birth = model_resolve_actions(model, spec->birth, &model->birth_work);
    model_resolve_rows(model);
    refuse_unused(model);
    model_check_names(model);
    return diags->n == 0;
}
