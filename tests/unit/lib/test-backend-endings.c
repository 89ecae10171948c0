/* SPDX-License-Identifier: MIT */

/* The frame server of the backend library, in its pollable form: how it ends, and what it refuses to begin. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend_scene.h"
#include "base/clock.h"
#include "check.h"
#include "lib/backend_internal.h"

static struct scene scene;

static void test_stop(void)
{
    int fd, owed;

    scene_begin(&scene);
    fd = scene_dial(&scene);
    owed = scene_dial(&scene);
    scene_ask(owed, 1, "d");
    scene_pump(&scene);
    rpb_backend_stop(scene.backend);
    rpb_backend_stop(scene.backend);
    scene_pump(&scene);
    check_int(scene.done, 0);
    check_int(access(scene.path, F_OK), -1); /* nobody new */
    check(scene_is_closed(&scene, fd));
    check(!scene_is_closed(&scene, owed));
    check_int(rpb_backend_respond_later(scene.laters[0], "at last", 7), 0);
    check(scene_answers(owed, 1, "at last"));
    check_int(rpb_backend_poll_timeout(scene.backend), 0); /* nothing is left to wait for, no descriptor will tell */
    scene_pump(&scene);
    check_int(scene.done, RPB_BACKEND_DONE);
    close(fd);
    close(owed);
    scene_close(&scene);
}

static void test_drain_limit(void)
{
    int fd;

    scene_init(&scene);
    scene.config.drain_msec = 20;
    scene_open(&scene);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    scene_pump(&scene);
    rpb_backend_stop(scene.backend);
    check(scene_wait(&scene, scene_is_done, fd));
    scene_close(&scene);
    check(scene_is_closed(&scene, fd));
    check_int(rpb_backend_respond_later(scene.laters[0], "", 0), -ESHUTDOWN);
    close(fd);
}

static void test_run_ends(void)
{
    nsec_t begun = clock_monotonic();

    scene_begin(&scene);
    rpb_backend_stop(scene.backend);
    check_int(rpb_backend_run(scene.backend), 0);
    check_int(rpb_backend_run(scene.backend), 0); /* at once, not when the time to drain is over */
    check_int(rpb_backend_step(scene.backend), RPB_BACKEND_DONE);
    check_int(rpb_backend_poll_timeout(scene.backend), 0);
    check_int(rpb_backend_deadline(scene.backend), 0);
    check(clock_monotonic() - begun < 5 * NSEC_PER_SEC);
    scene_close(&scene);
}

/* Done is done, also for whom an answer is still owed. */
static void test_done(void)
{
    int fd;

    scene_init(&scene);
    scene.config.drain_msec = 1;
    scene_open(&scene);
    fd = scene_dial(&scene);
    scene_ask(fd, 1, "d");
    scene_pump(&scene);
    rpb_backend_stop(scene.backend);
    check(scene_wait(&scene, scene_is_done, fd));
    rpb_backend_stop(scene.backend);
    scene_ask(fd, 2, "late");
    for (int i = 0; i < 3; i++) {
        check_int(rpb_backend_poll_timeout(scene.backend), 0);
        check_int(rpb_backend_step(scene.backend), RPB_BACKEND_DONE);
    }
    check_int(scene.n_handled, 1);
    check_int(rpb_backend_respond_later(scene.laters[0], "at last", 7), 0);
    check(scene_answers(fd, 1, "at last"));
    check_int(rpb_backend_step(scene.backend), RPB_BACKEND_DONE);
    check_int(rpb_backend_connections(scene.backend), 0);
    check(scene.backend->dead == NULL); /* what closes now is cleared away as ever */
    close(fd);
    scene_close(&scene);
}

static void test_idle(void)
{
    nsec_t begun = clock_monotonic();
    int client, prober;

    scene_init(&scene);
    scene.config.idle_timeout_secs = 1;
    scene_open(&scene);
    check(rpb_backend_get_identity(scene.backend)->has_idle_timeout);
    check_int(rpb_backend_get_identity(scene.backend)->idle_timeout_secs, 1);
    prober = scene_dial(&scene);
    check(scene_probe(&scene, prober)); /* does not count */
    client = scene_dial(&scene);
    scene_ask(client, 1, "in");
    scene_pump(&scene);
    check_int(rpb_backend_deadline(scene.backend) <= begun + NSEC_PER_SEC + NSEC_PER_SEC / 2, 1);
    close(client);
    check(scene_wait(&scene, scene_is_done, -1));
    check(clock_monotonic() - begun >= NSEC_PER_SEC);
    check(strstr(scene.notice, "idle") != NULL);
    close(prober);
    scene_close(&scene);
}

/* Lets @secs go by in which nobody used the backend, and has it look at the clock then. */
static void age(unsigned int secs)
{
    nsec_t released_at = atomic_load(&scene.backend->released_at);

    scene.backend->last_use = nsec_sub(scene.backend->last_use, secs * NSEC_PER_SEC);
    atomic_store(&scene.backend->released_at, nsec_sub(released_at, secs * NSEC_PER_SEC));
    scene.backend->due = 0;
}

/* Connections that are handed over are use, although they are not the library's any more. */
static void test_idle_and_another_protocol(void)
{
    int fd;

    scene_init(&scene);
    scene.config.idle_timeout_secs = 60;
    scene_open(&scene);
    for (int i = 0; i < 3; i++) {
        fd = scene_dial(&scene);
        age(59 + 60 * (i > 0)); /* too long for any but a last use that was refreshed */
        scene_send(fd, "HELO", 4);
        scene_pump(&scene);
        check_int(scene.legacy_size, 4);
        check_int(scene.done, 0);
        close(scene.legacy_fd);
        scene.legacy_fd = -1;
        close(fd);
    }
    age(61);
    scene_pump(&scene);
    check_int(scene.done, RPB_BACKEND_DONE);
    scene_close(&scene);
}

static void *release(void *backend)
{
    rpb_backend_release(backend);
    return NULL;
}

/* What only the caller knows: that something still goes on. */
static void test_hold(void)
{
    pthread_t thread;

    scene_init(&scene);
    scene.config.idle_timeout_secs = 60;
    scene_open(&scene);
    rpb_backend_hold(scene.backend);
    rpb_backend_hold(scene.backend);
    age(61);
    scene_pump(&scene);
    check_int(scene.done, 0);
    check(rpb_backend_poll_timeout(scene.backend) > 0); /* it looks again, and does not spin */
    check(rpb_backend_poll_timeout(scene.backend) <= 60 * 1000);
    rpb_backend_release(scene.backend);
    age(61);
    scene_pump(&scene);
    check_int(scene.done, 0); /* one is left */
    check_int(pthread_create(&thread, NULL, release, scene.backend), 0);
    check_int(pthread_join(thread, NULL), 0);
    scene.backend->due = 0;
    scene_pump(&scene);
    check_int(scene.done, 0); /* idle from now on */
    age(59);
    rpb_backend_hold(scene.backend);
    rpb_backend_release(scene.backend); /* merely use */
    scene.backend->last_use = 0;
    scene.backend->due = 0;
    scene_pump(&scene);
    check_int(scene.done, 0);
    age(61);
    scene_pump(&scene);
    check_int(scene.done, RPB_BACKEND_DONE);
    scene_close(&scene);
}

static void test_another_socket_stays(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    scene_begin(&scene);
    check_int(unlink(scene.path), 0);
    strcpy(address.sun_path, scene.path);
    check_int(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    rpb_backend_free(scene.backend);
    check_int(access(scene.path, F_OK), 0);
    unlink(scene.path);
    close(fd);
}

static void test_child_removes_nothing(void)
{
    char sidecar[256];
    int status, before, after;
    pid_t child;

    scene_init(&scene);
    snprintf(sidecar, sizeof(sidecar), "%s/identity.json", check_tmpdir());
    scene.config.sidecar_path = sidecar;
    check_int(rpb_backend_new(&scene.config, &scene.backend, NULL), 0);
    check(rpb_backend_get_identity(scene.backend) == NULL);
    check_int(access(sidecar, F_OK), -1);
    check_int(rpb_backend_deadline(scene.backend), 0);
    check_int(rpb_backend_step(scene.backend), 0);
    check_int(access(sidecar, F_OK), 0);
    before = scene_dial(&scene);
    child = fork();
    if (child == 0) {
        rpb_backend_stop(scene.backend); /* as the parent's signal handler would, which it inherits */
        rpb_backend_free(scene.backend);
        _exit(0);
    }
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
    check_int(access(sidecar, F_OK), 0);
    check_int(access(scene.path, F_OK), 0);
    after = scene_dial(&scene);
    check_int(rpb_backend_connections(scene.backend), 2);
    check(scene_probe(&scene, before) && scene_probe(&scene, after)); /* it has not stopped the parent's listening */
    close(before);
    close(after);
    scene_close(&scene);
    check_int(access(sidecar, F_OK), -1);
}

/* What fails after the backend was made has words too, however it is run, and for as long as it fails. */
static void test_words(void)
{
    char nowhere[256];

    scene_init(&scene);
    snprintf(nowhere, sizeof(nowhere), "%s/nowhere/identity.json", check_tmpdir());
    scene.config.sidecar_path = nowhere;
    check_int(rpb_backend_new(&scene.config, &scene.backend, NULL), 0);
    check_str(rpb_backend_text(scene.backend), "nothing has failed");
    check_int(rpb_backend_run(scene.backend), -ENOENT);
    check(strstr(rpb_backend_text(scene.backend), nowhere) != NULL);
    check(strstr(rpb_backend_text(scene.backend), "No such file") != NULL);
    check_int(rpb_backend_prepare(scene.backend), -ENOENT);
    check_int(rpb_backend_step(scene.backend), -ENOENT);
    scene_close(&scene);
    check(strstr(rpb_backend_text(NULL), "no backend") != NULL);
}

/* A descriptor that somebody took from it. */
static void test_words_of_a_turn(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    scene_begin(&scene);
    check_int(dup2(fd, rpb_backend_fd(scene.backend)), rpb_backend_fd(scene.backend));
    close(fd);
    check_int(rpb_backend_step(scene.backend), -EINVAL);
    check(strstr(rpb_backend_text(scene.backend), "Invalid argument") != NULL);
    check_int(rpb_backend_run(scene.backend), -EINVAL);
    scene_close(&scene);
}

static void test_configuration(void)
{
    static const uint32_t bad_lanes[] = {0xAD01};
    struct rpb_backend *backend = NULL;
    char text[RPB_BACKEND_TEXT_MAX];
    struct {
        struct rpb_backend_config config;
        uint64_t more;
    } later = {.more = 0}; /* of a program that was compiled with a later version */

    scene_init(&scene);
    later.config = scene.config;
    later.config.size = sizeof(later);
    check_int(rpb_backend_new(&later.config, &backend, text), 0);
    rpb_backend_free(backend);
    later.more = 1;
    check_int(rpb_backend_new(&later.config, &backend, text), -EINVAL);
    check(backend == NULL); /* not the one that was freed */
    check(strstr(text, "later version") != NULL);
    for (int i = 0; i < 9; i++) {
        scene_init(&scene);
        *text = '\0';
        switch (i) {
        case 0:
            scene.config.size = 0;
            break;
        case 1:
            scene.config.size = offsetof(struct rpb_backend_config, any_user);
            break;
        case 2:
            scene.config.lanes = bad_lanes;
            break;
        case 3:
            scene.config.n_lanes = 65;
            break;
        case 4:
            scene.config.handle = NULL;
            break;
        case 5:
            scene.config.lanes = NULL;
            break;
        case 6:
            scene.config.namespace_id = "\xff";
            break;
        case 7:
            scene.config.endpoint = "/\xff";
            break;
        default:
            scene.config.endpoint = "";
            break;
        }
        check_int(rpb_backend_new(&scene.config, &backend, text), -EINVAL);
        check(*text != '\0');
    }
    check(backend == NULL);
    check_int(rpb_backend_new(NULL, &backend, text), -EINVAL);
    check(strstr(text, "no configuration") != NULL);
    rpb_backend_stop(NULL); /* as a signal handler does while there is none yet */
    rpb_backend_free(NULL);
}

/* What is given is kept to or refused, never silently changed; the ends of each range are within it. */
static void test_limits(void)
{
    static const struct {
        uint32_t max_connections, max_frame_bytes;
        uint64_t max_memory_bytes;
        uint32_t idle_timeout_secs;
        int sha256;
        const char *words; /* NULL: allowed */
    } cases[] = {
        {65536, 16777216, UINT64_MAX, INT32_MAX, 2, NULL},
        {1, 1024, 65536, 1, 1, NULL},
        {65537, 0, 0, 0, 0, "65536 connections"},
        {UINT32_MAX, 0, 0, 0, 0, "65536 connections"},
        {0, 16777217, 0, 0, 0, "16777216 bytes"},
        {0, 1023, 0, 0, 0, "1024 to"},
        {0, 0, 65535, 0, 0, "65536 bytes"},
        {0, 0, 0, (uint32_t)INT32_MAX + 1, 0, "idle timeout"},
        {0, 0, 0, 0, 3, "sha256"},
        {0, 0, 0, 0, -1, "sha256"},
    };
    char text[RPB_BACKEND_TEXT_MAX];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        scene_init(&scene);
        *text = '\0';
        scene.config.max_connections = cases[i].max_connections;
        scene.config.max_frame_bytes = cases[i].max_frame_bytes;
        scene.config.max_memory_bytes = cases[i].max_memory_bytes;
        scene.config.idle_timeout_secs = cases[i].idle_timeout_secs;
        memcpy(&scene.config.sha256, &cases[i].sha256, sizeof(scene.config.sha256));
        check_int(rpb_backend_new(&scene.config, &scene.backend, text), cases[i].words ? -EINVAL : 0);
        check(strstr(text, cases[i].words ? cases[i].words : "") != NULL);
        rpb_backend_free(scene.backend);
    }
    scene_init(&scene);
    scene.config.sidecar_path = "";
    check_int(rpb_backend_new(&scene.config, &scene.backend, text), -EINVAL);
    check(strstr(text, "sidecar") != NULL);
}

CHECK_PROGRAM("lib/backend-endings", {"stop", test_stop}, {"stop does not wait for ever", test_drain_limit},
              {"run ends by stop", test_run_ends}, {"done stays done", test_done}, {"idle timeout", test_idle},
              {"idle, and another protocol", test_idle_and_another_protocol}, {"held, it is not idle", test_hold},
              {"a socket that is not ours stays", test_another_socket_stays},
              {"a forked child removes nothing", test_child_removes_nothing},
              {"what fails later has words", test_words}, {"words of a turn", test_words_of_a_turn},
              {"impossible configurations", test_configuration}, {"limits are kept to, or refused", test_limits})
