/* SPDX-License-Identifier: MIT */
#pragma once

/* What a service manager is told through $NOTIFY_SOCKET (decision 22): the protocol of sd_notify(3). */

/*
 * Sends @state ("READY=1") to the socket that the environment names, a path or "@abstract". Without the variable
 * nothing happens. 0, or a negative errno, which nobody needs to act on: a manager that is gone does not matter to us.
 */
int notify_send(const char *state);
