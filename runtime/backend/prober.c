/* SPDX-License-Identifier: MIT */

/*
 * One connection, one nonce, one answer. The connection outlives a question: a backend that is still starting finds one
 * entry in its backlog however often it was asked. Beside it the endpoint itself is watched by stat, at intervals of a
 * sixteenth of the time waited so far (1 to 50 ms), because a backend may replace the broker's socket with its own at
 * any moment; then the old connection is dropped and the new socket dialled (decision 12a). A question ends with
 * exactly one outcome. A wrong answer is final for the caller; silence and refusals are not. It judges who answers, and
 * decides nothing about what follows.
 */

#include "backend/prober.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/random.h"
#include "base/sys.h"

static void hang_up(struct prober *prober)
{
    if (prober->fd < 0) {
        return;
    }
    loop_io_unlink(&prober->io);
    prober->fd = close_fd(prober->fd);
    buffer_clear(&prober->answer);
}

static enum prober_outcome end(struct prober *prober, enum prober_outcome outcome)
{
    prober->is_asking = false;
    loop_timer_stop(&prober->deadline);
    loop_timer_stop(&prober->retry);
    if (outcome != PROBER_NOT_READY) {
        loop_timer_stop(&prober->watch);
        hang_up(prober);
    } else if (prober->fd >= 0) {
        loop_io_touch(&prober->io);
    }
    return outcome;
}

static enum prober_outcome wrong(struct prober *prober, const char *why)
{
    snprintf(prober->why, sizeof(prober->why), "%s", why);
    return end(prober, PROBER_WRONG);
}

static enum prober_outcome not_ready(struct prober *prober, const char *why)
{
    snprintf(prober->why, sizeof(prober->why), "%s", why);
    return end(prober, PROBER_NOT_READY);
}

/* Tells the owner, who may end the prober in the call. */
static void tell(struct prober *prober, enum prober_outcome outcome)
{
    if (outcome) {
        prober->hooks->done(prober->owner, outcome);
    }
}

/* ------------------------------------------------------------------------------------------------------ the answer */

static enum probe_fault compare(const struct prober *prober, const DaemonProcess *identity)
{
    const struct prober_expected *expected = prober->expected;
    DaemonProcess wanted;
    Endpoint endpoint;
    union {
        const void *borrowed;
        void *field;
    } hash = {.borrowed = expected->exe_hash}, path = {.borrowed = expected->exe_path},
      boot = {.borrowed = expected->boot_id}, name = {.borrowed = expected->namespace_id},
      place = {.borrowed = prober->path};

    message_init(MESSAGE_DAEMON_PROCESS, &wanted);
    running_process__broker__v1__endpoint__init(&endpoint);
    wanted.pid = (uint32_t)expected->pid;
    wanted.exe_path = path.field;
    wanted.exe_hash.data = hash.field;
    wanted.exe_hash.len = PROBE_HASH_SIZE;
    wanted.boot_id = boot.field;
    endpoint.namespace_id = name.field;
    endpoint.path = place.field;
    wanted.ipc_endpoint = &endpoint;
    return probe_compare(&wanted, identity);
}

/* What has been read cannot be read again: the next question is asked on another connection. */
static enum prober_outcome forget_answer(struct prober *prober)
{
    hang_up(prober);
    return not_ready(prober, "out of memory");
}

static enum prober_outcome judge(struct prober *prober)
{
    struct slice body = {
        .data = (const char *)prober->answer.data + FRAME_HEADER_SIZE,
        .size = prober->answer.size - FRAME_HEADER_SIZE,
    };
    enum probe_fault fault = PROBE_OK;
    DaemonProcess *identity = NULL;
    int r;

    arena_reset(&prober->arena);
    r = probe_check_reply(body, prober->nonce, &prober->arena, &fault, &identity);
    if (r < 0) {
        return forget_answer(prober);
    }
    if (fault == PROBE_OK && prober->expected) {
        fault = compare(prober, identity);
    }
    if (fault != PROBE_OK) {
        return wrong(prober, probe_fault_text(fault));
    }
    prober->identity = identity;
    return end(prober, PROBER_ANSWERED);
}

/* How many bytes the answer will have as far as is known: a header first. 0: it is no proper header. */
static size_t expected_size(const struct prober *prober)
{
    const uint8_t *header = prober->answer.data;
    uint32_t size;

    if (prober->answer.size < FRAME_HEADER_SIZE) {
        return prober->answer.size > 0 && header[0] != FRAMING_VERSION ? 0 : FRAME_HEADER_SIZE;
    }
    size = (uint32_t)header[1] | (uint32_t)header[2] << 8 | (uint32_t)header[3] << 16 | (uint32_t)header[4] << 24;
    if (header[0] != FRAMING_VERSION || size > PROBER_ANSWER_MAX) {
        return 0;
    }
    return FRAME_HEADER_SIZE + size;
}

static enum prober_outcome closed(struct prober *prober)
{
    hang_up(prober);
    return not_ready(prober, "the connection was closed without an answer");
}

static enum prober_outcome read_answer(struct prober *prober)
{
    uint8_t bytes[4096];
    size_t wanted;
    ssize_t n;
    int r;

    for (;;) {
        wanted = expected_size(prober);
        if (wanted == 0) {
            return wrong(prober, "the answer is no frame");
        }
        if (wanted > FRAME_HEADER_SIZE - 1 && prober->answer.size >= FRAME_HEADER_SIZE &&
            prober->answer.size == wanted) {
            return judge(prober);
        }
        wanted -= prober->answer.size;
        n = sys_recv(prober->fd, bytes, wanted < sizeof(bytes) ? wanted : sizeof(bytes), MSG_DONTWAIT);
        if (n == -EAGAIN) {
            return 0;
        }
        if (n <= 0) {
            return closed(prober);
        }
        r = buffer_append(&prober->answer, bytes, (size_t)n);
        if (r < 0) {
            return forget_answer(prober);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- the question */

static enum prober_outcome check_listener(struct prober *prober)
{
    struct ucred peer = {0};
    bool is_bound_by_broker = socket_identity_equal(&prober->seen, &prober->bound);
    int r;

    r = sys_getsockopt(prober->fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof(peer)});
    if (r < 0) {
        hang_up(prober);
        return not_ready(prober, "the peer's credentials cannot be read");
    }
    if (peer.uid != sys_geteuid()) {
        return wrong(prober, "the endpoint belongs to another user");
    }
    prober->peer_pid = peer.pid;
    if (prober->expected && !is_bound_by_broker && peer.pid != prober->expected->pid) {
        return wrong(prober, "another process listens at the endpoint");
    }
    if (prober->expected && peer.pid == prober->expected->pid) {
        prober->proven = prober->seen;
    }
    return 0;
}

static enum prober_outcome send_question(struct prober *prober)
{
    uint8_t room[128];
    struct buffer request = {0};
    ssize_t n;
    int r;

    r = random_bytes(prober->nonce, sizeof(prober->nonce));
    if (r >= 0) {
        buffer_init(&request, sizeof(room));
        r = probe_pack_request(&request, prober->nonce);
    }
    if (r < 0) {
        buffer_deinit(&request);
        hang_up(prober);
        return not_ready(prober, "no question could be made");
    }
    n = sys_send(prober->fd, request.data, request.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n != (ssize_t)request.size) {
        buffer_deinit(&request);
        return closed(prober);
    }
    buffer_deinit(&request);
    loop_io_touch(&prober->io);
    return 0;
}

static uint32_t wants(void *owner)
{
    const struct prober *prober = owner;

    return prober->is_asking || !prober->is_stirred ? LOOP_READ : 0;
}

static void on_ready(void *owner, uint32_t events)
{
    struct prober *prober = owner;

    if (prober->is_asking) {
        tell(prober, read_answer(prober));
        return;
    }
    if (!prober->is_stirred) {
        prober->is_stirred = true;
        loop_io_touch(&prober->io);
        if (prober->hooks->stirred) {
            prober->hooks->stirred(prober->owner);
        }
        return;
    }
    hang_up(prober); /* a hang-up is reported whether it is wanted or not; the next question dials again */
}

static int connect_to(const char *path, int *ret_fd)
{
    _cleanup_close_ int fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    int r;

    if (size == 0 || size >= sizeof(address.sun_path)) {
        return error_origin(-ENAMETOOLONG);
    }
    memcpy(address.sun_path, path, size + 1);
    fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_trace(fd);
    }
    r = sys_connect(fd, (const struct sockaddr *)&address, sizeof(address));
    if (r < 0) {
        return r; /* a peer that is not there yet is no failure of ours */
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

/* What is at the endpoint now. The first time that it is not the broker's socket any more, the owner is told. */
static void notice(struct prober *prober, const struct socket_identity *current)
{
    prober->looked = *current;
    if (prober->bound.ino == 0 || prober->is_taken_over || socket_identity_equal(current, &prober->bound)) {
        return;
    }
    prober->is_taken_over = true;
    if (prober->hooks->taken_over) {
        prober->hooks->taken_over(prober->owner);
    }
}

static enum prober_outcome try_later(struct prober *prober, const char *why)
{
    snprintf(prober->why, sizeof(prober->why), "%s", why);
    loop_timer_set(&prober->retry, nsec_add(loop_now(prober->loop), PROBER_RETRY_MS * NSEC_PER_MSEC));
    return 0;
}

static enum prober_outcome dial(struct prober *prober)
{
    struct socket_identity before = {0}, after = {0};
    enum prober_outcome outcome;
    int r;

    r = socket_identity_get(prober->path, &before);
    if (r >= 0) {
        r = connect_to(prober->path, &prober->fd);
    }
    switch (r) {
    case 0:
        break;
    case -ENOENT:
        return not_ready(prober, "nothing is bound at the endpoint");
    case -EAGAIN:
        return try_later(prober, "the backlog of the endpoint is full");
    case -ECONNREFUSED:
        return try_later(prober, "nobody listens at the endpoint");
    case -ENOTSOCK:
        return wrong(prober, "the endpoint is no socket");
    default:
        return not_ready(prober, "the endpoint cannot be dialled");
    }
    buffer_clear(&prober->answer);
    r = loop_io_link(prober->loop, &prober->io, prober->fd, LOOP_YOUNG, wants, on_ready, prober);
    if (r < 0) {
        prober->fd = close_fd(prober->fd);
        return not_ready(prober, "out of descriptors or memory");
    }
    if (socket_identity_get(prober->path, &after) < 0 || !socket_identity_equal(&before, &after)) {
        hang_up(prober);
        return try_later(prober, "the endpoint was replaced while it was dialled");
    }
    prober->seen = after;
    notice(prober, &after);
    outcome = check_listener(prober);
    return outcome ? outcome : send_question(prober);
}

enum prober_outcome prober_ask(struct prober *prober)
{
    nsec_t now_nsec = loop_now(prober->loop);

    prober->is_asking = true;
    prober->is_stirred = false;
    prober->identity = NULL;
    loop_timer_set(&prober->deadline, nsec_add(now_nsec, PROBER_DEADLINE_MS * NSEC_PER_MSEC));
    if (prober->watch_since_nsec == 0) {
        prober->watch_since_nsec = now_nsec;
        loop_timer_set(&prober->watch, nsec_add(now_nsec, NSEC_PER_MSEC));
    }
    if (prober->fd < 0) {
        return dial(prober);
    }
    loop_io_touch(&prober->io);
    return read_answer(prober);
}

void prober_pause(struct prober *prober)
{
    if (prober->is_asking) {
        end(prober, PROBER_NOT_READY);
    }
}

/* ------------------------------------------------------------------------------------------------------------ time */

static void on_deadline(void *owner)
{
    struct prober *prober = owner;

    /* one that could not even be asked: why not has been said already */
    tell(prober, prober->fd >= 0 ? not_ready(prober, "no answer within 500 ms") : end(prober, PROBER_NOT_READY));
}

static void on_retry(void *owner)
{
    struct prober *prober = owner;

    if (prober->is_asking && prober->fd < 0) {
        tell(prober, dial(prober));
    }
}

static void schedule_watch(struct prober *prober)
{
    nsec_t now_nsec = loop_now(prober->loop);
    nsec_t interval_nsec = (now_nsec - prober->watch_since_nsec) / 16;

    if (interval_nsec < NSEC_PER_MSEC) {
        interval_nsec = NSEC_PER_MSEC;
    }
    if (interval_nsec > PROBER_WATCH_MAX_MS * NSEC_PER_MSEC) {
        interval_nsec = PROBER_WATCH_MAX_MS * NSEC_PER_MSEC;
    }
    loop_timer_set(&prober->watch, nsec_add(now_nsec, interval_nsec));
}

static void on_watch(void *owner)
{
    static const struct socket_identity nothing;
    struct prober *prober = owner;
    struct socket_identity current = {0};

    schedule_watch(prober);
    (void)socket_identity_get(prober->path, &current);
    if (socket_identity_equal(&current, &prober->looked)) {
        return;
    }
    notice(prober, &current);
    hang_up(prober);
    if (socket_identity_equal(&current, &nothing)) {
        return;
    }
    if (prober->is_asking) {
        tell(prober, dial(prober));
    } else if (!prober->is_stirred) {
        prober->is_stirred = true;
        if (prober->hooks->stirred) {
            prober->hooks->stirred(prober->owner);
        }
    }
}

void prober_init(struct prober *prober, struct loop *loop, const char *path, const struct prober_expected *expected,
                 const struct socket_identity *bound, const struct prober_hooks *hooks, void *owner)
{
    memset(prober, 0, sizeof(*prober));
    prober->loop = loop;
    prober->path = path;
    prober->expected = expected;
    prober->hooks = hooks;
    prober->owner = owner;
    prober->fd = -1;
    if (bound) {
        prober->bound = prober->looked = *bound;
    }
    buffer_init(&prober->answer, FRAME_HEADER_SIZE + PROBER_ANSWER_MAX);
    arena_init(&prober->arena, prober->room, sizeof(prober->room),
               message_budget(MESSAGE_FRAME, PROBER_ANSWER_MAX) * 2);
    loop_timer_init(&prober->deadline, loop, on_deadline, prober);
    loop_timer_init(&prober->retry, loop, on_retry, prober);
    loop_timer_init(&prober->watch, loop, on_watch, prober);
}

void prober_deinit(struct prober *prober)
{
    if (!prober->loop) {
        return;
    }
    end(prober, PROBER_WRONG);
    prober->identity = NULL;
    buffer_deinit(&prober->answer);
    arena_deinit(&prober->arena);
    prober->loop = NULL;
}
