/* SPDX-License-Identifier: MIT */

/*
 * What is on the world's disk: the directories and files of a machine, the programs of the services, their definitions
 * in every form and manner that editors have. It says nothing of when; operator.c does.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "broker_v1_service_def.pb-c.h"
#include "world.h"

const char *const world_services[WORLD_SERVICES] = {"alpha", "beta"};

int world_service(const char *name)
{
    return !strcmp(name, world_services[1]);
}

void world_put_text(const char *path, const char *text, mode_t mode)
{
    (void)k_put_file(path, text, strlen(text), mode);
}

static void remove_form(const char *name, const char *suffix)
{
    char path[128];

    snprintf(path, sizeof(path), DEFINITIONS "/%s%s", name, suffix);
    (void)k_unlinkat(AT_FDCWD, path, 0);
}

/* In one of the binary forms, with what would go before it removed. */
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
    definition.binary_path = sim_copy(k_path(path));
    definition.per_version_binary_dir = sim_copy(k_path(text));
    definition.isolation = RUNNING_PROCESS__BROKER__V1__BROKER_ISOLATION__SHARED_BROKER;
    definition.min_version = sim_copy(world->n_edits[service] % 2 ? "2.0.0" : "1.0.0");
    snprintf(path, sizeof(path), DEFINITIONS "/%s%s", name, suffix);
    (void)k_put_file(path, bytes, running_process__broker__v1__service_definition__pack(&definition, bytes), 0600);
    remove_form(name, ".txtpb");
    if (strcmp(suffix, ".servicedef") == 0) {
        remove_form(name, ".servicedef.v2");
    }
}

/* Odd edits forbid version 1.0.0. By rename, or in place, as editors and backends do it. */
void world_write_definition(struct world *world, int service, bool is_atomic)
{
    const char *name = world_services[service];
    char path[128], temporary[128], dir[64], program[64], text[512];

    if (!world->is_calm && draw_chance(1, 2)) {
        write_binary(world, service, draw_chance(1, 2) ? ".servicedef.v2" : ".servicedef");
        return;
    }

    snprintf(path, sizeof(path), DEFINITIONS "/%s.txtpb", name);
    snprintf(temporary, sizeof(temporary), DEFINITIONS "/.%s.tmp", name);
    snprintf(dir, sizeof(dir), "/opt/%s", name);
    snprintf(program, sizeof(program), "/opt/%s/backend", name);
    snprintf(text, sizeof(text),
             "service_name: \"%s\"\nbinary_path: \"%s\"\nper_version_binary_dir: \"%s\"\n"
             "isolation: SHARED_BROKER\nlabels { key: \"edit\" value: \"%u\" }\n%s",
             name, k_path(program), k_path(dir), world->n_edits[service],
             world->n_edits[service] % 2 ? "min_version: \"2.0.0\"\n" : "min_version: \"1.0.0\"\n");
    world_put_text(is_atomic ? temporary : path, text, 0600);
    if (is_atomic) {
        (void)k_renameat(AT_FDCWD, temporary, AT_FDCWD, path);
    }
}

void world_make_disk(struct world *world)
{
    static const char *const dirs[] = {"/tmp",           "/etc",        "/dev",       "/proc/sys/kernel/random",
                                       "/run/user/1000", DEFINITIONS,   "/opt/alpha", "/opt/beta",
                                       "/usr/bin",       "/run/sockets"};
    char path[64];

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        (void)k_mkdirs(dirs[i]);
    }
    (void)k_set_mode("/tmp", 01777, 0);
    (void)k_set_mode("/run", 0755, 0);
    (void)k_set_mode("/run/user", 0755, 0);
    (void)k_set_mode("/run/user/1000", 0700, SIM_UID);
    (void)k_set_mode("/run/sockets", 0700, SIM_UID);
    (void)k_set_mode(DEFINITIONS, 0700, SIM_UID);
    world_put_text("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0444);
    world_put_text("/proc/sys/kernel/random/boot_id", "b0071d00-0000-4000-8000-000000000001\n", 0444);
    world_put_text("/usr/bin/client", "client", 0755);
    world_put_text("/usr/bin/broker", "broker", 0755);
    world_put_text("/dev/null", "", 0666);
    (void)k_set_mode("/dev/null", 0666, 0);
    for (int i = 0; i < WORLD_SERVICES; i++) {
        snprintf(path, sizeof(path), "/opt/%s/backend", world_services[i]);
        (void)k_put_program(path, i, world->builds[i]);
        world_write_definition(world, i, false);
    }
}
