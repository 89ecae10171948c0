/* SPDX-License-Identifier: MIT */
/* The identity hash (spec 02 §1): frozen vectors, and which file decides, falls through or ends the matter. */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/identity.h"

static char paths[3][256];
static struct identity_sources sources;

static void put(int which, const char *bytes, size_t size)
{
    FILE *file = fopen(paths[which], "w");

    check_fatal(file != NULL);
    check_int(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void put_text(int which, const char *text)
{
    put(which, text, strlen(text));
}

static void fresh(void)
{
    const char *dir = check_tmpdir();

    for (int i = 0; i < 3; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/%d", dir, i);
    sources = (struct identity_sources){.machine_id = {paths[0], paths[1]}, .boot_id = paths[2]};
}

static void check_hash(uid_t uid, const char *want)
{
    char hash[IDENTITY_HASH_SIZE] = "";

    check_int(identity_hash_from(uid, &sources, hash), 0);
    check_str(hash, want);
}

static void test_vectors(void)
{
    char hash[IDENTITY_HASH_SIZE];

    identity_hash_text("1000:0123456789abcdef0123456789abcdef", hash);
    check_str(hash, "9bfab56ad37b16cc");
    identity_hash_text("alice:machine-1", hash);
    check_str(hash, "0c156653d434bf60");
    identity_hash_text("sample-input", hash);
    check_str(hash, "c6e7e9416e6d7a44");
    identity_hash_text("", hash);
    check_str(hash, "af1349b9f5f9a1a6");
}

static void test_machine_id(void)
{
    fresh();
    put_text(0, "0123456789abcdef0123456789abcdef\n");
    put_text(1, "other");
    check_hash(1000, "9bfab56ad37b16cc");
    check_hash(0, "8bfb933616a69d3d");
    put_text(0, " \t\v\f\r\n\xc2\xa0\xe2\x80\x83\xe3\x80\x80"
                "0123456789abcdef0123456789abcdef\xc2\x85\xe2\x80\xa8 \n");
    check_hash(1000, "9bfab56ad37b16cc");
}

static void test_falls_through(void)
{
    fresh();
    put_text(0, " \n");
    put_text(1, "0123456789abcdef0123456789abcdef");
    check_hash(1000, "9bfab56ad37b16cc");
    unlink(paths[0]);
    check_hash(1000, "9bfab56ad37b16cc");
}

static void test_boot_id(void)
{
    char hash[IDENTITY_HASH_SIZE];

    fresh();
    put_text(1, "\n");
    put_text(2, "11111111-2222-3333-4444-555555555555\n");
    check_hash(1000, "a48288a498fa4fb1");
    put_text(2, "\n");
    check_int(identity_hash_from(1000, &sources, hash), -ENXIO);
    unlink(paths[2]);
    check_int(identity_hash_from(1000, &sources, hash), -ENXIO);
}

static void test_hard_failures(void)
{
    static char large[IDENTITY_FILE_SIZE_MAX + 1];
    char hash[IDENTITY_HASH_SIZE] = "untouched", below[300];

    fresh();
    put_text(1, "0123456789abcdef0123456789abcdef");
    mkdir(paths[0], 0700);
    check_int(identity_hash_from(1000, &sources, hash), -EISDIR);
    rmdir(paths[0]);
    put_text(0, "bad \xff utf-8");
    check_int(identity_hash_from(1000, &sources, hash), -EILSEQ);
    memset(large, 'a', sizeof(large));
    put(0, large, sizeof(large));
    check_int(identity_hash_from(1000, &sources, hash), -EFBIG);
    put(0, large, sizeof(large) - 1);
    check_int(identity_hash_from(1000, &sources, hash), 0);
    snprintf(below, sizeof(below), "%s/x", paths[0]);
    sources.machine_id[0] = below;
    check_int(identity_hash_from(1000, &sources, hash), -ENOTDIR);
    if (getuid() != 0) {
        sources.machine_id[0] = paths[0];
        chmod(paths[0], 0);
        check_int(identity_hash_from(1000, &sources, hash), -EACCES);
    }
}

static void test_form(void)
{
    check(identity_is_hash("0123456789abcdef"));
    check(!identity_is_hash("0123456789ABCDEF"));
    check(!identity_is_hash("0123456789abcde"));
    check(!identity_is_hash("0123456789abcdef0"));
    check(!identity_is_hash("0123456789abcdeg"));
}

CHECK_PROGRAM("service/identity", {"frozen vectors", test_vectors}, {"the first machine-id, trimmed", test_machine_id},
              {"blank and missing files give way to the next", test_falls_through},
              {"the boot id comes last, with its mark", test_boot_id},
              {"every other failure is final", test_hard_failures}, {"form of a hash", test_form})
