/* SPDX-License-Identifier: MIT */
#pragma once

/* How long to wait between two probes of a starting backend (spec 03 §6.4). Arithmetic only. */

#include <stdint.h>

#include "base/clock.h"

/*
 * The pause after @attempt (0-based) failed: 50, 100, 200, 500, 1000, 2000 ms, then 2000 ms for ever, never beyond
 * @ceiling_nsec of time elapsed since the fork. 0: the ceiling is reached.
 */
nsec_t spawn_wait_pause(nsec_t elapsed_nsec, nsec_t ceiling_nsec, uint32_t attempt);

/* The pause before an exec is tried again because the binary was busy: 1, 4, 16, 64, 256 ms for @attempt 0 to 4. */
nsec_t spawn_wait_text_busy(uint32_t attempt);
