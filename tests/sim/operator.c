/* SPDX-License-Identifier: MIT */

/*
 * The world's disk, and the operator: starts clients, edits definitions, kills, and at last sends a canary whose Hello
 * must be answered well, whatever has happened before; then SIGTERM. The operator's steps are the frame of every run.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "broker_v1_service_def.pb-c.h"
#include "world.h"

#define DEFINITIONS "/home/user/services"
#define RUNTIME "/run/user/1000/running-process/broker"

const char *const world_services[WORLD_SERVICES] = {"alpha", "beta"};

enum {
    STEP_START, /* until the socket takes connections */
    STEP_CLIENTS,
    STEP_CANARY,
    STEP_REST, /* a moment later everything must have settled */
    STEP_TERM,
    STEP_END,
};

/* ------------------------------------------------------------------------------------------------------------ disk */

static void put_text(const char *path, const char *text, mode_t mode)
{
    (void)k_put_file(path, text, strlen(text), mode);
}

static void set_mode(const char *path, mode_t mode, uid_t uid)
{
    struct sim_inode *inode;

    if (k_walk(AT_FDCWD, path, true, &inode, NULL, NULL) == 0) {
        inode->mode = (inode->mode & (mode_t)S_IFMT) | mode;
        inode->uid = inode->gid = uid;
    }
}

/* Odd edits forbid version 1.0.0. By rename, or in place, as editors and backends do it. */
static void remove_form(const char *name, const char *suffix)
{
    char path[128];

    snprintf(path, sizeof(path), DEFINITIONS "/%s%s", name, suffix);
    (void)k_unlinkat(AT_FDCWD, path, 0);
}

/* The same in one of the binary forms, with what would go before it removed. */
static void write_binary(struct world *world, int service, const char *suffix)
{
    RunningProcess__Broker__V1__ServiceDefinition definition;
    const char *name = world_services[service];
    char path[128], text[64];
    uint8_t bytes[512];

    running_process__broker__v1__service_definition__init(&definition);
    snprintf(path, sizeof(path), "/opt/%s/backend", name);
    snprintf(text, sizeof(text), "/opt/%s", name);
    definition.service_name = sim_copy(name);
    definition.binary_path = sim_copy(path);
    definition.per_version_binary_dir = sim_copy(text);
    definition.isolation = RUNNING_PROCESS__BROKER__V1__BROKER_ISOLATION__SHARED_BROKER;
    definition.min_version = sim_copy(world->n_edits[service] % 2 ? "2.0.0" : "1.0.0");
    snprintf(path, sizeof(path), DEFINITIONS "/%s%s", name, suffix);
    (void)k_put_file(path, bytes, running_process__broker__v1__service_definition__pack(&definition, bytes), 0600);
    remove_form(name, ".txtpb");
    if (strcmp(suffix, ".servicedef") == 0) {
        remove_form(name, ".servicedef.v2");
    }
}

void world_write_definition(struct world *world, int service, bool is_atomic)
{
    const char *name = world_services[service];
    char path[128], temporary[128], text[512];

    if (sim.plan.preempt_rate > 0 && sim_chance(1, 2)) {
        write_binary(world, service, sim_chance(1, 2) ? ".servicedef.v2" : ".servicedef");
        return;
    }

    snprintf(path, sizeof(path), DEFINITIONS "/%s.txtpb", name);
    snprintf(temporary, sizeof(temporary), DEFINITIONS "/.%s.tmp", name);
    snprintf(text, sizeof(text),
             "service_name: \"%s\"\nbinary_path: \"/opt/%s/backend\"\nper_version_binary_dir: \"/opt/%s\"\n"
             "isolation: SHARED_BROKER\nlabels { key: \"edit\" value: \"%u\" }\n%s",
             name, name, name, world->n_edits[service],
             world->n_edits[service] % 2 ? "min_version: \"2.0.0\"\n" : "min_version: \"1.0.0\"\n");
    put_text(is_atomic ? temporary : path, text, 0600);
    if (is_atomic) {
        (void)k_renameat(AT_FDCWD, temporary, AT_FDCWD, path);
    }
}

static void make_disk(struct world *world)
{
    static const char *const dirs[] = {"/tmp",           "/etc",        "/dev",       "/proc/sys/kernel/random",
                                       "/run/user/1000", DEFINITIONS,   "/opt/alpha", "/opt/beta",
                                       "/usr/bin",       "/run/sockets"};
    char path[64], text[128];

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        (void)k_mkdirs(dirs[i]);
    }
    set_mode("/tmp", 01777, 0);
    set_mode("/run", 0755, 0);
    set_mode("/run/user", 0755, 0);
    set_mode("/run/user/1000", 0700, SIM_UID);
    set_mode("/run/sockets", 0700, SIM_UID);
    set_mode(DEFINITIONS, 0700, SIM_UID);
    put_text("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0444);
    put_text("/proc/sys/kernel/random/boot_id", "b0071d00-0000-4000-8000-000000000001\n", 0444);
    put_text("/usr/bin/client", "client", 0755);
    put_text("/usr/bin/broker", "broker", 0755);
    put_text("/dev/null", "", 0666);
    set_mode("/dev/null", 0666, 0);
    for (int i = 0; i < WORLD_SERVICES; i++) {
        snprintf(path, sizeof(path), "/opt/%s/backend", world_services[i]);
        snprintf(text, sizeof(text), "the program of %s", world_services[i]);
        put_text(path, text, 0755);
        world_write_definition(world, i, false);
    }
}

/* --------------------------------------------------------------------------------------------------------- scenarios
 */

static void leave_stale_socket(struct world *world)
{
    int fd;

    (void)k_mkdirs(RUNTIME);
    set_mode("/run/user/1000/running-process", 0700, SIM_UID);
    set_mode(RUNTIME, 0700, SIM_UID);
    fd = k_socket(SOCK_STREAM);
    (void)k_bind(fd, world->socket_path);
    (void)k_listen(fd, 5);
    (void)k_close(fd);
}

/* Longer than a starting broker is patient, or not. */
static void release_lock(struct sim_actor *actor)
{
    k_proc_exit(actor->proc, CLD_EXITED, 0);
}

/* Another broker that is about to end holds the lock for a while. */
static void hold_lock(struct world *world)
{
    struct sim_proc *before = sim.current, *holder;
    char path[WORLD_PATH + 8];
    int fd;

    leave_stale_socket(world);
    holder = k_proc_new("/usr/bin/broker", 1);
    sim.current = holder;
    snprintf(path, sizeof(path), "%s.lock", world->socket_path);
    fd = k_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)k_flock(fd, LOCK_EX | LOCK_NB);
    sim.current = before;
    sim_wake_at(sim_add_actor("holder", holder, release_lock, world),
                sim.now_nsec + sim_below(sim.plan.preempt_rate ? 1800 * MSEC : 900 * MSEC));
    world->holder = holder;
}

static void add_client(struct world *world, enum client_script script, int service, uint64_t begin_nsec)
{
    if (world->n_clients < WORLD_CLIENTS) {
        struct sim_client *client = client_start(world, script, service, begin_nsec);

        world->clients[world->n_clients++] = client;
        if (sim.plan.preempt_rate > 0 && sim_chance(1, 16)) {
            client->actor->proc->uid = SIM_STRANGER;
        }
    }
}

static enum client_script draw_script(bool is_calm)
{
    if (is_calm || sim_chance(1, 2)) {
        return CLIENT_WHOLE;
    }
    return (enum client_script)sim_below(CLIENT_SCRIPTS);
}

static void start_clients(struct world *world, bool is_calm)
{
    bool is_flood = !is_calm && sim_chance(1, 32);
    int n = is_calm ? 2 : is_flood ? 40 : 1 + (int)sim_below(6);

    for (int i = 0; i < n; i++) {
        uint64_t delay = world->scenario == SCENARIO_WARM ? (uint64_t)i * 100 * MSEC : sim_below(40 * MSEC);

        if (!is_calm && sim_chance(1, 8)) {
            delay += sim_below(3 * SEC);
        }
        add_client(world, draw_script(is_calm),
                   is_calm || world->scenario == SCENARIO_REGISTERED ? 0 : (int)sim_below(WORLD_SERVICES),
                   sim.now_nsec + delay);
    }
}

void world_cut_power(struct world *world)
{
    struct sim_proc *before = sim.current;

    world->has_power_cut = true;
    for (int i = 0; i < sim.n_procs; i++) {
        if (sim.procs[i] != world->operator->proc) {
            k_proc_exit(sim.procs[i], CLD_KILLED, SIGKILL);
        }
    }
    k_power_cut();
    sim.current = world->operator->proc;
    make_disk(world); /* what does not survive a boot anyway, and what was installed long ago */
    if (world->scenario == SCENARIO_REGISTERED) {
        backend_external(world, 0, "/run/sockets/external.sock", BACKEND_GOOD);
    }
    sim.current = before;
}

void world_init(struct world *world, enum scenario scenario, bool is_calm)
{
    *world = (struct world){.scenario = scenario};
    the_world = world;
    sim.on_spawn = backend_spawned;
    snprintf(world->socket_path, sizeof(world->socket_path), "%s/broker.sock",
             is_calm || sim_chance(1, 2) ? RUNTIME : "/run/sockets");
    for (int i = 0; i < WORLD_BACKENDS; i++) {
        bool is_good = is_calm || i > 12 || sim_chance(1, 2);

        world->scripts[i] = is_good ? BACKEND_GOOD : (enum backend_script)sim_below(BACKEND_SCRIPTS);
    }
    sim.current = k_proc_new("/usr/bin/operator", 1);
    make_disk(world);
    if (scenario == SCENARIO_START) {
        if (sim_chance(1, 2)) {
            leave_stale_socket(world);
        } else {
            hold_lock(world);
        }
    }
    if (scenario == SCENARIO_REGISTERED) {
        static const enum backend_script scripts[] = {BACKEND_GOOD, BACKEND_SLOW, BACKEND_HALTING, BACKEND_HANGS_UP};

        backend_external(world, 0, "/run/sockets/external.sock", is_calm ? BACKEND_GOOD : scripts[sim_below(4)]);
    }
    world->is_bound_lifetime = !is_calm && sim_chance(1, 4);
    world->operator= sim_add_actor("operator", sim.current, operator_step, world);
    sim.current = NULL;
}

/* ----------------------------------------------------------------------------------------------------- its own steps
 */

static bool is_reachable(struct world *world)
{
    struct stat st;

    return k_stat(AT_FDCWD, world->socket_path, &st, false) == 0 && S_ISSOCK(st.st_mode) && sim.broker &&
           sim.broker->is_alive;
}

static bool are_clients_done(const struct world *world)
{
    for (int i = 0; i < world->n_clients; i++) {
        if (!world->clients[i]->actor->is_done) {
            return false;
        }
    }
    return true;
}

/* Some editors empty a file first and fill it later. */
static void begin_edit(struct world *world, int service)
{
    char path[128];

    snprintf(path, sizeof(path), DEFINITIONS "/%s.txtpb", world_services[service]);
    put_text(path, "", 0600);
    world->is_half_written = true;
    world->half_written = service;
    sim_trace("the definition of %s is emptied", world_services[service]);
}

static void end_edit(struct world *world)
{
    if (world->is_half_written) {
        world->is_half_written = false;
        world_write_definition(world, world->half_written, false);
        sim_trace("and filled again");
    }
}

static void edit(struct world *world)
{
    int service = (int)sim_below(WORLD_SERVICES);

    if (sim_chance(1, 4)) {
        world->n_edits[service]++;
        begin_edit(world, service);
        return;
    }
    world->n_edits[service]++;
    world_write_definition(world, service, sim_chance(1, 2));
    sim_trace("the definition of %s is edited (%u)", world_services[service], world->n_edits[service]);
}

static bool is_running(const char *path)
{
    struct sim_inode *inode = NULL;

    (void)k_walk(AT_FDCWD, path, true, &inode, NULL, NULL);
    for (int i = 0; i < sim.n_procs; i++) {
        if (sim.procs[i]->is_alive && sim.procs[i]->exe_inode == inode) {
            return true;
        }
    }
    return false;
}

/* Another build of the same program: another key. */
static void replace_program(struct world *world, int service)
{
    char path[64], text[128], temporary[80];

    snprintf(path, sizeof(path), "/opt/%s/backend", world_services[service]);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    snprintf(text, sizeof(text), "another program of %s: %llu", world_services[service],
             (unsigned long long)sim_random());
    if (sim_chance(1, 2) && !is_running(path)) {
        put_text(path, text, 0755); /* in place, the same inode */
    } else {
        put_text(temporary, text, 0755);
        (void)k_renameat(AT_FDCWD, temporary, AT_FDCWD, path);
    }
    world->builds[service]++;
    sim_trace("the program of %s is another one", world_services[service]);
}

static bool is_listening(const struct world *world)
{
    struct sim_inode *inode;

    return k_walk(AT_FDCWD, world->socket_path, true, &inode, NULL, NULL) == 0 && inode->socket &&
           inode->socket->state == SOCKET_LISTENING;
}

/* A cleaner of old files: nothing is left below the runtime directory. */
static void clean_runtime(struct world *world)
{
    struct sim_inode *dir;
    char path[1024];

    if (strncmp(world->socket_path, RUNTIME, strlen(RUNTIME)) != 0 || !is_listening(world) ||
        k_walk(AT_FDCWD, RUNTIME, true, &dir, NULL, NULL) < 0) {
        return;
    }
    for (struct sim_dirent *entry = dir->entries, *next; entry; entry = next) {
        next = entry->next;
        for (struct sim_dirent *below = entry->inode->entries; below; below = below->next) {
            snprintf(path, sizeof(path), RUNTIME "/%s/%s", entry->name, below->name);
            (void)k_unlinkat(AT_FDCWD, path, 0);
        }
        snprintf(path, sizeof(path), RUNTIME "/%s", entry->name);
        (void)k_unlinkat(AT_FDCWD, path, S_ISDIR(entry->inode->mode) ? AT_REMOVEDIR : 0);
    }
    world->was_cleaned = true;
    sim_trace("everything in " RUNTIME " is removed");
}

static void do_mischief(struct world *world)
{
    switch (sim_below(10)) {
    case 3:
        clean_runtime(world);
        break;
    case 0:
        if (is_listening(world)) {
            (void)k_unlinkat(AT_FDCWD, world->socket_path, 0);
            sim_trace("somebody removes the socket");
        }
        break;
    case 1:
        if (sim.broker) {
            k_proc_signal(sim.broker, SIGHUP);
        }
        break;
    case 2:
        if (world->scenario == SCENARIO_REGISTERED) {
            break;
        }
        replace_program(world, (int)sim_below(WORLD_SERVICES));
        break;
    default:
        break;
    }
}

static void interfere(struct world *world)
{
    struct sim_backend *victim = world->n_backends ? world->backends[sim_below((uint64_t)world->n_backends)] : NULL;

    end_edit(world);
    if (sim.plan.preempt_rate > 0) {
        do_mischief(world);
    }
    switch (world->scenario) {
    case SCENARIO_EDIT:
        edit(world);
        break;
    case SCENARIO_WARM:
    case SCENARIO_COLD:
        if (victim && sim_chance(1, 3)) {
            k_proc_signal(victim->proc, SIGKILL);
        }
        break;
    default:
        break;
    }
}

static void terminate(struct world *world)
{
    if (!sim.broker || !sim.broker->is_alive) { /* it was killed, and the next one is not there yet */
        sim_wake_at(world->operator, sim.now_nsec + 10 * MSEC);
        return;
    }
    world->term_nsec = sim.now_nsec;
    world->step = STEP_END;
    if (world->scenario == SCENARIO_STOP && sim.plan.preempt_rate > 0 && sim_chance(1, 3)) {
        (void)client_start(world, CLIENT_SHUTDOWN, 0, sim.now_nsec);
    } else {
        sim_trace("SIGTERM");
        k_proc_signal(sim.broker, SIGTERM);
    }
    sim_wake_at(world->operator, sim.now_nsec + 15 * SEC);
}

/* Whatever was written, the canary's definition is a good one. */
static void begin_canary(struct world *world)
{
    world->is_half_written = false;
    sim.plan.slow_rate = 0;
    sim.is_faulty = false;
    if (world->n_edits[0] % 2) {
        world->n_edits[0]++;
    }
    world_write_definition(world, 0, true);
    world->canary = client_start(world, CLIENT_WHOLE, 0, sim.now_nsec);
    world->step = STEP_CANARY;
    if (world->canary_deadline_nsec == 0) {
        world->canary_deadline_nsec = sim.now_nsec + 700 * SEC;
    }
    sim_wake_at(world->operator, NEVER);
}

static void watch_canary(struct world *world)
{
    struct sim_client *canary = world->canary;
    uint64_t pause_nsec = canary->retry_msec ? canary->retry_msec * MSEC : 100 * MSEC;

    if (!canary->actor->is_done) {
        sim_wake_at(world->operator, NEVER);
    } else if (canary->result == CLIENT_NEGOTIATED) {
        world->step = STEP_REST;
        world->rest_nsec = sim.now_nsec + 7 * SEC;
        sim_wake_at(world->operator, world->rest_nsec);
    } else if (sim.now_nsec > world->canary_deadline_nsec || ++world->canary_tries > 2000) {
        sim_fail("the next client is not served: %s", client_result_text(canary));
        terminate(world);
    } else {
        if (canary->result == CLIENT_UNREACHABLE && world->canary_tries % 10 == 9 && sim.broker) {
            k_proc_signal(sim.broker, SIGHUP); /* as the broker's log asks for, where it could not watch the socket */
        }
        world->canary = NULL;
        sim_wake_at(world->operator, sim.now_nsec + pause_nsec);
    }
}

static void watch_clients(struct world *world)
{
    if (are_clients_done(world)) {
        if (world->scenario == SCENARIO_STOP) {
            terminate(world);
        } else {
            begin_canary(world);
        }
        return;
    }
    if (world->scenario == SCENARIO_STOP && sim_chance(1, 3)) {
        terminate(world);
        return;
    }
    interfere(world);
    sim_wake_at(world->operator, sim.now_nsec + 5 * MSEC + sim_below(200 * MSEC));
}

void operator_step(struct sim_actor *actor)
{
    struct world *world = actor->data;

    switch (world->step) {
    case STEP_START:
        if (!is_reachable(world)) {
            sim_wake_at(actor, sim.now_nsec + 2 * MSEC);
            break;
        }
        start_clients(world, sim.plan.preempt_rate == 0);
        world->step = STEP_CLIENTS;
        sim_wake_at(actor, sim.now_nsec + (world->scenario == SCENARIO_STOP ? sim_below(60 * MSEC) : 50 * MSEC));
        break;
    case STEP_CLIENTS:
        watch_clients(world);
        break;
    case STEP_CANARY:
        if (world->canary) {
            watch_canary(world);
        } else {
            begin_canary(world);
        }
        break;
    case STEP_REST:
        if (sim.now_nsec < world->rest_nsec) {
            sim_wake_at(actor, world->rest_nsec);
            break;
        }
        check_at_rest(world);
        world->was_at_rest = sim.n_faults == 0;
        terminate(world);
        break;
    case STEP_END:
        if (sim.now_nsec < world->term_nsec + 15 * SEC) { /* a client woke it */
            sim_wake_at(actor, world->term_nsec + 15 * SEC);
            break;
        }
        if (sim.broker && sim.broker->is_alive && sim.now_nsec < world->term_nsec + 30 * SEC) {
            /* the shutdown request may have been lost, or a second signal ends a drain at once */
            k_proc_signal(sim.broker, SIGTERM);
            sim_wake_at(actor, world->term_nsec + 30 * SEC);
            break;
        }
        if (sim.broker && sim.broker->is_alive && world->term_nsec) {
            sim_fail("the broker does not end within 30 s of SIGTERM");
            k_proc_signal(sim.broker, SIGKILL);
        }
        actor->is_done = true;
        break;
    default:
        actor->is_done = true;
    }
}
