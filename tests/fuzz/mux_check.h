/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/slice.h"
#include "rpb/backend.h"

/* Gives @bytes to rpb_backend_mux_classify(), as a whole and in growing parts. */
void mux_check(const struct rpb_backend_mux *mux, struct slice bytes);
