/* SPDX-License-Identifier: MIT */
/*
 * What a definition must be like (spec 02 §8.2, steps 6 to 12), as a list of rules in their order. A loader stops at
 * the first that is broken, a tool walks on. Nothing on disk is looked at: whether the binary exists and lies under its
 * root is found out when it is launched.
 */
#include "service/definition_syntax.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/text.h"

#define QUOTED_SIZE 160u

__attribute__((format(printf, 4, 5))) static bool
broken(struct definition_problem *problem, enum definition_fault fault, uint32_t field, const char *format, ...)
{
    va_list arguments;

    problem->fault = fault;
    problem->field = field;
    problem->index = 0;
    va_start(arguments, format);
    vsnprintf(problem->detail, sizeof(problem->detail), format, arguments);
    va_end(arguments);
    return false;
}

static bool check_name(const char *name, uint32_t field, struct definition_problem *problem)
{
    enum name_fault fault = text_check_name(slice_from(name));
    char quoted[QUOTED_SIZE];

    if (fault == NAME_OK)
        return true;
    return broken(problem, DEFINITION_FAULT_NAME, field, "%s: invalid name %s: %s", definition_field_name(field),
                  text_quote(slice_from(name), quoted, sizeof(quoted)), name_fault_text(fault));
}

static bool check_version(const char *version, uint32_t field, struct definition_problem *problem)
{
    enum version_fault fault = text_check_version(slice_from(version));
    char quoted[QUOTED_SIZE];

    if (fault == VERSION_OK)
        return true;
    return broken(problem, DEFINITION_FAULT_VERSION, field, "%s: invalid version %s: %s", definition_field_name(field),
                  text_quote(slice_from(version), quoted, sizeof(quoted)), version_fault_text(fault));
}

static bool check_absolute(const char *path, uint32_t field, struct definition_problem *problem)
{
    char quoted[QUOTED_SIZE];

    if (path[0] == '/')
        return true;
    return broken(problem, DEFINITION_FAULT_PATH, field, "%s must be absolute, got %s", definition_field_name(field),
                  text_quote(slice_from(path), quoted, sizeof(quoted)));
}

/* ------------------------------------------------------------------------------------------------ rules */

/* Every rule: true when it is kept. @index counts the calls of one rule; *@more asks for another one. */
typedef bool (*rule_fn)(const struct definition *, const char *wanted, size_t index, bool *more,
                        struct definition_problem *);

static bool rule_wanted(const struct definition *definition, const char *wanted, size_t index, bool *more,
                        struct definition_problem *problem)
{
    enum name_fault fault = wanted ? text_check_name(slice_from(wanted)) : NAME_OK;
    char quoted[QUOTED_SIZE];

    if (fault == NAME_OK)
        return true;
    return broken(problem, DEFINITION_FAULT_NAME, 1, "invalid name %s: %s",
                  text_quote(slice_from(wanted), quoted, sizeof(quoted)), name_fault_text(fault));
}

static bool rule_service_name(const struct definition *definition, const char *wanted, size_t index, bool *more,
                              struct definition_problem *problem)
{
    return check_name(definition->service_name, 1, problem);
}

static bool rule_same_name(const struct definition *definition, const char *wanted, size_t index, bool *more,
                           struct definition_problem *problem)
{
    char asked[QUOTED_SIZE], actual[QUOTED_SIZE];

    if (!wanted || strcmp(wanted, definition->service_name) == 0 ||
        text_check_name(slice_from(definition->service_name)) != NAME_OK)
        return true;
    return broken(problem, DEFINITION_FAULT_MISMATCH, 1, "service_name mismatch: the file is for %s, it says %s",
                  text_quote(slice_from(wanted), asked, sizeof(asked)),
                  text_quote(slice_from(definition->service_name), actual, sizeof(actual)));
}

static bool rule_binary_path(const struct definition *definition, const char *wanted, size_t index, bool *more,
                             struct definition_problem *problem)
{
    if (definition->binary_path[0] == '\0')
        return broken(problem, DEFINITION_FAULT_PATH, 2, "binary_path must not be empty");
    return check_absolute(definition->binary_path, 2, problem);
}

static bool rule_per_version_binary_dir(const struct definition *definition, const char *wanted, size_t index,
                                        bool *more, struct definition_problem *problem)
{
    return definition->per_version_binary_dir[0] == '\0' ||
           check_absolute(definition->per_version_binary_dir, 5, problem);
}

static bool rule_min_version(const struct definition *definition, const char *wanted, size_t index, bool *more,
                             struct definition_problem *problem)
{
    return definition->min_version[0] == '\0' || check_version(definition->min_version, 6, problem);
}

static bool rule_version_allow_list(const struct definition *definition, const char *wanted, size_t index, bool *more,
                                    struct definition_problem *problem)
{
    if (index >= definition->n_version_allow_list)
        return true;
    *more = true;
    if (check_version(definition->version_allow_list[index], 7, problem))
        return true;
    problem->index = index;
    return false;
}

static bool rule_isolation(const struct definition *definition, const char *wanted, size_t index, bool *more,
                           struct definition_problem *problem)
{
    const char *instance = definition->explicit_instance;
    char quoted[QUOTED_SIZE];

    switch (definition->isolation) {
    case ISOLATION_PRIVATE:
    case ISOLATION_SHARED:
        if (instance[0] == '\0')
            return true;
        return broken(problem, DEFINITION_FAULT_ISOLATION, 4,
                      "isolation %s must not have explicit_instance (it is %s); only EXPLICIT_INSTANCE has one",
                      definition_isolation_name(definition->isolation),
                      text_quote(slice_from(instance), quoted, sizeof(quoted)));
    case ISOLATION_EXPLICIT:
        if (instance[0] == '\0')
            return broken(problem, DEFINITION_FAULT_ISOLATION, 3,
                          "isolation EXPLICIT_INSTANCE requires explicit_instance");
        return check_name(instance, 4, problem);
    default:
        return broken(problem, DEFINITION_FAULT_ISOLATION, 3, "isolation %d is unknown", (int)definition->isolation);
    }
}

static const rule_fn rules[] = {
    rule_wanted,      rule_service_name,       rule_same_name, rule_binary_path, rule_per_version_binary_dir,
    rule_min_version, rule_version_allow_list, rule_isolation,
};

#define N_RULES (sizeof(rules) / sizeof(rules[0]))

/* *@cursor is the number of the rule, and behind it in the higher bits the index within the rule. */
bool definition_check_next(const struct definition *definition, const char *wanted, size_t *cursor,
                           struct definition_problem *ret_problem)
{
    while (*cursor % N_RULES != 0 || *cursor == 0) {
        size_t rule = *cursor % N_RULES;
        size_t index = *cursor / N_RULES;
        bool more = false;
        bool is_kept = rules[rule](definition, wanted, index, &more, ret_problem);

        *cursor = more ? *cursor + N_RULES : rule + 1;
        if (!is_kept)
            return false;
    }
    return true;
}

bool definition_check(const struct definition *definition, const char *wanted, struct definition_problem *ret_problem)
{
    size_t cursor = 0;

    return definition_check_next(definition, wanted, &cursor, ret_problem);
}
