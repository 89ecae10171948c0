/* SPDX-License-Identifier: MIT */

/*
 * Asking a backend who it is, and judging the answer as a broker's prober would. The time that counts runs from the
 * last byte of the request to the last byte of the answer.
 */

#include "cli/conform_probe.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "base/sys.h"
#include "wire/envelope.h"

enum { ANSWER_MAX = FRAME_HEADER_SIZE + FRAME_BODY_MAX + 2 * 65536 };

void conform_try_deinit(struct conform_try *try)
{
    buffer_deinit(&try->in);
}

struct slice conform_try_body(const struct conform_try *try)
{
    return slice_from_bytes(try->in.data + FRAME_HEADER_SIZE, try->size - FRAME_HEADER_SIZE);
}

int conform_try_pack(const struct conform_try *try, struct buffer *out)
{
    Frame frame;

    if (!try->is_traced) {
        return probe_pack_request(out, try->nonce);
    }
    envelope_request(&frame, LANE_PROBE, slice_from_bytes(try->nonce, sizeof(try->nonce)));
    frame.request_id = probe_request_id(try->nonce);
    frame.traceparent = (char *)(uintptr_t)CONFORM_TRACEPARENT;
    frame.tracestate = (char *)(uintptr_t)CONFORM_TRACESTATE;
    return envelope_pack(out, &frame);
}

enum conform_verdict conform_try_ask(struct conform *conform, int fd, struct conform_try *try)
{
    _cleanup_(buffer_deinit) struct buffer out = {.limit = 4096};
    nsec_t begun_nsec;
    int r;

    if (conform_try_pack(try, &out) < 0) {
        return conform_fails(conform, "out of memory");
    }
    if (try->is_slow) {
        conform_trickle(fd, out.data, out.size);
    } else {
        conform_send(fd, out.data, out.size);
    }
    begun_nsec = clock_monotonic();
    r = conform_read_frame(fd, nsec_add(begun_nsec, CONFORM_PROBE_NSEC), &try->in, &try->size);
    try->took_nsec = clock_monotonic() - begun_nsec;
    if (r == CONFORM_E_LATE) {
        return conform_fails(conform, "no answer within %d ms", (int)msec_from_nsec(CONFORM_PROBE_NSEC));
    }
    return r ? conform_fails(conform, "%s", conform_read_text(r)) : CONFORM_HOLDS;
}

enum conform_verdict conform_try_judge(struct conform *conform, const struct conform_try *try,
                                       enum probe_fault *ret_fault, const DaemonProcess **ret_identity)
{
    struct slice body = conform_try_body(try);
    DaemonProcess *identity = NULL;

    *ret_fault = PROBE_FRAME;
    if (ret_identity) {
        *ret_identity = NULL;
    }
    if (probe_check_reply(body, try->nonce, &conform->arena, ret_fault, &identity) < 0) {
        return conform_fails(conform, "out of memory");
    }
    if (ret_identity) {
        *ret_identity = identity;
    }
    return *ret_fault == PROBE_OK ? CONFORM_HOLDS : conform_fails(conform, "%s", probe_fault_text(*ret_fault));
}

bool conform_is_answer(enum probe_fault fault)
{
    return fault == PROBE_OK || fault == PROBE_IDENTITY || fault == PROBE_NO_ENDPOINT || fault == PROBE_ALGORITHM ||
           fault == PROBE_HASH;
}

/* Whether anything comes back on @fd: bytes, or the end. */
static bool is_served(int fd)
{
    _cleanup_(buffer_deinit) struct buffer in = {.limit = ANSWER_MAX};
    size_t size;

    return conform_read_frame(fd, nsec_add(clock_monotonic(), CONFORM_PATIENCE_NSEC), &in, &size) != CONFORM_E_LATE ||
           in.size;
}

/*
 * A connection succeeds as long as the backlog has room, so somebody must be seen to do something with it: an end
 * without a byte is answered with an end, and by whoever waits on, a probe.
 */
enum conform_verdict conform_check_accepts(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer out = {.limit = 4096};
    _cleanup_close_ int ended = -1, asked = -1;
    struct conform_try try;
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (conform_dial(conform, &ended)) {
        return CONFORM_FAILS;
    }
    if (sys_getsockopt(ended, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
        conform->peer_pid = (int32_t)peer.pid;
        if (peer.uid != sys_geteuid()) {
            return conform_fails(conform, "it belongs to user %u", (unsigned int)peer.uid);
        }
    }
    (void)sys_shutdown(ended, SHUT_WR);
    if (is_served(ended)) {
        return CONFORM_HOLDS;
    }
    conform_try_init(&try);
    if (conform_try_pack(&try, &out) < 0) {
        return conform_fails(conform, "out of memory");
    }
    if (conform_dial(conform, &asked)) {
        return CONFORM_FAILS;
    }
    conform_send(asked, out.data, out.size);
    return is_served(asked) ? CONFORM_HOLDS
                            : conform_fails(conform, "it connects, but nothing came back: does anybody call accept()?");
}

void conform_try_init(struct conform_try *try)
{
    *try = (struct conform_try){.in = {.limit = ANSWER_MAX}};
    (void)random_bytes(try->nonce, sizeof(try->nonce));
}

enum conform_verdict conform_probe_on(struct conform *conform, int fd, bool is_slow)
{
    _cleanup_(conform_try_deinit) struct conform_try try;
    enum conform_verdict verdict;
    enum probe_fault fault;

    conform_try_init(&try);
    try.is_slow = is_slow;
    verdict = conform_try_ask(conform, fd, &try);
    return verdict == CONFORM_HOLDS ? conform_try_judge(conform, &try, &fault, NULL) : verdict;
}

enum conform_verdict conform_probe(struct conform *conform)
{
    _cleanup_close_ int fd = -1;

    return conform_dial(conform, &fd) ? CONFORM_FAILS : conform_probe_on(conform, fd, false);
}

bool conform_is_backend(struct conform *conform)
{
    _cleanup_(conform_try_deinit) struct conform_try try;
    _cleanup_close_ int fd = -1;
    enum probe_fault fault;

    conform_try_init(&try);
    if (conform_dial(conform, &fd) || conform_try_ask(conform, fd, &try) != CONFORM_HOLDS) {
        return false;
    }
    (void)conform_try_judge(conform, &try, &fault, NULL);
    return conform_is_answer(fault);
}

enum conform_verdict conform_lives_on(struct conform *conform, const char *what)
{
    char detail[sizeof(conform->detail)];

    if (conform_probe(conform) == CONFORM_HOLDS) {
        return CONFORM_HOLDS;
    }
    memcpy(detail, conform->detail, sizeof(detail));
    return conform_fails(conform, "after %s a probe got: %.400s", what, detail);
}
