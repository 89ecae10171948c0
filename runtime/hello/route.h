/* SPDX-License-Identifier: MIT */
#pragma once

/* The router: from a service's name to a backend, or to the refusal of spec 01 section 6.5. */

#include "hello/hello.h"

enum { ROUTE_E_WAIT = 1, ROUTE_E_UNSETTLED };

/*
 * Steps 7 to 16 for what @exchange asks: definition, version policy, instance, backends.
 * 0: *@ret_reply is refused, or negotiated but for its connection id, and borrows from @scratch and the backends;
 * ROUTE_E_WAIT: the exchange waits for a backend, or for its definition to be looked up; ROUTE_E_UNSETTLED: ask again
 * at *@ret_again_nsec; a negative errno.
 */
int route(struct hello *hello, struct hello_exchange *exchange, nsec_t now_nsec, struct route_scratch *scratch,
          struct reply *ret_reply, nsec_t *ret_again_nsec);

/* The same from there on where the definition was looked up: @found is what store_get() said. */
int route_found(struct hello *hello, struct hello_exchange *exchange, int found, const struct definition *definition,
                const struct store_fault *fault, struct route_scratch *scratch, struct reply *ret_reply,
                nsec_t *ret_again_nsec);

/* The same for an answer of the backends that came later. Borrows from @answer. */
void route_answer(const struct backend_answer *answer, struct reply *ret_reply);
