/* SPDX-License-Identifier: MIT */

/* The life of connections: the machine's ways through, peers, waiting, draining. */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "unit/control/rig.h"

static struct rig rig;

static struct connection *newest(void)
{
    return LIST_FIRST(&rig.control->open);
}

static bool is_empty(struct rig *which)
{
    return control_connections_open(which->control) == 0;
}

static void expect_refused(int fd, uint64_t request_id, uint32_t code, const char *reason, uint64_t retry_ms)
{
    struct reply reply = {.echo.request_id = request_id};
    uint8_t want[1024], got[1024];
    size_t want_size;

    reply_refuse(&reply, code, reason, retry_ms);
    want_size = reply_pack(&reply, want);
    check_int(rig_receive(&rig, fd, got, sizeof(got)), want_size);
    check_mem(got, want, want_size);
}

/* ------------------------------------------------------------------------------------------------- the machine */

static void test_ways(void)
{
    uint8_t bytes[128];
    int fd;

    rig_up(&rig, &(struct hello_rig_options){.launching = true}, NULL);
    rig_check_healthy(&rig);
    check_str(rig_last_path(&rig), "welcome>reading complete>routing replied>writing written>closed");
    rig_expect_refusal(&rig, "\2", 1, 0, 1, "unsupported framing version", 0);
    rig_settle(&rig);
    check_str(rig_last_path(&rig), "welcome>reading malformed>writing written>lingering quiet>closed");
    close(rig_connect(&rig));
    rig_settle(&rig);
    check_str(rig_last_path(&rig), "welcome>reading empty>closed");
    fd = rig_connect(&rig);
    rig_exchange(&rig, bytes, rig_from_hex("01 0C 00 00 00 08 02 18 81 DA 02 22 02 08 04 28 01", bytes), bytes, 128);
    check_str(rig_last_path(&rig), "welcome>reading complete>routing unanswerable>closed");
    control_cut_off(rig.control);
    rig_settle(&rig);
    check_str(rig_last_path(&rig), "welcome>reading cut_off>closed");
    close(fd);
    rig_down(&rig);
}

/* What is there when a connection is accepted is read and answered in the same turn. */
static void test_first_read(void)
{
    uint8_t bytes[128];
    size_t size = rig_from_hex(rig_healthz_hex, bytes);
    int fd;

    rig_up(&rig, NULL, NULL);
    fd = rig_connect(&rig);
    check_int(send(fd, bytes, size, 0), size);
    check_int(loop_turn(&rig.hello.loop, false), 0);
    check(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
    close(fd);
    rig_settle(&rig);
    rig_down(&rig);
}

/* The peer has gone when its refusal is written: nothing happens. */
static void test_lost_reply(void)
{
    int fd;

    rig_up(&rig, NULL, NULL);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, "\1\2\0", 3);
    close(fd);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 0);
    rig_check_healthy(&rig);
    rig_down(&rig);
}

/* One admin shutdown is told once, at the end of a turn, and only when its ack is out. */
static void test_shutdown_told(void)
{
    uint8_t bytes[64];
    int fd;

    rig_up(&rig, NULL, NULL);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, bytes, rig_from_hex("01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 15 28 01", bytes));
    close(fd);
    rig_settle(&rig);
    check(rig.n_shutdown <= 1);
    rig.n_shutdown = 0;
    rig_exchange(&rig, bytes, rig_from_hex("01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 15 28 01", bytes), bytes, 64);
    rig_settle(&rig);
    check_int(rig.n_shutdown, 1);
    check_int(rig.drain_msec, 0);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- writing */

/* A reply larger than the socket takes is sent as there is room. */
static void test_partial_write(void)
{
    static char trace[20001];
    static uint8_t bytes[30000], got[40000];
    char service[] = "nobody", version[] = "1.0.0";
    int small = 1, fd;
    Hello hello;

    memset(trace, 't', 20000);
    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = hello.client_max_protocol = 1;
    hello.service_name = service;
    hello.wanted_version = version;
    rig_up(&rig, NULL, NULL);
    fd = rig_connect(&rig);
    rig_settle(&rig);
    check_fatal(setsockopt(newest()->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
    rig_send(&rig, fd, bytes, hello_rig_pack(bytes, &hello, 3, trace, ""));
    rig_settle(&rig);
    check_fatal(newest() != NULL && connection_state(newest()) == CONNECTION_STATE_WRITING);
    check(rig_receive(&rig, fd, got, sizeof(got)) > 20000);
    check_str(rig_last_path(&rig), "welcome>reading complete>routing replied>writing written>closed");
    rig_down(&rig);
}

/* A client that does not read is given up when it has not taken a byte for five seconds, or at its deadline. */
static void test_stall(void)
{
    static char trace[20001];
    static uint8_t bytes[30000];
    char service[] = "nobody", version[] = "1.0.0";
    int small = 1, fd;
    nsec_t now_nsec;
    Hello hello;

    memset(trace, 't', 20000);
    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = hello.client_max_protocol = 1;
    hello.service_name = service;
    hello.wanted_version = version;
    rig_up(&rig, NULL, &(struct control_config){.request_timeout_msec = 60});
    fd = rig_connect(&rig);
    rig_settle(&rig);
    check_fatal(setsockopt(newest()->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
    rig_send(&rig, fd, bytes, hello_rig_pack(bytes, &hello, 3, trace, ""));
    rig_settle(&rig);
    check_fatal(newest() != NULL && connection_state(newest()) == CONNECTION_STATE_WRITING);
    now_nsec = newest()->progress_nsec;
    check_int(connection_stall_due(newest(), now_nsec), newest()->deadline_nsec);
    check(connection_was_taking(newest()));
    newest()->deadline_nsec += 10 * NSEC_PER_SEC;
    check_int(connection_stall_due(newest(), now_nsec), now_nsec + 5 * NSEC_PER_SEC);
    newest()->deadline_nsec -= 10 * NSEC_PER_SEC;
    check(rig_wait(&rig, is_empty));
    check_str(rig_last_path(&rig), "welcome>reading complete>routing replied>writing stall>closed");
    check_int(control_counters(rig.control)->timed_out, 1);
    check_int(rig.control->pool.used, 0);
    close(fd);
    rig_down(&rig);
}

/* A refused client that goes on writing is heard for 64 KiB or 100 ms. */
static void test_linger_ends(void)
{
    static uint8_t bytes[70000] = {2};
    uint8_t got[128];
    int fd;

    rig_up(&rig, NULL, NULL);
    fd = rig_connect(&rig);
    rig_send(&rig, fd, bytes, 10);
    rig_settle(&rig);
    check_fatal(newest() != NULL && connection_state(newest()) == CONNECTION_STATE_LINGERING);
    check(rig_wait(&rig, is_empty));
    check_str(rig_last_path(&rig), "welcome>reading malformed>writing written>lingering linger>closed");
    check(rig_receive(&rig, fd, got, sizeof(got)) > 40);
    fd = rig_connect(&rig);
    check(rig_send(&rig, fd, bytes, sizeof(bytes)) >= 65536);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 0);
    check_str(rig_last_path(&rig), "welcome>reading malformed>writing written>lingering quiet>closed");
    close(fd);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- peers */

static void drop_one(bool names_socket)
{
    uint8_t bytes[64], got[64];
    size_t size = rig_from_hex(rig_healthz_hex, bytes), n;
    char want[400];
    const char *text;
    int fd;

    rig_up(&rig, NULL, &(struct control_config){.owner_uid = geteuid() + 1, .names_socket_in_drops = names_socket});
    fd = rig_log_into_file();
    n = rig_exchange(&rig, bytes, size, got, sizeof(got));
    check(n == 0 || n == SIZE_MAX);
    text = rig_end_log(fd);
    snprintf(want, sizeof(want),
             "running-process-broker: dropped connection %s%s%sfrom peer pid=%d uid_or_sid=\"%u\": "
             "credential policy refused",
             names_socket ? "on " : "", names_socket ? rig.path : "", names_socket ? " " : "", (int)getpid(),
             (unsigned int)geteuid());
    check(strstr(text, want) != NULL);
    check(strstr(text, "security-violation") != NULL);
    check_int(control_counters(rig.control)->dropped_peers, 1);
    check_str(rig_last_path(&rig), "unwelcome>closed");
    rig_down(&rig);
}

static void test_policy(void)
{
    drop_one(false);
    drop_one(true);
}

static void test_any_peer(void)
{
    rig_up(&rig, NULL, &(struct control_config){.owner_uid = geteuid() + 1, .any_peer = true});
    rig_check_healthy(&rig);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- waiting */

/* Never into the last quarter of a short deadline: then the in-progress refusal, while the launch goes on. */
static void test_patience(void)
{
    int fd;

    rig_up(&rig, &(struct hello_rig_options){.launching = true}, &(struct control_config){.request_timeout_msec = 200});
    rig_define_never(&rig);
    fd = rig_ask_never(&rig);
    expect_refused(fd, 5, 4, "backend spawn already in progress", 1000);
    check_str(rig_last_path(&rig),
              "welcome>reading complete>routing must_wait>waiting patience>writing written>closed");
    check_int(backends_count_launching(&rig.hello.backends), 1);
    check_int(rig.hello.hello.n_waiting, 0);
    check(control_is_quiet(rig.control));
    rig_down(&rig);
}

static void test_patience_values(void)
{
    struct connection *connection;
    int fd;

    rig_up(&rig, NULL, NULL);
    fd = rig_connect(&rig);
    rig_settle(&rig);
    connection = newest();
    check_fatal(connection != NULL);
    check_int(connection_waiter_deadline(connection, 0), 25 * NSEC_PER_SEC);
    check_int(connection_waiter_deadline(connection, connection->deadline_nsec - 10 * NSEC_PER_SEC),
              connection->deadline_nsec - NSEC_PER_SEC);
    rig.control->timeout_nsec = 400 * NSEC_PER_MSEC;
    check_int(connection_waiter_deadline(connection, connection->deadline_nsec),
              connection->deadline_nsec - 100 * NSEC_PER_MSEC);
    close(fd);
    rig_settle(&rig);
    rig_down(&rig);
}

static void test_waiter_hangs_up(void)
{
    int fd;

    rig_up(&rig, &(struct hello_rig_options){.launching = true}, NULL);
    rig_define_never(&rig);
    fd = rig_ask_never(&rig);
    check(rig_wait(&rig, rig_is_launching));
    rig_settle(&rig);
    close(fd);
    check(rig_wait(&rig, is_empty));
    check_str(rig_last_path(&rig), "welcome>reading complete>routing must_wait>waiting hang_up>closed");
    check_int(rig.hello.hello.n_waiting, 0);
    check(!backends_is_quiet(&rig.hello.backends));
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- draining */

static void test_drain(void)
{
    uint8_t bytes[128];
    int waiting, idle;
    size_t size;

    rig_up(&rig, &(struct hello_rig_options){.launching = true}, NULL);
    rig_define_never(&rig);
    idle = rig_connect(&rig);
    waiting = rig_ask_never(&rig);
    check(rig_wait(&rig, rig_is_launching));
    check(!control_is_quiet(rig.control));
    control_drain(rig.control);
    rig_settle(&rig);
    check_int(rig.n_drained, 0);
    size = hello_rig_frame(bytes, "never", "1.0.0", 8);
    rig_expect_refusal(&rig, bytes, size, 8, 5, "broker is shutting down", 1000);
    rig_check_healthy(&rig);
    check_int(rig.n_drained, 0);
    backends_cancel(&rig.hello.backends);
    expect_refused(waiting, 5, 5, "broker is shutting down", 1000);
    rig_settle(&rig);
    check_int(rig.n_drained, 1);
    check_int(control_connections_open(rig.control), 1);
    control_cut_off(rig.control);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 0);
    check_int(rig.n_drained, 1);
    close(idle);
    rig_down(&rig);
}

static void test_cut_off_waiter(void)
{
    uint8_t got[64];
    int waiting;

    rig_up(&rig, &(struct hello_rig_options){.launching = true}, NULL);
    rig_define_never(&rig);
    waiting = rig_ask_never(&rig);
    check(rig_wait(&rig, rig_is_launching));
    rig_settle(&rig);
    control_drain(rig.control);
    for (int i = 0; i < 8; i++) {
        control_cut_off(rig.control); /* as often as one likes: it is one event to a connection */
    }
    check_int(rig_receive(&rig, waiting, got, sizeof(got)), 0);
    check_int(rig.hello.world.n_never, 0);
    check_str(rig_last_path(&rig), "welcome>reading complete>routing must_wait>waiting cut_off>closed");
    rig_settle(&rig);
    check_int(rig.n_drained, 1);
    rig_down(&rig);
}

/* Everything is closed at once when the control socket goes, whatever state it is in. */
static void test_free_with_open(void)
{
    static uint8_t partial[20000] = {1, 0x60, 0xEA, 0, 0};
    int fds[4];

    rig_up(&rig, &(struct hello_rig_options){.launching = true}, NULL);
    rig_define_never(&rig);
    fds[0] = rig_connect(&rig);
    fds[1] = rig_connect(&rig);
    rig_send(&rig, fds[1], partial, sizeof(partial));
    fds[2] = rig_ask_never(&rig);
    check(rig_wait(&rig, rig_is_launching));
    fds[3] = rig_connect(&rig);
    rig_send(&rig, fds[3], "\2\2", 2);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 4);
    rig_down(&rig);
    for (size_t i = 0; i < 4; i++) {
        close(fds[i]);
    }
}

CHECK_PROGRAM("control/connections", {"ways through the machine", test_ways},
              {"what is there already is answered in the turn of its accept", test_first_read},
              {"a client that is gone when its refusal comes", test_lost_reply},
              {"an admin shutdown is told once", test_shutdown_told},
              {"a reply larger than the socket", test_partial_write}, {"a client that does not read", test_stall},
              {"lingering ends by itself and at 64 KiB", test_linger_ends},
              {"9: foreign peers are dropped silently, with the frozen line", test_policy},
              {"9: any peer", test_any_peer}, {"patience ends in the in-progress refusal", test_patience},
              {"how long a waiter is held", test_patience_values},
              {"a waiter hangs up, the launch goes on", test_waiter_hangs_up}, {"draining", test_drain},
              {"cut off while waiting", test_cut_off_waiter},
              {"freed with connections in every state", test_free_with_open})
