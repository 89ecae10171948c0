/* SPDX-License-Identifier: MIT */
/*
 * Derives the name space of a user's sockets from the real uid and the machine's identity. Every process of the user
 * must arrive at the same bytes, brokers and clients of other builds included; so the text of a machine-id file is used
 * as it is, and a file that exists but cannot be read ends the matter instead of giving way to the next one.
 */
#include "service/identity.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/blake3sum.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/sys.h"
#include "wire/text.h"

static const struct identity_sources machine_sources = {
    .machine_id = {"/etc/machine-id", "/var/lib/dbus/machine-id"},
    .boot_id = "/proc/sys/kernel/random/boot_id",
};

/* ------------------------------------------------------------------------------------------------ white space */

/* Size of the white-space character (Unicode property White_Space) that @text starts with, or 0. */
static size_t leading_space(struct slice text)
{
    static const char *const spaces[] = {
        "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007",   "\u2008",
        "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u00a0", "\xc2\x85", /* U+0085 */
    };

    if (text.size > 0 && (text.data[0] == ' ' || (text.data[0] >= '\t' && text.data[0] <= '\r')))
        return 1;
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        if (slice_has_prefix(text, slice_from(spaces[i])))
            return strlen(spaces[i]);
    }
    return 0;
}

/* @text, which is UTF-8, without white space at both ends. */
static struct slice trim(struct slice text)
{
    size_t end = 0;

    for (size_t n = leading_space(text); n > 0; n = leading_space(text))
        text = slice_skip(text, n);
    for (size_t i = 0; i < text.size;) {
        size_t n = leading_space(slice_skip(text, i));

        i += n > 0 ? n : 1;
        if (n == 0)
            end = i;
    }
    text.size = end;
    return text;
}

/* ------------------------------------------------------------------------------------------------ sources */

/* Reads all of @path into @buffer and trims it. 0 and *@ret_text, which may be empty and points into @buffer. */
static int read_source(const char *path, char *buffer, size_t size, struct slice *ret_text)
{
    _cleanup_close_ int fd = -1;
    size_t used = 0;
    ssize_t n;

    fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0)
        return error_origin(fd);
    do {
        n = sys_read(fd, buffer + used, size - used);
        if (n < 0)
            return error_origin((int)n);
        used += (size_t)n;
    } while (n > 0 && used < size);
    if (used == size)
        return error_origin(-EFBIG);
    if (!text_is_utf8((struct slice){.data = buffer, .size = used}))
        return error_origin(-EILSEQ);
    *ret_text = trim((struct slice){.data = buffer, .size = used});
    return 0;
}

static void hash_input(struct slice input, char ret_hash[IDENTITY_HASH_SIZE])
{
    uint8_t digest[BLAKE3_SIZE];

    blake3_sum(input.data, input.size, digest);
    hex_encode(digest, (IDENTITY_HASH_SIZE - 1) / 2, ret_hash);
}

static void hash_machine(uid_t uid, const char *prefix, struct slice machine, char ret_hash[IDENTITY_HASH_SIZE])
{
    char input[IDENTITY_FILE_SIZE_MAX + 64];
    int used = snprintf(input, sizeof(input), "%ju:%s", (uintmax_t)uid, prefix);

    memcpy(input + used, machine.data, machine.size);
    hash_input((struct slice){.data = input, .size = (size_t)used + machine.size}, ret_hash);
}

int identity_hash_from(uid_t uid, const struct identity_sources *sources, char ret_hash[IDENTITY_HASH_SIZE])
{
    char buffer[IDENTITY_FILE_SIZE_MAX + 1];
    struct slice text;
    int r;

    for (size_t i = 0; i < sizeof(sources->machine_id) / sizeof(sources->machine_id[0]); i++) {
        r = read_source(sources->machine_id[i], buffer, sizeof(buffer), &text);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return error_trace(r);
        if (slice_is_empty(text))
            continue;
        hash_machine(uid, "", text, ret_hash);
        return 0;
    }
    r = read_source(sources->boot_id, buffer, sizeof(buffer), &text);
    if (r < 0 || slice_is_empty(text))
        return error_origin(-ENXIO);
    hash_machine(uid, "boot:", text, ret_hash);
    return 0;
}

int identity_user_hash(char ret_hash[IDENTITY_HASH_SIZE])
{
    return identity_hash_from(sys_getuid(), &machine_sources, ret_hash);
}

void identity_hash_text(const char *input, char ret_hash[IDENTITY_HASH_SIZE])
{
    hash_input(slice_from(input), ret_hash);
}

bool identity_is_hash(const char *hash)
{
    return strlen(hash) == IDENTITY_HASH_SIZE - 1 && strspn(hash, "0123456789abcdef") == IDENTITY_HASH_SIZE - 1;
}
