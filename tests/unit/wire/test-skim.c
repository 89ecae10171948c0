/* SPDX-License-Identifier: MIT */

/* Long bodies: what is remembered of them, and that it does not depend on how they arrive. */

#include <stdlib.h>

#include "check.h"
#include "samples.h"
#include "wire/skim.h"

static struct skim skim;

/* Feeds @size bytes in pieces of at most @piece. */
static int feed(const uint8_t *bytes, size_t size, size_t piece)
{
    int r;

    memset(&skim, 0xa5, sizeof(skim)); /* nothing may be read before it was set */
    skim_init(&skim, (uint32_t)size);
    r = skim_feed(&skim, bytes, 0);
    for (size_t at = 0; at < size; at += piece) {
        check(r != 0);
        r = skim_feed(&skim, bytes + at, size - at < piece ? size - at : piece);
    }
    return r;
}

static int feed_hex(const char *hex, size_t piece)
{
    struct sample in = sample_hex(hex);

    return feed(in.bytes, in.size, piece);
}

static void test_every_field(void)
{
    struct sample in = sample_read("message-frame");

    for (size_t piece = 1; piece <= in.size; piece++) {
        struct envelope_echo echo;

        check_int(feed(in.bytes, in.size, piece), 0);
        check(skim_is_admin(&skim));
        echo = skim_echo(&skim);
        check_int(echo.request_id, 42);
        check_str(echo.traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        check_str(echo.tracestate, "rp=1");
    }
}

static void test_absent_fields(void)
{
    check_int(feed_hex("", 1), 0);
    check(!skim_is_admin(&skim));
    check_int(skim_echo(&skim).request_id, 0);
    check_str(skim_echo(&skim).traceparent, "");
    check_str(skim_echo(&skim).tracestate, "");
}

static void test_last_wins(void)
{
    for (size_t piece = 1; piece < 8; piece++) {
        check_int(feed_hex("28 05 42 03 61 62 63 18 81 da 02 28 07 42 01 64 4a 01 65 4a 00 18 00", piece), 0);
        check_int(skim_echo(&skim).request_id, 7);
        check_str(skim_echo(&skim).traceparent, "d");
        check_str(skim_echo(&skim).tracestate, "");
        check(!skim_is_admin(&skim));
        check_int(feed_hex("18 00 18 81 da 82 80 10", piece), 0); /* low 32 bits count */
        check(skim_is_admin(&skim));
    }
}

static void test_malformed(void)
{
    static const char *rows[] = {"28 05 42 01 ff", "42 02 61 00", "5b 5c", "22 7f 00", "18 81 da 02 08", "42 05 61"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_int(feed_hex(rows[i], 1), PRESCAN_E_MALFORMED);
        check_int(feed_hex(rows[i], 64), PRESCAN_E_MALFORMED);
    }
}

/* A body with a payload of @payload bytes in front of request id 9 and a traceparent of @trace bytes. */
static uint8_t *long_body(size_t payload, size_t trace, size_t *ret_size)
{
    static const uint8_t key[] = {0x08, 0x01, 0x22};
    uint8_t *body = malloc(payload + trace + 32);
    uint8_t *at = body;

    check_fatal(body != NULL);
    memcpy(at, key, sizeof(key));
    at += sizeof(key);
    for (int i = 0; i < 4; i++) {
        *at++ = (uint8_t)((payload >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0));
    }
    memset(at, 0x42, payload);
    at += payload;
    *at++ = 0x28;
    *at++ = 9;
    *at++ = 0x42;
    for (int i = 0; i < 3; i++) {
        *at++ = (uint8_t)((trace >> (7 * i) & 0x7f) | (i < 2 ? 0x80 : 0));
    }
    memset(at, 't', trace);
    at += trace;
    *ret_size = (size_t)(at - body);
    return body;
}

static void test_long_bodies(void)
{
    static const size_t payloads[] = {65536, 1 << 20, (16 << 20) - 8192};
    static const size_t traces[] = {0, 55, TRACE_ECHO_MAX - 1, TRACE_ECHO_MAX, TRACE_ECHO_MAX + 1, 8000};

    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        for (size_t k = 0; k < sizeof(traces) / sizeof(traces[0]); k++) {
            size_t size, echoed = traces[k] <= TRACE_ECHO_MAX ? traces[k] : 0;
            uint8_t *body = long_body(payloads[i], traces[k], &size);

            check_int(feed(body, size, 65521), 0);
            check_int(skim_echo(&skim).request_id, 9);
            check_int(strlen(skim_echo(&skim).traceparent), echoed);
            check(!skim_is_admin(&skim));
            free(body);
        }
    }
}

static void test_long_then_short(void)
{
    enum { BODY = 3 + 4 + 16 + 2 + 1 + 3 + 5000 };
    static uint8_t joined[BODY + 4];
    size_t size;
    uint8_t *body = long_body(16, 5000, &size);

    check_int(size, BODY);
    memcpy(joined, body, BODY);
    memcpy(joined + BODY, "\x42\x02hi", 4); /* a value that fits replaces one that did not */
    check_int(feed(joined, BODY + 4, 7), 0);
    check_str(skim_echo(&skim).traceparent, "hi");
    memcpy(joined, "\x42\x02hi", 4); /* and the other way round */
    memcpy(joined + 4, body, BODY);
    check_int(feed(joined, BODY + 4, 7), 0);
    check_str(skim_echo(&skim).traceparent, "");
    free(body);
}

static void test_value_that_ends_inside_a_character(void)
{
    static uint8_t body[16384];

    memset(body, 'a', sizeof(body));
    memcpy(body, "\x42\x01\xc3\xa8", 4); /* a8 would complete the character, and text follows */
    check_int(feed(body, sizeof(body), 64), PRESCAN_E_MALFORMED);
    check_int(skim.traceparent.filled, 1); /* not a byte beyond the announced size */
}

static void test_flood(void)
{
    size_t size = 16 << 20, fed = 0;
    uint8_t *body = calloc(1, size);
    int r = PRESCAN_E_MORE;

    check_fatal(body != NULL);
    for (size_t i = 0; i < size; i += 2) {
        body[i] = 0x58;
    }
    skim_init(&skim, (uint32_t)size);
    for (; fed < size && r == PRESCAN_E_MORE; fed += 64) {
        r = skim_feed(&skim, body + fed, 64);
    }
    check_int(r, PRESCAN_E_MALFORMED);
    check(fed <= 576); /* known after 257 fields, not after 16 MiB */
    free(body);
}

CHECK_PROGRAM("wire/skim", {"what an answer needs is remembered", test_every_field},
              {"absent fields are defaults", test_absent_fields}, {"of several values the last", test_last_wins},
              {"malformed bodies", test_malformed}, {"bodies up to 16 MiB, trace values up to 4 KiB", test_long_bodies},
              {"a value that is too long is forgotten as a whole", test_long_then_short},
              {"a value that ends inside a character", test_value_that_ends_inside_a_character},
              {"a flood of fields", test_flood})
