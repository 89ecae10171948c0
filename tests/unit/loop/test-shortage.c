/* SPDX-License-Identifier: MIT */

/* The kernel has no memory for a poll() or a watch: the loop goes on with what needs none, and does not spin. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "loop/loop.h"

static int failure;            /* what each poll() of descriptors gives; 0: it works */
static unsigned int n_failing; /* how often yet */
static unsigned int n_failed, n_pauses;

/* The kernel's, but for the failures. The loop is linked against this one. */
int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    struct timespec left = timeout ? *timeout : (struct timespec){0};

    if (n > 0 && n_failing > 0) {
        n_failing--;
        n_failed++;
        errno = failure;
        return -1;
    }
    n_pauses += n == 0;
    return (int)syscall(SYS_ppoll, fds, n, timeout ? &left : NULL, mask, 8);
}

/* The same under the name that it has where sizes are checked. */
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size)
{
    (void)size;
    return ppoll(fds, n, timeout, mask);
}

static unsigned int n_unwatched; /* how many more descriptors there is no memory to watch for */

/* The kernel's, but for the failures. */
int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && n_unwatched > 0) {
        n_unwatched--;
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
}

struct fixture {
    struct loop loop;
    struct loop_io io;
    struct loop_timer timer;
    int fds[2];
    unsigned int n_due, n_ready, n_read;
    bool is_deaf;
};

static uint32_t wants(void *owner)
{
    struct fixture *fixture = owner;

    return fixture->is_deaf ? 0 : LOOP_READ;
}

static void on_ready(void *owner, uint32_t events)
{
    struct fixture *fixture = owner;
    char byte;

    (void)events;
    fixture->n_ready++;
    fixture->n_read += sys_recv(fixture->fds[0], &byte, 1, MSG_DONTWAIT) == 1;
}

static void on_due(void *owner)
{
    ((struct fixture *)owner)->n_due++;
}

static void fixture_init(struct fixture *fixture, enum loop_place place)
{
    *fixture = (struct fixture){0};
    check_fatal(!loop_init(&fixture->loop));
    check_fatal(!sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fixture->fds));
    check_fatal(!loop_io_link(&fixture->loop, &fixture->io, fixture->fds[0], place, wants, on_ready, fixture));
    loop_timer_init(&fixture->timer, &fixture->loop, on_due, fixture);
    check_int(sys_send(fixture->fds[1], "x", 1, MSG_NOSIGNAL), 1);
    n_failed = n_pauses = 0;
}

static void fixture_deinit(struct fixture *fixture)
{
    loop_io_unlink(&fixture->io);
    loop_timer_stop(&fixture->timer);
    close(fixture->fds[0]);
    close(fixture->fds[1]);
    loop_deinit(&fixture->loop);
}

static void test_shortage(void)
{
    static const int shortages[] = {ENOMEM, EAGAIN};
    struct fixture fixture;

    for (size_t i = 0; i < sizeof(shortages) / sizeof(shortages[0]); i++) {
        fixture_init(&fixture, LOOP_PINNED);
        failure = shortages[i];
        n_failing = 3;
        loop_timer_set(&fixture.timer, loop_now(&fixture.loop)); /* due, and needs no memory */
        while (fixture.n_read == 0) {
            check_fatal(!loop_turn(&fixture.loop, true));
            check_int(fixture.n_due, 1);
        }
        check_int(n_failed, 3);
        check_int(n_pauses, n_failed); /* one before each new attempt */
        fixture_deinit(&fixture);
    }
}

/* An interruption is no shortage: it is gone at once. What the loop did wrong itself still ends it. */
static void test_others(void)
{
    struct fixture fixture;

    fixture_init(&fixture, LOOP_PINNED);
    failure = EINTR;
    n_failing = 1;
    check_int(loop_turn(&fixture.loop, true), 0);
    check_int(n_pauses, 0);
    check_int(loop_turn(&fixture.loop, true), 0);
    check_int(fixture.n_read, 1);
    failure = EINVAL;
    n_failing = 1;
    check_int(loop_turn(&fixture.loop, true), -EINVAL);
    check_int(n_pauses, 0);
    fixture_deinit(&fixture);
}

/* One that was muted after a hang-up wants to read again, and cannot be watched at once: it is soon tried again. */
static void test_watch(void)
{
    struct fixture fixture;

    fixture_init(&fixture, LOOP_NESTED);
    fixture.is_deaf = true;
    loop_io_touch(&fixture.io);
    check_int(sys_shutdown(fixture.fds[1], SHUT_RDWR), 0);
    check_int(loop_turn(&fixture.loop, true), 0); /* told of the hang-up */
    check_int(loop_turn(&fixture.loop, false), 0);
    check_int(fixture.n_ready, 1);
    fixture.is_deaf = false;
    loop_io_touch(&fixture.io);
    n_unwatched = 2;
    loop_timer_set_in(&fixture.timer, 10 * NSEC_PER_SEC);
    while (fixture.n_ready == 1 && fixture.n_due == 0) {
        check_int(loop_turn(&fixture.loop, true), 0);
    }
    check_int(n_unwatched, 0);
    check_int(fixture.n_due, 0);
    fixture_deinit(&fixture);
}

CHECK_PROGRAM("loop/shortage", {"no memory for a poll", test_shortage}, {"other failures", test_others},
              {"no memory for a watch", test_watch})
