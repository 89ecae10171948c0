/* SPDX-License-Identifier: MIT */

/*
 * Nothing here sleeps or blocks. The directory is the only thing that outlives an input.
 */

#include "fuzz/ground.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

enum { DESCRIPTORS_MAX = 64 };

uint64_t ground_now_nsec = NSEC_PER_SEC;
static uint64_t unix_base_nsec, base_nsec; /* the wall clock stands at the first when now is the second */
static char dir[] = "/tmp/rpb-fuzz-XXXXXX";
static bool has_dir;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    uint64_t nsec = clock == CLOCK_REALTIME ? unix_base_nsec + (ground_now_nsec - base_nsec) : ground_now_nsec;

    ret->tv_sec = (time_t)(nsec / NSEC_PER_SEC);
    ret->tv_nsec = (long)(nsec % NSEC_PER_SEC);
    return 0;
}

void ground_set_unix_time(uint64_t unix_nsec)
{
    unix_base_nsec = unix_nsec;
    base_nsec = ground_now_nsec;
}

static void remove_all(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command) != 0) {
        fprintf(stderr, "%s stays\n", dir);
    }
}

void ground_path(const char *name, char ret[GROUND_PATH_SIZE])
{
    if (!has_dir) {
        MUST(mkdtemp(dir) != NULL);
        has_dir = true;
        atexit(remove_all);
    }
    snprintf(ret, GROUND_PATH_SIZE, "%s/%s", dir, name);
}

int ground_listen(const char *path, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    MUST(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    MUST(listen(fd, backlog) == 0);
    return fd;
}

unsigned ground_descriptors(void)
{
    struct pollfd polls[DESCRIPTORS_MAX];
    unsigned n = 0;

    for (int i = 0; i < DESCRIPTORS_MAX; i++) {
        polls[i] = (struct pollfd){.fd = i};
    }
    MUST(poll(polls, DESCRIPTORS_MAX, 0) >= 0);
    for (int i = 0; i < DESCRIPTORS_MAX; i++) {
        n += !(polls[i].revents & POLLNVAL);
    }
    return n;
}

void ground_turn_away(int fd)
{
    int other;

    while ((other = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        close(other);
    }
}

int ground_crowd(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    MUST(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    (void)connect(fd, (struct sockaddr *)&address, sizeof(address));
    return fd;
}

int ground_accept(int fd)
{
    for (;;) {
        struct sockaddr_un address;
        socklen_t size = sizeof(address);
        int accepted = accept4(fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC);

        if (accepted < 0 || size <= sizeof(sa_family_t)) {
            return accepted;
        }
        close(accepted); /* it has a name, as no client gives itself one */
    }
}
