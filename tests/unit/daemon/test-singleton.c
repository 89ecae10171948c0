/* SPDX-License-Identifier: MIT */

/* Who may have a control socket's path, and what is left alone (spec 02 §5). */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "daemon/singleton.h"
#include "place.h"

static struct place place;

static int raw_socket(const char *at, bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, at);
    check_fatal(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)));
    check_fatal(!listening || !listen(fd, 4));
    return fd;
}

static void test_fresh(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    mode_t mask;

    place_fresh(&place);
    mask = umask(0);
    check_int(place_bind(&place, &singleton, text), 0);
    umask(mask);
    check_str(text, "");
    check(!singleton.removed_stale);
    check_int(place_mode_of(place.path), 0600);
    check_int(place_mode_of(place.directory), 0700);
    check_int(place_mode_of(place.lock_path), 0600);
    check_int(place_connect(place.path), 0);
    check(fcntl(singleton.socket_fd, F_GETFD) & FD_CLOEXEC);
    check(fcntl(singleton.lock_fd, F_GETFD) & FD_CLOEXEC);
    singleton_deinit(&singleton);
    check(!place_has(place.path));
    check(place_has(place.lock_path)); /* no lock file is ever unlinked */
    singleton_deinit(&singleton);
}

static void test_again(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    place_fresh(&place);
    for (int i = 0; i < 3; i++) {
        check_int(place_bind(&place, &singleton, text), 0);
        check(!singleton.removed_stale);
        singleton_deinit(&singleton);
    }
}

static void test_stale(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700));
    close(raw_socket(place.path, true)); /* its owner died: the name is left */
    check(place_has(place.path));
    check_int(place_bind(&place, &singleton, text), 0);
    check(singleton.removed_stale);
    check_int(place_connect(place.path), 0);
    singleton_deinit(&singleton);
}

/* A broker without our lock: some other implementation, perhaps. */
static void test_live(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    int fd;

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700));
    fd = raw_socket(place.path, true);
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_BUSY);
    check(strstr(text, "already running") != NULL);
    check(!singleton.is_open);
    check_int(place_connect(place.path), 0); /* untouched */
    close(fd);
}

/* A backlog that is full is a live socket, too. */
static void test_full_backlog(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    int fd, clients[8], n = 0;

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700));
    fd = raw_socket(place.path, false);
    check_fatal(!listen(fd, 0));
    strcpy(address.sun_path, place.path);
    while (n < 8) {
        clients[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(clients[n++], (struct sockaddr *)&address, sizeof(address))) {
            break;
        }
    }
    check_int(errno, EAGAIN);
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_BUSY);
    check(place_has(place.path));
    while (n > 0) {
        close(clients[--n]);
    }
    close(fd);
}

static void test_second_starter(void)
{
    struct singleton first = {0}, second = {0};
    char text[SINGLETON_TEXT_MAX];

    place_fresh(&place);
    check_int(place_bind(&place, &first, text), 0);
    check_int(place_bind(&place, &second, text), SINGLETON_E_BUSY);
    check(strstr(text, "already running") != NULL);
    check(!second.is_open);
    check_int(place_connect(place.path), 0);
    singleton_deinit(&first);
    check_int(place_bind(&place, &second, text), 0);
    singleton_deinit(&second);
}

/* The lock alone is enough to be kept out, also when nobody listens: a starter that has just taken it. */
static void test_held_lock(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    int fd;

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700));
    close(raw_socket(place.path, true));
    fd = open(place.lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    check_fatal(!flock(fd, LOCK_EX));
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_BUSY);
    check(place_has(place.path)); /* the stale socket is the holder's to remove */
    close(fd);
}

struct late {
    int fd;
};

static void *unlock_late(void *userdata)
{
    struct late *late = userdata;

    poll(NULL, 0, 40);
    close(late->fd);
    return NULL;
}

/* A killed broker's child between fork and exec holds the lock a moment longer. */
static void test_lock_is_waited_for(void)
{
    struct singleton_config config = {.path = place.path, .patience_nsec = 30 * NSEC_PER_SEC};
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    struct late late;
    pthread_t thread;

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700));
    late.fd = open(place.lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    check_fatal(!flock(late.fd, LOCK_EX));
    check_fatal(!pthread_create(&thread, NULL, unlock_late, &late));
    check_int(singleton_bind(&singleton, &config, text), 0);
    pthread_join(thread, NULL);
    singleton_deinit(&singleton);
}

static void test_foreign_objects(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    int fd;

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700));
    fd = open(place.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    check_int(write(fd, "x", 1), 1);
    close(fd);
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_FOREIGN);
    check(strstr(text, "not a socket") != NULL);
    check(place_has(place.path));
    unlink(place.path);

    check_fatal(!symlink("/nowhere", place.path)); /* dangling */
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_FOREIGN);
    check(place_has(place.path));
    unlink(place.path);

    check_fatal(!mkdir(place.path, 0700));
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_FOREIGN);
    check(place_has(place.path));
    rmdir(place.path);
}

/* A symbolic link to a stale socket is not followed: neither it nor what it leads to is removed. */
static void test_symlink_to_socket(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX], other[256];

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700));
    snprintf(other, sizeof(other), "%s/other", place.directory);
    close(raw_socket(other, true));
    check_fatal(!symlink(other, place.path));
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_FOREIGN);
    check(place_has(place.path));
    check(place_has(other));
}

static void test_foreign_lock(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700));
    check_fatal(!symlink("/tmp/nowhere-at-all", place.lock_path));
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_FOREIGN);
    check(!place_has("/tmp/nowhere-at-all"));
    unlink(place.lock_path);
    check_fatal(!mkfifo(place.lock_path, 0600)); /* does not hang */
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_FOREIGN);
    unlink(place.lock_path);
    check_fatal(!mkdir(place.lock_path, 0700));
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_FOREIGN);
    rmdir(place.lock_path);
}

/* The socket that has taken our name since is not ours to unlink. */
static void test_unlinks_only_its_own(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    int fd;

    place_fresh(&place);
    check_int(place_bind(&place, &singleton, text), 0);
    unlink(place.path);
    fd = raw_socket(place.path, true);
    singleton_deinit(&singleton);
    check(place_has(place.path));
    check_int(place_connect(place.path), 0);
    close(fd);
}

static void test_vanished_name(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    place_fresh(&place);
    check_int(place_bind(&place, &singleton, text), 0);
    unlink(place.path);
    unlink(place.lock_path);
    rmdir(place.directory);
    singleton_deinit(&singleton);
    check(!place_has(place.directory));
}

enum { RACERS = 8, ROUNDS = 25 };

struct racer {
    struct singleton singleton;
    int result;
    pthread_t thread;
};

static pthread_barrier_t gate;

static void *race(void *userdata)
{
    struct racer *racer = userdata;
    char text[SINGLETON_TEXT_MAX];

    pthread_barrier_wait(&gate);
    racer->result = place_bind(&place, &racer->singleton, text);
    return NULL;
}

/* Many starters find the same stale socket; one wins, and what the others did has not taken its socket away. */
static void test_racing_starters(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct racer racers[RACERS] = {0};
        int winners = 0;

        place_fresh(&place);
        check_fatal(!mkdir(place.directory, 0700));
        close(raw_socket(place.path, true));
        check_fatal(!pthread_barrier_init(&gate, NULL, RACERS));
        for (int i = 0; i < RACERS; i++) {
            check_fatal(!pthread_create(&racers[i].thread, NULL, race, &racers[i]));
        }
        for (int i = 0; i < RACERS; i++) {
            pthread_join(racers[i].thread, NULL);
            winners += racers[i].result == 0;
            check(racers[i].result == 0 || racers[i].result == SINGLETON_E_BUSY);
        }
        check_int(winners, 1);
        check_int(place_connect(place.path), 0);
        for (int i = 0; i < RACERS; i++) {
            singleton_deinit(&racers[i].singleton);
        }
        pthread_barrier_destroy(&gate);
        check(!place_has(place.path));
    }
}

CHECK_PROGRAM("daemon/singleton", {"a fresh directory, a private socket, a clean end", test_fresh},
              {"bound again and again", test_again}, {"a stale socket goes", test_stale},
              {"a live socket stays", test_live}, {"a live socket with a full backlog stays", test_full_backlog},
              {"the second starter is told that one runs", test_second_starter},
              {"a held lock keeps everybody out", test_held_lock}, {"a lock is waited for", test_lock_is_waited_for},
              {"files, links and directories at the path stay", test_foreign_objects},
              {"a link to a stale socket is not followed", test_symlink_to_socket},
              {"a lock that is no regular file", test_foreign_lock},
              {"only the socket that we bound is unlinked", test_unlinks_only_its_own},
              {"everything vanished meanwhile", test_vanished_name},
              {"of racing starters one wins", test_racing_starters})
