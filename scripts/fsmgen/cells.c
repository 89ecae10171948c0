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

static const struct branch *first_of(const struct model *model, int state, int event)
{
    return &model->branches[model->cells[state][event]];
}

static const struct branch *after(const struct model *model, const struct branch *b)
{
    return b->next_branch == NONE ? NULL : &model->branches[b->next_branch];
}

/* Rows from two places, or two rows without condition. True when refused. */
static bool check_places(struct model *model, int state, int event)
{
    const struct branch *first = first_of(model, state, event), *plain = NULL;

    for (const struct branch *b = first, *previous = NULL; b; previous = b, b = after(model, b)) {
        bool is_plain = b->guard == NONE && !b->is_else;
        const struct branch *other = b->place != first->place || (previous && is_same_row(previous, b)) ? first : NULL;

        if (!other && is_plain && plain)
            other = plain;
        if (other) {
            diag_add(model->diags, b->at, "`%.*s` in state `%.*s` is decided in two places: also at line %u", W(b->at),
                     W(model->states[state].name), other->at.line);
            return true;
        }
        if (is_plain)
            plain = b;
    }
    return false;
}

/* guard, guard, …, `else`, no guard twice */
static void check_order(struct model *model, int state, int event)
{
    const struct branch *first = first_of(model, state, event), *previous = NULL;
    struct word state_name = model->states[state].name;

    if (check_places(model, state, event))
        return;
    for (const struct branch *b = first; b; previous = b, b = after(model, b)) {
        bool is_last = b->next_branch == NONE, is_plain = b->guard == NONE && !b->is_else;
        const char *reason = NULL;

        if (b->guard != NONE && is_last)
            reason = "the last row of a guarded cell is `else`";
        else if (b->is_else && (!previous || !is_last))
            reason = "`else` is the last row of several";
        else if (is_plain && (previous || !is_last))
            reason = "each row of several has a guard, the last is `else`";
        if (reason) {
            diag_add(model->diags, is_plain ? b->at : b->guard_at, "`%.*s` in state `%.*s`: %s", W(b->at),
                     W(state_name), reason);
            return;
        }
        for (const struct branch *o = first; o != b && b->guard != NONE; o = after(model, o))
            if (o->guard == b->guard) {
                diag_add(model->diags, b->guard_at, "`%.*s` in state `%.*s` repeats the guard `%.*s`", W(b->at),
                         W(state_name), W(b->guard_at));
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
        diag_add(model->diags, b->verdict_at, "`%.*s` is the outcome of work that was begun for it: it needs `->`",
                 W(b->at));
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
