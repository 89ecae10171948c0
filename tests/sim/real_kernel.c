/* SPDX-License-Identifier: MIT */

/*
 * The world's door (sim.h) on the real kernel: every path of the world lies below a root of its own, and what the
 * simulated kernel knows by itself is asked of /proc. Descriptors are this process's own and never block. A process of
 * the world is a real one if it has a pidfd; clients, the operator and the holder of a lock are parts of the driver.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "real.h"

char real_root[32];
bool real_is_backend;

static struct sim_proc *lock_holder;
static int lock_fd = -1;

uint64_t real_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SEC + (uint64_t)now.tv_nsec;
}

static int result(int r)
{
    return r < 0 ? -errno : r;
}

/* --------------------------------------------------------------------------------------------------------- actors */

int real_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

bool real_is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

short k_ready_at(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

bool real_step(struct sim_actor *actor)
{
    sim.now_nsec = real_now();
    if (actor->is_done || !actor->proc->is_alive ||
        (actor->wake_nsec > sim.now_nsec &&
         (actor->wait_fd < 0 || !(k_ready_at(actor->wait_fd) & (actor->wait_events | POLLHUP | POLLERR))))) {
        return false;
    }
    sim.current = actor->proc;
    sim.actor = actor;
    actor->step(actor);
    sim.current = NULL;
    sim.actor = NULL;
    return true;
}

void real_wait(const int *fds, int n_fds, uint64_t deadline_nsec)
{
    struct pollfd polled[SIM_ACTORS + WORLD_BACKENDS + 8];
    struct timespec timeout;
    nfds_t n = 0;

    for (int i = 0; i < sim.n_actors; i++) {
        const struct sim_actor *actor = sim.actors[i];

        if (actor->is_done || !actor->proc->is_alive) {
            continue;
        }
        deadline_nsec = actor->wake_nsec < deadline_nsec ? actor->wake_nsec : deadline_nsec;
        polled[n++] = (struct pollfd){.fd = actor->wait_fd, .events = actor->wait_events};
    }
    for (int i = 0; i < n_fds; i++) {
        polled[n++] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    sim.now_nsec = real_now();
    deadline_nsec = deadline_nsec > sim.now_nsec ? deadline_nsec - sim.now_nsec : 0;
    timeout = (struct timespec){.tv_sec = (time_t)(deadline_nsec / SEC), .tv_nsec = (long)(deadline_nsec % SEC)};
    (void)ppoll(polled, n, deadline_nsec > 3600 * SEC ? NULL : &timeout, NULL);
    sim.now_nsec = real_now();
}

/* ------------------------------------------------------------------------------------------------------ processes */

struct sim_proc *k_proc_new(const char *exe, pid_t ppid)
{
    struct sim_proc *proc = sim_new(sizeof(*proc));

    proc->pid = SIM_PID_FIRST + sim.n_procs++;
    proc->ppid = ppid;
    proc->uid = geteuid();
    proc->is_alive = proc->has_executed = true;
    proc->born_nsec = sim.now_nsec;
    snprintf(proc->exe, sizeof(proc->exe), "%s", exe);
    return proc;
}

void k_proc_exit(struct sim_proc *proc, int code, int status)
{
    if (real_is_backend && code == CLD_EXITED) {
        _exit(status);
    }
    if (real_is_backend) {
        const struct rlimit no_core = {0};

        (void)setrlimit(RLIMIT_CORE, &no_core);
        signal(status, SIG_DFL);
        (void)kill(getpid(), status);
        pause();
    }
    if (proc == lock_holder && lock_fd >= 0) {
        close(lock_fd);
        lock_fd = -1;
    }
    proc->is_alive = false;
    proc->died_nsec = sim.now_nsec;
    proc->died_at = ++sim.sequence;
}

void k_proc_signal(struct sim_proc *proc, int signo)
{
    struct pollfd p = {.fd = proc->pidfd, .events = POLLIN};

    if (!proc->is_alive || proc->pidfd <= 0) {
        return;
    }
    (void)syscall(SYS_pidfd_send_signal, proc->pidfd, signo, NULL, 0);
    if (signo == SIGKILL) {
        (void)poll(&p, 1, 60000); /* to the world a killed process is dead at once */
        k_proc_exit(proc, CLD_KILLED, signo);
    }
}

const uint8_t *k_program(struct sim_proc *proc, size_t *ret_size)
{
    static const uint8_t *bytes;
    static size_t size;
    int fd;
    struct stat st;

    if (!bytes) {
        fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0) {
            perror("/proc/self/exe");
            exit(5);
        }
        size = (size_t)st.st_size;
        bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        close(fd);
        if (bytes == MAP_FAILED) {
            perror("mmap");
            exit(5);
        }
    }
    *ret_size = size;
    return bytes;
}

const char *k_boot_id(void)
{
    static char text[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    close(fd);
    return text;
}

bool k_has_strangers(void)
{
    if (geteuid() != 0) {
        sim_leave_out("a client of another user (only root can be one)");
    }
    return geteuid() == 0;
}

int k_hold_lock(struct sim_proc *holder, const char *path)
{
    lock_holder = holder;
    lock_fd = open(k_path(path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return lock_fd < 0 ? -errno : result(flock(lock_fd, LOCK_EX | LOCK_NB));
}

/* ---------------------------------------------------------------------------------------------------------- files */

const char *k_path(const char *path)
{
    static char paths[4][512];
    static int next;
    static const char runtime[] = "/run/user/1000";
    char *to = paths[next++ % 4];

    if (!strncmp(path, real_root, strlen(real_root))) {
        return path;
    }
    if (!strncmp(path, runtime, strlen(runtime))) { /* a backend's socket needs 83 of the 107 bytes behind it */
        snprintf(to, sizeof(paths[0]), "%s/u%s", real_root, path + strlen(runtime));
    } else {
        snprintf(to, sizeof(paths[0]), "%s%s", real_root, path);
    }
    return to;
}

int k_mkdirs(const char *path)
{
    char level[512];

    snprintf(level, sizeof(level), "%s", k_path(path));
    for (char *slash = strchr(level + strlen(real_root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(level, 0755);
        *slash = '/';
    }
    return result(mkdir(level, 0755));
}

int k_set_mode(const char *path, mode_t mode, uid_t uid)
{
    return result(chmod(k_path(path), mode)); /* and all of it is ours */
}

int k_stat(int dirfd, const char *path, struct stat *ret, bool follow)
{
    return result(fstatat(dirfd, k_path(path), ret, follow ? 0 : AT_SYMLINK_NOFOLLOW));
}

int k_unlinkat(int dirfd, const char *path, int flags)
{
    return result(unlinkat(dirfd, k_path(path), flags));
}

int k_renameat(int from_dirfd, const char *from, int to_dirfd, const char *to)
{
    return result(renameat(from_dirfd, k_path(from), to_dirfd, k_path(to)));
}

static int write_all(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)data + done, size - done);

        if (n < 0) {
            return -errno;
        }
        done += (size_t)n;
    }
    return 0;
}

static int put(const char *path, mode_t mode, const void *data, size_t size, const void *more, size_t more_size)
{
    int fd = open(k_path(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode), r;

    if (fd < 0) {
        return -errno;
    }
    r = write_all(fd, data, size);
    if (r == 0) {
        r = write_all(fd, more, more_size);
    }
    close(fd);
    return r;
}

int k_put_file(const char *path, const void *data, size_t size, mode_t mode)
{
    return put(path, mode, data, size, "", 0);
}

int k_put_program(const char *path, int service, uint32_t build)
{
    struct real_build mark = {.service = (uint32_t)service, .build = build};
    size_t size;
    const uint8_t *bytes = k_program(NULL, &size);

    memcpy(mark.magic, REAL_BUILD_MAGIC, sizeof(mark.magic));
    return put(path, 0755, bytes, size, &mark, sizeof(mark));
}

void k_clear(const char *path)
{
    char top[512], name[800];
    struct dirent *entry;
    DIR *dir;

    snprintf(top, sizeof(top), "%s", k_path(path));
    dir = opendir(top);
    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            snprintf(name, sizeof(name), "%s/%s", top, entry->d_name);
            if (unlink(name) < 0) {
                k_clear(name);
                (void)rmdir(name);
            }
        }
    }
    if (dir) {
        closedir(dir);
    }
}

/* -------------------------------------------------------------------------------------------------------- sockets */

bool k_is_listening(const char *path)
{
    char line[512], *found;
    FILE *table = fopen("/proc/net/unix", "re");
    bool is_found = false;

    path = k_path(path);
    while (table && !is_found && fgets(line, sizeof(line), table)) {
        unsigned int flags = 0;

        line[strcspn(line, "\n")] = '\0';
        found = strchr(line, '/');
        is_found = found && !strcmp(found, path) && sscanf(line, "%*s %*s %*s %x", &flags) == 1 && flags & 0x10000;
    }
    if (table) {
        fclose(table);
    }
    return is_found && access(path, F_OK) == 0;
}

static socklen_t address_of(const char *path, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", k_path(path));
    return sizeof(*ret);
}

int k_socket(int type)
{
    return result(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int k_bind(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t size = address_of(path, &address);

    return result(bind(fd, (const struct sockaddr *)&address, size));
}

int k_listen(int fd, int backlog)
{
    return result(listen(fd, backlog));
}

/* Another user's connection: the kernel notes the effective uid, while root's rights to the directories are kept. */
int k_connect(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t size = address_of(path, &address);
    bool is_stranger = sim.current && sim.current->uid == SIM_STRANGER;
    int r;

    if (is_stranger && seteuid(SIM_STRANGER) == 0) {
        (void)setfsuid(0);
    }
    r = result(connect(fd, (const struct sockaddr *)&address, size));
    if (is_stranger && seteuid(0) < 0) {
        perror("seteuid");
        exit(5);
    }
    return r;
}

int k_accept(int fd, int flags)
{
    return result(accept4(fd, NULL, NULL, flags));
}

long k_recv(int fd, void *data, size_t size, bool peek)
{
    ssize_t n = recv(fd, data, size, MSG_DONTWAIT | (peek ? MSG_PEEK : 0));

    return n < 0 ? -errno : n;
}

long k_send(int fd, const void *data, size_t size)
{
    ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

    return n < 0 ? -errno : n;
}

int k_shutdown(int fd, int how)
{
    return result(shutdown(fd, how));
}

int k_close(int fd)
{
    return result(close(fd));
}
