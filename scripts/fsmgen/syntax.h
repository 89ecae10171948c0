/* SPDX-License-Identifier: MIT */
#pragma once

#include "fsmgen/spec.h"

/* Called by the parser at a word that cannot stand there: says what was found and, by asking @accepts, what could. */
void syntax_error(struct spec *spec, int kind, struct word word, void *parser, int (*accepts)(void *parser, int kind));
