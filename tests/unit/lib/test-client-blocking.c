/* SPDX-License-Identifier: MIT */

/*
 * The blocking calls, against a broker and a backend on a thread of their own: one client, many clients on many
 * threads, deadlines, signals that interrupt, and a backend that goes away in the middle.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "unit/lib/client_rig.h"

enum { ECHO = 0x7A63, SILENT = 0xF001, LEAVES = 0xF002, FDS_MAX = 64, THREADS = 8, CALLS = 50 };

static struct rig rig;
static int stop_pipe[2];
static pthread_t server;

/* Reads one frame; 0: the peer is gone. Never looks further than its first fields: version, lane, payload. */
static size_t read_frame(int fd, uint8_t *frame, size_t room)
{
    size_t size;

    if (recv(fd, frame, 5, MSG_WAITALL) != 5) {
        return 0;
    }
    size = 5 + ((size_t)frame[1] | (size_t)frame[2] << 8 | (size_t)frame[3] << 16);
    return size <= room && recv(fd, frame + 5, size - 5, MSG_WAITALL) == (ssize_t)(size - 5) ? size : 0;
}

/* What a backend does with a request: the same bytes again, with `kind = RESPONSE` behind the version. */
static bool serve_backend(int fd)
{
    uint8_t frame[4096];
    size_t size = read_frame(fd, frame, sizeof(frame) - 2);
    uint32_t lane;

    if (size < 11 || frame[7] != 0x18) {
        return false;
    }
    lane = (frame[8] & 0x7FU) | (frame[9] & 0x7FU) << 7 | (uint32_t)frame[10] << 14;
    if (lane != ECHO) {
        return lane == SILENT;
    }
    memmove(frame + 9, frame + 7, size - 7);
    memcpy(frame + 7, "\x10\x01", 2);
    frame[1] = (uint8_t)(frame[1] + 2);
    return send(fd, frame, size + 2, MSG_NOSIGNAL) == (ssize_t)(size + 2);
}

static bool serve_broker(int fd)
{
    uint8_t frame[4096];
    struct bytes reply;

    if (read_frame(fd, frame, sizeof(frame))) {
        make_negotiated(&reply, rig.backend_path, NULL);
        (void)!send(fd, reply.data, reply.size, MSG_NOSIGNAL);
    }
    return false;
}

static void *serve(void *unused)
{
    struct pollfd fds[FDS_MAX] = {{.fd = stop_pipe[0], .events = POLLIN},
                                  {.fd = rig.broker, .events = POLLIN},
                                  {.fd = rig.backend, .events = POLLIN}};
    bool is_backend[FDS_MAX];
    nfds_t n = 3;

    while (poll(fds, n, -1) >= 0 && !fds[0].revents) {
        for (nfds_t i = n; i-- > 1;) {
            if (!fds[i].revents) {
                continue;
            }
            if (i < 3) {
                int fd = accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC);

                if (fd >= 0 && n < FDS_MAX) {
                    is_backend[n] = i == 2;
                    fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
                }
            } else if (!(is_backend[i] ? serve_backend(fds[i].fd) : serve_broker(fds[i].fd))) {
                close(fds[i].fd);
                fds[i] = fds[n - 1];
                is_backend[i] = is_backend[n - 1];
                n--;
            }
        }
    }
    while (n > 3) {
        close(fds[--n].fd);
    }
    return unused;
}

static void up(void)
{
    rig_up(&rig);
    check_int(pipe(stop_pipe), 0);
    check_int(pthread_create(&server, NULL, serve, NULL), 0);
}

static void down(void)
{
    close(stop_pipe[1]);
    pthread_join(server, NULL);
    close(stop_pipe[0]);
    rig_down(&rig);
}

static int open_client(struct rpb_client **ret)
{
    return rpb_client_open(&RPB_CLIENT_OPTIONS(.service = "zccache", .version = "1.11.20", .broker = rig.broker_path),
                           ret);
}

static void test_call(void)
{
    struct rpb_client *client;
    struct rpb_client_reply reply;

    up();
    check_int(open_client(&client), RPB_CLIENT_OK);
    for (int i = 0; i < 3; i++) {
        check_int(rpb_client_call(client, ECHO, "hello", 5, &reply), RPB_CLIENT_OK);
        check_int(reply.size, 5);
        check_mem(reply.data, "hello", 5);
        check_int(reply.request_id, i + 1);
    }
    check_int(rpb_client_call(client, ECHO, NULL, 0, &reply), RPB_CLIENT_OK);
    check_int(reply.size, 0);
    rpb_client_free(client);
    down();
}

/* A call leaves replies to other requests where they are. */
static void test_mixed(void)
{
    const struct rpb_client_request request = {.lane = ECHO, .data = "sent", .size = 4};
    struct rpb_client *client;
    struct rpb_client_reply reply;
    uint64_t id;

    up();
    check_int(open_client(&client), RPB_CLIENT_OK);
    check_int(rpb_client_send(client, &request, &id), RPB_CLIENT_OK);
    check_int(rpb_client_call(client, ECHO, "called", 6, &reply), RPB_CLIENT_OK);
    check_mem(reply.data, "called", 6);
    check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_OK);
    check_mem(reply.data, "sent", 4);
    rpb_client_free(client);
    down();
}

static void test_slow(void)
{
    const struct rpb_client_request silent = {.lane = SILENT, .timeout_ms = 20};
    nsec_t begun_nsec;
    struct rpb_client *client;
    struct rpb_client_reply reply = {.size = 99};

    up();
    check_int(open_client(&client), RPB_CLIENT_OK);
    begun_nsec = clock_monotonic();
    check_int(rpb_client_exchange(client, &silent, &reply), RPB_CLIENT_E_TIMEOUT);
    check(clock_monotonic() >= begun_nsec + 20 * NSEC_PER_MSEC);
    check_int(reply.size, 99);
    check_int(rpb_client_failure(client)->status, RPB_CLIENT_E_TIMEOUT);
    check_int(rpb_client_call(client, ECHO, "still", 5, &reply), RPB_CLIENT_OK);
    check_int(rpb_client_call(client, LEAVES, "x", 1, &reply), RPB_CLIENT_E_LOST);
    check_int(rpb_client_call(client, ECHO, "x", 1, &reply), RPB_CLIENT_E_LOST);
    check_int(rpb_client_failure(client)->status, RPB_CLIENT_E_LOST);
    rpb_client_free(client);
    down();
}

static void test_open_fails(void)
{
    struct rpb_client *client;

    check_int(rpb_client_open(&RPB_CLIENT_OPTIONS(.service = "a"), &client), RPB_CLIENT_E_ARGUMENT);
    check_fatal(client != NULL);
    check_int(rpb_client_failure(client)->status, RPB_CLIENT_E_ARGUMENT);
    check_str(rpb_client_text(client), "option version is missing");
    rpb_client_free(client);
    check_int(rpb_client_open(&RPB_CLIENT_OPTIONS(.service = "a", .version = "1.0.0", .broker = "/nowhere"), &client),
              RPB_CLIENT_E_BROKER_CONNECT);
    check_fatal(client != NULL);
    check_str(rpb_client_text(client),
              "failed to connect to broker at /nowhere: No such file or directory (os error 2)");
    rpb_client_free(client);
}

static void on_alarm(int signo)
{
    (void)signo;
}

/* Signals that interrupt the waiting change nothing. */
static void test_signals(void)
{
    const struct rpb_client_request silent = {.lane = SILENT, .timeout_ms = 40};
    struct sigaction action = {.sa_handler = on_alarm}, before;
    struct itimerval every = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000}, never = {0};
    struct rpb_client *client;
    struct rpb_client_reply reply;
    sigset_t alarms;

    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL); /* for the server's thread */
    up();
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    check_int(open_client(&client), RPB_CLIENT_OK);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &every, NULL);
    check_int(rpb_client_exchange(client, &silent, &reply), RPB_CLIENT_E_TIMEOUT);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    rpb_client_free(client);
    down();
}

static void *call_often(void *argument)
{
    uintptr_t number = (uintptr_t)argument, wrong = 0;
    struct rpb_client *client;
    struct rpb_client_reply reply;
    char text[32];

    if (open_client(&client)) {
        wrong++;
    }
    for (int i = 0; client && !wrong && i < CALLS; i++) {
        int size = snprintf(text, sizeof(text), "%d of %d", i, (int)number);

        if (rpb_client_call(client, ECHO, text, (size_t)size, &reply) || reply.size != (size_t)size ||
            memcmp(reply.data, text, reply.size) != 0) {
            wrong++;
        }
    }
    rpb_client_free(client);
    return (void *)wrong;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];

    up();
    for (uintptr_t i = 0; i < THREADS; i++) {
        check_int(pthread_create(&threads[i], NULL, call_often, (void *)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;

        check_int(pthread_join(threads[i], &wrong), 0);
        check_int((uintptr_t)wrong, 0);
    }
    down();
}

CHECK_PROGRAM("lib/client-blocking", {"open and call", test_call}, {"calls between requests", test_mixed},
              {"a slow backend, and one that leaves", test_slow}, {"opening fails with a sentence", test_open_fails},
              {"interrupting signals", test_signals}, {"a client a thread", test_threads})
