/* SPDX-License-Identifier: MIT */

/*
 * The n-th allocation of the library fails, once and from then on, for every n: a backend is made or not, a client is
 * answered or dropped, nothing leaks, and the next client is served.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend_scene.h"
#include "check.h"
#include "failing_alloc.h"
#include "wire/probe.h"

static struct scene scene;
static bool has_failed; /* since the run began */

static void mend(void)
{
    has_failed |= failing_alloc_stop();
}

/* A client of the sick backend; then one of the healed, which must be served. False: nothing failed any more. */
static bool serve_with_failing(long n, bool for_ever)
{
    static char half[70000] = "\x01\x00\x10\x01\x00";
    uint64_t id;
    char payload[16];
    size_t size;
    int fd, other;

    has_failed = false;
    scene_init(&scene);
    scene.config.take_legacy = NULL;
    scene_open(&scene);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "hello");
    scene_ask(fd, 2, "d");
    (void)scene_frame(SCENE_LANE, 3, "cut", &size);
    scene_send(fd, scene_frame(SCENE_LANE, 3, "cut", &size), size - 1);
    failing_alloc_start(n, for_ever);
    scene_pump(&scene);
    mend();
    other = scene_dial(&scene);
    scene_send(other, half, sizeof(half));
    failing_alloc_start(n, for_ever);
    scene_pump(&scene);
    mend();
    close(other);
    if (scene_answer(fd, &id, payload, sizeof(payload))) {
        check_int(id, 1);
        check_str(payload, "hello");
    } else {
        check(has_failed || scene_is_closed(&scene, fd));
    }
    for (size_t i = 0; i < scene.n_laters; i++) {
        int r;

        failing_alloc_start(n, for_ever);
        r = rpb_backend_respond_later(scene.laters[i], "late", 4);
        mend();
        check(r == 0 || r == -ENOMEM || r == -EPIPE);
    }
    close(fd);
    scene_pump(&scene);
    fd = scene_dial(&scene);
    check(scene_probe(&scene, fd));
    scene_ask(fd, 9, "well");
    scene_pump(&scene);
    check(scene_answer(fd, &id, payload, sizeof(payload)) && id == 9);
    close(fd);
    scene_close(&scene);
    return has_failed;
}

static void sweep(bool (*run)(long n, bool for_ever), long least)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        long n = 0;

        while (run(n, for_ever) && n < 500) {
            n++;
        }
        check(n < 500);
        check(n >= least || !failing_alloc_is_possible());
    }
}

/* A backend is made whole or not at all. */
static bool make_with_failing(long n, bool for_ever)
{
    char text[RPB_BACKEND_TEXT_MAX] = "", sidecar[256];
    struct rpb_backend *backend = NULL;
    bool failed;
    int r;

    has_failed = false;
    scene_init(&scene);
    snprintf(sidecar, sizeof(sidecar), "%s/identity.json", check_tmpdir());
    scene.config.sidecar_path = sidecar;
    scene.config.sha256 = RPB_BACKEND_SHA256_ALWAYS;
    failing_alloc_start(n, for_ever);
    r = rpb_backend_new(&scene.config, &backend, text);
    if (r == 0) {
        r = rpb_backend_prepare(backend);
    }
    mend();
    failed = has_failed;
    check(r == 0 || (r == -ENOMEM && failed));
    check(r == 0 || backend || *text);
    rpb_backend_free(backend);
    check_int(access(scene.path, F_OK), -1);
    check_int(access(sidecar, F_OK), -1);
    return failed && r != 0;
}

/* The pure forms. */
/* A probe, which is answered at once. */
static bool answer_with_failing(long n, bool for_ever)
{
    static struct rpb_backend_identity identity = {.exe_path = "/x", .path = "/y"};
    struct rpb_backend_mux mux = {.identity = &identity};
    struct rpb_backend_mux_result result;
    uint8_t nonce[PROBE_NONCE_SIZE] = {0};
    struct buffer probe;
    bool failed;
    int r;

    buffer_init(&probe, 256);
    check_fatal(probe_pack_request(&probe, nonce) == 0);
    has_failed = false;
    failing_alloc_start(n, for_ever);
    r = rpb_backend_mux_classify(&mux, probe.data, probe.size, &result);
    mend();
    failed = has_failed;
    check(r == 0 || (failed && r == -ENOMEM));
    if (r == 0) {
        check_int(result.verdict, RPB_BACKEND_MUX_PROBE_ANSWERED);
        rpb_backend_mux_result_deinit(&result);
    }
    buffer_deinit(&probe);
    return failed;
}

static bool classify_with_failing(long n, bool for_ever)
{
    static const uint32_t lanes[] = {SCENE_LANE};
    static struct rpb_backend_identity identity = {.exe_path = "/x", .path = "/y"};
    struct rpb_backend_mux mux = {.identity = &identity, .lanes = lanes, .n_lanes = 1};
    struct rpb_backend_mux_result result;
    char *json = NULL;
    size_t size;
    const void *bytes = scene_frame(SCENE_LANE, 1, "x", &size);
    bool failed;
    int r;

    has_failed = false;
    failing_alloc_start(n, for_ever);
    r = rpb_backend_mux_classify(&mux, bytes, size, &result);
    if (r == 0) {
        rpb_backend_mux_result_deinit(&result);
        r = rpb_backend_identity_to_json(&identity, &json);
    }
    if (r == 0) {
        r = rpb_backend_identity_from_json(json, strlen(json), &identity);
    }
    mend();
    failed = has_failed;
    free(json);
    check(r == 0 || (failed && (r == -ENOMEM || r == -EBADMSG)));
    return failed;
}

static char sidecar_path[200];

static bool read_with_failing(long n, bool for_ever)
{
    struct rpb_backend_identity identity;
    bool failed;
    int r;

    has_failed = false;
    failing_alloc_start(n, for_ever);
    r = rpb_backend_identity_read(sidecar_path, &identity);
    mend();
    failed = has_failed;
    check(r == 0 || (failed && (r == -ENOMEM || r == -EBADMSG)));
    return failed;
}

static void test_serving(void)
{
    sweep(serve_with_failing, 3);
}

static void test_making(void)
{
    sweep(make_with_failing, 5);
}

static void test_classifying(void)
{
    sweep(classify_with_failing, 5);
    sweep(answer_with_failing, 2);
    snprintf(sidecar_path, sizeof(sidecar_path), "%s/identity", check_tmpdir());
    check_fatal(
        rpb_backend_identity_write(&(struct rpb_backend_identity){.exe_path = "/x", .path = "/y"}, sidecar_path) == 0);
    sweep(read_with_failing, 3);
}

CHECK_PROGRAM("lib/backend-memory", {"serving without memory", test_serving},
              {"a backend is made whole or not at all", test_making}, {"mux and identity file", test_classifying})
