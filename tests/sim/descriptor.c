/* SPDX-License-Identifier: MIT */

/*
 * Descriptor tables, open file descriptions, and everything that is neither a file on disk nor a socket: pipes, event
 * counters, signal descriptors, process descriptors, /dev/null, the log. What is ready is computed when it is asked
 * for; nothing is kept about who waits.
 */

#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/signalfd.h>

struct sim_file *k_file_of(struct sim_proc *proc, int fd)
{
    return fd >= 0 && fd < SIM_FDS ? proc->fds[fd].file : NULL;
}

struct sim_file *k_file(int fd)
{
    return k_file_of(sim.current, fd);
}

struct sim_file *k_file_new(enum sim_kind kind, int flags)
{
    struct sim_file *file = sim_new(sizeof(*file));

    file->kind = kind;
    file->flags = flags & (O_NONBLOCK | O_ACCMODE | O_APPEND | O_PATH);
    return file;
}

int k_fd_new(struct sim_file *file, bool is_cloexec, int lowest)
{
    struct sim_proc *proc = sim.current;

    for (int fd = lowest; fd < SIM_FDS && (rlim_t)fd < proc->nofile.rlim_cur; fd++) {
        if (!proc->fds[fd].file) {
            proc->fds[fd] = (struct sim_fd){.file = file, .is_cloexec = is_cloexec};
            file->n_refs++;
            return fd;
        }
    }
    return -EMFILE;
}

int k_count_fds(struct sim_proc *proc)
{
    int n = 0;

    for (int fd = 0; fd < SIM_FDS; fd++) {
        n += proc->fds[fd].file != NULL;
    }
    return n;
}

void k_file_release(struct sim_file *file)
{
    if (--file->n_refs > 0) {
        return;
    }
    switch (file->kind) {
    case KIND_SOCKET:
        k_socket_close(file->socket);
        break;
    case KIND_PIPE_READ:
        file->pipe->n_readers--;
        break;
    case KIND_PIPE_WRITE:
        file->pipe->n_writers--;
        break;
    case KIND_FILE:
    case KIND_DIR:
        if (file->inode->lock == file) {
            file->inode->lock = NULL;
        }
        break;
    case KIND_EPOLL:
        file->watches = NULL;
        break;
    default:
        break;
    }
}

int k_close(int fd)
{
    struct sim_file *file = k_file(fd);

    if (!file) {
        return -EBADF;
    }
    sim.current->fds[fd] = (struct sim_fd){0};
    k_file_release(file);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- ready */

/* A closed description leaves every epoll instance: its watch is dropped when it is next looked at. */
static void prune(struct sim_file *epoll)
{
    struct sim_watch **link = &epoll->watches;

    while (*link) {
        if ((*link)->file->n_refs <= 0) {
            *link = (*link)->next;
        } else {
            link = &(*link)->next;
        }
    }
}

static uint32_t watch_ready(const struct sim_watch *watch)
{
    return (uint32_t)(unsigned short)k_ready(watch->file) & (watch->event.events | EPOLLHUP | EPOLLERR);
}

static short epoll_ready(struct sim_file *epoll)
{
    prune(epoll);
    for (const struct sim_watch *watch = epoll->watches; watch; watch = watch->next) {
        if (watch_ready(watch)) {
            return POLLIN;
        }
    }
    return 0;
}

short k_ready(struct sim_file *file)
{
    switch (file->kind) {
    case KIND_SOCKET:
        return k_socket_ready(file->socket);
    case KIND_PIPE_READ:
        return (short)((file->pipe->size ? POLLIN : 0) | (file->pipe->n_writers == 0 ? POLLHUP : 0));
    case KIND_PIPE_WRITE:
        return (short)(POLLOUT | (file->pipe->n_readers == 0 ? POLLERR : 0));
    case KIND_EVENT:
        return (short)((file->count ? POLLIN : 0) | POLLOUT);
    case KIND_SIGNAL:
        return file->proc->pending & file->signals ? POLLIN : 0;
    case KIND_PIDFD:
        return file->proc->is_alive ? 0 : POLLIN;
    case KIND_EPOLL:
        return epoll_ready(file);
    case KIND_LOG:
        return sim.plan.is_log_full ? 0 : POLLOUT;
    case KIND_INOTIFY:
        for (int i = 0; i < file->n_notices; i++) {
            if (file->notices[i]->seen) {
                return POLLIN;
            }
        }
        return 0;
    default:
        return POLLIN | POLLOUT;
    }
}

/* -------------------------------------------------------------------------------------------------- read and write */

static long read_signal(struct sim_file *file, void *data, size_t size)
{
    struct signalfd_siginfo info = {0};
    uint64_t pending = file->proc->pending & file->signals;

    if (size < sizeof(info)) {
        return -EINVAL;
    }
    if (!pending) {
        return -EAGAIN;
    }
    info.ssi_signo = (uint32_t)__builtin_ctzll(pending);
    file->proc->pending &= ~(UINT64_C(1) << info.ssi_signo);
    memcpy(data, &info, sizeof(info));
    return (long)sizeof(info);
}

static long read_pipe(struct sim_pipe *pipe, void *data, size_t size)
{
    if (pipe->size == 0) {
        return pipe->n_writers == 0 ? 0 : -EAGAIN;
    }
    size = size < pipe->size ? size : pipe->size;
    memcpy(data, pipe->bytes, size);
    pipe->size -= size;
    memmove(pipe->bytes, pipe->bytes + size, pipe->size);
    return (long)size;
}

static long read_bytes(struct sim_file *file, const void *bytes, size_t n_bytes, void *data, size_t size)
{
    size_t left = file->offset < n_bytes ? n_bytes - file->offset : 0;

    size = size < left ? size : left;
    if (size > 1 && sim.current == sim.broker && sim_chance(sim.plan.short_rate, 1024)) {
        size = 1 + sim_below(size);
    }
    if (size) {
        memcpy(data, (const char *)bytes + file->offset, size);
        file->offset += size;
    }
    return (long)size;
}

long k_read(int fd, void *data, size_t size)
{
    struct sim_file *file = k_file(fd);

    if (!file) {
        return -EBADF;
    }
    switch (file->kind) {
    case KIND_FILE:
        return read_bytes(file, file->inode->data, file->inode->size, data, size);
    case KIND_TEXT:
        return read_bytes(file, file->text, strlen(file->text), data, size);
    case KIND_DIR:
        return -EISDIR;
    case KIND_NULL:
        return 0;
    case KIND_SOCKET:
        return k_recv(fd, data, size, false);
    case KIND_PIPE_READ:
        return read_pipe(file->pipe, data, size);
    case KIND_SIGNAL:
        return read_signal(file, data, size);
    case KIND_INOTIFY:
        return k_inotify_read(file, data, size);
    case KIND_EVENT:
        if (size < sizeof(file->count)) {
            return -EINVAL;
        }
        if (!file->count) {
            return -EAGAIN;
        }
        memcpy(data, &file->count, sizeof(file->count));
        file->count = 0;
        return (long)sizeof(file->count);
    default:
        return -EINVAL;
    }
}

static long write_file(struct sim_file *file, const void *data, size_t size)
{
    struct sim_inode *inode = file->inode;
    size_t end = file->offset + size;

    if ((file->flags & O_ACCMODE) == O_RDONLY) {
        return -EBADF;
    }
    if (end > inode->capacity) {
        size_t capacity = end * 2;
        uint8_t *bytes = sim_new(capacity);

        if (inode->size) {
            memcpy(bytes, inode->data, inode->size);
        }
        inode->data = bytes;
        inode->capacity = capacity;
    }
    if (size) {
        memcpy(inode->data + file->offset, data, size);
    }
    file->offset = end;
    inode->size = end > inode->size ? end : inode->size;
    k_touch(inode, true);
    return (long)size;
}

static void log_line(const void *data, size_t size)
{
    const char *text = data;

    sim_trace("log %.*s", (int)(size && text[size - 1] == '\n' ? size - 1 : size), text);
}

long k_write(int fd, const void *data, size_t size)
{
    struct sim_file *file = k_file(fd);
    uint64_t value;

    if (!file) {
        return -EBADF;
    }
    switch (file->kind) {
    case KIND_FILE:
        return write_file(file, data, size);
    case KIND_LOG:
        if (sim.plan.is_log_full) {
            return -EAGAIN;
        }
        log_line(data, size);
        return (long)size;
    case KIND_NULL:
        return (long)size;
    case KIND_SOCKET:
        return k_send(fd, data, size);
    case KIND_PIPE_WRITE:
        if (file->pipe->n_readers == 0) {
            return -EPIPE;
        }
        if (file->pipe->size + size > sizeof(file->pipe->bytes)) {
            return -EAGAIN;
        }
        memcpy(file->pipe->bytes + file->pipe->size, data, size);
        file->pipe->size += size;
        return (long)size;
    case KIND_EVENT:
        if (size != sizeof(value)) {
            return -EINVAL;
        }
        memcpy(&value, data, sizeof(value));
        file->count += value;
        return (long)size;
    default:
        return -EINVAL;
    }
}

/* ---------------------------------------------------------------------------------------------------------- epoll */

int k_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    struct sim_file *epoll = k_file(epoll_fd), *file = k_file(fd);
    struct sim_watch **link;

    if (!epoll || !file) {
        return -EBADF;
    }
    if (epoll->kind != KIND_EPOLL || file == epoll) {
        return -EINVAL;
    }
    if (file->kind == KIND_FILE || file->kind == KIND_DIR || file->kind == KIND_TEXT) {
        return -EPERM;
    }
    prune(epoll);
    for (link = &epoll->watches; *link && ((*link)->fd != fd || (*link)->file != file); link = &(*link)->next) {
    }
    if (operation == EPOLL_CTL_ADD) {
        if (*link) {
            return -EEXIST;
        }
        *link = sim_new(sizeof(**link));
        **link = (struct sim_watch){.fd = fd, .file = file, .event = *event};
        return 0;
    }
    if (!*link) {
        return -ENOENT;
    }
    if (operation == EPOLL_CTL_MOD) {
        (*link)->event = *event;
    } else {
        *link = (*link)->next;
    }
    return 0;
}

int k_epoll_wait(int epoll_fd, struct epoll_event *ret_events, int n)
{
    struct sim_file *epoll = k_file(epoll_fd);
    int n_ready = 0;

    if (!epoll) {
        return -EBADF;
    }
    prune(epoll);
    for (const struct sim_watch *watch = epoll->watches; watch && n_ready < n; watch = watch->next) {
        uint32_t events = watch_ready(watch);

        if (events) {
            ret_events[n_ready++] = (struct epoll_event){.events = events, .data = watch->event.data};
        }
    }
    return n_ready;
}
