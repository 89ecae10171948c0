/* SPDX-License-Identifier: MIT */
#pragma once

/* What the caller chose, checked and copied, and what the environment says about it. */

#include <sys/types.h>

#include "base/arena.h"
#include "base/clock.h"
#include "lib/client_failure.h"
#include "service/endpoint.h"

struct client_settings {
    struct arena strings; /* holds every string below */
    const char *service, *version, *broker, *instance, *cached_endpoint, *self_version;
    const char *client_version, *lib_name, *lib_version;
    uint64_t keepalive_secs;
    nsec_t timeout_nsec;
    unsigned int retries, in_flight_max, flags;
    uid_t server_uid;
};

/*
 * Copies @options. RPB_CLIENT_OK, E_ARGUMENT with @failure or E_NO_MEMORY; client_settings_deinit() in any case.
 * Without success it is good for nothing but the making of a client that never connects.
 */
int client_settings_init(struct client_settings *settings, const struct rpb_client_options *options,
                         struct client_failure *failure);
void client_settings_deinit(struct client_settings *settings);

/* A duration of the public interface in nanoseconds: 0 is @fallback, and nothing is longer than 24 h. */
nsec_t client_timeout(uint64_t timeout_ms, nsec_t fallback);

/* A string of the public interface: NULL, or short enough and UTF-8. */
bool client_text_is_fit(const char *text);

/* Whether RUNNING_PROCESS_DISABLE lets a broker be used. RPB_CLIENT_OK, E_DISABLED, E_CONFIGURATION with @failure. */
int client_settings_may_use_broker(const struct client_settings *settings, struct client_failure *failure);

/* Path of the broker's socket. RPB_CLIENT_OK; E_BROKER_CONNECT or E_CONFIGURATION with @failure. */
int client_settings_broker_path(const struct client_settings *settings, char ret_path[ENDPOINT_PATH_SIZE],
                                struct client_failure *failure);
