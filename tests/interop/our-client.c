/* SPDX-License-Identifier: MIT */

/*
 * Our client library as a command, in the words of the other one (rust-client/src/main.rs), so that one test drives
 * both: `our-client connect BROKER SERVICE VERSION [self=V] [cached=PATH] [LANE HEX]...` prints what happened as
 * `name=value` lines, bytes in hex. Exit status: 0 done, 1 the library returned an error, 2 usage.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rpb/client.h>

static void usage(void)
{
    fprintf(stderr, "usage: our-client connect BROKER SERVICE VERSION [self=V] [cached=PATH] [LANE HEX]...\n");
    exit(2);
}

static void print_hex(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        printf("%02x", ((const unsigned char *)data)[i]);
    }
    printf("\n");
}

static size_t parse_hex(const char *text, unsigned char *into, size_t room)
{
    size_t size = 0;
    unsigned int byte;

    for (; *text != '\0'; text += 2) {
        if (size == room || text[1] == '\0' || sscanf(text, "%2x", &byte) != 1) {
            usage();
        }
        into[size++] = (unsigned char)byte;
    }
    return size;
}

static void parse_option(const char *text, struct rpb_client_options *options)
{
    if (strncmp(text, "self=", 5) == 0) {
        options->self_version = text + 5;
    } else if (strncmp(text, "cached=", 7) == 0) {
        options->cached_endpoint = text + 7;
    } else {
        usage();
    }
}

static int show_failure(const struct rpb_client *client, int status)
{
    const struct rpb_client_failure *why = client != NULL ? rpb_client_failure(client) : NULL;

    printf("error=%s\n", rpb_client_status_name(status));
    if (why != NULL && status == RPB_CLIENT_E_REFUSED) {
        printf("code=%u\nreason=%s\nretry_after_ms=%llu\nrefusal=%d\n", why->code, why->reason,
               (unsigned long long)why->retry_after_ms, (int)why->refusal);
    }
    return 1;
}

static void show_route(const struct rpb_client *client)
{
    const struct rpb_client_negotiated *agreed = rpb_client_negotiated(client);

    printf("route=%s\n", rpb_client_route(client) == RPB_CLIENT_ROUTE_HELLO_SKIP ? "HelloSkip" : "BrokerNegotiated");
    printf("endpoint=%s\n", rpb_client_endpoint(client));
    if (agreed != NULL) {
        printf("protocol=%u\ndaemon_version=%s\nbackend_pipe=%s\n", agreed->protocol, agreed->daemon_version,
               agreed->backend_pipe);
    }
}

int main(int argc, char **argv)
{
    static unsigned char payload[65536];
    struct rpb_client_options options;
    struct rpb_client *client = NULL;
    int at = 5, status;

    if (argc < 5 || strcmp(argv[1], "connect") != 0) {
        usage();
    }
    rpb_client_options_init(&options);
    options.broker = argv[2];
    options.service = argv[3];
    options.version = argv[4];
    for (; at < argc && strchr(argv[at], '=') != NULL; at++) {
        parse_option(argv[at], &options);
    }
    if ((argc - at) % 2 != 0) {
        usage();
    }

    status = rpb_client_open(&options, &client);
    if (status == RPB_CLIENT_OK) {
        show_route(client);
    }
    for (; status == RPB_CLIENT_OK && at < argc; at += 2) {
        const size_t size = parse_hex(argv[at + 1], payload, sizeof(payload));
        struct rpb_client_reply reply;

        status = rpb_client_call(client, (uint32_t)strtoul(argv[at], NULL, 10), payload, size, &reply);
        if (status == RPB_CLIENT_OK) {
            printf("reply=%llu %u ", (unsigned long long)reply.request_id, reply.lane);
            print_hex(reply.data, reply.size);
        }
    }
    if (status != RPB_CLIENT_OK) {
        status = show_failure(client, status);
    }
    rpb_client_free(client);
    return status;
}
