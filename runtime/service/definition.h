/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A service definition: what the operator says about one service (spec 02 §7). It is made once, from a message that
 * was unpacked from a binary file, parsed from text or filled in by a command, and never changes afterwards. It is one
 * block of memory, shared by counting references, also between threads.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/message.h"

struct buffer;

#define DEFINITION_SIZE_MAX (64u * 1024u) /* bytes of a file, text or binary */
#define DEFINITION_DETAIL_SIZE 512u       /* of a detail string with its NUL */

/* Values of definition.isolation; files may hold others, which definition_check() refuses. */
enum definition_isolation {
    ISOLATION_PRIVATE = 0,
    ISOLATION_SHARED = 1,
    ISOLATION_EXPLICIT = 2,
};

struct definition_label {
    const char *key;
    const char *value;
};

/*
 * The fields that are one string, with their numbers in the schema: by this list they become members, are copied,
 * packed, compared and printed. (service_name is as long as the file says until definition_check() has passed: then at
 * most 64.)
 */
#define DEFINITION_STRINGS(X)                                                                                          \
    X(1, service_name)                                                                                                 \
    X(2, binary_path)                                                                                                  \
    X(4, explicit_instance)                                                                                            \
    X(5, per_version_binary_dir)                                                                                       \
    X(6, min_version)

/* No string is NULL; an absent one is empty. None holds a NUL byte or bad UTF-8. */
struct definition {
    _Atomic unsigned int references;
    int32_t isolation;
#define DEFINITION_STRING_MEMBER(number, name) const char *name;
    DEFINITION_STRINGS(DEFINITION_STRING_MEMBER)
#undef DEFINITION_STRING_MEMBER
    const char *const *version_allow_list;
    size_t n_version_allow_list;
    const struct definition_label *labels; /* sorted by the bytes of the key; keys are unique */
    size_t n_labels;
};

enum {
    DEFINITION_E_MALFORMED = 1, /* the bytes are no ServiceDefinition */
};

/*
 * Copies @message into a new definition with one reference: labels sorted, of equal keys the last one kept. Members
 * that the message leaves NULL are empty. 0 or -ENOMEM.
 */
int definition_from_message(const ServiceDefinition *message, struct definition **ret_definition);

/* A label of a message, and its place there. */
struct definition_label_place {
    const char *key;
    const char *value;
    size_t index;
};

/* The labels of @message by key, equal keys in their order there, in new memory (free()). 0 or -ENOMEM. */
int definition_sort_labels(const ServiceDefinition *message, struct definition_label_place **ret_places);

/* Unpacks the binary form. 0, DEFINITION_E_MALFORMED (also when longer than DEFINITION_SIZE_MAX) or -ENOMEM. */
int definition_unpack(struct slice bytes, struct definition **ret_definition);

/*
 * Appends the canonical binary form to @out: ascending fields, defaults omitted, labels sorted (spec 02 §7).
 * 0, -ENOMEM or -ENOBUFS (the limit of @out).
 */
int definition_pack(const struct definition *definition, struct buffer *out);

/* One more reference; returns @definition. The count is not atomic: one thread only. */
const struct definition *definition_ref(const struct definition *definition);

/* One reference less; the last one frees. NULL is harmless. Returns NULL. */
const struct definition *definition_unref(const struct definition *definition);

/* Cleanup attribute for a local that holds a reference: _cleanup_(definition_unrefp). */
void definition_unrefp(const struct definition **definition);

/* Whether both say the same. */
bool definition_equal(const struct definition *a, const struct definition *b);

/*
 * Names of the fields in which @a and @b differ, joined by ", ", cut to @size bytes with the NUL; "" when equal.
 * Returns @ret_names.
 */
const char *definition_differences(const struct definition *a, const struct definition *b, char *ret_names,
                                   size_t size);

/* Name of a value of BrokerIsolation ("SHARED_BROKER"), or NULL. Static. */
const char *definition_isolation_name(int32_t isolation);

/* Name of a field by its number ("binary_path"), or NULL. Static. */
const char *definition_field_name(uint32_t number);

/* The string of a field of DEFINITION_STRINGS by its number; NULL for every other number. */
const char *definition_string(const struct definition *definition, uint32_t number);

/* ------------------------------------------------------------------------------------------------ checks */

/* Which rule was broken (the error kinds of spec 02 §8.2); the symbol is used in tests and logs. */
#define DEFINITION_FAULTS(X)                                                                                           \
    X(NAME)      /* service_name or explicit_instance breaks the rule for names */                                     \
    X(MISMATCH)  /* service_name is not the name of the file */                                                        \
    X(PATH)      /* a path is empty or relative */                                                                     \
    X(VERSION)   /* min_version or a member of version_allow_list is no version */                                     \
    X(ISOLATION) /* isolation and explicit_instance do not go together, or the value is unknown */

enum definition_fault {
    DEFINITION_FAULT_NONE,
#define DEFINITION_FAULT_CONSTANT(NAME) DEFINITION_FAULT_##NAME,
    DEFINITION_FAULTS(DEFINITION_FAULT_CONSTANT)
#undef DEFINITION_FAULT_CONSTANT
};

struct definition_problem {
    enum definition_fault fault;
    uint32_t field;                      /* number of the field at fault */
    size_t index;                        /* member of a repeated field */
    char detail[DEFINITION_DETAIL_SIZE]; /* one line of printable text for the operator */
};

/*
 * Steps 6 to 12 of spec 02 §8.2 in their order. @wanted is the name that was asked for, or the stem of the file's
 * name; NULL skips step 7. False fills *@ret_problem with the first rule broken.
 */
bool definition_check(const struct definition *definition, const char *wanted, struct definition_problem *ret_problem);

/*
 * The same, one problem a call, for tools that report all of them: start with *@cursor 0 and call until it returns
 * true (nothing more is wrong).
 */
bool definition_check_next(const struct definition *definition, const char *wanted, size_t *cursor,
                           struct definition_problem *ret_problem);
