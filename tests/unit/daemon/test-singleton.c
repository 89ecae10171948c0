/* SPDX-License-Identifier: MIT */

/* Who may have a control socket's path, and what is left alone (spec 02 §5). */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "daemon/singleton.h"

static char directory[200], path[256], lock_path[270];

static void fresh(void)
{
    static int n;

    snprintf(directory, sizeof(directory), "%s/%d", check_tmpdir(), n++);
    snprintf(path, sizeof(path), "%s/b.sock", directory);
    snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
}

static int bind_path(struct singleton *singleton, char text[SINGLETON_TEXT_MAX])
{
    struct singleton_config config = {.path = path, .patience_nsec = 20 * NSEC_PER_MSEC};

    strcpy(text, "");
    return singleton_bind(singleton, &config, text);
}

static int raw_socket(const char *at, bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, at);
    check_fatal(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)));
    check_fatal(!listening || !listen(fd, 4));
    return fd;
}

static int raw_connect(const char *at)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r;

    strcpy(address.sun_path, at);
    r = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
    close(fd);
    return r;
}

static bool exists(const char *at)
{
    struct stat st;

    return !lstat(at, &st);
}

static mode_t mode_of(const char *at)
{
    struct stat st;

    return lstat(at, &st) ? 0 : st.st_mode & 07777;
}

static void test_fresh(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    mode_t mask;

    fresh();
    mask = umask(0);
    check_int(bind_path(&singleton, text), 0);
    umask(mask);
    check_str(text, "");
    check(!singleton.removed_stale);
    check_int(mode_of(path), 0600);
    check_int(mode_of(directory), 0700);
    check_int(mode_of(lock_path), 0600);
    check_int(raw_connect(path), 0);
    check(fcntl(singleton.socket_fd, F_GETFD) & FD_CLOEXEC);
    check(fcntl(singleton.lock_fd, F_GETFD) & FD_CLOEXEC);
    singleton_deinit(&singleton);
    check(!exists(path));
    check(exists(lock_path)); /* no lock file is ever unlinked */
    singleton_deinit(&singleton);
}

static void test_again(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    fresh();
    for (int i = 0; i < 3; i++) {
        check_int(bind_path(&singleton, text), 0);
        check(!singleton.removed_stale);
        singleton_deinit(&singleton);
    }
}

static void test_stale(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    fresh();
    check_fatal(!mkdir(directory, 0700));
    close(raw_socket(path, true)); /* its owner died: the name is left */
    check(exists(path));
    check_int(bind_path(&singleton, text), 0);
    check(singleton.removed_stale);
    check_int(raw_connect(path), 0);
    singleton_deinit(&singleton);
}

/* A broker without our lock: some other implementation, perhaps. */
static void test_live(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    int fd;

    fresh();
    check_fatal(!mkdir(directory, 0700));
    fd = raw_socket(path, true);
    check_int(bind_path(&singleton, text), SINGLETON_E_BUSY);
    check(strstr(text, "already running") != NULL);
    check(!singleton.is_open);
    check_int(raw_connect(path), 0); /* untouched */
    close(fd);
}

/* A backlog that is full is a live socket, too. */
static void test_full_backlog(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    int fd, clients[8], n = 0;

    fresh();
    check_fatal(!mkdir(directory, 0700));
    fd = raw_socket(path, false);
    check_fatal(!listen(fd, 0));
    strcpy(address.sun_path, path);
    while (n < 8) {
        clients[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(clients[n++], (struct sockaddr *)&address, sizeof(address))) {
            break;
        }
    }
    check_int(errno, EAGAIN);
    check_int(bind_path(&singleton, text), SINGLETON_E_BUSY);
    check(exists(path));
    while (n > 0) {
        close(clients[--n]);
    }
    close(fd);
}

static void test_second_starter(void)
{
    struct singleton first = {0}, second = {0};
    char text[SINGLETON_TEXT_MAX];

    fresh();
    check_int(bind_path(&first, text), 0);
    check_int(bind_path(&second, text), SINGLETON_E_BUSY);
    check(strstr(text, "already running") != NULL);
    check(!second.is_open);
    check_int(raw_connect(path), 0);
    singleton_deinit(&first);
    check_int(bind_path(&second, text), 0);
    singleton_deinit(&second);
}

/* The lock alone is enough to be kept out, also when nobody listens: a starter that has just taken it. */
static void test_held_lock(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    int fd;

    fresh();
    check_fatal(!mkdir(directory, 0700));
    close(raw_socket(path, true));
    fd = open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    check_fatal(!flock(fd, LOCK_EX));
    check_int(bind_path(&singleton, text), SINGLETON_E_BUSY);
    check(exists(path)); /* the stale socket is the holder's to remove */
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
    struct singleton_config config = {.path = path, .patience_nsec = 30 * NSEC_PER_SEC};
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    struct late late;
    pthread_t thread;

    fresh();
    check_fatal(!mkdir(directory, 0700));
    late.fd = open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
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

    fresh();
    check_fatal(!mkdir(directory, 0700));
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    check_int(write(fd, "x", 1), 1);
    close(fd);
    check_int(bind_path(&singleton, text), SINGLETON_E_FOREIGN);
    check(strstr(text, "not a socket") != NULL);
    check(exists(path));
    unlink(path);

    check_fatal(!symlink("/nowhere", path)); /* dangling */
    check_int(bind_path(&singleton, text), SINGLETON_E_FOREIGN);
    check(exists(path));
    unlink(path);

    check_fatal(!mkdir(path, 0700));
    check_int(bind_path(&singleton, text), SINGLETON_E_FOREIGN);
    check(exists(path));
    rmdir(path);
}

/* A symbolic link to a stale socket is not followed: neither it nor what it leads to is removed. */
static void test_symlink_to_socket(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX], other[256];

    fresh();
    check_fatal(!mkdir(directory, 0700));
    snprintf(other, sizeof(other), "%s/other", directory);
    close(raw_socket(other, true));
    check_fatal(!symlink(other, path));
    check_int(bind_path(&singleton, text), SINGLETON_E_FOREIGN);
    check(exists(path));
    check(exists(other));
}

static void test_foreign_lock(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    fresh();
    check_fatal(!mkdir(directory, 0700));
    check_fatal(!symlink("/tmp/nowhere-at-all", lock_path));
    check_int(bind_path(&singleton, text), SINGLETON_E_FOREIGN);
    check(!exists("/tmp/nowhere-at-all"));
    unlink(lock_path);
    check_fatal(!mkfifo(lock_path, 0600)); /* does not hang */
    check_int(bind_path(&singleton, text), SINGLETON_E_FOREIGN);
    unlink(lock_path);
    check_fatal(!mkdir(lock_path, 0700));
    check_int(bind_path(&singleton, text), SINGLETON_E_FOREIGN);
    rmdir(lock_path);
}

/* The socket that has taken our name since is not ours to unlink. */
static void test_unlinks_only_its_own(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    int fd;

    fresh();
    check_int(bind_path(&singleton, text), 0);
    unlink(path);
    fd = raw_socket(path, true);
    singleton_deinit(&singleton);
    check(exists(path));
    check_int(raw_connect(path), 0);
    close(fd);
}

static void test_vanished_name(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    fresh();
    check_int(bind_path(&singleton, text), 0);
    unlink(path);
    unlink(lock_path);
    rmdir(directory);
    singleton_deinit(&singleton);
    check(!exists(directory));
}

static int rebind_path(struct singleton *singleton, char text[SINGLETON_TEXT_MAX])
{
    struct singleton_config config = {.path = path};

    strcpy(text, "");
    return singleton_rebind(singleton, &config, text);
}

/* The name went: the lock is kept all the time, and the listening descriptor has its number still. */
static void test_rebind_name(void)
{
    struct singleton singleton = {0}, second = {0};
    char text[SINGLETON_TEXT_MAX];
    int number, n_fds;

    fresh();
    check_int(bind_path(&singleton, text), 0);
    check(singleton_is_in_place(&singleton));
    number = singleton.socket_fd;
    n_fds = check_count_fds();
    unlink(path);
    check(!singleton_is_in_place(&singleton));
    check_int(rebind_path(&singleton, text), 0);
    check(singleton_is_in_place(&singleton));
    check_int(singleton.socket_fd, number);
    check_int(check_count_fds(), n_fds);
    check(fcntl(singleton.socket_fd, F_GETFD) & FD_CLOEXEC);
    check(fcntl(singleton.socket_fd, F_GETFL) & O_NONBLOCK);
    check_int(raw_connect(path), 0);
    check_int(bind_path(&second, text), SINGLETON_E_BUSY);
    check(strstr(text, "lock") != NULL);
    singleton_deinit(&singleton);
    check(!exists(path));
}

/* The whole directory went or was moved away: it is made again, and the lock is that of the new file. */
static void test_rebind_directory(void)
{
    struct singleton singleton = {0}, second = {0};
    char text[SINGLETON_TEXT_MAX], moved[220], old_socket[256];

    fresh();
    check_int(bind_path(&singleton, text), 0);
    unlink(path);
    unlink(lock_path);
    check_fatal(!rmdir(directory));
    check_int(rebind_path(&singleton, text), 0);
    check_int(raw_connect(path), 0);
    check_int(bind_path(&second, text), SINGLETON_E_BUSY);
    check(strstr(text, "lock") != NULL);

    snprintf(moved, sizeof(moved), "%s-moved", directory);
    snprintf(old_socket, sizeof(old_socket), "%s/b.sock", moved);
    check_fatal(!rename(directory, moved));
    check(!singleton_is_in_place(&singleton));
    check_int(rebind_path(&singleton, text), 0);
    check_int(raw_connect(path), 0);
    check(!exists(old_socket));
    singleton_deinit(&singleton);
    check(!exists(path));
}

/* What cannot be bound leaves everything as it was: the lock, the number, whatever is at the path. */
static void test_rebind_refused(void)
{
    struct singleton singleton = {0}, second = {0};
    char text[SINGLETON_TEXT_MAX];
    int n_fds;

    fresh();
    check_int(bind_path(&singleton, text), 0);
    n_fds = check_count_fds();
    unlink(path);
    check_fatal(!mkdir(path, 0700));
    check_int(rebind_path(&singleton, text), SINGLETON_E_FOREIGN);
    check(exists(path));
    rmdir(path);
    check_int(bind_path(&second, text), SINGLETON_E_BUSY); /* the lock is held */
    unlink(lock_path);
    check_int(bind_path(&second, text), 0); /* both names went, and somebody was quicker */
    check_int(rebind_path(&singleton, text), SINGLETON_E_BUSY);
    check_int(raw_connect(path), 0);
    singleton_deinit(&second);
    check_int(check_count_fds(), n_fds);
    check_int(rebind_path(&singleton, text), 0);
    singleton_deinit(&singleton);
}

static void test_lax_directory(void)
{
    static const mode_t modes[] = {0755, 0750, 0770, 0777, 02777, 0500};
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX], want[400];

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        fresh();
        check_fatal(!mkdir(directory, 0700) && !chmod(directory, modes[i]));
        check_int(bind_path(&singleton, text), SINGLETON_E_DIRECTORY);
        snprintf(want, sizeof(want), "chmod 700 %s", directory);
        check(strstr(text, want) != NULL);
        check_int(mode_of(directory), modes[i]); /* not repaired */
        check(!exists(path));
    }
}

/* Nobody is told to take /tmp away from the others. */
static void test_shared_directory(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    fresh();
    check_fatal(!mkdir(directory, 0700) && !chmod(directory, 01777));
    check_int(bind_path(&singleton, text), SINGLETON_E_DIRECTORY);
    check(strstr(text, "is shared (mode 1777)") != NULL);
    check(strstr(text, "chmod") == NULL);
    check_int(mode_of(directory), 01777);
    check(!exists(path));
}

static void test_symlinked_directory(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX], real[256];

    fresh();
    snprintf(real, sizeof(real), "%s-real", directory);
    check_fatal(!mkdir(real, 0700) && !symlink(real, directory));
    check_int(bind_path(&singleton, text), SINGLETON_E_DIRECTORY);
    unlink(directory);
    check_fatal(close(open(directory, O_CREAT | O_CLOEXEC, 0600)) == 0);
    check_int(bind_path(&singleton, text), SINGLETON_E_DIRECTORY);
}

static void test_only_one_level(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    fresh();
    snprintf(path, sizeof(path), "%s/a/b.sock", directory);
    check_int(bind_path(&singleton, text), SINGLETON_E_DIRECTORY);
    check(!exists(directory));
}

static void test_canonical_levels(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX], upper[220], broker[240];
    struct singleton_config config = {.path = path, .canonical_dir = broker, .patience_nsec = NSEC_PER_MSEC};

    fresh();
    check_fatal(!mkdir(directory, 0700));
    snprintf(upper, sizeof(upper), "%s/running-process", directory);
    snprintf(broker, sizeof(broker), "%s/broker", upper);
    snprintf(path, sizeof(path), "%s/s.sock", broker);
    check_int(singleton_bind(&singleton, &config, text), 0);
    check_int(mode_of(upper), 0700);
    check_int(mode_of(broker), 0700);
    check(!singleton.narrowed_directory);
    singleton_deinit(&singleton);
    /* what an older broker left is narrowed, the level above may be read by others */
    check_fatal(!chmod(broker, 0755) && !chmod(upper, 0755));
    check_int(singleton_bind(&singleton, &config, text), 0);
    check(singleton.narrowed_directory);
    check_int(mode_of(broker), 0700);
    check_int(mode_of(upper), 0755);
    singleton_deinit(&singleton);
    check_fatal(!chmod(upper, 0775));
    check_int(singleton_bind(&singleton, &config, text), SINGLETON_E_DIRECTORY);
    check(text[0] != 0);
}

static void test_bad_paths(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    strcpy(path, "x.sock");
    check_int(bind_path(&singleton, text), SINGLETON_E_PATH);
    strcpy(path, "");
    check_int(bind_path(&singleton, text), SINGLETON_E_PATH);
    strcpy(path, "/tmp/");
    check_int(bind_path(&singleton, text), SINGLETON_E_PATH);
    strcpy(path, "/tmp/never-bound.sock"); /* /tmp is everybody's */
    check_int(bind_path(&singleton, text), SINGLETON_E_DIRECTORY);
    check(!exists(path));
}

static void test_path_length(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    size_t size;

    fresh();
    size = strlen(directory);
    directory[size] = '/';
    snprintf(path, sizeof(path), "%s", directory);
    memset(path + size + 1, 'n', sizeof(path) - size - 1);
    path[108] = 0;
    directory[size] = 0;
    check_int(strlen(path), 108);
    check_int(bind_path(&singleton, text), SINGLETON_E_PATH);
    check(strstr(text, "at most 107") != NULL);
    path[107] = 0;
    check_int(bind_path(&singleton, text), 0);
    check_int(raw_connect(path), 0);
    singleton_deinit(&singleton);
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
    racer->result = bind_path(&racer->singleton, text);
    return NULL;
}

/* Many starters find the same stale socket; one wins, and what the others did has not taken its socket away. */
static void test_racing_starters(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct racer racers[RACERS] = {0};
        int winners = 0;

        fresh();
        check_fatal(!mkdir(directory, 0700));
        close(raw_socket(path, true));
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
        check_int(raw_connect(path), 0);
        for (int i = 0; i < RACERS; i++) {
            singleton_deinit(&racers[i].singleton);
        }
        pthread_barrier_destroy(&gate);
        check(!exists(path));
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
              {"a lost name is bound anew", test_rebind_name},
              {"a lost directory is made anew", test_rebind_directory},
              {"what cannot be bound anew leaves everything as it was", test_rebind_refused},
              {"a lax directory is refused and not repaired", test_lax_directory},
              {"a shared directory is refused with another remedy", test_shared_directory},
              {"a directory behind a link, or none", test_symlinked_directory},
              {"elsewhere one level is made, not two", test_only_one_level},
              {"canonical levels are made, judged and narrowed", test_canonical_levels},
              {"paths that cannot be a socket's", test_bad_paths}, {"107 bytes fit, 108 do not", test_path_length},
              {"of racing starters one wins", test_racing_starters})
