/* SPDX-License-Identifier: MIT */

/*
 * What the conformance rules do with connections: dial, send, read until something is certain. Everything has a
 * deadline, so a peer that says nothing costs seconds and no more. A peer that closes while we send is not an error
 * here: many rules want just that.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/client.h"
#include "cli/conform.h"

enum { READ_SIZE = 65536, TRICKLE_MSEC = 1 };

__attribute__((format(printf, 2, 0))) static void note(struct conform *conform, const char *format, va_list arguments)
{
    (void)vsnprintf(conform->detail, sizeof(conform->detail), format, arguments);
}

enum conform_verdict conform_fails(struct conform *conform, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    note(conform, format, arguments);
    va_end(arguments);
    return CONFORM_FAILS;
}

enum conform_verdict conform_notice(struct conform *conform, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    note(conform, format, arguments);
    va_end(arguments);
    return CONFORM_NOTICE;
}

enum conform_verdict conform_untried(struct conform *conform, const char *format, ...)
{
    char why[sizeof(conform->detail) / 2];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    snprintf(conform->detail, sizeof(conform->detail), "not tried: %s", why);
    return CONFORM_UNTRIED;
}

int conform_dial(struct conform *conform, int *ret_fd)
{
    int r = client_dial(conform->path, nsec_add(clock_monotonic(), CONFORM_PATIENCE_NSEC), ret_fd);

    if (r == -ETIMEDOUT) {
        (void)conform_fails(conform, "failed to connect: its backlog is full: nobody accepts, or too slowly");
    } else if (r < 0) {
        (void)conform_fails(conform, "failed to connect: %s (os error %d)", strerror(-r), -r);
    }
    return r < 0 ? -1 : 0;
}

/* Waits for @events on @fd until the deadline. False: it has come. */
static bool wait_for(int fd, short events, nsec_t deadline_nsec)
{
    struct pollfd polled = {.fd = fd, .events = events};
    nsec_t now = clock_monotonic();

    if (now >= deadline_nsec) {
        return false;
    }
    (void)sys_poll(&polled, 1, (int)msec_from_nsec(deadline_nsec - now));
    return true;
}

void conform_send(int fd, const void *bytes, size_t size)
{
    nsec_t deadline_nsec = nsec_add(clock_monotonic(), CONFORM_PATIENCE_NSEC);
    const uint8_t *at = bytes;

    while (size > 0) {
        ssize_t n = sys_send(fd, at, size, MSG_NOSIGNAL);

        if (n == -EAGAIN && wait_for(fd, POLLOUT, deadline_nsec)) {
            continue;
        }
        if (n < 0) {
            return;
        }
        at += n;
        size -= (size_t)n;
    }
}

void conform_trickle(int fd, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        conform_send(fd, (const uint8_t *)bytes + i, 1);
        (void)sys_poll(NULL, 0, TRICKLE_MSEC);
    }
}

/* Adds what comes next to @in. 0 or CONFORM_E_*. */
static int read_more(int fd, nsec_t deadline_nsec, struct buffer *in)
{
    for (;;) {
        ssize_t n;

        if (buffer_reserve(in, READ_SIZE) < 0) {
            return CONFORM_E_RUBBISH;
        }
        n = sys_recv(fd, in->data + in->size, READ_SIZE, 0);
        if (n > 0) {
            in->size += (size_t)n;
            return 0;
        }
        if (n != -EAGAIN) {
            return CONFORM_E_CLOSED; /* a reset is how some close with bytes unread */
        }
        if (!wait_for(fd, POLLIN, deadline_nsec)) {
            return CONFORM_E_LATE;
        }
    }
}

int conform_read_frame(int fd, nsec_t deadline_nsec, struct buffer *in, size_t *ret_size)
{
    for (;;) {
        struct frame_scan scan;
        size_t used = 0;
        int r;

        frame_scan_init(&scan, FRAME_BODY_MAX);
        switch (frame_scan_feed(&scan, in->data, in->size, &used)) {
        case FRAME_SCAN_MORE:
            break;
        case FRAME_SCAN_DONE:
            if (in->size - used >= scan.body_size) {
                *ret_size = used + scan.body_size;
                return 0;
            }
            break;
        default:
            return CONFORM_E_RUBBISH;
        }
        r = read_more(fd, deadline_nsec, in);
        if (r) {
            return r;
        }
    }
}

int conform_read_all(int fd, nsec_t deadline_nsec, struct buffer *in)
{
    int r;

    do {
        r = read_more(fd, deadline_nsec, in);
    } while (r == 0);
    return r == CONFORM_E_CLOSED ? 0 : CONFORM_E_LATE;
}

const char *conform_read_text(int code)
{
    switch (code) {
    case CONFORM_E_CLOSED:
        return "the connection was closed without an answer";
    case CONFORM_E_LATE:
        return "no answer in time";
    default:
        return "what came is no frame";
    }
}
