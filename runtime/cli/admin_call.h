/* SPDX-License-Identifier: MIT */
#pragma once

/* One admin verb over the wire. */

#include "cli/client.h"
#include "cli/endpoint_choice.h"
#include "cli/options.h"

/* A call and its answer. Zeroed but for fd -1: none. */
struct admin_call {
    int fd; /* stays open: the peer's identity can still be asked of it */
    struct endpoint_choice endpoint;
    nsec_t deadline_nsec; /* of the whole round trip */
    struct arena arena;
    const AdminReply *reply; /* in the arena */
};

/* Connects to the broker that @options mean. 0; or the exit status, after telling options->err. */
int admin_call_dial(struct admin_call *call, const struct options *options);

/* Then asks it. 0 and call->reply; or the exit status, told. */
int admin_call_ask(struct admin_call *call, const struct options *options, const AdminRequest *request);

/* Accepts one that has failed or not begun, twice. */
void admin_call_deinit(struct admin_call *call);

/*
 * Prints @body with a line end behind it, also when it is empty; of one that says that the broker does not know the
 * command, options->err is told what that means. Returns the exit status that @exit_code means.
 */
int admin_print_body(const struct options *options, const char *body, uint32_t exit_code);
