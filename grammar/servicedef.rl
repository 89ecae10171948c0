/* SPDX-License-Identifier: MIT */
/*
 * Scanner for the text form of a service definition (spec 02 §10). It cuts the text into tokens that are slices of it
 * and never fails: what is no token comes out as a token of a BAD kind, and scanning goes on behind it. What strings
 * and numbers mean is decided later.
 */
#include "service/definition_syntax.h"
#include "servicedef_parser.h"

%%{
    machine servicedef_lexer;
    alphtype unsigned char;
    access lexer->;
    variable p lexer->p;
    variable pe lexer->end;
    variable eof lexer->end;

    action ident       { kind = SERVICEDEF_IDENT; fbreak; }
    action integer     { kind = SERVICEDEF_INTEGER; fbreak; }
    action string      { kind = SERVICEDEF_STRING; fbreak; }
    action punctuation { kind = definition_syntax_punctuation(*lexer->ts); fbreak; }
    action comment     { kind = TOKEN_COMMENT; fbreak; }
    action bad_number  { kind = TOKEN_BAD_NUMBER; fbreak; }
    action bad_string  { kind = TOKEN_BAD_STRING; fbreak; }
    action bad_bytes   { kind = TOKEN_BAD_BYTES; fbreak; }

    newline   = '\n';
    blank     = [ \t\v\f\r];
    comment   = '#' (any - newline)*;
    ident     = [A-Za-z_] [A-Za-z0-9_]*;

    decimal   = '0' | [1-9] [0-9]*;
    octal     = '0' [0-7]+;
    hex       = '0' [xX] xdigit+;
    integer   = decimal | octal | hex;
    numberish = '.'? digit [0-9A-Za-z_.]*;

    escaped   = '\\' (any - newline);
    double    = '"' (escaped | (any - ["\\\n]))*;
    single    = "'" (escaped | (any - ['\\\n]))*;
    string    = double '"' | single "'";
    open      = (double | single) '\\'?;

    main := |*
        blank+;
        newline          => { lexer->line_started = true; };
        comment          => comment;
        ident            => ident;
        integer          => integer;
        numberish        => bad_number;
        string           => string;
        open             => bad_string;
        [:,;\-{}<>\[\]]  => punctuation;
        0x80..0xff+      => bad_bytes;
        any              => bad_bytes;
    *|;

    write data noerror nofinal noentry;
}%%

void definition_lexer_init(struct text_lexer *lexer, struct slice text)
{
    const unsigned char *start = (const unsigned char *)(text.data ? text.data : "");

    *lexer = (struct text_lexer){
        .start = start,
        .p = start,
        .end = start + text.size,
        .line_started = true,
    };
    %% write init;
}

struct text_token definition_lexer_next(struct text_lexer *lexer)
{
    int kind = TOKEN_END;

    if (lexer->p < lexer->end || lexer->ts) {
        %% write exec;
    }
    return definition_lexer_token(lexer, kind);
}
