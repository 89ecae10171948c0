/* SPDX-License-Identifier: MIT */
#pragma once

/* The identity probe, lane 0xB232 (spec 03 §5): request, answer, and the checks of both sides. No input or output. */

#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "wire/envelope.h"
#include "wire/message.h"

#define PROBE_NONCE_SIZE 32u
#define PROBE_HASH_SIZE 32u

/* Checks of an answer in their order (spec 03 §5.4); the first that fails is the verdict. */
enum probe_fault {
    PROBE_OK,
    PROBE_FRAME,   /* body is not a Frame */
    PROBE_VERSION, /* envelope_version */
    PROBE_KIND,
    PROBE_LANE,
    PROBE_REQUEST_ID,
    PROBE_ENCODING,
    PROBE_SHORT,    /* payload shorter than a nonce; in a request: not exactly one */
    PROBE_NONCE,    /* another nonce */
    PROBE_IDENTITY, /* behind the nonce is no DaemonProcess */
    PROBE_NO_ENDPOINT,
    PROBE_ALGORITHM, /* not "blake3" */
    PROBE_HASH,      /* not 32 bytes */
    /* comparison with the expected identity */
    PROBE_OTHER_PID,
    PROBE_OTHER_EXE_PATH,
    PROBE_OTHER_EXE_HASH,
    PROBE_OTHER_BOOT_ID,
    PROBE_OTHER_ENDPOINT,
};

/* Frame.request_id of a probe: the first eight bytes of its nonce, little endian. */
uint64_t probe_request_id(const uint8_t nonce[PROBE_NONCE_SIZE]);

/* Appends the framed request for @nonce. 0 or the buffer's error. */
int probe_pack_request(struct buffer *buffer, const uint8_t nonce[PROBE_NONCE_SIZE]);

/*
 * Judges the body (without header) of an answer to @nonce, everything up to but not including the comparison of
 * identities. 0 with the verdict in *@ret_fault; with PROBE_OK also *@ret_identity, which lives in @arena. -ENOMEM.
 */
int probe_check_reply(struct slice body, const uint8_t nonce[PROBE_NONCE_SIZE], struct arena *arena,
                      enum probe_fault *ret_fault, DaemonProcess **ret_identity);

/* First difference of @answered from @expected in the order pid, exe path, exe hash, boot id, endpoint; else OK. */
enum probe_fault probe_compare(const DaemonProcess *expected, const DaemonProcess *answered);

/* Responder: judges a decoded request frame (order of spec 03 §5.1); with PROBE_OK *@ret_nonce borrows from it. */
enum probe_fault probe_check_request(const Frame *request, const uint8_t **ret_nonce);

/*
 * Responder: appends the framed answer to a checked @request: its nonce, @identity, and the legacy field 3 with
 * @sha256 of the executable (NULL: 32 zeros, spec 03 §5.3). 0 or the buffer's error.
 */
int probe_pack_reply(struct buffer *buffer, const Frame *request, const DaemonProcess *identity,
                     const uint8_t sha256[PROBE_HASH_SIZE]);

/* "probe answer: …" for logs and refusals; static. */
const char *probe_fault_text(enum probe_fault fault);
