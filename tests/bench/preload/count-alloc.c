/* SPDX-License-Identifier: MIT */
/*
 * Counts heap allocations of the program that it is preloaded into: malloc, calloc and realloc each add one to a
 * counter in the file that RPB_BENCH_COUNTS names (eight bytes, mapped), so that an observer reads it while the program
 * runs. The work is passed on to the C library unchanged. Frees are not counted.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static uint64_t before_mapping;
static uint64_t *counter = &before_mapping;

__attribute__((constructor)) static void map_counter(void)
{
    const char *path = getenv("RPB_BENCH_COUNTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *page;

    if (fd < 0) {
        return;
    }
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED) {
        counter = page;
    }
}

static void count(void)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    count();
    return __libc_realloc(old, size);
}
