/* SPDX-License-Identifier: MIT */
/* Frozen bytes (spec 02 §7), the rules of §8.2 in their order, comparing, and the directory (§8.1).
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "service/definition.h"
#include "service/definition_format.h"

static const uint8_t example[] = "\x0a\x07zccache\x12\x16/usr/local/bin/zccache\x18\x01\x2a\x0a/usr/local\x32\x06"
                                 "1.10.0\x3a\x07"
                                 "1.11.20\x42\x15\x0a\x06"
                                 "family\x12\x0b"
                                 "first-party";

static struct slice bytes_of(const void *data, size_t size)
{
    return (struct slice){.data = data, .size = size};
}

static void test_example(void)
{
    struct definition *definition = NULL;
    struct definition_problem problem;
    struct buffer packed;

    check_int(sizeof(example) - 1, 87);
    check_int(definition_unpack(bytes_of(example, 87), &definition), 0);
    check_str(definition->service_name, "zccache");
    check_str(definition->binary_path, "/usr/local/bin/zccache");
    check_int(definition->isolation, ISOLATION_SHARED);
    check_str(definition->explicit_instance, "");
    check_str(definition->per_version_binary_dir, "/usr/local");
    check_str(definition->min_version, "1.10.0");
    check_int(definition->n_version_allow_list, 1);
    check_str(definition->version_allow_list[0], "1.11.20");
    check_int(definition->n_labels, 1);
    check_str(definition->labels[0].key, "family");
    check_str(definition->labels[0].value, "first-party");
    check(definition_check(definition, "zccache", &problem));
    buffer_init(&packed, 1 << 16);
    check_int(definition_pack(definition, &packed), 0);
    check_int(packed.size, 87);
    check_mem(packed.data, example, 87);
    buffer_deinit(&packed);
    definition_unref(definition);
}

static void test_smallest(void)
{
    static const uint8_t bytes[] = "\x0a\x04tool\x12\x0f/opt/tool/bin/d";
    struct definition *definition = NULL;
    struct definition_problem problem;

    check_int(definition_unpack(bytes_of(bytes, 23), &definition), 0);
    check(definition_check(definition, "tool", &problem));
    check_int(definition->isolation, ISOLATION_PRIVATE);
    definition_unref(definition);
}

/* Decoding as spec 02 §7 wants it. */
static void test_decoding(void)
{
    struct definition *definition = NULL;
    static const char *const malformed[] = {
        "\x0a\x07zcc",           /* truncated */
        "\x08\x01",              /* wrong wire type */
        "\x0a\x02\xff\xff",      /* not UTF-8 */
        "\x42\x04\x0a\x02\xc3(", /* label key not UTF-8 */
        "\x18",                  /* no value */
    };

    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
        check_int(definition_unpack(slice_from(malformed[i]), &definition), DEFINITION_E_MALFORMED);
    check_int(definition_unpack(bytes_of("\x0a\x03"
                                         "a\0b",
                                         5),
                                &definition),
              DEFINITION_E_MALFORMED); /* NUL */
    check_int(definition_unpack(bytes_of("", 0), &definition), 0);
    check_str(definition->service_name, "");
    definition_unref(definition);
    /* unknown field 10, last scalar wins, unknown isolation survives, the last of equal keys wins, keys sorted */
    check_int(definition_unpack(slice_from("\x52\x01x\x0a\x01"
                                           "a\x0a\x01"
                                           "b\x18\x07"
                                           "\x42\x06\x0a\x01z\x12\x01"
                                           "1\x42\x03\x0a\x01k\x42\x06\x0a\x01z\x12\x01"
                                           "2"),
                                &definition),
              0);
    check_str(definition->service_name, "b");
    check_int(definition->isolation, 7);
    check_int(definition->n_labels, 2);
    check_str(definition->labels[0].key, "k");
    check_str(definition->labels[0].value, "");
    check_str(definition->labels[1].key, "z");
    check_str(definition->labels[1].value, "2");
    definition_unref(definition);
}

static void test_size_limit(void)
{
    uint8_t *bytes = calloc(1, DEFINITION_SIZE_MAX + 1);
    struct definition *definition = NULL;
    size_t size = DEFINITION_SIZE_MAX - 4;

    bytes[0] = 0x0a;
    bytes[1] = (uint8_t)((size & 0x7f) | 0x80);
    bytes[2] = (uint8_t)((size >> 7 & 0x7f) | 0x80);
    bytes[3] = (uint8_t)(size >> 14);
    memset(bytes + 4, 'a', size);
    check_int(definition_unpack(bytes_of(bytes, DEFINITION_SIZE_MAX), &definition), 0);
    definition_unref(definition);
    check_int(definition_unpack(bytes_of(bytes, DEFINITION_SIZE_MAX + 1), &definition), DEFINITION_E_MALFORMED);
    free(bytes);
}

/* ------------------------------------------------------------------------------------------------ rules */

static struct definition good(void)
{
    static const char *const versions[] = {"1.0.0", "1.2.3-rc.1"};

    struct definition definition = {.version_allow_list = versions, .n_version_allow_list = 2};

#define SET_EMPTY(number, name) definition.name = "";
    DEFINITION_STRINGS(SET_EMPTY)
#undef SET_EMPTY
    definition.service_name = "zccache";
    definition.binary_path = "/usr/bin/zccache";
    definition.per_version_binary_dir = "/usr";
    definition.min_version = "1.0.0";
    return definition;
}

static void check_broken(const struct definition *definition, const char *wanted, enum definition_fault fault,
                         uint32_t field, const char *detail)
{
    struct definition_problem problem = {0};

    check(!definition_check(definition, wanted, &problem));
    check_int(problem.fault, fault);
    check_int(problem.field, field);
    if (!strstr(problem.detail, detail))
        check_str(problem.detail, detail);
}

static void test_rules(void)
{
    static const char *const bad_versions[] = {"1.0.0", "", "x"};
    struct definition definition = good();
    struct definition_problem problem;

    check(definition_check(&definition, "zccache", &problem));
    check(definition_check(&definition, NULL, &problem));
    check_broken(&definition, "Zccache", DEFINITION_FAULT_NAME, 1, "Zccache");
    check_broken(&definition, "other", DEFINITION_FAULT_MISMATCH, 1, "\"other\"");
    check_broken(&definition, "other", DEFINITION_FAULT_MISMATCH, 1, "\"zccache\"");
    definition.service_name = "zc_cache";
    check_broken(&definition, "zccache", DEFINITION_FAULT_NAME, 1, "zc_cache");
    definition.service_name = "";
    check_broken(&definition, NULL, DEFINITION_FAULT_NAME, 1, "service_name");
    definition = good();
    definition.binary_path = "";
    check_broken(&definition, NULL, DEFINITION_FAULT_PATH, 2, "binary_path must not be empty");
    definition.binary_path = "bin/zccache";
    check_broken(&definition, NULL, DEFINITION_FAULT_PATH, 2, "binary_path must be absolute");
    definition = good();
    definition.per_version_binary_dir = "usr";
    check_broken(&definition, NULL, DEFINITION_FAULT_PATH, 5, "per_version_binary_dir must be absolute");
    definition.per_version_binary_dir = "";
    check(definition_check(&definition, NULL, &problem));
    definition.min_version = "1.0";
    check_broken(&definition, NULL, DEFINITION_FAULT_VERSION, 6, "min_version");
    definition = good();
    definition.version_allow_list = bad_versions;
    definition.n_version_allow_list = 3;
    check_broken(&definition, NULL, DEFINITION_FAULT_VERSION, 7, "version_allow_list");
    check(!definition_check(&definition, NULL, &problem));
    check_int(problem.index, 1);
}

static void test_isolation_rules(void)
{
    struct definition definition = good();
    struct definition_problem problem;

    definition.explicit_instance = "ci";
    check_broken(&definition, NULL, DEFINITION_FAULT_ISOLATION, 4, "PRIVATE_BROKER");
    definition.isolation = ISOLATION_SHARED;
    check_broken(&definition, NULL, DEFINITION_FAULT_ISOLATION, 4, "SHARED_BROKER");
    definition.isolation = ISOLATION_EXPLICIT;
    check(definition_check(&definition, NULL, &problem));
    definition.explicit_instance = "CI";
    check_broken(&definition, NULL, DEFINITION_FAULT_NAME, 4, "explicit_instance");
    definition.explicit_instance = "";
    check_broken(&definition, NULL, DEFINITION_FAULT_ISOLATION, 3, "requires explicit_instance");
    definition.isolation = 3;
    check_broken(&definition, NULL, DEFINITION_FAULT_ISOLATION, 3, "3");
}

/* The first rule broken is the one reported, and a tool gets them all, in order. */
static void test_order(void)
{
    static const char *const versions[] = {"", "1.0.0", "v1"};
    static const enum definition_fault want[] = {
        DEFINITION_FAULT_NAME,    DEFINITION_FAULT_PATH,    DEFINITION_FAULT_PATH,     DEFINITION_FAULT_VERSION,
        DEFINITION_FAULT_VERSION, DEFINITION_FAULT_VERSION, DEFINITION_FAULT_ISOLATION};
    struct definition definition = good();
    struct definition_problem problem;
    size_t cursor = 0, n = 0;

    definition.service_name = "A";
    definition.binary_path = "x";
    definition.per_version_binary_dir = "y";
    definition.min_version = "z";
    definition.version_allow_list = versions;
    definition.n_version_allow_list = 3;
    definition.isolation = 9;
    while (!definition_check_next(&definition, "a", &cursor, &problem) && n < 20) {
        if (n < sizeof(want) / sizeof(want[0]))
            check_int(problem.fault, want[n]);
        n++;
    }
    check_int(n, sizeof(want) / sizeof(want[0]));
}

/* The corpora of spec 02 §2, through the rules that use them. */
static void test_corpora(void)
{
    static const char *const bad_names[] = {"../zccache",
                                            "..\\zccache",
                                            "/tmp/zccache",
                                            "zccache/service",
                                            "zccache;rm",
                                            "zccache&&calc",
                                            "zccache|whoami",
                                            "zccache service",
                                            "zccache.service",
                                            "zccache_service",
                                            "Zccache",
                                            "\xf0\x9f\x98\x80",
                                            ""};
    static const char *const good_versions[] = {"1.0.0",   "0.0.1-alpha.1", "2.3.4-rc.1.beta",
                                                "1.0.0-.", "1.0.0-a..b",    "007.1.2"};
    static const char *const bad_versions[] = {"1.0",        "1.0.0.0", "v1.0.0",      "1.0.0-",     "1.0.0-ALPHA",
                                               "1.0.0-rc-1", "1.0.0+b", "1.0.0..evil", "1.0.0/evil", "1.0.0 ",
                                               "1.0.0;",     "`",       "$",           "1..0",       "-"};
    struct definition definition = good();
    struct definition_problem problem;
    char name[66];

    for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
        definition.service_name = bad_names[i];
        check_broken(&definition, NULL, DEFINITION_FAULT_NAME, 1, "");
    }
    memset(name, 'a', 65);
    name[65] = '\0';
    definition.service_name = name;
    check_broken(&definition, NULL, DEFINITION_FAULT_NAME, 1, "");
    name[64] = '\0';
    check(definition_check(&definition, NULL, &problem));
    definition.service_name = "--";
    check(definition_check(&definition, NULL, &problem));
    for (size_t i = 0; i < sizeof(good_versions) / sizeof(good_versions[0]); i++) {
        definition.min_version = good_versions[i];
        check(definition_check(&definition, NULL, &problem));
    }
    for (size_t i = 0; i < sizeof(bad_versions) / sizeof(bad_versions[0]); i++) {
        definition.min_version = bad_versions[i];
        check_broken(&definition, NULL, DEFINITION_FAULT_VERSION, 6, "");
    }
}

static void test_details_are_one_line(void)
{
    struct definition definition = good();
    struct definition_problem problem;
    char path[4096];

    definition.binary_path = "a\nb\x1b[31m\x7f\"";
    check_broken(&definition, NULL, DEFINITION_FAULT_PATH, 2, "\"a\\012b\\033[31m\\177\\\"\"");
    memset(path, 'p', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    definition.binary_path = path;
    check(!definition_check(&definition, NULL, &problem));
    check(strlen(problem.detail) < 300);
    check(strstr(problem.detail, "...\"") != NULL);
}

/* ------------------------------------------------------------------------------------------------ the rest */

static void test_differences(void)
{
    struct definition a = good(), b = good();
    const struct definition_label labels[] = {{"k", "v"}};
    char names[256];

    check(definition_equal(&a, &b));
    check_str(definition_differences(&a, &b, names, sizeof(names)), "");
    b.min_version = "2.0.0";
    b.labels = labels;
    b.n_labels = 1;
    b.n_version_allow_list = 1;
    b.isolation = ISOLATION_SHARED;
    check(!definition_equal(&a, &b));
    check_str(definition_differences(&a, &b, names, sizeof(names)),
              "isolation, min_version, version_allow_list, labels");
    check_int(strlen(definition_differences(&a, &b, names, 12)), 11);
}

/* Every string field of the schema, whatever it is called: it is kept, packed, compared and printed. */
static void test_every_string_of_the_schema(void)
{
    const ProtobufCMessageDescriptor *schema = message_descriptor(MESSAGE_SERVICE_DEFINITION);

    for (unsigned int i = 0; i < schema->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &schema->fields[i];
        struct definition *empty = NULL, *made = NULL, *again = NULL;
        ServiceDefinition message;
        struct buffer bytes;
        char names[256];

        if (field->type != PROTOBUF_C_TYPE_STRING || field->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        message_init(MESSAGE_SERVICE_DEFINITION, &message);
        check_int(definition_from_message(&message, &empty), 0);
        *(const char **)((uint8_t *)&message + field->offset) = "kept";
        check_int(definition_from_message(&message, &made), 0);
        check_str(definition_differences(empty, made, names, sizeof(names)), field->name);
        buffer_init(&bytes, 4096);
        check_int(definition_pack(made, &bytes), 0);
        check_int(definition_unpack(buffer_slice(&bytes), &again), 0);
        check(definition_equal(made, again));
        buffer_clear(&bytes);
        check_int(definition_print(made, &bytes), 0);
        snprintf(names, sizeof(names), "%s: \"kept\"\n", field->name);
        check(slice_equal(buffer_slice(&bytes), slice_from(names)));
        buffer_deinit(&bytes);
        definition_unref(empty);
        definition_unref(made);
        definition_unref(again);
    }
}

static void test_references(void)
{
    struct definition *definition = NULL;
    const struct definition *held;

    check_int(definition_unpack(bytes_of(example, 87), &definition), 0);
    held = definition_ref(definition);
    check(definition_unref(definition) == NULL);
    check_str(held->service_name, "zccache");
    definition_unrefp(&held);
    check(held == NULL);
    definition_unref(NULL);
}

CHECK_PROGRAM("service/definition", {"the frozen example, both ways", test_example},
              {"the smallest useful file", test_smallest}, {"decoding is strict where it must be", test_decoding},
              {"64 KiB and no more", test_size_limit}, {"every rule", test_rules},
              {"rules of isolation", test_isolation_rules}, {"rules in their order", test_order},
              {"names and versions", test_corpora},
              {"details are short, one line, printable", test_details_are_one_line},
              {"differences by name", test_differences}, {"references", test_references},
              {"no string of the schema is forgotten", test_every_string_of_the_schema})
