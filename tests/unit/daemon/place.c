/* SPDX-License-Identifier: MIT */

/* Places lie side by side in one temporary directory, numbered; what a test looks at, it makes and removes itself. */

#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

void place_fresh(struct place *place)
{
    static int n;

    snprintf(place->directory, sizeof(place->directory), "%s/%d", check_tmpdir(), n++);
    snprintf(place->path, sizeof(place->path), "%s/b.sock", place->directory);
    snprintf(place->lock_path, sizeof(place->lock_path), "%s.lock", place->path);
}

int place_bind(const struct place *place, struct singleton *singleton, char text[SINGLETON_TEXT_MAX])
{
    struct singleton_config config = {.path = place->path, .patience_nsec = 20 * NSEC_PER_MSEC};

    strcpy(text, "");
    return singleton_bind(singleton, &config, text);
}

int place_connect(const char *at)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r;

    strcpy(address.sun_path, at);
    r = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
    close(fd);
    return r;
}

bool place_has(const char *at)
{
    struct stat st;

    return !lstat(at, &st);
}

mode_t place_mode_of(const char *at)
{
    struct stat st;

    return lstat(at, &st) ? 0 : st.st_mode & 07777;
}
