/* SPDX-License-Identifier: MIT */

/*
 * Signals as events: blocked for good and read from a signalfd, so that no code ever runs in a handler. Threads started
 * later block everything by themselves, and children get an empty mask before their exec.
 */

#include "base/cleanup.h"
#include "base/error.h"
#include "loop/loop.h"

static uint32_t wants(void *owner)
{
    return LOOP_READ;
}

/* One signal a call: caught() may end all of this. What else is pending makes the descriptor readable again. */
static void on_ready(void *owner, uint32_t events)
{
    struct loop_signals *signals = owner;
    struct signalfd_siginfo info;

    if (sys_read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        signals->caught(signals->owner, (int)info.ssi_signo);
    }
}

int loop_signals_init(struct loop *loop, struct loop_signals *signals, const sigset_t *set,
                      void (*caught)(void *owner, int signo), void *owner)
{
    _cleanup_close_ int fd = -1;
    sigset_t before;
    int r;

    fd = sys_signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return error_origin(fd);
    }
    r = sys_sigprocmask(SIG_BLOCK, set, &before);
    if (r < 0) {
        return error_origin(r);
    }
    *signals = (struct loop_signals){.fd = fd, .caught = caught, .owner = owner, .blocked_before = before};
    r = loop_io_link(loop, &signals->io, fd, LOOP_PINNED, wants, on_ready, signals);
    if (r < 0) {
        (void)sys_sigprocmask(SIG_SETMASK, &before, NULL);
        *signals = (struct loop_signals){0};
        return error_trace(r);
    }
    signals->fd = take_fd(&fd);
    return 0;
}

void loop_signals_deinit(struct loop_signals *signals)
{
    if (loop_io_is_linked(&signals->io)) {
        loop_io_unlink(&signals->io);
        signals->fd = close_fd(signals->fd);
        (void)sys_sigprocmask(SIG_SETMASK, &signals->blocked_before, NULL);
    }
}
