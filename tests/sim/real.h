/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The scripted world on the real kernel (rpb-sim-real). One process a world, the driver: it steps clients and operator,
 * the same sources as in the simulation, against the daemon's real program. Backends that the daemon launches are this
 * program too, copied to where their definition says; they find their script in a file that the driver maps.
 */

#include "run.h"

/* One launched process, in the mapped file. */
struct real_record {
    bool is_there; /* the rest may be read */
    pid_t pid, ppid;
    uint32_t build;
    enum backend_script script;
    char path[WORLD_PATH], service[32], version[32], instance[64];
    struct sim_backend backend; /* its own; of interest to the driver: was_asked, has_answered */
};

struct real_shared {
    uint64_t seed;
    int n_records; /* given out, from 0 on */
    bool is_over;  /* who starts now ends at once */
    enum backend_script scripts[WORLD_BACKENDS];
    char failure[512];
    struct real_record records[WORLD_BACKENDS];
};

/* What is appended to a copy of this program to make another build of it. */
struct real_build {
    char magic[8];
    uint32_t service, build;
};
#define REAL_BUILD_MAGIC "rpbbuild"

/* ------------------------------------------------------------------------------------------------ real_kernel.c */

extern char real_root[32]; /* everything of the world lies below; "" before there is one */
extern bool real_is_backend;

uint64_t real_now(void);
int real_pidfd(pid_t pid);
bool real_is_readable(int fd);
/* True: the actor was stepped. */
bool real_step(struct sim_actor *actor);
/* Waits until one of the actors can go on, one of @fds (-1: none) is readable, or the time has come. */
void real_wait(const int *fds, int n_fds, uint64_t deadline_nsec);

/* ----------------------------------------------------------------------------------------------- real_backend.c */

struct real_shared *real_share(void); /* makes or maps the file; NULL: the world is gone */
/* The life of a launched program; does not return. */
void real_backend_main(const char *exe, char *const *env);
/* Ends every one that still lives, and waits for it. */
void real_end_backends(struct world *world);

/* --------------------------------------------------------------------------------------------------- real_run.c */

/*
 * NULL: all held; else what did not. @daemon: its program; @recorder: preload/record.c, which then fills sim.seen;
 * NULL: nothing is recorded.
 */
const char *real_run_one(const struct run *run, const char *daemon, const char *recorder, struct world *world);
