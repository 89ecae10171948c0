/* SPDX-License-Identifier: MIT */

/*
 * The only reader of the environment: an empty variable is no variable, and a number that is none is no number. It
 * keeps nothing, so a test may change the environment between two calls.
 */

#include "base/env.h"

#include <stdlib.h>

enum { ENV_MSEC_MAX = 24 * 60 * 60 * 1000 };

const char *env_get(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

const char *env_get_raw(const char *name)
{
    return getenv(name);
}

static const char *skip_space(const char *text)
{
    while (*text == ' ' || (*text >= '\t' && *text <= '\r')) {
        text++;
    }
    return text;
}

msec_t env_msec(const char *name, msec_t fallback)
{
    const char *text = env_get(name);
    msec_t value = 0;

    if (!text) {
        return fallback;
    }
    text = skip_space(text);
    if (*text < '0' || *text > '9') {
        return fallback;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (msec_t)(*text - '0');
        if (value > ENV_MSEC_MAX) {
            value = ENV_MSEC_MAX;
        }
    }
    return *skip_space(text) == '\0' && value > 0 ? value : fallback;
}
