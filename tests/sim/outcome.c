/* SPDX-License-Identifier: MIT */

/*
 * What a calm run has come to, in lines that two kernels must have in common: who was told what, and to which launch
 * whom the broker has sent. Random names become their shape, directories their place in the world.
 */

#include <stdio.h>
#include <string.h>

#include "run.h"

/* A run of sixteen or more hexadecimal digits is a hash or a random number. */
static void print_shape(const char *name)
{
    while (*name) {
        size_t n = strspn(name, "0123456789abcdef");

        if (n >= 16) {
            printf("<%zu>", n);
            name += n;
        } else {
            printf("%.*s", (int)(n ? n : 1), name);
            name += n ? n : 1;
        }
    }
}

static void print_place(const struct world *world, const char *path)
{
    const char *dir = strncmp(path, k_path(RUNTIME), strlen(k_path(RUNTIME))) ? "elsewhere" : "the runtime directory";
    const char *name = strrchr(path, '/');

    for (int i = 0; i < world->n_backends; i++) {
        if (!strcmp(world->backends[i]->path, path)) {
            printf(", launch %d", i + 1);
        }
    }
    printf(", in %s ", dir);
    print_shape(name ? name + 1 : path);
}

static void print_client(const struct world *world, const struct sim_client *client)
{
    printf(" %s, code %u%s%s", client_result_name(client->result), client->code, *client->reason ? ": " : "",
           client->reason);
    if (client->result == CLIENT_NEGOTIATED) {
        print_place(world, client->path);
    }
    putchar('\n');
}

static void print_calls(const char *whose, const uint8_t *seen)
{
    printf("    %s:", whose);
    for (int i = 0; i < CALL_COUNT; i++) {
        if (seen[i]) {
            printf(" %s", sim_call_name((enum sim_call)i));
        }
    }
    putchar('\n');
}

void outcome_print_calls(void)
{
    sim.seen[1][CALL_poll] = 0; /* the worker waits where a program is younger than 20 ms: that is no outcome */
    print_calls("calls of the loop", sim.seen[0]);
    print_calls("calls of the worker", sim.seen[1]);
}

void outcome_print(const struct run *run, const struct world *world)
{
    for (int i = 0; i < world->n_clients; i++) {
        printf("scenario %d seed %llu client %d:", run->scenario, (unsigned long long)run->seed, i + 1);
        print_client(world, world->clients[i]);
    }
    if (world->canary) {
        printf("scenario %d seed %llu canary:", run->scenario, (unsigned long long)run->seed);
        print_client(world, world->canary);
    }
    printf("scenario %d seed %llu: %d launches\n", run->scenario, (unsigned long long)run->seed, world->n_backends);
}
