/* SPDX-License-Identifier: MIT */
/*
 * Texts are made whole in memory and written at the very end, so that a refusal leaves no half-made file behind; a file
 * whose content did not change is not touched.
 */
#include "fsmgen/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool reserve(struct out *out, size_t more)
{
    size_t capacity = out->capacity ? out->capacity : 4096;
    char *data;

    if (out->has_failed)
        return false;
    while (capacity < out->size + more + 1)
        capacity *= 2;
    if (capacity == out->capacity)
        return true;
    data = realloc(out->data, capacity);
    if (!data) {
        out->has_failed = true;
        return false;
    }
    out->data = data;
    out->capacity = capacity;
    return true;
}

void put(struct out *out, const char *format, ...)
{
    va_list args, again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    if (n >= 0 && reserve(out, (size_t)n)) {
        vsnprintf(out->data + out->size, (size_t)n + 1, format, again);
        out->size += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void put_upper(struct out *out, struct word word)
{
    for (uint32_t i = 0; i < word.size; i++)
        put(out, "%c", word.text[i] >= 'a' && word.text[i] <= 'z' ? word.text[i] - 'a' + 'A' : word.text[i]);
}

void put_string(struct out *out, struct word word)
{
    put(out, "\"");
    for (uint32_t i = 0; i < word.size; i++) /* no quote, no backslash in there; ?? could be a trigraph */
        put(out, "%s%c", word.text[i] == '?' ? "\\" : "", word.text[i]);
    put(out, "\"");
}

void put_comment(struct out *out, struct word word)
{
    for (uint32_t i = 0; i < word.size; i++) {
        char c = word.text[i], last = i ? word.text[i - 1] : 0;

        /* neither an end nor a beginning of a comment, nor a trigraph */
        if ((last == '*' && c == '/') || (last == '/' && c == '*') || (last == '?' && c == '?'))
            put(out, " ");
        put(out, "%c", c);
    }
}

void out_deinit(struct out *out)
{
    free(out->data);
    *out = (struct out){0};
}

static bool is_unchanged(const struct out *out, const char *path)
{
    FILE *f = fopen(path, "rbe");
    char *old = f ? malloc(out->size + 1) : NULL;
    bool same = old && fread(old, 1, out->size + 1, f) == out->size && memcmp(old, out->data, out->size) == 0;

    free(old);
    if (f)
        fclose(f);
    return same;
}

int out_save(const struct out *out, const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 8;
    char *path = malloc(size), *scratch = malloc(size);
    FILE *f = NULL;
    int r = -ENOMEM;

    if (!path || !scratch || out->has_failed)
        goto done;
    snprintf(path, size, "%s/%s", dir, name);
    snprintf(scratch, size, "%s/%s.tmp", dir, name);
    r = 0;
    if (is_unchanged(out, path))
        goto done;
    f = fopen(scratch, "wbe");
    if (!f || fwrite(out->data, 1, out->size, f) != out->size)
        r = errno ? -errno : -EIO;
    if (f && fclose(f) != 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(scratch, path) < 0)
        r = -errno;
    if (r < 0 && f)
        unlink(scratch);
done:
    free(path);
    free(scratch);
    return r;
}
