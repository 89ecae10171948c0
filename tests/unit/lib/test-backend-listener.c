/* SPDX-License-Identifier: MIT */

/* Adopting or binding (spec 03 §15.1): never the one for the other. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "rpb/backend.h"

static char path[108], text[RPB_BACKEND_TEXT_MAX];

static void clean(void)
{
    unsetenv(RPB_ENV_LISTENER_FD);
    unsetenv(RPB_ENV_BACKEND_PIPE);
    snprintf(path, sizeof(path), "%s/b.sock", check_tmpdir());
    unlink(path);
    text[0] = '\0';
}

static int bound(int type, const char *at)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);

    check_fatal(fd >= 0);
    strcpy(address.sun_path, at);
    check_int(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int dial(const char *at)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, at);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -errno;
    }
    return fd;
}

static void name_fd(const char *before, int fd, const char *after)
{
    char value[64];

    snprintf(value, sizeof(value), "%s%d%s", before, fd, after);
    setenv(RPB_ENV_LISTENER_FD, value, 1);
}

static void test_adopt(void)
{
    static const char *const forms[][2] = {{"", ""}, {" ", "\n"}, {"+", ""}, {"\t0", " "}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        int fd, got = -1;

        clean();
        fd = bound(SOCK_STREAM, path);
        check_int(listen(fd, 5), 0);
        name_fd(forms[i][0], fd, forms[i][1]);
        setenv(RPB_ENV_BACKEND_PIPE, path, 1);
        check_int(rpb_backend_listen(NULL, &got, text), 0);
        check_int(got, fd);
        check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        check(fcntl(fd, F_GETFL) & O_NONBLOCK);
        check(getenv(RPB_ENV_LISTENER_FD) == NULL);
        close(fd);
    }
    clean();
}

/* The kernel names the process that listened last. */
static void test_listens_again(void)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int fd, client, got, status;
    pid_t child;

    clean();
    fd = bound(SOCK_STREAM, path);
    child = fork();
    if (child == 0) {
        _exit(listen(fd, 5) != 0);
    }
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
    name_fd("", fd, "");
    check_int(rpb_backend_listen(path, &got, text), 0);
    client = dial(path);
    check_fatal(client >= 0);
    check_int(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
    check_int(peer.pid, getpid());
    close(client);
    close(fd);
    clean();
}

static void test_unusable_variable(void)
{
    static const char *const values[] = {"",   " ", "x", "3x", "-1", "+-1", "1 2", "2147483648", "99999999999999999999",
                                         "0x3"};
    int got = -7;

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        clean();
        setenv(RPB_ENV_LISTENER_FD, values[i], 1);
        check_int(rpb_backend_listen(path, &got, text), -EBADF);
        check(strstr(text, RPB_ENV_LISTENER_FD) != NULL);
        check(getenv(RPB_ENV_LISTENER_FD) == NULL);
        check_int(access(path, F_OK), -1); /* nothing was bound instead */
    }
    check_int(got, -7);
}

static void test_unusable_descriptor(void)
{
    char other[108];
    int pair[2], fd, got;

    clean();
    name_fd("", 1000, "");
    check_int(rpb_backend_listen(path, &got, text), -EBADF);

    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    name_fd("", fd, "");
    check_int(rpb_backend_listen(path, &got, text), -ENOTSOCK);
    close(fd);

    check_int(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    name_fd("", pair[0], "");
    check_int(rpb_backend_listen(path, &got, text), -EPROTOTYPE);
    close(pair[0]);
    close(pair[1]);

    fd = bound(SOCK_STREAM, path); /* does not listen */
    name_fd("", fd, "");
    check_int(rpb_backend_listen(path, &got, text), -EPROTOTYPE);
    close(fd);
    clean();
    fd = bound(SOCK_SEQPACKET, path);
    check_int(listen(fd, 5), 0);
    name_fd("", fd, "");
    check_int(rpb_backend_listen(path, &got, text), -EPROTOTYPE);
    close(fd);

    clean();
    snprintf(other, sizeof(other), "%s/other.sock", check_tmpdir());
    fd = bound(SOCK_STREAM, other);
    check_int(listen(fd, 5), 0);
    name_fd("", fd, "");
    check_int(rpb_backend_listen(path, &got, text), -EADDRNOTAVAIL);
    check(strstr(text, path) != NULL);
    close(fd);
    unlink(other);
    check_int(access(path, F_OK), -1);
}

static void test_bind(void)
{
    struct stat st;
    mode_t old = umask(0);
    int fd = -1, client;

    clean();
    check_int(rpb_backend_listen(path, &fd, text), 0);
    umask(old);
    check_int(lstat(path, &st), 0);
    check_int(st.st_mode & 07777, 0600);
    check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    check(fcntl(fd, F_GETFL) & O_NONBLOCK);
    client = dial(path);
    check(client >= 0);
    close(client);
    close(fd);
    clean();
}

static void test_bind_over(void)
{
    int fd, got = -1, client;
    FILE *file;

    clean();
    fd = bound(SOCK_STREAM, path);
    check_int(listen(fd, 5), 0);
    check_int(rpb_backend_listen(path, &got, text), -EADDRINUSE); /* somebody listens */
    check(strstr(text, path) != NULL);
    client = dial(path);
    check(client >= 0);
    close(client);
    close(fd);
    check_int(rpb_backend_listen(path, &got, text), 0); /* nobody does any more */
    close(got);
    unlink(path);

    file = fopen(path, "we");
    check_fatal(file != NULL);
    fclose(file);
    check_int(rpb_backend_listen(path, &got, text), -EADDRINUSE); /* no socket: not ours to remove */
    check_int(access(path, F_OK), 0);
    clean();
}

static void test_bad_endpoints(void)
{
    char longer[200];
    int got;

    clean();
    setenv(RPB_ENV_LISTENER_FD, "3", 1);
    check_int(rpb_backend_listen(NULL, &got, text), -EINVAL);
    check(getenv(RPB_ENV_LISTENER_FD) == NULL);
    setenv(RPB_ENV_BACKEND_PIPE, "", 1);
    check_int(rpb_backend_listen(NULL, &got, NULL), -EINVAL);
    memset(longer, 'a', 108);
    longer[108] = '\0';
    check_int(rpb_backend_listen(longer, &got, text), -EINVAL);
    check_int(rpb_backend_listen("/nonexistent/directory/b.sock", &got, text), -ENOENT);
    clean();
}

CHECK_PROGRAM("lib/backend-listener", {"the inherited listener is adopted", test_adopt},
              {"listen() is called again", test_listens_again},
              {"a variable that is no number fails, and nothing is bound", test_unusable_variable},
              {"a descriptor of another kind fails, and nothing is bound", test_unusable_descriptor},
              {"without the variable the endpoint is bound", test_bind},
              {"only what a dead process left is bound over", test_bind_over}, {"no endpoint", test_bad_endpoints})
