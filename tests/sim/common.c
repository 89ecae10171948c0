/* SPDX-License-Identifier: MIT */

/*
 * What the scripted world needs whichever kernel it lives on: memory that is forgotten as a whole, dice, the trace, the
 * first failure, and when an actor goes on. Each actor draws from dice of its own, so that one seed is the same
 * clients, backends and operator on the simulated kernel and on the real one, whoever is quicker there.
 */

#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct sim sim;

#define ARENA_SIZE ((size_t)256 << 20)

static uint8_t *arena;
static size_t arena_used;

static const char *const call_names[] = {
#define SIM_CALL(name, ...) #name,
#define SIM_TAKE(name)
#include "calls.def"
#undef SIM_CALL
};
#undef SIM_TAKE

const char *sim_call_name(enum sim_call call)
{
    return call_names[call];
}

/* -------------------------------------------------------------------------------------------------------- memory */

void *sim_new(size_t size)
{
    uint8_t *memory;

    if (!arena) {
        arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    size = (size + 15) & ~(size_t)15;
    if (arena == MAP_FAILED || arena_used + size > ARENA_SIZE) {
        fputs("sim: out of memory for the simulation itself\n", stderr);
        abort();
    }
    memory = arena + arena_used;
    arena_used += size;
    memset(memory, 0, size);
    return memory;
}

void sim_forget(void)
{
    arena_used = 0;
}

char *sim_copy(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(sim_new(size), text, size);
}

/* ---------------------------------------------------------------------------------------------------- the dice */

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t sim_random(void)
{
    return next(&sim.random);
}

uint64_t sim_below(uint64_t n)
{
    return n ? sim_random() % n : 0;
}

bool sim_chance(uint32_t rate, uint32_t of)
{
    return rate > 0 && sim_below(of) < rate;
}

uint64_t draw_random(void)
{
    return next(sim.actor ? &sim.actor->random : &sim.draws);
}

uint64_t draw_below(uint64_t n)
{
    return n ? draw_random() % n : 0;
}

bool draw_chance(uint32_t rate, uint32_t of)
{
    return rate > 0 && draw_below(of) < rate;
}

uint64_t draw_stream(uint64_t number)
{
    uint64_t state = sim.seed * UINT64_C(0xD1342543DE82EF95) + number;

    return next(&state);
}

/* ----------------------------------------------------------------------------------------------------- the trace */

void sim_mix(uint64_t value)
{
    sim.hash = (sim.hash ^ value) * UINT64_C(1099511628211);
    sim.hash ^= sim.hash >> 29;
}

void sim_fail(const char *format, ...)
{
    va_list arguments;

    if (!*sim.failure) {
        va_start(arguments, format);
        vsnprintf(sim.failure, sizeof(sim.failure), format, arguments);
        va_end(arguments);
        sim_trace("BROKEN: %s", sim.failure);
    }
}

void sim_trace(const char *format, ...)
{
    const char *who = !sim.current ? "-" : sim.current == sim.broker ? "broker" : "";
    va_list arguments;

    if (!sim.is_tracing) {
        return;
    }
    printf("%9llu.%03llu us  ", (unsigned long long)((sim.now_nsec - sim.start_nsec) / 1000),
           (unsigned long long)((sim.now_nsec - sim.start_nsec) % 1000));
    if (*who) {
        printf("%-11s", who);
    } else {
        printf("%s %-5d", sim.current->actor ? sim.current->actor->name : "pid", (int)sim.current->pid);
    }
    putchar(' ');
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void sim_leave_out(const char *what)
{
    static const char *said[16];
    size_t i = 0;

    while (i < sizeof(said) / sizeof(said[0]) && said[i] && strcmp(said[i], what) != 0) {
        i++;
    }
    if (i < sizeof(said) / sizeof(said[0]) && !said[i]) {
        said[i] = what;
        printf("left out: %s\n", what);
    }
}

/* ------------------------------------------------------------------------------------------------------- actors */

struct sim_actor *sim_add_actor(const char *name, struct sim_proc *proc, void (*step)(struct sim_actor *), void *data)
{
    struct sim_actor *actor;
    int slot = 0;

    while (slot < sim.n_actors && !sim.actors[slot]->is_done && sim.actors[slot]->proc->is_alive) {
        slot++;
    }
    if (slot == SIM_ACTORS) {
        sim_fail("too many actors");
        slot--;
    }
    actor = sim_new(sizeof(*actor));
    *actor = (struct sim_actor){.name = name, .proc = proc, .step = step, .data = data, .wait_fd = -1};
    actor->wake_nsec = sim.now_nsec;
    actor->random = draw_random();
    if (!proc->actor) {
        proc->actor = actor;
    }
    sim.actors[slot] = actor;
    sim.n_actors += slot == sim.n_actors;
    return actor;
}

void sim_wake_at(struct sim_actor *actor, uint64_t nsec)
{
    actor->wake_nsec = nsec;
    actor->wait_fd = -1;
}

void sim_wait_for(struct sim_actor *actor, int fd, short events, uint64_t deadline_nsec)
{
    actor->wake_nsec = deadline_nsec;
    actor->wait_fd = fd;
    actor->wait_events = events;
}
