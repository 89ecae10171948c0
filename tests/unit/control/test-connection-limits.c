/* SPDX-License-Identifier: MIT */

/* How many connections there are, what they may hold together, and what happens when descriptors run out. */

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "unit/control/rig.h"

static struct rig rig;

static bool has_accepted_four(struct rig *which)
{
    return control_counters(which->control)->accepted == 4;
}

/* ------------------------------------------------------------------------------------------------- caps */

/* At the total, the greediest peer gives up its oldest; everybody is still served (decision 9c). */
static void test_total(void)
{
    struct rig_peer one, many;
    int fds[3];
    uint8_t got[64];

    rig_up(&rig, NULL, &(struct control_config){.connections_max = 8});
    for (size_t i = 0; i < 3; i++) {
        fds[i] = rig_connect(&rig);
    }
    rig_settle(&rig);
    one = rig_peer(&rig, 1);
    many = rig_peer(&rig, 4);
    check_int(control_connections_open(rig.control), 8);
    rig_check_healthy(&rig);
    check_int(control_counters(rig.control)->evicted, 1);
    check_int(control_connections_open(rig.control), 7);
    close(rig_connect(&rig));
    rig_settle(&rig);
    rig_peer_end(&rig, &many);
    check_int(control_connections_open(rig.control), 4);
    many = rig_peer(&rig, 40);
    check_int(control_connections_open(rig.control), 8);
    check_int(control_counters(rig.control)->evicted, 37);
    for (size_t i = 0; i < 3; i++) {
        check(recv(fds[i], got, 1, 0) < 0 && errno == EAGAIN);
        close(fds[i]);
    }
    rig_check_healthy(&rig);
    rig_peer_end(&rig, &many);
    rig_peer_end(&rig, &one);
    check_int(control_connections_open(rig.control), 0);
    rig_down(&rig);
}

/* At its own cap a peer gives up its own oldest, nobody else's. */
static void test_per_pid(void)
{
    struct rig_peer other;
    int fds[4];
    uint8_t got[8];

    rig_up(&rig, NULL, &(struct control_config){.connections_per_pid = 3});
    other = rig_peer(&rig, 3);
    for (size_t i = 0; i < 4; i++) {
        fds[i] = rig_connect(&rig);
        rig_settle(&rig);
    }
    check_int(control_connections_open(rig.control), 6);
    check_int(control_counters(rig.control)->evicted, 1);
    check_int(recv(fds[0], got, sizeof(got), 0), 0);
    check(recv(fds[1], got, sizeof(got), 0) < 0);
    rig_check_healthy(&rig);
    for (size_t i = 0; i < 4; i++) {
        close(fds[i]);
    }
    rig_peer_end(&rig, &other);
    rig_down(&rig);
}

/* With nothing to evict: a peer at its cap is turned away, at the total the listener is left alone. */
static void test_nothing_to_evict(void)
{
    int waiting[3], late;
    uint8_t got[256];

    rig_up(&rig, &(struct hello_rig_options){.launching = true},
           &(struct control_config){.connections_per_pid = 2, .connections_max = 3});
    rig_define_never(&rig);
    waiting[0] = rig_ask_never(&rig);
    waiting[1] = rig_ask_never(&rig);
    check(rig_wait(&rig, rig_is_launching));
    rig_settle(&rig);
    check_int(rig.hello.hello.n_waiting, 2);
    late = rig_connect(&rig);
    check_int(rig_receive(&rig, late, got, sizeof(got)), 0);
    check_str(rig_last_path(&rig), "crowded>closed");
    rig.control->config.connections_max = 2;
    late = rig_connect(&rig);
    rig_settle(&rig);
    check_int(control_counters(rig.control)->accepted, 3);
    close(waiting[0]);
    check(rig_wait(&rig, has_accepted_four));
    check_int(control_connections_open(rig.control), 2);
    close(late);
    close(waiting[1]);
    rig_settle(&rig);
    rig_down(&rig);
}

static void test_cap_formula(void)
{
    rig_up(&rig, NULL, &(struct control_config){.nofile_limit = 1024});
    check_int(control_connections_max(rig.control), 1024 - 64);
    hello_rig_register(&rig.hello, "shared", "a", "1.0.0", "/tmp/a");
    check_int(control_connections_max(rig.control), 1024 - 66);
    rig.control->config.nofile_limit = 100000;
    check_int(control_connections_max(rig.control), 4096);
    rig.control->config.nofile_limit = 40;
    check_int(control_connections_max(rig.control), 32);
    rig_down(&rig);
}

/* The total of all buffers: the connection that holds most goes. */
static void test_memory(void)
{
    static uint8_t bytes[20000] = {1, 0x60, 0xEA, 0, 0};
    int big, small, third;
    uint8_t got[8];

    rig_up(&rig, NULL, &(struct control_config){.buffers_max = 16384});
    big = rig_connect(&rig);
    rig_send(&rig, big, bytes, 6000);
    small = rig_connect(&rig);
    rig_send(&rig, small, bytes, 3000);
    rig_settle(&rig);
    check_int(rig.control->pool.used, 12288);
    third = rig_connect(&rig);
    rig_send(&rig, third, bytes, 6000);
    rig_settle(&rig);
    check_int(control_counters(rig.control)->evicted, 1);
    check_int(recv(big, got, sizeof(got), 0), 0);
    check(recv(small, got, sizeof(got), 0) < 0 && errno == EAGAIN);
    check(recv(third, got, sizeof(got), 0) < 0 && errno == EAGAIN);
    rig_check_healthy(&rig);
    rig_send(&rig, third, bytes, 14000);
    rig_settle(&rig);
    check_int(control_counters(rig.control)->evicted, 2);
    check(rig.control->pool.used <= 16384);
    rig_check_healthy(&rig);
    close(big);
    close(small);
    close(third);
    rig_settle(&rig);
    check_int(rig.control->pool.used, 0);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- draining */

static void test_max_connections(void)
{
    int fd;

    rig_up(&rig, NULL, &(struct control_config){.max_connections = 3});
    rig_check_healthy(&rig);
    fd = rig_connect(&rig);
    rig_settle(&rig);
    rig_check_healthy(&rig);
    rig_settle(&rig);
    check_int(rig.n_finished, 0);
    check_int(control_connections_open(rig.control), 1);
    close(rig_connect(&rig));
    rig_settle(&rig);
    check_int(control_counters(rig.control)->accepted, 3);
    close(fd);
    rig_settle(&rig);
    check_int(rig.n_finished, 1);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- descriptors */

static struct rlimit saved;

/* No more than @n further descriptors. */
static void limit_descriptors(int n)
{
    struct rlimit limit;
    int fd = dup(0);

    check_fatal(fd >= 0);
    close(fd);
    check_fatal(getrlimit(RLIMIT_NOFILE, &saved) == 0);
    limit = saved;
    limit.rlim_cur = (rlim_t)(fd + n);
    check_fatal(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void unlimit_descriptors(void)
{
    check_fatal(setrlimit(RLIMIT_NOFILE, &saved) == 0);
}

/* Running out counts as reaching the cap first: the oldest of the silent makes room. */
static void test_out_evicts(void)
{
    struct rig_peer peer;

    rig_up(&rig, NULL, NULL);
    peer = rig_peer(&rig, 1);
    limit_descriptors(1);
    rig_peer_end(&rig, &peer);
    unlimit_descriptors();
    rig_down(&rig);

    rig_up(&rig, NULL, NULL);
    {
        int fds[6];

        for (size_t i = 0; i < 6; i++) {
            fds[i] = rig_connect(&rig);
        }
        limit_descriptors(2);
        rig_settle(&rig);
        check_int(control_connections_open(rig.control), 2);
        check_int(control_counters(rig.control)->evicted, 4);
        check(!control_is_demoted(rig.control));
        unlimit_descriptors();
        for (size_t i = 0; i < 6; i++) {
            close(fds[i]);
        }
        rig_settle(&rig);
    }
    rig_down(&rig);
}

static bool is_demoted(struct rig *which)
{
    return control_is_demoted(which->control);
}

static bool is_not_resting(struct rig *which)
{
    return !which->control->pressure.is_resting;
}

/* Nobody to close: one is told through the reserve, an administrator is served, three good accepts forgive. */
static void test_out_demotes(void)
{
    uint8_t bytes[128], got[256];
    size_t size = hello_rig_frame(bytes, "nobody", "1.0.0", 41);
    struct reply reply = {.echo.request_id = 41};
    int hello, admin, log;
    uint8_t want[256];
    size_t want_size;

    rig_up(&rig, NULL, NULL);
    log = rig_log_into_file();
    hello = rig_connect(&rig);
    check_int(send(hello, bytes, size, 0), (ssize_t)size);
    admin = rig_connect(&rig);
    limit_descriptors(0);
    check(rig_wait(&rig, is_demoted));
    reply_refuse(&reply, 9, "broker is low on file descriptors; retry shortly", 1000);
    want_size = reply_pack(&reply, want);
    check_int(rig_receive(&rig, hello, got, sizeof(got)), want_size);
    check_mem(got, want, want_size);
    check_int(control_refused_while_demoted(rig.control), 1);
    unlimit_descriptors();
    check_int(control_demotions_total(rig.control), 1);
    check(rig_wait(&rig, is_not_resting));
    size = rig_from_hex("01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 05 28 01", bytes);
    check_int(send(admin, bytes, size, 0), (ssize_t)size);
    check_int(rig_receive(&rig, admin, got, sizeof(got)), 43);
    size = hello_rig_frame(bytes, "nobody", "1.0.0", 41);
    rig_expect_refusal(&rig, bytes, size, 41, 9, "broker is low on file descriptors; retry shortly", 1000);
    rig_expect_refusal(&rig, bytes, size, 41, 2, "service definition was not found", 0);
    check(!control_is_demoted(rig.control));
    check_int(control_refused_while_demoted(rig.control), 2);
    check(rig.control->pressure.reserve_fd >= 0);
    check(strstr(rig_end_log(log), "running-process-broker: accept on ") != NULL);
    rig_down(&rig);
}

CHECK_PROGRAM("control/connection-limits", {"9c: at the total the greediest gives up its oldest", test_total},
              {"9c: at its own cap a peer gives up its own", test_per_pid},
              {"9c: with nothing to evict", test_nothing_to_evict}, {"9c: the total", test_cap_formula},
              {"the memory of all buffers is bounded", test_memory}, {"--max-connections", test_max_connections},
              {"12: out of descriptors evicts first", test_out_evicts},
              {"12: out of descriptors demotes, the reserve tells", test_out_demotes})
