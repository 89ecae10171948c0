/* SPDX-License-Identifier: MIT */
#ifndef HELLO_ROUTE_H
#define HELLO_ROUTE_H

#include "hello/hello.h"

enum { ROUTE_E_WAIT = 1, ROUTE_E_UNSETTLED = 2 };

/* Room for texts that a reply borrows until the next route. */
struct route_scratch {
    struct backend_answer answer;
    char reason[REPLY_REASON_MAX];
};

/*
 * The router, spec 01 section 6.5 from step 7: definition, policy, instance, then the backends. Uses the slices of
 * @exchange, which the caller has set.
 * 0: @ret_reply is decided, negotiated but for its connection id or refused, and may borrow from @scratch;
 * ROUTE_E_WAIT: the exchange's waiter has joined; ROUTE_E_UNSETTLED: ask again at @ret_again_nsec; negative errno.
 */
int route(struct hello *hello, struct hello_exchange *exchange, const struct reply_echo *trace, nsec_t now_nsec,
          struct route_scratch *scratch, struct reply *ret_reply, nsec_t *ret_again_nsec);

/* Turns the answer of the backends into @ret_reply (borrows from @answer). */
void route_answer(const struct backend_answer *answer, struct reply *ret_reply);

#endif
