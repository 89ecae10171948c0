/* SPDX-License-Identifier: MIT */

/* Launches of real processes through the real loop: every way in which they fail, and how they are cancelled. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/launch.h"
#include "base/cleanup.h"
#include "scene.h"
#include "wire/protocol.h"

static void test_handle_that_does_not_match(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    definition = scene_begin(&scene, "");
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until(&scene, scene_has_launch, NULL);
    LIST_FIRST(&scene.backends.launches)->backend->key.version[0] = '9';
    scene_run_until_answered(&scene, &asked);
    scene_check_refused(&asked, ERROR_CODE(INTERNAL), 0, "launched backend identity did not match request");
    scene_run_until_quiet(&scene);
    check_int(backends_count_live(&scene.backends), 0);
    check_int(scene_count_sockets(&scene), 0);
    scene_end(&scene, definition);
}

static void test_early_exits(void)
{
    struct scene scene;
    struct definition *status, *signalled;

    scene_init(&scene);
    scene_start(&scene);
    status = scene_install(&scene, "status", "mode=exit\ncode=7\n");
    signalled = scene_install(&scene, "signalled", "mode=signal\ncode=11\n");
    scene_check_failed(&scene, status, "backend spawn failed: backend exited before it was ready (status 7)");
    scene_check_failed(&scene, signalled, "backend spawn failed: backend exited before it was ready (signal 11)");
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
    scene_check_failed(&scene, never, "backend spawn failed: backend did not become ready within 100 ms");
    scene_check_failed(&scene, silent, "backend spawn failed: backend did not become ready within 100 ms");
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
    scene_check_failed(&scene, definition, "backend spawn failed: backend did not become ready within 200 ms");
    scene_end(&scene, definition);
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
    scene_check_failed(&scene, definition,
                       "backend spawn failed: backend identity probe failed: the answer is no frame");
    scene_end(&scene, definition);
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
    scene_check_failed(&scene, definition,
                       "backend spawn failed: backend daemon spawn failed: Exec format error (os error 8)");
    definition_unref(definition);

    snprintf(path, sizeof(path), "%s/missing", scene.bin_dir);
    definition = scene_define("missing", path, scene.bin_dir);
    snprintf(reason, sizeof(reason),
             "backend spawn failed: backend binary_path %s could not be canonicalized: "
             "No such file or directory (os error 2)",
             path);
    scene_check_failed(&scene, definition, reason);
    definition_unref(definition);

    snprintf(path, sizeof(path), "%s/orphan", scene.bin_dir);
    scene_write(path, "#!/no/such/interpreter\n");
    chmod(path, 0755);
    definition = scene_define("orphan", path, scene.bin_dir);
    scene_check_failed(&scene, definition,
                       "backend spawn failed: backend daemon spawn failed: No such file or directory (os error 2); "
                       "the interpreter or loader that the file names is missing");
    definition_unref(definition);

    snprintf(path, sizeof(path), "%s/script", scene.bin_dir);
    scene_write(path, "#!/bin/sh\nsleep 1000\n");
    chmod(path, 0755);
    definition = scene_define("script", path, scene.bin_dir);
    scene_check_failed(&scene, definition,
                       "backend spawn failed: the backend runs another executable than was launched");
    scene_end(&scene, definition);
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

    definition = scene_begin(&scene, "log=1\n");
    snprintf(path, sizeof(path), "%s/svc", scene.bin_dir);
    writer.fd = open(path, O_WRONLY | O_CLOEXEC);
    check_fatal(writer.fd >= 0);
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until(&scene, is_exec_waiting, NULL);
    close_writer(&writer);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    scene_end(&scene, definition);
}

/* The file was not there when its hash was asked for, and is there when it is to be run: no key would match it. */
static void test_binary_that_appears(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char path[600], away[600];

    definition = scene_begin(&scene, "");
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
    scene_end(&scene, definition);
}

static void test_binary_that_stays_busy(void)
{
    struct scene scene;
    struct definition *definition;
    char path[600];
    nsec_t begun;
    int fd;

    definition = scene_begin(&scene, "");
    snprintf(path, sizeof(path), "%s/svc", scene.bin_dir);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    begun = loop_now(&scene.loop);
    scene_check_failed(&scene, definition,
                       "backend spawn failed: backend daemon spawn failed: Text file busy (os error 26)");
    check(loop_now(&scene.loop) - begun >= (1 + 4 + 16 + 64 + 256) * NSEC_PER_MSEC);
    close(fd);
    scene_end(&scene, definition);
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
        definition = scene_install_behind_link(&scene, "svc", "mode=never\nlinger=1\n");
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
        scene_check_refused(&asked, ERROR_CODE(SHUTTING_DOWN), 1000, "broker is shutting down");
        scene_ask(&scene, definition, "1.0.0", &late);
        scene_check_refused(&late, ERROR_CODE(SHUTTING_DOWN), 1000, "broker is shutting down");
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

    definition = scene_begin(&scene, "wrong=pid\n");
    scene_ask(&scene, definition, "1.0.0", &first);
    scene_run_until(&scene, is_reaping, NULL);
    check_int(first.n_answers, 1);
    scene_ask(&scene, definition, "1.0.0", &second);
    check_int(second.r, BACKENDS_E_WAIT);
    scene_run_until_answered(&scene, &second);
    check_str(second.answer.reason, first.answer.reason);
    scene_end(&scene, definition);
}

static void test_discarded_in_mid_launch(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    int status;
    pid_t pid;

    definition = scene_begin(&scene, "mode=never\n");
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until(&scene, scene_is_asked_twice, NULL);
    pid = LIST_FIRST(&scene.backends.launches)->pid;
    backends_deinit(&scene.backends);
    check_int(asked.n_answers, 0);
    check_int(scene_count_sockets(&scene), 0);
    waitpid(pid, &status, 0); /* reaped already, or killed and about to end */
    scene_end(&scene, definition);
}

/* ---------------------------------------------------------------------------------------- somebody cleans up */

static char *launch_socket(struct scene *scene)
{
    static char path[108];

    snprintf(path, sizeof(path), "%s", launch_path(LIST_FIRST(&scene->backends.launches)));
    check(access(path, F_OK) == 0);
    return path;
}

/* Socket and lock are gone: the launch ends at once, the next one that asks begins a new one. */
static void test_swept(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char locks[300], reason[400];

    definition = scene_begin(&scene, "mode=never\n");
    snprintf(locks, sizeof(locks), "%s/locks", scene.runtime_dir);
    for (int i = 0; i < 2; i++) {
        scene_ask(&scene, definition, "1.0.0", &asked);
        scene_run_until(&scene, scene_is_asked_twice, NULL);
        snprintf(reason, sizeof(reason),
                 "backend spawn failed: the socket %s was removed by somebody while the backend started",
                 launch_socket(&scene));
        check_int(unlink(launch_socket(&scene)), 0);
        check_int(scene_remove_locks(locks), 0);
        backends_recheck_endpoints(&scene.backends);
        backends_recheck_endpoints(&scene.backends); /* told twice is told once */
        scene_run_until_answered(&scene, &asked);
        scene_check_refused(&asked, ERROR_CODE(BACKEND_SPAWN_FAILED), 1000, reason);
        scene_run_until_quiet(&scene);
        check_int(scene_count_sockets(&scene), 0);
    }
    scene_end(&scene, definition);
}

/* Without its lock being gone it may be the backend's own doing (decision 12a), and without the socket nothing is lost.
 */
static void test_not_swept(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char conf[512], gate[256], locks[300];

    scene_init(&scene);
    scene_start(&scene);
    snprintf(locks, sizeof(locks), "%s/locks", scene.runtime_dir);
    scene_touch(&scene, "gate", gate);
    snprintf(conf, sizeof(conf), "mode=selfbind\nwait_file=%s\n", gate);
    definition = scene_install(&scene, "svc", conf);
    for (int i = 0; i < 2; i++) {
        check_int(unlink(gate), 0);
        scene_ask(&scene, definition, i == 0 ? "1.0.0" : "2.0.0", &asked);
        scene_run_until(&scene, scene_is_asked_twice, NULL);
        check_int(i == 0 ? unlink(launch_socket(&scene)) : scene_remove_locks(locks), 0);
        backends_recheck_endpoints(&scene.backends);
        for (int turn = 0; turn < 20; turn++) {
            check_int(loop_turn(&scene.loop, false), 0);
        }
        check_int(asked.n_answers, 0);
        scene_touch(&scene, "gate", gate);
        scene_run_until_answered(&scene, &asked);
        check(asked.answer.ready);
    }
    scene_end(&scene, definition);
}

/* -------------------------------------------------------------------------------------------------- what is left */

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
    backends_adopt_orphan(&scene.backends, orphan_new(), sys_pidfd_open(pid, 0));
    check(!has_no_orphan(&scene, NULL));
    kill(pid, SIGKILL);
    scene_run_until(&scene, has_no_orphan, NULL);
    scene_deinit(&scene);
}

CHECK_PROGRAM("backend/launch-failures", {"a handle that does not match the request", test_handle_that_does_not_match},
              {"an early exit is told with its status", test_early_exits},
              {"a backend that is never ready is killed at the ceiling", test_never_ready},
              {"closing without an answer is not ready", test_closing_is_not_ready},
              {"another identity is refused", test_wrong_answers},
              {"what cannot be executed is refused", test_what_cannot_be_executed},
              {"a binary that is being written is tried again", test_binary_that_is_being_written},
              {"five times", test_binary_that_stays_busy},
              {"a binary that appears meanwhile", test_binary_that_appears},
              {"cancel in every state", test_cancel_in_every_state},
              {"who joins while the child is reaped is answered", test_joining_while_the_child_is_reaped},
              {"deinit in mid-launch leaves nothing", test_discarded_in_mid_launch},
              {"a launch whose socket was removed ends at once", test_swept},
              {"a launch goes on without its socket or its lock alone", test_not_swept},
              {"self-binders that fail leave no socket", test_failed_self_binders_leave_no_socket},
              {"a killed process that does not die is reaped later", test_orphans_are_reaped})
