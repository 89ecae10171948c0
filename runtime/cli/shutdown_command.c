/* SPDX-License-Identifier: MIT */

/*
 * `shutdown`: asks for the end of a broker and waits until its process is gone. The process is the one that the kernel
 * names as the other end of the connection, held by a pidfd from before the request, so that no later process with its
 * number is mistaken for it.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/admin_call.h"
#include "cli/admin_commands.h"
#include "cli/number.h"
#include "daemon/drain.h"
#include "wire/protocol.h"

enum { GRACE_MSEC = 5000 };

/* A pidfd of the process behind @fd; -ESRCH: it is gone already. */
static int open_peer(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int r = sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);

    if (r < 0) {
        return r;
    }
    return peer.pid > 0 ? sys_pidfd_open(peer.pid, 0) : -EOPNOTSUPP; /* 0: it lives in another pid namespace */
}

/* 0 once the process has ended; -ETIMEDOUT. */
static int wait_for_end(int pidfd, msec_t patience_msec)
{
    struct pollfd polled = {.fd = pidfd, .events = POLLIN};
    int r = sys_poll(&polled, 1, (int)patience_msec);

    if (r < 0) {
        return r;
    }
    return r ? 0 : -ETIMEDOUT;
}

int admin_shutdown_command(const struct options *options)
{
    _cleanup_(admin_call_deinit) struct admin_call call = {.fd = -1};
    const char *text = options_get(options, OPTION_DEADLINE_MS);
    _cleanup_close_ int pidfd = -1;
    uint64_t drain_msec = 0;
    AdminRequest request;
    int r;

    if (text && (!number_parse(text, &drain_msec) || !drain_msec)) {
        return options_usage_error(options, "--deadline-ms must be a positive integer, got \"%s\"", text);
    }
    message_init(MESSAGE_ADMIN_REQUEST, &request);
    request.verb = ADMIN_VERB(SHUTDOWN);
    request.drain_deadline_ms = drain_msec;
    r = admin_call_dial(&call, options);
    if (r) {
        return r;
    }
    pidfd = open_peer(call.fd);
    r = admin_call_ask(&call, options, &request);
    if (r) {
        return r;
    }
    r = admin_print_body(options, call.reply->body, call.reply->exit_code);
    if (r) {
        return r; /* a broker that does not know the verb */
    }
    if (pidfd == -ESRCH) {
        return EXIT_STATUS_OK;
    }
    if (pidfd < 0) {
        fprintf(options->err, "the broker at %s was told to end, but its process cannot be watched: %s\n",
                call.endpoint.path, strerror(-pidfd));
        return EXIT_STATUS_FAILED;
    }
    if (wait_for_end(pidfd, drain_length(drain_msec) + GRACE_MSEC)) {
        fprintf(options->err, "the broker at %s is still running %d ms after its deadline\n", call.endpoint.path,
                GRACE_MSEC);
        return EXIT_STATUS_FAILED;
    }
    return EXIT_STATUS_OK;
}
