/* SPDX-License-Identifier: MIT */

#include "unit/lib/client_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

/* ------------------------------------------------------------------------------------------------------------ sockets
 */

int rig_listen(const char *path, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    check_fatal(fd >= 0 && strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    check_int(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    check_int(listen(fd, backlog), 0);
    return fd;
}

void rig_up(struct rig *rig)
{
    const char *dir = check_tmpdir();

    snprintf(rig->broker_path, sizeof(rig->broker_path), "%s/broker", dir);
    snprintf(rig->backend_path, sizeof(rig->backend_path), "%s/backend", dir);
    rig->broker = rig_listen(rig->broker_path, 8);
    rig->backend = rig_listen(rig->backend_path, 8);
    rig->peer = -1;
}

void rig_hang_up(struct rig *rig)
{
    if (rig->peer >= 0) {
        close(rig->peer);
    }
    rig->peer = -1;
}

void rig_down(struct rig *rig)
{
    rig_hang_up(rig);
    close(rig->broker);
    close(rig->backend);
}

bool rig_accept(struct rig *rig, int listener)
{
    rig_hang_up(rig);
    rig->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return rig->peer >= 0;
}

void rig_send_raw(struct rig *rig, const void *data, size_t size)
{
    check_int(send(rig->peer, data, size, MSG_NOSIGNAL), (long long)size);
}

void rig_send(struct rig *rig, const struct bytes *bytes)
{
    rig_send_raw(rig, bytes->data, bytes->size);
}

size_t rig_read_frame(struct rig *rig, uint8_t *ret, size_t room)
{
    size_t size;

    if (recv(rig->peer, ret, 5, MSG_DONTWAIT) != 5) {
        return 0;
    }
    size = 5 + ((size_t)ret[1] | (size_t)ret[2] << 8 | (size_t)ret[3] << 16 | (size_t)ret[4] << 24);
    check_fatal(size <= room);
    check_int(recv(rig->peer, ret + 5, size - 5, MSG_DONTWAIT), (long long)(size - 5));
    return size;
}

/* --------------------------------------------------------------------------------------------------------- the client
 */

struct rpb_client *rig_client(struct rig *rig, const struct rpb_client_options *more)
{
    struct rpb_client_options options = {0};
    struct rpb_client *client = NULL;

    if (more) {
        options = *more;
    }
    options.size = sizeof(options);
    options.service = options.service ? options.service : "zccache";
    options.version = options.version ? options.version : "1.11.20";
    if (!options.broker && !options.instance) {
        options.broker = rig->broker_path;
    }
    check_int(rpb_client_new(&options, &client), RPB_CLIENT_OK);
    check_fatal(client != NULL);
    return client;
}

struct rpb_client *rig_begin(struct rig *rig, const struct rpb_client_options *more)
{
    struct rpb_client *client = rig_client(rig, more);
    uint8_t hello[512];

    check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN);
    check_fatal(rig_accept(rig, rig->broker));
    check(rig_read_frame(rig, hello, sizeof(hello)) > 0);
    return client;
}

int rig_finish(struct rpb_client *client)
{
    int r;

    while ((r = rpb_client_step(client)) == RPB_CLIENT_AGAIN) {
        struct pollfd polled = {.fd = rpb_client_fd(client), .events = rpb_client_wants(client)};

        check(rpb_client_deadline(client) != RPB_CLIENT_NEVER);
        check(poll(&polled, 1, rpb_client_poll_timeout(client)) >= 0);
    }
    return r;
}

void rig_connect(struct rig *rig, struct rpb_client *client)
{
    uint8_t hello[512];
    struct bytes reply;

    check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN);
    check_fatal(rig_accept(rig, rig->broker));
    check(rig_read_frame(rig, hello, sizeof(hello)) > 0);
    make_negotiated(&reply, rig->backend_path, NULL);
    rig_send(rig, &reply);
    check_int(rpb_client_step(client), RPB_CLIENT_OK);
    check_fatal(rig_accept(rig, rig->backend));
}

struct rpb_client *rig_connected(struct rig *rig, const struct rpb_client_options *more)
{
    struct rpb_client *client = rig_client(rig, more);

    rig_connect(rig, client);
    return client;
}

/* ----------------------------------------------------------------------------------------------------------- encoding
 */

void put_varint(struct bytes *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        out->data[out->size++] = (uint8_t)(value | 0x80);
    }
    out->data[out->size++] = (uint8_t)value;
}

void put_number(struct bytes *out, unsigned int field, uint64_t value)
{
    if (value) {
        put_varint(out, field << 3);
        put_varint(out, value);
    }
}

void put_text(struct bytes *out, unsigned int field, const void *data, size_t size)
{
    if (size) {
        put_varint(out, field << 3 | 2);
        put_varint(out, size);
        memcpy(out->data + out->size, data, size);
        out->size += size;
    }
}

void make_frame(struct bytes *ret, const struct bytes *payload, uint32_t lane, uint64_t id,
                const struct envelope_faults *faults)
{
    static const struct envelope_faults none;
    struct bytes body = {0};

    faults = faults ? faults : &none;
    put_number(&body, 1, faults->version ? faults->version : 1);
    put_number(&body, 2, faults->kind < 0 ? 0 : faults->kind ? (uint64_t)faults->kind : 1);
    put_number(&body, 3, faults->lane ? faults->lane : lane);
    put_text(&body, 4, payload->data, payload->size);
    put_number(&body, 5, faults->id == UINT64_MAX ? 0 : faults->id ? faults->id : id);
    put_number(&body, 6, faults->encoding);
    ret->size = 0;
    ret->data[ret->size++] = 1;
    for (unsigned int i = 0; i < 4; i++) {
        ret->data[ret->size++] = (uint8_t)(body.size >> (8 * i));
    }
    memcpy(ret->data + ret->size, body.data, body.size);
    ret->size += body.size;
}

void make_negotiated(struct bytes *ret, const char *backend_pipe, const struct envelope_faults *faults)
{
    struct bytes negotiated = {0}, reply = {0};

    put_number(&negotiated, 1, 1);
    put_text(&negotiated, 2, "1.11.20", 7);
    put_text(&negotiated, 3, backend_pipe, strlen(backend_pipe));
    put_number(&negotiated, 6, 1800);
    put_number(&negotiated, 8, 77);
    put_text(&reply, 1, negotiated.data, negotiated.size);
    make_frame(ret, &reply, 0, 1, faults);
}

void make_refused(struct bytes *ret, uint32_t code, const char *reason, uint64_t retry_ms,
                  const struct envelope_faults *faults)
{
    struct bytes refused = {0}, reply = {0};

    put_text(&refused, 1, reason, strlen(reason));
    put_number(&refused, 2, 1);
    put_number(&refused, 3, 1);
    put_number(&refused, 4, code);
    put_number(&refused, 6, retry_ms);
    put_text(&reply, 2, refused.data, refused.size);
    make_frame(ret, &reply, 0, 1, faults);
}

void make_response(struct bytes *ret, uint32_t lane, uint64_t id, const char *text,
                   const struct envelope_faults *faults)
{
    struct bytes payload = {0};

    payload.size = strlen(text);
    memcpy(payload.data, text, payload.size);
    make_frame(ret, &payload, lane, id, faults);
}

void from_hex(struct bytes *ret, const char *hex)
{
    ret->size = 0;
    for (char *end; *hex; hex = end) {
        ret->data[ret->size++] = (uint8_t)strtoul(hex, &end, 16);
        end += strspn(end, " ");
    }
}
