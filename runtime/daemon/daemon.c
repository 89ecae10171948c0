/* SPDX-License-Identifier: MIT */

/*
 * The steps of a broker's life, in their only order: what the process is and may, where things are, what it fronts, who
 * owns the socket, serve, end. Everything that can be refused is refused before the socket exists, so that a client
 * that can connect is served. Nothing is retried here; whoever starts brokers does that.
 */

#include "daemon/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/private_dir.h"
#include "base/sys.h"
#include "daemon/broker.h"
#include "daemon/notify.h"
#include "daemon/registered.h"

/* ------------------------------------------------------------------------------------------------- where things are */

static int name_directory(struct broker *broker, char ret_text[DAEMON_TEXT_MAX])
{
    bool must = broker->config->mode == DAEMON_LAUNCH || !broker->config->socket_path;
    int r = endpoint_dir(broker->runtime_dir);

    if (!r) {
        return 0;
    }
    broker->runtime_dir[0] = 0;
    if (!must) {
        return 0; /* nothing of ours will be there */
    }
    snprintf(ret_text, DAEMON_TEXT_MAX, "the directory of the sockets cannot be named: %s", endpoint_error_text(r));
    return DAEMON_E_FAILED;
}

static int name_socket(struct broker *broker, char ret_text[DAEMON_TEXT_MAX])
{
    const struct daemon_config *config = broker->config;
    int r;

    broker->socket_path = config->socket_path;
    if (config->socket_path) {
        return 0;
    }
    r = instance_socket_path(&config->instance, broker->runtime_dir, broker->user_hash, broker->canonical_path);
    if (r) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "the socket of instance %s in %.300s cannot be used: %s",
                 config->instance.text, broker->runtime_dir, endpoint_error_text(r));
        return DAEMON_E_FAILED;
    }
    broker->socket_path = broker->canonical_path;
    return 0;
}

static int name_everything(struct broker *broker, char ret_text[DAEMON_TEXT_MAX])
{
    int r = 0;

    if (broker->config->mode != DAEMON_ONCE) {
        r = identity_user_hash(broker->user_hash);
        if (r < 0) {
            snprintf(ret_text, DAEMON_TEXT_MAX, "platform identity lookup failed: %s", strerror(-r));
            return DAEMON_E_FAILED;
        }
    }
    r = name_directory(broker, ret_text);
    if (!r) {
        r = name_socket(broker, ret_text);
    }
    /* a broker of all instances calls itself by its mode, as ever; the registered one learns its name later */
    snprintf(broker->name.text, sizeof(broker->name.text), "%s",
             broker->config->has_instance ? broker->config->instance.text : "launch");
    return r;
}

/* Makes one directory of sockets and closes it again; what it is called is all that others need. */
static int make_directory(const char *path, char ret_text[DAEMON_TEXT_MAX])
{
    _cleanup_close_ int fd = -1;
    struct private_dir_report report;
    int r = private_dir_open_broker(path, true, &report, &fd);

    if (r) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "%.500s", report.text);
        return DAEMON_E_FAILED;
    }
    if (report.was_narrowed) {
        log_warn(LOG_CODE_DIRECTORY_NARROWED, "%s had mode %04o and is 0700 now", path, (unsigned int)report.mode);
    }
    return 0;
}

/* The directories in which backends will have their sockets (decision 9b). */
static int make_directories(struct broker *broker, char ret_text[DAEMON_TEXT_MAX])
{
    int r;

    if (broker->config->mode != DAEMON_LAUNCH) {
        return 0;
    }
    r = make_directory(broker->runtime_dir, ret_text);
    broker->backends_dir = broker->runtime_dir;
    if (r || endpoint_path_size(broker->runtime_dir, ENDPOINT_BACKEND, SLICE("00000000000000000000000000000000")) <=
                 ENDPOINT_PATH_MAX) {
        return r;
    }
    endpoint_fallback_dir(broker->fallback_dir);
    broker->backends_dir = broker->fallback_dir;
    log_info(LOG_CODE_BROKER_SETTING, "paths of backends in %s would be too long, they go to %s", broker->runtime_dir,
             broker->fallback_dir);
    return make_directory(broker->fallback_dir, ret_text);
}

/* ------------------------------------------------------------------------------------------------------- the socket */

static int bind_socket(struct broker *broker, char ret_text[DAEMON_TEXT_MAX])
{
    char text[SINGLETON_TEXT_MAX];

    if (broker_bind_socket(broker, text)) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "%.500s", text);
        return DAEMON_E_FAILED;
    }
    singleton_log(&broker->singleton);
    return 0;
}

static void announce(const struct broker *broker)
{
    const struct daemon_config *config = broker->config;

    if (config->mode == DAEMON_LAUNCH && !config->has_instance) {
        log_info(LOG_CODE_BROKER_SETTING, "no --instance was given: services of all instances are served");
    }
    if (config->handoff_endpoint) {
        log_warn(LOG_CODE_BROKER_SETTING,
                 "--handoff-endpoint is accepted but not used: connections are not handed over");
    }
    log_info(LOG_CODE_BROKER_READY, "ready on %s, instance %s, service definitions in %s", broker->socket_path,
             broker->name.text, config->definition_dir ? config->definition_dir : "no directory");
}

/* --------------------------------------------------------------------------------------------------------- its life */

static int prepare_process(struct broker *broker, char ret_text[DAEMON_TEXT_MAX])
{
    char text[STARTUP_TEXT_MAX];
    int r;

    if (startup_check_kernel(text)) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "%.500s", text);
        return DAEMON_E_FAILED;
    }
    startup_set_allocator();
    r = startup_set_limits(&broker->limits);
    if (r < 0) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "limits cannot be set: %s", strerror(-r));
        return DAEMON_E_FAILED;
    }
    return 0;
}

static int build(struct broker *broker, char ret_text[DAEMON_TEXT_MAX])
{
    const enum daemon_mode mode = broker->config->mode;
    int r = prepare_process(broker, ret_text);

    if (!r) {
        r = name_everything(broker, ret_text);
    }
    if (!r) {
        log_set_instance(mode == DAEMON_LAUNCH ? broker->name.text : NULL); /* the others have no name yet, or none */
        r = make_directories(broker, ret_text);
    }
    if (!r) {
        r = broker_init_base(broker);
    }
    if (!r && mode != DAEMON_ONCE) {
        r = broker_init_backends(broker);
    }
    if (!r && mode == DAEMON_REGISTERED) {
        r = registered_start(broker, ret_text);
        log_set_instance(broker->name.text);
    }
    if (!r && !broker->is_interrupted) {
        r = bind_socket(broker, ret_text);
    }
    if (!r && !broker->is_interrupted) {
        r = broker_init_control(broker);
    }
    return r;
}

static int serve(struct broker *broker, char ret_text[DAEMON_TEXT_MAX])
{
    const char *error;
    int r;

    announce(broker);
    (void)notify_send("READY=1");
    if (broker->config->mode == DAEMON_LAUNCH) { /* one in front of one backend has found its definition there */
        lookup_look(&broker->lookup);
    }
    r = loop_run(&broker->loop);
    if (r < 0) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "the loop ended: %s", strerror(-r));
        return DAEMON_E_FAILED;
    }
    error = broker->config->mode == DAEMON_ONCE ? control_first_error(broker->control) : NULL;
    if (error) {
        snprintf(ret_text, DAEMON_TEXT_MAX, "%s", error);
        return DAEMON_E_FAILED;
    }
    return 0;
}

int daemon_run(const struct daemon_config *config, char ret_text[DAEMON_TEXT_MAX])
{
    struct broker *broker = calloc(1, sizeof(*broker));
    int r;

    if (!broker) {
        return error_origin(-ENOMEM);
    }
    log_open(STDERR_FILENO);
    broker->config = config;
    broker->started_nsec = clock_monotonic();
    r = build(broker, ret_text);
    if (!r && !broker->is_interrupted) {
        r = serve(broker, ret_text);
        log_info(LOG_CODE_STOPPED, "stopped serving %s", broker->socket_path);
    }
    broker_deinit(broker);
    free(broker);
    log_close();
    return error_trace(r);
}
