/* SPDX-License-Identifier: MIT */

/* Names, versions, trace context and UTF-8 against the lists of the specification and a second, plain reading of it. */

#include "check.h"
#include "wire/text.h"

#include <stdlib.h>

static void test_names(void)
{
    static const struct {
        const char *name;
        enum name_fault fault;
        size_t offset;
    } rows[] = {
        {"a", NAME_OK, 0},
        {"-", NAME_OK, 0},
        {"--", NAME_OK, 0},
        {"-zccache-", NAME_OK, 0},
        {"build-cache", NAME_OK, 0},
        {"0123456789-abcdefghijklmnopqrstuvwxyz", NAME_OK, 0},
        {"", NAME_EMPTY, 0},
        {"Zccache", NAME_UPPERCASE, 0},
        {"zccachE", NAME_UPPERCASE, 6},
        {"a/B", NAME_CHARACTER, 1},
        {"aB/", NAME_UPPERCASE, 1},
        {"../zccache", NAME_CHARACTER, 0},
        {"..\\zccache", NAME_CHARACTER, 0},
        {"/tmp/zccache", NAME_CHARACTER, 0},
        {"zccache/service", NAME_CHARACTER, 7},
        {"zccache;rm", NAME_CHARACTER, 7},
        {"zccache&&calc", NAME_CHARACTER, 7},
        {"zccache|whoami", NAME_CHARACTER, 7},
        {"zccache service", NAME_CHARACTER, 7},
        {"zccache.service", NAME_CHARACTER, 7},
        {"zccache_service", NAME_CHARACTER, 7},
        {"zcc\xF0\x9F\x98\x80", NAME_CHARACTER, 3},
        {"zcc\xFF", NAME_CHARACTER, 3},
        {"`", NAME_CHARACTER, 0},
        {"{", NAME_CHARACTER, 0},
        {"@", NAME_CHARACTER, 0},
        {"[", NAME_CHARACTER, 0},
        {":", NAME_CHARACTER, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t offset = 0;

        check_int(text_check_name(slice_from(rows[i].name)), rows[i].fault);
        check_int(text_check_name_at(slice_from(rows[i].name), &offset), rows[i].fault);
        check_int(offset, rows[i].offset);
    }
    check_int(text_check_name(SLICE("zcc\0ache")), NAME_CHARACTER);
    check_int(text_check_name((struct slice){0}), NAME_EMPTY);
}

static void test_name_length(void)
{
    char name[66];

    memset(name, 'a', sizeof(name));
    check_int(text_check_name((struct slice){name, 64}), NAME_OK);
    check_int(text_check_name((struct slice){name, 65}), NAME_TOO_LONG);
    name[0] = 'A'; /* length is judged first */
    check_int(text_check_name((struct slice){name, 65}), NAME_TOO_LONG);
    check_int(text_check_name((struct slice){name, 64}), NAME_UPPERCASE);
}

static void test_versions(void)
{
    static const struct {
        const char *version;
        enum version_fault fault;
    } rows[] = {
        {"1.0.0", VERSION_OK},
        {"1.11.20", VERSION_OK},
        {"0.0.1-alpha.1", VERSION_OK},
        {"2.3.4-rc.1.beta", VERSION_OK},
        {"007.1.2", VERSION_OK},
        {"1.0.0-.", VERSION_OK},
        {"1.0.0-..", VERSION_OK},
        {"1.0.0-a..b", VERSION_OK},
        {"0.0.18446744073709551616", VERSION_OK},
        {"", VERSION_EMPTY},
        {"1.0", VERSION_CORE},
        {"1.0.0.0", VERSION_CORE},
        {"1.0.", VERSION_CORE},
        {".1.0", VERSION_CORE},
        {"1..0", VERSION_CORE},
        {"-1.0.0", VERSION_CORE},
        {"1.0-0", VERSION_CORE},
        {"v1.0.0", VERSION_CORE},
        {"1.0.0..evil", VERSION_CORE},
        {"1.0.0/evil", VERSION_CORE},
        {"1.0.0+b", VERSION_CORE},
        {"1.0.0 alpha", VERSION_CORE},
        {" 1.0.0", VERSION_CORE},
        {"1.0.0;rm", VERSION_CORE},
        {"1.0.0`", VERSION_CORE},
        {"1.0.0$", VERSION_CORE},
        {"1.0.0\n", VERSION_CORE},
        {"1.0.0-", VERSION_TAIL_EMPTY},
        {"1.0.0-ALPHA", VERSION_TAIL_CHARACTER},
        {"1.0.0-rc-1", VERSION_TAIL_CHARACTER},
        {"1.0.0--", VERSION_TAIL_CHARACTER},
        {"1.0.0-../../evil", VERSION_TAIL_CHARACTER},
        {"1.0.0-alpha+build", VERSION_TAIL_CHARACTER},
        {"1.0.0-alpha ", VERSION_TAIL_CHARACTER},
    };
    char longest[4096];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_int(text_check_version(slice_from(rows[i].version)), rows[i].fault);
    }
    check_int(text_check_version(SLICE("1.0.0\0")), VERSION_CORE);
    check_int(text_check_version((struct slice){0}), VERSION_EMPTY);
    memset(longest, '9', sizeof(longest));
    longest[1] = longest[3] = '.';
    check_int(text_check_version((struct slice){longest, sizeof(longest)}), VERSION_OK);
}

static void test_traceparent(void)
{
    static const char *good[] = {
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "ff-00000000000000000000000000000001-1000000000000000-ff",
        "00-a0000000000000000000000000000000-000000000000000f-00",
    };
    static const char *bad[] = {
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n",
        "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-000f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        check(text_is_traceparent(slice_from(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check(!text_is_traceparent(slice_from(bad[i])));
    }
    check(!text_is_traceparent((struct slice){0}));
}

static void test_tracestate(void)
{
    char text[513];

    check(text_is_tracestate(SLICE("rp=1")));
    check(text_is_tracestate(SLICE(" ~")));
    check(!text_is_tracestate(SLICE("")));
    check(!text_is_tracestate(SLICE("a\x1f")));
    check(!text_is_tracestate(SLICE("a\x7f")));
    check(!text_is_tracestate(SLICE("a\0b")));
    check(!text_is_tracestate(SLICE("\xC3\xA4")));
    memset(text, 'x', sizeof(text));
    check(text_is_tracestate((struct slice){text, 512}));
    check(!text_is_tracestate((struct slice){text, 513}));
}

/* Encodes @code in @size bytes, also where that is wrong. */
static void put_utf8(char *out, uint32_t code, size_t size)
{
    static const unsigned char lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};

    for (size_t i = size; i-- > 1;) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[size] | code);
}

static void test_utf8_all_characters(void)
{
    unsigned int wrong = 0;
    char text[4];

    for (uint32_t code = 0; code < 0x200000; code++) {
        size_t shortest = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

        for (size_t size = shortest; size <= 4; size++) {
            bool good = size == shortest && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);

            put_utf8(text, code, size);
            wrong += text_is_utf8((struct slice){text, size}) != good;
            wrong += size > 1 && text_is_utf8((struct slice){text, size - 1});
            wrong += text_character_size((struct slice){text, size}) != (good ? size : 0);
        }
    }
    check_int(wrong, 0);
}

static void test_utf8_bytes(void)
{
    char text[3] = "";

    check(text_is_utf8((struct slice){0}));
    check(text_is_utf8(SLICE("a\0b")));
    for (int c = 0x80; c <= 0xff; c++) {
        text[0] = (char)c;
        check(!text_is_utf8((struct slice){text, 1}));
    }
    check(!text_is_utf8(SLICE("\xf5\x80\x80\x80")));
    check(!text_is_utf8(SLICE("\xc3(")));
    check(!text_is_utf8(SLICE("good then bad \xe2\x82")));
    check(text_is_utf8(SLICE("\xe2\x82\xac\xc3\xa4z")));
    check_int(text_character_size(SLICE("\xe2\x82\xac\xc3\xa4z")), 3);
    check_int(text_character_size((struct slice){0}), 0);
}

static void test_words(void)
{
    for (int fault = NAME_EMPTY; fault <= NAME_CHARACTER; fault++) {
        check(name_fault_text((enum name_fault)fault)[0] != '\0');
    }
    for (int fault = VERSION_EMPTY; fault <= VERSION_TAIL_CHARACTER; fault++) {
        check(version_fault_text((enum version_fault)fault)[0] != '\0');
    }
    check_str(name_fault_text(NAME_OK), "");
    check_str(version_fault_text(VERSION_OK), "");
}

CHECK_PROGRAM("wire/text", {"names: every row of the corpus, with the offending byte", test_names},
              {"names: 64 bytes are the limit, length before charset", test_name_length},
              {"versions: every row of the corpus", test_versions},
              {"traceparent: shape, and no id of zeros", test_traceparent},
              {"tracestate: printable ASCII up to 512 bytes", test_tracestate},
              {"UTF-8: every code point in every length", test_utf8_all_characters},
              {"UTF-8: lone bytes and cut characters", test_utf8_bytes}, {"every fault has words", test_words})
