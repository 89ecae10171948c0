/* SPDX-License-Identifier: MIT */

/*
 * Preloaded into the daemon's real program: notes which of the calls of calls.def it makes, on the loop's thread and on
 * others, in the file that RPB_SIM_CALLS names, from daemon_run()'s first call on: waitid(), by which it asks whether
 * the kernel is one that it can work on. Each wrapper passes six words on as they came, whatever they are; the headers
 * that know better are therefore not included.
 */

typedef unsigned char flag;
typedef long (*function)(long, long, long, long, long, long);

extern void *dlsym(void *handle, const char *name);
extern char *getenv(const char *name);
extern unsigned long pthread_self(void);

#define NEXT ((void *)-1L)
enum { READ_WRITE = 2, PROTECTION = 3, SHARED = 1, CLONE_NUMBER = __NR_clone };

enum call {
#define SIM_CALL(name, ...) CALL_##name,
#define SIM_TAKE(name)
#include "../calls.def"
#undef SIM_CALL
    CALL_COUNT
};

static function next[CALL_COUNT];
static const char *const names[CALL_COUNT] = {
#define SIM_CALL(name, ...) [CALL_##name] = #name,
#include "../calls.def"
#undef SIM_CALL
};

static flag *seen; /* CALL_COUNT of the loop's thread, and as many of the others; NULL: nothing is noted */
static unsigned long loop_thread;
static flag has_begun;

__attribute__((constructor)) static void begin(void)
{
    function open_file = (function)dlsym(NEXT, "open"), map = (function)dlsym(NEXT, "mmap");
    const char *path = getenv("RPB_SIM_CALLS");
    long fd, mapped;

    for (int i = 0; i < CALL_COUNT; i++) {
        next[i] = (function)dlsym(NEXT, names[i]);
    }
    loop_thread = pthread_self();
    fd = path ? open_file((long)path, READ_WRITE, 0, 0, 0, 0) : -1;
    if ((int)fd >= 0) {
        mapped = map(0, 2 * CALL_COUNT, PROTECTION, SHARED, fd, 0);
        seen = mapped == -1 ? (flag *)0 : (flag *)mapped;
        (void)next[CALL_close](fd, 0, 0, 0, 0, 0);
    }
}

static void note(enum call call)
{
    has_begun = has_begun || call == CALL_waitid;
    if (seen && has_begun) {
        seen[(pthread_self() == loop_thread ? 0 : CALL_COUNT) + (int)call] = 1;
    }
}

/* The child of a fork is not the daemon, and its raw clone() is one. */
static long pass(enum call call, long a, long b, long c, long d, long e, long f)
{
    int is_fork = call == CALL_syscall && a == CLONE_NUMBER;
    long result;

    note(is_fork ? CALL_clone : call);
    result = next[call](a, b, c, d, e, f);
    if (is_fork && result == 0) {
        seen = (flag *)0;
    }
    return result;
}

#define SIM_CALL(name, ...)                                                                                            \
    long name(long a, long b, long c, long d, long e, long f);                                                         \
    long name(long a, long b, long c, long d, long e, long f)                                                          \
    {                                                                                                                  \
        return pass(CALL_##name, a, b, c, d, e, f);                                                                    \
    }
#include "../calls.def"
#undef SIM_CALL

/* What some of them are called where the size of the buffer is known to the compiler. */
#define CHECKED(alias, name)                                                                                           \
    long alias(long a, long b, long c, long d, long e, long f);                                                        \
    long alias(long a, long b, long c, long d, long e, long f)                                                         \
    {                                                                                                                  \
        static function real;                                                                                          \
        real = real ? real : (function)dlsym(NEXT, #alias);                                                            \
        note(CALL_##name);                                                                                             \
        return real(a, b, c, d, e, f);                                                                                 \
    }
CHECKED(__read_chk, read)
CHECKED(__pread_chk, pread)
CHECKED(__recv_chk, recv)
CHECKED(__poll_chk, poll)
CHECKED(__ppoll_chk, ppoll)
CHECKED(__readlinkat_chk, readlinkat)
CHECKED(__realpath_chk, realpath)
CHECKED(__openat_2, openat)
