/* SPDX-License-Identifier: MIT */
/*
 * A service definition as text and as binary. Whatever the bytes are: no crash and no leak; what is accepted packs,
 * unpacks, prints and formats to the same definition; formatting twice changes nothing.
 */
#include "base/buffer.h"
#include "fuzz/fuzz.h"
#include "service/definition.h"
#include "service/definition_format.h"
#include "service/definition_text.h"

static struct definition *read_text(struct slice text)
{
    struct definition *definition = NULL;
    struct text_positions positions;
    ServiceDefinition *message;
    struct text_report report;
    struct arena arena;
    int r;

    arena_init(&arena, NULL, 0, definition_text_budget(text.size));
    r = definition_text_read(text, &arena, &report, &positions, &message);
    MUST(r == 0 || r == DEFINITION_TEXT_E_WRONG);
    MUST((r == 0) == (report.n_errors == 0));
    if (r == 0)
        MUST(definition_from_message(message, &definition) == 0);
    arena_deinit(&arena);
    return definition;
}

static void check_binary(const struct definition *definition)
{
    struct definition *again = NULL;
    struct buffer packed;

    buffer_init(&packed, SIZE_MAX);
    MUST(definition_pack(definition, &packed) == 0);
    if (packed.size <= DEFINITION_SIZE_MAX) {
        MUST(definition_unpack(buffer_slice(&packed), &again) == 0);
        MUST(definition_equal(definition, again));
        definition_unref(again);
    }
    buffer_deinit(&packed);
}

static void check_printed(const struct definition *definition)
{
    struct buffer printed;

    buffer_init(&printed, SIZE_MAX);
    MUST(definition_print(definition, &printed) == 0);
    if (printed.size <= DEFINITION_SIZE_MAX && definition_isolation_name(definition->isolation)) {
        struct definition *again = read_text(buffer_slice(&printed));

        MUST(again && definition_equal(definition, again));
        definition_unref(again);
    }
    buffer_deinit(&printed);
}

static void check_formatted(struct slice text, const struct definition *definition)
{
    struct buffer once, twice;

    buffer_init(&once, SIZE_MAX);
    buffer_init(&twice, SIZE_MAX);
    MUST(definition_format_text(text, &once) == 0);
    if (once.size <= DEFINITION_SIZE_MAX) {
        struct definition *again = read_text(buffer_slice(&once));

        MUST(again && definition_equal(definition, again));
        MUST(definition_format_text(buffer_slice(&once), &twice) == 0);
        MUST(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
        definition_unref(again);
    }
    buffer_deinit(&once);
    buffer_deinit(&twice);
}

static void check_rules(const struct definition *definition)
{
    struct definition_problem problem;
    size_t cursor = 0, n = 0;

    while (!definition_check_next(definition, "tool", &cursor, &problem))
        MUST(++n <= 8 + definition->n_version_allow_list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {.data = (const char *)data, .size = size};
    struct definition *definition, *whole = NULL;
    struct text_report report;

    definition = read_text(bytes);
    if (definition) {
        check_binary(definition);
        check_printed(definition);
        check_formatted(bytes, definition);
        check_rules(definition);
        definition_unref(definition);
    }
    if (definition_parse_text(bytes, "tool", &report, &whole) == 0)
        definition_unref(whole);
    if (definition_unpack(bytes, &definition) == 0) {
        check_binary(definition);
        check_printed(definition);
        check_rules(definition);
        definition_unref(definition);
    }
    return 0;
}
