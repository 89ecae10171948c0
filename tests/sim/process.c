/* SPDX-License-Identifier: MIT */

/*
 * Processes: their birth by sys_spawn() (which takes the place of the product's own, fork and exec and all), their end,
 * signals, and what /proc says about them. A process is a record; what it does is done by its actor, which the scenario
 * gives it in sim.on_spawn. The exec is a step of its own, so that everything can happen before it.
 */

#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spawn.h"

enum { EXEC_PIPE = 100 };

static uint64_t bit(int signo)
{
    return UINT64_C(1) << signo;
}

struct sim_proc *k_proc_find(pid_t pid)
{
    for (int i = 0; i < sim.n_procs; i++) {
        if (sim.procs[i]->pid == pid && !sim.procs[i]->is_reaped) {
            return sim.procs[i];
        }
    }
    return NULL;
}

static void give_standard_fds(struct sim_proc *proc)
{
    struct sim_file *null = k_file_new(KIND_NULL, O_RDWR);

    for (int fd = 0; fd <= 2; fd++) {
        proc->fds[fd].file = null;
        null->n_refs++;
    }
}

struct sim_proc *k_proc_new(const char *exe, pid_t ppid)
{
    struct sim_proc *proc = sim_new(sizeof(*proc));

    if (sim.n_procs == SIM_PROCS) {
        sim_fail("too many processes");
        return sim.procs[SIM_PROCS - 1];
    }
    proc->pid = proc->pgid = SIM_PID_FIRST + sim.n_procs;
    proc->ppid = ppid;
    proc->uid = SIM_UID;
    proc->is_alive = true;
    proc->born_nsec = sim.now_nsec;
    proc->nofile = (struct rlimit){.rlim_cur = SIM_FDS, .rlim_max = SIM_FDS};
    proc->data = (struct rlimit){.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    snprintf(proc->exe, sizeof(proc->exe), "%s", exe);
    (void)k_walk(AT_FDCWD, exe, true, &proc->exe_inode, NULL, NULL);
    give_standard_fds(proc);
    sim.procs[sim.n_procs++] = proc;
    return proc;
}

/* ------------------------------------------------------------------------------------------------------------ ends */

static void close_all(struct sim_proc *proc, bool only_cloexec)
{
    for (int fd = 0; fd < SIM_FDS; fd++) {
        struct sim_file *file = proc->fds[fd].file;

        if (file && (!only_cloexec || proc->fds[fd].is_cloexec)) {
            proc->fds[fd] = (struct sim_fd){0};
            k_file_release(file);
        }
    }
}

void k_proc_exit(struct sim_proc *proc, int code, int status)
{
    struct sim_proc *parent;

    if (!proc->is_alive) {
        return;
    }
    proc->is_alive = false;
    proc->exit_code = code;
    proc->exit_status = status;
    proc->died_nsec = sim.now_nsec;
    proc->died_at = ++sim.sequence;
    sim_mix((uint64_t)proc->pid << 8 | (uint64_t)status);
    sim_trace("pid %d ends: %s %d", (int)proc->pid, code == CLD_EXITED ? "status" : "signal", status);
    close_all(proc, false);
    for (int i = 0; i < sim.n_procs; i++) {
        struct sim_proc *child = sim.procs[i];

        if (child->ppid == proc->pid && child != proc) {
            child->ppid = 1;
            child->is_reaped = child->is_reaped || !child->is_alive;
            if (child->dies_with_parent && child->is_alive) {
                k_proc_signal(child, SIGTERM);
            }
        }
    }
    parent = k_proc_find(proc->ppid);
    proc->is_reaped = !parent || !parent->is_alive;
    if (proc == sim.broker && code == CLD_KILLED && sim.on_death) {
        longjmp(*sim.on_death, 1);
    }
}

void k_proc_signal(struct sim_proc *proc, int signo)
{
    if (!proc->is_alive || signo == 0) {
        return;
    }
    if (signo != SIGKILL && proc->ignored & bit(signo)) {
        return;
    }
    if (signo != SIGKILL && proc->blocked & bit(signo)) {
        proc->pending |= bit(signo);
        return;
    }
    if (signo != SIGCHLD) {
        k_proc_exit(proc, CLD_KILLED, signo);
    }
}

/* --------------------------------------------------------------------------------------------------------- /proc */

static struct sim_proc *named(const char *path, const char **ret_rest)
{
    char *rest;
    long pid = strtol(path + 6, &rest, 10);

    *ret_rest = rest;
    return rest == path + 6 ? NULL : k_proc_find((pid_t)pid);
}

struct sim_inode *k_proc_exe(const char *path)
{
    const char *rest;
    struct sim_proc *proc = named(path, &rest);

    return proc && proc->is_alive && !strcmp(rest, "/exe") ? proc->exe_inode : NULL;
}

int k_proc_link(const char *path, char *ret, size_t size)
{
    const char *rest;
    struct sim_proc *proc = named(path, &rest);

    if (!proc || !proc->is_alive || strcmp(rest, "/exe") != 0) {
        return -ENOENT;
    }
    size = strlen(proc->exe) < size ? strlen(proc->exe) : size;
    memcpy(ret, proc->exe, size);
    return (int)size;
}

int k_proc_stat(const char *path, struct stat *ret)
{
    const char *rest;
    struct sim_proc *proc = named(path, &rest);

    if (!proc) {
        return -ENOENT;
    }
    if (!strcmp(rest, "/exe")) {
        if (!proc->is_alive || !proc->exe_inode) {
            return -ENOENT;
        }
        k_fill_stat(proc->exe_inode, ret);
        return 0;
    }
    *ret = (struct stat){.st_mode = S_IFDIR | 0555, .st_uid = proc->uid, .st_gid = proc->uid};
    return 0;
}

int k_proc_file(const char *path, struct sim_file **ret)
{
    const char *rest, *name;
    struct sim_proc *proc = named(path, &rest);
    char text[512];

    if (!proc || strcmp(rest, "/stat") != 0) {
        return -ENOENT;
    }
    name = strrchr(proc->exe, '/');
    snprintf(text, sizeof(text), "%d (%s) %c %d %d %d 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 %llu 1000000 300\n",
             (int)proc->pid, name ? name + 1 : proc->exe, proc->is_alive ? 'S' : 'Z', (int)proc->ppid, (int)proc->pgid,
             (int)proc->pgid, (unsigned long long)(proc->born_nsec / (10 * MSEC)));
    *ret = k_file_new(KIND_TEXT, O_RDONLY);
    (*ret)->text = sim_copy(text);
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- spawning */

static void put(struct sim_proc *child, int number, int fd, bool is_cloexec)
{
    struct sim_file *file = k_file(fd);

    if (file) {
        child->fds[number] = (struct sim_fd){.file = file, .is_cloexec = is_cloexec};
        file->n_refs++;
    }
}

static char *const *copy_env(char *const *env)
{
    char **copy;
    size_t n = 0;

    while (env[n]) {
        n++;
    }
    copy = sim_new((n + 1) * sizeof(*copy));
    for (size_t i = 0; i < n; i++) {
        copy[i] = sim_copy(env[i]);
    }
    return copy;
}

/* The child's side of the exec: 0 and the process runs @path, or the error went through the pipe and it has ended. */
int k_exec(struct sim_proc *proc, const char *path, int error)
{
    struct sim_inode *inode = NULL;
    int r = error ? -error : k_walk(AT_FDCWD, path, true, &inode, NULL, NULL);

    if (r == 0 && !(inode->mode & 0111)) {
        r = -EACCES;
    }
    if (r == 0 && k_is_written(inode)) {
        r = -ETXTBSY;
    }
    if (r < 0) {
        error = -r;
        (void)k_write(EXEC_PIPE, &error, sizeof(error));
        k_proc_exit(proc, CLD_EXITED, 127);
        return r;
    }
    snprintf(proc->exe, sizeof(proc->exe), "%s", path);
    proc->exe_inode = inode;
    proc->has_executed = true;
    proc->blocked = 0;
    close_all(proc, true);
    return 0;
}

static struct sim_proc *make_child(const struct sys_spawn *spawn, int exec_pipe)
{
    struct sim_proc *child = k_proc_new(sim.current->exe, sim.current->pid);

    if (!spawn->new_session) {
        child->pgid = sim.current->pgid;
    }
    child->dies_with_parent = spawn->die_with_parent;
    child->env = copy_env(spawn->envp);
    if (spawn->listener_fd >= 0) {
        put(child, SYS_SPAWN_LISTENER, spawn->listener_fd, false);
    }
    for (size_t i = 0; i < spawn->n_fds; i++) {
        put(child, spawn->fds[i].number, spawn->fds[i].fd, false);
    }
    put(child, EXEC_PIPE, exec_pipe, true);
    if (spawn->nofile) {
        child->nofile = *spawn->nofile;
    }
    return child;
}

int sim_pipe2(int ret_fds[2], int flags);
int sim_close(int fd);

int sys_spawn(const struct sys_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, int *ret_exec_pipe)
{
    struct sim_proc *child;
    struct sim_file *file;
    int fds[2], pidfd, error;

    if (sim_pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        return -errno;
    }
    error = sim_enter(CALL_clone);
    if (error) {
        (void)sim_leave(CALL_clone, -error, spawn->path, 0);
        sim_close(fds[0]);
        sim_close(fds[1]);
        return -error;
    }
    file = k_file_new(KIND_PIDFD, O_RDWR);
    pidfd = k_fd_new(file, true, 0);
    if (pidfd < 0) {
        sim_close(fds[0]);
        sim_close(fds[1]);
        return pidfd;
    }
    child = make_child(spawn, fds[1]);
    file->proc = child;
    (void)sim_leave(CALL_clone, child->pid, spawn->path, pidfd);
    if (sim.on_spawn) {
        sim.on_spawn(child, sim_copy(spawn->path));
    }
    sim_close(fds[1]);
    *ret_pid = child->pid;
    *ret_pidfd = pidfd;
    *ret_exec_pipe = fds[0];
    return 0;
}
