/* SPDX-License-Identifier: MIT */
#pragma once

/* The checks of a Hello that need nothing but the Hello (spec 01 sections 6.2 and 6.3). */

#include <sys/types.h>

#include "base/arena.h"
#include "hello/reply.h"
#include "wire/message.h"

/* Refused: code, reason and retry of the table's row are in the reply; its echo is left alone. */
enum { CHECK_E_REFUSED = 1 };

/*
 * Section 6.2: the envelope of @frame in its fixed order, then its payload as a Hello, which lives in @arena.
 * 0 with *@ret_hello; CHECK_E_REFUSED with *@ret_reply; -ENOMEM.
 */
int check_decode(const Frame *frame, struct arena *arena, Hello **ret_hello, struct reply *ret_reply);

/*
 * Section 6.3, in its order: protocol range, names, versions, lengths, the claimed pid against @kernel_pid (0: unknown,
 * then any claim goes). 0, or CHECK_E_REFUSED with *@ret_reply.
 */
int check_shape(const Hello *hello, pid_t kernel_pid, struct reply *ret_reply);
