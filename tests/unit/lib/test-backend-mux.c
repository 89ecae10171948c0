/* SPDX-License-Identifier: MIT */

/* The mux, row by row (spec 03 §15.2), on frozen bytes (§5.5) and at every cut. */

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "check.h"
#include "rpb/backend.h"
#include "wire/envelope.h"

static const uint32_t lanes[] = {0x7A63, 0xF001};

static struct rpb_backend_identity identity = {
    .pid = 4242,
    .exe_path = "/opt/toy/1.0.0/toyd",
    .boot_id = "3f1c2a4e-7b5d-4c8e-9a1b-0d2e4f6a8c10",
    .namespace_id = "shared",
    .path = "/tmp/t.sock",
    .started_at_unix_ms = 1700000000000,
    .has_idle_timeout = true,
    .idle_timeout_secs = 30,
};

static struct rpb_backend_mux mux = {.identity = &identity, .lanes = lanes, .n_lanes = 2};

/* spec 03 §5.5 */
static const uint8_t probe[55] = {
    0x01, 0x32, 0x00, 0x00, 0x00, 0x08, 0x01, 0x18, 0xb2, 0xe4, 0x02, 0x22, 0x20, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05,
    0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
    0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x28, 0x80, 0x82, 0x88, 0x98, 0xc0, 0xa0, 0x81, 0x83, 0x07,
};

static const uint8_t answer_head[] = {0x01, 0xdf, 0x00, 0x00, 0x00, 0x08, 0x01, 0x10,
                                      0x01, 0x18, 0xb2, 0xe4, 0x02, 0x22, 0xca, 0x01};
static const uint8_t answer_middle[] = "\x08\x92\x21\x12\x13/opt/toy/1.0.0/toyd\x22\x15\x0a\x06shared\x12\x0b/tmp/"
                                       "t.sock\x28\x80\xd0\x95\xff\xbc\x31\x32\x24"
                                       "3f1c2a4e-7b5d-4c8e-9a1b-0d2e4f6a8c10\x38\x1e\x42\x06"
                                       "blake3\x4a\x20";
static const uint8_t answer_foot[] = {0x28, 0x80, 0x82, 0x88, 0x98, 0xc0, 0xa0, 0x81, 0x83, 0x07};

static struct rpb_backend_mux_result classify(const void *bytes, size_t size)
{
    struct rpb_backend_mux_result result;

    check_int(rpb_backend_mux_classify(&mux, bytes, size, &result), 0);
    return result;
}

static enum rpb_backend_mux_verdict verdict_of(const void *bytes, size_t size)
{
    struct rpb_backend_mux_result result = classify(bytes, size);

    rpb_backend_mux_result_deinit(&result);
    return result.verdict;
}

/* The fault of @bytes, which must be fatal. */
static enum rpb_backend_mux_fault fault_of(const void *bytes, size_t size)
{
    struct rpb_backend_mux_result result = classify(bytes, size);

    rpb_backend_mux_result_deinit(&result);
    check_int(result.verdict, RPB_BACKEND_MUX_FATAL);
    check_int(result.consumed, 0);
    return result.fault;
}

static struct buffer frame_on(uint32_t lane)
{
    struct buffer out;
    Frame frame;

    buffer_init(&out, 1 << 20);
    envelope_request(&frame, lane, SLICE("abc"));
    frame.request_id = 7;
    check_int(envelope_pack(&out, &frame), 0);
    return out;
}

static void test_row_1_and_3(void)
{
    check_int(verdict_of("", 0), RPB_BACKEND_MUX_NEED_MORE);
    check_int(verdict_of("\x02", 1), RPB_BACKEND_MUX_LEGACY);
    check_int(verdict_of("GET /", 5), RPB_BACKEND_MUX_LEGACY);
    check_int(verdict_of("\0", 1), RPB_BACKEND_MUX_LEGACY);
}

static void test_row_4(void)
{
    check_int(verdict_of("\x01", 1), RPB_BACKEND_MUX_NEED_MORE);
    check_int(verdict_of("\x01\x00\x00\x00", 4), RPB_BACKEND_MUX_NEED_MORE);
    check_int(verdict_of("\x01\x00\x00\x00\x01", 5), RPB_BACKEND_MUX_NEED_MORE); /* 16 MiB exactly */
    check_int(fault_of("\x01\x01\x00\x00\x01", 5), RPB_BACKEND_MUX_TOO_LARGE);
    check_int(fault_of("\x01\xff\xff\xff\xff", 5), RPB_BACKEND_MUX_TOO_LARGE);
    /* a probe of 64 KiB and one byte is refused by its first fields, one of 64 KiB only when it is complete */
    check_int(fault_of("\x01\x01\x00\x01\x00\x08\x01\x18\xb2\xe4\x02", 11), RPB_BACKEND_MUX_TOO_LARGE);
    check_int(verdict_of("\x01\x00\x00\x01\x00\x08\x01\x18\xb2\xe4\x02", 11), RPB_BACKEND_MUX_NEED_MORE);
    check_int(verdict_of("\x01\x01\x00\x01\x00\x08\x01\x18\xe3\xf4\x01", 11), RPB_BACKEND_MUX_NEED_MORE);
}

static void test_row_5(void)
{
    check_int(fault_of("\x01\x01\x00\x00\x00\xff", 6), RPB_BACKEND_MUX_MALFORMED);
    check_int(fault_of("\x01\x00\x00\x00\x00", 5), RPB_BACKEND_MUX_FIRST_PARTY); /* an empty Frame is on lane 0 */
}

static void test_row_6(void)
{
    struct rpb_backend_mux_result result;
    uint8_t want[228], bad[55];
    size_t at = 0;

    memset(identity.exe_hash, 0x11, 32);
    memset(identity.legacy_exe_sha256, 0x22, 32);
    memcpy(want, answer_head, sizeof(answer_head));
    at += sizeof(answer_head);
    memcpy(want + at, probe + 13, 32);
    at += 32;
    memcpy(want + at, answer_middle, sizeof(answer_middle) - 1);
    at += sizeof(answer_middle) - 1;
    memset(want + at, 0x11, 32);
    at += 32;
    memcpy(want + at, "\x1a\x20", 2);
    memset(want + at + 2, 0x22, 32);
    at += 34;
    memcpy(want + at, answer_foot, sizeof(answer_foot));
    check_int(at + sizeof(answer_foot), sizeof(want));

    result = classify(probe, sizeof(probe));
    check_int(result.verdict, RPB_BACKEND_MUX_PROBE_ANSWERED);
    check_int(result.consumed, sizeof(probe));
    check_int(result.reply_size, sizeof(want));
    check_mem(result.reply, want, sizeof(want));
    rpb_backend_mux_result_deinit(&result);
    rpb_backend_mux_result_deinit(&result);
    rpb_backend_mux_result_deinit(NULL);

    memcpy(bad, probe, sizeof(bad));
    bad[6] = 2; /* envelope version */
    check_int(fault_of(bad, sizeof(bad)), RPB_BACKEND_MUX_BAD_PROBE);
    check_int(fault_of("\x01\x06\x00\x00\x00\x08\x01\x18\xb2\xe4\x02", 11), RPB_BACKEND_MUX_BAD_PROBE);
    check_int(fault_of("\x01\x09\x00\x00\x00\x08\x01\x10\x01\x18\xb2\xe4\x02\x22\x00", 14), RPB_BACKEND_MUX_MALFORMED);
}

/* One that is not known to be a probe before it is whole: its lane stands behind its payload. */
static void test_row_6_late(void)
{
    static uint8_t bytes[5 + 2 + 4 + 70000 + 4] = {0x01, 0x7a, 0x11, 0x01, 0x00, 0x08, 0x01, 0x22, 0xf0, 0xa2, 0x04};

    memcpy(bytes + sizeof(bytes) - 4, "\x18\xb2\xe4\x02", 4);
    check_int(verdict_of(bytes, sizeof(bytes) - 1), RPB_BACKEND_MUX_NEED_MORE);
    check_int(fault_of(bytes, sizeof(bytes)), RPB_BACKEND_MUX_TOO_LARGE);
}

static void test_rows_7_and_8(void)
{
    static const struct {
        uint32_t lane;
        enum rpb_backend_mux_fault fault;
    } cases[] = {
        {0x0000, RPB_BACKEND_MUX_FIRST_PARTY}, {0xAD01, RPB_BACKEND_MUX_FIRST_PARTY},
        {0xD0FF, RPB_BACKEND_MUX_FIRST_PARTY}, {0x5350, RPB_BACKEND_MUX_UNSERVED},
        {0x4C43, RPB_BACKEND_MUX_UNSERVED},    {0x7C4C, RPB_BACKEND_MUX_UNSERVED},
        {0xF002, RPB_BACKEND_MUX_UNSERVED},    {0x1F001, RPB_BACKEND_MUX_UNSERVED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer bytes = frame_on(cases[i].lane);

        check_int(fault_of(bytes.data, bytes.size), cases[i].fault);
        buffer_deinit(&bytes);
    }
}

static void test_row_9(void)
{
    struct buffer bytes = frame_on(0x7A63);
    struct rpb_backend_mux_result result;
    size_t size = bytes.size;

    check_int(buffer_append(&bytes, "\x02", 1), 0); /* what follows is the next call's business */
    result = classify(bytes.data, bytes.size);
    check_int(result.verdict, RPB_BACKEND_MUX_PAYLOAD);
    check_int(result.consumed, size);
    memset(bytes.data, 0xee, bytes.size); /* the result does not point there */
    check_int(result.request.lane, 0x7A63);
    check_int(result.request.request_id, 7);
    check_int(result.request.size, 3);
    check_mem(result.request.data, "abc", 3);
    check_str(result.request.traceparent, "");
    check(rpb_backend_respond(&result.request, "", 0) < 0);
    rpb_backend_mux_result_deinit(&result);
    buffer_deinit(&bytes);
}

static void test_envelope(void)
{
    static const uint8_t other_version[] = "\x01\x06\x00\x00\x00\x08\x02\x18\xe3\xf4\x01";
    static const uint8_t compressed[] = "\x01\x08\x00\x00\x00\x08\x01\x18\xe3\xf4\x01\x30\x01";
    static const uint8_t cancel[] = "\x01\x08\x00\x00\x00\x08\x01\x10\x03\x18\xe3\xf4\x01";

    check_int(fault_of(other_version, 11), RPB_BACKEND_MUX_ENVELOPE);
    check_int(fault_of(compressed, 13), RPB_BACKEND_MUX_ENVELOPE);
    check_int(verdict_of(cancel, 13), RPB_BACKEND_MUX_PAYLOAD); /* any kind passes */
}

static void test_every_prefix_needs_more(void)
{
    struct buffer bytes = frame_on(0xF001);

    for (size_t n = 0; n < sizeof(probe); n++) {
        check_int(verdict_of(probe, n), RPB_BACKEND_MUX_NEED_MORE);
    }
    for (size_t n = 0; n < bytes.size; n++) {
        check_int(verdict_of(bytes.data, n), RPB_BACKEND_MUX_NEED_MORE);
    }
    buffer_deinit(&bytes);
}

/* A protocol whose messages begin with their length as 32 bits, little endian, and then a `$`. */
static enum rpb_backend_legacy detect(const void *bytes, size_t size, void *user)
{
    (*(int *)user)++;
    if (size < 5) {
        return ((const char *)bytes)[0] == 1 ? RPB_BACKEND_LEGACY_NEED_MORE : RPB_BACKEND_LEGACY_NO;
    }
    return ((const char *)bytes)[4] == '$' ? RPB_BACKEND_LEGACY_YES : RPB_BACKEND_LEGACY_NO;
}

static void test_row_2(void)
{
    int asked = 0;

    mux.detect_legacy = detect;
    mux.user = &asked;
    check_int(verdict_of("", 0), RPB_BACKEND_MUX_NEED_MORE);
    check_int(asked, 0);
    check_int(verdict_of("\x01\x00\x00\x00", 4), RPB_BACKEND_MUX_NEED_MORE);
    check_int(asked, 1);
    check_int(verdict_of("\x01\x00\x00\x00$", 5), RPB_BACKEND_MUX_LEGACY); /* it wins the tie */
    check_int(verdict_of(probe, sizeof(probe)), RPB_BACKEND_MUX_PROBE_ANSWERED);
    check_int(verdict_of("\x05\x00\x00\x00", 4), RPB_BACKEND_MUX_LEGACY); /* row 3, whatever it says */
    mux.detect_legacy = NULL;
}

static void test_response(void)
{
    struct rpb_backend_request request = {.lane = 0xF001, .request_id = 9, .traceparent = "a", .tracestate = "b"};
    void *bytes;
    size_t size;

    check_int(rpb_backend_response_pack(&request, "xy", 2, &bytes, &size), 0);
    check_int(size, 25);
    check_mem(bytes,
              "\x01\x14\x00\x00\x00\x08\x01\x10\x01\x18\x81\xe0\x03\x22\x02xy\x28\x09\x42\x01"
              "a\x4a\x01"
              "b",
              25);
    free(bytes);
    check_int(rpb_backend_response_pack(&request, "", 16777217, &bytes, &size), -EMSGSIZE); /* not looked at */
}

static void test_texts(void)
{
    for (int fault = RPB_BACKEND_MUX_OK; fault <= RPB_BACKEND_MUX_ENVELOPE; fault++) {
        check(strlen(rpb_backend_mux_fault_text((enum rpb_backend_mux_fault)fault)) > 1);
        for (int other = RPB_BACKEND_MUX_OK; other < fault; other++) {
            check(strcmp(rpb_backend_mux_fault_text((enum rpb_backend_mux_fault)fault),
                         rpb_backend_mux_fault_text((enum rpb_backend_mux_fault)other)) != 0);
        }
    }
    check_str(rpb_backend_mux_fault_text((enum rpb_backend_mux_fault)(RPB_BACKEND_MUX_ENVELOPE + 1)), "?");
    check_str(rpb_backend_mux_fault_text((enum rpb_backend_mux_fault)99), "?");
}

CHECK_PROGRAM("lib/backend-mux", {"rows 1, 3: nothing, or another first byte", test_row_1_and_3},
              {"row 2: the detector of another protocol", test_row_2},
              {"row 4: a frame that is not complete, or too long", test_row_4}, {"row 5: no frame", test_row_5},
              {"row 6: probes", test_row_6}, {"row 6: a long probe that is known late", test_row_6_late},
              {"rows 7, 8: lanes that are not served", test_rows_7_and_8}, {"row 9: payload", test_row_9},
              {"version and encoding of payload frames", test_envelope},
              {"every prefix of a frame needs more", test_every_prefix_needs_more},
              {"a response echoes", test_response}, {"every fault has a text", test_texts})
