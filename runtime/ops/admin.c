/* SPDX-License-Identifier: MIT */

/*
 * One table says which verbs there are; each has a function that renders its document from a snapshot taken before it
 * runs. The unsupported reply is as much a part of the protocol as the others: clients tell old brokers by it. Nothing
 * here changes the broker; a shutdown is only recognised.
 */

#include "ops/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "ops/admin_status.h"
#include "wire/protocol.h"

#define CONTENT_TEXT "text/plain"
#define CONTENT_JSON "application/json"

static int answer_text(struct admin_reply *ret_reply, const char *body, uint32_t exit_code)
{
    char *copy = strdup(body);

    if (!copy) {
        return error_origin(-ENOMEM);
    }
    *ret_reply = (struct admin_reply){
        .kind = ADMIN_REPLY_KIND(TEXT),
        .body = copy,
        .exit_code = exit_code,
        .content_type = CONTENT_TEXT,
    };
    return 0;
}

static int answer_healthz(const struct admin *admin, const struct admin_facts *facts, const AdminRequest *request,
                          struct admin_reply *ret_reply)
{
    return answer_text(ret_reply, "ok\n", 0);
}

static int answer_readyz(const struct admin *admin, const struct admin_facts *facts, const AdminRequest *request,
                         struct admin_reply *ret_reply)
{
    return facts->is_accepting ? answer_text(ret_reply, "ready\n", 0) : answer_text(ret_reply, "not ready\n", 1);
}

static int answer_status(const struct admin *admin, const struct admin_facts *facts, const AdminRequest *request,
                         struct admin_reply *ret_reply)
{
    char *body = NULL;
    int r;

    if (!request->json) {
        char text[160];

        snprintf(text, sizeof(text), "broker_instance: %s\naccepting_hello: %s\n", admin->broker_instance,
                 facts->is_accepting ? "true" : "false");
        return answer_text(ret_reply, text, 0);
    }
    r = admin_status_print(admin, facts, &body);
    if (r) {
        return error_trace(r);
    }
    *ret_reply = (struct admin_reply){
        .kind = ADMIN_REPLY_KIND(JSON),
        .body = body,
        .content_type = CONTENT_JSON,
    };
    return 0;
}

static int answer_shutdown(const struct admin *admin, const struct admin_facts *facts, const AdminRequest *request,
                           struct admin_reply *ret_reply)
{
    int r = answer_text(ret_reply, "broker shutting down\n", 0);

    if (r) {
        return error_trace(r);
    }
    ret_reply->is_shutdown = true;
    ret_reply->drain_msec = request->drain_deadline_ms;
    return 0;
}

static const struct admin_verb {
    int number;
    int (*answer)(const struct admin *admin, const struct admin_facts *facts, const AdminRequest *request,
                  struct admin_reply *ret_reply);
} admin_verbs[] = {
    {ADMIN_VERB(STATUS), answer_status},
    {ADMIN_VERB(HEALTHZ), answer_healthz},
    {ADMIN_VERB(READYZ), answer_readyz},
    {ADMIN_VERB(SHUTDOWN), answer_shutdown},
};

static bool is_too_long(const char *text)
{
    return text && strlen(text) > ADMIN_TEXT_MAX;
}

static bool is_malformed(const AdminRequest *request)
{
    return is_too_long(request->service_name) || is_too_long(request->output_path);
}

int admin_prepare(const struct admin *admin, const AdminRequest *request, struct inode_waiter *waiter)
{
    if (!admin->inodes || request->verb != ADMIN_VERB(STATUS) || !request->json || is_malformed(request)) {
        return 0;
    }
    return inode_probe_ask(admin->inodes, waiter);
}

int admin_answer(const struct admin *admin, const AdminRequest *request, struct admin_reply *ret_reply)
{
    struct admin_facts facts = {0};

    if (is_malformed(request)) {
        return ADMIN_E_MALFORMED;
    }
    admin->facts(admin->owner, &facts);
    for (size_t i = 0; i < sizeof(admin_verbs) / sizeof(admin_verbs[0]); i++) {
        if (admin_verbs[i].number == (int)request->verb) {
            return error_trace(admin_verbs[i].answer(admin, &facts, request, ret_reply));
        }
    }
    return error_trace(answer_text(ret_reply, "unsupported admin verb\n", 2));
}

void admin_reply_deinit(struct admin_reply *reply)
{
    free(reply->body);
    *reply = (struct admin_reply){0};
}

void admin_reply_message(const struct admin_reply *reply, AdminReply *ret_message)
{
    message_init(MESSAGE_ADMIN_REPLY, ret_message);
    ret_message->kind = reply->kind;
    ret_message->body = reply->body;
    ret_message->exit_code = reply->exit_code;
    /* protobuf-c has no const strings; a message that is packed is only read */
    ret_message->content_type = (char *)(uintptr_t)reply->content_type;
}
