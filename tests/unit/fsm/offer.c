/* SPDX-License-Identifier: MIT */
/* The table is the golden one, compiled here: so the engine is tested with what fsmgen really writes. */
#include "unit/fsm/offer.h"

#include <stdio.h>
#include <string.h>

#include "golden/fsm/ok/offer_fsm.c"

static char log_text[4096];

const char *offer_log(void)
{
    return log_text;
}

void offer_log_clear(void)
{
    log_text[0] = '\0';
}

static void did(struct offer *o, const char *action, const char *argument)
{
    size_t used = strlen(log_text);

    snprintf(log_text + used, sizeof(log_text) - used, "%s%c.%s%s%s%s", used ? " " : "", o->name, action,
             argument ? "(" : "", argument ? argument : "", argument ? ")" : "");
    if (o->on_action)
        o->on_action(o, action);
}

enum offer_event offer_pass_offer(struct offer *o)
{
    o->ticket = fsm_ticket(&o->fsm);
    did(o, "pass_offer", NULL);
    return o->pass_returns;
}

enum offer_event offer_send_ready(struct offer *o)
{
    o->ticket = fsm_ticket(&o->fsm);
    did(o, "send_ready", NULL);
    return o->send_returns;
}

void offer_count(struct offer *o, enum offer_count_arg argument)
{
    did(o, "count", offer_count_name(argument));
}

void offer_close_channel(struct offer *o)
{
    did(o, "close_channel", NULL);
}

void offer_revoke_token(struct offer *o)
{
    did(o, "revoke_token", NULL);
}

void offer_kill_client(struct offer *o)
{
    did(o, "kill_client", NULL);
}

void offer_close_client(struct offer *o)
{
    did(o, "close_client", NULL);
}

void offer_take_next_channel(struct offer *o)
{
    did(o, "take_next_channel", NULL);
}

void offer_consume_token(struct offer *o)
{
    did(o, "consume_token", NULL);
}

bool offer_retried(const struct offer *o)
{
    return o->retried;
}

bool offer_pool_empty(const struct offer *o)
{
    return o->pool_empty;
}

nsec_t offer_ack_due(const struct offer *o, nsec_t now)
{
    ((struct offer *)(uintptr_t)o)->told_now_nsec = now;
    return o->ack_due_nsec;
}

void offer_ended(struct offer *o)
{
    size_t used = strlen(log_text);

    snprintf(log_text + used, sizeof(log_text) - used, "%s%c.ended", used ? " " : "", o->name);
    if (o->on_ended)
        o->on_ended(o);
}
