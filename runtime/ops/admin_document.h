/* SPDX-License-Identifier: MIT */
#pragma once

/* JSON documents as the admin lane and the command line print them (spec 05 §3.1, decision 19). */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * @document as compact JSON with sorted keys: each document at the smallest of 15, 16 and 17 digits at which its reals
 * read back the same. Consumes the reference to @document (NULL counts as out of memory). The text is the caller's.
 * 0 or -ENOMEM.
 */
int admin_document_print(json_t *document, char **ret_text);

/* @text as a JSON string; each byte that is not UTF-8 becomes U+FFFD. NULL: no memory. */
json_t *admin_document_string(const char *text);

/* The row `inode_pressure` for the file system that holds @path or its nearest existing ancestor. NULL: no memory. */
json_t *admin_inode_row(const char *path);

/* The same from numbers. @error: positive errno of the question, 0: it was answered. */
struct admin_inodes {
    int error;
    uint64_t total, free;
};
json_t *admin_inode_row_from(const struct admin_inodes *inodes);

/* The directory whose file system `inode_pressure` is about (spec 05 §3.2). Returns @ret_path. */
const char *admin_state_dir(char *ret_path, size_t size);
