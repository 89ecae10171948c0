/* SPDX-License-Identifier: MIT */

/* The command line of rpb-sim: which runs are made. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run.h"

static struct run single;
static bool has_seed;
static uint64_t first_seed = 1, count = 2000;

/* ------------------------------------------------------------------------------------------------------------ seeds */

static bool next_seed(uint64_t index, struct run *ret)
{
    if (index >= count) {
        return false;
    }
    run_draw(first_seed + index, ret);
    return true;
}

/* -------------------------------------------------------------------------------------------------------- the sweeps
 */

struct sweep_entry {
    enum scenario scenario;
    uint64_t at;
    int error;
    bool is_for_ever, is_kill, is_cut;
};

static struct sweep_entry *sweep;
static size_t n_sweep, sweep_capacity;

static void add(struct sweep_entry entry)
{
    if (n_sweep == sweep_capacity) {
        sweep_capacity = sweep_capacity ? sweep_capacity * 2 : 1024;
        sweep = realloc(sweep, sweep_capacity * sizeof(*sweep));
        if (!sweep) {
            abort();
        }
    }
    sweep[n_sweep++] = entry;
}

static struct run calm(enum scenario scenario)
{
    return (struct run){.seed = 1, .scenario = scenario, .is_calm = true};
}

static void measure(enum scenario scenario)
{
    const struct run run = calm(scenario);
    const char *failure = run_one(&run);

    if (failure) {
        printf("FAILED scenario %d undisturbed: %s\n", scenario, failure);
        exit(1);
    }
}

static void plan_errnos(void)
{
    for (int scenario = 0; scenario < SCENARIO_COUNT; scenario++) {
        measure((enum scenario)scenario);
        for (uint64_t at = 1; at <= sim.n_calls; at++) {
            for (const int *error = sim_call_errnos(sim.calls[at - 1]); *error; error++) {
                add((struct sweep_entry){.scenario = (enum scenario)scenario, .at = at, .error = *error});
            }
        }
    }
}

static void plan_allocations(void)
{
    for (int scenario = 0; scenario < SCENARIO_COUNT; scenario++) {
        measure((enum scenario)scenario);
        for (uint64_t at = 1; at <= sim.n_allocations; at++) {
            add((struct sweep_entry){.scenario = (enum scenario)scenario, .at = at});
            add((struct sweep_entry){.scenario = (enum scenario)scenario, .at = at, .is_for_ever = true});
        }
    }
}

static void plan_crashes(void)
{
    for (int scenario = 0; scenario < SCENARIO_COUNT; scenario++) {
        measure((enum scenario)scenario);
        for (uint64_t at = 1; at <= sim.n_calls; at++) {
            add((struct sweep_entry){.scenario = (enum scenario)scenario, .at = at, .is_kill = true});
            add((struct sweep_entry){.scenario = (enum scenario)scenario, .at = at, .is_kill = true, .is_cut = true});
        }
    }
}

static bool next_in_sweep(uint64_t index, struct run *ret)
{
    const struct sweep_entry *entry = &sweep[index];

    if (index >= n_sweep) {
        return false;
    }
    *ret = calm(entry->scenario);
    if (entry->is_kill) {
        ret->plan.kill_at = entry->at;
        ret->plan.is_power_cut = entry->is_cut;
    } else if (entry->error) {
        ret->plan.fault_at = entry->at;
        ret->plan.fault_errno = entry->error;
    } else {
        ret->plan.memory_at = entry->at;
        ret->plan.memory_for_ever = entry->is_for_ever;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- reports */

static uint64_t total_failed, total_done;

static void make_runs(const char *what, bool (*next)(uint64_t index, struct run *ret))
{
    struct timespec begin, end;
    uint64_t failed, done;
    double seconds;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    done = run_many(next, &failed);
    clock_gettime(CLOCK_MONOTONIC, &end);
    seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%s: %llu runs in %.1f s (%.0f a second), %llu failed\n", what, (unsigned long long)done, seconds,
           (double)done / (seconds > 0 ? seconds : 1), (unsigned long long)failed);
    total_failed += failed;
    total_done += done;
}

static int replay(bool prints_outcome, bool prints_calls)
{
    const char *failure;
    uint64_t hash;

    if (!single.is_calm) {
        run_draw(first_seed, &single);
    }
    failure = run_one(&single);
    if (prints_outcome && !failure) {
        outcome_print(&single, &run_world);
        if (prints_calls) {
            outcome_print_calls();
        }
        return 0;
    }
    printf("seed %llu, scenario %d: %s\n", (unsigned long long)single.seed, single.scenario,
           failure ? failure : "all held");
    hash = sim.hash;
    sim.is_tracing = false;
    (void)run_one(&single);
    if (hash != sim.hash) {
        puts("a second run of the same seed went another way");
        return 1;
    }
    return failure != NULL;
}

/* Ends the program where @text is no number: a seed that was mistyped must not look as if it had passed. */
static uint64_t number(const char *text)
{
    char *end;
    uint64_t n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno) {
        fprintf(stderr, "\"%s\" is no number\n", text);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    bool sweeps_errnos = false, sweeps_memory = false, sweeps_crashes = false, prints_outcome = false,
         prints_calls = false;

    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!strcmp(name, "--trace")) {
            sim.is_tracing = true;
        } else if (!strcmp(name, "--errno-sweep")) {
            sweeps_errnos = true;
        } else if (!strcmp(name, "--alloc-sweep")) {
            sweeps_memory = true;
        } else if (!strcmp(name, "--crash-sweep")) {
            sweeps_crashes = true;
        } else if (!strcmp(name, "--outcome")) {
            prints_outcome = true;
        } else if (!strcmp(name, "--calls")) {
            prints_calls = true;
        } else if (!strcmp(name, "--power-cut")) {
            single.plan.is_power_cut = true;
        } else if (!strcmp(name, "--calm")) {
            single.is_calm = true;
        } else if (!strcmp(name, "--memory-for-ever")) {
            single.plan.memory_for_ever = true;
        } else if (value && ++i) {
            uint64_t n = number(value);

            if (!strcmp(name, "--count")) {
                count = n;
            } else if (!strcmp(name, "--seed")) {
                first_seed = single.seed = n;
                has_seed = true;
            } else if (!strcmp(name, "--scenario")) {
                single.scenario = (enum scenario)n;
            } else if (!strcmp(name, "--fault-at")) {
                single.plan.fault_at = n;
            } else if (!strcmp(name, "--errno")) {
                single.plan.fault_errno = (int)n;
            } else if (!strcmp(name, "--memory-at")) {
                single.plan.memory_at = n;
            } else if (!strcmp(name, "--kill-at")) {
                single.plan.kill_at = n;
            } else {
                fprintf(stderr, "rpb-sim: what is %s?\n", name);
                return 2;
            }
        } else {
            fprintf(stderr,
                    "usage: rpb-sim [--count N] [--seed S] [--trace] [--errno-sweep] [--alloc-sweep] [--crash-sweep]\n"
                    "       rpb-sim --calm --scenario N [--seed S] [--fault-at N --errno E] [--memory-at N "
                    "[--memory-for-ever]] [--kill-at N [--power-cut]] [--trace] [--outcome [--calls]]\n");
            return 2;
        }
    }
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    run_setup();
    if (sim.is_tracing || single.is_calm) {
        return replay(prints_outcome, prints_calls);
    }
    if (sweeps_errnos) {
        plan_errnos();
        make_runs("errno sweep", next_in_sweep);
    }
    n_sweep = 0;
    if (sweeps_memory) {
        plan_allocations();
        make_runs("allocation sweep", next_in_sweep);
    }
    n_sweep = 0;
    if (sweeps_crashes) {
        uint64_t failed, done = durable_sweep(&failed);

        printf("atomic files: %llu runs, %llu failed\n", (unsigned long long)done, (unsigned long long)failed);
        total_done += done;
        total_failed += failed;
        plan_crashes();
        make_runs("crash sweep", next_in_sweep);
    }
    if (count && (has_seed || !(sweeps_errnos || sweeps_memory || sweeps_crashes))) {
        make_runs("seeds", next_seed);
    }
    printf("%llu passed, %llu failed\n", (unsigned long long)(total_done - total_failed),
           (unsigned long long)total_failed);
    return total_failed != 0 || total_done == 0;
}
