/* SPDX-License-Identifier: MIT */

/*
 * The file system: one tree of inodes with the stamps, numbers and links that stat() tells. Beside what is there now
 * each inode keeps what has been synced, and a power cut leaves that, or by the dice what was written since: names and
 * contents each for themselves, so a rename may survive the bytes that it was to publish. Stamps are as coarse as the
 * kernel's, 4 ms.
 */

#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>

enum { LINKS_MAX = 40 };

#define STAMP_NSEC (4 * MSEC)

static struct timespec stamp(void)
{
    uint64_t nsec = sim_unix_nsec() / STAMP_NSEC * STAMP_NSEC;

    return (struct timespec){.tv_sec = (time_t)(nsec / SEC), .tv_nsec = (long)(nsec % SEC)};
}

struct sim_inode *k_inode_new(mode_t mode)
{
    struct sim_inode *inode = sim_new(sizeof(*inode));

    inode->ino = ++sim.last_ino;
    inode->mode = mode;
    inode->uid = sim.current ? sim.current->uid : SIM_UID;
    inode->gid = inode->uid;
    inode->mtime = inode->ctime = stamp();
    inode->next = sim.inodes;
    sim.inodes = inode;
    return inode;
}

void k_notify(struct sim_inode *inode, uint32_t what)
{
    for (struct sim_notice *notice = inode->notices; notice; notice = notice->next) {
        notice->seen |= what & notice->mask;
    }
}

int k_inotify_add(int fd, const char *path, uint32_t mask)
{
    struct sim_file *file = k_file(fd);
    struct sim_inode *inode;
    struct sim_notice *notice;
    int r;

    if (!file || file->kind != KIND_INOTIFY) {
        return file ? -EINVAL : -EBADF;
    }
    r = k_walk(AT_FDCWD, path, !(mask & IN_DONT_FOLLOW), &inode, NULL, NULL);
    if (r < 0) {
        return r;
    }
    if (mask & IN_ONLYDIR && !S_ISDIR(inode->mode)) {
        return -ENOTDIR;
    }
    for (notice = inode->notices; notice; notice = notice->next) {
        if (notice->file == file) {
            notice->mask = mask & IN_MASK_ADD ? notice->mask | mask : mask;
            return notice->number;
        }
    }
    if (file->n_notices == 8) {
        return -ENOSPC;
    }
    notice = sim_new(sizeof(*notice));
    *notice = (struct sim_notice){.file = file, .mask = mask, .number = file->n_notices + 1, .next = inode->notices};
    inode->notices = notice;
    file->notices[file->n_notices++] = notice;
    return notice->number;
}

long k_inotify_read(struct sim_file *file, void *data, size_t size)
{
    size_t used = 0;

    for (int i = 0; i < file->n_notices && used + sizeof(struct inotify_event) <= size; i++) {
        struct sim_notice *notice = file->notices[i];

        if (notice->seen) {
            const struct inotify_event event = {.wd = notice->number, .mask = notice->seen};

            memcpy((char *)data + used, &event, sizeof(event));
            used += sizeof(event);
            notice->seen = 0;
        }
    }
    return used ? (long)used : -EAGAIN;
}

void k_touch(struct sim_inode *inode, bool is_content)
{
    k_notify(inode, is_content ? IN_MODIFY : IN_ATTRIB);
    inode->ctime = stamp();
    if (is_content) {
        inode->mtime = inode->ctime;
    }
}

/* --------------------------------------------------------------------------------------------------------- names */

static struct sim_dirent *find_entry(struct sim_inode *dir, const char *name)
{
    for (struct sim_dirent *entry = dir->entries; entry; entry = entry->next) {
        if (!strcmp(entry->name, name)) {
            return entry;
        }
    }
    return NULL;
}

static void add_entry(struct sim_dirent **list, const char *name, struct sim_inode *inode)
{
    struct sim_dirent *entry = sim_new(sizeof(*entry));

    while (*list) {
        list = &(*list)->next;
    }
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    entry->inode = inode;
    *list = entry;
}

void k_inode_link(struct sim_inode *dir, const char *name, struct sim_inode *inode)
{
    add_entry(&dir->entries, name, inode);
    inode->n_links++;
    if (S_ISDIR(inode->mode)) {
        inode->parent = dir;
    }
    k_touch(dir, true);
    k_touch(inode, false);
}

static void drop_entry(struct sim_inode *dir, const char *name)
{
    struct sim_dirent **link = &dir->entries;

    while (*link && strcmp((*link)->name, name) != 0) {
        link = &(*link)->next;
    }
    if (*link) {
        (*link)->inode->n_links--;
        k_notify((*link)->inode, S_ISDIR((*link)->inode->mode) ? IN_DELETE_SELF : 0);
        k_notify(dir, IN_DELETE | IN_MOVED_FROM); /* nobody asks for one without the other */
        k_touch((*link)->inode, false);
        *link = (*link)->next;
        k_touch(dir, true);
    }
}

static int start_of(int dirfd, const char *path, struct sim_inode **ret)
{
    struct sim_file *file;

    if (*path == '/' || dirfd == AT_FDCWD) {
        *ret = sim.root;
        return 0;
    }
    file = k_file(dirfd);
    if (!file) {
        return -EBADF;
    }
    *ret = file->inode;
    return file->kind == KIND_DIR ? 0 : -ENOTDIR;
}

static int walk(struct sim_inode *at, const char *path, bool follow, int depth, struct sim_inode **ret,
                struct sim_inode **ret_parent, char *ret_name)
{
    struct sim_inode *parent = NULL;
    char name[256];
    int r;

    *ret = at;
    if (depth > LINKS_MAX) {
        return -ELOOP;
    }
    if (!*path) {
        return -ENOENT;
    }
    for (;;) {
        size_t size;
        struct sim_dirent *entry;

        path += strspn(path, "/");
        size = strcspn(path, "/");
        if (size == 0) {
            return 0;
        }
        if (size >= sizeof(name)) {
            return -ENAMETOOLONG;
        }
        memcpy(name, path, size);
        name[size] = '\0';
        path += size;
        if (!S_ISDIR(at->mode)) {
            return -ENOTDIR;
        }
        if (!strcmp(name, ".")) {
            continue;
        }
        parent = at;
        if (!strcmp(name, "..")) {
            at = *ret = at->parent;
            continue;
        }
        if (ret_parent && !path[strspn(path, "/")]) {
            *ret_parent = parent;
            strcpy(ret_name, name);
        }
        entry = find_entry(parent, name);
        if (!entry) {
            if (ret_parent && path[strspn(path, "/")]) {
                *ret_parent = NULL;
            }
            return -ENOENT;
        }
        at = *ret = entry->inode;
        if (S_ISLNK(at->mode) && (follow || path[strspn(path, "/")])) {
            const char *target = (const char *)at->data;

            r = walk(*target == '/' ? sim.root : parent, target, true, depth + 1, &at, NULL, NULL);
            if (r < 0) {
                return r;
            }
            *ret = at;
        }
    }
}

int k_walk(int dirfd, const char *path, bool follow, struct sim_inode **ret, struct sim_inode **ret_parent,
           char *ret_name)
{
    struct sim_inode *start;
    int r = start_of(dirfd, path, &start);

    if (ret_parent) {
        *ret_parent = NULL;
    }
    return r < 0 ? r : walk(start, path, follow, 0, ret, ret_parent, ret_name);
}

/* ------------------------------------------------------------------------------------------------- files and stats */

void k_fill_stat(const struct sim_inode *inode, struct stat *ret)
{
    *ret = (struct stat){
        .st_dev = 42,
        .st_ino = inode->ino,
        .st_mode = inode->mode,
        .st_nlink = inode->n_links,
        .st_uid = inode->uid,
        .st_gid = inode->gid,
        .st_size = (off_t)inode->size,
        .st_mtim = inode->mtime,
        .st_ctim = inode->ctime,
        .st_atim = inode->mtime,
    };
}

int k_stat(int dirfd, const char *path, struct stat *ret, bool follow)
{
    struct sim_inode *inode;
    int r;

    if (!strncmp(path, "/proc/", 6) && strncmp(path, "/proc/sys", 9) != 0) {
        return k_proc_stat(path, ret);
    }
    r = k_walk(dirfd, path, follow, &inode, NULL, NULL);
    if (r == 0) {
        k_fill_stat(inode, ret);
    }
    return r;
}

/* Somebody runs it, or somebody writes to it: the one shuts the other out. */
static bool is_run(const struct sim_inode *inode)
{
    for (int i = 0; i < sim.n_procs; i++) {
        if (sim.procs[i]->is_alive && sim.procs[i]->exe_inode == inode) {
            return true;
        }
    }
    return false;
}

bool k_is_written(const struct sim_inode *inode)
{
    for (int i = 0; i < sim.n_procs; i++) {
        for (int fd = 0; sim.procs[i]->is_alive && fd < SIM_FDS; fd++) {
            const struct sim_file *file = sim.procs[i]->fds[fd].file;

            if (file && file->inode == inode && (file->flags & O_ACCMODE) != O_RDONLY) {
                return true;
            }
        }
    }
    return false;
}

static int open_inode(struct sim_inode *inode, int flags)
{
    struct sim_file *file;

    if (S_ISLNK(inode->mode)) {
        return -ELOOP;
    }
    if (S_ISSOCK(inode->mode) && !(flags & O_PATH)) {
        return -ENXIO;
    }
    if (S_ISDIR(inode->mode) && ((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT)) {
        return -EISDIR;
    }
    if (flags & O_DIRECTORY && !S_ISDIR(inode->mode)) {
        return -ENOTDIR;
    }
    if (S_ISCHR(inode->mode)) {
        return k_fd_new(k_file_new(KIND_NULL, flags), flags & O_CLOEXEC, 0);
    }
    if ((flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH) && is_run(inode)) {
        return -ETXTBSY;
    }
    file = k_file_new(S_ISDIR(inode->mode) ? KIND_DIR : KIND_FILE, flags);
    file->inode = inode;
    if (flags & O_TRUNC && inode->size) {
        inode->size = 0;
        k_touch(inode, true);
    }
    return k_fd_new(file, flags & O_CLOEXEC, 0);
}

int k_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    struct sim_inode *inode, *parent;
    struct sim_file *file;
    char name[256];
    int r;

    if (!strncmp(path, "/proc/", 6) && strncmp(path, "/proc/sys", 9) != 0) {
        inode = k_proc_exe(path);
        if (inode) {
            return open_inode(inode, flags);
        }
        r = k_proc_file(path, &file);
        return r < 0 ? r : k_fd_new(file, flags & O_CLOEXEC, 0);
    }
    r = k_walk(dirfd, path, !(flags & O_NOFOLLOW), &inode, &parent, name);
    if (r == 0 && flags & O_CREAT && flags & O_EXCL) {
        return -EEXIST;
    }
    if (r == 0 && flags & O_DIRECTORY && S_ISLNK(inode->mode)) {
        return -ENOTDIR;
    }
    if (r == -ENOENT && flags & O_CREAT && parent) {
        inode = k_inode_new(S_IFREG | (mode & 0777));
        k_inode_link(parent, name, inode);
        r = 0;
    }
    return r < 0 ? r : open_inode(inode, flags);
}

int k_mkdir(const char *path, mode_t mode)
{
    return k_mkdirat(AT_FDCWD, path, mode);
}

int k_mkdirat(int dirfd, const char *path, mode_t mode)
{
    struct sim_inode *inode, *parent;
    char name[256];
    int r = k_walk(dirfd, path, false, &inode, &parent, name);

    if (r == 0) {
        return -EEXIST;
    }
    if (r != -ENOENT || !parent) {
        return r;
    }
    inode = k_inode_new(S_IFDIR | (mode & 0777));
    inode->n_links = 1;
    k_inode_link(parent, name, inode);
    return 0;
}

int k_mkdirs(const char *path)
{
    char level[PATH_MAX];

    snprintf(level, sizeof(level), "%s", path);
    for (char *slash = strchr(level + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)k_mkdir(level, 0755);
        *slash = '/';
    }
    return k_mkdir(level, 0755);
}

int k_unlinkat(int dirfd, const char *path, int flags)
{
    struct sim_inode *inode, *parent;
    char name[256];
    int r = k_walk(dirfd, path, false, &inode, &parent, name);

    if (r < 0) {
        return r;
    }
    if (S_ISDIR(inode->mode) && !(flags & AT_REMOVEDIR)) {
        return -EISDIR;
    }
    if (flags & AT_REMOVEDIR && !S_ISDIR(inode->mode)) {
        return -ENOTDIR;
    }
    if (flags & AT_REMOVEDIR && inode->entries) {
        return -ENOTEMPTY;
    }
    drop_entry(parent, name);
    return 0;
}

int k_renameat(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
    struct sim_inode *inode, *from_parent, *replaced, *to_parent;
    char from_name[256], to_name[256];
    int r = k_walk(from_dirfd, from, false, &inode, &from_parent, from_name);

    if (r < 0) {
        return r;
    }
    r = k_walk(to_dirfd, to, false, &replaced, &to_parent, to_name);
    if (r < 0 && (r != -ENOENT || !to_parent)) {
        return r;
    }
    if (r == 0 && replaced == inode) {
        return 0;
    }
    if (r == 0 && S_ISDIR(replaced->mode) != S_ISDIR(inode->mode)) {
        return S_ISDIR(replaced->mode) ? -EISDIR : -ENOTDIR;
    }
    if (r == 0 && replaced->entries) {
        return -ENOTEMPTY;
    }
    if (r == 0) {
        drop_entry(to_parent, to_name);
    }
    k_notify(inode, IN_MOVE_SELF);
    k_inode_link(to_parent, to_name, inode);
    drop_entry(from_parent, from_name);
    return 0;
}

int k_linkat(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
    struct sim_inode *inode, *parent, *existing;
    char name[256];
    int r = k_walk(from_dirfd, from, false, &inode, NULL, NULL);

    if (r < 0) {
        return r;
    }
    r = k_walk(to_dirfd, to, false, &existing, &parent, name);
    if (r == 0) {
        return -EEXIST;
    }
    if (r != -ENOENT || !parent) {
        return r;
    }
    k_inode_link(parent, name, inode);
    return 0;
}

int k_symlinkat(const char *target, int dirfd, const char *path)
{
    struct sim_inode *inode, *parent;
    char name[256];
    int r = k_walk(dirfd, path, false, &inode, &parent, name);

    if (r != -ENOENT || !parent) {
        return r == 0 ? -EEXIST : r;
    }
    inode = k_inode_new(S_IFLNK | 0777);
    inode->data = (uint8_t *)sim_copy(target);
    inode->size = strlen(target);
    k_inode_link(parent, name, inode);
    return 0;
}

int k_put_file(const char *path, const void *data, size_t size, mode_t mode)
{
    int fd = k_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    if (fd < 0) {
        return fd;
    }
    (void)k_write(fd, data, size);
    return k_close(fd);
}

/* ------------------------------------------------------------------------------------------- locks, syncs, the cut */

int k_flock(int fd, int operation)
{
    struct sim_file *file = k_file(fd);

    if (!file || !file->inode) {
        return -EBADF;
    }
    if (operation & LOCK_UN) {
        if (file->inode->lock == file) {
            file->inode->lock = NULL;
        }
        return 0;
    }
    if (file->inode->lock && file->inode->lock != file) {
        return -EWOULDBLOCK;
    }
    file->inode->lock = file;
    return 0;
}

int k_fsync(int fd)
{
    struct sim_file *file = k_file(fd);
    struct sim_inode *inode = file ? file->inode : NULL;

    if (!inode) {
        return file ? -EINVAL : -EBADF;
    }
    inode->is_synced = true;
    inode->synced_entries = NULL;
    for (const struct sim_dirent *entry = inode->entries; entry; entry = entry->next) {
        add_entry(&inode->synced_entries, entry->name, entry->inode);
    }
    inode->synced_data = sim_new(inode->size + 1);
    if (inode->size) {
        memcpy(inode->synced_data, inode->data, inode->size);
    }
    inode->synced_size = inode->size;
    return 0;
}

static void cut(struct sim_inode *inode)
{
    inode->lock = NULL;
    inode->socket = NULL;
    if (sim_chance(1, 2)) {
        return; /* it had reached the disk by itself */
    }
    if (S_ISDIR(inode->mode)) {
        if (inode->is_synced) {
            inode->entries = inode->synced_entries;
        }
    } else {
        inode->data = inode->synced_data;
        inode->size = inode->capacity = inode->synced_size;
    }
}

void k_power_cut(void)
{
    for (struct sim_inode *inode = sim.inodes; inode; inode = inode->next) {
        cut(inode);
    }
}
