/* SPDX-License-Identifier: MIT */
/*
 * The store: what is on disk now is what is in force (spec 02 §8, decisions 5 and 8). Nothing sleeps: where the age of
 * a file decides, the wall clock is put forward until the next file is written; the time of retries is given.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "service/store.h"

static char dir[200];
static struct store store;
static nsec_t now_nsec = 1000 * NSEC_PER_SEC;
static struct store_fault fault;
static const struct definition *got;
static nsec_t ahead_nsec; /* of the wall clock */

/* The kernel's, but that the wall clock may be put forward. The store is linked against this one. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);
    uint64_t nsec;

    if (r == 0 && clock == CLOCK_REALTIME) {
        nsec = (uint64_t)ret->tv_nsec + ahead_nsec;
        ret->tv_sec += (time_t)(nsec / NSEC_PER_SEC);
        ret->tv_nsec = (long)(nsec % NSEC_PER_SEC);
    }
    return r;
}

static unsigned int n_unreadable; /* how many more readings fail */

/* The kernel's, but for the failures. */
ssize_t read(int fd, void *data, size_t size)
{
    if (n_unreadable > 0) {
        n_unreadable--;
        errno = EIO;
        return -1;
    }
    return syscall(SYS_read, fd, data, size);
}

/* The same under the name that it has where sizes are checked. */
ssize_t __read_chk(int fd, void *data, size_t size, size_t room);
ssize_t __read_chk(int fd, void *data, size_t size, size_t room)
{
    (void)room;
    return read(fd, data, size);
}

static const char *path_of(const char *name)
{
    static char path[400];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const void *bytes, size_t size)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0664);

    ahead_nsec = 0;
    check_fatal(fd >= 0);
    check_int(write(fd, bytes, size), size);
    close(fd);
}

static void put_text(const char *name, const char *binary_path)
{
    char text[300];

    put(name, text, (size_t)snprintf(text, sizeof(text), "service_name: \"tool\"\nbinary_path: \"%s\"\n", binary_path));
}

static void put_binary(const char *name, const char *service, const char *binary_path)
{
    uint8_t bytes[300];
    int size = sprintf((char *)bytes, "\x0a%c%s\x12%c%s", (int)strlen(service), service, (int)strlen(binary_path),
                       binary_path);

    put(name, bytes, (size_t)size);
}

/* The times of what was written before lie @age_nsec in the past, until something is written again. */
static void age(nsec_t age_nsec)
{
    ahead_nsec = age_nsec;
}

static int ask(const char *service)
{
    got = NULL;
    memset(&fault, 0, sizeof(fault));
    return store_get(&store, slice_from(service), now_nsec, &got, &fault);
}

static void check_binary_path(const char *want)
{
    check_int(ask("tool"), 0);
    check_str(got ? got->binary_path : fault.detail, want);
}

static void check_fault(const char *want)
{
    check_int(ask("tool"), STORE_E_BROKEN);
    if (!strstr(fault.detail, want))
        check_str(fault.detail, want);
}

/* The log is limited per second and code; only the test of the log looks at it. */
__attribute__((constructor)) static void silence(void)
{
    static int null_fd = -1;

    if (null_fd < 0)
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_open(null_fd);
}

static void fresh(void)
{
    ahead_nsec = 0;
    snprintf(dir, sizeof(dir), "%s", check_tmpdir());
    check_int(store_init(&store, dir), 0);
}

static void test_not_found(void)
{
    fresh();
    check_int(ask("tool"), STORE_E_NOT_FOUND);
    check_int(ask("Tool"), STORE_E_NOT_FOUND);
    check_int(ask("../tool"), STORE_E_NOT_FOUND);
    check_int(ask(""), STORE_E_NOT_FOUND);
    check_int(store.n_entries, 0);
    rmdir(dir);
    check_int(ask("tool"), STORE_E_NOT_FOUND);
    mkdir(dir, 0700);
    put_binary("tool.servicedef", "tool", "/a");
    check_binary_path("/a");
    store_deinit(&store);
    store_deinit(&store);
}

static void test_precedence(void)
{
    fresh();
    put_binary("tool.servicedef", "tool", "/v1");
    check_binary_path("/v1");
    put_binary("tool.servicedef.v2", "tool", "/v2");
    check_binary_path("/v2");
    put_text("tool.txtpb", "/text");
    check_binary_path("/text");
    put("tool.txtpb", "service_name: \"tool\"\nbinary_pth: 1\n", 35);
    check_fault("tool.txtpb:2:1: ");
    unlink(path_of("tool.txtpb"));
    check_binary_path("/v2");
    unlink(path_of("tool.servicedef.v2"));
    check_binary_path("/v1");
    unlink(path_of("tool.servicedef"));
    check_int(ask("tool"), STORE_E_NOT_FOUND);
    check_int(store.n_entries, 0);
    store_deinit(&store);
}

/* Once everything is at rest, an answer costs no reading; any change is seen at once. */
static void test_warm(void)
{
    uint64_t n_loads;

    fresh();
    put_binary("tool.servicedef", "tool", "/aaa");
    age(30 * NSEC_PER_MSEC);
    check_binary_path("/aaa");
    n_loads = store.n_loads;
    for (int i = 0; i < 100; i++)
        check_binary_path("/aaa");
    check_int(store.n_loads, n_loads);
    put_binary("other.servicedef", "other", "/x"); /* the directory changes, the file does not */
    check_binary_path("/aaa");
    check_int(store.n_loads, n_loads);
    put_binary("tool.servicedef", "tool", "/bbb"); /* same size, in place */
    check_binary_path("/bbb");
    put_binary("tool.servicedef", "tool", "/ccc"); /* again, within the same tick of the clock */
    check_binary_path("/ccc");
    put_binary("tool.servicedef", "tool", "/ddd");
    check_binary_path("/ddd");
    put_text("tool.txtpb", "/text");
    check_binary_path("/text");
    unlink(path_of("tool.txtpb"));
    put_text("tool.txtpb", "/tex2");
    check_binary_path("/tex2");
    store_deinit(&store);
}

/* A hundred in-place changes of the same size, asked for right after each: none is missed. */
static void test_fast_changes(void)
{
    char path[16];

    fresh();
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof(path), "/%03d", i);
        put_binary("tool.servicedef", "tool", path);
        check_binary_path(path);
        check_binary_path(path);
    }
    store_deinit(&store);
}

static void test_checks(void)
{
    fresh();
    put_binary("tool.servicedef", "other", "/x");
    age(210 * NSEC_PER_MSEC);
    check_fault("mismatch");
    check(strstr(fault.detail, "\"tool\"") && strstr(fault.detail, "\"other\""));
    put_text("tool.txtpb", "rel");
    check_fault("must be absolute");
    put_text("tool.txtpb", "");
    check_fault("must not be empty");
    put_text("tool.txtpb", "/x\"\nmin_version: \"1");
    check_fault("tool.txtpb:3:14: min_version");
    put_text("tool.txtpb", "/x\"\nper_version_binary_dir: \"y");
    check_fault("per_version_binary_dir must be absolute");
    put_text("tool.txtpb", "/x\"\nisolation: 2 min_version: \"1.0.0");
    check_fault("requires explicit_instance");
    store_deinit(&store);
}

static void test_directory(void)
{
    char other[260];

    fresh();
    put_text("tool.txtpb", "/x");
    check_binary_path("/x");
    chmod(dir, 0777);
    check_fault(dir);
    check(strstr(fault.detail, "777") != NULL);
    chmod(dir, 0750);
    check_fault(dir);
    chmod(dir, 0700);
    check_binary_path("/x");
    /* another directory in its place */
    snprintf(other, sizeof(other), "%s-old", dir);
    rename(dir, other);
    check_int(ask("tool"), STORE_E_NOT_FOUND);
    mkdir(dir, 0700);
    check_int(ask("tool"), STORE_E_NOT_FOUND);
    put_text("tool.txtpb", "/y");
    check_binary_path("/y");
    unlink(path_of("tool.txtpb"));
    rmdir(dir);
    check_int(symlink(other, dir), 0);
    check_int(ask("tool"), STORE_E_BROKEN);
    unlink(dir);
    rename(other, dir);
    check_binary_path("/x");
    store_deinit(&store);
}

static void test_files_refused(void)
{
    char *large = calloc(1, DEFINITION_SIZE_MAX + 1);

    fresh();
    put_text("real", "/x");
    check_int(symlink("real", path_of("tool.txtpb")), 0);
    check_fault("symbolic link");
    unlink(path_of("tool.txtpb"));
    mkdir(path_of("tool.txtpb"), 0700);
    check_fault("not a regular file");
    rmdir(path_of("tool.txtpb"));
    mkfifo(path_of("tool.txtpb"), 0600);
    check_fault("not a regular file");
    unlink(path_of("tool.txtpb"));
    memset(large, '\n', DEFINITION_SIZE_MAX + 1);
    put("tool.txtpb", large, DEFINITION_SIZE_MAX + 1);
    check_fault("65537 bytes");
    free(large);
    if (getuid() == 0) {
        put_text("tool.txtpb", "/x");
        check_int(chown(path_of("tool.txtpb"), 12345, 0), 0);
        check_fault("12345");
        check_int(chown(path_of("tool.txtpb"), 0, 0), 0);
        check_binary_path("/x");
    }
    unlink(path_of("tool.txtpb"));
    put_text("tool.txtpb", "/x"); /* its mode does not matter */
    chmod(path_of("tool.txtpb"), 0666);
    check_binary_path("/x");
    store_deinit(&store);
}

/* A young binary that does not decode is read again every 20 ms, five times. */
static void test_unsettled(void)
{
    fresh();
    put("tool.servicedef", "\x0a\x04to", 4);
    for (int i = 0; i < 5; i++) {
        check_int(ask("tool"), STORE_E_UNSETTLED);
        check(fault.retry_at_nsec == now_nsec + STORE_UNSETTLED_RETRY);
        now_nsec += STORE_UNSETTLED_RETRY / 2;
        check_int(ask("tool"), STORE_E_UNSETTLED);
        now_nsec += STORE_UNSETTLED_RETRY / 2;
    }
    check_fault("does not decode");
    /* written to the end while we wait */
    put("tool.servicedef", "", 0);
    check_int(ask("tool"), STORE_E_UNSETTLED);
    put_binary("tool.servicedef", "tool", "/whole");
    check_int(ask("tool"), STORE_E_UNSETTLED);
    now_nsec += STORE_UNSETTLED_RETRY;
    check_binary_path("/whole");
    /* half of a rewrite of a good one */
    put("tool.servicedef", "\x0a\x04tool", 6);
    check_int(ask("tool"), STORE_E_UNSETTLED);
    now_nsec += STORE_UNSETTLED_RETRY;
    put_binary("tool.servicedef", "tool", "/again");
    check_binary_path("/again");
    /* an old one is broken at once, and so is text */
    put("tool.servicedef", "\x0a\x04to", 4);
    age(210 * NSEC_PER_MSEC);
    check_fault("does not decode");
    put("tool.txtpb", "x", 1);
    check_fault("tool.txtpb:1:1");
    store_deinit(&store);
}

static void test_held(void)
{
    const struct definition *held;

    fresh();
    put_text("tool.txtpb", "/one");
    check_binary_path("/one");
    held = definition_ref(got);
    put_text("tool.txtpb", "/two");
    check_binary_path("/two");
    check_str(held->binary_path, "/one");
    unlink(path_of("tool.txtpb"));
    check_int(ask("tool"), STORE_E_NOT_FOUND);
    store_deinit(&store);
    check_str(held->binary_path, "/one");
    definition_unref(held);
}

static void test_least_recently_used_goes(void)
{
    char name[40], service[20];

    fresh();
    store.limit = 8;
    for (int i = 0; i < 20; i++) {
        snprintf(service, sizeof(service), "s%02d", i);
        snprintf(name, sizeof(name), "%s.servicedef", service);
        put_binary(name, service, "/x");
        check_int(ask(service), 0);
        check_int(ask("s00"), 0);
        check(store.n_entries <= 8);
    }
    age(30 * NSEC_PER_MSEC);
    check_int(ask("s00"), 0);
    store.n_loads = 0;
    check_int(ask("s00"), 0);
    check_int(store.n_loads, 0);
    check_int(ask("s01"), 0);
    check_int(store.n_loads, 1);
    store_deinit(&store);
}

static void test_recheck(void)
{
    fresh();
    put_text("tool.txtpb", "/one");
    put_binary("other.servicedef", "other", "/x");
    check_int(ask("tool"), 0);
    check_int(ask("other"), 0);
    check_int(store_recheck(&store, now_nsec), 0);
    put_text("tool.txtpb", "/two");
    check_int(store_recheck(&store, now_nsec), 1);
    check_int(store_recheck(&store, now_nsec), 0);
    put_text("tool.txtpb", "two");
    check_int(store_recheck(&store, now_nsec), 1);
    unlink(path_of("other.servicedef"));
    check_int(store_recheck(&store, now_nsec), 1);
    check_int(store.n_entries, 1);
    check_int(store_recheck(&store, now_nsec), 0);
    store_deinit(&store);
}

/* ------------------------------------------------------------------------------------------------ log */

static size_t count(const char *text, const char *word)
{
    size_t n = 0;

    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

/* One line for a file that is below the one in force and says something else; not again until something changes. */
static void test_log_of_differences(void)
{
    int pipe_fds[2];
    char text[8192] = "";

    fresh();
    check_int(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
    log_open(pipe_fds[1]);
    log_set_level(LOG_INFO);
    put_text("tool.txtpb", "/text");
    put_binary("tool.servicedef.v2", "tool", "/text");
    put_binary("tool.servicedef", "tool", "/binary");
    for (int i = 0; i < 10; i++)
        check_binary_path("/text");
    check(read(pipe_fds[0], text, sizeof(text) - 1) > 0);
    check_int(count(text, "service-def-loaded"), 1);
    check_int(count(text, "service-def-differs"), 1);
    check(strstr(text, "tool.servicedef differs") != NULL && strstr(text, "binary_path") != NULL);
    memset(text, 0, sizeof(text));
    put_text("tool.txtpb", "/tex2");
    check_binary_path("/tex2");
    check(read(pipe_fds[0], text, sizeof(text) - 1) > 0);
    check_int(count(text, "service-def-changed"), 1);
    check_int(count(text, "service-def-differs"), 2);
    log_close();
    silence();
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    store_deinit(&store);
}

/* A directory that cannot be opened just now is no breach of a rule, and is forgotten when it can. */
static void test_out_of_descriptors(void)
{
    struct rlimit limit, none;
    char text[2048] = "";
    int pipe_fds[2];

    fresh();
    put_text("tool.txtpb", "/x");
    check_int(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
    log_open(pipe_fds[1]);
    check_fatal(!getrlimit(RLIMIT_NOFILE, &limit));
    none = (struct rlimit){.rlim_cur = 1, .rlim_max = limit.rlim_max};
    check_fatal(!setrlimit(RLIMIT_NOFILE, &none));
    check_int(ask("tool"), STORE_E_BROKEN);
    check_fatal(!setrlimit(RLIMIT_NOFILE, &limit));
    check(strstr(fault.detail, "Too many open files") != NULL);
    check(read(pipe_fds[0], text, sizeof(text) - 1) > 0);
    check_int(count(text, "service-def-broken"), 1);
    check_int(count(text, "VIOLATION"), 0);
    check_binary_path("/x");
    log_close();
    silence();
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    store_deinit(&store);
}

/* What could not be read is read again the next time: that says nothing about what is in the file. */
static void test_unreadable_once(void)
{
    fresh();
    put_text("tool.txtpb", "/x");
    age(210 * NSEC_PER_MSEC);
    n_unreadable = 1;
    check_fault("tool.txtpb: cannot be read: Input/output error");
    check_binary_path("/x");
    n_unreadable = 1;
    check_binary_path("/x"); /* which is known by now, so nothing is read */
    check_int(n_unreadable, 1);
    put_text("tool.txtpb", "/y");
    age(210 * NSEC_PER_MSEC);
    check_fault("cannot be read");
    check_binary_path("/y");
    store_deinit(&store);
}

CHECK_PROGRAM("service/store", {"one line about files that differ", test_log_of_differences},
              {"out of descriptors", test_out_of_descriptors}, {"nothing there", test_not_found},
              {"the first of the three files is in force, even when broken", test_precedence},
              {"at rest nothing is read; changes are seen", test_warm},
              {"changes in quick succession", test_fast_changes}, {"what the rules refuse", test_checks},
              {"the directory must be private, and is followed", test_directory},
              {"files that are not read", test_files_refused}, {"a binary that is being written", test_unsettled},
              {"held definitions outlive the store", test_held},
              {"the least recently used goes first", test_least_recently_used_goes},
              {"looking at everything again", test_recheck},
              {"a file that could not be read once", test_unreadable_once})
