/* SPDX-License-Identifier: MIT */

/*
 * Definitions are looked up on the loop where that cannot block, and by the worker elsewhere (decision 14). What kind
 * of file system it is, and whether it answers, is said by the test.
 */

#include "hello/lookup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "check.h"
#include "wire/protocol.h"

static _Atomic(bool) is_local, is_dead;
static _Atomic(int) n_dead_calls, n_worker_calls;
static pthread_t loop_thread;

/* Called whenever the directory is opened. On a dead mount it comes back when the server does. */
static bool kind(int fd)
{
    (void)fd;
    n_worker_calls += !pthread_equal(pthread_self(), loop_thread);
    n_dead_calls += is_dead;
    while (is_dead) {
        (void)sys_poll(NULL, 0, 1);
    }
    return is_local;
}

static struct loop loop;
static struct store store;
static struct lookup lookup;
static char dir[200];

struct asker {
    struct lookup_waiter waiter; /* first */
    int n_told, result;
    char binary_path[64];
    struct store_fault fault;
};

static void on_done(struct lookup_waiter *waiter, int r, const struct definition *definition,
                    const struct store_fault *fault)
{
    struct asker *asker = (struct asker *)waiter;

    asker->n_told++;
    asker->result = r;
    asker->fault = *fault;
    snprintf(asker->binary_path, sizeof(asker->binary_path), "%s", r == 0 ? definition->binary_path : "");
}

static int ask(struct asker *asker, const char *service)
{
    const struct definition *definition = NULL;
    int r;

    memset(asker, 0, sizeof(*asker));
    asker->waiter.done = on_done;
    r = lookup_get(&lookup, slice_from(service), loop_now(&loop), &asker->waiter, &definition, &asker->fault);
    if (r == 0) {
        snprintf(asker->binary_path, sizeof(asker->binary_path), "%s", definition->binary_path);
    }
    return r;
}

static void wait_for(const struct asker *asker)
{
    while (asker->n_told == 0) {
        check_fatal(loop_turn(&loop, true) == 0);
    }
}

static void define(const char *service, const char *binary_path)
{
    char path[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s.txtpb", dir, service);
    file = fopen(path, "we");
    check_fatal(file != NULL);
    fprintf(file, "service_name: \"%s\"\nbinary_path: \"%s\"\n", service, binary_path);
    fclose(file);
}

static void up(bool local)
{
    log_set_level(LOG_NOTHING);
    loop_thread = pthread_self();
    is_local = local;
    is_dead = false;
    n_dead_calls = n_worker_calls = 0;
    snprintf(dir, sizeof(dir), "%s", check_tmpdir());
    define("tool", "/one");
    check_int(loop_init(&loop), 0);
    check_int(store_init(&store, dir), 0);
    store.is_local_fs = kind;
    lookup_init(&lookup, &loop, &store);
}

static void down(void)
{
    lookup_deinit(&lookup);
    lookup_deinit(&lookup);
    store_deinit(&store);
    loop_deinit(&loop);
}

static void expect(const char *service, const char *binary_path)
{
    struct asker asker;

    check_int(ask(&asker, service), LOOKUP_E_WAIT);
    check_int(asker.n_told, 0);
    wait_for(&asker);
    check_int(asker.result, 0);
    check_str(asker.binary_path, binary_path);
}

/* Seen once by the worker, a local directory is looked at on the loop. */
static void test_local(void)
{
    struct asker asker;
    int n;

    up(true);
    expect("tool", "/one");
    n = n_worker_calls;
    check(n > 0);
    define("tool", "/two");
    check_int(ask(&asker, "tool"), 0);
    check_str(asker.binary_path, "/two");
    check_int(ask(&asker, "other"), STORE_E_NOT_FOUND);
    check_int(n_worker_calls, n);
    down();
}

/* Another file system comes to lie there. */
static void test_elsewhere(void)
{
    struct asker asker;

    up(true);
    expect("tool", "/one");
    store_bind(&store, store.bound_dev + 1);
    expect("tool", "/one");
    check_int(ask(&asker, "tool"), 0); /* it is local too */
    is_local = false;
    store_bind(&store, store.bound_dev + 1);
    expect("tool", "/one");
    expect("tool", "/one");
    down();
}

static void test_remote(void)
{
    struct asker askers[8], other, absent;

    up(false);
    expect("tool", "/one");
    define("tool", "/two");
    define("other", "/other");
    for (int i = 0; i < 8; i++) {
        check_int(ask(&askers[i], "tool"), LOOKUP_E_WAIT);
        if (i == 3) {
            check_int(ask(&other, "other"), LOOKUP_E_WAIT);
            check_int(ask(&absent, "absent"), LOOKUP_E_WAIT);
        }
    }
    for (int i = 0; i < 8; i++) {
        wait_for(&askers[i]);
        check_str(askers[i].binary_path, "/two");
    }
    wait_for(&other);
    check_str(other.binary_path, "/other");
    wait_for(&absent);
    check_int(absent.result, STORE_E_NOT_FOUND);
    define("tool", "two");
    check_int(ask(&askers[0], "tool"), LOOKUP_E_WAIT);
    wait_for(&askers[0]);
    check_int(askers[0].result, STORE_E_BROKEN);
    check(strstr(askers[0].fault.detail, "must be absolute") != NULL);
    is_local = true; /* the share was unmounted, say */
    define("tool", "/three");
    expect("tool", "/three");
    check_int(ask(&askers[0], "tool"), 0);
    down();
}

/* Whoever asks while a look is under way is not answered by it: it may have seen what was there before. */
static void test_no_older_than_the_question(void)
{
    struct asker early, late;

    up(false);
    expect("tool", "/one");
    is_dead = true;
    define("new", "/new"); /* the directory has changed, so it is opened again */
    check_int(ask(&early, "tool"), LOOKUP_E_WAIT);
    while (n_dead_calls == 0) {
        (void)sys_poll(NULL, 0, 1);
    }
    define("tool", "/two");
    check_int(ask(&late, "tool"), LOOKUP_E_WAIT);
    is_dead = false;
    wait_for(&late);
    check_int(early.n_told, 1);
    check_str(late.binary_path, "/two");
    down();
}

/* A directory whose server is gone: refused, at once from then on, until the thread comes back. */
static void test_hung(bool local_at_last)
{
    struct asker asker, second;
    nsec_t begun_nsec;

    up(local_at_last);
    lookup.limit_nsec = 20 * NSEC_PER_MSEC;
    is_dead = true;
    check_int(ask(&asker, "tool"), LOOKUP_E_WAIT);
    check_int(ask(&second, "other"), LOOKUP_E_WAIT);
    wait_for(&asker);
    wait_for(&second);
    check_int(asker.result, STORE_E_BROKEN);
    check_int(second.result, STORE_E_BROKEN);
    check(strstr(asker.fault.detail, "has not answered for 10 s") != NULL);
    check(strncmp(asker.fault.detail, dir, strlen(dir)) == 0);
    for (int i = 0; i < 100; i++) {
        check_int(ask(&asker, "tool"), STORE_E_BROKEN);
    }
    check_int(n_dead_calls, 1); /* one thread is stuck, however often it is asked */
    check_int(loop_jobs_stuck(&loop), 1);
    lookup_recheck(&lookup);
    is_dead = false;
    begun_nsec = clock_monotonic();
    while (ask(&asker, "tool") == STORE_E_BROKEN && clock_monotonic() < begun_nsec + 20 * NSEC_PER_SEC) {
        check_fatal(loop_turn(&loop, false) == 0);
    }
    wait_for(&asker);
    check_str(asker.binary_path, "/one");
    while (loop_jobs_stuck(&loop) > 0) {
        (void)sys_poll(NULL, 0, 1);
    }
    down();
}

static void test_hung_share(void)
{
    test_hung(false);
}

static void test_hung_unknown(void)
{
    test_hung(true);
}

static void test_leave_and_end(void)
{
    struct asker a, b;

    up(false);
    is_dead = true;
    check_int(ask(&a, "tool"), LOOKUP_E_WAIT);
    check_int(ask(&b, "tool"), LOOKUP_E_WAIT);
    lookup_leave(&a.waiter);
    lookup_leave(&a.waiter);
    lookup_cancel(&lookup);
    check_int(a.n_told, 0);
    check_int(b.n_told, 1);
    check_int(ask(&a, "tool"), LOOKUP_E_WAIT);
    down(); /* with the work under way: the thread frees what it has */
    is_dead = false;
    while (loop_jobs_stuck(&loop) > 0) {
        (void)sys_poll(NULL, 0, 1);
    }
    check_int(a.n_told, 0);
    up(false);
    check_int(ask(&a, "tool"), LOOKUP_E_WAIT);
    down(); /* with the work perhaps over and not noticed */
}

/* ---------------------------------------------------------------------------------------------------------- the log */

static int pipe_fds[2];
static char log_text[8192];
static size_t log_size;

static void open_log(void)
{
    check_int(sys_pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
    log_open(pipe_fds[1]);
    log_size = 0;
}

static void close_log(void)
{
    log_open(STDERR_FILENO);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static int n_logged(const char *word)
{
    ssize_t size = read(pipe_fds[0], log_text + log_size, sizeof(log_text) - 1 - log_size);
    int n = 0;

    log_size += size > 0 ? (size_t)size : 0;
    log_text[log_size] = '\0';
    for (const char *at = log_text; (at = strstr(at, word)); at++) {
        n++;
    }
    return n;
}

static bool has_logged(const char *word)
{
    return n_logged(word) > 0;
}

static void turn_until_logged(const char *word)
{
    while (!has_logged(word)) {
        check_fatal(loop_turn(&loop, true) == 0);
    }
}

/* What the worker finds is logged by the loop, and so is what a look at everything has found. */
static void test_log(void)
{
    up(false);
    open_log();
    lookup_recheck(&lookup);
    check(has_logged("looked at again, 0 changed"));
    expect("tool", "/one");
    check(has_logged("loaded tool.txtpb"));
    define("tool", "/two");
    lookup_recheck(&lookup);
    turn_until_logged("looked at again, 1 changed");
    check(has_logged("tool.txtpb changed"));
    is_local = true;
    define("more", "/more");
    expect("tool", "/two");
    define("tool", "/three");
    lookup_recheck(&lookup);
    check(has_logged("binary_path"));
    close_log();
    down();
}

/* The look before anybody asks: what is wrong is said once, and nothing else is. */
static void test_look(void)
{
    struct asker asker;

    up(true);
    open_log();
    check_int(chmod(dir, 0750), 0);
    lookup_look(&lookup);
    turn_until_logged("other users can read it; make it private: chmod 700");
    check_int(ask(&asker, "tool"), LOOKUP_E_WAIT);
    wait_for(&asker);
    check_int(asker.result, STORE_E_BROKEN);
    check_int(n_logged("security-violation"), 1);
    check_int(chmod(dir, 0700), 0);
    expect("tool", "/one");
    close_log();
    down();
    up(true);
    open_log();
    lookup_look(&lookup);
    check_int(ask(&asker, "tool"), LOOKUP_E_WAIT); /* whoever asks meanwhile is answered behind it */
    wait_for(&asker);
    check_str(asker.binary_path, "/one");
    check_int(n_logged("loaded tool.txtpb"), 1);
    check_int(n_logged("\n"), 1);
    lookup_look(&lookup); /* it is known */
    check(lookup.is_local && !lookup.job);
    close_log();
    down();
}

/* One that is not there is none of anybody's business; one that does not answer is. */
static void test_look_in_vain(void)
{
    struct asker asker;

    up(false);
    open_log();
    snprintf(dir + strlen(dir), sizeof(dir) - strlen(dir), "/none");
    store_deinit(&store);
    check_int(store_init(&store, dir), 0);
    store.is_local_fs = kind;
    lookup_look(&lookup);
    check_int(ask(&asker, "tool"), LOOKUP_E_WAIT);
    wait_for(&asker);
    check_int(asker.result, STORE_E_NOT_FOUND);
    check_int(n_logged("\n"), 0);
    close_log();
    down();
    up(false);
    open_log();
    lookup.limit_nsec = 20 * NSEC_PER_MSEC;
    is_dead = true;
    lookup_look(&lookup);
    turn_until_logged("has not answered for 10 s");
    check_int(ask(&asker, "tool"), STORE_E_BROKEN);
    lookup_look(&lookup);
    check_int(n_logged("\n"), 1);
    is_dead = false;
    while (loop_jobs_stuck(&loop) > 0) {
        (void)sys_poll(NULL, 0, 1);
    }
    close_log();
    down();
}

CHECK_PROGRAM("hello/lookup", {"a local directory", test_local},
              {"another file system comes to lie there", test_elsewhere}, {"a remote directory", test_remote},
              {"an answer is not older than its question", test_no_older_than_the_question},
              {"a share that does not answer", test_hung_share},
              {"a directory that does not answer at the first look", test_hung_unknown},
              {"leaving, cancelling, ending", test_leave_and_end}, {"the log", test_log},
              {"a look before anybody asks", test_look}, {"a look in vain", test_look_in_vain})
