/* SPDX-License-Identifier: MIT */
/*
 * Files named on the command line are judged by what they say, not by owner or mode: that is for the directory that a
 * broker reads. A name with one of the three suffixes tells the form, otherwise the bytes do. Diagnostics look like a
 * compiler's, so that editors can jump to them; what is shown of a line is cut and made harmless for a terminal.
 */
#include "cli/servicedef_source.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"
#include "service/definition_file.h"
#include "wire/text.h"

#define SHOWN_LINE_SIZE 120u

/* ------------------------------------------------------------------------------------------------ reading */

struct slice source_stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    enum definition_form form;
    struct slice stem;
    const char *dot;

    if (definition_file_form(name, &form, &stem))
        return stem;
    dot = strrchr(name, '.');
    return (struct slice){.data = name, .size = dot ? (size_t)(dot - name) : strlen(name)};
}

/* Text has no control characters but white space, which every binary definition has (its lengths and tags). */
static bool looks_like_text(struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = (unsigned char)bytes.data[i];

        if (c == 0x7f || (c < 0x20 && (c < '\t' || c > '\r')))
            return false;
    }
    return true;
}

static bool source_is_text(const struct source *source)
{
    enum definition_form form;
    struct slice stem;

    if (definition_file_form(source->path, &form, &stem))
        return form == DEFINITION_FORM_TEXT;
    return looks_like_text(buffer_slice(&source->bytes));
}

static int read_path(struct source *source)
{
    bool is_stdin = strcmp(source->path, "-") == 0;
    _cleanup_close_ int fd = -1;
    struct stat st;
    int r;

    fd = is_stdin ? sys_dup_cloexec(0, 3) : sys_open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
    if (fd < 0)
        return error_origin(fd);
    r = sys_fstat(fd, &st);
    if (r < 0)
        return error_origin(r);
    source->mode = st.st_mode & 0777;
    return definition_file_read(fd, DEFINITION_SIZE_MAX, &source->bytes);
}

static const char *shown_name(const char *path)
{
    if (!*path)
        return "\"\"";
    return strcmp(path, "-") == 0 ? "<stdin>" : path;
}

bool source_read(const struct options *options, const char *path, struct source *ret_source)
{
    bool is_stdin = strcmp(path, "-") == 0;
    struct slice stem = source_stem(path);
    int r;

    *ret_source = (struct source){.options = options, .path = path, .shown = shown_name(path)};
    buffer_init(&ret_source->bytes, DEFINITION_SIZE_MAX + 2 * 4096);
    if (!is_stdin && text_check_name(stem) == NAME_OK)
        memcpy(ret_source->wanted, stem.data, stem.size);
    r = read_path(ret_source);
    if (r == -EFBIG)
        fprintf(options->err, "%s: error: no service definition: it has more than %u bytes\n", ret_source->shown,
                DEFINITION_SIZE_MAX);
    else if (r < 0)
        fprintf(options->err, "%s: error: %s\n", ret_source->shown, strerror(-r));
    ret_source->is_text = source_is_text(ret_source);
    return r == 0;
}

void source_deinit(struct source *source)
{
    buffer_deinit(&source->bytes);
}

/* ------------------------------------------------------------------------------------------------ diagnostics */

static char harmless(struct slice line, size_t i, bool is_utf8)
{
    unsigned char c = (unsigned char)line.data[i];

    if (c == '\t')
        return '\t';
    if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
        return '?';
    if (c == 0xc2 && i + 1 < line.size && (unsigned char)line.data[i + 1] < 0xa0)
        return ' '; /* with the next byte a control character */
    if (i > 0 && (unsigned char)line.data[i - 1] == 0xc2 && c < 0xa0)
        return '?';
    return (char)c;
}

static bool continues_character(char c, bool is_utf8)
{
    return is_utf8 && ((unsigned char)c & 0xc0) == 0x80;
}

/* The line around @diagnostic, cut to what fits, and a line with a caret under what is wrong. */
static void print_excerpt(FILE *out, struct slice text, const struct text_diagnostic *diagnostic)
{
    size_t at = diagnostic->offset < text.size ? diagnostic->offset : text.size;
    size_t start = at - (diagnostic->column - 1), end = at, from;
    struct slice line;
    bool is_utf8;

    while (end < text.size && text.data[end] != '\n')
        end++;
    line = (struct slice){.data = text.data + start, .size = end - start};
    is_utf8 = text_is_utf8(line);
    at -= start;
    from = at > SHOWN_LINE_SIZE / 2 && line.size > SHOWN_LINE_SIZE ? at - SHOWN_LINE_SIZE / 2 : 0;
    while (from > 0 && continues_character(line.data[from], is_utf8))
        from--;
    if (line.size - from > SHOWN_LINE_SIZE)
        line.size = from + SHOWN_LINE_SIZE;
    while (line.size < end - start && continues_character(line.data[line.size], is_utf8))
        line.size++;
    fprintf(out, "%5u | %s", diagnostic->line, from > 0 ? "..." : "");
    for (size_t i = from; i < line.size; i++)
        fputc(harmless(line, i, is_utf8), out);
    fprintf(out, "\n      | %s", from > 0 ? "   " : "");
    for (size_t i = from; i < at; i++) {
        if (!continues_character(line.data[i], is_utf8))
            fputc(line.data[i] == '\t' ? '\t' : ' ', out);
    }
    fputc('^', out);
    for (size_t i = at + 1; i < at + diagnostic->size && i < line.size; i++) {
        if (!continues_character(line.data[i], is_utf8))
            fputc('~', out);
    }
    fputc('\n', out);
}

void source_print_report(FILE *out, const char *shown, struct slice text, const struct text_report *report)
{
    for (size_t i = 0; i < report->n_diagnostics; i++) {
        const struct text_diagnostic *diagnostic = &report->diagnostics[i];

        fprintf(out, "%s:%u:%u: %s: %s\n", shown, diagnostic->line, diagnostic->column,
                diagnostic->is_warning ? "warning" : "error", diagnostic->message);
        if (diagnostic->fault != TEXT_FAULT_TOO_LARGE)
            print_excerpt(out, text, diagnostic);
    }
}

/* ------------------------------------------------------------------------------------------------ understanding */

static const struct definition *load_text(const struct source *source, const char *wanted)
{
    struct slice text = buffer_slice(&source->bytes);
    struct definition *definition = NULL;
    struct text_report report;
    int r;

    r = definition_parse_text(text, wanted, &report, &definition);
    if (r < 0)
        fprintf(source->options->err, "%s: error: %s\n", source->shown, strerror(-r));
    else
        source_print_report(source->options->err, source->shown, text, &report);
    return r == 0 ? definition : NULL;
}

static const struct definition *load_binary(const struct source *source, const char *wanted)
{
    struct definition_problem problem;
    struct definition *definition;
    bool is_good = true;
    size_t cursor = 0;
    int r;

    r = definition_unpack(buffer_slice(&source->bytes), &definition);
    if (r != 0) {
        fprintf(source->options->err, "%s: error: %s\n", source->shown,
                r < 0 ? strerror(-r) : "not a service definition (it does not decode)");
        return NULL;
    }
    while (!definition_check_next(definition, wanted, &cursor, &problem)) {
        fprintf(source->options->err, "%s: error: %s\n", source->shown, problem.detail);
        is_good = false;
    }
    return is_good ? definition : definition_unref(definition);
}

const struct definition *source_load(const struct source *source)
{
    const char *wanted = source->wanted[0] != '\0' ? source->wanted : NULL;

    return source->is_text ? load_text(source, wanted) : load_binary(source, wanted);
}
