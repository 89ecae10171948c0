/* SPDX-License-Identifier: MIT */

/* The rig of hello/, compiled into these tests as well. */

#include "unit/hello/rig.c"
