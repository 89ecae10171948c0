/* SPDX-License-Identifier: MIT */
#pragma once

/* Which socket a command means. */

#include <stdbool.h>

#include "cli/options.h"
#include "service/instance.h"

struct endpoint_choice {
    struct instance_id instance; /* whose socket is the canonical one */
    char canonical[ENDPOINT_PATH_SIZE];
    const char *path;  /* the socket; points into `canonical`, the options or the environment */
    bool is_canonical; /* nobody named one */
};

/* --socket, else RUNNING_PROCESS_BROKER_V1_SOCKET (empty or not UTF-8: not set), else NULL. Borrowed. */
const char *endpoint_named(const struct options *options);

/*
 * endpoint_named(), else the canonical socket of @instance. 0, or EXIT_STATUS_FAILED after telling options->err why no
 * canonical path can be derived.
 */
int endpoint_choose(const struct options *options, const struct instance_id *instance, struct endpoint_choice *ret);

/* Tells options->err that nobody listens at the canonical socket @endpoint, and how to change that. */
void endpoint_tell_absent(const struct options *options, const struct endpoint_choice *endpoint);

/* The canonical socket of @instance, whatever else is set. As above. */
int endpoint_derive(const struct options *options, const struct instance_id *instance, char ret[ENDPOINT_PATH_SIZE]);

/* The value of --instance, "shared" without one. 0 or EXIT_STATUS_USAGE, told. */
int endpoint_instance(const struct options *options, struct instance_id *ret_instance);

/* `endpoint [--instance …]`: prints the path. */
int endpoint_command(const struct options *options);
