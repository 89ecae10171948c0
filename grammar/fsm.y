/* SPDX-License-Identifier: MIT */
/*
 * The lines of a machine specification, in their order (statemachines/LANGUAGE.md). Each action is one call into
 * scripts/fsmgen/spec.c. A line that does not parse is skipped to its end and the next one is read.
 */
%name fsm_parser
%token_prefix FSM_
%token_type { struct word }
%default_type { struct word }
%extra_argument { struct spec *spec }
%include {
#include <stdlib.h>

#include "fsmgen/spec.h"
#include "fsmgen/syntax.h"
}
%syntax_error { syntax_error(spec, yymajor, TOKEN, yypParser); }
%parse_failure { spec->has_failed = true; }
%stack_overflow { spec->has_failed = true; }
%stack_size 64
%fallback NAME MS S MIN.

%type names { struct range }
%type commas { struct range }
%type actions { struct range }
%type some_actions { struct range }
%type with { struct range }
%type condition { struct condition }
%type verdict { struct verdict }
%type duration { struct word }
%type unit { struct word }

spec ::= machine initial finals peers ours declarations groups states.

machine ::= MACHINE NAME(N) TEXT(T) NL.                    { spec_machine(spec, N, T); }
machine ::= error NL.
initial ::= INITIAL NAME(N) actions(A) NL.                 { spec_initial(spec, N, A); }
initial ::= error NL.
finals ::= .
finals ::= FINAL names(L) NL.                              { spec_finals(spec, L); }
peers ::= .
peers ::= PEERS names(L) NL.                               { spec_peers(spec, L); }
ours ::= .
ours ::= OURS names(L) NL.                                 { spec_ours(spec, L); }

declarations ::= .
declarations ::= declarations declaration.
declaration ::= TIMER NAME(N) NUMBER(V) unit(U) TEXT(T) NL. { spec_timer(spec, N, V, U, T); }
declaration ::= TIMER NAME(N) UNTIL NAME(F) TEXT(T) NL.    { spec_timer_until(spec, N, F, T); }
declaration ::= EVENT NAME(N) NAME(P) TEXT(T) NL.          { spec_event(spec, N, P, T); }
declaration ::= WORK NAME(N) YIELDS names(L) TEXT(T) NL.   { spec_work(spec, N, L, T); }
declaration ::= DO NAME(N) EQUALS some_actions(A) NL.      { spec_do(spec, N, A); }
declaration ::= error NL.
unit(U) ::= MS(T).                                         { U = T; }
unit(U) ::= S(T).                                          { U = T; }
unit(U) ::= MIN(T).                                        { U = T; }

groups ::= .
groups ::= groups group_head rows.
group_head ::= ROWS NAME(N) NL.                            { spec_group(spec, N); }
states ::= state.
states ::= states state.
state ::= state_head uses rows.
state_head ::= STATE NAME(N) with(W) NL.                   { spec_state(spec, N, W); }
with(W) ::= .                                              { W = spec_no_words(spec); }
with(W) ::= WITH names(L).                                 { W = L; }
uses ::= .
uses ::= uses USE names(L) NL.                             { spec_use(spec, L); }

rows ::= .
rows ::= rows row.
row ::= commas(E) condition(C) verdict(V) NL.              { spec_row(spec, E, C, V); }
row ::= error NL.
condition(C) ::= .                                         { C = spec_always(); }
condition(C) ::= IF NAME(G).                               { C = spec_if(G); }
condition(C) ::= ELSE(E).                                  { C = spec_else(E); }
verdict(V) ::= ARROW NAME(N) actions(A).                   { V = spec_go(N, A); }
verdict(V) ::= ARROW SAME(N) actions(A).                   { V = spec_same(N, A); }
verdict(V) ::= IGNORE(K) TEXT(T).                          { V = spec_ignore(K, T); }
verdict(V) ::= NEVER(K).                                   { V = spec_never(K); }

commas(L) ::= NAME(N).                                     { L = spec_word(spec, spec_no_words(spec), N); }
commas(L) ::= commas(K) COMMA NAME(N).                     { L = spec_word(spec, K, N); }
names(L) ::= NAME(N).                                      { L = spec_word(spec, spec_no_words(spec), N); }
names(L) ::= names(K) NAME(N).                             { L = spec_word(spec, K, N); }
actions(A) ::= .                                           { A = spec_no_actions(spec); }
actions(A) ::= some_actions(B).                            { A = B; }
some_actions(A) ::= NAME(N).                               { A = spec_action(spec, spec_no_actions(spec), N); }
some_actions(A) ::= NAME(N) OPEN NAME(X) CLOSE.            { A = spec_action_with(spec, spec_no_actions(spec), N, X); }
some_actions(A) ::= some_actions(B) NAME(N).               { A = spec_action(spec, B, N); }
some_actions(A) ::= some_actions(B) NAME(N) OPEN NAME(X) CLOSE. { A = spec_action_with(spec, B, N, X); }

%code {
/* Walks the reductions on a copy of the state numbers; changes nothing. */
bool fsm_parser_accepts(void *parser_, int token)
{
    yyParser *parser = parser_;
    int n = (int)(parser->yytos - parser->yystack), steps = 0;
    YYACTIONTYPE states[YYSTACKDEPTH + 1], state;

    for (int i = 0; i <= n; i++)
        states[i] = parser->yystack[i].stateno;
    state = states[n];
    while (steps++ < 1000) {
        YYACTIONTYPE action = yy_find_shift_action((YYCODETYPE)token, state);

        if (action <= YY_MAX_SHIFTREDUCE || action == YY_ACCEPT_ACTION)
            return true;
        if (action < YY_MIN_REDUCE)
            return false;
        /* rules have negative lengths in yyRuleInfoNRhs */
        n += yyRuleInfoNRhs[action - YY_MIN_REDUCE];
        if (n < 0)
            return false;
        /* what stands on the stack after a reduction may be the next reduction, never a shift that reduces at once */
        state = yy_find_reduce_action(states[n], yyRuleInfoLhs[action - YY_MIN_REDUCE]);
        if (state == YY_ACCEPT_ACTION || ++n > YYSTACKDEPTH)
            return state == YY_ACCEPT_ACTION;
        states[n] = state;
    }
    return false;
}
}
