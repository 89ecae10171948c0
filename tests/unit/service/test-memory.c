/* SPDX-License-Identifier: MIT */
/*
 * The n-th allocation fails, for every n: reading, copying, packing and formatting a definition, and looking one up,
 * end with -ENOMEM (never with another verdict) and leave nothing behind (the sanitizer build sees to that).
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "failing_alloc.h"
#include "service/definition_file.h"
#include "service/definition_format.h"
#include "service/definition_text.h"
#include "service/store.h"

/* Runs @run with the first, the second … allocation failing until one run ends well. Returns the number of failures. */
static long sweep(int (*run)(void))
{
    for (long n = 0; n < 10000; n++) {
        int r;

        failing_alloc_start(n, true);
        r = run();
        if (!failing_alloc_stop()) {
            check_int(r, 0);
            return n;
        }
        if (r != 0)
            check_int(r, -ENOMEM);
    }
    check(false);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ what is run */

static const char text[] = "service_name: \"tool\" binary_path: '/opt/tool' # comment\n"
                           "version_allow_list: [\"1.0.0\", \"2.0.0\", '3.0.0']\n"
                           "labels { # c\n key: \"b\" value: \"2\" } labels [{key: \"a\"}, {value: 'x'}]\n";

static int run_text(void)
{
    struct definition *definition = NULL;
    struct text_report report;
    int r = definition_parse_text(SLICE("service_name: \"tool\" binary_path: \"/x\" labels { key: \"a\" }"
                                        "version_allow_list: [\"1.0.0\", \"2.0.0\"]"),
                                  "tool", &report, &definition);

    definition_unref(definition);
    return r;
}

static char long_text[1 << 15];

static int run_long_text(void)
{
    struct definition *definition = NULL;
    struct text_report report;
    int r = definition_parse_text(slice_from(long_text), NULL, &report, &definition);

    definition_unref(definition);
    return r;
}

static int run_round_trip(void)
{
    struct definition *definition = NULL, *again = NULL;
    struct buffer packed, printed;
    struct text_report report;
    int r;

    buffer_init(&packed, 1 << 16);
    buffer_init(&printed, 1 << 16);
    r = definition_parse_text(slice_from(text), NULL, &report, &definition);
    if (r == 0)
        r = definition_pack(definition, &packed);
    if (r == 0)
        r = definition_unpack(buffer_slice(&packed), &again);
    if (r == 0)
        r = definition_print(again, &printed);
    buffer_deinit(&packed);
    buffer_deinit(&printed);
    definition_unref(definition);
    definition_unref(again);
    return r;
}

static int run_format(void)
{
    struct buffer out;
    int r;

    buffer_init(&out, 1 << 16);
    r = definition_format_text(slice_from(text), &out);
    buffer_deinit(&out);
    return r;
}

static char dir[200];

__attribute__((constructor)) static void silence(void)
{
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static int run_store(void)
{
    const struct definition *definition;
    struct store_fault fault;
    struct store store = {0};
    int r;

    r = store_init(&store, dir);
    if (r == 0)
        r = store_get(&store, SLICE("tool"), 1, &definition, &fault);
    if (r == 0)
        r = store_get(&store, SLICE("tool"), 1, &definition, &fault);
    store_deinit(&store);
    return r;
}

static int run_load_binary(void)
{
    const struct definition *definition = NULL;
    struct definition_file file;
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    r = definition_file_load(dir_fd, "tool.servicedef", DEFINITION_FORM_BINARY, "tool", &file, &definition);
    close(dir_fd);
    if (r == 0)
        definition_unrefp(&definition);
    return r;
}

static void test_text(void)
{
    check(sweep(run_text) > 3);
}

/* Of each kind so many that each has its turn to be what a new piece of memory is asked for. */
static void test_long_text(void)
{
    static const char *const pieces[] = {"labels {}\n", "version_allow_list: \"1.0.0\"\n",
                                         "labels { key: \"a long key, and unlike any other\" }\n"};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t used = (size_t)snprintf(long_text, sizeof(long_text), "service_name: \"tool\" binary_path: \"/x\"\n");

        for (int n = 0; n < 500; n++)
            used += (size_t)snprintf(long_text + used, sizeof(long_text) - used, "%s", pieces[i]);
        check(used < sizeof(long_text));
        check(sweep(run_long_text) > 5);
    }
}

static void test_round_trip(void)
{
    check(sweep(run_round_trip) > 5);
}

static void test_format(void)
{
    check(sweep(run_format) > 5);
}

static void test_store(void)
{
    char path[300];
    FILE *file;

    snprintf(dir, sizeof(dir), "%s", check_tmpdir());
    snprintf(path, sizeof(path), "%s/tool.txtpb", dir);
    file = fopen(path, "w");
    check_fatal(file != NULL);
    fputs(text, file);
    fclose(file);
    check(sweep(run_store) > 5);
    snprintf(path, sizeof(path), "%s/tool.servicedef", dir);
    file = fopen(path, "w");
    check_fatal(file != NULL);
    fputs("\x0a\x04tool\x12\x02/x", file); /* service_name, binary_path */
    fclose(file);
    check(sweep(run_load_binary) > 2);
}

/* At rest, an answer takes no memory at all. */
static void test_warm(void)
{
    nsec_t until = clock_unix_nsec() + 30 * NSEC_PER_MSEC;
    const struct definition *definition = NULL;
    struct store_fault fault;
    struct store store;
    int r = 0;

    while (clock_unix_nsec() < until)
        ;
    check_int(store_init(&store, dir), 0);
    check_int(store_get(&store, SLICE("tool"), 1, &definition, &fault), 0);
    failing_alloc_start(0, true);
    for (int i = 0; i < 100 && r == 0; i++)
        r = store_get(&store, SLICE("tool"), 1, &definition, &fault);
    failing_alloc_stop();
    check_int(r, 0);
    check_int(store.n_loads, 1);
    store_deinit(&store);
}

CHECK_PROGRAM("service/memory", {"text", test_text}, {"long texts", test_long_text},
              {"text, copy, binary, text", test_round_trip}, {"formatting", test_format}, {"the store", test_store},
              {"the store at rest allocates nothing", test_warm})
