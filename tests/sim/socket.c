/* SPDX-License-Identifier: MIT */

/*
 * Unix sockets as Linux has them: a connection exists from connect() on, before anybody accepts; bytes that were sent
 * before an end come first; closing with unread bytes resets the other side; who listens is who called listen() last.
 * What gets through of a read or a write is the seed's affair.
 */

#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/un.h>

enum { BACKLOG_MAX = 4096, BUFFER_DEFAULT = 16384 };

static struct sim_socket *socket_of(int fd)
{
    struct sim_file *file = k_file(fd);

    return file && file->kind == KIND_SOCKET ? file->socket : NULL;
}

static int fault_of(int fd)
{
    return k_file(fd) ? -ENOTSOCK : -EBADF;
}

static struct ucred own_cred(void)
{
    return (struct ucred){.pid = sim.current->pid, .uid = sim.current->uid, .gid = sim.current->uid};
}

static struct sim_socket *make(int type)
{
    struct sim_socket *made = sim_new(sizeof(*made));

    made->type = type & 0xF;
    made->mode = S_IFSOCK | 0777;
    return made;
}

static int publish(struct sim_socket *made, int flags)
{
    struct sim_file *file = k_file_new(KIND_SOCKET, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0));

    file->socket = made;
    return k_fd_new(file, flags & SOCK_CLOEXEC, 0);
}

static size_t buffer_size(void)
{
    return sim.plan.socket_buffer ? sim.plan.socket_buffer : BUFFER_DEFAULT;
}

static void give_buffer(struct sim_socket *side, size_t capacity)
{
    side->capacity = capacity;
    side->bytes = sim_new(side->capacity);
}

int k_socket(int type)
{
    return publish(make(type), type);
}

int k_bind(int fd, const char *path)
{
    struct sim_inode *found, *parent;
    struct sim_socket *bound = socket_of(fd);
    char name[256];
    int r;

    if (!bound) {
        return fault_of(fd);
    }
    if (bound->inode) {
        return -EINVAL;
    }
    r = k_walk(AT_FDCWD, path, false, &found, &parent, name);
    if (r == 0) {
        return -EADDRINUSE;
    }
    if (r != -ENOENT || !parent) {
        return r;
    }
    bound->inode = k_inode_new(S_IFSOCK | (bound->mode & 0777));
    bound->inode->socket = bound;
    k_inode_link(parent, name, bound->inode);
    return 0;
}

int k_listen(int fd, int backlog)
{
    struct sim_socket *listener = socket_of(fd);

    if (!listener) {
        return fault_of(fd);
    }
    if (listener->state > SOCKET_LISTENING || !listener->inode) {
        return -EINVAL;
    }
    listener->state = SOCKET_LISTENING;
    listener->backlog = backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog;
    listener->cred = own_cred();
    return 0;
}

int k_connect(int fd, const char *path)
{
    struct sim_socket *client = socket_of(fd), *listener, *server;
    struct sim_inode *inode;
    int r;

    if (!client) {
        return fault_of(fd);
    }
    if (client->state == SOCKET_CONNECTED) {
        return -EISCONN;
    }
    r = k_walk(AT_FDCWD, path, true, &inode, NULL, NULL);
    if (r < 0) {
        return r;
    }
    listener = inode->socket;
    if (!listener || listener->state != SOCKET_LISTENING) {
        return -ECONNREFUSED;
    }
    if (listener->n_queued > listener->backlog) {
        return -EAGAIN;
    }
    server = make(SOCK_STREAM);
    server->state = client->state = SOCKET_CONNECTED;
    server->peer = client;
    client->peer = server;
    server->peer_cred = client->cred = own_cred();
    client->peer_cred = server->cred = listener->cred;
    give_buffer(server, BUFFER_DEFAULT); /* the kernel's least takes every question in one piece */
    give_buffer(client, buffer_size());
    client->has_dialled = true;
    for (struct sim_socket **link = &listener->queue;; link = &(*link)->next) {
        if (!*link) {
            *link = server;
            break;
        }
    }
    listener->n_queued++;
    return 0;
}

int k_accept(int fd, int flags)
{
    struct sim_socket *listener = socket_of(fd), *server;
    int r;

    if (!listener) {
        return fault_of(fd);
    }
    if (listener->state != SOCKET_LISTENING) {
        return -EINVAL;
    }
    server = listener->queue;
    if (!server) {
        return -EAGAIN;
    }
    r = publish(server, flags);
    if (r >= 0) {
        listener->queue = server->next;
        server->next = NULL;
        listener->n_queued--;
    }
    return r;
}

/* ----------------------------------------------------------------------------------------------------------- bytes */

/* @size bytes from @at on, round the end of the ring, into @out or from @in. */
static void take_bytes(struct sim_socket *own, size_t at, uint8_t *out, const uint8_t *in, size_t size)
{
    while (size > 0) {
        size_t run = own->capacity - at < size ? own->capacity - at : size;

        if (out) {
            memcpy(out, own->bytes + at, run);
            out += run;
        } else {
            memcpy(own->bytes + at, in, run);
            in += run;
        }
        size -= run;
        at = 0;
    }
}

static size_t part_of(size_t size)
{
    if (size > 1 && sim_chance(sim.plan.short_rate, 1024)) {
        return 1 + sim_below(size);
    }
    return size;
}

long k_recv(int fd, void *data, size_t size, bool peek)
{
    struct sim_socket *own = socket_of(fd);
    uint8_t *bytes = data;

    if (!own) {
        return fault_of(fd);
    }
    if (own->state != SOCKET_CONNECTED) {
        return -EINVAL;
    }
    if (own->size == 0) {
        int error = own->error;

        own->error = 0;
        if (error) {
            return -error;
        }
        return own->is_read_shut || size == 0 ? 0 : -EAGAIN;
    }
    size = part_of(size < own->size ? size : own->size);
    take_bytes(own, own->start, bytes, NULL, size);
    if (!peek) {
        own->start = (own->start + size) % own->capacity;
        own->size -= size;
    }
    return (long)size;
}

long k_send(int fd, const void *data, size_t size)
{
    struct sim_socket *own = socket_of(fd), *peer;
    const uint8_t *bytes = data;
    size_t room;

    if (!own) {
        return fault_of(fd);
    }
    if (own->state != SOCKET_CONNECTED) {
        return -ENOTCONN;
    }
    peer = own->peer;
    if (own->is_write_shut || !peer || peer->state == SOCKET_CLOSED || peer->is_read_shut) {
        return -EPIPE;
    }
    room = peer->capacity - peer->size;
    if (room == 0) {
        return -EAGAIN;
    }
    size = size < room ? size : room;
    size = own->has_dialled ? size : part_of(size);
    take_bytes(peer, (peer->start + peer->size) % peer->capacity, NULL, bytes, size);
    peer->size += size;
    return (long)size;
}

int k_shutdown(int fd, int how)
{
    struct sim_socket *own = socket_of(fd);

    if (!own) {
        return fault_of(fd);
    }
    if (own->state != SOCKET_CONNECTED) {
        return -ENOTCONN;
    }
    if (how != SHUT_RD) {
        own->is_write_shut = true;
        if (own->peer) {
            own->peer->is_read_shut = true;
        }
    }
    if (how != SHUT_WR) {
        own->is_read_shut = true;
        if (own->peer) {
            own->peer->is_write_shut = true;
        }
    }
    return 0;
}

/* The other side of a connection that ends. Reset: something that it sent will never be read. */
static void leave_peer(struct sim_socket *own, bool is_reset)
{
    struct sim_socket *peer = own->peer;

    if (!peer) {
        return;
    }
    peer->is_read_shut = peer->is_write_shut = true;
    if (is_reset) {
        peer->error = ECONNRESET;
    }
    peer->peer = NULL;
    own->peer = NULL;
}

void k_socket_close(struct sim_socket *own)
{
    if (own->state == SOCKET_LISTENING) {
        for (struct sim_socket *queued = own->queue; queued; queued = queued->next) {
            leave_peer(queued, true);
            queued->state = SOCKET_CLOSED;
        }
        own->queue = NULL;
    } else if (own->state == SOCKET_CONNECTED) {
        leave_peer(own, own->size > 0);
    }
    own->state = SOCKET_CLOSED;
}

short k_socket_ready(const struct sim_socket *own)
{
    short ready = 0;

    if (own->state == SOCKET_LISTENING) {
        return own->queue ? POLLIN : 0;
    }
    if (own->state != SOCKET_CONNECTED) {
        return POLLOUT | POLLHUP;
    }
    if (own->size > 0 || own->is_read_shut) {
        ready |= POLLIN;
    }
    if (own->is_read_shut) {
        ready |= POLLRDHUP;
    }
    if (own->is_read_shut && own->is_write_shut) {
        ready |= POLLHUP;
    }
    if (own->error) {
        ready |= POLLERR;
    }
    if (!own->peer || own->peer->size * 2 <= own->peer->capacity) {
        ready |= POLLOUT;
    }
    return ready;
}

int k_peercred(int fd, struct ucred *ret)
{
    const struct sim_socket *own = socket_of(fd);

    if (!own) {
        return fault_of(fd);
    }
    *ret = own->state == SOCKET_CONNECTED ? own->peer_cred : (struct ucred){.uid = (uid_t)-1, .gid = (gid_t)-1};
    return 0;
}
