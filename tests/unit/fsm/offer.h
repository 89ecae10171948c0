/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The owner of the example machine of statemachines/LANGUAGE.md, for tests of the engine: every action writes its name
 * into one log, and a test says what work returns, what guards answer and what an action does besides.
 */

#include <stdbool.h>

#include "fsm/fsm.h"
#include "golden/fsm/ok/offer_fsm.h"

struct offer {
    struct fsm fsm;
    char name; /* 'A', 'B', … in the log */
    enum offer_event pass_returns, send_returns;
    struct fsm_ticket ticket; /* of the work begun last */
    bool retried, pool_empty;
    nsec_t ack_due_nsec, told_now_nsec;
    void (*on_action)(struct offer *, const char *action); /* called by every action, NULL: nothing */
    void (*on_ended)(struct offer *);
};

/* What happened, oldest first: "A.revoke_token A.close_client A.ended". Cleared by offer_log_clear(). */
const char *offer_log(void);
void offer_log_clear(void);
