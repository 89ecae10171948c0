/* SPDX-License-Identifier: MIT */
/*
 * Files are replaced through a temporary one beside them, so that whoever reads sees the old or the new one and a
 * failure changes nothing.
 */
#include "cli/servicedef_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/cleanup.h"
#include "base/sys.h"

static bool write_stream(const struct options *options, struct slice bytes)
{
    if (fwrite(bytes.data, 1, bytes.size, options->out) == bytes.size && fflush(options->out) == 0)
        return true;
    fprintf(options->err, "error: cannot write to standard output\n");
    return false;
}

/* Opens the directory of @path; *@ret_name is the name in it, a view into @path. */
static int open_parent(const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    char dir[4096] = ".";

    if (slash && (size_t)(slash - path) >= sizeof(dir))
        return -ENAMETOOLONG;
    if (slash) {
        memcpy(dir, path, (size_t)(slash - path) + 1);
        dir[slash == path ? 1 : slash - path] = '\0';
    }
    *ret_name = slash ? slash + 1 : path;
    return sys_open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

bool write_output(const struct options *options, const char *path, struct slice bytes, mode_t mode)
{
    _cleanup_close_ int dir_fd = -1;
    const char *name;
    int r;

    if (strcmp(path, "-") == 0)
        return write_stream(options, bytes);
    dir_fd = open_parent(path, &name);
    r = dir_fd < 0 ? dir_fd : atomic_file_write(dir_fd, name, bytes.data, bytes.size, mode, true);
    if (r < 0)
        fprintf(options->err, "%s: error: %s\n", path, strerror(-r));
    return r >= 0;
}

bool write_json(const struct options *options, const json_t *document)
{
    char *text = document ? json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    bool is_written;

    if (!text) {
        fprintf(options->err,
                "error: the answer cannot be written as JSON (out of memory, or text that is not UTF-8)\n");
        return false;
    }
    is_written = fprintf(options->out, "%s\n", text) >= 0 && fflush(options->out) == 0;
    free(text);
    return is_written;
}
