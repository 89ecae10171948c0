/* SPDX-License-Identifier: MIT */

/*
 * The text form of a service definition against protoc, which is asked about every input: the same verdict, and where
 * both accept, the same meaning (tests/unit/service/protoc.c says in what we are knowingly stricter).
 */

#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "unit/service/protoc.h"

enum { INPUT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool was_told;
    struct slice text = {.data = (const char *)data, .size = size};
    struct text_report report;
    const char *what;
    bool are_both;

    if (!protoc_is_there()) {
        if (!was_told)
            puts("skipped: protoc is not installed");
        was_told = true;
        return 0;
    }
    /* protoc takes NUL as the end of something; we refuse it everywhere */
    if (size > INPUT_MAX || memchr(data, 0, size))
        return 0;
    what = protoc_difference(text, &report, &are_both);
    if (what) {
        fprintf(stderr, "%s:\n%.*s\n", what, SLICE_ARGS(text));
        for (size_t i = 0; i < report.n_diagnostics; i++)
            fprintf(stderr, "  %u:%u %s: %s\n", report.diagnostics[i].line, report.diagnostics[i].column,
                    text_fault_symbol(report.diagnostics[i].fault), report.diagnostics[i].message);
    }
    MUST(!what);
    return 0;
}
