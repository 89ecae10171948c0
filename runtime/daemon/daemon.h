/* SPDX-License-Identifier: MIT */
#pragma once

/* A broker's life: start-up checks, socket, loop, drain, end (spec 02 §5, §16; spec 03 §13; decisions 11-13, 21). */

#include <stdbool.h>
#include <stdint.h>

#include "backend/backends.h"
#include "base/clock.h"
#include "service/instance.h"

enum daemon_mode {
    DAEMON_LAUNCH,     /* launches backends on demand: serve, --serve-launch */
    DAEMON_REGISTERED, /* fronts one backend that somebody else runs: --serve */
    DAEMON_ONCE,       /* answers one connection, knows no service: --serve-once */
};

enum { DAEMON_TEXT_MAX = 512 };
enum { DAEMON_E_FAILED = 1 }; /* the text says what */

struct daemon_config {
    enum daemon_mode mode;
    const char *socket_path; /* NULL: the canonical one of the instance */
    bool has_instance;
    struct instance_id instance; /* with has_instance: only its services are served */
    const char *definition_dir, *definition_dir_source;
    uint64_t max_connections;  /* 0: no end */
    uint32_t hello_rate_limit; /* 0: none */
    enum backend_lifetime backend_lifetime;
    /* DAEMON_REGISTERED */
    const char *service, *version, *backend_endpoint;
    const char *handoff_endpoint; /* NULL: none */
};

/*
 * Serves until it is told to end. 0: it ended as it should; DAEMON_E_FAILED: @ret_text is the clause behind
 * `serve failed: `. Called once in a process; changes its limits and signal dispositions.
 */
int daemon_run(const struct daemon_config *config, char ret_text[DAEMON_TEXT_MAX]);
