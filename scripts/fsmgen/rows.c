/* SPDX-License-Identifier: MIT */
/*
 * Copies the rows of each state, and of the groups that it uses, into branches of cells, and expands action lists. What
 * a single row can do wrong is refused here: names, arguments, the place of work.
 */
#include <string.h>

#include "fsmgen/model.h"

/* Names read for one row at most: each of its actions may stand inside every `do`. */
enum { USES_MAX = MODEL_ROW_CALLS_MAX * (SPEC_DOS_MAX + 1) };

struct expansion {
    struct model *model;
    struct call_list list;
    int work;
    struct word open[SPEC_DOS_MAX]; /* the `do`s that are being expanded */
    unsigned int n_open;
    unsigned int n_uses; /* bounds lists that double and come to nothing, since what they end in is refused */
    bool has_refused;    /* too long, or one inside itself: stop */
};

static int find_do(const struct spec *spec, struct word name)
{
    for (unsigned int i = 0; i < spec->n_dos; i++)
        if (word_equal(spec->dos[i].name, name))
            return (int)i;
    return NONE;
}

static int find_work(const struct spec *spec, struct word name)
{
    for (unsigned int i = 0; i < spec->n_works; i++)
        if (word_equal(spec->works[i].name, name))
            return (int)i;
    return NONE;
}

static int resolve_argument(struct model *model, struct model_function *function, struct word argument)
{
    unsigned int total = 0;

    for (unsigned int i = 0; i < function->n_arguments; i++)
        if (word_equal(function->arguments[i], argument))
            return (int)i;
    for (unsigned int i = 0; i < model->n_functions; i++)
        total += model->functions[i].n_arguments;
    if (total >= MODEL_ARGUMENTS_MAX) {
        diag_add(model->diags, argument, "too many arguments (at most %d)", MODEL_ARGUMENTS_MAX);
        return NONE;
    }
    function->arguments[function->n_arguments] = argument;
    return (int)function->n_arguments++;
}

static void refuse_length(struct expansion *x, struct word at)
{
    diag_add(x->model->diags, at, "too many actions in a row (at most %d)", MODEL_ROW_CALLS_MAX);
    x->has_refused = true;
}

static void append_call(struct expansion *x, struct word at, int function, int argument)
{
    struct model *model = x->model;

    if (x->list.n == MODEL_ROW_CALLS_MAX || model->n_calls == MODEL_CALLS_MAX) {
        refuse_length(x, at);
        return;
    }
    model->calls[model->n_calls++] = (struct call){function, argument};
    x->list.n++;
}

static void expand_action(struct expansion *x, const struct action_use *use)
{
    struct model *model = x->model;
    unsigned int before = model->n_functions;
    struct model_function *function;
    int i = model_function(model, use->name, FUNCTION_ACTION), argument = NONE;

    if (i == NONE)
        return;
    function = &model->functions[i];
    if (model->n_functions != before) {
        function->takes_argument = use->argument.size > 0;
    } else if (function->takes_argument != (use->argument.size > 0)) {
        diag_add(model->diags, use->name, "action `%.*s` is used with and without argument", W(use->name));
        return;
    }
    if (use->argument.size)
        argument = resolve_argument(model, function, use->argument);
    append_call(x, use->name, i, argument);
}

static void expand(struct expansion *x, struct range actions)
{
    const struct spec *spec = x->model->spec;
    struct diags *diags = x->model->diags;

    for (unsigned int i = 0; i < actions.n && !x->has_refused; i++) {
        const struct action_use *use = &spec->actions[actions.first + i];
        int list = find_do(spec, use->name), work = find_work(spec, use->name);

        if (x->n_uses++ == USES_MAX) {
            refuse_length(x, use->name);
            return;
        }
        if (x->work != NONE) {
            diag_add(diags, use->name,
                     work != NONE ? "two works in a row: the second is `%.*s`"
                                  : "`%.*s` comes after work: work is the last action of its row",
                     W(use->name));
            x->has_refused = true;
            return;
        }
        if (use->argument.size && (list != NONE || work != NONE)) {
            diag_add(diags, use->argument, "%s `%.*s` takes no argument", work != NONE ? "work" : "`do`", W(use->name));
            continue;
        }
        if (list != NONE) {
            for (unsigned int k = 0; k < x->n_open; k++)
                if (word_equal(x->open[k], use->name)) {
                    diag_add(diags, use->name, "`do` `%.*s` is inside itself", W(use->name));
                    x->has_refused = true;
                    return;
                }
            x->open[x->n_open++] = use->name;
            expand(x, spec->dos[list].actions);
            x->n_open--;
        } else if (work != NONE) {
            int function = model_function(x->model, use->name, FUNCTION_WORK);

            x->work = work;
            if (function != NONE)
                append_call(x, use->name, function, NONE);
        } else {
            expand_action(x, use);
        }
    }
}

struct call_list model_resolve_actions(struct model *model, struct range actions, int *ret_work)
{
    struct expansion x = {.model = model, .list = {model->n_calls, 0}, .work = NONE};

    expand(&x, actions);
    *ret_work = x.work;
    return x.list;
}

static void append_branch(struct model *model, struct branch branch)
{
    int *last = &model->cells[branch.state][branch.event];

    if (model->n_branches == MODEL_BRANCHES_MAX) {
        diag_add(model->diags, branch.at, "too many rows in all states together (at most %d)", MODEL_BRANCHES_MAX);
        return;
    }
    while (*last != NONE)
        last = &model->branches[*last].next_branch;
    *last = (int)model->n_branches;
    model->branches[model->n_branches++] = branch;
}

/* What the events of a row share; false when the row is beyond use. */
static bool resolve_row(struct model *model, int state, const struct spec_row *row, struct branch *branch)
{
    const struct verdict *verdict = &row->verdict;
    bool good = true;

    branch->guard = NONE;
    branch->guard_at = row->condition.word;
    branch->is_else = row->condition.kind == CONDITION_ELSE;
    branch->verdict = verdict->kind;
    branch->verdict_at = verdict->word;
    branch->reason = verdict->reason;
    branch->same = verdict->same;
    branch->next = state;
    branch->work = NONE;
    branch->next_branch = NONE;
    if (row->condition.kind == CONDITION_IF) {
        branch->guard = model_function(model, row->condition.word, FUNCTION_GUARD);
        good = branch->guard != NONE;
    }
    if (verdict->kind != VERDICT_GO)
        return good;
    if (!verdict->same) {
        branch->next = model_find_state(model, verdict->word);
        if (branch->next == NONE) {
            diag_add(model->diags, verdict->word, "state `%.*s` is not declared", W(verdict->word));
            good = false;
        }
    }
    branch->calls = model_resolve_actions(model, verdict->actions, &branch->work);
    if (branch->work != NONE && branch->next != NONE && model->states[branch->next].is_final)
        diag_add(model->diags, verdict->word, "work into the final state `%.*s`: nobody would wait for it",
                 W(verdict->word));
    return good;
}

static void resolve_rows(struct model *model, int state, int place, struct range rows)
{
    const struct spec *spec = model->spec;

    for (unsigned int i = 0; i < rows.n; i++) {
        const struct spec_row *row = &spec->rows[rows.first + i];
        struct branch branch = {.state = state, .place = place};
        bool good = resolve_row(model, state, row, &branch);

        for (unsigned int k = 0; k < row->events.n; k++) {
            branch.at = spec->words[row->events.first + k];
            branch.event = model_find_event(model, branch.at);
            if (branch.event == NONE)
                diag_add(model->diags, branch.at, "event `%.*s` is not declared", W(branch.at));
            else if (good)
                append_branch(model, branch);
        }
    }
}

void model_resolve_rows(struct model *model)
{
    const struct spec *spec = model->spec;

    for (unsigned int i = 0; i < model->n_living; i++) {
        const struct spec_state *state = model->states[i].spec;

        for (unsigned int k = 0; k < state->uses.n; k++) {
            struct word name = spec->words[state->uses.first + k];
            int group = NONE;

            for (unsigned int g = 0; g < spec->n_groups && group == NONE; g++)
                if (word_equal(spec->groups[g].name, name))
                    group = (int)g;
            if (group == NONE) {
                diag_add(model->diags, name, "rows `%.*s` are not declared", W(name));
                continue;
            }
            model->uses_group[group] = true;
            resolve_rows(model, (int)i, group, spec->groups[group].rows);
        }
        resolve_rows(model, (int)i, NONE, state->rows);
    }
    /* groups that no state uses are still read, so that their names are checked */
    for (unsigned int g = 0; g < spec->n_groups; g++) {
        struct branch scratch = {0};

        for (unsigned int i = 0; i < spec->groups[g].rows.n && !model->uses_group[g] && model->n_living; i++)
            resolve_row(model, 0, &spec->rows[spec->groups[g].rows.first + i], &scratch);
    }
}
