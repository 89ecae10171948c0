/* SPDX-License-Identifier: MIT */
#pragma once

/* Why something failed, in the words and numbers of the public header. */

#include "rpb/client.h"

#include "base/slice.h"

struct client_failure {
    struct rpb_client_failure shown; /* its strings are the ones below */
    char reason[512];
    char text[1024];
};

/* No failure. To be called before anything else; @failure must not move afterwards. */
void client_failure_init(struct client_failure *failure);

/*
 * Notes @status with the kernel's @sys_errno (0: none) and a sentence, behind which a non-zero errno is spelt out.
 * Returns @status.
 */
__attribute__((format(printf, 4, 5))) int client_fail(struct client_failure *failure, int status, int sys_errno,
                                                      const char *format, ...);

/* The same with the meaning of @status as its sentence, and no errno. Returns @status. */
int client_fail_plainly(struct client_failure *failure, int status);

/* Notes a refusal of the broker. Borrows nothing. Returns RPB_CLIENT_E_REFUSED. */
int client_fail_refused(struct client_failure *failure, uint32_t code, const char *reason, uint64_t retry_after_ms);
