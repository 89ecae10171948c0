/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

enum { CLIENT_DIAL_E_UID = 1 }; /* whoever listens there runs as another user */

/*
 * One attempt to connect to the socket at @path, whose server must run as @uid. Never waits: a full backlog is -EAGAIN.
 * 0 and a nonblocking, close-on-exec descriptor of the caller's; CLIENT_DIAL_E_UID; a negative errno, -ENAMETOOLONG for
 * more than 107 bytes and -EINVAL for none.
 */
int client_dial(const char *path, uid_t uid, int *ret_fd);
