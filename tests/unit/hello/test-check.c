/* SPDX-License-Identifier: MIT */

/* Every row of spec 01 sections 6.2 and 6.3, and that the first failing row wins. */

#include <stdio.h>

#include "check.h"
#include "hello/check.h"

static const char zeros[] = "";

static Hello good(void)
{
    static char service[] = "zccache", version[] = "1.11.20";
    Hello hello;

    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = 1;
    hello.client_max_protocol = 1;
    hello.service_name = service;
    hello.wanted_version = version;
    return hello;
}

static void expect(const Hello *hello, pid_t pid, uint32_t code, const char *reason)
{
    struct reply reply = {0};

    check_int(check_shape(hello, pid, &reply), CHECK_E_REFUSED);
    check_int(reply.code, code);
    check_str(reply.reason, reason);
    check_int(reply.retry_after_ms, 0);
}

static void expect_good(const Hello *hello, pid_t pid)
{
    struct reply reply = {0};

    check_int(check_shape(hello, pid, &reply), 0);
}

/* A text of @n times 'a' that lives until the end. */
static char *text_of(size_t n)
{
    static char texts[8][256];
    static unsigned int next;
    char *text = texts[next++ % 8];

    memset(text, 'a', n);
    text[n] = '\0';
    return text;
}

static void test_range(void)
{
    Hello hello = good();

    expect_good(&hello, 1);
    hello.client_max_protocol = 9;
    expect_good(&hello, 1);
    hello.client_min_protocol = 0;
    expect_good(&hello, 1);
    hello.client_min_protocol = 2;
    expect(&hello, 1, 1, "client protocol range does not include v1");
    hello.client_min_protocol = 0;
    hello.client_max_protocol = 0;
    expect(&hello, 1, 1, "client protocol range does not include v1");
}

static void test_service(void)
{
    static const char *const bad[] = {"", "Zccache", "a_b", "..", "a/b", "a b", "a.b", "\xC3\xA9"};
    Hello hello = good();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[16];

        snprintf(text, sizeof(text), "%s", bad[i]);
        hello.service_name = text;
        expect(&hello, 1, 6, "invalid service_name");
    }
    hello.service_name = text_of(64);
    expect_good(&hello, 1);
    hello.service_name = text_of(65);
    expect(&hello, 1, 6, "invalid service_name");
}

static void test_version(void)
{
    static const char *const bad[] = {"",
                                      "1.0",
                                      "1.0.0.0",
                                      "v1.0.0",
                                      "1.0.0-",
                                      "1.0.0-ALPHA",
                                      "1.0.0..evil",
                                      "1.0.0/evil",
                                      "1.0.0-../../evil",
                                      "1.0.0-alpha+build",
                                      "1.0.0 alpha",
                                      "$(id)"};
    static const char *const fine[] = {"1.0.0", "1.11.20", "0.0.1-alpha.1", "2.3.4-rc.1.beta", "007.1.2", "1.0.0-.."};
    Hello hello = good();
    char text[128];

    hello.wanted_version = text;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "%s", bad[i]);
        expect(&hello, 1, 6, "invalid wanted_version");
    }
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        snprintf(text, sizeof(text), "%s", fine[i]);
        expect_good(&hello, 1);
    }
    snprintf(text, sizeof(text), "1.0.%060d", 7);
    expect_good(&hello, 1);
    snprintf(text, sizeof(text), "1.0.%061d", 7);
    expect(&hello, 1, 6, "invalid wanted_version");
}

static void test_lengths(void)
{
    Hello hello = good();

    hello.client_version = text_of(128);
    hello.client_lib_name = text_of(64);
    hello.client_lib_version = text_of(64);
    expect_good(&hello, 1);
    hello.client_lib_version = text_of(65);
    expect(&hello, 1, 6, "client_lib fields exceed 64 bytes");
    hello.client_lib_version = text_of(64);
    hello.client_lib_name = text_of(65);
    expect(&hello, 1, 6, "client_lib fields exceed 64 bytes");
    hello.client_version = text_of(129);
    expect(&hello, 1, 6, "client_version exceeds 128 bytes");
}

static void test_pid(void)
{
    Hello hello = good();

    hello.peer_pid = 42;
    expect_good(&hello, 42);
    expect_good(&hello, 0);
    expect(&hello, 43, 6, "peer_pid does not match verified peer");
}

/* All rows broken at once, mended one after the other: each is reported in its turn. */
static void test_order(void)
{
    Hello hello = good();

    hello.client_min_protocol = 2;
    hello.service_name = text_of(65);
    hello.wanted_version = text_of(3);
    hello.client_version = text_of(129);
    hello.client_lib_name = text_of(65);
    hello.peer_pid = 5;
    expect(&hello, 1, 1, "client protocol range does not include v1");
    hello.client_min_protocol = 1;
    expect(&hello, 1, 6, "invalid service_name");
    hello.service_name = text_of(1);
    expect(&hello, 1, 6, "invalid wanted_version");
    hello.wanted_version = good().wanted_version;
    expect(&hello, 1, 6, "client_version exceeds 128 bytes");
    hello.client_version = text_of(1);
    expect(&hello, 1, 6, "client_lib fields exceed 64 bytes");
    hello.client_lib_name = text_of(1);
    expect(&hello, 1, 6, "peer_pid does not match verified peer");
    hello.peer_pid = 1;
    expect_good(&hello, 1);
}

/* ------------------------------------------------------------------------------------------------- decode */

static void expect_decode(Frame *frame, uint32_t code, const char *reason)
{
    struct reply reply = {0};
    struct arena arena;
    Hello *hello;

    arena_init(&arena, NULL, 0, 1 << 20);
    check_int(check_decode(frame, &arena, &hello, &reply), CHECK_E_REFUSED);
    check_int(reply.code, code);
    check_str(reply.reason, reason);
    arena_deinit(&arena);
}

static void test_envelope(void)
{
    static uint8_t broken[] = {0x1A, 0x05, 'a'};
    Frame frame;

    envelope_request(&frame, 0xB232, (struct slice){.data = zeros, .size = 0});
    frame.envelope_version = 2;
    frame.kind = 99;
    frame.payload_encoding = PAYLOAD_ENCODING(ZSTD);
    frame.payload = (ProtobufCBinaryData){.len = sizeof(broken), .data = broken};
    expect_decode(&frame, 1, "frame envelope_version is not v1");
    frame.envelope_version = 1;
    expect_decode(&frame, 6, "Hello frame kind must be REQUEST");
    frame.kind = FRAME_KIND(REQUEST);
    expect_decode(&frame, 6, "Hello frame payload_protocol must be control-plane");
    frame.payload_protocol = LANE_CONTROL;
    expect_decode(&frame, 6, "Hello payload must not be compressed");
    frame.payload_encoding = PAYLOAD_ENCODING(NONE);
    expect_decode(&frame, 6, "malformed Hello payload");
}

/* An empty payload is an empty Hello, whose fault is its range. */
static void test_empty_payload(void)
{
    struct reply reply = {0};
    struct arena arena;
    Frame frame;
    Hello *hello;

    arena_init(&arena, NULL, 0, 1 << 20);
    envelope_request(&frame, LANE_CONTROL, (struct slice){0});
    check_fatal(check_decode(&frame, &arena, &hello, &reply) == 0);
    expect(hello, 1, 1, "client protocol range does not include v1");
    arena_deinit(&arena);
}

CHECK_PROGRAM("hello/check", {"6.2: envelope, row by row and in order", test_envelope},
              {"an empty payload is an empty Hello", test_empty_payload}, {"6.3 row 1: protocol range", test_range},
              {"6.3 row 2: service_name", test_service}, {"6.3 row 3: wanted_version", test_version},
              {"6.3 rows 4 and 5: lengths", test_lengths}, {"6.3 row 6: claimed pid", test_pid},
              {"6.3: the first failing row wins", test_order})
