/* SPDX-License-Identifier: MIT */

/* A decoded Hello to its outcome: the order of spec 01 section 6.6, the tables of 6.4 and 6.5, ids and waiting. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "unit/hello/rig.h"
#include "wire/protocol.h"

#define BINARY "binary_path: \"/bin/true\"\n"
#define SHARED BINARY "isolation: SHARED_BROKER\n"

static struct hello_rig rig;
static struct arena arena;
static struct hello_exchange exchange;
static uint8_t keep[4096];
static struct reply reply;

/* What answered() was told, copied. */
static int n_answered;
static uint32_t answered_code;
static char answered_reason[512], answered_endpoint[128], answered_trace[128], answered_version[65];

static void on_answered(struct hello_exchange *which, const struct reply *got)
{
    check(which == &exchange);
    n_answered++;
    answered_code = got->code;
    snprintf(answered_reason, sizeof(answered_reason), "%s", got->reason != NULL ? got->reason : "");
    snprintf(answered_endpoint, sizeof(answered_endpoint), "%s", got->endpoint != NULL ? got->endpoint : "");
    snprintf(answered_trace, sizeof(answered_trace), "%s", got->echo.traceparent);
    snprintf(answered_version, sizeof(answered_version), "%s", got->version != NULL ? got->version : "");
}

static void up(const struct hello_rig_options *options)
{
    hello_rig_up(&rig, options);
    arena_init(&arena, NULL, 0, 1 << 20);
    n_answered = 0;
    memset(&exchange, 0, sizeof(exchange));
}

static void down(void)
{
    hello_leave(&exchange);
    check_int(rig.hello.n_waiting, 0);
    arena_deinit(&arena);
    hello_rig_down(&rig);
}

static int ask_at(const uint8_t *bytes, size_t size, nsec_t now_nsec, pid_t pid)
{
    const struct hello_peer peer = {.pid = pid, .uid = 1000};
    ProtobufCMessage *message;
    int r;

    arena_reset(&arena);
    check_fatal(message_unpack(MESSAGE_FRAME, slice_from_bytes(bytes + 5, size - 5), &arena, &message) == 0);
    memset(&reply, 0, sizeof(reply));
    r = hello_ask(&rig.hello, &exchange, (const Frame *)message, &peer, now_nsec, &arena, keep, sizeof(keep),
                  on_answered, &reply);
    return r;
}

static int ask(const char *service, const char *version)
{
    uint8_t bytes[4096];

    return ask_at(bytes, hello_rig_frame(bytes, service, version, 1), clock_monotonic(), 77);
}

static void expect(const char *service, const char *version, uint32_t code, const char *reason, uint64_t retry_ms)
{
    check_int(ask(service, version), 0);
    check_int(reply.code, code);
    if (code != 0) {
        check_str(reply.reason, reason);
        check_int(reply.retry_after_ms, retry_ms);
    }
}

/* ------------------------------------------------------------------------------------------------- handler mode */

static void test_handler(void)
{
    up(&(struct hello_rig_options){.handler = true, .rate_limit = 2});
    expect("zccache", "1.0.0", 2, "service is not registered", 0);
    expect("Zccache", "1.0.0", 6, "invalid service_name", 0);
    expect("zccache", "1.0", 6, "invalid wanted_version", 0);
    expect("zccache", "1.0.0", 2, "service is not registered", 0);
    check_int(ask("zccache", "1.0.0"), 0);
    check_int(reply.code, 4);
    check_str(reply.reason, "Hello rate limit exceeded");
    check(reply.retry_after_ms >= 1 && reply.retry_after_ms <= 1000);
    check_int(rig.hello.outcomes[2], 2);
    check_int(rig.hello.outcomes[4], 1);
    check_int(rig.hello.outcomes[6], 2);
    down();
}

/* ------------------------------------------------------------------------------------------------- router */

static void test_definition_missing(void)
{
    up(&(struct hello_rig_options){0});
    expect("zccache", "1.0.0", 2, "service definition was not found", 0);
    rmdir(rig.definitions);
    expect("zccache", "1.0.0", 2, "service definition was not found", 0);
    down();
}

/* A fault of the file is never the client's (decision 8). */
static void test_definition_broken(void)
{
    static const char *const broken[] = {SHARED "min_version: \"1.x\"\n", SHARED "version_allow_list: \"v1\"\n",
                                         "isolation: SHARED_BROKER\nbinary_path: \"relative\"\n", SHARED "nonsense\n",
                                         BINARY "isolation: EXPLICIT_INSTANCE\n"};
    static const char start[] = "service definition could not be loaded: ";

    up(&(struct hello_rig_options){0});
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        hello_rig_define(&rig, "zccache", broken[i]);
        check_int(ask("zccache", "1.0.0"), 0);
        check_int(reply.code, 2);
        check(strncmp(reply.reason, start, strlen(start)) == 0 && strlen(reply.reason) > strlen(start));
        check_int(reply.retry_after_ms, 0);
    }
    down();
}

static void test_policy(void)
{
    up(&(struct hello_rig_options){0});
    hello_rig_define(&rig, "zccache", SHARED "min_version: \"1.10.0\"\nversion_allow_list: \"1.11.20\"\n");
    expect("zccache", "1.9.9", 8, "wanted_version is below min_version", 30000);
    expect("zccache", "1.12.0", 8, "wanted_version is not in version_allow_list", 30000);
    expect("zccache", "1.11.20", 3, "backend is not registered", 1000);
    hello_rig_define(&rig, "zccache", SHARED "min_version: \"1.12.0\"\nversion_allow_list: \"1.11.20\"\n");
    expect("zccache", "1.11.20", 8, "wanted_version is below min_version", 30000);
    down();
}

static void test_without_launcher(void)
{
    up(&(struct hello_rig_options){0});
    hello_rig_define(&rig, "zccache", SHARED);
    for (int i = 0; i < SPAWN_BUDGET_ATTEMPTS + 2; i++) {
        expect("zccache", "1.0.0", 3, "backend is not registered", 1000);
    }
    expect("zccache", "1.0.1", 3, "backend is not registered", 1000);
    down();
}

static void test_instance(void)
{
    up(&(struct hello_rig_options){.serves = "shared"});
    hello_rig_define(&rig, "foo", BINARY);
    hello_rig_define(&rig, "bar", BINARY "isolation: EXPLICIT_INSTANCE\nexplicit_instance: \"lab\"\n");
    hello_rig_define(&rig, "baz", SHARED);
    expect("foo", "1.0.0", 2, "service belongs to instance private:foo, this broker serves shared", 0);
    expect("bar", "1.0.0", 2, "service belongs to instance explicit:lab, this broker serves shared", 0);
    expect("baz", "1.0.0", 3, "backend is not registered", 1000);
    down();
}

/* Private isolation does not see what is registered for the shared instance. */
static void test_isolation(void)
{
    up(&(struct hello_rig_options){0});
    hello_rig_define(&rig, "foo", BINARY);
    hello_rig_register(&rig, "shared", "foo", "1.0.0", "/tmp/foo.sock");
    expect("foo", "1.0.0", 3, "backend is not registered", 1000);
    hello_rig_define(&rig, "foo", SHARED);
    expect("foo", "1.0.0", 0, "", 0);
    check_str(reply.endpoint, "/tmp/foo.sock");
    down();
}

/* ------------------------------------------------------------------------------------------------- negotiated */

static void test_negotiated(void)
{
    uint8_t bytes[4096];
    char service[] = "zccache", version[] = "1.11.20";
    Hello hello;

    up(&(struct hello_rig_options){0});
    hello_rig_define(&rig, "zccache", SHARED);
    hello_rig_register(&rig, "shared", "zccache", "1.11.20", "/tmp/b.sock");
    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = 1;
    hello.client_max_protocol = 3;
    hello.service_name = service;
    hello.wanted_version = version;
    hello.client_keepalive_secs = 7;
    hello.client_capabilities = 1;
    check_int(ask_at(bytes, hello_rig_pack(bytes, &hello, 9, "tp", "ts"), clock_monotonic(), 77), 0);
    check_int(reply.code, 0);
    check_str(reply.endpoint, "/tmp/b.sock");
    check_str(reply.version, "1.11.20");
    check_int(reply.keepalive_secs, 7);
    check_int(reply.connection_id, 1);
    check_int(reply.echo.request_id, 9);
    check_str(reply.echo.traceparent, "tp");
    check_str(reply.echo.tracestate, "ts");
    down();
}

/* Ids are dense: refusals take none. */
static void test_ids(void)
{
    up(&(struct hello_rig_options){0});
    hello_rig_define(&rig, "zccache", SHARED);
    hello_rig_register(&rig, "shared", "zccache", "1.0.0", "/tmp/b.sock");
    for (uint64_t id = 1; id <= 100; id++) {
        check_int(ask("zccache", "1.0.0"), 0);
        check_int(reply.connection_id, id);
        check_int(ask("nobody", "1.0.0"), 0);
        check_int(reply.code, 2);
    }
    check_int(rig.hello.outcomes[0], 100);
    check_int(rig.hello.outcomes[2], 100);
    down();
}

/* ------------------------------------------------------------------------------------------------- order */

static void test_draining(void)
{
    up(&(struct hello_rig_options){.rate_limit = 1});
    hello_set_draining(&rig.hello);
    expect("Zccache", "1.0.0", 6, "invalid service_name", 0);
    expect("zccache", "1.0.0", 5, "broker is shutting down", 1000);
    expect("zccache", "1.0.0", 5, "broker is shutting down", 1000);
    down();
}

/* The limit counts unknown and blocked ones, not malformed ones, and comes before the disk. */
static void test_limit_order(void)
{
    up(&(struct hello_rig_options){.rate_limit = 2});
    hello_rig_define(&rig, "zccache", SHARED "min_version: \"2.0.0\"\n");
    for (int i = 0; i < 5; i++) {
        expect("", "1.0.0", 6, "invalid service_name", 0);
    }
    expect("nobody", "1.0.0", 2, "service definition was not found", 0);
    expect("zccache", "1.0.0", 8, "wanted_version is below min_version", 30000);
    check_int(ask("zccache", "1.0.0"), 0);
    check_int(reply.code, 4);
    check_int(rig.store.n_loads, 1);
    down();
}

/* ------------------------------------------------------------------------------------------------- waiting */

/* True once answered() has been called; turns the loop meanwhile. */
static bool wait_for_answer(void)
{
    nsec_t limit_nsec = clock_monotonic() + 10 * NSEC_PER_SEC;

    while (n_answered == 0 && clock_monotonic() < limit_nsec) {
        check_fatal(loop_turn(&rig.loop, true) == 0);
    }
    return n_answered == 1;
}

static void use_wait(const char *trace)
{
    uint8_t bytes[4096];
    char service[] = "zccache", version[] = "1.0.0", request[] = "my-request";
    Hello hello;

    message_init(MESSAGE_HELLO, &hello);
    hello.client_min_protocol = hello.client_max_protocol = 1;
    hello.service_name = service;
    hello.wanted_version = version;
    hello.request_id = request;
    check_int(ask_at(bytes, hello_rig_pack(bytes, &hello, 3, trace, ""), clock_monotonic(), 77), HELLO_E_WAIT);
    check_int(rig.hello.n_waiting, 1);
    memset(bytes, 'x', sizeof(bytes));
    arena_reset(&arena);
}

/* A launch that fails at once: /bin/true is no backend. What the waiter is told survives the decoder's memory. */
static void test_wait_and_answer(void)
{
    up(&(struct hello_rig_options){.launching = true});
    hello_rig_define(&rig, "zccache", SHARED);
    use_wait("00-trace");
    check_str(exchange.service, "zccache");
    check_str(exchange.request_id, "my-request");
    check_int(n_answered, 0);
    check(wait_for_answer());
    check_int(answered_code, 3);
    check(strncmp(answered_reason, "backend spawn failed: ", 22) == 0);
    check_str(answered_trace, "00-trace");
    check_int(rig.hello.n_waiting, 0);
    check_int(rig.hello.outcomes[3], 1);
    down();
}

static void test_give_up(void)
{
    up(&(struct hello_rig_options){.launching = true});
    hello_rig_define(&rig, "zccache", SHARED);
    use_wait("t");
    while (backends_count_launching(&rig.backends) == 0) {
        check_fatal(loop_turn(&rig.loop, true) == 0);
    }
    hello_give_up(&exchange, &reply);
    check_int(reply.code, 4);
    check_str(reply.reason, "backend spawn already in progress");
    check_int(reply.retry_after_ms, 1000);
    check_int(reply.echo.request_id, 3);
    check_str(reply.echo.traceparent, "t");
    check_int(rig.hello.n_waiting, 0);
    while (!backends_is_quiet(&rig.backends)) {
        check_fatal(loop_turn(&rig.loop, true) == 0);
    }
    check_int(n_answered, 0);
    down();
}

static bool is_never_local(int fd)
{
    (void)fd;
    return false;
}

/* A binary that is half written is asked for again until it is whole (decision 5). */
static void test_unsettled(void)
{
    static const uint8_t half[] = {0x0A, 0x07, 'z', 'c', 'c'};
    static const uint8_t whole[] = {0x0A, 0x07, 'z', 'c', 'c', 'a', 'c', 'h', 'e', 0x12, 0x09,
                                    '/',  'b',  'i', 'n', '/', 't', 'r', 'u', 'e', 0x18, 0x01};

    up(&(struct hello_rig_options){0});
    hello_rig_register(&rig, "shared", "zccache", "1.0.0", "/tmp/b.sock");
    hello_rig_write(&rig, "zccache.servicedef", half, sizeof(half));
    use_wait("u");
    check(exchange.is_settling);
    hello_rig_write(&rig, "zccache.servicedef", whole, sizeof(whole));
    check(wait_for_answer());
    check_int(answered_code, 0);
    check_str(answered_endpoint, "/tmp/b.sock");
    check_str(answered_version, "1.0.0");
    check_str(answered_trace, "u");
    down();
}

/* And it counts as broken when it stays so. */
static void test_unsettled_broken(void)
{
    static const uint8_t half[] = {0x0A, 0x07, 'z', 'c', 'c'};

    up(&(struct hello_rig_options){0});
    hello_rig_write(&rig, "zccache.servicedef", half, sizeof(half));
    use_wait("u");
    check(wait_for_answer());
    check_int(answered_code, 2);
    check(strncmp(answered_reason, "service definition could not be loaded: ", 40) == 0);
    n_answered = 0;
    hello_rig_write(&rig, "zccache.servicedef", half, sizeof(half));
    use_wait("u");
    hello_leave(&exchange);
    check(!exchange.is_settling);
    hello_rig_write(&rig, "zccache.servicedef", half, sizeof(half));
    use_wait("u");
    hello_set_draining(&rig.hello);
    check(wait_for_answer());
    check_int(answered_code, 5);
    down();
}

/* A definition that the worker has to look for is waited for (decision 14), and then all goes on as ever. */
static void test_looked_up(void)
{
    struct lookup lookup;

    up(&(struct hello_rig_options){0});
    lookup_init(&lookup, &rig.loop, &rig.store);
    rig.hello.config.lookup = &lookup;
    rig.store.is_local_fs = is_never_local;
    hello_rig_register(&rig, "shared", "zccache", "1.0.0", "/tmp/b.sock");
    hello_rig_define(&rig, "zccache", "binary_path: \"/bin/true\" isolation: SHARED_BROKER min_version: \"1.0.0\"");
    use_wait("u");
    check(wait_for_answer());
    check_int(answered_code, 0);
    check_str(answered_endpoint, "/tmp/b.sock");
    check_str(answered_trace, "u");
    hello_rig_define(&rig, "zccache", "binary_path: \"/bin/true\" min_version: \"2.0.0\"");
    n_answered = 0;
    use_wait("u");
    check(wait_for_answer());
    check_str(answered_reason, "wanted_version is below min_version");
    n_answered = 0;
    use_wait("u");
    hello_leave(&exchange);
    check_int(rig.hello.n_waiting, 0);
    use_wait("u");
    hello_set_draining(&rig.hello);
    check_int(n_answered, 1);
    check_int(answered_code, 5);
    lookup_deinit(&lookup);
    down();
}

CHECK_PROGRAM("hello/route", {"6.4: an empty table, after shape and rate limit", test_handler},
              {"6.5: no definition, no directory", test_definition_missing},
              {"6.5: a broken definition is the operator's fault", test_definition_broken},
              {"6.5: floor before list", test_policy},
              {"6.5: without a launcher every miss says so, and spends nothing", test_without_launcher},
              {"a broker serves its own instance only (decision 13)", test_instance},
              {"private isolation does not see the shared registration", test_isolation},
              {"7: negotiated values", test_negotiated}, {"7.1: connection ids are dense", test_ids},
              {"6.6: draining is told after shape, before the limit", test_draining},
              {"6.6: the limit stands before the disk", test_limit_order},
              {"a launch answers its waiter", test_wait_and_answer},
              {"patience over: in-progress refusal, the launch goes on", test_give_up},
              {"a half-written binary is waited for", test_unsettled},
              {"a definition that the worker looks for", test_looked_up},
              {"a half-written binary that stays broken; leaving; draining", test_unsettled_broken})
