/* SPDX-License-Identifier: MIT */
/*
 * The measuring client: fresh connection, one Hello, one reply, close, again and again, one arm after the other. It
 * times `cycle` from before socket() to after close() and `hello` from after connect() to the last byte of the reply,
 * sorts, and prints nearest-rank percentiles of every round as CSV. It judges nothing; run.py does. Usage: bench-hello
 * --cpu N --rounds N --warmup N --samples N --request FILE ARM=SOCKET... FILE holds the framed request; exchange.h says
 * what the names of arms mean.
 */
#include "bench/exchange.h"

#include <getopt.h>

static void print(const struct arm *arm, unsigned round, const char *what, uint64_t *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare_u64);
    printf("%u,%s,%s,%zu,%llu,%llu,%llu,%llu\n", round, arm->name, what, n, (unsigned long long)values[0],
           (unsigned long long)rank_of(values, n, 500), (unsigned long long)rank_of(values, n, 990),
           (unsigned long long)rank_of(values, n, 999));
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"cpu", 1, NULL, 'c'},     {"rounds", 1, NULL, 'r'},    {"warmup", 1, NULL, 'w'}, {"samples", 1, NULL, 's'},
        {"request", 1, NULL, 'q'}, {"echo-size", 1, NULL, 'e'}, {NULL, 0, NULL, 0}};
    struct arm arms[ARMS_MAX];
    size_t n_arms = 0, warmup = 500, samples = 1000;
    uint64_t *cycles, *hellos, unused;
    unsigned rounds = 1;

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            pin_to(atoi(optarg));
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
                exchange_once(&arms[a], &unused, &unused);
            }
            for (size_t i = 0; i < samples; i++) {
                exchange_once(&arms[a], &cycles[i], &hellos[i]);
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
