/* SPDX-License-Identifier: MIT */
#pragma once

/* Everything that answers a Hello, real but small, in a directory of its own: what the tests of hello/ and control/ run
 * on. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backend/backends.h"
#include "fsm/fsm.h"
#include "hello/hello.h"
#include "loop/loop.h"
#include "service/store.h"

struct hello_rig_options {
    bool handler; /* no store: --serve-once */
    bool launching;
    uint32_t rate_limit; /* 0: none */
    const char *serves;  /* instance; NULL: all */
};

struct hello_rig {
    struct loop loop;
    struct fsm_world world;
    struct store store;
    struct backends backends;
    struct hello hello;
    char dir[128], definitions[160], runtime[160];
    pid_t fakes[16];
    size_t n_fakes;
};

void hello_rig_up(struct hello_rig *rig, const struct hello_rig_options *options);
void hello_rig_down(struct hello_rig *rig);

/* Writes <service>.txtpb with service_name and @more lines ("isolation: SHARED_BROKER\n…"). */
void hello_rig_define(struct hello_rig *rig, const char *service, const char *more);

/* Writes any file of the definition directory. */
void hello_rig_write(struct hello_rig *rig, const char *name, const void *bytes, size_t size);

/* A live process that is registered as the backend of @service at @path. */
void hello_rig_register(struct hello_rig *rig, const char *instance, const char *service, const char *version,
                        const char *path);

/* The usual answers: a Hello for protocol 1, packed as a framed request with @request_id. Returns the size. */
size_t hello_rig_frame(uint8_t *ret, const char *service, const char *version, uint64_t request_id);

/* The same from a message. */
size_t hello_rig_pack(uint8_t *ret, const Hello *hello, uint64_t request_id, const char *traceparent,
                      const char *tracestate);
