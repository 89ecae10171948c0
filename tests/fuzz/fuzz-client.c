/* SPDX-License-Identifier: MIT */

/*
 * librpb-client against a broker and a backend that say anything, over real Unix sockets. The input is a script: its
 * first two bytes choose the client's options and how the others stand, every further byte is a move (the one who has
 * the client sends these bytes, the client steps, sends a request, receives, forgets, time passes, somebody hangs up
 * …), so it decides the bytes and every cut between them.
 *
 * Time is virtual and nothing sleeps. What each step must return is said a second time: of the broker's answer here, of
 * the backend's in calls_model.c, both from the whole stream. Whatever the script was: a connect ends once and stays
 * ended, at its deadline at the latest; each request is answered at most once and with its own reply; memory stays
 * within what was sent; and when all is over no descriptor is open.
 */

#include <string.h>
#include <unistd.h>

#include "fuzz/calls_model.h"
#include "fuzz/fuzz.h"
#include "fuzz/ground.h"
#include "fuzz/hello_model.h"
#include "fuzz/peer.h"
#include "lib/client_object.h"

enum {
    MOVES_MAX = 600,
    FILLERS_MAX = 4,
    TIMEOUT_MSEC = 2000,
    FILLER_SIZE = 1 << 17,
};

/* Bits of the first byte. */
enum {
    MODE_CACHED = 1,      /* there is an endpoint of an earlier call */
    MODE_CACHED_GONE = 2, /* but nobody listens there */
    MODE_NO_BROKER = 4,
    MODE_STRANGER = 8, /* both run as another user than the client wants */
    MODE_RETRIES = 16,
    MODE_FEW = 32, /* requests in flight */
};

static struct peer broker, backend;
static int listeners[2] = {-1, -1}; /* of the broker, of the backend */
static char broker_path[GROUND_PATH_SIZE], backend_path[GROUND_PATH_SIZE], nowhere[GROUND_PATH_SIZE];
static uint8_t filler[FILLER_SIZE]; /* payload of requests */

static struct rpb_client *client;
static struct calls_model calls;
static struct hello_model hello;
static unsigned mode, n_fillers;
static int fillers[FILLERS_MAX];     /* connections that nobody accepts */
static int status;                   /* RPB_CLIENT_AGAIN: connecting; OK: connected; else what ended it */
static bool is_closed, is_loose;     /* by the script; loose: connected to whatever the broker named */
static unsigned n_dials, n_accepted; /* connections of the client to the broker */

/* ------------------------------------------------------------------------------------------------------- the ground */

static void set_up(void)
{
    ground_path("broker", broker_path);
    ground_path("backend", backend_path);
    ground_path("nowhere", nowhere);
    listeners[0] = ground_listen(broker_path, 1);
    listeners[1] = ground_listen(backend_path, 1);
    for (size_t i = 0; i < sizeof(filler); i++) {
        filler[i] = (uint8_t)(i ^ i >> 7);
    }
    broker.fd = backend.fd = -1;
}

static bool is_asking(void)
{
    return status == RPB_CLIENT_AGAIN && rpb_client_fd(client) >= 0;
}

/* The broker's end of the connection that the client asks on. */
static struct peer *reach(void)
{
    if (status == RPB_CLIENT_OK) {
        if (backend.fd < 0 && !backend.is_silent) {
            backend.fd = ground_accept(listeners[1]);
            MUST(backend.fd >= 0);
        }
        return &backend;
    }
    while (is_asking() && n_accepted < n_dials) {
        int fd = ground_accept(listeners[0]);

        MUST(fd >= 0);
        peer_begin(&broker, fd);
        n_accepted++;
    }
    return &broker;
}

/* ---------------------------------------------------------------------------------------------------- what must hold
 */

static void check_bounds(const struct client_stream *stream, const struct peer *peer)
{
    /* twice what came, and what one read asks for: a length that lies costs its sender the bytes */
    MUST(stream->in.capacity <= 2 * (peer->n_sent + 256 * 1024));
}

static void check_over(void)
{
    int again = is_closed ? RPB_CLIENT_E_STATE : status;

    MUST(rpb_client_fd(client) == -1 && rpb_client_wants(client) == 0);
    MUST(rpb_client_deadline(client) == RPB_CLIENT_NEVER);
    MUST(rpb_client_step(client) == again && rpb_client_begin(client) == RPB_CLIENT_E_STATE);
    MUST(client->connect.backend_fd == -1 && client->connect.broker.fd == -1 && client->calls.stream.fd == -1);
}

static void check_state(void)
{
    MUST(rpb_client_in_flight(client) == calls.in_flight && calls.in_flight <= calls.in_flight_max);
    check_bounds(&client->calls.stream, &backend);
    if (is_closed || status > RPB_CLIENT_AGAIN) {
        check_over();
    } else if (status == RPB_CLIENT_OK) {
        MUST(rpb_client_fd(client) >= 0 && client->connect.broker.fd == -1);
        MUST(rpb_client_deadline(client) == model_deadline(&calls));
    } else {
        MUST(rpb_client_deadline(client) <= hello.deadline_nsec);
        if (n_accepted == n_dials) {
            check_bounds(&client->connect.broker, &broker);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- the client's moves
 */

static void note_connect(int r, int wanted, bool was_asking)
{
    MUST(wanted == HELLO_UNTOLD || r == wanted);
    MUST(r != RPB_CLIENT_AGAIN || ground_now_nsec < hello.deadline_nsec);
    MUST(r == RPB_CLIENT_AGAIN || r == RPB_CLIENT_OK || rpb_client_failure(client)->status == r);
    MUST(r != RPB_CLIENT_E_INTERNAL && r != RPB_CLIENT_E_NO_MEMORY && r != RPB_CLIENT_E_STATE);
    status = r;
    if (is_asking() && !was_asking) {
        n_dials++;
    }
    if (r != RPB_CLIENT_OK) {
        return;
    }
    is_loose = strcmp(rpb_client_endpoint(client), backend_path) != 0;
    backend.is_silent = is_loose;
}

static void step(void)
{
    bool was_asking = is_asking();
    int wanted;

    if (is_closed || is_loose) {
        return;
    }
    if (status == RPB_CLIENT_AGAIN) {
        hello.is_heard = n_accepted == n_dials;
        hello.is_crowded = n_fillers > 0;
        wanted = was_asking ? hello_model_step(&hello) : HELLO_UNTOLD;
        note_connect(rpb_client_step(client), wanted, was_asking);
    } else if (status == RPB_CLIENT_OK) {
        wanted = model_step(&calls, ground_now_nsec);
        status = rpb_client_step(client);
        MUST(status == wanted);
    }
    check_state();
}

static void begin(unsigned options_byte)
{
    struct rpb_client_options options =
        RPB_CLIENT_OPTIONS(.service = "tool", .version = "1.2.3",
                           .broker = mode & MODE_NO_BROKER ? nowhere : broker_path, .timeout_ms = TIMEOUT_MSEC,
                           .flags = RPB_CLIENT_IGNORE_DISABLE);

    if (mode & MODE_CACHED) {
        options.cached_endpoint = mode & MODE_CACHED_GONE ? nowhere : backend_path;
        options.self_version = options_byte & 1 ? "1.2.4" : "1.2.3";
    }
    if (mode & MODE_STRANGER) {
        options.flags |= RPB_CLIENT_SERVER_UID;
        options.server_uid = geteuid() + 1;
    }
    options.retries = mode & MODE_RETRIES ? 2 : 0;
    options.in_flight_max = mode & MODE_FEW ? 2 : 0;
    MUST(rpb_client_new(&options, &client) == RPB_CLIENT_OK);
    model_begin(&calls, &backend, mode & MODE_FEW ? 2 : RPB_CLIENT_IN_FLIGHT_DEFAULT);
    hello = (struct hello_model){.broker = &broker,
                                 .backend_path = backend_path,
                                 .is_stranger = mode & MODE_STRANGER,
                                 .retries_left = options.retries,
                                 .deadline_nsec = ground_now_nsec + TIMEOUT_MSEC * NSEC_PER_MSEC};
    n_dials = n_accepted = n_fillers = 0;
    is_closed = is_loose = false;
    peer_begin(&broker, -1);
    peer_begin(&backend, -1);
    status = RPB_CLIENT_AGAIN;
    note_connect(rpb_client_begin(client), HELLO_UNTOLD, false);
    check_state();
}

static void ask(struct slice *input, unsigned argument)
{
    static const uint64_t timeouts[] = {0, 1, 50, 1000};
    struct rpb_client_request request = {.lane = argument & 1 ? RPB_LANE_ZCCACHE : 0xF001};
    size_t size = argument & 8 ? FILLER_SIZE - 64 : take_byte(input);
    uint64_t id = 0, msec = timeouts[argument >> 1 & 3];
    int r;

    request.data = filler + argument;
    request.size = size;
    request.timeout_ms = msec;
    request.traceparent = argument & 4 ? "trace" : NULL;
    r = calls.n_asked < ASKED_MAX ? rpb_client_send(client, &request, &id) : RPB_CLIENT_E_BUSY;
    if (r == RPB_CLIENT_OK) {
        MUST(status == RPB_CLIENT_OK && !is_closed);
        msec = msec ? msec : TIMEOUT_MSEC;
        MUST(id == model_ask(&calls, request.lane, ground_now_nsec + msec * NSEC_PER_MSEC,
                             (struct slice){request.data, size}));
    } else if (is_closed || status == RPB_CLIENT_AGAIN) {
        MUST(r == RPB_CLIENT_E_STATE || r == RPB_CLIENT_E_BUSY);
    } else if (status == RPB_CLIENT_OK) {
        MUST(r == RPB_CLIENT_E_BUSY ? calls.in_flight == calls.in_flight_max || calls.n_asked == ASKED_MAX
                                    : r == RPB_CLIENT_E_LOST && (backend.is_silent || is_loose));
    } else {
        MUST(r == status || r == RPB_CLIENT_E_BUSY);
    }
}

static void check_reply(const struct rpb_client_reply *reply, uint64_t id)
{
    const struct asked *asked = &calls.asked[id - 1];
    size_t at = asked->reply_at;
    struct arena arena;
    Frame *frame;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    MUST(peer_next(backend.sent, backend.n_sent, &at, &arena, &frame));
    MUST(reply->lane == asked->lane && reply->encoding == (uint32_t)frame->payload_encoding);
    MUST(slice_equal(slice_from_bytes(reply->data, reply->size), message_bytes(&frame->payload)));
    MUST(strcmp(reply->traceparent, frame->traceparent) == 0 && strcmp(reply->tracestate, frame->tracestate) == 0);
    arena_deinit(&arena);
}

static void receive(uint64_t id)
{
    struct rpb_client_reply reply = {0};
    int r = rpb_client_receive(client, id, &reply);
    uint64_t wanted_id;

    if (id == 0 && r == RPB_CLIENT_E_TIMEOUT) { /* those that ran out with one step may come in any order */
        MUST(model_is_first(&calls, reply.request_id));
        id = reply.request_id;
    }
    MUST(r == model_receive(&calls, id, &wanted_id) && reply.request_id == wanted_id);
    if (r == RPB_CLIENT_OK) {
        check_reply(&reply, wanted_id);
    }
}

static void take_out(void)
{
    int fd = -1, r = rpb_client_take_fd(client, &fd);

    if (r == RPB_CLIENT_OK) {
        MUST(status == RPB_CLIENT_OK && !is_closed && calls.in_flight == 0 && !calls.is_cut && fd >= 0);
        close(fd);
        model_end(&calls, RPB_CLIENT_E_STATE);
        is_closed = true;
    } else {
        MUST(fd == -1);
    }
}

static void close_client(void)
{
    rpb_client_close(client);
    model_end(&calls, RPB_CLIENT_E_STATE);
    is_closed = true;
}

/* ------------------------------------------------------------------------------------------------- the others' moves
 */

static void send_hello_reply(unsigned which)
{
    static const uint32_t codes[] = {4, 5, 2, 7};
    char reason[] = "not now", empty[] = "";
    char *const paths[] = {backend_path, backend_path, empty, nowhere};
    uint8_t payload[512];
    Negotiated negotiated;
    HelloReply reply;
    Refused refused;
    Frame frame;

    message_init(MESSAGE_HELLO_REPLY, &reply);
    message_init(MESSAGE_NEGOTIATED, &negotiated);
    message_init(MESSAGE_REFUSED, &refused);
    if (which & 4) {
        refused.code = (RunningProcess__Broker__V1__ErrorCode)codes[which & 3];
        refused.reason = reason;
        refused.retry_after_ms = 25;
        reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED;
        reply.refused = &refused;
    } else {
        negotiated.backend_pipe = paths[which & 3];
        reply.result_case = RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED;
        reply.negotiated = &negotiated;
    }
    envelope_request(&frame, LANE_CONTROL,
                     (struct slice){(const char *)payload, message_pack(MESSAGE_OF(&reply), payload)});
    frame.kind = FRAME_KIND(RESPONSE);
    frame.request_id = 1;
    peer_send_frame(&broker, &frame, which & 8 ? 1 + which % 4 : 0);
}

/* A frame that is right in everything but @payload, and what @argument takes from it. */
static void send_answer(struct peer *peer, uint64_t id, struct slice payload, unsigned argument)
{
    Frame frame;

    envelope_request(&frame, LANE_CONTROL, payload);
    frame.kind = argument & 4 ? FRAME_KIND(EVENT) : FRAME_KIND(RESPONSE);
    frame.request_id = id;
    if (peer == &backend && id >= 1 && id <= calls.n_asked) {
        frame.payload_protocol = calls.asked[id - 1].lane + (argument & 2 ? 1 : 0);
    }
    peer_send_frame(peer, &frame, argument & 8 ? 3 : 0);
}

/* Somebody connects whom nobody accepts; or all of those go. */
static void crowd(unsigned argument)
{
    if (!(argument & 2)) {
        if (n_fillers < FILLERS_MAX) {
            fillers[n_fillers++] = ground_crowd(argument & 1 ? backend_path : broker_path);
        }
        return;
    }
    while (n_fillers > 0) {
        close(fillers[--n_fillers]);
    }
    (void)reach();
    ground_turn_away(listeners[0]);
    ground_turn_away(listeners[1]);
    n_accepted = n_dials;
}

/* ------------------------------------------------------------------------------------------------------- the script */

static void let_pass(unsigned argument)
{
    static const uint32_t msecs[] = {1, 9, 10, 25, 50, 500, 1999, 2000};

    ground_now_nsec += msecs[argument % 8] * NSEC_PER_MSEC;
}

static struct slice take_piece(struct slice *input, unsigned argument)
{
    return take_bytes(input, argument != 15 ? argument + 1u : take_byte(input) + 1u);
}

static void move_client(struct slice *input, unsigned op, unsigned argument)
{
    switch (op) {
    case 8:
        for (unsigned i = 0; i <= argument; i++) {
            step();
        }
        break;
    case 9:
        ask(input, argument);
        break;
    case 10:
        receive(argument == 15 ? take_byte(input) : argument);
        break;
    case 11:
        MUST(rpb_client_forget(client, argument) == model_forget(&calls, argument));
        break;
    default:
        if (argument == 1) {
            close_client();
        } else if (argument == 2) {
            take_out();
        }
        break;
    }
}

static void move_other(struct slice *input, unsigned op, unsigned argument)
{
    struct peer *peer = reach();
    struct slice bytes;

    switch (op) {
    case 0: /* bytes of the input; with 1 the client steps behind them, with 2 behind each */
    case 1:
        peer_send(peer, take_piece(input, argument));
        break;
    case 2:
        bytes = take_piece(input, argument);
        for (size_t i = 0; i < bytes.size; i++) {
            peer_send(reach(), slice_from_bytes(bytes.data + i, 1));
            step();
        }
        break;
    case 3:
        if (peer == &broker) {
            send_hello_reply(argument);
        } else {
            send_answer(peer, take_byte(input), SLICE("an answer"), argument);
        }
        break;
    case 4:
        peer_send_body(peer, take_piece(input, argument));
        break;
    case 5:
        bytes = take_piece(input, argument);
        send_answer(peer, peer == &broker ? 1 : take_byte(input), bytes, 0);
        break;
    case 6:
        peer_read(peer, argument == 15 ? SIZE_MAX : argument + 1u);
        break;
    default:
        if (argument & 1) {
            peer_close(peer);
        } else {
            peer_hush(peer, argument & 2);
        }
        break;
    }
}

static void move(struct slice *input)
{
    unsigned byte = take_byte(input), op = byte & 15, argument = byte >> 4;

    if (op == 13) {
        let_pass(argument);
    } else if (op == 14) {
        crowd(argument);
    } else if (op >= 8) {
        move_client(input, op, argument);
    } else {
        move_other(input, op, argument);
    }
    if (op == 1) {
        step();
    }
    if (!is_loose) {
        check_state();
    }
}

/* Every deadline there is comes; each request that is left ends exactly once. */
static void finish(void)
{
    (void)reach();
    step();
    ground_now_nsec += 2 * TIMEOUT_MSEC * NSEC_PER_MSEC;
    step();
    MUST(status != RPB_CLIENT_AGAIN || is_closed);
    for (unsigned i = 0; i < ASKED_MAX && calls.in_flight > 0; i++) {
        receive(0);
    }
    peer_read(&backend, SIZE_MAX);
    model_check_requests(&calls);
    peer_read(&broker, SIZE_MAX);
    hello_model_check(&hello);
}

static void tidy_up(void)
{
    while (n_fillers > 0) {
        close(fillers[--n_fillers]);
    }
    peer_close(&broker);
    peer_close(&backend);
    ground_turn_away(listeners[0]);
    ground_turn_away(listeners[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data, size};
    unsigned n_open;

    if (listeners[0] < 0) {
        set_up();
    }
    mode = take_byte(&input);
    n_open = ground_descriptors();
    begin(take_byte(&input));
    for (int i = 0; i < MOVES_MAX && input.size > 0; i++) {
        move(&input);
    }
    if (!is_loose) {
        finish();
    }
    rpb_client_free(client);
    tidy_up();
    MUST(ground_descriptors() == n_open);
    return 0;
}
