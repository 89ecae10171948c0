/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One definition file: opened, judged (owner, type, size, no symbolic link; decision 8), read and turned into a
 * definition. Three files can say the same about one service (decision 5); the first that exists is in force.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "service/definition.h"
#include "service/definition_text.h"

struct buffer;

/* In the order of precedence. */
enum definition_form {
    DEFINITION_FORM_TEXT,      /* <service>.txtpb */
    DEFINITION_FORM_BINARY_V2, /* <service>.servicedef.v2: the same message */
    DEFINITION_FORM_BINARY,    /* <service>.servicedef */
    DEFINITION_FORM_COUNT
};

#define DEFINITION_FILE_NAME_SIZE 80u /* 64 bytes of name, the longest suffix and the NUL */

/* Name of the file for @service in @form. @service is a valid name. Returns @ret_name. */
const char *definition_file_name(struct slice service, enum definition_form form,
                                 char ret_name[DEFINITION_FILE_NAME_SIZE]);

/* Form of a file by the suffix of its @name, and the stem before it. False: none of the three. */
bool definition_file_form(const char *name, enum definition_form *ret_form, struct slice *ret_stem);

/* What stat() says about a file's contents: equal means that it did not change. */
struct file_identity {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
    mode_t mode;
    uid_t uid;
};
void file_identity_set(struct file_identity *identity, const struct stat *st);
bool file_identity_equal(const struct file_identity *identity, const struct stat *st);

/* Whether the file changed at or after @unix_nsec - @window_nsec: too recently for its times to tell changes apart. */
bool file_identity_is_recent(const struct file_identity *identity, uint64_t unix_nsec, uint64_t window_nsec);

enum {
    DEFINITION_FILE_E_ABSENT = 1,
    DEFINITION_FILE_E_REFUSED, /* owner, type, size or a symbolic link */
    DEFINITION_FILE_E_UNREADABLE,
    DEFINITION_FILE_E_MALFORMED, /* a binary that does not decode */
    DEFINITION_FILE_E_WRONG,     /* text with mistakes, or a rule of spec 02 §8.2 broken */
};

/* What definition_file_load() says about a file. */
struct definition_file {
    struct file_identity identity;       /* zeroes when it is absent or cannot be opened */
    char detail[DEFINITION_DETAIL_SIZE]; /* one line; empty when the load succeeded or the file is absent */
};

/*
 * Loads @name in directory @dir_fd in @form and checks it against the name @wanted. 0 and a reference in
 * *@ret_definition; DEFINITION_FILE_E_* with @file->detail; -ENOMEM.
 */
int definition_file_load(int dir_fd, const char *name, enum definition_form form, const char *wanted,
                         struct definition_file *file, const struct definition **ret_definition);

/* Appends all of @fd to @buffer, at most @max bytes. 0, -EFBIG, -ENOMEM or an errno of read(). */
int definition_file_read(int fd, size_t max, struct buffer *buffer);
