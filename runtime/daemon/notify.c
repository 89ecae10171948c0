/* SPDX-License-Identifier: MIT */

/*
 * One datagram for each state, from a socket made for it and never blocking: the manager's queue may be full, the
 * manager itself may be dead, and a broker goes on either way. The variable stays in the environment; children get an
 * environment of their own that does not have it.
 */

#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/env.h"
#include "base/error.h"
#include "base/sys.h"

int notify_send(const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = env_get("NOTIFY_SOCKET");
    _cleanup_close_ int fd = -1;
    socklen_t size;
    ssize_t n;

    if (!name) {
        return 0;
    }
    if ((name[0] != '/' && name[0] != '@') || strlen(name) >= sizeof(address.sun_path)) {
        return error_origin(-EINVAL);
    }
    memcpy(address.sun_path, name, strlen(name));
    size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] == '/'));
    if (name[0] == '@') {
        address.sun_path[0] = 0; /* abstract */
    }
    fd = sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return error_origin(fd);
    }
    n = sys_sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address, size);
    return n < 0 ? error_origin((int)n) : 0;
}
