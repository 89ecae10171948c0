/* SPDX-License-Identifier: MIT */

/* A file that has no end to speak of is given up by the clock, which here goes as fast as the test wants. */

#include "base/blake3sum.h"
#include "check.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

static unsigned int n_asked, seconds_a_call;

/* In place of the library's: each call is that much later than the last. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    ret->tv_sec += (time_t)(n_asked++ * seconds_a_call);
    return r;
}

static void test_without_end(void)
{
    _cleanup_close_ int fd = memfd_create("endless", MFD_CLOEXEC);
    uint8_t hash[BLAKE3_SIZE];

    check_fatal(fd >= 0 && ftruncate(fd, (off_t)1 << 40) == 0);
    n_asked = 0;
    seconds_a_call = 1;
    check_int(blake3_sum_fd(fd, hash), -ETIMEDOUT);
    check_int(n_asked, BLAKE3_LIMIT_S + 1);
    check_fatal(ftruncate(fd, 1 << 20) == 0);
    check_int(blake3_sum_fd(fd, hash), 0);
    seconds_a_call = 0;
}

CHECK_PROGRAM("base/blake3sum", {"a file without end is given up", test_without_end})
