/* SPDX-License-Identifier: MIT */

/*
 * Nothing is known of such a backend but its path, so what it says about itself is checked against what the kernel
 * says: who listens (SO_PEERCRED), who owns the process, which file it runs and what that file hashes to, which boot
 * this is. Silence is asked again, with the back-off of a launch, until the limit; a wrong answer is final. The process
 * is not our child: its end is seen, its status is not. It is never started, stopped or restarted here.
 */

#include "backend/external.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "backend/prober.h"
#include "backend/spawn_wait.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "service/instance.h"

enum { LIMIT_S = 10 };

struct external {
    LIST_ENTRY(external) entry;
    struct backends *backends;
    struct backend_key key; /* hashed once the answer is there */
    char *path;
    void (*done)(void *owner, const char *error);
    void *owner;
    struct prober prober;
    struct exe_hash_waiter hash;
    struct loop_timer again, limit;
    nsec_t begun_nsec, limit_nsec;
    uint32_t attempt;
    int pidfd;
    char *exe_path;
    char error[256];
};

static struct external *release(struct external *external)
{
    LIST_REMOVE(external, entry);
    prober_deinit(&external->prober);
    exe_hash_leave(&external->hash);
    loop_timer_stop(&external->again);
    loop_timer_stop(&external->limit);
    close_fd(external->pidfd);
    free(external->exe_path);
    free(external->path);
    free(external);
    return NULL;
}

void external_discard(struct external *external)
{
    release(external);
}

/* Ends the registration; the owner is told last, when nothing of it is left. */
static void conclude(struct external *external, const char *error)
{
    void (*done)(void *owner, const char *error) = external->done;
    void *owner = external->owner;
    char text[sizeof(external->error)];

    if (error) {
        snprintf(text, sizeof(text), "%s", error);
        log_event(&(struct log_record){.level = LOG_WARN,
                                       .code = LOG_CODE_EXTERNAL_REFUSED,
                                       .service = slice_from(external->key.service),
                                       .version = slice_from(external->key.version)},
                  "the backend at %s cannot be registered: %s", external->path, text);
    }
    release(external);
    done(owner, error ? text : NULL);
}

void external_give_up(struct external *external, const char *error)
{
    conclude(external, error);
}

__attribute__((format(printf, 2, 3))) static void refuse(struct external *external, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(external->error, sizeof(external->error), format, arguments);
    va_end(arguments);
    conclude(external, external->error);
}

/* --------------------------------------------------------------------------------------------------- verification */

static int insert(struct external *external)
{
    struct backends *backends = external->backends;
    struct backend *backend;
    int r;

    r = backend_new(&external->key, &backend);
    if (r < 0) {
        return error_trace(r);
    }
    backend->is_external = true;
    backend->pid = (pid_t)external->prober.identity->pid;
    backend->socket = external->prober.seen;
    backend->started_at_unix_ms = external->prober.identity->started_at_unix_ms;
    backend->registered_at_unix_ms = clock_unix_msec();
    backend->last_probe_nsec = loop_now(backends->config.loop);
    backend->exe_path = TAKE_PTR(external->exe_path);
    backend->external_path = strdup(external->path);
    r = backend->external_path ? process_start_ticks(backend->pid, &backend->start_ticks) : error_origin(-ENOMEM);
    if (r >= 0) {
        r = registry_insert(&backends->registry, backend, take_fd(&external->pidfd));
    }
    if (r < 0) {
        backend_free(backend);
    }
    return error_trace(r);
}

/* The hash of the running file is there: the last thing that the answer has to agree with. */
static void on_hashed(struct exe_hash_waiter *waiter, enum exe_hash_outcome outcome,
                      const struct exe_identity *identity, const uint8_t *hash)
{
    struct external *external = (struct external *)((char *)waiter - offsetof(struct external, hash));
    const DaemonProcess *answer = external->prober.identity;
    int r;

    (void)identity;
    if (outcome != EXE_HASH_DONE) {
        refuse(external, "the executable of pid %u cannot be read", answer->pid);
        return;
    }
    if (memcmp(hash, answer->exe_hash.data, 32) != 0) {
        refuse(external, "pid %u runs another executable than it says (exe_hash)", answer->pid);
        return;
    }
    if (process_is_running(external->pidfd) <= 0) {
        refuse(external, "pid %u exited while it was verified", answer->pid);
        return;
    }
    memcpy(external->key.exe_hash, hash, 32);
    external->key.is_hashed = true;
    r = insert(external);
    if (r < 0) {
        refuse(external, "it cannot be kept: %s", strerrordesc_np(-r));
        return;
    }
    log_event(&(struct log_record){.code = LOG_CODE_EXTERNAL_REGISTERED,
                                   .service = slice_from(external->key.service),
                                   .version = slice_from(external->key.version)},
              "backend " KEY_FORMAT " at %s registered", KEY_ARGS(&external->key), external->path);
    conclude(external, NULL);
}

/* True when both name one file; a path that cannot be resolved stands for itself. */
static bool is_same_path(const char *a, const char *b)
{
    _cleanup_free_ char *real_a = NULL, *real_b = NULL;

    if (sys_realpath(a, &real_a) < 0) {
        real_a = NULL;
    }
    if (sys_realpath(b, &real_b) < 0) {
        real_b = NULL;
    }
    return strcmp(real_a ? real_a : a, real_b ? real_b : b) == 0;
}

/* Everything but the hash. False: refused, and @external is gone. */
static bool check_process(struct external *external, const DaemonProcess *answer)
{
    pid_t pid = (pid_t)answer->pid;
    uid_t owner;
    int r;

    if (answer->pid == 0 || answer->pid > INT32_MAX) {
        refuse(external, "its answer names no process (pid %u)", answer->pid);
        return false;
    }
    if (pid != external->prober.peer_pid) {
        refuse(external, "pid %d answers, but pid %d listens", (int)pid, (int)external->prober.peer_pid);
        return false;
    }
    if (strcmp(answer->ipc_endpoint->path, external->path) != 0) {
        refuse(external, "it says that its endpoint is %.120s", answer->ipc_endpoint->path);
        return false;
    }
    if (*answer->boot_id && strcmp(answer->boot_id, backends_boot_id(external->backends)) != 0) {
        refuse(external, "its boot_id is not that of this machine");
        return false;
    }
    r = sys_pidfd_open(pid, 0);
    if (r < 0) {
        refuse(external, "pid %d cannot be opened: %s", (int)pid, strerrordesc_np(-r));
        return false;
    }
    external->pidfd = r;
    if (process_owner(pid, &owner) < 0 || owner != sys_geteuid()) {
        refuse(external, "pid %d belongs to another user", (int)pid);
        return false;
    }
    if (process_exe_path(pid, &external->exe_path) < 0) {
        refuse(external, "the executable of pid %d cannot be read", (int)pid);
        return false;
    }
    if (!is_same_path(external->exe_path, answer->exe_path)) {
        refuse(external, "pid %d runs another executable than it says (exe_path)", (int)pid);
        return false;
    }
    return true;
}

static void verify(struct external *external)
{
    const DaemonProcess *answer = external->prober.identity;
    struct exe_identity identity;
    uint8_t hash[32];
    char path[64];
    int r;

    if (!check_process(external, answer)) {
        return;
    }
    snprintf(path, sizeof(path), "/proc/%u/exe", answer->pid);
    external->hash.done = on_hashed;
    r = exe_hash_get(&external->backends->hashes, path, &external->hash, &identity, hash);
    if (r == 0) {
        on_hashed(&external->hash, EXE_HASH_DONE, &identity, hash);
    } else if (r != EXE_HASH_E_WAIT) {
        refuse(external, "the executable of pid %u cannot be read", answer->pid);
    }
}

/* --------------------------------------------------------------------------------------------------------- asking */

static void take(struct external *external, enum prober_outcome outcome)
{
    nsec_t now_nsec = loop_now(external->backends->config.loop);

    switch (outcome) {
    case PROBER_ANSWERED:
        loop_timer_stop(&external->limit);
        verify(external);
        break;
    case PROBER_NOT_READY:
        loop_timer_set(&external->again, nsec_add(now_nsec, spawn_wait_pause(now_nsec - external->begun_nsec,
                                                                             external->limit_nsec, external->attempt)));
        external->attempt++;
        break;
    case PROBER_WRONG:
        refuse(external, "%s", external->prober.why);
        break;
    }
}

static void ask(void *owner)
{
    struct external *external = owner;
    enum prober_outcome outcome = prober_ask(&external->prober);

    if (outcome) {
        take(external, outcome);
    }
}

static void on_probed(void *owner, enum prober_outcome outcome)
{
    take(owner, outcome);
}

static void on_stirred(void *owner)
{
    struct external *external = owner;

    loop_timer_stop(&external->again);
    ask(external);
}

static void on_limit(void *owner)
{
    struct external *external = owner;

    refuse(external, "%s", *external->prober.why ? external->prober.why : "no answer");
}

int backends_register_external(struct backends *backends, const struct external_config *config)
{
    static const struct prober_hooks hooks = {.done = on_probed, .stirred = on_stirred};
    nsec_t now_nsec = loop_now(backends->config.loop);
    struct external *external = calloc(1, sizeof(*external));

    if (!external) {
        return error_origin(-ENOMEM);
    }
    external->backends = backends;
    external->pidfd = -1;
    external->done = config->done;
    external->owner = config->owner;
    external->begun_nsec = now_nsec;
    external->limit_nsec = config->limit_nsec > 0 ? config->limit_nsec : LIMIT_S * NSEC_PER_SEC;
    external->path = strdup(config->path);
    if (!external->path ||
        !backend_key_make(slice_from(config->instance->text), config->service, config->version, NULL, &external->key)) {
        free(external->path);
        free(external);
        return error_origin(-EINVAL);
    }
    LIST_INSERT_HEAD(&backends->externals, external, entry);
    prober_init(&external->prober, backends->config.loop, external->path, NULL, NULL, &hooks, external);
    loop_timer_init(&external->again, backends->config.loop, ask, external);
    loop_timer_init(&external->limit, backends->config.loop, on_limit, external);
    loop_timer_set(&external->limit, nsec_add(now_nsec, external->limit_nsec));
    loop_timer_set(&external->again, now_nsec);
    return 0;
}
