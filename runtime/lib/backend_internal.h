/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the backend library share. Nothing here leaves the library. */

#include <sys/stat.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/slice.h"
#include "rpb/backend.h"
#include "wire/message.h"
#include "wire/probe.h"

enum {
    BACKEND_LANES_MAX = 64,
    BACKEND_RESERVED = 16,       /* connections beyond the cap that may only probe */
    BACKEND_LATERS_MAX = 64,     /* answers put off, a connection */
    BACKEND_PROBE_MAX = 65536,   /* body of a frame on the probe lane */
    BACKEND_READ_SIZE = 65536,   /* most that one connection may bring in a turn */
    BACKEND_UNSENT_HIGH = 65536, /* unsent bytes at which a connection is no longer read */
    BACKEND_KEPT_SIZE = 4096,    /* room that an idle connection's buffer may keep */
    BACKEND_EVENTS = 64,         /* looked at in one turn */
    BACKEND_ACCEPTS = 16,        /* accepted in one turn */
};

/* ---------------------------------------------------------------------------------------------------------- the mux */

/* Verdict on the first frame of some bytes; the frame lives in the arena that was given. */
struct mux_frame {
    enum rpb_backend_mux_verdict verdict;
    enum rpb_backend_mux_fault fault;
    size_t consumed;
    const Frame *frame; /* with PROBE_ANSWERED (which is the caller's to do here) and PAYLOAD */
};

/* rpb_backend_mux_classify() without its allocations; frames longer than @body_max are TOO_LARGE. 0 or -ENOMEM. */
int mux_judge(const struct rpb_backend_mux *mux, size_t body_max, struct slice bytes, struct arena *arena,
              struct mux_frame *ret);

/* Appends the framed answer to a probe that was judged good. 0, -ENOBUFS, -ENOMEM. */
int mux_answer_probe(struct buffer *out, const struct rpb_backend_identity *identity, const Frame *probe);

/* The public view of @frame; borrows from it. Connection, peer and internal are 0. */
void mux_show_request(const Frame *frame, struct rpb_backend_request *ret);

/* Appends the framed response to a request of which this is known. 0, -EMSGSIZE, -ENOBUFS, -ENOMEM. */
int mux_pack_response(struct buffer *out, uint32_t lane, uint64_t request_id, const char *traceparent,
                      const char *tracestate, struct slice payload);

/* ---------------------------------------------------------------------------------------------------------- backend */

struct connection {
    struct connection *prev, *next; /* oldest first */
    struct rpb_backend *backend;
    int fd; /* -1: closed, waits for its burial at the end of the turn */
    uint64_t number;
    int32_t peer_pid;
    uint32_t peer_uid;
    struct buffer in;  /* begins with a message; what was judged is gone */
    struct buffer out; /* framed answers */
    size_t sent;       /* bytes of `out` that are on their way */
    size_t accounted;  /* what it counts for in backend->held */
    uint32_t interest; /* what epoll was told */
    nsec_t first_deadline, stall_deadline;
    struct rpb_backend_later *laters;
    unsigned int n_laters;
    size_t laters_size;
    bool is_reserved;   /* came when all places were taken: may only probe */
    bool is_proven;     /* has sent one whole frame */
    bool is_client;     /* has sent a payload frame */
    bool is_at_end;     /* the peer will send no more */
    bool is_backlogged; /* `in` was not judged to its end */
    bool is_judging;    /* its frames are being judged: it may not be freed or judged again */
};

struct rpb_backend {
    struct rpb_backend_config config; /* defaults filled in; its strings and its list are those below */
    uint32_t lanes[BACKEND_LANES_MAX];
    char path[108], namespace_id[256];
    char *sidecar_path;
    struct rpb_backend_mux mux;
    struct rpb_backend_identity identity;
    bool is_prepared;
    pid_t owner; /* the process that may remove files */
    bool has_socket;
    dev_t socket_dev; /* what lies at `path` and is ours */
    ino_t socket_ino;

    int epoll_fd, listener_fd, stop_fd;
    bool is_paused; /* the listener, until `resume_at` */
    nsec_t resume_at;
    bool is_ending, is_done;
    nsec_t end_deadline;
    nsec_t now, due;                 /* of this turn; nothing is due before `due` */
    char text[RPB_BACKEND_TEXT_MAX]; /* of the failure, "" before the first */
    nsec_t last_use;
    /* What other threads may do: say that it is in use. Nobody needs to be woken by that, see check_idleness(). */
    _Atomic(uint32_t) n_holds;
    _Atomic(nsec_t) released_at; /* written before n_holds goes down */
    uint64_t n_accepted;
    struct connection *connections, *dead;
    size_t n_connections, n_reserved, n_clients; /* the others are among the first */
    uint64_t held;                               /* bytes in the buffers of all connections */
    uint8_t arena_block[MESSAGE_ARENA_BLOCK];
    uint8_t scratch[BACKEND_READ_SIZE];
};

/* Tells the notice callback, if there is one. */
void backend_tell(const struct rpb_backend *backend, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Something is due at @when: the loop will look then at the latest. */
void backend_due(struct rpb_backend *backend, nsec_t when);

/* Stops listening and removes the socket when it is ours. */
void backend_unlisten(struct rpb_backend *backend);

/* Whether one more client has a place, if need be that of the oldest connection that has sent no frame yet. */
bool backend_find_place(struct rpb_backend *backend);

/* One turn that waits at most @timeout_msec (-1: for ever) for something to happen. Results of rpb_backend_step(). */
int backend_turn(struct rpb_backend *backend, int timeout_msec);

/* ------------------------------------------------------------------------------------------------------ connections */

/* Serves @fd, which is taken. 0, or a negative errno with @fd closed. */
int connection_new(struct rpb_backend *backend, int fd, bool is_reserved);

/* @events of epoll arrived. */
void connection_ready(struct connection *connection, uint32_t events);

/* Closes it. It is freed at the end of a turn, not before. @reason: for the notice; NULL: there is nothing to say. */
void connection_close(struct connection *connection, const char *reason);

/* Closes what is overdue at backend->now, and reports what is due next. */
void connection_check_time(struct connection *connection);

/* Nothing is owed to the peer. */
bool connection_is_quiet(const struct connection *connection);

/* Frees what was closed. */
void connections_bury(struct rpb_backend *backend);

/* Sends what can be sent and waits for the rest. */
void connection_flush(struct connection *connection);

/* Tells epoll what to wait for now. */
void connection_update(struct connection *connection);

/* Keeps the books on its buffers; over the total, the connection that holds the most is closed. */
void connection_account(struct connection *connection);

/* Hands a payload frame to the user. False: it has to be closed, *@ret_reason says why. */
bool request_handle(struct connection *connection, const Frame *frame, const char **ret_reason);

/* Tells everybody who owes an answer that the connection is gone. @error: what they will be told. */
void request_forget(struct connection *connection, int error);

/* The identity as a message; borrows from @identity. */
void identity_show(const struct rpb_backend_identity *identity, DaemonProcess *ret, Endpoint *ret_endpoint);
