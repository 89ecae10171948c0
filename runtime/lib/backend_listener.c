/* SPDX-License-Identifier: MIT */

/*
 * Where a backend listens (spec 03 §15.1). Either the broker's listener is adopted, or the endpoint is bound; which of
 * the two is decided by one variable alone, and a listener that was promised and cannot be used is an error, because
 * clients already queue in it. When a file is in the way of a bind, it is removed only if it is a socket at which
 * nobody listens, looked at again under a lock on the directory, so that of several starters none removes the socket of
 * another.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/env.h"
#include "base/error.h"
#include "base/sys_environment.h"
#include "lib/backend_internal.h"

enum { LOCK_TRIES = 100, LOCK_PAUSE_MSEC = 10 };

static int __attribute__((format(printf, 3, 4))) tell(char *ret_text, int r, const char *format, ...)
{
    va_list arguments;

    if (ret_text) {
        va_start(arguments, format);
        (void)vsnprintf(ret_text, RPB_BACKEND_TEXT_MAX, format, arguments);
        va_end(arguments);
    }
    return r;
}

static void fill_address(struct sockaddr_un *ret, const char *path)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, strlen(path));
}

/* --------------------------------------------------------------------------------------------------------- adopting */

/* An i32 with white space around it, as the variable may hold it; -EBADF for anything else and for negative numbers. */
static int parse_fd(const char *text, int *ret)
{
    size_t n;
    long value = 0;

    text += strspn(text, " \t\n\v\f\r");
    text += *text == '+';
    n = strspn(text, "0123456789");
    for (size_t i = 0; i < n && value <= INT_MAX; i++) {
        value = value * 10 + (text[i] - '0');
    }
    if (n == 0 || value > INT_MAX || text[n + strspn(text + n, " \t\n\v\f\r")] != '\0') {
        return error_origin(-EBADF);
    }
    *ret = (int)value;
    return 0;
}

static int get_option(int fd, int option, int *ret)
{
    socklen_t size = sizeof(*ret);

    return sys_getsockopt(fd, SOL_SOCKET, option, ret, &size);
}

static int check_inherited(int fd, const char *path, char *ret_text)
{
    struct sockaddr_un address = {0};
    socklen_t size = sizeof(address);
    int type, is_listening, r;

    r = get_option(fd, SO_TYPE, &type);
    if (r < 0) {
        return tell(ret_text, error_trace(r), "inherited descriptor %d: %s", fd, strerror(-r));
    }
    r = get_option(fd, SO_ACCEPTCONN, &is_listening);
    if (r == -ENOPROTOOPT) {
        r = 0;
        is_listening = 1;
    }
    if (r < 0 || type != SOCK_STREAM || !is_listening) {
        return tell(ret_text, error_origin(-EPROTOTYPE), "inherited descriptor %d is not a listening stream socket",
                    fd);
    }
    r = sys_getsockname(fd, (struct sockaddr *)&address, &size);
    if (r < 0) {
        return tell(ret_text, error_trace(r), "inherited descriptor %d: %s", fd, strerror(-r));
    }
    if (address.sun_family != AF_UNIX || strncmp(address.sun_path, path, sizeof(address.sun_path)) != 0) {
        return tell(ret_text, error_origin(-EADDRNOTAVAIL), "inherited descriptor %d is not bound to %s", fd, path);
    }
    return 0;
}

/* Makes the listener this process's own: the kernel names the last caller of listen() to whoever connects. */
static int take_over(int fd)
{
    int r;

    r = sys_fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (r >= 0) {
        r = sys_fcntl(fd, F_GETFL, 0);
    }
    if (r >= 0) {
        r = sys_fcntl(fd, F_SETFL, r | O_NONBLOCK);
    }
    return r < 0 ? error_trace(r) : error_trace(sys_listen(fd, SOMAXCONN));
}

/* @value: of the variable, gone after this. */
static int adopt(const char *value, const char *path, int *ret_fd, char *ret_text)
{
    int fd = -1, r;

    r = parse_fd(value, &fd);
    if (r < 0) {
        (void)tell(ret_text, r, RPB_ENV_LISTENER_FD " is not the number of a descriptor: \"%.64s\"", value);
    }
    (void)sys_unsetenv(RPB_ENV_LISTENER_FD);
    if (r < 0) {
        return error_trace(r);
    }
    r = check_inherited(fd, path, ret_text);
    if (r < 0) {
        return error_trace(r);
    }
    r = take_over(fd);
    if (r < 0) {
        return tell(ret_text, error_trace(r), "inherited descriptor %d: %s", fd, strerror(-r));
    }
    *ret_fd = fd;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- binding */

static int try_bind(int fd, const char *path)
{
    struct sockaddr_un address;

    fill_address(&address, path);
    return sys_bind(fd, (const struct sockaddr *)&address, sizeof(address));
}

/* Whether a socket lies at @path at which nobody listens. */
static bool is_stale(const char *path)
{
    _cleanup_close_ int fd = -1;
    struct sockaddr_un address;
    struct stat st;
    int r;

    if (sys_lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        return false;
    }
    fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    fill_address(&address, path);
    r = sys_connect(fd, (const struct sockaddr *)&address, sizeof(address));
    return r == -ECONNREFUSED || r == -ENOENT;
}

/* A descriptor of the directory that holds @path, locked. */
static int lock_directory(const char *path, int *ret_fd)
{
    const char *slash = strrchr(path, '/');
    _cleanup_close_ int fd = -1;
    char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1] = ".";
    int r;

    if (slash) {
        size_t size = slash == path ? 1 : (size_t)(slash - path);

        memcpy(dir, path, size);
        dir[size] = '\0';
    }
    fd = sys_open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) {
        return error_trace(fd);
    }
    for (int i = 0; (r = sys_flock(fd, LOCK_EX | LOCK_NB)) == -EWOULDBLOCK && i < LOCK_TRIES; i++) {
        (void)sys_poll(NULL, 0, LOCK_PAUSE_MSEC);
    }
    if (r < 0) {
        return error_trace(r);
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

/* Binds where something lies already: over what a dead process left, never over anything else. */
static int bind_over(int fd, const char *path)
{
    _cleanup_close_ int lock_fd = -1;
    int r;

    if (!is_stale(path)) {
        return error_origin(-EADDRINUSE);
    }
    r = lock_directory(path, &lock_fd);
    if (r < 0) {
        return error_trace(r);
    }
    r = try_bind(fd, path);
    if (r != -EADDRINUSE || !is_stale(path)) {
        return error_trace(r);
    }
    r = sys_unlink(path);
    return error_trace(r < 0 && r != -ENOENT ? r : try_bind(fd, path));
}

static int bind_endpoint(const char *path, int *ret_fd, char *ret_text)
{
    _cleanup_close_ int fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = fd;

    if (r >= 0) {
        r = sys_fchmod(fd, 0600); /* what is bound gets the mode of the socket */
    }
    if (r >= 0) {
        r = try_bind(fd, path);
    }
    if (r == -EADDRINUSE) {
        r = bind_over(fd, path);
    }
    if (r >= 0) {
        r = sys_listen(fd, SOMAXCONN);
    }
    if (r < 0) {
        return tell(ret_text, error_trace(r), "cannot listen at %s: %s", path, strerror(-r));
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

static int check_path(const char *path, char *ret_text)
{
    if (!path || !*path) {
        return tell(ret_text, error_origin(-EINVAL), "no endpoint: " RPB_ENV_BACKEND_PIPE " is not set");
    }
    if (strlen(path) > RPB_ENDPOINT_PATH_MAX) {
        return tell(ret_text, error_origin(-EINVAL), "the endpoint's path is longer than %u bytes: %.120s",
                    RPB_ENDPOINT_PATH_MAX, path);
    }
    return 0;
}

int rpb_backend_listen(const char *path, int *ret_fd, char *ret_text)
{
    const char *inherited = env_get_raw(RPB_ENV_LISTENER_FD);
    int r;

    if (!path) {
        path = env_get(RPB_ENV_BACKEND_PIPE);
    }
    r = check_path(path, ret_text);
    if (r < 0) {
        (void)sys_unsetenv(RPB_ENV_LISTENER_FD);
        return error_trace(r);
    }
    return inherited ? adopt(inherited, path, ret_fd, ret_text) : bind_endpoint(path, ret_fd, ret_text);
}
