/* SPDX-License-Identifier: MIT */
#pragma once

/* What is behind the public pointer. */

#include "lib/client_calls.h"
#include "lib/client_connect.h"
#include "lib/client_failure.h"
#include "lib/client_settings.h"
#include "rpb/client.h"

enum client_state {
    CLIENT_STATE_NEW,
    CLIENT_STATE_CONNECTING,
    CLIENT_STATE_CONNECTED,
    CLIENT_STATE_FAILED, /* `fatal` says why */
    CLIENT_STATE_CLOSED, /* by the caller */
};

struct rpb_client {
    enum client_state state;
    struct client_settings settings;
    struct client_connect connect;
    struct client_calls calls;
    struct rpb_client_negotiated negotiated; /* borrows from the connect's arena */
    struct client_failure fatal, soft;       /* what ended the connection; what did not */
    const struct client_failure *last;       /* of the two the one that was returned last */
};

/* Notes @status, which ends nothing, with its general meaning. Returns @status. */
int client_fail_soft(struct rpb_client *client, int status);
