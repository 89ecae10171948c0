/* SPDX-License-Identifier: MIT */

/*
 * Turns options and environment into the path of a socket. Only --socket and its variable name a path; everything else
 * is derived from the user and the instance, in the way in which clients derive it.
 */

#include "cli/endpoint_choice.h"

#include <string.h>

#include "base/env.h"
#include "base/slice.h"
#include "service/identity.h"
#include "wire/text.h"

#define SOCKET_VARIABLE "RUNNING_PROCESS_BROKER_V1_SOCKET"

int endpoint_derive(const struct options *options, const struct instance_id *instance, char ret[ENDPOINT_PATH_SIZE])
{
    char hash[IDENTITY_HASH_SIZE];
    int r = identity_user_hash(hash);

    if (r < 0) {
        fprintf(options->err, "platform identity lookup failed: %s\n", strerror(-r));
        return EXIT_STATUS_FAILED;
    }
    r = instance_socket_path(instance, NULL, hash, ret);
    if (r) {
        fprintf(options->err, "the socket of instance %s cannot be named: %s\n", instance->text,
                endpoint_error_text(r));
        return EXIT_STATUS_FAILED;
    }
    return 0;
}

const char *endpoint_named(const struct options *options)
{
    const char *path = options_get(options, OPTION_SOCKET);

    if (!path) {
        path = env_get(SOCKET_VARIABLE);
        path = path && text_is_utf8(slice_from(path)) ? path : NULL;
    }
    return path;
}

int endpoint_choose(const struct options *options, const struct instance_id *instance, struct endpoint_choice *ret)
{
    const char *path = endpoint_named(options);
    int r;

    ret->instance = *instance;
    ret->path = path;
    ret->is_canonical = !path;
    if (path) {
        return 0;
    }
    r = endpoint_derive(options, instance, ret->canonical);
    ret->path = ret->canonical;
    return r;
}

void endpoint_tell_absent(const struct options *options, const struct endpoint_choice *endpoint)
{
    const char *instance = endpoint->instance.text;
    bool is_shared = !strcmp(instance, "shared");

    fprintf(options->err,
            "no broker is running at %s\n"
            "(to start it: running-process-broker-v1 serve%s%s)\n",
            endpoint->path, is_shared ? "" : " --instance ", is_shared ? "" : instance);
}

int endpoint_instance(const struct options *options, struct instance_id *ret_instance)
{
    const char *text = options_get(options, OPTION_INSTANCE);

    if (instance_parse(text ? text : "shared", ret_instance)) {
        return options_usage_error(options,
                                   "--instance must be shared, private:<service> or explicit:<name>; got \"%s\"", text);
    }
    return 0;
}

int endpoint_command(const struct options *options)
{
    struct instance_id instance;
    char path[ENDPOINT_PATH_SIZE];
    int r = endpoint_instance(options, &instance);

    if (!r) {
        r = endpoint_derive(options, &instance, path);
    }
    if (r) {
        return r;
    }
    fprintf(options->out, "%s\n", path);
    return EXIT_STATUS_OK;
}
