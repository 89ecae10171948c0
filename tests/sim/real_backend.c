/* SPDX-License-Identifier: MIT */

/*
 * Launched backends as real processes, from both sides. The process finds its world by where its program lies, takes
 * the next number and with it script and dice, and then does what backend.c says. The driver learns from the mapped
 * file who there is, and from pidfds who has died: what it calls dead is dead, if it says so a little later.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "real.h"

enum { LIFE_SECONDS = 600 /* of a process that everybody has forgotten */ };

static struct real_shared *shared;
static struct sim_backend *known[WORLD_BACKENDS]; /* the driver's, by number */

struct real_shared *real_share(void)
{
    int fd = open(k_path("/shared"), O_RDWR | O_CLOEXEC | (real_is_backend ? 0 : O_CREAT), 0600);

    if (fd < 0 || (!real_is_backend && ftruncate(fd, (off_t)sizeof(*shared)) < 0)) {
        return NULL;
    }
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return shared == MAP_FAILED ? NULL : shared;
}

/* ----------------------------------------------------------------------------------------------------- the process */

static uint32_t own_build(struct sim_proc *proc)
{
    struct real_build mark;
    size_t size;
    const uint8_t *bytes = k_program(proc, &size);

    memcpy(&mark, bytes + size - sizeof(mark), sizeof(mark));
    return memcmp(mark.magic, REAL_BUILD_MAGIC, sizeof(mark.magic)) == 0 ? mark.build : UINT32_MAX;
}

static void introduce(struct real_record *record)
{
    const struct sim_backend *backend = &record->backend;

    record->pid = getpid();
    record->ppid = getppid();
    record->build = backend->build;
    record->script = backend->script;
    snprintf(record->path, sizeof(record->path), "%s", backend->path);
    snprintf(record->service, sizeof(record->service), "%s", backend->service);
    snprintf(record->version, sizeof(record->version), "%s", backend->version);
    snprintf(record->instance, sizeof(record->instance), "%s", backend->instance);
    __atomic_store_n(&record->is_there, true, __ATOMIC_SEQ_CST);
}

void real_backend_main(const char *exe, char *const *env)
{
    static struct world world;
    bool is_external = getenv("RPB_SIM_EXTERNAL") != NULL;
    struct sim_proc *proc;
    struct sim_actor *actor;
    struct real_record *record;
    int number;

    real_is_backend = true;
    snprintf(real_root, sizeof(real_root), "%.*s", (int)(strstr(exe, "/opt/") - exe), exe);
    if (!real_share() || shared->is_over) {
        _exit(6);
    }
    number = is_external ? 0 : __atomic_fetch_add(&shared->n_records, 1, __ATOMIC_ACQ_REL);
    if (number >= WORLD_BACKENDS) {
        snprintf(shared->failure, sizeof(shared->failure), "more than %d launches", WORLD_BACKENDS);
        _exit(6);
    }
    alarm(LIFE_SECONDS);
    signal(SIGPIPE, SIG_IGN);
    sim.seed = shared->seed;
    sim.now_nsec = real_now();
    proc = k_proc_new(exe, getppid());
    proc->pid = getpid();
    proc->env = env;
    record = &shared->records[number];
    backend_init(&record->backend, &world, proc, shared->scripts[number]);
    record->backend.build = own_build(proc);
    if (is_external) {
        backend_init_external(&record->backend, 0, EXTERNAL);
    }
    introduce(record);
    actor = sim_add_actor("backend", proc, backend_step, &record->backend);
    actor->random = draw_stream((uint64_t)number + 1);
    backend_begin(&record->backend, actor);
    while (!__atomic_load_n(&shared->is_over, __ATOMIC_SEQ_CST)) {
        if (!real_step(actor)) {
            real_wait(NULL, 0, NEVER);
        }
        if (*sim.failure && !*shared->failure) {
            memcpy(shared->failure, sim.failure, sizeof(shared->failure));
        }
    }
    _exit(0);
}

/* ------------------------------------------------------------------------------------------------------ the driver */

static void meet(struct world *world, int number)
{
    const struct real_record *record = &shared->records[number];
    struct sim_proc *proc = k_proc_new("", record->ppid);
    struct sim_backend *backend = sim_new(sizeof(*backend));

    proc->pid = record->pid;
    proc->pidfd = real_pidfd(record->pid);
    if (proc->pidfd < 0) {
        k_proc_exit(proc, CLD_KILLED, SIGKILL);
    }
    *backend = (struct sim_backend){.world = world, .proc = proc, .script = record->script, .build = record->build};
    backend->path = sim_copy(record->path);
    backend->service = sim_copy(record->service);
    backend->version = sim_copy(record->version);
    backend->instance = sim_copy(record->instance);
    known[number] = backend;
    world->backends[world->n_backends++] = backend;
    sim_trace("launch %d: pid %d, script %d, build %u, %s", number + 1, (int)proc->pid, backend->script, backend->build,
              backend->path);
}

/* The kernel keeps a zombie for the broker only. */
static bool is_zombie(pid_t pid)
{
    char path[64], text[512], *state;
    FILE *file;
    int ppid = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (!file) {
        return false;
    }
    state = fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
    fclose(file);
    return state && sscanf(state, ") Z %d", &ppid) == 1 && sim.broker && ppid == sim.broker->pid;
}

void backends_look(struct world *world)
{
    int n = __atomic_load_n(&shared->n_records, __ATOMIC_ACQUIRE);

    for (int number = 0; number < n && number < WORLD_BACKENDS; number++) {
        struct real_record *record = &shared->records[number];
        struct sim_proc *proc;

        if (!known[number] && __atomic_load_n(&record->is_there, __ATOMIC_SEQ_CST)) {
            meet(world, number);
        }
        if (!known[number]) {
            continue;
        }
        proc = known[number]->proc;
        if (__atomic_load_n(&record->backend.has_answered, __ATOMIC_ACQUIRE) && !known[number]->has_answered) {
            known[number]->has_answered = true;
            sim_trace("launch %d has answered", number + 1);
        }
        known[number]->was_asked = __atomic_load_n(&record->backend.was_asked, __ATOMIC_ACQUIRE);
        if (proc->is_alive && real_is_readable(proc->pidfd)) {
            k_proc_exit(proc, CLD_KILLED, SIGKILL);
            sim_trace("launch %d: pid %d has ended", number + 1, (int)proc->pid);
        }
        proc->is_reaped = !proc->is_alive && !is_zombie(proc->pid);
    }
    if (*shared->failure) {
        sim_fail("%s", shared->failure);
    }
}

void backend_external(struct world *world, int service, const char *path, enum backend_script script)
{
    char program[512], *const argv[] = {program, NULL};
    char marker[] = "RPB_SIM_EXTERNAL=1", *const env[] = {marker, NULL};
    char name[64];
    pid_t pid;

    snprintf(name, sizeof(name), "/opt/%s/backend", world_services[service]);
    snprintf(program, sizeof(program), "%s", k_path(name));
    shared->scripts[0] = script;
    shared->n_records = 1;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        (void)execve(program, argv, env);
        _exit(127);
    }
    while (pid > 0 && !__atomic_load_n(&shared->records[0].is_there, __ATOMIC_ACQUIRE) &&
           waitpid(pid, NULL, WNOHANG) == 0) {
        (void)poll(NULL, 0, 1);
    }
    backends_look(world);
}

void real_end_backends(struct world *world)
{
    __atomic_store_n(&shared->is_over, true, __ATOMIC_SEQ_CST);
    backends_look(world);
    for (int i = 0; i < world->n_backends; i++) {
        k_proc_signal(world->backends[i]->proc, SIGKILL);
    }
    /* the driver is the reaper of whom the broker leaves, also of one that has not introduced itself yet */
    while (waitpid(-1, NULL, 0) > 0) {
    }
}
