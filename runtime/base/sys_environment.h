/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Changing the environment, a part of the door to the kernel (sys.h) that only start-up code opens: it is not safe
 * beside threads that read the environment. Reading it is env.h.
 */

#include <stdlib.h>

#include "base/sys_call.h"

static inline int sys_unsetenv(const char *name)
{
    SYS_ONCE(int, unsetenv(name));
}
