/* SPDX-License-Identifier: MIT */
/*
 * Opens a definition file without following a link at its name, judges it through the descriptor and reads it once. Its
 * mode does not matter, since the directory is private; its owner, type and size do. Remembering what was read is the
 * store's affair.
 */
#include "service/definition_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"

static const char *const suffixes[DEFINITION_FORM_COUNT] = {
    [DEFINITION_FORM_TEXT] = ".txtpb",
    [DEFINITION_FORM_BINARY_V2] = ".servicedef.v2",
    [DEFINITION_FORM_BINARY] = ".servicedef",
};

const char *definition_file_name(struct slice service, enum definition_form form,
                                 char ret_name[DEFINITION_FILE_NAME_SIZE])
{
    snprintf(ret_name, DEFINITION_FILE_NAME_SIZE, "%.*s%s", SLICE_ARGS(service), suffixes[form]);
    return ret_name;
}

bool definition_file_form(const char *name, enum definition_form *ret_form, struct slice *ret_stem)
{
    size_t size = strlen(name);

    for (int form = 0; form < DEFINITION_FORM_COUNT; form++) {
        size_t suffix_size = strlen(suffixes[form]);

        if (size < suffix_size || strcmp(name + size - suffix_size, suffixes[form]) != 0)
            continue;
        *ret_form = (enum definition_form)form;
        *ret_stem = (struct slice){.data = name, .size = size - suffix_size};
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------------ identity */

void file_identity_set(struct file_identity *identity, const struct stat *st)
{
    *identity = (struct file_identity){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = st->st_size,
        .mtime = st->st_mtim,
        .ctime = st->st_ctim,
        .mode = st->st_mode,
        .uid = st->st_uid,
    };
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_identity_equal(const struct file_identity *identity, const struct stat *st)
{
    return identity->ino == st->st_ino && identity->dev == st->st_dev && identity->size == st->st_size &&
           same_time(identity->mtime, st->st_mtim) && same_time(identity->ctime, st->st_ctim) &&
           identity->mode == st->st_mode && identity->uid == st->st_uid;
}

bool file_identity_is_recent(const struct file_identity *identity, uint64_t unix_nsec, uint64_t window_nsec)
{
    uint64_t changed = (uint64_t)identity->ctime.tv_sec * UINT64_C(1000000000) + (uint64_t)identity->ctime.tv_nsec;

    return changed > unix_nsec || unix_nsec - changed < window_nsec;
}

/* ------------------------------------------------------------------------------------------------ reading */

int definition_file_read(int fd, size_t max, struct buffer *buffer)
{
    size_t start = buffer->size;
    ssize_t n;
    int r;

    do {
        r = buffer_reserve(buffer, 4096);
        if (r < 0)
            return error_trace(r);
        n = sys_read(fd, buffer->data + buffer->size, buffer->capacity - buffer->size);
        if (n < 0)
            return error_origin((int)n);
        buffer->size += (size_t)n;
        if (buffer->size - start > max)
            return error_origin(-EFBIG);
    } while (n > 0);
    return 0;
}

/* Owner, type and size of an open file. */
static int judge(const char *name, const struct stat *st, struct definition_file *file)
{
    if (!S_ISREG(st->st_mode))
        snprintf(file->detail, sizeof(file->detail), "%s: not a regular file", name);
    else if (st->st_uid != sys_geteuid() && st->st_uid != 0)
        snprintf(file->detail, sizeof(file->detail), "%s: belongs to uid %ju, not to this user", name,
                 (uintmax_t)st->st_uid);
    else if ((uint64_t)st->st_size > DEFINITION_SIZE_MAX)
        snprintf(file->detail, sizeof(file->detail), "%s: %jd bytes, more than %u", name, (intmax_t)st->st_size,
                 DEFINITION_SIZE_MAX);
    else
        return 0;
    return DEFINITION_FILE_E_REFUSED;
}

static int open_file(int dir_fd, const char *name, struct definition_file *file, int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    struct stat st;
    int r;

    fd = sys_openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd == -ENOENT)
        return DEFINITION_FILE_E_ABSENT;
    if (fd == -ELOOP) {
        snprintf(file->detail, sizeof(file->detail), "%s: a symbolic link", name);
        return DEFINITION_FILE_E_REFUSED;
    }
    r = fd < 0 ? fd : sys_fstat(fd, &st);
    if (r < 0) {
        snprintf(file->detail, sizeof(file->detail), "%s: cannot be opened: %s", name, strerror(-r));
        return DEFINITION_FILE_E_UNREADABLE;
    }
    file_identity_set(&file->identity, &st);
    r = judge(name, &st, file);
    if (r == 0)
        *ret_fd = take_fd(&fd);
    return r;
}

static int decode_text(const char *name, const char *wanted, struct slice bytes, struct definition_file *file,
                       struct definition **ret_definition)
{
    struct text_report report;
    int r;

    r = definition_parse_text(bytes, wanted, &report, ret_definition);
    if (r == DEFINITION_TEXT_E_WRONG) {
        definition_text_first_error(&report, name, file->detail, sizeof(file->detail));
        return DEFINITION_FILE_E_WRONG;
    }
    return error_fold(r);
}

static int decode_binary(const char *name, const char *wanted, struct slice bytes, struct definition_file *file,
                         struct definition **ret_definition)
{
    struct definition_problem problem;
    struct definition *definition;
    int r;

    r = definition_unpack(bytes, &definition);
    if (r == DEFINITION_E_MALFORMED) {
        snprintf(file->detail, sizeof(file->detail), "%s: not a service definition (it does not decode)", name);
        return DEFINITION_FILE_E_MALFORMED;
    }
    if (r < 0)
        return error_trace(r);
    if (!definition_check(definition, wanted, &problem)) {
        snprintf(file->detail, sizeof(file->detail), "%s: %.400s", name, problem.detail);
        definition_unref(definition);
        return DEFINITION_FILE_E_WRONG;
    }
    *ret_definition = definition;
    return 0;
}

int definition_file_load(int dir_fd, const char *name, enum definition_form form, const char *wanted,
                         struct definition_file *file, const struct definition **ret_definition)
{
    _cleanup_(buffer_deinit) struct buffer buffer;
    _cleanup_close_ int fd = -1;
    struct definition *definition;
    int r;

    buffer_init(&buffer, DEFINITION_SIZE_MAX + 2 * 4096);
    *file = (struct definition_file){0};
    r = open_file(dir_fd, name, file, &fd);
    if (r != 0)
        return r;
    r = definition_file_read(fd, DEFINITION_SIZE_MAX, &buffer);
    if (r == -ENOMEM)
        return error_trace(r);
    if (r < 0) {
        snprintf(file->detail, sizeof(file->detail), "%s: cannot be read: %s", name, strerror(-r));
        return DEFINITION_FILE_E_UNREADABLE;
    }
    r = form == DEFINITION_FORM_TEXT ? decode_text(name, wanted, buffer_slice(&buffer), file, &definition)
                                     : decode_binary(name, wanted, buffer_slice(&buffer), file, &definition);
    if (r == 0)
        *ret_definition = definition;
    return r;
}
