/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * One exchange with one arm of a bench, for the measuring programs beside it: fresh connection, one request, its reply,
 * close. The name of an arm says what is spoken: `echo...` takes a reply of known length, whatever it says; `bus...` is
 * a message bus, `bus:` as libdbus talks to it (each line of the authentication awaits its answer), `bus-terse:` as
 * sd-bus does (the whole authentication in one piece, then Hello); everything else is a broker and must answer
 * Negotiated. Any failure ends the program: a bench that goes on after an error measures nothing.
 */

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_MAX = 65536, ARMS_MAX = 24, BUS_HEADER = 16, BUS_METHOD_RETURN = 2, BUS_SIGNAL = 4 };

struct arm {
    const char *name;
    struct sockaddr_un address;
    bool is_echo, is_bus, is_terse;
};

static uint8_t request[MESSAGE_MAX], reply[MESSAGE_MAX];
static size_t request_size, echo_size;

static inline void die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void pin_to(int cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0) {
        die("--cpu");
    }
}

static inline uint32_t little32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline void send_bytes(int fd, const void *bytes, size_t size)
{
    if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) {
        die("send");
    }
}

static inline size_t read_some(int fd, size_t have)
{
    ssize_t n = recv(fd, reply + have, sizeof(reply) - have, 0);

    if (n <= 0) {
        errno = n == 0 ? 0 : errno;
        die("no reply");
    }
    return have + (size_t)n;
}

/* Reads one reply; its size is in the header, or known for an echo. */
static inline void read_reply(int fd, const struct arm *arm)
{
    size_t have = 0, want = arm->is_echo ? echo_size : 5;

    while (have < want) {
        have = read_some(fd, have);
        if (!arm->is_echo && have >= 5) {
            want = 5 + (size_t)little32(reply + 1);
            if (want > sizeof(reply)) {
                die("reply too long");
            }
        }
    }
    errno = 0;
    /* 08 01 10 01 22 LEN[1-2] 0a: a response frame of version 1 whose payload begins with `negotiated` */
    if (!arm->is_echo && memcmp(reply + 5, "\x08\x01\x10\x01\x22", 5) != 0) {
        die("not a control reply");
    }
    if (!arm->is_echo && reply[10 + (reply[10] > 127 ? 2 : 1)] != 0x0a) {
        die("refused");
    }
}

/* A header field of a bus message: code, signature of one letter, text; eight bytes aligned. */
static inline size_t bus_field(uint8_t *at, uint8_t code, char type, const char *text)
{
    size_t size = strlen(text);

    memcpy(at, (const uint8_t[]){code, 1, (uint8_t)type, 0, (uint8_t)size, 0, 0, 0}, 8);
    memcpy(at + 8, text, size + 1);
    return (8 + size + 1 + 7) & ~(size_t)7;
}

static inline size_t bus_hello(uint8_t *message)
{
    size_t size = BUS_HEADER, fields;

    memset(message, 0, 256);
    size += bus_field(message + size, 1, 'o', "/org/freedesktop/DBus");
    size += bus_field(message + size, 2, 's', "org.freedesktop.DBus");
    size += bus_field(message + size, 3, 's', "Hello");
    fields = size;
    size += bus_field(message + size, 6, 's', "org.freedesktop.DBus");
    fields += 8 + strlen("org.freedesktop.DBus") + 1 - BUS_HEADER;
    memcpy(message, (const uint8_t[]){'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, (uint8_t)fields, 0, 0, 0}, BUS_HEADER);
    return size;
}

static inline size_t bus_auth(char *text, bool is_terse)
{
    char uid[16];
    size_t size = (size_t)sprintf(text, "AUTH EXTERNAL ");

    snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
    for (const char *p = uid; *p; p++) {
        size += (size_t)sprintf(text + size, "%02x", (unsigned)*p);
    }
    return size + (size_t)sprintf(text + size, is_terse ? "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" : "\r\n");
}

/* Reads @lines whole lines, which are all that comes now. */
static inline void bus_lines(int fd, unsigned lines, const char *begin)
{
    size_t have = 0;
    unsigned found;

    do {
        have = read_some(fd, have);
        found = 0;
        for (size_t i = 0; i < have; i++) {
            found += reply[i] == '\n';
        }
    } while (found < lines);
    errno = 0;
    if (memcmp(reply, begin, strlen(begin)) != 0) {
        die("the bus does not know us");
    }
}

static inline void bus_authenticate(int fd, bool is_terse)
{
    static char text[2][96];
    static size_t size[2];

    if (size[is_terse] == 0) {
        size[is_terse] = 1 + bus_auth(text[is_terse] + 1, is_terse);
    }
    if (is_terse) {
        send_bytes(fd, text[1], size[1]);
        bus_lines(fd, 2, "OK ");
        return;
    }
    send_bytes(fd, "", 1);
    send_bytes(fd, text[0] + 1, size[0] - 1);
    bus_lines(fd, 1, "OK ");
    send_bytes(fd, "NEGOTIATE_UNIX_FD\r\n", 19);
    bus_lines(fd, 1, "AGREE_UNIX_FD");
    send_bytes(fd, "BEGIN\r\n", 7);
}

static inline void bus_exchange(int fd, bool is_terse)
{
    static uint8_t message[256];
    static size_t message_size;
    size_t have = 0, size;

    if (message_size == 0) {
        message_size = bus_hello(message);
    }
    bus_authenticate(fd, is_terse);
    send_bytes(fd, message, message_size);
    for (;;) {
        size = have < BUS_HEADER ? BUS_HEADER : BUS_HEADER + ((little32(reply + 12) + 7) & ~7u) + little32(reply + 4);
        if (have < size) {
            have = read_some(fd, have);
            continue;
        }
        if (size > BUS_HEADER && reply[1] != BUS_SIGNAL) {
            break;
        }
        have -= size;
        memmove(reply, reply + size, have);
    }
    errno = 0;
    if (reply[1] != BUS_METHOD_RETURN) {
        die("the bus refused its Hello");
    }
}

/* One whole cycle; how long it took, and how long from after connect() to the last byte of the reply. */
static inline void exchange_once(const struct arm *arm, uint64_t *ret_cycle, uint64_t *ret_hello)
{
    uint64_t begun = now_ns(), connected, answered;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&arm->address, sizeof(arm->address)) < 0) {
        die(arm->name);
    }
    connected = now_ns();
    if (arm->is_bus) {
        bus_exchange(fd, arm->is_terse);
    } else {
        send_bytes(fd, request, request_size);
        read_reply(fd, arm);
    }
    answered = now_ns();
    close(fd);
    *ret_cycle = now_ns() - begun;
    *ret_hello = answered - connected;
}

static inline void parse_arm(struct arm *arm, char *text)
{
    char *path = strchr(text, '=');

    errno = 0;
    if (!path || strlen(path + 1) >= sizeof(arm->address.sun_path)) {
        die("ARM=SOCKET");
    }
    *path++ = '\0';
    arm->name = text;
    arm->is_echo = strncmp(text, "echo", 4) == 0;
    arm->is_bus = strncmp(text, "bus", 3) == 0;
    arm->is_terse = strncmp(text, "bus-terse", 9) == 0;
    arm->address.sun_family = AF_UNIX;
    strcpy(arm->address.sun_path, path);
}

static inline void load_request(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (!file) {
        die(path);
    }
    request_size = fread(request, 1, sizeof(request), file);
    fclose(file);
}

static inline int compare_u64(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Nearest rank of @permille among @n sorted values. */
static inline uint64_t rank_of(const uint64_t *sorted, size_t n, size_t permille)
{
    size_t at = (n * permille + 999) / 1000;

    return sorted[at == 0 ? 0 : at - 1];
}
