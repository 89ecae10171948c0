/* SPDX-License-Identifier: MIT */
/* Writes <m>_fsm.tsv: every cell, a line a row, for people and for tests that count what they covered. */
#include "fsmgen/emit.h"

static void put_calls(struct out *out, const struct model *model, struct call_list list)
{
    if (list.n == 0)
        put(out, "-");
    for (unsigned int i = 0; i < list.n; i++) {
        put(out, "%s", i ? " " : "");
        put_call(out, model, model->calls[list.first + i]);
    }
}

static void put_timers(struct out *out, const struct model *model, int state)
{
    const char *between = "";

    if (!model->states[state].timers)
        put(out, "-");
    for (unsigned int t = 0; t < model->spec->n_timers; t++)
        if (model->states[state].timers & (1U << t)) {
            put(out, "%s%.*s", between, W(model->spec->timers[t].name));
            between = " ";
        }
}

static void put_branch(struct out *out, const struct model *model, const struct branch *b, unsigned int order)
{
    static const char *const verdicts[] = {"go", "ignore", "never"};

    put(out, "%.*s\t%.*s\t%u\t", W(model->states[b->state].name), W(model->events[b->event].name), order);
    if (b->guard != NONE)
        put(out, "%.*s", W(model->functions[b->guard].name));
    else
        put(out, "%s", b->is_else ? "else" : "-");
    put(out, "\t%s\t", verdicts[b->verdict]);
    if (b->verdict == VERDICT_GO) {
        if (b->same)
            put(out, "same\t");
        else
            put(out, "%.*s\t", W(model->states[b->next].name));
        put_calls(out, model, b->calls);
        put(out, "\t");
        put_timers(out, model, b->next);
        put(out, "\t-\n");
    } else {
        put(out, "-\t-\t-\t%.*s\n", b->verdict == VERDICT_IGNORE ? (int)b->reason.size : 1,
            b->verdict == VERDICT_IGNORE ? b->reason.text : "-");
    }
}

void emit_tsv(struct out *out, const struct model *model)
{
    put_banner(out, model, "# ", "");
    put(out, "state\tevent\torder\tguard\tverdict\tnext\tactions\ttimers\treason\n");
    put(out, "-\tbirth\t1\t-\tgo\t%.*s\t", W(model->states[model->initial].name));
    put_calls(out, model, model->birth);
    put(out, "\t");
    put_timers(out, model, model->initial);
    put(out, "\t-\n");
    for (unsigned int s = 0; s < model->n_living; s++)
        for (unsigned int e = 0; e < model->n_events; e++) {
            const struct branch *b = first_branch(model, s, e);
            unsigned int order = 1;

            if (!b)
                put(out, "%.*s\t%.*s\t-\t-\t-\t-\t-\t-\t-\n", W(model->states[s].name), W(model->events[e].name));
            for (; b; b = next_branch(model, b))
                put_branch(out, model, b, order++);
        }
}
