/* SPDX-License-Identifier: MIT */
#ifndef RPB_PROTOCOL_H
#define RPB_PROTOCOL_H

/*
 * The frozen numbers of protocol v1, for whoever speaks it: clients, backends, and programs that read it off a wire.
 * Nothing here is a call; the header needs no library. runtime/lib/protocol_check.c compares every value with the
 * schemas and with the broker's own constants when the libraries are built.
 *
 * A stream consists of frames: one byte framing version, four bytes body length (little endian), and the body, a
 * protobuf message `Frame` (proto/broker_v1_envelope.proto). Frame.payload_protocol, the lane, says who decodes
 * Frame.payload. Spec 01 §1 to §4.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Marks what the shared libraries export; everything else in them is hidden. */
#if defined(__GNUC__)
#define RPB_PUBLIC __attribute__((visibility("default")))
#else
#define RPB_PUBLIC
#endif

/* --------------------------------------------------------------------------------------------- versions, spec 01 §1 */

#define RPB_FRAMING_VERSION 1u  /* first byte of every frame */
#define RPB_ENVELOPE_VERSION 1u /* Frame.envelope_version */
#define RPB_PROTOCOL_VERSION 1u /* what a Hello negotiates */

/* -------------------------------------------------------------------------------------- caps in bytes, spec 01 §1.2 */

#define RPB_FRAME_HEADER_SIZE 5u
#define RPB_FRAME_BODY_MAX 16777216u /* of any frame; exactly that many are accepted */
#define RPB_HELLO_BODY_MAX 65536u    /* of a frame that carries a Hello */
#define RPB_ENDPOINT_PATH_MAX 107u   /* of a socket's path, without its NUL */
#define RPB_NAME_MAX 64u             /* of a service or instance name: [a-z0-9-]{1,64}, spec 01 §5.1 */
#define RPB_VERSION_MAX 64u          /* of a version in a Hello: MAJOR.MINOR.PATCH[-tail], spec 01 §5.2 */
#define RPB_PROBE_NONCE_SIZE 32u     /* payload of an identity probe, and head of its answer, spec 03 §5 */
#define RPB_HANDOFF_TOKEN_SIZE 16u   /* spec 01 §7.3 */

/* ---------------------------------------------------------------------- lanes: Frame.payload_protocol, spec 01 §3 */

#define RPB_LANE_CONTROL 0x0000u   /* Hello and its reply; broker only */
#define RPB_LANE_ADMIN 0xAD01u     /* admin verbs; broker only */
#define RPB_LANE_PROBE 0xB232u     /* identity probe; backends answer it */
#define RPB_LANE_HANDOFF 0xD0FFu   /* passed connections; broker, backend, and the ready event of a client */
#define RPB_LANE_LIFECYCLE 0x4C43u /* orders of the broker on a backend's control channel, spec 03 §12.3 */
#define RPB_LANE_ZCCACHE 0x7A63u   /* consumers with a number of their own */
#define RPB_LANE_CLUD 0x7C4Cu
#define RPB_LANE_FBUILD 0x7EB1u
#define RPB_LANE_CONSUMER_FIRST 0x7000u /* registered consumers */
#define RPB_LANE_CONSUMER_LAST 0x7EFFu
#define RPB_LANE_PRIVATE_FIRST 0xF000u /* anybody, without registration */
#define RPB_LANE_PRIVATE_LAST 0xFFFFu

/* True (1) when a backend's own protocol may use lane @id; an integer constant expression when @id is one. */
#define RPB_LANE_IS_FOR_BACKENDS(id)                                                                                   \
    (((id) >= RPB_LANE_CONSUMER_FIRST && (id) <= RPB_LANE_CONSUMER_LAST) ||                                            \
     ((id) >= RPB_LANE_PRIVATE_FIRST && (id) <= RPB_LANE_PRIVATE_LAST))

/* --------------------------------------------------------------------------------- Frame.kind and .payload_encoding */

enum rpb_frame_kind { RPB_FRAME_REQUEST = 0, RPB_FRAME_RESPONSE = 1, RPB_FRAME_EVENT = 2, RPB_FRAME_CANCEL = 3 };

#define RPB_ENCODING_NONE 0u /* the only payload encoding that is accepted */

/* --------------------------------------------------------------------------------- Hello, spec 01 §4.1, §4.2, §7.3 */

/* Bits of Hello.client_capabilities and Negotiated.server_capabilities. */
#define RPB_CAPABILITY_HANDLE_PASSING (UINT64_C(1) << 0)

/* Refused.code. A peer may send numbers that are not listed. */
enum rpb_error_code {
    RPB_ERROR_UNSPECIFIED = 0,
    RPB_ERROR_VERSION_UNSUPPORTED = 1,  /* framing or protocol version: upgrade */
    RPB_ERROR_SERVICE_UNKNOWN = 2,      /* no usable definition for the name: a configuration error */
    RPB_ERROR_BACKEND_SPAWN_FAILED = 3, /* the backend did not come up */
    RPB_ERROR_RATE_LIMITED = 4,         /* wait as long as the hint says */
    RPB_ERROR_SHUTTING_DOWN = 5,        /* ask a fresh broker */
    RPB_ERROR_PEER_REJECTED = 6,        /* the request itself is unacceptable */
    RPB_ERROR_INTERNAL = 7,
    RPB_ERROR_VERSION_BLOCKED = 8, /* the definition does not allow this version: do not try it again */
    RPB_ERROR_FD_PRESSURE = 9      /* the broker has no descriptors to spare */
};

/* ------------------------------------------------------------------------ environment, spec 01 §15 and 03 §3.4 */

#define RPB_ENV_DISABLE "RUNNING_PROCESS_DISABLE"                            /* exactly 1: no broker */
#define RPB_ENV_CLIENT_TIMEOUT_MS "RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS" /* a client's patience */

/* What the broker tells a backend that it launches. */
#define RPB_ENV_SERVICE_NAME "RUNNING_PROCESS_BROKER_V1_SERVICE_NAME"
#define RPB_ENV_SERVICE_VERSION "RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION"
#define RPB_ENV_BACKEND_PIPE "RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE" /* path of the endpoint */
#define RPB_ENV_BACKEND_NAMESPACE "RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE"
#define RPB_ENV_LISTENER_FD "RUNNING_PROCESS_BROKER_LISTENER_FD"  /* number of the inherited listener */
#define RPB_ENV_HANDOFF_FD "RUNNING_PROCESS_BROKER_V1_HANDOFF_FD" /* number of the control channel */

#ifdef __cplusplus
}
#endif

#endif
