/* SPDX-License-Identifier: MIT */
#ifndef RPB_CLIENT_H
#define RPB_CLIENT_H

/*
 * librpb-client: finds a service through the user's broker and talks to it.
 *
 *     struct rpb_client *client;
 *     struct rpb_client_reply reply;
 *
 *     if (rpb_client_open(&RPB_CLIENT_OPTIONS(.service = "zccache", .version = "1.11.20"), &client) ||
 *         rpb_client_call(client, RPB_LANE_ZCCACHE, "ping", 4, &reply)) {
 *         fprintf(stderr, "%s\n", rpb_client_text(client));
 *     }
 *     rpb_client_free(client);
 *
 * One `struct rpb_client` is one connection: it asks the broker where the service's backend listens (spec 01 §14.2),
 * connects to it and then exchanges frames with it (spec 03 §15.3); the broker is out of the way from there on.
 *
 * Two forms. The blocking calls are rpb_client_open(), rpb_client_connect(), rpb_client_call() and
 * rpb_client_exchange(); each ends by itself, at its deadline if nothing comes earlier. Under them, and usable directly
 * from any event loop, is the form that never waits: rpb_client_begin(), rpb_client_send(), rpb_client_receive(), and
 * rpb_client_step() whenever rpb_client_fd() is ready for rpb_client_wants() or rpb_client_deadline() is over. Both
 * forms may be mixed on one object.
 *
 *     for (r = rpb_client_begin(client); r == RPB_CLIENT_AGAIN || r == RPB_CLIENT_OK; r = rpb_client_step(client)) {
 *         while (rpb_client_receive(client, 0, &reply) == RPB_CLIENT_OK) {
 *             use(&reply);
 *         }
 *         if (r == RPB_CLIENT_OK) {
 *             send_what_is_there(client);         // rpb_client_send() until there is no more, or it is E_BUSY
 *         }
 *         polled = (struct pollfd){.fd = rpb_client_fd(client), .events = rpb_client_wants(client)};
 *         poll(&polled, 1, rpb_client_poll_timeout(client)); // never ends by itself when nothing is in flight
 *     }
 *
 * The library starts no thread and no process, installs no signal handler and raises no SIGPIPE, keeps nothing outside
 * of its objects, writes nowhere, and opens AF_UNIX sockets only, all close-on-exec. A signal that interrupts a
 * blocking call changes nothing: it goes on to its deadline. Different objects may be used from different threads at
 * the same time, one object from one thread at a time; no call is safe in a signal handler. After fork() an object is
 * good in one of the two processes; the other may only free it, which the connection does not notice. The environment
 * is read in rpb_client_new() and rpb_client_begin() (and the blocking calls that contain them); nobody may change it
 * meanwhile.
 *
 * Memory: a reply takes up to four times its size until it is received. What a backend sends unasked ends the
 * connection, so a client holds at most in_flight_max replies, one frame that is arriving and one frame's worth (16
 * MiB) of unsent requests.
 *
 * @client is a client of rpb_client_new() or rpb_client_open(), in any state, where nothing else is said; NULL is for
 * free, close, failure and text only. For C99 and later, and C++11 and later.
 *
 * Structures that the caller makes have a size or reserved members, which must be zero; those that the library hands
 * out grow at their end. So programs go on working with later libraries of the same soname.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "rpb/protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------------- results */

/*
 * What every call that can fail returns: name, number, meaning. The kinds are those of spec 01 §14.3. When a call fails
 * the object remembers why: rpb_client_failure() has the details, rpb_client_text() one sentence. After AGAIN come the
 * mistakes and limits of the caller, which leave the connection as it was; then what this machine, the broker and the
 * backend can do wrong.
 */
#define RPB_CLIENT_STATUSES(X)                                                                                         \
    X(OK, 0, "no error")                                                                                               \
    X(AGAIN, 1, "not yet: wait for the descriptor or the deadline, then step")                                         \
    X(E_ARGUMENT, 2, "an option or argument is missing, malformed or too long")                                        \
    X(E_STATE, 3, "not possible in the state of the client, or no such request")                                       \
    X(E_BUSY, 4, "too many requests in flight, or too much unsent")                                                    \
    X(E_TOO_LARGE, 5, "the request does not fit into a frame of 16 MiB")                                               \
    X(E_BUFFERED, 6, "parts of the conversation are still buffered")                                                   \
    X(E_TIMEOUT, 7, "the request was not answered in time; the connection goes on")                                    \
    X(E_NO_MEMORY, 8, "out of memory")                                                                                 \
    X(E_DISABLED, 9, "RUNNING_PROCESS_DISABLE is 1: take the way without a broker")                                    \
    X(E_CONFIGURATION, 10, "RUNNING_PROCESS_DISABLE is malformed, or the broker's endpoint cannot be derived")         \
    X(E_BROKER_CONNECT, 11, "connecting, sending or receiving failed at the broker: sys_errno says how")               \
    X(E_BACKEND_CONNECT, 12, "the backend's endpoint could not be connected: sys_errno says how")                      \
    X(E_FRAMING, 13, "what came is no frame: version byte, length, or cut in the middle")                              \
    X(E_DECODE_FRAME, 14, "the body of a frame is no Frame")                                                           \
    X(E_DECODE_REPLY, 15, "the payload of the broker's reply is no HelloReply")                                        \
    X(E_UNEXPECTED_FRAME, 16, "a frame that is no answer to what was asked")                                           \
    X(E_MISSING_RESULT, 17, "the HelloReply is empty")                                                                 \
    X(E_REFUSED, 18, "the broker refused: code, refusal, reason and retry_after_ms say why")                           \
    X(E_NO_ENDPOINT, 19, "the broker agreed but names no backend")                                                     \
    X(E_PEER, 20, "the server runs as another user than expected")                                                     \
    X(E_LOST, 21, "the connection to the backend ended: sys_errno, 0 for an end of file")                              \
    X(E_INTERNAL, 22, "a bug of this library")

enum rpb_client_status {
#define RPB_CLIENT_STATUS_CONSTANT(name, number, meaning) RPB_CLIENT_##name = number,
    RPB_CLIENT_STATUSES(RPB_CLIENT_STATUS_CONSTANT)
#undef RPB_CLIENT_STATUS_CONSTANT
        RPB_CLIENT_STATUS_MAX
};

/* What a refusal asks of the caller (spec 01 §14.3). */
enum rpb_client_refusal {
    RPB_CLIENT_REFUSAL_NONE = 0,                /* the failure is no refusal */
    RPB_CLIENT_REFUSAL_VERSION_UNSUPPORTED = 1, /* upgrade; do not repeat blindly */
    RPB_CLIENT_REFUSAL_VERSION_BLOCKED = 2,     /* do not repeat this version */
    RPB_CLIENT_REFUSAL_SERVICE_UNKNOWN = 3,     /* a configuration error */
    RPB_CLIENT_REFUSAL_RATE_LIMITED = 4,        /* wait retry_after_ms */
    RPB_CLIENT_REFUSAL_SHUTTING_DOWN = 5,       /* repeat against a fresh broker */
    RPB_CLIENT_REFUSAL_OTHER = 6                /* everything else: `code` says what */
};

/* Why a client failed. */
struct rpb_client_failure {
    int status;                      /* enum rpb_client_status; RPB_CLIENT_OK: nothing failed yet */
    int sys_errno;                   /* of the kernel, where a call of its own failed; else 0 */
    enum rpb_client_refusal refusal; /* class of a refusal */
    uint32_t code;                   /* Refused.code as it came, also a number that enum rpb_error_code lacks */
    uint64_t retry_after_ms;         /* the broker's hint; 0: none */
    const char *reason;              /* Refused.reason, cut at 511 bytes; "" when it is no refusal. Never NULL */
    const char *text;                /* one sentence for a person. Never NULL */
};

/* ---------------------------------------------------------------------------------------------------------- options */

/* Bits of rpb_client_options.flags */
#define RPB_CLIENT_IGNORE_DISABLE 1u /* do not look at RUNNING_PROCESS_DISABLE */
#define RPB_CLIENT_SERVER_UID 2u     /* `server_uid` counts instead of the caller's own user id */

#define RPB_CLIENT_IN_FLIGHT_DEFAULT 16u     /* in_flight_max when it is 0 */
#define RPB_CLIENT_IN_FLIGHT_MAX 1024u       /* the largest in_flight_max */
#define RPB_CLIENT_TIMEOUT_DEFAULT_MS 30000u /* timeout_ms when it is 0 and the environment says nothing */
#define RPB_CLIENT_RETRIES_MAX 16u           /* the largest value of retries */

/*
 * Whom to talk to, and how. All strings are copied by rpb_client_new(); each is at most 4095 bytes of UTF-8. Zero or
 * NULL chooses the default. What is longer, larger or unknown is RPB_CLIENT_E_ARGUMENT; nothing but timeouts is cut to
 * what is allowed. Later versions of the library add members at the end only.
 */
struct rpb_client_options {
    size_t size; /* sizeof(struct rpb_client_options), as the caller was compiled */

    /* required: what is wanted (spec 01 §4.1); names and versions are judged by the broker */
    const char *service; /* [a-z0-9-]{1,64} */
    const char *version; /* of the service: MAJOR.MINOR.PATCH[-tail] */

    /* where the broker is: a path, or else the canonical socket of an instance (spec 02 §3) */
    const char *broker;   /* path of the control socket, 1 to RPB_ENDPOINT_PATH_MAX bytes */
    const char *instance; /* "shared" (default), "private:<service>" or "explicit:<name>" */

    /*
     * The way around the broker (spec 01 §14.2 step 1): the endpoint that an earlier connection ended up at, tried
     * first when `version` equals `self_version`. When nobody listens there, another user does, or its backlog is full,
     * the broker is asked as if it had not been given; so it is for one that is no path of a socket, being empty or
     * longer than RPB_ENDPOINT_PATH_MAX. A backend that listens and then hangs or ends is noticed by the first request
     * only (RPB_CLIENT_E_TIMEOUT, RPB_CLIENT_E_LOST): connect again without the cached endpoint.
     */
    const char *cached_endpoint;
    const char *self_version; /* version of the caller's own build of the service */

    /* what the broker's log will say about the caller (spec 01 §14.1) */
    const char *client_version; /* default "" */
    const char *lib_name;       /* default "running-process" */
    const char *lib_version;    /* default: version of this library */

    uint64_t keepalive_secs; /* proposal; 0 leaves it to the broker */

    /*
     * Bounds connecting as a whole (spec 01 §14.3), and each request to the backend unless it brings its own. 0: the
     * variable RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS, else 30 000. Longer ones are cut to 24 h.
     */
    uint64_t timeout_ms;

    /*
     * How often a refused Hello is repeated; more than 16 is RPB_CLIENT_E_ARGUMENT; default 0, never. Only refusals
     * that bring a hint and are none of VERSION_UNSUPPORTED, VERSION_BLOCKED and SERVICE_UNKNOWN are repeated, after
     * exactly that hint, and only when it ends before the deadline; otherwise the refusal is returned at once.
     */
    unsigned int retries;

    /* Requests that may be unanswered or unreceived at once. Default 16; more than 1024 is RPB_CLIENT_E_ARGUMENT. */
    unsigned int in_flight_max;

    unsigned int flags; /* RPB_CLIENT_IGNORE_DISABLE, … */
    uid_t server_uid;   /* with RPB_CLIENT_SERVER_UID: whose broker and backend it has to be (SO_PEERCRED) */
};

/* Empties *@options and sets its size. For C++, and for C where a compound literal does not suit. */
static inline void rpb_client_options_init(struct rpb_client_options *options)
{
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
}

/* Options in place, for C: rpb_client_new(&RPB_CLIENT_OPTIONS(.service = "a", .version = "1.0.0"), &client) */
#define RPB_CLIENT_OPTIONS(...) ((struct rpb_client_options){.size = sizeof(struct rpb_client_options), __VA_ARGS__})

/* ------------------------------------------------------------------------------------------- making and letting go */

struct rpb_client;

/*
 * Makes a client that has not begun anything, out of the inputs of spec 01 §14.1. Reads
 * RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS. Opens no descriptor.
 *   @options     borrowed for the call.
 *   @ret_client  the client, to be freed with rpb_client_free(), also with RPB_CLIENT_E_ARGUMENT: then it is good for
 *                nothing but saying which option is wrong, rpb_client_text(). NULL with RPB_CLIENT_E_NO_MEMORY.
 * RPB_CLIENT_OK, RPB_CLIENT_E_ARGUMENT or RPB_CLIENT_E_NO_MEMORY.
 */
RPB_PUBLIC int rpb_client_new(const struct rpb_client_options *options, struct rpb_client **ret_client);

/*
 * Closes whatever is open and frees a client with everything that was borrowed from it. Requests in flight are
 * forgotten; the backend sees the end of the connection.
 *   @client  not to be used afterwards. NULL is harmless.
 */
RPB_PUBLIC void rpb_client_free(struct rpb_client *client);

/*
 * Closes the connection, or gives up making one. Replies that have arrived may still be received; everything else
 * returns RPB_CLIENT_E_STATE from now on. Says nothing to the peer, whose protocol (spec 03 §15.3) knows no farewell.
 *   @client  twice is harmless, and so is NULL.
 */
RPB_PUBLIC void rpb_client_close(struct rpb_client *client);

/* ------------------------------------------------------------------------------------------------------- connecting */

/*
 * rpb_client_new() and rpb_client_connect() in one (spec 01 §14.2). Blocks, at longest for the timeout of the options.
 *   @options     borrowed for the call.
 *   @ret_client  the connected client. On failure it is set too, so that rpb_client_failure() can be asked, and has to
 *                be freed; it is NULL when there was no memory for it, which the calls that ask and free take as well.
 *
 * What either returns.
 */
RPB_PUBLIC int rpb_client_open(const struct rpb_client_options *options, struct rpb_client **ret_client);

/*
 * Connects and waits for it: rpb_client_begin(), and rpb_client_step() until it is decided (spec 01 §14.2). A broker
 * that is not there fails at once; one that does not answer, at the deadline, as RPB_CLIENT_E_BROKER_CONNECT with
 * sys_errno ETIMEDOUT (a backend whose backlog stays full: RPB_CLIENT_E_BACKEND_CONNECT), spec 01 §14.3.
 *   @client  new, or begun with rpb_client_begin(), which is then finished; connected: returns at once.
 * RPB_CLIENT_OK: connected. RPB_CLIENT_E_STATE: closed by the caller. Otherwise the failure; the client is then good
 * for nothing but asking why.
 */
RPB_PUBLIC int rpb_client_connect(struct rpb_client *client);

/*
 * Begins to connect and does what can be done without waiting; the deadline counts from here. Looks at
 * RUNNING_PROCESS_DISABLE first: unset goes on, exactly "1" is RPB_CLIENT_E_DISABLED, anything else, the empty value
 * included, RPB_CLIENT_E_CONFIGURATION (spec 01 §14.2).
 *   @client  new.
 * RPB_CLIENT_AGAIN: under way. RPB_CLIENT_OK: connected already. RPB_CLIENT_E_STATE: begun or closed before. Else the
 * failure.
 */
RPB_PUBLIC int rpb_client_begin(struct rpb_client *client);

/* -------------------------------------------------------------------------------------------- fitting an event loop */

/*
 * Does everything that can be done without waiting: connects, sends, receives, lets requests time out. Call it when the
 * descriptor is ready or the deadline is over; more often is harmless. Never blocks (spec 01 §14.2 while connecting,
 * spec 03 §15.3 from then on).
 *   @client  begun, or as rpb_client_open() gave it.
 * RPB_CLIENT_OK: connected. RPB_CLIENT_AGAIN: still connecting. RPB_CLIENT_E_STATE: not begun, or closed by the caller.
 * Else the failure that ended the connection; replies that had arrived before can still be received.
 */
RPB_PUBLIC int rpb_client_step(struct rpb_client *client);

/*
 * The descriptor to watch, borrowed: never close it, read it or write it. It changes while connecting, so ask again
 * after every call; as long as the number stays the same the socket behind it is the same.
 *   @client  in any state; -1 when there is no descriptor just now: new, ended, or waiting for the deadline alone.
 */
RPB_PUBLIC int rpb_client_fd(const struct rpb_client *client);

/*
 * What to watch it for: POLLIN, POLLOUT or both, as in <poll.h>. Ask after every call.
 *   @client  in any state; 0 when there is no descriptor.
 */
RPB_PUBLIC short rpb_client_wants(const struct rpb_client *client);

#define RPB_CLIENT_NEVER UINT64_MAX /* of rpb_client_deadline(): nothing is due */

/*
 * When rpb_client_step() has to be called although nothing is ready: nanoseconds of CLOCK_MONOTONIC. Ask after every
 * call.
 *   @client  in any state; connecting, there always is one (spec 01 §14.3); connected, the first of the requests in
 *            flight; RPB_CLIENT_NEVER when nothing is due.
 */
RPB_PUBLIC uint64_t rpb_client_deadline(const struct rpb_client *client);

/*
 * The same as a timeout for poll().
 *   @client  in any state.
 * Milliseconds from now, rounded up; 0: now; -1: never.
 */
RPB_PUBLIC int rpb_client_poll_timeout(const struct rpb_client *client);

/* --------------------------------------------------------------------------------------------- requests and replies */

/* One request. Borrowed for the call; the bytes are copied. */
struct rpb_client_request {
    uint32_t lane;           /* Frame.payload_protocol: the backend's own protocol */
    const void *data;        /* payload; may be NULL when @size is 0 */
    size_t size;             /* bytes; the whole frame is at most RPB_FRAME_BODY_MAX */
    uint64_t timeout_ms;     /* until the reply is complete, from now on; 0: that of the options; at most 24 h */
    const char *traceparent; /* trace context to send along, at most 4095 bytes each; NULL: none */
    const char *tracestate;
    uint64_t reserved[4]; /* 0: anything else is RPB_CLIENT_E_ARGUMENT */
};

/* One reply. What it points to belongs to the client; see rpb_client_receive(). */
struct rpb_client_reply {
    uint64_t request_id; /* of the request that it answers */
    uint32_t lane;       /* Frame.payload_protocol, always that of the request */
    uint32_t encoding;   /* Frame.payload_encoding: RPB_ENCODING_NONE unless the backend does as it likes */
    const void *data;    /* payload; never NULL */
    size_t size;
    const char *traceparent, *tracestate; /* as the backend echoed them; "" when absent */
    uint64_t reserved[4];                 /* 0 */
};

/*
 * Sends one request and waits for its reply (spec 03 §15.3). Replies to other requests that arrive meanwhile are kept.
 *   @client     connected.
 *   @lane       the backend's own protocol, for example RPB_LANE_ZCCACHE.
 *   @data       payload, borrowed for the call; may be NULL when @size is 0.
 *   @size       its bytes.
 *   @ret_reply  as in rpb_client_receive(); untouched on failure.
 * RPB_CLIENT_OK. RPB_CLIENT_E_TIMEOUT: not answered within the options' timeout; the late answer will be dropped and
 * the client can be used on; until that answer has come the request counts as in flight. Otherwise as rpb_client_send()
 * and rpb_client_receive().
 */
RPB_PUBLIC int rpb_client_call(struct rpb_client *client, uint32_t lane, const void *data, size_t size,
                               struct rpb_client_reply *ret_reply);

/*
 * The same for a request with a timeout or a trace context of its own.
 *   @client     connected.
 *   @request    borrowed for the call.
 *   @ret_reply  as in rpb_client_receive(); untouched on failure.
 * As rpb_client_call().
 */
RPB_PUBLIC int rpb_client_exchange(struct rpb_client *client, const struct rpb_client_request *request,
                                   struct rpb_client_reply *ret_reply);

/*
 * Queues one request and sends as much as the socket takes; the rest goes out in rpb_client_step() (spec 03 §15.3). Ids
 * count from 1 and leave out 0 and those still in use when they wrap.
 *   @client   connected.
 *   @request  borrowed for the call.
 *   @ret_id   id of the request, for rpb_client_receive(). May be NULL.
 * RPB_CLIENT_OK. RPB_CLIENT_E_BUSY: in_flight_max requests are unanswered or their replies not received, or unsent
 * bytes leave no room; receive, step and repeat. RPB_CLIENT_E_TOO_LARGE, RPB_CLIENT_E_ARGUMENT, RPB_CLIENT_E_STATE,
 * RPB_CLIENT_E_NO_MEMORY: nothing was sent, the connection goes on. Else the failure that ended the connection.
 */
RPB_PUBLIC int rpb_client_send(struct rpb_client *client, const struct rpb_client_request *request, uint64_t *ret_id);

/*
 * Hands out a reply that has arrived (spec 03 §15.3). Reads nothing: rpb_client_step() does.
 *   @client     in any state.
 *   @id         of the request; 0: whichever was decided first, and after the end of the connection whichever waits.
 *   @ret_reply  what it points to stays valid until the next call of rpb_client_receive(), rpb_client_call(),
 *               rpb_client_exchange(), rpb_client_forget() or rpb_client_free() with this client. When the request has
 *               failed only request_id is set; untouched by RPB_CLIENT_AGAIN and RPB_CLIENT_E_STATE.
 *
 * RPB_CLIENT_OK. RPB_CLIENT_AGAIN: not here yet. RPB_CLIENT_E_TIMEOUT: this request's time is over.
 * RPB_CLIENT_E_STATE: no such request, or with 0 none at all. Else the failure that ended the connection before the
 * reply came; each request is told once.
 */
RPB_PUBLIC int rpb_client_receive(struct rpb_client *client, uint64_t id, struct rpb_client_reply *ret_reply);

/*
 * Lets go of a request: its reply is dropped, now or when it comes. Until then it counts as in flight, since only its
 * reply (spec 03 §15.3) says that its id is free again.
 *   @client  in any state.
 *   @id      of the request; 0 is none.
 * RPB_CLIENT_OK; RPB_CLIENT_E_STATE: no such request.
 */
RPB_PUBLIC int rpb_client_forget(struct rpb_client *client, uint64_t id);

/*
 * Requests that were sent and whose reply has not been received or dropped yet.
 *   @client  in any state.
 */
RPB_PUBLIC unsigned int rpb_client_in_flight(const struct rpb_client *client);

/*
 * Takes the connected socket out, for a protocol that is not made of frames. The client is closed by it.
 *   @client  connected.
 *   @ret_fd  the socket, in blocking mode and close-on-exec, now the caller's to close. Untouched on failure.
 * RPB_CLIENT_OK. RPB_CLIENT_E_BUFFERED: requests are in flight, replies not received, or bytes buffered in either
 * direction, which would be lost (spec 01 §14.6). RPB_CLIENT_E_STATE: not connected.
 */
RPB_PUBLIC int rpb_client_take_fd(struct rpb_client *client, int *ret_fd);

/* ------------------------------------------------------------------------------------------------- asking questions */

/* How the connection came about (spec 01 §14.2). */
enum rpb_client_route {
    RPB_CLIENT_ROUTE_NONE = 0,       /* not connected */
    RPB_CLIENT_ROUTE_HELLO_SKIP = 1, /* straight to the cached endpoint; the broker knows nothing of it */
    RPB_CLIENT_ROUTE_NEGOTIATED = 2  /* asked the broker, then dialled the backend */
};

/* What the broker agreed to (spec 01 §4.2). Strings belong to the client. */
struct rpb_client_negotiated {
    uint32_t protocol;            /* version of the protocol; RPB_PROTOCOL_VERSION is all that is offered */
    const char *daemon_version;   /* of the backend */
    const char *backend_pipe;     /* path of its socket */
    uint64_t server_capabilities; /* RPB_CAPABILITY_HANDLE_PASSING and bits to come; the library uses none of them */
    uint64_t keepalive_secs;      /* advisory */
    uint64_t connection_id;       /* the broker's number of this negotiation, as in its log */
};

/*
 * The way that was taken.
 *   @client  in any state; stays known after the connection has ended.
 */
RPB_PUBLIC enum rpb_client_route rpb_client_route(const struct rpb_client *client);

/*
 * Path of the backend's socket, to be given as `cached_endpoint` next time (spec 01 §14.2 step 1). Borrowed until
 * rpb_client_free().
 *   @client  in any state; NULL before there is a connection.
 */
RPB_PUBLIC const char *rpb_client_endpoint(const struct rpb_client *client);

/*
 * What was negotiated (spec 01 §4.2). Borrowed until rpb_client_free().
 *   @client  in any state; NULL before a broker has agreed, and when none was asked.
 */
RPB_PUBLIC const struct rpb_client_negotiated *rpb_client_negotiated(const struct rpb_client *client);

/*
 * The failure of the call that failed last (spec 01 §14.3). Borrowed until the next call that fails or
 * rpb_client_free(); never NULL.
 *   @client  in any state. For NULL, which is what there is when memory for a client was missing, it is static and says
 *            RPB_CLIENT_E_NO_MEMORY.
 */
RPB_PUBLIC const struct rpb_client_failure *rpb_client_failure(const struct rpb_client *client);

/* Its sentence, rpb_client_failure(client)->text, also for NULL. Never NULL. */
RPB_PUBLIC const char *rpb_client_text(const struct rpb_client *client);

/* Name of a status without its prefix, "E_REFUSED", and its meaning; "?" for a number that is none. Static. */
RPB_PUBLIC const char *rpb_client_status_name(int status);
RPB_PUBLIC const char *rpb_client_status_text(int status);

/* Version of the library that is running, "1.0.0". Static. */
RPB_PUBLIC const char *rpb_client_library_version(void);

#ifdef __cplusplus
}
#endif

#endif
