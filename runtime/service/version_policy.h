/* SPDX-License-Identifier: MIT */
#pragma once

/* Which versions of a service a client may ask for (spec 02 §2, 01 §5.3). */

#include "base/slice.h"

struct definition;

enum version_verdict {
    VERSION_ALLOWED,
    VERSION_BELOW_MIN,
    VERSION_NOT_LISTED,
};

/*
 * Judges @wanted, a valid version, by the checked @definition: first the floor (MAJOR.MINOR.PATCH only, digits of any
 * length, the part behind '-' counts for nothing), then the list (byte for byte).
 */
enum version_verdict version_policy(const struct definition *definition, struct slice wanted);

/* Order of the numeric cores of two valid versions: negative, 0 or positive. "007" equals "7". */
int version_compare_core(struct slice a, struct slice b);
