/* SPDX-License-Identifier: MIT */

/*
 * Waiters are let go one at a time before they are told, so whatever a callback does (leave another waiter, free its
 * owner, ask again) the queue stays whole and nobody is told twice. The texts here are interface values.
 */

#include "backend/waiters.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/protocol.h"

bool waiters_join(struct backend_waiters *queue, struct backend_waiter *waiter)
{
    if (queue->n >= BACKENDS_WAITERS_MAX) {
        return false;
    }
    waiter->queue = queue;
    waiter->next = NULL;
    waiter->previous = queue->last;
    if (queue->last) {
        queue->last->next = waiter;
    } else {
        queue->first = waiter;
    }
    queue->last = waiter;
    queue->n++;
    return true;
}

void waiters_leave(struct backend_waiter *waiter)
{
    struct backend_waiters *queue = waiter->queue;

    if (!queue) {
        return;
    }
    if (waiter->next) {
        waiter->next->previous = waiter->previous;
    } else {
        queue->last = waiter->previous;
    }
    if (waiter->previous) {
        waiter->previous->next = waiter->next;
    } else {
        queue->first = waiter->next;
    }
    queue->n--;
    waiter->next = waiter->previous = NULL;
    waiter->queue = NULL;
}

void waiters_answer(struct backend_waiters *queue, const struct backend_answer *answer)
{
    struct backend_waiter *waiter;

    while ((waiter = queue->first)) {
        waiters_leave(waiter);
        waiter->answered(waiter, answer);
    }
}

void backend_answer_refuse(struct backend_answer *ret, uint32_t code, uint64_t retry_after_ms, const char *format, ...)
{
    va_list arguments;

    *ret = (struct backend_answer){.code = code, .retry_after_ms = retry_after_ms};
    va_start(arguments, format);
    vsnprintf(ret->reason, sizeof(ret->reason), format, arguments);
    va_end(arguments);
}

void backend_answer_in_progress(struct backend_answer *ret)
{
    backend_answer_refuse(ret, ERROR_CODE(RATE_LIMITED), 1000, "backend spawn already in progress");
}

void backend_answer_exhausted(struct backend_answer *ret, const struct spawn_refusal *refusal)
{
    uint64_t ms = refusal->retry_after_nsec / NSEC_PER_MSEC;

    backend_answer_refuse(ret, ERROR_CODE(RATE_LIMITED), ms > 0 ? ms : 1, "backend spawn budget exhausted");
}

void backend_answer_failed(struct backend_answer *ret, const char *detail)
{
    backend_answer_refuse(ret, ERROR_CODE(BACKEND_SPAWN_FAILED), 1000, "backend spawn failed: %s", detail);
}

void backend_answer_shutting_down(struct backend_answer *ret)
{
    backend_answer_refuse(ret, ERROR_CODE(SHUTTING_DOWN), 1000, "broker is shutting down");
}

void backend_answer_limit(struct backend_answer *ret)
{
    backend_answer_refuse(ret, ERROR_CODE(RATE_LIMITED), 1000, "backend limit reached");
}

void backend_answer_not_registered(struct backend_answer *ret)
{
    backend_answer_refuse(ret, ERROR_CODE(BACKEND_SPAWN_FAILED), 1000, "backend is not registered");
}

void backend_answer_mismatch(struct backend_answer *ret)
{
    backend_answer_refuse(ret, ERROR_CODE(INTERNAL), 0, "launched backend identity did not match request");
}
