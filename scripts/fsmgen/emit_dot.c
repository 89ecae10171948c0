/* SPDX-License-Identifier: MIT */
/* Writes <m>_fsm.dot: the go rows as a picture. An edge a row, timers dashed; what is ignored is not drawn. */
#include "fsmgen/emit.h"

static void put_edge(struct out *out, const struct model *model, const struct branch *b)
{
    put(out, "    \"%.*s\" -> \"%.*s\" [label=\"%.*s", W(model->states[b->state].name), W(model->states[b->next].name),
        W(model->events[b->event].name));
    if (b->guard != NONE)
        put(out, "\\nif %.*s", W(model->functions[b->guard].name));
    else if (b->is_else)
        put(out, "\\nelse");
    put(out, "\"");
    if (b->calls.n) {
        put(out, ", tooltip=\"");
        for (unsigned int i = 0; i < b->calls.n; i++) {
            put(out, "%s", i ? " " : "");
            put_call(out, model, model->calls[b->calls.first + i]);
        }
        put(out, "\"");
    }
    if (model->events[b->event].kind == EVENT_TIMER)
        put(out, ", style=dashed");
    put(out, "];\n");
}

/* All names are quoted: Graphviz has words of its own. */
static void put_nodes(struct out *out, const struct model *model)
{
    for (unsigned int s = 0; s < model->n_states; s++)
        put(out, "    \"%.*s\"%s;\n", W(model->states[s].name), model->states[s].is_final ? " [peripheries=2]" : "");
}

void emit_dot(struct out *out, const struct model *model)
{
    put_banner(out, model, "// ", "");
    put(out, "digraph \"%.*s\" {\n    rankdir=TB;\n", M(model));
    put(out, "    node [shape=box, style=rounded, fontname=\"Helvetica\", fontsize=11];\n");
    put(out, "    edge [fontname=\"Helvetica\", fontsize=9];\n");
    put(out, "    \"(birth)\" [shape=point];\n");
    put_nodes(out, model);
    put(out, "    \"(birth)\" -> \"%.*s\";\n", W(model->states[model->initial].name));
    for (unsigned int s = 0; s < model->n_living; s++)
        for (unsigned int e = 0; e < model->n_events; e++)
            for (const struct branch *b = first_branch(model, s, e); b; b = next_branch(model, b))
                if (b->verdict == VERDICT_GO)
                    put_edge(out, model, b);
    put(out, "}\n");
}
