/* SPDX-License-Identifier: MIT */

/* Frames on the socket: every row of spec 01 section 1.4, the dispatch of 11.3, frozen bytes, and cuts everywhere. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "unit/control/rig.h"
#include "wire/protocol.h"

#define SHARED "binary_path: \"/bin/true\"\nisolation: SHARED_BROKER\n"

static struct rig rig;

static const char hello_hex[] = "01 1C 00 00 00 08 01 22 16 08 01 10 01 1A 07 7A 63 63 61 63 68 65 22 07 31 2E 31 31 2E"
                                "32 30 28 01";
static const char unknown_hex[] =
    "01 32 00 00 00 08 01 10 01 22 2A 12 28 0A 20 73 65 72 76 69 63 65 20 64 65 66 69 6E 69"
    "74 69 6F 6E 20 77 61 73 20 6E 6F 74 20 66 6F 75 6E 64 10 01 18 01 20 02 28 01";
static const char negotiated_hex[] = "01 27 00 00 00 08 01 10 01 22 1F 0A 1D 08 01 12 07 31 2E 31 31 2E 32 30"
                                     "1A 0B 2F 74 6D 70 2F 62 2E 73 6F 63 6B 30 88 0E 40 01 28 01";

static void header(uint8_t *ret, uint32_t size)
{
    ret[0] = 1;
    for (int i = 0; i < 4; i++) {
        ret[1 + i] = (uint8_t)(size >> (8 * i));
    }
}

/* ------------------------------------------------------------------------------------------------- 1.4 */

static void test_version(void)
{
    static const uint8_t versions[] = {0, 2, 255};

    rig_up(&rig, NULL, NULL);
    for (size_t i = 0; i < sizeof(versions); i++) {
        rig_expect_refusal(&rig, &versions[i], 1, 0, 1, "unsupported framing version", 0);
    }
    rig_settle(&rig);
    check_int(control_counters(rig.control)->refused_frames, 3);
    check_int(control_connections_open(rig.control), 0);
    rig_down(&rig);
}

/* The refusal arrives although the client is still writing: its input is thrown away until it stops. */
static void test_version_with_more(void)
{
    static uint8_t bytes[40000] = {2};

    rig_up(&rig, NULL, NULL);
    rig_expect_refusal(&rig, bytes, sizeof(bytes), 0, 1, "unsupported framing version", 0);
    rig_down(&rig);
}

static void test_too_large(void)
{
    uint8_t bytes[5];

    rig_up(&rig, NULL, NULL);
    header(bytes, FRAME_BODY_MAX + 1);
    rig_expect_refusal(&rig, bytes, 5, 0, 6, "initial Hello frame exceeds 64 KiB", 0);
    header(bytes, UINT32_MAX);
    rig_expect_refusal(&rig, bytes, 5, 0, 6, "initial Hello frame exceeds 64 KiB", 0);
    check_int(rig.control->pool.used, 0);
    rig_down(&rig);
}

/* In --serve-once the header alone is enough for 64 KiB + 1. */
static void test_too_large_hello_only(void)
{
    uint8_t bytes[5];

    rig_up(&rig, &(struct hello_rig_options){.handler = true}, &(struct control_config){.hello_only = true});
    header(bytes, HELLO_BODY_MAX + 1);
    rig_expect_refusal(&rig, bytes, 5, 0, 6, "initial Hello frame exceeds 64 KiB", 0);
    rig_down(&rig);
}

static void test_incomplete(void)
{
    uint8_t bytes[64], got[256];
    size_t size;

    rig_up(&rig, NULL, NULL);
    size = rig_from_hex(hello_hex, bytes);
    for (size_t n = 1; n < size; n++) {
        struct reply reply = {0};
        uint8_t want[256];
        size_t want_size;
        int fd = rig_connect(&rig);

        rig_send(&rig, fd, bytes, n);
        shutdown(fd, SHUT_WR);
        reply_refuse(&reply, 6, "incomplete Hello frame", 0);
        want_size = reply_pack(&reply, want);
        check_int(rig_receive(&rig, fd, got, sizeof(got)), want_size);
        check_mem(got, want, want_size);
    }
    rig_down(&rig);
}

/* No byte at all: closed without a reply, and no failure (decision 9f). */
static void test_empty(void)
{
    uint8_t got[64];
    int fd;

    rig_up(&rig, NULL, NULL);
    fd = rig_connect(&rig);
    rig_settle(&rig);
    shutdown(fd, SHUT_WR);
    check_int(rig_receive(&rig, fd, got, sizeof(got)), 0);
    for (int i = 0; i < 200; i++) {
        close(rig_connect(&rig));
        rig_settle(&rig);
    }
    check_int(control_connections_open(rig.control), 0);
    check(control_first_error(rig.control) == NULL);
    rig_down(&rig);
}

static void test_not_a_frame(void)
{
    static const uint8_t bad_key[] = {1, 2, 0, 0, 0, 0x0F, 0x01};
    static const uint8_t bad_utf8[] = {1, 3, 0, 0, 0, 0x42, 0x01, 0xFF};
    static const uint8_t nul[] = {1, 4, 0, 0, 0, 0x42, 0x02, 'a', 0};
    static const char want[] =
        "01 26 00 00 00 08 01 10 01 22 20 12 1E 0A 16 6D 61 6C 66 6F 72 6D 65 64 20 62 72 6F 6B 65"
        "72 20 46 72 61 6D 65 10 01 18 01 20 06";

    rig_up(&rig, NULL, NULL);
    rig_expect(&rig, bad_key, sizeof(bad_key), want);
    rig_expect(&rig, bad_utf8, sizeof(bad_utf8), want);
    rig_expect(&rig, nul, sizeof(nul), want);
    check(control_first_error(rig.control) == NULL); /* who has been told is served */
    rig_down(&rig);
}

static bool is_empty(struct rig *which)
{
    return control_connections_open(which->control) == 0;
}

/* The deadline counts from accept, whatever has arrived; nothing is written. */
static void test_deadline(void)
{
    uint8_t bytes[64], got[64];
    int silent, partial;

    rig_up(&rig, NULL, &(struct control_config){.request_timeout_msec = 30});
    rig_from_hex(hello_hex, bytes);
    silent = rig_connect(&rig);
    partial = rig_connect(&rig);
    rig_send(&rig, partial, bytes, 7);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 2);
    check(rig_wait(&rig, is_empty));
    check_int(rig_receive(&rig, silent, got, sizeof(got)), 0);
    check_int(rig_receive(&rig, partial, got, sizeof(got)), 0);
    check_int(control_counters(rig.control)->timed_out, 2);
    check_str(control_first_error(rig.control), "timed out");
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- frozen bytes */

static void test_frozen(void)
{
    uint8_t bytes[128];
    size_t size;

    rig_up(&rig, NULL, NULL);
    size = rig_from_hex(hello_hex, bytes);
    rig_expect(&rig, bytes, size, unknown_hex);
    hello_rig_define(&rig.hello, "zccache", SHARED);
    hello_rig_register(&rig.hello, "shared", "zccache", "1.11.20", "/tmp/b.sock");
    rig_expect(&rig, bytes, size, negotiated_hex);
    hello_rig_define(&rig.hello, "zccache", SHARED "min_version: \"1.12.0\"\n");
    rig_expect(&rig, bytes, size,
               "01 39 00 00 00 08 01 10 01 22 31 12 2F 0A 23 77 61 6E 74 65 64 5F 76 65 72 73 69 6F 6E 20 69"
               "73 20 62 65 6C 6F 77 20 6D 69 6E 5F 76 65 72 73 69 6F 6E 10 01 18 01 20 08 30 B0 EA 01 28 01");
    size = rig_from_hex("02", bytes);
    rig_expect(&rig, bytes, size,
               "01 2B 00 00 00 08 01 10 01 22 25 12 23 0A 1B 75 6E 73 75 70 70 6F 72 74 65 64 20 66 72 61 6D"
               "69 6E 67 20 76 65 72 73 69 6F 6E 10 01 18 01 20 01");
    size = rig_from_hex("01 00 00 00 00", bytes);
    rig_expect(&rig, bytes, size,
               "01 30 00 00 00 08 01 10 01 22 2A 12 28 0A 20 66 72 61 6D 65 20 65 6E 76 65 6C 6F 70 65 5F 76"
               "65 72 73 69 6F 6E 20 69 73 20 6E 6F 74 20 76 31 10 01 18 01 20 01");
    size = rig_from_hex("01 02 00 00 00 08 01", bytes);
    rig_expect_refusal(&rig, bytes, size, 0, 1, "client protocol range does not include v1", 0);
    rig_down(&rig);
}

static void test_frozen_admin(void)
{
    uint8_t bytes[128];

    rig_up(&rig, NULL, NULL);
    rig_expect(&rig, bytes, rig_from_hex("01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 04 28 01", bytes),
               "01 1D 00 00 00 08 01 10 01 18 81 DA 02 22 11 12 03 6F 6B 0A 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01");
    rig_expect(
        &rig, bytes, rig_from_hex("01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 09 28 01", bytes),
        "01 33 00 00 00 08 01 10 01 18 81 DA 02 22 27 12 17 75 6E 73 75 70 70 6F 72 74 65 64 20 61 64 6D 69 6E 20"
        "76 65 72 62 0A 18 02 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01");
    check_int(rig.n_shutdown, 0);
    rig_expect(
        &rig, bytes, rig_from_hex("01 0F 00 00 00 08 01 18 81 DA 02 22 05 08 15 28 88 27 28 01", bytes),
        "01 2F 00 00 00 08 01 10 01 18 81 DA 02 22 23 12 15 62 72 6F 6B 65 72 20 73 68 75 74 74 69 6E 67 20 64 6F"
        "77 6E 0A 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01");
    rig_settle(&rig);
    check_int(rig.n_shutdown, 1);
    check_int(rig.drain_msec, 5000);
    check_int(control_counters(rig.control)->admin_requests, 3);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- 11.3 */

/* A wrong admin frame gets nothing; a wrong lane is a bad Hello. */
static void test_admin_faults(void)
{
    static const char *const faults[] = {
        "01 0C 00 00 00 08 02 18 81 DA 02 22 02 08 04 28 01",       /* version */
        "01 0E 00 00 00 08 01 10 01 18 81 DA 02 22 02 08 04 28 01", /* kind */
        "01 0E 00 00 00 08 01 18 81 DA 02 22 02 08 04 28 01 30 01", /* encoding */
        "01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 84 28 01",       /* payload */
        "01 0A 00 00 00 08 01 18 81 DA 02 22 01 FF",                /* cut: never complete */
    };
    uint8_t bytes[64], got[64];

    rig_up(&rig, NULL, NULL);
    for (size_t i = 0; i < 4; i++) {
        size_t size = rig_from_hex(faults[i], bytes);

        check_int(rig_exchange(&rig, bytes, size, got, sizeof(got)), 0);
        check_int(control_counters(rig.control)->refused_admin, i + 1);
    }
    check_str(control_first_error(rig.control), "malformed admin request");
    rig_expect_refusal(&rig, bytes, rig_from_hex("01 06 00 00 00 08 01 18 B2 E4 02", bytes), 0, 6,
                       "Hello frame payload_protocol must be control-plane", 0);
    rig_down(&rig);
}

static void test_admin_is_no_lane_in_hello_only(void)
{
    uint8_t bytes[64];

    rig_up(&rig, &(struct hello_rig_options){.handler = true}, &(struct control_config){.hello_only = true});
    rig_expect_refusal(&rig, bytes, rig_from_hex("01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 04 28 01", bytes), 1, 6,
                       "Hello frame payload_protocol must be control-plane", 0);
    rig_expect_refusal(&rig, bytes, rig_from_hex(hello_hex, bytes), 1, 2, "service is not registered", 0);
    rig_down(&rig);
}

/* A frame of @size bytes of body: a payload of zeros on @lane, request id 7 and a trace value behind it. */
static uint8_t *big_frame(uint32_t size, uint32_t lane, const char *trace, size_t *ret_size)
{
    size_t tail = 2 + 2 + strlen(trace), head = 2 + 4 + 5;
    uint8_t *bytes = calloc(1, size + 5), *next = bytes + 5;
    uint32_t payload = (uint32_t)(size - tail - head);

    check_fatal(bytes != NULL);
    header(bytes, size);
    *next++ = 0x08;
    *next++ = 0x01;
    *next++ = 0x18;
    for (int i = 0; i < 3; i++) {
        *next++ = (uint8_t)((lane >> (7 * i) & 0x7F) | (i < 2 ? 0x80 : 0));
    }
    *next++ = 0x22;
    for (int i = 0; i < 4; i++) {
        *next++ = (uint8_t)((payload >> (7 * i) & 0x7F) | (i < 3 ? 0x80 : 0));
    }
    next += payload;
    *next++ = 0x28;
    *next++ = 7;
    *next++ = 0x42;
    *next++ = (uint8_t)strlen(trace);
    memcpy(next, trace, strlen(trace));
    *ret_size = 5 + size;
    return bytes;
}

/* 64 KiB is the last Hello that is looked at; a longer one echoes id and trace, and nothing of it is stored. */
static void test_big_hello(void)
{
    struct reply reply = {.echo = {.request_id = 7, .traceparent = "tp", .tracestate = ""}};
    uint8_t want[256], got[256], *bytes;
    size_t want_size, size;

    rig_up(&rig, NULL, NULL);
    bytes = big_frame(HELLO_BODY_MAX, LANE_CONTROL, "tp", &size);
    reply_refuse(&reply, 6, "malformed Hello payload", 0);
    want_size = reply_pack(&reply, want);
    check_int(rig_exchange(&rig, bytes, size, got, sizeof(got)), want_size);
    check_mem(got, want, want_size);
    free(bytes);

    reply_refuse(&reply, 6, "initial Hello frame exceeds 64 KiB", 0);
    want_size = reply_pack(&reply, want);
    for (uint32_t body = HELLO_BODY_MAX + 1; body <= FRAME_BODY_MAX; body = body * 16 < FRAME_BODY_MAX ? body * 16
                                                                            : body < FRAME_BODY_MAX
                                                                                ? FRAME_BODY_MAX
                                                                                : FRAME_BODY_MAX + 1) {
        bytes = big_frame(body, LANE_CONTROL, "tp", &size);
        check_int(rig_exchange(&rig, bytes, size, got, sizeof(got)), want_size);
        check_mem(got, want, want_size);
        free(bytes);
    }
    bytes = big_frame(HELLO_BODY_MAX + 1, LANE_ADMIN, "tp", &size);
    check_int(rig_exchange(&rig, bytes, size, got, sizeof(got)), 0);
    free(bytes);
    bytes = big_frame(HELLO_BODY_MAX + 1, LANE_CONTROL, "t\xFF", &size);
    rig_expect_refusal(&rig, bytes, size, 0, 6, "malformed broker Frame", 0);
    free(bytes);
    check_int(rig.control->pool.used, 0);
    rig_down(&rig);
}

/* A bomb of two-byte unknown fields costs nothing and is no Frame. */
static void test_bomb(void)
{
    uint8_t *bytes = malloc(5 + HELLO_BODY_MAX);

    check_fatal(bytes != NULL);
    header(bytes, HELLO_BODY_MAX);
    for (size_t i = 0; i < HELLO_BODY_MAX; i += 2) {
        bytes[5 + i] = 0x78;
        bytes[6 + i] = 1;
    }
    rig_up(&rig, NULL, NULL);
    rig_expect_refusal(&rig, bytes, 5 + HELLO_BODY_MAX, 0, 6, "malformed broker Frame", 0);
    rig_down(&rig);
    free(bytes);
}

/* Long trace values are echoed whole. */
static void test_long_trace(void)
{
    static char trace[20001];
    static uint8_t bytes[30000], got[30000];
    struct reply reply = {.echo = {.request_id = 3, .traceparent = trace, .tracestate = ""}};
    static uint8_t want[30000];
    char service[] = "nobody", version[] = "1.0.0";
    size_t want_size;
    Hello hello;

    memset(trace, 't', 20000);
    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = hello.client_max_protocol = 1;
    hello.service_name = service;
    hello.wanted_version = version;
    rig_up(&rig, NULL, NULL);
    reply_refuse(&reply, 2, "service definition was not found", 0);
    want_size = reply_pack(&reply, want);
    check_int(rig_exchange(&rig, bytes, hello_rig_pack(bytes, &hello, 3, trace, ""), got, sizeof(got)), want_size);
    check_mem(got, want, want_size);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- cuts */

static void test_cuts(void)
{
    uint8_t bytes[64], want[64], got[256];
    size_t size, want_size = rig_from_hex(unknown_hex, want);

    rig_up(&rig, NULL, NULL);
    size = rig_from_hex(hello_hex, bytes);
    for (size_t a = 0; a <= size; a++) {
        for (size_t b = a; b <= size; b++) {
            int fd = rig_connect(&rig);

            rig_send(&rig, fd, bytes, a);
            rig_settle(&rig);
            rig_send(&rig, fd, bytes + a, b - a);
            rig_settle(&rig);
            rig_send(&rig, fd, bytes + b, size - b);
            check_fatal(rig_receive(&rig, fd, got, sizeof(got)) == want_size);
            check_fatal(memcmp(got, want, want_size) == 0);
        }
    }
    rig_down(&rig);
}

static void test_bytewise(void)
{
    uint8_t bytes[64], want[64], got[256];
    size_t size, want_size = rig_from_hex(unknown_hex, want);
    int fd;

    rig_up(&rig, NULL, NULL);
    size = rig_from_hex(hello_hex, bytes);
    fd = rig_connect(&rig);
    for (size_t i = 0; i < size; i++) {
        rig_send(&rig, fd, bytes + i, 1);
        rig_settle(&rig);
    }
    check_int(rig_receive(&rig, fd, got, sizeof(got)), want_size);
    check_mem(got, want, want_size);
    rig_down(&rig);
}

/* Exactly one frame is taken: what comes behind it stays in the socket (decision 9e). */
static void test_not_a_byte_behind(void)
{
    uint8_t bytes[80], rest[80];
    size_t size;
    int fd;
    struct connection *connection;

    rig_up(&rig, &(struct hello_rig_options){.launching = true}, NULL);
    hello_rig_define(&rig.hello, "zccache", SHARED);
    hello_rig_write(&rig.hello, "other.servicedef", "\x0A", 1);
    size = hello_rig_frame(bytes, "other", "1.0.0", 1);
    memcpy(bytes + size, "behind", 6);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, bytes, size + 6);
    for (int i = 0; i < 5 && rig.hello.hello.n_waiting == 0; i++) {
        loop_turn(&rig.hello.loop, false);
    }
    connection = LIST_FIRST(&rig.control->open);
    check_fatal(connection != NULL && connection_state(connection) == CONNECTION_STATE_WAITING);
    check_int(recv(connection->fd, rest, sizeof(rest), MSG_PEEK | MSG_DONTWAIT), 6);
    check_mem(rest, "behind", 6);
    close(fd);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 0);
    check_int(rig.hello.hello.n_waiting, 0);
    rig_down(&rig);
}

CHECK_PROGRAM("control/frames", {"1.4: framing version", test_version},
              {"1.4: the refusal reaches a client that is still writing", test_version_with_more},
              {"1.4: above the cap", test_too_large}, {"1.4: above the cap in --serve-once", test_too_large_hello_only},
              {"1.4: end of file after every byte but the last", test_incomplete},
              {"1.4: end of file before the first byte is silent", test_empty}, {"1.4: not a Frame", test_not_a_frame},
              {"1.4: the deadline closes silently", test_deadline}, {"16: frozen bytes of Hellos", test_frozen},
              {"16: frozen bytes of admin requests", test_frozen_admin},
              {"11.3: faulty admin frames get no reply", test_admin_faults},
              {"--serve-once has no admin lane", test_admin_is_no_lane_in_hello_only},
              {"11.3: bodies of 64 KiB and beyond", test_big_hello}, {"a bomb of unknown fields", test_bomb},
              {"long trace values are echoed", test_long_trace}, {"a frame cut at every pair of offsets", test_cuts},
              {"a frame byte by byte", test_bytewise}, {"not a byte behind the frame is taken", test_not_a_byte_behind})
