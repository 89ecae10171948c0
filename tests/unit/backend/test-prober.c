/* SPDX-License-Identifier: MIT */

/* The prober against sockets of the same process: what it takes for an answer, for silence, for somebody else. */

#include "backend/prober.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/launcher.h"
#include "base/cleanup.h"
#include "check.h"

static const uint8_t HASH[32] = {1, 2, 3};

struct stage {
    struct loop loop;
    struct prober prober;
    struct prober_expected expected;
    char path[108];
    int listener;
    struct socket_identity bound;
    enum prober_outcome outcome;
    int n_outcomes, n_stirred, n_taken_over;
    struct loop_timer watchdog;
    bool is_timed_out;
};

static void on_done(void *owner, enum prober_outcome outcome)
{
    struct stage *stage = owner;

    stage->outcome = outcome;
    stage->n_outcomes++;
}

static void on_stirred(void *owner)
{
    ((struct stage *)owner)->n_stirred++;
}

static void on_taken_over(void *owner)
{
    ((struct stage *)owner)->n_taken_over++;
}

static void on_watchdog(void *owner)
{
    ((struct stage *)owner)->is_timed_out = true;
}

static const struct prober_hooks hooks = {.done = on_done, .stirred = on_stirred, .taken_over = on_taken_over};

static void begin(struct stage *stage, bool is_bound, bool is_owned)
{
    memset(stage, 0, sizeof(*stage));
    check_int(loop_init(&stage->loop), 0);
    snprintf(stage->path, sizeof(stage->path), "%s/s.sock", check_tmpdir());
    stage->listener = -1;
    if (is_bound) {
        check_int(launcher_bind(stage->path, &stage->listener, &stage->bound), 0);
    }
    stage->expected = (struct prober_expected){
        .pid = getpid(), .exe_path = "/opt/x", .exe_hash = HASH, .boot_id = "boot", .namespace_id = "shared"};
    loop_timer_init(&stage->watchdog, &stage->loop, on_watchdog, stage);
    prober_init(&stage->prober, &stage->loop, stage->path, &stage->expected, is_owned ? &stage->bound : NULL, &hooks,
                stage);
}

static void end_stage(struct stage *stage)
{
    prober_deinit(&stage->prober);
    prober_deinit(&stage->prober);
    close_fd(stage->listener);
    unlink(stage->path);
    loop_timer_stop(&stage->watchdog);
    loop_deinit(&stage->loop);
}

static void ask(struct stage *stage)
{
    stage->n_outcomes = 0;
    stage->outcome = prober_ask(&stage->prober);
    stage->n_outcomes += stage->outcome != 0;
}

static void turn_until(struct stage *stage, const int *counter)
{
    loop_timer_set_in(&stage->watchdog, 10 * NSEC_PER_SEC);
    while (*counter == 0 && !stage->is_timed_out) {
        check_fatal(loop_turn(&stage->loop, true) == 0);
    }
    check(!stage->is_timed_out);
}

/* The question on the next connection of @listener. */
static int accept_question(int listener, struct arena *arena, Frame **ret)
{
    uint8_t bytes[256];
    size_t consumed;
    ssize_t n;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    check_fatal(fd >= 0);
    n = recv(fd, bytes, sizeof(bytes), 0);
    check_int(n > 0, 1);
    check_int(envelope_try_decode(slice_from_bytes(bytes, (size_t)n), arena, ret, &consumed), 0);
    check_int(consumed, n);
    return fd;
}

static void answer(struct stage *stage, int fd, const Frame *question)
{
    static uint8_t hash[32];
    static char exe_path[] = "/opt/x", boot_id[] = "boot", algorithm[] = "blake3", name[] = "shared";
    RunningProcess__Broker__V1__Endpoint endpoint;
    DaemonProcess identity;
    struct buffer out;

    memcpy(hash, HASH, 32);
    message_init(MESSAGE_DAEMON_PROCESS, &identity);
    running_process__broker__v1__endpoint__init(&endpoint);
    identity.pid = (uint32_t)getpid();
    identity.ipc_endpoint = &endpoint;
    identity.exe_hash.len = 32;
    endpoint.path = stage->path;
    identity.exe_path = exe_path;
    identity.boot_id = boot_id;
    identity.exe_hash_algorithm = algorithm;
    identity.exe_hash.data = hash;
    endpoint.namespace_id = name;
    buffer_init(&out, 4096);
    check_int(probe_pack_reply(&out, question, &identity, NULL), 0);
    for (size_t i = 0; i < out.size; i++) { /* a byte at a time */
        check_int(send(fd, out.data + i, 1, MSG_NOSIGNAL), 1);
        check_int(loop_turn(&stage->loop, false), 0);
    }
    buffer_deinit(&out);
}

static void test_answer(void)
{
    struct stage stage;
    struct arena arena;
    Frame *question;
    int fd;

    begin(&stage, true, false);
    arena_init(&arena, NULL, 0, 65536);
    ask(&stage);
    check_int(stage.outcome, 0);
    fd = accept_question(stage.listener, &arena, &question);
    check_int(question->payload_protocol, LANE_PROBE);
    check_int(question->payload.len, 32);
    answer(&stage, fd, question);
    turn_until(&stage, &stage.n_outcomes);
    check_int(stage.outcome, PROBER_ANSWERED);
    check_int(stage.n_outcomes, 1);
    check_int(stage.prober.identity->pid, getpid());
    check_int(stage.prober.peer_pid, getpid());
    check(socket_identity_equal(&stage.prober.seen, &stage.bound));
    check(socket_identity_equal(&stage.prober.proven, &stage.bound));
    close(fd);
    arena_deinit(&arena);
    end_stage(&stage);
}

static void test_nobody(void)
{
    struct stage stage;

    begin(&stage, false, false);
    ask(&stage);
    check_int(stage.outcome, PROBER_NOT_READY); /* at once */
    check_str(stage.prober.why, "nothing is bound at the endpoint");
    /* somebody comes: worth asking before the back-off is over */
    check_int(launcher_bind(stage.path, &stage.listener, &stage.bound), 0);
    turn_until(&stage, &stage.n_stirred);
    check_int(stage.n_stirred, 1);
    ask(&stage);
    check_int(stage.outcome, 0);
    check(stage.prober.fd >= 0);
    end_stage(&stage);
}

static void test_no_socket(void)
{
    struct stage stage;
    int fd;

    begin(&stage, false, false);
    fd = open(stage.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    ask(&stage);
    check_int(stage.outcome, PROBER_WRONG);
    end_stage(&stage);
}

static void test_not_listening_yet(void)
{
    struct stage stage;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    begin(&stage, false, false);
    stage.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path, stage.path);
    check_int(bind(stage.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ask(&stage);
    check_int(stage.outcome, 0); /* refused: tried again every 5 ms within the question */
    check_int(listen(stage.listener, 8), 0);
    while (stage.prober.fd < 0) {
        check_fatal(loop_turn(&stage.loop, true) == 0);
    }
    check_int(stage.n_outcomes, 0);
    end_stage(&stage);
}

static void test_full_backlog(void)
{
    struct stage stage;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fds[2], accepted;

    begin(&stage, true, false);
    check_int(listen(stage.listener, 0), 0);
    strcpy(address.sun_path, stage.path);
    for (int i = 0; i < 2; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        check_int(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), i == 0 ? 0 : -1);
    }
    ask(&stage);
    check_int(stage.outcome, 0);
    check_int(stage.prober.fd, -1);
    accepted = accept4(stage.listener, NULL, NULL, SOCK_CLOEXEC);
    while (stage.prober.fd < 0 && stage.n_outcomes == 0) {
        check_fatal(loop_turn(&stage.loop, true) == 0);
    }
    check(stage.prober.fd >= 0);
    close(accepted);
    close(fds[0]);
    close(fds[1]);
    end_stage(&stage);
}

static void test_silence_keeps_the_connection(void)
{
    struct stage stage;
    struct arena arena;
    Frame *question;
    nsec_t begun;
    int fd;

    begin(&stage, true, true);
    arena_init(&arena, NULL, 0, 65536);
    begun = loop_now(&stage.loop);
    ask(&stage);
    turn_until(&stage, &stage.n_outcomes);
    check_int(stage.outcome, PROBER_NOT_READY);
    check(loop_now(&stage.loop) - begun >= 500 * NSEC_PER_MSEC);
    check(stage.prober.fd >= 0);
    ask(&stage); /* goes on waiting: no second connection */
    fd = accept_question(stage.listener, &arena, &question);
    check_int(fcntl(stage.listener, F_SETFL, O_NONBLOCK), 0);
    check_int(accept(stage.listener, NULL, NULL), -1);
    prober_pause(&stage.prober);
    check_int(stage.n_stirred, 0);
    answer(&stage, fd, question); /* while nobody asks: stirs once */
    turn_until(&stage, &stage.n_stirred);
    check_int(stage.n_stirred, 1);
    check_int(stage.n_outcomes, 0);
    ask(&stage);
    check_int(stage.outcome, PROBER_ANSWERED);
    close(fd);
    arena_deinit(&arena);
    end_stage(&stage);
}

static void test_closed(void)
{
    struct stage stage;
    int fd;

    begin(&stage, true, true);
    ask(&stage);
    fd = accept4(stage.listener, NULL, NULL, SOCK_CLOEXEC);
    close(fd);
    turn_until(&stage, &stage.n_outcomes);
    check_int(stage.outcome, PROBER_NOT_READY);
    check_str(stage.prober.why, "the connection was closed without an answer");
    check_int(stage.prober.fd, -1);
    ask(&stage); /* a new connection, a new nonce */
    check_int(stage.outcome, 0);
    check(stage.prober.fd >= 0);
    end_stage(&stage);
}

static void check_bytes(const char *bytes, size_t size, const char *why)
{
    struct stage stage;
    int fd;

    begin(&stage, true, true);
    ask(&stage);
    fd = accept4(stage.listener, NULL, NULL, SOCK_CLOEXEC);
    check_int(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
    turn_until(&stage, &stage.n_outcomes);
    check_int(stage.outcome, PROBER_WRONG);
    check_str(stage.prober.why, why);
    close(fd);
    end_stage(&stage);
}

static void test_malformed(void)
{
    check_bytes("\0\0\0\0\0", 5, "the answer is no frame");
    check_bytes("H", 1, "the answer is no frame");
    check_bytes("\1\1\0\1\0", 5, "the answer is no frame"); /* 65 537 bytes */
    check_bytes("\1\0\0\0\0", 5, probe_fault_text(PROBE_VERSION));
    check_bytes("\1\1\0\0\0\xff", 6, probe_fault_text(PROBE_FRAME));
}

static void test_another_nonce(void)
{
    struct stage stage;
    struct arena arena;
    Frame *question;
    int fd;

    begin(&stage, true, true);
    arena_init(&arena, NULL, 0, 65536);
    ask(&stage);
    fd = accept_question(stage.listener, &arena, &question);
    question->payload.data[31] ^= 1;
    answer(&stage, fd, question);
    turn_until(&stage, &stage.n_outcomes);
    check_int(stage.outcome, PROBER_WRONG);
    check_str(stage.prober.why, probe_fault_text(PROBE_NONCE));
    close(fd);
    arena_deinit(&arena);
    end_stage(&stage);
}

static void test_another_process_listens(void)
{
    struct stage stage;

    begin(&stage, true, false);
    stage.expected.pid = getppid();
    ask(&stage);
    check_int(stage.outcome, PROBER_WRONG);
    check_str(stage.prober.why, "another process listens at the endpoint");
    end_stage(&stage);
    begin(&stage, true, true);
    stage.expected.pid = getppid(); /* the broker bound it: who listens says nothing */
    ask(&stage);
    check_int(stage.outcome, 0);
    end_stage(&stage);
}

static void test_taken_over(void)
{
    struct stage stage;
    struct socket_identity fresh;
    struct arena arena;
    Frame *question;
    int listener, fd;

    begin(&stage, true, true);
    arena_init(&arena, NULL, 0, 65536);
    ask(&stage);
    check_int(stage.outcome, 0);
    unlink(stage.path);
    check_int(launcher_bind(stage.path, &listener, &fresh), 0);
    turn_until(&stage, &stage.n_taken_over);
    check_int(stage.n_taken_over, 1);
    check(socket_identity_equal(&stage.prober.seen, &fresh));
    fd = accept_question(listener, &arena, &question);
    answer(&stage, fd, question);
    turn_until(&stage, &stage.n_outcomes);
    check_int(stage.outcome, PROBER_ANSWERED);
    check(socket_identity_equal(&stage.prober.proven, &fresh));
    close(fd);
    close(listener);
    arena_deinit(&arena);
    end_stage(&stage);
}

/* The endpoint was replaced before the first question: the prober dials the new one and says that the old is gone. */
static void test_taken_over_early(void)
{
    struct stage stage;
    struct socket_identity fresh;
    int listener;

    begin(&stage, true, true);
    unlink(stage.path);
    check_int(launcher_bind(stage.path, &listener, &fresh), 0);
    ask(&stage);
    check_int(stage.outcome, 0);
    check_int(stage.n_taken_over, 1);
    close(listener);
    end_stage(&stage);
}

CHECK_PROGRAM("backend/prober", {"an answer, byte by byte", test_answer}, {"nobody, then somebody", test_nobody},
              {"no socket", test_no_socket}, {"bound and not listening", test_not_listening_yet},
              {"a full backlog", test_full_backlog},
              {"silence keeps the one connection", test_silence_keeps_the_connection},
              {"closed without an answer", test_closed}, {"malformed answers are final", test_malformed},
              {"another nonce", test_another_nonce}, {"another process", test_another_process_listens},
              {"the endpoint becomes another socket", test_taken_over},
              {"before the first question", test_taken_over_early})
