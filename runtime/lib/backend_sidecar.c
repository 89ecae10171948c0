/* SPDX-License-Identifier: MIT */

/*
 * The identity file (spec 03 §15.4). The text is written by hand, because its bytes are fixed: two spaces, one element
 * a line, keys in their order, no newline at the end. It is read by a JSON library that refuses what is not JSON; what
 * does not fit an identity is malformed as a whole, never half taken. The file is replaced by a rename and never
 * locked.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/atomic_file.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "lib/backend_internal.h"

enum { SIDECAR_MAX = 65536, JSON_MAX = 1 << 20 };

/* ---------------------------------------------------------------------------------------------------------- writing */

static int put(struct buffer *out, const char *text)
{
    return buffer_append(out, text, strlen(text));
}

static int put_character(struct buffer *out, unsigned char character)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = character ? strchr(plain, character) : NULL;
    char text[8];

    if (found) {
        snprintf(text, sizeof(text), "\\%c", letters[found - plain]);
    } else if (character < 0x20) {
        snprintf(text, sizeof(text), "\\u%04x", character);
    } else {
        return buffer_append(out, &character, 1);
    }
    return put(out, text);
}

static int put_string(struct buffer *out, const char *text)
{
    int r = put(out, "\"");

    for (; r == 0 && *text; text++) {
        r = put_character(out, (unsigned char)*text);
    }
    return r == 0 ? put(out, "\"") : error_trace(r);
}

static int put_digest(struct buffer *out, const uint8_t digest[32])
{
    int r = put(out, "[\n");

    for (int i = 0; r == 0 && i < 32; i++) {
        char text[16];

        snprintf(text, sizeof(text), "    %u%s\n", digest[i], i < 31 ? "," : "");
        r = put(out, text);
    }
    return r == 0 ? put(out, "  ]") : error_trace(r);
}

static int put_number(struct buffer *out, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return put(out, text);
}

static int put_idle_timeout(struct buffer *out, const struct rpb_backend_identity *identity)
{
    return identity->has_idle_timeout ? put_number(out, identity->idle_timeout_secs) : put(out, "null");
}

static int put_identity(struct buffer *out, const struct rpb_backend_identity *identity)
{
    int r;

    /* clang-format off */
    (void)((r = put(out, "{\n  \"pid\": ")) ||
           (r = put_number(out, identity->pid)) ||
           (r = put(out, ",\n  \"exe_path\": ")) ||
           (r = put_string(out, identity->exe_path)) ||
           (r = put(out, ",\n  \"exe_hash_algorithm\": \"blake3\",\n  \"exe_hash\": ")) ||
           (r = put_digest(out, identity->exe_hash)) ||
           (r = put(out, ",\n  \"legacy_exe_sha256\": ")) ||
           (r = put_digest(out, identity->legacy_exe_sha256)) ||
           (r = put(out, ",\n  \"boot_id\": ")) ||
           (r = put_string(out, identity->boot_id)) ||
           (r = put(out, ",\n  \"ipc_endpoint\": {\n    \"namespace_id\": ")) ||
           (r = put_string(out, identity->namespace_id)) ||
           (r = put(out, ",\n    \"path\": ")) ||
           (r = put_string(out, identity->path)) ||
           (r = put(out, "\n  },\n  \"started_at_unix_ms\": ")) ||
           (r = put_number(out, identity->started_at_unix_ms)) ||
           (r = put(out, ",\n  \"idle_timeout_secs\": ")) ||
           (r = put_idle_timeout(out, identity)) ||
           (r = put(out, "\n}")));
    /* clang-format on */
    return error_trace(r);
}

int rpb_backend_identity_to_json(const struct rpb_backend_identity *identity, char **ret_json)
{
    _cleanup_(buffer_deinit) struct buffer out = {.limit = JSON_MAX};
    int r;

    r = put_identity(&out, identity);
    if (r == 0) {
        r = buffer_append(&out, "", 1);
    }
    if (r < 0) {
        return error_trace(r);
    }
    *ret_json = (char *)TAKE_PTR(out.data);
    return 0;
}

/* The directory that holds @path, and the name in it. */
static int open_directory(const char *path, int *ret_fd, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    char *dir;
    int fd;

    dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!dir) {
        return error_origin(-ENOMEM);
    }
    fd = sys_open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    free(dir);
    if (fd < 0) {
        return error_trace(fd);
    }
    *ret_fd = fd;
    *ret_name = slash ? slash + 1 : path;
    return 0;
}

int rpb_backend_identity_write(const struct rpb_backend_identity *identity, const char *path)
{
    _cleanup_free_ char *json = NULL;
    _cleanup_close_ int dir_fd = -1;
    const char *name = path;
    int r;

    r = rpb_backend_identity_to_json(identity, &json);
    if (r == 0) {
        r = open_directory(path, &dir_fd, &name);
    }
    return error_trace(r < 0 ? r : atomic_file_write(dir_fd, name, json, strlen(json), 0600, true));
}

/* ---------------------------------------------------------------------------------------------------------- reading */

/* The string @key of @object, which must fit. */
static bool take_string(const json_t *object, const char *key, char *ret, size_t size)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value) || json_string_length(value) >= size) {
        return false;
    }
    memcpy(ret, json_string_value(value), json_string_length(value) + 1);
    return true;
}

static bool take_number(const json_t *value, uint64_t max, uint64_t *ret)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > max) {
        return false;
    }
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

static bool take_digest(const json_t *array, uint8_t ret[32])
{
    uint64_t number;

    if (!json_is_array(array) || json_array_size(array) != 32) {
        return false;
    }
    for (size_t i = 0; i < 32; i++) {
        if (!take_number(json_array_get(array, i), UINT8_MAX, &number)) {
            return false;
        }
        ret[i] = (uint8_t)number;
    }
    return true;
}

static bool take_optional(const json_t *root, struct rpb_backend_identity *ret)
{
    const json_t *legacy = json_object_get(root, "legacy_exe_sha256");
    const json_t *idle = json_object_get(root, "idle_timeout_secs");
    uint64_t number = 0;

    if (legacy && !take_digest(legacy, ret->legacy_exe_sha256)) {
        return false;
    }
    ret->has_idle_timeout = idle && !json_is_null(idle);
    if (ret->has_idle_timeout && !take_number(idle, UINT32_MAX, &number)) {
        return false;
    }
    ret->idle_timeout_secs = (uint32_t)number;
    return true;
}

static bool take_identity(const json_t *root, struct rpb_backend_identity *ret)
{
    const json_t *endpoint = json_object_get(root, "ipc_endpoint");
    char algorithm[8];
    uint64_t pid;

    if (!take_number(json_object_get(root, "pid"), UINT32_MAX, &pid) ||
        !take_number(json_object_get(root, "started_at_unix_ms"), UINT64_MAX, &ret->started_at_unix_ms)) {
        return false;
    }
    ret->pid = (uint32_t)pid;
    return take_string(root, "exe_path", ret->exe_path, sizeof(ret->exe_path)) &&
           take_string(root, "exe_hash_algorithm", algorithm, sizeof(algorithm)) && !strcmp(algorithm, "blake3") &&
           take_digest(json_object_get(root, "exe_hash"), ret->exe_hash) &&
           take_string(root, "boot_id", ret->boot_id, sizeof(ret->boot_id)) &&
           take_string(endpoint, "namespace_id", ret->namespace_id, sizeof(ret->namespace_id)) &&
           take_string(endpoint, "path", ret->path, sizeof(ret->path)) && take_optional(root, ret);
}

int rpb_backend_identity_from_json(const char *json, size_t size, struct rpb_backend_identity *ret_identity)
{
    struct rpb_backend_identity identity = {0};
    json_error_t error;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
    bool is_good;

    if (!root) {
        return error_origin(json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG);
    }
    is_good = take_identity(root, &identity);
    json_decref(root);
    if (!is_good) {
        return error_origin(-EBADMSG);
    }
    *ret_identity = identity;
    return 0;
}

static int read_file(const char *path, struct buffer *ret)
{
    _cleanup_close_ int fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    struct stat st;
    uint8_t *room;
    ssize_t n;
    int r = fd;

    if (r == -ENOENT) {
        return RPB_BACKEND_ABSENT;
    }
    if (r >= 0) {
        r = sys_fstat(fd, &st);
    }
    if (r < 0) {
        return error_trace(r);
    }
    if (!S_ISREG(st.st_mode) || st.st_size > SIDECAR_MAX) {
        return error_origin(-EBADMSG);
    }
    r = buffer_extend(ret, SIDECAR_MAX, &room);
    if (r < 0) {
        return error_trace(r);
    }
    n = sys_read(fd, room, SIDECAR_MAX);
    if (n < 0) {
        return error_trace((int)n);
    }
    ret->size = (size_t)n;
    return 0;
}

int rpb_backend_identity_read(const char *path, struct rpb_backend_identity *ret_identity)
{
    _cleanup_(buffer_deinit) struct buffer text = {.limit = SIDECAR_MAX};
    int r;

    r = read_file(path, &text);
    if (r != 0) {
        return error_trace(r);
    }
    return error_trace(rpb_backend_identity_from_json((const char *)text.data, text.size, ret_identity));
}

bool rpb_backend_identity_find(const char *path, struct rpb_backend_identity *ret_identity)
{
    return rpb_backend_identity_read(path, ret_identity) == 0;
}

void rpb_backend_identity_remove(const char *path)
{
    struct rpb_backend_identity identity;

    if (rpb_backend_identity_find(path, &identity) && identity.pid == (uint32_t)sys_getpid()) {
        (void)sys_unlink(path);
    }
}
