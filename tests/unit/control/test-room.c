/* SPDX-License-Identifier: MIT */

/* Who makes room and when, how long each phase may last, what counts towards a limit, what a flood leaves behind. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "unit/control/rig.h"
#include "wire/protocol.h"

static struct rig rig;

static int accept_error; /* the next accept fails with it; 0: it does not */

/* In place of the library's. */
int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
    if (accept_error != 0) {
        errno = accept_error;
        accept_error = 0;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, address, size, flags);
}

static struct connection *newest(void)
{
    return LIST_FIRST(&rig.control->open);
}

static bool is_launching(struct rig *which)
{
    return which->hello.hello.n_waiting > 0 && backends_count_launching(&which->hello.backends) > 0;
}

/* ------------------------------------------------------------------------------------------------- who makes room */

/* At the total a refused connection that lingers goes before older ones that never asked. */
static void test_lingering_goes_first(void)
{
    int fds[4];

    rig_up(&rig, NULL, &(struct control_config){.connections_max = 3});
    fds[0] = rig_connect(&rig);
    rig_settle(&rig);
    fds[1] = rig_connect(&rig);
    rig_send(&rig, fds[1], "\2", 1);
    fds[2] = rig_connect(&rig);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 3);
    fds[3] = rig_connect(&rig);
    rig_settle(&rig);
    check_int(control_counters(rig.control)->evicted, 1);
    check_str(rig_last_path(&rig), "welcome>reading malformed>writing written>lingering evicted>closed");
    for (size_t i = 0; i < 4; i++) {
        close(fds[i]);
    }
    rig_settle(&rig);
    rig_down(&rig);
}

/* At the total of all buffers who waits for a launch stays, however much it holds. */
static void test_waiter_keeps_its_memory(void)
{
    static uint8_t bytes[20000], part[8000] = {1, 0x60, 0xEA, 0, 0};
    static char request_id[9001];
    char service[] = "never", version[] = "1.0.0";
    int waiting, small, growing;
    Hello hello;

    memset(request_id, 'r', sizeof(request_id) - 1);
    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = hello.client_max_protocol = 1;
    hello.service_name = service;
    hello.wanted_version = version;
    hello.request_id = request_id;
    rig_up(&rig, &(struct hello_rig_options){.launching = true}, &(struct control_config){.buffers_max = 28672});
    rig_define_never(&rig);
    waiting = rig_connect(&rig);
    rig_send(&rig, waiting, bytes, hello_rig_pack(bytes, &hello, 5, "", ""));
    check(rig_wait(&rig, is_launching));
    check_int(rig.control->pool.used, 16384);
    small = rig_connect(&rig);
    rig_send(&rig, small, part, 3000);
    growing = rig_connect(&rig);
    rig_send(&rig, growing, part, 8000);
    rig_settle(&rig);
    check_int(control_counters(rig.control)->evicted, 1);
    check_int(rig.hello.hello.n_waiting, 1);
    check_int(rig.hello.world.n_never, 0);
    close(small);
    close(growing);
    close(waiting);
    rig_settle(&rig);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- how long */

static void test_time(void)
{
    struct connection *connection;
    nsec_t end_nsec;
    int fd;

    rig_up(&rig, NULL, &(struct control_config){.request_timeout_msec = 7000});
    fd = rig_connect(&rig);
    rig_settle(&rig);
    connection = newest();
    check_fatal(connection != NULL);
    end_nsec = connection->deadline_nsec;
    check(end_nsec <= loop_now(&rig.hello.loop) + 7000 * NSEC_PER_MSEC);
    check(end_nsec > loop_now(&rig.hello.loop) + 5000 * NSEC_PER_MSEC);
    check_int(connection_request_deadline(connection, end_nsec - 1), end_nsec);
    check_int(connection_linger_due(connection, 1000), 1000 + 100 * NSEC_PER_MSEC);
    check_int(connection_linger_due(connection, end_nsec - 1), end_nsec);
    close(fd);
    rig_settle(&rig);
    rig_down(&rig);
}

static bool is_accepting(struct rig *which)
{
    return !which->control->is_backing_off;
}

/* An error of accept that may pass is waited out for 50 ms, and ends nothing. */
static void test_backing_off(void)
{
    static const int errors[] = {ENOBUFS, ENOMEM, EPERM, EPROTO};
    uint8_t bytes[64], got[256];

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        int fd;

        rig_up(&rig, NULL, NULL);
        log_set_level(LOG_ERROR);
        accept_error = errors[i];
        fd = rig_connect(&rig);
        rig_settle(&rig);
        check(rig.control->is_backing_off);
        check_int(control_counters(rig.control)->accept_errors, 1);
        check_int(control_counters(rig.control)->accepted, 0);
        check(!control_is_demoted(rig.control));
        check(rig_wait(&rig, is_accepting));
        rig_send(&rig, fd, bytes, rig_from_hex("01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 04 28 01", bytes));
        check(rig_receive(&rig, fd, got, sizeof(got)) > 20);
        log_set_level(LOG_INFO);
        rig_down(&rig);
    }
}

/* ------------------------------------------------------------------------------------------------- what counts */

/* An accept that found no descriptor counts towards --max-connections (spec 01 section 11.1). */
static void test_failed_accept_counts(void)
{
    int fd;

    rig_up(&rig, NULL, &(struct control_config){.max_connections = 2});
    log_set_level(LOG_ERROR);
    accept_error = EMFILE;
    fd = rig_connect(&rig);
    rig_settle(&rig);
    check(control_is_demoted(rig.control));
    check_int(rig.control->n_counted, 2); /* the failure, and the one that came through the reserve */
    check_int(control_counters(rig.control)->accepted, 1);
    close(fd);
    rig_settle(&rig);
    check_int(rig.n_finished, 1);
    log_set_level(LOG_INFO);
    rig_down(&rig);
}

/* A refusal of the framing is an outcome like others. */
static void test_framing_refusals_are_outcomes(void)
{
    rig_up(&rig, NULL, NULL);
    rig_expect_refusal(&rig, "\2", 1, 0, ERROR_CODE(VERSION_UNSUPPORTED), "unsupported framing version", 0);
    rig_expect_refusal(&rig, "\1\377\377\377\377", 5, 0, ERROR_CODE(PEER_REJECTED),
                       "initial Hello frame exceeds 64 KiB", 0);
    check_int(rig.hello.hello.outcomes[ERROR_CODE(VERSION_UNSUPPORTED)], 1);
    check_int(rig.hello.hello.outcomes[ERROR_CODE(PEER_REJECTED)], 1);
    check_int(rig.hello.hello.last_connection_id, 0);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- a flood */

static bool has_trimmed(struct rig *which)
{
    return !loop_timer_is_set(&which->control->trim);
}

/* Memory is given back once three quarters of a flood are gone, and not for every few connections. */
static void test_flood(void)
{
    int fds[64];

    rig_up(&rig, NULL, NULL);
    for (size_t i = 0; i < 64; i++) {
        fds[i] = rig_connect(&rig);
    }
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 64);
    for (size_t i = 0; i < 47; i++) {
        close(fds[i]);
    }
    rig_settle(&rig);
    check(!loop_timer_is_set(&rig.control->trim));
    close(fds[47]);
    rig_settle(&rig);
    check(loop_timer_is_set(&rig.control->trim));
    check(rig_wait(&rig, has_trimmed));
    check_int(rig.control->n_peak, 16);
    for (size_t i = 48; i < 64; i++) {
        close(fds[i]);
    }
    rig_settle(&rig);
    check(!loop_timer_is_set(&rig.control->trim));
    rig_down(&rig);
}

CHECK_PROGRAM("control/room", {"9c: the lingering go first", test_lingering_goes_first},
              {"a waiter keeps its memory", test_waiter_keeps_its_memory}, {"11.4: how long", test_time},
              {"11.7: errors of accept that may pass", test_backing_off},
              {"11.1: an accept that found no descriptor counts", test_failed_accept_counts},
              {"framing refusals are counted", test_framing_refusals_are_outcomes},
              {"memory is given back after a flood", test_flood})
