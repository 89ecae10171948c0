/* SPDX-License-Identifier: MIT */
#pragma once

#include "fsmgen/spec.h"

/* Generated: would the parser take a word of this kind now? */
bool fsm_parser_accepts(void *parser, int kind);

/* Called at a word that cannot stand there: says what was found and what could stand there. Once a line. */
void syntax_error(struct spec *spec, int kind, struct word word, void *parser);
