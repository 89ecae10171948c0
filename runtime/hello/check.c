/* SPDX-License-Identifier: MIT */

/*
 * What is wrong with a Hello by itself, in the frozen order of spec 01 sections 6.2 and 6.3: the first row that fails
 * is the refusal. Reads nothing but the message, so a Hello that is refused here has cost no file access and no
 * process.
 */

#include "hello/check.h"

#include <string.h>

#include "base/error.h"
#include "wire/text.h"

enum { CLIENT_VERSION_MAX = 128, CLIENT_LIB_MAX = 64 };

static int refuse(struct reply *ret_reply, uint32_t code, const char *reason)
{
    reply_refuse(ret_reply, code, reason, 0);
    return CHECK_E_REFUSED;
}

static int check_envelope(const Frame *frame, struct reply *ret_reply)
{
    switch (envelope_check(frame, FRAME_KIND(REQUEST), LANE_CONTROL)) {
    case ENVELOPE_OK:
        break;
    case ENVELOPE_BAD_VERSION:
        return refuse(ret_reply, ERROR_CODE(VERSION_UNSUPPORTED), "frame envelope_version is not v1");
    case ENVELOPE_BAD_KIND:
        return refuse(ret_reply, ERROR_CODE(PEER_REJECTED), "Hello frame kind must be REQUEST");
    case ENVELOPE_BAD_LANE:
        return refuse(ret_reply, ERROR_CODE(PEER_REJECTED), "Hello frame payload_protocol must be control-plane");
    case ENVELOPE_BAD_ENCODING:
        return refuse(ret_reply, ERROR_CODE(PEER_REJECTED), "Hello payload must not be compressed");
    }
    return 0;
}

int check_decode(const Frame *frame, struct arena *arena, Hello **ret_hello, struct reply *ret_reply)
{
    ProtobufCMessage *message;
    int r;

    r = check_envelope(frame, ret_reply);
    if (r != 0) {
        return r;
    }
    r = message_unpack(MESSAGE_HELLO, message_bytes(&frame->payload), arena, &message);
    if (r == MESSAGE_E_MALFORMED) {
        return refuse(ret_reply, ERROR_CODE(PEER_REJECTED), "malformed Hello payload");
    }
    if (r != 0) {
        return error_fold(r);
    }
    *ret_hello = (Hello *)message;
    return 0;
}

static bool is_longer(const char *text, size_t max)
{
    return strnlen(text, max + 1) > max;
}

int check_shape(const Hello *hello, pid_t kernel_pid, struct reply *ret_reply)
{
    if (hello->client_min_protocol > PROTOCOL_VERSION || hello->client_max_protocol < PROTOCOL_VERSION) {
        return refuse(ret_reply, ERROR_CODE(VERSION_UNSUPPORTED), "client protocol range does not include v1");
    }
    if (text_check_name(slice_from(hello->service_name)) != NAME_OK) {
        return refuse(ret_reply, ERROR_CODE(PEER_REJECTED), "invalid service_name");
    }
    if (is_longer(hello->wanted_version, HELLO_VERSION_SIZE_MAX) ||
        text_check_version(slice_from(hello->wanted_version)) != VERSION_OK) {
        return refuse(ret_reply, ERROR_CODE(PEER_REJECTED), "invalid wanted_version");
    }
    if (is_longer(hello->client_version, CLIENT_VERSION_MAX)) {
        return refuse(ret_reply, ERROR_CODE(PEER_REJECTED), "client_version exceeds 128 bytes");
    }
    if (is_longer(hello->client_lib_name, CLIENT_LIB_MAX) || is_longer(hello->client_lib_version, CLIENT_LIB_MAX)) {
        return refuse(ret_reply, ERROR_CODE(PEER_REJECTED), "client_lib fields exceed 64 bytes");
    }
    if (hello->peer_pid != 0 && kernel_pid != 0 && hello->peer_pid != (uint32_t)kernel_pid) {
        return refuse(ret_reply, ERROR_CODE(PEER_REJECTED), "peer_pid does not match verified peer");
    }
    return 0;
}
