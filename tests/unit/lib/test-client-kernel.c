/* SPDX-License-Identifier: MIT */

/*
 * Each call to the kernel that the client makes fails once: what the caller is told, and whether the connection goes
 * on. The functions here stand before those of the C library.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "unit/lib/client_rig.h"

#define LANE 0x7A63u

static const char *failing; /* name of the call that fails next, NULL: none */
static int failure;

static bool fails(const char *name)
{
    if (!failing || strcmp(failing, name) != 0) {
        return false;
    }
    failing = NULL;
    errno = failure;
    return true;
}

static void fail_next(const char *name, int error)
{
    failing = name;
    failure = error;
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

int socket(int family, int type, int protocol)
{
    return fails("socket") ? -1 : REAL(socket)(family, type, protocol);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return fails("connect") ? -1 : REAL(connect)(fd, address, size);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    return fails("getsockopt") ? -1 : REAL(getsockopt)(fd, level, option, value, size);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return fails("send") ? -1 : REAL(send)(fd, data, size, flags);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    return fails("recv") ? -1 : REAL(recv)(fd, data, size, flags);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return fails("poll") ? -1 : REAL(poll)(fds, n, timeout);
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    long argument;

    va_start(args, command);
    argument = va_arg(args, long);
    va_end(args);
    return fails("fcntl") ? -1 : REAL(fcntl)(fd, command, argument);
}

int openat(int fd, const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
    return fails("openat") ? -1 : REAL(openat)(fd, path, flags, mode);
}

static struct rig rig;

/* Beginning meets @error in @call. */
static void begin_fails(const char *call, int error, const struct rpb_client_options *options, int status)
{
    struct rpb_client *client = rig_client(&rig, options);

    fail_next(call, error);
    check_int(rpb_client_begin(client), status);
    check(failing == NULL);
    check_int(rpb_client_failure(client)->sys_errno, error);
    rpb_client_free(client);
}

static void test_dialling(void)
{
    rig_up(&rig);
    begin_fails("socket", EMFILE, NULL, RPB_CLIENT_E_BROKER_CONNECT);
    begin_fails("connect", EACCES, NULL, RPB_CLIENT_E_BROKER_CONNECT);
    begin_fails("getsockopt", ENOBUFS, NULL, RPB_CLIENT_E_BROKER_CONNECT);
    begin_fails("openat", EMFILE, &(struct rpb_client_options){.instance = "shared"}, RPB_CLIENT_E_BROKER_CONNECT);
    begin_fails("openat", EACCES, &(struct rpb_client_options){.instance = "shared"}, RPB_CLIENT_E_CONFIGURATION);
    rig_down(&rig);
}

/* The reply is read; then dialling the backend fails in @call. */
static void backend_fails(const char *call, int error)
{
    struct rpb_client *client = rig_begin(&rig, NULL);
    struct bytes reply;

    make_negotiated(&reply, rig.backend_path, NULL);
    rig_send(&rig, &reply);
    fail_next(call, error);
    check_int(rpb_client_step(client), RPB_CLIENT_E_BACKEND_CONNECT);
    check_int(rpb_client_failure(client)->sys_errno, error);
    rpb_client_free(client);
}

static void test_backend(void)
{
    struct rpb_client_options cached = {.self_version = "1.11.20"};
    struct rpb_client *client;

    rig_up(&rig);
    backend_fails("socket", ENFILE);
    backend_fails("connect", EPERM);
    backend_fails("getsockopt", ENOBUFS);
    cached.cached_endpoint = rig.backend_path;
    client = rig_client(&rig, &cached);
    fail_next("connect", ECONNREFUSED);
    rig_connect(&rig, client); /* silently, through the broker */
    check_int(rpb_client_route(client), RPB_CLIENT_ROUTE_NEGOTIATED);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_hello(void)
{
    struct rpb_client *client;
    struct bytes reply;

    rig_up(&rig);
    begin_fails("recv", EIO, NULL, RPB_CLIENT_E_BROKER_CONNECT);
    check(rig_accept(&rig, rig.broker)); /* what it left behind */
    /* the Hello could not be sent, but somebody answers */
    client = rig_client(&rig, NULL);
    fail_next("send", EPIPE);
    check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN);
    check_int(rpb_client_wants(client), POLLIN);
    check_fatal(rig_accept(&rig, rig.broker));
    make_refused(&reply, 5, "going", 0, NULL);
    rig_send(&rig, &reply);
    check_int(rpb_client_step(client), RPB_CLIENT_E_REFUSED);
    rpb_client_free(client);
    /* or nobody does */
    client = rig_client(&rig, NULL);
    fail_next("send", EPIPE);
    check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN);
    check_fatal(rig_accept(&rig, rig.broker));
    rig_hang_up(&rig);
    check_int(rpb_client_step(client), RPB_CLIENT_E_BROKER_CONNECT);
    check_int(rpb_client_failure(client)->sys_errno, EPIPE);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_frames(void)
{
    const struct rpb_client_request request = {.lane = LANE, .data = "x", .size = 1};
    struct rpb_client_reply reply;
    struct rpb_client *client;
    uint64_t id;

    rig_up(&rig);
    client = rig_connected(&rig, NULL);
    fail_next("send", EAGAIN);
    check_int(rpb_client_send(client, &request, &id), RPB_CLIENT_OK);
    check_int(rpb_client_wants(client), POLLIN | POLLOUT);
    fail_next("recv", EINTR); /* asked again at once */
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_int(rpb_client_wants(client), POLLIN);
    fail_next("recv", ECONNRESET);
    check_int(rpb_client_step(client), RPB_CLIENT_E_LOST);
    check_int(rpb_client_failure(client)->sys_errno, ECONNRESET);
    check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_E_LOST);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_waiting(void)
{
    struct rpb_client *client;
    struct rpb_client_reply reply;
    int fd = -1;

    rig_up(&rig);
    client = rig_client(&rig, NULL);
    fail_next("poll", ENOMEM);
    check_int(rpb_client_connect(client), RPB_CLIENT_E_NO_MEMORY);
    check_int(rpb_client_failure(client)->sys_errno, ENOMEM);
    rpb_client_free(client);
    check(rig_accept(&rig, rig.broker)); /* what it left behind */
    client = rig_connected(&rig, NULL);
    fail_next("poll", ENOMEM);
    check_int(rpb_client_call(client, LANE, "x", 1, &reply), RPB_CLIENT_E_NO_MEMORY);
    check_int(rpb_client_step(client), RPB_CLIENT_OK); /* the connection goes on */
    check_int(rpb_client_in_flight(client), 1);        /* and the reply is owed */
    rpb_client_free(client);
    client = rig_connected(&rig, NULL);
    fail_next("fcntl", EIO);
    check_int(rpb_client_take_fd(client, &fd), RPB_CLIENT_E_LOST);
    check_int(fd, -1);
    check_int(rpb_client_take_fd(client, &fd), RPB_CLIENT_OK); /* once more */
    close(fd);
    rpb_client_free(client);
    rig_down(&rig);
}

CHECK_PROGRAM("lib/client-kernel", {"dialling the broker", test_dialling}, {"dialling the backend", test_backend},
              {"saying Hello", test_hello}, {"frames", test_frames}, {"waiting and taking out", test_waiting})
