/* SPDX-License-Identifier: MIT */
/*
 * The text form against files: texts with the bytes that protoc makes of them, and texts with the place and the symbol
 * of every mistake. Then what must hold for any text: cutting it anywhere does no harm, and formatting keeps its
 * meaning.
 */
#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/blake3sum.h"
#include "base/buffer.h"
#include "service/definition_format.h"
#include "service/definition_text.h"
#include "unit/service/read_text.h"

#define GOLDEN "tests/golden/servicedef/"

static void each_file(const char *dir, void (*run)(const char *stem, struct slice text))
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, NULL, alphasort), n_run = 0;

    check_fatal(n > 0);
    for (int i = 0; i < n; i++) {
        char path[600], *suffix = strstr(entries[i]->d_name, ".txtpb");
        static char text[1 << 17];
        FILE *file;
        size_t size;

        if (suffix) {
            snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
            file = fopen(path, "r");
            check_fatal(file != NULL);
            size = fread(text, 1, sizeof(text), file);
            fclose(file);
            *strrchr(path, '.') = '\0';
            run(path, (struct slice){.data = text, .size = size});
            n_run++;
        }
        free(entries[i]);
    }
    free(entries);
    check(n_run > 5);
}

static char *read_beside(const char *stem, const char *suffix)
{
    static char content[1 << 16];
    char path[600];
    FILE *file;

    snprintf(path, sizeof(path), "%s%s", stem, suffix);
    file = fopen(path, "r");
    if (!file)
        fprintf(stderr, "%s is missing\n", path);
    check_fatal(file != NULL);
    content[fread(content, 1, sizeof(content) - 1, file)] = '\0';
    fclose(file);
    return content;
}

static void pack_hex(const struct definition *definition, char *hex, size_t size)
{
    struct buffer packed;

    buffer_init(&packed, size / 2);
    check_int(definition_pack(definition, &packed), 0);
    hex_encode(packed.data, packed.size, hex);
    buffer_deinit(&packed);
}

/* ------------------------------------------------------------------------------------------------ golden */

static void check_ok(const char *stem, struct slice text)
{
    static char got[1 << 16], canonical[1 << 16];
    static uint8_t bytes[1 << 15];
    char *want = read_beside(stem, ".hex");
    struct text_report report;
    struct definition *definition = read_text(text, &report), *other = NULL;
    size_t n = 0;

    for (; want[2 * n] && want[2 * n] != '\n'; n++) {
        unsigned int byte;

        check_fatal(sscanf(want + 2 * n, "%2x", &byte) == 1);
        bytes[n] = (uint8_t)byte;
    }
    if (!definition)
        fprintf(stderr, "%s:%u:%u: %s\n", stem, report.diagnostics[0].line, report.diagnostics[0].column,
                report.diagnostics[0].message);
    check_fatal(definition != NULL);
    check_int(report.n_diagnostics, 0);
    check_int(definition_unpack((struct slice){.data = (char *)bytes, .size = n}, &other), 0);
    pack_hex(definition, got, sizeof(got));
    pack_hex(other, canonical, sizeof(canonical));
    check_str(got, canonical);
    definition_unref(definition);
    definition_unref(other);
}

static void check_bad(const char *stem, struct slice text)
{
    struct definition *definition = NULL;
    struct text_report report;
    char got[1024] = "", line[64];
    const char *slash = strrchr(stem, '/');

    check_int(definition_parse_text(text, NULL, &report, &definition), DEFINITION_TEXT_E_WRONG);
    for (size_t i = 0; i < report.n_diagnostics; i++) {
        const struct text_diagnostic *diagnostic = &report.diagnostics[i];

        snprintf(line, sizeof(line), "%u:%u %s\n", diagnostic->line, diagnostic->column,
                 text_fault_symbol(diagnostic->fault));
        strncat(got, line, sizeof(got) - strlen(got) - 1);
        check(diagnostic->message[0] != '\0' && !strchr(diagnostic->message, '\n'));
    }
    if (strcmp(got, read_beside(stem, ".expect")) != 0)
        fprintf(stderr, "in %s:\n", slash);
    check_str(got, read_beside(stem, ".expect"));
}

static void test_ok(void)
{
    each_file(GOLDEN "ok", check_ok);
}

static void test_bad(void)
{
    each_file(GOLDEN "bad", check_bad);
}

/* ------------------------------------------------------------------------------------------------ messages */

static void check_first(const char *text, const char *want)
{
    struct definition *definition = NULL;
    struct text_report report;
    char line[512];

    check_int(definition_parse_text(slice_from(text), NULL, &report, &definition), DEFINITION_TEXT_E_WRONG);
    check_str(definition_text_first_error(&report, "f", line, sizeof(line)), want);
}

static void test_messages(void)
{
    check_first("binary_pth: \"/x\"",
                "f:1:1: ServiceDefinition has no field \"binary_pth\"; did you mean \"binary_path\"?");
    check_first("min-version: \"1\"", "f:1:1: ServiceDefinition has no field \"min\"; did you mean \"min_version\"?");
    check_first("whatever: 1", "f:1:1: ServiceDefinition has no field \"whatever\"");
    check_first("labels { ky: \"a\" }", "f:1:10: a label has no field \"ky\"; did you mean \"key\"?");
    check_first("isolation: shared_broker",
                "f:1:12: \"shared_broker\" is no value of isolation, which takes one of PRIVATE_BROKER, SHARED_BROKER, "
                "EXPLICIT_INSTANCE; did you mean SHARED_BROKER?");
    check_first("service_name: a", "f:1:15: service_name takes a string, found the word a (did you mean \"a\"?)");
    check_first("service_name \"a\"", "f:1:14: expected ':', found a string");
    check_first("labels : :", "f:1:10: expected a block { key: \"...\" value: \"...\" }, found ':'");
    check_first("service_name: \"a\" }", "f:1:19: expected a field name, found '}'");
    check_first("labels { key: \"a\" ]", "f:1:19: expected a field name or '}', found ']'");
    check_first("version_allow_list: [\"a\" \"b\" ;", "f:1:30: expected ',' or ']', found ';'");
    check_first("labels", "f:1:7: expected '{', found the end of the file");
    check_first("service_name: \"a\"\nservice_name: \"b\"", "f:2:1: service_name is given twice (first on line 1)");
}

static void test_label_again(void)
{
    struct definition *definition = NULL;
    struct text_report report;

    check_int(definition_parse_text(SLICE("service_name: \"a\" binary_path: \"/a\" labels { key: \"k\" value: \"1\" }\n"
                                          "labels { key: \"j\" } labels { value: \"2\" key: \"k\" }"),
                                    "a", &report, &definition),
              0);
    check_int(report.n_errors, 0);
    check_int(report.n_diagnostics, 1);
    check_int(report.diagnostics[0].fault, TEXT_FAULT_LABEL_AGAIN);
    check(report.diagnostics[0].is_warning);
    check_int(report.diagnostics[0].line, 2);
    check_int(report.diagnostics[0].column, 28);
    check_int(definition->n_labels, 2);
    check_str(definition->labels[1].value, "2");
    definition_unref(definition);
    check_int(definition_parse_text(SLICE("service_name: \"a\" binary_path: \"/a\""), "b", &report, &definition),
              DEFINITION_TEXT_E_WRONG);
    check_int(report.diagnostics[0].fault, TEXT_FAULT_MISMATCH);
    check_int(report.diagnostics[0].column, 15);
}

static void test_limits(void)
{
    struct slice text = {.data = calloc(1, DEFINITION_SIZE_MAX + 1), .size = DEFINITION_SIZE_MAX + 1};
    struct text_report report;
    struct definition *definition;

    memset((char *)(uintptr_t)text.data, '\n', text.size);
    check(read_text(text, &report) == NULL);
    check_int(report.diagnostics[0].fault, TEXT_FAULT_TOO_LARGE);
    text.size--;
    definition = read_text(text, &report);
    check(definition != NULL);
    definition_unref(definition);
    /* the densest lists, and errors without end */
    for (int i = 0; i < 3; i++) {
        static const char *const units[] = {"{},", "\"\",", "a:"};
        static const char *const heads[] = {"labels: [", "version_allow_list: [", "\n"};
        char *at = (char *)(uintptr_t)text.data + sprintf((char *)(uintptr_t)text.data, "%s", heads[i]);

        while ((size_t)(at - text.data) + 8 < text.size)
            at += sprintf(at, "%s", units[i]);
        strcpy(at - 1, "]");
        definition = read_text((struct slice){.data = text.data, .size = strlen(text.data)}, &report);
        check(i == 2 ? definition == NULL : definition != NULL);
        definition_unref(definition);
    }
    for (size_t i = 0; i + 4 <= text.size; i += 4)
        memcpy((char *)(uintptr_t)text.data + i, "\na:1", 4);
    check(read_text(text, &report) == NULL);
    check_int(report.n_diagnostics, TEXT_DIAGNOSTICS_MAX);
    check_int(report.diagnostics[TEXT_DIAGNOSTICS_MAX - 1].fault, TEXT_FAULT_TOO_MANY);
    free((char *)(uintptr_t)text.data);
}

/* ------------------------------------------------------------------------------------------------ properties */

/* Every prefix in a block of its own size, so that reading behind its end is seen. */
static void check_cuts(const char *stem, struct slice text)
{
    for (size_t size = 0; size <= text.size; size++) {
        char *copy = malloc(size ? size : 1);
        struct text_report report;
        struct definition *definition;

        memcpy(copy, text.data, size);
        definition = read_text((struct slice){.data = copy, .size = size}, &report);
        check((definition == NULL) == (report.n_errors > 0));
        for (size_t i = 0; i < report.n_diagnostics; i++)
            check(report.diagnostics[i].offset <= size &&
                  report.diagnostics[i].offset + report.diagnostics[i].size <= size);
        definition_unref(definition);
        free(copy);
    }
}

static void test_cuts(void)
{
    each_file(GOLDEN "ok", check_cuts);
    each_file(GOLDEN "bad", check_cuts);
}

static void check_format(const char *stem, struct slice text)
{
    struct definition *before, *after, *printed;
    struct text_report report;
    struct buffer once, twice, print;

    before = read_text(text, &report);
    check_fatal(before != NULL);
    buffer_init(&once, 1 << 20);
    buffer_init(&twice, 1 << 20);
    buffer_init(&print, 1 << 20);
    check_int(definition_format_text(text, &once), 0);
    after = read_text(buffer_slice(&once), &report);
    if (!after)
        fprintf(stderr, "formatted %s:\n%.*s", stem, SLICE_ARGS(buffer_slice(&once)));
    check_fatal(after != NULL);
    check(definition_equal(before, after));
    check_int(definition_format_text(buffer_slice(&once), &twice), 0);
    if (!slice_equal(buffer_slice(&once), buffer_slice(&twice)))
        fprintf(stderr, "%s once:\n%.*stwice:\n%.*s", stem, SLICE_ARGS(buffer_slice(&once)),
                SLICE_ARGS(buffer_slice(&twice)));
    check(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
    check_int(definition_print(before, &print), 0);
    printed = read_text(buffer_slice(&print), &report);
    check_fatal(printed != NULL);
    check(definition_equal(before, printed));
    definition_unref(before);
    definition_unref(after);
    definition_unref(printed);
    buffer_deinit(&once);
    buffer_deinit(&twice);
    buffer_deinit(&print);
}

static void test_format_keeps_meaning(void)
{
    each_file(GOLDEN "ok", check_format);
}

static void test_format(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"\n\n# only a comment  \n\n\n", "# only a comment\n"},
        {"service_name:'a'", "service_name: \"a\"\n"},
        {"# top\n\n\n\nservice_name :\"a\";# behind\n\n\nisolation:2 # e\n# end",
         "# top\n\nservice_name: \"a\"  # behind\n\nisolation: EXPLICIT_INSTANCE  # e\n# end\n"},
        {"version_allow_list:[\"1\",# one\n# two\n'2'\"3\"]# list\nlabels<value:\"v\",key:\"k\">",
         "version_allow_list: \"1\"  # one\n# two\nversion_allow_list: \"23\"  # list\nlabels { value: \"v\" key: "
         "\"k\" }\n"},
        {"labels { # why\n key:\"k\"\n\n# what\nvalue:\"v\" # v\n# last\n}",
         "labels {  # why\n  key: \"k\"\n\n  # what\n  value: \"v\"  # v\n  # last\n}\n"},
        {"service_name # n\n: # c\n \"a\" # v", "# n\n# c\nservice_name: \"a\"  # v\n"},
        {"labels { }\nlabels [] # none\nisolation: -0\n", "labels { }\n# none\nisolation: PRIVATE_BROKER\n"},
        {"isolation: 00000000000000000000000000000001", "isolation: SHARED_BROKER\n"},
        {"isolation: 0x000000000000000000000000000000002", "isolation: EXPLICIT_INSTANCE\n"},
        {"service_name: \"\\x01\\\"\\'\\\\\\t\\u00e9\\177\"", "service_name: \"\\001\\\"'\\\\\\té\\177\"\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out;

        check_format(cases[i].text, slice_from(cases[i].text));
        buffer_init(&out, 1 << 16);
        check_int(definition_format_text(slice_from(cases[i].text), &out), 0);
        check_int(buffer_append(&out, "", 1), 0);
        check_str((char *)out.data, cases[i].want);
        buffer_deinit(&out);
    }
}

CHECK_PROGRAM("service/text", {"good texts mean what protoc says", test_ok},
              {"bad texts are refused at the right place", test_bad}, {"messages", test_messages},
              {"a label given twice is a warning", test_label_again}, {"limits", test_limits},
              {"texts cut anywhere", test_cuts}, {"canonical text", test_format},
              {"formatting keeps the meaning and is stable", test_format_keeps_meaning})
