/* SPDX-License-Identifier: MIT */

/*
 * inotify watches tell that a path may no longer lead to its socket: one on the control socket's own file (its link
 * count changes when its name goes), one on its directory (which may be moved away), one on names that go from the
 * directory of the backends' sockets; nothing else of the directories' traffic wakes the broker. A moment later, when
 * whoever removes things is done, the path is looked at; if the socket is not there, it is bound anew and watched anew,
 * but not before the old one's queue is empty: whoever is in it has connected and is to be answered. What cannot be
 * bound is tried again with growing pauses, and told once a reason. The levels above the directories are not watched:
 * their renaming is seen by whoever asks for a look.
 */

#include "daemon/socket_watch.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"

#define PAUSE_FIRST_NSEC (50 * NSEC_PER_MSEC)
#define PAUSE_MAX_NSEC (30 * NSEC_PER_SEC)
#define PAUSE_GUESTS_NSEC (10 * NSEC_PER_MSEC)
enum { GUESTS_MAX = 50 /* pauses for them: a broker that takes nobody at present does not stay away for that */ };

static uint32_t wants(void *owner)
{
    return LOOP_READ;
}

void socket_watch_look(struct socket_watch *watch)
{
    bool is_soon = loop_timer_is_set(&watch->look) && watch->pause_nsec == PAUSE_FIRST_NSEC;

    if (watch->loop && !is_soon) {
        watch->pause_nsec = PAUSE_FIRST_NSEC;
        loop_timer_set_in(&watch->look, watch->pause_nsec);
    }
}

/* What happened does not matter: the path is looked at. */
static void on_events(void *owner, uint32_t events)
{
    struct socket_watch *watch = owner;
    char bytes[4096];

    while (sys_read(watch->inotify_fd, bytes, sizeof(bytes)) > 0) {
    }
    socket_watch_look(watch);
}

static void stop_watching(struct socket_watch *watch)
{
    loop_io_unlink(&watch->io);
    watch->inotify_fd = close_fd(watch->inotify_fd);
}

static int add_watches(const struct socket_watch *watch, int fd)
{
    const struct singleton *singleton = watch->singleton;
    char directory[ENDPOINT_PATH_SIZE];
    int size = (int)(singleton->name - singleton->path); /* with the slash behind it */
    int r;

    snprintf(directory, sizeof(directory), "%.*s", size, singleton->path);
    r = sys_inotify_add_watch(fd, directory, IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR);
    if (r >= 0) {
        r = sys_inotify_add_watch(fd, singleton->path, IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_DONT_FOLLOW);
    }
    if (r >= 0 && watch->backends_dir) { /* often the same directory: what is asked for is added */
        r = sys_inotify_add_watch(fd, watch->backends_dir, IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR | IN_MASK_ADD);
    }
    return r < 0 ? r : 0;
}

static int open_watches(struct socket_watch *watch)
{
    _cleanup_close_ int fd = sys_inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int r = fd < 0 ? fd : add_watches(watch, fd);

    if (!r) {
        r = loop_io_link(watch->loop, &watch->io, fd, LOOP_NESTED, wants, on_events, watch);
    }
    if (!r) {
        watch->inotify_fd = take_fd(&fd);
    }
    return r;
}

static void start_watching(struct socket_watch *watch)
{
    int r = open_watches(watch);

    if (!singleton_is_in_place(watch->singleton)) {
        socket_watch_look(watch); /* it went before it was watched */
    } else if (r < 0) {
        log_warn(LOG_CODE_BROKER_SETTING, "%s is not watched (%s): if it is removed, send SIGHUP to have it made again",
                 watch->singleton->path, strerror(-r));
    }
}

static void try_later(struct socket_watch *watch, const char *text)
{
    if (strcmp(watch->told, text) != 0) {
        log_error(LOG_CODE_SOCKET_LOST, "the socket %s was removed and cannot be made again: %s; it is tried on",
                  watch->singleton->path, text);
        snprintf(watch->told, sizeof(watch->told), "%s", text);
    }
    watch->pause_nsec = watch->pause_nsec < PAUSE_MAX_NSEC / 2 ? 2 * watch->pause_nsec : PAUSE_MAX_NSEC;
    loop_timer_set_in(&watch->look, watch->pause_nsec);
}

/* Somebody has connected to the lost socket and was not accepted yet. */
static bool has_guests(const struct socket_watch *watch)
{
    struct pollfd listener = {.fd = watch->singleton->socket_fd, .events = POLLIN};

    return sys_poll(&listener, 1, 0) > 0;
}

static void on_look(void *owner)
{
    struct socket_watch *watch = owner;
    char text[SINGLETON_TEXT_MAX];

    if (singleton_is_in_place(watch->singleton)) {
        watch->looked(watch->owner);
        return;
    }
    if (watch->n_guest_pauses < GUESTS_MAX && has_guests(watch)) {
        watch->n_guest_pauses++;
        loop_timer_set_in(&watch->look, PAUSE_GUESTS_NSEC);
        return;
    }
    watch->n_guest_pauses = 0;
    if (singleton_rebind(watch->singleton, &watch->config, text)) {
        try_later(watch, text);
        return;
    }
    *watch->told = 0;
    log_warn(LOG_CODE_SOCKET_RECREATED, "the socket %s was removed by somebody and was made again",
             watch->singleton->path);
    singleton_log(watch->singleton);
    stop_watching(watch);
    start_watching(watch);
    watch->looked(watch->owner);
}

void socket_watch_init(struct socket_watch *watch, struct loop *loop, struct singleton *singleton,
                       const struct singleton_config *config, const char *backends_dir, void (*looked)(void *owner),
                       void *owner)
{
    *watch = (struct socket_watch){
        .loop = loop,
        .singleton = singleton,
        .config = *config,
        .backends_dir = backends_dir,
        .looked = looked,
        .owner = owner,
        .inotify_fd = -1,
    };
    loop_timer_init(&watch->look, loop, on_look, watch);
    start_watching(watch);
}

void socket_watch_deinit(struct socket_watch *watch)
{
    if (!watch->loop) {
        return;
    }
    stop_watching(watch);
    loop_timer_stop(&watch->look);
    *watch = (struct socket_watch){0};
}
