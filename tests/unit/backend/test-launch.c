/* SPDX-License-Identifier: MIT */

/* Launches of real processes through the real loop: how they succeed, and who waits for them. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/launch.h"
#include "scene.h"

static void test_first_launches_second_finds(void)
{
    struct scene scene;
    struct asked first, second;
    struct definition *definition;
    int n_fds;

    definition = scene_begin(&scene, "log=1\n");
    scene_up(&scene, definition, &first);
    n_fds = check_count_fds();
    scene_ask(&scene, definition, "1.0.0", &second);
    check_int(second.r, 0);
    check(second.answer.ready);
    check_str(second.endpoint, first.endpoint);
    check_int(second.answer.pid, first.answer.pid);
    check_int(scene_count_log(&scene, "svc", "start "), 1);
    check_int(check_count_fds(), n_fds);
    scene_end(&scene, definition);
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
    definition = scene_begin(&scene, "log=1\n");
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
    scene_end(&scene, definition);
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
    scene_end(&scene, definition);
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
    scene_end(&scene, definition);
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
    scene_run_until(&scene, scene_is_asked_twice, NULL);
    scene_touch(&scene, "gate", gate);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    scene_end(&scene, definition);
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
    scene_run_until(&scene, scene_is_asked_twice, NULL);
    check(LIST_FIRST(&scene.backends.launches)->prober.fd >= 0);
    scene_touch(&scene, "gate", gate);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    scene_end(&scene, definition);
}

static void test_64_waiters_one_launch(void)
{
    struct scene scene;
    struct asked asked[64], early;
    struct definition *definition;

    definition = scene_begin(&scene, "log=1\ndelay_ms=20\n");
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
    scene_end(&scene, definition);
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

    definition = scene_begin(&scene, "log=1\n");
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
    scene_end(&scene, definition);
}

/* -------------------------------------------------------------------------------------------------- builds, files */

/* Asks for another version of what is up already; the state that its launch comes to before the loop turns. */
static enum launch_state ask_at_once(struct scene *scene, const struct definition *definition, struct asked *asked)
{
    scene_ask(scene, definition, "2.0.0", asked);
    fsm_world_run(&scene->world);
    check_fatal(!LIST_EMPTY(&scene->backends.launches));
    return launch_state(LIST_FIRST(&scene->backends.launches));
}

static void test_known_file_needs_no_worker(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    definition = scene_begin(&scene, "");
    scene_up(&scene, definition, &asked);
    check_int(ask_at_once(&scene, definition, &asked), LAUNCH_STATE_FORKING);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    scene_end(&scene, definition);
}

/* The way to the root leads over a link, which may lead anywhere: that is for the worker to find out. */
static void test_root_elsewhere_needs_the_worker(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install_behind_link(&scene, "svc", "");
    scene_up(&scene, definition, &asked);
    check_int(ask_at_once(&scene, definition, &asked), LAUNCH_STATE_RESOLVING);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    scene_end(&scene, definition);
}

static void check_start(struct backend *backend, void *userdata)
{
    uint64_t ticks = 0;

    check_int(process_start_ticks(backend->pid, &ticks), 0);
    check_int(backend->start_ticks, ticks);
    (*(int *)userdata)++;
}

/* Whether it was read off the clock or out of /proc. */
static void test_start_time(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    char version[16];
    int n = 0;

    check_int(process_ticks_between(1999999999, 2000000000), 0);
    check_int(process_ticks_between(2000000000, 2009999999), 200);
    definition = scene_begin(&scene, "");
    for (int i = 0; i < 8; i++) {
        snprintf(version, sizeof(version), "1.0.%d", i);
        scene_ask(&scene, definition, version, &asked);
        scene_run_until_answered(&scene, &asked);
        check(asked.answer.ready);
    }
    registry_each(&scene.backends.registry, check_start, &n);
    check_int(n, 8);
    scene_end(&scene, definition);
}

static void test_new_build_is_another_backend(void)
{
    struct scene scene;
    struct asked old, new;
    struct definition *definition;
    char path[600], fresh[600];
    int fd;

    definition = scene_begin(&scene, "");
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
    scene_end(&scene, definition);
}

static void test_exit_removes_only_its_own_socket(void)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    definition = scene_begin(&scene, "leave_socket=1\n");
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
    scene_end(&scene, definition);
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
    scene_check_failed(&scene, definition, "backend spawn failed: backend exited before it was ready (status 9)");
    check_int(scene_remove_locks(locks), 0);
    check_int(rmdir(broker), 0);
    definition_unref(definition);
    definition = scene_install(&scene, "svc2", "");
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    scene_end(&scene, definition);
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
              {"a slow launch delays nobody else", test_slow_launch_delays_nobody},
              {"a backend that is found under the lock", test_found_under_the_lock},
              {"a known file on a local path needs no worker", test_known_file_needs_no_worker},
              {"unless the way to its root leads elsewhere", test_root_elsewhere_needs_the_worker},
              {"the start time is the kernel's", test_start_time},
              {"a new build is another backend", test_new_build_is_another_backend},
              {"an exit unlinks its own socket only", test_exit_removes_only_its_own_socket},
              {"a directory that was cleaned away is made again", test_cleaned_directory_is_made_again},
              {"spellings that turn owned bind off", test_owned_bind_spellings})
