/* SPDX-License-Identifier: MIT */
#pragma once

/* The queue of those who wait for one launch, and the one place where an answer is given. */

#include "backend/backends.h"

/* Puts @waiter at the end; it must not stand anywhere. False: BACKENDS_WAITERS_MAX wait already. */
bool waiters_join(struct backend_waiters *queue, struct backend_waiter *waiter);

/* Takes @waiter out of its queue; harmless when it stands in none. */
void waiters_leave(struct backend_waiter *waiter);

/* Lets everyone in @queue go with @answer, first come first served. Their callbacks may leave or free waiters. */
void waiters_answer(struct backend_waiters *queue, const struct backend_answer *answer);

/* Fills a refusal; @format makes the reason. */
__attribute__((format(printf, 4, 5))) void backend_answer_refuse(struct backend_answer *ret, uint32_t code,
                                                                 uint64_t retry_after_ms, const char *format, ...);

/* The refusals of spec 03 §6.2. */
void backend_answer_in_progress(struct backend_answer *ret);
void backend_answer_exhausted(struct backend_answer *ret, const struct spawn_refusal *refusal);
void backend_answer_failed(struct backend_answer *ret, const char *detail);
void backend_answer_shutting_down(struct backend_answer *ret);
void backend_answer_limit(struct backend_answer *ret);
void backend_answer_not_registered(struct backend_answer *ret);
void backend_answer_mismatch(struct backend_answer *ret);
