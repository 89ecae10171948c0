/* SPDX-License-Identifier: MIT */

/* What a service manager hears (sd_notify's protocol). */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "daemon/notify.h"

static int manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] == '/'));

    strcpy(address.sun_path, name);
    if (name[0] == '@') {
        address.sun_path[0] = 0;
    }
    check_fatal(fd >= 0 && !bind(fd, (struct sockaddr *)&address, size));
    return fd;
}

static void check_heard(int fd, const char *want)
{
    char heard[100] = "";
    ssize_t n = recv(fd, heard, sizeof(heard) - 1, 0);

    check_int(n, strlen(want));
    check_str(heard, want);
}

static void test_path(void)
{
    char path[100];
    int fd;

    snprintf(path, sizeof(path), "%s/notify", check_tmpdir());
    fd = manager(path);
    setenv("NOTIFY_SOCKET", path, 1);
    check_int(notify_send("READY=1"), 0);
    check_heard(fd, "READY=1");
    close(fd);
    check_int(notify_send("STOPPING=1"), -ECONNREFUSED); /* a dead manager is no reason to wait */
    unlink(path);
    check_int(notify_send("STOPPING=1"), -ENOENT);
}

static void test_abstract(void)
{
    char name[100];
    int fd;

    snprintf(name, sizeof(name), "@notify-test-%d", getpid());
    fd = manager(name);
    setenv("NOTIFY_SOCKET", name, 1);
    check_int(notify_send("READY=1"), 0);
    check_heard(fd, "READY=1");
    close(fd);
}

static void test_nobody(void)
{
    char name[200];

    unsetenv("NOTIFY_SOCKET");
    check_int(notify_send("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "", 1);
    check_int(notify_send("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "relative", 1);
    check_int(notify_send("READY=1"), -EINVAL);
    memset(name, 'x', sizeof(name));
    name[0] = '/';
    name[sizeof(name) - 1] = 0;
    setenv("NOTIFY_SOCKET", name, 1);
    check_int(notify_send("READY=1"), -EINVAL);
}

/* A queue that is full does not hold the broker up. */
static void test_full_queue(void)
{
    char path[100];
    int fd, r = 0;

    snprintf(path, sizeof(path), "%s/full", check_tmpdir());
    fd = manager(path);
    setenv("NOTIFY_SOCKET", path, 1);
    for (int i = 0; i < 100000 && !r; i++) {
        r = notify_send("READY=1");
    }
    check_int(r, -EAGAIN);
    close(fd);
}

CHECK_PROGRAM("daemon/notify", {"a socket with a path", test_path}, {"an abstract socket", test_abstract},
              {"nobody to tell", test_nobody}, {"a full queue does not block", test_full_queue})
