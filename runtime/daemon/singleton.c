/* SPDX-License-Identifier: MIT */

/*
 * Who may bind a path is decided by flock() on `<path>.lock` and by nothing else; the kernel gives the lock back
 * however its holder ends, so a stale socket is told from a live one without guessing. Under the lock the path is
 * looked at: a socket of ours that refuses connections was left by a dead broker and goes, everything else stays. The
 * bound socket is remembered by device and inode, and only that one is ever unlinked again. The lock file is never
 * removed: removing it would let two brokers hold two locks of one name. A socket whose name was lost is bound anew by
 * the same steps, with the lock that is held if its file is still there, else with that of the new file.
 */

#include "daemon/singleton.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/private_dir.h"
#include "base/sys.h"

enum { LOCK_RETRY_MSEC = 10, LOCK_NAME_SIZE = ENDPOINT_PATH_SIZE + 5 };

#define PATIENCE_DEFAULT_NSEC NSEC_PER_SEC

static int fail(char ret_text[SINGLETON_TEXT_MAX], int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(char ret_text[SINGLETON_TEXT_MAX], int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_text, SINGLETON_TEXT_MAX, format, arguments);
    va_end(arguments);
    return code;
}

/* --------------------------------------------------------------------------------------------------------- the path */

static int set_path(struct singleton *singleton, const char *path, char ret_text[SINGLETON_TEXT_MAX])
{
    const char *slash = strrchr(path, '/');

    if (!slash || !slash[1]) {
        return fail(ret_text, SINGLETON_E_PATH, "socket path \"%s\" must name a file in a directory", path);
    }
    if (strlen(path) > ENDPOINT_PATH_MAX) {
        return fail(ret_text, SINGLETON_E_PATH, "socket path \"%s\" is %zu bytes long, Linux takes at most %u", path,
                    strlen(path), ENDPOINT_PATH_MAX);
    }
    strcpy(singleton->path, path);
    singleton->name = singleton->path + (slash - path) + 1;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- the directory */

static int open_canonical(struct singleton *singleton, const char *directory, char ret_text[SINGLETON_TEXT_MAX])
{
    struct private_dir_report report;
    int r = private_dir_open_broker(directory, true, &report, &singleton->dir_fd);

    if (r) {
        return fail(ret_text, SINGLETON_E_DIRECTORY, "%s", report.text);
    }
    singleton->narrowed_directory = report.was_narrowed;
    return 0;
}

/* A directory of the operator's choice: one level may be made, nothing is repaired. */
static int open_other(struct singleton *singleton, const char *directory, char ret_text[SINGLETON_TEXT_MAX])
{
    _cleanup_close_ int fd = -1;
    struct stat st;
    int r = sys_mkdir(directory, 0700);

    if (r < 0 && r != -EEXIST) {
        return fail(ret_text, SINGLETON_E_DIRECTORY, "cannot make the directory %s: %s", directory, strerror(-r));
    }
    fd = sys_open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    r = fd < 0 ? fd : sys_fstat(fd, &st);
    if (r == -ENOTDIR || r == -ELOOP) {
        return fail(ret_text, SINGLETON_E_DIRECTORY, "%s is not a directory (a symbolic link does not count as one)",
                    directory);
    }
    if (r < 0) {
        return fail(ret_text, SINGLETON_E_DIRECTORY, "cannot open the directory %s: %s", directory, strerror(-r));
    }
    if (st.st_uid != sys_geteuid()) {
        return fail(ret_text, SINGLETON_E_DIRECTORY, "the directory %s belongs to uid %u, not to this user (uid %u)",
                    directory, st.st_uid, sys_geteuid());
    }
    if (st.st_mode & S_ISVTX) {
        return fail(
            ret_text, SINGLETON_E_DIRECTORY,
            "the directory %s is shared (mode %04o), a control socket needs one of its own: choose one inside it",
            directory, st.st_mode & 07777);
    }
    if ((st.st_mode & 0777) != 0700) {
        return fail(ret_text, SINGLETON_E_DIRECTORY,
                    "the directory %s has mode %04o, a control socket needs 0700: run chmod 700 %s", directory,
                    st.st_mode & 07777, directory);
    }
    singleton->dir_fd = take_fd(&fd);
    return 0;
}

static int open_directory(struct singleton *singleton, const struct singleton_config *config,
                          char ret_text[SINGLETON_TEXT_MAX])
{
    size_t size = (size_t)(singleton->name - singleton->path) - 1;
    enum fs_kind kind = FS_LOCAL;
    const char *fs_name = NULL;
    char directory[sizeof(singleton->path)];
    int r;

    snprintf(directory, sizeof(directory), "%.*s", (int)size, size ? singleton->path : "/");
    if (config->canonical_dir && !strcmp(directory, config->canonical_dir)) {
        r = open_canonical(singleton, directory, ret_text);
    } else {
        r = open_other(singleton, size ? directory : "/", ret_text);
    }
    if (r) {
        return r;
    }
    r = fs_kind_get(singleton->dir_fd, &kind, &fs_name);
    if (r < 0) {
        return fail(ret_text, SINGLETON_E_FAILED, "cannot ask for the file system of %s: %s", directory, strerror(-r));
    }
    if (kind == FS_UNFIT) {
        return fail(ret_text, SINGLETON_E_DIRECTORY,
                    "the directory %s is on a file system (%s) on which locks do not hold: choose a local one",
                    directory, fs_name);
    }
    singleton->doubtful_fs = kind == FS_DOUBTFUL ? fs_name : NULL;
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- the lock */

/* One attempt. 0; -EWOULDBLOCK: held; -ESTALE: the file was replaced under us, try again; other errors. */
static int try_lock(struct singleton *singleton, const char *lock_name)
{
    _cleanup_close_ int fd = -1;
    struct stat opened, named;
    int r;

    fd = sys_openat(singleton->dir_fd, lock_name, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                    0600);
    if (fd < 0) {
        return fd;
    }
    r = sys_fstat(fd, &opened);
    if (!r && !S_ISREG(opened.st_mode)) {
        r = -EINVAL;
    }
    if (!r) {
        r = sys_flock(fd, LOCK_EX | LOCK_NB);
    }
    if (!r) {
        r = sys_fstatat(singleton->dir_fd, lock_name, &named, AT_SYMLINK_NOFOLLOW);
        if (r == -ENOENT || (!r && (opened.st_dev != named.st_dev || opened.st_ino != named.st_ino))) {
            r = -ESTALE;
        }
    }
    if (r < 0) {
        return r;
    }
    singleton->lock_fd = take_fd(&fd);
    return 0;
}

static void name_lock(const struct singleton *singleton, char ret_name[LOCK_NAME_SIZE])
{
    snprintf(ret_name, LOCK_NAME_SIZE, "%s.lock", singleton->name);
}

static int take_lock(struct singleton *singleton, nsec_t patience_nsec, char ret_text[SINGLETON_TEXT_MAX])
{
    nsec_t deadline = nsec_add(clock_monotonic(), patience_nsec ? patience_nsec : PATIENCE_DEFAULT_NSEC);
    char lock_name[LOCK_NAME_SIZE];
    int r;

    name_lock(singleton, lock_name);
    for (;;) {
        r = try_lock(singleton, lock_name);
        if ((r != -EWOULDBLOCK && r != -ESTALE) || clock_monotonic() >= deadline) {
            break;
        }
        (void)sys_poll(NULL, 0, LOCK_RETRY_MSEC);
    }
    switch (r) {
    case 0:
        return 0;
    case -EWOULDBLOCK:
        return fail(ret_text, SINGLETON_E_BUSY, "a broker is already running on %s (it holds %s.lock)", singleton->path,
                    singleton->path);
    case -ELOOP:
    case -EINVAL:
    case -EISDIR:
        return fail(ret_text, SINGLETON_E_FOREIGN, "%s.lock is no regular file, it was not touched", singleton->path);
    default:
        return fail(ret_text, SINGLETON_E_FAILED, "cannot lock %s.lock: %s", singleton->path, strerror(-r));
    }
}

/* The lock that @old holds, when its file is still the one beside the socket; else a new one, if nobody has it. */
static int move_lock(const struct singleton *old, struct singleton *made, char ret_text[SINGLETON_TEXT_MAX])
{
    char lock_name[LOCK_NAME_SIZE];
    struct stat held, named;

    name_lock(made, lock_name);
    if (sys_fstat(old->lock_fd, &held) || sys_fstatat(made->dir_fd, lock_name, &named, AT_SYMLINK_NOFOLLOW) ||
        held.st_dev != named.st_dev || held.st_ino != named.st_ino) {
        return take_lock(made, 1, ret_text);
    }
    made->lock_fd = sys_dup_cloexec(old->lock_fd, 3); /* of the same open file: the lock is not let go in between */
    return made->lock_fd < 0 ? fail(ret_text, SINGLETON_E_FAILED, "cannot keep the lock: %s", strerror(-made->lock_fd))
                             : 0;
}

/* ------------------------------------------------------------------------------------------------------- the socket */

static void set_address(const struct singleton *singleton, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, singleton->path, strlen(singleton->path));
}

/* What a connection attempt says; a Unix socket answers at once. -ECONNREFUSED: nobody listens there any more. */
static int ask_socket(const struct singleton *singleton)
{
    _cleanup_close_ int fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;

    if (fd < 0) {
        return fd;
    }
    set_address(singleton, &address);
    return sys_connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

/* Under the lock: makes the path free, or says why it stays as it is. */
static int clear_path(struct singleton *singleton, char ret_text[SINGLETON_TEXT_MAX])
{
    struct stat st;
    int r = sys_fstatat(singleton->dir_fd, singleton->name, &st, AT_SYMLINK_NOFOLLOW);

    if (r == -ENOENT) {
        return 0;
    }
    if (r < 0) {
        return fail(ret_text, SINGLETON_E_FAILED, "cannot look at %s: %s", singleton->path, strerror(-r));
    }
    if (!S_ISSOCK(st.st_mode)) {
        return fail(ret_text, SINGLETON_E_FOREIGN, "%s exists and is not a socket, it was not touched",
                    singleton->path);
    }
    if (st.st_uid != sys_geteuid()) {
        return fail(ret_text, SINGLETON_E_FOREIGN, "the socket %s belongs to uid %u, it was not touched",
                    singleton->path, st.st_uid);
    }
    r = ask_socket(singleton);
    if (r == -ENOENT) {
        return 0;
    }
    if (r == 0 || r == -EAGAIN) {
        return fail(ret_text, SINGLETON_E_BUSY, "a broker is already running on %s (it takes connections)",
                    singleton->path);
    }
    if (r == -EACCES || r == -EPERM) {
        return fail(ret_text, SINGLETON_E_FAILED, "no permission to connect to %s, it was not touched",
                    singleton->path);
    }
    if (r != -ECONNREFUSED) {
        return fail(ret_text, SINGLETON_E_BUSY, "the socket %s may be in use (%s), it was not touched", singleton->path,
                    strerror(-r));
    }
    r = sys_unlinkat(singleton->dir_fd, singleton->name, 0);
    if (r < 0 && r != -ENOENT) {
        return fail(ret_text, SINGLETON_E_FAILED, "cannot remove the stale socket %s: %s", singleton->path,
                    strerror(-r));
    }
    singleton->removed_stale = true;
    return 0;
}

/* Whoever connects cannot send descriptors, which would lie in our queue until we close: the listener's option is that
 * of every connection. Where the kernel does not know it they are thrown away as the bytes are read. */
static void refuse_descriptors(int fd)
{
    (void)sys_setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &(int){0}, sizeof(int));
}

static int bind_and_listen(struct singleton *singleton)
{
    _cleanup_close_ int fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;
    struct stat st;
    int r = fd < 0 ? fd : sys_fchmod(fd, 0600); /* bind gives the file the mode of the socket: private from birth */

    set_address(singleton, &address);
    if (!r) {
        refuse_descriptors(fd);
        r = sys_bind(fd, (const struct sockaddr *)&address, sizeof(address));
    }
    if (!r) {
        r = sys_fstatat(singleton->dir_fd, singleton->name, &st, AT_SYMLINK_NOFOLLOW);
    }
    if (r) {
        return r;
    }
    singleton->is_bound = true;
    singleton->dev = st.st_dev;
    singleton->ino = st.st_ino;
    r = sys_listen(fd, -1); /* the kernel takes that as its own maximum */
    if (r < 0) {
        return r;
    }
    singleton->socket_fd = take_fd(&fd);
    return 0;
}

/* Whether @path, relative to @dir_fd, leads to the socket that we bound. */
static bool leads_to_ours(const struct singleton *singleton, int dir_fd, const char *path)
{
    struct stat st;

    return singleton->is_bound && !sys_fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) && st.st_dev == singleton->dev &&
           st.st_ino == singleton->ino;
}

static void unlink_ours(const struct singleton *singleton)
{
    if (leads_to_ours(singleton, singleton->dir_fd, singleton->name)) {
        (void)sys_unlinkat(singleton->dir_fd, singleton->name, 0);
    }
}

/* ------------------------------------------------------------------------------------------------------- in and out */

/* All steps; @old: the one whose place it takes, or NULL. @made is empty before, and deinitialised on failure. */
static int make(struct singleton *made, const struct singleton *old, const struct singleton_config *config,
                char ret_text[SINGLETON_TEXT_MAX])
{
    int r;

    *made = (struct singleton){.is_open = true, .dir_fd = -1, .lock_fd = -1, .socket_fd = -1};
    r = set_path(made, config->path, ret_text);
    if (!r) {
        r = open_directory(made, config, ret_text);
    }
    if (!r) {
        r = old ? move_lock(old, made, ret_text) : take_lock(made, config->patience_nsec, ret_text);
    }
    if (!r) {
        r = clear_path(made, ret_text);
    }
    if (r) {
        return r;
    }
    r = bind_and_listen(made);
    return r ? fail(ret_text, SINGLETON_E_FAILED, "cannot bind %s: %s", made->path, strerror(-r)) : 0;
}

static void move(struct singleton *from, struct singleton *to)
{
    *to = *from;
    to->name = to->path + (from->name - from->path);
    *from = (struct singleton){0};
}

int singleton_bind(struct singleton *singleton, const struct singleton_config *config,
                   char ret_text[SINGLETON_TEXT_MAX])
{
    _cleanup_(singleton_deinit) struct singleton made = {0};
    int r = make(&made, NULL, config, ret_text);

    if (!r) {
        move(&made, singleton);
    }
    return r;
}

int singleton_rebind(struct singleton *singleton, const struct singleton_config *config,
                     char ret_text[SINGLETON_TEXT_MAX])
{
    _cleanup_(singleton_deinit) struct singleton made = {0};
    int number = singleton->socket_fd;
    int r = make(&made, singleton, config, ret_text);

    if (r) {
        return r;
    }
    r = sys_dup3(made.socket_fd, number, O_CLOEXEC);
    if (r < 0) {
        return fail(ret_text, SINGLETON_E_FAILED, "cannot replace the lost socket: %s", strerror(-r));
    }
    close_fd(made.socket_fd);
    made.socket_fd = number;
    unlink_ours(singleton); /* a directory that was moved away has the name still */
    close_fd(singleton->lock_fd);
    close_fd(singleton->dir_fd);
    move(&made, singleton);
    return 0;
}

void singleton_log(const struct singleton *singleton)
{
    if (singleton->narrowed_directory) {
        log_warn(LOG_CODE_DIRECTORY_NARROWED, "the directory of %s is 0700 now", singleton->path);
    }
    if (singleton->doubtful_fs) {
        log_warn(LOG_CODE_FILE_SYSTEM_DOUBTFUL, "the directory of %s is on %s: locks may not hold there",
                 singleton->path, singleton->doubtful_fs);
    }
    if (singleton->removed_stale) {
        log_info(LOG_CODE_STALE_SOCKET_REMOVED, "removed the socket that a dead broker left at %s", singleton->path);
    }
}

bool singleton_is_in_place(const struct singleton *singleton)
{
    return leads_to_ours(singleton, AT_FDCWD, singleton->path);
}

void singleton_deinit(struct singleton *singleton)
{
    if (!singleton->is_open) {
        return;
    }
    unlink_ours(singleton);
    close_fd(singleton->socket_fd);
    close_fd(singleton->lock_fd);
    close_fd(singleton->dir_fd);
    *singleton = (struct singleton){0};
}
