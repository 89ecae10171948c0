/* SPDX-License-Identifier: MIT */

/* The header machine: limits, order of the two judgements, and independence from how the bytes arrive. */

#include "check.h"
#include "samples.h"
#include "wire/frame_scan.h"
#include "wire/protocol.h"

static void put_header(uint8_t out[5], uint8_t version, uint32_t size)
{
    out[0] = version;
    for (int i = 0; i < 4; i++) {
        out[1 + i] = (uint8_t)(size >> (8 * i));
    }
}

static enum frame_scan_verdict scan_all(const uint8_t *bytes, size_t size, uint32_t cap, struct frame_scan *ret)
{
    enum frame_scan_verdict verdict;
    size_t used;

    frame_scan_init(ret, cap);
    verdict = frame_scan_feed(ret, bytes, size, &used);
    check(used <= size);
    return verdict;
}

static void test_versions(void)
{
    struct frame_scan scan;
    size_t used;

    for (unsigned int version = 0; version < 256; version++) {
        uint8_t byte = (uint8_t)version;

        frame_scan_init(&scan, FRAME_BODY_MAX);
        if (version == 1) {
            check_int(frame_scan_feed(&scan, &byte, 1, &used), FRAME_SCAN_MORE);
            continue;
        }
        check_int(frame_scan_feed(&scan, &byte, 1, &used), FRAME_SCAN_BAD_VERSION); /* after one byte */
        check_int(scan.version, version);
        check_int(used, 1);
    }
}

static void test_caps(void)
{
    static const uint32_t caps[] = {0, 1, HELLO_BODY_MAX, FRAME_BODY_MAX};
    struct frame_scan scan;
    uint8_t header[5];

    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        put_header(header, 1, caps[i]);
        check_int(scan_all(header, 5, caps[i], &scan), FRAME_SCAN_DONE);
        check_int(scan.body_size, caps[i]);
        put_header(header, 1, caps[i] + 1);
        check_int(scan_all(header, 5, caps[i], &scan), FRAME_SCAN_TOO_LARGE);
        check_int(scan.body_size, caps[i] + 1);
        check_int(scan_all(header, 4, caps[i], &scan), FRAME_SCAN_MORE);
    }
    put_header(header, 1, UINT32_MAX);
    check_int(scan_all(header, 5, FRAME_BODY_MAX, &scan), FRAME_SCAN_TOO_LARGE);
    put_header(header, 1, 0);
    check_int(scan_all(header, 5, 0, &scan), FRAME_SCAN_DONE);
    put_header(header, 1, 0x04030201);
    check_int(scan_all(header, 5, UINT32_MAX, &scan), FRAME_SCAN_DONE);
    check_int(scan.body_size, 0x04030201);
}

static void test_consumes_the_header_only(void)
{
    static const uint8_t bytes[] = {1, 2, 0, 0, 0, 0xaa, 0xbb, 1, 0, 0, 0, 0, 1, 1, 0};
    struct frame_scan scan;
    size_t used;

    frame_scan_init(&scan, 16);
    check_int(frame_scan_feed(&scan, bytes, sizeof(bytes), &used), FRAME_SCAN_DONE);
    check_int(used, 5);
    check_int(scan.body_size, 2);
    check_int(frame_scan_feed(&scan, bytes + used, 2, &used), FRAME_SCAN_DONE); /* repeated, nothing used */
    check_int(used, 0);
    check_int(scan.body_size, 2);

    frame_scan_init(&scan, 16); /* back to back */
    check_int(frame_scan_feed(&scan, bytes + 7, sizeof(bytes) - 7, &used), FRAME_SCAN_DONE);
    check_int(used, 5);
    check_int(scan.body_size, 0);
    frame_scan_init(&scan, 16);
    check_int(frame_scan_feed(&scan, bytes + 12, 3, &used), FRAME_SCAN_MORE);
    check_int(used, 3);
    check_int(frame_scan_feed(&scan, NULL, 0, &used), FRAME_SCAN_MORE);
}

static void test_every_pair_of_cuts(void)
{
    uint8_t bytes[8] = {1, 0x01, 0x02, 0x03, 0x00, 9, 9, 9};

    for (size_t a = 0; a <= sizeof(bytes); a++) {
        for (size_t b = a; b <= sizeof(bytes); b++) {
            size_t cuts[] = {0, a, b, sizeof(bytes)}, total = 0, used;
            enum frame_scan_verdict verdict = FRAME_SCAN_MORE;
            struct frame_scan scan;

            frame_scan_init(&scan, FRAME_BODY_MAX);
            for (size_t i = 0; i + 1 < 4; i++) {
                verdict = frame_scan_feed(&scan, bytes + cuts[i], cuts[i + 1] - cuts[i], &used);
                total += used;
                check_int(verdict, cuts[i + 1] < 5 ? FRAME_SCAN_MORE : FRAME_SCAN_DONE);
            }
            check_int(total, 5);
            check_int(scan.body_size, 0x030201);
        }
    }
}

CHECK_PROGRAM("wire/frame_scan", {"the version is judged on its own byte", test_versions},
              {"a body of exactly the cap passes, one byte more does not", test_caps},
              {"nothing behind the header is consumed", test_consumes_the_header_only},
              {"headers cut at every pair of offsets", test_every_pair_of_cuts})
