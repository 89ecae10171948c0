/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The one door to the kernel. Every call that can fail, block, or tell the time or a random number goes through a
 * wrapper of the same name with sys_ before it, which returns the result or a negative errno; nothing above looks at
 * errno. Interrupted calls are repeated where repeating is right: not close(), whose descriptor is gone whatever it
 * says, nor connect(), poll() and epoll_wait(), whose callers come back by themselves. scripts/lint-layers refuses the
 * bare names elsewhere, so that a test build can put another kernel behind this door.
 */

#include "base/sys_call.h"    /* IWYU pragma: export */
#include "base/sys_file.h"    /* IWYU pragma: export */
#include "base/sys_process.h" /* IWYU pragma: export */
#include "base/sys_socket.h"  /* IWYU pragma: export */
