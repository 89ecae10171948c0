/* SPDX-License-Identifier: MIT */

/* What is checked before a broker begins (spec 02 §14, decisions 2, 9c, 20). */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "daemon/startup.h"

#define ROOT_TEXT                                                                                                      \
    "running-process-broker-v1 refuses to run as root (effective uid 0) by default; set "                              \
    "RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED=1 only for isolated test environments"

static void test_root(void)
{
    static const char *const words[] = {NULL, "", "0", "true", "yes", "11", " 1", "1 "};
    char text[STARTUP_TEXT_MAX];

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        text[0] = 0;
        check_int(startup_check_ids(0, 0, words[i], text), STARTUP_E_REFUSED);
        check_str(text, ROOT_TEXT);
    }
    check_int(startup_check_ids(0, 0, "1", text), 0);
    check_int(startup_check_ids(1000, 1000, NULL, text), 0);
    check_int(startup_check_ids(1000, 1000, "1", text), 0);
}

static void test_mixed_ids(void)
{
    char text[STARTUP_TEXT_MAX];

    check_int(startup_check_ids(1000, 1001, NULL, text), STARTUP_E_REFUSED);
    check(strstr(text, "1000") && strstr(text, "1001"));
    check_int(startup_check_ids(1000, 0, "1", text), STARTUP_E_REFUSED);
    check_int(startup_check_ids(0, 1000, "1", text), STARTUP_E_REFUSED);
    check_int(startup_check_ids(1000, 0, NULL, text), STARTUP_E_REFUSED);
    check_str(text, ROOT_TEXT);
}

static void test_kernel(void)
{
    char text[STARTUP_TEXT_MAX];

    check_int(startup_check_kernel(text), 0); /* what the tests run on is new enough */
    check_int(startup_judge_kernel(-EINVAL, -ENOSYS, text), STARTUP_E_REFUSED);
    check_str(text, "this kernel has no waitid() by pidfd: Linux 5.11 or newer is needed");
    check_int(startup_judge_kernel(-EBADF, -ENOSYS, text), STARTUP_E_REFUSED);
    check_int(startup_judge_kernel(-EBADF, -EINVAL, text), STARTUP_E_REFUSED);
    check_str(text, "this kernel has no close_range() with CLOSE_RANGE_CLOEXEC: Linux 5.11 or newer is needed");
    check_int(startup_judge_kernel(-EBADF, 0, text), 0);
}

/* Runs @body in a child, whose limits and descriptors are its own; its exit status is what it returns. */
static int in_child(int (*body)(void))
{
    int status = -1;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        _exit(body());
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int raise_low_limit(void)
{
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = 300}, now;
    struct startup_limits limits;

    if (setrlimit(RLIMIT_NOFILE, &limit) || startup_set_limits(&limits)) {
        return 1;
    }
    if (limits.nofile.rlim_cur != 100 || limits.nofile.rlim_max != 300 || limits.nofile_now != 300) {
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &now);
    if (now.rlim_cur != 300 || now.rlim_max != 300) {
        return 3;
    }
    getrlimit(RLIMIT_DATA, &now);
#ifndef __SANITIZE_ADDRESS__
    if (now.rlim_cur > (rlim_t)256 << 20 || now.rlim_max != limits.data.rlim_max) {
        return 4;
    }
#endif
    return 0;
}

static int raise_to_8192(void)
{
    struct rlimit limit;
    struct startup_limits limits;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 8192) {
        return 0;
    }
    limit.rlim_cur = 64;
    if (setrlimit(RLIMIT_NOFILE, &limit) || startup_set_limits(&limits)) {
        return 1;
    }
    return limits.nofile_now == 8192 && limits.nofile.rlim_cur == 64 ? 0 : 2;
}

static int keep_high_limit(void)
{
    struct rlimit limit;
    struct startup_limits limits;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max <= 9000) {
        return 0;
    }
    limit.rlim_cur = 9000;
    if (setrlimit(RLIMIT_NOFILE, &limit) || startup_set_limits(&limits)) {
        return 1;
    }
    return limits.nofile_now == 9000 ? 0 : 2;
}

static void test_limits(void)
{
    check_int(in_child(raise_low_limit), 0);
    check_int(in_child(raise_to_8192), 0);
    check_int(in_child(keep_high_limit), 0);
}

static void test_crash_dir(void)
{
    char text[STARTUP_TEXT_MAX], path[300], file[256];
    struct stat st;

    snprintf(path, sizeof(path), "%s/a/b/c", check_tmpdir());
    unsetenv("RUNNING_PROCESS_BROKER_CRASH_DUMP_DIR");
    check_int(startup_make_crash_dir(text), 0);
    setenv("RUNNING_PROCESS_BROKER_CRASH_DUMP_DIR", "", 1);
    check_int(startup_make_crash_dir(text), 0);
    setenv("RUNNING_PROCESS_BROKER_CRASH_DUMP_DIR", path, 1);
    check_int(startup_make_crash_dir(text), 0);
    check(!stat(path, &st) && S_ISDIR(st.st_mode));
    check_int(st.st_mode & 07777, 0700);
    check_int(startup_make_crash_dir(text), 0); /* as good the second time */
    check_fatal(!chmod(path, 0755));
    check_int(startup_make_crash_dir(text), 0);

    snprintf(file, sizeof(file), "%s/file", check_tmpdir());
    check_fatal(close(open(file, O_CREAT | O_CLOEXEC, 0600)) == 0);
    snprintf(path, sizeof(path), "%s/x", file);
    setenv("RUNNING_PROCESS_BROKER_CRASH_DUMP_DIR", path, 1);
    check_int(startup_make_crash_dir(text), STARTUP_E_REFUSED);
    check(strstr(text, "failed to install broker crash dump handler: ") == text);
    setenv("RUNNING_PROCESS_BROKER_CRASH_DUMP_DIR", file, 1);
    check_int(startup_make_crash_dir(text), STARTUP_E_REFUSED);
    unsetenv("RUNNING_PROCESS_BROKER_CRASH_DUMP_DIR");
}

static int close_standard_fds(void)
{
    close(0);
    close(2);
    if (startup_open_standard_fds()) {
        return 1;
    }
    return fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0 ? 0 : 2;
}

static void test_standard_fds(void)
{
    check_int(in_child(close_standard_fds), 0);
}

CHECK_PROGRAM("daemon/startup", {"root is refused, unless the variable is exactly 1", test_root},
              {"real and effective uid must agree", test_mixed_ids}, {"what the kernel must have", test_kernel},
              {"limits are set, and the old ones remembered", test_limits},
              {"the crash directory of the environment", test_crash_dir},
              {"descriptors 0 to 2 are open", test_standard_fds})
