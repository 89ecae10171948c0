/* SPDX-License-Identifier: MIT */

/* Launches of real processes through the real loop: how they succeed, and every way in which they fail. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/launch.h"
#include "backend/spawn_lock.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "scene.h"
#include "wire/protocol.h"

static void check_refused(const struct asked *asked, uint32_t code, uint64_t retry_ms, const char *reason)
{
    check(!asked->answer.ready);
    check_int(asked->answer.code, code);
    check_int(asked->answer.retry_after_ms, retry_ms);
    check_str(asked->answer.reason, reason);
}

static void check_failed(struct scene *scene, const struct definition *definition, const char *reason)
{
    struct asked asked;

    scene_ask(scene, definition, "1.0.0", &asked);
    scene_run_until_answered(scene, &asked);
    check_refused(&asked, ERROR_CODE(BACKEND_SPAWN_FAILED), 1000, reason);
    scene_run_until_quiet(scene);
    check_int(scene_count_sockets(scene), 0);
    check_int(backends_count_live(&scene->backends), 0);
}

static void test_first_launches_second_finds(void)
{
    struct scene scene;
    struct asked first, second;
    struct definition *definition;
    int n_fds;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "log=1\n");
    scene_up(&scene, definition, &first);
    n_fds = check_count_fds();
    scene_ask(&scene, definition, "1.0.0", &second);
    check_int(second.r, 0);
    check(second.answer.ready);
    check_str(second.endpoint, first.endpoint);
    check_int(second.answer.pid, first.answer.pid);
    check_int(scene_count_log(&scene, "svc", "start "), 1);
    check_int(check_count_fds(), n_fds);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_what_the_child_gets(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char line[512];
    struct stat st;

    setenv("LC_TIME", "C.UTF-8", 1);
    setenv("SOME_SECRET", "1", 1);
    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "log=1\n");
    scene_up(&scene, definition, &asked);
    check(scene_log_has(&scene, "svc", "env RUNNING_PROCESS_BROKER_V1_SERVICE_NAME=svc"));
    check(scene_log_has(&scene, "svc", "env RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION=1.0.0"));
    check(scene_log_has(&scene, "svc", "env RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE=shared"));
    check(scene_log_has(&scene, "svc", "env RUNNING_PROCESS_BROKER_V1_INSTANCE=shared"));
    check(scene_log_has(&scene, "svc", "env RUNNING_PROCESS_BROKER_V1_TRACESTATE=vendor=1"));
    check(scene_log_has(&scene, "svc", "env RUNNING_PROCESS_BROKER_LISTENER_FD=3"));
    check(scene_log_has(&scene, "svc", "env RUNNING_PROCESS_IS_DAEMON=1"));
    check(scene_log_has(&scene, "svc", "env LC_TIME=C.UTF-8"));
    snprintf(line, sizeof(line), "env RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE=%s", asked.endpoint);
    check(scene_log_has(&scene, "svc", line));
    check_int(scene_count_log(&scene, "svc", "env RUNNING_PROCESS_BROKER_V1_TRACEPARENT=00-4bf9"), 1);
    check_int(scene_count_log(&scene, "svc", "env RUNNING_PROCESS_BROKER_V1_HANDOFF_FD"), 0);
    check_int(scene_count_log(&scene, "svc", "env HOME=/"), 1);
    check_int(scene_count_log(&scene, "svc", "env SOME_SECRET"), 0);
    check_int(scene_count_log(&scene, "svc", "fd "), 4);
    check(scene_log_has(&scene, "svc", "fd 0 /dev/null"));
    check(scene_log_has(&scene, "svc", "fd 1 /dev/null"));
    check(scene_log_has(&scene, "svc", "fd 2 /dev/null"));
    check_int(scene_count_log(&scene, "svc", "fd 3 socket:"), 1);
    check(scene_log_has(&scene, "svc", "cwd /"));
    check(scene_log_has(&scene, "svc", "blocked 0"));
    snprintf(line, sizeof(line), "sid %d", (int)asked.answer.pid);
    check(scene_log_has(&scene, "svc", line));
    check_int(stat(asked.endpoint, &st), 0);
    check_int(st.st_mode & 07777, 0600);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_without_owned_bind(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene.config.owned_bind = false;
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "log=1\n");
    scene_up(&scene, definition, &asked);
    check_int(scene_count_log(&scene, "svc", "env RUNNING_PROCESS_BROKER_LISTENER_FD"), 0);
    check_int(scene_count_log(&scene, "svc", "fd "), 3);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_self_bind_beside_an_owned_listener(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char conf[512];

    scene_init(&scene);
    scene_start(&scene);
    snprintf(conf, sizeof(conf), "mode=selfbind\ndelay_ms=120\n");
    definition = scene_install(&scene, "svc", conf);
    scene_up(&scene, definition, &asked);
    definition_unref(definition);
    scene_deinit(&scene);
}

static bool is_asked_twice(struct scene *scene, void *userdata)
{
    const struct launch *launch = LIST_FIRST(&scene->backends.launches);

    (void)userdata;
    return launch && launch->attempt >= 2;
}

static bool has_launch(struct scene *scene, void *userdata)
{
    (void)userdata;
    return !LIST_EMPTY(&scene->backends.launches);
}

static void test_self_bind_after_several_probes(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char conf[512], gate[256];

    scene_init(&scene);
    scene_start(&scene);
    snprintf(conf, sizeof(conf), "mode=selfbind\nwait_file=%s/gate\n", scene.dir);
    definition = scene_install(&scene, "svc", conf);
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until(&scene, is_asked_twice, NULL);
    scene_touch(&scene, "gate", gate);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_slow_adopter_sees_one_connection(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char conf[512], gate[256];

    scene_init(&scene);
    scene_start(&scene);
    snprintf(conf, sizeof(conf), "wait_file=%s/gate\n", scene.dir);
    definition = scene_install(&scene, "svc", conf);
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until(&scene, is_asked_twice, NULL);
    check(LIST_FIRST(&scene.backends.launches)->prober.fd >= 0);
    scene_touch(&scene, "gate", gate);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_64_waiters_one_launch(void)
{
    struct scene scene;
    struct asked asked[64], early;
    struct definition *definition;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "log=1\ndelay_ms=20\n");
    scene_ask(&scene, definition, "1.0.0", &early);
    for (int i = 0; i < 64; i++) {
        scene_ask(&scene, definition, "1.0.0", &asked[i]);
        check_int(asked[i].r, BACKENDS_E_WAIT);
    }
    check_int(backends_count_waiters(&scene.backends), 65);
    backends_leave(&early.waiter);
    backends_leave(&asked[7].waiter);
    backends_leave(&asked[7].waiter);
    scene_run_until_answered(&scene, &asked[63]);
    check_int(early.n_answers, 0);
    for (int i = 0; i < 64; i++) {
        check_int(asked[i].n_answers, i == 7 ? 0 : 1);
        check(i == 7 || asked[i].answer.ready);
    }
    check_int(scene_count_log(&scene, "svc", "start "), 1);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_too_many_waiters(void)
{
    static struct asked asked[BACKENDS_WAITERS_MAX + 1];
    struct scene scene;
    struct definition *definition;
    struct asked known;
    struct spawn_row row;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "mode=never\n");
    for (int i = 0; i < BACKENDS_WAITERS_MAX; i++) {
        scene_ask(&scene, definition, "1.0.0", &asked[i]);
        check_int(asked[i].r, BACKENDS_E_WAIT);
    }
    scene_ask(&scene, definition, "1.0.0", &known);
    check_refused(&known, ERROR_CODE(RATE_LIMITED), 1000, "backend spawn already in progress");
    scene_run_until(&scene, is_asked_twice, NULL);
    scene_ask(&scene, definition, "1.0.0", &known);
    check_refused(&known, ERROR_CODE(RATE_LIMITED), 1000, "backend spawn already in progress");
    spawn_budget_snapshot(&scene.backends.budget, &LIST_FIRST(&scene.backends.launches)->key, loop_now(&scene.loop),
                          &row);
    check_int(row.attempts_used, 1);
    check(row.in_flight);
    backends_cancel(&scene.backends);
    for (int i = 0; i < BACKENDS_WAITERS_MAX; i++) {
        check_int(asked[i].n_answers, 1);
        check_refused(&asked[i], ERROR_CODE(SHUTTING_DOWN), 1000, "broker is shutting down");
    }
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_eight_launches_at_once(void)
{
    struct scene scene;
    struct asked asked[BACKENDS_LAUNCHES_MAX], refused;
    struct definition *definition;
    char version[32];

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "mode=never\n");
    scene_ask(&scene, definition, "1.0.0", &asked[0]);
    scene_run_until(&scene, is_asked_twice, NULL);
    for (int i = 1; i < BACKENDS_LAUNCHES_MAX; i++) {
        snprintf(version, sizeof(version), "1.0.%d", i);
        scene_ask(&scene, definition, version, &asked[i]);
    }
    check_int(backends_count_launching(&scene.backends), BACKENDS_LAUNCHES_MAX);
    scene_ask(&scene, definition, "2.0.0", &refused);
    check_int(refused.r, 0);
    check_refused(&refused, ERROR_CODE(RATE_LIMITED), 1000, "backend spawn already in progress");
    backends_cancel(&scene.backends);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_slow_launch_delays_nobody(void)
{
    struct scene scene;
    struct asked slow, quick;
    struct definition *slow_definition, *quick_definition;

    scene_init(&scene);
    scene_start(&scene);
    slow_definition = scene_install(&scene, "slow", "mode=never\n");
    quick_definition = scene_install(&scene, "quick", "");
    scene_ask(&scene, slow_definition, "1.0.0", &slow);
    scene_up(&scene, quick_definition, &quick);
    check_int(slow.n_answers, 0);
    definition_unref(slow_definition);
    definition_unref(quick_definition);
    scene_deinit(&scene);
}

static void test_limit_of_a_service(void)
{
    struct scene scene;
    struct asked asked, launching;
    struct definition *definition;
    struct backend *backend;
    struct backend_key key;
    struct spawn_row row;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "mode=never\n");
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
    scene_run_until(&scene, has_launch, NULL);
    scene_ask(&scene, definition, "2.0.0", &asked);
    check_int(asked.r, 0);
    check_refused(&asked, ERROR_CODE(RATE_LIMITED), 1000, "backend limit reached");
    backend_key_make(SLICE("shared"), SLICE("svc"), SLICE("2.0.0"), LIST_FIRST(&scene.backends.launches)->key.exe_hash,
                     &key);
    spawn_budget_snapshot(&scene.backends.budget, &key, loop_now(&scene.loop), &row);
    check_int(row.attempts_used, 0);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_limit_of_all(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    scene.backends.registry.n = BACKENDS_TOTAL_MAX; /* as if so many lived */
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check_refused(&asked, ERROR_CODE(RATE_LIMITED), 1000, "backend limit reached");
    scene.backends.registry.n = 0;
    scene_up(&scene, definition, &asked);
    definition_unref(definition);
    scene_deinit(&scene);
}

/* ------------------------------------------------------------------------------------------------------- failures */

/* An entry of the same key appears between the permit and the lock. */
static void test_found_under_the_lock(void)
{
    struct scene scene;
    struct asked known, asked;
    struct definition *definition;
    struct backend *backend;
    struct launch *launch;
    struct backend_key key;
    struct spawn_row row;
    pid_t pid;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "log=1\n");
    scene_up(&scene, definition, &known); /* from here on the hash is known */
    scene_ask(&scene, definition, "2.0.0", &asked);
    launch = LIST_FIRST(&scene.backends.launches);
    check_fatal(launch != NULL);
    key = launch->key;
    pid = fork();
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    check_int(backend_new(&key, &backend), 0);
    backend->pid = pid;
    check_int(allocator_reserve(&scene.backends.allocator, &backend->endpoint), 0);
    check_int(registry_insert(&scene.backends.registry, backend, sys_pidfd_open(pid, 0)), 0);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    check_int(asked.answer.pid, pid);
    check(backends_is_quiet(&scene.backends));
    check_int(scene_count_log(&scene, "svc", "start "), 1);
    spawn_budget_snapshot(&scene.backends.budget, &key, loop_now(&scene.loop), &row);
    check_int(row.attempts_used, 0);
    check(!row.in_flight);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_handle_that_does_not_match(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until(&scene, has_launch, NULL);
    LIST_FIRST(&scene.backends.launches)->backend->key.version[0] = '9';
    scene_run_until_answered(&scene, &asked);
    check_refused(&asked, ERROR_CODE(INTERNAL), 0, "launched backend identity did not match request");
    scene_run_until_quiet(&scene);
    check_int(backends_count_live(&scene.backends), 0);
    check_int(scene_count_sockets(&scene), 0);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_early_exits(void)
{
    struct scene scene;
    struct definition *status, *signalled;

    scene_init(&scene);
    scene_start(&scene);
    status = scene_install(&scene, "status", "mode=exit\ncode=7\n");
    signalled = scene_install(&scene, "signalled", "mode=signal\ncode=11\n");
    check_failed(&scene, status, "backend spawn failed: backend exited before it was ready (status 7)");
    check_failed(&scene, signalled, "backend spawn failed: backend exited before it was ready (signal 11)");
    definition_unref(status);
    definition_unref(signalled);
    scene_deinit(&scene);
}

static void test_never_ready(void)
{
    struct scene scene;
    struct definition *never, *silent;

    scene_init(&scene);
    scene.config.launch_ceiling_nsec = 100 * NSEC_PER_MSEC;
    scene_start(&scene);
    never = scene_install(&scene, "never", "mode=never\nlinger=1\n");
    silent = scene_install(&scene, "silent", "mode=silent\n");
    check_failed(&scene, never, "backend spawn failed: backend did not become ready within 100 ms");
    check_failed(&scene, silent, "backend spawn failed: backend did not become ready within 100 ms");
    definition_unref(never);
    definition_unref(silent);
    scene_deinit(&scene);
}

static void test_closing_is_not_ready(void)
{
    struct scene scene;
    struct definition *definition;

    scene_init(&scene);
    scene.config.launch_ceiling_nsec = 200 * NSEC_PER_MSEC;
    scene_start(&scene);
    definition = scene_install(&scene, "closes", "mode=closes\n");
    check_failed(&scene, definition, "backend spawn failed: backend did not become ready within 200 ms");
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_wrong_answers(void)
{
    static const struct {
        const char *field, *text;
    } wrong[] = {
        {"pid", "another pid"},      {"exe_path", "another executable path"}, {"exe_hash", "another executable hash"},
        {"boot_id", "another boot"}, {"namespace", "another endpoint"},       {"path", "another endpoint"},
    };
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char name[32], conf[64];

    scene_init(&scene);
    scene_start(&scene);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(name, sizeof(name), "wrong-%zu", i);
        snprintf(conf, sizeof(conf), "wrong=%s\n", wrong[i].field);
        definition = scene_install(&scene, name, conf);
        scene_ask(&scene, definition, "1.0.0", &asked);
        scene_run_until_answered(&scene, &asked);
        check(!asked.answer.ready);
        check_int(asked.answer.code, ERROR_CODE(BACKEND_SPAWN_FAILED));
        check(strncmp(asked.answer.reason, "backend spawn failed: backend identity probe failed: ", 53) == 0);
        check(strstr(asked.answer.reason, wrong[i].text) != NULL);
        scene_run_until_quiet(&scene);
        check_int(scene_count_sockets(&scene), 0);
        definition_unref(definition);
    }
    definition = scene_install(&scene, "garbage", "mode=garbage\n");
    check_failed(&scene, definition, "backend spawn failed: backend identity probe failed: the answer is no frame");
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_what_cannot_be_executed(void)
{
    struct scene scene;
    struct definition *definition;
    char path[600], reason[1024];

    scene_init(&scene);
    scene_start(&scene);
    snprintf(path, sizeof(path), "%s/text", scene.bin_dir);
    scene_write(path, "not a program\n");
    chmod(path, 0755);
    definition = scene_define("text", path, scene.bin_dir);
    check_failed(&scene, definition,
                 "backend spawn failed: backend daemon spawn failed: Exec format error (os error 8)");
    definition_unref(definition);

    snprintf(path, sizeof(path), "%s/missing", scene.bin_dir);
    definition = scene_define("missing", path, scene.bin_dir);
    snprintf(reason, sizeof(reason),
             "backend spawn failed: backend binary_path %s could not be canonicalized: "
             "No such file or directory (os error 2)",
             path);
    check_failed(&scene, definition, reason);
    definition_unref(definition);

    snprintf(path, sizeof(path), "%s/script", scene.bin_dir);
    scene_write(path, "#!/bin/sh\nsleep 1000\n");
    chmod(path, 0755);
    definition = scene_define("script", path, scene.bin_dir);
    check_failed(&scene, definition, "backend spawn failed: the backend runs another executable than was launched");
    definition_unref(definition);
    scene_deinit(&scene);
}

struct writer {
    struct loop_timer timer;
    int fd;
};

static void close_writer(void *owner)
{
    struct writer *writer = owner;

    writer->fd = close_fd(writer->fd);
}

static bool is_exec_waiting(struct scene *scene, void *userdata)
{
    const struct launch *launch = LIST_FIRST(&scene->backends.launches);

    (void)userdata;
    return launch && launch_state(launch) == LAUNCH_STATE_EXEC_WAITING;
}

static void test_binary_that_is_being_written(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    struct writer writer;
    char path[600];

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "log=1\n");
    snprintf(path, sizeof(path), "%s/svc", scene.bin_dir);
    writer.fd = open(path, O_WRONLY | O_CLOEXEC);
    check_fatal(writer.fd >= 0);
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until(&scene, is_exec_waiting, NULL);
    close_writer(&writer);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    definition_unref(definition);
    scene_deinit(&scene);
}

/* The file was not there when its hash was asked for, and is there when it is to be run: no key would match it. */
static void test_binary_that_appears(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char path[600], away[600];

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    scene_up(&scene, definition, &asked); /* the path is known to be local from now on */
    snprintf(path, sizeof(path), "%s/svc", scene.bin_dir);
    snprintf(away, sizeof(away), "%s/away", scene.bin_dir);
    check_int(rename(path, away), 0);
    scene_ask(&scene, definition, "2.0.0", &asked);
    check_int(asked.r, BACKENDS_E_WAIT);
    check_int(rename(away, path), 0);
    scene_run_until_answered(&scene, &asked);
    check_int(asked.answer.code, ERROR_CODE(BACKEND_SPAWN_FAILED));
    check(strstr(asked.answer.reason, "was replaced while it was being launched") != NULL);
    scene_run_until_quiet(&scene);
    scene_ask(&scene, definition, "2.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_binary_that_stays_busy(void)
{
    struct scene scene;
    struct definition *definition;
    char path[600];
    nsec_t begun;
    int fd;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    snprintf(path, sizeof(path), "%s/svc", scene.bin_dir);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    begun = loop_now(&scene.loop);
    check_failed(&scene, definition, "backend spawn failed: backend daemon spawn failed: Text file busy (os error 26)");
    check(loop_now(&scene.loop) - begun >= (1 + 4 + 16 + 64 + 256) * NSEC_PER_MSEC);
    close(fd);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_budget(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "mode=exit\n");
    for (int i = 0; i < 3; i++) {
        check_failed(&scene, definition, "backend spawn failed: backend exited before it was ready (status 0)");
    }
    scene_ask(&scene, definition, "1.0.0", &asked);
    check_int(asked.r, 0);
    check_int(asked.answer.code, ERROR_CODE(RATE_LIMITED));
    check_str(asked.answer.reason, "backend spawn budget exhausted");
    check(asked.answer.retry_after_ms > 20000 && asked.answer.retry_after_ms <= 30000);
    scene_ask(&scene, definition, "1.0.1", &asked);
    check_int(asked.r, BACKENDS_E_WAIT); /* another version has its own budget */
    scene_run_until_answered(&scene, &asked);
    definition_unref(definition);
    scene_deinit(&scene);
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
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_crash_loop_is_limited(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    for (int i = 0; i < 3; i++) {
        scene_up(&scene, definition, &asked);
        kill(asked.answer.pid, SIGKILL);
        scene_run_until_live(&scene, 0);
        check_int(scene_count_sockets(&scene), 0);
    }
    scene_ask(&scene, definition, "1.0.0", &asked);
    check_str(asked.answer.reason, "backend spawn budget exhausted");
    definition_unref(definition);
    scene_deinit(&scene);
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
    definition_unref(definition);
    scene_deinit(&scene);
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

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
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
    check_refused(&asked, ERROR_CODE(RATE_LIMITED), 1000, "backend spawn already in progress");
    launch = LIST_FIRST(&scene.backends.launches);
    check(launch == NULL);
    spawn_budget_snapshot(&scene.backends.budget, &key, loop_now(&scene.loop), &row);
    check_int(row.attempts_used, 1); /* the refused one was given back */
    check(!row.in_flight);
    close(fd);
    scene_up(&scene, definition, &asked);
    definition_unref(definition);
    scene_deinit(&scene);
}

/* --------------------------------------------------------------------------------------------------------- cancel */

struct until_state {
    enum launch_state state;
};

static bool is_in_state(struct scene *scene, void *userdata)
{
    const struct until_state *until = userdata;
    const struct launch *launch = LIST_FIRST(&scene->backends.launches);

    return launch && launch_state(launch) == until->state;
}

static void test_cancel_in_every_state(void)
{
    static const enum launch_state states[] = {
        LAUNCH_STATE_ASKING,       LAUNCH_STATE_RESOLVING, LAUNCH_STATE_FORKING,
        LAUNCH_STATE_EXEC_WAITING, LAUNCH_STATE_PROBING,   LAUNCH_STATE_WAITING,
    };
    struct scene scene;
    struct asked asked, late;
    struct definition *definition;
    struct until_state until;
    char path[600];
    int fd;

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        scene_init(&scene);
        scene_start(&scene);
        definition = scene_install(&scene, "svc", "mode=never\nlinger=1\n");
        snprintf(path, sizeof(path), "%s/svc", scene.bin_dir);
        fd = states[i] == LAUNCH_STATE_EXEC_WAITING ? open(path, O_WRONLY | O_CLOEXEC) : -1;
        until.state = states[i];
        scene_ask(&scene, definition, "1.0.0", &asked);
        if (states[i] == LAUNCH_STATE_ASKING) {
            backends_cancel(&scene.backends); /* while the hash is awaited */
        } else {
            scene_run_until(&scene, is_in_state, &until);
            backends_cancel(&scene.backends);
        }
        check_int(asked.n_answers, 1);
        check_refused(&asked, ERROR_CODE(SHUTTING_DOWN), 1000, "broker is shutting down");
        scene_ask(&scene, definition, "1.0.0", &late);
        check_refused(&late, ERROR_CODE(SHUTTING_DOWN), 1000, "broker is shutting down");
        scene_run_until_quiet(&scene);
        close_fd(fd);
        definition_unref(definition);
        scene_deinit(&scene);
    }
}

static bool is_reaping(struct scene *scene, void *userdata)
{
    const struct launch *launch = LIST_FIRST(&scene->backends.launches);

    (void)userdata;
    return launch && launch_state(launch) == LAUNCH_STATE_REAPING;
}

/* The launch has answered but its child is not reaped yet: whoever joins now is answered too. */
static void test_joining_while_the_child_is_reaped(void)
{
    struct scene scene;
    struct asked first, second;
    struct definition *definition;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "wrong=pid\n");
    scene_ask(&scene, definition, "1.0.0", &first);
    scene_run_until(&scene, is_reaping, NULL);
    check_int(first.n_answers, 1);
    scene_ask(&scene, definition, "1.0.0", &second);
    check_int(second.r, BACKENDS_E_WAIT);
    scene_run_until_answered(&scene, &second);
    check_str(second.answer.reason, first.answer.reason);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_discarded_in_mid_launch(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    int status;
    pid_t pid;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "mode=never\n");
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until(&scene, is_asked_twice, NULL);
    pid = LIST_FIRST(&scene.backends.launches)->pid;
    backends_deinit(&scene.backends);
    check_int(asked.n_answers, 0);
    check_int(scene_count_sockets(&scene), 0);
    waitpid(pid, &status, 0); /* reaped already, or killed and about to end */
    definition_unref(definition);
    scene_deinit(&scene);
}

/* -------------------------------------------------------------------------------------------------- builds, files */

static void test_new_build_is_another_backend(void)
{
    struct scene scene;
    struct asked old, new;
    struct definition *definition;
    char path[600], fresh[600];
    int fd;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    scene_up(&scene, definition, &old);
    snprintf(path, sizeof(path), "%s/svc", scene.bin_dir);
    snprintf(fresh, sizeof(fresh), "%s/svc.new", scene.bin_dir);
    definition_unref(scene_install(&scene, "svc.new", ""));
    fd = open(fresh, O_WRONLY | O_APPEND | O_CLOEXEC);
    check_int(write(fd, "x", 1), 1);
    close(fd);
    check_int(rename(fresh, path), 0);
    scene_up(&scene, definition, &new);
    check(new.answer.pid != old.answer.pid);
    check(strcmp(new.endpoint, old.endpoint) != 0);
    check_int(backends_count_live(&scene.backends), 2);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_exit_removes_only_its_own_socket(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "leave_socket=1\n");
    scene_up(&scene, definition, &asked);
    check_int(unlink(asked.endpoint), 0);
    scene_write(asked.endpoint, "somebody else's");
    kill(asked.answer.pid, SIGTERM);
    scene_run_until_live(&scene, 0);
    check_int(access(asked.endpoint, F_OK), 0);
    unlink(asked.endpoint);
    scene_up(&scene, definition, &asked);
    kill(asked.answer.pid, SIGTERM);
    scene_run_until_live(&scene, 0);
    check(access(asked.endpoint, F_OK) < 0);
    definition_unref(definition);
    scene_deinit(&scene);
}

/* A backend that binds for itself and is not what it should be, or dies at once, leaves no socket: scene_deinit(). */
static void test_failed_self_binders_leave_no_socket(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char conf[512], gate[256];

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "wrong", "mode=selfbind\nwrong=pid\n");
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check_int(asked.answer.code, ERROR_CODE(BACKEND_SPAWN_FAILED));
    definition_unref(definition);
    scene_touch(&scene, "gate", gate);
    snprintf(conf, sizeof(conf), "mode=selfbind\nexit_file=%s\ncode=1\nleave_socket=1\n", gate);
    definition = scene_install(&scene, "dying", conf);
    for (int i = 0; i < 8; i++) {
        char version[32];

        snprintf(version, sizeof(version), "1.0.%d", i);
        scene_ask(&scene, definition, version, &asked);
        scene_run_until_answered(&scene, &asked);
        scene_run_until_quiet(&scene);
    }
    definition_unref(definition);
    scene_run_until_live(&scene, 0);
    check_int(scene_count_sockets(&scene), 0);
    scene_deinit(&scene);
}

static void test_many_failures_leave_nothing(void)
{
    struct scene scene;
    struct definition *definition;
    char version[32];
    struct asked asked;
    int n_fds = 0;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "mode=exit\ncode=1\n");
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
    definition_unref(definition);
    scene_deinit(&scene);
}

static bool has_no_orphan(struct scene *scene, void *userdata)
{
    (void)userdata;
    return LIST_EMPTY(&scene->backends.orphans);
}

static void test_orphans_are_reaped(void)
{
    struct scene scene;
    pid_t pid = fork();

    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    scene_init(&scene);
    scene_start(&scene);
    backends_adopt_orphan(&scene.backends, sys_pidfd_open(pid, 0));
    check(!has_no_orphan(&scene, NULL));
    kill(pid, SIGKILL);
    scene_run_until(&scene, has_no_orphan, NULL);
    scene_deinit(&scene);
}

static void test_cleaned_directory_is_made_again(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char locks[400], broker[350], upper[300];

    scene_init(&scene);
    snprintf(upper, sizeof(upper), "%s/running-process", scene.dir);
    snprintf(broker, sizeof(broker), "%s/broker", upper);
    snprintf(locks, sizeof(locks), "%s/locks", broker);
    check_int(mkdir(upper, 0700), 0);
    check_int(mkdir(broker, 0700), 0);
    scene.config.runtime_dir = broker;
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "mode=exit\ncode=9\n");
    check_failed(&scene, definition, "backend spawn failed: backend exited before it was ready (status 9)");
    check_int(scene_remove_locks(locks), 0);
    check_int(rmdir(broker), 0);
    definition_unref(definition);
    definition = scene_install(&scene, "svc2", "");
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    definition_unref(definition);
    scene_deinit(&scene);
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
    for (int i = 0; i < 3; i++) {
        scene_ask(&scene, definition, "1.0.0", &asked);
        check_int(asked.r, 0);
        check_refused(&asked, ERROR_CODE(BACKEND_SPAWN_FAILED), 1000, "backend is not registered");
    }
    scene_ask(&scene, definition, "1.0.0", &asked);
    check_str(asked.answer.reason, "backend spawn budget exhausted");
    check_int(scene_count_log(&scene, "svc", "start "), 0);
    definition_unref(definition);
    scene_deinit(&scene);
}

static void test_owned_bind_spellings(void)
{
    static const char *const off[] = {"", "0", "false", "no", "off", " OFF ", "False", "\tNo\n"};
    static const char *const on[] = {"1", "true", "yes", "00", "offf", "n"};

    check(backends_owned_bind_from(NULL));
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        check(!backends_owned_bind_from(off[i]));
    }
    for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
        check(backends_owned_bind_from(on[i]));
    }
}

CHECK_PROGRAM("backend/launch", {"the first question launches, the second finds", test_first_launches_second_finds},
              {"the child gets its environment, four descriptors, / and a session", test_what_the_child_gets},
              {"a backend may bind for itself", test_without_owned_bind},
              {"a backend that binds beside the owned listener is found", test_self_bind_beside_an_owned_listener},
              {"also after several probes", test_self_bind_after_several_probes},
              {"a slow adopter finds one kept connection", test_slow_adopter_sees_one_connection},
              {"64 waiters, one launch", test_64_waiters_one_launch},
              {"the 257th waiter is refused", test_too_many_waiters},
              {"the ninth launch is refused", test_eight_launches_at_once},
              {"a slow launch delays nobody else", test_slow_launch_delays_nobody},
              {"16 live backends a service", test_limit_of_a_service}, {"1024 live backends in all", test_limit_of_all},
              {"a backend that is found under the lock", test_found_under_the_lock},
              {"a handle that does not match the request", test_handle_that_does_not_match},
              {"an early exit is told with its status", test_early_exits},
              {"a backend that is never ready is killed at the ceiling", test_never_ready},
              {"closing without an answer is not ready", test_closing_is_not_ready},
              {"another identity is refused", test_wrong_answers},
              {"what cannot be executed is refused", test_what_cannot_be_executed},
              {"a binary that is being written is tried again", test_binary_that_is_being_written},
              {"five times", test_binary_that_stays_busy},
              {"a binary that appears meanwhile", test_binary_that_appears}, {"the budget ends launches", test_budget},
              {"a key whose window is over is forgotten", test_budget_is_swept},
              {"a crash loop is limited", test_crash_loop_is_limited},
              {"a backend that stays up is forgiven", test_stable_backend_is_forgiven},
              {"a lock held by another broker refunds", test_lock_held_by_another},
              {"cancel in every state", test_cancel_in_every_state},
              {"who joins while the child is reaped is answered", test_joining_while_the_child_is_reaped},
              {"deinit in mid-launch leaves nothing", test_discarded_in_mid_launch},
              {"a new build is another backend", test_new_build_is_another_backend},
              {"an exit unlinks its own socket only", test_exit_removes_only_its_own_socket},
              {"self-binders that fail leave no socket", test_failed_self_binders_leave_no_socket},
              {"many failures leave nothing", test_many_failures_leave_nothing},
              {"a killed process that does not die is reaped later", test_orphans_are_reaped},
              {"a directory that was cleaned away is made again", test_cleaned_directory_is_made_again},
              {"registered mode launches nothing", test_registered_mode_launches_nothing},
              {"spellings that turn owned bind off", test_owned_bind_spellings})
