/* SPDX-License-Identifier: MIT */
#ifndef RPB_PROTOCOL_H
#define RPB_PROTOCOL_H

/*
 * The frozen numbers of protocol v1, for whoever speaks it: clients, backends, and programs that read it off a wire.
 * Nothing here is a call; the header needs no library, and C99 or C++98 at least. runtime/lib/protocol_check.c compares
 * the numbers with the schemas and with the broker's own constants when the libraries are built.
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

/* ------------------------------------------------------------- Frame.kind and .payload_encoding, spec 01 §2.1, §2.2 */

/* A backend's own lanes carry any of them; what they mean there is the backend's affair, but for what is said here. */
enum rpb_frame_kind {
    RPB_FRAME_REQUEST = 0,  /* gets exactly one RESPONSE with its lane and request id, spec 03 §15.3 */
    RPB_FRAME_RESPONSE = 1, /* answers the REQUEST whose id it has */
    RPB_FRAME_EVENT = 2,    /* nobody asked for it, nobody answers it; the broker's only one: handoff ready */
    RPB_FRAME_CANCEL = 3    /* defined, and sent by nobody */
};

#define RPB_ENCODING_NONE 0u /* Frame.payload_encoding: the only one that is accepted; others would be compressed */

/* --------------------------------------------------------------------------------- Hello, spec 01 §4.1, §4.2, §7.3 */

/* Bits of Hello.client_capabilities and Negotiated.server_capabilities. */
#define RPB_CAPABILITY_HANDLE_PASSING (UINT64_C(1) << 0)

/* Refused.code. A peer may send numbers that are not listed. */
enum rpb_error_code {
    RPB_ERROR_UNSPECIFIED = 0,          /* never sent: the code was left out */
    RPB_ERROR_VERSION_UNSUPPORTED = 1,  /* framing or protocol version: upgrade */
    RPB_ERROR_SERVICE_UNKNOWN = 2,      /* no usable definition for the name: a configuration error */
    RPB_ERROR_BACKEND_SPAWN_FAILED = 3, /* the backend did not come up */
    RPB_ERROR_RATE_LIMITED = 4,         /* wait as long as the hint says */
    RPB_ERROR_SHUTTING_DOWN = 5,        /* ask a fresh broker */
    RPB_ERROR_PEER_REJECTED = 6,        /* the request itself is unacceptable */
    RPB_ERROR_INTERNAL = 7,             /* the broker failed, through no fault of the request */
    RPB_ERROR_VERSION_BLOCKED = 8,      /* the definition does not allow this version: do not try it again */
    RPB_ERROR_FD_PRESSURE = 9           /* the broker has no descriptors to spare */
};

/* ------------------------------------------------------------------------------ a client's environment, spec 01 §15 */

#define RPB_ENV_DISABLE "RUNNING_PROCESS_DISABLE"                            /* exactly 1: no broker */
#define RPB_ENV_CLIENT_TIMEOUT_MS "RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS" /* a client's patience */

/* --------------------------------------------------------------------- a backend's environment, spec 03 §3.3, §3.4 */

/*
 * What the broker tells a backend that it launches. Besides these a backend finds the user's USER, LOGNAME, HOME and
 * SHELL, a standard PATH, and of the broker's own environment LANG, TZ, TMPDIR, XDG_RUNTIME_DIR and LC_*, as far as
 * they are set: nothing else, unless the user has no entry in passwd; then it is the broker's own environment.
 */
#define RPB_ENV_SERVICE_NAME "RUNNING_PROCESS_BROKER_V1_SERVICE_NAME"       /* what the client asked for */
#define RPB_ENV_SERVICE_VERSION "RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION" /* likewise: Hello.wanted_version */
#define RPB_ENV_BACKEND_PIPE "RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE"       /* path of the endpoint */
/* namespace of the endpoint, to be echoed in answers to probes byte for byte */
#define RPB_ENV_BACKEND_NAMESPACE "RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE"
/* the broker's instance, "shared", "private:SERVICE" or "explicit:NAME"; equal to the namespace */
#define RPB_ENV_INSTANCE "RUNNING_PROCESS_BROKER_V1_INSTANCE"
/* trace context of the Hello that launched it, each when it had a well-formed one */
#define RPB_ENV_TRACEPARENT "RUNNING_PROCESS_BROKER_V1_TRACEPARENT"
#define RPB_ENV_TRACESTATE "RUNNING_PROCESS_BROKER_V1_TRACESTATE"
#define RPB_ENV_IS_DAEMON "RUNNING_PROCESS_IS_DAEMON" /* 1: launched by a broker */
/* number of the inherited listener, unset when the backend has to bind the endpoint */
#define RPB_ENV_LISTENER_FD "RUNNING_PROCESS_BROKER_LISTENER_FD"
/* number of the control channel, for brokers that pass connections to backends they launch; this one sets none */
#define RPB_ENV_HANDOFF_FD "RUNNING_PROCESS_BROKER_V1_HANDOFF_FD"

#ifdef __cplusplus
}
#endif

#endif
