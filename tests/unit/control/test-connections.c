/* SPDX-License-Identifier: MIT */

/* The life of connections: the machine's ways through, peers, caps, memory, waiting, draining, running out. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "unit/control/rig.h"
#include "wire/protocol.h"

#define SHARED "binary_path: \"/bin/true\"\nisolation: SHARED_BROKER\n"

static struct rig rig;

static const char healthz_hex[] = "01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 04 28 01";
static const char ok_hex[] =
    "01 1D 00 00 00 08 01 10 01 18 81 DA 02 22 11 12 03 6F 6B 0A 22 0A 74 65 78 74 2F 70 6C 61 69 "
    "6E 28 01";

static void check_healthy(void)
{
    uint8_t bytes[64];

    rig_expect(&rig, bytes, rig_from_hex(healthz_hex, bytes), ok_hex);
}

static struct connection *newest(void)
{
    return LIST_FIRST(&rig.control->open);
}

static bool is_empty(struct rig *which)
{
    return control_connections_open(which->control) == 0;
}

static bool is_waiting(struct rig *which)
{
    return which->hello.hello.n_waiting > 0;
}

static bool is_launching(struct rig *which)
{
    return is_waiting(which) && backends_count_launching(&which->hello.backends) > 0;
}

static bool has_accepted_four(struct rig *which)
{
    return control_counters(which->control)->accepted == 4;
}

static int ask_never(void)
{
    uint8_t bytes[128];
    int fd = rig_connect(&rig);

    rig_send(&rig, fd, bytes, hello_rig_frame(bytes, "never", "1.0.0", 5));
    return fd;
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
    check_healthy();
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
    check_healthy();
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

/* Reads what the log wrote into @ret. */
static int log_into_file(void)
{
    char path[160];
    int fd;

    snprintf(path, sizeof(path), "%s/log", check_tmpdir());
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check_fatal(fd >= 0);
    log_open(fd);
    log_set_format(LOG_TEXT);
    return fd;
}

static const char *end_log(int fd)
{
    static char text[8192];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    log_open(2);
    log_set_format(LOG_TEXT);
    close(fd);
    return text;
}

static void drop_one(bool names_socket)
{
    uint8_t bytes[64], got[64];
    size_t size = rig_from_hex(healthz_hex, bytes), n;
    char want[400];
    const char *text;
    int fd;

    rig_up(&rig, NULL, &(struct control_config){.owner_uid = geteuid() + 1, .names_socket_in_drops = names_socket});
    fd = log_into_file();
    n = rig_exchange(&rig, bytes, size, got, sizeof(got));
    check(n == 0 || n == SIZE_MAX);
    text = end_log(fd);
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
    check_healthy();
    rig_down(&rig);
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
    check_healthy();
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
    check_healthy();
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
    check_healthy();
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
    waiting[0] = ask_never();
    waiting[1] = ask_never();
    check(rig_wait(&rig, is_launching));
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
    check_healthy();
    rig_send(&rig, third, bytes, 14000);
    rig_settle(&rig);
    check_int(control_counters(rig.control)->evicted, 2);
    check(rig.control->pool.used <= 16384);
    check_healthy();
    close(big);
    close(small);
    close(third);
    rig_settle(&rig);
    check_int(rig.control->pool.used, 0);
    rig_down(&rig);
}

/* ------------------------------------------------------------------------------------------------- waiting */

/* Never into the last quarter of a short deadline: then the in-progress refusal, while the launch goes on. */
static void test_patience(void)
{
    int fd;

    rig_up(&rig, &(struct hello_rig_options){.launching = true}, &(struct control_config){.request_timeout_msec = 200});
    rig_define_never(&rig);
    fd = ask_never();
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
    fd = ask_never();
    check(rig_wait(&rig, is_launching));
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
    waiting = ask_never();
    check(rig_wait(&rig, is_launching));
    check(!control_is_quiet(rig.control));
    control_drain(rig.control);
    rig_settle(&rig);
    check_int(rig.n_drained, 0);
    size = hello_rig_frame(bytes, "never", "1.0.0", 8);
    rig_expect_refusal(&rig, bytes, size, 8, 5, "broker is shutting down", 1000);
    check_healthy();
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
    waiting = ask_never();
    check(rig_wait(&rig, is_launching));
    rig_settle(&rig);
    control_drain(rig.control);
    control_cut_off(rig.control);
    check_int(rig_receive(&rig, waiting, got, sizeof(got)), 0);
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
    fds[2] = ask_never();
    check(rig_wait(&rig, is_launching));
    fds[3] = rig_connect(&rig);
    rig_send(&rig, fds[3], "\2\2", 2);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 4);
    rig_down(&rig);
    for (size_t i = 0; i < 4; i++) {
        close(fds[i]);
    }
}

static void test_max_connections(void)
{
    int fd;

    rig_up(&rig, NULL, &(struct control_config){.max_connections = 3});
    check_healthy();
    fd = rig_connect(&rig);
    rig_settle(&rig);
    check_healthy();
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
    log = log_into_file();
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
    check(strstr(end_log(log), "running-process-broker: accept on ") != NULL);
    rig_down(&rig);
}

CHECK_PROGRAM(
    "control/connections", {"ways through the machine", test_ways},
    {"a client that is gone when its refusal comes", test_lost_reply},
    {"an admin shutdown is told once", test_shutdown_told}, {"a reply larger than the socket", test_partial_write},
    {"a client that does not read", test_stall}, {"lingering ends by itself and at 64 KiB", test_linger_ends},
    {"9: foreign peers are dropped silently, with the frozen line", test_policy}, {"9: any peer", test_any_peer},
    {"9c: at the total the greediest gives up its oldest", test_total},
    {"9c: at its own cap a peer gives up its own", test_per_pid}, {"9c: with nothing to evict", test_nothing_to_evict},
    {"9c: the total", test_cap_formula}, {"the memory of all buffers is bounded", test_memory},
    {"patience ends in the in-progress refusal", test_patience}, {"how long a waiter is held", test_patience_values},
    {"a waiter hangs up, the launch goes on", test_waiter_hangs_up}, {"draining", test_drain},
    {"cut off while waiting", test_cut_off_waiter}, {"freed with connections in every state", test_free_with_open},
    {"--max-connections", test_max_connections}, {"12: out of descriptors evicts first", test_out_evicts},
    {"12: out of descriptors demotes, the reserve tells", test_out_demotes})
