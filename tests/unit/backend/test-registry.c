/* SPDX-License-Identifier: MIT */

#include "backend/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/launcher.h"
#include "check.h"

struct seen {
    int n_gone, n_stable;
    int status;
    bool has_info;
    bool was_found; /* the entry could still be found while its end was told */
    struct registry *registry;
};

static void on_gone(void *owner, struct backend *backend, const siginfo_t *info)
{
    struct seen *seen = owner;

    seen->n_gone++;
    seen->has_info = info != NULL;
    seen->status = info ? info->si_status : -1;
    seen->was_found = registry_get(seen->registry, &backend->key) == backend;
}

static void on_stable(void *owner, struct backend *backend)
{
    struct seen *seen = owner;

    (void)backend;
    seen->n_stable++;
}

static void begin(struct loop *loop, struct registry *registry, struct seen *seen)
{
    check_int(loop_init(loop), 0);
    registry_init(registry, loop, 5 * NSEC_PER_MSEC);
    *seen = (struct seen){.registry = registry};
    registry->gone = on_gone;
    registry->stable = on_stable;
    registry->owner = seen;
}

static pid_t start(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    return pid;
}

static struct backend_key key_of(const char *instance, const char *version, uint8_t hash)
{
    struct backend_key key;

    check_fatal(
        backend_key_make(slice_from(instance), SLICE("svc"), slice_from(version), (const uint8_t[32]){hash}, &key));
    return key;
}

static struct backend *add(struct registry *registry, const struct backend_key *key, pid_t pid)
{
    struct backend *backend;

    check_fatal(backend_new(key, &backend) == 0);
    backend->pid = pid;
    check_int(registry_insert(registry, backend, sys_pidfd_open(pid, 0)), 0);
    return backend;
}

static void end(struct loop *loop, struct registry *registry, struct seen *seen, int n)
{
    while (seen->n_gone < n) {
        check_fatal(loop_turn(loop, true) == 0);
    }
    check_int(registry->n, 0);
    registry_deinit(registry);
    loop_deinit(loop);
}

static void test_keys(void)
{
    struct loop loop;
    struct registry registry;
    struct seen seen;
    struct backend_key a = key_of("shared", "1.0.0", 1), b = key_of("shared", "1.0.0", 2);
    struct backend_key other = key_of("private:svc", "1.0.0", 1), unhashed;
    struct backend *first, *second, *third, *again;
    pid_t pids[3] = {start(), start(), start()};

    begin(&loop, &registry, &seen);
    first = add(&registry, &a, pids[0]);
    check(registry_get(&registry, &a) == first);
    check(registry_get(&registry, &b) == NULL); /* another build misses */
    second = add(&registry, &b, pids[1]);
    third = add(&registry, &other, pids[2]);
    check(registry_get(&registry, &a) == first && registry_get(&registry, &b) == second);
    check(registry_get(&registry, &other) == third);
    check(backend_key_make(SLICE("shared"), SLICE("svc"), SLICE("1.0.0"), NULL, &unhashed));
    check(registry_get(&registry, &unhashed) == NULL);
    again = registry_get_any_build(&registry, &unhashed);
    check(again == first || again == second);
    check_int(registry_count_service(&registry, "svc"), 3);
    check_int(registry_count_service(&registry, "sv"), 0);
    check_fatal(backend_new(&a, &again) == 0);
    check_int(registry_insert(&registry, again, sys_pidfd_open(pids[0], 0)), -EEXIST);
    backend_free(again);
    check_int(registry.n, 3);
    for (int i = 0; i < 3; i++) {
        kill(pids[i], SIGKILL);
    }
    end(&loop, &registry, &seen, 3);
}

static void test_exit(void)
{
    struct loop loop;
    struct registry registry;
    struct seen seen;
    struct backend_key key = key_of("shared", "1.0.0", 1);
    struct backend *backend;
    struct allocator allocator;
    char path[ALLOCATOR_PATH_SIZE];
    struct stat st;
    pid_t pid = start();
    int fd;

    begin(&loop, &registry, &seen);
    allocator_init(&allocator, "0123456789abcdef", check_tmpdir());
    backend = add(&registry, &key, pid);
    check_int(allocator_reserve(&allocator, &backend->endpoint), 0);
    snprintf(path, sizeof(path), "%s", backend->endpoint.path);
    check_str(backend_path(backend), path);
    check_int(launcher_bind(path, &fd, &backend->socket), 0);
    while (seen.n_stable == 0) {
        check_fatal(loop_turn(&loop, true) == 0);
    }
    check_int(seen.n_stable, 1);
    kill(pid, SIGKILL);
    while (seen.n_gone == 0) {
        check_fatal(loop_turn(&loop, true) == 0);
    }
    check(seen.has_info);
    check_int(seen.status, SIGKILL);
    check(!seen.was_found);
    check(registry_get(&registry, &key) == NULL);
    check(lstat(path, &st) < 0);
    for (size_t i = 0; i < 64; i++) {
        check(LIST_EMPTY(&allocator.reserved[i]));
    }
    close(fd);
    end(&loop, &registry, &seen, 1);
}

static void test_deinit_stops_nobody(void)
{
    struct loop loop;
    struct registry registry;
    struct seen seen;
    struct backend_key key = key_of("shared", "1.0.0", 1);
    siginfo_t info;
    pid_t pid = start();

    begin(&loop, &registry, &seen);
    add(&registry, &key, pid);
    registry_deinit(&registry);
    loop_deinit(&loop);
    check_int(seen.n_gone, 0);
    check_int(kill(pid, SIGKILL), 0);
    check_int(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
}

static void test_key_parts(void)
{
    struct backend_key key, same;
    char long_name[66];

    memset(long_name, 'a', 65);
    long_name[65] = '\0';
    check(!backend_key_make(SLICE("shared"), slice_from(long_name), SLICE("1.0.0"), NULL, &key));
    check(!backend_key_make(SLICE("shared"), SLICE("svc"), slice_from(long_name), NULL, &key));
    check(backend_key_make(SLICE("shared"), slice_from(long_name + 1), SLICE("1.0.0"), NULL, &key));
    same = key_of("shared", "1.0.0", 1);
    key = key_of("shared", "1.0.0", 2);
    check(!backend_key_equal(&key, &same) && backend_key_equal_but_hash(&key, &same));
    check_int(backend_key_bucket(&key), backend_key_bucket(&same));
    check(backend_key_compare(&same, &key) < 0 && backend_key_compare(&key, &same) > 0);
    check_int(backend_key_compare(&key, &key), 0);
    same = key_of("private:svc", "2.0.0", 1);
    check(backend_key_compare(&same, &key) < 0);
}

static void count_lost(struct backend *backend, void *userdata)
{
    check(backend->is_unreachable);
    ++*(int *)userdata;
}

/* A backend with a socket at <temporary directory>/@name. */
static struct backend *add_bound(struct registry *registry, const struct backend_key *key, pid_t pid, const char *name,
                                 int *ret_fd)
{
    struct backend *backend = add(registry, key, pid);
    char path[200];

    check_fatal(snprintf(path, sizeof(path), "%s/%s", check_tmpdir(), name) < 108);
    backend->external_path = strdup(path);
    check_fatal(launcher_bind(path, ret_fd, &backend->socket) == 0);
    return backend;
}

/* A backend whose socket somebody has removed is not found any more, but is counted and reaped like the others. */
static void test_lost_endpoints(void)
{
    struct loop loop;
    struct registry registry;
    struct seen seen;
    struct backend_key keys[4];
    struct backend *backends[4], *again;
    pid_t pids[5];
    char path[128], link_path[128], loop_path[136], *path_of_0;
    int fds[4], other, n_lost = 0;

    snprintf(link_path, sizeof(link_path), "%s/round", check_tmpdir());
    check_int(symlink(link_path, link_path), 0);
    snprintf(loop_path, sizeof(loop_path), "%s/socket", link_path);

    begin(&loop, &registry, &seen);
    for (int i = 0; i < 4; i++) {
        keys[i] = key_of("shared", "1.0.0", (uint8_t)(i + 1));
        pids[i] = start();
        snprintf(path, sizeof(path), "lost-%d", i);
        backends[i] = add_bound(&registry, &keys[i], pids[i], path, &fds[i]);
    }
    registry_recheck(&registry, count_lost, &n_lost);
    check_int(n_lost, 0);
    check_int(unlink(backend_path(backends[1])), 0); /* 0 stays; 2 is bound anew; of 3 a dead one is left */
    for (int i = 2; i < 4; i++) {
        check_int(unlink(backend_path(backends[i])), 0);
        close(fds[i]);
        check_fatal(launcher_bind(backend_path(backends[i]), &fds[i], &(struct socket_identity){0}) == 0);
        backends[i]->socket.ino++; /* the number of the old inode may be used again */
    }
    close(fds[3]);
    registry_recheck(&registry, count_lost, &n_lost);
    check_int(n_lost, 2);
    registry_recheck(&registry, count_lost, &n_lost);
    check_int(n_lost, 2); /* told once */
    path_of_0 = backends[0]->external_path;
    backends[0]->external_path = loop_path; /* one that cannot be looked at */
    registry_recheck(&registry, count_lost, &n_lost);
    check_int(n_lost, 2);
    backends[0]->external_path = path_of_0;
    check(registry_get(&registry, &keys[0]) == backends[0]);
    check(registry_get(&registry, &keys[1]) == NULL);
    check(registry_get(&registry, &keys[2]) == backends[2]);
    check(registry_get(&registry, &keys[3]) == NULL);
    again = registry_get_any_build(&registry, &keys[1]);
    check(again == backends[0] || again == backends[2]);
    check_int(registry.n, 4);
    check_int(registry_count_service(&registry, "svc"), 4);
    pids[4] = start();
    again = add_bound(&registry, &keys[1], pids[4], "lost-again", &other); /* its key is free for the next one */
    check(registry_get(&registry, &keys[1]) == again);
    for (int i = 0; i < 5; i++) {
        kill(pids[i], SIGKILL);
    }
    end(&loop, &registry, &seen, 5);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    close(other);
}

/* A socket that somebody listens on stays, and so does everything that is no socket. */
static void test_deserted_sockets(void)
{
    struct socket_identity identity;
    char path[108];
    struct stat st;
    int fd, other;

    check_fatal(snprintf(path, sizeof(path), "%s/x", check_tmpdir()) < (int)sizeof(path));
    check(!socket_unlink_deserted(path));
    check_int(launcher_bind(path, &fd, &identity), 0);
    check(!socket_unlink_deserted(path));
    other = dup(fd);
    close(fd);
    check(!socket_unlink_deserted(path));
    close(other);
    check(socket_unlink_deserted(path));
    check(lstat(path, &st) < 0);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0);
    close(fd);
    check(!socket_unlink_deserted(path));
    check_int(lstat(path, &st), 0);
    check_int(unlink(path), 0);
    check_int(launcher_bind(path, &fd, &identity), 0);
    close(fd);
    if (lchown(path, 12345, (gid_t)-1) == 0) { /* root can make it somebody else's */
        check(!socket_unlink_deserted(path));
        check_int(lchown(path, geteuid(), (gid_t)-1), 0);
    }
    check(socket_unlink_deserted(path));
}

CHECK_PROGRAM("backend/registry", {"four parts make a key", test_keys},
              {"an exit removes, reaps, unlinks and releases", test_exit}, {"a lost endpoint", test_lost_endpoints},
              {"deinit stops nobody", test_deinit_stops_nobody}, {"parts of a key", test_key_parts},
              {"only deserted sockets are unlinked", test_deserted_sockets})
