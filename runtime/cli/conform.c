/* SPDX-License-Identifier: MIT */

/*
 * The command: finds what is to be tried, tries every rule of its table in order, and prints a line for each as soon as
 * it is known. A rule that fails stops nothing, but when nobody accepts connections the rest is not tried, and only
 * counted. What is printed comes from the tables.
 */

#include "cli/conform.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/client.h"
#include "cli/endpoint_choice.h"
#include "cli/hello_command.h"
#include "ops/admin_document.h"
#include "service/definition_dir.h"
#include "service/store.h"
#include "wire/text.h"

struct report {
    const struct options *options;
    uint32_t lane; /* 0: none */
    json_t *rules; /* NULL: lines are wanted */
    unsigned int n_holds, n_fails, n_untried;
};

static const char *verdict_word(enum conform_verdict verdict)
{
    static const char *const words[] = {
        [CONFORM_HOLDS] = "holds", [CONFORM_NOTICE] = "holds", [CONFORM_FAILS] = "FAILS", [CONFORM_UNTRIED] = "-----"};

    return words[verdict];
}

static void report_line(const struct report *report, const struct conform_rule *rule, enum conform_verdict verdict,
                        const char *detail)
{
    fprintf(report->options->out, "%s  %-20s %s (%s)%s%s\n", verdict_word(verdict), rule->name, rule->text, rule->spec,
            *detail ? (verdict == CONFORM_NOTICE ? "; note: " : ": ") : "", detail);
    (void)fflush(report->options->out); /* a run takes seconds, and somebody may read it through a pipe */
}

static void report_rule(struct report *report, const struct conform_rule *rule, enum conform_verdict verdict,
                        const char *detail)
{
    if (verdict == CONFORM_FAILS) {
        report->n_fails++;
    } else if (verdict == CONFORM_UNTRIED) {
        report->n_untried++;
    } else {
        report->n_holds++;
    }
    if (!report->rules) {
        report_line(report, rule, verdict, detail);
        return;
    }
    /* clang-format off */
    (void)json_array_append_new(report->rules, json_pack("{s:s, s:s, s:o, s:b, s:b, s:b, s:o}",
        "rule", rule->name,
        "text", rule->text,
        "spec", admin_document_string(rule->spec),
        "tried", verdict != CONFORM_UNTRIED,
        "holds", verdict == CONFORM_HOLDS || verdict == CONFORM_NOTICE,
        "notice", verdict == CONFORM_NOTICE,
        "detail", admin_document_string(detail)));
    /* clang-format on */
}

/* @hint: what to try instead; may be empty. */
static int report_end(struct report *report, const char *path, bool is_broker, const char *hint)
{
    int status = report->n_fails ? EXIT_STATUS_FAILED : EXIT_STATUS_OK;
    _cleanup_free_ char *text = NULL;
    json_t *document;

    if (!report->rules) {
        fprintf(report->options->out, "%s %s: %u rules hold, %u do not", is_broker ? "broker" : "backend", path,
                report->n_holds, report->n_fails);
        if (report->n_untried) {
            fprintf(report->options->out, ", %u were not tried", report->n_untried);
        }
        fprintf(report->options->out, "%s%s\n", *hint ? "\nhint: " : "", hint);
        return status;
    }
    /* clang-format off */
    document = json_pack("{s:o, s:s, s:b, s:o, s:i, s:i, s:i, s:o}",
                         "endpoint", admin_document_string(path),
                         "kind", is_broker ? "broker" : "backend",
                         "conforms", report->n_fails == 0,
                         "hint", admin_document_string(hint),
                         "rules_held", (int)report->n_holds,
                         "rules_failed", (int)report->n_fails,
                         "rules_not_tried", (int)report->n_untried,
                         "rules", TAKE_PTR(report->rules));
    /* clang-format on */
    if (admin_document_print(document, &text)) {
        fputs("out of memory\n", report->options->err);
        return EXIT_STATUS_FAILED;
    }
    fprintf(report->options->out, "%s\n", text);
    return status;
}

/* What to try instead when an endpoint is of the other kind, else nothing. */
static void find_hint(struct conform *conform, bool is_broker, char *ret_hint, size_t size)
{
    *ret_hint = '\0';
    if (is_broker && conform_is_backend(conform)) {
        snprintf(ret_hint, size, "a backend answers there: conform %s", conform->path);
    } else if (!is_broker && !conform->is_answered && conform_is_broker(conform)) {
        snprintf(ret_hint, size, "a broker answers there: conform --broker %s", conform->path);
    }
}

static int try_rules(struct report *report, const char *path, bool is_broker)
{
    const struct conform_rule *rules = is_broker ? conform_broker_rules : conform_backend_rules;
    struct conform conform = {.path = path, .options = report->options, .lane = report->lane};
    char hint[512] = "";
    bool is_there = true;

    arena_init(&conform.arena, NULL, 0, SIZE_MAX / 2);
    for (const struct conform_rule *rule = rules; rule->name; rule++) {
        enum conform_verdict verdict;

        if (!is_there) {
            if (report->rules) {
                report_rule(report, rule, CONFORM_UNTRIED, "not tried");
            } else {
                report->n_untried++;
            }
            continue;
        }
        *conform.detail = '\0';
        verdict = rule->check(&conform);
        report_rule(report, rule, verdict, verdict == CONFORM_HOLDS ? "" : conform.detail);
        is_there = verdict != CONFORM_FAILS || rule != rules;
    }
    if (is_there && report->n_fails) {
        find_hint(&conform, is_broker, hint, sizeof(hint));
    }
    arena_deinit(&conform.arena);
    return report_end(report, path, is_broker, hint);
}

/* Asks the broker for @service. 0 and the path of its backend in @arena, or the exit status. */
static int find_backend(struct report *report, const char *service, struct arena *arena, const char **ret_path)
{
    static const struct conform_rule negotiated = {"negotiated", "01 §6", "the broker leads to the backend", NULL};
    struct conform conform = {0};
    struct endpoint_choice broker;
    struct instance_id instance;
    enum conform_verdict verdict;
    int r;

    r = hello_find_instance(report->options, service, &instance);
    if (!r) {
        r = endpoint_choose(report->options, &instance, &broker);
    }
    if (r) {
        return r;
    }
    conform.path = broker.path;
    conform.arena = *arena;
    verdict = conform_negotiate(&conform, report->options, service, ret_path);
    *arena = conform.arena;
    report_rule(report, &negotiated, verdict, conform.detail);
    return verdict == CONFORM_HOLDS ? 0 : report_end(report, service, false, "");
}

static int conform_to(struct report *report, const char *operand, bool is_broker)
{
    _cleanup_(arena_deinit) struct arena arena;
    struct endpoint_choice choice = {0};
    struct instance_id instance;
    const char *path = operand;
    int r = 0;

    arena_init(&arena, NULL, 0, 5 * (size_t)FRAME_BODY_MAX);
    if (!operand) {
        const char *service = options_get(report->options, OPTION_SERVICE);

        (void)instance_parse("shared", &instance);
        r = service ? hello_find_instance(report->options, service, &instance) : 0;
        if (!r) {
            r = endpoint_choose(report->options, &instance, &choice);
        }
        path = choice.path;
    } else if (!is_broker && !strchr(operand, '/')) {
        r = find_backend(report, operand, &arena, &path);
    }
    return r ? r : try_rules(report, path, is_broker);
}

/* The value of --lane, 0 without. False: it is none that a backend may have of its own. */
static bool parse_lane(const char *text, uint32_t *ret_lane)
{
    unsigned long lane;
    char *end;

    *ret_lane = 0;
    if (!text) {
        return true;
    }
    if (*text < '0' || *text > '9') {
        return false;
    }
    lane = strtoul(text, &end, 0);
    if (*end || !(LANE_IS_CONSUMER(lane) || LANE_IS_PRIVATE(lane))) {
        return false;
    }
    *ret_lane = (uint32_t)lane;
    return true;
}

/* What would be ignored without a word. 0, or EXIT_STATUS_USAGE. */
static int check_options(const struct options *options, bool is_broker)
{
    static const enum option of_services[] = {OPTION_VERSION, OPTION_SERVICE_DEF_DIR};
    const char *operand = options->n_operands ? options->operands[0] : NULL;
    bool is_endpoint = is_broker || (operand && strchr(operand, '/'));

    if (!operand && !is_broker) {
        return options_usage_error(options,
                                   "conform requires the path of a socket, the name of a service, or --broker");
    }
    if (is_broker && operand && !strchr(operand, '/')) {
        return options_usage_error(options, "--broker takes the path of a socket; \"%s\" has no slash (./%s?)", operand,
                                   operand);
    }
    if (options_has(options, OPTION_SERVICE) && !is_broker) {
        return options_usage_error(options, "--service goes with --broker; a backend's service is named as it is");
    }
    if (options_has(options, OPTION_LANE) && is_broker) {
        return options_usage_error(options, "--lane goes with a backend, not with --broker");
    }
    for (size_t i = 0; i < 2 && is_endpoint && !options_has(options, OPTION_SERVICE); i++) {
        if (options_has(options, of_services[i])) {
            return options_usage_error(options, "%s goes with the name of a service, not with an endpoint",
                                       option_spelling(of_services[i]));
        }
    }
    if (is_endpoint && operand && options_has(options, OPTION_SOCKET)) {
        return options_usage_error(options, "--socket names the broker to ask; \"%s\" is an endpoint by itself",
                                   operand);
    }
    return 0;
}

int conform_command(const struct options *options)
{
    struct report report = {.options = options};
    bool is_broker = options_has(options, OPTION_BROKER);
    int status = check_options(options, is_broker);

    if (status) {
        return status;
    }
    if (!parse_lane(options_get(options, OPTION_LANE), &report.lane)) {
        return options_usage_error(options, "--lane takes 0x7000 to 0x7EFF or 0xF000 to 0xFFFF; got \"%s\"",
                                   options_get(options, OPTION_LANE));
    }
    if (options_has(options, OPTION_JSON)) {
        report.rules = json_array();
        if (!report.rules) {
            fputs("out of memory\n", options->err);
            return EXIT_STATUS_FAILED;
        }
    }
    status = conform_to(&report, options->n_operands ? options->operands[0] : NULL, is_broker);
    json_decref(report.rules);
    return status;
}
