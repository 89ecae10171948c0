/* SPDX-License-Identifier: MIT */

/*
 * What atomic_file_write() promises, at every call of it: the writer is killed or the power is cut there, or the call
 * fails, and the file is the old one or the new one, whole; once it has said 0, it is the new one whatever comes.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/atomic_file.h"
#include "run.h"

#define OLD_TEXT "the old text"
#define NEW_TEXT "a new text that is longer than the old one"

enum { CUTS = 24 }; /* a cut leaves this or that, by the dice */

enum damage {
    DAMAGE_NONE,
    DAMAGE_KILL,
    DAMAGE_CUT,
};

static const char *read_file(char *text, size_t size)
{
    int fd = k_openat(AT_FDCWD, "/d/file", O_RDONLY, 0);
    long n = fd < 0 ? 0 : k_read(fd, text, size - 1);

    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0) {
        (void)k_close(fd);
    }
    return text;
}

static void sync_path(const char *path)
{
    int fd = k_openat(AT_FDCWD, path, O_RDONLY, 0);

    (void)k_fsync(fd);
    (void)k_close(fd);
}

static void make_disk(void)
{
    (void)k_mkdir("/d", 0700);
    (void)k_put_file("/d/file", OLD_TEXT, strlen(OLD_TEXT), 0600);
    sync_path("/d/file");
    sync_path("/d");
    sync_path("/");
}

/* The writer's result; 1 when it did not live to see it. */
static int write_it(void)
{
    struct sim_proc *reader = sim.current;
    jmp_buf death;
    int dirfd, r;

    sim.broker = sim.current = k_proc_new("/bin/writer", 1);
    sim.on_death = &death;
    if (setjmp(death)) {
        r = 1;
    } else {
        dirfd = k_openat(AT_FDCWD, "/d", O_RDONLY | O_DIRECTORY, 0);
        sim.is_faulty = true;
        r = atomic_file_write(dirfd, "file", NEW_TEXT, strlen(NEW_TEXT), 0600, true);
    }
    sim.on_death = NULL;
    sim.is_faulty = false;
    sim.broker = NULL;
    sim.current = reader;
    return r;
}

static bool try_one(uint64_t seed, const struct sim_plan *plan, enum damage damage, uint64_t *ret_calls)
{
    char text[128];
    bool is_old, is_new;
    int r;

    sim_reset(seed, plan);
    sim.current = k_proc_new("/bin/reader", 1);
    make_disk();
    r = write_it();
    *ret_calls = sim.n_calls;
    if (damage == DAMAGE_CUT) {
        k_power_cut();
    }
    (void)read_file(text, sizeof(text));
    is_old = !strcmp(text, OLD_TEXT);
    is_new = !strcmp(text, NEW_TEXT);
    if ((r == 0 && is_new) || (r != 0 && (is_old || is_new))) {
        return true;
    }
    printf("FAILED atomic file: seed %llu, killed at %llu, failed at %llu with %d, damage %d: result %d and \"%s\"\n",
           (unsigned long long)seed, (unsigned long long)plan->kill_at, (unsigned long long)plan->fault_at,
           plan->fault_errno, damage, r, text);
    return false;
}

uint64_t durable_sweep(uint64_t *ret_failed)
{
    const struct sim_plan calm = {0};
    uint64_t n_calls, unused, done = 0, failed = !try_one(1, &calm, DAMAGE_NONE, &n_calls);

    for (uint64_t at = 1; at <= n_calls + 1; at++) { /* the last one: everything was done, then the power goes */
        const struct sim_plan kill = {.kill_at = at};

        failed += !try_one(1, &kill, DAMAGE_KILL, &unused);
        done++;
        for (uint64_t seed = 1; seed <= CUTS; seed++, done++) {
            failed += !try_one(seed, &kill, DAMAGE_CUT, &unused);
        }
        for (int call = 0; call < CALL_COUNT; call++) {
            for (const int *error = sim_call_errnos((enum sim_call)call); *error; error++, done++) {
                const struct sim_plan fault = {.fault_at = at, .fault_errno = *error};

                failed += !try_one(1, &fault, DAMAGE_NONE, &unused);
            }
        }
    }
    *ret_failed = failed;
    return done;
}
