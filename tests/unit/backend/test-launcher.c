/* SPDX-License-Identifier: MIT */

#include "backend/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/blake3sum.h"
#include "check.h"

static const struct launch_known nothing_known;

static void write_program(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    check_fatal(fd >= 0);
    check_int(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    check_int(fchmod(fd, mode), 0);
    close(fd);
}

static void check_refusal(const char *binary, const char *root, int r, const char *text)
{
    struct launch_binary resolved = {.fd = -1};
    char got[LAUNCHER_TEXT_MAX] = "";

    check_int(launcher_resolve(binary, root, &nothing_known, &resolved, got), r);
    check_str(got, text);
    check_int(resolved.fd, -1);
}

static void test_resolves(void)
{
    char dir[512], path[600], link_path[600], text[LAUNCHER_TEXT_MAX];
    struct launch_binary binary = {.fd = -1};
    struct launch_known known = {0};
    uint8_t hash[32];

    snprintf(dir, sizeof(dir), "%s/root", check_tmpdir());
    check_int(mkdir(dir, 0700), 0);
    snprintf(path, sizeof(path), "%s/program", dir);
    snprintf(link_path, sizeof(link_path), "%s-link", dir);
    write_program(path, "abc", 0755);
    check_int(symlink(path, link_path), 0);
    check_int(launcher_resolve(link_path, dir, &nothing_known, &binary, text), 0);
    check_str(binary.path, path);
    blake3_sum("abc", 3, hash);
    check_mem(binary.hash, hash, 32);
    check_int(fcntl(binary.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    /* what is known of this very file is believed, of any other it is not */
    known.is_known = true;
    known.identity = binary.identity;
    memset(known.hash, 7, 32);
    launch_binary_deinit(&binary);
    launch_binary_deinit(&binary);
    check_int(launcher_resolve(path, path, &known, &binary, text), 0); /* a root that is the binary itself */
    check_mem(binary.hash, known.hash, 32);
    launch_binary_deinit(&binary);
    check_int(launcher_recognize(path, dir, &known, &binary, text), 0);
    check_mem(binary.hash, known.hash, 32);
    launch_binary_deinit(&binary);
    known.identity.ctime_nsec++;
    check_int(launcher_recognize(path, dir, &known, &binary, text), LAUNCHER_E_UNKNOWN);
    check_int(binary.fd, -1);
    check(binary.path == NULL);
    check_int(launcher_recognize(path, dir, &nothing_known, &binary, text), LAUNCHER_E_UNKNOWN);
    check_int(launcher_resolve(path, "/", &known, &binary, text), 0);
    check_mem(binary.hash, hash, 32);
    launch_binary_deinit(&binary);
}

static void test_refusals(void)
{
    char dir[300], other[300], path[400], text[1024];
    const char *tmp = check_tmpdir();

    snprintf(dir, sizeof(dir), "%s/a", tmp);
    snprintf(other, sizeof(other), "%s/ab", tmp);
    check_int(mkdir(dir, 0700), 0);
    check_int(mkdir(other, 0700), 0);
    snprintf(path, sizeof(path), "%s/x", other);
    write_program(path, "abc", 0755);

    check_refusal("", dir, -EINVAL, "backend binary_path is empty");
    check_refusal(path, "", -EINVAL, "backend per_version_binary_dir is empty");
    check_refusal("/does/not/exist", dir, -ENOENT,
                  "backend binary_path /does/not/exist could not be canonicalized: "
                  "No such file or directory (os error 2)");
    check_refusal(path, "/does/not/exist", -ENOENT,
                  "backend per_version_binary_dir /does/not/exist could not be canonicalized: "
                  "No such file or directory (os error 2)");
    snprintf(text, sizeof(text), "backend binary %s is outside per-version root %s", path, dir);
    check_refusal(path, dir, -EACCES, text);
    snprintf(text, sizeof(text), "backend binary %s is not a regular file", other);
    check_refusal(other, tmp, -EACCES, text);
    check_int(chmod(path, 0644), 0);
    snprintf(text, sizeof(text), "backend binary %s is not executable", path);
    check_refusal(path, other, -EACCES, text);
    check_int(chmod(path, 0757), 0);
    snprintf(text, sizeof(text),
             "backend binary %s (owner %u, group %u, mode 0757) may be changed by others than its user", path, getuid(),
             getgid());
    check_refusal(path, other, -EPERM, text);
    check_int(chmod(path, 0775), 0); /* umask 002 and the user's own group */
    check_int(chmod(other, 0777), 0);
    snprintf(text, sizeof(text),
             "backend per-version root %s (owner %u, group %u, mode 0777) may be changed by others than its user",
             other, getuid(), getgid());
    check_refusal(path, other, -EPERM, text);
    check_int(chmod(other, 0700), 0);
}

static void test_mode_rule(void)
{
    /* owner, group, mode; user 1000 with primary group 100 */
    check(launcher_mode_is_safe(1000, 100, 0755, 1000, 100));
    check(launcher_mode_is_safe(0, 0, 0755, 1000, 100));
    check(launcher_mode_is_safe(1000, 100, 0775, 1000, 100));
    check(!launcher_mode_is_safe(1000, 101, 0775, 1000, 100));
    check(!launcher_mode_is_safe(0, 100, 0775, 1000, 100));
    check(!launcher_mode_is_safe(0, 0, 0775, 1000, 100));
    check(!launcher_mode_is_safe(1000, 100, 0757, 1000, 100));
    check(!launcher_mode_is_safe(1001, 100, 0700, 1000, 100));
}

static void test_containment(void)
{
    check(launcher_is_under("/opt/a/x", "/opt/a"));
    check(launcher_is_under("/opt/a", "/opt/a"));
    check(launcher_is_under("/opt/a/x", "/"));
    check(!launcher_is_under("/opt/ab/x", "/opt/a"));
    check(!launcher_is_under("/opt", "/opt/a"));
}

static const char *value_of(char **env, const char *name)
{
    const char *value = NULL;
    int n = 0;

    for (; *env; env++) {
        if (strncmp(*env, name, strlen(name)) == 0 && (*env)[strlen(name)] == '=') {
            value = *env + strlen(name) + 1;
            n++;
        }
    }
    check(n <= 1);
    return value;
}

static char *from_broker[] = {
    (char[]){"LANG=C"},
    (char[]){"LC_ALL=C.UTF-8"},
    (char[]){"TZ=UTC"},
    (char[]){"TMPDIR=/var/tmp"},
    (char[]){"XDG_RUNTIME_DIR=/run/user/7"},
    (char[]){"XDG_CONFIG_HOME=/x"},
    (char[]){"HOME=/broker"},
    (char[]){"LANGUAGE=de"},
    (char[]){"RUNNING_PROCESS_BROKER_V1_SESSION_TOKEN=secret"},
    (char[]){"RUNNING_PROCESS_BROKER_LISTENER_FD=9"},
    (char[]){"RUNNING_PROCESS_IS_DAEMON=0"},
    (char[]){
        "NOTIFY_SOCKET=/run/notify"}, /* what a service manager tells its service is not for the service's children */
    (char[]){"WATCHDOG_USEC=1"},
    (char[]){"LISTEN_FDS=1"},
    NULL,
};

static void test_environment(void)
{
    struct child_baseline baseline;
    struct child_facts facts = {
        .service = "svc",
        .version = "1.2.3",
        .path = "/run/x.sock",
        .instance = "private:svc",
        .traceparent = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        .tracestate = SLICE("a=b"),
        .listener_fd = 3,
    };
    char **env = NULL;

    check_int(child_baseline_make(&baseline, "anna", "/home/anna", "/bin/zsh", from_broker), 0);
    check_int(child_env_make(&baseline, &facts, &env), 0);
    check_str(value_of(env, "USER"), "anna");
    check_str(value_of(env, "LOGNAME"), "anna");
    check_str(value_of(env, "HOME"), "/home/anna");
    check_str(value_of(env, "SHELL"), "/bin/zsh");
    check_str(value_of(env, "PATH"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    check_str(value_of(env, "LANG"), "C");
    check_str(value_of(env, "LC_ALL"), "C.UTF-8");
    check_str(value_of(env, "TZ"), "UTC");
    check_str(value_of(env, "TMPDIR"), "/var/tmp");
    check_str(value_of(env, "XDG_RUNTIME_DIR"), "/run/user/7");
    check(value_of(env, "XDG_CONFIG_HOME") == NULL);
    check(value_of(env, "LANGUAGE") == NULL);
    check(value_of(env, "RUNNING_PROCESS_BROKER_V1_SESSION_TOKEN") == NULL);
    check_str(value_of(env, "RUNNING_PROCESS_BROKER_V1_SERVICE_NAME"), "svc");
    check_str(value_of(env, "RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION"), "1.2.3");
    check_str(value_of(env, "RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE"), "/run/x.sock");
    check_str(value_of(env, "RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE"), "private:svc");
    check_str(value_of(env, "RUNNING_PROCESS_BROKER_V1_INSTANCE"), "private:svc");
    check_str(value_of(env, "RUNNING_PROCESS_BROKER_V1_TRACEPARENT"),
              "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    check_str(value_of(env, "RUNNING_PROCESS_BROKER_V1_TRACESTATE"), "a=b");
    check_str(value_of(env, "RUNNING_PROCESS_BROKER_LISTENER_FD"), "3");
    check_str(value_of(env, "RUNNING_PROCESS_IS_DAEMON"), "1");
    free(env);

    facts.traceparent = SLICE("00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    facts.tracestate = SLICE("a=\x01");
    facts.listener_fd = -1;
    check_int(child_env_make(&baseline, &facts, &env), 0);
    check(value_of(env, "RUNNING_PROCESS_BROKER_V1_TRACEPARENT") == NULL);
    check(value_of(env, "RUNNING_PROCESS_BROKER_V1_TRACESTATE") == NULL);
    check(value_of(env, "RUNNING_PROCESS_BROKER_LISTENER_FD") == NULL);
    free(env);
    child_baseline_deinit(&baseline);
    child_baseline_deinit(&baseline);
}

static void test_environment_without_a_user(void)
{
    struct child_baseline baseline;
    struct child_facts facts = {
        .service = "s", .version = "1.0.0", .path = "/x", .instance = "shared", .listener_fd = -1};
    char **env = NULL;

    check_int(child_baseline_make(&baseline, "", "", NULL, from_broker), 0);
    check_int(child_env_make(&baseline, &facts, &env), 0);
    check_str(value_of(env, "HOME"), "/broker");
    check_str(value_of(env, "XDG_CONFIG_HOME"), "/x");
    check(value_of(env, "RUNNING_PROCESS_BROKER_LISTENER_FD") == NULL); /* not our own, though all else passes */
    check(value_of(env, "RUNNING_PROCESS_BROKER_V1_SESSION_TOKEN") == NULL);
    check_str(value_of(env, "RUNNING_PROCESS_IS_DAEMON"), "1");
    check(value_of(env, "NOTIFY_SOCKET") == NULL);
    check(value_of(env, "WATCHDOG_USEC") == NULL);
    check(value_of(env, "LISTEN_FDS") == NULL);
    free(env);
    child_baseline_deinit(&baseline);
    check_int(child_baseline_init(&baseline), 0);
    check(baseline.n > 0);
    child_baseline_deinit(&baseline);
}

static void test_bind(void)
{
    struct socket_identity identity = {0}, again = {0};
    char path[108], too_long[200];
    struct stat st;
    int fd = -1, other = -1, value = 0;
    mode_t mask = umask(0);

    snprintf(path, sizeof(path), "%s/s.sock", check_tmpdir());
    check_int(launcher_bind(path, &fd, &identity), 0);
    umask(mask);
    check_int(lstat(path, &st), 0);
    check_int(st.st_mode & 07777, 0600);
    check(st.st_ino == identity.ino);
    check_int(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    check_int(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &(socklen_t){sizeof(value)}), 0);
    check_int(value, 1);
    check_int(launcher_bind(path, &other, &again), -EADDRINUSE);
    check_int(other, -1);
    check_int(lstat(path, &st), 0); /* what was there stays */
    again = identity;
    again.ino++;
    check(!socket_unlink_if(path, &again));
    check(!socket_unlink_if(path, &(struct socket_identity){0}));
    check(socket_unlink_if(path, &identity));
    check(lstat(path, &st) < 0);
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[0] = '/';
    too_long[sizeof(too_long) - 1] = '\0';
    check_int(launcher_bind(too_long, &other, &again), -ENAMETOOLONG);
    check_int(launcher_bind("/does/not/exist", &other, &again), -ENOENT);
    close(fd);
}

CHECK_PROGRAM("backend/launcher", {"resolves, opens and hashes", test_resolves}, {"refuses in order", test_refusals},
              {"who may be able to write", test_mode_rule}, {"under a root, by component", test_containment},
              {"the environment of a child", test_environment},
              {"without a usable passwd entry", test_environment_without_a_user},
              {"binds at 0600, unlinks only its own", test_bind})
