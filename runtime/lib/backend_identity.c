/* SPDX-License-Identifier: MIT */

/*
 * Who this process is (spec 03 §4.1): pid, executable, its digests, boot. The executable is read through
 * /proc/self/exe, so what is hashed is what runs, even when another file has taken its path meanwhile. Nothing is
 * cached: a process makes its identity once.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sha2.h>

#include "base/blake3sum.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "lib/backend_internal.h"
#include "wire/text.h"

enum { SHA256_AUTO_MAX = 32 * 1024 * 1024, DIGEST_READ_SIZE = 256 * 1024 };

_Static_assert(SHA256_DIGEST_LENGTH == sizeof(((struct rpb_backend_identity *)NULL)->legacy_exe_sha256), "SHA-256");
_Static_assert(BLAKE3_SIZE == sizeof(((struct rpb_backend_identity *)NULL)->exe_hash), "BLAKE3");

static int sum_sha256(int fd, uint8_t ret[SHA256_DIGEST_LENGTH])
{
    _cleanup_free_ uint8_t *block = malloc(DIGEST_READ_SIZE);
    SHA2_CTX context;
    off_t at = 0;
    ssize_t n;

    if (!block) {
        return error_origin(-ENOMEM);
    }
    SHA256Init(&context);
    while ((n = sys_pread(fd, block, DIGEST_READ_SIZE, at)) > 0) {
        SHA256Update(&context, block, (size_t)n);
        at += n;
    }
    if (n < 0) {
        return error_trace((int)n);
    }
    SHA256Final(ret, &context);
    return 0;
}

static int make_digests(enum rpb_backend_sha256 sha256, struct rpb_backend_identity *ret)
{
    _cleanup_close_ int fd = sys_open("/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
    uint64_t size;
    int r;

    if (fd < 0) {
        return error_trace(fd);
    }
    r = blake3_sum_fd_sized(fd, ret->exe_hash, &size);
    if (r < 0) {
        return error_trace(r);
    }
    if (sha256 == RPB_BACKEND_SHA256_ALWAYS || (sha256 == RPB_BACKEND_SHA256_AUTO && size <= SHA256_AUTO_MAX)) {
        r = sum_sha256(fd, ret->legacy_exe_sha256);
    }
    return error_trace(r);
}

static int read_exe_path(struct rpb_backend_identity *ret)
{
    ssize_t n = sys_readlink("/proc/self/exe", ret->exe_path, sizeof(ret->exe_path));

    if (n < 0) {
        return error_trace((int)n);
    }
    if ((size_t)n >= sizeof(ret->exe_path)) {
        return error_origin(-ENAMETOOLONG);
    }
    ret->exe_path[n] = '\0';
    return text_is_utf8(slice_from(ret->exe_path)) ? 0 : error_origin(-EILSEQ);
}

/* Without one, a text that equals no other process's, so that comparisons fail. */
static void read_boot_id(struct rpb_backend_identity *ret)
{
    _cleanup_close_ int fd = sys_open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = fd < 0 ? fd : sys_read(fd, ret->boot_id, sizeof(ret->boot_id) - 1);

    ret->boot_id[n > 0 ? n : 0] = '\0';
    ret->boot_id[strcspn(ret->boot_id, " \t\r\n")] = '\0';
    if (!*ret->boot_id) {
        snprintf(ret->boot_id, sizeof(ret->boot_id), "boot-unavailable-%d-%llu", (int)sys_getpid(),
                 (unsigned long long)clock_unix_nsec());
    }
}

static int copy_text(char *ret, size_t size, const char *text, int too_long)
{
    if (strlen(text) >= size) {
        return error_origin(too_long);
    }
    memcpy(ret, text, strlen(text) + 1);
    return text_is_utf8(slice_from(text)) ? 0 : error_origin(-EILSEQ);
}

int rpb_backend_identity_make(const char *namespace_id, const char *path, enum rpb_backend_sha256 sha256,
                              struct rpb_backend_identity *ret_identity)
{
    struct rpb_backend_identity identity = {.pid = (uint32_t)sys_getpid(), .started_at_unix_ms = clock_unix_msec()};
    int r;

    if (!namespace_id || !path || !*path || (unsigned int)sha256 > RPB_BACKEND_SHA256_ZEROS) {
        return error_origin(-EINVAL);
    }
    r = copy_text(identity.path, sizeof(identity.path), path, -EINVAL);
    if (r == 0) {
        r = copy_text(identity.namespace_id, sizeof(identity.namespace_id), namespace_id, -ENAMETOOLONG);
    }
    if (r == 0) {
        r = read_exe_path(&identity);
    }
    if (r == 0) {
        r = make_digests(sha256, &identity);
    }
    if (r < 0) {
        return error_trace(r);
    }
    read_boot_id(&identity);
    *ret_identity = identity;
    return 0;
}

/* protobuf-c has no const strings; the message is only read. */
static char *shown(const char *text)
{
    return (char *)(uintptr_t)text;
}

void identity_show(const struct rpb_backend_identity *identity, DaemonProcess *ret, Endpoint *ret_endpoint)
{
    message_init(MESSAGE_DAEMON_PROCESS, ret);
    message_init(MESSAGE_ENDPOINT, ret_endpoint);
    ret_endpoint->namespace_id = shown(identity->namespace_id);
    ret_endpoint->path = shown(identity->path);
    ret->pid = identity->pid;
    ret->exe_path = shown(identity->exe_path);
    ret->ipc_endpoint = ret_endpoint;
    ret->started_at_unix_ms = identity->started_at_unix_ms;
    ret->boot_id = shown(identity->boot_id);
    ret->exe_hash_algorithm = shown("blake3");
    ret->exe_hash.data = (uint8_t *)(uintptr_t)identity->exe_hash;
    ret->exe_hash.len = sizeof(identity->exe_hash);
    if (identity->has_idle_timeout) {
        ret->idle_timeout_case = RUNNING_PROCESS__BROKER__V1__DAEMON_PROCESS__IDLE_TIMEOUT_IDLE_TIMEOUT_SECS;
        ret->idle_timeout_secs = identity->idle_timeout_secs;
    }
}
