/* SPDX-License-Identifier: MIT */

/*
 * The options of the caller, of this library's size or a later one's, and the environment that fills their gaps.
 * Strings go into one arena. What a service or a version may look like is the broker's affair; here only sizes and
 * UTF-8 are judged, without which no Hello could be written or sent.
 */

#include "lib/client_settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/sys.h"
#include "service/identity.h"
#include "service/instance.h"
#include "wire/text.h"

#define TEXT_MAX 4095u
#define TIMEOUT_MAX_MSEC (UINT64_C(24) * 60 * 60 * 1000)
#define LIB_NAME "running-process" /* as every client of the protocol says, spec 01 §14.1 */

bool client_text_is_fit(const char *text)
{
    return !text || (strnlen(text, TEXT_MAX + 1) <= TEXT_MAX && text_is_utf8(slice_from(text)));
}

nsec_t client_timeout(uint64_t timeout_ms, nsec_t fallback)
{
    if (!timeout_ms) {
        return fallback;
    }
    return nsec_from_msec(timeout_ms > TIMEOUT_MAX_MSEC ? TIMEOUT_MAX_MSEC : timeout_ms);
}

/*
 * The caller's structure may be shorter than ours (an older program), but not than that of version 1.0, or longer, but
 * then with nothing in what we do not know. What the caller does not have is left as it is in *@ret.
 */
static int take_options(const struct rpb_client_options *options, struct rpb_client_options *ret,
                        struct client_failure *failure)
{
    const size_t least = offsetof(struct rpb_client_options, server_uid) + sizeof(options->server_uid);
    const unsigned char *bytes = (const unsigned char *)options;

    if (!options) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "there are no options");
    }
    if (options->size < least) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0,
                           "option size is %zu; RPB_CLIENT_OPTIONS() or rpb_client_options_init() sets it",
                           options->size);
    }
    for (size_t i = sizeof(*ret); i < options->size; i++) {
        if (bytes[i]) {
            return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0,
                               "an option is set that only a later version of this library knows");
        }
    }
    memcpy(ret, options, options->size < sizeof(*ret) ? options->size : sizeof(*ret));
    return RPB_CLIENT_OK;
}

struct text_option {
    const char *name, *text, *fallback;
    bool is_required;
    const char **ret;
};

/* Copies the text, or its fallback for NULL; both NULL: NULL. */
static int copy(struct client_settings *settings, const struct text_option *option, struct client_failure *failure)
{
    const char *source = option->text ? option->text : option->fallback;
    size_t size;
    char *copied;

    if (!source) {
        return option->is_required
                   ? client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "option %s is missing", option->name)
                   : RPB_CLIENT_OK;
    }
    size = strnlen(source, TEXT_MAX + 1) + 1;
    if (size > TEXT_MAX + 1) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "option %s is longer than %u bytes", option->name,
                           TEXT_MAX);
    }
    if (!client_text_is_fit(source)) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "option %s is not UTF-8", option->name);
    }
    copied = arena_alloc(&settings->strings, size);
    if (!copied) {
        return RPB_CLIENT_E_NO_MEMORY;
    }
    *option->ret = memcpy(copied, source, size);
    return RPB_CLIENT_OK;
}

static int copy_strings(struct client_settings *settings, const struct rpb_client_options *o,
                        struct client_failure *failure)
{
#define TEXT(name, fallback, is_required)                                                                              \
    {                                                                                                                  \
#name, o->name, fallback, is_required, &settings->name                                                         \
    }
    const struct text_option options[] = {
        TEXT(service, NULL, true),       TEXT(version, NULL, true),          TEXT(broker, NULL, false),
        TEXT(instance, "shared", false), TEXT(cached_endpoint, NULL, false), TEXT(self_version, NULL, false),
        TEXT(client_version, "", false), TEXT(lib_name, LIB_NAME, false),    TEXT(lib_version, RPB_VERSION, false),
    };
#undef TEXT

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        int r = copy(settings, &options[i], failure);

        if (r) {
            return r;
        }
    }
    return RPB_CLIENT_OK;
}

/* What is wrong with the options, whose texts are copied already. */
static int judge(const struct client_settings *settings, const struct rpb_client_options *options,
                 struct client_failure *failure)
{
    const unsigned int unknown = options->flags & ~(RPB_CLIENT_IGNORE_DISABLE | RPB_CLIENT_SERVER_UID);
    struct instance_id unused;
    int r = instance_parse(settings->instance, &unused);

    if (r) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "option instance: %s; got \"%s\"", instance_error_text(r),
                           settings->instance);
    }
    if (settings->broker && !*settings->broker) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "option broker is empty");
    }
    if (settings->broker && strlen(settings->broker) > ENDPOINT_PATH_MAX) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "option broker is longer than %u bytes",
                           ENDPOINT_PATH_MAX);
    }
    if (options->retries > RPB_CLIENT_RETRIES_MAX) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "option retries is %u; at most %u", options->retries,
                           RPB_CLIENT_RETRIES_MAX);
    }
    if (options->in_flight_max > RPB_CLIENT_IN_FLIGHT_MAX) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "option in_flight_max is %u; at most %u",
                           options->in_flight_max, RPB_CLIENT_IN_FLIGHT_MAX);
    }
    if (unknown) {
        return client_fail(failure, RPB_CLIENT_E_ARGUMENT, 0, "option flags has unknown bits: 0x%x", unknown);
    }
    return RPB_CLIENT_OK;
}

int client_settings_init(struct client_settings *settings, const struct rpb_client_options *given,
                         struct client_failure *failure)
{
    struct rpb_client_options taken = {0};
    const struct rpb_client_options *options = &taken;
    int r;

    *settings = (struct client_settings){.in_flight_max = RPB_CLIENT_IN_FLIGHT_DEFAULT};
    arena_init(&settings->strings, NULL, 0, 16 * (TEXT_MAX + 1));
    r = take_options(given, &taken, failure);
    r = r ? r : copy_strings(settings, options, failure);
    r = r ? r : judge(settings, options, failure);
    if (r) {
        return r;
    }
    settings->keepalive_secs = options->keepalive_secs;
    settings->timeout_nsec = client_timeout(
        options->timeout_ms, nsec_from_msec(env_msec(RPB_ENV_CLIENT_TIMEOUT_MS, RPB_CLIENT_TIMEOUT_DEFAULT_MS)));
    settings->retries = options->retries;
    if (options->in_flight_max) {
        settings->in_flight_max = options->in_flight_max;
    }
    settings->flags = options->flags;
    settings->server_uid = options->flags & RPB_CLIENT_SERVER_UID ? options->server_uid : sys_getuid();
    return RPB_CLIENT_OK;
}

void client_settings_deinit(struct client_settings *settings)
{
    arena_deinit(&settings->strings);
    *settings = (struct client_settings){0};
}

int client_settings_may_use_broker(const struct client_settings *settings, struct client_failure *failure)
{
    const char *value = settings->flags & RPB_CLIENT_IGNORE_DISABLE ? NULL : env_get_raw(RPB_ENV_DISABLE);

    if (!value) {
        return RPB_CLIENT_OK;
    }
    if (strcmp(value, "1") == 0) {
        return client_fail_plainly(failure, RPB_CLIENT_E_DISABLED);
    }
    return client_fail(failure, RPB_CLIENT_E_CONFIGURATION, 0, RPB_ENV_DISABLE " must be unset or 1, got \"%s\"",
                       value);
}

static int derive(const struct client_settings *settings, char ret_path[ENDPOINT_PATH_SIZE],
                  struct client_failure *failure)
{
    char hash[IDENTITY_HASH_SIZE];
    struct instance_id instance;
    int r = identity_user_hash(hash);

    if (r == -ENOMEM) {
        return client_fail_plainly(failure, RPB_CLIENT_E_NO_MEMORY);
    }
    if (r == -EMFILE || r == -ENFILE) { /* nothing is wrong with the configuration */
        return client_fail(failure, RPB_CLIENT_E_BROKER_CONNECT, -r, "failed to connect to broker");
    }
    if (r < 0) {
        return client_fail(failure, RPB_CLIENT_E_CONFIGURATION, -r, "the user's identity hash cannot be made");
    }
    r = instance_parse(settings->instance, &instance);
    r = r ? ENDPOINT_E_NAME : instance_socket_path(&instance, NULL, hash, ret_path);
    if (r) {
        return client_fail(failure, RPB_CLIENT_E_CONFIGURATION, 0, "the socket of instance %s cannot be named: %s",
                           settings->instance, endpoint_error_text(r));
    }
    return RPB_CLIENT_OK;
}

int client_settings_broker_path(const struct client_settings *settings, char ret_path[ENDPOINT_PATH_SIZE],
                                struct client_failure *failure)
{
    if (!settings->broker) {
        return derive(settings, ret_path, failure);
    }
    snprintf(ret_path, ENDPOINT_PATH_SIZE, "%s", settings->broker);
    return RPB_CLIENT_OK;
}
