/* SPDX-License-Identifier: MIT */

/*
 * Launches while memory or descriptors run out, at every point where they can. Whatever fails: a question that was
 * taken is answered once, nothing is left behind, and the next launch, with enough of everything, succeeds.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/launch.h"
#include "failing_alloc.h"
#include "scene.h"
#include "wire/protocol.h"

/* ------------------------------------------------------------------------------------- allocations that can fail */

/* One launch in which allocation @n fails; false: there were not as many. */
static bool launch_with_failing(long n)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;
    int n_answers;
    bool has_failed;

    scene_init(&scene);
    scene.config.launch_ceiling_nsec = 10 * NSEC_PER_SEC;
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    scene_ask(&scene, definition, "0.0.0", &asked); /* the tables have their size, the worker its thread */
    scene_run_until_answered(&scene, &asked);
    memset(&asked, 0, sizeof(asked));
    failing_alloc_start(n, false);
    scene_ask_quietly(&scene, definition, "1.0.0", &asked);
    if (asked.r == BACKENDS_E_WAIT) {
        scene_run_until_answered(&scene, &asked);
    }
    has_failed = failing_alloc_stop();
    n_answers = asked.n_answers;
    check(asked.r < 0 ? n_answers == 0 : n_answers == 1);
    check(asked.r < 0 || asked.answer.ready || has_failed);
    scene_run_until_quiet(&scene);
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    scene_end(&scene, definition);
    return has_failed;
}

static void test_out_of_memory(void)
{
    long n = 0;

    while (launch_with_failing(n) && n < 500) {
        n++;
    }
    check(n >= 6 || !failing_alloc_is_possible()); /* there is something to fail */
    check(n < 500);
}

/* -------------------------------------------------------------------------------- watching a descriptor can fail */

static long watches_left = -1; /* this one fails; negative: none does */
static bool has_watch_failed;
static bool has_no_room; /* for any watch more */

/* In place of the library's. */
int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && watches_left >= 0 && watches_left-- == 0) {
        has_watch_failed = true;
        errno = EPERM; /* not one that may pass, which the loop would bridge */
        return -1;
    }
    if (operation == EPOLL_CTL_ADD && has_no_room) {
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
}

/* One launch in which watch @n fails; false: there were not as many. */
static bool launch_without_watch(long n)
{
    struct scene scene;
    struct asked asked;
    struct definition *definition;

    scene_init(&scene);
    scene.config.launch_ceiling_nsec = 5 * NSEC_PER_SEC;
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    has_watch_failed = false;
    watches_left = n;
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    watches_left = -1;
    check(asked.answer.ready || has_watch_failed);
    check(asked.answer.ready || strstr(asked.answer.reason, "did not become ready") == NULL); /* told, not waited for */
    check(asked.answer.ready || asked.answer.code == ERROR_CODE(BACKEND_SPAWN_FAILED));       /* it is who it says */
    scene_run_until_quiet(&scene);
    scene_ask(&scene, definition, "2.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check(asked.answer.ready);
    scene_end(&scene, definition);
    return has_watch_failed;
}

static void test_without_watches(void)
{
    long n = 0;

    while (launch_without_watch(n) && n < 20) {
        n++;
    }
    check(n >= 1); /* there is something to fail */
    check(n < 20);
}

static uint32_t wants_nothing(void *owner)
{
    (void)owner;
    return 0;
}

static void never_ready(void *owner, uint32_t events)
{
    (void)owner;
    (void)events;
    check(false);
}

static bool has_no_orphan(struct scene *scene, void *userdata)
{
    (void)userdata;
    return LIST_EMPTY(&scene->backends.orphans);
}

/* Neither in the poll set nor behind it: the child that nobody can watch is killed, and reaped when there is room. */
static void test_no_room_for_a_child(void)
{
    struct loop_io fillers[LOOP_DIRECT_MAX] = {0};
    struct definition *definition;
    struct scene scene;
    struct asked asked;

    scene_init(&scene);
    scene_start(&scene);
    definition = scene_install(&scene, "svc", "");
    scene_ask(&scene, definition, "0.0.0", &asked); /* the worker has its thread */
    scene_run_until_answered(&scene, &asked);
    has_no_room = true;
    for (int i = 0; i < LOOP_DIRECT_MAX; i++) {
        (void)loop_io_link(&scene.loop, &fillers[i], STDIN_FILENO, LOOP_YOUNG, wants_nothing, never_ready, NULL);
    }
    scene_ask(&scene, definition, "1.0.0", &asked);
    scene_run_until_answered(&scene, &asked);
    check(!asked.answer.ready);
    check_str(asked.answer.reason,
              "backend spawn failed: backend daemon spawn failed: Cannot allocate memory (os error 12)");
    has_no_room = false;
    scene_run_until(&scene, has_no_orphan, NULL);
    for (int i = 0; i < LOOP_DIRECT_MAX; i++) {
        loop_io_unlink(&fillers[i]);
    }
    scene_end(&scene, definition);
}

/* --------------------------------------------------------------------------------------------- no more descriptors */

static void test_out_of_descriptors(void)
{
    struct rlimit before, tight;
    bool has_succeeded = false, has_failed = false;

    check_int(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int spare = 0; spare < 16; spare++) {
        struct scene scene;
        struct asked asked;
        struct definition *definition;
        int fillers[1024], n;

        scene_init(&scene);
        scene_start(&scene);
        definition = scene_install(&scene, "svc", "");
        scene_ask(&scene, definition, "0.0.0", &asked);
        scene_run_until_answered(&scene, &asked);
        tight = (struct rlimit){.rlim_cur = (rlim_t)scene_highest_fd() + 32, .rlim_max = before.rlim_max};
        check_int(setrlimit(RLIMIT_NOFILE, &tight), 0);
        for (n = 0; n < 1024 && (fillers[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0; n++) {
        }
        for (int i = 0; i < spare; i++) {
            close(fillers[--n]);
        }
        scene.backends.config.launch_ceiling_nsec =
            200 * NSEC_PER_MSEC; /* of this launch only, which may have to wait */
        scene_ask(&scene, definition, "1.0.0", &asked);
        scene_run_until_answered(&scene, &asked);
        scene.backends.config.launch_ceiling_nsec = nsec_from_msec(LAUNCH_CEILING_MS);
        while (n > 0) {
            close(fillers[--n]);
        }
        check_int(setrlimit(RLIMIT_NOFILE, &before), 0);
        has_succeeded = has_succeeded || asked.answer.ready;
        has_failed = has_failed || !asked.answer.ready;
        check(asked.answer.ready || asked.answer.code == ERROR_CODE(BACKEND_SPAWN_FAILED));
        scene_run_until_quiet(&scene);
        scene_ask(&scene, definition, "2.0.0", &asked);
        scene_run_until_answered(&scene, &asked);
        check(asked.answer.ready);
        definition_unref(definition);
        scene_deinit(&scene);
    }
    check(has_succeeded);
    check(has_failed);
}

CHECK_PROGRAM("backend/shortage", {"out of memory at every allocation", test_out_of_memory},
              {"a descriptor that cannot be watched", test_without_watches},
              {"no room to watch a child", test_no_room_for_a_child}, {"out of descriptors", test_out_of_descriptors})
