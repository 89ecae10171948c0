/* SPDX-License-Identifier: MIT */

/*
 * The command line's side of a connection to a broker. The socket is nonblocking and one deadline bounds connecting,
 * sending and reading together. A frame is read to its end before anything in it is believed; the request id of the
 * answer is not compared, as no client of this protocol does.
 */

#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/env.h"
#include "base/error.h"
#include "base/sys.h"

enum { REPLY_MAX = FRAME_HEADER_SIZE + FRAME_BODY_MAX, READ_SIZE = 65536, RETRY_MSEC = 10 };

#define CLIENT_PATIENCE_DEFAULT_MSEC 30000

static const char too_late[] = "broker client round-trip did not complete within the deadline";

nsec_t client_patience_nsec(void)
{
    return nsec_from_msec(env_msec("RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS", CLIENT_PATIENCE_DEFAULT_MSEC));
}

static int tell(char ret_text[CLIENT_TEXT_MAX], int code, const char *what, int error)
{
    if (error) {
        snprintf(ret_text, CLIENT_TEXT_MAX, "%s%s (os error %d)", what, strerror(error), error);
    } else {
        snprintf(ret_text, CLIENT_TEXT_MAX, "%s", what);
    }
    return code;
}

static int tell_connect(char ret_text[CLIENT_TEXT_MAX], int error)
{
    bool is_absent = error == ENOENT || error == ECONNREFUSED;

    if (error == ETIMEDOUT) {
        snprintf(ret_text, CLIENT_TEXT_MAX, "failed to connect to broker: %s", too_late);
        return CLIENT_E_FAILED;
    }
    return tell(ret_text, is_absent ? CLIENT_E_ABSENT : CLIENT_E_FAILED, "failed to connect to broker: ", error);
}

/* Nobody is talked to who is not this user: a path that others can write would decide whom. 0 or CLIENT_E_FAILED. */
static int check_peer(int fd, char ret_text[CLIENT_TEXT_MAX])
{
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);
    int r = sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);

    if (r < 0) {
        return tell_connect(ret_text, -r);
    }
    if (peer.uid == sys_geteuid()) {
        return 0;
    }
    snprintf(ret_text, CLIENT_TEXT_MAX, "uid %u listens there, and a broker serves its own user only: this is uid %u",
             peer.uid, sys_geteuid());
    return CLIENT_E_FAILED;
}

/* Waits for @events on @fd (-1: only for the time). 0, or -ETIMEDOUT when the deadline is over. */
static int wait_for(int fd, short events, nsec_t deadline_nsec, int longest_msec)
{
    struct pollfd polled = {.fd = fd, .events = events};
    nsec_t now = clock_monotonic();
    nsec_t left = deadline_nsec > now ? deadline_nsec - now : 0;
    int msec = left / NSEC_PER_MSEC >= (nsec_t)longest_msec ? longest_msec : (int)(left / NSEC_PER_MSEC) + 1;
    int r;

    if (!left) {
        return -ETIMEDOUT;
    }
    r = sys_poll(&polled, 1, msec);
    return r < 0 ? r : 0;
}

int client_dial(const char *path, nsec_t deadline_nsec, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = -1;
    int r;

    if (!*path) {
        return -EINVAL;
    }
    if (strlen(path) >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path));
    fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fd;
    }
    /* a full backlog answers EAGAIN and gives nothing to wait for */
    while ((r = sys_connect(fd, (const struct sockaddr *)&address, sizeof(address))) == -EAGAIN) {
        if (wait_for(-1, 0, deadline_nsec, RETRY_MSEC) == -ETIMEDOUT) {
            return -ETIMEDOUT;
        }
    }
    if (r < 0) {
        return r;
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

int client_connect(const char *path, nsec_t deadline_nsec, int *ret_fd, char ret_text[CLIENT_TEXT_MAX])
{
    _cleanup_close_ int fd = -1;
    int r = client_dial(path, deadline_nsec, &fd);

    if (r == -ENAMETOOLONG) {
        snprintf(ret_text, CLIENT_TEXT_MAX,
                 "failed to connect to broker: the path is %zu bytes long, Linux takes at most %zu", strlen(path),
                 sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
        return CLIENT_E_FAILED;
    }
    if (r < 0) {
        return tell_connect(ret_text, -r);
    }
    r = check_peer(fd, ret_text);
    if (r) {
        return r;
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

static int send_all(int fd, const struct buffer *request, nsec_t deadline_nsec)
{
    size_t sent = 0;

    while (sent < request->size) {
        ssize_t n = sys_send(fd, request->data + sent, request->size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        int r = n < 0 ? (int)n : 0;

        if (r == -EAGAIN) {
            r = wait_for(fd, POLLOUT, deadline_nsec, INT32_MAX);
            n = 0;
        }
        if (r < 0) {
            return r;
        }
        sent += (size_t)n;
    }
    return 0;
}

/* Reads until @reply holds a frame. 0; CLIENT_E_FAILED with the text; negative errno. */
static int read_frame(int fd, nsec_t deadline_nsec, struct buffer *reply, struct arena *arena, Frame **ret_frame,
                      char ret_text[CLIENT_TEXT_MAX])
{
    size_t consumed;

    for (;;) {
        struct slice bytes = {.data = (const char *)reply->data, .size = reply->size};
        int r = envelope_try_decode(bytes, arena, ret_frame, &consumed);
        ssize_t n;

        switch (r) {
        case ENVELOPE_E_MORE:
            break;
        case ENVELOPE_E_VERSION:
            return tell(ret_text, CLIENT_E_FAILED, "failed to read the broker's reply: unsupported framing version", 0);
        case ENVELOPE_E_TOO_LARGE:
            return tell(ret_text, CLIENT_E_FAILED, "failed to read the broker's reply: it exceeds 16 MiB", 0);
        case ENVELOPE_E_MALFORMED:
            return tell(ret_text, CLIENT_E_FAILED, "failed to decode broker response Frame: malformed message", 0);
        default:
            return r; /* 0, or out of memory */
        }
        r = buffer_reserve(reply, READ_SIZE);
        if (r < 0) {
            return r;
        }
        n = sys_recv(fd, reply->data + reply->size, READ_SIZE, MSG_DONTWAIT);
        if (!n || n == -ECONNRESET) {
            return tell(ret_text, CLIENT_E_FAILED, "failed to read the broker's reply: connection closed", 0);
        }
        if (n == -EAGAIN) {
            r = wait_for(fd, POLLIN, deadline_nsec, INT32_MAX);
            n = 0;
        } else if (n < 0) {
            r = (int)n;
            n = 0;
        }
        if (r < 0) {
            return r;
        }
        reply->size += (size_t)n;
    }
}

static int check_reply(const Frame *reply, uint32_t lane, char ret_text[CLIENT_TEXT_MAX])
{
    static const char *const faults[] = {
        [ENVELOPE_BAD_VERSION] = "envelope_version is not v1",
        [ENVELOPE_BAD_KIND] = "kind is not RESPONSE",
        [ENVELOPE_BAD_ENCODING] = "payload is compressed",
    };
    enum envelope_fault fault = envelope_check(reply, FRAME_KIND(RESPONSE), lane);
    const char *text = fault == ENVELOPE_BAD_LANE ? (lane == LANE_ADMIN ? "payload_protocol is not admin"
                                                                        : "payload_protocol is not control-plane")
                                                  : faults[fault];

    if (fault == ENVELOPE_OK) {
        return 0;
    }
    snprintf(ret_text, CLIENT_TEXT_MAX, "unexpected broker response frame: %s", text);
    return CLIENT_E_FAILED;
}

int client_ask(int fd, uint32_t lane, const ProtobufCMessage *payload, nsec_t deadline_nsec, struct arena *arena,
               Frame **ret_reply, char ret_text[CLIENT_TEXT_MAX])
{
    _cleanup_(buffer_deinit) struct buffer request = {.limit = REPLY_MAX}, reply = {.limit = REPLY_MAX + READ_SIZE};
    Frame frame;
    int r;

    envelope_request(&frame, lane, (struct slice){0});
    frame.request_id = 1;
    r = envelope_pack_message(&request, &frame, payload);
    if (r < 0) {
        return error_trace(r);
    }
    r = send_all(fd, &request, deadline_nsec);
    if (!r || r == -EPIPE) { /* who refuses to listen may have said why before */
        r = read_frame(fd, deadline_nsec, &reply, arena, ret_reply, ret_text);
    }
    if (r == -ENOMEM) {
        return error_trace(r);
    }
    if (r < 0) {
        return tell_connect(ret_text, -r) ? CLIENT_E_FAILED : 0;
    }
    return r ? r : check_reply(*ret_reply, lane, ret_text);
}
