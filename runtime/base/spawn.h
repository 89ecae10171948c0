/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

enum {
    SYS_SPAWN_LISTENER = 3, /* where the child finds the listener */
    SYS_SPAWN_FDS_MAX = 8,  /* further descriptors of one child */
};

/* A descriptor of ours and the number that it has in the child. */
struct sys_spawn_fd {
    int fd;
    int number; /* 3 or more; 4 or more beside a listener; each once */
};

/* The whole recipe of a child. Everything is borrowed. A zeroed recipe with path, argv and envp inherits nothing: set
 * listener_fd to -1 when there is none. */
struct sys_spawn {
    const char *path;  /* absolute; executed as it is, no shell, no PATH */
    char *const *argv; /* NULL-terminated */
    char *const *envp; /* NULL-terminated: the whole environment */
    int listener_fd;   /* -1: none; else the child has it as SYS_SPAWN_LISTENER */
    const struct sys_spawn_fd *fds;
    size_t n_fds;                       /* at most SYS_SPAWN_FDS_MAX */
    bool new_session;                   /* setsid(): its own session and process group */
    bool die_with_parent;               /* SIGTERM when the calling thread ends */
    const struct rlimit *nofile, *data; /* NULL: inherited */
    const char *cwd;                    /* NULL: inherited */
};

/*
 * Starts a child from the calling thread (spec 03 §3.2): standard input, output and error are /dev/null; the
 * descriptors of the recipe have their numbers, every other one is gone after exec; no signal is blocked, all have
 * their default action (see sys_spawn_learn_signals()). Does not wait for the exec: *@ret_exec_pipe (non-blocking,
 * CLOEXEC) reads end of file once it is through, or a 4-byte errno in host order when it, or what leads to it, failed;
 * the child then exits with 127.
 * *@ret_pidfd names the child, which nobody else may reap. All three are the caller's. 0, or a negative errno: no child
 * is left then.
 */
int sys_spawn(const struct sys_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, int *ret_exec_pipe);

/*
 * Looks which signals this process ignores or handles: those are reset in each child. The first sys_spawn() does it by
 * itself; whoever changes the action of a signal later and goes on to spawn says so by this.
 */
void sys_spawn_learn_signals(void);

/*
 * Reads an exec pipe. 0 and *@ret_errno: 0 the exec is through, else the positive errno with which it failed.
 * -EAGAIN: not known yet. Another negative errno: the pipe cannot be read.
 */
int sys_spawn_outcome(int exec_pipe, int *ret_errno);
