/* SPDX-License-Identifier: MIT */
#pragma once

/* Frozen numbers of protocol v1: framing, caps, lanes (spec 01 §1, §3). Enumerations of the schemas come from proto/.
 */

#include <stdbool.h>
#include <stdint.h>

#include "broker_v1_admin.pb-c.h"
#include "broker_v1_envelope.pb-c.h"

#define FRAMING_VERSION 1  /* first byte of every frame */
#define ENVELOPE_VERSION 1 /* Frame.envelope_version; another axis than the framing byte */
#define PROTOCOL_VERSION 1 /* what a Hello negotiates */

#define FRAME_HEADER_SIZE 5u
#define FRAME_BODY_MAX 16777216u /* any reader and any writer */
#define HELLO_BODY_MAX 65536u    /* body of a frame that carries a Hello; also the most that is ever stored */
#define TRACE_ECHO_MAX 4096u     /* longest trace value echoed for a frame that was not stored (decision 9d) */

/* Frame.payload_protocol: who decodes the payload. */
#define LANE_CONTROL 0x0000u
#define LANE_ADMIN 0xAD01u
#define LANE_PROBE 0xB232u
#define LANE_HANDOFF 0xD0FFu
#define LANE_LIFECYCLE 0x4C43u    /* broker to backend only, spec 03 §12.3 */
#define LANE_SESSION_NEXT 0x5350u /* reserved for the next protocol generation, never served */
#define LANE_ZCCACHE 0x7A63u
#define LANE_CLUD 0x7C4Cu
#define LANE_FBUILD 0x7EB1u

#define LANE_CONSUMER_FIRST 0x7000u
#define LANE_CONSUMER_LAST 0x7EFFu
#define LANE_PRIVATE_FIRST 0xF000u
#define LANE_PRIVATE_LAST 0xFFFFu

/* The lanes that a broker and its backends speak themselves: exactly the four of spec 01 §3. */
#define LANE_IS_FIRST_PARTY(id)                                                                                        \
    ((id) == LANE_CONTROL || (id) == LANE_ADMIN || (id) == LANE_PROBE || (id) == LANE_HANDOFF)
#define LANE_IS_CONSUMER(id) ((id) >= LANE_CONSUMER_FIRST && (id) <= LANE_CONSUMER_LAST)
#define LANE_IS_PRIVATE(id) ((id) >= LANE_PRIVATE_FIRST && (id) <= LANE_PRIVATE_LAST)

/* At file scope: refuses at compile time an id that no consumer may use. */
#define LANE_ASSERT_CONSUMER(id)                                                                                       \
    _Static_assert(!LANE_IS_FIRST_PARTY(id) && (LANE_IS_CONSUMER(id) || LANE_IS_PRIVATE(id)),                          \
                   #id " is not a lane for consumers")

LANE_ASSERT_CONSUMER(LANE_ZCCACHE);
LANE_ASSERT_CONSUMER(LANE_CLUD);
LANE_ASSERT_CONSUMER(LANE_FBUILD);

/* Short spellings of generated constants: ERROR_CODE(PEER_REJECTED), FRAME_KIND(REQUEST), ADMIN_VERB(STATUS) … */
#define ERROR_CODE(name) RUNNING_PROCESS__BROKER__V1__ERROR_CODE__ERROR_##name
#define FRAME_KIND(name) RUNNING_PROCESS__BROKER__V1__FRAME_KIND__FRAME_KIND_##name
#define PAYLOAD_ENCODING(name) RUNNING_PROCESS__BROKER__V1__PAYLOAD_ENCODING__PAYLOAD_ENCODING_##name
#define ADMIN_VERB(name) RUNNING_PROCESS__BROKER__V1__ADMIN_VERB__ADMIN_VERB_##name
#define ADMIN_REPLY_KIND(name) RUNNING_PROCESS__BROKER__V1__ADMIN_REPLY_KIND__ADMIN_REPLY_KIND_##name

#define CAPABILITY_HANDLE_PASSING (UINT64_C(1) << 0)
#define HANDOFF_TOKEN_SIZE 16u
