/* SPDX-License-Identifier: MIT */

/* The log: bytes of a line in both formats, what peers cannot do to it, suppression, and that it never blocks. */

#include "check.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/log_line.h"

static char lines[1 << 20];
static int read_fd = -1, write_fd = -1;

static void open_pipe(enum log_format format)
{
    int fds[2];

    check_fatal(sys_pipe2(fds, O_CLOEXEC) == 0);
    read_fd = fds[0];
    write_fd = fds[1];
    check_int(sys_fcntl(read_fd, F_SETFL, O_NONBLOCK), 0);
    unsetenv("RP_BROKER_LOG_FORMAT");
    unsetenv("RP_BROKER_LOG_LEVEL");
    log_open(write_fd);
    log_set_format(format);
}

/* Everything written so far. */
static const char *written(void)
{
    size_t used = 0;
    ssize_t n;

    while ((n = sys_read(read_fd, lines + used, sizeof(lines) - 1 - used)) > 0) {
        used += (size_t)n;
    }
    lines[used] = '\0';
    return lines;
}

static void close_pipe(void)
{
    log_set_instance(NULL);
    log_close();
    read_fd = close_fd(read_fd);
    write_fd = close_fd(write_fd);
}

static json_t *parse_only_line(void)
{
    const char *text = written(), *end = strchr(text, '\n');
    json_error_t error;

    check(end != NULL && end[1] == '\0');
    return json_loads(text, JSON_REJECT_DUPLICATES, &error);
}

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "(none)";
}

static void test_json(void)
{
    json_t *object;

    open_pipe(LOG_JSON);
    log_set_instance("shared");
    log_event(&(struct log_record){.level = LOG_WARN,
                                   .code = LOG_CODE_CONNECTION_EVICTED,
                                   .service = SLICE("tool"),
                                   .version = SLICE("1.2"),
                                   .request_id = SLICE("r1"),
                                   .frame_request_id = INT64_MAX,
                                   .connection_id = 7,
                                   .peer_pid = 99,
                                   .error_code = "ERROR_RATE_LIMITED",
                                   .event_kind = "HELLO",
                                   .trace_id = SLICE("abc")},
              "room for %d", 3);
    object = parse_only_line();
    check_fatal(object != NULL);
    check_int(strlen(member(object, "ts")), 24);
    check_str(member(object, "level"), "warn");
    check_str(member(object, "msg"), "room for 3");
    check_str(member(object, "code"), "connection-evicted");
    check_str(member(object, "broker_instance"), "shared");
    check_str(member(object, "service_name"), "tool");
    check_str(member(object, "service_version"), "1.2");
    check_str(member(object, "request_id"), "r1");
    check_str(member(object, "error_code"), "ERROR_RATE_LIMITED");
    check_str(member(object, "event_kind"), "HELLO");
    check_str(member(object, "trace_id"), "abc");
    check_int(json_integer_value(json_object_get(object, "connection_id")), 7);
    check_int(json_integer_value(json_object_get(object, "peer_pid")), 99);
    check_int(json_integer_value(json_object_get(object, "frame_request_id")), INT64_MAX);
    check_int(json_object_size(object), 14);
    json_decref(object);

    log_set_instance(NULL);
    log_info(LOG_CODE_NONE, "x");
    object = parse_only_line();
    check_int(json_object_size(object), 3); /* what is not set is left out */
    json_decref(object);
    close_pipe();
}

static void test_exact_bytes(void)
{
    static const uint64_t moment = 1700000000000 + 7;
    struct log_line line;

    log_line_begin(&line, LOG_JSON);
    log_line_head(&line, moment, "info", "a \"b\"\\\n");
    log_line_number(&line, "connection_id", 5);
    log_line_end(&line);
    check_str(
        (line.bytes[line.size] = '\0', line.bytes),
        "{\"ts\":\"2023-11-14T22:13:20.007Z\",\"level\":\"info\",\"msg\":\"a \\\"b\\\"\\\\?\",\"connection_id\":5}\n");
    log_line_begin(&line, LOG_TEXT);
    log_line_head(&line, moment, "warn", "a \"b\"\n");
    log_line_text(&line, "service_name", SLICE("tool"));
    log_line_text(&line, "request_id", SLICE("a \"b=\\"));
    log_line_text(&line, "trace_id", SLICE(""));
    log_line_number(&line, "peer_pid", 0);
    log_line_end(&line);
    check_str((line.bytes[line.size] = '\0', line.bytes),
              "2023-11-14T22:13:20.007Z WARN a \"b\"? service_name=tool request_id=\"a \\\"b=\\\\\"\n");
}

/* No byte of a peer ends a line, drives a terminal or breaks the JSON. */
static void test_hostile_strings(void)
{
    static const struct {
        struct slice value;
        const char *shown;
    } rows[] = {
        {SLICE("a\nb\r\x1b[2J\x7f\0z"), "a?b??[2J??z"},
        {SLICE("\xc2\x9b 31m"), "? 31m"}, /* C1: one character */
        {SLICE("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"), "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
        {SLICE("\xff\xc3"), "??"},
        {SLICE("\xc0\xaf"), "??"},
        {SLICE("\xed\xa0\x80"), "???"},
        {SLICE("\xf4\x90\x80\x80"), "????"},
        {SLICE("\xe0\x80\xaf"), "???"},
        {SLICE("\"}\\"), "\"}\\"},
    };
    json_t *object;

    open_pipe(LOG_JSON);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        log_event(&(struct log_record){.level = LOG_ERROR,
                                       .code = (enum log_code)(LOG_CODE_STARTED + i % 4),
                                       .service = rows[i].value},
                  "%.*s", SLICE_ARGS(rows[i].value));
        object = parse_only_line();
        check_fatal(object != NULL);
        check_str(member(object, "service_name"), rows[i].shown);
        json_decref(object);
    }
    close_pipe();
}

/* Everything at its longest: the line stays whole and well-formed, in one piece of at most PIPE_BUF bytes. */
static void test_long_strings(void)
{
    static char text[10000];
    struct slice slice = slice_from_bytes(text, sizeof(text) - 1);
    json_t *object;

    memset(text, '"', sizeof(text) - 1);
    for (int format = LOG_JSON; format <= LOG_TEXT; format++) {
        open_pipe((enum log_format)format);
        log_event(&(struct log_record){.code = LOG_CODE_STARTED,
                                       .service = slice,
                                       .version = slice,
                                       .request_id = slice,
                                       .trace_id = slice,
                                       .connection_id = 1},
                  "%s", text);
        check(strlen(written()) <= LOG_LINE_MAX);
        check(strlen(lines) > LOG_LINE_MAX / 2);
        check_int(lines[strlen(lines) - 1], '\n');
        if (format == LOG_JSON) {
            object = json_loads(lines, JSON_REJECT_DUPLICATES, NULL);
            check(object != NULL);
            check_int(strlen(member(object, "msg")), LOG_MESSAGE_MAX - 1);
            json_decref(object);
        }
        close_pipe();
    }
}

static unsigned int count(const char *text, const char *what)
{
    unsigned int n = 0;

    for (; (text = strstr(text, what)); text++) {
        n++;
    }
    return n;
}

static void test_flood_is_summed_up(void)
{
    open_pipe(LOG_JSON);
    for (int i = 0; i < 1000; i++) {
        log_warn(LOG_CODE_ACCEPT_FAILED, "flood");
    }
    log_warn(LOG_CODE_FD_PRESSURE, "another code");
    check_int(count(written(), "flood"), LOG_BURST);
    check_int(count(lines, "another code"), 1);
    log_close();
    check_int(count(written(), "980 more records with code 'accept-failed' were suppressed"), 1);
    check_int(count(lines, "\"code\":\"log-suppressed\""), 1);
    log_close();
    check_int(count(written(), "\n"), 0);
    close_pipe();
}

static void test_levels_and_settings(void)
{
    open_pipe(LOG_JSON);
    log_debug(LOG_CODE_STOPPED, "hidden");
    check_int(count(written(), "\n"), 0);
    check(!log_is_on(LOG_DEBUG));
    setenv("RP_BROKER_LOG_LEVEL", "debug", 1);
    setenv("RP_BROKER_LOG_FORMAT", "text", 1);
    log_open(write_fd);
    log_debug(LOG_CODE_STOPPED, "shown");
    check(strstr(written(), "Z DEBUG shown code=stopped\n") != NULL);
    setenv("RP_BROKER_LOG_LEVEL", "loud", 1);
    setenv("RP_BROKER_LOG_FORMAT", "xml", 1);
    log_open(write_fd);
    check_int(count(written(), "\"code\":\"log-setting\""), 2);
    check_int(count(lines, "\n"), 2);
    log_debug(LOG_CODE_STOPPED, "hidden");
    log_error(LOG_CODE_STOPPED, "shown");
    check_int(count(written(), "\n"), 1);
    close_pipe();
    unsetenv("RP_BROKER_LOG_LEVEL");
    unsetenv("RP_BROKER_LOG_FORMAT");
}

/* A reader that does not read: lines are lost, nobody waits, what arrives is whole. */
static void test_never_blocks(void)
{
    unsigned int n = 0;

    open_pipe(LOG_TEXT);
    check(sys_fcntl(write_fd, F_SETPIPE_SZ, 4096) >= 4096);
    for (int i = 0; i < 20; i++) {
        log_event(&(struct log_record){.code = LOG_CODE_DRAINING}, "%01000d", i);
        log_event(&(struct log_record){.code = LOG_CODE_STOPPED}, "%01000d", i);
    }
    written();
    for (const char *line = lines; *line; line = strchr(line, '\n') + 1) {
        check(strlen(line) > 1000 && line[1000] != '\n');
        n++;
    }
    check(n > 0 && n < 40);
    close_pipe();
    log_open(-1);
    log_error(LOG_CODE_STARTED, "nowhere to go");
    log_open(STDERR_FILENO);
}

static void test_codes_are_distinct(void)
{
    for (unsigned int i = 1; i < LOG_CODE_MAX_; i++) {
        const char *text = log_code_text((enum log_code)i);

        check(text && *text);
        check_int(strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(text));
        for (unsigned int j = 1; j < i; j++) {
            check(strcmp(text, log_code_text((enum log_code)j)) != 0);
        }
    }
    check_str(log_code_text(LOG_CODE_MAX_), "");
}

CHECK_PROGRAM("base/log", {"members of a JSON line", test_json}, {"exact bytes of both formats", test_exact_bytes},
              {"strings of a hostile peer", test_hostile_strings}, {"everything at its longest", test_long_strings},
              {"a flood is summed up", test_flood_is_summed_up}, {"levels and settings", test_levels_and_settings},
              {"never blocks", test_never_blocks}, {"codes are distinct", test_codes_are_distinct})
