/* SPDX-License-Identifier: MIT */
#ifndef HELLO_CHECK_H
#define HELLO_CHECK_H

#include <sys/types.h>

#include "broker_v1_control.pb-c.h"
#include "broker_v1_envelope.pb-c.h"

#include "base/arena.h"
#include "hello/reply.h"

/* A check that refuses has filled the reply: code, reason and retry of its table row. */
enum { CHECK_E_REFUSED = 1 };

/*
 * Spec 01 section 6.2: the envelope of @frame in its fixed order, then its payload as a Hello. @ret_hello lives in
 * @arena. 0; CHECK_E_REFUSED with @ret_reply; -ENOMEM.
 */
int check_decode(const RunningProcess__Broker__V1__Frame *frame, struct arena *arena,
                 RunningProcess__Broker__V1__Hello **ret_hello, struct reply *ret_reply);

/*
 * Spec 01 section 6.3, in its order: protocol range, names, versions, lengths, the claimed pid against @kernel_pid
 * (0: unknown, anything goes). Touches nothing but its arguments. 0 or CHECK_E_REFUSED with @ret_reply.
 */
int check_shape(const RunningProcess__Broker__V1__Hello *hello, pid_t kernel_pid, struct reply *ret_reply);

#endif
