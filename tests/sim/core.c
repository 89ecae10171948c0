/* SPDX-License-Identifier: MIT */

/*
 * The run: its seed, its clock, and who goes next. Whoever of the actors and threads can run is drawn by
 * the seed; time stands still while anybody can, and then jumps to the next moment that somebody waits for. A call of
 * the broker costs a microsecond. Nothing here depends on an address, the real clock or the environment, so a seed is a
 * run. It knows no scenario.
 */

#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    CALLS_MAX = 60000, /* of a broker in one run; more is a loop that spins */
    CALL_COST_NSEC = 1000,
};

static const int *const call_errnos[] = {
#define SIM_TAKE(name)
#define SIM_CALL(name, ...) (const int[]){__VA_ARGS__ __VA_OPT__(, ) 0},
#include "calls.def"
#undef SIM_CALL
#undef SIM_TAKE
};

const int *sim_call_errnos(enum sim_call call)
{
    return call_errnos[call];
}

/* ------------------------------------------------------------------------------------------------------ a fresh run */

void sim_reset(uint64_t seed, const struct sim_plan *plan)
{
    bool is_tracing = sim.is_tracing;

    sim_threads_forget();
    sim_heap_reset();
    sim_forget();
    memset(&sim, 0, offsetof(struct sim, calls));
    sim.is_tracing = is_tracing;
    sim.seed = seed;
    sim.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    sim.draws = draw_stream(0);
    sim.now_nsec = sim.start_nsec = 1000 * SEC;
    sim.unix_nsec = UINT64_C(1750000000) * SEC;
    sim.hash = UINT64_C(14695981039346656037);
    if (plan) {
        sim.plan = *plan;
    }
    sim.root = k_inode_new(S_IFDIR | 0755);
    sim.root->uid = 0;
    sim.root->n_links = 2;
    sim.root->parent = sim.root;
}

/* -------------------------------------------------------------------------------------------------- calls, faults */

static int pick_errno(enum sim_call call)
{
    const int *errnos = call_errnos[call];
    int n = 0;

    while (errnos[n]) {
        n++;
    }
    return n ? errnos[sim_below((uint64_t)n)] : 0;
}

/* What tells to try again at once does not stay. */
static bool can_last(int error)
{
    return error != EINTR && error != EAGAIN && error != ECONNABORTED && error != EPROTO;
}

static int fault_of(enum sim_call call)
{
    int error = 0;

    if (!sim.is_faulty) {
        return 0;
    }
    sim.n_calls++;
    if (sim.n_calls <= sizeof(sim.calls) / sizeof(sim.calls[0])) {
        sim.calls[sim.n_calls - 1] = call;
    }
    if (sim.plan.kill_at == sim.n_calls && !sim_in_thread()) {
        sim_trace("%s at call %llu, %s()", sim.plan.is_power_cut ? "the power is cut" : "the broker is killed",
                  (unsigned long long)sim.n_calls, sim_call_name(call));
        k_proc_signal(sim.broker, SIGKILL);
    }
    if (sim.plan.fault_at == sim.n_calls) {
        error = sim.plan.fault_errno;
    } else if (sim.plan.fault_rate > 0 && sim.n_faults < sim.plan.n_faults_max &&
               sim_chance(sim.plan.fault_rate, 65536)) {
        error = pick_errno(call);
    }
    if (!error && sim.lasting_errno && call == sim.fault_call && sim.now_nsec < sim.lasting_nsec) {
        return sim.lasting_errno;
    }
    if (error) {
        sim.n_faults++;
        sim.fault_call = call;
        sim_trace("FAULT %s() at call %llu: %s", sim_call_name(call), (unsigned long long)sim.n_calls,
                  strerrorname_np(error));
        sim.lasting_errno = 0;
        if (can_last(error) && sim_chance(sim.plan.lasting_rate, 1024)) {
            sim.lasting_errno = error;
            sim.lasting_nsec = sim.now_nsec + 5 * SEC;
            sim_trace("and so it will for 5 s");
        }
    }
    return error;
}

uint64_t sim_unix_nsec(void)
{
    return sim.unix_nsec + sim.now_nsec;
}

static void set_clock(void)
{
    const uint64_t day_nsec = UINT64_C(86400) * SEC;

    sim.unix_nsec = UINT64_C(1750000000) * SEC + sim_below(2 * day_nsec) - day_nsec;
    sim_trace("the time of day is set to %llu s", (unsigned long long)(sim_unix_nsec() / SEC));
}

static void pass_time(enum sim_call call)
{
    sim.seen[sim_in_thread()][call] = 1;
    sim.now_nsec += CALL_COST_NSEC;
    if (++sim.n_calls_total > CALLS_MAX) {
        sim_fail("the broker makes more than %d calls, %s() the last of them: it spins", CALLS_MAX,
                 sim_call_name(call));
        sim_trace("given up");
        if (sim.on_death) {
            longjmp(*sim.on_death, 2);
        }
    }
    if (sim.plan.clock_rate > 0 && sim_chance(sim.plan.clock_rate, 1024)) {
        set_clock();
    }
    if (sim_chance(sim.plan.preempt_rate, 1024)) {
        if (sim_in_thread()) {
            sim_thread_yield();
        } else {
            (void)sim_run_one();
        }
    }
}

static bool is_product(void)
{
    return sim.broker && sim.current == sim.broker;
}

int sim_enter(enum sim_call call)
{
    if (!is_product()) {
        return 0;
    }
    pass_time(call);
    return fault_of(call);
}

int sim_enter_safely(enum sim_call call)
{
    if (is_product()) {
        pass_time(call);
    }
    return 0;
}

long sim_leave(enum sim_call call, long result, const char *what, long argument)
{
    if (sim.current == sim.broker && sim.broker) {
        sim_mix((uint64_t)call << 32 ^ (uint64_t)result ^ sim.now_nsec);
        if (sim.is_tracing) {
            if (result < 0) {
                sim_trace("%s%s(%s%s%ld) = -%s", sim_in_thread() ? "[worker] " : "", sim_call_name(call),
                          what ? what : "", what ? ", " : "", argument, strerrorname_np((int)-result));
            } else if (call != CALL_clock_gettime) {
                sim_trace("%s%s(%s%s%ld) = %ld", sim_in_thread() ? "[worker] " : "", sim_call_name(call),
                          what ? what : "", what ? ", " : "", argument, result);
            }
        }
    }
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/* ---------------------------------------------------------------------------------------------------- who is next */

static bool can_run(const struct sim_actor *actor)
{
    struct sim_file *file;

    if (actor->is_done || !actor->proc->is_alive) {
        return false;
    }
    if (actor->wake_nsec <= sim.now_nsec) {
        return true;
    }
    file = actor->wait_fd >= 0 ? k_file_of(actor->proc, actor->wait_fd) : NULL;
    return file && k_ready(file) & (actor->wait_events | POLLHUP | POLLERR);
}

static void step(struct sim_actor *actor)
{
    struct sim_proc *before = sim.current;
    struct sim_actor *actor_before = sim.actor;

    sim.current = actor->proc;
    sim.actor = actor;
    sim_mix((uint64_t)actor->proc->pid << 20 ^ sim.now_nsec);
    actor->step(actor);
    sim.current = before;
    sim.actor = actor_before;
}

bool sim_run_one(void)
{
    int runnable[SIM_ACTORS], threads[SIM_THREADS], n = 0, n_threads, chosen;

    for (int i = 0; i < sim.n_actors; i++) {
        if (can_run(sim.actors[i])) {
            runnable[n++] = i;
        }
    }
    n_threads = sim_in_thread() ? 0 : sim_threads_runnable(threads);
    if (n + n_threads == 0) {
        return false;
    }
    chosen = (int)sim_below((uint64_t)(n + n_threads));
    if (chosen < n) {
        step(sim.actors[runnable[chosen]]);
    } else {
        sim_thread_run(threads[chosen - n]);
    }
    return true;
}

static uint64_t next_moment(uint64_t deadline_nsec)
{
    uint64_t next = sim_threads_next();

    if (next < deadline_nsec) {
        deadline_nsec = next;
    }
    for (int i = 0; i < sim.n_actors; i++) {
        const struct sim_actor *actor = sim.actors[i];

        if (!actor->is_done && actor->proc->is_alive && actor->wake_nsec < deadline_nsec) {
            deadline_nsec = actor->wake_nsec;
        }
    }
    return deadline_nsec;
}

/* The machine has others to serve: the broker could go on, and does not for a while, and the world does. */
static void starve(void)
{
    uint64_t until = sim.now_nsec + sim_below(100 * MSEC);

    while (sim.now_nsec < until) {
        if (!sim_run_one()) {
            sim.now_nsec = next_moment(until);
        }
    }
}

bool sim_block(bool (*is_ready)(void *argument), void *argument, uint64_t deadline_nsec)
{
    uint64_t next;

    for (;;) {
        if (is_ready(argument)) {
            if (sim_chance(sim.plan.delay_rate, 1024) && sim_run_one()) {
                continue;
            }
            if (is_product() && sim.on_death && sim_chance(sim.plan.starve_rate, 1024)) {
                starve();
            }
            return true;
        }
        if (sim.now_nsec >= deadline_nsec) {
            return false;
        }
        if (sim_run_one()) {
            continue;
        }
        next = next_moment(deadline_nsec);
        if (next == NEVER) {
            sim_fail("everybody waits for ever");
            if (sim.on_death) {
                longjmp(*sim.on_death, 2);
            }
            return false;
        }
        if (next > sim.now_nsec) {
            sim.now_nsec = next;
        }
    }
}
