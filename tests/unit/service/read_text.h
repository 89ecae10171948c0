/* SPDX-License-Identifier: MIT */
#pragma once

/* A definition from its text, for tests and fuzz targets. */

#include <stdlib.h>

#include "base/arena.h"
#include "service/definition.h"
#include "service/definition_text.h"

/* Parsed without the rules; NULL when wrong. The caller gives it back. Without memory the program ends. */
static inline struct definition *read_text(struct slice text, struct text_report *report)
{
    struct definition *definition = NULL;
    ServiceDefinition *message;
    struct arena arena;

    arena_init(&arena, NULL, 0, definition_text_budget(text.size));
    if (definition_text_read(text, &arena, report, NULL, &message) == 0 &&
        definition_from_message(message, &definition) != 0) {
        abort();
    }
    arena_deinit(&arena);
    return definition;
}
