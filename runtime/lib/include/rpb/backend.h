/* SPDX-License-Identifier: MIT */
#ifndef RPB_BACKEND_H
#define RPB_BACKEND_H

/*
 * librpb-backend: everything that a program needs to be a backend of the per-user broker (spec 03 §15).
 *
 * A backend takes over the listening socket that the broker made for it (or binds the endpoint that it was told),
 * proves who it is to whoever asks with an identity probe, and answers frames on the lanes that it serves:
 *
 *     rpb_backend_new(&RPB_BACKEND_CONFIG(.lanes = lanes, .n_lanes = 1, .handle = answer), &backend, text);
 *     load_everything_slow();                      // it listens already: clients queue, they are not refused
 *     rpb_backend_run(backend);                    // until rpb_backend_stop(), or idle for long enough
 *     rpb_backend_free(backend);
 *
 * The library starts no threads, keeps no global state, installs no signal handlers and never ends the process. One
 * object belongs to one thread at a time; different objects may live in different threads. Whoever has an event loop
 * calls rpb_backend_step() instead of rpb_backend_run(). Whoever has an accept loop of his own, which speaks another
 * protocol on the same socket, uses rpb_backend_listen() and rpb_backend_mux_classify() alone.
 *
 * For C99 and C++98 or later. Functions return 0 or a negative errno, positive values only where they are listed;
 * -ENOMEM is an ordinary result. Times are milliseconds unless their name says seconds, deadlines nanoseconds of
 * CLOCK_MONOTONIC. Text is UTF-8. SIGPIPE is never raised, an interrupting signal changes nothing, and every descriptor
 * is close-on-exec. After fork() the child may only free its copy of a backend, which the parent does not notice.
 *
 * What clients can cost: max_connections + 16 descriptors; max_memory_bytes for everything that is kept for them,
 * beyond which the connection that holds the most is closed; and while one frame is judged and handled, up to five
 * times its size more (an answer included). A client that does not read its answers is not read from either, and closed
 * after stall_msec; one that sends no frame is closed after first_frame_msec. A client that has sent a frame may stay
 * silent, or in the middle of the next one, for as long as it likes: it costs a place and what it has sent.
 *
 * NULL is allowed where it is said, and nowhere else. What a function returns through ret_ pointers is written when it
 * succeeds and left alone when it does not, but for ret_text, which is written on failure only, and for the backend of
 * rpb_backend_new(), which then is NULL.
 *
 * Structures that the caller makes have a size or reserved members, which must be zero; those that the library hands
 * out grow at their end. So programs go on working with later libraries of the same soname.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rpb/protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rpb_backend;
struct rpb_backend_later;

/** Room for a message of this library, its NUL included. */
#define RPB_BACKEND_TEXT_MAX 512

/* --------------------------------------------------------------------------------------------------------- requests */

/** One frame on a served lane, borrowed for the time of the handler's call (spec 01 §2.1). */
struct rpb_backend_request {
    uint32_t lane;             /**< Frame.payload_protocol: the lane, one of rpb_backend_config.lanes */
    uint32_t kind;             /**< enum rpb_frame_kind, or whatever else the client sent */
    uint64_t request_id;       /**< chosen by the client; echoed in the response */
    const void *data;          /**< @size bytes; not NUL-terminated; may be NULL when there are none */
    size_t size;               /**< in bytes */
    const char *traceparent;   /**< W3C trace context as sent, "" without one; echoed in the response */
    const char *tracestate;    /**< likewise */
    uint64_t deadline_unix_ms; /**< Frame.deadline_unix_ms: a hint, 0 for none; the library ignores it */
    uint64_t connection;       /**< number of the connection in this backend, from 1, never used twice */
    int32_t peer_pid;          /**< process at the other end when it connected (SO_PEERCRED) */
    uint32_t peer_uid;         /**< its user */
    void *internal;            /**< the library's own */
    uint64_t reserved[4];      /**< 0 */
};

/**
 * Answers @request with @size bytes at @data (copied; NULL is allowed for 0 bytes): a RESPONSE on the same lane with
 * the same request id, traceparent and tracestate, encoding NONE, no deadline (spec 03 §15.3).
 *
 * Only inside the handler's call, at most once for one request.
 *
 * @return 0; -EALREADY when it was answered or put off before; -EMSGSIZE when the frame would exceed 16 MiB (then
 * another answer may be tried); -ENOBUFS when the peer does not read and too much waits for it already; -EPIPE when the
 * handler has had the connection closed meanwhile; -EINVAL for a request that rpb_backend_mux_classify() gave; -ENOMEM.
 */
RPB_PUBLIC int rpb_backend_respond(struct rpb_backend_request *request, const void *data, size_t size);

/**
 * Puts the answer to @request off: the handler returns without one, the connection stays, and
 * rpb_backend_respond_later() gives the answer at any time, in any order. At most 64 requests of one connection can be
 * put off; then the library reads no more from it until one is answered.
 *
 * @param ret_later  The obligation to answer, owned by the caller: end it with rpb_backend_respond_later() or
 * rpb_backend_drop_later(). Left alone on failure.
 * @return 0; -EALREADY, -EPIPE, -EINVAL as above; -ENOMEM.
 */
RPB_PUBLIC int rpb_backend_defer(struct rpb_backend_request *request, struct rpb_backend_later **ret_later);

/**
 * Gives the answer that was put off, as rpb_backend_respond() does, and frees @later whatever the result. To be called
 * by the thread that owns the backend, also outside of rpb_backend_step(). Harmless when the client or the backend has
 * gone.
 *
 * @return 0; -EPIPE when the connection is gone; -ESHUTDOWN when the backend is freed; -EMSGSIZE, -ENOBUFS, -ENOMEM as
 * above, and then the connection is closed, since its client would wait in vain.
 */
RPB_PUBLIC int rpb_backend_respond_later(struct rpb_backend_later *later, const void *data, size_t size);

/** Frees @later without an answer and closes the connection, since its client would wait in vain. NULL is allowed. */
RPB_PUBLIC void rpb_backend_drop_later(struct rpb_backend_later *later);

/* -------------------------------------------------------------------------------------------------- the mux's words */

/** What a detector of another protocol says about the bytes that begin a message (spec 03 §15.2). */
enum rpb_backend_legacy {
    RPB_BACKEND_LEGACY_NO = 0,       /**< not the other protocol */
    RPB_BACKEND_LEGACY_YES = 1,      /**< the other protocol: the connection is handed over, nothing is consumed */
    RPB_BACKEND_LEGACY_NEED_MORE = 2 /**< cannot be told yet */
};

/**
 * Looks at the @size (at least 1) bytes at @bytes. It is asked before anything else and wins, because a length header
 * of another protocol may begin with the byte 1. It is asked again whenever bytes have been added.
 */
typedef enum rpb_backend_legacy (*rpb_backend_legacy_fn)(const void *bytes, size_t size, void *user);

/* --------------------------------------------------------------------------------------------------------- identity */

/** The SHA-256 of the executable at the end of a probe's answer, which only very old brokers look at (spec 03 §5.3). */
enum rpb_backend_sha256 {
    RPB_BACKEND_SHA256_AUTO = 0,   /**< computed for executables up to 32 MiB, 32 zero bytes for longer ones */
    RPB_BACKEND_SHA256_ALWAYS = 1, /**< always computed; takes about 4 ms a MiB while the first probe waits */
    RPB_BACKEND_SHA256_ZEROS = 2   /**< 32 zero bytes, which every current broker accepts */
};

/** Who a backend is: the contents of DaemonProcess (spec 03 §4.1) and the legacy digest. Owns nothing. */
struct rpb_backend_identity {
    uint32_t pid;
    char exe_path[4096];           /**< as /proc/self/exe reads */
    uint8_t exe_hash[32];          /**< BLAKE3 of the file's bytes */
    uint8_t legacy_exe_sha256[32]; /**< or 32 zeros */
    char boot_id[128];             /**< /proc/sys/kernel/random/boot_id without white space */
    char namespace_id[256];        /**< of the endpoint, byte for byte as the broker gave it */
    char path[108];                /**< likewise */
    uint64_t started_at_unix_ms;   /**< when the identity was made */
    bool has_idle_timeout;
    uint32_t idle_timeout_secs; /**< valid with has_idle_timeout */
    uint64_t reserved[8];       /**< 0 */
};

/**
 * Makes the identity of this process with an endpoint of (@namespace_id, @path). Reads the whole executable once for
 * BLAKE3 (spec 03 §15.1 (4)) and, by @sha256, once more; that blocks. Leaves has_idle_timeout false.
 *
 * @return 0; -EINVAL for an empty or too long @path (more than 107 bytes), for a @sha256 that is none, and for NULL;
 * -ENAMETOOLONG for @namespace_id (more than 255 bytes; empty is allowed) or the executable's path; -EILSEQ when one of
 * the three is not UTF-8; -ENOMEM; or the errno of /proc.
 */
RPB_PUBLIC int rpb_backend_identity_make(const char *namespace_id, const char *path, enum rpb_backend_sha256 sha256,
                                         struct rpb_backend_identity *ret_identity);

/**
 * The identity file's text (spec 03 §15.4): pretty JSON, keys in their fixed order, no newline at the end.
 *
 * @param ret_json  NUL-terminated, to be freed by the caller with free(). Left alone on failure.
 * @return 0 or -ENOMEM.
 */
RPB_PUBLIC int rpb_backend_identity_to_json(const struct rpb_backend_identity *identity, char **ret_json);

/**
 * Reads the text of an identity file: @size bytes at @json. Unknown keys are ignored, a missing legacy digest is zeros,
 * a missing idle timeout is none.
 *
 * @param ret_identity  Left alone on failure.
 * @return 0; -EBADMSG when it is malformed (also: another algorithm than blake3, a digest of another size); -ENOMEM.
 */
RPB_PUBLIC int rpb_backend_identity_from_json(const char *json, size_t size, struct rpb_backend_identity *ret_identity);

/**
 * Writes the identity file at @path: mode 0600, a temporary file beside it, synced, renamed over it, the directory
 * synced. The directory must exist. On any failure nothing of it is left and an older file stays as it is. Blocks.
 *
 * @return 0 or a negative errno.
 */
RPB_PUBLIC int rpb_backend_identity_write(const struct rpb_backend_identity *identity, const char *path);

enum {
    RPB_BACKEND_ABSENT = 1 /**< there is no such file */
};

/**
 * Strict reading of the identity file at @path.
 *
 * @param ret_identity  Left alone unless the result is 0.
 * @return 0; RPB_BACKEND_ABSENT; -EBADMSG when it is malformed; another negative errno when it cannot be read.
 */
RPB_PUBLIC int rpb_backend_identity_read(const char *path, struct rpb_backend_identity *ret_identity);

/** Tolerant reading: false, and *@ret_identity left alone, when the file is absent, malformed or unreadable. */
RPB_PUBLIC bool rpb_backend_identity_find(const char *path, struct rpb_backend_identity *ret_identity);

/** Removes the identity file at @path when it names this process (a successor's file stays). Best effort. */
RPB_PUBLIC void rpb_backend_identity_remove(const char *path);

/* --------------------------------------------------------------------------------------------------------- listener */

/**
 * A listening socket for the endpoint of this process (spec 03 §15.1 (1) and (2)).
 *
 * With RUNNING_PROCESS_BROKER_LISTENER_FD set the inherited descriptor is adopted: it must be a listening stream socket
 * bound to exactly @path. If it is not, this fails and never binds instead. The variable is removed from the
 * environment either way, which is not safe beside threads that read it: call this before starting any. The descriptor
 * becomes close-on-exec and nonblocking, and listen() is called again, so that the kernel names this process as the
 * listener.
 *
 * Without the variable the socket is bound: mode 0600; a file left there by a dead process is removed first, a live
 * socket is not touched.
 *
 * @param path      At most 107 bytes; NULL: RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE.
 * @param ret_fd    The listener, owned by the caller. Left alone on failure.
 * @param ret_text  NULL, or RPB_BACKEND_TEXT_MAX bytes: on failure what was wrong, in one line.
 * @return 0; -EINVAL: no endpoint or an impossible one; -EBADF, -ENOTSOCK, -EPROTOTYPE, -EADDRNOTAVAIL: the variable is
 * not a number, no socket, not a listening stream socket, bound elsewhere; -EADDRINUSE: somebody listens there; another
 * negative errno.
 */
RPB_PUBLIC int rpb_backend_listen(const char *path, int *ret_fd, char *ret_text);

/* -------------------------------------------------------------------------------------------------------------- mux */

/** What rpb_backend_mux_classify() works with. All borrowed. */
struct rpb_backend_mux {
    const struct rpb_backend_identity *identity; /**< what probes are answered with */
    const uint32_t *lanes;                       /**< lanes that are served */
    size_t n_lanes;
    rpb_backend_legacy_fn detect_legacy; /**< NULL: there is no other protocol */
    void *user;                          /**< for detect_legacy */
    uint64_t reserved[4];                /**< 0 */
};

enum rpb_backend_mux_verdict {
    RPB_BACKEND_MUX_NEED_MORE,      /**< read more and ask again with all of it */
    RPB_BACKEND_MUX_LEGACY,         /**< the other protocol, or the first byte is not 1; nothing is consumed */
    RPB_BACKEND_MUX_PROBE_ANSWERED, /**< write the reply, drop the consumed bytes, go on */
    RPB_BACKEND_MUX_PAYLOAD,        /**< a frame on a served lane; drop the consumed bytes, go on */
    RPB_BACKEND_MUX_FATAL           /**< drop the connection; the fault says why */
};

enum rpb_backend_mux_fault {
    RPB_BACKEND_MUX_OK,
    RPB_BACKEND_MUX_TOO_LARGE,   /**< the frame, or a frame of a probe, is longer than allowed */
    RPB_BACKEND_MUX_MALFORMED,   /**< the body is not a Frame */
    RPB_BACKEND_MUX_BAD_PROBE,   /**< a frame on the probe lane that is not a probe (spec 03 §5.1) */
    RPB_BACKEND_MUX_FIRST_PARTY, /**< a lane that only brokers serve */
    RPB_BACKEND_MUX_UNSERVED,    /**< a lane that this backend does not serve */
    RPB_BACKEND_MUX_ENVELOPE     /**< another envelope version, or a compressed payload */
};

/** A verdict; rpb_backend_mux_result_deinit() frees what it holds. */
struct rpb_backend_mux_result {
    enum rpb_backend_mux_verdict verdict;
    enum rpb_backend_mux_fault fault; /**< with RPB_BACKEND_MUX_FATAL */
    size_t consumed;                  /**< with PROBE_ANSWERED and PAYLOAD: bytes of the input that the frame took */
    const void *reply;                /**< with PROBE_ANSWERED: the framed answer, ready to be written */
    size_t reply_size;                /**< in bytes */
    /** With PAYLOAD: the frame; connection and peer are 0, and rpb_backend_respond() refuses it. */
    struct rpb_backend_request request;
    void *memory; /**< the library's own */
};

/**
 * Judges the @size bytes at @bytes, which begin with the first byte of a message (spec 03 §15.2, row by row; envelope
 * version and encoding of payload frames are checked too). Pure: nothing is read, written or remembered.
 *
 * @param ret  Left alone on failure; valid after @bytes are gone, until rpb_backend_mux_result_deinit().
 * @return 0 or -ENOMEM.
 */
RPB_PUBLIC int rpb_backend_mux_classify(const struct rpb_backend_mux *mux, const void *bytes, size_t size,
                                        struct rpb_backend_mux_result *ret);

/** Frees what @result holds. Accepts zeroes and NULL, twice. */
RPB_PUBLIC void rpb_backend_mux_result_deinit(struct rpb_backend_mux_result *result);

/**
 * The framed response to @request as rpb_backend_respond() makes it, for those who write to their sockets themselves.
 *
 * @param ret_frame  *@ret_size bytes, to be freed by the caller with free(). Both are left alone on failure.
 * @return 0, -EMSGSIZE, -ENOMEM.
 */
RPB_PUBLIC int rpb_backend_response_pack(const struct rpb_backend_request *request, const void *data, size_t size,
                                         void **ret_frame, size_t *ret_size);

/** The fault as a clause ("a frame on a lane that is not served"); "?" for a number that is none. Static. */
RPB_PUBLIC const char *rpb_backend_mux_fault_text(enum rpb_backend_mux_fault fault);

/* ---------------------------------------------------------------------------------------------------------- backend */

/**
 * What a backend is made of. Zero chooses the default everywhere; RPB_BACKEND_CONFIG() sets the size. Strings
 * and @lanes are copied by rpb_backend_new(), which refuses what is out of its range and changes nothing silently.
 */
struct rpb_backend_config {
    /**
     * sizeof(struct rpb_backend_config) as the caller was compiled. Later versions add members at the end only; one
     * that this version does not know must be zero, or it is -EINVAL.
     */
    size_t size;

    const uint32_t *lanes; /**< served: RPB_LANE_IS_FOR_BACKENDS() or -EINVAL; NULL: probes only */
    size_t n_lanes;        /**< at most 64 */

    /**
     * Called for every frame on a served lane, one after the other in the order of the connection. Returns 0, or a
     * negative value to close the connection once what was answered has been sent as far as the client takes it. A
     * frame of kind RPB_FRAME_REQUEST that was neither answered nor put off when it returns closes the connection,
     * since its client would wait in vain. May call everything but rpb_backend_free(), rpb_backend_run() and
     * rpb_backend_step().
     *
     * While it runs nobody else is served, probes included, and a broker waits 500 ms for the answer to a probe: put
     * off what takes longer, with rpb_backend_defer().
     */
    int (*handle)(struct rpb_backend_request *request, void *user);
    void *user; /**< given to every callback */

    rpb_backend_legacy_fn detect_legacy; /**< NULL: there is no other protocol */
    /**
     * Takes a connection that speaks the other protocol: @fd, blocking and close-on-exec, is the callee's from here on;
     * the @size bytes at @bytes were read from it already. Answers to frames before them are out. From then on the
     * library does not know when it ends: rpb_backend_hold() keeps the idle timeout away for as long as it lasts. NULL:
     * such connections are closed, as are those on which an answer is put off.
     */
    void (*take_legacy)(int fd, const void *bytes, size_t size, void *user);

    /** Told why a connection was dropped and the like, one line in @text; for the log. NULL: nobody. */
    void (*notice)(const char *text, void *user);

    /** Path of the socket, at most 107 bytes; NULL: RPB_ENV_BACKEND_PIPE. */
    const char *endpoint;
    /** Namespace of the endpoint, at most 255 bytes; NULL: RPB_ENV_BACKEND_NAMESPACE, "default" without one. */
    const char *namespace_id;
    /** Identity file to write before serving (spec 03 §15.4) and to remove at the end; NULL: none. Not empty. */
    const char *sidecar_path;

    /**
     * Ends rpb_backend_run() when nothing happened for this long: no connection open that has sent a payload frame, and
     * none accepted that did; none handed to @take_legacy; and nobody held the backend (rpb_backend_hold()). Probes do
     * not count. Part of the identity. 0: never; at most 2147483647.
     */
    uint32_t idle_timeout_secs;
    enum rpb_backend_sha256 sha256; /**< nothing but its members */

    uint32_t max_connections;  /**< at once; default 256, at most 65536. 16 more may probe; one of these that
                                  sends anything else takes the place of the oldest that has sent no frame yet */
    uint32_t max_frame_bytes;  /**< body of one frame, probes included; default and most 16 MiB, at least 1024 */
    uint64_t max_memory_bytes; /**< frames that are not complete yet, unsent answers and what is kept for answers put
                                  off, of all connections together; default 64 MiB, at least 64 KiB. Beyond it the
                                  connection that holds the most is closed */
    uint32_t first_frame_msec; /**< how long a new connection may take to send one frame; default 5000 */
    uint32_t stall_msec;       /**< how long a client may leave its answers unread; default 30000 */
    uint32_t drain_msec;       /**< how long rpb_backend_stop() lets put-off answers and writes finish; default 5000 */
    bool any_user;             /**< serve other users too; default: connections of other users are dropped */
};

/** Empties *@config and sets its size. For C++, and for C where a compound literal does not suit. */
static inline void rpb_backend_config_init(struct rpb_backend_config *config)
{
    memset(config, 0, sizeof(*config));
    config->size = sizeof(*config);
}

/** A configuration in place, for C: rpb_backend_new(&RPB_BACKEND_CONFIG(.lanes = lanes, …), &backend, text) */
#if !defined(__cplusplus) || __cplusplus >= 201103L /* no such macros before */
#define RPB_BACKEND_CONFIG(...) ((struct rpb_backend_config){.size = sizeof(struct rpb_backend_config), __VA_ARGS__})
#endif

/**
 * A backend that listens: rpb_backend_listen(), nothing slower (spec 03 §15.1 (3)). Clients and probes queue from here
 * on; they are served by run or step.
 *
 * @param config       Borrowed for the call. NULL is -EINVAL.
 * @param ret_backend  To be freed with rpb_backend_free(); NULL on failure.
 * @param ret_text     NULL, or RPB_BACKEND_TEXT_MAX bytes: on failure what was wrong, in one line.
 * @return 0; -EINVAL for an impossible configuration, an endpoint or namespace that is not UTF-8 among it; the errors
 * of rpb_backend_listen(); -ENOMEM; another negative errno.
 */
RPB_PUBLIC int rpb_backend_new(const struct rpb_backend_config *config, struct rpb_backend **ret_backend,
                               char *ret_text);

/**
 * Closes everything, removes the socket (only while the file at its path is the one that this backend listened on) and
 * the identity file, and frees @backend. Answers that are still put off stay the caller's to end. In a forked child it
 * removes nothing, and the parent goes on as before. NULL is allowed.
 */
RPB_PUBLIC void rpb_backend_free(struct rpb_backend *backend);

/**
 * Makes the identity (reads the executable) and writes the identity file. Run and step do it by themselves before they
 * serve anybody; this is for callers who want it earlier. Blocks. Later calls do nothing.
 *
 * @return 0 or a negative errno: the backend cannot prove who it is and must end. rpb_backend_text() says what failed:
 * reading the executable (-ENOMEM, -ENAMETOOLONG or -EILSEQ for a path that does not fit an identity, errno of /proc)
 * or writing the identity file (errno of open(), write(), fsync(), rename(); -ENOENT when its directory is missing).
 * The next call tries it again.
 */
RPB_PUBLIC int rpb_backend_prepare(struct rpb_backend *backend);

/** The identity; NULL before rpb_backend_prepare(). Borrowed from @backend. */
RPB_PUBLIC const struct rpb_backend_identity *rpb_backend_get_identity(const struct rpb_backend *backend);

/**
 * Serves until rpb_backend_stop() or the idle timeout, then finishes what is due within drain_msec and returns. Bad
 * connections never end it. It serves once: on a backend that has ended it returns 0 at once.
 *
 * @return 0; a negative errno when it could not go on, which rpb_backend_text() explains: that of
 * rpb_backend_prepare(), or of epoll_wait() (-EBADF, -EINVAL) after somebody has closed the backend's descriptor.
 * Nothing that clients do.
 */
RPB_PUBLIC int rpb_backend_run(struct rpb_backend *backend);

/**
 * Asks @backend to end. May be called from another thread too, and as the only function from a signal handler, as long
 * as the backend is not freed meanwhile. Safe twice, leaves errno alone, and does nothing in a forked child. NULL is
 * allowed.
 */
RPB_PUBLIC void rpb_backend_stop(struct rpb_backend *backend);

/**
 * Says that @backend is in use, by something that the library does not see: a connection of another protocol, or work
 * of its own. While anybody holds it, it is not idle, whatever idle_timeout_secs says; rpb_backend_stop() ends it all
 * the same. Take one hold for each such thing, and end each with one rpb_backend_release().
 *
 * Like rpb_backend_stop() these two may be called from another thread, as long as the backend is not freed meanwhile;
 * a hold that must not come too late is taken inside of the callback (take_legacy, handle). In a forked child they
 * change nothing for the parent.
 */
RPB_PUBLIC void rpb_backend_hold(struct rpb_backend *backend);

/** Ends one hold of @backend; when it was the last one, the idle time begins. Right behind rpb_backend_hold(): use. */
RPB_PUBLIC void rpb_backend_release(struct rpb_backend *backend);

/** The descriptor to wait for in an event loop of the caller's: the same for the life of @backend, owned by it. */
RPB_PUBLIC int rpb_backend_fd(const struct rpb_backend *backend);

/** What to wait for at rpb_backend_fd(), as in <poll.h>: POLLIN, always. Here so that a loop need not know that. */
RPB_PUBLIC short rpb_backend_wants(const struct rpb_backend *backend);

#define RPB_BACKEND_NEVER UINT64_MAX

/**
 * When rpb_backend_step() is due though nothing became readable: nanoseconds of CLOCK_MONOTONIC; 0: at once, which is
 * also so before the first step and after the last; RPB_BACKEND_NEVER. Ask after every call.
 */
RPB_PUBLIC uint64_t rpb_backend_deadline(const struct rpb_backend *backend);

/** The same as a timeout for poll(): milliseconds from now, rounded up; 0: now; -1: never. */
RPB_PUBLIC int rpb_backend_poll_timeout(const struct rpb_backend *backend);

enum {
    RPB_BACKEND_DONE = 1 /**< stopped or idle, and everything is finished: free the backend. It stays so */
};

/**
 * Does what can be done without waiting: a bounded turn, so call it again when the descriptor is still readable. The
 * first call makes the identity, as rpb_backend_prepare() says. After RPB_BACKEND_DONE every call returns that at once,
 * and rpb_backend_poll_timeout() and rpb_backend_deadline() are 0.
 *
 * @return 0: go on; RPB_BACKEND_DONE; a negative errno when it could not go on, as rpb_backend_run() has them.
 */
RPB_PUBLIC int rpb_backend_step(struct rpb_backend *backend);

/**
 * Why rpb_backend_prepare(), rpb_backend_run() or rpb_backend_step() failed last, in one line. For NULL, which a
 * backend that could not be made is, one that says so. Never NULL; borrowed from @backend until the next such failure.
 */
RPB_PUBLIC const char *rpb_backend_text(const struct rpb_backend *backend);

/** Connections open now. */
RPB_PUBLIC size_t rpb_backend_connections(const struct rpb_backend *backend);

/** Version of the library that is running, "1.0.0". Static. */
RPB_PUBLIC const char *rpb_backend_library_version(void);

#ifdef __cplusplus
}
#endif

#endif
