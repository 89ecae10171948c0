/* SPDX-License-Identifier: MIT */

/* A status that has to wait for the worker: nobody else waits, and every end of the waiting is orderly. */

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "check.h"
#include "failing_alloc.h"
#include "unit/control/rig.h"

static const char status_hex[] = "01 0E 00 00 00  08 01  18 81 DA 02  22 04 08 01 10 01  28 01";
static const char known_row[] = "\"inode_pressure\":{\"inodes_free\":25,\"inodes_total\":100,\"inodes_used\":75,";
static const char unknown_row[] =
    "\"inode_pressure\":{\"detail\":\"Connection timed out (os error 110)\",\"supported\":false}";

static struct rig rig;
static struct inode_probe probe;
static _Atomic(bool) is_dead;

static void look(const char *path, struct admin_inodes *ret_inodes)
{
    (void)path;
    while (is_dead) {
        (void)sys_poll(NULL, 0, 1);
    }
    *ret_inodes = (struct admin_inodes){.total = 100, .free = 25};
}

static void facts(void *owner, struct admin_facts *ret_facts)
{
    (void)owner;
    *ret_facts = (struct admin_facts){.is_accepting = true, .inodes = probe.known};
}

static void up(const struct control_config *config, bool dead)
{
    rig_up(&rig, NULL, config);
    is_dead = dead;
    inode_probe_init(&probe, &rig.hello.loop);
    probe.look = look;
    rig.admin.facts = facts;
    rig.admin.inodes = &probe;
}

static void down(void)
{
    is_dead = false;
    inode_probe_deinit(&probe);
    while (loop_jobs_stuck(&rig.hello.loop) > 0) {
        (void)sys_poll(NULL, 0, 1);
    }
    rig_down(&rig);
}

static int ask(void)
{
    uint8_t bytes[64];
    int fd = rig_connect(&rig);
    size_t size = rig_from_hex(status_hex, bytes);

    check_int(rig_send(&rig, fd, bytes, size), size);
    return fd;
}

/* The answer on @fd has @row in it. */
static void expect(int fd, const char *row)
{
    uint8_t got[4096] = {0};
    size_t size = rig_receive(&rig, fd, got, sizeof(got) - 1);

    check_fatal(size != SIZE_MAX);
    check(size > 0 && memmem(got, size, row, strlen(row)) != NULL);
}

static void test_waits(void)
{
    int fd, other;

    up(NULL, true);
    fd = ask();
    other = ask();
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 2);
    rig_check_healthy(&rig);
    check(!control_is_quiet(rig.control)); /* a drain waits for both */
    is_dead = false;
    expect(fd, known_row);
    expect(other, known_row);
    rig_settle(&rig);
    check_str(rig_last_path(&rig),
              "welcome>reading complete>routing must_wait>waiting answered>writing written>closed");
    check_int(control_counters(rig.control)->admin_requests, 3);
    check(control_is_quiet(rig.control));
    down();
}

/* The file system does not answer. */
static void test_dead(void)
{
    up(NULL, true);
    probe.limit_nsec = nsec_from_msec(30);
    expect(ask(), unknown_row);
    expect(ask(), unknown_row); /* at once */
    rig_settle(&rig);
    check_str(rig_last_path(&rig), "welcome>reading complete>routing replied>writing written>closed");
    down();
}

/* The connection's own patience ends first: no words for a Hello, but the status without the number. */
static void test_patience(void)
{
    up(&(struct control_config){.request_timeout_msec = 200}, true);
    probe.limit_nsec = 10 * NSEC_PER_SEC;
    expect(ask(), unknown_row);
    rig_settle(&rig);
    check_str(rig_last_path(&rig),
              "welcome>reading complete>routing must_wait>waiting patience>writing written>closed");
    is_dead = false;
    expect(ask(), known_row);
    down();
}

/* The client hangs up, the broker is cut off, everything is freed: nobody is told afterwards. */
static void test_left(void)
{
    int fd;

    up(NULL, true);
    close(ask());
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 0);
    fd = ask();
    rig_settle(&rig);
    control_drain(rig.control);
    control_cut_off(rig.control);
    rig_settle(&rig);
    check_int(control_connections_open(rig.control), 0);
    close(fd);
    is_dead = false;
    rig_settle(&rig);
    down();

    up(NULL, true);
    fd = ask();
    rig_settle(&rig);
    rig.control = control_free(rig.control);
    close(fd);
    down();
}

/* Whichever allocation fails, the client is answered or closed and the next one is served. */
static void test_memory(void)
{
    bool failed = true;

    up(NULL, false);
    expect(ask(), known_row); /* the worker's thread is there, whose start is not ours to fail */
    for (long n = 0; failed; n++) {
        uint8_t bytes[64], got[4096];
        size_t size = rig_from_hex(status_hex, bytes), got_size;
        int fd = rig_connect(&rig);

        check_fatal(n < 300);
        failing_alloc_start(n, false);
        rig_send(&rig, fd, bytes, size);
        got_size = rig_receive(&rig, fd, got, sizeof(got));
        failed = failing_alloc_stop();
        check(failed || (got_size != SIZE_MAX && memmem(got, got_size, known_row, strlen(known_row)) != NULL));
        rig_settle(&rig);
        check_int(control_connections_open(rig.control), 0);
    }
    down();
}

CHECK_PROGRAM("control/admin-waits", {"a status waits, and nobody else", test_waits},
              {"a file system that does not answer", test_dead},
              {"the connection's patience ends first", test_patience}, {"nobody is left to be told", test_left},
              {"out of memory", test_memory})
