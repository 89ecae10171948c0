/* SPDX-License-Identifier: MIT */
#pragma once

/* JSON documents as the admin lane and the command line print them (spec 05 §3.1, decision 19). */

#include <jansson.h>

/*
 * @document as compact JSON with sorted keys: each document at the smallest of 15, 16 and 17 digits at which its reals
 * read back the same. Consumes the reference to @document (NULL counts as out of memory). The text is the caller's.
 * 0 or -ENOMEM.
 */
int admin_document_print(json_t *document, char **ret_text);

/* @text as a JSON string; each byte that is not UTF-8 becomes U+FFFD. NULL: no memory. */
json_t *admin_document_string(const char *text);

struct admin_inodes;

/* The row `inode_pressure` (spec 05 §3.2). NULL: no memory. */
json_t *admin_inode_row(const struct admin_inodes *inodes);
