/* SPDX-License-Identifier: MIT */

/* A control socket whose name is removed while the broker lives comes back. */

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "daemon/socket_watch.h"

struct house {
    struct loop loop;
    struct singleton singleton;
    struct socket_watch watch;
    struct loop_timer limit; /* a test that waits for nothing ends here */
    bool is_over;
    int n_looked;
    char directory[200], path[256];
};

static void on_limit(void *owner)
{
    ((struct house *)owner)->is_over = true;
}

static void on_looked(void *owner)
{
    ((struct house *)owner)->n_looked++;
}

static void house_init(struct house *house)
{
    static int n;
    struct singleton_config config = {.path = house->path};
    char text[SINGLETON_TEXT_MAX];

    log_set_level(LOG_ERROR);
    *house = (struct house){0};
    snprintf(house->directory, sizeof(house->directory), "%s/%d", check_tmpdir(), n++);
    snprintf(house->path, sizeof(house->path), "%s/b.sock", house->directory);
    check_fatal(!loop_init(&house->loop));
    loop_timer_init(&house->limit, &house->loop, on_limit, house);
    check_fatal(!singleton_bind(&house->singleton, &config, text));
    socket_watch_init(&house->watch, &house->loop, &house->singleton, &config, house->directory, on_looked, house);
}

static void house_deinit(struct house *house)
{
    loop_timer_stop(&house->limit);
    socket_watch_deinit(&house->watch);
    socket_watch_deinit(&house->watch);
    singleton_deinit(&house->singleton);
    loop_deinit(&house->loop);
}

/* A connection, or -1. */
static int dial(const struct house *house)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, house->path);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? (close(fd), -1) : fd;
}

static bool takes_connections(const struct house *house)
{
    int fd = dial(house);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static bool comes_back(struct house *house)
{
    loop_timer_set_in(&house->limit, 20 * NSEC_PER_SEC);
    while (!house->is_over && !takes_connections(house)) {
        check_fatal(!loop_turn(&house->loop, true));
    }
    return !house->is_over;
}

static void lose_name(const struct house *house)
{
    check_fatal(!unlink(house->path));
}

static void lose_directory(const struct house *house)
{
    char lock_path[300];

    snprintf(lock_path, sizeof(lock_path), "%s.lock", house->path);
    check_fatal(!unlink(house->path) && !unlink(lock_path) && !rmdir(house->directory));
}

static void move_directory(const struct house *house)
{
    char moved[220];

    snprintf(moved, sizeof(moved), "%s-moved", house->directory);
    check_fatal(!rename(house->directory, moved));
}

static void replace_name(const struct house *house)
{
    char other[256];

    snprintf(other, sizeof(other), "%s/other", house->directory);
    check_fatal(!rename(house->path, other));
}

static void test_lost(void)
{
    static void (*const ways[])(const struct house *) = {lose_name, lose_directory, move_directory, replace_name};
    struct house house;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        house_init(&house);
        ways[i](&house);
        check(comes_back(&house));
        check_int(house.n_looked, 1);
        lose_name(&house); /* the new one is watched as the old one was */
        check(comes_back(&house));
        check_int(house.n_looked, 2);
        house_deinit(&house);
    }
}

/* Who has connected and waits to be accepted is not cut off, but nobody is waited for for ever. */
static void test_guests(void)
{
    struct house house;
    int guest, accepted, left;
    char byte;

    house_init(&house);
    guest = dial(&house);
    check_fatal(guest >= 0);
    lose_name(&house);
    while (house.watch.n_guest_pauses == 0 && house.n_looked == 0) {
        check_fatal(!loop_turn(&house.loop, true));
    }
    check_int(house.n_looked, 0);
    accepted = accept4(house.singleton.socket_fd, NULL, NULL, SOCK_CLOEXEC);
    check(accepted >= 0);
    check(comes_back(&house));
    check_int(house.n_looked, 1);
    check_int(recv(guest, &byte, 1, MSG_DONTWAIT), -1);
    check_int(errno, EAGAIN);
    left = dial(&house);
    check_fatal(left >= 0);
    lose_name(&house);
    check(comes_back(&house));
    check_int(house.n_looked, 2);
    close(guest);
    close(accepted);
    close(left);
    house_deinit(&house);
}

/* What is in the way is not touched; when it is gone the socket is there again without being asked. */
static void test_in_the_way(void)
{
    struct house house;

    house_init(&house);
    lose_name(&house);
    check_fatal(!mkdir(house.path, 0700));
    loop_timer_set_in(&house.limit, 20 * NSEC_PER_SEC);
    while (!house.is_over && !*house.watch.told) {
        check_fatal(!loop_turn(&house.loop, true));
    }
    check_fatal(!rmdir(house.path));
    check(comes_back(&house));
    check_str(house.watch.told, "");
    house_deinit(&house);
}

/* Whoever asks for a look does not wait for the pause between two attempts, and many who ask do not put it off. */
static void test_asked_while_it_pauses(void)
{
    struct house house;
    nsec_t due_nsec;

    house_init(&house);
    lose_name(&house);
    check_fatal(!mkdir(house.path, 0700));
    loop_timer_set_in(&house.limit, 20 * NSEC_PER_SEC);
    while (!house.is_over && house.watch.pause_nsec < 400 * NSEC_PER_MSEC) {
        check_fatal(!loop_turn(&house.loop, true));
    }
    loop_timer_stop(&house.limit);
    check_fatal(!rmdir(house.path));
    socket_watch_look(&house.watch);
    due_nsec = loop_timer_next(&house.loop);
    check(due_nsec <= loop_now(&house.loop) + 100 * NSEC_PER_MSEC);
    check_int(loop_turn(&house.loop, false), 0);
    socket_watch_look(&house.watch);
    check_int(loop_timer_next(&house.loop), due_nsec);
    check(comes_back(&house));
    house_deinit(&house);
}

/* Nothing is due while nothing happens, and neither a client nor a touched file is anything. */
static void test_quiet(void)
{
    struct house house;

    house_init(&house);
    check_int(loop_timer_next(&house.loop), NSEC_NEVER);
    check(takes_connections(&house));
    check_int(loop_turn(&house.loop, false), 0);
    check_int(loop_timer_next(&house.loop), NSEC_NEVER);
    check_fatal(!chmod(house.path, 0600)); /* looked at once, then quiet again */
    check_int(loop_turn(&house.loop, false), 0);
    while (loop_timer_next(&house.loop) != NSEC_NEVER) {
        check_fatal(!loop_turn(&house.loop, true));
    }
    check(takes_connections(&house));
    check_int(house.n_looked, 1);
    house_deinit(&house);
}

/* Whoever owns what lies beside is told to look when a name went, and not when one came. */
static void test_beside(void)
{
    struct house house;
    char other[256];

    house_init(&house);
    snprintf(other, sizeof(other), "%s/other", house.directory);
    check_fatal(!mkdir(other, 0700));
    check_int(loop_turn(&house.loop, false), 0);
    check_int(loop_timer_next(&house.loop), NSEC_NEVER);
    check_fatal(!rmdir(other));
    loop_timer_set_in(&house.limit, 20 * NSEC_PER_SEC);
    while (!house.is_over && house.n_looked == 0) {
        check_fatal(!loop_turn(&house.loop, true));
    }
    check_int(house.n_looked, 1);
    check(takes_connections(&house));
    house_deinit(&house);
}

CHECK_PROGRAM("daemon/socket_watch", {"a lost socket comes back", test_lost},
              {"who has connected to a lost socket is accepted", test_guests},
              {"what is in its way is waited for", test_in_the_way},
              {"a look that is asked for while it pauses", test_asked_while_it_pauses},
              {"nothing is due while nothing happens", test_quiet}, {"a name beside it went", test_beside})
