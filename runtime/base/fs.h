/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What kind of file system holds a directory in which locks, sockets and records are to live (spec 02 §19). */
enum fs_kind {
    FS_LOCAL,
    FS_UNFIT,    /* network and FAT file systems: locks, modes or renames do not hold there */
    FS_DOUBTFUL, /* FUSE: may be anything; worth a warning */
};

/*
 * 0 and *@ret_kind; *@ret_name (may be NULL) gets its name, "nfs", static; "local" for FS_LOCAL. Or a negative errno
 * with nothing written.
 */
int fs_kind_get(int fd, enum fs_kind *ret_kind, const char **ret_name);

/* The kind of a file system by the magic number of statfs(); *@ret_name as above. */
enum fs_kind fs_kind_of(uint64_t magic, const char **ret_name);

/* True for FS_UNFIT; false also when the kernel does not tell. */
bool fs_is_network(int fd);

/* True for FS_LOCAL, which is looked at without waiting for somebody else; false also when the kernel does not tell. */
bool fs_is_local(int fd);

/* What stands between @dir and a name in it: no second slash behind one that is there. Everybody who derives one of our
 * paths joins like that, and must come to the same bytes. */
static inline const char *fs_joint(const char *dir)
{
    size_t size = strlen(dir);

    return size > 0 && dir[size - 1] == '/' ? "" : "/";
}
