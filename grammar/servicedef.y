/* SPDX-License-Identifier: MIT */
/*
 * Grammar of the text form of a service definition (spec 02 §10). It says what may follow what; every action is one
 * call into runtime/service/definition_syntax.c, which knows the fields from the message's descriptor. After a syntax
 * error the caller starts the parser anew at the next field.
 */
%name servicedef_parse
%token_prefix SERVICEDEF_
%token_type {struct text_token}
%default_type {int}
%extra_context {struct text_parser *parser}
%stack_size 32
%start_symbol file

%include {
#include <assert.h>
#include "service/definition_syntax.h"
#include "servicedef_parser.h"
#define YYNOERRORRECOVERY 1
}

%syntax_error {
    bool expected[YYNTOKEN];
    for (int i = 0; i < YYNTOKEN; i++)
        expected[i] = yy_find_shift_action((YYCODETYPE)i, yypParser->yytos->stateno) != YY_ERROR_ACTION;
    definition_syntax_unexpected(parser, TOKEN, expected, YYNTOKEN);
}
%stack_overflow { definition_syntax_too_deep(parser); }

file ::= fields.

fields ::= .
fields ::= fields field.
fields ::= fields field COMMA.
fields ::= fields field SEMICOLON.

field ::= name COLON scalar.
field ::= name COLON list scalars RBRACKET.
field ::= name COLON list RBRACKET.
field ::= name COLON block.
field ::= name COLON list blocks RBRACKET.
field ::= name block.
field ::= name list blocks RBRACKET.
field ::= name list RBRACKET(A).      { definition_syntax_bare_list(parser, A); }

name ::= IDENT(A).                    { definition_syntax_field(parser, A); }
list ::= LBRACKET(A).                 { definition_syntax_list(parser, A); }

scalars ::= scalar.
scalars ::= scalars COMMA scalar.
blocks ::= block.
blocks ::= blocks COMMA block.

block ::= brace fields RBRACE(A).     { definition_syntax_block_end(parser, A); }
block ::= angle fields RANGLE(A).     { definition_syntax_block_end(parser, A); }
brace ::= LBRACE(A).                  { definition_syntax_block(parser, A); }
angle ::= LANGLE(A).                  { definition_syntax_block(parser, A); }

scalar ::= strings.                   { definition_syntax_string_end(parser); }
scalar ::= IDENT(A).                  { definition_syntax_word(parser, A); }
scalar ::= INTEGER(A).                { definition_syntax_number(parser, A, false); }
scalar ::= MINUS INTEGER(A).          { definition_syntax_number(parser, A, true); }

strings ::= STRING(A).                { definition_syntax_string(parser, A); }
strings ::= strings STRING(A).        { definition_syntax_string_more(parser, A); }
