/* SPDX-License-Identifier: MIT */

/* A payload that is too large is refused by its size alone: nothing of it is read, the buffer stays as it was. */

#include <errno.h>

#include "check.h"
#include "wire/envelope.h"
#include "wire/message.h"
#include "wire/protocol.h"

static const struct slice too_large = {.data = "", .size = FRAME_BODY_MAX + 1u};

static void test_parts(void)
{
    HelloReply reply;
    struct envelope_payload head = {.head = too_large}, tail = {.tail = too_large};
    struct buffer buffer;
    Frame frame;

    message_init(MESSAGE_HELLO_REPLY, &reply);
    head.message = tail.message = MESSAGE_OF(&reply);
    envelope_request(&frame, LANE_CONTROL, (struct slice){0});
    buffer_init(&buffer, 1024);
    check_int(envelope_pack_parts(&buffer, &frame, &head), -EMSGSIZE);
    check_int(envelope_pack_parts(&buffer, &frame, &tail), -EMSGSIZE);
    check_int(buffer.size, 0);
    buffer_deinit(&buffer);
}

/* Each part fits, both together do not. */
static void test_sum(void)
{
    struct slice half = {.data = "", .size = FRAME_BODY_MAX / 2 + 1};
    struct envelope_payload payload = {.head = half, .tail = half};
    struct buffer buffer;
    HelloReply reply;
    Frame frame;

    message_init(MESSAGE_HELLO_REPLY, &reply);
    payload.message = MESSAGE_OF(&reply);
    envelope_request(&frame, LANE_CONTROL, (struct slice){0});
    buffer_init(&buffer, 1024);
    check_int(envelope_pack_parts(&buffer, &frame, &payload), -EMSGSIZE);
    check_int(buffer.size, 0);
    buffer_deinit(&buffer);
}

CHECK_PROGRAM("wire/too-large", {"a part of a payload", test_parts}, {"the parts together", test_sum})
