/* SPDX-License-Identifier: MIT */

/* The identity file: its bytes, and what is and is not read back (spec 03 §15.4); the identity of this process. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/blake3sum.h"
#include "check.h"
#include "rpb/backend.h"

static const char frozen_head[] = "{\n"
                                  "  \"pid\": 4242,\n"
                                  "  \"exe_path\": \"/opt/toy/1.0.0/toyd\",\n"
                                  "  \"exe_hash_algorithm\": \"blake3\",\n"
                                  "  \"exe_hash\": [\n";
static const char frozen_middle[] = "  ],\n"
                                    "  \"legacy_exe_sha256\": [\n";
static const char frozen_foot[] = "  ],\n"
                                  "  \"boot_id\": \"3f1c2a4e-7b5d-4c8e-9a1b-0d2e4f6a8c10\",\n"
                                  "  \"ipc_endpoint\": {\n"
                                  "    \"namespace_id\": \"shared\",\n"
                                  "    \"path\": \"/tmp/t.sock\"\n"
                                  "  },\n"
                                  "  \"started_at_unix_ms\": 1700000000000,\n"
                                  "  \"idle_timeout_secs\": ";

static struct rpb_backend_identity example(void)
{
    struct rpb_backend_identity identity = {
        .pid = 4242,
        .exe_path = "/opt/toy/1.0.0/toyd",
        .boot_id = "3f1c2a4e-7b5d-4c8e-9a1b-0d2e4f6a8c10",
        .namespace_id = "shared",
        .path = "/tmp/t.sock",
        .started_at_unix_ms = 1700000000000,
        .has_idle_timeout = true,
        .idle_timeout_secs = 30,
    };

    memset(identity.exe_hash, 17, 32);
    memset(identity.legacy_exe_sha256, 34, 32);
    return identity;
}

/* The whole text, by hand. */
static const char *frozen(const char *idle)
{
    static char text[4096];
    char *at = text + sprintf(text, "%s", frozen_head);

    for (int i = 0; i < 32; i++) {
        at += sprintf(at, "    17%s\n", i < 31 ? "," : "");
    }
    at += sprintf(at, "%s", frozen_middle);
    for (int i = 0; i < 32; i++) {
        at += sprintf(at, "    34%s\n", i < 31 ? "," : "");
    }
    sprintf(at, "%s%s\n}", frozen_foot, idle);
    return text;
}

static bool same(const struct rpb_backend_identity *a, const struct rpb_backend_identity *b)
{
    return a->pid == b->pid && !strcmp(a->exe_path, b->exe_path) && !memcmp(a->exe_hash, b->exe_hash, 32) &&
           !memcmp(a->legacy_exe_sha256, b->legacy_exe_sha256, 32) && !strcmp(a->boot_id, b->boot_id) &&
           !strcmp(a->namespace_id, b->namespace_id) && !strcmp(a->path, b->path) &&
           a->started_at_unix_ms == b->started_at_unix_ms && a->has_idle_timeout == b->has_idle_timeout &&
           a->idle_timeout_secs == b->idle_timeout_secs;
}

static void test_bytes(void)
{
    struct rpb_backend_identity identity = example();
    char *json = NULL;

    check_int(rpb_backend_identity_to_json(&identity, &json), 0);
    check_str(json, frozen("30"));
    free(json);
    identity.has_idle_timeout = false;
    check_int(rpb_backend_identity_to_json(&identity, &json), 0);
    check_str(json, frozen("null"));
    free(json);
}

static void test_strings(void)
{
    struct rpb_backend_identity identity = example(), read;
    char *json = NULL;

    strcpy(identity.exe_path, "/a \"b\"\\\b\f\n\r\t\x01\x1f/\x7f\xc3\xa9");
    check_int(rpb_backend_identity_to_json(&identity, &json), 0);
    check(strstr(json, "\"/a \\\"b\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f/\x7f\xc3\xa9\"") != NULL);
    check_int(rpb_backend_identity_from_json(json, strlen(json), &read), 0);
    check(same(&identity, &read));
    free(json);
}

static int from(const char *text, struct rpb_backend_identity *ret)
{
    return rpb_backend_identity_from_json(text, strlen(text), ret);
}

/* The frozen text with the first @what replaced by @with. */
static const char *edited(const char *what, const char *with)
{
    static char text[8192];
    const char *whole = frozen("30"), *at = strstr(whole, what);

    check_fatal(at != NULL);
    sprintf(text, "%.*s%s%s", (int)(at - whole), whole, with, at + strlen(what));
    return text;
}

static void test_tolerance(void)
{
    struct rpb_backend_identity want = example(), got;
    const char *whole = frozen("30");
    const char *legacy = strstr(whole, "  \"legacy"), *boot = strstr(whole, "  \"boot_id");
    char text[8192];

    check_int(from(frozen("30"), &got), 0);
    check(same(&want, &got));
    check_int(from(edited("{\n", "{\"future\": [1, {\"a\": null}],\n"), &got), 0);
    check(same(&want, &got));
    check_int(from(edited(",\n  \"idle_timeout_secs\": 30", ""), &got), 0);
    check(!got.has_idle_timeout);
    check_int(from(frozen("null"), &got), 0);
    check(!got.has_idle_timeout);
    check_int(from(frozen("0"), &got), 0);
    check(got.has_idle_timeout && got.idle_timeout_secs == 0);
    sprintf(text, "%.*s%s", (int)(legacy - whole), whole, boot);
    memset(want.legacy_exe_sha256, 0, 32);
    strcpy(strstr(text, "secs\": ") + 7, "30\n}");
    check_int(from(text, &got), 0);
    check(same(&want, &got));
}

static void test_malformed(void)
{
    static const char *const edits[][2] = {
        {"blake3", "sha256"},
        {"\"blake3\"", "null"},
        {"    17,\n", ""},
        {"    17,\n", "    17,\n    17,\n"},
        {"    17,\n", "    256,\n"},
        {"    34,\n", "    -1,\n"},
        {"    34,\n", "    1.0,\n"},
        {"4242", "\"4242\""},
        {"4242", "4294967296"},
        {"4242", "-1"},
        {"\"pid\"", "\"pit\""},
        {"\"path\"", "\"pat\""},
        {"\"ipc_endpoint\"", "\"endpoint\""},
        {"\"boot_id\"", "\"boot\""},
        {"1700000000000", "null"},
        {"30\n}", "4294967296\n}"},
        {"30\n}", "30\n} x"},
        {"toyd", "toyd\\u0000"},
        {"/tmp/t.sock",
         "/tmp/012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567.sock"},
    };
    struct rpb_backend_identity got = {.pid = 1};
    const char *whole = frozen("30");

    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        check_int(from(edited(edits[i][0], edits[i][1]), &got), -EBADMSG);
    }
    whole = frozen("30");
    for (size_t n = 0; n < strlen(whole); n++) {
        check_int(rpb_backend_identity_from_json(whole, n, &got), -EBADMSG);
    }
    check_int(from("[]", &got), -EBADMSG);
    check_int(got.pid, 1); /* nothing is written on failure */
}

static void put_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    check_fatal(file != NULL);
    fputs(text, file);
    fclose(file);
}

static void test_file(void)
{
    struct rpb_backend_identity identity = example(), got;
    char path[256], text[8192] = "";
    struct stat st;
    FILE *file;

    snprintf(path, sizeof(path), "%s/daemon-identity.json", check_tmpdir());
    check_int(rpb_backend_identity_read(path, &got), RPB_BACKEND_ABSENT);
    check(!rpb_backend_identity_find(path, &got));
    check_int(rpb_backend_identity_write(&identity, path), 0);
    check_int(stat(path, &st), 0);
    check_int(st.st_mode & 07777, 0600);
    file = fopen(path, "re");
    check_fatal(file != NULL);
    check(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    check_str(text, frozen("30"));
    check_int(rpb_backend_identity_read(path, &got), 0);
    check(same(&identity, &got));

    rpb_backend_identity_remove(path); /* names another process: stays */
    check(rpb_backend_identity_find(path, &got));
    identity.pid = (uint32_t)getpid();
    check_int(rpb_backend_identity_write(&identity, path), 0);
    rpb_backend_identity_remove(path);
    check_int(rpb_backend_identity_read(path, &got), RPB_BACKEND_ABSENT);

    put_file(path, "{");
    check_int(rpb_backend_identity_read(path, &got), -EBADMSG);
    check(!rpb_backend_identity_find(path, &got));
    check_int(unlink(path), 0);
    check_int(rpb_backend_identity_read(check_tmpdir(), &got), -EBADMSG); /* no file */
    snprintf(path, sizeof(path), "%s/nowhere/daemon-identity.json", check_tmpdir());
    check_int(rpb_backend_identity_write(&identity, path), -ENOENT);
}

/* What is no file that could hold one; the last begins as a file does, and cannot be read. */
static void test_unreadable(void)
{
    struct rpb_backend_identity identity;

    check_int(rpb_backend_identity_read("/dev/null/x", &identity), -ENOTDIR);
    check_int(rpb_backend_identity_read("/dev/null", &identity), -EBADMSG);
    check_int(rpb_backend_identity_read("/proc/self/mem", &identity), -EIO);
}

static void test_own(void)
{
    static const uint8_t zeros[32];
    struct rpb_backend_identity identity, again;
    uint8_t hash[32];
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    check_fatal(n > 0);
    path[n] = '\0';
    check_int(rpb_backend_identity_make("ns", "/x.sock", RPB_BACKEND_SHA256_ALWAYS, &identity), 0);
    check_int(identity.pid, getpid());
    check_str(identity.exe_path, path);
    check_str(identity.namespace_id, "ns");
    check_str(identity.path, "/x.sock");
    check_int(strlen(identity.boot_id), 36);
    check_int(blake3_sum_fd(fd, hash), 0);
    check_mem(identity.exe_hash, hash, 32);
    check(memcmp(identity.legacy_exe_sha256, zeros, 32) != 0);
    check(!identity.has_idle_timeout);
    check_int(rpb_backend_identity_make("ns", "/x.sock", RPB_BACKEND_SHA256_ZEROS, &again), 0);
    check_mem(again.legacy_exe_sha256, zeros, 32);
    check_int(rpb_backend_identity_make("ns", "", RPB_BACKEND_SHA256_ZEROS, &again), -EINVAL);
    check_int(rpb_backend_identity_make("\xff", "/x", RPB_BACKEND_SHA256_ZEROS, &again), -EILSEQ);
    again.pid = 1;
    check_int(rpb_backend_identity_make(NULL, "/x", RPB_BACKEND_SHA256_ZEROS, &again), -EINVAL);
    check_int(rpb_backend_identity_make("ns", NULL, RPB_BACKEND_SHA256_ZEROS, &again), -EINVAL);
    check_int(rpb_backend_identity_make("ns", "/x", (enum rpb_backend_sha256)3, &again), -EINVAL);
    check_int(again.pid, 1); /* nothing is written on failure */
    close(fd);
}

/* The digest of the file against the tool that everybody has. */
static void test_sha256(void)
{
    struct rpb_backend_identity identity;
    char command[5000], text[65] = "", want[65];
    FILE *pipe;

    check_int(rpb_backend_identity_make("ns", "/x.sock", RPB_BACKEND_SHA256_AUTO, &identity), 0);
    snprintf(command, sizeof(command), "sha256sum '%s'", identity.exe_path);
    pipe = popen(command, "re");
    check_fatal(pipe != NULL);
    check_int(fread(text, 1, 64, pipe), 64);
    pclose(pipe);
    check_str(hex_encode(identity.legacy_exe_sha256, 32, want), text);
}

CHECK_PROGRAM("lib/backend-sidecar", {"the bytes of the identity file", test_bytes},
              {"strings are escaped and read back", test_strings}, {"what may be missing or new", test_tolerance},
              {"what is malformed", test_malformed}, {"write, read, remove", test_file},
              {"what is no identity file", test_unreadable}, {"the identity of this process", test_own},
              {"SHA-256 as sha256sum has it", test_sha256})
