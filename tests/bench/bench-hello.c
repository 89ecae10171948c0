/* SPDX-License-Identifier: MIT */
/*
 * The measuring client: fresh connection, one Hello, one reply, close, again and again, one arm after the other. It
 * times `cycle` from before socket() to after close() and `hello` from after connect() to the last byte of the reply,
 * sorts, and prints nearest-rank percentiles of every round as CSV. It judges nothing; run.py does. Usage: bench-hello
 * --cpu N --rounds N --warmup N --samples N --request FILE ARM=SOCKET... FILE holds the framed request. An arm whose
 * name begins with `echo` may answer anything of the right length; every other reply must be a Negotiated.
 */
#include <errno.h>
#include <getopt.h>
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

enum { MESSAGE_MAX = 65536, ARMS_MAX = 8 };

struct arm {
    const char *name;
    struct sockaddr_un address;
    bool is_echo;
};

static uint8_t request[MESSAGE_MAX], reply[MESSAGE_MAX];
static size_t request_size, echo_size;
static uint64_t *cycles, *hellos;

static void die(const char *what)
{
    fprintf(stderr, "bench-hello: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Reads one reply; its size is in the header, or known for an echo. */
static void read_reply(int fd, const struct arm *arm)
{
    size_t have = 0, want = arm->is_echo ? echo_size : 5;

    while (have < want) {
        ssize_t n = recv(fd, reply + have, sizeof(reply) - have, 0);

        if (n <= 0) {
            die("no reply");
        }
        have += (size_t)n;
        if (!arm->is_echo && have >= 5) {
            want = 5 + ((size_t)reply[1] | (size_t)reply[2] << 8 | (size_t)reply[3] << 16 | (size_t)reply[4] << 24);
            if (want > sizeof(reply)) {
                die("reply too long");
            }
        }
    }
    /* 08 01 10 01 22 LEN[1-2] 0a: a response frame of version 1 whose payload begins with `negotiated` */
    if (!arm->is_echo && memcmp(reply + 5, "\x08\x01\x10\x01\x22", 5) != 0) {
        die("not a control reply");
    }
    if (!arm->is_echo && reply[10 + (reply[10] > 127 ? 2 : 1)] != 0x0a) {
        die("refused");
    }
}

static void one(const struct arm *arm, size_t i)
{
    uint64_t begun = now(), connected, answered;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&arm->address, sizeof(arm->address)) < 0) {
        die(arm->name);
    }
    connected = now();
    if (send(fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) {
        die("send");
    }
    read_reply(fd, arm);
    answered = now();
    close(fd);
    cycles[i] = now() - begun;
    hellos[i] = answered - connected;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Nearest rank of @permille. */
static uint64_t rank(const uint64_t *sorted, size_t n, size_t permille)
{
    size_t at = (n * permille + 999) / 1000;

    return sorted[at == 0 ? 0 : at - 1];
}

static void print(const struct arm *arm, unsigned round, const char *what, uint64_t *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare);
    printf("%u,%s,%s,%zu,%llu,%llu,%llu,%llu\n", round, arm->name, what, n, (unsigned long long)values[0],
           (unsigned long long)rank(values, n, 500), (unsigned long long)rank(values, n, 990),
           (unsigned long long)rank(values, n, 999));
}

static void parse_arm(struct arm *arm, char *text)
{
    char *path = strchr(text, '=');

    if (!path || strlen(path + 1) >= sizeof(arm->address.sun_path)) {
        die("ARM=SOCKET");
    }
    *path++ = '\0';
    arm->name = text;
    arm->is_echo = strncmp(text, "echo", 4) == 0;
    arm->address.sun_family = AF_UNIX;
    strcpy(arm->address.sun_path, path);
}

static void load_request(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (!file) {
        die(path);
    }
    request_size = fread(request, 1, sizeof(request), file);
    fclose(file);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"cpu", 1, NULL, 'c'},     {"rounds", 1, NULL, 'r'},    {"warmup", 1, NULL, 'w'}, {"samples", 1, NULL, 's'},
        {"request", 1, NULL, 'q'}, {"echo-size", 1, NULL, 'e'}, {NULL, 0, NULL, 0}};
    struct arm arms[ARMS_MAX];
    size_t n_arms = 0, warmup = 500, samples = 1000;
    unsigned rounds = 1;
    cpu_set_t cpus;

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            CPU_ZERO(&cpus);
            CPU_SET((size_t)atoi(optarg), &cpus);
            if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0) {
                die("--cpu");
            }
            break;
        case 'r':
            rounds = (unsigned)atoi(optarg);
            break;
        case 'w':
            warmup = strtoul(optarg, NULL, 10);
            break;
        case 's':
            samples = strtoul(optarg, NULL, 10);
            break;
        case 'e':
            echo_size = strtoul(optarg, NULL, 10);
            break;
        case 'q':
            load_request(optarg);
            break;
        default:
            return 2;
        }
    }
    for (int i = optind; i < argc && n_arms < ARMS_MAX; i++) {
        parse_arm(&arms[n_arms++], argv[i]);
    }
    if (n_arms == 0 || request_size == 0 || samples == 0) {
        fprintf(stderr, "usage: bench-hello --request FILE [--cpu N] [--rounds N] [--samples N] ARM=SOCKET...\n");
        return 2;
    }
    cycles = calloc(samples, sizeof(*cycles));
    hellos = calloc(samples, sizeof(*hellos));
    if (!cycles || !hellos) {
        die("memory");
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t a = 0; a < n_arms; a++) {
            for (size_t i = 0; i < warmup; i++) {
                one(&arms[a], 0);
            }
            for (size_t i = 0; i < samples; i++) {
                one(&arms[a], i);
            }
            print(&arms[a], round, "cycle", cycles, samples);
            print(&arms[a], round, "hello", hellos, samples);
            fflush(stdout);
        }
    }
    free(cycles);
    free(hellos);
    return 0;
}
