/* SPDX-License-Identifier: MIT */
#pragma once

/* Broker instances, the trust domains of services (spec 02 §4, decision 13). */

#include <stdbool.h>

#include "base/slice.h"
#include "service/endpoint.h"

struct definition;

/* "shared", "private:<service>" or "explicit:<name>"; at most 9 + 64 bytes. */
struct instance_id {
    char text[80];
};

enum {
    INSTANCE_E_NAME = 1,  /* service_name or the instance's name is not valid */
    INSTANCE_E_ISOLATION, /* isolation unknown, or EXPLICIT_INSTANCE without explicit_instance */
};

/* Instance that serves @definition. 0 or INSTANCE_E_*. Its text: instance_error_text(). */
int instance_resolve(const struct definition *definition, struct instance_id *ret_id);

/* Reads what an operator writes after --instance: shared, private:<service>, explicit:<name>. 0 or INSTANCE_E_NAME. */
int instance_parse(const char *text, struct instance_id *ret_id);

bool instance_equal(const struct instance_id *a, const struct instance_id *b);

/* Class of the instance's control socket, and the name in it (a view into @id; empty for shared). */
enum endpoint_class instance_endpoint(const struct instance_id *id, struct slice *ret_name);

/* Path of the control socket that clients of the instance derive; codes as endpoint_path(). @dir may be NULL. */
int instance_socket_path(const struct instance_id *id, const char *dir, const char *hash,
                         char ret_path[ENDPOINT_PATH_SIZE]);

/* The code as a clause for the operator; static. */
const char *instance_error_text(int code);
