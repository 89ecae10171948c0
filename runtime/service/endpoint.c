/* SPDX-License-Identifier: MIT */
/*
 * Composes the paths of sockets. Clients of any build derive the same ones, so the text is frozen; what does not fit
 * sun_path is refused, never shortened. Only a backend's socket, whose path clients are told, may move to a shorter
 * directory.
 */
#include "service/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "base/blake3sum.h"
#include "base/env.h"
#include "base/fs.h"
#include "base/sys.h"
#include "service/identity.h"
#include "wire/text.h"

static const struct {
    const char *infix;
    bool has_name;
} classes[] = {
    [ENDPOINT_SHARED] = {"shared", false},
    [ENDPOINT_PRIVATE] = {"svc-", true},
    [ENDPOINT_EXPLICIT] = {"inst-", true},
    [ENDPOINT_BACKEND] = {"be-", true},
};

void endpoint_fallback_dir(char ret_dir[ENDPOINT_DIR_SIZE])
{
    snprintf(ret_dir, ENDPOINT_DIR_SIZE, "/tmp/running-process-%ju/broker", (uintmax_t)sys_getuid());
}

int endpoint_dir(char ret_dir[ENDPOINT_DIR_SIZE])
{
    const char *runtime_dir = env_get("XDG_RUNTIME_DIR");
    char dir[ENDPOINT_DIR_SIZE];
    int size;

    if (!runtime_dir) {
        endpoint_fallback_dir(ret_dir);
        return 0;
    }
    if (runtime_dir[0] != '/')
        return ENDPOINT_E_RELATIVE;
    if (!text_is_utf8(slice_from(runtime_dir)))
        return ENDPOINT_E_TEXT;
    size = snprintf(dir, sizeof(dir), "%s%srunning-process/broker", runtime_dir, fs_joint(runtime_dir));
    if ((size_t)size >= sizeof(dir))
        return ENDPOINT_E_TOO_LONG;
    memcpy(ret_dir, dir, (size_t)size + 1);
    return 0;
}

static bool is_name_valid(enum endpoint_class class, struct slice name)
{
    if (!classes[class].has_name)
        return true;
    if (class != ENDPOINT_BACKEND)
        return text_check_name(name) == NAME_OK;
    if (name.size != 2 * ENDPOINT_RANDOM_SIZE)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        if (!strchr("0123456789abcdef", name.data[i]) || name.data[i] == '\0')
            return false;
    }
    return true;
}

size_t endpoint_path_size(const char *dir, enum endpoint_class class, struct slice name)
{
    return strlen(dir) + strlen("/rpb-v1--.sock") + IDENTITY_HASH_SIZE - 1 + strlen(classes[class].infix) +
           (classes[class].has_name ? name.size : 0);
}

int endpoint_path(const char *dir, enum endpoint_class class, const char *hash, struct slice name,
                  char ret_path[ENDPOINT_PATH_SIZE])
{
    char derived[ENDPOINT_DIR_SIZE], path[ENDPOINT_PATH_SIZE];
    int size;

    if (!identity_is_hash(hash))
        return ENDPOINT_E_HASH;
    if (!is_name_valid(class, name))
        return ENDPOINT_E_NAME;
    if (!dir) {
        int r = endpoint_dir(derived);

        if (r != 0)
            return r;
        dir = derived;
    }
    size = snprintf(path, sizeof(path), "%s/rpb-v1-%s-%s%.*s.sock", dir, hash, classes[class].infix,
                    classes[class].has_name ? (int)name.size : 0, classes[class].has_name ? name.data : "");
    if (size < 0 || (size_t)size > ENDPOINT_PATH_MAX)
        return ENDPOINT_E_TOO_LONG;
    memcpy(ret_path, path, (size_t)size + 1);
    return 0;
}

int endpoint_backend_path(const char *dir, const char *hash, const uint8_t random[ENDPOINT_RANDOM_SIZE],
                          char ret_path[ENDPOINT_PATH_SIZE])
{
    char digits[2 * ENDPOINT_RANDOM_SIZE + 1], fallback[ENDPOINT_DIR_SIZE];
    int r;

    hex_encode(random, ENDPOINT_RANDOM_SIZE, digits);
    r = endpoint_path(dir, ENDPOINT_BACKEND, hash, slice_from(digits), ret_path);
    if (r != ENDPOINT_E_TOO_LONG)
        return r;
    endpoint_fallback_dir(fallback);
    return endpoint_path(fallback, ENDPOINT_BACKEND, hash, slice_from(digits), ret_path);
}

const char *endpoint_error_text(int code)
{
    switch (code) {
    case ENDPOINT_E_HASH:
        return "the user hash is not 16 lower-case hex digits";
    case ENDPOINT_E_NAME:
        return "the name in the socket's path is not valid";
    case ENDPOINT_E_TOO_LONG:
        return "the path is longer than 107 bytes (Linux sun_path)";
    case ENDPOINT_E_RELATIVE:
        return "XDG_RUNTIME_DIR is a relative path; it must be absolute";
    case ENDPOINT_E_TEXT:
        return "XDG_RUNTIME_DIR is not valid UTF-8; clients are told the paths below it as text";
    default:
        return "";
    }
}
