/* SPDX-License-Identifier: MIT */

/*
 * Who knows whom: the loop drives everything, the store and the backends serve the Hello, the Hello and the admin verbs
 * serve the control socket, and the drain decides when it is over. Built from below, taken down from above, so nobody
 * ever calls into something that is gone.
 */

#include "daemon/broker.h"

#include <signal.h>

#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "daemon/notify.h"

#define OWNED_BIND_VARIABLE "RUNNING_PROCESS_BROKER_OWNED_BIND"

/* ---------------------------------------------------------------------------------------------------------- signals */

/* Names of sockets may be gone. */
static void recheck_endpoints(void *owner)
{
    struct broker *broker = owner;

    if (broker->has_backends) {
        backends_recheck_endpoints(&broker->backends);
    }
}

static void on_signal(void *owner, int signo)
{
    struct broker *broker = owner;

    if (signo == SIGHUP) {
        if (broker->has_store) {
            lookup_recheck(&broker->lookup);
        }
        socket_watch_look(&broker->socket_watch);
        return;
    }
    if (!broker->control) {
        broker->is_interrupted = true;
        loop_stop(&broker->loop);
        return;
    }
    drain_by_signal(&broker->drain, signo);
}

/* ----------------------------------------------------------------------------------------------- what others ask us */

static void tell_facts(void *owner, struct admin_facts *ret_facts)
{
    const struct broker *broker = owner;
    bool is_demoted = control_is_demoted(broker->control);

    *ret_facts = (struct admin_facts){
        .is_accepting = !is_demoted && !drain_has_begun(&broker->drain),
        .is_demoted = is_demoted,
        .connections_open = control_connections_open(broker->control),
        .unix_msec = clock_unix_msec(),
        .uptime_nsec = nsec_sub(clock_monotonic(), broker->started_nsec),
        .inodes = broker->inodes.known,
    };
}

static void tell_backends(void *owner, void (*each)(const struct backend_row *row, void *userdata), void *userdata)
{
    struct broker *broker = owner;

    if (broker->has_backends) {
        backends_each(&broker->backends, each, userdata);
    }
}

/* -------------------------------------------------------------------------------------- the drain and what it moves */

static void begin_drain(void *owner)
{
    struct broker *broker = owner;

    (void)notify_send("STOPPING=1");
    control_drain(broker->control); /* first: from here on no Hello asks for a backend */
    if (broker->has_backends) {
        backends_cancel(&broker->backends);
    }
}

static bool is_quiet(void *owner)
{
    const struct broker *broker = owner;

    return control_is_quiet(broker->control) && (!broker->has_backends || backends_is_quiet(&broker->backends));
}

static void end_drain(void *owner, bool is_forced)
{
    struct broker *broker = owner;

    if (is_forced) {
        control_cut_off(broker->control);
    }
    loop_stop(&broker->loop);
}

static void on_drained(void *owner)
{
    drain_look(&((struct broker *)owner)->drain);
}

static void on_shutdown_asked(void *owner, msec_t drain_msec)
{
    drain_by_request(&((struct broker *)owner)->drain, drain_msec);
}

static void on_finished(void *owner)
{
    loop_stop(&((struct broker *)owner)->loop);
}

/* ------------------------------------------------------------------------------------------------- building, ending */

int broker_init_base(struct broker *broker)
{
    sigset_t signals;
    int r = loop_init(&broker->loop);

    if (r < 0) {
        return error_trace(r);
    }
    broker->has_loop = true;
    r = fsm_world_init(&broker->world, &broker->loop);
    if (r < 0) {
        return error_trace(r);
    }
    broker->has_world = true;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    r = loop_signals_init(&broker->loop, &broker->signals, &signals, on_signal, broker);
    broker->has_signals = r >= 0;
    return error_trace(r);
}

int broker_init_backends(struct broker *broker)
{
    const struct daemon_config *config = broker->config;
    const struct backends_config backends = {
        .loop = &broker->loop,
        .world = &broker->world,
        .user_hash = broker->user_hash,
        .runtime_dir = broker->runtime_dir,
        .launching = config->mode == DAEMON_LAUNCH,
        .owned_bind = backends_owned_bind_from(env_get_raw(OWNED_BIND_VARIABLE)), /* empty means something here */
        .lifetime = config->backend_lifetime,
        .child_nofile = broker->limits.nofile,
        .child_data = broker->limits.data,
    };
    int r = store_init(&broker->store, config->definition_dir);

    if (r < 0) {
        return error_trace(r);
    }
    broker->has_store = true;
    lookup_init(&broker->lookup, &broker->loop, &broker->store);
    r = backends_init(&broker->backends, &backends);
    broker->has_backends = r >= 0;
    return error_trace(r);
}

int broker_bind_socket(struct broker *broker, char ret_text[SINGLETON_TEXT_MAX])
{
    const struct singleton_config config = {
        .path = broker->socket_path,
        .canonical_dir = *broker->runtime_dir ? broker->runtime_dir : NULL,
    };
    int r = singleton_bind(&broker->singleton, &config, ret_text);

    if (!r) {
        socket_watch_init(&broker->socket_watch, &broker->loop, &broker->singleton, &config, broker->backends_dir,
                          recheck_endpoints, broker);
    }
    return r;
}

static int init_hello(struct broker *broker)
{
    const struct daemon_config *config = broker->config;
    const struct hello_config hello = {
        .loop = &broker->loop,
        .store = broker->has_store ? &broker->store : NULL,
        .lookup = broker->has_store ? &broker->lookup : NULL,
        .backends = broker->has_backends ? &broker->backends : NULL,
        .serves = config->has_instance ? &config->instance : NULL,
        .rate_limit = config->hello_rate_limit,
    };
    int r = hello_init(&broker->hello, &hello);

    broker->has_hello = r >= 0;
    return error_trace(r);
}

static void init_drain(struct broker *broker)
{
    const struct drain_config config = {
        .loop = &broker->loop,
        .begin = begin_drain,
        .is_quiet = is_quiet,
        .end = end_drain,
        .owner = broker,
    };

    drain_init(&broker->drain, &config);
}

int broker_init_control(struct broker *broker)
{
    const struct daemon_config *config = broker->config;
    const bool once = config->mode == DAEMON_ONCE;
    const struct control_config control = {
        .loop = &broker->loop,
        .world = &broker->world,
        .listener_fd = broker->singleton.socket_fd,
        .socket_path = broker->socket_path,
        .hello = &broker->hello,
        .admin = once ? NULL : &broker->admin,
        .owner_uid = sys_geteuid(),
        .hello_only = once,
        .names_socket_in_drops = config->mode == DAEMON_REGISTERED,
        .max_connections = config->max_connections,
        .nofile_limit = broker->limits.nofile_now,
        .finished = on_finished,
        .shutdown_asked = on_shutdown_asked,
        .drained = on_drained,
        .owner = broker,
    };
    int r = init_hello(broker);

    if (r < 0) {
        return r;
    }
    init_drain(broker);
    inode_probe_init(&broker->inodes, &broker->loop);
    broker->admin = (struct admin){
        .broker_instance = broker->name.text,
        .broker_pid = sys_getpid(),
        .facts = tell_facts,
        .each_backend = tell_backends,
        .owner = broker,
        .inodes = &broker->inodes,
    };
    return error_trace(control_new(&control, &broker->control));
}

/* The process ends soon; a signal that still comes must not make it look killed. */
static void ignore_signals(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sys_sigaction(SIGTERM, &ignore, NULL);
    (void)sys_sigaction(SIGINT, &ignore, NULL);
    (void)sys_sigaction(SIGHUP, &ignore, NULL);
}

void broker_deinit(struct broker *broker)
{
    drain_deinit(&broker->drain);
    broker->control = control_free(broker->control);
    inode_probe_deinit(&broker->inodes);
    if (broker->has_hello) {
        hello_deinit(&broker->hello);
    }
    if (broker->has_backends) {
        backends_deinit(&broker->backends);
    }
    if (broker->has_store) {
        lookup_deinit(&broker->lookup);
        store_deinit(&broker->store);
    }
    socket_watch_deinit(&broker->socket_watch);
    singleton_deinit(&broker->singleton);
    if (broker->has_signals) {
        ignore_signals();
        loop_signals_deinit(&broker->signals);
    }
    if (broker->has_world) {
        fsm_world_deinit(&broker->world);
    }
    if (broker->has_loop) {
        loop_deinit(&broker->loop);
    }
    broker->has_hello = broker->has_backends = broker->has_store = false;
    broker->has_signals = broker->has_world = broker->has_loop = false;
}
