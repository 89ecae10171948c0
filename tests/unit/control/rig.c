/* SPDX-License-Identifier: MIT */

#include "unit/control/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "hello/reply.h"

const char rig_healthz_hex[] = "01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 04 28 01";
const char rig_ok_hex[] =
    "01 1D 00 00 00 08 01 10 01 18 81 DA 02 22 11 12 03 6F 6B 0A 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01";

static void on_finished(void *owner)
{
    ((struct rig *)owner)->n_finished++;
}

static void on_drained(void *owner)
{
    ((struct rig *)owner)->n_drained++;
}

static void on_shutdown(void *owner, msec_t drain_msec)
{
    struct rig *rig = owner;

    rig->n_shutdown++;
    rig->drain_msec = drain_msec;
}

static void facts(void *owner, struct admin_facts *ret)
{
    struct rig *rig = owner;

    *ret = (struct admin_facts){.is_demoted = control_is_demoted(rig->control),
                                .is_accepting = !control_is_demoted(rig->control),
                                .connections_open = control_connections_open(rig->control)};
}

static void listen_at(struct rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    check_fatal(snprintf(rig->path, sizeof(rig->path), "%s/s", rig->hello.dir) < (int)sizeof(rig->path));
    memcpy(address.sun_path, rig->path, sizeof(rig->path));
    rig->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    check_fatal(rig->listener >= 0);
    check_fatal(bind(rig->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    check_fatal(listen(rig->listener, 4096) == 0);
}

void rig_up(struct rig *rig, const struct hello_rig_options *options, const struct control_config *config)
{
    static const struct hello_rig_options no_options;
    struct control_config full = config != NULL ? *config : (struct control_config){0};

    memset(rig, 0, sizeof(*rig));
    hello_rig_up(&rig->hello, options != NULL ? options : &no_options);
    listen_at(rig);
    rig->admin = (struct admin){.broker_instance = "test", .broker_pid = getpid(), .facts = facts, .owner = rig};
    full.loop = &rig->hello.loop;
    full.world = &rig->hello.world;
    full.listener_fd = rig->listener;
    full.socket_path = rig->path;
    full.hello = &rig->hello.hello;
    full.admin = &rig->admin;
    full.finished = on_finished;
    full.drained = on_drained;
    full.shutdown_asked = on_shutdown;
    full.owner = rig;
    if (full.owner_uid == 0) {
        full.owner_uid = geteuid();
    }
    check_fatal(control_new(&full, &rig->control) == 0);
}

void rig_down(struct rig *rig)
{
    check_int(rig->hello.world.n_never, 0);
    rig->control = control_free(rig->control);
    close(rig->listener);
    hello_rig_down(&rig->hello);
}

void rig_define_never(struct rig *rig)
{
    static char source[256], binary[256], text[512], conf[300];
    int from, to, fd;
    char buffer[65536];
    ssize_t n;

    snprintf(source, sizeof(source), "%s/tests/backend/test-backend", check_build_dir());
    snprintf(binary, sizeof(binary), "%s/never", rig->hello.dir);
    snprintf(conf, sizeof(conf), "%s.conf", binary);
    from = open(source, O_RDONLY | O_CLOEXEC);
    to = open(binary, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    check_fatal(from >= 0 && to >= 0);
    while ((n = read(from, buffer, sizeof(buffer))) > 0) {
        check_fatal(write(to, buffer, (size_t)n) == n);
    }
    close(from);
    close(to);
    fd = open(conf, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    check_fatal(fd >= 0 && write(fd, "mode=never\n", 11) == 11);
    close(fd);
    snprintf(text, sizeof(text), "binary_path: \"%s\"\nper_version_binary_dir: \"%s\"\nisolation: SHARED_BROKER\n",
             binary, rig->hello.dir);
    hello_rig_define(&rig->hello, "never", text);
}

void rig_settle(struct rig *rig)
{
    for (int i = 0; i < 200; i++) {
        check_fatal(loop_turn(&rig->hello.loop, false) == 0);
    }
}

bool rig_wait(struct rig *rig, bool (*condition)(struct rig *rig))
{
    nsec_t limit_nsec = clock_monotonic() + 10 * NSEC_PER_SEC;

    while (!condition(rig)) {
        if (clock_monotonic() > limit_nsec) {
            return false;
        }
        check_fatal(loop_turn(&rig->hello.loop, true) == 0);
    }
    return true;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int rig_connect(struct rig *rig)
{
    int fd = connect_to(rig->path);

    check_fatal(fd >= 0);
    return fd;
}

size_t rig_send(struct rig *rig, int fd, const void *bytes, size_t size)
{
    nsec_t limit_nsec = clock_monotonic() + 10 * NSEC_PER_SEC;
    size_t sent = 0;

    while (sent < size && clock_monotonic() < limit_nsec) {
        ssize_t n = send(fd, (const uint8_t *)bytes + sent, size - sent, MSG_NOSIGNAL);

        if (n > 0) {
            sent += (size_t)n;
        } else if (errno != EAGAIN) {
            break;
        }
        check_fatal(loop_turn(&rig->hello.loop, false) == 0);
    }
    return sent;
}

size_t rig_receive(struct rig *rig, int fd, uint8_t *ret, size_t size)
{
    nsec_t limit_nsec = clock_monotonic() + 10 * NSEC_PER_SEC;
    size_t filled = 0;

    while (clock_monotonic() < limit_nsec) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t n = recv(fd, ret + filled, size - filled, 0);

        if (n > 0) {
            filled += (size_t)n;
            check_fatal(filled < size);
        } else if (n == 0 || errno == ECONNRESET) {
            close(fd);
            return n == 0 || filled > 0 ? filled : SIZE_MAX;
        } else {
            check_fatal(loop_turn(&rig->hello.loop, false) == 0);
            poll(&wait, 1, 1);
        }
    }
    check(!"the broker neither answered nor closed");
    close(fd);
    return 0;
}

size_t rig_exchange(struct rig *rig, const void *bytes, size_t size, uint8_t *ret, size_t ret_size)
{
    int fd = rig_connect(rig);

    rig_send(rig, fd, bytes, size);
    return rig_receive(rig, fd, ret, ret_size);
}

const char *rig_last_path(struct rig *rig)
{
    static char text[512];
    const struct connection *connection = LIST_FIRST(&rig->control->spare);
    size_t used = 0;

    text[0] = '\0';
    if (connection == NULL) {
        return text;
    }
    for (uint32_t i = 0; i < connection->fsm.n_steps && i < FSM_STEPS_MAX; i++) {
        const struct fsm_step *step = &connection->fsm.steps[i];

        if (step->event != 0) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, " %s>%s",
                                     connection_event_name((enum connection_event)step->event),
                                     connection_state_name((enum connection_state)step->next));
        }
    }
    return text[0] == ' ' ? text + 1 : text;
}

size_t rig_from_hex(const char *hex, uint8_t *ret)
{
    return check_hex(hex, ret, SIZE_MAX); /* @ret is as long as what the test writes down */
}

void rig_expect(struct rig *rig, const void *bytes, size_t size, const char *hex)
{
    static uint8_t got[70000], want[70000];
    size_t want_size = rig_from_hex(hex, want), got_size = rig_exchange(rig, bytes, size, got, sizeof(got));

    check_int(got_size, want_size);
    if (got_size == want_size) {
        check_mem(got, want, want_size);
    }
}

void rig_expect_refusal(struct rig *rig, const void *bytes, size_t size, uint64_t request_id, uint32_t code,
                        const char *reason, uint64_t retry_ms)
{
    struct reply reply = {.echo.request_id = request_id};
    uint8_t want[2048], got[4096];
    size_t want_size, got_size;

    reply_refuse(&reply, code, reason, retry_ms);
    want_size = reply_pack(&reply, want);
    got_size = rig_exchange(rig, bytes, size, got, sizeof(got));
    check_int(got_size, want_size);
    if (got_size == want_size) {
        check_mem(got, want, want_size);
    } else if (got_size != SIZE_MAX) {
        fprintf(stderr, "wanted %s, got %.*s\n", reason, (int)got_size, (const char *)got);
    }
}

void rig_check_healthy(struct rig *rig)
{
    uint8_t bytes[64];

    rig_expect(rig, bytes, rig_from_hex(rig_healthz_hex, bytes), rig_ok_hex);
}

int rig_ask_never(struct rig *rig)
{
    uint8_t bytes[128];
    int fd = rig_connect(rig);

    rig_send(rig, fd, bytes, hello_rig_frame(bytes, "never", "1.0.0", 5));
    return fd;
}

bool rig_is_launching(struct rig *rig)
{
    return rig->hello.hello.n_waiting > 0 && backends_count_launching(&rig->hello.backends) > 0;
}

int rig_log_into_file(void)
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

const char *rig_end_log(int fd)
{
    static char text[8192];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    log_open(2);
    log_set_format(LOG_TEXT);
    close(fd);
    return text;
}

struct rig_peer rig_peer(struct rig *rig, int n)
{
    struct rig_peer peer;
    int pipe_fds[2], ready_fds[2];
    char byte;

    check_fatal(pipe(pipe_fds) == 0 && pipe(ready_fds) == 0);
    peer.pid = fork();
    if (peer.pid == 0) {
        close(pipe_fds[1]);
        for (int i = 0; i < n; i++) {
            if (connect_to(rig->path) < 0) {
                _exit(1);
            }
        }
        if (write(ready_fds[1], "r", 1) != 1 || read(pipe_fds[0], &byte, 1) != 0) {
            _exit(1);
        }
        _exit(0);
    }
    check_fatal(peer.pid > 0);
    close(pipe_fds[0]);
    close(ready_fds[1]);
    check_fatal(read(ready_fds[0], &byte, 1) == 1);
    close(ready_fds[0]);
    peer.hold = pipe_fds[1];
    rig_settle(rig);
    return peer;
}

void rig_peer_end(struct rig *rig, struct rig_peer *peer)
{
    close(peer->hold);
    check_int(waitpid(peer->pid, NULL, 0), peer->pid);
    rig_settle(rig);
}
