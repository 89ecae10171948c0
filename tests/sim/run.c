/* SPDX-License-Identifier: MIT */

/*
 * rpb-sim: runs seeded schedules, sweeps every call with every errno and every allocation, and replays one seed with
 * its trace. A run is one broker from its start to its end; where it was killed or failed to start because of a fault,
 * a second one must do well in what the first has left. Runs are made in a child process, so that a crash costs one run
 * and names its seed.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <jansson.h>

#include "daemon/daemon.h"
#include "run.h"
#include "world.h"

extern char __start_sim_data[], __stop_sim_data[], __start_sim_bss[], __stop_sim_bss[];
void *sim_malloc(size_t size);
void sim_free(void *memory);
extern char *sim_environment[];

static char *fresh_data;

/* By hand, because a sanitizer keeps guards between the variables; NULL: zeroes. */
__attribute__((no_sanitize("address", "undefined"))) static void put_bytes(char *to, const char *from, size_t size)
{
    typedef unsigned long __attribute__((may_alias, aligned(1))) word;
    size_t i = 0;

    for (; i + sizeof(word) <= size; i += sizeof(word)) {
        *(volatile word *)(void *)(to + i) = from ? *(const word *)(const void *)(from + i) : 0;
    }
    for (; i < size; i++) {
        ((volatile char *)to)[i] = from ? from[i] : 0;
    }
}

/* The product's variables as a new process has them. */
static void restore_data(void)
{
    size_t size = (size_t)(__stop_sim_data - __start_sim_data);

    if (!fresh_data) {
        fresh_data = malloc(size);
        if (!fresh_data) {
            abort();
        }
        put_bytes(fresh_data, __start_sim_data, size);
    }
    put_bytes(__start_sim_data, fresh_data, size);
    put_bytes(__start_sim_bss, NULL, (size_t)(__stop_sim_bss - __start_sim_bss));
}

/* ---------------------------------------------------------------------------------------------------------- one run */

static int count_broker_fds;

static void new_broker(void)
{
    struct sim_file *log = k_file_new(KIND_LOG, O_RDWR);

    restore_data();
    sim.broker = k_proc_new("/usr/bin/broker", 1);
    k_file_release(sim.broker->fds[2].file);
    sim.broker->fds[2].file = log;
    log->n_refs++;
    if (sim.plan.nofile) {
        sim.broker->nofile = (struct rlimit){.rlim_cur = sim.plan.nofile, .rlim_max = sim.plan.nofile};
    }
    count_broker_fds = k_count_fds(sim.broker);
}

static bool no_threads(void *argument)
{
    return sim_threads_alive() == 0;
}

static bool nothing(void *argument)
{
    return false;
}

/* Nothing of what the broker had is left. */
static void check_leaks(void)
{
    int n_fds = k_count_fds(sim.broker);

    if (n_fds != count_broker_fds) {
        for (int fd = 0; fd < SIM_FDS && sim.is_tracing; fd++) {
            if (sim.broker->fds[fd].file) {
                sim_trace("descriptor %d is open, of kind %d", fd, sim.broker->fds[fd].file->kind);
            }
        }
        sim_fail("the broker leaves %d descriptors open", n_fds - count_broker_fds);
    }
    if (sim.live_blocks) {
        sim_fail("the broker leaves %llu blocks of memory", (unsigned long long)sim.live_blocks);
    }
}

/* Runs the product from daemon_run() to its return. True: it ended by itself, whatever it said. */
static bool run_broker(struct world *world)
{
    const bool is_registered = world->scenario == SCENARIO_REGISTERED;
    const struct daemon_config config = {
        .mode = is_registered ? DAEMON_REGISTERED : DAEMON_LAUNCH,
        .service = is_registered ? world_services[0] : NULL,
        .version = is_registered ? "1.0.0" : NULL,
        .backend_endpoint = is_registered ? EXTERNAL : NULL,
        .socket_path = world->socket_path,
        .definition_dir = DEFINITIONS,
        .definition_dir_source = "flag:--service-def-dir",
        .hello_rate_limit = 256,
        .backend_lifetime = world->is_bound_lifetime ? BACKEND_BOUND : BACKEND_DETACHED,
    };
    char text[DAEMON_TEXT_MAX] = "";
    jmp_buf death;
    int r;

    new_broker();
    sim.on_death = &death;
    r = setjmp(death);
    if (r) {
        sim.on_death = NULL;
        sim.is_faulty = false;
        sim_threads_forget();
        sim_heap_reset();
        sim.broker = NULL;
        sim.current = NULL;
        sim.actor = NULL;
        return false;
    }
    sim.current = sim.broker;
    r = daemon_run(&config, text);
    sim.on_death = NULL;
    sim_trace("daemon_run() = %d%s%s", r, *text ? ": " : "", text);
    sim.current = NULL;
    sim.is_faulty = false;
    if (world->was_at_rest && sim.now_nsec > world->term_nsec + SEC) {
        sim_fail("nothing was under way, and SIGTERM took %llu ms",
                 (unsigned long long)((sim.now_nsec - world->term_nsec) / MSEC));
    }
    world->operator->is_done = world->operator->is_done || world->term_nsec; /* what it waited for */
    (void)sim_block(no_threads, NULL, sim.now_nsec + 60 * SEC); /* jobs that were given up come back one day */
    check_leaks();
    check_after_end(world, r != 0);
    k_proc_exit(sim.broker, CLD_EXITED, r != 0);
    return true;
}

/* After the death of everybody: the disk keeps what was synced, or more. */
static void cut_power(struct world *world)
{
    world->has_power_cut = true;
    for (int i = 0; i < sim.n_procs; i++) {
        if (sim.procs[i] != world->operator->proc) {
            k_proc_exit(sim.procs[i], CLD_KILLED, SIGKILL);
        }
    }
    k_power_cut();
    sim.current = world->operator->proc;
    world_make_disk(world); /* what does not survive a boot anyway, and what was installed long ago */
    if (world->scenario == SCENARIO_REGISTERED) {
        backend_external(world, 0, EXTERNAL, BACKEND_GOOD);
    }
    sim.current = NULL;
}

/* Lets the clients see the end of the broker. */
static void settle(struct world *world)
{
    uint64_t deadline = sim.now_nsec + 60 * SEC;

    while (sim.now_nsec < deadline && !*sim.failure) {
        int n_waiting = 0;

        for (int i = 0; i < world->n_clients; i++) {
            n_waiting += !world->clients[i]->actor->is_done;
        }
        if (n_waiting == 0) {
            return;
        }
        (void)sim_block(nothing, NULL, sim.now_nsec + 100 * MSEC);
    }
}

struct world run_world;

const char *run_one(const struct run *run)
{
    struct world *world = &run_world;
    bool has_ended;

    sim_reset(run->seed, &run->plan);
    the_world = world;
    sim.on_spawn = backend_spawned;
    world_init(world, run->scenario, run->is_calm);
    sim.is_faulty = true;
    sim.n_faults = run->plan.nofile != 0; /* too few descriptors is a fault that stays */
    has_ended = run_broker(world);
    for (int restarts = 0; !*sim.failure && (!has_ended || !world->term_nsec); restarts++) {
        /* killed, or it could not start: the next one must */
        if (restarts == 3) {
            sim_fail("the broker cannot be started again");
            break;
        }
        settle(world);
        if (run->plan.is_power_cut && !world->has_power_cut) {
            cut_power(world);
        }
        if (world->term_nsec) {
            break;
        }
        sim.is_faulty = false;
        sim.plan.memory_for_ever = false;
        sim.plan.slow_rate = 0;
        sim.n_faults++; /* not the run of an undisturbed broker any more */
        has_ended = run_broker(world);
    }
    settle(world);
    return *sim.failure ? sim.failure : NULL;
}

void run_draw(uint64_t seed, struct run *ret)
{
    uint64_t dice = seed * UINT64_C(0xD1342543DE82EF95) + 99;
    struct sim_plan *plan = &ret->plan;

    sim.random = dice;
    *ret = (struct run){.seed = seed, .scenario = run_scenario(seed)};
    plan->preempt_rate = (uint32_t)(1 + sim_below(4) * 40);
    plan->short_rate = (uint32_t)(sim_below(3) * 200);
    plan->delay_rate = (uint32_t)(sim_below(3) * 200);
    plan->socket_buffer = sim_chance(1, 4) ? 16 + sim_below(512) : 0;
    plan->is_log_full = sim_chance(1, 16);
    if (sim_chance(1, 2)) {
        plan->n_faults_max = (uint32_t)(sim_chance(1, 8) ? 40 : 1 + sim_below(4));
        plan->lasting_rate = (uint32_t)(sim_below(3) * 200);
        plan->fault_rate = (uint32_t)(64 << sim_below(6));
        plan->memory_rate = sim_chance(1, 2) ? (uint32_t)(64 << sim_below(5)) : 0;
    }
    plan->starve_rate = sim_chance(1, 4) ? (uint32_t)(8 << sim_below(4)) : 0;
    plan->slow_rate = sim_chance(1, 4) ? (uint32_t)(64 << sim_below(4)) : 0;
    plan->nofile = sim_chance(1, 8) ? 32 + sim_below(16) : 0;
    if (sim_chance(1, 16)) {
        plan->kill_at = 1 + sim_below(400);
        plan->is_power_cut = sim_chance(1, 2);
    }
    plan->clock_rate = sim_chance(1, 4) ? (uint32_t)(1 << sim_below(8)) : 0;
}

/* ------------------------------------------------------------------------------------------------- many, in a child */

struct shared {
    uint64_t done, failed, begun;
    struct run run; /* under way */
    char failure[512];
};

static struct shared *shared;

static void print_failure(const struct run *run, const char *what)
{
    printf("FAILED seed %llu scenario %d: %s\n", (unsigned long long)run->seed, run->scenario, what);
    if (run->is_calm) {
        printf("    replay: --calm --scenario %d --seed %llu --fault-at %llu --errno %d --memory-at %llu%s --kill-at "
               "%llu%s --trace\n",
               run->scenario, (unsigned long long)run->seed, (unsigned long long)run->plan.fault_at,
               run->plan.fault_errno, (unsigned long long)run->plan.memory_at,
               run->plan.memory_for_ever ? " --memory-for-ever" : "", (unsigned long long)run->plan.kill_at,
               run->plan.is_power_cut ? " --power-cut" : "");
    } else {
        printf("    replay: make sim SEED=%llu\n", (unsigned long long)run->seed);
    }
    fflush(stdout);
}

static void work_through(bool (*next)(uint64_t index, struct run *ret), uint64_t begin)
{
    struct run run;

    for (uint64_t i = begin; next(i, &run); i++) {
        const char *failure;

        shared->begun = i;
        shared->run = run;
        failure = run_one(&run);
        if (failure) {
            shared->failed++;
            print_failure(&run, failure);
        }
        shared->done = i + 1;
        if (shared->failed >= 20) {
            puts("too many failures, given up");
            break;
        }
    }
}

uint64_t run_many(bool (*next)(uint64_t index, struct run *ret), uint64_t *ret_failed)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        abort();
    }
    for (;;) {
        int status;
        char what[64];
        pid_t pid;

        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            work_through(next, shared->done);
            fflush(stdout);
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
            abort();
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            break;
        }
        snprintf(what, sizeof(what), "the run crashed (%s %d)", WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        shared->failed++;
        print_failure(&shared->run, what);
        shared->done = shared->begun + 1;
        if (shared->failed >= 20) {
            break;
        }
    }
    *ret_failed = shared->failed;
    return shared->done;
}

void run_setup(void)
{
    static char runtime[] = "XDG_RUNTIME_DIR=/run/user/1000", home[] = "HOME=/home/user", path[] = "PATH=/usr/bin";

    json_object_seed(1);
    json_set_alloc_funcs(sim_malloc, sim_free);
    sim_environment[0] = runtime;
    sim_environment[1] = home;
    sim_environment[2] = path;
    restore_data();
}
