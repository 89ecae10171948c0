/* SPDX-License-Identifier: MIT */

/* The frame server of the backend library, in its pollable form: what bounds clients, memory and descriptors. */

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend_scene.h"
#include "check.h"

static struct scene scene;
static uint64_t id;
static char payload[4096];

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
        check(scene_answers(fds[i], 1, "in"));
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
        check(scene_answers(fds[i], 2, "in"));
    }
    for (int i = 0; i < MAX + RESERVED + 1; i++) {
        close(fds[i]);
    }
    scene_close(&scene);
}

/* Silence takes no place from those who speak, however much of it there is. */
static void test_house_full_of_silence(void)
{
    enum { MAX = 3, RESERVED = 16 };
    static char large[100000];
    int fds[MAX + RESERVED], others[2], client, next;

    scene_init(&scene);
    scene.config.max_connections = MAX;
    scene_open(&scene);
    for (int i = 0; i < MAX + RESERVED; i++) {
        fds[i] = scene_dial(&scene);
    }
    client = scene_dial(&scene);
    scene_ask(client, 1, "in");
    scene_pump(&scene);
    check(scene_answers(client, 1, "in"));
    next = scene_dial(&scene);
    memset(large, 'x', sizeof(large) - 1); /* longer than what one that may only probe can send */
    large[0] = 'n';
    scene_ask(next, 1, large);
    scene_pump(&scene);
    check_int(scene.n_handled, 2);
    close(next);
    for (int i = 0; i < 2; i++) {
        others[i] = scene_dial(&scene);
        scene_ask(others[i], 1, "in");
        scene_pump(&scene);
        check(scene_answers(others[i], 1, "in"));
    }
    check(scene_probe(&scene, client)); /* who has spoken stays */
    next = scene_dial(&scene);
    scene_ask(next, 1, "out"); /* and three are three */
    scene_pump(&scene);
    check(scene_is_closed(&scene, next));
    close(next);
    close(client);
    close(others[0]);
    close(others[1]);
    for (int i = 0; i < MAX + RESERVED; i++) {
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

/* A reader that always leaves something unread: what it has read must not count for ever. */
static void test_reader_that_lags(void)
{
    enum { ANSWERS = 40 };
    static char bytes[256 * 1024];
    size_t left = (size_t)ANSWERS << 20;
    int fd;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    for (uint64_t i = 1; i <= ANSWERS; i++) {
        scene_ask(fd, i, "L");
    }
    scene_pump(&scene);
    while (left > 0) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        check_fatal(got > 0); /* at once: there always is more */
        left -= (size_t)got < left ? (size_t)got : left;
        scene_pump(&scene);
    }
    check_int(scene.n_handled, ANSWERS);
    check_str(scene.notice, "");
    close(fd);
    scene_close(&scene);
}

/* Asks for an answer that is put off, with a trace state of @size bytes that has to be kept for it. */
static void ask_with_state(int fd, size_t size)
{
    static const uint8_t fields[] = {0x08, 1, 0x18, 0x81, 0xE0, 0x03, 0x22, 1, 'd', 0x28, 7, 0x4A};
    static char state[1 << 18];
    uint32_t body = (uint32_t)(sizeof(fields) + 3 + size);
    uint8_t head[5] = {1, (uint8_t)body, (uint8_t)(body >> 8), (uint8_t)(body >> 16), 0};
    uint8_t length[3] = {(uint8_t)(size | 0x80), (uint8_t)(size >> 7 | 0x80), (uint8_t)(size >> 14)};

    memset(state, 's', sizeof(state));
    scene_send(fd, head, sizeof(head));
    scene_send(fd, fields, sizeof(fields));
    scene_send(fd, length, sizeof(length));
    for (size_t at = 0; at < size; at += 1 << 16) {
        scene_send(fd, state, size - at < 1 << 16 ? size - at : 1 << 16);
        scene_pump(&scene);
    }
}

/* Reads all that comes now. */
static size_t drain(int fd)
{
    static char bytes[65536];
    size_t sum = 0;
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        sum += (size_t)n;
        scene_pump(&scene);
    }
    return sum;
}

/* What is kept for answers that are put off counts like everything else. */
static void test_memory_of_put_off_answers(void)
{
    int small, large, n = 0;

    scene_init(&scene);
    scene.config.max_memory_bytes = 1 << 20;
    scene_open(&scene);
    small = scene_dial(&scene);
    scene_ask(small, 1, "d");
    large = scene_dial(&scene);
    while (n < 8 && !scene_is_closed(&scene, large)) {
        ask_with_state(large, 150000);
        n++;
    }
    check(n > 2);
    check(scene_is_closed(&scene, large));
    check(strstr(scene.notice, "hold too much") != NULL);
    check_int(rpb_backend_respond_later(scene.laters[0], "well", 4), 0);
    check(scene_answers(small, 1, "well"));
    for (size_t i = 1; i < scene.n_laters; i++) {
        check_int(rpb_backend_respond_later(scene.laters[i], "", 0), -EPIPE);
    }
    for (int i = 0; i < 30; i++) { /* what was answered counts no more */
        scene.n_laters = 0;
        ask_with_state(small, 150000);
        check_fatal(scene.n_laters == 1);
        check_int(rpb_backend_respond_later(scene.laters[0], "", 0), 0);
        check(drain(small) > 150000);
    }
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
    scene_begin(&scene);
    client = scene_dial(&scene);
    scene_ask(client, 1, "in");
    scene_pump(&scene);
    check(scene_answers(client, 1, "in"));
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
    check(scene_answers(client, 3, "still"));
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

    scene_begin(&scene);
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

    scene_begin(&scene);
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
    scene_begin(&scene);
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
    scene.config.max_frame_bytes = 1024;
    scene_open(&scene);
    fd = scene_dial(&scene);
    scene_send(fd, "\x01\x01\x04\x00\x00", 5); /* 1025 */
    scene_pump(&scene);
    check(scene_is_closed(&scene, fd));
    close(fd);
    fd = scene_dial(&scene);
    scene_send(fd, "\x01\x00\x04\x00\x00", 5); /* 1024 */
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

CHECK_PROGRAM("lib/backend-bounds", {"a full house still proves itself", test_full_house},
              {"silence takes no places", test_house_full_of_silence},
              {"a client that sends nothing", test_silent_client},
              {"a client that reads nothing is not read from", test_reader_that_does_not_read},
              {"and is dropped in the end", test_stall},
              {"a client that lags behind is served on", test_reader_that_lags},
              {"memory of answers that are put off", test_memory_of_put_off_answers},
              {"memory of all connections", test_memory}, {"memory of another connection", test_memory_of_another},
              {"no descriptors", test_no_descriptors}, {"a client that is gone", test_gone},
              {"more answers than may wait", test_answers_beyond_measure},
              {"an answer that is too long", test_too_long_an_answer}, {"the environment", test_environment},
              {"frames that are longer than configured", test_frame_limit})
