/* SPDX-License-Identifier: MIT */

/*
 * Which file will be run, and the socket that waits for it. The file is opened first and judged, hashed and later
 * compared with the running process through that descriptor, so exchanging the path in between changes nothing but that
 * the launch fails. Resolving may block for as long as it likes and belongs to the worker; recognizing reads no file
 * and may be done on the loop where the path is local. Whether to launch at all is decided elsewhere.
 */

#include "backend/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/blake3sum.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"

const char *launcher_errno_text(int error, char *buffer, size_t size)
{
    const char *text = strerrordesc_np(error);

    snprintf(buffer, size, "%s (os error %d)", text ? text : "Unknown error", error);
    return buffer;
}

/* Writes the refusal's detail and passes @error on. */
__attribute__((format(printf, 3, 4))) static int refuse(int error, char *ret_text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, one line above */
    vsnprintf(ret_text, LAUNCHER_TEXT_MAX, format, arguments);
    va_end(arguments);
    return error;
}

static int refuse_errno(int error, char *ret_text, const char *what, const char *path)
{
    char text[128];

    return refuse(error, ret_text, "%s %.255s %s", what, path, launcher_errno_text(-error, text, sizeof(text)));
}

bool launcher_is_under(const char *path, const char *root)
{
    size_t size = strlen(root);

    while (size > 0 && root[size - 1] == '/') {
        size--; /* "/" holds everything */
    }
    return strncmp(path, root, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

bool launcher_mode_is_safe(uid_t owner, gid_t group, mode_t mode, uid_t uid, gid_t primary_gid)
{
    if (owner != uid && owner != 0) {
        return false;
    }
    if (mode & S_IWOTH) {
        return false;
    }
    return !(mode & S_IWGRP) || (owner == uid && group == primary_gid);
}

static int canonicalize(const char *path, const char *field, char **ret_path, char *ret_text)
{
    char text[128];
    int r;

    if (*path == '\0') {
        return refuse(-EINVAL, ret_text, "backend %s is empty", field);
    }
    r = sys_realpath(path, ret_path);
    if (r != 0) {
        return refuse(r, ret_text, "backend %s %.200s could not be canonicalized: %s", field, path,
                      launcher_errno_text(-r, text, sizeof(text)));
    }
    return 0;
}

static int judge_mode(const struct stat *st, const char *what, const char *path, char *ret_text)
{
    if (launcher_mode_is_safe(st->st_uid, st->st_gid, st->st_mode, sys_geteuid(), sys_getgid())) {
        return 0;
    }
    return refuse(-EPERM, ret_text,
                  "backend %s %.255s (owner %u, group %u, mode %04o) may be changed by others than its user", what,
                  path, st->st_uid, st->st_gid, (unsigned int)st->st_mode & 07777);
}

static int judge_root(const char *root, const char *binary, char *ret_text)
{
    struct stat st;
    int r;

    r = sys_fstatat(AT_FDCWD, root, &st, 0);
    if (r < 0) {
        return refuse_errno(r, ret_text, "backend per-version root", root);
    }
    if (!S_ISDIR(st.st_mode) && strcmp(root, binary) != 0) {
        return refuse(-ENOTDIR, ret_text, "backend per-version root %.255s is not a directory", root);
    }
    return judge_mode(&st, "per-version root", root, ret_text);
}

static int judge_binary(int fd, const char *path, struct exe_identity *ret_identity, char *ret_text)
{
    struct stat st;
    int r;

    r = sys_fstat(fd, &st);
    if (r < 0) {
        return refuse_errno(r, ret_text, "backend binary", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return refuse(-EACCES, ret_text, "backend binary %.255s is not a regular file", path);
    }
    if (!(st.st_mode & 0111)) {
        return refuse(-EACCES, ret_text, "backend binary %.255s is not executable", path);
    }
    r = judge_mode(&st, "binary", path, ret_text);
    if (r < 0) {
        return r;
    }
    exe_identity_from(&st, ret_identity);
    return 0;
}

static int hash_binary(struct launch_binary *binary, char *ret_text)
{
    struct exe_identity after;
    int r;

    exe_identity_await_rest(&binary->identity);
    r = blake3_sum_fd(binary->fd, binary->hash);
    if (r < 0) {
        return refuse_errno(r, ret_text, "failed to hash executable:", binary->path);
    }
    r = judge_binary(binary->fd, binary->path, &after, ret_text);
    if (r < 0) {
        return r;
    }
    if (!exe_identity_equal(&after, &binary->identity)) {
        return refuse(-EAGAIN, ret_text, "failed to hash executable: %.255s changed while it was read", binary->path);
    }
    return 0;
}

/* Everything but the hash. */
static int look(const char *binary_path, const char *root_path, struct launch_binary *ret, char *ret_text)
{
    _cleanup_free_ char *path = NULL, *root = NULL;
    _cleanup_close_ int fd = -1;
    struct exe_identity identity;
    int r;

    if (*binary_path == '\0') {
        return refuse(-EINVAL, ret_text, "backend binary_path is empty");
    }
    if (*root_path == '\0') {
        return refuse(-EINVAL, ret_text, "backend per_version_binary_dir is empty");
    }
    r = canonicalize(binary_path, "binary_path", &path, ret_text);
    if (r == 0) {
        r = canonicalize(root_path, "per_version_binary_dir", &root, ret_text);
    }
    if (r != 0 || !path || !root) {
        return r;
    }
    if (!launcher_is_under(path, root)) {
        return refuse(-EACCES, ret_text, "backend binary %.200s is outside per-version root %.200s", path, root);
    }
    r = judge_root(root, path, ret_text);
    if (r < 0) {
        return r;
    }
    fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        return refuse_errno(fd, ret_text, "backend binary", path);
    }
    r = judge_binary(fd, path, &identity, ret_text);
    if (r < 0) {
        return r;
    }
    *ret = (struct launch_binary){.path = TAKE_PTR(path), .fd = take_fd(&fd), .identity = identity};
    return 0;
}

/* True: @known says what the file holds, and that is in @binary now. */
static bool recall(const struct launch_known *known, struct launch_binary *binary)
{
    if (!known->is_known || !exe_identity_equal(&known->identity, &binary->identity)) {
        return false;
    }
    memcpy(binary->hash, known->hash, sizeof(binary->hash));
    return true;
}

int launcher_recognize(const char *binary_path, const char *root_path, const struct launch_known *known,
                       struct launch_binary *ret, char ret_text[LAUNCHER_TEXT_MAX])
{
    int r;

    r = look(binary_path, root_path, ret, ret_text);
    if (r < 0) {
        return r;
    }
    if (!recall(known, ret)) {
        launch_binary_deinit(ret);
        return LAUNCHER_E_UNKNOWN;
    }
    return 0;
}

int launcher_resolve(const char *binary_path, const char *root_path, const struct launch_known *known,
                     struct launch_binary *ret, char ret_text[LAUNCHER_TEXT_MAX])
{
    int r;

    r = look(binary_path, root_path, ret, ret_text);
    if (r == 0 && !recall(known, ret)) {
        r = hash_binary(ret, ret_text);
        if (r < 0) {
            launch_binary_deinit(ret);
        }
    }
    return r;
}

void launch_binary_deinit(struct launch_binary *binary)
{
    free(TAKE_PTR(binary->path));
    binary->fd = close_fd(binary->fd);
}

int launcher_bind(const char *path, int *ret_fd, struct socket_identity *ret_identity)
{
    _cleanup_close_ int fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    int r;

    if (size >= sizeof(address.sun_path)) {
        return error_origin(-ENAMETOOLONG);
    }
    memcpy(address.sun_path, path, size + 1);
    fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return error_trace(fd);
    }
    r = sys_fchmod(fd, 0600); /* the mode of the socket's inode is that of the file to come: private from birth */
    if (r >= 0) {
        r = sys_bind(fd, (const struct sockaddr *)&address, sizeof(address));
    }
    if (r < 0) {
        return error_trace(r);
    }
    r = sys_listen(fd, SOMAXCONN);
    if (r >= 0) {
        r = socket_identity_get(path, ret_identity);
    }
    if (r < 0) {
        (void)sys_unlinkat(AT_FDCWD, path, 0);
        return error_trace(r);
    }
    *ret_fd = take_fd(&fd);
    return 0;
}
