/* SPDX-License-Identifier: MIT */

#include "unit/hello/rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "check.h"
#include "wire/protocol.h"

void hello_rig_up(struct hello_rig *rig, const struct hello_rig_options *options)
{
    struct backends_config backends = {.loop = &rig->loop,
                                       .world = &rig->world,
                                       .user_hash = "0123456789abcdef",
                                       .runtime_dir = rig->runtime,
                                       .launching = options->launching,
                                       .owned_bind = true};
    struct hello_config hello = {.loop = &rig->loop, .rate_limit = options->rate_limit};
    struct instance_id serves;

    memset(rig, 0, sizeof(*rig));
    snprintf(rig->dir, sizeof(rig->dir), "%s", check_tmpdir());
    snprintf(rig->definitions, sizeof(rig->definitions), "%s/d", rig->dir);
    snprintf(rig->runtime, sizeof(rig->runtime), "%s/r", rig->dir);
    check_fatal(mkdir(rig->definitions, 0700) == 0);
    check_fatal(mkdir(rig->runtime, 0700) == 0);
    check_fatal(loop_init(&rig->loop) == 0);
    check_fatal(fsm_world_init(&rig->world, &rig->loop) == 0);
    check_fatal(getrlimit(RLIMIT_NOFILE, &backends.child_nofile) == 0);
    check_fatal(getrlimit(RLIMIT_DATA, &backends.child_data) == 0);
    check_fatal(store_init(&rig->store, rig->definitions) == 0);
    check_fatal(backends_init(&rig->backends, &backends) == 0);
    if (!options->handler) {
        hello.store = &rig->store;
        hello.backends = &rig->backends;
    }
    if (options->serves != NULL) {
        check_fatal(instance_parse(options->serves, &serves) == 0);
        hello.serves = &serves;
    }
    check_fatal(hello_init(&rig->hello, &hello) == 0);
}

void hello_rig_down(struct hello_rig *rig)
{
    hello_deinit(&rig->hello);
    backends_deinit(&rig->backends);
    store_deinit(&rig->store);
    fsm_world_deinit(&rig->world);
    loop_deinit(&rig->loop);
    for (size_t i = 0; i < rig->n_fakes; i++) {
        kill(rig->fakes[i], SIGKILL);
        waitpid(rig->fakes[i], NULL, 0);
    }
}

void hello_rig_write(struct hello_rig *rig, const char *name, const void *bytes, size_t size)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", rig->definitions, name);
    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    check_fatal(fd >= 0);
    check_fatal(write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

void hello_rig_define(struct hello_rig *rig, const char *service, const char *more)
{
    char name[96], text[1024];

    snprintf(name, sizeof(name), "%s.txtpb", service);
    snprintf(text, sizeof(text), "service_name: \"%s\"\n%s", service, more);
    hello_rig_write(rig, name, text, strlen(text));
}

void hello_rig_register(struct hello_rig *rig, const char *instance, const char *service, const char *version,
                        const char *path)
{
    struct backend_key key;
    struct backend *backend;
    pid_t pid = fork();
    int pidfd;

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            pause();
        }
    }
    check_fatal(pid > 0);
    rig->fakes[rig->n_fakes++] = pid;
    pidfd = sys_pidfd_open(pid, 0);
    check_fatal(pidfd >= 0);
    check_fatal(backend_key_make(slice_from(instance), slice_from(service), slice_from(version), NULL, &key));
    check_fatal(backend_new(&key, &backend) == 0);
    backend->pid = pid;
    backend->is_external = true;
    backend->external_path = strdup(path);
    check_fatal(registry_insert(&rig->backends.registry, backend, pidfd) == 0);
}

size_t hello_rig_pack(uint8_t *ret, const Hello *hello, uint64_t request_id, const char *traceparent,
                      const char *tracestate)
{
    const struct envelope_echo echo = {.request_id = request_id, .traceparent = traceparent, .tracestate = tracestate};
    static uint8_t payload[HELLO_BODY_MAX];

    check_fatal(message_size(MESSAGE_OF(hello)) <= sizeof(payload));
    struct slice slice = {.data = (const char *)payload, .size = message_pack(MESSAGE_OF(hello), payload)};
    size_t size;
    Frame frame;

    envelope_response(&frame, LANE_CONTROL, &echo, slice);
    frame.kind = FRAME_KIND(REQUEST);
    size = message_pack(MESSAGE_OF(&frame), ret + FRAME_HEADER_SIZE);
    ret[0] = 1;
    for (int i = 0; i < 4; i++) {
        ret[1 + i] = (uint8_t)(size >> (8 * i));
    }
    return FRAME_HEADER_SIZE + size;
}

size_t hello_rig_frame(uint8_t *ret, const char *service, const char *version, uint64_t request_id)
{
    char service_copy[128], version_copy[128];
    Hello hello;

    message_init(MESSAGE_HELLO, &hello);
    snprintf(service_copy, sizeof(service_copy), "%s", service);
    snprintf(version_copy, sizeof(version_copy), "%s", version);
    hello.client_min_protocol = hello.client_max_protocol = 1;
    hello.service_name = service_copy;
    hello.wanted_version = version_copy;
    return hello_rig_pack(ret, &hello, request_id, "", "");
}
