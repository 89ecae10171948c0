/* SPDX-License-Identifier: MIT */

/*
 * How a backend comes to be on the simulated kernel: a process that the broker has forked executes its program in a
 * step of its own, so that everything can happen before it, or fails to by its script.
 */

#include <errno.h>
#include <stdio.h>

#include "world.h"

struct world *the_world;

static void step(struct sim_actor *actor)
{
    struct sim_backend *backend = actor->data;
    int error = backend->script == BACKEND_TEXT_BUSY ? ETXTBSY : backend->script == BACKEND_NO_EXEC ? ENOEXEC : 0;

    if (backend->proc->has_executed) {
        backend_step(actor);
    } else if (k_exec(backend->proc, backend->program, error) == 0) {
        backend->build = backend->world->builds[world_service(backend->service)];
        backend_begin(backend, actor);
    }
}

static struct sim_actor *add(struct world *world, struct sim_backend *backend, const char *name)
{
    struct sim_actor *actor = sim_add_actor(name, backend->proc, step, backend);

    actor->random = draw_stream((uint64_t)world->n_backends + 1);
    world->backends[world->n_backends++] = backend;
    return actor;
}

void backends_look(struct world *world)
{
    (void)world; /* theirs are the same objects */
}

void backend_external(struct world *world, int service, const char *path, enum backend_script script)
{
    struct sim_backend *backend = sim_new(sizeof(*backend));
    char program[64];
    struct sim_proc *proc;

    snprintf(program, sizeof(program), "/opt/%s/backend", world_services[service]);
    proc = k_proc_new(program, 1);
    proc->env = sim_new(sizeof(*proc->env)); /* an empty one */
    proc->has_executed = true;
    backend_init(backend, world, proc, script);
    backend_init_external(backend, service, path);
    backend_begin(backend, add(world, backend, "external"));
}

void backend_spawned(struct sim_proc *proc, const char *path)
{
    struct world *world = the_world;
    struct sim_backend *backend = sim_new(sizeof(*backend));
    struct sim_actor *actor;

    if (world->n_backends == WORLD_BACKENDS) {
        sim_fail("more than %d launches", WORLD_BACKENDS);
        return;
    }
    backend_init(backend, world, proc, world->scripts[world->n_backends]);
    backend->program = path;
    actor = add(world, backend, "backend");
    sim_trace("launch %d: pid %d, script %d, %s", world->n_backends, (int)proc->pid, backend->script, backend->path);
    sim_wake_at(actor, sim.now_nsec + sim_below(MSEC));
}
