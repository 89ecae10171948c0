/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A kernel of our own, for one thread and one process: clock, processes, descriptors, sockets, files, and a seeded
 * scheduler. The product's objects are linked against it by renaming the calls of calls.def to sim_NAME; the wrappers
 * of base/sys.h, with their repeated interrupted calls, stay what they are. Inside, every call has a k_NAME() that
 * works for sim.current and returns a result or a negative errno; scripted peers use those and never meet a fault.
 */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#define MSEC UINT64_C(1000000)
#define SEC UINT64_C(1000000000)
#define NEVER UINT64_MAX

enum {
    SIM_FDS = 256,    /* descriptors of a process */
    SIM_PROCS = 4096, /* in one run */
    SIM_ACTORS = 96,
    SIM_THREADS = 16,
    SIM_UID = 1000,
    SIM_STRANGER = 1001, /* another user */
    SIM_PID_FIRST = 1000,
};

enum sim_call {
#define SIM_CALL(name, ...) CALL_##name,
#define SIM_TAKE(name)
#include "calls.def"
#undef SIM_CALL
#undef SIM_TAKE
    CALL_COUNT
};

/* ---------------------------------------------------------------------------------------------------- the objects */

struct world;
struct sim_inode;
struct sim_socket;
struct sim_proc;

struct sim_dirent {
    char name[256];
    struct sim_inode *inode;
    struct sim_dirent *next;
};

struct sim_inode {
    ino_t ino;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    nlink_t n_links;
    struct timespec mtime, ctime;
    struct sim_inode *parent; /* of a directory */
    struct sim_dirent *entries;
    uint8_t *data; /* of a file; of a link its target */
    size_t size, capacity;
    struct sim_socket *socket; /* bound here */
    struct sim_file *lock;     /* who holds flock() */
    struct sim_notice *notices;
    /* what a power cut leaves */
    bool is_synced;
    struct sim_dirent *synced_entries;
    uint8_t *synced_data;
    size_t synced_size;
    struct sim_inode *next; /* of all */
};

enum sim_kind {
    KIND_FILE,
    KIND_DIR,
    KIND_SOCKET,
    KIND_PIPE_READ,
    KIND_PIPE_WRITE,
    KIND_EVENT,
    KIND_SIGNAL,
    KIND_PIDFD,
    KIND_EPOLL,
    KIND_NULL,
    KIND_LOG,
    KIND_TEXT, /* a file of /proc */
    KIND_INOTIFY,
};

struct sim_watch {
    int fd;
    struct sim_file *file;
    struct epoll_event event;
    struct sim_watch *next;
};

/* One watch of an inotify descriptor. */
struct sim_notice {
    struct sim_file *file;
    uint32_t mask, seen; /* what is asked for, what has happened and was not read */
    int number;
    struct sim_notice *next; /* of the inode */
};

struct sim_pipe {
    uint8_t bytes[64];
    size_t size;
    int n_readers, n_writers;
};

/* An open file description. */
struct sim_file {
    enum sim_kind kind;
    int n_refs;
    int flags; /* O_NONBLOCK, access mode */
    struct sim_inode *inode;
    uint64_t offset;
    struct sim_socket *socket;
    struct sim_pipe *pipe;
    uint64_t count; /* of an eventfd */
    uint64_t signals;
    struct sim_proc *proc; /* of a pidfd, of a signalfd */
    struct sim_watch *watches;
    char *text;
    struct sim_notice *notices[8]; /* of an inotify descriptor */
    int n_notices;
};

enum sim_socket_state {
    SOCKET_NEW,
    SOCKET_LISTENING,
    SOCKET_CONNECTED,
    SOCKET_CLOSED,
};

struct sim_socket {
    enum sim_socket_state state;
    int type;
    mode_t mode;
    struct sim_inode *inode; /* bound at */
    struct sim_socket *peer;
    struct ucred cred;      /* who listens, who connected */
    struct ucred peer_cred; /* for SO_PEERCRED */
    bool is_read_shut, is_write_shut, has_dialled;
    int error;
    uint8_t *bytes; /* what was sent to us */
    size_t size, capacity, start;
    struct sim_socket *queue; /* of a listener: not accepted yet */
    struct sim_socket *next;
    int n_queued, backlog;
};

struct sim_fd {
    struct sim_file *file;
    bool is_cloexec;
};

struct sim_proc {
    pid_t pid, ppid, pgid;
    uid_t uid;
    bool is_alive, is_reaped, has_executed, dies_with_parent;
    int exit_code; /* CLD_EXITED or CLD_KILLED */
    int exit_status;
    uint64_t born_nsec, died_nsec;
    uint64_t died_at; /* sim.sequence */
    char exe[256];
    struct sim_inode *exe_inode;
    struct sim_fd fds[SIM_FDS];
    uint64_t blocked, pending, ignored; /* signals, bit signo */
    struct rlimit nofile, data;
    char *const *env; /* as it was given */
    struct sim_actor *actor;
    int pidfd; /* on the real kernel, of a process that is not ours alone; 0: none */
};

/* A scripted process (or several actors of one): a state machine that the scheduler steps. */
struct sim_actor {
    const char *name;
    struct sim_proc *proc;
    uint64_t wake_nsec; /* runs from here on */
    int wait_fd;        /* or when this is ready; -1: none */
    short wait_events;
    void (*step)(struct sim_actor *actor);
    void *data;
    bool is_done;
    uint64_t random; /* its dice */
};

/* ------------------------------------------------------------------------------------------------------ the run */

/* How a run is disturbed; zeroed: not at all. */
struct sim_plan {
    uint64_t fault_at;                /* this call of the broker … */
    int fault_errno;                  /* … fails like this */
    uint64_t memory_at;               /* this allocation fails, */
    bool memory_for_ever;             /* and all that follow */
    uint64_t kill_at;                 /* the broker is killed at this call */
    uint32_t fault_rate, memory_rate; /* in 65536: random ones */
    uint32_t n_faults_max;
    uint32_t lasting_rate; /* in 1024: a fault stays for 5 s */
    uint32_t preempt_rate; /* in 1024: others run before a call */
    uint32_t short_rate;   /* in 1024: a read or write gets through in part */
    uint32_t slow_rate;    /* in 1024: a job of the worker rests for up to 12 s at a call */
    uint32_t delay_rate;   /* in 1024: others run although the broker could */
    uint32_t starve_rate;  /* in 1024: and for up to 100 ms */
    uint32_t clock_rate;   /* in 1024: somebody sets the time of day, up to a day forth or back, before a call */
    size_t socket_buffer;  /* bytes towards who dialled, 0: 16384 */
    rlim_t nofile;         /* descriptors of the broker, 0: SIM_FDS */
    bool is_power_cut;     /* with kill_at: the disk loses what was not synced */
    bool is_log_full;      /* standard error takes nothing */
};

struct sim {
    uint64_t seed, random, draws; /* the scheduler's dice, the world's */
    uint64_t now_nsec, start_nsec;
    uint64_t unix_nsec; /* the time of day when the machine was started */
    struct sim_plan plan;
    struct sim_proc *current; /* whose calls these are */
    struct sim_actor *actor;  /* whose step it is; NULL: nobody's */
    struct sim_proc *broker;  /* the process that runs the product's code; NULL: none */
    struct sim_proc *procs[SIM_PROCS];
    int n_procs;
    struct sim_actor *actors[SIM_ACTORS];
    int n_actors;
    struct sim_inode *root, *inodes;
    ino_t last_ino;
    bool is_faulty;                  /* faults may happen now */
    uint64_t n_calls, n_allocations; /* of the broker since the faults were allowed */
    uint64_t n_calls_total;
    uint32_t n_faults;
    uint64_t slow_until_nsec; /* the worker's longest rest so far ends */
    enum sim_call fault_call; /* the last fault */
    int lasting_errno;        /* with which fault_call fails until lasting_nsec; 0: none does */
    uint64_t lasting_nsec;
    uint64_t hash;     /* of all that happened */
    uint64_t sequence; /* orders what happens at one moment */
    uint64_t live_blocks;
    bool is_tracing, is_real; /* is_real: this is the real kernel, and its time passes by itself */
    bool is_quick;            /* and what takes long there is not waited for */
    jmp_buf *on_death;        /* of the broker */
    void (*on_spawn)(struct sim_proc *proc, const char *path); /* gives a new process its actor */
    char failure[512];                                         /* the first broken invariant */
    uint8_t seen[2][CALL_COUNT]; /* the calls that were made, on the loop's thread and on others */
    enum sim_call calls[4096];   /* the first calls, for the sweep */
};

extern struct sim sim;

/* Forgets everything and begins anew. */
void sim_reset(uint64_t seed, const struct sim_plan *plan);

/* Zeroed memory that lives until the next reset. */
void *sim_new(size_t size);
char *sim_copy(const char *text);
void sim_forget(void); /* the reset, of the memory */

/* The time of day, which others may set. */
uint64_t sim_unix_nsec(void);

/* The scheduler's dice: who goes next, what gets through, what fails. */
uint64_t sim_random(void);
uint64_t sim_below(uint64_t n); /* 0 … n - 1 */
bool sim_chance(uint32_t rate, uint32_t of);

/* The world's dice, of the actor whose step it is, or of the world itself: what is done, on whichever kernel. */
uint64_t draw_random(void);
uint64_t draw_below(uint64_t n);
bool draw_chance(uint32_t rate, uint32_t of);
uint64_t draw_stream(uint64_t number); /* the beginning of dice of one's own */

/* Notes that an invariant is broken; the first counts. */
__attribute__((format(printf, 1, 2))) void sim_fail(const char *format, ...);
/* One line of the readable trace. */
__attribute__((format(printf, 1, 2))) void sim_trace(const char *format, ...);
/* Says, once a world, that something of the scenario is not done on the real kernel. */
void sim_leave_out(const char *what);
void sim_mix(uint64_t value);

/* The beginning and the end of a call of the product: 0 or the errno that it is to fail with; the C library's result.
 */
int sim_enter(enum sim_call call);
int sim_enter_safely(enum sim_call call); /* here it cannot fail: 0 */
long sim_leave(enum sim_call call, long result, const char *what, long argument);
const char *sim_call_name(enum sim_call call);
const int *sim_call_errnos(enum sim_call call); /* ended by 0 */

/* ------------------------------------------------------------------------------------------------ the scheduler */

struct sim_actor *sim_add_actor(const char *name, struct sim_proc *proc, void (*step)(struct sim_actor *), void *data);
/* Lets one of those run that can. False: nobody can. */
bool sim_run_one(void);
/* Lets the others run until @is_ready, or the time has come. False: the time. */
bool sim_block(bool (*is_ready)(void *argument), void *argument, uint64_t deadline_nsec);
void sim_wake_at(struct sim_actor *actor, uint64_t nsec);
void sim_wait_for(struct sim_actor *actor, int fd, short events, uint64_t deadline_nsec);

/* thread.c: threads of the broker */
bool sim_in_thread(void);
void sim_thread_yield(void);
void sim_thread_sleep(uint64_t nsec);
int sim_threads_runnable(int *ret_indices);
void sim_thread_run(int index);
uint64_t sim_threads_next(void); /* when one that rests can run; NEVER */
int sim_threads_alive(void);
void sim_threads_forget(void);

/* heap.c */
void sim_heap_reset(void); /* frees what is live */
void sim_heap_begin(void);

/* ------------------------------------------------------------------------------------------------- the kernel */

/*
 * The door of the scripted world: with what follows up to the next rule, client.c, backend.c, operator.c and check.c
 * work, and real_*.c implement exactly this on the real kernel. The linker sees to it that it stays narrow.
 */
struct sim_proc *k_proc_new(const char *exe, pid_t ppid);
void k_proc_exit(struct sim_proc *proc, int code, int status);
void k_proc_signal(struct sim_proc *proc, int signo);              /* after SIGKILL it is dead */
const uint8_t *k_program(struct sim_proc *proc, size_t *ret_size); /* the bytes of the file that it runs */
const char *k_boot_id(void);
bool k_has_strangers(void); /* there can be processes of SIM_STRANGER */
int k_hold_lock(struct sim_proc *holder, const char *path);
const char *k_rest(struct world *world); /* of the broker, when nothing is under way; NULL: all is well */

const char *k_path(const char *path); /* where the world's @path really is; static for four calls */
int k_mkdirs(const char *path);
int k_set_mode(const char *path, mode_t mode, uid_t uid);
int k_stat(int dirfd, const char *path, struct stat *ret, bool follow);
int k_unlinkat(int dirfd, const char *path, int flags);
int k_renameat(int from_dirfd, const char *from, int to_dirfd, const char *to);
int k_put_file(const char *path, const void *data, size_t size, mode_t mode); /* in place, or anew */
int k_put_program(const char *path, int service, uint32_t build);             /* likewise, one that is a backend */
void k_clear(const char *path);                                               /* nothing is left below */
bool k_is_listening(const char *path);

int k_socket(int type);
int k_bind(int fd, const char *path);
int k_listen(int fd, int backlog);
int k_connect(int fd, const char *path);
int k_accept(int fd, int flags);
long k_recv(int fd, void *data, size_t size, bool peek);
long k_send(int fd, const void *data, size_t size);
int k_shutdown(int fd, int how);
int k_close(int fd);
short k_ready_at(int fd); /* POLL… that hold now */

/* ------------------------------------------------------------------------ the simulated kernel's own */

struct sim_proc *k_proc_find(pid_t pid);
int k_exec(struct sim_proc *proc, const char *path, int error); /* as the process itself */

int k_fd_new(struct sim_file *file, bool is_cloexec, int lowest);
struct sim_file *k_file_new(enum sim_kind kind, int flags);
struct sim_file *k_file(int fd);
struct sim_file *k_file_of(struct sim_proc *proc, int fd);
void k_file_release(struct sim_file *file);
int k_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int k_epoll_wait(int epoll_fd, struct epoll_event *ret_events, int n);
short k_ready(struct sim_file *file); /* POLL… that hold now */
long k_read(int fd, void *data, size_t size);
long k_write(int fd, const void *data, size_t size);
int k_count_fds(struct sim_proc *proc);

struct sim_inode *k_inode_new(mode_t mode);
/* The inode at @path; @ret_parent and @ret_name (256 bytes) where it is or would be. 0 or a negative errno. */
int k_walk(int dirfd, const char *path, bool follow, struct sim_inode **ret, struct sim_inode **ret_parent,
           char *ret_name);
int k_openat(int dirfd, const char *path, int flags, mode_t mode);
int k_mkdir(const char *path, mode_t mode);
int k_mkdirat(int dirfd, const char *path, mode_t mode);
int k_linkat(int from_dirfd, const char *from, int to_dirfd, const char *to);
int k_symlinkat(const char *target, int dirfd, const char *path);
int k_fsync(int fd);
bool k_is_written(const struct sim_inode *inode);
int k_flock(int fd, int operation);
void k_inode_link(struct sim_inode *dir, const char *name, struct sim_inode *inode);
void k_touch(struct sim_inode *inode, bool is_content);
void k_notify(struct sim_inode *inode, uint32_t what);
int k_inotify_add(int fd, const char *path, uint32_t mask);
long k_inotify_read(struct sim_file *file, void *data, size_t size);
void k_power_cut(void);
struct sim_inode *k_proc_exe(const char *path); /* what /proc/PID/exe leads to; NULL: it is something else */
int k_proc_file(const char *path, struct sim_file **ret);
int k_proc_link(const char *path, char *ret, size_t size);
int k_proc_stat(const char *path, struct stat *ret);
void k_fill_stat(const struct sim_inode *inode, struct stat *ret);

void k_socket_close(struct sim_socket *socket);
short k_socket_ready(const struct sim_socket *socket);
int k_peercred(int fd, struct ucred *ret);
