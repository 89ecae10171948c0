/* SPDX-License-Identifier: MIT */

/* Launches of real processes through the real loop: what bounds their number, their waiters and their repetition. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "backend/launch.h"
#include "backend/spawn_lock.h"
#include "scene.h"
#include "wire/protocol.h"

static void test_too_many_waiters(void)
{
    static struct asked asked[BACKENDS_WAITERS_MAX + 1];
    struct scene scene;
    struct definition *definition;
    struct asked known;
    struct spawn_row row;

    definition = scene_begin(&scene, "mode=never\n");
    for (int i = 0; i < BACKENDS_WAITERS_MAX; i++) {
        scene_ask(&scene, definition, "1.0.0", &asked[i]);
        check_int(asked[i].r, BACKENDS_E_WAIT);
    }
    scene_ask(&scene, definition, "1.0.0", &known);
    scene_check_refused(&known, ERROR_CODE(RATE_LIMITED), 1000, "backend spawn already in progress");
    scene_run_until(&scene, scene_is_asked_twice, NULL);
    scene_ask(&scene, definition, "1.0.0", &known);
    scene_check_refused(&known, ERROR_CODE(RATE_LIMITED), 1000, "backend spawn already in progress");
    spawn_budget_snapshot(&scene.backends.budget, &LIST_FIRST(&scene.backends.launches)->key, loop_now(&scene.loop),
                          &row);
    check_int(row.attempts_used, 1);
    check(row.in_flight);
    backends_cancel(&scene.backends);
    for (int i = 0; i < BACKENDS_WAITERS_MAX; i++) {
        check_int(asked[i].n_answers, 1);
        scene_check_refused(&asked[i], ERROR_CODE(SHUTTING_DOWN), 1000, "broker is shutting down");
    }
    scene_end(&scene, definition);
}

static void test_eight_launches_at_once(void)
{
    struct scene scene;
    struct asked asked[BACKENDS_LAUNCHES_MAX], refused;
    struct definition *definition;
    char version[32];

    definition = scene_begin(&scene, "mode=never\n");
    scene_ask(&scene, definition, "1.0.0", &asked[0]);
    scene_run_until(&scene, scene_is_asked_twice, NULL);
    for (int i = 1; i < BACKENDS_LAUNCHES_MAX; i++) {
        snprintf(version, sizeof(version), "1.0.%d", i);
        scene_ask(&scene, definition, version, &asked[i]);
    }
    check_int(backends_count_launching(&scene.backends), BACKENDS_LAUNCHES_MAX);
    scene_ask(&scene, definition, "2.0.0", &refused);
    check_int(refused.r, 0);
    scene_check_refused(&refused, ERROR_CODE(RATE_LIMITED), 1000, "backend spawn already in progress");
    backends_cancel(&scene.backends);
    scene_end(&scene, definition);
}

static void test_limit_of_a_service(void)
{
    struct scene scene;
    struct asked asked, launching;
    struct definition *definition;
    struct backend *backend;
    struct backend_key key;
    struct spawn_row row;

    definition = scene_begin(&scene, "mode=never\n");
    for (int i = 0; i < BACKENDS_PER_SERVICE_MAX - 1; i++) {
        char version[32];
        pid_t pid = fork();

        if (pid == 0) {
            execl("/bin/sleep", "sleep", "1000", (char *)NULL);
            _exit(127);
        }
        snprintf(version, sizeof(version), "9.0.%d", i);
        backend_key_make(SLICE("shared"), SLICE("svc"), slice_from(version), (const uint8_t[32]){1}, &key);
        check_int(backend_new(&key, &backend), 0);
        backend->pid = pid;
        check_int(registry_insert(&scene.backends.registry, backend, sys_pidfd_open(pid, 0)), 0);
    }
    scene_ask(&scene, definition, "1.0.0", &launching); /* the last place */
    scene_run_until(&scene, scene_has_launch, NULL);
    scene_ask(&scene, definition, "2.0.0", &asked);
    check_int(asked.r, 0);
    scene_check_refused(&asked, ERROR_CODE(RATE_LIMITED), 1000, "backend limit reached");
    backend_key_make(SLICE("shared"), SLICE("svc"), SLICE("2.0.0"), LIST_FIRST(&scene.backends.launches)->key.exe_hash,
                     &key);
    spawn_budget_snapshot(&scene.backends.budget, &key, loop_now(&scene.loop), &row);
    check_int(row.attempts_used, 0);
    scene_end(&scene, definition);
}

static void test_limit_of_all(void)
{
    struct scene scene;
    struct asked asked, launching;
    struct definition *definition;
    uint32_t n_live;

    definition = scene_begin(&scene, "");
    scene.backends.registry.n = BACKENDS_TOTAL_MAX; /* as if so many lived */
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    scene_check_refused(&asked, ERROR_CODE(RATE_LIMITED), 1000, "backend limit reached");
    scene.backends.registry.n = 0;
    scene_up(&scene, definition, &asked);
    n_live = scene.backends.registry.n;
    scene.backends.registry.n = BACKENDS_TOTAL_MAX - 1; /* the last place is taken by a launch */
    scene_ask(&scene, definition, "2.0.0", &launching);
    check_int(launching.r, BACKENDS_E_WAIT);
    scene_ask(&scene, definition, "3.0.0", &asked);
    scene_check_refused(&asked, ERROR_CODE(RATE_LIMITED), 1000, "backend limit reached");
    scene.backends.registry.n = n_live;
    scene_run_until_answered(&scene, &launching);
    scene_end(&scene, definition);
}

static int hang_fds[2];

static bool hang(int fd)
{
    char byte;

    (void)fd;
    (void)!read(hang_fds[0], &byte, 1);
    return false;
}

/* Decision 14: a binary on a dead mount is refused with code 3, those who ask while it hangs at once. */
static void test_hung_binary(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    check_int(pipe2(hang_fds, O_CLOEXEC), 0);
    definition = scene_begin(&scene, "");
    scene.backends.hashes.limit_nsec = 20 * NSEC_PER_MSEC;
    scene.backends.hashes.is_local = hang;
    scene_ask(&scene, definition, "1.0.0", &asked);
    check_int(asked.r, BACKENDS_E_WAIT);
    scene_run_until_answered(&scene, &asked);
    scene_check_refused(&asked, ERROR_CODE(BACKEND_SPAWN_FAILED), 1000,
                        "backend spawn failed: reading the backend binary took longer than 10 s");
    for (int i = 0; i < 5; i++) { /* which costs no attempt */
        scene_ask(&scene, definition, "1.0.0", &asked);
        check_int(asked.r, 0);
        scene_check_refused(&asked, ERROR_CODE(BACKEND_SPAWN_FAILED), 1000,
                            "backend spawn failed: reading the backend binary took longer than 10 s");
    }
    check_int(scene.backends.budget.n_states, 0);
    close(hang_fds[1]); /* the mount comes back */
    while (loop_jobs_stuck(&scene.loop) > 0) {
        check_int(loop_turn(&scene.loop, false), 0);
    }
    close(hang_fds[0]);
    scene_end(&scene, definition);
}

static void test_budget(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    definition = scene_begin(&scene, "mode=exit\n");
    for (int i = 0; i < 3; i++) {
        scene_check_failed(&scene, definition, "backend spawn failed: backend exited before it was ready (status 0)");
    }
    scene_ask(&scene, definition, "1.0.0", &asked);
    check_int(asked.r, 0);
    check_int(asked.answer.code, ERROR_CODE(RATE_LIMITED));
    check_str(asked.answer.reason, "backend spawn budget exhausted");
    check(asked.answer.retry_after_ms > 20000 && asked.answer.retry_after_ms <= 30000);
    scene_ask(&scene, definition, "1.0.1", &asked);
    check_int(asked.r, BACKENDS_E_WAIT); /* another version has its own budget */
    scene_run_until_answered(&scene, &asked);
    scene_end(&scene, definition);
}

static bool knows_no_key(struct scene *scene, void *userdata)
{
    (void)userdata;
    return scene->backends.budget.n_states == 0;
}

static void test_budget_is_swept(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene.config.spawn_window_nsec = 50 * NSEC_PER_MSEC;
    scene_start(&scene);
    definition = scene_define("svc", "/nonexistent/backend", scene.bin_dir);
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check_int(scene.backends.budget.n_states, 1);
    scene_run_until(&scene, knows_no_key, NULL);
    check(!loop_timer_is_set(&scene.backends.sweep)); /* nothing is due any more */
    scene_end(&scene, definition);
}

static void test_crash_loop_is_limited(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    definition = scene_begin(&scene, "");
    for (int i = 0; i < 3; i++) {
        scene_up(&scene, definition, &asked);
        kill(asked.answer.pid, SIGKILL);
        scene_run_until_live(&scene, 0);
        check_int(scene_count_sockets(&scene), 0);
    }
    scene_ask(&scene, definition, "1.0.0", &asked);
    check_str(asked.answer.reason, "backend spawn budget exhausted");
    scene_end(&scene, definition);
}

static bool is_forgiven(struct scene *scene, void *userdata)
{
    struct spawn_row row;

    spawn_budget_snapshot(&scene->backends.budget, userdata, loop_now(&scene->loop), &row);
    return row.attempts_used == 0;
}

static void test_stable_backend_is_forgiven(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    struct backend_key key;
    struct spawn_row row;

    scene_init(&scene);
    scene.config.stable_after_nsec = 20 * NSEC_PER_MSEC;
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    for (size_t i = 0; i < 256; i++) {
        struct backend *backend = LIST_FIRST(&scene.backends.registry.buckets[i]);

        key = backend ? backend->key : key;
    }
    spawn_budget_snapshot(&scene.backends.budget, &key, loop_now(&scene.loop), &row);
    check_int(row.attempts_used, 1);
    check(!row.in_flight);
    scene_run_until(&scene, is_forgiven, &key);
    scene_end(&scene, definition);
}

static void test_lock_held_by_another(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    struct launch *launch;
    struct spawn_row row;
    struct backend_key key;
    char name[256], path[600];
    int fd;

    definition = scene_begin(&scene, "");
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    for (size_t i = 0; i < 256; i++) {
        struct backend *backend = LIST_FIRST(&scene.backends.registry.buckets[i]);

        key = backend ? backend->key : key;
    }
    kill(asked.answer.pid, SIGKILL);
    scene_run_until_live(&scene, 0);
    spawn_lock_name(&key, name);
    snprintf(path, sizeof(path), "%s/locks/%s", scene.runtime_dir, name);
    fd = open(path, O_RDWR | O_CLOEXEC);
    check_fatal(fd >= 0);
    check_int(flock(fd, LOCK_EX | LOCK_NB), 0);
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    scene_check_refused(&asked, ERROR_CODE(RATE_LIMITED), 1000, "backend spawn already in progress");
    launch = LIST_FIRST(&scene.backends.launches);
    check(launch == NULL);
    spawn_budget_snapshot(&scene.backends.budget, &key, loop_now(&scene.loop), &row);
    check_int(row.attempts_used, 1); /* the refused one was given back */
    check(!row.in_flight);
    close(fd);
    scene_up(&scene, definition, &asked);
    scene_end(&scene, definition);
}

static void test_many_failures_leave_nothing(void)
{
    struct scene scene;
    struct definition *definition;
    char version[32];
    struct asked asked;
    int n_fds = 0;

    definition = scene_begin(&scene, "mode=exit\ncode=1\n");
    for (int i = 0; i < 40; i++) {
        snprintf(version, sizeof(version), "1.0.%d", i);
        scene_ask(&scene, definition, version, &asked);
        scene_run_until_answered(&scene, &asked);
        check(!asked.answer.ready);
        scene_run_until_quiet(&scene);
        if (i == 0) {
            n_fds = check_count_fds();
        }
    }
    check_int(check_count_fds(), n_fds);
    scene_end(&scene, definition);
}

static void test_registered_mode_launches_nothing(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene.config.launching = false;
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "log=1\n");
    for (int i = 0; i < SPAWN_BUDGET_ATTEMPTS + 2; i++) { /* there is no launch to spend */
        scene_ask(&scene, definition, "1.0.0", &asked);
        check_int(asked.r, 0);
        scene_check_refused(&asked, ERROR_CODE(BACKEND_SPAWN_FAILED), 1000, "backend is not registered");
    }
    check_int(scene.backends.budget.n_states, 0);
    check_int(scene_count_log(&scene, "svc", "start "), 0);
    scene_end(&scene, definition);
}

CHECK_PROGRAM("backend/launch-limits", {"the 257th waiter is refused", test_too_many_waiters},
              {"the ninth launch is refused", test_eight_launches_at_once},
              {"16 live backends a service", test_limit_of_a_service}, {"1024 live backends in all", test_limit_of_all},
              {"a binary that hangs", test_hung_binary}, {"the budget ends launches", test_budget},
              {"a key whose window is over is forgotten", test_budget_is_swept},
              {"a crash loop is limited", test_crash_loop_is_limited},
              {"a backend that stays up is forgiven", test_stable_backend_is_forgiven},
              {"a lock held by another broker refunds", test_lock_held_by_another},
              {"many failures leave nothing", test_many_failures_leave_nothing},
              {"registered mode launches nothing", test_registered_mode_launches_nothing})
