/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The control socket: accepts, lets one connection machine run for each client, answers with hello/ or ops/admin, and
 * closes with a reason (spec 01 sections 9, 11 and 12, decisions 9c to 9e).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "fsm/fsm.h"
#include "hello/hello.h"
#include "loop/loop.h"

struct admin;
struct control;

struct control_config {
    struct loop *loop;
    struct fsm_world *world;
    int listener_fd;             /* borrowed until control_free(); nonblocking */
    const char *socket_path;     /* borrowed; for log lines */
    struct hello *hello;         /* borrowed */
    const struct admin *admin;   /* borrowed; may be NULL with hello_only */
    uid_t owner_uid;             /* whom the policy lets in */
    bool any_peer;               /* no uid policy */
    bool hello_only;             /* admin frames are a bad Hello lane, and the header's cap is 64 KiB (--serve-once) */
    bool names_socket_in_drops;  /* registered mode's form of log line L2 */
    uint64_t max_connections;    /* stop accepting after so many (spec 01 section 11.1); 0: never */
    uint64_t nofile_limit;       /* soft RLIMIT_NOFILE now in force; 0: asked from the kernel */
    size_t connections_max;      /* 0: 4096 (decision 9c); tests lower it */
    size_t connections_per_pid;  /* 0: 1024 */
    size_t buffers_max;          /* bytes of all buffers, 0: 32 MiB */
    msec_t request_timeout_msec; /* 0: RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS, else 30 s */
    /* max_connections have come and the last of them has ended; called once, from the loop */
    void (*finished)(void *owner);
    /* the ack of an admin shutdown was written; drain_ms as the client sent it (0: none given) */
    void (*shutdown_asked)(void *owner, msec_t drain_msec);
    /* control_drain() was called and no request is unanswered any more; called once, from the loop; may be NULL */
    void (*drained)(void *owner);
    void *owner;
};

struct control_counters {
    uint64_t accepted;      /* by accept, dropped peers included */
    uint64_t dropped_peers; /* uid policy, unreadable credentials, a pid at its own cap */
    uint64_t evicted;
    uint64_t refused_frames; /* framing refusals, spec 01 section 1.4 */
    uint64_t refused_admin;  /* admin frames that got no reply */
    uint64_t admin_requests; /* answered */
    uint64_t timed_out;      /* closed at the deadline, stalls included */
    uint64_t accept_errors;
};

/* Allocates; starts accepting with the next turn of the loop. The loop and the world must outlive it. 0 or -errno. */
int control_new(const struct control_config *config, struct control **ret_control);

/* Closes every connection without a word and stops listening. Accepts NULL. Not to be called from its callbacks. */
struct control *control_free(struct control *control);

/* New Hellos are refused from here on (hello_set_draining()); drained() follows when every request is answered. */
void control_drain(struct control *control);

/* Nobody whose request is complete is still without its answer. */
bool control_is_quiet(const struct control *control);

/* Stops accepting and closes what is still open: the drain deadline is over. Once; further calls do nothing. */
void control_cut_off(struct control *control);

/* Open connections now; the one that asks counts. */
size_t control_connections_open(const struct control *control);
/* How many may be open now (decision 9c). */
size_t control_connections_max(const struct control *control);
/* Hellos are refused for want of descriptors. */
bool control_is_demoted(const struct control *control);
uint64_t control_demotions_total(const struct control *control);
uint64_t control_refused_while_demoted(const struct control *control);
const struct control_counters *control_counters(const struct control *control);

/* What went wrong with the first connection that failed, in words; NULL: none did. --serve-once reports it. */
const char *control_first_error(const struct control *control);
