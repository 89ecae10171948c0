/* SPDX-License-Identifier: MIT */
/*
 * `servicedef fmt`: brings text definitions into the usual form. Only the form of the text has to be right; whether the
 * values make sense is what `check` is for. With --write files are replaced only when something changes.
 */
#include "cli/servicedef.h"

#include <string.h>

#include "base/cleanup.h"
#include "cli/servicedef_source.h"
#include "cli/servicedef_write.h"
#include "service/definition_format.h"

/* The formatted text of @source in @out. False, said on options->err: it has mistakes. */
static bool format_source(const struct source *source, struct buffer *out)
{
    struct slice text = buffer_slice(&source->bytes);
    ServiceDefinition *message;
    struct text_report report;
    struct arena arena;
    int r;

    arena_init(&arena, NULL, 0, definition_text_budget(text.size));
    r = definition_text_read(text, &arena, &report, NULL, &message);
    arena_deinit(&arena);
    if (r == DEFINITION_TEXT_E_WRONG)
        source_print_report(source->options->err, source->shown, text, &report);
    if (r == 0)
        r = definition_format_text(text, out);
    if (r < 0)
        fprintf(source->options->err, "%s: error: %s\n", source->shown, strerror(-r));
    return r == 0;
}

/* What is done with one formatted file; false makes the command fail. */
static bool deliver(const struct source *source, struct slice formatted)
{
    const struct options *options = source->options;
    bool is_same = slice_equal(buffer_slice(&source->bytes), formatted);

    if (options_has(options, OPTION_CHECK)) {
        if (!is_same)
            fprintf(options->out, "%s\n", source->shown);
        return is_same;
    }
    if (!options_has(options, OPTION_WRITE))
        return write_output(options, "-", formatted, 0);
    return is_same || write_output(options, source->path, formatted, source->mode);
}

int servicedef_fmt(const struct options *options)
{
    int status = EXIT_STATUS_OK;

    if (options_has(options, OPTION_WRITE) && options_has(options, OPTION_CHECK))
        return options_usage_error(options, "--write and --check exclude each other");
    for (size_t i = 0; i < options->n_operands; i++) {
        _cleanup_(source_deinit) struct source source;
        _cleanup_(buffer_deinit) struct buffer formatted;

        buffer_init(&formatted, SIZE_MAX);
        if (!source_read(options, options->operands[i], &source) || !format_source(&source, &formatted) ||
            !deliver(&source, buffer_slice(&formatted)))
            status = EXIT_STATUS_FAILED;
    }
    return status;
}
