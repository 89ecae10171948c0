/* SPDX-License-Identifier: MIT */
/*
 * The words of a machine specification (statemachines/LANGUAGE.md). The scanner is handed a whole file and gives one
 * word a call; a word is a slice of the file with its line and column. Malformed words are words too, so that the
 * reader can name them and go on: the longest match wins, and among equals the one listed first.
 */
#include "fsmgen/lexer.h"
#include "fsm_parser.h"

%%{
    machine fsm_lexer;
    alphtype unsigned char;
    include utf8 "text.rl";

    name      = [a-z] [a-z0-9_]*;
    number    = [0-9]+;
    text_char = (0x20..0x7e - '"' - '\\') | ( character - 0x00..0x7f );
    text      = '"' text_char* '"';

    main := |*
        'machine' => { kind = FSM_MACHINE; fbreak; };
        'initial' => { kind = FSM_INITIAL; fbreak; };
        'final'   => { kind = FSM_FINAL;   fbreak; };
        'peers'   => { kind = FSM_PEERS;   fbreak; };
        'ours'    => { kind = FSM_OURS;    fbreak; };
        'timer'   => { kind = FSM_TIMER;   fbreak; };
        'until'   => { kind = FSM_UNTIL;   fbreak; };
        'event'   => { kind = FSM_EVENT;   fbreak; };
        'work'    => { kind = FSM_WORK;    fbreak; };
        'yields'  => { kind = FSM_YIELDS;  fbreak; };
        'do'      => { kind = FSM_DO;      fbreak; };
        'rows'    => { kind = FSM_ROWS;    fbreak; };
        'state'   => { kind = FSM_STATE;   fbreak; };
        'with'    => { kind = FSM_WITH;    fbreak; };
        'use'     => { kind = FSM_USE;     fbreak; };
        'if'      => { kind = FSM_IF;      fbreak; };
        'else'    => { kind = FSM_ELSE;    fbreak; };
        'same'    => { kind = FSM_SAME;    fbreak; };
        'ignore'  => { kind = FSM_IGNORE;  fbreak; };
        'never'   => { kind = FSM_NEVER;   fbreak; };
        'ms'      => { kind = FSM_MS;      fbreak; };
        's'       => { kind = FSM_S;       fbreak; };
        'min'     => { kind = FSM_MIN;     fbreak; };
        name      => { kind = FSM_NAME;    fbreak; };
        number    => { kind = FSM_NUMBER;  fbreak; };
        text      => { kind = FSM_TEXT;    fbreak; };
        '->'      => { kind = FSM_ARROW;   fbreak; };
        '='       => { kind = FSM_EQUALS;  fbreak; };
        ','       => { kind = FSM_COMMA;   fbreak; };
        '('       => { kind = FSM_OPEN;    fbreak; };
        ')'       => { kind = FSM_CLOSE;   fbreak; };
        '\n'      => { kind = FSM_NL;      fbreak; };
        [ \t]+;
        '#' [^\n]*;
        # malformed
        '"' [^"\n]* '"'            => { kind = LEXER_BAD_TEXT;   fbreak; };
        '"' [^"\n]*                => { kind = LEXER_OPEN_TEXT;  fbreak; };
        [A-Za-z_] [A-Za-z0-9_]*    => { kind = LEXER_BAD_NAME;   fbreak; };
        any                        => { kind = LEXER_BAD_BYTE;   fbreak; };
    *|;

    write data nofinal noerror noentry;
}%%

int lexer_scan(struct lexer *lexer)
{
    const unsigned char *p = lexer->next, *pe = lexer->end, *eof = lexer->end, *ts, *te;
    int cs, act, kind = 0;

    %% write init;
    %% write exec;
    (void)act;
    (void)cs;
    lexer->start = kind ? ts : p;
    lexer->next = kind ? te : p;
    return kind;
}
