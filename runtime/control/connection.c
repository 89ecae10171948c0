/* SPDX-License-Identifier: MIT */

/*
 * The life of one connection around its request: who is at the other end, how long everything may take, and the one
 * place where it ends, with a reason. Connections are pooled, and until a peer has passed the policy nothing but its
 * descriptor is held. Whatever waits is named by the ticket of the unfinished work, so what comes too late does
 * nothing.
 */

#include "control/connection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"
#include "base/sys.h"
#include "control/state.h"

/* ------------------------------------------------------------------------------------------------- birth and end */

static struct connection *take_object(struct control *control)
{
    struct connection *connection = LIST_FIRST(&control->spare);

    if (connection == NULL) {
        return calloc(1, sizeof(*connection));
    }
    LIST_REMOVE(connection, link);
    control->n_spare--;
    memset(connection, 0, sizeof(*connection));
    return connection;
}

static void give_object(struct control *control, struct connection *connection)
{
    if (control->n_spare < CONTROL_SPARE_MAX) {
        LIST_INSERT_HEAD(&control->spare, connection, link);
        control->n_spare++;
    } else {
        free(connection);
    }
}

void connection_begin(struct control *control, int fd)
{
    struct connection *connection = take_object(control);

    if (connection == NULL) {
        control->counters.dropped_peers++;
        control_failed(control, "out of memory");
        sys_close(fd);
        return;
    }
    connection->control = control;
    connection->fd = fd;
    connection->deadline_nsec = nsec_add(loop_now(control->config.loop), control->timeout_nsec);
    LIST_INSERT_HEAD(&control->open, connection, link);
    control->n_open++;
    control_counted(control);
    if (connection_start(connection, control->config.world) < 0) {
        control_failed(control, "out of memory");
        connection_abandon(connection);
    }
}

/* Everything that it holds; it is as if it had never read a byte afterwards. */
static void let_go(struct connection *connection)
{
    struct control *control = connection->control;

    connection_leave_waiters(connection);
    if (connection->is_owed) {
        connection->is_owed = false;
        control->n_owed--;
    }
    admission_leave(&control->admission, &connection->admission);
    if (connection->is_linked) {
        loop_io_unlink(&connection->io);
        connection->is_linked = false;
    }
    if (connection->fd >= 0) {
        sys_close(connection->fd);
        connection->fd = -1;
    }
    frame_reader_release(connection);
    frame_writer_release(connection);
}

static void put_away(struct connection *connection)
{
    struct control *control = connection->control;

    LIST_REMOVE(connection, link);
    control->n_open--;
    give_object(control, connection);
    if (!control->is_freeing) {
        fd_pressure_restore(&control->pressure);
        control_counted(control);
        control_changed(control);
    }
}

void connection_abandon(struct connection *connection)
{
    let_go(connection);
    fsm_deinit(&connection->fsm);
    put_away(connection);
}

void connection_ended(struct connection *connection)
{
    put_away(connection);
}

/* ------------------------------------------------------------------------------------------------- the peer */

static int read_peer(int fd, struct hello_peer *ret_peer)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    int r;

    r = sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
    if (r < 0) {
        return error_trace(r);
    }
    *ret_peer = (struct hello_peer){.pid = credentials.pid, .uid = credentials.uid};
    return 0;
}

/* Counts the connection as its peer's; at the peer's cap an older one of its own makes room. */
static int admit(struct connection *connection)
{
    struct control *control = connection->control;
    struct admission *admission = &control->admission;
    const struct hello_peer *peer = &connection->peer;
    struct admission_ticket *victim;
    int r;

    r = admission_join(admission, &connection->admission, peer->pid, peer->uid);
    if (r != ADMISSION_E_CROWDED) {
        return r;
    }
    victim = admission_take_victim_of(admission, peer->pid, peer->uid);
    if (victim == NULL) {
        return ADMISSION_E_CROWDED;
    }
    control_evict(control, connection_of_ticket(victim));
    return admission_join(admission, &connection->admission, peer->pid, peer->uid);
}

enum connection_event connection_check_peer(struct connection *connection)
{
    const struct control_config *config = &connection->control->config;

    if (read_peer(connection->fd, &connection->peer) < 0) {
        return CONNECTION_EVENT_UNKNOWN;
    }
    if (!config->any_peer && connection->peer.uid != config->owner_uid) {
        return CONNECTION_EVENT_UNWELCOME;
    }
    switch (admit(connection)) {
    case 0:
        return CONNECTION_EVENT_WELCOME;
    case ADMISSION_E_CROWDED:
        return CONNECTION_EVENT_CROWDED;
    default:
        return CONNECTION_EVENT_STARVED;
    }
}

/* ------------------------------------------------------------------------------------------------- time */

nsec_t connection_request_deadline(const struct connection *connection, nsec_t now)
{
    (void)now;
    return connection->deadline_nsec;
}

/* A waiter is never held into the last second of its deadline; with short deadlines that is the last quarter. */
nsec_t connection_waiter_deadline(const struct connection *connection, nsec_t now)
{
    nsec_t quarter_nsec = connection->control->timeout_nsec / 4;
    nsec_t margin_nsec = quarter_nsec < NSEC_PER_SEC ? quarter_nsec : NSEC_PER_SEC;
    nsec_t last_nsec = connection->deadline_nsec - margin_nsec;
    nsec_t patience_nsec = nsec_add(now, nsec_from_msec(CONTROL_PATIENCE_MSEC));

    return patience_nsec < last_nsec ? patience_nsec : last_nsec;
}

static nsec_t not_past_deadline(const struct connection *connection, nsec_t when_nsec)
{
    return when_nsec < connection->deadline_nsec ? when_nsec : connection->deadline_nsec;
}

nsec_t connection_stall_due(const struct connection *connection, nsec_t now)
{
    (void)now;
    return not_past_deadline(connection, nsec_add(connection->progress_nsec, nsec_from_msec(CONTROL_STALL_MSEC)));
}

nsec_t connection_linger_due(const struct connection *connection, nsec_t now)
{
    return not_past_deadline(connection, nsec_add(now, nsec_from_msec(CONTROL_LINGER_MSEC)));
}

bool connection_was_taking(const struct connection *connection)
{
    nsec_t now_nsec = fsm_world_now(connection->control->config.world);

    return now_nsec < connection_stall_due(connection, now_nsec);
}

/* ------------------------------------------------------------------------------------------------- closing */

struct reason {
    enum log_level level;
    enum log_code code;
    const char *error; /* for control_first_error(); NULL: nothing failed */
    const char *text;
};

/* One line a reason. Levels: what an operator should see, and nothing that a client can repeat at will. */
static const struct reason reasons[CONNECTION_CLOSE_MAX] = {
    [CONNECTION_CLOSE_DONE] = {LOG_DEBUG, LOG_CODE_CONNECTION_CLOSED, NULL, "done"},
    [CONNECTION_CLOSE_PROBE] = {LOG_DEBUG, LOG_CODE_CONNECTION_CLOSED, NULL, "closed before the first byte"},
    [CONNECTION_CLOSE_REFUSED] = {LOG_DEBUG, LOG_CODE_CONNECTION_CLOSED, NULL, "refused"},
    [CONNECTION_CLOSE_LOST] = {LOG_DEBUG, LOG_CODE_CONNECTION_CLOSED, "the client hung up", "the client hung up"},
    [CONNECTION_CLOSE_DEADLINE] = {LOG_DEBUG, LOG_CODE_CONNECTION_TIMED_OUT, "timed out", "timed out"},
    [CONNECTION_CLOSE_STALLED] = {LOG_DEBUG, LOG_CODE_CONNECTION_TIMED_OUT, "timed out", "the client stopped reading"},
    [CONNECTION_CLOSE_SHUTDOWN] = {LOG_INFO, LOG_CODE_CONNECTION_CLOSED, "the broker was stopped",
                                   "cut off by the end of the broker"},
    [CONNECTION_CLOSE_PEER_POLICY] = {LOG_WARN, LOG_CODE_SECURITY_VIOLATION, "credential policy refused", NULL},
    [CONNECTION_CLOSE_PEER_UNKNOWN] = {LOG_WARN, LOG_CODE_SECURITY_VIOLATION, "peer credentials could not be read",
                                       "peer credentials could not be read"},
    [CONNECTION_CLOSE_PEER_CAP] = {LOG_WARN, LOG_CODE_CONNECTION_EVICTED, "too many connections of one process",
                                   "too many connections of one process, all of them waiting"},
    [CONNECTION_CLOSE_EVICTED] = {LOG_WARN, LOG_CODE_CONNECTION_EVICTED, "closed to make room", "closed to make room"},
    [CONNECTION_CLOSE_MEMORY] = {LOG_ERROR, LOG_CODE_OUT_OF_MEMORY, "out of memory", "out of memory"},
    [CONNECTION_CLOSE_BAD_ADMIN] = {LOG_DEBUG, LOG_CODE_CONNECTION_CLOSED, "malformed admin request",
                                    "malformed admin request"},
};
_Static_assert(CONNECTION_CLOSE_MAX == 13, "every reason of statemachines/connection.fsm has its row above");

static void count_close(struct control_counters *counters, enum connection_close_arg argument)
{
    switch (argument) {
    case CONNECTION_CLOSE_PEER_POLICY:
    case CONNECTION_CLOSE_PEER_UNKNOWN:
    case CONNECTION_CLOSE_PEER_CAP:
        counters->dropped_peers++;
        break;
    case CONNECTION_CLOSE_EVICTED:
        counters->evicted++;
        break;
    case CONNECTION_CLOSE_DEADLINE:
    case CONNECTION_CLOSE_STALLED:
        counters->timed_out++;
        break;
    case CONNECTION_CLOSE_BAD_ADMIN:
        counters->refused_admin++;
        break;
    default:
        break;
    }
}

/* The frozen line L2 of spec 05 section 8.1. */
static void log_dropped(const struct connection *connection)
{
    const struct control_config *config = &connection->control->config;
    bool names_socket = config->names_socket_in_drops;

    log_event(&(struct log_record){.level = LOG_WARN,
                                   .code = LOG_CODE_SECURITY_VIOLATION,
                                   .event_kind = "SECURITY_VIOLATION",
                                   .peer_pid = connection->peer.pid},
              "running-process-broker: dropped connection %s%s%sfrom peer pid=%u uid_or_sid=\"%u\": "
              "credential policy refused",
              names_socket ? "on " : "", names_socket ? config->socket_path : "", names_socket ? " " : "",
              (unsigned int)connection->peer.pid, (unsigned int)connection->peer.uid);
}

static void log_reason(const struct connection *connection, const struct reason *reason)
{
    if (reason->text == NULL) {
        log_dropped(connection);
        return;
    }
    if (!log_is_on(reason->level)) {
        return;
    }
    log_event(&(struct log_record){.level = reason->level, .code = reason->code, .peer_pid = connection->peer.pid},
              "connection closed: %s", reason->text);
}

void connection_close(struct connection *connection, enum connection_close_arg argument)
{
    const struct reason *reason = &reasons[argument];

    count_close(&connection->control->counters, argument);
    log_reason(connection, reason);
    if (reason->error != NULL) {
        control_failed(connection->control, reason->error);
    }
    let_go(connection);
}
