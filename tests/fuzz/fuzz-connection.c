/* SPDX-License-Identifier: MIT */

/*
 * One connection against the real control socket: loop, machine, hello, admin and a store with files, over a real Unix
 * socket. The input is a script: its first byte chooses how the broker stands, every further byte is a step (send these
 * bytes, let the broker run, let time pass, stop writing, hang up, connect once more, drain …), so it decides the bytes
 * and every cut between them.
 *
 * Time is virtual (the link replaces clock_gettime), nothing sleeps, and the loop never blocks. Whatever the script
 * was: the connection ends, it saw at most one reply, which is whole and answers its own request; no descriptor stays
 * open, nothing stays owed, and the next client is served.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/sys.h"
#include "control/control.h"
#include "fuzz/client.h"
#include "fuzz/fuzz.h"
#include "fuzz/ground.h"
#include "hello/hello.h"
#include "ops/admin.h"
#include "wire/envelope.h"
#include "wire/protocol.h"

enum {
    TURNS_A_STEP = 4,
};

/* How the broker stands, bits of the first byte. */
enum {
    MODE_HANDLER = 1,    /* no store, as --serve-once */
    MODE_HELLO_ONLY = 2, /* no admin lane */
    MODE_DRAINING = 4,
    MODE_STRANGERS = 8,    /* the policy lets somebody else in */
    MODE_ONE_AT_ONCE = 16, /* one connection at a time: the next one evicts */
    MODE_FEW_BUFFERS = 32,
    MODE_RATE_LIMIT = 64,
    MODE_SILENT_END = 128, /* at the end the client says nothing more; else it stops writing */
};

static struct loop loop;
static struct fsm_world world;
static struct backends backends;
static struct store store;
static struct hello hello;
static struct control *control;
static struct admin admin;
static struct client first, second, canary;
static char definitions[GROUND_PATH_SIZE], runtime_dir[GROUND_PATH_SIZE], socket_path[GROUND_PATH_SIZE];
static uint64_t files_nsec; /* when the files were written, and a little: the wall clock begins there */
static int listener = -1;
static unsigned mode;
static bool has_drained, is_cut_off; /* is_cut_off: nobody is accepted any more */

/* ------------------------------------------------------------------------------------------------- time */

static void turn(unsigned n)
{
    while (n-- > 0) {
        MUST(loop_turn(&loop, false) == 0);
    }
}

static void turn_once(void)
{
    turn(1);
}

static void pass(uint64_t nsec)
{
    ground_now_nsec += nsec;
    turn(2);
}

/* ------------------------------------------------------------------------------------------------- the broker */

static void write_file(const char *name, const char *text)
{
    char path[128];
    struct stat st;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", definitions, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    MUST(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fstat(fd, &st) == 0);
    close(fd);
    files_nsec = (uint64_t)st.st_ctim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_ctim.tv_nsec + NSEC_PER_MSEC;
}

/* This very process stands for a backend that runs. */
static void register_backend(const char *service)
{
    struct backend_key key;
    struct backend *backend;
    int pidfd = sys_pidfd_open(getpid(), 0);

    MUST(pidfd >= 0);
    MUST(backend_key_make(SLICE("shared"), slice_from(service), SLICE("1.2.3"), NULL, &key));
    MUST(backend_new(&key, &backend) == 0);
    backend->pid = getpid();
    backend->is_external = true;
    backend->external_path = strdup("/tmp/backend.sock");
    MUST(registry_insert(&backends.registry, backend, pidfd) == 0);
}

static void facts(void *owner, struct admin_facts *ret)
{
    *ret = (struct admin_facts){.is_accepting = true, .connections_open = control_connections_open(control)};
}

/* What stays for all inputs; the inputs share no state but this. */
static void set_up(void)
{
    struct backends_config config = {.loop = &loop, .world = &world, .user_hash = "0123456789abcdef"};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    log_open(null);
    log_set_level(LOG_DEBUG);
    ground_path("d", definitions);
    ground_path("r", runtime_dir);
    ground_path("s", socket_path);
    MUST(mkdir(definitions, 0700) == 0 && mkdir(runtime_dir, 0700) == 0);
    write_file(
        "tool.txtpb",
        "service_name: \"tool\"\nbinary_path: \"/bin/true\"\nisolation: SHARED_BROKER\nmin_version: \"1.0.0\"\n");
    write_file("cold.txtpb", "service_name: \"cold\"\nisolation: SHARED_BROKER\nbinary_path: \"/nonexistent\"\n");
    write_file("bad.txtpb", "service_name: \"other\"\n");
    write_file("young.servicedef", "\xff");
    listener = ground_listen(socket_path, 8);
    MUST(loop_init(&loop) == 0 && fsm_world_init(&world, &loop) == 0);
    MUST(getrlimit(RLIMIT_NOFILE, &config.child_nofile) == 0 && getrlimit(RLIMIT_DATA, &config.child_data) == 0);
    config.runtime_dir = runtime_dir;
    MUST(backends_init(&backends, &config) == 0);
    register_backend("tool");
    admin = (struct admin){.broker_instance = "shared", .broker_pid = 1, .facts = facts};
}

static void on_drained(void *owner)
{
    has_drained = true;
}

static void on_shutdown(void *owner, msec_t drain_msec)
{
    control_drain(control);
}

static void begin(void)
{
    struct hello_config asked = {.loop = &loop, .rate_limit = mode & MODE_RATE_LIMIT ? 1 : 0};
    struct control_config config = {.loop = &loop,
                                    .world = &world,
                                    .listener_fd = listener,
                                    .socket_path = socket_path,
                                    .hello = &hello,
                                    .admin = &admin,
                                    .drained = on_drained,
                                    .shutdown_asked = on_shutdown,
                                    .request_timeout_msec = 30000,
                                    .nofile_limit = 1024,
                                    .hello_only = mode & MODE_HELLO_ONLY};

    MUST(store_init(&store, definitions) == 0);
    if (!(mode & MODE_HANDLER)) {
        asked.store = &store;
        asked.backends = &backends;
    }
    config.owner_uid = geteuid() + (mode & MODE_STRANGERS ? 1 : 0);
    config.connections_max = mode & MODE_ONE_AT_ONCE ? 1 : 0;
    config.buffers_max = mode & MODE_FEW_BUFFERS ? 8192 : 0;
    MUST(hello_init(&hello, &asked) == 0);
    MUST(control_new(&config, &control) == 0);
    if (mode & MODE_DRAINING) {
        control_drain(control);
    }
    has_drained = is_cut_off = false;
    ground_set_unix_time(files_nsec);
}

static void end(void)
{
    MUST(control_connections_open(control) == 0 && control_is_quiet(control));
    control = control_free(control);
    ground_turn_away(listener); /* those who connected after the cut-off were never accepted */
    hello_deinit(&hello);
    store_deinit(&store);
    MUST(world.n_never == 0 && world.n_alive == 0);
}

/* ------------------------------------------------------------------------------------------------- what must hold */

static void check_hello_reply(struct slice payload, uint32_t *ret_code, struct arena *arena)
{
    ProtobufCMessage *message;
    const HelloReply *reply;

    MUST(message_unpack(MESSAGE_HELLO_REPLY, payload, arena, &message) == 0);
    reply = (const HelloReply *)(const void *)message;
    if (reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_NEGOTIATED) {
        MUST(strcmp(reply->negotiated->backend_pipe, "/tmp/backend.sock") == 0);
        *ret_code = 0;
    } else {
        MUST(reply->result_case == RUNNING_PROCESS__BROKER__V1__HELLO_REPLY__RESULT_REFUSED);
        MUST(reply->refused->code >= 1 && reply->refused->code <= 9 && reply->refused->reason[0] != '\0');
        *ret_code = (uint32_t)reply->refused->code;
    }
}

/* The id that the reply has to carry; false: nobody can say. */
static bool find_request_id(const struct client *client, uint64_t *ret_id)
{
    struct arena arena;
    Frame *frame;
    size_t used;
    bool found;

    if (client->n_sent > CLIENT_SENT_MAX) {
        return false;
    }
    arena_init(&arena, NULL, 0, SIZE_MAX);
    found = envelope_try_decode((struct slice){(const char *)client->sent, client->n_sent}, &arena, &frame, &used) == 0;
    found = found && !((mode & MODE_HELLO_ONLY) && used > HELLO_BODY_MAX + FRAME_HEADER_SIZE);
    if (found) {
        *ret_id = frame->request_id;
    }
    arena_deinit(&arena);
    return found;
}

/* Nothing, or exactly one reply. True with its refusal code (0: negotiated, or an admin reply). */
static bool check_reply(const struct client *client, uint32_t *ret_code)
{
    struct slice bytes = {(const char *)client->got, client->n_got};
    uint64_t request_id;
    struct arena arena;
    Frame *frame;
    size_t used;

    if (client->n_got == 0) {
        return false;
    }
    MUST(!(mode & MODE_STRANGERS));
    arena_init(&arena, NULL, 0, SIZE_MAX);
    MUST(envelope_try_decode(bytes, &arena, &frame, &used) == 0 && used == client->n_got);
    MUST(frame->envelope_version == 1 && frame->kind == FRAME_KIND(RESPONSE));
    MUST(!find_request_id(client, &request_id) || frame->request_id == request_id);
    if (frame->payload_protocol == LANE_ADMIN) {
        ProtobufCMessage *reply;

        MUST(!(mode & MODE_HELLO_ONLY));
        MUST(message_unpack(MESSAGE_ADMIN_REPLY, message_bytes(&frame->payload), &arena, &reply) == 0);
        *ret_code = 0;
    } else {
        MUST(frame->payload_protocol == LANE_CONTROL);
        check_hello_reply(message_bytes(&frame->payload), ret_code, &arena);
    }
    arena_deinit(&arena);
    return true;
}

/* By now every deadline there is, is over. */
static void finish(struct client *client)
{
    uint32_t code;

    if (client->fd < 0) {
        return;
    }
    if (!(mode & MODE_SILENT_END)) {
        shutdown(client->fd, SHUT_WR);
        turn(TURNS_A_STEP);
        client_read(client, SIZE_MAX);
    }
    for (int i = 0; i < 8 && !client->is_ended; i++) {
        pass(6 * NSEC_PER_SEC);
        client_read(client, SIZE_MAX);
    }
    MUST(client->is_ended || is_cut_off);
    (void)check_reply(client, &code);
    client_close(client);
}

/* ------------------------------------------------------------------------------------------------- the script */

/* A good Hello, so that the search need not find the whole form first; its first @cut bytes are left to the input. */
static void send_template(struct client *client, uint8_t which)
{
    static const struct slice services[] = {{"tool", 4}, {"cold", 4}, {"bad", 3}, {"young", 5}};
    uint8_t bytes[512];
    size_t size = client_make_hello(bytes, services[which % 4], which & 4 ? SLICE("1.2.3") : SLICE("0.9.0"), which);

    client_send(client, bytes, which & 8 ? size - 1 - which % 16 : size);
}

static void send_filler(struct client *client, unsigned kib)
{
    static const uint8_t filler[4096];

    for (unsigned i = 0; i < kib; i += 4) {
        client_send(client, filler, sizeof(filler));
    }
}

static void let_pass(uint8_t how_long)
{
    static const uint32_t msecs[] = {1, 21, 51, 101, 999, 5001, 25001, 30001};

    pass(msecs[how_long % 8] * NSEC_PER_MSEC);
}

static void step(struct slice *input, struct client **client)
{
    uint8_t op = take_byte(input), argument = op >> 4;

    switch (op & 15) {
    case 0:
    case 1:
    case 2: { /* bytes of the input, and with 1 a turn behind them; with 2 one turn behind each */
        struct slice bytes = take_bytes(input, argument != 15 ? argument + 1u : take_byte(input) + 1u);

        for (size_t i = 0; (op & 15) == 2 && i < bytes.size; i++) {
            client_send(*client, bytes.data + i, 1);
            turn(1);
        }
        if ((op & 15) != 2) {
            client_send(*client, bytes.data, bytes.size);
        }
        turn((op & 15) == 1);
        break;
    }
    case 3:
        send_template(*client, argument);
        break;
    case 4:
        send_filler(*client, argument == 15 ? 80 : argument + 1u);
        break;
    case 5:
        turn(argument + 1u);
        break;
    case 6:
        let_pass(argument);
        break;
    case 7:
        if ((*client)->fd >= 0) {
            shutdown((*client)->fd, argument & 1 ? SHUT_RDWR : SHUT_WR);
        }
        break;
    case 8:
        client_read(*client, argument == 15 ? SIZE_MAX : argument + 1u);
        break;
    case 9:
        client_close(*client);
        break;
    case 10: /* the other client has its turn; it connects when it never did */
        *client = *client == &first ? &second : &first;
        if ((*client)->fd < 0 && !(*client)->was_closed) {
            client_connect(*client, socket_path, turn_once);
            (*client)->was_closed = true;
        }
        break;
    case 11:
        if (argument == 0) {
            control_drain(control);
        } else if (argument == 1 && !is_cut_off) {
            control_cut_off(control);
            is_cut_off = true;
        } else if (argument == 2) {
            (void)store_recheck(&store, ground_now_nsec);
        }
        break;
    default:
        break;
    }
}

/* Somebody else, afterwards. */
static void check_next_client(void)
{
    uint8_t bytes[512];
    size_t size = client_make_hello(bytes, SLICE("tool"), SLICE("1.2.3"), 7);
    uint32_t code;
    bool answered;

    client_connect(&canary, socket_path, turn_once);
    client_send(&canary, bytes, size);
    for (int i = 0; i < 8 && !canary.is_ended; i++) {
        turn(1);
        client_read(&canary, SIZE_MAX);
    }
    MUST(canary.is_ended);
    answered = check_reply(&canary, &code);
    MUST(answered == !(mode & MODE_STRANGERS));
    if (answered && !hello.is_draining) {
        MUST(code == (mode & MODE_HANDLER ? ERROR_CODE(SERVICE_UNKNOWN) : 0) ||
             ((mode & MODE_RATE_LIMIT) && code == ERROR_CODE(RATE_LIMITED)));
    } else if (answered) {
        MUST(code == ERROR_CODE(SHUTTING_DOWN));
    }
    client_close(&canary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data, size};
    struct client *client = &first;
    unsigned n_open;

    if (listener < 0) {
        set_up();
    }
    mode = take_byte(&input);
    n_open = ground_descriptors();
    begin();
    second.fd = -1;
    second.was_closed = false;
    client_connect(&first, socket_path, turn_once);
    first.was_closed = true;
    while (input.size > 0) {
        step(&input, &client);
    }
    turn(1);
    finish(&first);
    finish(&second);
    turn(TURNS_A_STEP);
    MUST(control_connections_open(control) == 0);
    if (!is_cut_off) {
        check_next_client();
    }
    turn(TURNS_A_STEP);
    MUST(!hello.is_draining || has_drained);
    end();
    MUST(ground_descriptors() == n_open);
    return 0;
}
