/* SPDX-License-Identifier: MIT */
/* Writes <m>_fsm.c: the constant table, the name tables, and one thin function for each call, guard and `until`. */
#include "fsmgen/emit.h"

#include <stdlib.h>
#include <string.h>

/* Calls @each for each call once, in the order of first use. */
static void each_call(struct out *out, const struct model *model,
                      void (*each)(struct out *out, const struct model *model, struct call call))
{
    static unsigned char seen[MODEL_FUNCTIONS_MAX][MODEL_ARGUMENTS_MAX + 1];

    memset(seen, 0, sizeof(seen));
    for (unsigned int i = 0; i < model->n_calls; i++) {
        struct call call = model->calls[i];
        unsigned char *mark = &seen[call.function][call.argument + 1];

        if (!*mark)
            each(out, model, call);
        *mark = 1;
    }
}

static void emit_call(struct out *out, const struct model *model, struct call call)
{
    const struct model_function *f = &model->functions[call.function];
    bool is_work = f->kind == FUNCTION_WORK;

    put(out, "static %s do_%.*s", is_work ? "int" : "void", W(f->name));
    if (call.argument != NONE)
        put(out, "__%.*s", W(f->arguments[call.argument]));
    put(out, "(struct fsm *fsm)\n{\n    %s%.*s_%.*s((struct %.*s *)fsm", is_work ? "return (int)" : "", M(model),
        W(f->name), M(model));
    if (call.argument != NONE) {
        put(out, ", ");
        put_upper(out, model->spec->machine);
        put(out, "_");
        put_upper(out, f->name);
        put(out, "_");
        put_upper(out, f->arguments[call.argument]);
    }
    put(out, ");\n}\nstatic const struct fsm_call ");
    put_call_id(out, model, call);
    put(out, " = {.name = \"");
    put_call(out, model, call);
    put(out, "\", .%s = do_%.*s", is_work ? "work" : "act", W(f->name));
    if (call.argument != NONE)
        put(out, "__%.*s", W(f->arguments[call.argument]));
    if (is_work)
        put(out, ", .work_id = %d", f->work + 1);
    put(out, "};\n\n");
}

static void emit_guards(struct out *out, const struct model *model)
{
    for (unsigned int i = 0; i < model->n_functions; i++) {
        struct word name = model->functions[i].name;

        if (model->functions[i].kind != FUNCTION_GUARD)
            continue;
        put(out, "static bool ask_%.*s(const struct fsm *fsm)\n{\n", W(name));
        put(out, "    return %.*s_%.*s((const struct %.*s *)fsm);\n}\n", M(model), W(name), M(model));
        put(out, "static const struct fsm_guard guard_%.*s = {.name = \"%.*s\", .holds = ask_%.*s};\n\n", W(name),
            W(name), W(name));
    }
    for (unsigned int i = 0; i < model->n_functions; i++) {
        struct word name = model->functions[i].name;

        if (model->functions[i].kind != FUNCTION_UNTIL)
            continue;
        put(out, "static nsec_t until_%.*s(const struct fsm *fsm, nsec_t now)\n{\n", W(name));
        put(out, "    return %.*s_%.*s((const struct %.*s *)fsm, now);\n}\n\n", M(model), W(name), M(model));
    }
}

static void emit_names(struct out *out, const struct model *model)
{
    put(out, "static const char *const event_names[] = {\n    [0] = \"none\",\n");
    for (unsigned int e = 0; e < model->n_events; e++) {
        put(out, "    [");
        put_event(out, model, (int)e);
        put(out, "] = \"%.*s\",\n", W(model->events[e].name));
    }
    put(out, "};\n\nstatic const struct fsm_state_info states[] = {\n    [0] = {.name = \"unborn\"},\n");
    for (unsigned int s = 0; s < model->n_states; s++) {
        put(out, "    [");
        put_state(out, model, (int)s);
        put(out, "] = {.name = \"%.*s\"", W(model->states[s].name));
        if (model->states[s].timers) {
            const char *between = ", .timers = ";

            for (unsigned int t = 0; t < model->spec->n_timers; t++)
                if (model->states[s].timers & (1U << t)) {
                    put(out, "%sTIMER(", between);
                    put_event(out, model, (int)(model->first_timer + t));
                    put(out, ")");
                    between = " | ";
                }
        }
        put(out, "%s},\n", model->states[s].is_final ? ", .is_final = true" : "");
    }
    put(out, "};\n\n");
}

static void emit_timers(struct out *out, const struct model *model)
{
    const struct spec *spec = model->spec;

    if (!spec->n_timers)
        return;
    put(out, "static const struct fsm_timer_info timers[] = {\n");
    for (unsigned int t = 0; t < spec->n_timers; t++) {
        put(out, "    [");
        put_event(out, model, (int)(model->first_timer + t));
        put(out, " - FIRST_TIMER] = ");
        if (spec->timers[t].until.size)
            put(out, "{.until = until_%.*s},\n", W(spec->timers[t].until));
        else
            put(out, "{.lasts_nsec = %llu * NSEC_PER_MSEC},\n", (unsigned long long)spec->timers[t].ms);
    }
    put(out, "};\n\n");
}

static void emit_works(struct out *out, const struct model *model)
{
    if (!model->n_works)
        return;
    put(out, "static const struct fsm_work_info works[] = {\n    [0] = {.name = \"none\"},\n");
    for (unsigned int w = 0; w < model->n_works; w++) {
        put(out, "    [%u] = {.name = \"%.*s\", .outcomes = (const uint8_t[]){", w + 1, W(model->spec->works[w].name));
        for (unsigned int e = 0; e < model->n_events; e++)
            if (model->yields[w][e]) {
                put_event(out, model, (int)e);
                put(out, ", ");
            }
        put(out, "0}},\n");
    }
    put(out, "};\n\n");
}

static void emit_calls_of(struct out *out, const struct model *model, struct call_list list)
{
    if (list.n == 0)
        return;
    put(out, ", .calls = CALLS(");
    for (unsigned int i = 0; i < list.n; i++) {
        put(out, "%s&", i ? ", " : "");
        put_call_id(out, model, model->calls[list.first + i]);
    }
    put(out, ")");
}

static void emit_branch(struct out *out, const struct model *model, const struct branch *b)
{
    put(out, "{");
    if (b->guard != NONE)
        put(out, ".guard = &guard_%.*s, ", W(model->functions[b->guard].name));
    if (b->verdict == VERDICT_NEVER) {
        put(out, ".verdict = FSM_NEVER");
    } else if (b->verdict == VERDICT_IGNORE) {
        put(out, ".verdict = FSM_IGNORE, .reason = ");
        put_string(out, b->reason);
    } else {
        put(out, ".verdict = FSM_GO, .next = ");
        put_state(out, model, b->next);
        if (b->same)
            put(out, ", .stays = true");
        emit_calls_of(out, model, b->calls);
    }
    put(out, "}");
}

static void emit_cells_of(struct out *out, const struct model *model, unsigned int s)
{
    put(out, "    [");
    put_state(out, model, (int)s);
    put(out, "] = {\n");
    for (unsigned int e = 0; e < model->n_events; e++) {
        const struct branch *b = first_branch(model, s, e);
        unsigned int n = 0;

        if (!b)
            continue;
        for (const struct branch *o = b; o; o = next_branch(model, o))
            n++;
        put(out, "        [");
        put_event(out, model, (int)e);
        put(out, "] = {%u, ROWS(", n);
        for (const char *between = n > 1 ? "\n            " : ""; b;
             b = next_branch(model, b), between = ",\n            ") {
            put(out, "%s", between);
            emit_branch(out, model, b);
        }
        put(out, ")},\n");
    }
    put(out, "    },\n");
}

static void emit_machine(struct out *out, const struct model *model)
{
    put(out, "static void tell_ended(struct fsm *fsm)\n{\n    %.*s_ended((struct %.*s *)fsm);\n}\n\n", M(model),
        M(model));
    put(out, "const struct fsm_machine %.*s_machine = {\n    .name = \"%.*s\",\n    .n_states = ", M(model), M(model));
    put_upper(out, model->spec->machine);
    put(out, "_STATE_MAX,\n    .n_events = ");
    put_upper(out, model->spec->machine);
    put(out, "_EVENT_MAX,\n    .n_raised = %u,\n    .states = states,\n    .events = event_names,\n",
        model->first_timer + 1);
    if (model->spec->n_timers)
        put(out, "    .n_timers = %u,\n    .first_timer = FIRST_TIMER,\n    .timers = timers,\n",
            model->spec->n_timers);
    if (model->n_works)
        put(out, "    .n_works = %u,\n    .works = works,\n", model->n_works + 1);
    put(out, "    .cells = &cells[0][0],\n    .birth = {.verdict = FSM_GO, .next = ");
    put_state(out, model, model->initial);
    emit_calls_of(out, model, model->birth);
    put(out, "},\n    .ended = tell_ended,\n};\n\n");
}

static void emit_api(struct out *out, const struct model *model)
{
    put(out, "int %.*s_start(struct %.*s *machine, struct fsm_world *world)\n{\n", M(model), M(model));
    put(out, "    return fsm_start((struct fsm *)machine, world, &%.*s_machine);\n}\n\n", M(model));
    put(out, "void %.*s_raise(struct %.*s *machine, enum %.*s_event event)\n{\n", M(model), M(model), M(model));
    put(out, "    fsm_raise((struct fsm *)machine, (int)event);\n}\n\n");
    put(out, "bool %.*s_is_alive(const struct %.*s *machine)\n{\n", M(model), M(model));
    put(out, "    return fsm_is_alive((const struct fsm *)machine);\n}\n\n");
    put(out, "enum %.*s_state %.*s_state(const struct %.*s *machine)\n{\n", M(model), M(model), M(model));
    put(out, "    return (enum %.*s_state)((const struct fsm *)machine)->state;\n}\n\n", M(model));
    put(out, "const char *%.*s_state_name(enum %.*s_state state)\n{\n", M(model), M(model));
    put(out,
        "    return (unsigned int)state < sizeof(states) / sizeof(states[0]) ? states[state].name : \"?\";\n}\n\n");
    put(out, "const char *%.*s_event_name(enum %.*s_event event)\n{\n", M(model), M(model));
    put(out, "    return (unsigned int)event < sizeof(event_names) / sizeof(event_names[0]) ? event_names[event] : "
             "\"?\";\n}\n");
    for (unsigned int i = 0; i < model->n_functions; i++) {
        const struct model_function *f = &model->functions[i];

        if (!f->n_arguments)
            continue;
        put(out, "\nconst char *%.*s_%.*s_name(enum %.*s_%.*s_arg argument)\n{\n", M(model), W(f->name), M(model),
            W(f->name));
        put(out, "    static const char *const names[] = {\n");
        for (unsigned int k = 0; k < f->n_arguments; k++) {
            put(out, "        [");
            put_upper(out, model->spec->machine);
            put(out, "_");
            put_upper(out, f->name);
            put(out, "_");
            put_upper(out, f->arguments[k]);
            put(out, "] = \"%.*s\",\n", W(f->arguments[k]));
        }
        put(out, "    };\n\n    return (unsigned int)argument < sizeof(names) / sizeof(names[0]) ? names[argument] : "
                 "\"?\";\n}\n");
    }
}

void emit_table(struct out *out, const struct model *model)
{
    put(out, "/* SPDX-License-Identifier: MIT */\n");
    put_banner(out, model, "/* ", " */");
    put(out, "#include \"%.*s_fsm.h\"\n\n#include \"fsm/machine.h\"\n\n", M(model));
    if (model->spec->n_timers) {
        put(out, "enum { FIRST_TIMER = ");
        put_event(out, model, (int)model->first_timer);
        put(out, " };\n#define TIMER(event) (1U << ((event) - FIRST_TIMER))\n");
    }
    put(out, "#define CALLS(...) (const struct fsm_call *const[]){__VA_ARGS__, NULL}\n");
    put(out, "#define ROWS(...) (const struct fsm_branch[]){__VA_ARGS__}\n\n");
    each_call(out, model, emit_call);
    emit_guards(out, model);
    emit_names(out, model);
    emit_timers(out, model);
    emit_works(out, model);
    put(out, "static const struct fsm_cell cells[");
    put_upper(out, model->spec->machine);
    put(out, "_STATE_MAX][");
    put_upper(out, model->spec->machine);
    put(out, "_EVENT_MAX] = {\n");
    for (unsigned int s = 0; s < model->n_living; s++)
        emit_cells_of(out, model, s);
    put(out, "};\n\n");
    emit_machine(out, model);
    emit_api(out, model);
}
