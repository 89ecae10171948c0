/* SPDX-License-Identifier: MIT */

/*
 * Our backend library as a program that both brokers can launch: echoes on one lane and keeps an identity file beside
 * its executable, or at the path in OUR_BACKEND_IDENTITY. `our-backend identity FILE` reads such a file, whoever wrote
 * it, and prints it as `name=value` lines.
 */

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rpb/backend.h>

#define LANE 0xF001u

static struct rpb_backend *backend;

static void stop(int signo)
{
    (void)signo;
    rpb_backend_stop(backend);
}

static int echo(struct rpb_backend_request *request, void *user)
{
    (void)user;
    return rpb_backend_respond(request, request->data, request->size);
}

static int serve(void)
{
    static const uint32_t lanes[] = {LANE};
    static char sidecar[4200], text[RPB_BACKEND_TEXT_MAX];
    const ssize_t size = readlink("/proc/self/exe", sidecar, 4096);
    struct rpb_backend_config config = {
        .size = sizeof(config), .lanes = lanes, .n_lanes = 1, .handle = echo, .sidecar_path = sidecar};
    int r;

    if (size < 0) {
        return 1;
    }
    strcpy(sidecar + size, ".identity.json");
    if (getenv("OUR_BACKEND_IDENTITY") != NULL) {
        config.sidecar_path = getenv("OUR_BACKEND_IDENTITY");
    }
    r = rpb_backend_new(&config, &backend, text);
    if (r < 0) {
        fprintf(stderr, "our-backend: %s\n", text);
        return 1;
    }
    signal(SIGTERM, stop);
    r = rpb_backend_run(backend);
    rpb_backend_free(backend);
    return r < 0;
}

static int show(const char *path)
{
    static struct rpb_backend_identity identity;
    const int r = rpb_backend_identity_read(path, &identity);

    if (r != 0) {
        printf("error=%d\n", r);
        return 1;
    }
    printf("pid=%u\nexe_path=%s\nnamespace=%s\npath=%s\nboot_id=%s\nhash=", identity.pid, identity.exe_path,
           identity.namespace_id, identity.path, identity.boot_id);
    for (size_t i = 0; i < sizeof(identity.exe_hash); i++) {
        printf("%02x", identity.exe_hash[i]);
    }
    printf("\n");
    return 0;
}

int main(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], "identity") == 0 ? show(argv[2]) : serve();
}
