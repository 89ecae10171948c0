/* SPDX-License-Identifier: MIT */

/*
 * The n-th allocation fails, once and from then on, for every n: a request is answered right or its connection closes,
 * and the next one is served.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "failing_alloc.h"
#include "unit/control/rig.h"

enum { IDLE_MAX = 20 };

static struct rig rig;

/* Sends @bytes once with the @n-th allocation failing. True while that happened. */
static bool try_request(const uint8_t *bytes, size_t size, long n, bool for_ever, size_t want_size)
{
    static uint8_t got[4096];
    uint8_t healthz[64];
    size_t got_size;
    bool failed;
    int fd;

    rig_up(&rig, NULL, NULL);
    hello_rig_define(&rig.hello, "zccache", "binary_path: \"/bin/true\"\nisolation: SHARED_BROKER\n");
    fd = rig_connect(&rig);
    failing_alloc_start(n, for_ever);
    rig_send(&rig, fd, bytes, size);
    got_size = rig_receive(&rig, fd, got, sizeof(got));
    failed = failing_alloc_stop();
    check(got_size == 0 || got_size == SIZE_MAX || got_size == want_size || failed);
    check(got_size == want_size || failed);
    rig_expect(&rig, healthz, rig_from_hex(rig_healthz_hex, healthz), rig_ok_hex);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 0);
    check_int(rig.control->pool.used, 0);
    rig_down(&rig);
    return failed;
}

static void sweep(const uint8_t *bytes, size_t size, size_t want_size)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        long n = 0;

        while (try_request(bytes, size, n, for_ever != 0, want_size)) {
            check_fatal(n++ < 200);
        }
    }
}

static void test_hello(void)
{
    uint8_t bytes[128], want[256];
    size_t size = hello_rig_frame(bytes, "zccache", "1.0.0", 1);
    struct reply reply = {.echo.request_id = 1};

    reply_refuse(&reply, 3, "backend is not registered", 1000);
    sweep(bytes, size, reply_pack(&reply, want));
}

static void test_admin(void)
{
    uint8_t bytes[64], want[64];
    size_t size = rig_from_hex(rig_healthz_hex, bytes);

    sweep(bytes, size, rig_from_hex(rig_ok_hex, want));
}

/* With one idle client more each time: at one of these numbers the loop's table has no place for the next. */
static void test_many(void)
{
    static uint8_t got[4096];
    uint8_t bytes[64], want[64];
    size_t size = rig_from_hex(rig_healthz_hex, bytes), want_size = rig_from_hex(rig_ok_hex, want), got_size;
    int idle[IDLE_MAX];

    rig_up(&rig, NULL, NULL);
    for (int i = 0; i < IDLE_MAX; i++) {
        bool failed = true;

        for (long n = 0; failed; n++) {
            int fd = rig_connect(&rig);

            check_fatal(n < 200);
            failing_alloc_start(n, false);
            rig_send(&rig, fd, bytes, size);
            got_size = rig_receive(&rig, fd, got, sizeof(got));
            failed = failing_alloc_stop();
            check(got_size == want_size || failed);
        }
        idle[i] = rig_connect(&rig);
        rig_settle(&rig);
        check_int(control_connections_open(rig.control), i + 1);
    }
    for (int i = 0; i < IDLE_MAX; i++) {
        close(idle[i]);
    }
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 0);
    rig_down(&rig);
}

/* Frame and request are too long for what needs no memory of its own. */
static void test_long_admin(void)
{
    char text[ADMIN_TEXT_MAX + 1];
    uint8_t payload[2 * sizeof(text) + 64], want[64];
    struct buffer bytes;
    AdminRequest request;
    Frame frame;
    size_t size;

    memset(text, 't', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    message_init(MESSAGE_ADMIN_REQUEST, &request);
    request.verb = ADMIN_VERB(HEALTHZ);
    request.service_name = request.output_path = text;
    size = message_pack(MESSAGE_OF(&request), payload);
    envelope_request(&frame, LANE_ADMIN, slice_from_bytes(payload, size));
    frame.request_id = 1;
    buffer_init(&bytes, 1 << 16);
    check_fatal(envelope_pack(&bytes, &frame) == 0);
    sweep(bytes.data, bytes.size, rig_from_hex(rig_ok_hex, want));
    buffer_deinit(&bytes);
}

/* A body beyond 64 KiB, which is skimmed. */
static void test_skim(void)
{
    static uint8_t bytes[70005] = {1, 0x70, 0x11, 1, 0, 0x08, 1, 0x22, 0xEA, 0xA2, 4};
    uint8_t want[256];
    struct reply reply = {0};

    reply_refuse(&reply, 6, "initial Hello frame exceeds 64 KiB", 0);
    sweep(bytes, sizeof(bytes), reply_pack(&reply, want));
}

static void test_start(void)
{
    long n = 0;
    bool failed = true;

    while (failed) {
        struct control *control = NULL;
        struct control_config config;
        int r;

        rig_up(&rig, NULL, NULL);
        config = rig.control->config;
        rig.control = control_free(rig.control);
        failing_alloc_start(n, false);
        r = control_new(&config, &control);
        failed = failing_alloc_stop();
        check(r == (failed ? -ENOMEM : 0));
        check((control != NULL) == (r == 0));
        rig.control = control;
        rig_down(&rig);
        check_fatal(n++ < 200);
    }
}

CHECK_PROGRAM("control/memory", {"a Hello", test_hello}, {"an admin request", test_admin},
              {"a long admin request", test_long_admin}, {"many connections", test_many}, {"a long body", test_skim},
              {"starting", test_start})
