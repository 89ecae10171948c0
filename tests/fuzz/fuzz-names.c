/* SPDX-License-Identifier: MIT */

/*
 * Names, versions, trace values, UTF-8 and what is made of them (paths, instances, the order of versions), each against
 * a second reading of the specification that shares nothing with the first: loops over bytes instead of machines, code
 * points instead of ranges of bytes, numbers padded to one length instead of trimmed. The input up to its first NUL is
 * one text, the rest another; both are also tried as a whole.
 */

#include <string.h>

#include "base/buffer.h"
#include "fuzz/fuzz.h"
#include "service/definition.h"
#include "service/instance.h"
#include "service/version_policy.h"
#include "wire/text.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* ------------------------------------------------------------------------------------------------- the second reading
 */

/* Decodes one character at @at. Its length; 0: there is none. */
static size_t decode(struct slice text, size_t at)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = (uint8_t)text.data[at];
    size_t n = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    uint32_t point = n == 1 ? lead : lead & (0xffu >> (n + 1));

    if (n == 0 || n > text.size - at) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        uint8_t byte = (uint8_t)text.data[at + i];

        if (byte >> 6 != 2) {
            return 0;
        }
        point = point << 6 | (byte & 63);
    }
    return point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? 0 : n;
}

static bool is_utf8(struct slice text)
{
    for (size_t at = 0, n; at < text.size; at += n) {
        n = decode(text, at);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

static enum name_fault check_name(struct slice name, size_t *ret_offset)
{
    if (name.size == 0) {
        return NAME_EMPTY;
    }
    if (name.size > 64) {
        return NAME_TOO_LONG;
    }
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];

        *ret_offset = i;
        if (c >= 'A' && c <= 'Z') {
            return NAME_UPPERCASE;
        }
        if (!is_lower(c) && !is_digit(c) && c != '-') {
            return NAME_CHARACTER;
        }
    }
    return NAME_OK;
}

/* MAJOR.MINOR.PATCH, then nothing or '-' and a tail. */
static enum version_fault check_version(struct slice version)
{
    size_t at = 0;

    if (version.size == 0) {
        return VERSION_EMPTY;
    }
    for (int part = 0; part < 3; part++) {
        size_t begin = at;

        while (at < version.size && is_digit(version.data[at])) {
            at++;
        }
        if (at == begin || (part < 2 && (at == version.size || version.data[at++] != '.'))) {
            return VERSION_CORE;
        }
    }
    if (at == version.size) {
        return VERSION_OK;
    }
    if (version.data[at++] != '-') {
        return VERSION_CORE;
    }
    if (at == version.size) {
        return VERSION_TAIL_EMPTY;
    }
    for (; at < version.size; at++) {
        if (!is_lower(version.data[at]) && !is_digit(version.data[at]) && version.data[at] != '.') {
            return VERSION_TAIL_CHARACTER;
        }
    }
    return VERSION_OK;
}

static bool is_hex(struct slice text, size_t at, size_t n, bool may_be_zero)
{
    bool is_zero = true;

    for (size_t i = at; i < at + n; i++) {
        if (!is_digit(text.data[i]) && !(text.data[i] >= 'a' && text.data[i] <= 'f')) {
            return false;
        }
        is_zero &= text.data[i] == '0';
    }
    return may_be_zero || !is_zero;
}

static bool is_traceparent(struct slice text)
{
    return text.size == 2 + 1 + 32 + 1 + 16 + 1 + 2 && text.data[2] == '-' && text.data[35] == '-' &&
           text.data[52] == '-' && is_hex(text, 0, 2, true) && is_hex(text, 3, 32, false) &&
           is_hex(text, 36, 16, false) && is_hex(text, 53, 2, true);
}

static bool is_tracestate(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~') {
            return false;
        }
    }
    return text.size >= 1 && text.size <= 512;
}

/* Part @part of a valid version, without its leading zeros, as a number of @width digits. */
static void pad(struct slice version, int part, char *ret, size_t width)
{
    size_t begin = 0, end;

    for (int dots = 0; dots < part; begin++) {
        dots += version.data[begin] == '.';
    }
    for (end = begin; end < version.size && is_digit(version.data[end]); end++) {
    }
    memset(ret, '0', width);
    memcpy(ret + width - (end - begin), version.data + begin, end - begin);
}

static int compare(struct slice a, struct slice b)
{
    size_t width = a.size > b.size ? a.size : b.size;
    char *x = malloc(width), *y = malloc(width);
    int order = 0;

    MUST(x != NULL && y != NULL);
    for (int part = 0; part < 3 && order == 0; part++) {
        pad(a, part, x, width);
        pad(b, part, y, width);
        order = memcmp(x, y, width);
    }
    free(x);
    free(y);
    return order;
}

/* ------------------------------------------------------------------------------------------------- both readings */

static void fuzz_one(struct slice text)
{
    size_t offset = 0, second_offset = 0;
    enum name_fault name = text_check_name_at(text, &offset), wanted = check_name(text, &second_offset);

    MUST(name == wanted && name == text_check_name(text));
    MUST((name != NAME_UPPERCASE && name != NAME_CHARACTER) || offset == second_offset);
    MUST((name_fault_text(name)[0] == '\0') == (name == NAME_OK));
    MUST(text_check_version(text) == check_version(text));
    MUST((version_fault_text(text_check_version(text))[0] == '\0') == (text_check_version(text) == VERSION_OK));
    MUST(text_is_utf8(text) == is_utf8(text));
    MUST(text_is_traceparent(text) == is_traceparent(text));
    MUST(text_is_tracestate(text) == is_tracestate(text));
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static void fuzz_order(struct slice a, struct slice b)
{
    if (text_check_version(a) != VERSION_OK || text_check_version(b) != VERSION_OK) {
        return;
    }
    MUST(sign(version_compare_core(a, b)) == sign(compare(a, b)));
    MUST(sign(version_compare_core(a, b)) == -sign(version_compare_core(b, a)));
    MUST(version_compare_core(a, a) == 0);
}

/* A path of a socket ends in .sock, fits, has no name in it that is not one, and stays in its directory. */
static void fuzz_path(struct slice directory, struct slice name)
{
    static const char hash[] = "0123456789abcdef";
    char dir[256], path[ENDPOINT_PATH_SIZE];

    if (directory.size >= sizeof(dir) || memchr(directory.data, '\0', directory.size) != NULL) {
        return;
    }
    memcpy(dir, directory.data, directory.size);
    dir[directory.size] = '\0';
    for (enum endpoint_class class = ENDPOINT_SHARED; class <= ENDPOINT_BACKEND; class ++) {
        size_t offset;
        int r = endpoint_path(dir, class, hash, name, path);

        MUST(r == 0 || r == ENDPOINT_E_NAME || r == ENDPOINT_E_TOO_LONG);
        if (class == ENDPOINT_PRIVATE || class == ENDPOINT_EXPLICIT) {
            MUST((r == ENDPOINT_E_NAME) == (check_name(name, &offset) != NAME_OK));
        }
        if (r != ENDPOINT_E_NAME) {
            MUST((r == 0) == (endpoint_path_size(dir, class, name) < 108));
        }
        if (r == 0) {
            MUST(strlen(path) == endpoint_path_size(dir, class, name) && strncmp(path, dir, strlen(dir)) == 0);
            MUST(strchr(path + strlen(dir) + 1, '/') == NULL && strcmp(path + strlen(path) - 5, ".sock") == 0);
        }
    }
}

static void fuzz_instance(struct slice text)
{
    struct instance_id id, again;
    struct slice name;
    char copy[256];

    if (text.size >= sizeof(copy)) {
        return;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    if (instance_parse(copy, &id) == 0) {
        MUST(strcmp(id.text, copy) == 0);
        MUST(instance_parse(id.text, &again) == 0 && instance_equal(&id, &again));
        MUST(instance_endpoint(&id, &name) == ENDPOINT_SHARED || text_check_name(name) == NAME_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice whole = {(const char *)data, size}, one = whole, other = {(const char *)data + size, 0};
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;

    if (nul != NULL) {
        one.size = (size_t)(nul - data);
        other = slice_skip(whole, one.size + 1);
        fuzz_one(whole);
        fuzz_one(other);
    }
    fuzz_one(one);
    fuzz_order(one, other);
    fuzz_path(one, other);
    fuzz_instance(one);
    return 0;
}
