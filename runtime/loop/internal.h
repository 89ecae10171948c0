/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the loop share among themselves. Nobody else includes this. */

#include "loop/loop.h"

/* Calls the hook that empties queues. */
static inline void loop_call_after(struct loop *loop)
{
    if (loop->after) {
        loop->after(loop->after_userdata);
    }
}

/* io.c: brings the epoll instance up to date; fills @polls and @ret_ios with what poll() is to watch. Returns how many.
 */
struct loop_watch {
    uint32_t slot, generation;
};
uint32_t loop_io_prepare(struct loop *loop, struct pollfd *polls, struct loop_watch *watches);

/* io.c: dispatches what poll() has found. */
void loop_io_dispatch(struct loop *loop, const struct pollfd *polls, const struct loop_watch *watches, uint32_t n);

void loop_io_deinit(struct loop *loop);

/* timer.c: runs what is due. */
void loop_timer_dispatch(struct loop *loop);
void loop_timer_deinit(struct loop *loop);

/* worker.c */
void loop_worker_deinit(struct loop *loop);
