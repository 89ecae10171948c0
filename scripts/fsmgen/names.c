/* SPDX-License-Identifier: MIT */
/*
 * Refuses names that would meet in the generated files: `state x_y` and `x(y)` of an action `state_x` would be one
 * constant in C. Every generated name is a machine's prefix and what is compared here.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsmgen/model.h"

enum {
    NAME_SIZE = 2 * SPEC_NAME_MAX + 16,
    OWN_MAX = 32 + MODEL_FUNCTIONS_MAX, /* the generator's, and a _max for each function */
    /* of each function up to three, of each argument up to two: no list below is longer */
    NAMES_MAX = OWN_MAX + SPEC_STATES_MAX + SPEC_EVENTS_MAX + 3 * MODEL_FUNCTIONS_MAX + 2 * MODEL_ARGUMENTS_MAX,
};

struct name {
    char text[NAME_SIZE];
    struct word at; /* size 0: the generator's own */
};

struct names {
    struct diags *diags;
    struct name *items;
    unsigned int n;
};

static void add_name(struct names *names, struct word at, const char *text)
{
    snprintf(names->items[names->n].text, NAME_SIZE, "%s", text);
    names->items[names->n++].at = at;
}

__attribute__((format(printf, 3, 4))) static void add(struct names *names, struct word at, const char *format, ...)
{
    char text[NAME_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add_name(names, at, text);
}

static int compare(const void *a_, const void *b_)
{
    const struct name *a = a_, *b = b_;
    int r = strcmp(a->text, b->text);

    if (r)
        return r;
    if (a->at.line != b->at.line)
        return a->at.line < b->at.line ? -1 : 1;
    return a->at.column < b->at.column ? -1 : a->at.column > b->at.column;
}

static void refuse_meetings(struct names *names)
{
    qsort(names->items, names->n, sizeof(names->items[0]), compare);
    for (unsigned int i = 1; i < names->n; i++) {
        const struct name *a = &names->items[i - 1], *b = &names->items[i];

        if (strcmp(a->text, b->text) != 0)
            continue;
        if (a->at.size == 0)
            diag_add(names->diags, b->at, "`%.*s` is a name that the generated code uses itself", W(b->at));
        else
            diag_add(names->diags, b->at, "`%.*s` and `%.*s` of line %u make the same name `%s` in the generated code",
                     W(b->at), W(a->at), a->at.line, b->text);
    }
}

/* Constants: STATE_X, EVENT_X, <ACTION>_X and the _MAX of each. */
static void check_constants(struct model *model, struct names *names)
{
    struct word own = {0};

    add(names, own, "state_max");
    add(names, own, "event_max");
    for (unsigned int i = 0; i < model->n_states; i++)
        add(names, model->states[i].name, "state_%.*s", W(model->states[i].name));
    for (unsigned int i = 0; i < model->n_events; i++)
        add(names, model->events[i].name, "event_%.*s", W(model->events[i].name));
    for (unsigned int i = 0; i < model->n_functions; i++) {
        const struct model_function *f = &model->functions[i];

        if (f->n_arguments)
            add(names, own, "%.*s_max", W(f->name));
        for (unsigned int k = 0; k < f->n_arguments; k++)
            add(names, f->arguments[k], "%.*s_%.*s", W(f->name), W(f->arguments[k]));
    }
    refuse_meetings(names);
    names->n = 0;
}

/* Functions and macros of C and of Promela. */
static void check_functions(struct model *model, struct names *names)
{
    static const char *const own[] = {
        "start",   "raise", "is_alive", "state",   "state_name", "event", "event_name", "ended",
        "machine", "n",     "st",       "wk",      "out",        "q",     "e",          "alive",
        "turn",    "yield", "drop",     "outside", "busy",       "quiet", "step",
    };

    for (unsigned int i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        add(names, (struct word){0}, "%s", own[i]);
    for (unsigned int i = 0; i < model->n_functions; i++) {
        const struct model_function *f = &model->functions[i];

        if (f->kind == FUNCTION_DO)
            continue;
        add(names, f->name, "%.*s", W(f->name));
        if (f->n_arguments)
            add(names, f->name, "%.*s_name", W(f->name));
        if (f->kind == FUNCTION_GUARD)
            add(names, f->name, "not_%.*s", W(f->name));
        for (unsigned int k = 0; k < f->n_arguments; k++) {
            add(names, f->arguments[k], "%.*s_%.*s", W(f->name), W(f->arguments[k]));
            add(names, f->arguments[k], "%.*s__%.*s", W(f->name), W(f->arguments[k])); /* as put_call_id() has it */
        }
    }
    refuse_meetings(names);
    names->n = 0;
}

/* No word of C, no prefix of what the generated files and fsm/cells.h call by names of their own. */
static void check_machine_name(struct model *model)
{
    static const char *const taken[] = {
        "auto",     "break", "case",     "char",   "const",  "continue", "default", "double",   "enum",
        "extern",   "float", "for",      "goto",   "inline", "int",      "long",    "register", "restrict",
        "return",   "short", "signed",   "sizeof", "static", "struct",   "switch",  "typedef",  "union",
        "unsigned", "void",  "volatile", "while",  "asm",    "typeof",   "fsm",     "loop",     "bool",
        "true",     "false", "ask",      "call",   "cells",  "guard",    "tell",
    };
    struct word name = model->spec->machine;

    for (unsigned int i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (strlen(taken[i]) == name.size && !memcmp(taken[i], name.text, name.size))
            diag_add(model->diags, name, "a machine cannot be named `%.*s`", W(name));
    if ((name.size > 4 && !memcmp(name.text, "fsm_", 4)) || (name.size > 5 && !memcmp(name.text, "loop_", 5)))
        diag_add(model->diags, name, "a machine cannot be named `%.*s`: the engine's names begin so", W(name));
}

void model_check_names(struct model *model)
{
    struct names names = {.diags = model->diags, .items = calloc(NAMES_MAX, sizeof(struct name))};

    if (!names.items) {
        diag_add(model->diags, model->spec->machine, "out of memory");
        return;
    }
    check_machine_name(model);
    check_constants(model, &names);
    check_functions(model, &names);
    free(names.items);
}
