/* SPDX-License-Identifier: MIT */

/* Descriptors: first that callbacks may destroy and add anything, then places, interest, hang-ups, cost. */

#include "check.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "loop/loop.h"

struct peer {
    struct loop *loop;
    struct loop_io io;
    int fd, other_fd;
    uint32_t wanted, got;
    unsigned int n_calls;
    void (*hook)(struct peer *peer);
    struct peer *victim;
};

static uint32_t peer_wants(void *owner)
{
    return ((struct peer *)owner)->wanted;
}

static void peer_ready(void *owner, uint32_t events)
{
    struct peer *peer = owner;

    peer->n_calls++;
    peer->got = events;
    if (peer->hook) {
        peer->hook(peer);
    }
}

static void peer_open(struct peer *peer, struct loop *loop, enum loop_place place)
{
    int fds[2];

    check_fatal(sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    *peer = (struct peer){.loop = loop, .fd = fds[0], .other_fd = fds[1], .wanted = LOOP_READ};
    check_int(loop_io_link(loop, &peer->io, peer->fd, place, peer_wants, peer_ready, peer), 0);
}

static void peer_close(struct peer *peer)
{
    loop_io_unlink(&peer->io);
    peer->fd = close_fd(peer->fd);
    peer->other_fd = close_fd(peer->other_fd);
}

static void poke(struct peer *peer)
{
    check_int(sys_send(peer->other_fd, "x", 1, MSG_NOSIGNAL), 1);
}

static void swallow(struct peer *peer)
{
    char bytes[16];

    check(sys_recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0);
}

static void free_self(struct peer *peer)
{
    peer_close(peer);
    memset(peer, 0xee, sizeof(*peer));
    free(peer);
}

static void test_destroys_itself(void)
{
    struct loop loop;

    check_int(loop_init(&loop), 0);
    for (int place = LOOP_PINNED; place <= LOOP_NESTED; place++) {
        struct peer *peer = malloc(sizeof(*peer));

        peer_open(peer, &loop, (enum loop_place)place);
        poke(peer);
        peer->hook = free_self;
        check_int(loop_turn(&loop, true), 0);
    }
    check_int(loop.n_direct, 0);
    check_int(loop.n_nested, 0);
    check_int(loop_turn(&loop, false), 0);
    loop_deinit(&loop);
}

static unsigned int n_killed;

static void kill_victim(struct peer *peer)
{
    if (peer->victim) {
        peer->victim->victim = NULL;
        free_self(peer->victim);
        peer->victim = NULL;
        n_killed++;
    }
    swallow(peer);
}

/* Two are ready at once and each destroys the other: exactly one survives, whichever comes first. */
static void test_destroys_another(void)
{
    struct loop loop;

    check_int(loop_init(&loop), 0);
    for (int place = LOOP_PINNED; place <= LOOP_NESTED; place++) {
        struct peer *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b)), *survivor;

        peer_open(a, &loop, (enum loop_place)place);
        peer_open(b, &loop, (enum loop_place)place);
        a->hook = b->hook = kill_victim;
        a->victim = b;
        b->victim = a;
        poke(a);
        poke(b);
        n_killed = 0;
        check_int(loop_turn(&loop, true), 0);
        check_int(n_killed, 1);
        check_int(loop.n_direct + loop.n_nested, 1);
        survivor = loop.slots[0].io ? loop.slots[0].io->owner : loop.slots[1].io->owner;
        free_self(survivor);
    }
    loop_deinit(&loop);
}

static struct peer added;

/* The victim's descriptor number and slot are used again at once; the event was for the old one. */
static void replace_victim(struct peer *peer)
{
    int old_fd = peer->victim->fd;

    swallow(peer);
    peer_close(peer->victim);
    peer_open(&added, peer->loop, LOOP_NESTED);
    check(added.fd == old_fd || added.other_fd == old_fd);
    peer->hook = NULL;
}

static void test_event_for_a_predecessor_is_dropped(void)
{
    struct peer first, second;
    struct loop loop;

    check_int(loop_init(&loop), 0);
    peer_open(&first, &loop, LOOP_NESTED);
    peer_open(&second, &loop, LOOP_NESTED);
    first.hook = second.hook = replace_victim;
    first.victim = &second;
    second.victim = &first;
    poke(&first);
    poke(&second);
    check_int(loop_turn(&loop, true), 0);
    check_int(first.n_calls + second.n_calls, 1);
    check_int(added.n_calls, 0);
    poke(&added);
    check_int(loop_turn(&loop, true), 0);
    check_int(added.n_calls, 1);
    peer_close(&added);
    peer_close(&first);
    peer_close(&second);
    loop_deinit(&loop);
}

static struct peer crowd[200];

static void add_crowd(struct peer *peer)
{
    swallow(peer);
    peer->hook = NULL;
    for (size_t i = 0; i < 200; i++) {
        peer_open(&crowd[i], peer->loop, (enum loop_place)(i % 3));
    }
}

/* The slot table grows while a callback runs. */
static void test_adds_many(void)
{
    struct peer first;
    struct loop loop;

    check_int(loop_init(&loop), 0);
    peer_open(&first, &loop, LOOP_PINNED);
    first.hook = add_crowd;
    poke(&first);
    check_int(loop_turn(&loop, true), 0);
    check_int(loop.n_direct + loop.n_nested, 201);
    check(loop.n_direct <= LOOP_DIRECT_MAX);
    check(loop.n_young <= LOOP_YOUNG_MAX);
    for (size_t i = 0; i < 200; i++) {
        poke(&crowd[i]);
        crowd[i].hook = swallow;
    }
    for (size_t i = 0; i < 8; i++) {
        check_int(loop_turn(&loop, false), 0);
    }
    for (size_t i = 0; i < 200; i++) {
        check_int(crowd[i].n_calls, 1);
        peer_close(&crowd[i]);
    }
    peer_close(&first);
    check_int(loop.n_direct + loop.n_nested, 0);
    loop_deinit(&loop);
}

static void test_interest_is_derived(void)
{
    struct loop loop;

    check_int(loop_init(&loop), 0);
    for (int place = LOOP_PINNED; place <= LOOP_NESTED; place++) {
        struct peer peer;

        peer_open(&peer, &loop, (enum loop_place)place);
        poke(&peer);
        peer.wanted = 0;
        loop_io_touch(&peer.io);
        check_int(loop_turn(&loop, false), 0);
        check_int(peer.n_calls, 0);
        peer.wanted = LOOP_WRITE;
        loop_io_touch(&peer.io);
        check_int(loop_turn(&loop, true), 0);
        check_int(peer.got, LOOP_WRITE);
        peer.wanted = LOOP_READ | LOOP_WRITE;
        loop_io_touch(&peer.io);
        check_int(loop_turn(&loop, true), 0);
        check_int(peer.got, LOOP_READ | LOOP_WRITE);
        check_int(peer.n_calls, 2);
        peer_close(&peer);
    }
    loop_deinit(&loop);
}

static void want_nothing(struct peer *peer)
{
    peer->wanted = 0;
}

/* What the owner's own callback changes needs no touch. */
static void test_own_callback_needs_no_touch(void)
{
    struct loop loop;

    check_int(loop_init(&loop), 0);
    for (int place = LOOP_PINNED; place <= LOOP_NESTED; place++) {
        struct peer peer;

        peer_open(&peer, &loop, (enum loop_place)place);
        peer.hook = want_nothing;
        poke(&peer);
        check_int(loop_turn(&loop, true), 0);
        check_int(loop_turn(&loop, false), 0);
        check_int(peer.n_calls, 1);
        peer_close(&peer);
    }
    loop_deinit(&loop);
}

static void calm_victim(struct peer *peer)
{
    if (peer->victim) {
        peer->victim->wanted = 0;
        peer->victim->victim = NULL;
    }
    swallow(peer);
}

/* Both are ready; whoever comes first makes the other want nothing, which then is not called for what it wanted before.
 */
static void test_no_event_that_is_wanted_no_more(void)
{
    struct loop loop;

    check_int(loop_init(&loop), 0);
    for (int place = LOOP_PINNED; place <= LOOP_NESTED; place++) {
        struct peer a, b;

        peer_open(&a, &loop, (enum loop_place)place);
        peer_open(&b, &loop, (enum loop_place)place);
        a.hook = b.hook = calm_victim;
        a.victim = &b;
        b.victim = &a;
        poke(&a);
        poke(&b);
        check_int(loop_turn(&loop, true), 0);
        check_int(loop_turn(&loop, false), 0);
        check_int(a.n_calls + b.n_calls, 1);
        peer_close(&a);
        peer_close(&b);
    }
    loop_deinit(&loop);
}

static void test_hangup_is_told_and_does_not_spin(void)
{
    struct loop loop;

    check_int(loop_init(&loop), 0);
    for (int place = LOOP_PINNED; place <= LOOP_NESTED; place++) {
        struct peer peer;

        peer_open(&peer, &loop, (enum loop_place)place);
        peer.wanted = 0;
        loop_io_touch(&peer.io);
        peer.other_fd = close_fd(peer.other_fd);
        for (int i = 0; i < 4; i++) {
            check_int(loop_turn(&loop, false), 0);
        }
        check_int(peer.got, LOOP_HANGUP);
        check_int(peer.n_calls, 1);
        loop_io_touch(&peer.io); /* asks to be told once more */
        for (int i = 0; i < 4; i++) {
            check_int(loop_turn(&loop, false), 0);
        }
        check_int(peer.n_calls, 2);
        peer.wanted = LOOP_READ;
        loop_io_touch(&peer.io);
        check_int(loop_turn(&loop, false), 0);
        check_int(peer.got, LOOP_READ | LOOP_HANGUP);
        check_int(loop_turn(&loop, false), 0);
        check_int(peer.n_calls, 4);
        peer_close(&peer);
    }
    loop_deinit(&loop);
}

/* A half-closed peer is readable (end of file) but no hang-up: it still reads our answer. */
static void test_half_close_is_no_hangup(void)
{
    struct loop loop;

    check_int(loop_init(&loop), 0);
    for (int place = LOOP_PINNED; place <= LOOP_NESTED; place++) {
        struct peer peer;

        peer_open(&peer, &loop, (enum loop_place)place);
        check_int(sys_shutdown(peer.other_fd, SHUT_WR), 0);
        check_int(loop_turn(&loop, true), 0);
        check_int(peer.got, LOOP_READ);
        peer_close(&peer);
    }
    loop_deinit(&loop);
}

static void test_young_grow_old(void)
{
    struct peer peers[LOOP_YOUNG_MAX + 4];
    struct loop loop;

    check_int(loop_init(&loop), 0);
    for (uint32_t i = 0; i < LOOP_YOUNG_MAX + 4; i++) {
        peer_open(&peers[i], &loop, LOOP_YOUNG);
        peers[i].hook = swallow;
        check_int(loop.n_young, i < LOOP_YOUNG_MAX ? i + 1 : LOOP_YOUNG_MAX);
    }
    check_int(peers[0].io.place, LOOP_NESTED); /* the oldest went */
    check_int(peers[4].io.place, LOOP_YOUNG);
    check_int(loop.n_nested, 4);
    for (uint32_t turn = 0; turn < LOOP_YOUNG_TURNS; turn++) {
        check_int(loop_turn(&loop, false), 0);
    }
    check_int(loop.n_young, 0);
    check_int(loop.n_direct, 0);
    for (uint32_t i = 0; i < LOOP_YOUNG_MAX + 4; i++) {
        poke(&peers[i]);
    }
    check_int(loop_turn(&loop, true), 0);
    for (uint32_t i = 0; i < LOOP_YOUNG_MAX + 4; i++) {
        check_int(peers[i].n_calls, 1);
        peer_close(&peers[i]);
    }
    loop_deinit(&loop);
}

/* A short exchange on a young descriptor never opens the epoll instance at all. */
static void test_young_needs_no_epoll(void)
{
    struct peer peer;
    struct loop loop;

    check_int(loop_init(&loop), 0);
    peer_open(&peer, &loop, LOOP_YOUNG);
    peer.hook = swallow;
    poke(&peer);
    check_int(loop_turn(&loop, true), 0);
    peer_close(&peer);
    check_int(loop.epoll_fd, -1);
    loop_deinit(&loop);
}

static unsigned int n_after;

static void count_after(void *userdata)
{
    check(userdata == &n_after);
    n_after++;
}

static void test_hook_runs_after_every_callback(void)
{
    struct peer a, b;
    struct loop loop;

    check_int(loop_init(&loop), 0);
    loop_set_after(&loop, count_after, &n_after);
    peer_open(&a, &loop, LOOP_PINNED);
    peer_open(&b, &loop, LOOP_NESTED);
    poke(&a);
    poke(&b);
    n_after = 0;
    check_int(loop_turn(&loop, true), 0);
    check_int(n_after, 3); /* the turn's own, and one a callback */
    peer_close(&a);
    peer_close(&b);
    loop_deinit(&loop);
}

static void test_errors(void)
{
    struct peer peer;
    struct loop loop = {0};
    struct loop_io io = {0};

    loop_deinit(&loop);
    loop_io_unlink(&io);
    loop_io_touch(&io);
    check_int(loop_init(&loop), 0);
    peer_open(&peer, &loop, LOOP_YOUNG);
    check_int(loop_io_link(&loop, &peer.io, peer.fd, LOOP_YOUNG, peer_wants, peer_ready, &peer), -EINVAL);
    check_int(loop_io_link(&loop, &io, -1, LOOP_NESTED, peer_wants, peer_ready, &peer), -EBADF);
    check(!loop_io_is_linked(&io));
    loop_deinit(&loop); /* lets go of the peer */
    check(!loop_io_is_linked(&peer.io));
    peer_close(&peer);
    loop_deinit(&loop);
}

/* ------------------------------------------------------------------------------------------------- end of the turn */

struct chore {
    struct loop *loop;
    struct loop_deferred deferred;
    unsigned int n_runs;
    bool again;
    struct chore *cancels;
};

static void run_chore(void *owner)
{
    struct chore *chore = owner;

    chore->n_runs++;
    if (chore->cancels) {
        loop_defer_cancel(&chore->cancels->deferred);
    }
    if (chore->again) {
        loop_defer(chore->loop, &chore->deferred, run_chore, chore);
    }
}

static void test_deferred(void)
{
    struct loop loop;
    struct chore a = {.loop = &loop, .again = true}, b = {.loop = &loop}, c = {.loop = &loop}, d = {.loop = &loop};

    check_int(loop_init(&loop), 0);
    b.cancels = &c;
    loop_defer(&loop, &a.deferred, run_chore, &a);
    loop_defer(&loop, &a.deferred, run_chore, &a);
    loop_defer(&loop, &b.deferred, run_chore, &b);
    loop_defer(&loop, &c.deferred, run_chore, &c);
    loop_defer(&loop, &d.deferred, run_chore, &d);
    check_int(loop_turn(&loop, true), 0); /* does not block: something is queued */
    check_int(a.n_runs, 1);
    check_int(b.n_runs, 1);
    check_int(c.n_runs, 0);
    check_int(d.n_runs, 1);
    a.again = false;
    check_int(loop_turn(&loop, true), 0);
    check_int(a.n_runs, 2);
    loop_defer(&loop, &c.deferred, run_chore, &c);
    loop_deinit(&loop);
    check_int(c.n_runs, 0);
    check(c.deferred.loop == NULL);
}

/* ----------------------------------------------------------------------------------------- facts of the kernel */

/* An epoll descriptor is itself readable when one of its own is, and stops being so when that one is drained. */
static void test_kernel_epoll_nests(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct pollfd poll_fd = {.events = POLLIN};
    int fds[2], epoll_fd = sys_epoll_create1(EPOLL_CLOEXEC);
    char byte;

    check_int(sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    check_int(sys_epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[0], &event), 0);
    poll_fd.fd = epoll_fd;
    check_int(sys_poll(&poll_fd, 1, 0), 0);
    check_int(sys_write(fds[1], "x", 1), 1);
    check_int(sys_poll(&poll_fd, 1, 0), 1);
    check_int(sys_read(fds[0], &byte, 1), 1);
    check_int(sys_poll(&poll_fd, 1, 0), 0);
    close_fd(fds[0]);
    close_fd(fds[1]);
    close_fd(epoll_fd);
}

/* The bits of poll() and of epoll that the loop translates are the same numbers. */
static void test_kernel_event_bits(void)
{
    check_int(EPOLLIN, POLLIN);
    check_int(EPOLLOUT, POLLOUT);
    check_int(EPOLLHUP, POLLHUP);
    check_int(EPOLLERR, POLLERR);
}

static const struct peer *first_called;

static void remember_first(struct peer *peer)
{
    if (!first_called) {
        first_called = peer;
    }
    swallow(peer);
}

/* A process that has ended (nested) is known to be gone before a client's request (young) is read. */
static void test_nested_goes_first(void)
{
    struct peer pinned, young, nested;
    struct loop loop;

    check_int(loop_init(&loop), 0);
    peer_open(&pinned, &loop, LOOP_PINNED);
    peer_open(&young, &loop, LOOP_YOUNG);
    peer_open(&nested, &loop, LOOP_NESTED);
    pinned.hook = young.hook = nested.hook = remember_first;
    poke(&pinned);
    poke(&young);
    poke(&nested);
    first_called = NULL;
    check_int(loop_turn(&loop, true), 0);
    check(first_called == &nested);
    check_int(pinned.n_calls + young.n_calls + nested.n_calls, 3);
    peer_close(&pinned);
    peer_close(&young);
    peer_close(&nested);
    loop_deinit(&loop);
}

CHECK_PROGRAM("loop/io", {"a callback destroys its own source and frees it", test_destroys_itself},
              {"a callback destroys another ready source", test_destroys_another},
              {"an event for a predecessor in the slot and number is dropped", test_event_for_a_predecessor_is_dropped},
              {"a callback adds two hundred", test_adds_many},
              {"interest is asked, not stored", test_interest_is_derived},
              {"a change in the own callback needs no touch", test_own_callback_needs_no_touch},
              {"no event that is wanted no more", test_no_event_that_is_wanted_no_more},
              {"a hang-up is told, and does not spin", test_hangup_is_told_and_does_not_spin},
              {"a half-closed peer is no hang-up", test_half_close_is_no_hangup},
              {"young descriptors move behind the epoll instance", test_young_grow_old},
              {"a short exchange needs no epoll instance", test_young_needs_no_epoll},
              {"what is nested goes first", test_nested_goes_first},
              {"the hook runs after every callback", test_hook_runs_after_every_callback},
              {"misuse and deinit at any time", test_errors},
              {"deferred calls run once, at the end of the turn", test_deferred},
              {"kernel: an epoll descriptor can be polled", test_kernel_epoll_nests},
              {"kernel: poll and epoll bits agree", test_kernel_event_bits})
