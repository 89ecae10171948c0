/* SPDX-License-Identifier: MIT */

/* What must hold: of each client when it is done, of the broker at rest, and of what it leaves behind. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

/* A version that was forbidden before the client began is not served, one that was allowed all along is not blocked. */
static void check_definition(const struct sim_client *client)
{
    bool was_changed = client->edits_before != client->world->n_edits[client->service];

    if (was_changed || client->script == CLIENT_GARBLED) {
        return;
    }
    if (client->edits_before % 2 && client->result == CLIENT_NEGOTIATED) {
        sim_fail("a version is served that the definition forbade before the Hello");
    }
    if (client->edits_before % 2 == 0 && client->result == CLIENT_REFUSED && client->code == CODE_VERSION_BLOCKED) {
        sim_fail("a version is blocked that the definition allows");
    }
}

/* The endpoint is that of a backend of this service which lived when the client asked. */
static void check_endpoint(const struct sim_client *client)
{
    const struct sim_backend *backend = backend_at(client->world, client->path);
    bool is_garbled = client->script == CLIENT_GARBLED; /* it may ask for something else */

    if (!backend) {
        sim_fail("an endpoint is handed out that nobody was given: %s", client->path);
    } else if (!is_garbled && (strcmp(backend->service, world_services[client->service]) != 0 ||
                               strcmp(backend->version, client->version) != 0)) {
        sim_fail("a client of %s is sent to %s", world_services[client->service], backend->service);
    } else if (!backend->has_answered) {
        sim_fail("a client is sent to a backend that has not proved itself");
    } else if (!backend->proc->is_alive && backend->proc->died_at < client->asked_at &&
               (sim.n_faults == 0 || backend->proc->died_nsec + SEC < client->connected_nsec)) {
        sim_fail("a client is sent to a backend that was dead before it asked");
    } else if (backend->build != client->build_before && !is_garbled && sim.n_faults == 0 &&
               client->build_before == client->world->builds[client->service]) {
        sim_fail("a client is sent to another build than is installed");
    }
}

/* Backends that do not do, and definitions that say no, are reasons. */
static bool is_fair(const struct sim_client *client)
{
    return client->code == CODE_SPAWN_FAILED || client->code == CODE_RATE_LIMITED ||
           client->code == CODE_VERSION_BLOCKED ||
           (client->code == CODE_SERVICE_UNKNOWN && client->world->scenario == SCENARIO_EDIT);
}

/* Answers come in time, and at once where nothing is slow. */
static void check_latency(const struct sim_client *client)
{
    uint64_t took_nsec = client->done_nsec - client->connected_nsec;
    uint64_t limit_nsec = (sim.is_real ? 20 : client->world->was_cleaned ? 10 : 2) * SEC; /* a real machine does more */
    bool is_quick =
        sim.plan.slow_rate == 0 && client->connected_nsec >= sim.slow_until_nsec && client->world->n_clients < 20;

    for (int i = 0; i < client->world->n_backends; i++) {
        const struct sim_backend *backend = client->world->backends[i];
        bool is_doing = backend->script == BACKEND_GOOD || backend->script == BACKEND_HALTING;

        is_quick = is_quick && (is_doing || strcmp(backend->service, world_services[client->service]) != 0);
    }
    if (took_nsec > 30 * SEC) {
        sim_fail("a whole Hello took %llu ms", (unsigned long long)(took_nsec / MSEC));
    } else if (is_quick && took_nsec > limit_nsec) {
        sim_fail("a whole Hello took %llu ms, and nobody was slow", (unsigned long long)(took_nsec / MSEC));
    }
}

/* Where the last client is sent to, there is somebody, whatever was removed meanwhile. */
static void check_canary(const struct sim_client *client)
{
    const struct sim_backend *backend = backend_at(client->world, client->path);

    if (client->result == CLIENT_NEGOTIATED && sim.n_faults == 0 && backend && backend->proc->is_alive &&
        backend->script != BACKEND_SHORT_LIVED && !k_is_listening(client->path)) {
        sim_fail("the last client is sent to %s, where nobody listens", client->path);
    }
}

void check_client(struct sim_client *client)
{
    bool is_plain =
        client->script == CLIENT_WHOLE || client->script == CLIENT_BYTEWISE || client->script == CLIENT_ASSASSIN;

    if (client->result == CLIENT_NEGOTIATED) {
        check_endpoint(client);
        if (client == client->world->canary) {
            check_canary(client);
        }
    }
    check_definition(client);
    if (client->actor->proc->uid == SIM_STRANGER) {
        if (client->n_in > 0) {
            sim_fail("another user is answered");
        }
        return;
    }
    if (client->script == CLIENT_LARGE && client->result == CLIENT_NEGOTIATED && client->n_out > 65536 + 5) {
        sim_fail("a Hello longer than 64 KiB was answered");
    }
    if (!is_plain || sim.n_faults > 0 || !sim.broker || !sim.broker->is_alive || client->world->term_nsec) {
        return;
    }
    if (client->result == CLIENT_NEGOTIATED || client->result == CLIENT_REFUSED) {
        check_latency(client);
    }
    if (client->result == CLIENT_CLOSED) {
        sim_fail("a client with a whole Hello was closed without an answer, and nothing had failed");
    } else if (client->result == CLIENT_REFUSED && !is_fair(client)) {
        sim_fail("a whole Hello was refused, and nothing had failed: code %u, %s", client->code, client->reason);
    }
}

/* A child that has not answered may belong to a build that was replaced between its fork and its exec. */
static bool is_comparable(const struct sim_backend *backend)
{
    return backend->has_answered || backend->world->builds[!strcmp(backend->service, world_services[1])] == 0;
}

static bool are_doubles(const struct sim_backend *one, const struct sim_backend *other)
{
    return one->proc->is_alive && other->proc->is_alive && other->proc->ppid == one->proc->ppid &&
           other->build == one->build && is_comparable(other) && is_comparable(one) &&
           !strcmp(other->service, one->service) && !strcmp(other->version, one->version);
}

/* Nobody is a zombie, and no key has two processes. */
const char *check_rest(struct world *world)
{
    static char text[256];

    for (int i = 0; i < world->n_backends; i++) {
        const struct sim_backend *backend = world->backends[i];

        if (!backend->proc->is_alive && !backend->proc->is_reaped) {
            snprintf(text, sizeof(text), "pid %d is a zombie", (int)backend->proc->pid);
            return text;
        }
        for (int j = 0; j < i && !world->was_cleaned; j++) {
            if (are_doubles(backend, world->backends[j])) {
                snprintf(text, sizeof(text), "two backends of %s live: pid %d and pid %d", backend->service,
                         (int)world->backends[j]->proc->pid, (int)backend->proc->pid);
                return text;
            }
        }
    }
    return k_rest(world);
}

static void check_socket(const struct world *world)
{
    struct stat st;

    if (sim.n_faults == 0 && k_stat(AT_FDCWD, world->socket_path, &st, false) == 0) {
        sim_fail("the socket is still there");
    }
}

/* A child that was not handed over to the registry does not outlive the broker. */
static void check_children(const struct world *world)
{
    for (int i = 0; i < world->n_backends; i++) {
        const struct sim_backend *backend = world->backends[i];

        if (backend->proc->is_alive && !backend->has_answered && backend->proc->ppid == sim.broker->pid &&
            sim.n_faults == 0) {
            sim_fail("pid %d was never proved and outlives the broker", (int)backend->proc->pid);
        }
    }
}

void check_after_end(struct world *world, bool has_failed)
{
    if (has_failed && sim.n_faults == 0 &&
        (!world->holder || (!world->holder->is_alive && world->holder->died_nsec + 500 * MSEC < sim.now_nsec))) {
        sim_fail("the broker fails, and nothing had failed it");
    }
    if (!has_failed && !world->term_nsec) {
        sim_fail("the broker ends, and nobody had told it to");
    }
    if (!has_failed) {
        check_socket(world);
    }
    check_children(world);
}
