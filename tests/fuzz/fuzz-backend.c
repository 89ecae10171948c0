/* SPDX-License-Identifier: MIT */

/*
 * librpb-backend against clients that say anything, over real Unix sockets. The input is a script: its first byte
 * chooses the backend's options, every further byte is a move (a client connects, sends these bytes, reads, hangs up;
 * the backend steps; time passes; an answer that was put off is given or dropped; the backend is asked to end …), so it
 * decides the bytes and every cut between them. The same bytes are also given to the mux as one buffer.
 *
 * Time is virtual and nothing sleeps. What each client has sent is read a second time as a whole: the handler is called
 * with exactly the frames that are in it, in their order; what comes back answers these and nothing else, each once;
 * who has said nothing wrong is served and not dropped, and who has is dropped. The books on memory and places are
 * right after every step, and when all is over no descriptor is open.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <utlist.h>

#include "fuzz/fuzz.h"
#include "fuzz/ground.h"
#include "fuzz/mux_check.h"
#include "fuzz/served.h"
#include "lib/backend_internal.h"
#include "wire/probe.h"

enum {
    MOVES_MAX = 600,
    CLIENTS = 3,
    LATERS_MAX = 128,
    BIG_SIZE = 96 * 1024,
    ROUNDS_MAX = 400,
    SHORT_SIZE = 2048,
    FIRST_FRAME_MSEC = 5000,
};

/* Bits of the first byte. */
enum {
    MODE_LEGACY = 1, /* messages that begin with L, or with Mx, are of another protocol */
    MODE_TAKES = 2,  /* and somebody takes such connections */
    MODE_SHORT = 4,  /* frames of at most SHORT_SIZE */
    MODE_ONE = 8,    /* one place */
    MODE_POOR = 16,  /* 200 KiB for everybody */
    MODE_NO_LANES = 32,
    MODE_STOP_LATE = 64, /* what was put off outlives the backend */
};

struct later {
    struct rpb_backend_later *later;
    uint64_t number;
    struct answer answer;
};

static const struct slice later_text = {"later", 5};
static char big[BIG_SIZE], path[GROUND_PATH_SIZE];
static struct rpb_backend_identity identity;

static struct rpb_backend *backend;
static struct life clients[CLIENTS];
static struct later laters[LATERS_MAX];
static struct rules rules;
static unsigned mode, n_laters;
static uint64_t n_connected;
static bool has_stopped;

static enum rpb_backend_legacy detect(const void *bytes, size_t size, void *user)
{
    const uint8_t *b = bytes;

    (void)user;
    if (b[0] != 'M') {
        return b[0] == 'L' ? RPB_BACKEND_LEGACY_YES : RPB_BACKEND_LEGACY_NO;
    }
    return size < 2 ? RPB_BACKEND_LEGACY_NEED_MORE : b[1] == 'x' ? RPB_BACKEND_LEGACY_YES : RPB_BACKEND_LEGACY_NO;
}

/* ------------------------------------------------------------------------------------------------- the handler */

/* NULL: its client has gone on to another life. */
static struct life *find(uint64_t number)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].number == number) {
            return &clients[i];
        }
    }
    return NULL;
}

static void note_answer(uint64_t number, const struct answer *answer, struct slice payload)
{
    struct life *life = find(number);

    if (life) {
        served_answer(life, answer, payload);
    }
}

static void excuse(uint64_t number)
{
    struct life *life = find(number);

    if (life) {
        life->may_be_dropped = true;
    }
}

static void respond(struct rpb_backend_request *request, struct slice payload)
{
    struct answer answer = {.request_id = request->request_id, .lane = request->lane};
    int r = rpb_backend_respond(request, payload.data, payload.size);

    MUST(r == 0 || r == -ENOBUFS || r == -EPIPE);
    if (r == 0) {
        note_answer(request->connection, &answer, payload);
        MUST(rpb_backend_respond(request, "", 0) == -EALREADY);
    } else {
        excuse(request->connection);
    }
}

static void put_off(struct rpb_backend_request *request)
{
    struct later *later = &laters[n_laters];

    if (n_laters == LATERS_MAX) {
        respond(request, later_text);
        return;
    }
    later->number = request->connection;
    later->answer = (struct answer){.request_id = request->request_id, .lane = request->lane};
    MUST(rpb_backend_defer(request, &later->later) == 0 && rpb_backend_respond(request, "", 0) == -EALREADY);
    n_laters++;
}

/* The payload's first byte says what is done. */
static int handle(struct rpb_backend_request *request, void *user)
{
    struct life *life = find(request->connection);
    char first = request->size > 0 ? *(const char *)request->data : 0;

    (void)user;
    if (life) {
        served_request(life, request);
    }
    switch (first) {
    case 'd':
        put_off(request);
        return 0;
    case 'n': /* without an answer a request ends its connection, and nothing else does */
        if (request->kind == RPB_FRAME_REQUEST) {
            excuse(request->connection);
        }
        return 0;
    case 'x':
        excuse(request->connection);
        return -1;
    case 'B':
        respond(request, (struct slice){big, sizeof(big)});
        return 0;
    default:
        respond(request, slice_from_bytes(request->data, request->size));
        return 0;
    }
}

/* Says T, which begins no frame, and hangs up. */
static void take_legacy(int fd, const void *bytes, size_t size, void *user)
{
    (void)user;
    MUST(size > 0 && ((const uint8_t *)bytes)[0] != 1);
    MUST(send(fd, "T", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 || errno == EPIPE || errno == EAGAIN);
    close(fd);
}

/* Answers or drops what was put off as number @i. */
static void settle(unsigned i, bool drop)
{
    struct later later = laters[i];
    int r;

    laters[i] = laters[--n_laters];
    if (drop) {
        excuse(later.number);
        rpb_backend_drop_later(later.later);
        return;
    }
    r = rpb_backend_respond_later(later.later, later_text.data, later_text.size);
    MUST(r == 0 || r == -EPIPE || r == -ENOBUFS || (r == -ESHUTDOWN && !backend));
    if (r == 0) {
        note_answer(later.number, &later.answer, later_text);
    } else if (r == -ENOBUFS) {
        excuse(later.number);
    }
}

/* ------------------------------------------------------------------------------------------------- what must hold */

/* Places and memory are what they add up to, and within their limits. */
static void check_books(void)
{
    size_t held = 0, n = 0, n_clients = 0;
    struct connection *connection;

    DL_FOREACH(backend->connections, connection)
    {
        held += connection->accounted;
        n++;
        n_clients += connection->is_client;
        MUST(connection->fd >= 0 && connection->n_laters <= BACKEND_LATERS_MAX);
        MUST(connection->out.size - connection->sent <= BACKEND_UNSENT_HIGH + 2 * BIG_SIZE);
    }
    MUST(held == backend->held && held <= backend->config.max_memory_bytes && !backend->dead);
    MUST(n == rpb_backend_connections(backend) && n_clients == backend->n_clients);
    MUST(n <= backend->config.max_connections + BACKEND_RESERVED);
}

/* ------------------------------------------------------------------------------------------------- the moves */

static void step(void)
{
    int r = rpb_backend_step(backend);

    MUST(r == 0 || (r == RPB_BACKEND_DONE && has_stopped));
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].accepted_nsec == 0 && backend->n_accepted >= clients[i].number) {
            clients[i].accepted_nsec = ground_now_nsec;
        }
    }
    check_books();
}

static void connect_client(struct life *life)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    peer_close(&life->peer);
    if (has_stopped) {
        return;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    MUST(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        MUST(errno == EAGAIN); /* the backlog is full */
        close(fd);
        return;
    }
    served_begin(life, &rules, fd, ++n_connected);
    life->may_be_dropped = mode & (MODE_ONE | MODE_POOR);
}

static void send_request(struct peer *peer, unsigned argument, struct slice payload)
{
    char traceparent[] = "trace", tracestate[] = "";
    Frame frame;

    envelope_request(&frame, rules.lanes[argument & 1], payload);
    frame.request_id = argument >> 1;
    frame.kind = argument & 8 ? FRAME_KIND(EVENT) : FRAME_KIND(REQUEST);
    frame.traceparent = argument & 4 ? traceparent : tracestate;
    peer_send_frame(peer, &frame, 0);
}

static void send_probe(struct peer *peer, unsigned argument)
{
    uint8_t nonce[PROBE_NONCE_SIZE];
    Frame frame;

    memset(nonce, (int)argument, sizeof(nonce));
    envelope_request(&frame, LANE_PROBE, (struct slice){(const char *)nonce, argument == 15 ? 31 : sizeof(nonce)});
    frame.request_id = argument & 1 ? argument : probe_request_id(nonce);
    peer_send_frame(peer, &frame, argument & 8 ? 1 : 0);
}

static void stop(void)
{
    rpb_backend_stop(backend);
    has_stopped = true;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].may_be_dropped = true;
    }
}

static struct slice take_piece(struct slice *input, unsigned argument)
{
    return take_bytes(input, argument != 15 ? argument + 1u : take_byte(input) + 1u);
}

static void move_client(struct slice *input, struct life *life, unsigned op, unsigned argument)
{
    struct slice bytes;

    switch (op) {
    case 0: /* bytes of the input; with 1 the backend steps behind them, with 2 behind each */
    case 1:
        peer_send(&life->peer, take_piece(input, argument));
        break;
    case 2:
        bytes = take_piece(input, argument);
        for (size_t i = 0; i < bytes.size; i++) {
            peer_send(&life->peer, slice_from_bytes(bytes.data + i, 1));
            step();
        }
        break;
    case 3:
        send_probe(&life->peer, argument);
        break;
    case 4:
        send_request(&life->peer, argument, take_bytes(input, 1));
        break;
    case 5:
        peer_send_body(&life->peer, take_piece(input, argument));
        break;
    case 6:
        send_request(&life->peer, take_byte(input), take_piece(input, argument));
        break;
    case 7:
        send_request(&life->peer, argument, (struct slice){big, argument * 6 * 1024});
        break;
    case 8:
        connect_client(life);
        break;
    default:
        if (argument & 1) {
            peer_close(&life->peer);
        } else {
            peer_hush(&life->peer, argument & 2);
        }
        break;
    }
}

static void move_other(struct life **life, unsigned op, unsigned argument)
{
    static const uint32_t msecs[] = {1, 99, 100, 1000, 4999, 5000, 29999, 30001};

    switch (op) {
    case 10:
        *life = &clients[argument % CLIENTS];
        break;
    case 11:
        for (unsigned i = 0; i <= argument; i++) {
            step();
        }
        break;
    case 12:
        served_read(*life);
        break;
    case 13:
        ground_now_nsec += msecs[argument % 8] * NSEC_PER_MSEC;
        break;
    case 14:
        if (n_laters > 0) {
            settle((argument & 7) % n_laters, argument & 8);
        }
        break;
    default:
        if (argument == 1) {
            stop();
        }
        break;
    }
}

static void move(struct slice *input, struct life **life)
{
    unsigned byte = take_byte(input), op = byte & 15, argument = byte >> 4;

    if (op < 10) {
        move_client(input, *life, op, argument);
    } else {
        move_other(life, op, argument);
    }
    if (op == 1) {
        step();
    }
}

/* ------------------------------------------------------------------------------------------------- one input */

static void set_rules(void)
{
    rules = (struct rules){.path = path,
                           .lanes = {0xF001, RPB_LANE_ZCCACHE},
                           .has_lanes = !(mode & MODE_NO_LANES),
                           .body_max = mode & MODE_SHORT      ? SHORT_SIZE
                                       : mode & MODE_NO_LANES ? BACKEND_PROBE_MAX
                                                              : FRAME_BODY_MAX,
                           .first_frame_nsec = FIRST_FRAME_MSEC * NSEC_PER_MSEC,
                           .detect = mode & MODE_LEGACY ? detect : NULL,
                           .takes = mode & MODE_TAKES};
}

static void begin(void)
{
    struct rpb_backend_config config =
        RPB_BACKEND_CONFIG(.lanes = rules.lanes, .n_lanes = rules.has_lanes ? 2 : 0, .detect_legacy = rules.detect,
                           .handle = handle, .endpoint = path, .namespace_id = "fuzz",
                           .sha256 = RPB_BACKEND_SHA256_ZEROS, .first_frame_msec = FIRST_FRAME_MSEC,
                           .max_frame_bytes = mode & MODE_SHORT ? SHORT_SIZE : 0,
                           .max_connections = mode & MODE_ONE ? 1 : 0,
                           .max_memory_bytes = mode & MODE_POOR ? 200 * 1024 : 0);

    if (mode & MODE_TAKES) {
        config.take_legacy = take_legacy;
    }
    MUST(rpb_backend_new(&config, &backend, NULL) == 0);
    if (identity.pid == 0) {
        MUST(rpb_backend_prepare(backend) == 0);
        identity = backend->identity;
        memset(big, 'd', sizeof(big));
    }
    backend->identity = identity; /* reading the executable for each input would take all the time */
    backend->is_prepared = true;
    n_laters = 0;
    n_connected = 0;
    has_stopped = false;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].peer.fd = -1;
        served_begin(&clients[i], &rules, -1, 0);
    }
    connect_client(&clients[0]);
}

/* What was put off is answered, and everybody reads until nothing more comes. */
static void finish(void)
{
    size_t before, after = 0;
    unsigned idle = 0;

    for (int round = 0; round < ROUNDS_MAX && idle < 4 + n_connected / 8; round++) {
        before = after;
        while (n_laters > 0 && !(mode & MODE_STOP_LATE)) {
            settle(0, false);
        }
        step();
        after = 0;
        for (int i = 0; i < CLIENTS; i++) {
            served_read(&clients[i]);
            after += clients[i].peer.n_got + clients[i].handled + clients[i].peer.is_ended;
        }
        idle = before == after ? idle + 1 : 0;
    }
    for (int i = 0; i < CLIENTS && n_laters == 0; i++) {
        served_check(&clients[i]);
    }
}

static void end(void)
{
    if (mode & MODE_STOP_LATE) {
        rpb_backend_free(backend);
        backend = NULL;
    }
    while (n_laters > 0) {
        settle(0, n_laters & 1);
    }
    if (backend) {
        rpb_backend_free(backend);
    }
    for (int i = 0; i < CLIENTS; i++) {
        peer_close(&clients[i].peer);
    }
    MUST(access(path, F_OK) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data, size};
    struct life *life = &clients[0];
    unsigned n_open;

    ground_path("backend", path);
    mode = take_byte(&input);
    set_rules();
    mux_check(&(struct rpb_backend_mux){&identity, rules.lanes, 2, rules.detect, NULL}, input);
    n_open = ground_descriptors();
    begin();
    for (int i = 0; i < MOVES_MAX && input.size > 0; i++) {
        move(&input, &life);
    }
    finish();
    end();
    MUST(ground_descriptors() == n_open);
    return 0;
}
