/* SPDX-License-Identifier: MIT */

/* What messages are made of: quoted texts, guesses, the first error; and the edges of comparing definitions. */

#include "check.h"
#include "service/definition.h"
#include "service/definition_syntax.h"
#include "service/definition_text.h"
#include "service/instance.h"

#define QUOTE(text) text_quote(SLICE(text), quoted, sizeof(quoted))

static void test_quote(void)
{
    char quoted[64];

    check_str(QUOTE(""), "\"\"");
    check_str(QUOTE("plain"), "\"plain\"");
    check_str(QUOTE("a\"b\\c"), "\"a\\\"b\\\\c\"");
    check_str(QUOTE("\x01\x7f"), "\"\\001\\177\"");
    check_str(QUOTE("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    check_str(QUOTE("\x80"), "\"\\200\"");                            /* no first byte */
    check_str(QUOTE("\xc0\xaf"), "\"\\300\\257\"");                   /* overlong */
    check_str(QUOTE("\xc2\x85"), "\"\\302\\205\"");                   /* a C1 control, which terminals obey */
    check_str(QUOTE("\xe2\x82"), "\"\\342\\202\"");                   /* cut off */
    check_str(QUOTE("\xe2\x82z"), "\"\\342\\202z\"");                 /* broken off */
    check_str(QUOTE("\xe0\x82\x9b"), "\"\\340\\202\\233\"");          /* a control in an overlong form */
    check_str(QUOTE("\xed\xa0\x80"), "\"\\355\\240\\200\"");          /* a surrogate */
    check_str(QUOTE("\xf4\x90\x80\x80"), "\"\\364\\220\\200\\200\""); /* behind the last character */
}

static void test_quote_is_cut(void)
{
    char quoted[16];

    check_str(QUOTE("0123456789abcdef"), "\"0123456...\"");
}

static void test_nearest(void)
{
    static const char *const candidates[] = {"a_candidate_that_is_longer_than_any_guess", "binary_path", NULL};

    check_str(text_nearest(SLICE("binary_pth"), candidates), "binary_path");
    check(text_nearest(SLICE("a_candidate_that_is_longer_than_any_gues"), candidates) == NULL);
    check(text_nearest(SLICE(""), candidates) == NULL);
}

static struct definition *parse(const char *text)
{
    struct definition *definition = NULL;
    struct text_report report;

    check_fatal(definition_parse_text(slice_from(text), NULL, &report, &definition) == 0);
    return definition;
}

#define HEAD "service_name: \"tool\"\nbinary_path: \"/bin/true\"\nisolation: SHARED_BROKER\n"

/* Lists of one length that differ in one place. */
static void test_equal(void)
{
    static const char *const texts[] = {
        HEAD "version_allow_list: [\"1.0.0\", \"1.0.1\"]\n", HEAD "version_allow_list: [\"1.0.0\", \"1.0.2\"]\n",
        HEAD "labels { key: \"a\" value: \"b\" }\n",         HEAD "labels { key: \"a\" value: \"c\" }\n",
        HEAD "labels { key: \"b\" value: \"b\" }\n",
    };

    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 5; j++) {
            struct definition *a = parse(texts[i]), *b = parse(texts[j]);

            check_int(definition_equal(a, b), i == j);
            definition_unref(a);
            definition_unref(b);
        }
    }
}

static void test_string_of_no_number(void)
{
    struct definition *definition = parse(HEAD);

    check_str(definition_string(definition, 1), "tool");
    check(definition_string(definition, 3) == NULL);
    definition_unref(definition);
}

/* A warning in front of it is not the first error. */
static void test_first_error(void)
{
    struct text_report report = {0};
    struct slice text = SLICE("one\ntwo\n");
    char line[128];

    text_report_add(&report, text, TEXT_FAULT_SYNTAX, true, 0, 3, "only a warning");
    check_str(definition_text_first_error(&report, "f", line, sizeof(line)), "");
    text_report_add(&report, text, TEXT_FAULT_SYNTAX, false, 4, 3, "an error");
    check_str(definition_text_first_error(&report, "f", line, sizeof(line)), "f:2:1: an error");
}

/* Beyond its last place a report takes nothing. */
static void test_full_report(void)
{
    struct text_report report = {0};

    for (size_t i = 0; i < 2 * TEXT_DIAGNOSTICS_MAX; i++) {
        text_report_add(&report, SLICE("x"), TEXT_FAULT_SYNTAX, false, 0, 1, "wrong");
    }
    check_int(report.n_diagnostics, TEXT_DIAGNOSTICS_MAX);
    check_int(report.n_errors, TEXT_DIAGNOSTICS_MAX);
    check_str(report.diagnostics[TEXT_DIAGNOSTICS_MAX - 1].message, "too many errors; stopped here");
}

/* Each code has a text of its own, and what is no code has none. */
static void test_texts_of_codes(void)
{
    static const int endpoint[] = {ENDPOINT_E_HASH, ENDPOINT_E_NAME, ENDPOINT_E_TOO_LONG, ENDPOINT_E_RELATIVE};

    for (size_t i = 0; i < 4; i++) {
        check(endpoint_error_text(endpoint[i])[0] != '\0');
        for (size_t j = 0; j < i; j++) {
            check(strcmp(endpoint_error_text(endpoint[i]), endpoint_error_text(endpoint[j])) != 0);
        }
    }
    check_str(endpoint_error_text(0), "");
    check(instance_error_text(INSTANCE_E_NAME)[0] != '\0' && instance_error_text(INSTANCE_E_ISOLATION)[0] != '\0');
    check_str(instance_error_text(0), "");
}

CHECK_PROGRAM("service/quote", {"quoted texts", test_quote}, {"a long one is cut", test_quote_is_cut},
              {"guesses", test_nearest}, {"lists that differ in one place", test_equal},
              {"no string has that number", test_string_of_no_number}, {"the first error", test_first_error},
              {"a full report", test_full_report}, {"texts of codes", test_texts_of_codes})
