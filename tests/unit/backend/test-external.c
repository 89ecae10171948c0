/* SPDX-License-Identifier: MIT */

/* Backends that somebody else runs: registered when everything they say agrees with what the kernel says. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"
#include "wire/protocol.h"

struct registration {
    bool is_done;
    char error[300]; /* "" when registered */
};

static void on_done(void *owner, const char *error)
{
    struct registration *registration = owner;

    check(!registration->is_done);
    registration->is_done = true;
    snprintf(registration->error, sizeof(registration->error), "%s", error ? error : "");
}

static pid_t start(struct scene *scene, const char *name, const char *socket_path, const char *namespace_id)
{
    char path[600];
    pid_t pid = fork();

    if (pid == 0) {
        snprintf(path, sizeof(path), "%s/%s", scene->bin_dir, name);
        execl(path, path, socket_path, namespace_id, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void begin(struct scene *scene, const char *conf, struct definition **ret_definition, char ret_path[300])
{
    scene_init(scene);
    scene->config.launching = false;
    scene_start(scene);
    *ret_definition = scene_install(scene, "svc", conf);
    snprintf(ret_path, 300, "%s/ext.sock", scene->dir);
}

static void register_at(struct scene *scene, struct definition *definition, const char *path, nsec_t limit_nsec,
                        struct registration *registration)
{
    struct instance_id instance = {.text = "shared"};
    struct external_config config = {
        .definition = definition,
        .instance = &instance,
        .service = SLICE("svc"),
        .version = SLICE("1.0.0"),
        .path = path,
        .limit_nsec = limit_nsec,
        .done = on_done,
        .owner = registration,
    };

    *registration = (struct registration){0};
    check_int(backends_register_external(&scene->backends, &config), 0);
}

static bool is_done(struct scene *scene, void *userdata)
{
    (void)scene;
    return ((struct registration *)userdata)->is_done;
}

static void stop(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/* The child is ours here, unlike in life, so the registry reaps it; waiting for that is the scene's end. */
static void test_registered(void)
{
    struct scene scene;
    struct definition *definition;
    struct registration registration;
    struct asked asked;
    char path[300];
    pid_t pid;

    begin(&scene, "", &definition, path);
    register_at(&scene, definition, path, 0, &registration); /* before it listens */
    scene_ask(&scene, definition, "1.0.0", &asked);
    check_str(asked.answer.reason, "backend is not registered");
    pid = start(&scene, "svc", path, "a namespace of its own");
    scene_run_until(&scene, is_done, &registration);
    check_str(registration.error, "");
    scene_ask(&scene, definition, "1.0.0", &asked);
    check(asked.answer.ready);
    check_str(asked.endpoint, path);
    check_int(asked.answer.pid, pid);
    scene_ask(&scene, definition, "1.0.1", &asked);
    check_str(asked.answer.reason, "backend is not registered");
    kill(pid, SIGKILL);
    scene_run_until_live(&scene, 0);
    check(access(path, F_OK) < 0); /* what the proven backend left behind is unlinked */
    scene_ask(&scene, definition, "1.0.0", &asked);
    check(!asked.answer.ready);
    scene_end(&scene, definition);
}

static void test_routed_whatever_its_build(void)
{
    struct scene scene;
    struct definition *definition, *other;
    struct registration registration;
    struct asked asked;
    char path[300];
    pid_t pid;

    begin(&scene, "", &definition, path);
    pid = start(&scene, "svc", path, "shared");
    register_at(&scene, definition, path, 0, &registration);
    scene_run_until(&scene, is_done, &registration);
    check_str(registration.error, "");
    other = scene_define("svc", "/bin/true", "/bin"); /* the definition names another file by now */
    scene_ask(&scene, other, "1.0.0", &asked);
    check(asked.answer.ready);
    check_int(asked.answer.pid, pid);
    definition_unref(other);
    scene_end(&scene, definition);
}

static void check_wrong(const char *conf, const char *text)
{
    struct scene scene;
    struct definition *definition;
    struct registration registration;
    char path[300];
    pid_t pid;

    begin(&scene, conf, &definition, path);
    pid = start(&scene, "svc", path, "shared");
    register_at(&scene, definition, path, 0, &registration);
    scene_run_until(&scene, is_done, &registration);
    check(strstr(registration.error, text) != NULL);
    if (!strstr(registration.error, text)) {
        check_str(registration.error, text);
    }
    check_int(backends_count_live(&scene.backends), 0);
    check(backends_is_quiet(&scene.backends));
    stop(pid);
    unlink(path);
    scene_end(&scene, definition);
}

static void test_wrong_answers(void)
{
    check_wrong("wrong=pid\n", " listens");
    check_wrong("wrong=path\n", "it says that its endpoint is /nowhere.sock");
    check_wrong("wrong=boot_id\n", "boot_id");
    check_wrong("wrong=exe_path\n", "exe_path");
    check_wrong("wrong=exe_hash\n", "exe_hash");
    check_wrong("mode=garbage\n", "the answer is no frame");
}

static void test_silence(void)
{
    struct scene scene;
    struct definition *definition;
    struct registration registration;
    char path[300];
    pid_t pid;

    begin(&scene, "mode=silent\n", &definition, path);
    register_at(&scene, definition, path, 30 * NSEC_PER_MSEC, &registration);
    scene_run_until(&scene, is_done, &registration);
    check_str(registration.error, "nothing is bound at the endpoint");
    pid = start(&scene, "svc", path, "shared");
    register_at(&scene, definition, path, 2000 * NSEC_PER_MSEC, &registration);
    scene_run_until(&scene, is_done, &registration);
    check_str(registration.error, "no answer within 500 ms");
    stop(pid);
    unlink(path);
    scene_end(&scene, definition);
}

/* A socket that nobody listens on: said also when a whole question has gone by in trying. */
static void test_deserted(void)
{
    struct scene scene;
    struct definition *definition;
    struct registration registration;
    struct socket_identity identity;
    char path[300];
    int fd = -1;

    begin(&scene, "", &definition, path);
    check_fatal(launcher_bind(path, &fd, &identity) == 0);
    close(fd);
    register_at(&scene, definition, path, 525 * NSEC_PER_MSEC, &registration);
    scene_run_until(&scene, is_done, &registration);
    check_str(registration.error, "nobody listens at the endpoint");
    unlink(path);
    scene_end(&scene, definition);
}

static void test_cancel(void)
{
    struct scene scene;
    struct definition *definition;
    struct registration registration;
    char path[300];

    begin(&scene, "", &definition, path);
    register_at(&scene, definition, path, 0, &registration);
    check_int(loop_turn(&scene.loop, false), 0);
    backends_cancel(&scene.backends);
    check_str(registration.error, "the broker is shutting down");
    scene_end(&scene, definition);
    begin(&scene, "", &definition, path);
    register_at(&scene, definition, path, 0, &registration);
    backends_deinit(&scene.backends); /* without a word */
    check(!registration.is_done);
    scene_end(&scene, definition);
}

CHECK_PROGRAM("backend/external", {"registered once it answers, gone when it ends", test_registered},
              {"routed whatever its build", test_routed_whatever_its_build},
              {"what disagrees is refused", test_wrong_answers}, {"silence ends at the limit", test_silence},
              {"a socket that nobody listens on", test_deserted}, {"cancel and deinit", test_cancel})
