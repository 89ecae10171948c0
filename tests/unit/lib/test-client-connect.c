/* SPDX-License-Identifier: MIT */

/*
 * Connecting through a broker: the bytes of the Hello, every way in which it can end, the way around the broker,
 * retries and deadlines. The broker is scripted, on the same thread.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "lib/client_object.h"
#include "unit/lib/client_rig.h"

static void test_hello_bytes(void)
{
    const struct rpb_client_options like_them = {.lib_version = "4.10.6"};
    uint8_t got[512];
    struct bytes want;
    struct rig rig;
    struct rpb_client *client;
    size_t size;

    rig_up(&rig);
    client = rig_client(&rig, &like_them);
    check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN);
    check_fatal(rig_accept(&rig, rig.broker));
    size = rig_read_frame(&rig, got, sizeof(got));
    /* spec 01 §16, with this process in place of 4242 */
    from_hex(&want, "08 01 10 01 1A 07 7A 63 63 61 63 68 65 22 07 31 2E 31 31 2E 32 30 30 01 42 05 68 65 6C 6C 6F");
    put_number(&want, 10, (uint64_t)getpid());
    put_text(&want, 11, "running-process", 15);
    put_text(&want, 12, "4.10.6", 6);
    check_int(size, 5 + 4 + want.size + 2);
    check_int(got[0], 1);
    check_int(got[1], size - 5);
    check_mem(got + 5, "\x08\x01\x22", 3);
    check_int(got[8], want.size);
    check_mem(got + 9, want.data, want.size);
    check_mem(got + 9 + want.size, "\x28\x01", 2);
    check_int(recv(rig.peer, got, 1, MSG_DONTWAIT), -1); /* one frame, nothing behind it */
    rpb_client_free(client);
    check_int(recv(rig.peer, got, 1, MSG_DONTWAIT), 0);
    rig_down(&rig);
}

static void test_hello_options(void)
{
    const struct rpb_client_options all = {
        .client_version = "9.9", .lib_name = "mine", .lib_version = "3", .keepalive_secs = 30};
    uint8_t got[512];
    struct rig rig;
    struct rpb_client *client;
    size_t size;

    rig_up(&rig);
    client = rig_client(&rig, &all);
    check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN);
    check_fatal(rig_accept(&rig, rig.broker));
    size = rig_read_frame(&rig, got, sizeof(got));
    check(memmem(got, size,
                 "\x2A\x03"
                 "9.9",
                 5) != NULL);
    check(memmem(got, size,
                 "\x5A\x04"
                 "mine"
                 "\x62\x01"
                 "3"
                 "\x78\x1E",
                 11) != NULL);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_negotiated(void)
{
    const struct rpb_client_negotiated *negotiated;
    struct rig rig;
    struct rpb_client *client;
    int asking;

    rig_up(&rig);
    client = rig_client(&rig, NULL);
    check(rpb_client_endpoint(client) == NULL && rpb_client_negotiated(client) == NULL);
    check_int(rpb_client_fd(client), -1);
    check_int(rpb_client_wants(client), 0);
    check(rpb_client_deadline(client) == RPB_CLIENT_NEVER);
    check_int(rpb_client_step(client), RPB_CLIENT_E_STATE);
    rpb_client_free(client);
    client = rig_begin(&rig, NULL);
    asking = rpb_client_fd(client);
    check(asking >= 0);
    check_int(rpb_client_wants(client), POLLIN);
    check_int(rpb_client_step(client), RPB_CLIENT_AGAIN); /* nothing has come */
    check_int(rpb_client_begin(client), RPB_CLIENT_E_STATE);
    {
        struct bytes reply;

        make_negotiated(&reply, rig.backend_path, NULL);
        rig_send(&rig, &reply);
    }
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check(rpb_client_fd(client) >= 0 && rpb_client_fd(client) != asking);
    check_int(rpb_client_wants(client), POLLIN);
    check_int(rpb_client_route(client), RPB_CLIENT_ROUTE_NEGOTIATED);
    check_str(rpb_client_endpoint(client), rig.backend_path);
    negotiated = rpb_client_negotiated(client);
    check_fatal(negotiated != NULL);
    check_int(negotiated->protocol, 1);
    check_str(negotiated->daemon_version, "1.11.20");
    check_str(negotiated->backend_pipe, rig.backend_path);
    check_int(negotiated->keepalive_secs, 1800);
    check_int(negotiated->connection_id, 77);
    check_int(negotiated->server_capabilities, 0);
    check_int(rpb_client_failure(client)->status, RPB_CLIENT_E_STATE); /* the begin above */
    check_int(rpb_client_connect(client), RPB_CLIENT_OK);              /* finished already */
    rpb_client_free(client);
    rig_down(&rig);
}

/* The worked bytes of spec 01 §16; only the last two of the reply, the request id, are ours. */
static void refused_by(const char *hex, int refusal, uint32_t code, uint64_t retry_ms, const char *reason,
                       const char *in_brackets, const char *hint)
{
    char text[256];
    struct rig rig;
    struct rpb_client *client;
    struct bytes reply;
    const struct rpb_client_failure *failure;

    rig_up(&rig);
    client = rig_begin(&rig, NULL);
    from_hex(&reply, hex);
    rig_send(&rig, &reply);
    check_int(rpb_client_step(client), RPB_CLIENT_E_REFUSED);
    failure = rpb_client_failure(client);
    check_int(failure->status, RPB_CLIENT_E_REFUSED);
    check_int(failure->refusal, refusal);
    check_int(failure->code, code);
    check_int(failure->retry_after_ms, retry_ms);
    check_int(failure->sys_errno, 0);
    check_str(failure->reason, reason);
    snprintf(text, sizeof(text), "the broker refused: %s (%s)%s", reason, in_brackets, hint);
    check_str(failure->text, text);
    check_int(rpb_client_fd(client), -1);
    check(rpb_client_deadline(client) == RPB_CLIENT_NEVER);
    check_int(rpb_client_step(client), RPB_CLIENT_E_REFUSED); /* and stays so */
    check_int(rpb_client_send(client, &(struct rpb_client_request){.lane = 0x7A63}, NULL), RPB_CLIENT_E_REFUSED);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_refusals(void)
{
    refused_by("01 32 00 00 00 08 01 10 01 22 2A 12 28 0A 20 73 65 72 76 69 63 65 20 64 65 66 69 6E 69 74 69 6F 6E 20 "
               "77 61 73 "
               "20 6E 6F 74 20 66 6F 75 6E 64 10 01 18 01 20 02 28 01",
               RPB_CLIENT_REFUSAL_SERVICE_UNKNOWN, 2, 0, "service definition was not found",
               "ERROR_SERVICE_UNKNOWN, code 2", "");
    refused_by("01 39 00 00 00 08 01 10 01 22 31 12 2F 0A 23 77 61 6E 74 65 64 5F 76 65 72 73 69 6F 6E 20 69 73 20 62 "
               "65 6C 6F "
               "77 20 6D 69 6E 5F 76 65 72 73 69 6F 6E 10 01 18 01 20 08 30 B0 EA 01 28 01",
               RPB_CLIENT_REFUSAL_VERSION_BLOCKED, 8, 30000, "wanted_version is below min_version",
               "ERROR_VERSION_BLOCKED, code 8", "; try again in 30000 ms");
    refused_by("01 2E 00 00 00 08 01 10 01 22 26 12 24 0A 19 48 65 6C 6C 6F 20 72 61 74 65 20 6C 69 6D 69 74 20 65 78 "
               "63 65 65 "
               "64 65 64 10 01 18 01 20 04 30 DB 05 28 01",
               RPB_CLIENT_REFUSAL_RATE_LIMITED, 4, 731, "Hello rate limit exceeded", "ERROR_RATE_LIMITED, code 4",
               "; try again in 731 ms");
    /* what a broker says that could not read the frame: no id to repeat */
    refused_by("01 2B 00 00 00 08 01 10 01 22 25 12 23 0A 1B 75 6E 73 75 70 70 6F 72 74 65 64 20 66 72 61 6D 69 6E 67 "
               "20 76 65 "
               "72 73 69 6F 6E 10 01 18 01 20 01",
               RPB_CLIENT_REFUSAL_VERSION_UNSUPPORTED, 1, 0, "unsupported framing version",
               "ERROR_VERSION_UNSUPPORTED, code 1", "");
}

static void test_refusal_kinds(void)
{
    static const struct {
        uint32_t code;
        int refusal;
        const char *text;
    } rows[] = {{0, RPB_CLIENT_REFUSAL_OTHER, "ERROR_CODE_UNSPECIFIED, code 0"},
                {3, RPB_CLIENT_REFUSAL_OTHER, "ERROR_BACKEND_SPAWN_FAILED, code 3"},
                {5, RPB_CLIENT_REFUSAL_SHUTTING_DOWN, "ERROR_SHUTTING_DOWN, code 5"},
                {6, RPB_CLIENT_REFUSAL_OTHER, "ERROR_PEER_REJECTED, code 6"},
                {7, RPB_CLIENT_REFUSAL_OTHER, "ERROR_INTERNAL, code 7"},
                {9, RPB_CLIENT_REFUSAL_OTHER, "ERROR_FD_PRESSURE, code 9"},
                {123456789, RPB_CLIENT_REFUSAL_OTHER, "ERROR_UNKNOWN, code 123456789"}};
    struct rig rig;
    struct bytes reply;

    rig_up(&rig);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rpb_client *client = rig_begin(&rig, NULL);

        make_refused(&reply, rows[i].code, "line\none", 0, NULL);
        rig_send(&rig, &reply);
        check_int(rpb_client_step(client), RPB_CLIENT_E_REFUSED);
        check_int(rpb_client_failure(client)->refusal, rows[i].refusal);
        check_int(rpb_client_failure(client)->code, rows[i].code);
        check_str(rpb_client_failure(client)->reason, "line?one"); /* may end up on a terminal */
        check(strstr(rpb_client_text(client), rows[i].text) != NULL);
        rpb_client_free(client);
    }
    rig_down(&rig);
}

/* A reason that is longer than what is kept ends before the character that does not fit. */
static void test_long_reason(void)
{
    struct rig rig;
    struct rpb_client *client;
    struct bytes reply;
    char reason[1200];

    rig_up(&rig);
    client = rig_begin(&rig, NULL);
    memset(reason, 'a', sizeof(reason));
    memcpy(reason + 509, "\xE2\x82\xAC\xE2\x82\xAC", 6);
    reason[1199] = '\0';
    make_refused(&reply, 7, reason, UINT64_MAX, NULL);
    rig_send(&rig, &reply);
    check_int(rpb_client_step(client), RPB_CLIENT_E_REFUSED);
    check_int(strlen(rpb_client_failure(client)->reason), 509);
    check(strstr(rpb_client_text(client), "aaa (ERROR_INTERNAL, code 7); try again in 18446744073709551615 ms") !=
          NULL);
    rpb_client_free(client);
    client = rig_begin(&rig, NULL);
    make_refused(&reply, 7, "", 0, NULL);
    rig_send(&rig, &reply);
    check_int(rpb_client_step(client), RPB_CLIENT_E_REFUSED);
    check_str(rpb_client_text(client), "the broker refused (ERROR_INTERNAL, code 7)");
    rpb_client_free(client);
    rig_down(&rig);
}

/* One reply, whole: what the client makes of it, and a part of its sentence. */
static void answered_with(const struct bytes *reply, int status, const char *text)
{
    struct rig rig;
    struct rpb_client *client;

    rig_up(&rig);
    client = rig_begin(&rig, NULL);
    rig_send(&rig, reply);
    check_int(rpb_client_step(client), status);
    if (!strstr(rpb_client_text(client), text)) {
        check_str(rpb_client_text(client), text);
    }
    check_int(rpb_client_failure(client)->refusal, RPB_CLIENT_REFUSAL_NONE);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_garbage(void)
{
    struct bytes reply, payload = {0};

    from_hex(&reply, "02");
    answered_with(&reply, RPB_CLIENT_E_FRAMING, "unsupported framing version");
    from_hex(&reply, "48 54 54 50");
    answered_with(&reply, RPB_CLIENT_E_FRAMING, "unsupported framing version");
    from_hex(&reply, "01 01 00 00 01");
    answered_with(&reply, RPB_CLIENT_E_FRAMING, "16 MiB");
    from_hex(&reply, "01 FF FF FF FF");
    answered_with(&reply, RPB_CLIENT_E_FRAMING, "16 MiB");
    from_hex(&reply, "01 02 00 00 00 22 05");
    answered_with(&reply, RPB_CLIENT_E_DECODE_FRAME, "failed to decode broker response Frame");
    payload.size = 2;
    memcpy(payload.data, "\x0A\x05", 2);
    make_frame(&reply, &payload, 0, 1, NULL);
    answered_with(&reply, RPB_CLIENT_E_DECODE_REPLY, "failed to decode broker HelloReply");
    payload.size = 0;
    make_frame(&reply, &payload, 0, 1, NULL);
    answered_with(&reply, RPB_CLIENT_E_MISSING_RESULT, "no result");
}

static void test_envelope(void)
{
    struct bytes reply;

    make_negotiated(&reply, "/x", &(struct envelope_faults){.version = 2, .kind = 2, .lane = 9, .encoding = 1});
    answered_with(&reply, RPB_CLIENT_E_UNEXPECTED_FRAME, "envelope_version is not v1");
    make_negotiated(&reply, "/x", &(struct envelope_faults){.kind = 2, .lane = 9, .encoding = 1});
    answered_with(&reply, RPB_CLIENT_E_UNEXPECTED_FRAME, "kind is not RESPONSE");
    make_negotiated(&reply, "/x", &(struct envelope_faults){.kind = -1});
    answered_with(&reply, RPB_CLIENT_E_UNEXPECTED_FRAME, "kind is not RESPONSE");
    make_negotiated(&reply, "/x", &(struct envelope_faults){.lane = 0xAD01, .encoding = 1});
    answered_with(&reply, RPB_CLIENT_E_UNEXPECTED_FRAME, "payload_protocol is not control-plane");
    make_negotiated(&reply, "/x", &(struct envelope_faults){.encoding = 1});
    answered_with(&reply, RPB_CLIENT_E_UNEXPECTED_FRAME, "payload is compressed");
    make_negotiated(&reply, "/x", &(struct envelope_faults){.id = 2});
    answered_with(&reply, RPB_CLIENT_E_UNEXPECTED_FRAME, "request_id");
    make_negotiated(&reply, "/x", &(struct envelope_faults){.id = UINT64_MAX});
    answered_with(&reply, RPB_CLIENT_E_UNEXPECTED_FRAME, "request_id");
    make_refused(&reply, 2, "not for us", 0, &(struct envelope_faults){.id = 41});
    answered_with(&reply, RPB_CLIENT_E_UNEXPECTED_FRAME, "request_id");
}

static void test_backend_path(void)
{
    char path[200] = "/";
    struct bytes reply;

    make_negotiated(&reply, "", NULL);
    answered_with(&reply, RPB_CLIENT_E_NO_ENDPOINT, "names no backend");
    make_negotiated(&reply, "relative/path", NULL);
    answered_with(&reply, RPB_CLIENT_E_BACKEND_CONNECT, "Invalid argument");
    make_negotiated(&reply, "/nowhere/at/all", NULL);
    answered_with(&reply, RPB_CLIENT_E_BACKEND_CONNECT, "No such file");
    memset(path + 1, 'a', 107);
    make_negotiated(&reply, path, NULL); /* 108 bytes */
    answered_with(&reply, RPB_CLIENT_E_BACKEND_CONNECT, "File name too long");
    path[107] = '\0';
    make_negotiated(&reply, path, NULL); /* 107 bytes reach the kernel */
    answered_with(&reply, RPB_CLIENT_E_BACKEND_CONNECT, "No such file");
}

static void test_cut_anywhere(void)
{
    struct rig rig;
    struct bytes reply;

    rig_up(&rig);
    make_negotiated(&reply, rig.backend_path, NULL);
    for (size_t cut = 0; cut < reply.size; cut++) {
        struct rpb_client *client = rig_begin(&rig, NULL);

        if (cut) {
            rig_send_raw(&rig, reply.data, cut);
        }
        check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
        rig_hang_up(&rig);
        check_int(rpb_client_step(client), cut ? RPB_CLIENT_E_FRAMING : RPB_CLIENT_E_BROKER_CONNECT);
        check_int(rpb_client_failure(client)->sys_errno, 0);
        rpb_client_free(client);
    }
    rig_down(&rig);
}

static void test_byte_by_byte(void)
{
    struct rig rig;
    struct bytes reply;
    struct rpb_client *client;

    rig_up(&rig);
    client = rig_begin(&rig, NULL);
    make_negotiated(&reply, rig.backend_path, NULL);
    for (size_t i = 0; i < reply.size; i++) {
        check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
        rig_send_raw(&rig, reply.data + i, 1);
    }
    rig_hang_up(&rig); /* it may be gone by the time its answer is read */
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    rpb_client_free(client);
    rig_down(&rig);
}

/* A broker that refuses without having read resets the connection, which must not eat what it said. */
static void test_unread_hello(void)
{
    struct rig rig;
    struct bytes reply;
    struct rpb_client *client;

    rig_up(&rig);
    make_refused(&reply, 9, "low on descriptors", 1000, &(struct envelope_faults){.id = UINT64_MAX});
    client = rig_client(&rig, NULL);
    check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN);
    check_fatal(rig_accept(&rig, rig.broker));
    rig_send(&rig, &reply);
    rig_hang_up(&rig);
    check_int(rpb_client_step(client), RPB_CLIENT_E_REFUSED);
    check_int(rpb_client_failure(client)->code, 9);
    rpb_client_free(client);
    client = rig_client(&rig, NULL);
    check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN);
    check_fatal(rig_accept(&rig, rig.broker));
    rig_hang_up(&rig); /* and one that says nothing */
    check_int(rpb_client_step(client), RPB_CLIENT_E_BROKER_CONNECT);
    check_int(rpb_client_failure(client)->sys_errno, ECONNRESET);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_nobody_there(void)
{
    char path[200];
    struct rig rig;
    struct rpb_client *client;

    rig_up(&rig);
    client = rig_client(&rig, &(struct rpb_client_options){.broker = "/nowhere/at/all"});
    check_int(rpb_client_begin(client), RPB_CLIENT_E_BROKER_CONNECT);
    check_int(rpb_client_failure(client)->sys_errno, ENOENT);
    rpb_client_free(client);
    close(rig.broker);
    client = rig_client(&rig, NULL);
    check_int(rpb_client_connect(client), RPB_CLIENT_E_BROKER_CONNECT);
    check_int(rpb_client_failure(client)->sys_errno, ECONNREFUSED);
    rpb_client_free(client);
    memset(path, 'a', sizeof(path));
    path[107] = '\0'; /* reaches the kernel */
    client = rig_client(&rig, &(struct rpb_client_options){.broker = path});
    check_int(rpb_client_begin(client), RPB_CLIENT_E_BROKER_CONNECT);
    check_int(rpb_client_failure(client)->sys_errno, ENOENT);
    check(strstr(rpb_client_text(client), path) != NULL);
    rpb_client_free(client);
    rig.broker = dup(rig.backend);
    rig_down(&rig);
}

static void test_deadline(void)
{
    const struct rpb_client_options hasty = {.timeout_ms = 150};
    struct rig rig;
    struct rpb_client *client;
    nsec_t begun_nsec = clock_monotonic();

    rig_up(&rig);
    client = rig_begin(&rig, &hasty);
    check(rpb_client_deadline(client) >= begun_nsec + 150 * NSEC_PER_MSEC);
    check(rpb_client_poll_timeout(client) <= 150);
    rig_send_raw(&rig, "\x01\x00\x00\x00\x01\x0A", 6); /* 16 MiB announced, and then nothing */
    check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
    check(client->connect.broker.in.capacity <= 512 * 1024);
    check_int(rig_finish(client), RPB_CLIENT_E_BROKER_CONNECT);
    check(clock_monotonic() >= begun_nsec + 150 * NSEC_PER_MSEC);
    check_int(rpb_client_failure(client)->sys_errno, ETIMEDOUT);
    check(strstr(rpb_client_text(client), "did not complete within the deadline") != NULL);
    check_int(rpb_client_fd(client), -1);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_default_deadline(void)
{
    struct rig rig;
    struct rpb_client *client;
    nsec_t before_nsec = clock_monotonic(), deadline_nsec;

    rig_up(&rig);
    client = rig_begin(&rig, NULL);
    deadline_nsec = rpb_client_deadline(client);
    check(deadline_nsec >= before_nsec + 30 * NSEC_PER_SEC && deadline_nsec <= clock_monotonic() + 30 * NSEC_PER_SEC);
    rpb_client_free(client);
    setenv("RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS", " 5000 ", 1);
    before_nsec = clock_monotonic();
    client = rig_begin(&rig, NULL);
    deadline_nsec = rpb_client_deadline(client);
    check(deadline_nsec >= before_nsec + 5 * NSEC_PER_SEC && deadline_nsec <= clock_monotonic() + 5 * NSEC_PER_SEC);
    rpb_client_free(client);
    client = rig_begin(&rig, &(struct rpb_client_options){.timeout_ms = UINT64_MAX}); /* a day is the most */
    check(rpb_client_deadline(client) <= clock_monotonic() + 24 * 3600 * NSEC_PER_SEC);
    rpb_client_free(client);
    unsetenv("RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS");
    rig_down(&rig);
}

/* Connects to @path until the kernel takes no more. */
static int fill_backlog(const char *path, int *fds, int room)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = 0;

    strcpy(address.sun_path, path);
    for (; n < room; n++) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(fds[n], (struct sockaddr *)&address, sizeof(address)) < 0) {
            check_int(errno, EAGAIN);
            close(fds[n]);
            return n;
        }
    }
    check_fatal(false);
    return n;
}

static void close_all(const int *fds, int n)
{
    while (n > 0) {
        close(fds[--n]);
    }
}

static void test_broker_backlog(void)
{
    struct rig rig;
    struct rpb_client *client;
    int fds[16], n;

    rig_up(&rig);
    n = fill_backlog(rig.broker_path, fds, 16);
    client = rig_client(&rig, NULL);
    check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN);
    check_int(rpb_client_fd(client), -1);
    check_int(rpb_client_wants(client), 0);
    check(rpb_client_poll_timeout(client) <= 10);
    check(rig_accept(&rig, rig.broker)); /* room for one */
    while (rpb_client_fd(client) < 0) {
        check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
        poll(NULL, 0, rpb_client_poll_timeout(client) > 20 ? 0 : rpb_client_poll_timeout(client));
    }
    rpb_client_free(client);
    client = rig_client(&rig, &(struct rpb_client_options){.timeout_ms = 25}); /* the freed one's place is taken yet */
    check_int(rpb_client_connect(client), RPB_CLIENT_E_BROKER_CONNECT);
    check_int(rpb_client_failure(client)->sys_errno, ETIMEDOUT);
    rpb_client_free(client);
    close_all(fds, n);
    rig_down(&rig);
}

static void test_backend_backlog(void)
{
    struct rig rig;
    struct rpb_client *client;
    struct bytes reply;
    int fds[16], n;

    rig_up(&rig);
    n = fill_backlog(rig.backend_path, fds, 16);
    make_negotiated(&reply, rig.backend_path, NULL);
    client = rig_begin(&rig, NULL);
    rig_send(&rig, &reply);
    check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
    check_int(rpb_client_fd(client), -1);
    check(rig_accept(&rig, rig.backend));
    check_int(rig_finish(client), RPB_CLIENT_OK);
    rpb_client_free(client);
    client = rig_begin(&rig, &(struct rpb_client_options){.timeout_ms = 25});
    rig_send(&rig, &reply);
    check_int(rig_finish(client), RPB_CLIENT_E_BACKEND_CONNECT);
    check_int(rpb_client_failure(client)->sys_errno, ETIMEDOUT);
    rpb_client_free(client);
    close_all(fds, n);
    rig_down(&rig);
}

CHECK_PROGRAM("lib/client-connect", {"the Hello is the frozen one", test_hello_bytes},
              {"options are in the Hello", test_hello_options}, {"negotiated", test_negotiated},
              {"refusals of the specification", test_refusals}, {"classes of refusals", test_refusal_kinds},
              {"a long reason is cut between characters", test_long_reason}, {"garbage", test_garbage},
              {"envelopes and ids of another conversation", test_envelope},
              {"endpoints that lead nowhere", test_backend_path},
              {"an end of file after every byte", test_cut_anywhere}, {"a byte at a time", test_byte_by_byte},
              {"a broker that did not read", test_unread_hello}, {"no broker fails at once", test_nobody_there},
              {"a slow broker meets the deadline", test_deadline},
              {"where the deadline comes from", test_default_deadline},
              {"the broker's backlog is full", test_broker_backlog},
              {"the backend's backlog is full", test_backend_backlog})
