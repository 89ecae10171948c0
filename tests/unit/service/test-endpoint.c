/* SPDX-License-Identifier: MIT */
/* Names of sockets (spec 02 §3, decision 9b) and instances (spec 02 §4). */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "service/definition.h"
#include "service/endpoint.h"
#include "service/instance.h"

#define HASH "deadbeefdeadbeef"

static const char *run_user = "/run/user/1000/running-process/broker";

static void check_path(enum endpoint_class class, const char *name, const char *want)
{
    char path[ENDPOINT_PATH_SIZE] = "";

    check_int(endpoint_path(run_user, class, HASH, slice_from(name), path), 0);
    check_str(path, want);
    check_int(endpoint_path_size(run_user, class, slice_from(name)), strlen(want));
}

static void test_classes(void)
{
    check_path(ENDPOINT_SHARED, "", "/run/user/1000/running-process/broker/rpb-v1-deadbeefdeadbeef-shared.sock");
    check_path(ENDPOINT_PRIVATE, "zccache",
               "/run/user/1000/running-process/broker/rpb-v1-deadbeefdeadbeef-svc-zccache.sock");
    check_path(ENDPOINT_EXPLICIT, "ci-trusted",
               "/run/user/1000/running-process/broker/rpb-v1-deadbeefdeadbeef-inst-ci-trusted.sock");
    check_path(
        ENDPOINT_BACKEND, "abababababababababababababababab",
        "/run/user/1000/running-process/broker/rpb-v1-deadbeefdeadbeef-be-abababababababababababababababab.sock");
}

static size_t longest_name(const char *dir, enum endpoint_class class)
{
    char name[65], path[ENDPOINT_PATH_SIZE];
    size_t longest = 0;

    memset(name, 'a', sizeof(name));
    for (size_t size = 1; size <= 64; size++) {
        if (endpoint_path(dir, class, HASH, (struct slice){.data = name, .size = size}, path) == 0)
            longest = size;
    }
    return longest;
}

/* The table of spec 02 §3.3. */
static void test_budget(void)
{
    char dir[64];

    check_int(longest_name("/run/user/1000/running-process/broker", ENDPOINT_PRIVATE), 36);
    check_int(longest_name("/run/user/1000/running-process/broker", ENDPOINT_EXPLICIT), 35);
    check_int(longest_name("/tmp/running-process-1000/broker", ENDPOINT_PRIVATE), 41);
    check_int(longest_name("/tmp/running-process-1000/broker", ENDPOINT_EXPLICIT), 40);
    snprintf(dir, sizeof(dir), "/run/user/1000000000/running-process/broker");
    check_int(longest_name(dir, ENDPOINT_PRIVATE), 30);
    check_int(longest_name(dir, ENDPOINT_EXPLICIT), 29);
}

static void test_limit(void)
{
    char dir[128], path[ENDPOINT_PATH_SIZE];

    memset(dir, 0, sizeof(dir));
    memset(dir, 'd', 107 - 36);
    dir[0] = '/';
    check_int(endpoint_path(dir, ENDPOINT_SHARED, HASH, SLICE(""), path), 0);
    check_int(strlen(path), 107);
    dir[107 - 36] = 'd';
    check_int(endpoint_path(dir, ENDPOINT_SHARED, HASH, SLICE(""), path), ENDPOINT_E_TOO_LONG);
    check(strstr(endpoint_error_text(ENDPOINT_E_TOO_LONG), "107") != NULL);
}

static void test_refusals(void)
{
    char path[ENDPOINT_PATH_SIZE];

    check_int(endpoint_path(run_user, ENDPOINT_PRIVATE, "DEADBEEFDEADBEEF", SLICE("a"), path), ENDPOINT_E_HASH);
    check_int(endpoint_path(run_user, ENDPOINT_PRIVATE, "", SLICE("../a"), path), ENDPOINT_E_HASH);
    check_int(endpoint_path(run_user, ENDPOINT_PRIVATE, HASH, SLICE("../a"), path), ENDPOINT_E_NAME);
    check_int(endpoint_path(run_user, ENDPOINT_EXPLICIT, HASH, SLICE(""), path), ENDPOINT_E_NAME);
    check_int(endpoint_path(run_user, ENDPOINT_BACKEND, HASH, SLICE("abab"), path), ENDPOINT_E_NAME);
    check_int(endpoint_path(run_user, ENDPOINT_BACKEND, HASH, SLICE("ABababababababababababababababab"), path),
              ENDPOINT_E_NAME);
}

static void test_directory(void)
{
    char dir[ENDPOINT_DIR_SIZE], want[128], longest[ENDPOINT_DIR_SIZE + 1];

    snprintf(want, sizeof(want), "/tmp/running-process-%u/broker", (unsigned int)getuid());
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    check_int(endpoint_dir(dir), 0);
    check_str(dir, "/run/user/7/running-process/broker");
    setenv("XDG_RUNTIME_DIR", "/run/user/7//", 1); /* no slash is added to one: others derive the same bytes */
    check_int(endpoint_dir(dir), 0);
    check_str(dir, "/run/user/7//running-process/broker");
    setenv("XDG_RUNTIME_DIR", "", 1);
    check_int(endpoint_dir(dir), 0);
    check_str(dir, want);
    unsetenv("XDG_RUNTIME_DIR");
    check_int(endpoint_dir(dir), 0);
    check_str(dir, want);
    setenv("XDG_RUNTIME_DIR", "run", 1);
    check_int(endpoint_dir(dir), ENDPOINT_E_RELATIVE);
    setenv("XDG_RUNTIME_DIR", "/run/\xff", 1);
    check_int(endpoint_dir(dir), ENDPOINT_E_TEXT);
    check(strstr(endpoint_error_text(ENDPOINT_E_TEXT), "XDG_RUNTIME_DIR is not valid UTF-8") != NULL);
    memset(longest, 'r', sizeof(longest) - 1);
    longest[0] = '/';
    longest[sizeof(dir) - strlen("/running-process/broker") - 1] = '\0';
    setenv("XDG_RUNTIME_DIR", longest, 1);
    check_int(endpoint_dir(dir), 0);
    check_int(strlen(dir), sizeof(dir) - 1);
    longest[strlen(longest)] = 'r';
    longest[sizeof(longest) - 1] = '\0';
    setenv("XDG_RUNTIME_DIR", longest, 1);
    check_int(endpoint_dir(dir), ENDPOINT_E_TOO_LONG);
}

static void test_backend(void)
{
    uint8_t random[ENDPOINT_RANDOM_SIZE];
    char path[ENDPOINT_PATH_SIZE], want[ENDPOINT_PATH_SIZE];

    memset(random, 0xab, sizeof(random));
    check_int(endpoint_backend_path(run_user, HASH, random, path), 0);
    check_str(path,
              "/run/user/1000/running-process/broker/rpb-v1-deadbeefdeadbeef-be-abababababababababababababababab.sock");
    random[15] = 0xac;
    check_int(endpoint_backend_path(run_user, HASH, random, want), 0);
    check(strcmp(path, want) != 0);
    /* too long there: the short directory */
    random[15] = 0xab;
    check_int(endpoint_backend_path("/run/user/1000000000/running-process/broker", HASH, random, path), 0);
    snprintf(want, sizeof(want),
             "/tmp/running-process-%u/broker/rpb-v1-" HASH "-be-abababababababababababababababab.sock",
             (unsigned int)getuid());
    check_str(path, want);
}

/* ------------------------------------------------------------------------------------------------ instances */

static void check_resolves(int isolation, const char *explicit_instance, int code, const char *want)
{
    struct definition definition = {
        .service_name = "zccache", .isolation = isolation, .explicit_instance = explicit_instance, .binary_path = "/x"};
    struct instance_id id = {.text = ""};

    check_int(instance_resolve(&definition, &id), code);
    check_str(id.text, want);
}

static void test_resolve(void)
{
    struct definition nameless = {.service_name = "Not/A/Name", .isolation = ISOLATION_SHARED};
    struct instance_id id;

    check_int(instance_resolve(&nameless, &id), INSTANCE_E_NAME);
    check_resolves(ISOLATION_PRIVATE, "", 0, "private:zccache");
    check_resolves(ISOLATION_SHARED, "", 0, "shared");
    check_resolves(ISOLATION_SHARED, "ignored here", 0, "shared");
    check_resolves(ISOLATION_EXPLICIT, "ci-trusted", 0, "explicit:ci-trusted");
    check_resolves(ISOLATION_EXPLICIT, "", INSTANCE_E_ISOLATION, "");
    check_resolves(ISOLATION_EXPLICIT, "CI", INSTANCE_E_NAME, "");
    check_resolves(3, "", INSTANCE_E_ISOLATION, "");
    check_resolves(-1, "", INSTANCE_E_ISOLATION, "");
    check(strstr(instance_error_text(INSTANCE_E_ISOLATION), "requires explicit_instance") != NULL);
}

static void check_parses(const char *text, enum endpoint_class class, const char *name)
{
    struct instance_id id;
    struct slice got;

    check_int(instance_parse(text, &id), 0);
    check_str(id.text, text);
    check_int(instance_endpoint(&id, &got), class);
    check(slice_is(got, name));
}

static void test_parse(void)
{
    static const char *const bad[] = {
        "", "Shared", "shared:", "private", "private:", "private:A", "explicit:", "explicit:a b", "x:y"};
    struct instance_id id, same;
    char name[128] = "explicit:";

    check_parses("shared", ENDPOINT_SHARED, "");
    check_parses("private:zccache", ENDPOINT_PRIVATE, "zccache");
    check_parses("explicit:ci-trusted", ENDPOINT_EXPLICIT, "ci-trusted");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check_int(instance_parse(bad[i], &id), INSTANCE_E_NAME);
    memset(name + 9, 'a', 64);
    check_parses(name, ENDPOINT_EXPLICIT, name + 9);
    memset(&same, 'x', sizeof(same));
    check_int(instance_parse("shared", &id), 0);
    check_int(instance_parse("shared", &same), 0);
    check_mem(&id, &same, sizeof(id)); /* keys compare them whole */
    check(instance_equal(&id, &same));
    check_int(instance_socket_path(&id, run_user, HASH, name), 0);
    check_str(name, "/run/user/1000/running-process/broker/rpb-v1-deadbeefdeadbeef-shared.sock");
}

CHECK_PROGRAM("service/endpoint", {"four classes of names", test_classes},
              {"longest names in the usual directories", test_budget}, {"107 bytes fit, 108 do not", test_limit},
              {"hash first, then the name", test_refusals}, {"directory from the environment", test_directory},
              {"a backend moves to the short directory", test_backend}, {"instance of a definition", test_resolve},
              {"instance as an operator writes it", test_parse})
