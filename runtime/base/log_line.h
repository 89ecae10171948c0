/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A log line in the making, in one of the two formats. Only log.c uses this. What does not fit is left out member by
 * member, never half a member: the line always stays well-formed and ends with a line feed.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/slice.h"

struct log_line {
    enum log_format format;
    size_t size;
    char bytes[LOG_LINE_MAX];
};

void log_line_begin(struct log_line *line, enum log_format format);

/* Time stamp, level and message: the first members. */
void log_line_head(struct log_line *line, uint64_t unix_msec, const char *level, const char *message);

/* A string; left out when empty, cut to LOG_FIELD_MAX bytes, control characters and bytes that are no UTF-8 replaced.
 */
void log_line_text(struct log_line *line, const char *key, struct slice value);

/* A number; left out when 0. */
void log_line_number(struct log_line *line, const char *key, uint64_t value);

void log_line_end(struct log_line *line);
