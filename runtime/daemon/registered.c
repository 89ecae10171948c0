/* SPDX-License-Identifier: MIT */

/*
 * Before a broker in front of one backend opens its socket, the backend must have proved itself. So the loop runs here
 * with nothing but that question on it, and before with nothing but the search for the definition; who is asked and
 * what counts as a proof is the backends' affair.
 */

#include "daemon/registered.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/sys.h"
#include "service/version_policy.h"
#include "wire/text.h"

struct registration {
    struct broker *broker;
    bool is_done;
    char error[DAEMON_TEXT_MAX]; /* "": none */
};

static void on_registered(void *owner, const char *error)
{
    struct registration *registration = owner;

    registration->is_done = true;
    snprintf(registration->error, sizeof(registration->error), "%s", error ? error : "");
    loop_stop(&registration->broker->loop);
}

/* What became of the search for the definition. */
struct search {
    struct lookup_waiter waiter;
    struct broker *broker;
    int result;
    const struct definition *definition; /* a reference */
    struct store_fault fault;
};

static void on_found(struct lookup_waiter *waiter, int result, const struct definition *definition,
                     const struct store_fault *fault)
{
    struct search *search = (struct search *)(void *)((char *)waiter - offsetof(struct search, waiter));

    search->result = result;
    search->definition = definition ? definition_ref(definition) : NULL;
    search->fault = *fault;
    loop_stop(&search->broker->loop);
}

/* As lookup_get(), but that it waits for the worker. Still LOOKUP_E_WAIT: a signal came first. */
static int look_once(struct broker *broker, struct search *search)
{
    const struct definition *definition = NULL;
    int r;

    *search = (struct search){.waiter.done = on_found, .broker = broker, .result = LOOKUP_E_WAIT};
    r = lookup_get(&broker->lookup, slice_from(broker->config->service), clock_monotonic(), &search->waiter,
                   &definition, &search->fault);
    if (r != LOOKUP_E_WAIT) {
        search->definition = r == 0 ? definition_ref(definition) : NULL;
        return r;
    }
    r = loop_run(&broker->loop);
    lookup_leave(&search->waiter);
    return r < 0 ? error_trace(r) : search->result;
}

/* 0 and a reference in *@ret, or NULL there when a signal came first. */
static int get_definition(struct broker *broker, const struct definition **ret, char ret_text[DAEMON_TEXT_MAX])
{
    const struct daemon_config *config = broker->config;
    struct search search;
    int r;

    if (text_check_name(slice_from(config->service)) != NAME_OK) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "invalid service name \"%.80s\"", config->service);
        return DAEMON_E_FAILED;
    }
    for (unsigned int tries = 0;; tries++) {
        r = look_once(broker, &search);
        if (r != STORE_E_UNSETTLED || tries > STORE_UNSETTLED_TRIES) {
            break;
        }
        (void)sys_poll(NULL, 0, (int)msec_from_nsec(nsec_sub(search.fault.retry_at_nsec, clock_monotonic())));
    }
    if (r < 0) {
        return error_trace(r);
    }
    switch (r) {
    case 0:
    case LOOKUP_E_WAIT:
        *ret = search.definition;
        return 0;
    case STORE_E_NOT_FOUND:
        snprintf(ret_text, DAEMON_TEXT_MAX, "service definition of \"%s\" was not found in %.300s", config->service,
                 config->definition_dir);
        return DAEMON_E_FAILED;
    default:
        snprintf(ret_text, DAEMON_TEXT_MAX, "service definition could not be loaded: %.400s", search.fault.detail);
        return DAEMON_E_FAILED;
    }
}

static int check_version(const struct broker *broker, const struct definition *definition,
                         char ret_text[DAEMON_TEXT_MAX])
{
    struct slice version = slice_from(broker->config->version);
    const char *fault = NULL;

    if (text_check_version(version) != VERSION_OK) {
        fault = "is not a version";
    } else {
        switch (version_policy(definition, version)) {
        case VERSION_ALLOWED:
            return 0;
        case VERSION_BELOW_MIN:
            fault = "is below min_version";
            break;
        case VERSION_NOT_LISTED:
            fault = "is not in version_allow_list";
            break;
        }
    }
    snprintf(ret_text, DAEMON_TEXT_MAX, "version \"%.80s\" %s", broker->config->version, fault);
    return DAEMON_E_FAILED;
}

static int find_instance(struct broker *broker, const struct definition *definition, char ret_text[DAEMON_TEXT_MAX])
{
    const struct daemon_config *config = broker->config;
    int r = instance_resolve(definition, &broker->name);

    if (r) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "service isolation could not be resolved: %s", instance_error_text(r));
        return DAEMON_E_FAILED;
    }
    if (config->has_instance && !instance_equal(&config->instance, &broker->name)) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "service belongs to instance %s, this broker serves %s", broker->name.text,
                 config->instance.text);
        return DAEMON_E_FAILED;
    }
    return 0;
}

static int register_backend(struct broker *broker, const struct definition *definition, char ret_text[DAEMON_TEXT_MAX])
{
    struct registration registration = {.broker = broker};
    const struct external_config external = {
        .definition = definition,
        .instance = &broker->name,
        .service = slice_from(broker->config->service),
        .version = slice_from(broker->config->version),
        .path = broker->config->backend_endpoint,
        .done = on_registered,
        .owner = &registration,
    };
    int r = backends_register_external(&broker->backends, &external);

    if (!r) {
        r = loop_run(&broker->loop);
    }
    if (r < 0) {
        return error_trace(r);
    }
    if (broker->is_interrupted || !*registration.error) {
        return 0;
    }
    snprintf(ret_text, DAEMON_TEXT_MAX, "%s", registration.error);
    return DAEMON_E_FAILED;
}

int registered_start(struct broker *broker, char ret_text[DAEMON_TEXT_MAX])
{
    _cleanup_(definition_unrefp) const struct definition *definition = NULL;
    int r = get_definition(broker, &definition, ret_text);

    if (r || broker->is_interrupted) {
        return r;
    }
    r = check_version(broker, definition, ret_text);
    if (!r) {
        r = find_instance(broker, definition, ret_text);
    }
    return r ? r : register_backend(broker, definition, ret_text);
}
