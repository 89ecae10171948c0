/* SPDX-License-Identifier: MIT */

/*
 * The rules for a backend: probe, mux, framing, timing (spec 03 §5, §15). Every violation is followed by an ordinary
 * probe on a new connection, since the rule is not only that a bad connection is dropped but that nothing else is. The
 * lanes of the backend's own protocols are never used: what they would do is not known here.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3sum.h"
#include "base/cleanup.h"
#include "base/random.h"
#include "base/sys.h"
#include "cli/conform_probe.h"
#include "wire/envelope.h"

enum {
    MANY = 16,
    LANE_RESERVED = 0x7F00 /* of a range that nobody may serve */,
    PROBE_BODY_MAX = 65536,
    FIRST_FRAME_S = 5
};

/* ----------------------------------------------------------------------------------------------------------- probes */

static enum conform_verdict check_in_time(struct conform *conform)
{
    _cleanup_(conform_try_deinit) struct conform_try try;
    _cleanup_close_ int fd = -1;
    enum conform_verdict verdict;
    enum probe_fault fault;

    conform_try_init(&try);
    if (conform_dial(conform, &fd)) {
        return CONFORM_FAILS;
    }
    verdict = conform_try_ask(conform, fd, &try);
    if (verdict != CONFORM_HOLDS) {
        return verdict;
    }
    (void)conform_try_judge(conform, &try, &fault, NULL);
    if (!conform_is_answer(fault)) {
        return conform_untried(conform, "what came is no answer to a probe");
    }
    return try.took_nsec > CONFORM_PROBE_NSEC / 2
               ? conform_notice(conform, "it took %d ms", (int)msec_from_nsec(try.took_nsec))
               : CONFORM_HOLDS;
}

/* Whether the answer ends its payload with field 3, 32 bytes (spec 03 §5.3). */
static bool has_tail(const struct conform_try *try, struct arena *arena)
{
    ProtobufCMessage *message;
    const Frame *frame;

    if (message_unpack(MESSAGE_FRAME, conform_try_body(try), arena, &message)) {
        return false;
    }
    frame = (const Frame *)message;
    return frame->payload.len >= 34 && memcmp(frame->payload.data + frame->payload.len - 34, "\x1a\x20", 2) == 0;
}

static enum conform_verdict check_answer(struct conform *conform)
{
    _cleanup_(conform_try_deinit) struct conform_try try;
    _cleanup_close_ int fd = -1;
    const DaemonProcess *identity;
    enum conform_verdict verdict;
    enum probe_fault fault;

    conform_try_init(&try);
    if (conform_dial(conform, &fd)) {
        return CONFORM_FAILS;
    }
    verdict = conform_try_ask(conform, fd, &try);
    if (verdict != CONFORM_HOLDS) {
        return verdict;
    }
    verdict = conform_try_judge(conform, &try, &fault, &identity);
    if (!conform_is_answer(fault)) {
        return verdict;
    }
    conform->is_answered = true;
    conform->fault = fault; /* another rule's business */
    conform->has_tail = has_tail(&try, &conform->arena);
    conform->identity = identity;
    return CONFORM_HOLDS;
}

#define NEEDS_ANSWER(conform)                                                                                          \
    do {                                                                                                               \
        if (!(conform)->is_answered) {                                                                                 \
            return conform_untried((conform), "no probe was answered");                                                \
        }                                                                                                              \
    } while (0)

static enum conform_verdict check_trace(struct conform *conform)
{
    _cleanup_(conform_try_deinit) struct conform_try try;
    _cleanup_close_ int fd = -1;
    enum conform_verdict verdict;
    ProtobufCMessage *message;
    enum probe_fault fault;
    const Frame *frame;

    conform_try_init(&try);
    NEEDS_ANSWER(conform);
    try.is_traced = true;
    if (conform_dial(conform, &fd)) {
        return CONFORM_FAILS;
    }
    verdict = conform_try_ask(conform, fd, &try);
    if (verdict != CONFORM_HOLDS) {
        return verdict;
    }
    verdict = conform_try_judge(conform, &try, &fault, NULL);
    if (!conform_is_answer(fault)) {
        return verdict;
    }
    if (message_unpack(MESSAGE_FRAME, conform_try_body(&try), &conform->arena, &message)) {
        return conform_fails(conform, "out of memory");
    }
    frame = (const Frame *)message;
    if (strcmp(frame->traceparent, CONFORM_TRACEPARENT) != 0 || strcmp(frame->tracestate, CONFORM_TRACESTATE) != 0) {
        return conform_fails(conform, "traceparent \"%.60s\", tracestate \"%.60s\" came back", frame->traceparent,
                             frame->tracestate);
    }
    return CONFORM_HOLDS;
}

/* --------------------------------------------------------------------------------------------------------- identity */

static enum conform_verdict check_complete(struct conform *conform)
{
    NEEDS_ANSWER(conform);
    return conform->identity ? CONFORM_HOLDS : conform_fails(conform, "%s", probe_fault_text(conform->fault));
}

#define NEEDS_IDENTITY(conform)                                                                                        \
    do {                                                                                                               \
        if (!(conform)->identity) {                                                                                    \
            return conform_untried((conform), "no complete identity was given");                                       \
        }                                                                                                              \
    } while (0)

static enum conform_verdict check_boot(struct conform *conform)
{
    _cleanup_close_ int fd = sys_open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC, 0);
    char own[128] = "";

    NEEDS_IDENTITY(conform);
    if (fd < 0 || sys_read(fd, own, sizeof(own) - 1) <= 0) {
        return conform_notice(conform, "this machine does not tell its boot id");
    }
    own[strcspn(own, " \t\r\n")] = '\0';
    return strcmp(own, conform->identity->boot_id) == 0
               ? CONFORM_HOLDS
               : conform_fails(conform, "\"%.100s\" instead of \"%s\"", conform->identity->boot_id, own);
}

static enum conform_verdict check_pid(struct conform *conform)
{
    uint32_t pid;

    NEEDS_IDENTITY(conform);
    pid = conform->identity->pid;
    if (pid == 0 || pid > INT32_MAX || (sys_kill((pid_t)pid, 0) < 0 && sys_kill((pid_t)pid, 0) != -EPERM)) {
        return conform_fails(conform, "there is no process %u", pid);
    }
    if ((int32_t)pid != conform->peer_pid) {
        return conform_notice(conform, "process %u answered, process %d listens: call listen() after adopting", pid,
                              (int)conform->peer_pid);
    }
    return CONFORM_HOLDS;
}

static enum conform_verdict check_executable(struct conform *conform)
{
    _cleanup_close_ int fd = -1;
    char link[64], target[4096];
    uint8_t hash[BLAKE3_SIZE];
    ssize_t n;

    NEEDS_IDENTITY(conform);
    snprintf(link, sizeof(link), "/proc/%u/exe", conform->identity->pid);
    n = sys_readlink(link, target, sizeof(target) - 1);
    fd = sys_open(link, O_RDONLY | O_CLOEXEC, 0);
    if (n < 0 || fd < 0) {
        return conform_notice(conform, "%s cannot be read", link);
    }
    target[n] = '\0';
    if (strcmp(target, conform->identity->exe_path) != 0) {
        return conform_fails(conform, "it names %.200s, the process runs %.200s", conform->identity->exe_path, target);
    }
    if (blake3_sum_fd(fd, hash) < 0) {
        return conform_notice(conform, "%s cannot be read", link);
    }
    return memcmp(hash, conform->identity->exe_hash.data, sizeof(hash)) == 0
               ? CONFORM_HOLDS
               : conform_fails(conform, "the hash is not BLAKE3 of the executable's bytes");
}

static enum conform_verdict check_endpoint(struct conform *conform)
{
    struct stat named, dialled;
    const char *path;

    NEEDS_IDENTITY(conform);
    path = conform->identity->ipc_endpoint->path;
    if (strcmp(path, conform->path) == 0) {
        return CONFORM_HOLDS;
    }
    if (sys_stat(path, &named) == 0 && sys_stat(conform->path, &dialled) == 0 && named.st_dev == dialled.st_dev &&
        named.st_ino == dialled.st_ino) {
        return conform_notice(conform, "it names %.200s", path);
    }
    return conform_fails(conform, "it names %.200s", path);
}

static enum conform_verdict check_tail(struct conform *conform)
{
    NEEDS_ANSWER(conform);
    return conform->has_tail ? CONFORM_HOLDS
                             : conform_notice(conform, "the answer does not end with field 3: brokers from before the "
                                                       "BLAKE3 switch will not know this backend");
}

/* --------------------------------------------------------------------------------------------------- one connection */

static enum conform_verdict check_slow(struct conform *conform)
{
    _cleanup_close_ int fd = -1;

    return conform_dial(conform, &fd) ? CONFORM_FAILS : conform_probe_on(conform, fd, true);
}

static enum conform_verdict check_twice(struct conform *conform)
{
    _cleanup_close_ int fd = -1;
    enum conform_verdict verdict;

    if (conform_dial(conform, &fd)) {
        return CONFORM_FAILS;
    }
    verdict = conform_probe_on(conform, fd, false);
    return verdict == CONFORM_HOLDS ? conform_probe_on(conform, fd, false) : verdict;
}

/* Two in one breath: the second waits in the backend's buffer. */
static enum conform_verdict check_pipelined(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer out = {.limit = 4096};
    _cleanup_(conform_try_deinit) struct conform_try first, second;
    _cleanup_close_ int fd = -1;
    enum conform_verdict verdict;
    enum probe_fault fault;
    nsec_t deadline_nsec;
    int r;

    conform_try_init(&first);
    conform_try_init(&second);
    if (conform_dial(conform, &fd)) {
        return CONFORM_FAILS;
    }
    if (conform_try_pack(&first, &out) < 0 || conform_try_pack(&second, &out) < 0) {
        return conform_fails(conform, "out of memory");
    }
    conform_send(fd, out.data, out.size);
    deadline_nsec = nsec_add(clock_monotonic(), CONFORM_PROBE_NSEC);
    r = conform_read_frame(fd, deadline_nsec, &first.in, &first.size);
    if (r) {
        return conform_fails(conform, "the first: %s", conform_read_text(r));
    }
    verdict = conform_try_judge(conform, &first, &fault, NULL);
    if (verdict != CONFORM_HOLDS) {
        return verdict;
    }
    if (buffer_append(&second.in, first.in.data + first.size, first.in.size - first.size) < 0) {
        return conform_fails(conform, "out of memory");
    }
    r = conform_read_frame(fd, deadline_nsec, &second.in, &second.size);
    return r ? conform_fails(conform, "the second: %s", conform_read_text(r))
             : conform_try_judge(conform, &second, &fault, NULL);
}

/* ------------------------------------------------------------------------------------------------------- bad frames */

/* Sends @bytes; the connection must be dropped without an answer, and the backend must live on. */
static enum conform_verdict is_dropped(struct conform *conform, const void *bytes, size_t size, const char *what)
{
    _cleanup_(buffer_deinit) struct buffer in = {.limit = FRAME_BODY_MAX};
    _cleanup_close_ int fd = -1;

    if (conform_dial(conform, &fd)) {
        return CONFORM_FAILS;
    }
    conform_send(fd, bytes, size);
    if (conform_read_all(fd, nsec_add(clock_monotonic(), CONFORM_PATIENCE_NSEC), &in)) {
        return conform_fails(conform, "the connection stayed open for %d s%s",
                             (int)(CONFORM_PATIENCE_NSEC / NSEC_PER_SEC), in.size ? ", with an answer" : "");
    }
    if (in.size) {
        return conform_fails(conform, "%zu bytes were answered", in.size);
    }
    return conform_lives_on(conform, what);
}

/* The same for a frame. */
static enum conform_verdict frame_is_dropped(struct conform *conform, const Frame *frame, const char *what)
{
    _cleanup_(buffer_deinit) struct buffer out = {.limit = 4 * PROBE_BODY_MAX};

    if (envelope_pack(&out, frame) < 0) {
        return conform_fails(conform, "out of memory");
    }
    return is_dropped(conform, out.data, out.size, what);
}

static void make_probe(Frame *ret, uint8_t nonce[PROBE_NONCE_SIZE + 1], size_t size)
{
    (void)random_bytes(nonce, PROBE_NONCE_SIZE + 1);
    envelope_request(ret, LANE_PROBE, slice_from_bytes(nonce, size));
    ret->request_id = probe_request_id(nonce);
}

/* What does not begin like a frame may belong to another protocol of the backend's, which answers or waits as it likes.
 */
static enum conform_verdict check_framing_byte(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer in = {.limit = FRAME_BODY_MAX};
    _cleanup_close_ int fd = -1;
    int r;

    if (conform_dial(conform, &fd)) {
        return CONFORM_FAILS;
    }
    conform_send(fd, "\x02", 1);
    r = conform_read_all(fd, nsec_add(clock_monotonic(), CONFORM_PATIENCE_NSEC), &in);
    if (conform_lives_on(conform, "another framing byte") != CONFORM_HOLDS) {
        return CONFORM_FAILS;
    }
    if (in.size) {
        return conform_notice(conform, "%zu bytes were answered: another protocol may live there", in.size);
    }
    return r ? conform_notice(conform, "the connection stays open: another protocol may live there") : CONFORM_HOLDS;
}

static enum conform_verdict check_oversized(struct conform *conform)
{
    return is_dropped(conform, "\x01\x01\x00\x00\x01", 5, "a frame of more than 16 MiB");
}

static enum conform_verdict check_undecodable(struct conform *conform)
{
    return is_dropped(conform, "\x01\x04\x00\x00\x00\xff\xff\xff\xff", 9, "bytes that are no Frame");
}

static enum conform_verdict check_unknown_lane(struct conform *conform)
{
    Frame frame;

    envelope_request(&frame, LANE_RESERVED, SLICE("conform"));
    frame.request_id = 1;
    return frame_is_dropped(conform, &frame, "a frame on an unknown lane");
}

static enum conform_verdict check_broker_lanes(struct conform *conform)
{
    static const uint32_t lanes[] = {LANE_CONTROL, LANE_ADMIN, LANE_HANDOFF};
    enum conform_verdict verdict = CONFORM_HOLDS;
    Frame frame;

    for (size_t i = 0; i < 3 && verdict == CONFORM_HOLDS; i++) {
        envelope_request(&frame, lanes[i], (struct slice){0});
        frame.request_id = 1;
        verdict = frame_is_dropped(conform, &frame, "a frame for brokers");
    }
    return verdict;
}

static enum conform_verdict check_encoding(struct conform *conform)
{
    uint8_t nonce[PROBE_NONCE_SIZE + 1];
    Frame frame;

    make_probe(&frame, nonce, PROBE_NONCE_SIZE);
    frame.payload_encoding = PAYLOAD_ENCODING(ZSTD);
    return frame_is_dropped(conform, &frame, "a compressed probe");
}

static enum conform_verdict check_nonce_size(struct conform *conform)
{
    static const size_t sizes[] = {PROBE_NONCE_SIZE - 1, PROBE_NONCE_SIZE + 1, 0};
    enum conform_verdict verdict = CONFORM_HOLDS;
    uint8_t nonce[PROBE_NONCE_SIZE + 1];
    Frame frame;

    for (size_t i = 0; i < 3 && verdict == CONFORM_HOLDS; i++) {
        make_probe(&frame, nonce, sizes[i]);
        verdict = frame_is_dropped(conform, &frame, "a nonce of another size");
    }
    return verdict;
}

static enum conform_verdict check_version_and_kind(struct conform *conform)
{
    uint8_t nonce[PROBE_NONCE_SIZE + 1];
    enum conform_verdict verdict;
    Frame frame;

    make_probe(&frame, nonce, PROBE_NONCE_SIZE);
    frame.envelope_version = ENVELOPE_VERSION + 1;
    verdict = frame_is_dropped(conform, &frame, "a probe of another version");
    if (verdict != CONFORM_HOLDS) {
        return verdict;
    }
    make_probe(&frame, nonce, PROBE_NONCE_SIZE);
    frame.kind = FRAME_KIND(RESPONSE);
    return frame_is_dropped(conform, &frame, "a probe that is a response");
}

static enum conform_verdict check_probe_cap(struct conform *conform)
{
    _cleanup_free_ char *state = calloc(1, PROBE_BODY_MAX + 1);
    uint8_t nonce[PROBE_NONCE_SIZE + 1];
    enum conform_verdict verdict;
    Frame frame;

    if (!state) {
        return conform_fails(conform, "out of memory");
    }
    memset(state, 'a', PROBE_BODY_MAX);
    make_probe(&frame, nonce, PROBE_NONCE_SIZE);
    frame.tracestate = state;
    verdict = frame_is_dropped(conform, &frame, "a probe of more than 64 KiB");
    if (verdict == CONFORM_FAILS && conform_lives_on(conform, "a probe of more than 64 KiB") == CONFORM_HOLDS) {
        return conform_notice(conform, "it is answered, or kept: costs memory, breaks nothing");
    }
    return verdict;
}

/* -------------------------------------------------------------------------------------------------- ends and crowds */

/* Dials, sends @size bytes, closes; several times over. */
static enum conform_verdict hang_up(struct conform *conform, const void *bytes, size_t size, const char *what)
{
    for (int i = 0; i < MANY; i++) {
        _cleanup_close_ int fd = -1;

        if (conform_dial(conform, &fd)) {
            return CONFORM_FAILS;
        }
        conform_send(fd, bytes, size);
    }
    return conform_lives_on(conform, what);
}

static enum conform_verdict check_end_without_bytes(struct conform *conform)
{
    return hang_up(conform, NULL, 0, "connections that end without a byte");
}

static enum conform_verdict check_end_within_frame(struct conform *conform)
{
    return hang_up(conform, "\x01\x32\x00\x00\x00\x08", 6, "connections that end within a frame");
}

/* Holds connections that sent @size bytes and nothing more, and probes beside them. */
static enum conform_verdict probe_beside(struct conform *conform, const void *bytes, size_t size, const char *what)
{
    enum conform_verdict verdict = CONFORM_HOLDS;
    int fds[MANY], n = 0;

    while (n < MANY && verdict == CONFORM_HOLDS) {
        if (conform_dial(conform, &fds[n])) {
            verdict = CONFORM_FAILS;
            break;
        }
        conform_send(fds[n++], bytes, size);
    }
    if (verdict == CONFORM_HOLDS) {
        verdict = conform_lives_on(conform, what);
    }
    while (n > 0) {
        (void)close_fd(fds[--n]);
    }
    return verdict;
}

static enum conform_verdict check_idle_crowd(struct conform *conform)
{
    return probe_beside(conform, NULL, 0, "16 idle connections");
}

static enum conform_verdict check_half_crowd(struct conform *conform)
{
    return probe_beside(conform, "\x01\x32\x00\x00\x00\x08", 6, "16 connections with half a frame");
}

/* Takes as long as the deadline; last, since a backend that serves one at a time would be busy for all other rules. */
static enum conform_verdict check_first_frame(struct conform *conform)
{
    _cleanup_(buffer_deinit) struct buffer in = {.limit = FRAME_BODY_MAX};
    _cleanup_close_ int fd = -1;
    enum conform_verdict verdict;
    int r;

    if (options_has(conform->options, OPTION_QUICK)) {
        return conform_untried(conform, "takes seconds, and --quick was given");
    }
    if (conform_dial(conform, &fd)) {
        return CONFORM_FAILS;
    }
    r = conform_read_all(fd, nsec_add(clock_monotonic(), (FIRST_FRAME_S + 1) * NSEC_PER_SEC), &in);
    verdict = conform_lives_on(conform, "a connection without a frame");
    if (verdict == CONFORM_HOLDS && r != 0) {
        return conform_notice(conform, "one that says nothing stays open: costs a descriptor, breaks nothing");
    }
    return verdict;
}

const struct conform_rule conform_backend_rules[] = {
    {"accepts", "03 §15.1", "connections of its user are accepted", conform_check_accepts},
    {"probe-in-time", "03 §5.4", "a probe is answered within 500 ms", check_in_time},
    {"probe-answer", "03 §5.2", "the answer is a plain response with the same request id and nonce", check_answer},
    {"probe-trace", "03 §5.2", "the answer repeats the trace context", check_trace},
    {"identity-complete", "03 §4.1", "the identity has an endpoint and a BLAKE3 hash of 32 bytes", check_complete},
    {"identity-boot", "03 §4.1", "its boot id is this machine's", check_boot},
    {"identity-pid", "03 §5.6", "its pid is the process that listens", check_pid},
    {"identity-executable", "03 §4.3", "its executable and hash are those of the process", check_executable},
    {"identity-endpoint", "03 §4.3", "it names the endpoint that was dialled", check_endpoint},
    {"identity-tail", "03 §5.3", "the answer ends with the legacy digest", check_tail},
    {"probe-bytewise", "03 §15.2", "a probe that comes byte by byte is answered", check_slow},
    {"probe-twice", "03 §15.1", "two probes on one connection are answered", check_twice},
    {"probe-pipelined", "01 §1.3", "two probes in one write are answered", check_pipelined},
    {"lane-answer", "03 §15.3", "a frame on its own lane is answered with the same id, lane and trace",
     conform_check_lane},
    {"bad-framing-byte", "03 §15.2", "another framing byte: dropped or another protocol's, the backend lives on",
     check_framing_byte},
    {"bad-length", "03 §15.2", "a length above 16 MiB: dropped before the body", check_oversized},
    {"bad-frame", "03 §15.2", "a body that is no Frame: dropped", check_undecodable},
    {"bad-lane", "03 §15.2", "a lane that nobody serves: dropped", check_unknown_lane},
    {"broker-lane", "03 §15.2", "a lane that only brokers serve: dropped", check_broker_lanes},
    {"bad-encoding", "03 §5.1", "a compressed probe: dropped", check_encoding},
    {"bad-nonce", "03 §5.1", "a nonce of another size than 32: dropped", check_nonce_size},
    {"bad-envelope", "03 §5.1", "a probe of another version or kind: dropped", check_version_and_kind},
    {"probe-cap", "03 §5.4", "a probe of more than 64 KiB: dropped", check_probe_cap},
    {"end-without-bytes", "03 §15.2", "connections that end without a byte do no harm", check_end_without_bytes},
    {"end-within-frame", "03 §15.2", "connections that end within a frame do no harm", check_end_within_frame},
    {"idle-crowd", "03 §15.1", "16 idle connections do not stop a probe", check_idle_crowd},
    {"half-crowd", "03 §15.1", "16 half frames do not stop a probe", check_half_crowd},
    {"first-frame", "03 §5.4", "a connection without a frame is closed after 5 s", check_first_frame},
    {0},
};
