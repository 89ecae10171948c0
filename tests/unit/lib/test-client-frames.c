/* SPDX-License-Identifier: MIT */

/*
 * Requests and replies over one connection: correlation, bounds, deadlines, every way in which a backend can be wrong
 * or go away, and taking the socket out. The backend is scripted, on the same thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "lib/client_object.h"
#include "unit/lib/client_rig.h"

#define LANE 0x7A63u

static struct rig rig;
static struct rpb_client *client;

static void up(const struct rpb_client_options *options)
{
    rig_up(&rig);
    client = rig_connected(&rig, options);
}

static void down(void)
{
    rpb_client_free(client);
    rig_down(&rig);
}

static int send_text(const char *text, uint64_t *ret_id)
{
    const struct rpb_client_request request = {.lane = LANE, .data = text, .size = strlen(text)};

    return rpb_client_send(client, &request, ret_id);
}

static void respond(uint64_t id, const char *text)
{
    struct bytes bytes;

    make_response(&bytes, LANE, id, text, NULL);
    rig_send(&rig, &bytes);
}

static void check_reply(uint64_t id, const char *text)
{
    struct rpb_client_reply reply = {0};

    check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_OK);
    check_int(reply.size, strlen(text));
    check_fatal(reply.data != NULL && reply.size == strlen(text));
    check_mem(reply.data, text, reply.size);
    check_int(reply.lane, LANE);
    check(id == 0 || reply.request_id == id);
}

static void test_bytes(void)
{
    struct rpb_client_request request = {
        .lane = LANE, .data = "hi", .size = 2, .traceparent = "00-ab", .tracestate = "rp=1"};
    uint8_t got[128];
    struct bytes want;
    size_t size;

    up(NULL);
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_OK);
    size = rig_read_frame(&rig, got, sizeof(got));
    from_hex(&want, "01 1B 00 00 00 08 01 18 E3 F4 01 22 02 68 69 28 01 42 05 30 30 2D 61 62 4A 04 72 70 3D 31");
    want.data[1] = (uint8_t)(want.size - 5);
    check_int(size, want.size);
    check_mem(got, want.data, want.size);
    request = (struct rpb_client_request){.lane = LANE}; /* nothing in it is fine as well */
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_OK);
    size = rig_read_frame(&rig, got, sizeof(got));
    from_hex(&want, "01 08 00 00 00 08 01 18 E3 F4 01 28 02");
    check_int(size, want.size);
    check_mem(got, want.data, want.size);
    down();
}

static void test_reply(void)
{
    struct rpb_client_reply reply = {0};
    struct bytes bytes, body = {0};
    uint64_t id;

    up(NULL);
    check_int(send_text("a", &id), RPB_CLIENT_OK);
    check_int(id, 1);
    check_int(rpb_client_in_flight(client), 1);
    check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_AGAIN);
    put_number(&body, 1, 7); /* the version is not looked at */
    put_number(&body, 2, 1);
    put_number(&body, 3, LANE);
    put_number(&body, 5, id);
    put_number(&body, 6, 3);
    put_text(&body, 8, "00-cd", 5);
    put_text(&body, 9, "x=y", 3);
    bytes = (struct bytes){.size = 5, .data = {1, (uint8_t)body.size}};
    memcpy(bytes.data + 5, body.data, body.size);
    bytes.size += body.size;
    rig_send(&rig, &bytes);
    check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_AGAIN); /* it reads nothing itself */
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_OK);
    check_int(reply.request_id, 1);
    check_int(reply.encoding, 3);
    check_int(reply.size, 0);
    check(reply.data != NULL);
    check_str(reply.traceparent, "00-cd");
    check_str(reply.tracestate, "x=y");
    check_int(rpb_client_in_flight(client), 0);
    check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_E_STATE); /* once */
    check_int(rpb_client_receive(client, 0, &reply), RPB_CLIENT_E_STATE);
    down();
}

static void test_any_order(void)
{
    uint64_t a, b, c;

    up(NULL);
    check_int(send_text("a", &a), RPB_CLIENT_OK);
    check_int(send_text("b", &b), RPB_CLIENT_OK);
    check_int(send_text("c", &c), RPB_CLIENT_OK);
    check(a == 1 && b == 2 && c == 3);
    respond(c, "for c");
    respond(a, "for a");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_reply(a, "for a");
    check_int(rpb_client_receive(client, b, &(struct rpb_client_reply){0}), RPB_CLIENT_AGAIN);
    respond(b, "for b");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_reply(0, "for c"); /* what was decided first */
    check_reply(0, "for b");
    check_int(rpb_client_in_flight(client), 0);
    down();
}

static void test_bound(void)
{
    uint64_t ids[3];

    up(&(struct rpb_client_options){.in_flight_max = 2});
    check_int(send_text("a", &ids[0]), RPB_CLIENT_OK);
    check_int(send_text("b", &ids[1]), RPB_CLIENT_OK);
    check_int(send_text("c", &ids[2]), RPB_CLIENT_E_BUSY);
    respond(ids[1], "B");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_int(send_text("c", &ids[2]), RPB_CLIENT_E_BUSY); /* a reply that nobody received takes a place too */
    check_reply(ids[1], "B");
    check_int(send_text("c", &ids[2]), RPB_CLIENT_OK);
    check_int(rpb_client_in_flight(client), 2);
    down();
}

static void test_forget(void)
{
    uint64_t id, next;
    struct rpb_client_reply reply;

    up(&(struct rpb_client_options){.in_flight_max = 1});
    check_int(rpb_client_forget(client, 1), RPB_CLIENT_E_STATE);
    check_int(send_text("a", &id), RPB_CLIENT_OK);
    check_int(rpb_client_forget(client, id), RPB_CLIENT_OK);
    check_int(rpb_client_forget(client, id), RPB_CLIENT_E_STATE);
    check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_E_STATE);
    check(rpb_client_deadline(client) == RPB_CLIENT_NEVER);
    check_int(send_text("b", &next), RPB_CLIENT_E_BUSY); /* its reply is still owed */
    respond(id, "late");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_int(rpb_client_in_flight(client), 0);
    check_int(send_text("b", &next), RPB_CLIENT_OK);
    respond(next, "B");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_int(rpb_client_forget(client, next), RPB_CLIENT_OK); /* one that has arrived */
    check_int(rpb_client_in_flight(client), 0);
    down();
}

/* Waits until the next request is due. */
static void wait_for_deadline(void)
{
    while (rpb_client_deadline(client) != RPB_CLIENT_NEVER) {
        poll(NULL, 0, rpb_client_poll_timeout(client));
        check_int(rpb_client_step(client), RPB_CLIENT_OK);
    }
}

static void test_timeout(void)
{
    struct rpb_client_request request = {.lane = LANE, .timeout_ms = 10};
    struct rpb_client_reply reply = {0};
    uint64_t slow, lost, fine;
    nsec_t begun_nsec = clock_monotonic();

    up(NULL);
    check(rpb_client_deadline(client) == RPB_CLIENT_NEVER);
    check_int(rpb_client_poll_timeout(client), -1);
    check_int(rpb_client_send(client, &request, &slow), RPB_CLIENT_OK);
    check_int(rpb_client_send(client, &request, &lost), RPB_CLIENT_OK);
    check(rpb_client_deadline(client) >= begun_nsec + 10 * NSEC_PER_MSEC);
    check(rpb_client_poll_timeout(client) <= 10);
    wait_for_deadline();
    check(clock_monotonic() >= begun_nsec + 10 * NSEC_PER_MSEC);
    respond(slow, "too late, before anyone was told");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_int(rpb_client_receive(client, 0, &reply), RPB_CLIENT_E_TIMEOUT);
    check_int(reply.request_id, slow);
    check_int(rpb_client_failure(client)->status, RPB_CLIENT_E_TIMEOUT);
    check_int(rpb_client_in_flight(client), 1);
    check_int(rpb_client_receive(client, lost, &reply), RPB_CLIENT_E_TIMEOUT);
    check_int(rpb_client_in_flight(client), 1); /* its reply may still come */
    check_int(rpb_client_receive(client, lost, &reply), RPB_CLIENT_E_STATE);
    check_int(send_text("x", &fine), RPB_CLIENT_OK); /* the connection goes on */
    respond(lost, "too late");
    respond(fine, "X");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_reply(0, "X");
    check_int(rpb_client_in_flight(client), 0);
    down();
}

static void test_ids_wrap(void)
{
    uint64_t a, b, c, d;

    up(NULL);
    check_int(send_text("a", &a), RPB_CLIENT_OK);
    client->calls.next_id = UINT64_MAX;
    check_int(send_text("b", &b), RPB_CLIENT_OK);
    check_int(send_text("c", &c), RPB_CLIENT_OK); /* neither 0 nor 1, which is in flight */
    check_int(send_text("d", &d), RPB_CLIENT_OK);
    check(a == 1 && b == UINT64_MAX && c == 2 && d == 3);
    respond(UINT64_MAX, "B");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_reply(b, "B");
    down();
}

/* What the backend sends ends the connection; a reply that came before is still handed out. */
static void ends_it(const struct bytes *bytes, int status, const char *text)
{
    struct rpb_client_reply reply = {0};
    uint64_t first, second;

    up(NULL);
    check_int(send_text("a", &first), RPB_CLIENT_OK);
    check_int(send_text("b", &second), RPB_CLIENT_OK);
    respond(first, "A");
    rig_send(&rig, bytes);
    check_int(rpb_client_step(client), status);
    check_int(rpb_client_fd(client), -1);
    check(strstr(rpb_client_text(client), text) != NULL);
    check(rpb_client_deadline(client) == RPB_CLIENT_NEVER);
    check_int(send_text("c", NULL), status);
    check_reply(0, "A");
    check_int(rpb_client_receive(client, second, &reply), status);
    check_int(reply.request_id, second);
    check_int(rpb_client_receive(client, second, &reply), RPB_CLIENT_E_STATE); /* once */
    check_int(rpb_client_step(client), status);
    check_int(rpb_client_failure(client)->status, status);
    check_int(rpb_client_in_flight(client), 0);
    down();
}

static void test_garbage(void)
{
    struct bytes bytes;

    make_response(&bytes, LANE, 3, "x", NULL);
    ends_it(&bytes, RPB_CLIENT_E_UNEXPECTED_FRAME, "request_id 3 answers no request");
    make_response(&bytes, LANE, 1, "again", NULL);
    ends_it(&bytes, RPB_CLIENT_E_UNEXPECTED_FRAME, "request_id 1 answers no request");
    make_response(&bytes, LANE, 0, "x", NULL);
    ends_it(&bytes, RPB_CLIENT_E_UNEXPECTED_FRAME, "request_id 0 answers no request");
    make_response(&bytes, 0x7EB1, 2, "x", &(struct envelope_faults){.kind = 2});
    ends_it(&bytes, RPB_CLIENT_E_UNEXPECTED_FRAME, "payload_protocol 0x7EB1");
    make_response(&bytes, LANE, 2, "x", &(struct envelope_faults){.kind = 2});
    ends_it(&bytes, RPB_CLIENT_E_UNEXPECTED_FRAME, "kind is not RESPONSE");
    make_response(&bytes, LANE, 2, "x", &(struct envelope_faults){.kind = -1});
    ends_it(&bytes, RPB_CLIENT_E_UNEXPECTED_FRAME, "kind is not RESPONSE");
    from_hex(&bytes, "00");
    ends_it(&bytes, RPB_CLIENT_E_FRAMING, "unsupported framing version");
    from_hex(&bytes, "01 01 00 00 01");
    ends_it(&bytes, RPB_CLIENT_E_FRAMING, "16 MiB");
    from_hex(&bytes, "01 02 00 00 00 22 05");
    ends_it(&bytes, RPB_CLIENT_E_DECODE_FRAME, "malformed");
}

static void test_cut_anywhere(void)
{
    struct bytes bytes;

    make_response(&bytes, LANE, 1, "answer", NULL);
    for (size_t cut = 0; cut <= bytes.size; cut++) {
        struct rpb_client_reply reply;
        uint64_t id;

        up(NULL);
        check_int(send_text("a", &id), RPB_CLIENT_OK);
        if (cut) {
            rig_send_raw(&rig, bytes.data, cut);
        }
        check_int(rpb_client_step(client), RPB_CLIENT_OK);
        /* what it was sent and never read makes this a reset, which must not eat what came before */
        rig_hang_up(&rig);
        check_int(rpb_client_step(client), RPB_CLIENT_E_LOST);
        check(strstr(rpb_client_text(client), "middle of a frame") ? cut && cut < bytes.size
                                                                   : !cut || cut == bytes.size);
        if (cut == bytes.size) {
            check_reply(id, "answer");
        } else {
            check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_E_LOST);
        }
        down();
    }
}

/* Each waiting request is told of the end once, by its id; then there is none left to be told. */
static void test_end_told_once(void)
{
    struct rpb_client_reply reply = {0};
    uint64_t ids[3];

    up(NULL);
    for (int i = 0; i < 3; i++) {
        check_int(send_text("a", &ids[i]), RPB_CLIENT_OK);
    }
    respond(ids[1], "there");
    rig_hang_up(&rig);
    check_int(rpb_client_step(client), RPB_CLIENT_E_LOST);
    check_int(rpb_client_receive(client, 0, &reply), RPB_CLIENT_OK);
    check_int(reply.request_id, ids[1]);
    for (int i = 0; i < 3; i += 2) {
        check_int(rpb_client_receive(client, 0, &reply), RPB_CLIENT_E_LOST);
        check_int(reply.request_id, ids[i]);
    }
    check_int(rpb_client_receive(client, 0, &reply), RPB_CLIENT_E_STATE);
    check_int(rpb_client_receive(client, ids[0], &reply), RPB_CLIENT_E_STATE);
    check_int(rpb_client_in_flight(client), 0);
    check_int(rpb_client_step(client), RPB_CLIENT_E_LOST); /* why stays known */
    down();
}

/* The backend has answered before it was asked, and is gone: the send fails, the answer counts. */
static void test_broken_pipe(void)
{
    uint64_t id;

    up(NULL);
    respond(1, "early");
    rig_hang_up(&rig);
    check_int(send_text("a", &id), RPB_CLIENT_OK);
    check(client->calls.stream.is_deaf);
    check_int(send_text("b", NULL), RPB_CLIENT_E_LOST); /* that cannot be sent any more */
    check_int(rpb_client_failure(client)->sys_errno, EPIPE);
    check_int(rpb_client_step(client), RPB_CLIENT_E_LOST);
    check_reply(id, "early");
    check_int(rpb_client_failure(client)->sys_errno, EPIPE);
    down();
}

static void test_idle_end(void)
{
    up(NULL);
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    rig_hang_up(&rig);
    check_int(rpb_client_step(client), RPB_CLIENT_E_LOST);
    check_int(rpb_client_failure(client)->sys_errno, 0);
    check_str(rpb_client_endpoint(client), rig.backend_path); /* still known */
    down();
}

static void test_split_replies(void)
{
    struct bytes a, b;
    uint64_t first, second;

    up(NULL);
    check_int(send_text("a", &first), RPB_CLIENT_OK);
    check_int(send_text("b", &second), RPB_CLIENT_OK);
    make_response(&a, LANE, first, "first", NULL);
    make_response(&b, LANE, second, "second", NULL);
    memcpy(a.data + a.size, b.data, b.size);
    for (size_t i = 0; i < a.size + b.size; i++) {
        check_int(rpb_client_step(client), RPB_CLIENT_OK);
        rig_send_raw(&rig, a.data + i, 1);
    }
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_reply(second, "second");
    check_reply(first, "first");
    check_int(send_text("c", &first), RPB_CLIENT_OK);
    check_int(send_text("d", &second), RPB_CLIENT_OK);
    respond(first, "one read");
    respond(second, "two frames");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_reply(first, "one read");
    check_reply(second, "two frames");
    down();
}

/* A frame much bigger than the socket's buffer, both ways, with the other side reading and writing piece by piece. */
static void test_big(void)
{
    const size_t size = 3 * 1000 * 1000, head = 5 + 2 + 4 + 1 + 4 + 2; /* what stands around the payload */
    uint8_t *bytes = malloc(size), *seen = malloc(size + 64);
    struct rpb_client_request request = {.lane = LANE, .data = bytes, .size = size};
    struct rpb_client_reply reply = {0};
    size_t got = 0, put = 0;
    uint64_t id;

    check_fatal(bytes && seen);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 7 >> 3);
    }
    up(NULL);
    check_int(rpb_client_send(client, &request, &id), RPB_CLIENT_OK);
    check_int(rpb_client_wants(client), POLLIN | POLLOUT);
    check_int(rpb_client_take_fd(client, &(int){-1}), RPB_CLIENT_E_BUFFERED);
    while (got < size + head) {
        ssize_t n = recv(rig.peer, seen + got, size + 64 - got, MSG_DONTWAIT);

        if (n > 0) {
            got += (size_t)n;
        }
        check_int(rpb_client_step(client), RPB_CLIENT_OK);
        check_fatal(n > 0 || rpb_client_wants(client) == POLLIN || errno == EAGAIN);
    }
    check_int(got, size + head);
    check_int(rpb_client_wants(client), POLLIN);
    check_mem(seen + head - 2, bytes, size); /* the id stands behind it */
    /* the same bytes as a response: one field more */
    memmove(seen + 9, seen + 7, size + head - 7);
    memcpy(seen + 7, "\x10\x01", 2);
    seen[1] = (uint8_t)(seen[1] + 2);
    while (put < size + head + 2) {
        ssize_t n = send(rig.peer, seen + put, size + head + 2 - put, MSG_NOSIGNAL | MSG_DONTWAIT);

        check_fatal(n > 0 || errno == EAGAIN);
        put += n > 0 ? (size_t)n : 0;
        check_int(rpb_client_step(client), RPB_CLIENT_OK);
    }
    check_int(rpb_client_receive(client, id, &reply), RPB_CLIENT_OK);
    check_int(reply.size, size);
    check_fatal(reply.size == size);
    check_mem(reply.data, bytes, size);
    check(client->calls.stream.in.capacity <= 512 * 1024); /* given back */
    check(client->calls.stream.out.capacity <= 512 * 1024);
    down();
    free(bytes);
    free(seen);
}

static void test_too_large(void)
{
    const size_t size = 16777216;
    uint8_t *bytes = calloc(1, size + 1);
    struct rpb_client_request request = {.lane = LANE, .data = bytes, .size = size + 1};

    check_fatal(bytes != NULL);
    up(NULL);
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_E_TOO_LARGE);
    request.size = size;
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_E_TOO_LARGE); /* with what stands around it */
    request.size = size - 64;
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_OK);
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_E_BUSY); /* behind what is unsent */
    check(strstr(rpb_client_text(client), "unsent") != NULL);
    check_int(rpb_client_in_flight(client), 1);
    request = (struct rpb_client_request){.lane = LANE, .size = 1};
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_E_ARGUMENT);
    request = (struct rpb_client_request){.lane = LANE, .traceparent = "\xC0"};
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_E_ARGUMENT);
    request = (struct rpb_client_request){.lane = LANE, .reserved = {0, 0, 0, 1}}; /* of a later version */
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_E_ARGUMENT);
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    down();
    free(bytes);
}

static void test_take_fd(void)
{
    char byte = 0;
    uint64_t id;
    int fd = -1;

    up(NULL);
    check_int(send_text("a", &id), RPB_CLIENT_OK);
    check_int(rpb_client_take_fd(client, &fd), RPB_CLIENT_E_BUFFERED);
    respond(id, "A");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_int(rpb_client_take_fd(client, &fd), RPB_CLIENT_E_BUFFERED); /* not received yet */
    check_reply(id, "A");
    rig_send_raw(&rig, "\x01", 1);
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_int(rpb_client_take_fd(client, &fd), RPB_CLIENT_E_BUFFERED); /* a byte was read */
    check_int(fd, -1);
    down();
    up(NULL);
    check_int(rpb_client_take_fd(client, &fd), RPB_CLIENT_OK);
    check_int(rpb_client_fd(client), -1);
    check_int(rpb_client_step(client), RPB_CLIENT_E_STATE);
    check_int(rpb_client_take_fd(client, &(int){-1}), RPB_CLIENT_E_STATE);
    check_int(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    check_int(fcntl(fd, F_GETFD), FD_CLOEXEC);
    check_int(send(rig.peer, "!", 1, 0), 1);
    check_int(recv(fd, &byte, 1, 0), 1);
    check_int(byte, '!');
    down();
    close(fd);
}

static void test_close(void)
{
    uint64_t id, other;
    uint8_t frame[64];

    up(NULL);
    check_int(send_text("a", &id), RPB_CLIENT_OK);
    check_int(send_text("b", &other), RPB_CLIENT_OK);
    check(rig_read_frame(&rig, frame, sizeof(frame)) && rig_read_frame(&rig, frame, sizeof(frame)));
    respond(id, "A");
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    rpb_client_close(client);
    rpb_client_close(client);
    check_int(recv(rig.peer, frame, 1, MSG_DONTWAIT), 0);
    check_int(rpb_client_step(client), RPB_CLIENT_E_STATE);
    check_int(send_text("c", NULL), RPB_CLIENT_E_STATE);
    check_reply(id, "A"); /* it has arrived */
    check_int(rpb_client_receive(client, other, &(struct rpb_client_reply){0}), RPB_CLIENT_E_STATE);
    check_int(rpb_client_in_flight(client), 0);
    down();
}

CHECK_PROGRAM("lib/client-frames", {"the bytes of a request", test_bytes}, {"what a reply holds", test_reply},
              {"replies in any order", test_any_order}, {"in flight is bounded", test_bound},
              {"forgotten requests", test_forget}, {"requests time out, the connection does not", test_timeout},
              {"ids wrap around 0", test_ids_wrap}, {"garbage ends the connection", test_garbage},
              {"an end of file after every byte", test_cut_anywhere},
              {"the end is told once a request", test_end_told_once},
              {"a reply behind a broken pipe", test_broken_pipe}, {"the backend leaves an idle client", test_idle_end},
              {"frames cut and glued", test_split_replies}, {"a big frame each way", test_big},
              {"frames beyond the cap", test_too_large}, {"taking the socket out", test_take_fd},
              {"closing", test_close})
