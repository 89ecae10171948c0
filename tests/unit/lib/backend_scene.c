/* SPDX-License-Identifier: MIT */

/*
 * Both ends of a backend's connections in one thread. Nothing happens in between: the backend's turns are the test's,
 * so what a test sees after a pump is all that the backend will do until time passes or somebody sends.
 */

#include "backend_scene.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "check.h"
#include "wire/envelope.h"
#include "wire/probe.h"

static const uint32_t lanes[] = {SCENE_LANE};

static int answer_long(struct rpb_backend_request *request)
{
    static char text[1 << 20];

    memset(text, 'L', sizeof(text));
    return rpb_backend_respond(request, text, sizeof(text));
}

static int handle(struct rpb_backend_request *request, void *user)
{
    struct scene *scene = user;
    char what = request->size ? *(const char *)request->data : '\0';
    int r;

    scene->n_handled++;
    scene->last = *request;
    snprintf(scene->last_trace, sizeof(scene->last_trace), "%s|%s", request->traceparent, request->tracestate);
    switch (what) {
    case 'd':
        check_fatal(scene->n_laters < SCENE_LATERS);
        r = rpb_backend_defer(request, &scene->laters[scene->n_laters]);
        if (r == 0) {
            scene->n_laters++;
        }
        return r;
    case 'n':
        return 0;
    case 'x':
        return -EINVAL;
    case 'r':
        check_int(rpb_backend_respond(request, "no", 2), 0);
        return -EINVAL;
    case 'L':
        return answer_long(request);
    case 't':
        check_int(rpb_backend_respond(request, "once", 4), 0);
        check_int(rpb_backend_respond(request, "twice", 5), -EALREADY);
        return 0;
    default:
        return rpb_backend_respond(request, request->data, request->size);
    }
}

static void take_legacy(int fd, const void *bytes, size_t size, void *user)
{
    struct scene *scene = user;

    scene->legacy_fd = fd;
    scene->legacy_size = size < sizeof(scene->legacy) ? size : sizeof(scene->legacy);
    memcpy(scene->legacy, bytes, scene->legacy_size); /* at least one byte */
}

static void note(const char *text, void *user)
{
    struct scene *scene = user;

    scene->n_notices++;
    snprintf(scene->notice, sizeof(scene->notice), "%s", text);
}

void scene_init(struct scene *scene)
{
    *scene = (struct scene){.legacy_fd = -1};
    snprintf(scene->path, sizeof(scene->path), "%s/b.sock", check_tmpdir());
    scene->config = (struct rpb_backend_config){
        .size = sizeof(scene->config),
        .lanes = lanes,
        .n_lanes = 1,
        .handle = handle,
        .user = scene,
        .take_legacy = take_legacy,
        .notice = note,
        .endpoint = scene->path,
        .namespace_id = "here",
        .sha256 = RPB_BACKEND_SHA256_ZEROS,
    };
}

void scene_open(struct scene *scene)
{
    char text[RPB_BACKEND_TEXT_MAX] = "";
    int r = rpb_backend_new(&scene->config, &scene->backend, text);

    check_str(text, "");
    check_fatal(r == 0);
    check_int(rpb_backend_prepare(scene->backend), 0);
}

void scene_begin(struct scene *scene)
{
    scene_init(scene);
    scene_open(scene);
}

void scene_close(struct scene *scene)
{
    rpb_backend_free(scene->backend);
    scene->backend = NULL;
    check_int(access(scene->path, F_OK), -1);
    if (scene->legacy_fd >= 0) {
        close(scene->legacy_fd);
    }
}

static bool is_readable(int fd, int msec)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    return poll(&polled, 1, msec) > 0;
}

void scene_pump(struct scene *scene)
{
    do {
        scene->done = rpb_backend_step(scene->backend);
        check(scene->done >= 0);
    } while (scene->done == 0 && is_readable(rpb_backend_fd(scene->backend), 0));
}

bool scene_wait(struct scene *scene, bool (*condition)(struct scene *, int fd), int fd)
{
    nsec_t end = nsec_add(clock_monotonic(), 20 * NSEC_PER_SEC);

    for (;;) {
        nsec_t now = clock_monotonic(), due;

        scene_pump(scene);
        if (condition(scene, fd)) {
            return true;
        }
        if (now >= end) {
            return false;
        }
        due = rpb_backend_deadline(scene->backend);
        due = due < end ? due : end;
        (void)is_readable(rpb_backend_fd(scene->backend), (int)msec_from_nsec(nsec_sub(due, now)));
    }
}

bool scene_is_closed(struct scene *scene, int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    (void)scene;
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

bool scene_is_done(struct scene *scene, int fd)
{
    (void)fd;
    return scene->done == RPB_BACKEND_DONE;
}

int scene_dial(struct scene *scene)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, scene->path);
    check_int(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    scene_pump(scene);
    return fd;
}

void scene_send(int fd, const void *bytes, size_t size)
{
    check_int(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

const void *scene_frame(uint32_t lane, uint64_t request_id, const char *payload, size_t *ret_size)
{
    static uint8_t bytes[128 * 1024];
    struct buffer out;
    Frame frame;

    buffer_init(&out, sizeof(bytes));
    envelope_request(&frame, lane, slice_from(payload));
    frame.request_id = request_id;
    frame.traceparent = (char *)(uintptr_t) "parent";
    frame.tracestate = (char *)(uintptr_t) "state";
    check_int(envelope_pack(&out, &frame), 0);
    memcpy(bytes, out.data, out.size);
    *ret_size = out.size;
    buffer_deinit(&out);
    return bytes;
}

void scene_ask(int fd, uint64_t request_id, const char *payload)
{
    size_t size;
    const void *bytes = scene_frame(SCENE_LANE, request_id, payload, &size);

    scene_send(fd, bytes, size);
}

/* The bytes of exactly one frame, if they are there. */
static bool read_frame(int fd, struct buffer *ret)
{
    uint8_t header[FRAME_HEADER_SIZE], *room;
    size_t size, got = 0;

    if (recv(fd, header, sizeof(header), MSG_PEEK | MSG_DONTWAIT) != (ssize_t)sizeof(header)) {
        return false;
    }
    size = FRAME_HEADER_SIZE + (header[1] | header[2] << 8 | header[3] << 16 | (uint32_t)header[4] << 24);
    check_int(buffer_extend(ret, size, &room), 0);
    while (got < size) {
        ssize_t n = recv(fd, room + got, size - got, MSG_DONTWAIT);

        if (n <= 0) {
            return false;
        }
        got += (size_t)n;
    }
    return true;
}

bool scene_probe(struct scene *scene, int fd)
{
    static const uint8_t nonce[PROBE_NONCE_SIZE] = {1, 2, 3};
    struct buffer bytes = {.limit = 65536};
    enum probe_fault fault = PROBE_FRAME;
    DaemonProcess *identity;
    struct arena arena;
    int r;

    arena_init(&arena, NULL, 0, 1 << 20);
    check_int(probe_pack_request(&bytes, nonce), 0);
    (void)send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
    buffer_clear(&bytes);
    scene_pump(scene);
    if (read_frame(fd, &bytes)) {
        r = probe_check_reply(slice_skip(buffer_slice(&bytes), FRAME_HEADER_SIZE), nonce, &arena, &fault, &identity);
        check_int(r, 0);
        if (fault == PROBE_OK) {
            check_int(identity->pid, getpid());
            check_str(identity->ipc_endpoint->namespace_id, "here");
            check_str(identity->ipc_endpoint->path, scene->path);
        }
    }
    arena_deinit(&arena);
    buffer_deinit(&bytes);
    return fault == PROBE_OK;
}

bool scene_answer(int fd, uint64_t *ret_request_id, char *ret_payload, size_t size)
{
    struct buffer bytes = {.limit = FRAME_BODY_MAX};
    struct arena arena;
    size_t consumed;
    Frame *frame;
    bool is_there = read_frame(fd, &bytes);

    if (is_there) {
        arena_init(&arena, NULL, 0, SIZE_MAX);
        check_fatal(envelope_try_decode(buffer_slice(&bytes), &arena, &frame, &consumed) == 0);
        check_int(envelope_check(frame, FRAME_KIND(RESPONSE), SCENE_LANE), ENVELOPE_OK);
        check_str(frame->traceparent, "parent");
        check_str(frame->tracestate, "state");
        check_int(frame->deadline_unix_ms, 0);
        *ret_request_id = frame->request_id;
        size = frame->payload.len < size ? frame->payload.len : size - 1;
        if (size) {
            memcpy(ret_payload, frame->payload.data, size);
        }
        ret_payload[size] = '\0';
        arena_deinit(&arena);
    }
    buffer_deinit(&bytes);
    return is_there;
}

bool scene_answers(int fd, uint64_t request_id, const char *text)
{
    char payload[4096];
    uint64_t id;

    return scene_answer(fd, &id, payload, sizeof(payload)) && id == request_id && !strcmp(payload, text);
}
