/* SPDX-License-Identifier: MIT */

/*
 * flock on a file that is never deleted. Whoever has it may launch the key; nobody ever waits for it. A lock counts
 * only if the file that was locked is still the one at the path, else two brokers could each hold a lock of their own
 * file with one name. It does not say who holds it and does not outlive its holder.
 */

#include "backend/spawn_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/private_dir.h"
#include "base/sys.h"

enum { TRIES = 3 };

int spawn_lock_dir_open(const char *runtime_dir, int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    char path[PATH_MAX];
    int r;

    if (snprintf(path, sizeof(path), "%s/locks", runtime_dir) >= (int)sizeof(path)) {
        return error_origin(-ENAMETOOLONG);
    }
    r = private_dir_open(path, PRIVATE_DIR_EXACT, true, NULL, &fd);
    if (r > 0) {
        return SPAWN_LOCK_E_DIRECTORY;
    }
    if (r < 0) {
        return error_trace(r);
    }
    if (fs_is_network(fd)) {
        return SPAWN_LOCK_E_REMOTE;
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

void spawn_lock_name(const struct backend_key *key, char ret_name[SPAWN_LOCK_NAME_SIZE])
{
    const uint8_t *hash = key->exe_hash;

    snprintf(ret_name, SPAWN_LOCK_NAME_SIZE, "%s.%s-%s-%02x%02x%02x%02x.spawn.lock", key->instance, key->service,
             key->version, hash[0], hash[1], hash[2], hash[3]);
    for (char *p = ret_name; *p; p++) {
        if (*p == ':' || *p == '/') {
            *p = '_';
        }
    }
}

static int try_once(int dir_fd, const char *name, int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    struct stat opened, current;
    int r;

    fd = sys_openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) {
        return error_trace(fd);
    }
    r = sys_flock(fd, LOCK_EX | LOCK_NB);
    if (r == -EAGAIN) {
        return SPAWN_LOCK_E_HELD;
    }
    if (r < 0) {
        return error_trace(r);
    }
    r = sys_fstat(fd, &opened);
    if (r < 0) {
        return error_trace(r);
    }
    if (!S_ISREG(opened.st_mode)) {
        return error_origin(-EINVAL);
    }
    r = sys_fstatat(dir_fd, name, &current, AT_SYMLINK_NOFOLLOW);
    if (r < 0 && r != -ENOENT) {
        return error_trace(r);
    }
    if (r == -ENOENT || opened.st_dev != current.st_dev || opened.st_ino != current.st_ino) {
        return SPAWN_LOCK_E_RECREATED; /* closing gives up the lock of a file that nobody else will find */
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

int spawn_lock_acquire(int dir_fd, const char *name, int *ret_fd)
{
    int r = SPAWN_LOCK_E_RECREATED;

    for (int i = 0; i < TRIES && r == SPAWN_LOCK_E_RECREATED; i++) {
        r = try_once(dir_fd, name, ret_fd);
    }
    return r;
}

bool spawn_lock_is_lost(const char *runtime_dir, const char *name, int fd)
{
    struct stat held, current;
    char path[PATH_MAX];
    int r;

    if (fd < 0 || snprintf(path, sizeof(path), "%s/locks/%s", runtime_dir, name) >= (int)sizeof(path) ||
        sys_fstat(fd, &held) < 0) {
        return false;
    }
    r = sys_fstatat(AT_FDCWD, path, &current, AT_SYMLINK_NOFOLLOW);
    return r < 0 ? r == -ENOENT : held.st_dev != current.st_dev || held.st_ino != current.st_ino;
}

void spawn_lock_release(int *fd)
{
    if (*fd < 0) {
        return;
    }
    (void)sys_flock(*fd, LOCK_UN);
    *fd = close_fd(*fd);
}
