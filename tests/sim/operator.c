/* SPDX-License-Identifier: MIT */

/*
 * The world's beginning, and the operator: starts clients, edits definitions, kills, and at last sends a canary whose
 * Hello must be answered well, whatever has happened before; then SIGTERM. The operator's steps are the frame of every
 * run. A calm run goes on by what has happened and never by the time, so that its outcome is the same on every kernel.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

enum {
    STEP_START, /* until the socket takes connections */
    STEP_CLIENTS,
    STEP_CANARY,
    STEP_REST, /* a moment later everything must have settled */
    STEP_TERM,
    STEP_END,
};

/* --------------------------------------------------------------------------------------------------------- scenarios
 */

static void leave_stale_socket(struct world *world)
{
    int fd;

    (void)k_mkdirs(RUNTIME);
    (void)k_set_mode("/run/user/1000/running-process", 0700, SIM_UID);
    (void)k_set_mode(RUNTIME, 0700, SIM_UID);
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
    struct sim_proc *holder = k_proc_new("/usr/bin/broker", 1);
    char path[WORLD_PATH + 8];

    leave_stale_socket(world);
    snprintf(path, sizeof(path), "%s.lock", world->socket_path);
    (void)k_hold_lock(holder, path);
    sim_wake_at(sim_add_actor("holder", holder, release_lock, world),
                sim.now_nsec + draw_below(world->is_calm ? 900 * MSEC : 1800 * MSEC));
    world->holder = holder;
}

static void add_client(struct world *world, enum client_script script, int service, uint64_t begin_nsec)
{
    if (world->n_clients < WORLD_CLIENTS) {
        struct sim_client *client = client_start(world, script, service, begin_nsec);

        world->clients[world->n_clients++] = client;
        if (!world->is_calm && draw_chance(1, 16) && k_has_strangers()) {
            client->actor->proc->uid = SIM_STRANGER;
        }
    }
}

static enum client_script draw_script(void)
{
    return draw_chance(1, 2) ? CLIENT_WHOLE : (enum client_script)draw_below(CLIENT_SCRIPTS);
}

static void start_clients(struct world *world)
{
    int n = draw_chance(1, 32) ? 40 : 1 + (int)draw_below(6);

    for (int i = 0; i < n; i++) {
        uint64_t delay = world->scenario == SCENARIO_WARM ? (uint64_t)i * 100 * MSEC : draw_below(40 * MSEC);
        enum client_script script;

        if (draw_chance(1, 8)) {
            delay += draw_below(3 * SEC);
        }
        script = draw_script();
        add_client(world, script, world->scenario == SCENARIO_REGISTERED ? 0 : (int)draw_below(WORLD_SERVICES),
                   sim.now_nsec + delay);
    }
}

static void draw_backends(struct world *world)
{
    char text[WORLD_BACKENDS * 4] = "";

    for (int i = 0; i < WORLD_BACKENDS; i++) {
        bool is_good = world->is_calm || i > 12 || draw_chance(1, 2);

        world->scripts[i] = is_good ? BACKEND_GOOD : (enum backend_script)draw_below(BACKEND_SCRIPTS);
        if (i <= 12) {
            snprintf(text + strlen(text), sizeof(text) - strlen(text), " %d", world->scripts[i]);
        }
    }
    sim_trace("scripts of the first launches:%s", text);
}

void world_init(struct world *world, enum scenario scenario, bool is_calm)
{
    *world = (struct world){.scenario = scenario, .is_calm = is_calm};
    world->is_canonical = is_calm || draw_chance(1, 2);
    snprintf(world->socket_path, sizeof(world->socket_path), "%s",
             k_path(world->is_canonical ? RUNTIME "/broker.sock" : "/run/sockets/broker.sock"));
    draw_backends(world);
    if (is_calm && scenario == SCENARIO_STOP) {
        world->stops_launch = draw_chance(1, 2);
        world->scripts[0] = world->stops_launch ? BACKEND_SILENT : BACKEND_GOOD;
    }
    sim.current = k_proc_new("/usr/bin/operator", 1);
    world_make_disk(world);
    if (scenario == SCENARIO_START) {
        if (draw_chance(1, 2)) {
            leave_stale_socket(world);
        } else {
            hold_lock(world);
        }
    }
    if (scenario == SCENARIO_REGISTERED) {
        static const enum backend_script scripts[] = {BACKEND_GOOD, BACKEND_SLOW, BACKEND_HALTING, BACKEND_HANGS_UP};

        backend_external(world, 0, EXTERNAL, is_calm ? BACKEND_GOOD : scripts[draw_below(4)]);
    }
    world->is_bound_lifetime = !is_calm && draw_chance(1, 4);
    world->operator= sim_add_actor("operator", sim.current, operator_step, world);
    sim.current = NULL;
}

/* ----------------------------------------------------------------------------------------------------- its own steps
 */

static bool is_reachable(struct world *world)
{
    struct stat st;

    if (!sim.broker || !sim.broker->is_alive) {
        return false;
    }
    if (world->is_calm) {
        return k_is_listening(world->socket_path);
    }
    return k_stat(AT_FDCWD, world->socket_path, &st, false) == 0 && S_ISSOCK(st.st_mode);
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
    world_put_text(path, "", 0600);
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
    int service = (int)draw_below(WORLD_SERVICES);

    if (draw_chance(1, 4)) {
        world->n_edits[service]++;
        begin_edit(world, service);
        return;
    }
    world->n_edits[service]++;
    world_write_definition(world, service, draw_chance(1, 2));
    sim_trace("the definition of %s is edited (%u)", world_services[service], world->n_edits[service]);
}

/* Another build of the same program: another key. A program that runs cannot be written to. */
static void replace_program(struct world *world, int service)
{
    uint32_t build = ++world->builds[service];
    char path[64], temporary[80];

    snprintf(path, sizeof(path), "/opt/%s/backend", world_services[service]);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    if (!draw_chance(1, 2) || k_put_program(path, service, build) < 0) {
        (void)k_put_program(temporary, service, build);
        (void)k_renameat(AT_FDCWD, temporary, AT_FDCWD, path);
    }
    sim_trace("the program of %s is another one", world_services[service]);
}

/* A cleaner of old files: nothing is left below the runtime directory. */
static void clean_runtime(struct world *world)
{
    if (world->is_canonical && k_is_listening(world->socket_path)) {
        k_clear(RUNTIME);
        world->was_cleaned = true;
        sim_trace("everything in " RUNTIME " is removed");
    }
}

static void do_mischief(struct world *world)
{
    switch (draw_below(10)) {
    case 3:
        clean_runtime(world);
        break;
    case 0:
        if (k_is_listening(world->socket_path)) {
            (void)k_unlinkat(AT_FDCWD, world->socket_path, 0);
            world->was_unlinked = true;
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
        replace_program(world, (int)draw_below(WORLD_SERVICES));
        break;
    default:
        break;
    }
}

static void interfere(struct world *world)
{
    struct sim_backend *victim = world->n_backends ? world->backends[draw_below((uint64_t)world->n_backends)] : NULL;

    end_edit(world);
    if (!world->is_calm) {
        do_mischief(world);
    }
    switch (world->scenario) {
    case SCENARIO_EDIT:
        edit(world);
        break;
    case SCENARIO_WARM:
    case SCENARIO_COLD:
        if (victim && draw_chance(1, 3)) {
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
    if (world->scenario == SCENARIO_STOP && !world->is_calm && draw_chance(1, 3)) {
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
    if (world->canary_nsec == 0) {
        world->canary_nsec = sim.now_nsec;
    }
    sim_wake_at(world->operator, NEVER);
}

/* A key whose launches have failed too often rests for up to a minute, and the canary is told so. */
static bool is_told_to_wait(const struct world *world)
{
    return sim.is_quick && world->canary->code == CODE_RATE_LIMITED &&
           sim.now_nsec + world->canary->retry_msec * MSEC > world->canary_nsec + 8 * SEC;
}

static void watch_canary(struct world *world)
{
    struct sim_client *canary = world->canary;
    uint64_t pause_nsec = canary->retry_msec ? canary->retry_msec * MSEC : 100 * MSEC;

    if (!canary->actor->is_done) {
        sim_wake_at(world->operator, NEVER);
    } else if (canary->result == CLIENT_NEGOTIATED) {
        world->step = STEP_REST;
        world->rest_nsec = sim.now_nsec + (sim.is_real ? 90 : 7) * SEC;
        sim_wake_at(world->operator, sim.is_real ? sim.now_nsec : world->rest_nsec);
    } else if (is_told_to_wait(world)) {
        sim_leave_out("the end of a key's rest after launches that failed, and the canary behind it");
        terminate(world);
    } else if (sim.now_nsec > world->canary_nsec + 700 * SEC || ++world->canary_tries > 2000) {
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

/* What comes before the second client: an edit that forbids what it asks for. */
static void go_on_calmly(struct world *world)
{
    if (world->scenario == SCENARIO_EDIT) {
        world->n_edits[0]++;
        world_write_definition(world, 0, true);
    }
    add_client(world, CLIENT_WHOLE, 0, sim.now_nsec);
    sim_wake_at(world->operator, NEVER);
}

/* One client after the other, but cold: there two come at once, whoever is first. */
static void watch_calmly(struct world *world)
{
    bool is_done = are_clients_done(world);

    if (world->scenario == SCENARIO_STOP &&
        (is_done || (world->n_backends && world->backends[0]->was_asked && world->stops_launch))) {
        terminate(world);
    } else if (!is_done) {
        sim_wake_at(world->operator, world->stops_launch ? sim.now_nsec + MSEC : NEVER);
    } else if (world->n_clients < 2) {
        go_on_calmly(world);
    } else {
        begin_canary(world);
    }
}

static void watch_clients(struct world *world)
{
    if (world->is_calm) {
        watch_calmly(world);
        return;
    }
    if (are_clients_done(world)) {
        if (world->scenario == SCENARIO_STOP) {
            terminate(world);
        } else {
            begin_canary(world);
        }
        return;
    }
    if (world->scenario == SCENARIO_STOP && draw_chance(1, 3)) {
        terminate(world);
        return;
    }
    interfere(world);
    sim_wake_at(world->operator, sim.now_nsec + 5 * MSEC + draw_below(200 * MSEC));
}

/* A launch that nobody answers is given up after a minute. */
static bool is_launching(const struct world *world)
{
    for (int i = 0; i < world->n_backends; i++) {
        if (world->backends[i]->proc->is_alive && !world->backends[i]->has_answered) {
            return true;
        }
    }
    return false;
}

/* Real time is not worth waiting for when all is at rest already, and there may be less of it. */
static void rest(struct world *world)
{
    const char *fault = check_rest(world);

    if (fault && sim.is_quick && sim.now_nsec > world->rest_nsec - 85 * SEC && is_launching(world)) {
        sim_leave_out("the end of a launch that nobody answers, and the rest behind it");
        terminate(world);
        return;
    }
    if (sim.now_nsec < world->rest_nsec && (!sim.is_real || fault)) {
        sim_wake_at(world->operator, sim.is_real ? sim.now_nsec + 5 * MSEC : world->rest_nsec);
        return;
    }
    if (fault) {
        sim_fail("%s", fault);
    }
    world->was_at_rest = sim.n_faults == 0;
    terminate(world);
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
        world->step = STEP_CLIENTS;
        sim_wake_at(actor, sim.now_nsec + (world->scenario == SCENARIO_STOP ? draw_below(60 * MSEC) : 50 * MSEC));
        if (!world->is_calm) {
            start_clients(world);
            break;
        }
        add_client(world, CLIENT_WHOLE, 0, sim.now_nsec);
        if (world->scenario == SCENARIO_COLD) {
            add_client(world, CLIENT_WHOLE, 0, sim.now_nsec);
        }
        sim_wake_at(actor, sim.now_nsec);
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
        rest(world);
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
