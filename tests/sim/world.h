/* SPDX-License-Identifier: MIT */
#pragma once

/* The scripted world around the broker: what is on disk, who asks, who answers, who interferes. */

#include "sim.h"

enum {
    WORLD_SERVICES = 2,
    WORLD_CLIENTS = 48,
    WORLD_BACKENDS = 64,
    WORLD_PATH = 108,
};

/* What a launched backend does; the scripts of one run are drawn beforehand, by the number of the launch. */
enum backend_script {
    BACKEND_GOOD,        /* adopts the listener, answers */
    BACKEND_SLOW,        /* the same after up to 5 s */
    BACKEND_OWN_SOCKET,  /* unlinks the path and binds its own socket (decision 12a) */
    BACKEND_HALTING,     /* answers byte by byte */
    BACKEND_EXITS,       /* before it listens */
    BACKEND_CRASHES,     /* after it was asked */
    BACKEND_SILENT,      /* adopts, never answers */
    BACKEND_LIAR,        /* answers for another process */
    BACKEND_GARBLED,     /* answers with bytes that are no frame */
    BACKEND_HANGS_UP,    /* takes the question and closes, once; then as good */
    BACKEND_SHORT_LIVED, /* good, and dies soon after */
    BACKEND_TEXT_BUSY,   /* exec fails with ETXTBSY */
    BACKEND_NO_EXEC,     /* exec fails with ENOEXEC */
    BACKEND_SCRIPTS
};

#define DEFINITIONS "/home/user/services"
#define RUNTIME "/run/user/1000/running-process/broker"
#define EXTERNAL "/run/sockets/external.sock"

struct sim_backend {
    struct world *world;
    struct sim_proc *proc;
    enum backend_script script;
    const char *program, *path, *service, *version, *instance;
    int step;
    int listener_fd, fd;
    uint8_t in[256], out[1024];
    size_t n_in, n_out, n_sent;
    uint64_t dies_nsec;
    bool was_asked, has_answered;
    uint32_t build; /* of its program, that it runs */
};

enum client_script {
    CLIENT_WHOLE,
    CLIENT_BYTEWISE,
    CLIENT_CUT,         /* hangs up in the middle of its request */
    CLIENT_IMPATIENT,   /* hangs up behind its request */
    CLIENT_HALF_CLOSED, /* shuts its writing side in the middle */
    CLIENT_NEVER_READS,
    CLIENT_SILENT,
    CLIENT_GARBLED, /* some bytes are others */
    CLIENT_ADMIN,
    CLIENT_ASSASSIN, /* kills its backend, then asks */
    CLIENT_LARGE,    /* a Hello longer than 64 KiB */
    CLIENT_SCRIPTS,
    CLIENT_SHUTDOWN = CLIENT_SCRIPTS, /* the admin verb; the operator's */
};

/* What a refusal says. */
enum {
    CODE_SERVICE_UNKNOWN = 2,
    CODE_SPAWN_FAILED = 3,
    CODE_RATE_LIMITED = 4,
    CODE_VERSION_BLOCKED = 8,
};

enum client_result {
    CLIENT_WAITS,
    CLIENT_NEGOTIATED,
    CLIENT_REFUSED,
    CLIENT_ADMINISTERED,
    CLIENT_CLOSED,      /* by the broker, without a whole answer */
    CLIENT_UNREACHABLE, /* nobody listens */
    CLIENT_LEFT,        /* by its own will */
};

struct sim_client {
    struct world *world;
    struct sim_actor *actor;
    enum client_script script;
    int service;
    const char *version;
    int step, fd;
    uint8_t *out;
    size_t n_out, n_sent, n_limit;
    uint8_t in[8192];
    size_t n_in;
    uint64_t connected_nsec, done_nsec;
    uint64_t asked_at;     /* sim.sequence of the last byte of the request */
    uint32_t build_before; /* the build of its service's program, when it began */
    uint32_t edits_before; /* of its service's definition, when it began */
    enum client_result result;
    uint32_t code;
    uint64_t retry_msec;
    char path[WORLD_PATH], reason[128];
};

/* What one run is about. */
enum scenario {
    SCENARIO_WARM,       /* a launch, then Hellos that find the backend */
    SCENARIO_COLD,       /* Hellos of several clients at once for services that do not run */
    SCENARIO_EDIT,       /* definitions change between and under Hellos */
    SCENARIO_START,      /* a stale socket, or a lock that somebody holds for a while */
    SCENARIO_STOP,       /* SIGTERM or the shutdown verb while something is going on */
    SCENARIO_REGISTERED, /* a broker in front of a backend that somebody else runs */
    SCENARIO_COUNT
};

struct world {
    enum scenario scenario;
    bool is_calm;      /* two plain clients and good backends, one step after the other */
    bool stops_launch; /* in a calm SCENARIO_STOP: while a launch is under way */
    char socket_path[WORLD_PATH];
    bool is_canonical; /* where the broker would have it by itself */
    bool is_bound_lifetime;
    uint32_t launches;
    enum backend_script scripts[WORLD_BACKENDS];
    struct sim_backend *backends[WORLD_BACKENDS];
    int n_backends;
    struct sim_client *clients[WORLD_CLIENTS];
    int n_clients;
    uint32_t builds[WORLD_SERVICES];  /* counts the builds */
    uint32_t n_edits[WORLD_SERVICES]; /* odd: the version 1.0.0 is not allowed any more */
    /* the operator */
    struct sim_actor *operator;
    int step;
    struct sim_client *canary;
    uint32_t canary_tries;
    uint64_t term_nsec; /* when SIGTERM was sent; 0: not yet */
    bool has_power_cut, is_half_written;
    int half_written;
    uint64_t canary_nsec, rest_nsec; /* the first canary, the limit of the rest */
    struct sim_proc *holder;         /* of the lock, in SCENARIO_START; NULL: nobody */
    bool was_unlinked;               /* the broker's socket was removed once */
    bool was_cleaned;                /* everything in the runtime directory was removed once */
    bool was_at_rest;                /* when SIGTERM came: nothing holds the drain */
};

extern const char *const world_services[WORLD_SERVICES];
int world_service(const char *name);

/* Fills disk and processes; draws clients, backends and what the operator does by the seed. */
void world_init(struct world *world, enum scenario scenario, bool is_calm);

/* backend.c: its life behind the exec. */
struct sim_backend *backend_at(struct world *world, const char *path);
void backend_init(struct sim_backend *backend, struct world *world, struct sim_proc *proc, enum backend_script script);
void backend_init_external(struct sim_backend *backend, int service, const char *path);
void backend_begin(struct sim_backend *backend, struct sim_actor *actor);
void backend_step(struct sim_actor *actor);
/* launch.c, real_backend.c: a backend that nobody launches. */
void backend_external(struct world *world, int service, const char *path, enum backend_script script);
/* launch.c, real_backend.c: what the backends have done by now is known to @world. */
void backends_look(struct world *world);
/* launch.c: gives the process its script: sim.on_spawn. */
void backend_spawned(struct sim_proc *proc, const char *path);
extern struct world *the_world;

/* client.c */
struct sim_client *client_start(struct world *world, enum client_script script, int service, uint64_t begin_nsec);
const char *client_result_name(enum client_result result);
const char *client_result_text(const struct sim_client *client);

/* operator.c: the thread of events of a run. */
void operator_step(struct sim_actor *actor);

/* disk.c */
void world_make_disk(struct world *world);
void world_put_text(const char *path, const char *text, mode_t mode);
void world_write_definition(struct world *world, int service, bool is_atomic);

/* check.c: what must hold. */
void check_client(struct sim_client *client);
const char *check_rest(struct world *world); /* NULL: all is as it should be when nothing is under way */
void check_after_end(struct world *world, bool has_failed);
