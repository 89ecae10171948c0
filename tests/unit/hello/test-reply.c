/* SPDX-License-Identifier: MIT */

/* Replies against the frozen bytes of spec 01 section 16 and spec 05 section 1.6. */

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "hello/reply.h"
#include "wire/protocol.h"

static void check_reply(const struct reply *reply, const char *hex)
{
    uint8_t want[2048], got[4096];
    size_t want_size = check_hex(hex, want, sizeof(want)), got_size = reply_pack(reply, got);

    check_int(got_size, want_size);
    check_mem(got, want, want_size);
    check(got_size <= reply_bound(reply));
}

static struct reply refused(uint64_t request_id, uint32_t code, const char *reason, uint64_t retry_ms)
{
    struct reply reply = {.echo.request_id = request_id};

    reply_refuse(&reply, code, reason, retry_ms);
    return reply;
}

static void test_negotiated(void)
{
    const struct reply reply = {
        .echo.request_id = 1, .version = "1.11.20", .endpoint = "/tmp/b.sock", .connection_id = 1};

    check_reply(&reply, "01 27 00 00 00 08 01 10 01 22 1F 0A 1D 08 01 12 07 31 2E 31 31 2E 32 30"
                        "1A 0B 2F 74 6D 70 2F 62 2E 73 6F 63 6B 30 88 0E 40 01 28 01");
}

/* The client's proposal comes back as it is, however odd (spec 01 section 7.2). */
static void test_keepalive(void)
{
    struct reply reply = {
        .echo.request_id = 1, .version = "1.11.20", .endpoint = "/tmp/b.sock", .connection_id = 1, .keepalive_secs = 1};

    check_reply(&reply, "01 26 00 00 00 08 01 10 01 22 1E 0A 1C 08 01 12 07 31 2E 31 31 2E 32 30"
                        "1A 0B 2F 74 6D 70 2F 62 2E 73 6F 63 6B 30 01 40 01 28 01");
}

static void test_frozen_refusals(void)
{
    struct reply reply;

    reply = refused(1, ERROR_CODE(SERVICE_UNKNOWN), "service definition was not found", 0);
    check_reply(&reply, "01 32 00 00 00 08 01 10 01 22 2A 12 28 0A 20 73 65 72 76 69 63 65 20 64 65 66 69 6E 69 74 69"
                        "6F 6E 20 77 61 73 20 6E 6F 74 20 66 6F 75 6E 64 10 01 18 01 20 02 28 01");
    reply = refused(1, ERROR_CODE(VERSION_BLOCKED), "wanted_version is below min_version", 30000);
    check_reply(&reply, "01 39 00 00 00 08 01 10 01 22 31 12 2F 0A 23 77 61 6E 74 65 64 5F 76 65 72 73 69 6F 6E 20 69"
                        "73 20 62 65 6C 6F 77 20 6D 69 6E 5F 76 65 72 73 69 6F 6E 10 01 18 01 20 08 30 B0 EA 01 28 01");
    reply = refused(1, ERROR_CODE(RATE_LIMITED), "Hello rate limit exceeded", 731);
    check_reply(&reply, "01 2E 00 00 00 08 01 10 01 22 26 12 24 0A 19 48 65 6C 6C 6F 20 72 61 74 65 20 6C 69 6D 69 74"
                        "20 65 78 63 65 65 64 65 64 10 01 18 01 20 04 30 DB 05 28 01");
    reply = refused(41, ERROR_CODE(FD_PRESSURE), "broker is low on file descriptors; retry shortly", 1000);
    check_reply(&reply, "01 45 00 00 00 08 01 10 01 22 3D 12 3B 0A 30 62 72 6F 6B 65 72 20 69 73 20 6C 6F 77 20 6F 6E"
                        "20 66 69 6C 65 20 64 65 73 63 72 69 70 74 6F 72 73 3B 20 72 65 74 72 79 20 73 68 6F 72 74 6C"
                        "79 10 01 18 01 20 09 30 E8 07 28 29");
    reply = refused(0, ERROR_CODE(VERSION_UNSUPPORTED), "unsupported framing version", 0);
    check_reply(&reply, "01 2B 00 00 00 08 01 10 01 22 25 12 23 0A 1B 75 6E 73 75 70 70 6F 72 74 65 64 20 66 72 61 6D"
                        "69 6E 67 20 76 65 72 73 69 6F 6E 10 01 18 01 20 01");
    reply = refused(0, ERROR_CODE(VERSION_UNSUPPORTED), "frame envelope_version is not v1", 0);
    check_reply(&reply, "01 30 00 00 00 08 01 10 01 22 2A 12 28 0A 20 66 72 61 6D 65 20 65 6E 76 65 6C 6F 70 65 5F 76"
                        "65 72 73 69 6F 6E 20 69 73 20 6E 6F 74 20 76 31 10 01 18 01 20 01");
    reply = refused(0, ERROR_CODE(PEER_REJECTED), "malformed broker Frame", 0);
    check_reply(&reply, "01 26 00 00 00 08 01 10 01 22 20 12 1E 0A 16 6D 61 6C 66 6F 72 6D 65 64 20 62 72 6F 6B 65 72"
                        "20 46 72 61 6D 65 10 01 18 01 20 06");
}

static void test_trace_echo(void)
{
    struct reply reply = refused(1, ERROR_CODE(PEER_REJECTED), "x", 0);

    reply.echo.traceparent = "p";
    reply.echo.tracestate = "a=b";
    check_reply(&reply,
                "01 1B 00 00 00 08 01 10 01 22 0B 12 09 0A 01 78 10 01 18 01 20 06 28 01 42 01 70 4A 03 61 3D 62");
}

/* The longest of everything still fits the bound; a reason is cut between characters. */
static void test_limits(void)
{
    static char reason[REPLY_REASON_MAX + 2], trace[65536];
    struct reply reply = refused(UINT64_MAX, 99, reason, UINT64_MAX);
    size_t bound, size;
    uint8_t *bytes;

    memset(trace, 't', sizeof(trace) - 1);
    trace[sizeof(trace) - 1] = '\0';
    memset(reason, 'r', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    reply.echo.traceparent = reply.echo.tracestate = trace;
    bound = reply_bound(&reply);
    bytes = malloc(bound);
    check_fatal(bytes != NULL);
    size = reply_pack(&reply, bytes);
    check(size <= bound);
    free(bytes);

    memcpy(reason + REPLY_REASON_MAX - 1, "\xC3\xA9", 3);
    reply.echo.traceparent = reply.echo.tracestate = NULL;
    bytes = malloc(reply_bound(&reply));
    check_fatal(bytes != NULL);
    size = reply_pack(&reply, bytes);
    check(memchr(bytes, 0xC3, size) == NULL);
    free(bytes);
}

/* A reason names paths, which may be any bytes and may have been cut; what leaves is always a string. */
static void test_reason_is_text(void)
{
    static const struct {
        const char *reason, *want;
    } cases[] = {
        {"a \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 z", "a \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 z"},
        {"/opt/\xFF/x", "/opt/\xEF\xBF\xBD/x"},
        {"/opt/caf\xC3 could", "/opt/caf\xEF\xBF\xBD could"},
        {"cut \xE2\x82", "cut \xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    static char bad[REPLY_REASON_MAX + 1];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reply reply = refused(1, 3, cases[i].reason, 0), want = refused(1, 3, cases[i].want, 0);
        uint8_t got_bytes[2048], want_bytes[2048];
        size_t got_size = reply_pack(&reply, got_bytes), want_size = reply_pack(&want, want_bytes);

        check_int(got_size, want_size);
        check_mem(got_bytes, want_bytes, want_size);
        check(memmem(got_bytes, got_size, cases[i].want, strlen(cases[i].want)) != NULL);
    }
    memset(bad, 0x80, sizeof(bad) - 1);
    check(reply_pack(&(struct reply){.code = 3, .reason = bad}, (uint8_t[2048]){0}) <= 2048);
}

static void test_names(void)
{
    check_str(reply_code_name(0), "negotiated");
    check_str(reply_code_name(4), "ERROR_RATE_LIMITED");
    check_str(reply_code_name(77), "ERROR_UNKNOWN");
}

CHECK_PROGRAM("hello/reply", {"negotiated, frozen bytes", test_negotiated},
              {"keepalive is the client's, not clamped", test_keepalive},
              {"refusals, frozen bytes", test_frozen_refusals},
              {"trace values and request id are echoed", test_trace_echo},
              {"long texts stay inside the bound, cut between characters", test_limits},
              {"what is no text in a reason is replaced", test_reason_is_text}, {"names of codes", test_names})
