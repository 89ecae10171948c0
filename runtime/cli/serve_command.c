/* SPDX-License-Identifier: MIT */

/*
 * Turns the command lines of the serve modes into a daemon's configuration. Every value is judged here, in the order
 * and with the texts that scripts know, before anything is touched; then the daemon runs in this process.
 */

#include "cli/serve_command.h"

#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/sys.h"
#include "cli/number.h"
#include "daemon/daemon.h"
#include "daemon/startup.h"
#include "hello/rate_limit.h"
#include "service/definition_dir.h"

#define ALLOW_PRIVILEGED "RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED"
#define HELLO_RATE_LIMIT "RUNNING_PROCESS_BROKER_HELLO_RATE_LIMIT"

/* ---------------------------------------------------------------------------------------------------------- options */

static int take_max_connections(const struct options *options, struct daemon_config *config)
{
    const char *text = options_get(options, OPTION_MAX_CONNECTIONS);

    if (!text) {
        return 0;
    }
    if (!number_parse(text, &config->max_connections)) {
        return options_usage_error(options, "--max-connections must be a positive integer, got \"%s\"", text);
    }
    if (!config->max_connections) {
        return options_usage_error(options, "--max-connections must be greater than zero");
    }
    return 0;
}

static int take_rate_limit(const struct options *options, struct daemon_config *config)
{
    const char *text = options_get(options, OPTION_HELLO_RATE_LIMIT), *variable = env_get(HELLO_RATE_LIMIT);
    uint64_t limit;

    config->hello_rate_limit = RATE_LIMIT_DEFAULT;
    if (text && (!number_parse(text, &limit) || limit > UINT32_MAX)) {
        return options_usage_error(options, "--hello-rate-limit must be an integer from 0 to %u, got \"%s\"",
                                   UINT32_MAX, text);
    }
    /* a variable that is no number counts as unset, as those of the deadlines do */
    if (text || (variable && number_parse(variable, &limit) && limit <= UINT32_MAX)) {
        config->hello_rate_limit = (uint32_t)limit;
    }
    return 0;
}

static int take_lifetime(const struct options *options, struct daemon_config *config)
{
    const char *text = options_get(options, OPTION_BACKEND_LIFETIME);

    config->backend_lifetime = text && !strcmp(text, "bound") ? BACKEND_BOUND : BACKEND_DETACHED;
    if (text && strcmp(text, "bound") != 0 && strcmp(text, "detached") != 0) {
        return options_usage_error(options, "--backend-lifetime must be bound or detached; got \"%s\"", text);
    }
    return 0;
}

static int take_definition_dir(const struct options *options, struct daemon_config *config, char *dir)
{
    int r = definition_dir_resolve(options_get(options, OPTION_SERVICE_DEF_DIR), dir, &config->definition_dir_source);

    if (r) {
        return options_usage_error(options, "%s", definition_dir_error_text(r));
    }
    config->definition_dir = dir;
    return 0;
}

/* @serves_shared: without --instance the broker is the shared one; else it then serves every instance. */
static int take_instance(const struct options *options, struct daemon_config *config, bool serves_shared)
{
    config->has_instance = serves_shared || options_has(options, OPTION_INSTANCE);
    return endpoint_instance(options, &config->instance);
}

static int take_required(const struct options *options, enum option option, const char **ret_value)
{
    *ret_value = options_get(options, option);
    if (!*ret_value) {
        return options_usage_error(options, "%s is required for %s", option_spelling(option), options->command->name);
    }
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- running */

static int serve(const struct options *options, const struct daemon_config *config, const char *mode)
{
    char text[DAEMON_TEXT_MAX] = "";
    int r = daemon_run(config, text);

    if (r < 0) {
        snprintf(text, sizeof(text), "%s", strerror(-r));
    }
    if (r) {
        fprintf(options->err, "%s failed: %s\n", mode, text);
        return EXIT_STATUS_FAILED;
    }
    return EXIT_STATUS_OK;
}

static int check_ids(const struct options *options)
{
    char text[STARTUP_TEXT_MAX];

    if (startup_check_ids(sys_getuid(), sys_geteuid(), env_get(ALLOW_PRIVILEGED), text)) {
        fprintf(options->err, "%s\n", text);
        return EXIT_STATUS_FAILED;
    }
    return 0;
}

static int serve_launching(const struct options *options, const char *mode)
{
    struct daemon_config config = {.mode = DAEMON_LAUNCH};
    char dir[DEFINITION_DIR_SIZE];
    int r = check_ids(options);

    config.socket_path = options->n_operands ? options->operands[0] : NULL;
    if (!r) {
        r = take_max_connections(options, &config);
    }
    if (!r) {
        r = take_instance(options, &config, !config.socket_path);
    }
    if (!r) {
        r = take_rate_limit(options, &config);
    }
    if (!r) {
        r = take_lifetime(options, &config);
    }
    if (!r) {
        r = take_definition_dir(options, &config, dir);
    }
    return r ? r : serve(options, &config, mode);
}

int serve_command(const struct options *options)
{
    const char *named = options_get(options, OPTION_SOCKET);

    if (named && !options->n_operands) { /* else --socket is ignored, as the other serve modes do: the operand counts */
        return options_usage_error(options, "serve takes its socket without --socket: serve '%s'", named);
    }
    return serve_launching(options, "serve");
}

int serve_launch_command(const struct options *options)
{
    return serve_launching(options, "serve-launch");
}

int serve_registered_command(const struct options *options)
{
    struct daemon_config config = {.mode = DAEMON_REGISTERED, .socket_path = options->operands[0]};
    char dir[DEFINITION_DIR_SIZE];
    int r = check_ids(options);

    if (!r) {
        r = take_required(options, OPTION_SERVICE, &config.service);
    }
    if (!r) {
        r = take_required(options, OPTION_VERSION, &config.version);
    }
    if (!r) {
        r = take_required(options, OPTION_BACKEND_ENDPOINT, &config.backend_endpoint);
    }
    if (!r) {
        r = take_max_connections(options, &config);
    }
    if (!r) {
        r = take_instance(options, &config, false);
    }
    if (!r) {
        r = take_rate_limit(options, &config);
    }
    if (!r) {
        r = take_definition_dir(options, &config, dir);
    }
    if (!r && !*config.backend_endpoint) {
        fputs("serve failed: backend endpoint must not be empty\n", options->err);
        r = EXIT_STATUS_FAILED;
    }
    config.handoff_endpoint = options_get(options, OPTION_HANDOFF_ENDPOINT);
    return r ? r : serve(options, &config, "serve");
}

int serve_once_command(const struct options *options)
{
    struct daemon_config config = {.mode = DAEMON_ONCE, .socket_path = options->operands[0], .max_connections = 1};
    int r = check_ids(options);

    return r ? r : serve(options, &config, "serve-once");
}
