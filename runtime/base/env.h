/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/clock.h"

/* The variable's value, borrowed from the environment; NULL when it is unset or empty. */
const char *env_get(const char *name);

/* The same for the few variables in which an empty value means something: NULL only when it is unset. */
const char *env_get_raw(const char *name);

/*
 * A duration in milliseconds: surrounding white space is trimmed, the rest must be a decimal number above 0; anything
 * else, or no variable, is @fallback. Capped at 24 h, digits without end included.
 */
msec_t env_msec(const char *name, msec_t fallback);
