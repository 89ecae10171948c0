/* SPDX-License-Identifier: MIT */
/*
 * Writes <m>_fsm.pml: the machine in Promela, for the closed models of statemachines/model/. A row is an atomic step;
 * actions do nothing and work stays unfinished unless the model writes an inline of its own; a guard may be true or
 * false at any time unless the model defines it; a listed timer may fire whenever the process is quiet.
 */
#include "fsmgen/emit.h"

#define N(model) M(model) /* the prefix of every name */

static void emit_numbers(struct out *out, const struct model *model)
{
    for (unsigned int s = 0; s < model->n_states; s++)
        put(out, "#define %.*s_S_%.*s %u\n", N(model), W(model->states[s].name), s + 1);
    for (unsigned int e = 0; e < model->n_events; e++)
        put(out, "#define %.*s_E_%.*s %u\n", N(model), W(model->events[e].name), e + 1);
    for (unsigned int w = 0; w < model->n_works; w++)
        put(out, "#define %.*s_W_%.*s %u\n", N(model), W(model->spec->works[w].name), w + 1);
    for (unsigned int i = 0; i < model->n_functions; i++)
        for (unsigned int k = 0; k < model->functions[i].n_arguments; k++)
            put(out, "#define %.*s_%.*s_%.*s %u\n", N(model), W(model->functions[i].name),
                W(model->functions[i].arguments[k]), k);
}

static void emit_variables(struct out *out, const struct model *model)
{
    put(out, "\n#ifndef %.*s_N\n#define %.*s_N 1\n#endif\n", N(model), N(model));
    put(out, "#ifndef %.*s_busy\n#define %.*s_busy fsm_busy\n#endif\n\n", N(model), N(model));
    put(out, "byte %.*s_st[%.*s_N]; /* state, 0: not born */\n", N(model), N(model));
    put(out, "byte %.*s_wk[%.*s_N]; /* unfinished work, 0: none */\n", N(model), N(model));
    put(out, "byte %.*s_out[%.*s_N]; /* returned outcome, 0: none */\n", N(model), N(model));
    put(out, "chan %.*s_q[%.*s_N] = [4] of { byte }; /* raised events */\n", N(model), N(model));
    put(out, "byte %.*s_e; /* the event of the step under way */\n\n", N(model));
    put(out, "#define %.*s_alive(i) (%.*s_st[i] != 0 && %.*s_st[i] <= %u)\n", N(model), N(model), N(model),
        model->n_living);
}

static void emit_owned(struct out *out, const struct model *model)
{
    for (unsigned int i = 0; i < model->n_functions; i++) {
        const struct model_function *f = &model->functions[i];

        if (f->kind == FUNCTION_GUARD) {
            put(out, "#ifndef %.*s_%.*s\n#define %.*s_%.*s(i) true\n#define %.*s_not_%.*s(i) true\n#endif\n", N(model),
                W(f->name), N(model), W(f->name), N(model), W(f->name));
        } else if (is_callable(f)) {
            put(out, "#ifndef OWN_%.*s_%.*s\ninline %.*s_%.*s(i%s) { ", N(model), W(f->name), N(model), W(f->name),
                f->n_arguments ? ", x" : "");
            if (f->kind == FUNCTION_WORK)
                put(out, "%.*s_wk[i] = %.*s_W_%.*s", N(model), N(model), W(f->name));
            else
                put(out, "skip");
            put(out, " }\n#endif\n");
        }
    }
}

static void emit_interface(struct out *out, const struct model *model)
{
    put(out, "\ninline %.*s_raise(i, e) {\n    if\n    :: %.*s_alive(i) -> assert(len(%.*s_q[i]) < 4); ", N(model),
        N(model), N(model));
    put(out, "%.*s_q[i]!e; %.*s_busy++\n    :: !%.*s_alive(i)\n    fi\n}\n", N(model), N(model), N(model));
    put(out, "inline %.*s_outside(i, e) {\n    atomic { %.*s_busy == 0; %.*s_raise(i, e) }\n}\n", N(model), N(model),
        N(model));
    put(out, "inline %.*s_yield(i, e) {\n    assert(%.*s_out[i] == 0); %.*s_out[i] = e; %.*s_busy++\n}\n", N(model),
        N(model), N(model), N(model));
    put(out, "inline %.*s_drop(i) { /* a final state: what is queued or under way is dropped */\n", N(model));
    put(out, "    do\n    :: len(%.*s_q[i]) > 0 -> %.*s_q[i]?%.*s_e; %.*s_busy--\n", N(model), N(model), N(model),
        N(model));
    put(out, "    :: else -> break\n    od;\n    %.*s_wk[i] = 0\n}\n", N(model));
}

static void put_calls(struct out *out, const struct model *model, struct call_list list)
{
    for (unsigned int i = 0; i < list.n; i++) {
        struct call call = model->calls[list.first + i];
        const struct model_function *f = &model->functions[call.function];

        put(out, "; ");
        if (f->kind == FUNCTION_WORK)
            put(out, "%.*s_wk[i] = 0; ", N(model));
        put(out, "%.*s_%.*s(i", N(model), W(f->name));
        if (call.argument != NONE)
            put(out, ", %.*s_%.*s_%.*s", N(model), W(f->name), W(f->arguments[call.argument]));
        put(out, ")");
    }
}

static void emit_start(struct out *out, const struct model *model)
{
    put(out, "inline %.*s_start(i) {\n    assert(!%.*s_alive(i)); %.*s_st[i] = %.*s_S_%.*s", N(model), N(model),
        N(model), N(model), W(model->states[model->initial].name));
    put_calls(out, model, model->birth);
    put(out, "\n}\n\n");
}

/* The verdict of a row whose guard held. */
static void put_row(struct out *out, const struct model *model, const struct branch *b)
{
    if (b->verdict == VERDICT_NEVER) {
        put(out, "assert(false) /* never */");
        return;
    }
    if (b->verdict == VERDICT_IGNORE) {
        put(out, "skip");
        return;
    }
    if (b->same)
        put(out, "skip");
    else
        put(out, "%.*s_wk[i] = 0; %.*s_st[i] = %.*s_S_%.*s", N(model), N(model), N(model),
            W(model->states[b->next].name));
    put_calls(out, model, b->calls);
    if (model->states[b->next].is_final)
        put(out, "; %.*s_drop(i)", N(model));
}

static void put_cell(struct out *out, const struct model *model, const struct branch *first)
{
    put(out, "        :: %.*s_e == %.*s_E_%.*s ->", N(model), N(model), W(model->events[first->event].name));
    if (first->next_branch == NONE) {
        put(out, " ");
        put_row(out, model, first);
        put(out, "\n");
        return;
    }
    put(out, "\n            if\n");
    for (const struct branch *b = first; b; b = next_branch(model, b)) {
        const char *between = "";

        put(out, "            :: ");
        for (const struct branch *o = first; o != b; o = next_branch(model, o), between = " && ")
            put(out, "%s%.*s_not_%.*s(i)", between, N(model), W(model->functions[o->guard].name));
        if (b->guard != NONE)
            put(out, "%s%.*s_%.*s(i)", between, N(model), W(model->functions[b->guard].name));
        put(out, " -> ");
        put_row(out, model, b);
        put(out, "\n");
    }
    put(out, "            fi\n");
}

static void emit_step(struct out *out, const struct model *model)
{
    put(out, "inline %.*s_step(i) {\n    if\n", N(model));
    for (unsigned int s = 0; s < model->n_living; s++) {
        put(out, "    :: %.*s_st[i] == %.*s_S_%.*s ->\n        if\n", N(model), N(model), W(model->states[s].name));
        for (unsigned int e = 0; e < model->n_events; e++)
            if (first_branch(model, s, e))
                put_cell(out, model, first_branch(model, s, e));
        put(out, "        :: else -> assert(false) /* cannot happen */\n        fi\n");
    }
    put(out, "    :: else -> assert(false) /* not alive */\n    fi;\n    %.*s_e = 0\n}\n\n", N(model));
}

static void emit_turn(struct out *out, const struct model *model)
{
    put(out, "#define %.*s_quiet(i) (%.*s_busy == 0 && %.*s_alive(i))\n", N(model), N(model), N(model));
    put(out, "inline %.*s_turn(i) {\n    atomic {\n        if\n", N(model));
    put(out, "        :: %.*s_out[i] != 0 -> %.*s_e = %.*s_out[i]; %.*s_out[i] = 0; %.*s_wk[i] = 0; %.*s_busy--\n",
        N(model), N(model), N(model), N(model), N(model), N(model));
    put(out, "        :: %.*s_out[i] == 0 && len(%.*s_q[i]) > 0 -> %.*s_q[i]?%.*s_e; %.*s_busy--\n", N(model), N(model),
        N(model), N(model), N(model));
    for (unsigned int t = 0; t < model->spec->n_timers; t++) {
        const char *between = "";

        put(out, "        :: %.*s_quiet(i) && (", N(model));
        for (unsigned int s = 0; s < model->n_living; s++)
            if (model->states[s].timers & (1U << t)) {
                put(out, "%s%.*s_st[i] == %.*s_S_%.*s", between, N(model), N(model), W(model->states[s].name));
                between = " || ";
            }
        put(out, ") -> %.*s_e = %.*s_E_%.*s\n", N(model), N(model), W(model->spec->timers[t].name));
    }
    for (unsigned int w = 0; w < model->n_works; w++)
        for (unsigned int e = 0; e < model->n_events; e++)
            if (model->yields[w][e])
                put(out,
                    "        :: %.*s_quiet(i) && %.*s_wk[i] == %.*s_W_%.*s -> %.*s_wk[i] = 0; %.*s_e = %.*s_E_%.*s\n",
                    N(model), N(model), N(model), W(model->spec->works[w].name), N(model), N(model), N(model),
                    W(model->events[e].name));
    put(out, "        fi;\n        %.*s_step(i)\n    }\n}\n", N(model));
}

void emit_pml(struct out *out, const struct model *model)
{
    put_banner(out, model, "/* ", " */");
    put(out, "/* ");
    put_comment(out, model->spec->text);
    put(out, " */\n");
    emit_numbers(out, model);
    emit_variables(out, model);
    emit_owned(out, model);
    emit_interface(out, model);
    emit_start(out, model);
    emit_step(out, model);
    emit_turn(out, model);
}
