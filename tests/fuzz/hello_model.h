/* SPDX-License-Identifier: MIT */
#pragma once

/* What a client that asks the broker must make of its answer (spec 01 §14), said a second time from the whole of it. */

#include "fuzz/peer.h"

enum { HELLO_UNTOLD = -1 }; /* what the step returns is not said */

struct hello_model {
    const struct peer *broker;
    const char *backend_path;
    bool is_heard;    /* the broker has accepted; else it has said nothing */
    bool is_stranger; /* whoever listens runs as another user than is wanted */
    bool is_crowded;  /* the backend's backlog may be full */
    unsigned retries_left;
    uint64_t deadline_nsec;
};

/* What the next step must return; counts a retry. */
int hello_model_step(struct hello_model *model);

/* What the broker has got is one Hello for "tool", or a part of it. */
void hello_model_check(const struct hello_model *model);
