/* SPDX-License-Identifier: MIT */

/* The guard against running out of descriptors: the table of spec 01 section 12, and the reserve. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "loop/loop.h"
#include "ops/fd_pressure.h"

static struct loop loop;
static struct fsm_world world;
static struct fd_pressure pressure;
static int n_changed, n_served, lent_fd;
static bool gives_client;

static void on_changed(void *owner)
{
    check(owner == &pressure);
    n_changed++;
}

/* As an accept would: takes the one descriptor that is free now. */
static bool on_serve(void *owner)
{
    check(owner == &pressure);
    n_served++;
    if (gives_client) {
        lent_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    return gives_client;
}

static void up(void)
{
    n_changed = n_served = 0;
    lent_fd = -1;
    gives_client = false;
    check_fatal(loop_init(&loop) == 0);
    check_fatal(fsm_world_init(&world, &loop) == 0);
    check_fatal(fd_pressure_init(&pressure, &(struct fd_pressure_config){.world = &world,
                                                                         .socket_path = "/run/s",
                                                                         .listener_changed = on_changed,
                                                                         .serve_by_reserve = on_serve,
                                                                         .owner = &pressure}) == 0);
}

static void down(void)
{
    check_int(world.n_never, 0);
    fd_pressure_deinit(&pressure);
    fd_pressure_deinit(&pressure);
    if (lent_fd >= 0) {
        close(lent_fd);
    }
    fsm_world_deinit(&world);
    loop_deinit(&loop);
}

static void accepted(void)
{
    fd_pressure_note_accept(&pressure);
    fsm_world_run(&world);
}

static void exhausted(int error)
{
    fd_pressure_note_exhausted(&pressure, error);
    fsm_world_run(&world);
}

static void rest(void)
{
    nsec_t start_nsec = clock_monotonic();

    while (fd_pressure_is_resting(&pressure)) {
        check_fatal(loop_turn(&loop, true) == 0);
        check_fatal(clock_monotonic() < start_nsec + 5 * NSEC_PER_SEC);
    }
}

static void test_normal(void)
{
    up();
    check(!fd_pressure_is_demoted(&pressure));
    accepted();
    check(!fd_pressure_is_demoted(&pressure));
    check_int(n_changed, 0);
    check(pressure.reserve_fd >= 0);
    down();
}

/* One episode: demoted at once, the listener rests 50 ms, three good accepts in a row forgive. */
static void test_episode(void)
{
    nsec_t start_nsec;

    up();
    start_nsec = clock_monotonic();
    exhausted(EMFILE);
    check(fd_pressure_is_demoted(&pressure));
    check(fd_pressure_is_resting(&pressure));
    check_int(pressure.demotions_total, 1);
    check_int(n_served, 1);
    rest();
    check(clock_monotonic() - start_nsec >= 49 * NSEC_PER_MSEC);
    check_int(n_changed, 2);
    check(fd_pressure_is_demoted(&pressure));
    accepted();
    accepted();
    check(fd_pressure_is_demoted(&pressure));
    accepted();
    check(!fd_pressure_is_demoted(&pressure));
    check_int(pressure.demotions_total, 1);
    down();
}

/* A failure among the good ones starts the count again, and is no new episode. */
static void test_streak(void)
{
    up();
    exhausted(ENFILE);
    rest();
    accepted();
    accepted();
    exhausted(EMFILE);
    check_int(pressure.demotions_total, 1);
    rest();
    accepted();
    accepted();
    check(fd_pressure_is_demoted(&pressure));
    accepted();
    check(!fd_pressure_is_demoted(&pressure));
    exhausted(EMFILE);
    check_int(pressure.demotions_total, 2);
    rest();
    down();
}

/* The reserve is lent for one accept, taken back at once when nobody came, else when a descriptor is free. */
static void test_reserve(void)
{
    int reserve;

    up();
    reserve = pressure.reserve_fd;
    exhausted(EMFILE);
    check_int(pressure.reserve_fd, reserve);
    rest();
    gives_client = true;
    exhausted(EMFILE);
    check_int(n_served, 2);
    check_int(lent_fd, reserve);
    check_int(pressure.reserve_fd, -1);
    rest();
    exhausted(EMFILE);
    check_int(n_served, 2);
    close(lent_fd);
    lent_fd = -1;
    fd_pressure_restore(&pressure);
    check(pressure.reserve_fd >= 0);
    rest();
    down();
}

CHECK_PROGRAM("ops/fd_pressure", {"good accepts change nothing", test_normal},
              {"an episode, from demotion to recovery", test_episode}, {"a failure resets the streak", test_streak},
              {"the reserve is lent and taken back", test_reserve})
