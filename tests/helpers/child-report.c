/* SPDX-License-Identifier: MIT */

/*
 * A child that says how it found itself: one `key=value` line each for its arguments, environment, descriptors,
 * session, signals, directory and limits, written to the descriptor that REPORT_FD names; then it ends, or with STAY
 * set, waits for a signal.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

static void report_fds(FILE *out)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    while ((entry = readdir(dir))) {
        char target[256] = "";
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] == '.' || fd == dirfd(dir)) {
            continue;
        }
        if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) < 0) {
            continue;
        }
        fprintf(out, "fd%d=%.*s cloexec=%d\n", fd, (int)strcspn(target, ":"), target, fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    closedir(dir);
}

static void report_status(FILE *out)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];

    while (fgets(line, sizeof(line), status)) {
        if (strncmp(line, "SigBlk:", 7) == 0 || strncmp(line, "SigIgn:", 7) == 0) {
            fprintf(out, "%.6s=%s", line, line + 8);
        }
    }
    fclose(status);
}

static void report_limit(FILE *out, const char *name, __rlimit_resource_t resource)
{
    struct rlimit limit = {0};

    getrlimit(resource, &limit);
    fprintf(out, "%s=%llu/%llu\n", name, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
}

static void report_listener(FILE *out)
{
    int is_listening = 0;
    socklen_t size = sizeof(is_listening);

    if (getsockopt(3, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) == 0) {
        fprintf(out, "listening=%d\n", is_listening);
    }
}

int main(int argc, char **argv)
{
    const char *number = getenv("REPORT_FD");
    int fd = number ? atoi(number) : -1, death_signal = 0;
    char cwd[256] = "";
    FILE *out;

    if (fd < 0) {
        return 2;
    }
    report_fds(stderr); /* goes to /dev/null: shows that standard error can be written */
    out = fdopen(dup(fd), "we");
    if (!out) {
        return 3;
    }
    for (int i = 0; i < argc; i++) {
        fprintf(out, "arg%d=%s\n", i, argv[i]);
    }
    for (char **variable = environ; *variable; variable++) {
        fprintf(out, "env:%s\n", *variable);
    }
    prctl(PR_GET_PDEATHSIG, &death_signal);
    fprintf(out, "pid=%d\nleads_session=%d\nleads_group=%d\ncwd=%s\ndeath_signal=%d\n", getpid(), getsid(0) == getpid(),
            getpgid(0) == getpid(), getcwd(cwd, sizeof(cwd)) ? cwd : "?", death_signal);
    report_limit(out, "nofile", RLIMIT_NOFILE);
    report_limit(out, "data", RLIMIT_DATA);
    report_status(out);
    report_listener(out);
    fflush(out);
    {
        int report_fd = fileno(out);
        FILE *fds = tmpfile(); /* the list must not show the stream's own descriptor */
        char line[512];

        report_fds(fds);
        rewind(fds);
        while (fgets(line, sizeof(line), fds)) {
            int shown = atoi(line + 2);

            if (shown != report_fd && shown != fileno(fds)) {
                fputs(line, out);
            }
        }
        fclose(fds);
    }
    fprintf(out, "end\n");
    fclose(out);
    close(fd);
    if (getenv("STAY")) {
        pause();
    }
    return 0;
}
