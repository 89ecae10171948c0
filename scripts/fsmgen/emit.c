/* SPDX-License-Identifier: MIT */
/* What the writers share: the list of them, names as they appear in generated files, and the way through the cells. */
#include "fsmgen/emit.h"

const struct emitter emitters[] = {
    {"_fsm.h", emit_header}, {"_fsm.c", emit_table}, {"_fsm.tsv", emit_tsv},
    {"_fsm.dot", emit_dot},  {"_fsm.pml", emit_pml}, {"_fsm_cells.c", emit_cells},
};
const unsigned int n_emitters = sizeof(emitters) / sizeof(emitters[0]);

void put_banner(struct out *out, const struct model *model, const char *open, const char *close)
{
    put(out, "%sGenerated from %.*s.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen%s\n",
        open, M(model), close);
}

void put_state(struct out *out, const struct model *model, int state)
{
    put_upper(out, model->spec->machine);
    put(out, "_STATE_");
    put_upper(out, model->states[state].name);
}

void put_event(struct out *out, const struct model *model, int event)
{
    put_upper(out, model->spec->machine);
    put(out, "_EVENT_");
    put_upper(out, model->events[event].name);
}

void put_call(struct out *out, const struct model *model, struct call call)
{
    const struct model_function *f = &model->functions[call.function];

    put(out, "%.*s", W(f->name));
    if (call.argument != NONE)
        put(out, "(%.*s)", W(f->arguments[call.argument]));
}

void put_call_id(struct out *out, const struct model *model, struct call call)
{
    const struct model_function *f = &model->functions[call.function];

    put(out, "call_%.*s", W(f->name));
    if (call.argument != NONE)
        put(out, "__%.*s", W(f->arguments[call.argument]));
}

const struct branch *first_branch(const struct model *model, unsigned int state, unsigned int event)
{
    int i = model->cells[state][event];

    return i == NONE ? NULL : &model->branches[i];
}

const struct branch *next_branch(const struct model *model, const struct branch *branch)
{
    return branch->next_branch == NONE ? NULL : &model->branches[branch->next_branch];
}
