/* SPDX-License-Identifier: MIT */
/*
 * For valgrind, whose releases up to 3.19 answer pidfd_open and pidfd_send_signal with ENOSYS: preloaded, it lets
 * another process make these two calls and hands the descriptor over. RPB_PIDFD_PROXY names that process's socket;
 * without it, and for every other number, the kernel is called as usual. One connection a call; nothing is kept.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

struct request {
    int32_t signo; /* 0: open */
    int32_t pid;
};

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

long syscall(long number, ...);

static long kernel(long number, const long a[6])
{
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = a[3];
    register long r8 __asm__("r8") = a[4];
    register long r9 __asm__("r9") = a[5];

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long result __asm__("x0") = a[0];
    register long x1 __asm__("x1") = a[1];
    register long x2 __asm__("x2") = a[2];
    register long x3 __asm__("x3") = a[3];
    register long x4 __asm__("x4") = a[4];
    register long x5 __asm__("x5") = a[5];

    __asm__ volatile("svc 0" : "+r"(result) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
#else
#error "the system call of this machine is not known here"
#endif
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Sends @request with @pidfd (-1: none); returns the errno of the other side, *@ret the descriptor that came. */
static int ask(const char *path, struct request request, int pidfd, int *ret)
{
    union control out = {0}, in = {0};
    int32_t answer = EIO;
    struct iovec sent = {&request, sizeof(request)}, got = {&answer, sizeof(answer)};
    struct msghdr message = {.msg_iov = &sent, .msg_iovlen = 1};
    struct msghdr reply = {.msg_iov = &got, .msg_iovlen = 1, .msg_control = &in, .msg_controllen = sizeof(in)};
    int fd = dial(path);

    if (fd < 0) {
        return EIO;
    }
    if (pidfd >= 0) {
        message.msg_control = &out;
        message.msg_controllen = sizeof(out);
        out.header.cmsg_level = SOL_SOCKET;
        out.header.cmsg_type = SCM_RIGHTS;
        out.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&out.header), &pidfd, sizeof(int));
    }
    if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0 || recvmsg(fd, &reply, MSG_CMSG_CLOEXEC) <= 0) {
        answer = EIO;
    } else if (ret && answer == 0 && CMSG_FIRSTHDR(&reply)) {
        memcpy(ret, CMSG_DATA(CMSG_FIRSTHDR(&reply)), sizeof(int));
    }
    close(fd);
    return answer;
}

long syscall(long number, ...)
{
    const char *path = getenv("RPB_PIDFD_PROXY");
    int error, fd = -1;
    long a[6];
    va_list arguments;

    va_start(arguments, number);
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(arguments, long);
    }
    va_end(arguments);
    if (!path || (number != SYS_pidfd_open && number != SYS_pidfd_send_signal)) {
        return kernel(number, a);
    }
    if (number == SYS_pidfd_open) {
        error = ask(path, (struct request){.pid = (int32_t)a[0]}, -1, &fd);
    } else {
        error = ask(path, (struct request){.signo = (int32_t)a[1]}, (int)a[0], NULL);
        fd = 0;
    }
    if (error != 0) {
        errno = error;
        return -1;
    }
    return fd;
}
