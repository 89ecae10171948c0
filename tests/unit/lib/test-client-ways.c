/* SPDX-License-Identifier: MIT */

/*
 * The choices around a connect: the way past the broker, no broker at all, retries, whose server it may be, where the
 * broker is, options, and giving up.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "service/identity.h"
#include "unit/lib/client_rig.h"

static void test_hello_skip(void)
{
    struct rig rig;
    struct rpb_client *client;
    struct rpb_client_options cached = {.self_version = "1.11.20"};

    rig_up(&rig);
    cached.cached_endpoint = rig.backend_path;
    client = rig_client(&rig, &cached);
    check_int(rpb_client_begin(client), RPB_CLIENT_OK);
    check_int(rpb_client_route(client), RPB_CLIENT_ROUTE_HELLO_SKIP);
    check_str(rpb_client_endpoint(client), rig.backend_path);
    check(rpb_client_negotiated(client) == NULL);
    check(!rig_accept(&rig, rig.broker)); /* which has not heard of it */
    check(rig_accept(&rig, rig.backend));
    rpb_client_free(client);
    cached.self_version = "1.11.21";
    client = rig_begin(&rig, &cached);
    rpb_client_free(client);
    cached.self_version = NULL;
    client = rig_begin(&rig, &cached);
    rpb_client_free(client);
    cached = (struct rpb_client_options){.self_version = "1.11.20", .cached_endpoint = "/nowhere/at/all"};
    client = rig_client(&rig, &cached);
    rig_connect(&rig, client); /* silently through the broker */
    check_int(rpb_client_route(client), RPB_CLIENT_ROUTE_NEGOTIATED);
    check_int(rpb_client_failure(client)->status, RPB_CLIENT_OK);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_disable(void)
{
    static const char *const wrong[] = {"", "0", "true", "1 ", "11"};
    struct rig rig;
    struct rpb_client *client;
    char want[128];

    rig_up(&rig);
    setenv("RUNNING_PROCESS_DISABLE", "1", 1);
    client = rig_client(&rig, NULL);
    check_int(rpb_client_connect(client), RPB_CLIENT_E_DISABLED);
    check_int(rpb_client_step(client), RPB_CLIENT_E_DISABLED);
    rpb_client_free(client);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        setenv("RUNNING_PROCESS_DISABLE", wrong[i], 1);
        client = rig_client(&rig, NULL);
        check_int(rpb_client_begin(client), RPB_CLIENT_E_CONFIGURATION);
        snprintf(want, sizeof(want), "RUNNING_PROCESS_DISABLE must be unset or 1, got \"%s\"", wrong[i]);
        check_str(rpb_client_text(client), want);
        rpb_client_free(client);
    }
    check(!rig_accept(&rig, rig.broker));
    client = rig_begin(&rig, &(struct rpb_client_options){.flags = RPB_CLIENT_IGNORE_DISABLE});
    rpb_client_free(client);
    unsetenv("RUNNING_PROCESS_DISABLE");
    rig_down(&rig);
}

static void test_retry(void)
{
    struct rig rig;
    struct rpb_client *client;
    struct bytes reply;
    nsec_t refused_nsec;
    uint8_t hello[512];

    rig_up(&rig);
    client = rig_begin(&rig, &(struct rpb_client_options){.retries = 1});
    make_refused(&reply, 4, "Hello rate limit exceeded", 15, NULL);
    rig_send(&rig, &reply);
    refused_nsec = clock_monotonic();
    check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
    check_int(rpb_client_fd(client), -1);
    check(rpb_client_poll_timeout(client) <= 15);
    check_int(recv(rig.peer, hello, 1, MSG_DONTWAIT), 0); /* the first connection is closed */
    while (!rig_accept(&rig, rig.broker)) {
        poll(NULL, 0, rpb_client_poll_timeout(client) > 15 ? 0 : rpb_client_poll_timeout(client));
        check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
    }
    check(clock_monotonic() >= refused_nsec + 15 * NSEC_PER_MSEC);
    check(rig_read_frame(&rig, hello, sizeof(hello)) > 0);
    rig_send(&rig, &reply); /* and again: that was the last */
    check_int(rpb_client_step(client), RPB_CLIENT_E_REFUSED);
    check_int(rpb_client_failure(client)->retry_after_ms, 15);
    rpb_client_free(client);
    /* one that is overcome leaves no failure behind */
    client = rig_begin(&rig, &(struct rpb_client_options){.retries = 2});
    rig_send(&rig, &reply);
    check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
    while (!rig_accept(&rig, rig.broker)) {
        poll(NULL, 0, rpb_client_poll_timeout(client) > 15 ? 0 : rpb_client_poll_timeout(client));
        check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
    }
    make_negotiated(&reply, rig.backend_path, NULL);
    rig_send(&rig, &reply);
    check_int(rig_finish(client), RPB_CLIENT_OK);
    check_int(rpb_client_failure(client)->status, RPB_CLIENT_OK);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_no_retry(void)
{
    static const struct {
        unsigned int retries, code;
        uint64_t hint_ms;
    } rows[] = {
        {0, 4, 5},                                    /* off by default */
        {3, 4, 0},                                    /* no hint, no retry */
        {3, 8, 5},                                    /* the version stays blocked */
        {3, 1, 5},          {3, 2, 5}, {3, 4, 40000}, /* not before the deadline */
        {3, 5, UINT64_MAX},
    };
    struct rig rig;
    struct bytes reply;

    rig_up(&rig);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rpb_client *client = rig_begin(&rig, &(struct rpb_client_options){.retries = rows[i].retries});

        make_refused(&reply, rows[i].code, "no", rows[i].hint_ms, NULL);
        rig_send(&rig, &reply);
        check_int(rpb_client_step(client), RPB_CLIENT_E_REFUSED);
        check(rpb_client_failure(client)->retry_after_ms == rows[i].hint_ms);
        rpb_client_free(client);
    }
    rig_down(&rig);
}

/* A listener that another user has called listen() on; -1 when this user cannot make one. */
static int foreign_listener(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 1;
    pid_t child;

    strcpy(address.sun_path, path);
    check_int(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    child = fork();
    if (child == 0) {
        _exit(setuid(65534) < 0 || listen(fd, 8) < 0);
    }
    check(waitpid(child, &status, 0) == child);
    if (status) {
        close(fd);
        return -1;
    }
    return fd;
}

static void test_other_users(void)
{
    const struct rpb_client_options other = {.flags = RPB_CLIENT_SERVER_UID, .server_uid = 4242};
    const struct rpb_client_options same = {.flags = RPB_CLIENT_SERVER_UID, .server_uid = getuid()};
    struct rig rig;
    struct rpb_client *client;
    struct bytes reply;
    char path[108];
    int foreign;

    rig_up(&rig);
    client = rig_client(&rig, &other);
    check_int(rpb_client_begin(client), RPB_CLIENT_E_PEER);
    check(strstr(rpb_client_text(client), "another user") != NULL);
    check(rig_accept(&rig, rig.broker));
    check_int(recv(rig.peer, path, 1, MSG_DONTWAIT), 0); /* not a byte was said */
    rpb_client_free(client);
    client = rig_begin(&rig, &same);
    rpb_client_free(client);
    snprintf(path, sizeof(path), "%.90s-of-another", rig.backend_path);
    foreign = foreign_listener(path);
    if (foreign >= 0) {
        make_negotiated(&reply, path, NULL);
        client = rig_begin(&rig, NULL);
        rig_send(&rig, &reply);
        check_int(rpb_client_step(client), RPB_CLIENT_E_PEER);
        rpb_client_free(client);
        client = rig_client(&rig, &(struct rpb_client_options){.self_version = "1.11.20", .cached_endpoint = path});
        check_int(rpb_client_begin(client), RPB_CLIENT_AGAIN); /* silently to the broker */
        rpb_client_free(client);
        close(foreign);
    }
    rig_down(&rig);
}

static void test_derived(void)
{
    static const struct {
        const char *instance, *tail;
    } rows[] = {{"shared", "shared"}, {"private:zccache", "svc-zccache"}, {"explicit:ci-2", "inst-ci-2"}};
    char hash[IDENTITY_HASH_SIZE], path[256], *old = getenv("XDG_RUNTIME_DIR");
    const char *dir = check_tmpdir();
    struct rig rig;
    struct rpb_client *client;

    rig_up(&rig);
    old = old ? strdup(old) : NULL;
    setenv("XDG_RUNTIME_DIR", dir, 1);
    check_int(identity_user_hash(hash), 0);
    snprintf(path, sizeof(path), "%s/running-process", dir);
    check_int(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/running-process/broker", dir);
    check_int(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(path, sizeof(path), "%s/running-process/broker/rpb-v1-%s-%s.sock", dir, hash, rows[i].tail);
        close(rig.broker);
        rig.broker = rig_listen(path, 8);
        client = rig_begin(&rig, &(struct rpb_client_options){.instance = rows[i].instance});
        rpb_client_free(client);
    }
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    client = rig_client(&rig, &(struct rpb_client_options){.instance = "shared"});
    check_int(rpb_client_begin(client), RPB_CLIENT_E_CONFIGURATION);
    check_str(rpb_client_text(client),
              "the socket of instance shared cannot be named: XDG_RUNTIME_DIR is a relative path; it must be absolute");
    rpb_client_free(client);
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[120] = '\0';
    setenv("XDG_RUNTIME_DIR", path, 1);
    client = rig_client(&rig, &(struct rpb_client_options){.instance = "shared"});
    check_int(rpb_client_begin(client), RPB_CLIENT_E_CONFIGURATION);
    check_str(rpb_client_text(client),
              "the socket of instance shared cannot be named: the path is longer than 107 bytes (Linux sun_path)");
    rpb_client_free(client);
    if (old) {
        setenv("XDG_RUNTIME_DIR", old, 1);
    } else {
        unsetenv("XDG_RUNTIME_DIR");
    }
    free(old);
    rig_down(&rig);
}

/* A client with wrong options: tells why, again and again, and can do nothing else. */
static void is_useless(struct rpb_client *client, const char *text)
{
    struct rpb_client_request request = {.lane = RPB_LANE_ZCCACHE};
    struct rpb_client_reply reply;
    int fd;

    check_fatal(client != NULL);
    check_int(rpb_client_failure(client)->status, RPB_CLIENT_E_ARGUMENT);
    check_str(rpb_client_text(client), text);
    check_int(rpb_client_begin(client), RPB_CLIENT_E_ARGUMENT);
    check_int(rpb_client_connect(client), RPB_CLIENT_E_ARGUMENT);
    check_int(rpb_client_step(client), RPB_CLIENT_E_ARGUMENT);
    check_int(rpb_client_send(client, &request, NULL), RPB_CLIENT_E_ARGUMENT);
    check_int(rpb_client_exchange(client, &request, &reply), RPB_CLIENT_E_ARGUMENT);
    check_int(rpb_client_take_fd(client, &fd), RPB_CLIENT_E_ARGUMENT);
    check_str(rpb_client_text(client), text);
    check_int(rpb_client_receive(client, 0, &reply), RPB_CLIENT_E_STATE);
    check_int(rpb_client_forget(client, 1), RPB_CLIENT_E_STATE);
    check_int(rpb_client_fd(client), -1);
    check_int(rpb_client_wants(client), 0);
    check(rpb_client_deadline(client) == RPB_CLIENT_NEVER);
    check_int(rpb_client_poll_timeout(client), -1);
    check_int(rpb_client_in_flight(client), 0);
    check_int(rpb_client_route(client), RPB_CLIENT_ROUTE_NONE);
    check(rpb_client_endpoint(client) == NULL && rpb_client_negotiated(client) == NULL);
    rpb_client_close(client);
    check_int(rpb_client_step(client), RPB_CLIENT_E_STATE);
    rpb_client_free(client);
    check(fcntl(0, F_GETFD) >= 0); /* a descriptor of the caller, which a client not all filled in has closed */
}

#define INSTANCE                                                                                                       \
    "option instance: expected shared, private:<service> or explicit:<name>; names are 1 to 64 of a-z, 0-9 and '-'; "  \
    "got "
#define SET_BY "; RPB_CLIENT_OPTIONS() or rpb_client_options_init() sets it"

static const char *sized(char text[128], size_t size)
{
    snprintf(text, 128, "option size is %zu" SET_BY, size);
    return text;
}

static void test_options(void)
{
    struct {
        struct rpb_client_options known;
        uint64_t later;
    } longer = {.known = RPB_CLIENT_OPTIONS(.service = "a", .version = "1.0.0")};
    struct rpb_client_options good = longer.known, bad;
    static char long_text[4097], text[128];
    struct rpb_client *client;

    memset(long_text, 'a', 4096);
    while (fcntl(0, F_GETFD) < 0) {
        check_fatal(open("/dev/null", O_RDWR) >= 0);
    }
    check_int(rpb_client_new(&good, &client), RPB_CLIENT_OK);
    rpb_client_free(client);
    check_int(rpb_client_new(NULL, &client), RPB_CLIENT_E_ARGUMENT);
    is_useless(client, "there are no options");
#define BAD(says, ...)                                                                                                 \
    do {                                                                                                               \
        bad = good;                                                                                                    \
        __VA_ARGS__;                                                                                                   \
        check_int(rpb_client_new(&bad, &client), RPB_CLIENT_E_ARGUMENT);                                               \
        is_useless(client, says);                                                                                      \
    } while (0)
    BAD(sized(text, 0), bad.size = 0);
    BAD(sized(text, sizeof(bad) - 1), bad.size--);
    BAD("option service is missing", bad.service = NULL);
    BAD("option version is missing", bad.version = NULL);
    BAD("option broker is empty", bad.broker = "");
    BAD("option broker is longer than 107 bytes", bad.broker = long_text + 4096 - 108);
    BAD("option broker is longer than 4095 bytes", bad.broker = long_text);
    BAD("option service is longer than 4095 bytes", bad.service = long_text);
    BAD("option cached_endpoint is longer than 4095 bytes", bad.cached_endpoint = long_text);
    BAD("option lib_name is not UTF-8", bad.lib_name = "\xFF");
    BAD(INSTANCE "\"public\"", bad.instance = "public");
    BAD(INSTANCE "\"private:Bad\"", bad.instance = "private:Bad");
    BAD("option retries is 17; at most 16", bad.retries = 17);
    BAD("option in_flight_max is 1025; at most 1024", bad.in_flight_max = 1025);
    BAD("option flags has unknown bits: 0x4", bad.flags = 5);
    /* a program that was compiled against a later header */
    longer.known.size = sizeof(longer);
    check_int(rpb_client_new(&longer.known, &client), RPB_CLIENT_OK);
    rpb_client_free(client);
    longer.later = 1;
    check_int(rpb_client_new(&longer.known, &client), RPB_CLIENT_E_ARGUMENT);
    is_useless(client, "an option is set that only a later version of this library knows");
    rpb_client_options_init(&bad);
    check_int(bad.size, sizeof(bad));
    check(bad.service == NULL);
}

static void test_close(void)
{
    struct rig rig;
    struct rpb_client *client;
    struct bytes reply;
    uint8_t byte;

    rig_up(&rig);
    client = rig_client(&rig, NULL);
    rpb_client_close(client);
    rpb_client_close(client);
    check_int(rpb_client_begin(client), RPB_CLIENT_E_STATE);
    check_int(rpb_client_step(client), RPB_CLIENT_E_STATE);
    rpb_client_free(client);
    client = rig_begin(&rig, NULL);
    rpb_client_close(client);
    check_int(recv(rig.peer, &byte, 1, MSG_DONTWAIT), 0);
    check_int(rpb_client_fd(client), -1);
    check(rpb_client_deadline(client) == RPB_CLIENT_NEVER);
    check_int(rpb_client_step(client), RPB_CLIENT_E_STATE);
    rpb_client_free(client);
    client = rig_begin(&rig, &(struct rpb_client_options){.retries = 1});
    make_refused(&reply, 4, "later", 20000, NULL);
    rig_send(&rig, &reply);
    check_int(rpb_client_step(client), RPB_CLIENT_AGAIN);
    rpb_client_close(client); /* in the middle of a pause */
    check_int(rpb_client_connect(client), RPB_CLIENT_E_STATE);
    rpb_client_free(client);
    rig_down(&rig);
}

static void test_names(void)
{
    check_str(rpb_client_status_name(RPB_CLIENT_OK), "OK");
    check_str(rpb_client_status_name(RPB_CLIENT_E_REFUSED), "E_REFUSED");
    check_str(rpb_client_status_name(RPB_CLIENT_E_INTERNAL), "E_INTERNAL");
    check_str(rpb_client_status_name(-1), "?");
    check_str(rpb_client_status_name(RPB_CLIENT_STATUS_MAX), "?");
    check_str(rpb_client_status_text(1000), "?");
    for (int i = 0; i < RPB_CLIENT_STATUS_MAX; i++) {
        check(strlen(rpb_client_status_name(i)) >= 2 && strlen(rpb_client_status_text(i)) > 5);
    }
    check_str(rpb_client_library_version(), RPB_VERSION);
}

/* What rpb_client_new() gives when there is no memory. */
static void test_null(void)
{
    const struct rpb_client_failure *failure = rpb_client_failure(NULL);

    check_int(failure->status, RPB_CLIENT_E_NO_MEMORY);
    check_int(failure->sys_errno, 0);
    check_int(failure->refusal, RPB_CLIENT_REFUSAL_NONE);
    check_str(failure->reason, "");
    check_str(failure->text, "there is no client: no memory for one, or none was made");
    check_str(rpb_client_text(NULL), failure->text);
    rpb_client_close(NULL);
    rpb_client_free(NULL);
}

CHECK_PROGRAM("lib/client-ways", {"the way around the broker", test_hello_skip},
              {"RUNNING_PROCESS_DISABLE", test_disable}, {"retries with the broker's hint", test_retry},
              {"what is not repeated", test_no_retry}, {"servers of other users", test_other_users},
              {"derived endpoints", test_derived}, {"options", test_options}, {"closing", test_close},
              {"no client", test_null}, {"names", test_names})
