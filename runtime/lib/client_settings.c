/* SPDX-License-Identifier: MIT */

/*
 * The options of the caller, of this library's size or a later one's, and the environment that fills their gaps.
 * Strings go into one arena. What a service or a version may look like is the broker's affair; here only sizes and
 * UTF-8 are judged, without which no Hello could be written.
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

/* Copies @text, or @fallback for NULL; both NULL: NULL. */
static int copy(struct client_settings *settings, const char *text, const char *fallback, const char **ret)
{
    const char *source = text ? text : fallback;
    size_t size;
    char *copied;

    if (!client_text_is_fit(source)) {
        return RPB_CLIENT_E_ARGUMENT;
    }
    if (source) {
        size = strlen(source) + 1;
        copied = arena_alloc(&settings->strings, size);
        if (!copied) {
            return RPB_CLIENT_E_NO_MEMORY;
        }
        source = memcpy(copied, source, size);
    }
    *ret = source;
    return RPB_CLIENT_OK;
}

/*
 * The caller's structure may be shorter than ours (an older program), but not than that of version 1.0, or longer, but
 * then with nothing in what we do not know.
 */
static bool take_options(const struct rpb_client_options *options, struct rpb_client_options *ret)
{
    const size_t least = offsetof(struct rpb_client_options, server_uid) + sizeof(options->server_uid);
    const unsigned char *bytes = (const unsigned char *)options;

    if (!options || options->size < least) {
        return false;
    }
    for (size_t i = sizeof(*ret); i < options->size; i++) {
        if (bytes[i]) {
            return false;
        }
    }
    *ret = (struct rpb_client_options){0};
    memcpy(ret, options, options->size < sizeof(*ret) ? options->size : sizeof(*ret));
    return true;
}

static int copy_strings(struct client_settings *settings, const struct rpb_client_options *o)
{
    const struct {
        const char *text, *fallback;
        const char **ret;
    } texts[] = {
        {o->service, NULL, &settings->service},
        {o->version, NULL, &settings->version},
        {o->broker, NULL, &settings->broker},
        {o->instance, "shared", &settings->instance},
        {o->cached_endpoint, NULL, &settings->cached_endpoint},
        {o->self_version, NULL, &settings->self_version},
        {o->client_version, "", &settings->client_version},
        {o->lib_name, LIB_NAME, &settings->lib_name},
        {o->lib_version, RPB_VERSION, &settings->lib_version},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int r = copy(settings, texts[i].text, texts[i].fallback, texts[i].ret);

        if (r) {
            return r;
        }
    }
    return RPB_CLIENT_OK;
}

int client_settings_init(struct client_settings *settings, const struct rpb_client_options *given)
{
    const unsigned int known_flags = RPB_CLIENT_IGNORE_DISABLE | RPB_CLIENT_SERVER_UID;
    struct rpb_client_options taken;
    const struct rpb_client_options *options = &taken;
    struct instance_id unused;
    int r;

    *settings = (struct client_settings){0};
    if (!take_options(given, &taken) || !options->service || !options->version ||
        options->retries > RPB_CLIENT_RETRIES_MAX || options->in_flight_max > RPB_CLIENT_IN_FLIGHT_MAX ||
        options->flags & ~known_flags) {
        return RPB_CLIENT_E_ARGUMENT;
    }
    arena_init(&settings->strings, NULL, 0, 16 * (TEXT_MAX + 1));
    r = copy_strings(settings, options);
    if (r) {
        return r;
    }
    if (instance_parse(settings->instance, &unused)) {
        return RPB_CLIENT_E_ARGUMENT;
    }
    settings->keepalive_secs = options->keepalive_secs;
    settings->timeout_nsec = client_timeout(
        options->timeout_ms, nsec_from_msec(env_msec(RPB_ENV_CLIENT_TIMEOUT_MS, RPB_CLIENT_TIMEOUT_DEFAULT_MS)));
    settings->retries = options->retries;
    settings->in_flight_max = options->in_flight_max ? options->in_flight_max : RPB_CLIENT_IN_FLIGHT_DEFAULT;
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
        return client_fail(failure, RPB_CLIENT_E_CONFIGURATION, 0,
                           "the socket of instance %s cannot be named: the path %s", settings->instance,
                           endpoint_error_text(r));
    }
    return RPB_CLIENT_OK;
}

int client_settings_broker_path(const struct client_settings *settings, char ret_path[ENDPOINT_PATH_SIZE],
                                struct client_failure *failure)
{
    if (!settings->broker) {
        return derive(settings, ret_path, failure);
    }
    if (strlen(settings->broker) > ENDPOINT_PATH_MAX) {
        return client_fail(failure, RPB_CLIENT_E_BROKER_CONNECT, ENAMETOOLONG, "failed to connect to broker");
    }
    snprintf(ret_path, ENDPOINT_PATH_SIZE, "%s", settings->broker);
    return RPB_CLIENT_OK;
}
