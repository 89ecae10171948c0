/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The log: one line a record on standard error, one write() a line (spec 05 §8.2). Only those who dispatch requests
 * log; parsers and machines return codes. Records of one code are limited to LOG_BURST a second; what was left out is
 * summed up in one line when the second is over. A record that cannot be written at once is dropped: the log never
 * blocks and never fails. For the loop's thread only.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"

enum {
    LOG_BURST = 20,      /* lines a second and code; errors are limited too */
    LOG_LINE_MAX = 4096, /* PIPE_BUF: a line reaches a pipe whole */
    LOG_MESSAGE_MAX = 1536,
    LOG_FIELD_MAX = 256, /* bytes shown of any string that a peer supplied */
};

enum log_level {
    LOG_UNSET_LEVEL, /* counts as info */
    LOG_TRACE,
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
    LOG_NOTHING, /* for log_set_level() only */
};

enum log_code {
#define LOG_CODE(name, text) LOG_CODE_##name,
#include "base/log_codes.def"
#undef LOG_CODE
    LOG_CODE_MAX_,
};

enum log_format {
    LOG_JSON,
    LOG_TEXT,
};

/* What a record says beside its message. Zeroes are left out of the line. Everything is borrowed for the call. */
struct log_record {
    enum log_level level;
    enum log_code code;
    struct slice service, version, request_id, trace_id; /* of a peer; control characters are replaced */
    uint64_t frame_request_id, connection_id;
    pid_t peer_pid;
    const char *error_code; /* name in the wire schema */
    const char *event_kind; /* name in the lifecycle schema */
};

/*
 * Reads RP_BROKER_LOG_FORMAT (json, text; default text on a terminal, else json; an unknown value is warned of and
 * counts as json) and RP_BROKER_LOG_LEVEL (trace, debug, info, warn, error; default info). Lines go to @fd, usually 2,
 * which is borrowed. Before this call the log writes text to descriptor 2 at level info.
 */
void log_open(int fd);

/* Writes the sums of suppressed records that are still owed. */
void log_close(void);

/* The `broker_instance` of every line from now on; copied and cut to 127 bytes; NULL: none. */
void log_set_instance(const char *instance);

void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

/* False: a record of this level would not be written; saves making its arguments. */
bool log_is_on(enum log_level level);

/* Writes one record. The message is formatted as by printf() and cut to what fits the line. */
void log_event(const struct log_record *record, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Records with nothing but a code and a message. */
#define log_debug(log_code_, ...) log_event(&(struct log_record){.level = LOG_DEBUG, .code = (log_code_)}, __VA_ARGS__)
#define log_info(log_code_, ...) log_event(&(struct log_record){.level = LOG_INFO, .code = (log_code_)}, __VA_ARGS__)
#define log_warn(log_code_, ...) log_event(&(struct log_record){.level = LOG_WARN, .code = (log_code_)}, __VA_ARGS__)
#define log_error(log_code_, ...) log_event(&(struct log_record){.level = LOG_ERROR, .code = (log_code_)}, __VA_ARGS__)

/* The stable text of a code, "connection-evicted". */
const char *log_code_text(enum log_code code);
