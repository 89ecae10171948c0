/* SPDX-License-Identifier: MIT */

/*
 * One record is one line, built on the stack and given to the kernel with one write(): nothing is buffered, so nothing
 * is written twice after a fork, and lines of several processes do not mix. The descriptor is shared with others, so it
 * cannot be made non-blocking; poll() says first whether a line of up to PIPE_BUF bytes goes through, and a line that
 * does not is dropped. The members of a record stand in one table, so the two formats cannot disagree.
 *
 * Each code has a window of one second in which LOG_BURST lines pass. The rest is counted, and the sum is written when
 * the next record after the window, of whatever code, comes by: the log has no timer of its own.
 */

#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/log_line.h"

struct window {
    nsec_t begun_nsec;
    uint32_t n_passed, n_suppressed;
};

static struct {
    int fd;
    enum log_format format;
    enum log_level level;
    char instance[128];
    struct window windows[LOG_CODE_MAX_];
    nsec_t next_settling_nsec; /* no sum is owed before this */
} state = {.fd = STDERR_FILENO, .format = LOG_TEXT, .level = LOG_INFO, .next_settling_nsec = NSEC_NEVER};

static const char *const code_texts[] = {
#define LOG_CODE(name, text) [LOG_CODE_##name] = text,
#include "base/log_codes.def"
#undef LOG_CODE
};

static const char *const level_names[] = {
    [LOG_UNSET_LEVEL] = "info", [LOG_TRACE] = "trace", [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",        [LOG_WARN] = "warn",   [LOG_ERROR] = "error",
};

const char *log_code_text(enum log_code code)
{
    return (unsigned int)code < LOG_CODE_MAX_ ? code_texts[code] : "";
}

static enum log_level effective_level(enum log_level level)
{
    return level == LOG_UNSET_LEVEL || level > LOG_ERROR ? LOG_INFO : level;
}

bool log_is_on(enum log_level level)
{
    return effective_level(level) >= state.level;
}

void log_set_level(enum log_level level)
{
    state.level = level == LOG_NOTHING ? level : effective_level(level);
}

void log_set_format(enum log_format format)
{
    state.format = format;
}

void log_set_instance(const char *instance)
{
    (void)snprintf(state.instance, sizeof(state.instance), "%s", instance ? instance : "");
}

/* ---------------------------------------------------------------------------------------------------------- a line */

static bool can_write(void)
{
    struct pollfd poll_fd = {.fd = state.fd, .events = POLLOUT};

    return sys_poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & POLLOUT;
}

static void emit(const struct log_record *record, const char *message)
{
    struct log_line line;

    log_line_begin(&line, state.format);
    log_line_head(&line, clock_unix_msec(), level_names[effective_level(record->level)], message);
    log_line_text(&line, "code", slice_from(log_code_text(record->code)));
    log_line_text(&line, "broker_instance", slice_from(state.instance));
    log_line_text(&line, "service_name", record->service);
    log_line_text(&line, "service_version", record->version);
    log_line_text(&line, "request_id", record->request_id);
    log_line_number(&line, "frame_request_id", record->frame_request_id);
    log_line_number(&line, "connection_id", record->connection_id);
    log_line_number(&line, "peer_pid", record->peer_pid > 0 ? (uint64_t)record->peer_pid : 0);
    log_line_text(&line, "event_kind", slice_from(record->event_kind));
    log_line_text(&line, "error_code", slice_from(record->error_code));
    log_line_text(&line, "trace_id", record->trace_id);
    log_line_end(&line);
    if (can_write()) {
        (void)sys_write(state.fd, line.bytes, line.size);
    }
}

/* --------------------------------------------------------------------------------------------------------- windows */

static void emit_sum(enum log_code code, struct window *window)
{
    struct log_record record = {.level = LOG_WARN, .code = LOG_CODE_LOG_SUPPRESSED};
    char message[128];

    (void)snprintf(message, sizeof(message), "%" PRIu32 " more records with code '%s' were suppressed",
                   window->n_suppressed, log_code_text(code));
    window->n_suppressed = 0;
    emit(&record, message);
}

/* Writes every sum whose window is over at @now, and learns when the next one will be. */
static void settle(nsec_t now_nsec)
{
    state.next_settling_nsec = NSEC_NEVER;
    for (unsigned int code = 0; code < LOG_CODE_MAX_; code++) {
        struct window *window = &state.windows[code];
        nsec_t end_nsec = nsec_add(window->begun_nsec, NSEC_PER_SEC);

        if (window->n_suppressed == 0) {
            continue;
        }
        if (end_nsec <= now_nsec) {
            emit_sum((enum log_code)code, window);
        } else if (end_nsec < state.next_settling_nsec) {
            state.next_settling_nsec = end_nsec;
        }
    }
}

/* May one more record of @code pass? */
static bool admit(enum log_code code, nsec_t now_nsec)
{
    struct window *window = &state.windows[(unsigned int)code < LOG_CODE_MAX_ ? code : LOG_CODE_NONE];
    nsec_t end_nsec = nsec_add(window->begun_nsec, NSEC_PER_SEC);

    if (state.next_settling_nsec <= now_nsec) {
        settle(now_nsec);
    }
    if (window->begun_nsec == 0 || end_nsec <= now_nsec) {
        *window = (struct window){.begun_nsec = now_nsec};
    } else if (window->n_passed >= LOG_BURST) {
        window->n_suppressed++;
        if (end_nsec < state.next_settling_nsec) {
            state.next_settling_nsec = end_nsec;
        }
        return false;
    }
    window->n_passed++;
    return true;
}

void log_event(const struct log_record *record, const char *format, ...)
{
    char message[LOG_MESSAGE_MAX];
    va_list arguments;

    if (!log_is_on(record->level) || !admit(record->code, clock_monotonic())) {
        return;
    }
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, one line above */
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    emit(record, message);
}

void log_close(void)
{
    settle(NSEC_NEVER);
}

/* -------------------------------------------------------------------------------------------------------- settings */

static bool read_level(const char *value)
{
    for (unsigned int level = LOG_TRACE; level <= LOG_ERROR; level++) {
        if (strcmp(value, level_names[level]) == 0) {
            state.level = (enum log_level)level;
            return true;
        }
    }
    return false;
}

void log_open(int fd)
{
    const char *format = env_get("RP_BROKER_LOG_FORMAT"), *level = env_get("RP_BROKER_LOG_LEVEL");

    state.fd = fd;
    state.level = LOG_INFO;
    state.format = format ? LOG_JSON : sys_isatty(fd) == 1 ? LOG_TEXT : LOG_JSON;
    if (format && strcmp(format, "text") == 0) {
        state.format = LOG_TEXT;
    } else if (format && strcmp(format, "json") != 0) {
        log_warn(LOG_CODE_LOG_SETTING, "RP_BROKER_LOG_FORMAT is neither json nor text: json is used");
    }
    if (level && !read_level(level)) {
        log_warn(LOG_CODE_LOG_SETTING, "RP_BROKER_LOG_LEVEL is none of trace, debug, info, warn, error: info is used");
    }
}
