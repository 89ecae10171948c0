/* SPDX-License-Identifier: MIT */
#pragma once

/* Where the facts are tried: a fresh directory of the real kernel, or a fresh simulated one (RPB_SIM). */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "check.h"

#define TRUE_PROGRAM "/bin/true"
#define SLEEP_PROGRAM "/bin/sleep"

static char top[64];

/* ------------------------------------------------------------------------------------------------ where it happens */

#ifdef RPB_SIM
#include "sim.h"

static inline void step_program(struct sim_actor *actor)
{
    const char *path = actor->data;

    if (!actor->proc->has_executed) {
        if (k_exec(actor->proc, path, 0) == 0) {
            sim_wake_at(actor, strcmp(path, TRUE_PROGRAM) ? sim.now_nsec + 60 * SEC : sim.now_nsec + MSEC);
        }
        return;
    }
    k_proc_exit(actor->proc, CLD_EXITED, 0);
}

static inline void spawned(struct sim_proc *proc, const char *path)
{
    (void)sim_add_actor("program", proc, step_program, sim_copy(path));
}

static inline void begin(void)
{
    sim_reset(1, NULL);
    sim.current = k_proc_new("/bin/test", 1);
    (void)k_mkdirs("/tmp");
    (void)k_mkdirs("/bin");
    (void)k_put_file(TRUE_PROGRAM, "true", 4, 0755);
    (void)k_put_file(SLEEP_PROGRAM, "sleep", 5, 0755);
    (void)k_mkdir("/tmp/facts", 0700);
    sim.on_spawn = spawned;
    strcpy(top, "/tmp/facts");
}

static inline void end(void)
{
    check_int(k_count_fds(sim.current), 3);
    check_str(sim.failure, "");
}
#else
static inline void begin(void)
{
    snprintf(top, sizeof(top), "%s", check_tmpdir());
}

static inline void end(void)
{
}
#endif

static inline const char *in_top(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
    return path;
}

static inline int put(const char *name, const char *text)
{
    int fd = sys_open(in_top(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    check_int(sys_write(fd, text, strlen(text)), strlen(text));
    return sys_close(fd);
}

static inline struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_top(name));
    return address;
}

static inline int stream(void)
{
    return sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static inline int listener(const char *name, int backlog)
{
    struct sockaddr_un address = address_of(name);
    int fd = stream();

    check_int(sys_bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    check_int(sys_listen(fd, backlog), 0);
    return fd;
}

static inline int dial(const char *name, int *ret_fd)
{
    struct sockaddr_un address = address_of(name);
    int fd = stream(), r = sys_connect(fd, (const struct sockaddr *)&address, sizeof(address));

    if (r < 0) {
        close_fd(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static inline void pair(const char *name, int *ret_client, int *ret_server, int *ret_listener)
{
    *ret_listener = listener(name, 8);
    check_int(dial(name, ret_client), 0);
    *ret_server = sys_accept4(*ret_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    check(*ret_server >= 0);
}

static inline int ready(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    (void)sys_poll(&poll_fd, 1, 0);
    return poll_fd.revents & (POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
}

static inline ssize_t receive(int fd, char *text)
{
    return sys_recv(fd, text, 16, MSG_DONTWAIT);
}

static inline ssize_t transmit(int fd, const char *text)
{
    return sys_send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}
