/* SPDX-License-Identifier: MIT */

/* The end of a stream, which its users meet once: it stays the end, and says whether it cut a frame. */

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "lib/client_stream.h"

static int next(struct client_stream *stream)
{
    struct arena arena;
    Frame *frame;
    int r;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    r = client_stream_next(stream, &arena, &frame);
    arena_deinit(&arena);
    return r;
}

static void test_end(void)
{
    struct client_stream stream;
    int fds[2];

    check_fatal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    client_stream_init(&stream, fds[0]);
    check_int(next(&stream), CLIENT_STREAM_E_MORE);
    check_int(send(fds[1], "\x01\x00\x00\x00\x00\x01\x05", 7, 0), 7);
    check_int(next(&stream), 0);
    check_int(next(&stream), CLIENT_STREAM_E_MORE);
    close(fds[1]);
    for (int i = 0; i < 3; i++) {
        check_int(next(&stream), CLIENT_STREAM_E_OVER);
        check(client_stream_is_cut(&stream));
        check_int(stream.error, 0);
    }
    client_stream_deinit(&stream);
}

/* Sending fails first; what had come before is still read. */
static void test_deaf(void)
{
    struct client_stream stream;
    Frame frame;
    int fds[2];

    check_fatal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    client_stream_init(&stream, fds[0]);
    check_int(send(fds[1], "\x01\x00\x00\x00\x00", 5, 0), 5);
    close(fds[1]);
    envelope_request(&frame, 0xF001, SLICE("x"));
    check_int(client_stream_queue(&stream, &frame, NULL), 0);
    client_stream_flush(&stream);
    check(stream.is_deaf && !client_stream_is_buffering(&stream));
    check_int(next(&stream), 0);
    check_int(next(&stream), CLIENT_STREAM_E_OVER);
    check_int(stream.error, EPIPE);
    client_stream_deinit(&stream);
}

CHECK_PROGRAM("lib/client-stream", {"the end stays the end", test_end}, {"a peer that takes nothing more", test_deaf})
