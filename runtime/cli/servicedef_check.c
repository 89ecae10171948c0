/* SPDX-License-Identifier: MIT */
/*
 * `servicedef check` and `servicedef compile`: what a definition says, judged without a broker and without looking at
 * anything but the file. Nothing is written before the whole is known to be good.
 */
#include "cli/servicedef.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/servicedef_source.h"
#include "cli/servicedef_write.h"

int servicedef_check(const struct options *options)
{
    int status = EXIT_STATUS_OK;

    for (size_t i = 0; i < options->n_operands; i++) {
        _cleanup_(definition_unrefp) const struct definition *definition = NULL;
        _cleanup_(source_deinit) struct source source;

        if (source_read(options, options->operands[i], &source))
            definition = source_load(&source);
        if (!definition)
            status = EXIT_STATUS_FAILED;
    }
    return status;
}

/* Where `compile` writes when it is not told: beside the source, `-` for what comes from standard input. */
static char *default_output(const char *path)
{
    struct slice stem = source_stem(path);
    char *output = NULL;

    if (strcmp(path, "-") == 0)
        return strdup("-");
    if (asprintf(&output, "%.*s.servicedef", (int)(stem.data + stem.size - path), path) < 0)
        return NULL;
    return output;
}

int servicedef_compile(const struct options *options)
{
    const char *output = options_get(options, OPTION_OUTPUT);
    _cleanup_(definition_unrefp) const struct definition *definition = NULL;
    _cleanup_(source_deinit) struct source source;
    _cleanup_(buffer_deinit) struct buffer binary;
    _cleanup_free_ char *beside = NULL;
    int r;

    buffer_init(&binary, SIZE_MAX);
    if (!source_read(options, options->operands[0], &source))
        return EXIT_STATUS_FAILED;
    source.is_text = true;
    definition = source_load(&source);
    if (!definition)
        return EXIT_STATUS_FAILED;
    beside = default_output(options->operands[0]);
    if (!output && beside && strcmp(beside, "-") != 0 && strcmp(beside, options->operands[0]) == 0) {
        fprintf(options->err, "%s: error: the binary would replace its own source; name another file with --output\n",
                source.shown);
        return EXIT_STATUS_FAILED;
    }
    r = beside ? definition_pack(definition, &binary) : -ENOMEM;
    if (r < 0) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyzer does not know that _cleanup_free_ frees beside */
        fprintf(options->err, "%s: error: %s\n", source.shown, strerror(-r));
        return EXIT_STATUS_FAILED;
    }
    return write_output(options, output ? output : beside, buffer_slice(&binary), 0600) ? EXIT_STATUS_OK
                                                                                        : EXIT_STATUS_FAILED;
}
