/* SPDX-License-Identifier: MIT */
/*
 * Cold starts, ours against the floor. The floor is the least that starts the same backend and knows that it answers:
 * bind, listen, fork, exec with the listener inherited, connect, one nonce probe, its reply. Ours is one Hello for a
 * service of which nothing runs, from socket() to close(). With --activator PATH, systemd-socket-activate is one more
 * arm: it listens before the clock starts, which then runs from socket() over the exec that the connection causes to
 * the reply to the probe. All alternate; prints CSV `sample,arm,nanoseconds`. Usage: bench-cold --cpu N --samples N
 * --program PATH --directory DIR [--activator PATH --activator-cpu N] REQUEST_PREFIX ARM=SOCKET, where REQUEST_PREFIX0,
 * 1, ... hold one framed Hello a sample, each for another backend. The floor's backend and the activator's are killed
 * after each sample; the broker's stay, and are the caller's.
 */
#include "bench/exchange.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "broker_v1_envelope.pb-c.h"

enum { NONCE = 32, LANE = 0xB232 };

static const char *program, *directory, *activator;
static int activator_cpu;

static void exec_backend(int listener, const char *path)
{
    char pipe_variable[160];
    char *const argv[] = {strdup(program), NULL};
    char *const env[] = {pipe_variable, strdup("RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE=floor"),
                         strdup("RUNNING_PROCESS_BROKER_LISTENER_FD=3"), NULL};

    snprintf(pipe_variable, sizeof(pipe_variable), "RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE=%s", path);
    if (listener == 3 ? fcntl(3, F_SETFD, 0) < 0 : dup2(listener, 3) < 0) {
        _exit(127);
    }
    execve(program, argv, env);
    _exit(127);
}

/* A request for identity with a nonce of its own, framed. */
static size_t probe_request(uint64_t sample, uint8_t *bytes)
{
    RunningProcess__Broker__V1__Frame frame;
    uint8_t nonce[NONCE] = {1};
    size_t size;

    running_process__broker__v1__frame__init(&frame);
    memcpy(nonce, &sample, sizeof(sample));
    frame.envelope_version = 1;
    frame.payload_protocol = LANE;
    frame.request_id = sample;
    frame.payload.data = nonce;
    frame.payload.len = NONCE;
    size = running_process__broker__v1__frame__pack(&frame, bytes + 5);
    memcpy(bytes, (const uint8_t[]){1, (uint8_t)size, (uint8_t)(size >> 8), 0, 0}, 5);
    return 5 + size;
}

static void read_probe_reply(int fd)
{
    size_t have = 0;

    while (have < 5 || have < 5 + (size_t)little32(reply + 1)) {
        have = read_some(fd, have);
    }
}

/* A connection to the backend, a probe and its reply. 0, or -1 when nobody listens yet. */
static int probe_once(const struct sockaddr_un *address, uint64_t sample)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint8_t probe[128];
    size_t probe_size;

    if (fd < 0) {
        die("socket");
    }
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
        close(fd);
        return -1;
    }
    probe_size = probe_request(sample, probe);
    send_bytes(fd, probe, probe_size);
    read_probe_reply(fd);
    close(fd);
    return 0;
}

static uint64_t floor_once(uint64_t sample)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    uint64_t begun = now_ns();
    int listener;
    pid_t pid;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/floor-%llu", directory, (unsigned long long)sample);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || fchmod(listener, 0600) < 0 ||
        bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, SOMAXCONN) < 0) {
        die(address.sun_path);
    }
    pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        exec_backend(listener, address.sun_path);
    }
    close(listener);
    if (probe_once(&address, sample) < 0) {
        die("connect to the backend");
    }
    begun = now_ns() - begun;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(address.sun_path);
    return begun;
}

static void exec_activator(const char *path)
{
    char pipe_variable[192];
    int null = open("/dev/null", O_WRONLY);

    snprintf(pipe_variable, sizeof(pipe_variable), "RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE=%s", path);
    pin_to(activator_cpu);
    if (null < 0 || dup2(null, STDERR_FILENO) < 0) {
        _exit(127);
    }
    execl(activator, activator, "-l", path, "-E", pipe_variable, "-E",
          "RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE=floor", "-E", "RUNNING_PROCESS_BROKER_LISTENER_FD=3", program,
          (char *)NULL);
    _exit(127);
}

/* What a connection costs that finds nobody yet is not counted: the activator is only just being started. */
static uint64_t activated_once(uint64_t sample)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    uint64_t begun, given_up = now_ns() + UINT64_C(5000000000);
    pid_t pid;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/activated-%llu", directory, (unsigned long long)sample);
    pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        exec_activator(address.sun_path);
    }
    do {
        usleep(2000);
        begun = now_ns();
        if (begun > given_up || waitpid(pid, NULL, WNOHANG) != 0) {
            die(activator);
        }
    } while (probe_once(&address, sample) < 0);
    begun = now_ns() - begun;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(address.sun_path);
    return begun;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"cpu", 1, NULL, 'c'},       {"samples", 1, NULL, 's'},
                                            {"program", 1, NULL, 'p'},   {"directory", 1, NULL, 'd'},
                                            {"activator", 1, NULL, 'a'}, {"activator-cpu", 1, NULL, 'A'},
                                            {NULL, 0, NULL, 0}};
    unsigned long samples = 1;
    uint64_t cycle, unused;
    char path[4096];
    struct arm arm;

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            pin_to(atoi(optarg));
            break;
        case 'A':
            activator_cpu = atoi(optarg);
            break;
        case 'a':
            activator = optarg;
            break;
        case 's':
            samples = strtoul(optarg, NULL, 10);
            break;
        case 'p':
            program = optarg;
            break;
        case 'd':
            directory = optarg;
            break;
        default:
            return 2;
        }
    }
    if (argc - optind != 2 || !program || !directory) {
        fprintf(stderr, "usage: bench-cold [--cpu N] [--activator PATH --activator-cpu N] --samples N --program PATH "
                        "--directory DIR PREFIX "
                        "ARM=SOCKET\n");
        return 2;
    }
    parse_arm(&arm, argv[optind + 1]);
    for (unsigned long i = 0; i < samples; i++) {
        snprintf(path, sizeof(path), "%s%lu", argv[optind], i);
        load_request(path);
        printf("%lu,floor,%llu\n", i, (unsigned long long)floor_once(i));
        exchange_once(&arm, &cycle, &unused);
        printf("%lu,%s,%llu\n", i, arm.name, (unsigned long long)cycle);
        if (activator) {
            printf("%lu,systemd-socket-activate,%llu\n", i, (unsigned long long)activated_once(i));
        }
    }
    return 0;
}
