/* SPDX-License-Identifier: MIT */
#pragma once

/* A machine whose names are resolved to numbers, in the order that the generated files use. */

#include "fsmgen/spec.h"

enum {
    MODEL_FUNCTIONS_MAX = 256,
    MODEL_ARGUMENTS_MAX = 256, /* of all actions together */
    MODEL_CALLS_MAX = 16000,
    MODEL_ROW_CALLS_MAX = 32,
    MODEL_BRANCHES_MAX = 8000,
    NONE = -1,
};

enum event_kind { EVENT_PARTY, EVENT_TIMER, EVENT_OUTCOME };

struct model_event {
    struct word name;
    enum event_kind kind;
    bool is_peers; /* of a party outside */
    int timer;     /* index, for timers */
    struct word text;
};

struct model_state {
    struct word name;
    bool is_final;
    unsigned int timers;           /* bits */
    const struct spec_state *spec; /* NULL for final states */
};

enum function_kind { FUNCTION_ACTION, FUNCTION_GUARD, FUNCTION_WORK, FUNCTION_UNTIL, FUNCTION_DO };

struct model_function {
    struct word name; /* where it stands first */
    enum function_kind kind;
    bool takes_argument;
    int work; /* index, for work */
    unsigned int n_arguments;
    struct word arguments[MODEL_ARGUMENTS_MAX]; /* by first use */
};

struct call {
    int function;
    int argument; /* NONE */
};

struct call_list {
    unsigned int first;
    unsigned int n;
};

/* One row of one cell. */
struct branch {
    int state, event;
    int place; /* NONE: the state itself, else the group it was copied from */
    int guard; /* function, or NONE */
    bool is_else;
    enum verdict_kind verdict;
    bool same;
    int next; /* state */
    struct call_list calls;
    int work; /* that the last call begins, or NONE */
    struct word reason;
    struct word at;       /* the event's name in the row */
    struct word guard_at; /* the guard's, or `else` */
    struct word verdict_at;
    int next_branch; /* of the same cell, or NONE */
};

struct model {
    const struct spec *spec;
    struct diags *diags;
    unsigned int n_states, n_events, n_works, n_functions, n_branches, n_calls;
    unsigned int n_living;    /* states before the final ones */
    unsigned int first_timer; /* event index of timer 0; the timers follow each other */
    unsigned int first_outcome;
    struct model_state states[SPEC_STATES_MAX];
    struct model_event events[SPEC_EVENTS_MAX];
    unsigned char yields[SPEC_WORKS_MAX][SPEC_EVENTS_MAX];
    struct model_function functions[MODEL_FUNCTIONS_MAX];
    struct call calls[MODEL_CALLS_MAX];
    struct branch branches[MODEL_BRANCHES_MAX];
    int cells[SPEC_STATES_MAX][SPEC_EVENTS_MAX]; /* first branch, or NONE */
    int initial;
    struct call_list birth;
    int birth_work;
    bool uses_group[SPEC_GROUPS_MAX];
};

/* Resolves all names; true when that raised no refusal. */
bool model_resolve(struct model *model, const struct spec *spec, struct diags *diags);

/* Resolves the rows of all states into branches (called by model_resolve). */
void model_resolve_rows(struct model *model);

/* Expands an action list; @ret_work is the work that its last action begins, or NONE. */
struct call_list model_resolve_actions(struct model *model, struct range actions, int *ret_work);

/* The function called @name, entered with @kind when it is new; refuses one name for two kinds. NONE when refused. */
int model_function(struct model *model, struct word name, enum function_kind kind);

/* Which cells are decided, and how. */
void model_check_cells(struct model *model);

/* Which states, outcomes and timers can be reached. */
void model_check_flow(struct model *model);

/* Sets can[s][w] in the zeroed @can where work w can be unfinished in state s. */
void model_find_work(const struct model *model, bool can[SPEC_STATES_MAX][SPEC_WORKS_MAX]);

/* Names that would collide in the generated C or Promela. */
void model_check_names(struct model *model);

int model_find_state(const struct model *model, struct word name);
int model_find_event(const struct model *model, struct word name);
