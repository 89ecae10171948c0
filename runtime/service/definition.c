/* SPDX-License-Identifier: MIT */
/*
 * A definition is one block of memory: the struct, its two arrays and all strings behind them, filled once from a
 * message and never written again but for the count of references. Freeing is one free(), and nothing in it can be
 * half-built. Reading and judging it are in other files.
 */
#include "service/definition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

typedef RunningProcess__Broker__V1__ServiceDefinition__LabelsEntry LabelsEntry;

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

/* ------------------------------------------------------------------------------------------------ labels */

static int compare_places(const void *a, const void *b)
{
    const struct definition_label_place *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

int definition_sort_labels(const ServiceDefinition *message, struct definition_label_place **ret_places)
{
    struct definition_label_place *places;

    places = malloc((message->n_labels + 1) * sizeof(*places));
    if (!places)
        return error_origin(-ENOMEM);
    for (size_t i = 0; i < message->n_labels; i++) {
        places[i].key = text_or_empty(message->labels[i]->key);
        places[i].value = text_or_empty(message->labels[i]->value);
        places[i].index = i;
    }
    qsort(places, message->n_labels, sizeof(*places), compare_places);
    *ret_places = places;
    return 0;
}

/* Of equal keys keeps the last; returns the number left. */
static size_t drop_repeated_keys(struct definition_label_place *places, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && strcmp(places[i].key, places[i + 1].key) == 0)
            continue;
        places[kept++] = places[i];
    }
    return kept;
}

/* ------------------------------------------------------------------------------------------------ making */

static size_t strings_size(const ServiceDefinition *message, const struct definition_label_place *places,
                           size_t n_labels)
{
    size_t size = 0;

#define ADD_SIZE(number, name) size += strlen(text_or_empty(message->name)) + 1;
    DEFINITION_STRINGS(ADD_SIZE)
#undef ADD_SIZE
    for (size_t i = 0; i < message->n_version_allow_list; i++)
        size += strlen(text_or_empty(message->version_allow_list[i])) + 1;
    for (size_t i = 0; i < n_labels; i++)
        size += strlen(places[i].key) + strlen(places[i].value) + 2;
    return size;
}

static const char *put_string(char **next, const char *text)
{
    size_t size = strlen(text_or_empty(text)) + 1;
    char *start = *next;

    memcpy(start, text_or_empty(text), size);
    *next += size;
    return start;
}

static int make(const ServiceDefinition *message, const struct definition_label_place *places, size_t n_labels,
                struct definition **ret_definition)
{
    size_t n_allow = message->n_version_allow_list;
    struct definition *definition;
    struct definition_label *labels;
    const char **allow;
    char *next;

    definition = malloc(sizeof(*definition) + n_labels * sizeof(*labels) + n_allow * sizeof(*allow) +
                        strings_size(message, places, n_labels));
    if (!definition)
        return error_origin(-ENOMEM);
    labels = (struct definition_label *)(definition + 1);
    allow = (const char **)(labels + n_labels);
    next = (char *)(allow + n_allow);
    for (size_t i = 0; i < n_labels; i++) {
        labels[i].key = put_string(&next, places[i].key);
        labels[i].value = put_string(&next, places[i].value);
    }
    for (size_t i = 0; i < n_allow; i++)
        allow[i] = put_string(&next, message->version_allow_list[i]);
    *definition = (struct definition){
        .references = 1,
        .isolation = (int32_t)message->isolation,
        .version_allow_list = allow,
        .n_version_allow_list = n_allow,
        .labels = labels,
        .n_labels = n_labels,
    };
#define PUT_STRING(number, name) definition->name = put_string(&next, message->name);
    DEFINITION_STRINGS(PUT_STRING)
#undef PUT_STRING
    *ret_definition = definition;
    return 0;
}

int definition_from_message(const ServiceDefinition *message, struct definition **ret_definition)
{
    struct definition_label_place *places;
    size_t n_labels;
    int r;

    r = definition_sort_labels(message, &places);
    if (r < 0)
        return error_trace(r);
    n_labels = drop_repeated_keys(places, message->n_labels);
    r = make(message, places, n_labels, ret_definition);
    free(places);
    return r;
}

int definition_unpack(struct slice bytes, struct definition **ret_definition)
{
    uint8_t block[MESSAGE_ARENA_BLOCK];
    struct arena arena;
    ProtobufCMessage *message;
    int r;

    if (bytes.size > DEFINITION_SIZE_MAX)
        return DEFINITION_E_MALFORMED;
    arena_init(&arena, block, sizeof(block), message_budget(MESSAGE_SERVICE_DEFINITION, bytes.size));
    r = message_unpack(MESSAGE_SERVICE_DEFINITION, bytes, &arena, &message);
    if (r == 0)
        r = definition_from_message((ServiceDefinition *)message, ret_definition);
    else if (r == MESSAGE_E_MALFORMED)
        r = DEFINITION_E_MALFORMED;
    arena_deinit(&arena);
    return r;
}

const struct definition *definition_ref(const struct definition *definition)
{
    ((struct definition *)(uintptr_t)definition)->references++;
    return definition;
}

const struct definition *definition_unref(const struct definition *definition)
{
    struct definition *owned = (struct definition *)(uintptr_t)definition;

    if (owned && --owned->references == 0)
        free(owned);
    return NULL;
}

void definition_unrefp(const struct definition **definition)
{
    *definition = definition_unref(*definition);
}

/* ------------------------------------------------------------------------------------------------ packing */

/* The message of @definition; its strings stay the definition's. @entries and @pointers take n_labels each. */
static void fill_message(const struct definition *definition, LabelsEntry *entries, LabelsEntry **pointers,
                         ServiceDefinition *message)
{
    message_init(MESSAGE_SERVICE_DEFINITION, message);
#define LEND_STRING(number, name) message->name = (char *)(uintptr_t)definition->name;
    DEFINITION_STRINGS(LEND_STRING)
#undef LEND_STRING
    message->isolation = (RunningProcess__Broker__V1__BrokerIsolation)definition->isolation;
    message->n_version_allow_list = definition->n_version_allow_list;
    message->version_allow_list = (char **)(uintptr_t)definition->version_allow_list;
    message->n_labels = definition->n_labels;
    message->labels = pointers;
    for (size_t i = 0; i < definition->n_labels; i++) {
        running_process__broker__v1__service_definition__labels_entry__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)definition->labels[i].key;
        entries[i].value = (char *)(uintptr_t)definition->labels[i].value;
        pointers[i] = &entries[i];
    }
}

int definition_pack(const struct definition *definition, struct buffer *out)
{
    ServiceDefinition message;
    LabelsEntry *entries;
    LabelsEntry **pointers;
    uint8_t *room;
    int r;

    entries = malloc((definition->n_labels + 1) * (sizeof(*entries) + sizeof(LabelsEntry *)));
    if (!entries)
        return error_origin(-ENOMEM);
    pointers = (LabelsEntry **)(entries + definition->n_labels);
    fill_message(definition, entries, pointers, &message);
    r = buffer_extend(out, message_size(MESSAGE_OF(&message)), &room);
    if (r == 0)
        message_pack(MESSAGE_OF(&message), room);
    free(entries);
    return r;
}

/* ------------------------------------------------------------------------------------------------ comparing */

static bool same_allow_list(const struct definition *a, const struct definition *b)
{
    if (a->n_version_allow_list != b->n_version_allow_list)
        return false;
    for (size_t i = 0; i < a->n_version_allow_list; i++) {
        if (strcmp(a->version_allow_list[i], b->version_allow_list[i]) != 0)
            return false;
    }
    return true;
}

static bool same_labels(const struct definition *a, const struct definition *b)
{
    if (a->n_labels != b->n_labels)
        return false;
    for (size_t i = 0; i < a->n_labels; i++) {
        if (strcmp(a->labels[i].key, b->labels[i].key) != 0 || strcmp(a->labels[i].value, b->labels[i].value) != 0)
            return false;
    }
    return true;
}

const char *definition_string(const struct definition *definition, uint32_t number)
{
    switch (number) {
#define STRING_OF_NUMBER(n, name)                                                                                      \
    case n:                                                                                                            \
        return definition->name;
        DEFINITION_STRINGS(STRING_OF_NUMBER)
#undef STRING_OF_NUMBER
    default:
        return NULL;
    }
}

/*
 * Whether @a and @b agree in the field of that number. A field that nothing here keeps is a difference, so that tests
 * find it.
 */
static bool same_field(const struct definition *a, const struct definition *b, uint32_t number)
{
    const char *x, *y;

    switch (number) {
    case 3:
        return a->isolation == b->isolation;
    case 7:
        return same_allow_list(a, b);
    case 8:
        return same_labels(a, b);
    default:
        x = definition_string(a, number);
        y = definition_string(b, number);
        return x && y && strcmp(x, y) == 0;
    }
}

const char *definition_differences(const struct definition *a, const struct definition *b, char *ret_names, size_t size)
{
    const ProtobufCMessageDescriptor *schema = message_descriptor(MESSAGE_SERVICE_DEFINITION);
    size_t used = 0;

    ret_names[0] = '\0';
    for (unsigned int i = 0; i < schema->n_fields && used < size; i++) {
        if (!same_field(a, b, schema->fields[i].id))
            used +=
                (size_t)snprintf(ret_names + used, size - used, "%s%s", used > 0 ? ", " : "", schema->fields[i].name);
    }
    return ret_names;
}

bool definition_equal(const struct definition *a, const struct definition *b)
{
    char names[2];

    return definition_differences(a, b, names, sizeof(names))[0] == '\0';
}

const char *definition_isolation_name(int32_t isolation)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&running_process__broker__v1__broker_isolation__descriptor, isolation);

    return value ? value->name : NULL;
}

const char *definition_field_name(uint32_t number)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(message_descriptor(MESSAGE_SERVICE_DEFINITION), number);

    return field ? field->name : NULL;
}
