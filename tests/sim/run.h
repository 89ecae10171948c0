/* SPDX-License-Identifier: MIT */
#pragma once

/* One run and how it is disturbed; many of them. */

#include "world.h"

struct run {
    uint64_t seed;
    enum scenario scenario;
    bool is_calm; /* two plain clients, good backends, nothing drawn but what the plan says */
    struct sim_plan plan;
};

/* Once, before the first run. */
void run_setup(void);

static inline enum scenario run_scenario(uint64_t seed)
{
    return (enum scenario)(seed % SCENARIO_COUNT);
}

/* The run that belongs to @seed. */
void run_draw(uint64_t seed, struct run *ret);

/* NULL: all held; else what did not. */
const char *run_one(const struct run *run);
extern struct world run_world; /* as the last run has left it */

/* outcome.c: a line for each client of a calm run, the same on every kernel: numbers and places that differ are not. */
void outcome_print(const struct run *run, const struct world *world);
/* And which calls the daemon has made. */
void outcome_print_calls(void);

/* durable.c: atomic_file_write() under kills, cuts and errors at every call. The number of runs. */
uint64_t durable_sweep(uint64_t *ret_failed);

/* Makes @next's runs one after the other, in a child process. The number of runs; *@ret_failed of failed ones. */
uint64_t run_many(bool (*next)(uint64_t index, struct run *ret), uint64_t *ret_failed);
