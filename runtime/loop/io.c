/* SPDX-License-Identifier: MIT */

/*
 * Descriptors. A linked one has a slot, and its {slot, generation} is the only name that poll and epoll results carry:
 * freeing or reusing a slot raises its generation, so a result for something that an earlier callback of the same turn
 * unlinked, or closed and opened anew under the same number, finds nobody.
 *
 * A descriptor stands either directly in the poll set, where what it wants is asked every turn, or behind the epoll
 * instance, where what it wants was registered and is compared again only after its callback and when its owner touches
 * it. New connections begin in the poll set and mostly end there: they never cost an epoll_ctl(). The epoll instance is
 * asked only when poll() says that it has something. Every descriptor leaves the instance before its owner closes it.
 */

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "loop/internal.h"

enum {
    SLOT_NONE = UINT32_MAX,   /* end of the free list */
    EPOLL_WATCH = UINT32_MAX, /* in place of a slot: the epoll instance itself */
    IN_EPOLL = 1 << 8,        /* in `registered`: the instance knows the descriptor */
};

static struct loop_io *find(struct loop *loop, uint32_t slot, uint32_t generation)
{
    if (slot >= loop->n_slots || loop->slots[slot].generation != generation) {
        return NULL;
    }
    return loop->slots[slot].io;
}

/* ----------------------------------------------------------------------------------------------------------- slots */

static int grow_slots(struct loop *loop)
{
    uint32_t n = loop->n_slots ? loop->n_slots * 2 : 16;
    struct loop_slot *slots;

    slots = realloc(loop->slots, n * sizeof(*slots));
    if (!slots) {
        return error_origin(-ENOMEM);
    }
    for (uint32_t i = loop->n_slots; i < n; i++) {
        slots[i] = (struct loop_slot){.next_free = i + 1 < n ? i + 1 : SLOT_NONE};
    }
    loop->first_free = loop->n_slots;
    loop->slots = slots;
    loop->n_slots = n;
    return 0;
}

static int take_slot(struct loop *loop, struct loop_io *io)
{
    int r;

    if (loop->n_slots == 0 || loop->first_free == SLOT_NONE) {
        r = grow_slots(loop);
        if (r < 0) {
            return error_trace(r);
        }
    }
    io->slot = loop->first_free;
    loop->first_free = loop->slots[io->slot].next_free;
    loop->slots[io->slot].io = io;
    return 0;
}

static void free_slot(struct loop *loop, uint32_t slot)
{
    loop->slots[slot].io = NULL;
    loop->slots[slot].generation++;
    loop->slots[slot].next_free = loop->first_free;
    loop->first_free = slot;
}

/* -------------------------------------------------------------------------------------------------- epoll instance */

static int open_epoll(struct loop *loop)
{
    int fd;

    if (loop->epoll_fd >= 0) {
        return 0;
    }
    fd = sys_epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        return error_origin(fd);
    }
    loop->epoll_fd = fd;
    return 0;
}

static uint32_t epoll_mask(uint32_t wanted)
{
    return (wanted & LOOP_READ ? (uint32_t)EPOLLIN : 0) | (wanted & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
}

/* Makes the instance watch @io for @wanted. */
static int enrol(struct loop *loop, struct loop_io *io, uint32_t wanted)
{
    struct epoll_event event = {
        .events = epoll_mask(wanted),
        .data.u64 = (uint64_t)io->slot << 32 | loop->slots[io->slot].generation,
    };
    bool is_known = io->registered & IN_EPOLL;
    int r;

    if (io->registered == (IN_EPOLL | wanted)) {
        return 0;
    }
    r = sys_epoll_ctl(loop->epoll_fd, is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, io->fd, &event);
    if (r < 0) {
        return error_origin(r);
    }
    loop->n_nested += !is_known;
    io->registered = IN_EPOLL | wanted;
    return 0;
}

static void dismiss(struct loop *loop, struct loop_io *io)
{
    struct epoll_event unused = {0};

    if (io->registered & IN_EPOLL) {
        (void)sys_epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, &unused);
        loop->n_nested--;
        io->registered = 0;
    }
}

static void mark_touched(struct loop *loop, struct loop_io *io)
{
    if (!io->is_touched) {
        io->is_touched = true;
        TAILQ_INSERT_TAIL(&loop->touched, io, touched);
    }
}

static void unmark_touched(struct loop *loop, struct loop_io *io)
{
    if (io->is_touched) {
        io->is_touched = false;
        TAILQ_REMOVE(&loop->touched, io, touched);
    }
}

/* A muted descriptor stays out of both sets until it wants something. */
static void update_nested(struct loop *loop, struct loop_io *io)
{
    uint32_t wanted = io->wants(io->owner) & (LOOP_READ | LOOP_WRITE);

    if (io->is_muted && wanted == 0) {
        dismiss(loop, io);
        return;
    }
    io->is_muted = false;
    if (enrol(loop, io, wanted) < 0) {
        mark_touched(loop, io); /* the kernel is out of memory for it: tried again next turn */
    }
}

static void update_touched(struct loop *loop)
{
    struct loop_ios todo = TAILQ_HEAD_INITIALIZER(todo);
    struct loop_io *io;

    TAILQ_CONCAT(&todo, &loop->touched, touched);
    while ((io = TAILQ_FIRST(&todo))) {
        TAILQ_REMOVE(&todo, io, touched);
        io->is_touched = false;
        update_nested(loop, io);
    }
}

/* -------------------------------------------------------------------------------------------------------- poll set */

static void enter_direct(struct loop *loop, struct loop_io *io, enum loop_place place)
{
    io->place = (uint8_t)place;
    io->born_turn = loop->turn;
    TAILQ_INSERT_TAIL(&loop->direct, io, direct);
    loop->n_direct++;
    loop->n_young += place == LOOP_YOUNG;
}

static void leave_direct(struct loop *loop, struct loop_io *io)
{
    TAILQ_REMOVE(&loop->direct, io, direct);
    loop->n_direct--;
    loop->n_young -= io->place == LOOP_YOUNG;
}

/* From the poll set behind the epoll instance. Where that refuses it stays, and is young again. */
static int demote(struct loop *loop, struct loop_io *io)
{
    int r;

    r = open_epoll(loop);
    if (r >= 0 && !io->is_muted) {
        r = enrol(loop, io, io->wants(io->owner) & (LOOP_READ | LOOP_WRITE));
    }
    if (r < 0) {
        io->born_turn = loop->turn;
        return error_trace(r);
    }
    leave_direct(loop, io);
    io->place = LOOP_NESTED;
    return 0;
}

static struct loop_io *oldest_young(struct loop *loop)
{
    struct loop_io *io;

    TAILQ_FOREACH(io, &loop->direct, direct)
    {
        if (io->place == LOOP_YOUNG) {
            return io;
        }
    }
    return NULL;
}

/* Room for one more in the poll set; false: it has to go behind the epoll instance. */
static bool make_room(struct loop *loop, enum loop_place place)
{
    if (place == LOOP_YOUNG && loop->n_young >= LOOP_YOUNG_MAX) {
        (void)demote(loop, oldest_young(loop));
    }
    return loop->n_direct < LOOP_DIRECT_MAX;
}

static void demote_aged(struct loop *loop)
{
    struct loop_io *io, *next;

    for (io = TAILQ_FIRST(&loop->direct); io && loop->n_young > 0; io = next) {
        next = TAILQ_NEXT(io, direct);
        if (io->place == LOOP_YOUNG && loop->turn - io->born_turn >= LOOP_YOUNG_TURNS) {
            (void)demote(loop, io);
        }
    }
}

uint32_t loop_io_prepare(struct loop *loop, struct pollfd *polls, struct loop_watch *watches)
{
    struct loop_io *io;
    uint32_t n = 0;

    demote_aged(loop);
    update_touched(loop);
    TAILQ_FOREACH(io, &loop->direct, direct)
    {
        uint32_t wanted = io->wants(io->owner);

        if (io->is_muted && !(wanted & (LOOP_READ | LOOP_WRITE))) {
            continue;
        }
        if (io->is_muted) { /* nothing is written that stays: beside a fresh child each write copies a page */
            io->is_muted = false;
        }
        polls[n] = (struct pollfd){
            .fd = io->fd,
            .events = (short)((wanted & LOOP_READ ? POLLIN : 0) | (wanted & LOOP_WRITE ? POLLOUT : 0)),
        };
        watches[n++] = (struct loop_watch){io->slot, loop->slots[io->slot].generation};
    }
    if (loop->n_nested > 0) {
        polls[n] = (struct pollfd){.fd = loop->epoll_fd, .events = POLLIN};
        watches[n++] = (struct loop_watch){.slot = EPOLL_WATCH};
    }
    return n;
}

/* -------------------------------------------------------------------------------------------------------- dispatch */

/* POLLIN and its kin have the values of EPOLLIN and its kin. */
static uint32_t events_of(uint32_t revents)
{
    return (revents & POLLIN ? LOOP_READ : 0) | (revents & POLLOUT ? LOOP_WRITE : 0) |
           (revents & (POLLHUP | POLLERR | POLLNVAL) ? LOOP_HANGUP : 0);
}

static void dispatch(struct loop *loop, uint32_t slot, uint32_t generation, uint32_t revents)
{
    struct loop_io *io = find(loop, slot, generation);
    uint32_t events, wanted;

    if (!io) {
        return;
    }
    wanted = io->wants(io->owner) & (LOOP_READ | LOOP_WRITE);
    events = events_of(revents) & (wanted | LOOP_HANGUP);
    if (events == 0) {
        loop_io_touch(io); /* what was waited for is wanted no more */
        return;
    }
    if (wanted == 0) {
        io->is_muted = true;
    }
    io->ready(io->owner, events);
    loop_call_after(loop);
    io = find(loop, slot, generation);
    if (io && io->place == LOOP_NESTED) {
        mark_touched(loop, io);
    }
}

static void dispatch_nested(struct loop *loop)
{
    struct epoll_event events[LOOP_BATCH_MAX];
    int n;

    n = sys_epoll_wait(loop->epoll_fd, events, LOOP_BATCH_MAX, 0);
    for (int i = 0; i < n; i++) {
        dispatch(loop, (uint32_t)(events[i].data.u64 >> 32), (uint32_t)events[i].data.u64, events[i].events);
    }
}

/*
 * What stands behind the epoll instance goes first: there are the pidfds, and a process that had ended before a client
 * asked must be known to be gone when the client's request is read.
 */
void loop_io_dispatch(struct loop *loop, const struct pollfd *polls, const struct loop_watch *watches, uint32_t n)
{
    if (n > 0 && watches[n - 1].slot == EPOLL_WATCH && polls[n - 1].revents != 0) {
        dispatch_nested(loop);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (polls[i].revents != 0 && watches[i].slot != EPOLL_WATCH) {
            dispatch(loop, watches[i].slot, watches[i].generation, (uint32_t)polls[i].revents);
        }
    }
}

/* ---------------------------------------------------------------------------------------------------------- public */

static int link_nested(struct loop *loop, struct loop_io *io)
{
    int r;

    r = open_epoll(loop);
    if (r < 0) {
        return error_trace(r);
    }
    io->place = LOOP_NESTED;
    return error_trace(enrol(loop, io, io->wants(io->owner) & (LOOP_READ | LOOP_WRITE)));
}

/* The kernel has no room for one more in the epoll instance, or for the instance itself: that may pass. */
static bool is_shortage(int r)
{
    return r == -ENOMEM || r == -ENOSPC || r == -EMFILE || r == -ENFILE;
}

int loop_io_link(struct loop *loop, struct loop_io *io, int fd, enum loop_place place, loop_wants_fn wants,
                 loop_ready_fn ready, void *owner)
{
    int r;

    if (io->loop) {
        return error_origin(-EINVAL);
    }
    *io = (struct loop_io){.owner = owner, .wants = wants, .ready = ready, .fd = fd};
    r = take_slot(loop, io);
    if (r < 0) {
        return error_trace(r);
    }
    if (place != LOOP_NESTED && make_room(loop, place)) {
        enter_direct(loop, io, place);
    } else {
        r = link_nested(loop, io);
        if (is_shortage(r) && loop->n_direct < LOOP_DIRECT_MAX) {
            enter_direct(loop, io, LOOP_YOUNG); /* it goes behind the epoll instance when the kernel has room again */
        } else if (r < 0) {
            free_slot(loop, io->slot);
            return error_trace(r);
        }
    }
    io->loop = loop;
    return 0;
}

void loop_io_touch(struct loop_io *io)
{
    if (!io->loop) {
        return;
    }
    io->is_muted = false;
    if (io->place == LOOP_NESTED) {
        mark_touched(io->loop, io);
    }
}

void loop_io_unlink(struct loop_io *io)
{
    struct loop *loop = io->loop;

    if (!loop) {
        return;
    }
    unmark_touched(loop, io);
    if (io->place == LOOP_NESTED) {
        dismiss(loop, io);
    } else {
        leave_direct(loop, io);
    }
    free_slot(loop, io->slot);
    io->loop = NULL;
}

void loop_io_deinit(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->n_slots; i++) {
        if (loop->slots[i].io) {
            loop_io_unlink(loop->slots[i].io);
        }
    }
    free(loop->slots);
    loop->slots = NULL;
    loop->n_slots = 0;
    loop->epoll_fd = close_fd(loop->epoll_fd);
}
