/* SPDX-License-Identifier: MIT */
/*
 * Follows the go rows: which states can be reached and left for good, which work can be unfinished where, and so which
 * outcomes can arrive; which timers run where. Guards are taken to be true or false at any time.
 */
#include "fsmgen/model.h"

#include <string.h>

static void check_reachable(struct model *model)
{
    bool reached[SPEC_STATES_MAX] = {0}, has_changed = true;

    reached[model->initial] = true;
    while (has_changed) {
        has_changed = false;
        for (unsigned int i = 0; i < model->n_branches; i++) {
            const struct branch *b = &model->branches[i];

            if (b->verdict == VERDICT_GO && reached[b->state] && !reached[b->next])
                reached[b->next] = has_changed = true;
        }
    }
    for (unsigned int s = 0; s < model->n_states; s++)
        if (!reached[s])
            diag_add(model->diags, model->states[s].name, "state `%.*s` cannot be reached", W(model->states[s].name));
}

static void check_ends(struct model *model)
{
    bool ends[SPEC_STATES_MAX] = {0}, has_changed = true;
    bool has_final = model->n_states > model->n_living;

    for (unsigned int s = 0; s < model->n_states; s++)
        ends[s] = has_final ? model->states[s].is_final : (int)s == model->initial;
    while (has_changed) {
        has_changed = false;
        for (unsigned int i = 0; i < model->n_branches; i++) {
            const struct branch *b = &model->branches[i];

            if (b->verdict == VERDICT_GO && ends[b->next] && !ends[b->state])
                ends[b->state] = has_changed = true;
        }
    }
    for (unsigned int s = 0; s < model->n_living; s++)
        if (!ends[s])
            diag_add(model->diags, model->states[s].name, "no way leads from state `%.*s` to %s",
                     W(model->states[s].name), has_final ? "a final one" : "the initial one");
}

void model_find_work(const struct model *model, bool can[SPEC_STATES_MAX][SPEC_WORKS_MAX])
{
    if (model->birth_work != NONE)
        can[model->initial][model->birth_work] = true;
    for (unsigned int i = 0; i < model->n_branches; i++) {
        const struct branch *b = &model->branches[i];

        if (b->verdict == VERDICT_GO && b->work != NONE)
            can[b->next][b->work] = true;
    }
}

static void check_outcomes_of(struct model *model, unsigned int s, const bool *can)
{
    bool awaits = false;

    for (unsigned int e = model->first_outcome; e < model->n_events; e++) {
        bool can_arrive = false;
        int row = model->cells[s][e];

        for (unsigned int w = 0; w < model->n_works; w++)
            can_arrive |= can[w] && model->yields[w][e];
        if (can_arrive && row == NONE)
            diag_add(model->diags, model->states[s].name,
                     "outcome `%.*s` can arrive in state `%.*s`, which has no row for it", W(model->events[e].name),
                     W(model->states[s].name));
        if (!can_arrive && row != NONE)
            diag_add(model->diags, model->branches[row].at, "outcome `%.*s` cannot arrive in state `%.*s`",
                     W(model->events[e].name), W(model->states[s].name));
        awaits |= can_arrive;
    }
    for (unsigned int i = 0; i < model->n_branches && awaits; i++) {
        const struct branch *b = &model->branches[i];

        if (b->verdict == VERDICT_GO && b->next == (int)s && b->state != (int)s && b->work == NONE)
            diag_add(model->diags, b->verdict_at,
                     "state `%.*s` waits for an outcome, but here it is entered without work",
                     W(model->states[s].name));
    }
}

static void check_outcomes(struct model *model)
{
    static bool can[SPEC_STATES_MAX][SPEC_WORKS_MAX];

    memset(can, 0, sizeof(can));
    model_find_work(model, can);
    for (unsigned int s = 0; s < model->n_living; s++)
        check_outcomes_of(model, s, can[s]);
}

/* Where state @s, which lists @timer, does so. */
static struct word find_listing(const struct model *model, unsigned int s, struct word timer)
{
    const struct word *listed = &model->spec->words[model->states[s].spec->with.first];

    while (!word_equal(*listed, timer))
        listed++;
    return *listed;
}

static void check_timers(struct model *model)
{
    for (unsigned int t = 0; t < model->spec->n_timers; t++) {
        struct word name = model->spec->timers[t].name;
        unsigned int e = model->first_timer + t;
        bool is_listed = false;

        for (unsigned int s = 0; s < model->n_living; s++) {
            bool lists = model->states[s].timers & (1U << t);
            int row = model->cells[s][e];

            is_listed |= lists;
            if (lists && row == NONE)
                diag_add(model->diags, find_listing(model, s, name),
                         "state `%.*s` lists timer `%.*s` and has no row for it", W(model->states[s].name), W(name));
            if (!lists && row != NONE)
                diag_add(model->diags, model->branches[row].at,
                         "timer `%.*s` does not run in state `%.*s`: list it with `with`", W(name),
                         W(model->states[s].name));
        }
        if (!is_listed)
            diag_add(model->diags, name, "timer `%.*s` is not used: no state lists it", W(name));
    }
}

void model_check_flow(struct model *model)
{
    check_reachable(model);
    check_ends(model);
    check_outcomes(model);
    check_timers(model);
}
