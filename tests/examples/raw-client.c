/* SPDX-License-Identifier: MIT */
/*
 * A whole client of the broker: says Hello for a service and prints where its backend listens; from there on the broker
 * is out of the way. It uses nothing but proto/broker_v1_envelope.proto, compiled by protoc-c.
 * Usage: raw-client SOCKET SERVICE VERSION. Exit status: 0 negotiated, 1 refused, 2 no answer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker_v1_envelope.pb-c.h"

static void fail_with(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(2);
}

static void read_all(int fd, uint8_t *into, size_t size)
{
    for (ssize_t n; size > 0; into += n, size -= (size_t)n)
        if ((n = read(fd, into, size)) <= 0)
            fail_with("no answer");
}

int main(int argc, char **argv)
{
    if (argc != 4 || strlen(argv[1]) > 107 || strlen(argv[2]) > 64 || strlen(argv[3]) > 64)
        fail_with("usage: raw-client SOCKET SERVICE VERSION");

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, argv[1]);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    alarm(30); /* the broker answers within 30 s, or the signal ends us */
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail_with("nobody listens there");

    /* A request is a Hello, packed into the payload of a Frame; lane and kind are 0 and stay absent. */
    RunningProcess__Broker__V1__Hello hello;
    running_process__broker__v1__hello__init(&hello);
    hello.client_min_protocol = hello.client_max_protocol = 1;
    hello.service_name = argv[2];
    hello.wanted_version = argv[3];
    uint8_t payload[1024], message[4096];
    RunningProcess__Broker__V1__Frame frame;
    running_process__broker__v1__frame__init(&frame);
    frame.envelope_version = frame.request_id = 1;
    frame.payload = (ProtobufCBinaryData){running_process__broker__v1__hello__pack(&hello, payload), payload};

    /* On the wire: one byte 1, the length as four little-endian bytes, the Frame. */
    size_t size = running_process__broker__v1__frame__pack(&frame, message + 5);
    memcpy(message, (uint8_t[]){1, size & 0xff, size >> 8, 0, 0}, 5);
    if (send(fd, message, size + 5, MSG_NOSIGNAL) != (ssize_t)(size + 5))
        fail_with("cannot send");

    /* The answer has the same shape: read the header, then as much as it announces. */
    read_all(fd, message, 5);
    size = message[1] | message[2] << 8 | message[3] << 16 | (size_t)message[4] << 24;
    if (message[0] != 1 || size > sizeof(message))
        fail_with("not an answer of protocol v1");
    read_all(fd, message, size);
    RunningProcess__Broker__V1__Frame *got = running_process__broker__v1__frame__unpack(NULL, size, message);
    RunningProcess__Broker__V1__HelloReply *reply = NULL;
    if (got != NULL)
        reply = running_process__broker__v1__hello_reply__unpack(NULL, got->payload.len, got->payload.data);
    if (reply == NULL || reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT__NOT_SET)
        fail_with("not a Hello reply");
    int status = reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED;
    if (status == 0)
        printf("negotiated: %s at %s\n", reply->negotiated->daemon_version, reply->negotiated->backend_pipe);
    else
        printf("refused: %s (code %d)\n", reply->refused->reason, (int)reply->refused->code);
    running_process__broker__v1__hello_reply__free_unpacked(reply, NULL);
    running_process__broker__v1__frame__free_unpacked(got, NULL);
    return status;
}
