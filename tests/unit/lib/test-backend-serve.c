/* SPDX-License-Identifier: MIT */

/* The frame server of the backend library, in its pollable form: requests, bad clients, another protocol. */

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend_scene.h"
#include "check.h"

static struct scene scene;
static uint64_t id;
static char payload[4096];

/* --------------------------------------------------------------------------------------------------------- requests */

static void test_requests(void)
{
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    check(scene_probe(&scene, fd));
    for (uint64_t i = 1; i <= 3; i++) {
        scene_ask(fd, i, "hello");
        scene_pump(&scene);
        check(scene_answers(fd, i, "hello"));
    }
    check(scene_probe(&scene, fd));
    scene_ask(fd, UINT64_MAX, "a"); /* several at once, answered in their order */
    scene_ask(fd, 0, "");
    scene_ask(fd, 5, "t");
    scene_pump(&scene);
    check(scene_answers(fd, UINT64_MAX, "a"));
    check(scene_answers(fd, 0, ""));
    check(scene_answers(fd, 5, "once"));
    check_int(scene.n_handled, 6);
    check_int(scene.last.peer_pid, getpid());
    check_int(scene.last.peer_uid, geteuid());
    check_int(scene.last.connection, 1);
    check_str(scene.last_trace, "parent|state");
    check_int(rpb_backend_connections(scene.backend), 1);
    close(fd);
    scene_pump(&scene);
    check_int(rpb_backend_connections(scene.backend), 0);
    check_int(scene.n_notices, 0);
    scene_close(&scene);
}

static void test_byte_by_byte(void)
{
    size_t size;
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    for (int round = 0; round < 2; round++) {
        const char *bytes = scene_frame(SCENE_LANE, 3, "slowly", &size);

        for (size_t i = 0; i < size; i++) {
            check(!scene_answer(fd, &id, payload, sizeof(payload)));
            scene_send(fd, bytes + i, 1);
            scene_pump(&scene);
        }
        check(scene_answers(fd, 3, "slowly"));
    }
    close(fd);
    scene_close(&scene);
}

static void test_half_close(void)
{
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    shutdown(fd, SHUT_WR);
    scene_pump(&scene);
    check(!scene_is_closed(&scene, fd)); /* an answer is still owed */
    check_int(rpb_backend_respond_later(scene.laters[0], "late", 4), 0);
    check(scene_answers(fd, 1, "late"));
    check(scene_is_closed(&scene, fd));
    close(fd);
    fd = scene_dial(&scene);
    scene_ask(fd, 2, "yes");
    shutdown(fd, SHUT_WR);
    scene_pump(&scene);
    check(scene_answers(fd, 2, "yes"));
    check(scene_is_closed(&scene, fd));
    close(fd);
    check_int(scene.n_notices, 0);
    scene_close(&scene);
}

static void test_deferred(void)
{
    int fd, other;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    other = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    scene_ask(fd, 2, "d");
    scene_ask(fd, 3, "yes");
    scene_ask(other, 1, "d");
    scene_pump(&scene);
    check(scene_answers(fd, 3, "yes"));
    check_int(scene.n_laters, 3);
    check_int(rpb_backend_respond_later(scene.laters[1], "second", 6), 0);
    check_int(rpb_backend_respond_later(scene.laters[0], "first", 5), 0);
    check(scene_answers(fd, 2, "second"));
    check(scene_answers(fd, 1, "first"));
    scene_ask(fd, 4, "d");
    scene_pump(&scene);
    rpb_backend_drop_later(scene.laters[3]);
    rpb_backend_drop_later(NULL);
    check(scene_is_closed(&scene, fd)); /* rather than wait in vain */
    close(fd);
    close(other);
    scene_pump(&scene);
    check_int(rpb_backend_respond_later(scene.laters[2], "gone", 4), -EPIPE);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    scene_pump(&scene);
    scene_close(&scene);
    check_int(rpb_backend_respond_later(scene.laters[4], "gone", 4), -ESHUTDOWN);
    close(fd);
}

static void test_many_deferred(void)
{
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    for (uint64_t i = 0; i < 70; i++) {
        scene_ask(fd, i, "d");
    }
    scene_pump(&scene);
    check_int(scene.n_laters, 64); /* the rest is not taken in */
    check_int(rpb_backend_respond_later(scene.laters[0], "", 0), 0);
    scene_pump(&scene);
    check_int(scene.n_laters, 65);
    for (size_t i = 1; i < 70; i++) {
        check_int(rpb_backend_respond_later(scene.laters[i], "", 0), 0);
        scene_pump(&scene);
    }
    for (uint64_t i = 0; i < 70; i++) {
        check(scene_answers(fd, i, ""));
    }
    close(fd);
    scene_close(&scene);
}

/* ------------------------------------------------------------------------------------------------------ bad clients */

static void test_bad_frames(void)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *notice;
    } bad[] = {
        {"\x02", 1, "another protocol"},
        {"\x01\x01\x00\x00\x01", 5, "too long"},
        {"\x01\x01\x00\x00\x00\xff", 6, "no frame"},
        {"\x01\x00\x00\x00\x00", 5, "only brokers serve"},
        {"\x01\x06\x00\x00\x00\x08\x01\x18\x81\xda\x02", 11, "only brokers serve"},
        {"\x01\x06\x00\x00\x00\x08\x01\x18\xe3\xf4\x01", 11, "not served"},
        {"\x01\x06\x00\x00\x00\x08\x01\x18\xb2\xe4\x02", 11, "probe"},
        {"\x01\x06\x00\x00\x00\x08\x02\x18\x81\xe0\x03", 11, "another version"},
        {"\x01\x08\x00\x00\x00\x08\x01\x18\x81\xe0\x03\x30\x01", 13, "compressed"},
    };
    int good;

    scene_init(&scene);
    scene.config.take_legacy = NULL;
    scene_open(&scene);
    good = scene_dial(&scene);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = scene_dial(&scene);

        scene_send(fd, bad[i].bytes, bad[i].size);
        scene_pump(&scene);
        check(scene_is_closed(&scene, fd));
        check(strstr(scene.notice, bad[i].notice) != NULL);
        check_int(scene.n_notices, i + 1);
        close(fd);
        check(scene_probe(&scene, good));
    }
    close(good);
    scene_close(&scene);
}

static void test_bad_behaviour(void)
{
    static const char *const bad[] = {"n", "x"};
    int fd;

    scene_begin(&scene);
    for (size_t i = 0; i < 2; i++) {
        fd = scene_dial(&scene);
        scene_ask(fd, 1, bad[i]);
        scene_pump(&scene);
        check(scene_is_closed(&scene, fd));
        close(fd);
    }
    fd = scene_dial(&scene); /* ends within a frame */
    scene_send(fd, "\x01\x05", 2);
    close(fd);
    scene_pump(&scene);
    check(strstr(scene.notice, "within a frame") != NULL);
    check_int(scene.n_notices, 3);
    close(scene_dial(&scene)); /* says nothing: normal */
    scene_pump(&scene);
    check_int(scene.n_notices, 3);
    check_int(rpb_backend_connections(scene.backend), 0);
    scene_close(&scene);
}

static void test_legacy(void)
{
    char text[8] = "";
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    check(scene_probe(&scene, fd)); /* first ours, then theirs */
    scene_send(fd, "HELO", 4);
    scene_pump(&scene);
    check(scene.legacy_fd >= 0);
    check_int(scene.legacy_size, 4);
    check_mem(scene.legacy, "HELO", 4);
    check(!(fcntl(scene.legacy_fd, F_GETFL) & O_NONBLOCK));
    check_int(rpb_backend_connections(scene.backend), 0);
    check_int(write(scene.legacy_fd, "hi", 2), 2);
    check_int(read(fd, text, sizeof(text)), 2);
    check_str(text, "hi");
    close(fd);
    scene_close(&scene);
}

/* A frame and the other protocol in one breath: the frame's answer goes out before the connection is handed over. */
static void test_legacy_behind_a_frame(void)
{
    char bytes[256];
    size_t size;
    const void *frame = scene_frame(SCENE_LANE, 1, "first", &size);
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    check_fatal(size + 4 <= sizeof(bytes));
    memcpy(bytes, frame, size);
    memcpy(bytes + size, "HELO", 4);
    scene_send(fd, bytes, size + 4);
    scene_pump(&scene);
    check(scene_answers(fd, 1, "first"));
    check_int(scene.legacy_size, 4);
    check_mem(scene.legacy, "HELO", 4);
    close(fd);
    scene_close(&scene);
}

/* However long the answer is, and however little of it the client reads at a time. */
static void test_legacy_behind_a_long_answer(void)
{
    static char piece[65536];
    char bytes[256];
    size_t size, read_size = 0;
    const void *frame = scene_frame(SCENE_LANE, 1, "L", &size);
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    check_fatal(size + 4 <= sizeof(bytes));
    memcpy(bytes, frame, size);
    memcpy(bytes + size, "HELO", 4);
    scene_send(fd, bytes, size + 4);
    scene_pump(&scene);
    while (scene.legacy_fd < 0) {
        ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

        check_fatal(n > 0);
        read_size += (size_t)n;
        scene_pump(&scene);
    }
    check_mem(scene.legacy, "HELO", 4);
    shutdown(scene.legacy_fd, SHUT_WR);
    for (ssize_t n; (n = recv(fd, piece, sizeof(piece), 0)) > 0;) {
        read_size += (size_t)n;
    }
    check(read_size > 1 << 20); /* nothing of it is lost */
    close(fd);
    scene_close(&scene);
}

/* An answer that is still put off could only come into the middle of the other protocol. */
/* What was answered before a connection is dropped goes out. */
static void test_last_words(void)
{
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "in");
    scene_ask(fd, 2, "r"); /* the handler answers, and wants no more */
    scene_ask(fd, 3, "in");
    scene_pump(&scene);
    check(scene_answers(fd, 1, "in"));
    check(scene_answers(fd, 2, "no"));
    check(scene_is_closed(&scene, fd));
    check_int(scene.n_handled, 2);
    close(fd);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "in");
    scene_send(fd, "\x01\x01\x00\x00\x00\xff", 6); /* no Frame */
    scene_pump(&scene);
    check(scene_answers(fd, 1, "in"));
    check(scene_is_closed(&scene, fd));
    close(fd);
    scene_close(&scene);
}

static void test_legacy_before_an_answer(void)
{
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    scene_send(fd, "HELO", 4);
    scene_pump(&scene);
    check_int(scene.legacy_fd, -1);
    check(scene_is_closed(&scene, fd));
    check(strstr(scene.notice, "another protocol") != NULL);
    check_int(rpb_backend_respond_later(scene.laters[0], "", 0), -EPIPE);
    close(fd);
    scene_close(&scene);
}

CHECK_PROGRAM("lib/backend-serve", {"probes and requests on one connection", test_requests},
              {"byte by byte", test_byte_by_byte}, {"a client that ends its half", test_half_close},
              {"answers put off", test_deferred}, {"too many answers put off", test_many_deferred},
              {"bad frames end their connection only", test_bad_frames},
              {"requests without an answer, ends within a frame", test_bad_behaviour},
              {"what was answered goes out before the end", test_last_words},
              {"another protocol is handed over", test_legacy}, {"behind a frame", test_legacy_behind_a_frame},
              {"behind a long answer", test_legacy_behind_a_long_answer},
              {"before an answer", test_legacy_before_an_answer})
