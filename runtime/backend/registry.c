/* SPDX-License-Identifier: MIT */

/*
 * Buckets by instance, service and version; the exact look-up compares the hash too. Each entry owns its process
 * handle, its reserved endpoint and the identity of its socket. When the pidfd says that the process has exited, the
 * entry leaves the table first; then its socket is unlinked if it is still the one that was proven, or if nobody
 * listens there any more; then the owner is told; then it is freed. So nobody can find an entry that is on its way out.
 * It never stops a process.
 */

#include "backend/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"

int socket_identity_get(const char *path, struct socket_identity *ret)
{
    struct stat st;
    int r;

    r = sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
    if (r < 0) {
        return r; /* absence is an answer */
    }
    if (!S_ISSOCK(st.st_mode)) {
        return -ENOTSOCK;
    }
    *ret = (struct socket_identity){.dev = st.st_dev, .ino = st.st_ino};
    return 0;
}

bool socket_identity_equal(const struct socket_identity *a, const struct socket_identity *b)
{
    return a->dev == b->dev && a->ino == b->ino;
}

bool socket_unlink_if(const char *path, const struct socket_identity *known)
{
    struct socket_identity current;

    if (known->ino == 0 || socket_identity_get(path, &current) < 0 || !socket_identity_equal(&current, known)) {
        return false;
    }
    return sys_unlinkat(AT_FDCWD, path, 0) >= 0;
}

/* A refused connection is the kernel's word that the last listener is gone. */
static bool is_deserted(const char *path)
{
    _cleanup_close_ int fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);

    if (size >= sizeof(address.sun_path)) {
        return false;
    }
    memcpy(address.sun_path, path, size + 1);
    fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && sys_connect(fd, (const struct sockaddr *)&address, sizeof(address)) == -ECONNREFUSED;
}

bool socket_unlink_deserted(const char *path)
{
    struct socket_identity known;
    struct stat st;

    if (socket_identity_get(path, &known) < 0 || !is_deserted(path)) {
        return false;
    }
    if (sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != sys_geteuid()) {
        return false;
    }
    return socket_unlink_if(path, &known);
}

void registry_init(struct registry *registry, struct loop *loop, nsec_t stable_after_nsec)
{
    memset(registry, 0, sizeof(*registry));
    registry->loop = loop;
    registry->stable_after_nsec = stable_after_nsec;
}

void registry_deinit(struct registry *registry)
{
    struct backend *backend, *next;

    for (size_t i = 0; i < 256; i++) {
        for (backend = LIST_FIRST(&registry->buckets[i]); backend; backend = next) {
            next = LIST_NEXT(backend, entry);
            registry_remove(backend);
            backend_free(backend);
        }
    }
}

int backend_new(const struct backend_key *key, struct backend **ret)
{
    struct backend *backend = calloc(1, sizeof(*backend));

    if (!backend) {
        return error_origin(-ENOMEM);
    }
    backend->key = *key;
    *ret = backend;
    return 0;
}

struct backend *backend_free(struct backend *backend)
{
    if (backend) {
        allocator_release(&backend->endpoint);
        free(backend->exe_path);
        free(backend->external_path);
        free(backend);
    }
    return NULL;
}

const char *backend_path(const struct backend *backend)
{
    return backend->external_path ? backend->external_path : backend->endpoint.path;
}

static struct backend_list *bucket_of(struct registry *registry, const struct backend_key *key)
{
    return &registry->buckets[backend_key_bucket(key) % 256];
}

/* Those of one service, and whoever shares the place: for counting without a walk over everything. */
static struct backend_list *service_of(struct registry *registry, const char *service)
{
    return &registry->services[backend_service_bucket(service) % 64];
}

struct backend *registry_get(struct registry *registry, const struct backend_key *key)
{
    struct backend *backend;

    if (!key->is_hashed) {
        return NULL; /* an executable that cannot be read never matches a live backend */
    }
    LIST_FOREACH(backend, bucket_of(registry, key), entry)
    {
        if (!backend->is_unreachable && backend_key_equal(&backend->key, key)) {
            return backend;
        }
    }
    return NULL;
}

struct backend *registry_get_any_build(struct registry *registry, const struct backend_key *key)
{
    struct backend *backend;

    LIST_FOREACH(backend, bucket_of(registry, key), entry)
    {
        if (!backend->is_unreachable && backend_key_equal_but_hash(&backend->key, key)) {
            return backend;
        }
    }
    return NULL;
}

/* A path that cannot be looked at says nothing; another socket there may be one that the backend has bound anew. */
static bool is_endpoint_gone(const struct backend *backend)
{
    const char *path = backend_path(backend);
    struct socket_identity current;
    int r = socket_identity_get(path, &current);

    if (r < 0) {
        return r == -ENOENT || r == -ENOTDIR || r == -ENOTSOCK;
    }
    return !socket_identity_equal(&current, &backend->socket) && !backend->is_external && socket_unlink_deserted(path);
}

void registry_recheck(struct registry *registry, void (*lost)(struct backend *backend, void *userdata), void *userdata)
{
    struct backend *backend;

    for (size_t i = 0; i < 256; i++) {
        LIST_FOREACH(backend, &registry->buckets[i], entry)
        {
            if (!backend->is_unreachable && is_endpoint_gone(backend)) {
                backend->is_unreachable = true;
                lost(backend, userdata);
            }
        }
    }
}

void registry_remove(struct backend *backend)
{
    if (!backend->registry) {
        return;
    }
    LIST_REMOVE(backend, entry);
    LIST_REMOVE(backend, of_service);
    backend->registry->n--;
    backend->registry = NULL;
    loop_child_unlink(&backend->child);
    loop_timer_stop(&backend->stable);
}

static void on_exited(void *owner, const siginfo_t *info)
{
    struct backend *backend = owner;
    struct registry *registry = backend->registry;

    registry_remove(backend);
    if (!socket_unlink_if(backend_path(backend), &backend->socket) && !backend->is_external) {
        socket_unlink_deserted(backend_path(backend)); /* it has bound anew since it was proven */
    }
    if (registry->gone) {
        registry->gone(registry->owner, backend, info);
    }
    backend_free(backend);
}

static void on_stable(void *owner)
{
    struct backend *backend = owner;

    if (backend->registry->stable) {
        backend->registry->stable(backend->registry->owner, backend);
    }
}

int registry_insert(struct registry *registry, struct backend *backend, int pidfd)
{
    int r;

    if (registry_get(registry, &backend->key)) {
        close_fd(pidfd);
        return error_origin(-EEXIST);
    }
    r = loop_child_watch(registry->loop, &backend->child, pidfd, on_exited, backend);
    if (r < 0) {
        return error_trace(r);
    }
    backend->registry = registry;
    loop_timer_init(&backend->stable, registry->loop, on_stable, backend);
    loop_timer_set(&backend->stable, nsec_add(loop_now(registry->loop), registry->stable_after_nsec));
    LIST_INSERT_HEAD(bucket_of(registry, &backend->key), backend, entry);
    LIST_INSERT_HEAD(service_of(registry, backend->key.service), backend, of_service);
    registry->n++;
    return 0;
}

uint32_t registry_count_service(struct registry *registry, const char *service)
{
    const struct backend *backend;
    uint32_t n = 0;

    LIST_FOREACH(backend, service_of(registry, service), of_service)
    {
        n += strcmp(backend->key.service, service) == 0;
    }
    return n;
}

void registry_each(struct registry *registry, void (*each)(struct backend *backend, void *userdata), void *userdata)
{
    struct backend *backend, *next;

    for (size_t i = 0; i < 256; i++) {
        for (backend = LIST_FIRST(&registry->buckets[i]); backend; backend = next) {
            next = LIST_NEXT(backend, entry);
            each(backend, userdata);
        }
    }
}
