/* SPDX-License-Identifier: MIT */

/* The frame server of the backend library, in its pollable form: requests, bad clients, bounds, endings. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend_scene.h"
#include "base/clock.h"
#include "check.h"

static struct scene scene;
static uint64_t id;
static char payload[4096];

/* Whether the next answer on @fd is @text for request @request_id. */
static bool answers(int fd, uint64_t request_id, const char *text)
{
    return scene_answer(fd, &id, payload, sizeof(payload)) && id == request_id && !strcmp(payload, text);
}

static void open_scene(void)
{
    scene_init(&scene);
    scene_open(&scene);
}

/* --------------------------------------------------------------------------------------------------------- requests */

static void test_requests(void)
{
    int fd;

    open_scene();
    fd = scene_dial(&scene);
    check(scene_probe(&scene, fd));
    for (uint64_t i = 1; i <= 3; i++) {
        scene_ask(fd, i, "hello");
        scene_pump(&scene);
        check(answers(fd, i, "hello"));
    }
    check(scene_probe(&scene, fd));
    scene_ask(fd, UINT64_MAX, "a"); /* several at once, answered in their order */
    scene_ask(fd, 0, "");
    scene_ask(fd, 5, "t");
    scene_pump(&scene);
    check(answers(fd, UINT64_MAX, "a"));
    check(answers(fd, 0, ""));
    check(answers(fd, 5, "once"));
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

    open_scene();
    fd = scene_dial(&scene);
    for (int round = 0; round < 2; round++) {
        const char *bytes = scene_frame(SCENE_LANE, 3, "slowly", &size);

        for (size_t i = 0; i < size; i++) {
            check(!scene_answer(fd, &id, payload, sizeof(payload)));
            scene_send(fd, bytes + i, 1);
            scene_pump(&scene);
        }
        check(answers(fd, 3, "slowly"));
    }
    close(fd);
    scene_close(&scene);
}

static void test_half_close(void)
{
    int fd;

    open_scene();
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    shutdown(fd, SHUT_WR);
    scene_pump(&scene);
    check(!scene_is_closed(&scene, fd)); /* an answer is still owed */
    check_int(rpb_backend_respond_later(scene.laters[0], "late", 4), 0);
    check(answers(fd, 1, "late"));
    check(scene_is_closed(&scene, fd));
    close(fd);
    fd = scene_dial(&scene);
    scene_ask(fd, 2, "yes");
    shutdown(fd, SHUT_WR);
    scene_pump(&scene);
    check(answers(fd, 2, "yes"));
    check(scene_is_closed(&scene, fd));
    close(fd);
    check_int(scene.n_notices, 0);
    scene_close(&scene);
}

static void test_deferred(void)
{
    int fd, other;

    open_scene();
    fd = scene_dial(&scene);
    other = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    scene_ask(fd, 2, "d");
    scene_ask(fd, 3, "yes");
    scene_ask(other, 1, "d");
    scene_pump(&scene);
    check(answers(fd, 3, "yes"));
    check_int(scene.n_laters, 3);
    check_int(rpb_backend_respond_later(scene.laters[1], "second", 6), 0);
    check_int(rpb_backend_respond_later(scene.laters[0], "first", 5), 0);
    check(answers(fd, 2, "second"));
    check(answers(fd, 1, "first"));
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

    open_scene();
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
        check(answers(fd, i, ""));
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

    open_scene();
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

    open_scene();
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

    open_scene();
    fd = scene_dial(&scene);
    check_fatal(size + 4 <= sizeof(bytes));
    memcpy(bytes, frame, size);
    memcpy(bytes + size, "HELO", 4);
    scene_send(fd, bytes, size + 4);
    scene_pump(&scene);
    check(answers(fd, 1, "first"));
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

    open_scene();
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
static void test_legacy_before_an_answer(void)
{
    int fd;

    open_scene();
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

/* ----------------------------------------------------------------------------------------------------------- bounds */

static void test_full_house(void)
{
    enum { MAX = 3, RESERVED = 16 };
    int fds[MAX + RESERVED + 1];

    scene_init(&scene);
    scene.config.max_connections = MAX;
    scene_open(&scene);
    for (int i = 0; i < MAX; i++) {
        fds[i] = scene_dial(&scene);
        scene_ask(fds[i], 1, "in");
        scene_pump(&scene);
        check(answers(fds[i], 1, "in"));
    }
    fds[MAX] = scene_dial(&scene);
    check(scene_probe(&scene, fds[MAX])); /* a full house still proves itself */
    scene_ask(fds[MAX], 1, "out");
    scene_pump(&scene);
    check(scene_is_closed(&scene, fds[MAX]));
    close(fds[MAX]);
    for (int i = MAX; i < MAX + RESERVED + 1; i++) {
        fds[i] = scene_dial(&scene);
    }
    check_int(rpb_backend_connections(scene.backend), MAX + RESERVED);
    check(scene_is_closed(&scene, fds[MAX])); /* the oldest silent one */
    check(!scene_is_closed(&scene, fds[MAX + 1]));
    check(scene_probe(&scene, fds[MAX + RESERVED]));
    for (int i = 0; i < MAX; i++) { /* clients keep their places */
        scene_ask(fds[i], 2, "in");
        scene_pump(&scene);
        check(answers(fds[i], 2, "in"));
    }
    for (int i = 0; i < MAX + RESERVED + 1; i++) {
        close(fds[i]);
    }
    scene_close(&scene);
}

static void test_silent_client(void)
{
    int silent, half, good;

    scene_init(&scene);
    scene.config.first_frame_msec = 20;
    scene_open(&scene);
    good = scene_dial(&scene);
    check(scene_probe(&scene, good));
    silent = scene_dial(&scene);
    half = scene_dial(&scene);
    scene_send(half, "\x01", 1);
    check(scene_wait(&scene, scene_is_closed, silent));
    check(scene_wait(&scene, scene_is_closed, half));
    check(strstr(scene.notice, "in time") != NULL);
    check(scene_probe(&scene, good)); /* it has sent a frame: it may wait */
    check_int(rpb_backend_deadline(scene.backend) == UINT64_MAX, 1);
    close(good);
    close(silent);
    close(half);
    scene_close(&scene);
}

/* Sends requests for long answers without reading; the backend must stop to read. Returns how many were sent. */
static int flood(int fd)
{
    size_t size;
    const void *bytes = scene_frame(SCENE_LANE, 1, "L", &size);
    int n = 0;

    while (n < 100000 && send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size) {
        n++;
        if (n % 16 == 0) {
            scene_pump(&scene);
        }
    }
    scene_pump(&scene);
    return n;
}

static void test_reader_that_does_not_read(void)
{
    static char bytes[65536];
    int fd, n, handled;

    scene_init(&scene);
    scene.config.stall_msec = 60000;
    scene_open(&scene);
    fd = scene_dial(&scene);
    n = flood(fd);
    check(n < 100000); /* the kernel's buffer filled up: the sender feels it */
    handled = scene.n_handled;
    check(handled < 10);
    for (size_t left = 4 << 20; left > 0;) { /* what is read makes room */
        ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        check_fatal(got > 0);
        left -= (size_t)got < left ? (size_t)got : left;
        scene_pump(&scene);
    }
    check(scene.n_handled > handled);
    close(fd);
    scene_pump(&scene);
    check_int(rpb_backend_connections(scene.backend), 0);
    scene_close(&scene);
}

static bool has_no_connection(struct scene *s, int fd)
{
    (void)fd;
    return rpb_backend_connections(s->backend) == 0;
}

static void test_stall(void)
{
    int fd;

    scene_init(&scene);
    scene.config.stall_msec = 30;
    scene_open(&scene);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "L");
    check(scene_wait(&scene, has_no_connection, fd));
    check(strstr(scene.notice, "does not read") != NULL);
    close(fd);
    scene_close(&scene);
}

static void test_memory(void)
{
    static const char block[65536];
    int small, large;

    scene_init(&scene);
    scene.config.max_memory_bytes = 1 << 20;
    scene_open(&scene);
    small = scene_dial(&scene);
    large = scene_dial(&scene);
    scene_send(small, "\x01\x00\x00\x00\x01", 5); /* 16 MiB, it says */
    scene_send(small, block, 1000);
    scene_send(large, "\x01\x00\x00\x00\x01", 5);
    for (int i = 0; i < 32 && !scene_is_closed(&scene, large); i++) {
        (void)send(large, block, sizeof(block), MSG_NOSIGNAL);
        scene_pump(&scene);
    }
    check(scene_is_closed(&scene, large));
    check(strstr(scene.notice, "hold too much") != NULL);
    check(!scene_is_closed(&scene, small));
    close(small);
    close(large);
    scene_close(&scene);
}

/* A block that pushes the total over the limit costs the one that holds the most, whoever sent it. */
static void test_memory_of_another(void)
{
    static const char block[65536];
    int small, large;

    scene_init(&scene);
    scene.config.max_memory_bytes = 1 << 20;
    scene_open(&scene);
    small = scene_dial(&scene);
    large = scene_dial(&scene);
    scene_send(large, "\x01\x00\x00\x00\x01", 5);
    for (int i = 0; i < 9; i++) { /* grows by doubling: more than half of the limit */
        scene_send(large, block, sizeof(block));
        scene_pump(&scene);
    }
    check(!scene_is_closed(&scene, large));
    scene_send(small, "\x01\x00\x00\x00\x01", 5);
    for (int i = 0; i < 8 && !scene_is_closed(&scene, large); i++) {
        scene_send(small, block, sizeof(block) / 2);
        scene_pump(&scene);
    }
    check(scene_is_closed(&scene, large));
    check(!scene_is_closed(&scene, small));
    close(small);
    close(large);
    scene_close(&scene);
}

/* From here on the next descriptor cannot be had. Returns the limit to go back to. */
static struct rlimit spend_descriptors(void)
{
    struct rlimit old, tight;
    int next = dup(STDIN_FILENO);

    check(next >= 0);
    close(next);
    check_int(getrlimit(RLIMIT_NOFILE, &old), 0);
    tight = old;
    tight.rlim_cur = (rlim_t)next;
    check_int(setrlimit(RLIMIT_NOFILE, &tight), 0);
    return old;
}

static int knock(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, scene.path);
    check_int(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static bool is_answered(struct scene *s, int fd)
{
    return scene_answer(fd, &id, payload, sizeof(payload));
}

static void test_no_descriptors(void)
{
    struct rlimit old;
    int client, silent, waiting, next;

    if (getenv("RPB_TEST_VALGRIND")) {
        return; /* it keeps the limit itself, by closing what was accepted */
    }
    open_scene();
    client = scene_dial(&scene);
    scene_ask(client, 1, "in");
    scene_pump(&scene);
    check(answers(client, 1, "in"));
    silent = scene_dial(&scene);
    waiting = knock();
    old = spend_descriptors();
    scene_pump(&scene); /* the silent one makes room */
    check(scene_is_closed(&scene, silent));
    check(scene_probe(&scene, waiting));
    check_int(setrlimit(RLIMIT_NOFILE, &old), 0);
    next = knock();
    scene_ask(next, 2, "later");
    old = spend_descriptors();
    scene_pump(&scene); /* nobody makes room: the listener rests, and does not spin */
    check_int(rpb_backend_connections(scene.backend), 2);
    check(rpb_backend_poll_timeout(scene.backend) > 0);
    scene_ask(client, 3, "still");
    scene_pump(&scene);
    check(answers(client, 3, "still"));
    check_int(setrlimit(RLIMIT_NOFILE, &old), 0);
    check(scene_wait(&scene, is_answered, next)); /* and comes back by itself */
    check_int(id, 2);
    close(client);
    close(silent);
    close(waiting);
    close(next);
    scene_close(&scene);
}

/* A client that is gone before its answer. */
static void test_gone(void)
{
    int fd;

    open_scene();
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    scene_pump(&scene);
    close(fd);
    (void)rpb_backend_respond_later(scene.laters[0], "x", 1);
    scene_pump(&scene);
    check_int(rpb_backend_connections(scene.backend), 0);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "x");
    close(fd);
    scene_pump(&scene);
    check_int(rpb_backend_connections(scene.backend), 0);
    scene_close(&scene);
}

/* Put-off answers beyond what a connection may hold unsent. */
static void test_answers_beyond_measure(void)
{
    static char large[1 << 20];
    int fd, r = 0;
    size_t n = 0;

    open_scene();
    fd = scene_dial(&scene);
    for (uint64_t i = 0; i < 40; i++) {
        scene_ask(fd, i, "d");
    }
    scene_pump(&scene);
    check_int(scene.n_laters, 40);
    while (n < 40 && r == 0) {
        r = rpb_backend_respond_later(scene.laters[n++], large, sizeof(large));
    }
    check_int(r, -ENOBUFS);
    for (; n < 40; n++) {
        check_int(rpb_backend_respond_later(scene.laters[n], "", 0), -EPIPE);
    }
    scene_pump(&scene);
    check_int(rpb_backend_connections(scene.backend), 0);
    close(fd);
    scene_close(&scene);
}

static void test_too_long_an_answer(void)
{
    char *large = calloc(1, RPB_FRAME_BODY_MAX + 1);
    int fd;

    check_fatal(large != NULL);
    open_scene();
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    scene_pump(&scene);
    check_int(rpb_backend_respond_later(scene.laters[0], large, RPB_FRAME_BODY_MAX), -EMSGSIZE);
    check(scene_is_closed(&scene, fd));
    free(large);
    close(fd);
    scene_close(&scene);
}

static void test_environment(void)
{
    scene_init(&scene);
    scene.config.endpoint = scene.config.namespace_id = NULL;
    scene.config.max_connections = UINT32_MAX;
    scene.config.max_frame_bytes = UINT32_MAX;
    setenv(RPB_ENV_BACKEND_PIPE, scene.path, 1);
    setenv(RPB_ENV_BACKEND_NAMESPACE, "shared", 1);
    scene_open(&scene);
    check_str(rpb_backend_get_identity(scene.backend)->path, scene.path);
    check_str(rpb_backend_get_identity(scene.backend)->namespace_id, "shared");
    scene_close(&scene);
    unsetenv(RPB_ENV_BACKEND_NAMESPACE);
    scene_open(&scene);
    check_str(rpb_backend_get_identity(scene.backend)->namespace_id, "default");
    scene_close(&scene);
    unsetenv(RPB_ENV_BACKEND_PIPE);
    check_str(rpb_backend_library_version(), RPB_VERSION);
}

static void test_frame_limit(void)
{
    int fd;

    scene_init(&scene);
    scene.config.max_frame_bytes = 1000;
    scene_open(&scene);
    fd = scene_dial(&scene);
    scene_send(fd, "\x01\xe9\x03\x00\x00", 5); /* 1001 */
    scene_pump(&scene);
    check(scene_is_closed(&scene, fd));
    close(fd);
    fd = scene_dial(&scene);
    scene_send(fd, "\x01\xe8\x03\x00\x00", 5); /* 1000 */
    scene_pump(&scene);
    check(!scene_is_closed(&scene, fd));
    close(fd);
    scene_close(&scene);
    scene_init(&scene); /* whoever serves nothing keeps no more than a probe may have */
    scene.config.n_lanes = 0;
    scene.config.handle = NULL;
    scene_open(&scene);
    fd = scene_dial(&scene);
    check(scene_probe(&scene, fd));
    scene_send(fd, "\x01\x01\x00\x01\x00", 5);
    scene_pump(&scene);
    check(scene_is_closed(&scene, fd));
    close(fd);
    scene_close(&scene);
}

/* ---------------------------------------------------------------------------------------------------------- endings */

static void test_stop(void)
{
    int fd, owed;

    open_scene();
    fd = scene_dial(&scene);
    owed = scene_dial(&scene);
    scene_ask(owed, 1, "d");
    scene_pump(&scene);
    rpb_backend_stop(scene.backend);
    rpb_backend_stop(scene.backend);
    scene_pump(&scene);
    check_int(scene.done, 0);
    check_int(access(scene.path, F_OK), -1); /* nobody new */
    check(scene_is_closed(&scene, fd));
    check(!scene_is_closed(&scene, owed));
    check_int(rpb_backend_respond_later(scene.laters[0], "at last", 7), 0);
    check(answers(owed, 1, "at last"));
    check_int(rpb_backend_poll_timeout(scene.backend), 0); /* nothing is left to wait for, no descriptor will tell */
    scene_pump(&scene);
    check_int(scene.done, RPB_BACKEND_DONE);
    close(fd);
    close(owed);
    scene_close(&scene);
}

static void test_drain_limit(void)
{
    int fd;

    scene_init(&scene);
    scene.config.drain_msec = 20;
    scene_open(&scene);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    scene_pump(&scene);
    rpb_backend_stop(scene.backend);
    check(scene_wait(&scene, scene_is_done, fd));
    scene_close(&scene);
    check(scene_is_closed(&scene, fd));
    check_int(rpb_backend_respond_later(scene.laters[0], "", 0), -ESHUTDOWN);
    close(fd);
}

static void test_run_ends(void)
{
    open_scene();
    rpb_backend_stop(scene.backend);
    check_int(rpb_backend_run(scene.backend), 0);
    scene_close(&scene);
}

static void test_idle(void)
{
    nsec_t begun = clock_monotonic();
    int client, prober;

    scene_init(&scene);
    scene.config.idle_timeout_secs = 1;
    scene_open(&scene);
    check(rpb_backend_get_identity(scene.backend)->has_idle_timeout);
    check_int(rpb_backend_get_identity(scene.backend)->idle_timeout_secs, 1);
    prober = scene_dial(&scene);
    check(scene_probe(&scene, prober)); /* does not count */
    client = scene_dial(&scene);
    scene_ask(client, 1, "in");
    scene_pump(&scene);
    check_int(rpb_backend_deadline(scene.backend) <= begun + NSEC_PER_SEC + NSEC_PER_SEC / 2, 1);
    close(client);
    check(scene_wait(&scene, scene_is_done, -1));
    check(clock_monotonic() - begun >= NSEC_PER_SEC);
    check(strstr(scene.notice, "idle") != NULL);
    close(prober);
    scene_close(&scene);
}

static void test_another_socket_stays(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    open_scene();
    check_int(unlink(scene.path), 0);
    strcpy(address.sun_path, scene.path);
    check_int(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    rpb_backend_free(scene.backend);
    check_int(access(scene.path, F_OK), 0);
    unlink(scene.path);
    close(fd);
}

static void test_child_removes_nothing(void)
{
    char sidecar[256];
    int status, before, after;
    pid_t child;

    scene_init(&scene);
    snprintf(sidecar, sizeof(sidecar), "%s/identity.json", check_tmpdir());
    scene.config.sidecar_path = sidecar;
    check_int(rpb_backend_new(&scene.config, &scene.backend, NULL), 0);
    check(rpb_backend_get_identity(scene.backend) == NULL);
    check_int(access(sidecar, F_OK), -1);
    check_int(rpb_backend_deadline(scene.backend), 0);
    check_int(rpb_backend_step(scene.backend), 0);
    check_int(access(sidecar, F_OK), 0);
    before = scene_dial(&scene);
    child = fork();
    if (child == 0) {
        rpb_backend_free(scene.backend);
        _exit(0);
    }
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
    check_int(access(sidecar, F_OK), 0);
    check_int(access(scene.path, F_OK), 0);
    after = scene_dial(&scene);
    check_int(rpb_backend_connections(scene.backend), 2);
    check(scene_probe(&scene, before) && scene_probe(&scene, after)); /* it has not stopped the parent's listening */
    close(before);
    close(after);
    scene_close(&scene);
    check_int(access(sidecar, F_OK), -1);
}

static void test_configuration(void)
{
    static const uint32_t bad_lanes[] = {0xAD01};
    struct rpb_backend *backend = NULL;
    char text[RPB_BACKEND_TEXT_MAX];

    for (int i = 0; i < 7; i++) {
        scene_init(&scene);
        *text = '\0';
        switch (i) {
        case 0:
            scene.config.size = 0;
            break;
        case 1:
            scene.config.size++;
            break;
        case 2:
            scene.config.lanes = bad_lanes;
            break;
        case 3:
            scene.config.n_lanes = 65;
            break;
        case 4:
            scene.config.handle = NULL;
            break;
        case 5:
            scene.config.lanes = NULL;
            break;
        default:
            scene.config.endpoint = "";
            break;
        }
        check_int(rpb_backend_new(&scene.config, &backend, text), -EINVAL);
        check(*text != '\0');
    }
    check(backend == NULL);
    rpb_backend_free(NULL);
}

CHECK_PROGRAM("lib/backend-serve", {"probes and requests on one connection", test_requests},
              {"byte by byte", test_byte_by_byte}, {"a client that ends its half", test_half_close},
              {"answers put off", test_deferred}, {"too many answers put off", test_many_deferred},
              {"bad frames end their connection only", test_bad_frames},
              {"requests without an answer, ends within a frame", test_bad_behaviour},
              {"another protocol is handed over", test_legacy}, {"behind a frame", test_legacy_behind_a_frame},
              {"behind a long answer", test_legacy_behind_a_long_answer},
              {"before an answer", test_legacy_before_an_answer}, {"a full house still proves itself", test_full_house},
              {"a client that sends nothing", test_silent_client},
              {"a client that reads nothing is not read from", test_reader_that_does_not_read},
              {"and is dropped in the end", test_stall}, {"memory of all connections", test_memory},
              {"memory of another connection", test_memory_of_another}, {"no descriptors", test_no_descriptors},
              {"a client that is gone", test_gone}, {"more answers than may wait", test_answers_beyond_measure},
              {"an answer that is too long", test_too_long_an_answer}, {"the environment", test_environment},
              {"frames that are longer than configured", test_frame_limit}, {"stop", test_stop},
              {"stop does not wait for ever", test_drain_limit}, {"run ends by stop", test_run_ends},
              {"idle timeout", test_idle}, {"a socket that is not ours stays", test_another_socket_stays},
              {"a forked child removes nothing", test_child_removes_nothing},
              {"impossible configurations", test_configuration})
