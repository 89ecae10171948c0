/* SPDX-License-Identifier: MIT */

/*
 * A client: connects, sends a request in the manner of its script, reads the one answer and notes what it says. It
 * judges nothing; check.c does. Frames are made with the generated code alone, not with the broker's own writer.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "broker_v1_admin.pb-c.h"
#include "broker_v1_envelope.pb-c.h"
#include "world.h"

enum {
    STEP_CONNECT,
    STEP_SEND,
    STEP_READ,
    STEP_SIT, /* does nothing until it is closed or tired */
    STEP_DONE,
};

#define PATIENCE (45 * SEC)

typedef RunningProcess__Broker__V1__Frame Frame;
typedef RunningProcess__Broker__V1__Hello Hello;
typedef RunningProcess__Broker__V1__HelloReply HelloReply;
typedef RunningProcess__Broker__V1__AdminRequest AdminRequest;

/* ------------------------------------------------------------------------------------------------------ the request */

static void frame_payload(struct sim_client *client, uint32_t lane, uint8_t *payload, size_t size)
{
    Frame frame;
    size_t body;

    running_process__broker__v1__frame__init(&frame);
    frame.envelope_version = 1;
    frame.payload_protocol = lane;
    frame.payload.data = payload;
    frame.payload.len = size;
    frame.request_id = 7;
    body = running_process__broker__v1__frame__get_packed_size(&frame);
    client->out = sim_new(body + 5);
    client->out[0] = 1;
    for (int i = 0; i < 4; i++) {
        client->out[1 + i] = (uint8_t)(body >> (8 * i));
    }
    running_process__broker__v1__frame__pack(&frame, client->out + 5);
    client->n_out = client->n_limit = body + 5;
}

static void make_hello(struct sim_client *client)
{
    Hello hello;
    size_t token_size = client->script == CLIENT_LARGE ? 60000 + draw_below(20000) : 0;
    uint8_t *payload = sim_new(512 + token_size);
    char name[64], version[64], request_id[64];

    running_process__broker__v1__hello__init(&hello);
    snprintf(name, sizeof(name), "%s", world_services[client->service]);
    snprintf(version, sizeof(version), "%s", client->version);
    snprintf(request_id, sizeof(request_id), "request-%d", (int)client->actor->proc->pid);
    hello.client_min_protocol = hello.client_max_protocol = 1;
    hello.service_name = name;
    hello.wanted_version = version;
    hello.request_id = request_id;
    hello.auth_token.len = token_size;
    hello.auth_token.data = token_size ? sim_new(token_size) : NULL;
    frame_payload(client, 0, payload, running_process__broker__v1__hello__pack(&hello, payload));
}

static void make_admin(struct sim_client *client)
{
    static const int verbs[] = {RUNNING_PROCESS__BROKER__V1__ADMIN_VERB__ADMIN_VERB_HEALTHZ,
                                RUNNING_PROCESS__BROKER__V1__ADMIN_VERB__ADMIN_VERB_READYZ,
                                RUNNING_PROCESS__BROKER__V1__ADMIN_VERB__ADMIN_VERB_STATUS};
    AdminRequest request;
    uint8_t payload[256];

    running_process__broker__v1__admin_request__init(&request);
    request.verb = client->script == CLIENT_SHUTDOWN ? RUNNING_PROCESS__BROKER__V1__ADMIN_VERB__ADMIN_VERB_SHUTDOWN
                                                     : verbs[draw_below(3)];
    request.json = (protobuf_c_boolean)draw_below(2);
    frame_payload(client, 0xAD01, payload, running_process__broker__v1__admin_request__pack(&request, payload));
}

/* ------------------------------------------------------------------------------------------------------- the answer */

static void finish(struct sim_client *client, enum client_result result)
{
    if (client->fd >= 0) {
        (void)k_close(client->fd);
        client->fd = -1;
    }
    client->result = result;
    client->done_nsec = sim.now_nsec;
    backends_look(client->world); /* the answer came after what the backend did for it */
    client->step = STEP_DONE;
    client->actor->is_done = true;
    sim_trace("%s", client_result_text(client));
    check_client(client);
    sim_wake_at(client->world->operator, sim.now_nsec);
}

const char *client_result_name(enum client_result result)
{
    static const char *const names[] = {"waits",  "negotiated",  "refused", "administered",
                                        "closed", "unreachable", "left"};

    return names[result];
}

const char *client_result_text(const struct sim_client *client)
{
    static char text[512];

    snprintf(text, sizeof(text), "client of %s %s (script %d): %s %s code %u%s%s", world_services[client->service],
             client->version, client->script, client_result_name(client->result), client->path, client->code,
             *client->reason ? ": " : "", client->reason);
    return text;
}

static void take_reply(struct sim_client *client, const HelloReply *reply)
{
    if (!reply) {
        sim_fail("a reply does not decode");
        finish(client, CLIENT_CLOSED);
    } else if (reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED) {
        snprintf(client->path, sizeof(client->path), "%s", reply->negotiated->backend_pipe);
        finish(client, CLIENT_NEGOTIATED);
    } else if (reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED) {
        client->code = (uint32_t)reply->refused->code;
        client->retry_msec = reply->refused->retry_after_ms;
        snprintf(client->reason, sizeof(client->reason), "%s", reply->refused->reason);
        finish(client, CLIENT_REFUSED);
    } else {
        sim_fail("a reply says nothing");
        finish(client, CLIENT_CLOSED);
    }
}

static void judge(struct sim_client *client, size_t body)
{
    Frame *frame = running_process__broker__v1__frame__unpack(NULL, body, client->in + 5);
    HelloReply *reply;

    if (!frame) {
        sim_fail("an answer is no frame");
        finish(client, CLIENT_CLOSED);
        return;
    }
    if (frame->payload_protocol == 0xAD01) {
        finish(client, CLIENT_ADMINISTERED);
    } else {
        reply = running_process__broker__v1__hello_reply__unpack(NULL, frame->payload.len, frame->payload.data);
        take_reply(client, reply);
        if (reply) {
            running_process__broker__v1__hello_reply__free_unpacked(reply, NULL);
        }
    }
    running_process__broker__v1__frame__free_unpacked(frame, NULL);
}

/* True when there was something to be done at once. */
static void read_answer(struct sim_client *client)
{
    size_t body;
    long n = k_recv(client->fd, client->in + client->n_in, sizeof(client->in) - client->n_in, false);

    if (n == -EAGAIN) {
        sim_wait_for(client->actor, client->fd, POLLIN, client->connected_nsec + PATIENCE);
        if (sim.now_nsec >= client->connected_nsec + PATIENCE) {
            sim_fail("a client has waited for 45 s: neither answered nor closed");
            finish(client, CLIENT_WAITS);
        }
        return;
    }
    if (n <= 0) {
        finish(client, CLIENT_CLOSED);
        return;
    }
    client->n_in += (size_t)n;
    body = client->in[1] | (size_t)client->in[2] << 8 | (size_t)client->in[3] << 16 | (size_t)client->in[4] << 24;
    if (client->n_in >= 5 && (client->in[0] != 1 || body > sizeof(client->in) - 5)) {
        sim_fail("an answer has no proper header");
        finish(client, CLIENT_CLOSED);
    } else if (client->n_in >= 5 && client->n_in >= body + 5) {
        judge(client, body);
    } else {
        sim_wake_at(client->actor, sim.now_nsec);
    }
}

/* ------------------------------------------------------------------------------------------------------- the manner */

static void connect_broker(struct sim_client *client)
{
    int r;

    if (client->fd < 0) {
        client->fd = k_socket(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    client->edits_before = client->world->n_edits[client->service];
    client->build_before = client->world->builds[client->service];
    r = k_connect(client->fd, client->world->socket_path);
    sim_trace("connect = %d", r);
    if (r == -EAGAIN) {
        sim_wake_at(client->actor, sim.now_nsec + 10 * MSEC);
    } else if (r < 0) {
        finish(client, CLIENT_UNREACHABLE);
    } else {
        client->connected_nsec = sim.now_nsec;
        if (client->world->holder && client->world->holder->is_alive) {
            sim_fail("a broker serves while another one holds the lock");
        }
        client->step = client->script == CLIENT_SILENT ? STEP_SIT : STEP_SEND;
        sim_wake_at(client->actor,
                    sim.now_nsec + (client->script == CLIENT_ASSASSIN ? MSEC : 0)); /* it is accepted by then */
    }
}

static void kill_backends(struct sim_client *client)
{
    struct world *world = client->world;

    for (int i = 0; i < world->n_backends && world->scenario != SCENARIO_REGISTERED; i++) {
        if (world->backends[i]->has_answered && !strcmp(world->backends[i]->service, world_services[client->service])) {
            k_proc_signal(world->backends[i]->proc, SIGKILL);
        }
    }
}

static void after_sending(struct sim_client *client)
{
    sim_wake_at(client->actor, sim.now_nsec);
    switch (client->script) {
    case CLIENT_CUT:
    case CLIENT_IMPATIENT:
        finish(client, CLIENT_LEFT);
        break;
    case CLIENT_HALF_CLOSED:
        (void)k_shutdown(client->fd, SHUT_WR);
        client->step = STEP_READ;
        break;
    case CLIENT_NEVER_READS:
        client->step = STEP_SIT;
        break;
    default:
        client->step = STEP_READ;
    }
}

static void send_some(struct sim_client *client)
{
    size_t size = client->n_limit - client->n_sent;
    long n;

    if (client->script == CLIENT_ASSASSIN && client->n_sent == 0) {
        kill_backends(client);
    }
    if (client->script == CLIENT_BYTEWISE && size > 1) {
        size = 1;
    }
    n = size ? k_send(client->fd, client->out + client->n_sent, size) : 0;
    if (n == -EAGAIN) {
        sim_wait_for(client->actor, client->fd, POLLOUT, client->connected_nsec + PATIENCE);
        return;
    }
    if (n < 0) {
        client->step = STEP_READ; /* what was said before the end is still there */
        sim_wake_at(client->actor, sim.now_nsec);
        return;
    }
    client->n_sent += (size_t)n;
    if (client->n_sent == client->n_limit) {
        client->asked_at = ++sim.sequence;
        after_sending(client);
    } else {
        sim_wake_at(client->actor, sim.now_nsec + (client->script == CLIENT_BYTEWISE ? draw_below(20 * MSEC) : 0));
    }
}

static void sit(struct sim_client *client)
{
    if (k_ready_at(client->fd) & POLLHUP) {
        finish(client, CLIENT_CLOSED);
    } else if (sim.now_nsec >= client->connected_nsec + PATIENCE) {
        sim_fail("a client that does nothing was not closed within 45 s");
        finish(client, CLIENT_WAITS);
    } else {
        sim_wait_for(client->actor, client->fd, 0, client->connected_nsec + PATIENCE);
    }
}

static void step(struct sim_actor *actor)
{
    struct sim_client *client = actor->data;

    switch (client->step) {
    case STEP_CONNECT:
        connect_broker(client);
        break;
    case STEP_SEND:
        send_some(client);
        break;
    case STEP_READ:
        read_answer(client);
        break;
    case STEP_SIT:
        sit(client);
        break;
    default:
        actor->is_done = true;
    }
}

struct sim_client *client_start(struct world *world, enum client_script script, int service, uint64_t begin_nsec)
{
    struct sim_client *client = sim_new(sizeof(*client));
    struct sim_proc *proc = k_proc_new("/usr/bin/client", 1);

    *client = (struct sim_client){.world = world, .script = script, .service = service, .version = "1.0.0", .fd = -1};
    client->actor = sim_add_actor("client", proc, step, client);
    sim_wake_at(client->actor, begin_nsec);
    if (script == CLIENT_ADMIN || script == CLIENT_SHUTDOWN) {
        make_admin(client);
    } else {
        make_hello(client);
    }
    if (script == CLIENT_CUT || script == CLIENT_HALF_CLOSED) {
        client->n_limit = draw_below(client->n_out + 1);
    }
    for (int i = 0; script == CLIENT_GARBLED && i < 3; i++) {
        client->out[draw_below(client->n_out)] = (uint8_t)draw_random();
    }
    return client;
}
