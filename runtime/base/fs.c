/* SPDX-License-Identifier: MIT */

/*
 * File systems by the magic number that the kernel reports. The list names those on which flock(), modes or rename()
 * are known not to hold; everything else counts as local, so a new local file system needs no entry here.
 */

#include "base/fs.h"

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sys.h"

static const struct {
    uint32_t magic;
    enum fs_kind kind;
    const char *name;
} file_systems[] = {
    {0x00006969, FS_UNFIT, "nfs"},     {0x0000517B, FS_UNFIT, "smb"}, {0xFF534D42, FS_UNFIT, "cifs"},
    {0xFE534D42, FS_UNFIT, "smb2"},    {0x5346414F, FS_UNFIT, "afs"}, {0x73757245, FS_UNFIT, "coda"},
    {0x0000564C, FS_UNFIT, "ncp"},     {0x01021997, FS_UNFIT, "9p"},  {0x00C36400, FS_UNFIT, "ceph"},
    {0x0BD00BD0, FS_UNFIT, "lustre"},  {0x00004D44, FS_UNFIT, "fat"}, {0x2011BAB0, FS_UNFIT, "exfat"},
    {0x65735546, FS_DOUBTFUL, "fuse"},
};

enum fs_kind fs_kind_of(uint64_t magic, const char **ret_name)
{
    for (size_t i = 0; i < sizeof(file_systems) / sizeof(file_systems[0]); i++) {
        if (file_systems[i].magic == (uint32_t)magic) {
            *ret_name = file_systems[i].name;
            return file_systems[i].kind;
        }
    }
    *ret_name = "local";
    return FS_LOCAL;
}

int fs_kind_get(int fd, enum fs_kind *ret_kind, const char **ret_name)
{
    const char *name;
    struct statfs fs;
    int r;

    r = sys_fstatfs(fd, &fs);
    if (r < 0) {
        return error_origin(r);
    }
    *ret_kind = fs_kind_of((uint64_t)fs.f_type, &name);
    if (ret_name) {
        *ret_name = name;
    }
    return 0;
}

bool fs_is_local(int fd)
{
    enum fs_kind kind = FS_UNFIT;

    return fs_kind_get(fd, &kind, NULL) == 0 && kind == FS_LOCAL;
}

bool fs_is_network(int fd)
{
    enum fs_kind kind = FS_LOCAL;

    return fs_kind_get(fd, &kind, NULL) == 0 && kind == FS_UNFIT;
}
