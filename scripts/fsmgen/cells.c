/* SPDX-License-Identifier: MIT */
/*
 * Checks that every cell is decided, in one place, and may be decided so. A row that came from a group is named where
 * it stands in the group, since that is where it has to be mended.
 */
#include "fsmgen/model.h"

#include <string.h>

/* Do two branches come from the same line of the file, by a group that is used twice? */
static bool is_same_row(const struct branch *a, const struct branch *b)
{
    return a->at.line == b->at.line && a->at.column == b->at.column;
}

static void check_order(struct model *model, int state, int event)
{
    const struct branch *first = &model->branches[model->cells[state][event]];
    struct word state_name = model->states[state].name;
    const struct branch *previous = NULL;

    for (const struct branch *b = first; b; previous = b, b = b->next_branch == NONE ? NULL : &model->branches[b->next_branch]) {
        bool is_last = b->next_branch == NONE;

        if (previous && (b->place != first->place || is_same_row(previous, b))) {
            diag_add(model->diags, b->at, "`%.*s` in state `%.*s` is decided in two places: also at line %u", W(b->at),
                     W(state_name), first->at.line);
            return;
        }
        if (previous && b->guard == NONE && !b->is_else && previous->guard == NONE && !previous->is_else) {
            diag_add(model->diags, b->at, "`%.*s` in state `%.*s` is decided in two places: also at line %u", W(b->at),
                     W(state_name), previous->at.line);
            return;
        }
        if (b->guard != NONE && is_last) {
            diag_add(model->diags, b->guard_at, "`%.*s` in state `%.*s`: the last row of a guarded cell is `else`", W(b->at),
                     W(state_name));
            return;
        }
        if (b->is_else && (!previous || !is_last)) {
            diag_add(model->diags, b->guard_at, "`%.*s` in state `%.*s`: `else` is the last row of several", W(b->at),
                     W(state_name));
            return;
        }
        if (b->guard == NONE && !b->is_else && (previous || !is_last)) {
            diag_add(model->diags, b->at, "`%.*s` in state `%.*s`: each row of several has a guard, the last is `else`",
                     W(b->at), W(state_name));
            return;
        }
        for (const struct branch *o = first; o != b && b->guard != NONE; o = &model->branches[o->next_branch])
            if (o->guard == b->guard) {
                diag_add(model->diags, b->guard_at, "`%.*s` in state `%.*s` repeats the guard `%.*s`", W(b->at), W(state_name),
                         W(b->guard_at));
                return;
            }
    }
}

static void check_verdict(struct model *model, const struct branch *b)
{
    const struct model_event *event = &model->events[b->event];

    if (b->verdict == VERDICT_NEVER && event->kind == EVENT_PARTY && event->is_peers)
        diag_add(model->diags, b->verdict_at, "`never` for `%.*s`: a peer can cause it at any time", W(b->at));
    if (b->verdict != VERDICT_GO && event->kind == EVENT_TIMER)
        diag_add(model->diags, b->verdict_at, "timer `%.*s` is listed to be acted on: it needs `->`", W(b->at));
    if (b->verdict != VERDICT_GO && event->kind == EVENT_OUTCOME)
        diag_add(model->diags, b->verdict_at, "`%.*s` is the outcome of work that was begun for it: it needs `->`", W(b->at));
}

void model_check_cells(struct model *model)
{
    for (unsigned int s = 0; s < model->n_living; s++)
        for (unsigned int e = 0; e < model->n_events; e++) {
            if (model->cells[s][e] != NONE)
                check_order(model, (int)s, (int)e);
            else if (model->events[e].kind == EVENT_PARTY)
                diag_add(model->diags, model->states[s].name, "state `%.*s` has no verdict for `%.*s`",
                         W(model->states[s].name), W(model->events[e].name));
        }
    for (unsigned int i = 0; i < model->n_branches; i++)
        check_verdict(model, &model->branches[i]);
    for (unsigned int e = 0; e < model->n_events; e++) {
        bool is_taken = false;

        for (unsigned int i = 0; i < model->n_branches; i++)
            is_taken |= model->branches[i].event == (int)e && model->branches[i].verdict == VERDICT_GO;
        if (!is_taken && model->events[e].kind == EVENT_PARTY)
            diag_add(model->diags, model->events[e].name, "no row goes anywhere for `%.*s`: it need not be an event",
                     W(model->events[e].name));
    }
}
