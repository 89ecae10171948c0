/* SPDX-License-Identifier: MIT */
/*
 * Writes <m>_fsm_cells.c: a program that steps the birth and every row of every cell with recording functions of its
 * own. What has to come of it is written out as literals, from the specification and not from the table, so that table
 * and engine are tested against a second reading. The program's other half is runtime/fsm/cells.c.
 */
#include "fsmgen/emit.h"

#include <string.h>

/* The clock of the test: now; the instants of running timers before the step; what `until` functions answer. In ms. */
enum { NOW = 1000, KEPT = 500000, UNTIL = 600000 };

static void emit_stubs(struct out *out, const struct model *model)
{
    for (unsigned int i = 0; i < model->n_functions; i++) {
        const struct model_function *f = &model->functions[i];

        if (f->kind == FUNCTION_WORK)
            put(out,
                "enum %.*s_event %.*s_%.*s(struct %.*s *machine)\n{\n    cells_did(\"%.*s\", NULL);\n    return "
                "0;\n}\n\n",
                M(model), M(model), W(f->name), M(model), W(f->name));
        if (f->kind == FUNCTION_GUARD)
            put(out, "bool %.*s_%.*s(const struct %.*s *machine)\n{\n    return cells_asked(\"%.*s\");\n}\n\n",
                M(model), W(f->name), M(model), W(f->name));
        if (f->kind != FUNCTION_ACTION)
            continue;
        put(out, "void %.*s_%.*s(struct %.*s *machine", M(model), W(f->name), M(model));
        if (!f->n_arguments) {
            put(out, ")\n{\n    cells_did(\"%.*s\", NULL);\n}\n\n", W(f->name));
            continue;
        }
        put(out, ", enum %.*s_%.*s_arg argument)\n{\n    static const char *const names[] = {", M(model), W(f->name));
        for (unsigned int k = 0; k < f->n_arguments; k++)
            put(out, "%s\"%.*s\"", k ? ", " : "", W(f->arguments[k]));
        put(out, "};\n\n    cells_did(\"%.*s\", (unsigned int)argument < %u ? names[argument] : \"?\");\n}\n\n",
            W(f->name), f->n_arguments);
    }
    for (unsigned int i = 0; i < model->n_functions; i++)
        if (model->functions[i].kind == FUNCTION_UNTIL)
            put(out,
                "nsec_t %.*s_%.*s(const struct %.*s *machine, nsec_t now)\n{\n    return cells_until(\"%.*s\", "
                "now);\n}\n\n",
                M(model), W(model->functions[i].name), M(model), W(model->functions[i].name));
    put(out, "void %.*s_ended(struct %.*s *machine)\n{\n    cells_ended();\n}\n\n", M(model), M(model));
}

/* Which instant an `until` function answers: that of the first timer that asks it. */
static unsigned int until_instant(const struct model *model, struct word until)
{
    for (unsigned int t = 0; t < model->spec->n_timers; t++)
        if (word_equal(model->spec->timers[t].until, until))
            return UNTIL + t;
    return UNTIL;
}

static void emit_untils(struct out *out, const struct model *model)
{
    put(out, "static const struct cells_until untils[] = {\n");
    for (unsigned int i = 0; i < model->n_functions; i++)
        if (model->functions[i].kind == FUNCTION_UNTIL)
            put(out, "    {\"%.*s\", %u},\n", W(model->functions[i].name),
                until_instant(model, model->functions[i].name));
    put(out, "    {NULL, 0},\n};\n\n");
}

/* Running timers as `name=instant`. @before: bits of those that ran, at their kept instants. */
static void put_timers(struct out *out, const struct model *model, int state, unsigned int before, bool is_go)
{
    const char *between = "";

    put(out, "\"");
    for (unsigned int t = 0; t < model->spec->n_timers; t++) {
        const struct spec_timer *timer = &model->spec->timers[t];
        unsigned long long when = KEPT + t;

        if (!(model->states[state].timers & (1U << t)) || (!is_go && !(before & (1U << t))))
            continue;
        if (is_go && timer->until.size)
            when = until_instant(model, timer->until);
        else if (is_go && !(before & (1U << t)))
            when = NOW + timer->ms;
        put(out, "%s%.*s=%llu", between, W(timer->name), when);
        between = " ";
    }
    put(out, "\"");
}

/* Work that may be unfinished when @event arrives in @state, so that it can be told from withdrawn work. */
static int pending_work(const struct model *model, unsigned int state, unsigned int event)
{
    static bool can[SPEC_STATES_MAX][SPEC_WORKS_MAX];
    bool is_outcome = model->events[event].kind == EVENT_OUTCOME;

    memset(can, 0, sizeof(can));
    model_find_work(model, can);
    for (unsigned int w = 0; w < model->n_works; w++)
        if (can[state][w] && (!is_outcome || model->yields[w][event]))
            return (int)w;
    return NONE;
}

static void put_work(struct out *out, const struct model *model, int work)
{
    if (work == NONE)
        put(out, "\"\"");
    else
        put(out, "\"%.*s\"", W(model->spec->works[work].name));
}

static void put_asked(struct out *out, const struct model *model, const struct branch *first,
                      const struct branch *taken)
{
    const char *between = "";

    put(out, "\"");
    for (const struct branch *b = first; b; b = b == taken ? NULL : next_branch(model, b))
        if (b->guard != NONE) {
            put(out, "%s%.*s=%d", between, W(model->functions[b->guard].name), b == taken);
            between = " ";
        }
    put(out, "\"");
}

static void put_calls(struct out *out, const struct model *model, struct call_list list)
{
    put(out, "\"");
    for (unsigned int i = 0; i < list.n; i++) {
        put(out, "%s", i ? " " : "");
        put_call(out, model, model->calls[list.first + i]);
    }
    put(out, "\"");
}

/* One case. */
static void emit_case(struct out *out, const struct model *model, unsigned int s, unsigned int e,
                      const struct branch *first, const struct branch *taken)
{
    const struct model_event *event = &model->events[e];
    bool is_go = taken->verdict == VERDICT_GO;
    unsigned int before = model->states[s].timers;
    int work = pending_work(model, s, e), work_after, next = is_go ? taken->next : (int)s;

    if (event->kind == EVENT_TIMER)
        before &= ~(1U << event->timer);
    work_after = work;
    if (event->kind == EVENT_OUTCOME && work != NONE)
        work_after = NONE;
    if (is_go && (!taken->same || taken->work != NONE))
        work_after = taken->work;
    put(out, "    {\"%.*s\", \"%.*s\", ", W(model->states[s].name), W(event->name));
    put_work(out, model, work);
    put(out, ", ");
    put_asked(out, model, first, taken);
    put(out, ", ");
    put_calls(out, model, is_go ? taken->calls : (struct call_list){0});
    put(out, ", \"%.*s\", ", W(model->states[next].name));
    put_work(out, model, work_after);
    put(out, ", ");
    put_timers(out, model, next, before, is_go);
    put(out, ", %d, %d},\n", model->states[next].is_final, taken->verdict == VERDICT_NEVER);
}

static void emit_cases(struct out *out, const struct model *model)
{
    /* a cell that cannot happen is reported like one that must not */
    static const struct branch impossible = {.verdict = VERDICT_NEVER, .work = NONE};

    put(out,
        "/* from, event, work before | guards asked, actions, to, work after, timers after (ms), ended, reported */\n");
    put(out, "static const struct cells_case cases[] = {\n    {NULL, NULL, \"\", \"\", ");
    put_calls(out, model, model->birth);
    put(out, ", \"%.*s\", ", W(model->states[model->initial].name));
    put_work(out, model, model->birth_work);
    put(out, ", ");
    put_timers(out, model, model->initial, 0, true);
    put(out, ", 0, 0},\n");
    for (unsigned int s = 0; s < model->n_living; s++)
        for (unsigned int e = 0; e < model->n_events; e++) {
            const struct branch *first = first_branch(model, s, e);

            if (!first)
                emit_case(out, model, s, e, NULL, &impossible);
            for (const struct branch *b = first; b; b = next_branch(model, b))
                emit_case(out, model, s, e, first, b);
        }
    put(out, "};\n\n");
}

static void emit_numbers(struct out *out, const struct model *model)
{
    for (unsigned int s = 0; s < model->n_states; s++) {
        put(out, "_Static_assert(");
        put_state(out, model, (int)s);
        put(out, " == %u, \"number of a state\");\n", s + 1);
    }
    for (unsigned int e = 0; e < model->n_events; e++) {
        put(out, "_Static_assert(");
        put_event(out, model, (int)e);
        put(out, " == %u, \"number of an event\");\n", e + 1);
    }
    put(out, "\n");
}

void emit_cells(struct out *out, const struct model *model)
{
    put(out, "/* SPDX-License-Identifier: MIT */\n");
    put_banner(out, model, "/* ", " */");
    put(out, "#include \"%.*s_fsm.h\"\n\n#include \"fsm/cells.h\"\n\n", M(model));
    put(out, "struct %.*s {\n    struct fsm fsm;\n};\n\n", M(model));
    emit_numbers(out, model);
    emit_stubs(out, model);
    emit_untils(out, model);
    emit_cases(out, model);
    put(out, "int main(void)\n{\n    static struct %.*s machine;\n\n", M(model));
    put(out, "    return cells_run(&%.*s_machine, &machine.fsm, untils, cases, sizeof(cases) / sizeof(cases[0]));\n}\n",
        M(model));
}
