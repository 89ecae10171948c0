/* SPDX-License-Identifier: MIT */

/*
 * Takes exactly one frame off a socket: five header bytes, then as many as they announce, never a byte behind it, so
 * that what a client sends next is still there for whoever gets the socket (decision 9e). A body of at most 64 KiB is
 * kept in memory that grows as the bytes arrive; a longer one is walked through and forgotten (decision 9d). Nothing is
 * decoded here.
 */

#include "control/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "control/state.h"

static uint32_t wants(void *owner)
{
    const struct connection *connection = owner;

    switch (connection_state(connection)) {
    case CONNECTION_STATE_READING:
    case CONNECTION_STATE_LINGERING:
        return LOOP_READ;
    case CONNECTION_STATE_WRITING:
        return connection->reply_sent < connection->reply_size ? LOOP_WRITE : 0;
    case CONNECTION_STATE_CHECKING:
    case CONNECTION_STATE_ROUTING:
    case CONNECTION_STATE_WAITING:
    case CONNECTION_STATE_CLOSED:
    case CONNECTION_STATE_MAX:
        break; /* no default here and below: a new state has to say what it wants */
    }
    return 0;
}

static void ready(void *owner, uint32_t events)
{
    struct connection *connection = owner;

    switch (connection_state(connection)) {
    case CONNECTION_STATE_READING:
        frame_reader_ready(connection);
        break;
    case CONNECTION_STATE_WRITING:
        frame_writer_ready(connection);
        break;
    case CONNECTION_STATE_LINGERING:
        frame_writer_discard(connection);
        break;
    case CONNECTION_STATE_CHECKING:
    case CONNECTION_STATE_ROUTING:
    case CONNECTION_STATE_WAITING:
    case CONNECTION_STATE_CLOSED:
    case CONNECTION_STATE_MAX:
        if ((events & LOOP_HANGUP) != 0) {
            connection_raise(connection, CONNECTION_EVENT_HANG_UP);
        }
        break;
    }
}

static void read_first(void *owner)
{
    frame_reader_ready(owner);
}

/* Who connects has mostly written already: the first read is tried in this turn, before the loop waits again. */
enum connection_event connection_read_frame(struct connection *connection)
{
    const struct control_config *config = &connection->control->config;

    frame_scan_init(&connection->header, config->hello_only ? HELLO_BODY_MAX : FRAME_BODY_MAX);
    connection->work = fsm_ticket(&connection->fsm);
    if (loop_io_link(config->loop, &connection->io, connection->fd, LOOP_YOUNG, wants, ready, connection) < 0) {
        return CONNECTION_EVENT_STARVED;
    }
    connection->is_linked = true;
    loop_defer(config->loop, &connection->first_read, read_first, connection);
    return 0;
}

void frame_reader_release(struct connection *connection)
{
    struct pool *pool = &connection->control->pool;

    loop_defer_cancel(&connection->first_read);
    pool_give(pool, connection->body, connection->body_capacity);
    connection->body = NULL;
    connection->body_capacity = 0;
    pool_give(pool, (uint8_t *)connection->skim, connection->skim_capacity);
    connection->skim = NULL;
    connection->skim_capacity = 0;
}

static enum connection_event malformed(struct connection *connection, enum frame_fault fault)
{
    connection->fault = fault;
    return CONNECTION_EVENT_MALFORMED;
}

/* The other end is closed or broken: harmless before the first byte, a cut frame after it. */
static enum connection_event ended_early(struct connection *connection)
{
    return connection->header_filled == 0 ? CONNECTION_EVENT_EMPTY : malformed(connection, FRAME_FAULT_INCOMPLETE);
}

/*
 * One read of at most @size bytes. Their number; 0 when none are there now; -1 when none will come, with the outcome in
 * *@ret_event.
 */
static ssize_t take(struct connection *connection, void *memory, size_t size, enum connection_event *ret_event)
{
    ssize_t n = sys_recv(connection->fd, memory, size, MSG_DONTWAIT);

    if (n > 0) {
        return n;
    }
    if (n == -EAGAIN) {
        return 0;
    }
    *ret_event = ended_early(connection);
    return -1;
}

/* ------------------------------------------------------------------------------------------------- memory */

/*
 * The total of all buffers is reached. Somebody is told to go, perhaps this one, and there is room when the loop comes
 * round; until then nothing is read.
 */
static enum connection_event no_room(struct connection *connection, int r)
{
    if (r < 0) {
        return CONNECTION_EVENT_STARVED;
    }
    control_evict_biggest(connection->control);
    return 0;
}

/* Makes room behind the bytes that have come. 0, or as pool_take(). */
static int grow_body(struct connection *connection)
{
    struct pool *pool = &connection->control->pool;
    size_t wanted = connection->body_capacity * 2, capacity;
    uint8_t *body;
    int r;

    if (connection->body_filled < connection->body_capacity) {
        return 0;
    }
    r = pool_take(pool, wanted > 0 ? wanted : 1, &body, &capacity);
    if (r != 0) {
        return r;
    }
    if (connection->body != NULL) {
        memcpy(body, connection->body, connection->body_filled);
        pool_give(pool, connection->body, connection->body_capacity);
    }
    connection->body = body;
    connection->body_capacity = capacity;
    return 0;
}

static int start_skim(struct connection *connection)
{
    uint8_t *memory;
    int r;

    if (connection->skim != NULL) {
        return 0;
    }
    r = pool_take(&connection->control->pool, sizeof(*connection->skim), &memory, &connection->skim_capacity);
    if (r != 0) {
        return r;
    }
    connection->skim = (struct skim *)(void *)memory;
    skim_init(connection->skim, connection->header.body_size);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- the two parts */

/* True once the header is complete; else *@ret_event is the outcome, or 0 for not yet. */
static bool read_header(struct connection *connection, enum connection_event *ret_event)
{
    uint8_t bytes[FRAME_HEADER_SIZE];
    ssize_t n;
    size_t used;

    if (connection->header_filled == FRAME_HEADER_SIZE) {
        return true;
    }
    n = take(connection, bytes, FRAME_HEADER_SIZE - connection->header_filled, ret_event);
    if (n <= 0) {
        return false;
    }
    connection->header_filled += (uint8_t)n;
    switch (frame_scan_feed(&connection->header, bytes, (size_t)n, &used)) {
    case FRAME_SCAN_DONE:
        return true;
    case FRAME_SCAN_MORE:
        break;
    case FRAME_SCAN_BAD_VERSION:
        *ret_event = malformed(connection, FRAME_FAULT_VERSION);
        break;
    case FRAME_SCAN_TOO_LARGE:
        *ret_event = malformed(connection, FRAME_FAULT_TOO_LARGE);
        break;
    }
    return false;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* At most @budget bytes into the body's memory. The number of bytes, 0 for none now, -1 with *@ret_event. */
static ssize_t keep_some(struct connection *connection, size_t budget, size_t *ret_asked,
                         enum connection_event *ret_event)
{
    size_t left = connection->header.body_size - connection->body_filled;
    int r = grow_body(connection);

    if (r != 0) {
        *ret_event = no_room(connection, r);
        return -1;
    }
    *ret_asked = smaller(smaller(left, budget), connection->body_capacity - connection->body_filled);
    return take(connection, connection->body + connection->body_filled, *ret_asked, ret_event);
}

/* The same for a body that nobody keeps. */
static ssize_t skim_some(struct connection *connection, size_t budget, size_t *ret_asked,
                         enum connection_event *ret_event)
{
    size_t left = connection->header.body_size - connection->body_filled;
    uint8_t *scratch = connection->control->scratch;
    int r = start_skim(connection);
    ssize_t n;

    if (r != 0) {
        *ret_event = no_room(connection, r);
        return -1;
    }
    *ret_asked = smaller(left, budget);
    n = take(connection, scratch, *ret_asked, ret_event);
    if (n > 0 && !connection->is_skim_broken) {
        connection->is_skim_broken = skim_feed(connection->skim, scratch, (size_t)n) == PRESCAN_E_MALFORMED;
    }
    return n;
}

static enum connection_event read_body(struct connection *connection)
{
    bool is_kept = connection->header.body_size <= HELLO_BODY_MAX;
    size_t budget = CONTROL_READ_MAX, asked = 0;
    enum connection_event event = 0;
    ssize_t n;

    while (connection->body_filled < connection->header.body_size) {
        n = is_kept ? keep_some(connection, budget, &asked, &event) : skim_some(connection, budget, &asked, &event);
        if (n <= 0) {
            return event;
        }
        connection->body_filled += (uint32_t)n;
        budget -= (size_t)n;
        if (((size_t)n < asked || budget == 0) && connection->body_filled < connection->header.body_size) {
            return 0;
        }
    }
    return CONNECTION_EVENT_COMPLETE;
}

void frame_reader_ready(struct connection *connection)
{
    enum connection_event event = 0;

    if (read_header(connection, &event)) {
        event = read_body(connection);
    }
    if (event != 0) {
        fsm_finish(connection->work, event);
    }
}
