/* SPDX-License-Identifier: MIT */
/*
 * How many exchanges a second a server completes for N clients, each a process with one loop that begins the next
 * exchange when the last one ended, and how evenly they are served. One arm after the other, for a fixed time each;
 * prints CSV `round,arm,clients,nanoseconds,total,least,most`. Usage: bench-load --cpu N --clients N --rounds N
 * --milliseconds N [--most N] --request FILE ARM=SOCKET... With --most, an arm ends after N exchanges of all clients
 * together, too.
 */
#include "bench/exchange.h"

#include <getopt.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { CLIENTS_MAX = 64, LINE = 8 }; /* a counter has a cache line of its own */

static uint64_t (*counts)[LINE];
static volatile uint64_t *go;

static void run_client(const struct arm *arm, unsigned i, uint64_t duration, uint64_t most)
{
    uint64_t unused, end;

    while (!*go) {
        sched_yield();
    }
    end = now_ns() + duration;
    while (now_ns() < end && counts[i][0] < most) {
        exchange_once(arm, &unused, &unused);
        counts[i][0]++;
    }
    _exit(0);
}

static void run_arm(const struct arm *arm, unsigned round, unsigned clients, uint64_t duration, uint64_t most)
{
    uint64_t begun, total = 0, least = UINT64_MAX, highest = 0;
    int status;

    *go = 0;
    memset(counts, 0, CLIENTS_MAX * sizeof(*counts));
    for (unsigned i = 0; i < clients; i++) {
        pid_t pid = fork();

        if (pid < 0) {
            die("fork");
        }
        if (pid == 0) {
            run_client(arm, i, duration, most / clients);
        }
    }
    begun = now_ns();
    *go = 1;
    for (unsigned i = 0; i < clients; i++) {
        if (wait(&status) < 0 || status != 0) {
            die("a client failed");
        }
    }
    begun = now_ns() - begun;
    for (unsigned i = 0; i < clients; i++) {
        total += counts[i][0];
        least = counts[i][0] < least ? counts[i][0] : least;
        highest = counts[i][0] > highest ? counts[i][0] : highest;
    }
    printf("%u,%s,%u,%llu,%llu,%llu,%llu\n", round, arm->name, clients, (unsigned long long)begun,
           (unsigned long long)total, (unsigned long long)least, (unsigned long long)highest);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"cpu", 1, NULL, 'c'},     {"rounds", 1, NULL, 'r'},
                                            {"clients", 1, NULL, 'n'}, {"milliseconds", 1, NULL, 'm'},
                                            {"request", 1, NULL, 'q'}, {"echo-size", 1, NULL, 'e'},
                                            {"most", 1, NULL, 't'},    {NULL, 0, NULL, 0}};
    struct arm arms[ARMS_MAX];
    size_t n_arms = 0;
    unsigned rounds = 1, clients = 1;
    uint64_t duration = 500000000u, most = UINT64_MAX;

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            pin_to(atoi(optarg));
            break;
        case 'r':
            rounds = (unsigned)atoi(optarg);
            break;
        case 'n':
            clients = (unsigned)atoi(optarg);
            break;
        case 'm':
            duration = strtoul(optarg, NULL, 10) * 1000000u;
            break;
        case 't':
            most = strtoul(optarg, NULL, 10);
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
    if (n_arms == 0 || request_size == 0 || clients == 0 || clients > CLIENTS_MAX) {
        fprintf(stderr, "usage: bench-load --request FILE [--cpu N] [--rounds N] [--clients 1..64] ARM=SOCKET...\n");
        return 2;
    }
    counts = mmap(NULL, (CLIENTS_MAX + 1) * sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED) {
        die("memory");
    }
    go = &counts[CLIENTS_MAX][0];
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t a = 0; a < n_arms; a++) {
            run_arm(&arms[a], round, clients, duration, most);
        }
    }
    return 0;
}
