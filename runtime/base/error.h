/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The error contract of the whole program. A function that can fail returns int:
 *
 *   0         done
 *   negative  an errno: fatal to this operation; the caller forwards it unchanged through error_trace()
 *   positive  a condition of the callee's own X_E_... enum, documented there; the caller handles it, never forwards it
 *
 * error_origin() marks where a negative is born, error_fold() where positives are not expected. The three remember the
 * way that the last error took through the program, per thread, for the log line of whoever handles it in the end.
 */

#include <errno.h>
#include <stddef.h>

#ifndef ERROR_PATH_OFF
/* Marks the birth of the error @r (negative). Returns @r. */
#define error_origin(r) error_note_origin((r), __FILE__, __LINE__)

/* Marks that @r passes through here; 0 and positives pass unmarked. Returns @r. */
#define error_trace(r) error_note_trace((r), __FILE__, __LINE__)

/* As error_trace(), but a positive, which nobody here expects, becomes -ENOTRECOVERABLE, born here. */
#define error_fold(r) error_note_fold((r), __FILE__, __LINE__)
#else
/* The public libraries have no log line to show a way in, and keep nothing of a thread's. */
#define error_origin(r) error_pass(r)
#define error_trace(r) error_pass(r)
#define error_fold(r) error_pass((r) > 0 ? -ENOTRECOVERABLE : (r))

static inline int error_pass(int r)
{
    return r;
}
#endif

/* The way of this thread's last error, as "file.c:12 < caller.c:34", cut to @size. Returns @text. */
const char *error_path(char *text, size_t size);

/* The symbolic name of an errno of either sign, "ENOENT"; "E?" for one that has none. */
const char *error_name(int r);

/* What the macros above do. The value passes through in plain sight, the bookkeeping does not touch it. */
void error_note_birth(const char *file, int line);
void error_note_passage(const char *file, int line);

static inline int error_note_origin(int r, const char *file, int line)
{
    error_note_birth(file, line);
    return r;
}

static inline int error_note_trace(int r, const char *file, int line)
{
    if (r < 0) {
        error_note_passage(file, line);
    }
    return r;
}

static inline int error_note_fold(int r, const char *file, int line)
{
    return r > 0 ? error_note_origin(-ENOTRECOVERABLE, file, line) : error_note_trace(r, file, line);
}
