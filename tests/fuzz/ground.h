/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the targets with sockets stand on: time that only they move (the link replaces clock_gettime), one private
 * directory for a run of the program, listeners in it, and a count of what is open.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

enum { GROUND_PATH_SIZE = 64 };

/* What CLOCK_MONOTONIC says. */
extern uint64_t ground_now_nsec;

/* From now on CLOCK_REALTIME goes on from @unix_nsec, as fast as the other. */
void ground_set_unix_time(uint64_t unix_nsec);

/* Puts DIRECTORY/@name into @ret. The directory is made with the first call and removed at the program's end. */
void ground_path(const char *name, char ret[GROUND_PATH_SIZE]);

/* A nonblocking listener at @path. */
int ground_listen(const char *path, int backlog);

/* How many descriptors are open, of the first 64. */
unsigned ground_descriptors(void);

/* Accepts everybody who waits at the listener @fd, and closes them. */
void ground_turn_away(int fd);

/* A connection to the socket at @path that takes a place in its backlog, if there is one. To be closed by the caller.
 */
int ground_crowd(const char *path);

/* Accepts at the listener @fd, passing over those of ground_crowd(). -1: there is nobody else. */
int ground_accept(int fd);
