/* SPDX-License-Identifier: MIT */

/*
 * Private directories are opened level by level and judged through the descriptor, so what was judged is what is used.
 * The last component is never followed when it is a link. A directory is changed only where its rule says so, only
 * through its descriptor, and only when it is ours. What is refused is told in one line with the remedy, because the
 * person who reads it did not write this.
 */

#include "base/private_dir.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
    MODE_BITS = 07777,
    OTHERS_ANY = 077,
    OTHERS_WRITE = 022,
    UID_UNMAPPED = 65534, /* how root outside of a user namespace is seen from inside */
};

static int __attribute__((format(printf, 3, 4))) tell(struct private_dir_report *report, int r, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, one line above */
    (void)vsnprintf(report->text, sizeof(report->text), format, arguments);
    va_end(arguments);
    return r;
}

static int fail(struct private_dir_report *report, int r, const char *what, const char *path)
{
    const char *why = strerrordesc_np(-r);

    return tell(report, error_origin(r), "%s: cannot be %s: %s", path, what, why ? why : "unknown error");
}

/* ---------------------------------------------------------------------------------------------------------- judging */

/* The owner, or a positive refusal. */
static int check_owner(const struct stat *st, bool or_root, const char *path, struct private_dir_report *report)
{
    if (st->st_uid == sys_geteuid() || (or_root && st->st_uid == 0)) {
        return 0;
    }
    return tell(report, PRIVATE_DIR_E_REFUSED,
                "%s: belongs to uid %u, not to you (uid %u); remove it or use another directory", path, st->st_uid,
                sys_geteuid());
}

static int refuse_mode(mode_t mode, const char *wrong, const char *path, struct private_dir_report *report)
{
    return tell(report, PRIVATE_DIR_E_REFUSED,
                "%s: has mode %04o, so other users can %s; make it private: chmod 700 '%s'", path, mode, wrong, path);
}

static int narrow(int fd, mode_t mode, const char *path, struct private_dir_report *report)
{
    int r;

    r = sys_fchmod(fd, 0700);
    if (r < 0) {
        return fail(report, r, "made private (chmod 700)", path);
    }
    report->was_narrowed = true;
    (void)tell(report, 0, "%s: had mode %04o, was narrowed to 0700", path, mode);
    return 0;
}

static int judge_mode(int fd, enum private_dir_rule rule, mode_t mode, const char *path,
                      struct private_dir_report *report)
{
    switch (rule) {
    case PRIVATE_DIR_EXACT:
        if (mode & OTHERS_WRITE) {
            return refuse_mode(mode, "write it", path, report);
        }
        return mode == 0700 ? 0 : narrow(fd, mode, path, report);
    case PRIVATE_DIR_OWNED:
        return mode & OTHERS_WRITE ? refuse_mode(mode, "write it", path, report) : 0;
    case PRIVATE_DIR_PRIVATE:
        return mode & OTHERS_ANY ? refuse_mode(mode, mode & OTHERS_WRITE ? "write it" : "read it", path, report) : 0;
    case PRIVATE_DIR_ENSURE:
        return mode & OTHERS_ANY ? narrow(fd, mode, path, report) : 0;
    }
    return 0;
}

static int judge(int fd, enum private_dir_rule rule, const char *path, struct private_dir_report *report)
{
    struct stat st;
    int r;

    r = sys_fstat(fd, &st);
    if (r < 0) {
        return fail(report, r, "examined", path);
    }
    report->mode = st.st_mode & MODE_BITS;
    r = check_owner(&st, rule == PRIVATE_DIR_PRIVATE, path, report);
    return r ? r : judge_mode(fd, rule, report->mode, path, report);
}

/* ---------------------------------------------------------------------------------------------------------- opening */

static int open_level(int dirfd, const char *name)
{
    return sys_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}

static bool is_link(int dirfd, const char *name)
{
    struct stat st;

    return sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

static int explain(int r, int dirfd, const char *name, const char *path, struct private_dir_report *report)
{
    if (r == -ENOENT) {
        return tell(report, PRIVATE_DIR_E_ABSENT, "%s: does not exist", path);
    }
    if ((r == -ENOTDIR || r == -ELOOP) && is_link(dirfd, name)) {
        return tell(report, PRIVATE_DIR_E_REFUSED,
                    "%s: is a symbolic link, which is not followed here; use the directory itself", path);
    }
    if (r == -ENOTDIR) {
        return tell(report, PRIVATE_DIR_E_REFUSED, "%s: is not a directory; remove it or use another directory", path);
    }
    return fail(report, r, "opened", path);
}

/* Makes the level at 0700 whatever the umask; somebody who was quicker is welcome, the judging comes later. */
static int make_level(int dirfd, const char *name, bool *ret_created)
{
    int r;

    r = sys_mkdirat(dirfd, name, 0700);
    if (r < 0 && r != -EEXIST) {
        return r;
    }
    if (r == 0) {
        *ret_created = true;
    }
    return 0;
}

static int open_judged(int dirfd, const char *name, const char *path, enum private_dir_rule rule, bool create,
                       struct private_dir_report *report, int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    int r;

    fd = open_level(dirfd, name);
    if (fd == -ENOENT && create) {
        r = make_level(dirfd, name, &report->was_created);
        if (r < 0) {
            return fail(report, r, "made", path);
        }
        fd = open_level(dirfd, name);
    }
    if (fd < 0) {
        return explain(fd, dirfd, name, path, report);
    }
    if (report->was_created) {
        (void)sys_fchmod(fd, 0700); /* a umask of 0177 would leave a directory that nobody can enter */
    }
    r = judge(fd, rule, path, report);
    if (r) {
        return r;
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

int private_dir_open_at(int dirfd, const char *name, const char *path, enum private_dir_rule rule, bool create,
                        struct private_dir_report *report, int *ret_fd)
{
    struct private_dir_report unused;

    if (!report) {
        report = &unused;
    }
    *report = (struct private_dir_report){0};
    return open_judged(dirfd, name, path, rule, create, report, ret_fd);
}

/* ------------------------------------------------------------------------------------------------------------ paths */

/* Splits off the last component: @parent keeps what is before it, "/" or "." when there is nothing. NULL: there is
 * none. */
static char *split(char *parent)
{
    size_t size = strlen(parent);
    char *slash;

    while (size > 1 && parent[size - 1] == '/') {
        parent[--size] = '\0';
    }
    slash = strrchr(parent, '/');
    if (!slash || slash[1] == '\0') {
        return NULL;
    }
    *slash = '\0';
    return slash + 1;
}

/* Opens what holds the managed levels; links are followed, as in every path that a user gives. */
static int open_holder(const char *path, bool create, struct private_dir_report *report, int *ret_fd)
{
    char *copy_end, copy[PATH_MAX];
    bool was_created;
    int fd, r;

    fd = sys_open(*path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd == -ENOENT && create) {
        memcpy(copy, path, strlen(path) + 1); /* callers have checked that it fits */
        for (copy_end = copy + 1; (copy_end = strchr(copy_end, '/')); copy_end++) {
            *copy_end = '\0';
            (void)make_level(AT_FDCWD, copy, &was_created); /* the last one tells what is wrong */
            *copy_end = '/';
        }
        r = make_level(AT_FDCWD, copy, &was_created);
        if (r < 0) {
            return fail(report, r, "made", path);
        }
        fd = sys_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    }
    if (fd == -ENOENT) {
        return tell(report, PRIVATE_DIR_E_ABSENT, "%s: does not exist", path);
    }
    if (fd < 0) {
        return fail(report, fd, "opened", path);
    }
    *ret_fd = fd;
    return 0;
}

static int copy_path(const char *path, char *copy, struct private_dir_report *report)
{
    size_t size = strlen(path);

    *report = (struct private_dir_report){0};
    if (*path != '/') {
        return tell(report, PRIVATE_DIR_E_REFUSED, "%s: is not an absolute path", path);
    }
    if (size >= PATH_MAX) {
        return tell(report, PRIVATE_DIR_E_REFUSED, "%.64s...: is longer than %d bytes", path, PATH_MAX - 1);
    }
    memcpy(copy, path, size + 1);
    return 0;
}

int private_dir_open(const char *path, enum private_dir_rule rule, bool create, struct private_dir_report *report,
                     int *ret_fd)
{
    _cleanup_close_ int holder_fd = -1;
    struct private_dir_report unused;
    char parent[PATH_MAX], *name;
    int r;

    if (!report) {
        report = &unused;
    }
    r = copy_path(path, parent, report);
    if (r) {
        return r;
    }
    name = split(parent);
    if (!name) {
        return tell(report, PRIVATE_DIR_E_REFUSED, "%s: is not a directory of yours", path);
    }
    r = open_holder(parent, create, report, &holder_fd);
    return r ? r : open_judged(holder_fd, name, path, rule, create, report, ret_fd);
}

/* Whoever can write the holder can swap what is in it, unless it is sticky. */
static int check_holder(int fd, const char *path, struct private_dir_report *report)
{
    struct stat st;
    int r;

    r = sys_fstat(fd, &st);
    if (r < 0) {
        return fail(report, r, "examined", path);
    }
    if (st.st_mode & OTHERS_WRITE && !(st.st_mode & S_ISVTX)) {
        return tell(report, PRIVATE_DIR_E_REFUSED,
                    "%s: has mode %04o, so other users can replace what is in it; chmod 700 '%s' (a shared one needs "
                    "the sticky bit, "
                    "chmod +t)",
                    path, st.st_mode & MODE_BITS, path);
    }
    if (st.st_uid != 0 && st.st_uid != UID_UNMAPPED && st.st_uid != sys_geteuid()) {
        return tell(report, PRIVATE_DIR_E_REFUSED, "%s: belongs to uid %u, neither to you (uid %u) nor to root", path,
                    st.st_uid, sys_geteuid());
    }
    return 0;
}

int private_dir_open_broker(const char *path, bool create, struct private_dir_report *report, int *ret_fd)
{
    _cleanup_close_ int holder_fd = -1, upper_fd = -1;
    char upper_path[PATH_MAX], holder_path[PATH_MAX];
    struct private_dir_report unused;
    const char *name, *upper_name;
    int r;

    if (!report) {
        report = &unused;
    }
    r = copy_path(path, upper_path, report);
    if (r) {
        return r;
    }
    name = split(upper_path);
    memcpy(holder_path, upper_path, sizeof(holder_path));
    upper_name = name ? split(holder_path) : NULL;
    if (!upper_name) {
        return tell(report, PRIVATE_DIR_E_REFUSED, "%s: is not a directory of two levels", path);
    }
    r = open_holder(holder_path, false, report,
                    &holder_fd); /* a run-time directory that is not there is not ours to invent */
    if (r == PRIVATE_DIR_E_ABSENT) {
        return tell(report, r, "%s: does not exist; make it (chmod 700) or let XDG_RUNTIME_DIR name one that does",
                    holder_path);
    }
    if (r) {
        return r;
    }
    r = check_holder(holder_fd, *holder_path ? holder_path : "/", report);
    if (r) {
        return r;
    }
    r = private_dir_open_at(holder_fd, upper_name, upper_path, PRIVATE_DIR_OWNED, create, report, &upper_fd);
    return r ? r : private_dir_open_at(upper_fd, name, path, PRIVATE_DIR_EXACT, create, report, ret_fd);
}
