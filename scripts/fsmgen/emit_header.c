/* SPDX-License-Identifier: MIT */
/* Writes <m>_fsm.h: enums, and the prototypes of what the table calls, so that a missing function does not link. */
#include "fsmgen/emit.h"

static void put_comment_line(struct out *out, const char *before, struct word text)
{
    put(out, "%s/* ", before);
    put_comment(out, text);
    put(out, " */\n");
}

static void emit_states(struct out *out, const struct model *model)
{
    put(out, "enum %.*s_state { /* 0: not born */\n", M(model));
    for (unsigned int s = 0; s < model->n_states; s++) {
        put(out, "    ");
        put_state(out, model, (int)s);
        put(out, "%s,%s\n", s == 0 ? " = 1" : "", model->states[s].is_final ? " /* final */" : "");
    }
    put(out, "    ");
    put_upper(out, model->spec->machine);
    put(out, "_STATE_MAX\n};\n\n");
}

static void emit_events(struct out *out, const struct model *model)
{
    put(out, "enum %.*s_event { /* 0: none */\n", M(model));
    for (unsigned int e = 0; e < model->n_events; e++) {
        if (e == 0 || model->events[e].kind != model->events[e - 1].kind) {
            static const char *const kinds[] = {"events", "timers", "outcomes of work"};

            put(out, "    /* %s */\n", kinds[model->events[e].kind]);
        }
        put(out, "    ");
        put_event(out, model, (int)e);
        put(out, "%s,", e == 0 ? " = 1" : "");
        if (model->events[e].kind != EVENT_OUTCOME)
            put_comment_line(out, " ", model->events[e].text);
        else
            put(out, "\n");
    }
    put(out, "    ");
    put_upper(out, model->spec->machine);
    put(out, "_EVENT_MAX%s\n};\n\n", model->n_events == 0 ? " = 1" : "");
}

static void emit_arguments(struct out *out, const struct model *model)
{
    for (unsigned int i = 0; i < model->n_functions; i++) {
        const struct model_function *f = &model->functions[i];

        if (f->n_arguments == 0)
            continue;
        put(out, "enum %.*s_%.*s_arg {\n", M(model), W(f->name));
        for (unsigned int k = 0; k <= f->n_arguments; k++) {
            put(out, "    ");
            put_upper(out, model->spec->machine);
            put(out, "_");
            put_upper(out, f->name);
            put(out, "_");
            if (k < f->n_arguments)
                put_upper(out, f->arguments[k]);
            else
                put(out, "MAX");
            put(out, "%s\n", k < f->n_arguments ? "," : "");
        }
        put(out, "};\n\n");
    }
}

static void emit_api(struct out *out, const struct model *model)
{
    put(out, "/* What others may call; see fsm/fsm.h. */\n");
    put(out, "int %.*s_start(struct %.*s *machine, struct fsm_world *world);\n", M(model), M(model));
    put(out, "void %.*s_raise(struct %.*s *machine, enum %.*s_event event);\n", M(model), M(model), M(model));
    put(out, "bool %.*s_is_alive(const struct %.*s *machine);\n", M(model), M(model));
    put(out, "enum %.*s_state %.*s_state(const struct %.*s *machine);\n", M(model), M(model), M(model));
    put(out, "const char *%.*s_state_name(enum %.*s_state state);\n", M(model), M(model));
    put(out, "const char *%.*s_event_name(enum %.*s_event event);\n", M(model), M(model));
    for (unsigned int i = 0; i < model->n_functions; i++) {
        const struct model_function *f = &model->functions[i];

        if (f->n_arguments)
            put(out, "const char *%.*s_%.*s_name(enum %.*s_%.*s_arg argument);\n", M(model), W(f->name), M(model),
                W(f->name));
    }
}

static void emit_prototypes(struct out *out, const struct model *model)
{
    const struct spec *spec = model->spec;

    put(out, "\n/* Written by the machine's owner: work (0: the outcome comes later, by fsm_finish()) … */\n");
    for (unsigned int i = 0; i < spec->n_works; i++) {
        put_comment_line(out, "", spec->works[i].text);
        put(out, "enum %.*s_event %.*s_%.*s(struct %.*s *machine);\n", M(model), M(model), W(spec->works[i].name),
            M(model));
    }
    put(out, "\n/* … actions, which cannot fail … */\n");
    for (unsigned int i = 0; i < model->n_functions; i++) {
        const struct model_function *f = &model->functions[i];

        if (f->kind != FUNCTION_ACTION)
            continue;
        put(out, "void %.*s_%.*s(struct %.*s *machine", M(model), W(f->name), M(model));
        if (f->n_arguments)
            put(out, ", enum %.*s_%.*s_arg argument", M(model), W(f->name));
        put(out, ");\n");
    }
    put(out, "\n/* … guards and `until` functions, which only read … */\n");
    for (unsigned int i = 0; i < model->n_functions; i++)
        if (model->functions[i].kind == FUNCTION_GUARD)
            put(out, "bool %.*s_%.*s(const struct %.*s *machine);\n", M(model), W(model->functions[i].name), M(model));
    for (unsigned int i = 0; i < model->n_functions; i++)
        if (model->functions[i].kind == FUNCTION_UNTIL)
            put(out, "nsec_t %.*s_%.*s(const struct %.*s *machine, nsec_t now);\n", M(model),
                W(model->functions[i].name), M(model));
    put(out, "\n/* … and the end: a final state was entered; the instance may be freed here. */\n");
    put(out, "void %.*s_ended(struct %.*s *machine);\n", M(model), M(model));
}

void emit_header(struct out *out, const struct model *model)
{
    put(out, "/* SPDX-License-Identifier: MIT */\n");
    put_banner(out, model, "/* ", " */");
    put(out, "#pragma once\n\n");
    put_comment_line(out, "", model->spec->text);
    put(out, "\n#include <stdbool.h>\n\n#include \"base/clock.h\"\n#include \"fsm/fsm.h\"\n\n");
    put(out, "struct %.*s; /* defined by the owner; its first member is `struct fsm` */\n", M(model));
    put(out, "extern const struct fsm_machine %.*s_machine;\n\n", M(model));
    emit_states(out, model);
    emit_events(out, model);
    emit_arguments(out, model);
    emit_api(out, model);
    emit_prototypes(out, model);
}
