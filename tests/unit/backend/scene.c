/* SPDX-License-Identifier: MIT */

/*
 * The scene waits for conditions by turning the loop; nothing sleeps. The watchdog is a timer of the same loop, so a
 * condition that never comes fails the test instead of hanging it.
 */

#include "scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/launch.h"
#include "base/log.h"
#include "wire/protocol.h"

static void on_watchdog(void *owner)
{
    struct scene *scene = owner;

    scene->is_timed_out = true;
}

void scene_init(struct scene *scene)
{
    memset(scene, 0, sizeof(*scene));
    log_set_level(getenv("SCENE_LOG") ? LOG_DEBUG : LOG_ERROR);
    scene->dir = check_tmpdir();
    snprintf(scene->runtime_dir, sizeof(scene->runtime_dir), "%s/run", scene->dir);
    snprintf(scene->bin_dir, sizeof(scene->bin_dir), "%s/bin", scene->dir);
    check_int(mkdir(scene->runtime_dir, 0700), 0);
    check_int(mkdir(scene->bin_dir, 0700), 0);
    check_int(loop_init(&scene->loop), 0);
    check_int(fsm_world_init(&scene->world, &scene->loop), 0);
    loop_timer_init(&scene->watchdog, &scene->loop, on_watchdog, scene);
    scene->config = (struct backends_config){
        .loop = &scene->loop,
        .world = &scene->world,
        .user_hash = "0123456789abcdef",
        .runtime_dir = scene->runtime_dir,
        .launching = true,
        .owned_bind = true,
    };
}

void scene_start(struct scene *scene)
{
    check_int(backends_init(&scene->backends, &scene->config), 0);
}

static void kill_row(const struct backend_row *row, void *userdata)
{
    (void)userdata;
    if (row->pid > 0) {
        kill(row->pid, SIGKILL);
    }
}

static bool is_empty(struct scene *scene, void *userdata)
{
    (void)userdata;
    return backends_count_live(&scene->backends) == 0 && backends_is_quiet(&scene->backends);
}

void scene_deinit(struct scene *scene)
{
    siginfo_t info = {0};

    if (scene->backends.is_ready) {
        backends_cancel(&scene->backends);
        backends_each(&scene->backends, kill_row, NULL);
        scene_run_until(scene, is_empty, NULL);
        check_int(scene->world.n_never, 0);
        check_int(scene->world.n_alive, 0);
        check_int(scene_count_sockets(scene), 0);
        backends_deinit(&scene->backends);
        backends_deinit(&scene->backends);
    }
    fsm_world_deinit(&scene->world);
    loop_timer_stop(&scene->watchdog);
    loop_deinit(&scene->loop);
    check_int(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
    check_int(errno, ECHILD);
}

void scene_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    check_fatal(file != NULL);
    fputs(text, file);
    fclose(file);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    ssize_t n;

    check_fatal(in >= 0 && out >= 0);
    while ((n = read(in, bytes, sizeof(bytes))) > 0) {
        check_fatal(write(out, bytes, (size_t)n) == n);
    }
    close(in);
    close(out);
}

struct definition *scene_define(const char *name, const char *binary, const char *root)
{
    struct definition *definition = NULL;
    ServiceDefinition message;
    union {
        const char *borrowed;
        char *field;
    } service = {name}, path = {binary}, dir = {root};

    message_init(MESSAGE_SERVICE_DEFINITION, &message);
    message.service_name = service.field;
    message.binary_path = path.field;
    message.per_version_binary_dir = dir.field;
    message.isolation = RUNNING_PROCESS__BROKER__V1__BROKER_ISOLATION__SHARED_BROKER;
    check_fatal(definition_from_message(&message, &definition) == 0);
    return definition;
}

struct definition *scene_install(struct scene *scene, const char *name, const char *conf)
{
    char source[512], path[512], conf_path[600];

    snprintf(source, sizeof(source), "%s/tests/backend/test-backend", check_build_dir());
    snprintf(path, sizeof(path), "%s/%s", scene->bin_dir, name);
    snprintf(conf_path, sizeof(conf_path), "%s.conf", path);
    copy_file(source, path);
    scene_write(conf_path, conf);
    return scene_define(name, path, scene->bin_dir);
}

struct definition *scene_begin(struct scene *scene, const char *conf)
{
    scene_init(scene);
    scene_start(scene);
    return scene_install(scene, "svc", conf);
}

void scene_end(struct scene *scene, struct definition *definition)
{
    definition_unref(definition);
    scene_deinit(scene);
}

struct definition *scene_install_behind_link(struct scene *scene, const char *name, const char *conf)
{
    char path[600], link[600];

    definition_unref(scene_install(scene, name, conf));
    snprintf(path, sizeof(path), "%s/%s", scene->bin_dir, name);
    snprintf(link, sizeof(link), "%s/link", scene->dir);
    check_int(symlink(scene->bin_dir, link), 0);
    return scene_define(name, path, link);
}

void scene_touch(struct scene *scene, const char *name, char ret_path[256])
{
    snprintf(ret_path, 256, "%s/%s", scene->dir, name);
    scene_write(ret_path, "");
}

static void on_answered(struct backend_waiter *waiter, const struct backend_answer *answer)
{
    struct asked *asked = (struct asked *)waiter;

    asked->n_answers++;
    asked->answer = *answer;
    snprintf(asked->endpoint, sizeof(asked->endpoint), "%s", answer->ready ? answer->endpoint_path : "");
}

void scene_ask_quietly(struct scene *scene, const struct definition *definition, const char *version,
                       struct asked *asked)
{
    struct instance_id instance = {.text = "shared"};
    struct backend_request request = {
        .definition = definition,
        .instance = &instance,
        .service = slice_from(definition->service_name),
        .version = slice_from(version),
        .traceparent = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        .tracestate = SLICE("vendor=1"),
        .request_id = SLICE("request-1"),
    };
    struct backend_answer answer = {0};

    memset(asked, 0, sizeof(*asked));
    asked->waiter.answered = on_answered;
    asked->r = backends_ask(&scene->backends, &request, &asked->waiter, &answer);
    if (asked->r == 0) {
        on_answered(&asked->waiter, &answer);
    }
}

void scene_ask(struct scene *scene, const struct definition *definition, const char *version, struct asked *asked)
{
    scene_ask_quietly(scene, definition, version, asked);
    check(asked->r >= 0);
}

void scene_run_until(struct scene *scene, bool (*is_true)(struct scene *scene, void *userdata), void *userdata)
{
    scene->is_timed_out = false;
    loop_timer_set_in(&scene->watchdog, 20 * NSEC_PER_SEC);
    fsm_world_run(&scene->world);
    while (!is_true(scene, userdata) && !scene->is_timed_out) {
        check_fatal(loop_turn(&scene->loop, true) == 0);
        fsm_world_run(&scene->world);
    }
    check(!scene->is_timed_out);
    loop_timer_stop(&scene->watchdog);
}

static bool is_answered(struct scene *scene, void *userdata)
{
    const struct asked *asked = userdata;

    (void)scene;
    return asked->n_answers > 0;
}

void scene_run_until_answered(struct scene *scene, struct asked *asked)
{
    scene_run_until(scene, is_answered, asked);
    check_int(asked->n_answers, 1);
}

static bool is_live(struct scene *scene, void *userdata)
{
    return backends_count_live(&scene->backends) == *(uint32_t *)userdata;
}

void scene_run_until_live(struct scene *scene, uint32_t n)
{
    scene_run_until(scene, is_live, &n);
}

static bool is_quiet(struct scene *scene, void *userdata)
{
    (void)userdata;
    return backends_is_quiet(&scene->backends);
}

void scene_run_until_quiet(struct scene *scene)
{
    scene_run_until(scene, is_quiet, NULL);
}

int scene_count_sockets(const struct scene *scene)
{
    DIR *dir = opendir(scene->runtime_dir);
    struct dirent *entry;
    int n = 0;

    check_fatal(dir != NULL);
    while ((entry = readdir(dir))) {
        n += strstr(entry->d_name, ".sock") != NULL;
    }
    closedir(dir);
    return n;
}

int scene_count_log(const struct scene *scene, const char *name, const char *prefix)
{
    char path[600], line[4096];
    FILE *file;
    int n = 0;

    snprintf(path, sizeof(path), "%s/%s.log", scene->bin_dir, name);
    file = fopen(path, "re");
    if (!file) {
        return 0;
    }
    while (fgets(line, sizeof(line), file)) {
        n += strncmp(line, prefix, strlen(prefix)) == 0;
    }
    fclose(file);
    return n;
}

bool scene_log_has(const struct scene *scene, const char *name, const char *line)
{
    char whole[4096];

    snprintf(whole, sizeof(whole), "%s\n", line);
    return scene_count_log(scene, name, whole) > 0;
}

void scene_up(struct scene *scene, const struct definition *definition, struct asked *asked)
{
    struct stat st;

    scene_ask(scene, definition, "1.0.0", asked);
    scene_run_until_answered(scene, asked);
    check(asked->answer.ready);
    check_str(asked->answer.reason, "");
    check_int(lstat(asked->endpoint, &st), 0);
    check(S_ISSOCK(st.st_mode));
}

bool scene_has_launch(struct scene *scene, void *userdata)
{
    (void)userdata;
    return !LIST_EMPTY(&scene->backends.launches);
}

bool scene_is_asked_twice(struct scene *scene, void *userdata)
{
    const struct launch *launch = LIST_FIRST(&scene->backends.launches);

    (void)userdata;
    return launch && launch->attempt >= 2;
}

void scene_check_refused(const struct asked *asked, uint32_t code, uint64_t retry_ms, const char *reason)
{
    check(!asked->answer.ready);
    check_int(asked->answer.code, code);
    check_int(asked->answer.retry_after_ms, retry_ms);
    check_str(asked->answer.reason, reason);
}

void scene_check_failed(struct scene *scene, const struct definition *definition, const char *reason)
{
    struct asked asked;

    scene_ask(scene, definition, "1.0.0", &asked);
    scene_run_until_answered(scene, &asked);
    scene_check_refused(&asked, ERROR_CODE(BACKEND_SPAWN_FAILED), 1000, reason);
    scene_run_until_quiet(scene);
    check_int(scene_count_sockets(scene), 0);
    check_int(backends_count_live(&scene->backends), 0);
}

int scene_remove_locks(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    check_fatal(dir != NULL);
    while ((entry = readdir(dir))) {
        if (*entry->d_name != '.') {
            check_int(unlinkat(dirfd(dir), entry->d_name, 0), 0);
        }
    }
    closedir(dir);
    return rmdir(path);
}

int scene_highest_fd(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int highest = 0;

    check_fatal(dir != NULL);
    while ((entry = readdir(dir))) {
        int fd = atoi(entry->d_name);

        if (fd > highest && fd != dirfd(dir)) {
            highest = fd;
        }
    }
    closedir(dir);
    return highest;
}
