/* SPDX-License-Identifier: MIT */

/*
 * Connecting to a Unix socket, and looking who listens before a byte is said. A nonblocking connect() to one either
 * succeeds or fails at once; a full backlog is EAGAIN and gives nothing to wait for, so the caller comes back later.
 * SO_PEERCRED tells the user id of who called listen(): a path in a directory that somebody else could write would
 * otherwise decide whom a client talks to.
 */

#include "lib/client_dial.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"

int client_dial(const char *path, uid_t uid, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof(peer);
    _cleanup_close_ int fd = -1;
    size_t length = strlen(path);
    int r;

    if (length == 0 || length >= sizeof(address.sun_path)) {
        return error_origin(length ? -ENAMETOOLONG : -EINVAL);
    }
    memcpy(address.sun_path, path, length);
    fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_origin(fd);
    }
    r = sys_connect(fd, (const struct sockaddr *)&address, sizeof(address));
    if (r < 0) {
        return error_origin(r);
    }
    r = sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    if (r < 0) {
        return error_origin(r);
    }
    if (peer.uid != uid) {
        return CLIENT_DIAL_E_UID;
    }
    *ret_fd = take_fd(&fd);
    return 0;
}
