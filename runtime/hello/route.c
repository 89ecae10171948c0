/* SPDX-License-Identifier: MIT */

/*
 * Four stages, one function each, and the first that refuses ends it: what the definition on disk says now, whether
 * the version is allowed, whether this broker serves the service's instance, and what the backends answer. A fault in a
 * definition is the operator's, so it is never told to a client as its own (decision 8). The router decides; it counts,
 * logs and keeps nothing.
 */

#include "hello/route.h"

#include <stdio.h>

#include "base/error.h"
#include "service/version_policy.h"

enum { BLOCKED_RETRY_MS = 30000 };

/* The stage has refused; the reply is filled. */
enum { STAGE_E_REFUSED = 1 };

static int refuse_definition(int fault_code, const struct store_fault *fault, struct route_scratch *scratch,
                             struct reply *ret_reply)
{
    if (fault_code == STORE_E_NOT_FOUND) {
        reply_refuse(ret_reply, ERROR_CODE(SERVICE_UNKNOWN), "service definition was not found", 0);
        return 0;
    }
    snprintf(scratch->reason, sizeof(scratch->reason), "service definition could not be loaded: %s", fault->detail);
    reply_refuse(ret_reply, ERROR_CODE(SERVICE_UNKNOWN), scratch->reason, 0);
    return 0;
}

static int check_policy(const struct definition *definition, const struct hello_exchange *exchange,
                        struct reply *ret_reply)
{
    switch (version_policy(definition, slice_from(exchange->version))) {
    case VERSION_ALLOWED:
        return 0;
    case VERSION_BELOW_MIN:
        reply_refuse(ret_reply, ERROR_CODE(VERSION_BLOCKED), "wanted_version is below min_version", BLOCKED_RETRY_MS);
        break;
    case VERSION_NOT_LISTED:
        reply_refuse(ret_reply, ERROR_CODE(VERSION_BLOCKED), "wanted_version is not in version_allow_list",
                     BLOCKED_RETRY_MS);
        break;
    }
    return STAGE_E_REFUSED;
}

static int check_instance(const struct hello *hello, const struct definition *definition, struct route_scratch *scratch,
                          struct reply *ret_reply, struct instance_id *ret_instance)
{
    int r = instance_resolve(definition, ret_instance);

    if (r != 0) {
        snprintf(scratch->reason, sizeof(scratch->reason), "service isolation could not be resolved: %s",
                 instance_error_text(r));
        reply_refuse(ret_reply, ERROR_CODE(INTERNAL), scratch->reason, 0);
        return STAGE_E_REFUSED;
    }
    if (hello->config.serves != NULL && !instance_equal(ret_instance, &hello->serves)) {
        snprintf(scratch->reason, sizeof(scratch->reason), "service belongs to instance %s, this broker serves %s",
                 ret_instance->text, hello->serves.text);
        reply_refuse(ret_reply, ERROR_CODE(SERVICE_UNKNOWN), scratch->reason, 0);
        return STAGE_E_REFUSED;
    }
    return 0;
}

static int ask_backends(struct hello *hello, struct hello_exchange *exchange, const struct definition *definition,
                        const struct instance_id *instance, struct route_scratch *scratch, struct reply *ret_reply)
{
    const struct backend_request request = {
        .definition = definition,
        .instance = instance,
        .service = slice_from(exchange->service),
        .version = slice_from(exchange->version),
        .traceparent = slice_from(exchange->echo.traceparent),
        .tracestate = slice_from(exchange->echo.tracestate),
        .request_id = slice_from(exchange->request_id),
        .frame_request_id = exchange->echo.request_id,
    };
    int r = backends_ask(hello->config.backends, &request, &exchange->waiter, &scratch->answer);

    if (r == BACKENDS_E_WAIT) {
        return ROUTE_E_WAIT;
    }
    if (r != 0) {
        return error_fold(r);
    }
    route_answer(&scratch->answer, ret_reply);
    return 0;
}

void route_answer(const struct backend_answer *answer, struct reply *ret_reply)
{
    if (answer->ready) {
        ret_reply->code = 0;
        ret_reply->endpoint = answer->endpoint_path;
    } else {
        reply_refuse(ret_reply, answer->code, answer->reason, answer->retry_after_ms);
    }
}

int route_found(struct hello *hello, struct hello_exchange *exchange, int found, const struct definition *definition,
                const struct store_fault *fault, struct route_scratch *scratch, struct reply *ret_reply,
                nsec_t *ret_again_nsec)
{
    struct instance_id instance;
    int r;

    if (found < 0) {
        return error_trace(found);
    }
    if (found == STORE_E_UNSETTLED) {
        *ret_again_nsec = fault->retry_at_nsec;
        return ROUTE_E_UNSETTLED;
    }
    if (found > 0) {
        return refuse_definition(found, fault, scratch, ret_reply);
    }
    r = check_policy(definition, exchange, ret_reply);
    if (r == STAGE_E_REFUSED) {
        return 0;
    }
    r = check_instance(hello, definition, scratch, ret_reply, &instance);
    if (r == STAGE_E_REFUSED) {
        return 0;
    }
    return ask_backends(hello, exchange, definition, &instance, scratch, ret_reply);
}

int route(struct hello *hello, struct hello_exchange *exchange, nsec_t now_nsec, struct route_scratch *scratch,
          struct reply *ret_reply, nsec_t *ret_again_nsec)
{
    const struct slice service = slice_from(exchange->service);
    const struct definition *definition = NULL;
    struct store_fault fault;
    int r;

    if (hello->config.lookup != NULL) {
        r = lookup_get(hello->config.lookup, service, now_nsec, &exchange->looking, &definition, &fault);
    } else {
        r = store_get(hello->config.store, service, now_nsec, &definition, &fault);
    }
    if (r == LOOKUP_E_WAIT) {
        return ROUTE_E_WAIT;
    }
    return route_found(hello, exchange, r, definition, &fault, scratch, ret_reply, ret_again_nsec);
}
