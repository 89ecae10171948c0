/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The text form of a service definition (spec 02 §10): protobuf text format of the message ServiceDefinition, read by
 * the scanner of grammar/servicedef.rl and the grammar of grammar/servicedef.y. Names, numbers and types of fields come
 * from the message's descriptor. Several mistakes are reported in one run.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "service/definition.h"

/* What can be wrong with a text; the symbols are used in tests. The last one is a warning. */
#define TEXT_FAULTS(X)                                                                                                 \
    X(TOO_LARGE)  /* more than DEFINITION_SIZE_MAX bytes */                                                            \
    X(BYTE)       /* a byte that cannot stand here: control, non-ASCII, a stray character */                           \
    X(STRING_END) /* a string that is not closed on its line */                                                        \
    X(ESCAPE)     /* an escape that does not exist, or without its digits */                                           \
    X(UTF8)       /* a string that is not UTF-8 */                                                                     \
    X(NUL)        /* a string with a NUL in it */                                                                      \
    X(NUMBER)     /* 08, 0x, 1.5, 12ab */                                                                              \
    X(SYNTAX)     /* something else was expected here */                                                               \
    X(FIELD)      /* no such field */                                                                                  \
    X(DUPLICATE)  /* a singular field given twice */                                                                   \
    X(TYPE)       /* the value is of another type than the field */                                                    \
    X(VALUE)      /* a number or name that is no value of the enum */                                                  \
    X(LIST)       /* a list for a field that is not repeated */                                                        \
    X(TOO_MANY)   /* as many errors as are kept; the rest was not looked at */                                         \
    X(NAME)       /* the rules of definition_check(), at the place in the text */                                      \
    X(MISMATCH)                                                                                                        \
    X(PATH)                                                                                                            \
    X(VERSION)                                                                                                         \
    X(ISOLATION)                                                                                                       \
    X(LABEL_AGAIN) /* warning: a label key given twice, the last one wins */

enum text_fault {
    TEXT_FAULT_NONE,
#define TEXT_FAULT_CONSTANT(NAME) TEXT_FAULT_##NAME,
    TEXT_FAULTS(TEXT_FAULT_CONSTANT)
#undef TEXT_FAULT_CONSTANT
};

struct text_diagnostic {
    enum text_fault fault;
    bool is_warning;
    size_t offset;       /* of the first byte at fault; the size of the text at its end */
    size_t size;         /* bytes at fault, at least 1 when printed */
    unsigned int line;   /* from 1 */
    unsigned int column; /* from 1, in bytes */
    char message[240];
};

#define TEXT_DIAGNOSTICS_MAX 20u
#define TEXT_POSITIONS_MAX 64u

/* What was wrong; in the order of the text after definition_parse_text(). Owns nothing. */
struct text_report {
    struct text_diagnostic diagnostics[TEXT_DIAGNOSTICS_MAX];
    size_t n_diagnostics;
    size_t n_errors; /* diagnostics that are no warnings */
};

/* Where the values of the message stand in the text, for errors found later; by field number and member. */
struct text_positions {
    struct {
        uint32_t field;
        size_t index;
        size_t offset, size;
    } values[TEXT_POSITIONS_MAX];
    size_t
        n_values; /* values beyond the table are not remembered: their errors are reported at offset 0 of the field */
};

enum {
    DEFINITION_TEXT_E_WRONG = 1, /* see the report */
};

/*
 * Parses @text without any check of meaning into @arena. 0 and *@ret_message (living as long as the arena, which must
 * have a limit of at least definition_text_budget(@text.size)); DEFINITION_TEXT_E_WRONG with at least one error in
 * @report; -ENOMEM. @report is filled in every case; @positions may be NULL.
 */
int definition_text_read(struct slice text, struct arena *arena, struct text_report *report,
                         struct text_positions *positions, ServiceDefinition **ret_message);
size_t definition_text_budget(size_t size);

/*
 * Parses @text and checks it as definition_check() does (@wanted as there, NULL skips step 7; all broken rules are
 * reported at their place). 0 and *@ret_definition with one reference; DEFINITION_TEXT_E_WRONG; -ENOMEM.
 */
int definition_parse_text(struct slice text, const char *wanted, struct text_report *report,
                          struct definition **ret_definition);

/* First error of @report as "file:line:column: message"; @file is printed as it is. Returns @ret_line. */
const char *definition_text_first_error(const struct text_report *report, const char *file, char *ret_line,
                                        size_t size);

/* "SYNTAX", "FIELD" … ; static. */
const char *text_fault_symbol(enum text_fault fault);
