/* SPDX-License-Identifier: MIT */
#pragma once

/* A specification as it was written: declarations and rows in the order of the file, names still words. */

#include "fsmgen/diag.h"
#include "fsmgen/lexer.h"

enum {
    SPEC_SIZE_MAX = 256 * 1024,
    SPEC_NAME_MAX = 40,
    SPEC_TEXT_MAX = 160,
    SPEC_STATES_MAX = 64,  /* final ones included */
    SPEC_EVENTS_MAX = 200, /* events, timers and outcomes together */
    SPEC_TIMERS_MAX = 8,
    SPEC_WORKS_MAX = 64,
    SPEC_DOS_MAX = 64,
    SPEC_GROUPS_MAX = 64,
    SPEC_ROWS_MAX = 2000,
    SPEC_WORDS_MAX = 16000,
    SPEC_ACTIONS_MAX = 8000,
    SPEC_DURATION_MAX_MS = 24 * 60 * 60 * 1000,
};

/* Items [first, first + n) of spec.words, spec.actions or spec.rows. */
struct range {
    unsigned int first;
    unsigned int n;
};

struct action_use {
    struct word name;
    struct word argument; /* size 0: none */
};

enum condition_kind { CONDITION_ALWAYS, CONDITION_IF, CONDITION_ELSE };

struct condition {
    enum condition_kind kind;
    struct word word; /* the guard, or `else` */
};

enum verdict_kind { VERDICT_GO, VERDICT_IGNORE, VERDICT_NEVER };

struct verdict {
    enum verdict_kind kind;
    bool same;
    struct word word;     /* the next state, or the word that stands there instead */
    struct word reason;   /* of ignore */
    struct range actions; /* of go */
};

struct spec_row {
    struct range events;
    struct condition condition;
    struct verdict verdict;
};

struct spec_timer {
    struct word name, until, text; /* until: size 0 for a fixed one */
    uint64_t ms;
};

struct spec_event {
    struct word name, party, text;
};

struct spec_work {
    struct word name, text;
    struct range yields;
};

struct spec_do {
    struct word name;
    struct range actions;
};

struct spec_group {
    struct word name;
    struct range rows;
};

struct spec_state {
    struct word name;
    struct range with;
    struct range uses;
    struct range rows;
};

struct spec {
    struct diags *diags;
    bool has_failed;     /* the parser gave up */
    uint32_t error_line; /* last line with an error of its words or their order: one a line is enough */

    struct word machine, text, initial;
    struct range birth; /* actions */
    struct range finals, peers, ours;
    unsigned int n_timers, n_events, n_works, n_dos, n_groups, n_states, n_rows, n_words, n_actions;
    struct spec_timer timers[SPEC_TIMERS_MAX];
    struct spec_event events[SPEC_EVENTS_MAX];
    struct spec_work works[SPEC_WORKS_MAX];
    struct spec_do dos[SPEC_DOS_MAX];
    struct spec_group groups[SPEC_GROUPS_MAX];
    struct spec_state states[SPEC_STATES_MAX];
    struct spec_row rows[SPEC_ROWS_MAX];
    struct word words[SPEC_WORDS_MAX];
    struct action_use actions[SPEC_ACTIONS_MAX];
    struct range *open_rows; /* of the state or group that is being read */
};

/* Reads @data into the zeroed @spec. Refusals go to spec->diags; true when there was none. */
bool spec_parse(struct spec *spec, const char *data, size_t size);

static inline bool word_equal(struct word a, struct word b)
{
    if (a.size != b.size)
        return false;
    for (uint32_t i = 0; i < a.size; i++)
        if (a.text[i] != b.text[i])
            return false;
    return true;
}

/* What the parser calls, a line or a part of one each. */
void spec_machine(struct spec *spec, struct word name, struct word text);
void spec_initial(struct spec *spec, struct word name, struct range actions);
void spec_finals(struct spec *spec, struct range names);
void spec_peers(struct spec *spec, struct range names);
void spec_ours(struct spec *spec, struct range names);
void spec_timer(struct spec *spec, struct word name, struct word value, struct word unit, struct word text);
void spec_timer_until(struct spec *spec, struct word name, struct word until, struct word text);
void spec_event(struct spec *spec, struct word name, struct word party, struct word text);
void spec_work(struct spec *spec, struct word name, struct range yields, struct word text);
void spec_do(struct spec *spec, struct word name, struct range actions);
void spec_group(struct spec *spec, struct word name);
void spec_state(struct spec *spec, struct word name, struct range with);
void spec_use(struct spec *spec, struct range names);
void spec_row(struct spec *spec, struct range events, struct condition condition, struct verdict verdict);
struct condition spec_always(void);
struct condition spec_if(struct word guard);
struct condition spec_else(struct word word);
struct verdict spec_go(struct word state, struct range actions);
struct verdict spec_same(struct word word, struct range actions);
struct verdict spec_ignore(struct word word, struct word reason);
struct verdict spec_never(struct word word);
struct range spec_no_words(struct spec *spec);
struct range spec_word(struct spec *spec, struct range range, struct word word);
struct range spec_no_actions(struct spec *spec);
struct range spec_action(struct spec *spec, struct range range, struct word name);
struct range spec_action_with(struct spec *spec, struct range range, struct word name, struct word argument);
