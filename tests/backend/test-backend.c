/* SPDX-License-Identifier: MIT */

/*
 * A backend to launch in tests and benches. What it does is written in `<its own path>.conf`, because its environment
 * is rebuilt at every launch; without that file it adopts the inherited listener (or binds the endpoint itself when
 * there is none), answers probes, and echoes consumer frames. One line each, `name=value`, `#` begins a comment:
 *
 *   mode=adopt        serve the inherited listener; without one, bind
 *        selfbind     unlink what is at the endpoint and bind there, whatever was inherited
 *        never        neither bind nor accept, live on
 *        silent       accept and read, never answer
 *        closes       accept and close at once
 *        garbage      answer with bytes that are no frame
 *        exit         exit with `code`
 *        signal       die of signal `code`
 *   code=N
 *   wait_file=PATH    do nothing of this before PATH exists (looked at every millisecond)
 *   delay_ms=N        nor before this time is over
 *   wrong=FIELD       answer with another pid, exe_path, exe_hash, boot_id, namespace or path
 *   exit_file=PATH    exit with `code` as soon as PATH exists
 *   patience_ms=N     close all connections when nobody has said anything for this long
 *   linger=1          start a grandchild in the same group that lives as long as it is let
 *   ignore_term=1     ignore SIGTERM
 *   leave_socket=1    do not unlink the socket at a clean exit
 *   log=1             append what was inherited to `<its own path>.log`: one `start pid=N` line, then `env NAME=value`,
 *                     `fd N target`, `cwd PATH`, `sid N`, `blocked HEX`, and `end`
 *
 * SIGTERM ends it with status 0; the socket is unlinked when this process bound it or adopted it.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/blake3sum.h"
#include "base/buffer.h"
#include "wire/envelope.h"
#include "wire/message.h"
#include "wire/probe.h"

enum { CLIENTS_MAX = 256, READ_MAX = 1 << 20 };

struct conf {
    char mode[32], wrong[32], wait_file[512], exit_file[512];
    int code, delay_ms, patience_ms;
    int linger, log, ignore_term, leave_socket;
};

struct client {
    int fd;
    struct buffer in;
};

extern char **environ;

static struct conf conf = {.mode = "adopt"};
static struct client clients[CLIENTS_MAX];
static struct pollfd set[CLIENTS_MAX + 1];
static int n_clients;
static DaemonProcess identity;
static RunningProcess__Broker__V1__Endpoint endpoint;
static uint8_t exe_hash[32];
static char own_socket[128]; /* unlinked at the end; "" */

static void die(const char *what)
{
    fprintf(stderr, "test-backend: %s: %s\n", what, strerror(errno));
    exit(3);
}

static void leave(int status)
{
    if (*own_socket && !conf.leave_socket) {
        unlink(own_socket);
    }
    _exit(status);
}

static void on_term(int signo)
{
    (void)signo;
    leave(0);
}

/* ---------------------------------------------------------------------------------------------------------- set-up */

static void set_text(char *field, size_t size, const char *value)
{
    snprintf(field, size, "%s", value);
}

static void set_option(const char *name, const char *value)
{
    if (strcmp(name, "mode") == 0) {
        set_text(conf.mode, sizeof(conf.mode), value);
    } else if (strcmp(name, "wrong") == 0) {
        set_text(conf.wrong, sizeof(conf.wrong), value);
    } else if (strcmp(name, "wait_file") == 0) {
        set_text(conf.wait_file, sizeof(conf.wait_file), value);
    } else if (strcmp(name, "exit_file") == 0) {
        set_text(conf.exit_file, sizeof(conf.exit_file), value);
    } else if (strcmp(name, "code") == 0) {
        conf.code = atoi(value);
    } else if (strcmp(name, "delay_ms") == 0) {
        conf.delay_ms = atoi(value);
    } else if (strcmp(name, "patience_ms") == 0) {
        conf.patience_ms = atoi(value);
    } else if (strcmp(name, "linger") == 0) {
        conf.linger = atoi(value);
    } else if (strcmp(name, "log") == 0) {
        conf.log = atoi(value);
    } else if (strcmp(name, "ignore_term") == 0) {
        conf.ignore_term = atoi(value);
    } else if (strcmp(name, "leave_socket") == 0) {
        conf.leave_socket = atoi(value);
    }
}

static void read_conf(const char *self)
{
    char path[4096], line[1024], *value;
    FILE *file;

    snprintf(path, sizeof(path), "%s.conf", self);
    file = fopen(path, "re");
    if (!file) {
        return;
    }
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\r\n")] = '\0';
        value = strchr(line, '=');
        if (*line != '#' && value) {
            *value = '\0';
            set_option(line, value + 1);
        }
    }
    fclose(file);
}

static void log_descriptors(FILE *out)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    char target[512];
    ssize_t n;

    if (!dir) {
        return;
    }
    while ((entry = readdir(dir))) {
        n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        if (n < 0 || atoi(entry->d_name) == dirfd(dir) || atoi(entry->d_name) == fileno(out)) {
            continue;
        }
        target[n] = '\0';
        fprintf(out, "fd %s %s\n", entry->d_name, target);
    }
    closedir(dir);
}

static void log_start(const char *self)
{
    char path[4096], cwd[1024];
    unsigned long blocked = 0;
    sigset_t mask;
    FILE *out;

    snprintf(path, sizeof(path), "%s.log", self);
    out = fopen(path, "ae");
    if (!out) {
        return;
    }
    fprintf(out, "start pid=%d\n", (int)getpid());
    for (char **p = environ; *p; p++) {
        fprintf(out, "env %s\n", *p);
    }
    log_descriptors(out);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int signo = 1; signo < 32; signo++) {
        blocked |= sigismember(&mask, signo) == 1 ? 1UL << signo : 0;
    }
    fprintf(out, "cwd %s\nsid %d\nblocked %lx\nend\n", getcwd(cwd, sizeof(cwd)) ? cwd : "?", (int)getsid(0), blocked);
    fclose(out);
}

static void pause_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&t, &t) < 0 && errno == EINTR) {
    }
}

static void wait_for_start(void)
{
    while (*conf.wait_file && access(conf.wait_file, F_OK) != 0) {
        pause_ms(1);
    }
    if (conf.delay_ms > 0) {
        pause_ms(conf.delay_ms);
    }
}

static void start_grandchild(void)
{
    if (fork() == 0) {
        close_range(3, ~0U, 0);
        for (;;) {
            pause();
        }
    }
}

static int bind_endpoint(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path)) {
        die("socket");
    }
    strcpy(address.sun_path, path);
    fchmod(fd, 0600);
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, SOMAXCONN) < 0) {
        die("bind");
    }
    return fd;
}

static int adopt_listener(const char *number)
{
    int fd = atoi(number), value = 0;
    socklen_t size = sizeof(value);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) < 0 || !value) {
        errno = errno ? errno : EINVAL;
        die("inherited listener");
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    unsetenv("RUNNING_PROCESS_BROKER_LISTENER_FD");
    if (listen(fd, SOMAXCONN) < 0) { /* from here on the kernel names this process as the listener */
        die("listen");
    }
    return fd;
}

/* --------------------------------------------------------------------------------------------------------- identity */

static char *text_of(const char *value)
{
    char *copy = strdup(value);

    if (!copy) {
        die("memory");
    }
    return copy;
}

static char *read_boot_id(void)
{
    char text[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (!file || !fgets(text, sizeof(text), file)) {
        die("boot id");
    }
    fclose(file);
    text[strcspn(text, "\r\n ")] = '\0';
    return text_of(text);
}

static void make_identity(const char *path, const char *name)
{
    char exe[4096];
    struct timespec now;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (n < 0 || fd < 0 || blake3_sum_fd(fd, exe_hash) < 0) {
        die("own executable");
    }
    exe[n] = '\0';
    close(fd);
    clock_gettime(CLOCK_REALTIME, &now);
    message_init(MESSAGE_DAEMON_PROCESS, &identity);
    running_process__broker__v1__endpoint__init(&endpoint);
    identity.pid = (uint32_t)getpid() + (strcmp(conf.wrong, "pid") == 0);
    identity.exe_path = text_of(strcmp(conf.wrong, "exe_path") == 0 ? "/nowhere" : exe);
    endpoint.namespace_id = text_of(strcmp(conf.wrong, "namespace") == 0 ? "elsewhere" : name);
    endpoint.path = text_of(strcmp(conf.wrong, "path") == 0 ? "/nowhere.sock" : path);
    identity.ipc_endpoint = &endpoint;
    identity.started_at_unix_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    identity.boot_id = strcmp(conf.wrong, "boot_id") == 0 ? text_of("another") : read_boot_id();
    identity.exe_hash_algorithm = text_of("blake3");
    exe_hash[0] ^= strcmp(conf.wrong, "exe_hash") == 0;
    identity.exe_hash.data = exe_hash;
    identity.exe_hash.len = sizeof(exe_hash);
}

/* ---------------------------------------------------------------------------------------------------------- serving */

static int send_all(int fd, const uint8_t *data, size_t size)
{
    ssize_t n;

    while (size > 0) {
        n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0) {
            return -1;
        }
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int answer_frame(struct client *client, const Frame *frame)
{
    struct buffer out;
    const uint8_t *nonce;
    Frame response;
    int r;

    buffer_init(&out, READ_MAX);
    if (frame->payload_protocol == LANE_PROBE) {
        r = probe_check_request(frame, &nonce) == PROBE_OK ? probe_pack_reply(&out, frame, &identity, NULL) : -1;
    } else if (!LANE_IS_CONSUMER(frame->payload_protocol) && !LANE_IS_PRIVATE(frame->payload_protocol)) {
        r = -1;
    } else {
        envelope_response_to(&response, frame, message_bytes(&frame->payload));
        r = envelope_pack(&out, &response);
    }
    if (r == 0) {
        r = send_all(client->fd, out.data, out.size);
    }
    buffer_deinit(&out);
    return r;
}

static int answer_frames(struct client *client)
{
    struct arena arena;
    Frame *frame;
    size_t consumed;
    int r;

    for (;;) {
        arena_init(&arena, NULL, 0, message_budget(MESSAGE_FRAME, READ_MAX));
        r = envelope_try_decode(buffer_slice(&client->in), &arena, &frame, &consumed);
        if (r == 0) {
            r = answer_frame(client, frame);
            buffer_drop(&client->in, consumed);
        } else if (r == ENVELOPE_E_MORE) {
            arena_deinit(&arena);
            return 0;
        }
        arena_deinit(&arena);
        if (r != 0) {
            return -1;
        }
    }
}

static void drop_client(int i)
{
    close(clients[i].fd);
    buffer_deinit(&clients[i].in);
    clients[i] = clients[--n_clients];
}

static void serve_client(int i)
{
    uint8_t bytes[65536];
    ssize_t n = recv(clients[i].fd, bytes, sizeof(bytes), 0);

    if (n <= 0 || buffer_append(&clients[i].in, bytes, (size_t)n) < 0) {
        drop_client(i);
        return;
    }
    if (strcmp(conf.mode, "silent") == 0) {
        return;
    }
    if (strcmp(conf.mode, "garbage") == 0) {
        send_all(clients[i].fd, (const uint8_t *)"HTTP/1.0 400\r\n\r\n", 16);
        drop_client(i);
        return;
    }
    if (answer_frames(&clients[i]) < 0) {
        drop_client(i);
    }
}

static void accept_client(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    if (strcmp(conf.mode, "closes") == 0 || n_clients == CLIENTS_MAX) {
        close(fd);
        return;
    }
    clients[n_clients].fd = fd;
    buffer_init(&clients[n_clients].in, READ_MAX);
    n_clients++;
}

static void serve(int listener)
{
    int n, n_ready, timeout_ms = *conf.exit_file ? 1 : conf.patience_ms > 0 ? conf.patience_ms : -1;

    while (!*conf.exit_file || access(conf.exit_file, F_OK) != 0) {
        set[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (int i = 0; i < n_clients; i++) {
            set[i + 1] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        }
        n = n_clients;
        n_ready = poll(set, (nfds_t)n + 1, timeout_ms);
        while (n_ready == 0 && conf.patience_ms > 0 && n_clients > 0) {
            drop_client(0);
        }
        if (n_ready <= 0) {
            continue;
        }
        for (int i = n - 1; i >= 0; i--) {
            if (set[i + 1].revents) {
                serve_client(i);
            }
        }
        if (set[0].revents) {
            accept_client(listener);
        }
    }
}

static void live_on(void)
{
    while (!*conf.exit_file || access(conf.exit_file, F_OK) != 0) {
        pause_ms(*conf.exit_file ? 1 : 1000);
    }
}

int main(int argc, char **argv)
{
    const char *path = getenv("RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE");
    const char *name = getenv("RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE");
    const char *inherited = getenv("RUNNING_PROCESS_BROKER_LISTENER_FD");
    struct sigaction term = {.sa_handler = on_term};
    int listener;

    if (argc == 3 && !path) { /* by hand, as a backend that is registered: ENDPOINT NAMESPACE */
        path = argv[1];
        name = argv[2];
    }
    if (!path || !name) {
        fprintf(stderr, "test-backend: not launched by a broker; or: test-backend ENDPOINT NAMESPACE\n");
        return 2;
    }
    read_conf(argv[0]);
    if (conf.ignore_term) {
        term.sa_handler = SIG_IGN;
    }
    sigaction(SIGTERM, &term, NULL);
    if (conf.log) {
        log_start(argv[0]);
    }
    if (conf.linger) {
        start_grandchild();
    }
    wait_for_start();
    if (strcmp(conf.mode, "exit") == 0) {
        return conf.code;
    }
    if (strcmp(conf.mode, "signal") == 0) {
        signal(conf.code, SIG_DFL);
        raise(conf.code);
    }
    if (strcmp(conf.mode, "never") == 0) {
        live_on();
        return conf.code;
    }
    listener = inherited && strcmp(conf.mode, "selfbind") != 0 ? adopt_listener(inherited) : bind_endpoint(path);
    snprintf(own_socket, sizeof(own_socket), "%s", path);
    make_identity(path, name);
    serve(listener);
    leave(conf.code);
}
