/* SPDX-License-Identifier: MIT */
#pragma once

/* A place for a control socket, and what can be seen of it from outside. */

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/singleton.h"

struct place {
    char directory[200], path[256], lock_path[270];
};

/* Another one, whose directory is not there yet. */
void place_fresh(struct place *place);

/* singleton_bind() there, with little patience. */
int place_bind(const struct place *place, struct singleton *singleton, char text[SINGLETON_TEXT_MAX]);

/* Whether somebody listens at @at: 0, or the negative errno of connect(). */
int place_connect(const char *at);

/* Whether anything is at @at, and its permissions (0: nothing is). */
bool place_has(const char *at);
mode_t place_mode_of(const char *at);
