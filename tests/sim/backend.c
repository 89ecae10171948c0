/* SPDX-License-Identifier: MIT */

/*
 * A backend behind its exec: it listens, takes one connection after the other and answers identity probes, or does what
 * its script has instead. It reads what it must know from its environment, as a real one. How it comes to be is told in
 * launch.c for the simulated kernel, in real_backend.c for the real one.
 */

#include <blake3.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker_v1_envelope.pb-c.h"
#include "broker_v1_manifest.pb-c.h"
#include "world.h"

enum {
    STEP_LISTEN,
    STEP_ACCEPT,
    STEP_READ,
    STEP_ANSWER,
    STEP_HOLD, /* keeps the connection and says nothing */
};

enum { NONCE_SIZE = 32, PROBE_LANE = 0xB232 };

typedef RunningProcess__Broker__V1__Frame Frame;
typedef RunningProcess__Broker__V1__DaemonProcess DaemonProcess;
typedef RunningProcess__Broker__V1__Endpoint Endpoint;

struct sim_backend *backend_at(struct world *world, const char *path)
{
    for (int i = world->n_backends - 1; i >= 0; i--) {
        if (!strcmp(world->backends[i]->path, path)) {
            return world->backends[i];
        }
    }
    return NULL;
}

static const char *variable(const struct sim_proc *proc, const char *name)
{
    size_t size = strlen(name);

    for (char *const *p = proc->env; *p; p++) {
        if (!strncmp(*p, name, size) && (*p)[size] == '=') {
            return *p + size + 1;
        }
    }
    return "";
}

static void end(struct sim_backend *backend, int code, int status)
{
    k_proc_exit(backend->proc, code, status);
}

/* ------------------------------------------------------------------------------------------------------- the answer */

static size_t pack_identity(struct sim_backend *backend, uint8_t *ret)
{
    static char algorithm[] = "blake3";
    DaemonProcess identity;
    Endpoint endpoint;
    blake3_hasher hasher;
    uint8_t hash[32];
    size_t size;
    const uint8_t *program = k_program(backend->proc, &size);

    running_process__broker__v1__daemon_process__init(&identity);
    running_process__broker__v1__endpoint__init(&endpoint);
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, program, size);
    blake3_hasher_finalize(&hasher, hash, sizeof(hash));
    identity.pid = (uint32_t)backend->proc->pid + (backend->script == BACKEND_LIAR);
    identity.exe_path = backend->proc->exe;
    identity.exe_hash_algorithm = algorithm;
    identity.exe_hash.data = hash;
    identity.exe_hash.len = sizeof(hash);
    identity.boot_id = sim_copy(k_boot_id());
    identity.started_at_unix_ms = 1;
    endpoint.namespace_id = sim_copy(backend->instance);
    endpoint.path = sim_copy(backend->path);
    identity.ipc_endpoint = &endpoint;
    return running_process__broker__v1__daemon_process__pack(&identity, ret);
}

static void make_answer(struct sim_backend *backend, const Frame *request)
{
    Frame frame;
    uint8_t payload[768];
    size_t body;

    running_process__broker__v1__frame__init(&frame);
    memcpy(payload, request->payload.data, NONCE_SIZE);
    frame.envelope_version = 1;
    frame.kind = RUNNING_PROCESS__BROKER__V1__FRAME_KIND__FRAME_KIND_RESPONSE;
    frame.payload_protocol = PROBE_LANE;
    frame.request_id = request->request_id;
    frame.payload.data = payload;
    frame.payload.len = NONCE_SIZE + pack_identity(backend, payload + NONCE_SIZE);
    body = running_process__broker__v1__frame__pack(&frame, backend->out + 5);
    backend->out[0] = backend->script == BACKEND_GARBLED ? 9 : 1;
    for (int i = 0; i < 4; i++) {
        backend->out[1 + i] = (uint8_t)(body >> (8 * i));
    }
    backend->n_out = body + 5;
    backend->n_sent = 0;
}

static void take_question(struct sim_backend *backend)
{
    Frame *request = running_process__broker__v1__frame__unpack(NULL, backend->n_in - 5, backend->in + 5);

    if (!request || request->payload_protocol != PROBE_LANE || request->payload.len != NONCE_SIZE) {
        sim_fail("a backend was asked something that is no probe");
        end(backend, CLD_EXITED, 3);
        return;
    }
    backend->was_asked = true;
    make_answer(backend, request);
    running_process__broker__v1__frame__free_unpacked(request, NULL);
    backend->step = STEP_ANSWER;
    if (backend->script == BACKEND_CRASHES) {
        end(backend, CLD_KILLED, SIGSEGV);
    } else if (backend->script == BACKEND_SILENT) {
        backend->step = STEP_HOLD;
    } else if (backend->script == BACKEND_HANGS_UP) {
        backend->script = BACKEND_GOOD;
        backend->fd = (k_close(backend->fd), -1);
        backend->step = STEP_ACCEPT;
    }
}

/* ------------------------------------------------------------------------------------------------------- its steps */

static void listen_somehow(struct sim_backend *backend)
{
    const char *number = variable(backend->proc, "RUNNING_PROCESS_BROKER_LISTENER_FD");

    backend->listener_fd = *number ? atoi(number) : -1;
    if (backend->script == BACKEND_OWN_SOCKET || backend->listener_fd < 0) {
        (void)k_unlinkat(AT_FDCWD, backend->path, 0);
        backend->listener_fd = k_socket(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
        (void)k_bind(backend->listener_fd, backend->path);
    }
    if (backend->listener_fd < 0 || k_listen(backend->listener_fd, 64) < 0) {
        end(backend, CLD_EXITED, 4);
        return;
    }
    backend->step = STEP_ACCEPT;
}

static void accept_one(struct sim_backend *backend)
{
    backend->fd = k_accept(backend->listener_fd, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (backend->fd < 0) {
        backend->fd = -1;
        sim_wait_for(backend->proc->actor, backend->listener_fd, POLLIN, backend->dies_nsec);
        return;
    }
    backend->n_in = 0;
    backend->step = STEP_READ;
}

static void hang_up(struct sim_backend *backend)
{
    (void)k_close(backend->fd);
    backend->fd = -1;
    backend->step = STEP_ACCEPT;
}

static void read_question(struct sim_backend *backend)
{
    long n = k_recv(backend->fd, backend->in + backend->n_in, sizeof(backend->in) - backend->n_in, false);

    if (n == -EAGAIN) {
        sim_wait_for(backend->proc->actor, backend->fd, POLLIN, backend->dies_nsec);
    } else if (n <= 0) {
        hang_up(backend);
    } else {
        backend->n_in += (size_t)n;
        if (backend->n_in >= 5 && backend->n_in == backend->in[1] + 5u) {
            take_question(backend);
        }
    }
}

static void send_answer(struct sim_backend *backend)
{
    size_t size = backend->n_out - backend->n_sent;
    size_t piece = backend->script == BACKEND_HALTING ? 1 : size;
    bool had_answered = backend->has_answered;
    long n;

    backend->has_answered = had_answered || piece == size; /* before anybody can have read it */
    n = k_send(backend->fd, backend->out + backend->n_sent, piece);
    backend->has_answered = had_answered || n == (long)size;

    if (n == -EAGAIN) {
        sim_wait_for(backend->proc->actor, backend->fd, POLLOUT, backend->dies_nsec);
        return;
    }
    if (n < 0) {
        hang_up(backend);
        return;
    }
    backend->n_sent += (size_t)n;
    if (backend->n_sent == backend->n_out) {
        backend->n_in = 0;
        backend->step = STEP_READ;
        if (backend->script == BACKEND_SHORT_LIVED) {
            backend->dies_nsec = sim.now_nsec + draw_below(20 * MSEC);
        }
    } else if (backend->script == BACKEND_HALTING) {
        sim_wake_at(backend->proc->actor, sim.now_nsec + draw_below(MSEC));
    }
}

void backend_step(struct sim_actor *actor)
{
    struct sim_backend *backend = actor->data;

    sim_wake_at(actor, sim.now_nsec);
    if (sim.now_nsec >= backend->dies_nsec) {
        end(backend, CLD_KILLED, SIGSEGV);
        return;
    }
    switch (backend->step) {
    case STEP_LISTEN:
        if (backend->script == BACKEND_EXITS) {
            end(backend, CLD_EXITED, (int)draw_below(3));
        } else {
            listen_somehow(backend);
        }
        break;
    case STEP_ACCEPT:
        accept_one(backend);
        break;
    case STEP_READ:
        read_question(backend);
        break;
    case STEP_ANSWER:
        send_answer(backend);
        break;
    default:
        sim_wait_for(actor, backend->fd, 0, NEVER);
        if (k_ready_at(backend->fd) & (POLLHUP | POLLERR)) {
            hang_up(backend);
        }
    }
}

void backend_init(struct sim_backend *backend, struct world *world, struct sim_proc *proc, enum backend_script script)
{
    *backend = (struct sim_backend){
        .world = world,
        .proc = proc,
        .script = script,
        .path = variable(proc, "RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE"),
        .service = variable(proc, "RUNNING_PROCESS_BROKER_V1_SERVICE_NAME"),
        .version = variable(proc, "RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION"),
        .instance = variable(proc, "RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE"),
        .listener_fd = -1,
        .fd = -1,
        .dies_nsec = NEVER,
    };
}

void backend_init_external(struct sim_backend *backend, int service, const char *path)
{
    backend->path = sim_copy(k_path(path));
    backend->service = world_services[service];
    backend->version = "1.0.0";
    backend->instance = "shared";
}

void backend_begin(struct sim_backend *backend, struct sim_actor *actor)
{
    uint64_t most = backend->script == BACKEND_SLOW    ? 5 * SEC
                    : backend->script == BACKEND_EXITS ? 100 * MSEC
                                                       : 2 * MSEC;

    backend->step = STEP_LISTEN;
    sim_wake_at(actor, sim.now_nsec + draw_below(most));
}
