/* SPDX-License-Identifier: MIT */

/*
 * Leads one Hello through the stages in the order of spec 01 section 6.6 and fills in what only the broker as a whole
 * knows: the connection id, the count and the log line of each outcome. A Hello that cannot be answered at once is
 * copied out of the decoder's memory into the memory that its caller keeps, so a waiting Hello costs no allocation.
 * Bytes, sockets and deadlines are not known here.
 */

#include "hello/hello.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "hello/check.h"
#include "hello/route.h"

enum { DRAINING_RETRY_MS = 1000 };

#define exchange_of(member, pointer)                                                                                   \
    ((struct hello_exchange *)(void *)((char *)(pointer)-offsetof(struct hello_exchange, member)))

int hello_init(struct hello *hello, const struct hello_config *config)
{
    int r;

    *hello = (struct hello){.config = *config};
    if (config->serves != NULL) {
        hello->serves = *config->serves;
        hello->config.serves = &hello->serves;
    }
    r = rate_limit_init(&hello->limiter, config->rate_limit, config->rate_window_nsec);
    return r < 0 ? error_trace(r) : 0;
}

void hello_deinit(struct hello *hello)
{
    rate_limit_deinit(&hello->limiter);
}

void hello_set_draining(struct hello *hello)
{
    hello->is_draining = true;
    if (hello->config.lookup != NULL) {
        lookup_cancel(hello->config.lookup);
    }
}

/* ------------------------------------------------------------------------------------------------- outcomes */

static void count(struct hello *hello, uint32_t code)
{
    if (code < HELLO_CODES_MAX) {
        hello->outcomes[code]++;
    }
}

/* Takes the next connection id for a reply that is negotiated, counts and logs. */
static void conclude(struct hello *hello, const struct hello_exchange *exchange, struct reply *reply)
{
    if (reply->code == 0) {
        reply->version = exchange->version;
        reply->keepalive_secs = exchange->keepalive_secs;
        reply->connection_id = ++hello->last_connection_id;
    }
    count(hello, reply->code);
    if (!log_is_on(LOG_DEBUG)) {
        return;
    }
    log_event(&(struct log_record){.level = LOG_DEBUG,
                                   .code = LOG_CODE_HELLO_OUTCOME,
                                   .service = slice_from(exchange->service),
                                   .version = slice_from(exchange->version),
                                   .request_id = slice_from(exchange->request_id),
                                   .frame_request_id = exchange->echo.request_id,
                                   .connection_id = reply->connection_id,
                                   .peer_pid = exchange->peer.pid,
                                   .error_code = reply->code == 0 ? NULL : reply_code_name(reply->code)},
              "Hello %s%s", reply->code == 0 ? "negotiated" : "refused: ", reply->code == 0 ? "" : reply->reason);
}

void hello_note(struct hello *hello, const struct hello_peer *peer, const struct reply *reply)
{
    struct hello_exchange unknown = {.peer = *peer, .echo = reply->echo};
    struct reply copy = *reply;

    conclude(hello, &unknown, &copy);
}

/* ------------------------------------------------------------------------------------------------- waiting */

static const char *keep_text(char **next, const char *text)
{
    size_t size = strlen(text) + 1;
    char *kept = *next;

    memcpy(kept, text, size);
    *next += size;
    return kept;
}

static size_t kept_size(const struct hello_exchange *exchange)
{
    return strlen(exchange->service) + strlen(exchange->version) + strlen(exchange->request_id) +
           strlen(exchange->echo.traceparent) + strlen(exchange->echo.tracestate) + 5;
}

/*
 * Moves what will be needed into @keep. Each string came out of the body that is as large as @keep, where it had a tag
 * and a length (two bytes and more) around it; an empty one may have had none, but the Hello's own fields make up for
 * it: version, service and protocol range are never empty.
 */
static int keep_strings(struct hello_exchange *exchange, void *keep, size_t keep_size)
{
    char *next = keep;

    if (kept_size(exchange) > keep_size) {
        return error_origin(-ENOBUFS);
    }
    exchange->service = keep_text(&next, exchange->service);
    exchange->version = keep_text(&next, exchange->version);
    exchange->request_id = keep_text(&next, exchange->request_id);
    exchange->echo.traceparent = keep_text(&next, exchange->echo.traceparent);
    exchange->echo.tracestate = keep_text(&next, exchange->echo.tracestate);
    return 0;
}

static void start_waiting(struct hello_exchange *exchange)
{
    if (!exchange->is_waiting) {
        exchange->is_waiting = true;
        exchange->hello->n_waiting++;
    }
}

static void stop_waiting(struct hello_exchange *exchange)
{
    if (exchange->is_waiting) {
        exchange->is_waiting = false;
        exchange->hello->n_waiting--;
    }
}

static void deliver(struct hello_exchange *exchange, struct reply *reply)
{
    stop_waiting(exchange);
    reply->echo = exchange->echo;
    conclude(exchange->hello, exchange, reply);
    exchange->answered(exchange, reply);
}

static void backend_answered(struct backend_waiter *waiter, const struct backend_answer *answer)
{
    struct reply reply = {0};

    route_answer(answer, &reply);
    deliver(exchange_of(waiter, waiter), &reply);
}

static void settle(struct hello_exchange *exchange, nsec_t when_nsec);

/* True: the broker drains, and the exchange has been told. */
static bool is_refused_draining(struct hello_exchange *exchange)
{
    struct reply reply = {0};

    if (!exchange->hello->is_draining) {
        return false;
    }
    reply_refuse(&reply, ERROR_CODE(SHUTTING_DOWN), "broker is shutting down", DRAINING_RETRY_MS);
    deliver(exchange, &reply);
    return true;
}

/* What the router says of an exchange that has waited for its definition. */
static void go_on(struct hello_exchange *exchange, int r, struct reply *reply, nsec_t again_nsec)
{
    if (r == ROUTE_E_WAIT) {
        return;
    }
    if (r == ROUTE_E_UNSETTLED) {
        settle(exchange, again_nsec);
        return;
    }
    if (r < 0) {
        reply_refuse(reply, ERROR_CODE(INTERNAL), "out of resources", 0);
    }
    deliver(exchange, reply);
}

/* The definition was being written; by now it should be whole. */
static void ask_again(void *owner)
{
    struct hello_exchange *exchange = owner;
    struct hello *hello = exchange->hello;
    struct route_scratch scratch;
    struct reply reply = {0};
    nsec_t again_nsec = 0;
    int r;

    exchange->is_settling = false;
    if (!is_refused_draining(exchange)) {
        r = route(hello, exchange, loop_now(hello->config.loop), &scratch, &reply, &again_nsec);
        go_on(exchange, r, &reply, again_nsec);
    }
}

/* The worker has looked. */
static void looked_up(struct lookup_waiter *waiter, int found, const struct definition *definition,
                      const struct store_fault *fault)
{
    struct hello_exchange *exchange = exchange_of(looking, waiter);
    struct route_scratch scratch;
    struct reply reply = {0};
    nsec_t again_nsec = 0;
    int r;

    if (!is_refused_draining(exchange)) {
        r = route_found(exchange->hello, exchange, found, definition, fault, &scratch, &reply, &again_nsec);
        go_on(exchange, r, &reply, again_nsec);
    }
}

static void settle(struct hello_exchange *exchange, nsec_t when_nsec)
{
    loop_timer_init(&exchange->again, exchange->hello->config.loop, ask_again, exchange);
    loop_timer_set(&exchange->again, when_nsec);
    exchange->is_settling = true;
}

void hello_leave(struct hello_exchange *exchange)
{
    if (exchange->is_settling) {
        loop_timer_stop(&exchange->again);
        exchange->is_settling = false;
    }
    if (exchange->is_waiting) {
        lookup_leave(&exchange->looking);
        backends_leave(&exchange->waiter);
        stop_waiting(exchange);
    }
}

void hello_give_up(struct hello_exchange *exchange, struct reply *ret_reply)
{
    struct reply reply = {.echo = exchange->echo};

    hello_leave(exchange);
    reply_refuse(&reply, ERROR_CODE(RATE_LIMITED), "backend spawn already in progress", DRAINING_RETRY_MS);
    conclude(exchange->hello, exchange, &reply);
    *ret_reply = reply;
}

/* ------------------------------------------------------------------------------------------------- asking */

/* Draining and the rate limit: neither looks at the disk. True when the Hello may go on. */
static bool is_admitted(struct hello *hello, const struct hello_exchange *exchange, nsec_t now_nsec,
                        struct reply *ret_reply)
{
    uint64_t retry_ms;

    if (hello->is_draining) {
        reply_refuse(ret_reply, ERROR_CODE(SHUTTING_DOWN), "broker is shutting down", DRAINING_RETRY_MS);
        return false;
    }
    retry_ms = rate_limit_check(&hello->limiter, exchange->peer.pid, exchange->peer.uid, now_nsec);
    if (retry_ms != 0) {
        reply_refuse(ret_reply, ERROR_CODE(RATE_LIMITED), "Hello rate limit exceeded", retry_ms);
        return false;
    }
    if (hello->config.store == NULL) {
        reply_refuse(ret_reply, ERROR_CODE(SERVICE_UNKNOWN), "service is not registered", 0);
        return false;
    }
    return true;
}

/* Routes what has passed every check. As hello_ask(). */
static int ask_router(struct hello_exchange *exchange, nsec_t now_nsec, void *keep, size_t keep_size,
                      struct reply *ret_reply)
{
    struct hello *hello = exchange->hello;
    nsec_t again_nsec = 0;
    int r, kept;

    r = route(hello, exchange, now_nsec, &hello->scratch, ret_reply, &again_nsec);
    if (r != ROUTE_E_WAIT && r != ROUTE_E_UNSETTLED) {
        return r;
    }
    kept = keep_strings(exchange, keep, keep_size);
    if (kept < 0) {
        lookup_leave(&exchange->looking);
        backends_leave(&exchange->waiter);
        return error_trace(kept);
    }
    exchange->looking.service = slice_from(exchange->service);
    start_waiting(exchange);
    if (r == ROUTE_E_UNSETTLED) {
        settle(exchange, again_nsec);
    }
    return HELLO_E_WAIT;
}

static void remember(struct hello_exchange *exchange, const Hello *message)
{
    exchange->service = message->service_name;
    exchange->version = message->wanted_version;
    exchange->request_id = message->request_id;
    exchange->keepalive_secs = message->client_keepalive_secs;
}

int hello_ask(struct hello *hello, struct hello_exchange *exchange, const Frame *frame, const struct hello_peer *peer,
              nsec_t now_nsec, struct arena *arena, void *keep, size_t keep_size,
              void (*answered)(struct hello_exchange *exchange, const struct reply *reply), struct reply *ret_reply)
{
    struct reply reply = {.echo = envelope_echo(frame)};
    Hello *message;
    int r;

    *exchange = (struct hello_exchange){
        .hello = hello,
        .answered = answered,
        .waiter.answered = backend_answered,
        .looking.done = looked_up,
        .peer = *peer,
        .echo = reply.echo,
    };
    r = check_decode(frame, arena, &message, &reply);
    if (r < 0) {
        return error_trace(r);
    }
    if (r == 0) {
        remember(exchange, message);
        r = check_shape(message, peer->pid, &reply);
    }
    if (r == 0 && is_admitted(hello, exchange, now_nsec, &reply)) {
        r = ask_router(exchange, now_nsec, keep, keep_size, &reply);
        if (r != 0) {
            return r;
        }
    }
    conclude(hello, exchange, &reply);
    *ret_reply = reply;
    return 0;
}
