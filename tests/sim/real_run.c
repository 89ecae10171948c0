/* SPDX-License-Identifier: MIT */

/*
 * One world on the real kernel: a root of its own below /tmp, the daemon's program as a child, and a loop that steps
 * clients and operator by the real clock. What run.c is to the simulation: the same beginning and end, the same second
 * broker where the first could not start. At rest the daemon's descriptors are counted from outside; at its end there
 * are its exit status and its log. Nothing that was started here outlives the world, however it ends.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "real.h"

enum { WORLD_SECONDS = 300, BROKEN_MAX = 3, KILLED_OF = 8 };

static const char *program, *preloaded;
static int log_fds[2] = {-1, -1}; /* a pipe: the trace has each line when it was written */
static char log_bytes[16384];
static size_t n_log_bytes;
static bool is_ready; /* the log has said so */
static bool has_killed;
static volatile sig_atomic_t must_end;

/* ------------------------------------------------------------------------------------------------------------ log */

/* Who removes a socket twice may do so while it is being made again. */
static bool is_fair(const struct world *world, const char *code)
{
    return code && !strcmp(code, "socket-lost") && (world->was_unlinked || world->was_cleaned);
}

static void take_line(const struct world *world, const char *line)
{
    json_t *record = json_loads(line, 0, NULL);
    const char *level = json_string_value(json_object_get(record, "level"));
    const char *code = json_string_value(json_object_get(record, "code"));
    const char *message = json_string_value(json_object_get(record, "msg"));

    is_ready = is_ready || (code && !strcmp(code, "broker-ready"));
    if (level && message) {
        sim_trace("log %s %s: %s", level, code ? code : "-", message);
    } else {
        sim_trace("log %s", line);
    }
    if ((!level || !message) && strstr(line, " failed: ") == NULL) { /* the command line's last word */
        sim_fail("the log has a line that is no record: %s", line);
    } else if (level && !strcmp(level, "error") && !is_fair(world, code)) {
        sim_fail("the log has an error, and nothing had failed: %s", line);
    }
    json_decref(record);
}

static void read_log(const struct world *world)
{
    ssize_t n;

    while ((n = read(log_fds[0], log_bytes + n_log_bytes, sizeof(log_bytes) - 1 - n_log_bytes)) > 0) {
        char *line = log_bytes, *end;

        n_log_bytes += (size_t)n;
        log_bytes[n_log_bytes] = '\0';
        while ((end = strchr(line, '\n'))) {
            *end = '\0';
            take_line(world, line);
            line = end + 1;
        }
        n_log_bytes -= (size_t)(line - log_bytes);
        memmove(log_bytes, line, n_log_bytes);
    }
}

/* ------------------------------------------------------------------------------------------------------ the broker */

/* What a daemon at rest has open at most; a pidfd for each backend besides. */
static struct {
    const char *part; /* of what the descriptor leads to */
    int most, n;
} kept[] = {
    {"/dev/null", 2, 0},    {"pipe:", 2, 0},
    {"socket:", 1, 0},      {"/broker.sock.lock", 1, 0},
    {"/services", 1, 0},    {"/locks", 1, 0},
    {"[signalfd]", 1, 0},   {"inotify", 1, 0},
    {"[eventfd]", 1, 0},    {"[eventpoll]", 1, 0},
    {"[pidfd]", 0, 0},      {"/running-process/broker", 1, 0},
    {"/run/sockets", 1, 0}, {"", 0, 0} /* anything else */,
};
enum { KEPT = sizeof(kept) / sizeof(kept[0]), PIDFDS = 10 };

static void count_fds(char *ret_text, size_t size)
{
    char path[64], name[320], target[256];
    struct dirent *entry;
    DIR *dir;

    for (int i = 0; i < KEPT; i++) {
        kept[i].n = 0;
    }
    *ret_text = '\0';
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)sim.broker->pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        ssize_t n;
        int i = 0;

        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        n = readlink(name, target, sizeof(target) - 1);
        if (n < 0) {
            continue;
        }
        target[n] = '\0';
        while (!strstr(target, kept[i].part)) {
            i++;
        }
        kept[i].n++;
        snprintf(ret_text + strlen(ret_text), size - strlen(ret_text), " %s", target);
    }
    if (dir) {
        closedir(dir);
    }
}

const char *k_rest(struct world *world)
{
    static char text[1200];
    char list[1024];
    bool is_well = true;

    kept[PIDFDS].most = 0;
    for (int i = 0; i < world->n_backends; i++) {
        kept[PIDFDS].most += world->backends[i]->proc->is_alive;
    }
    count_fds(list, sizeof(list));
    for (int i = 0; i < KEPT; i++) {
        is_well = is_well && kept[i].n <= kept[i].most;
    }
    if (is_well) {
        return NULL;
    }
    snprintf(text, sizeof(text), "the broker does not come to rest: with %d live backends it has%s", kept[PIDFDS].most,
             list);
    return text;
}

static char *variable(const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *made = sim_new(size);

    snprintf(made, size, "%s=%s", name, value);
    return made;
}

static void execute(const struct world *world)
{
    const bool is_registered = world->scenario == SCENARIO_REGISTERED;
    char *argv[16], *env[12];
    int n = 0, null = open("/dev/null", O_RDONLY);

    argv[n++] = sim_copy(program);
    argv[n++] = sim_copy(is_registered ? "--serve" : "--serve-launch");
    argv[n++] = sim_copy(world->socket_path);
    argv[n++] = sim_copy("--service-def-dir");
    argv[n++] = sim_copy(k_path(DEFINITIONS));
    if (is_registered) {
        argv[n++] = sim_copy("--service");
        argv[n++] = sim_copy(world_services[0]);
        argv[n++] = sim_copy("--version");
        argv[n++] = sim_copy("1.0.0");
        argv[n++] = sim_copy("--backend-endpoint");
        argv[n++] = sim_copy(k_path(EXTERNAL));
    } else {
        argv[n++] = sim_copy("--backend-lifetime");
        argv[n++] = sim_copy(world->is_bound_lifetime ? "bound" : "detached");
    }
    argv[n] = NULL;
    n = 0;
    env[n++] = variable("XDG_RUNTIME_DIR", k_path("/run/user/1000"));
    env[n++] = variable("HOME", k_path("/home/user"));
    env[n++] = sim_copy("PATH=/usr/local/bin:/usr/bin:/bin");
    env[n++] = sim_copy("RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED=1");
    env[n++] = sim_copy("RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS=8000");
    env[n++] = sim_copy("RP_BROKER_LOG_LEVEL=debug");
    env[n++] = sim_copy("ASAN_OPTIONS=abort_on_error=0:exitcode=99:detect_leaks=1");
    if (preloaded) {
        /* by a name without spaces, which LD_PRELOAD takes for separators; a broker before this one has left it */
        (void)symlink(preloaded, k_path("/record.so"));
        env[n++] = variable("LD_PRELOAD", k_path("/record.so"));
        env[n++] = variable("RPB_SIM_CALLS", k_path("/calls"));
    }
    env[n] = NULL;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null < 0 || dup2(null, 0) < 0 || dup2(log_fds[1], 1) < 0 || dup2(log_fds[1], 2) < 0 || chdir(real_root) < 0) {
        _exit(126);
    }
    (void)close_range(3, ~0u, 0);
    (void)execve(program, argv, env);
    _exit(127);
}

static void start_broker(const struct world *world)
{
    struct sim_proc *broker = k_proc_new("broker", getpid());
    pid_t pid;

    is_ready = false;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execute(world);
    }
    broker->pid = pid;
    broker->pidfd = pid > 0 ? real_pidfd(pid) : -1;
    if (broker->pidfd < 0) {
        sim_fail("the broker cannot be started: %s", strerror(errno));
        broker->is_alive = false;
    }
    sim.broker = broker;
}

/* --------------------------------------------------------------------------------------------------------- the loop */

static void turn(struct world *world, uint64_t deadline_nsec)
{
    int fds[WORLD_BACKENDS + 2], n = 0;
    bool has_stepped = false;

    sim.now_nsec = real_now();
    read_log(world);
    for (int i = 0; i < sim.n_actors; i++) {
        backends_look(world);
        has_stepped = real_step(sim.actors[i]) || has_stepped;
    }
    if (must_end) {
        sim_fail("the world was told to end");
    }
    if (sim.now_nsec > sim.start_nsec + WORLD_SECONDS * SEC) {
        sim_fail("the world has not come to its end within %d s", WORLD_SECONDS);
    }
    if (has_stepped || *sim.failure) {
        return;
    }
    for (int i = 0; i < world->n_backends; i++) {
        if (world->backends[i]->proc->is_alive) {
            fds[n++] = world->backends[i]->proc->pidfd;
        }
    }
    if (sim.broker->is_alive) {
        fds[n++] = sim.broker->pidfd;
    }
    fds[n++] = log_fds[0];
    real_wait(fds, n, deadline_nsec);
}

static bool are_settled(const struct world *world)
{
    for (int i = 0; i < world->n_clients; i++) {
        if (!world->clients[i]->actor->is_done) {
            return false;
        }
    }
    return true;
}

/* Lets the clients see the end of the broker. */
static void settle(struct world *world)
{
    uint64_t deadline = real_now() + 60 * SEC;

    while (!*sim.failure && !are_settled(world) && sim.now_nsec < deadline) {
        turn(world, deadline);
    }
}

/* A child that is to die with the broker was sent its signal, and needs a moment. */
static void settle_children(struct world *world)
{
    uint64_t deadline = real_now() + 20 * SEC;
    bool is_waiting = true;

    while (is_waiting && real_now() < deadline) {
        is_waiting = false;
        backends_look(world);
        for (int i = 0; i < world->n_backends; i++) {
            const struct sim_backend *backend = world->backends[i];

            if (backend->proc->is_alive && backend->proc->ppid == sim.broker->pid &&
                (!backend->has_answered || world->is_bound_lifetime)) {
                real_wait(&backend->proc->pidfd, 1, deadline);
                is_waiting = true;
            }
        }
    }
}

/* By the killer, or by a signal that a daemon would heed and this one had not got as far. */
static bool was_killed(const siginfo_t *info)
{
    bool is_early = !is_ready && (info->si_status == SIGHUP || info->si_status == SIGTERM);

    return info->si_code == CLD_KILLED && (is_early || (has_killed && info->si_status == SIGKILL));
}

static void run_broker(struct world *world)
{
    siginfo_t info = {0};

    start_broker(world);
    while (!*sim.failure && !real_is_readable(sim.broker->pidfd)) {
        turn(world, NEVER);
    }
    if (*sim.failure) {
        k_proc_signal(sim.broker, SIGKILL);
        (void)waitid(P_PID, (id_t)sim.broker->pid, &info, WEXITED);
        return;
    }
    (void)waitid(P_PID, (id_t)sim.broker->pid, &info, WEXITED);
    sim.now_nsec = real_now();
    read_log(world);
    sim_trace("the broker ends: %s %d", info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
    if (was_killed(&info)) {
        k_proc_exit(sim.broker, info.si_code, info.si_status);
        return;
    }
    if (info.si_code != CLD_EXITED || info.si_status > 1) {
        sim_fail("the broker ends by %s %d", info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
    }
    if (world->was_at_rest && sim.now_nsec > world->term_nsec + 10 * SEC) {
        sim_fail("nothing was under way, and SIGTERM took %llu ms",
                 (unsigned long long)((sim.now_nsec - world->term_nsec) / MSEC));
    }
    world->operator->is_done = world->operator->is_done || world->term_nsec;
    k_proc_exit(sim.broker, info.si_code, info.si_status);
    settle_children(world);
    check_after_end(world, info.si_status != 0);
}

/* -------------------------------------------------------------------------------------------------------- the world */

/* Fresh, and with a directory that the path of a socket has room for. */
static bool make_root(void)
{
    strcpy(real_root, "/tmp/sXXXXXX");
    return mkdtemp(real_root) && chmod(real_root, 0755) == 0;
}

static void remove_root(void)
{
    k_clear(real_root);
    (void)rmdir(real_root);
}

static void read_calls(void)
{
    int fd = open(k_path("/calls"), O_RDONLY | O_CLOEXEC);

    if (read(fd, sim.seen, sizeof(sim.seen)) != (ssize_t)sizeof(sim.seen)) {
        sim_fail("the calls are not to be had: %s", strerror(errno));
    }
    close(fd);
}

struct repair {
    const struct world *world;
    int service, fd; /* who writes to the program; -1: it is no program at all */
};

static void repair(struct sim_actor *actor)
{
    struct repair *broken = actor->data;
    char path[64];

    snprintf(path, sizeof(path), "/opt/%s/backend", world_services[broken->service]);
    if (broken->fd >= 0) {
        close(broken->fd);
    } else if (broken->world->builds[broken->service] == 0) {
        (void)k_unlinkat(AT_FDCWD, path, 0);
        (void)k_put_program(path, broken->service, 0);
    }
    sim_trace("the program of %s can be executed from now on", world_services[broken->service]);
    actor->is_done = true;
}

/*
 * No launch can be told beforehand with which error its exec is to fail. Where one of the first is to fail, the
 * programs cannot be executed for the first moments: somebody still writes to them, or what is there is not a program.
 */
static void break_programs(struct world *world, struct real_shared *shared)
{
    enum backend_script first = BACKEND_SCRIPTS;

    for (int i = 0; i < WORLD_BACKENDS; i++) {
        bool is_broken = world->scripts[i] == BACKEND_TEXT_BUSY || world->scripts[i] == BACKEND_NO_EXEC;

        if (is_broken && i < BROKEN_MAX) {
            first = first == BACKEND_SCRIPTS ? world->scripts[i] : first;
        } else if (is_broken) {
            sim_leave_out("an exec that fails at a later launch");
        }
        world->scripts[i] = is_broken ? BACKEND_GOOD : world->scripts[i];
        shared->scripts[i] = world->scenario == SCENARIO_REGISTERED && i == 0 ? shared->scripts[0] : world->scripts[i];
    }
    for (int i = 0; i < WORLD_SERVICES && first != BACKEND_SCRIPTS && world->scenario != SCENARIO_REGISTERED; i++) {
        struct repair *broken = sim_new(sizeof(*broken));
        char path[64];

        snprintf(path, sizeof(path), "/opt/%s/backend", world_services[i]);
        *broken = (struct repair){.world = world, .service = i, .fd = -1};
        if (first == BACKEND_TEXT_BUSY) {
            broken->fd = open(k_path(path), O_WRONLY | O_CLOEXEC);
        } else {
            (void)k_put_file(path, "no program\n", 11, 0755);
        }
        sim_trace("the program of %s cannot be executed: %s", world_services[i],
                  broken->fd >= 0 ? "ETXTBSY" : "ENOEXEC");
        sim_wake_at(sim_add_actor("repair", k_proc_new("", 1), repair, broken), sim.now_nsec + draw_below(SEC));
    }
}

static void on_signal(int signo)
{
    must_end = 1;
}

/* The next broker has to do with what this one leaves. */
static void kill_broker(struct sim_actor *actor)
{
    if (sim.broker->is_alive) {
        has_killed = true;
        sim_trace("the broker is killed");
        k_proc_signal(sim.broker, SIGKILL);
    }
    actor->is_done = true;
}

static void reset(const struct run *run)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    umask(022);

    sim.is_real = true;
    sim.seed = run->seed;
    sim.draws = draw_stream(0);
    sim.now_nsec = sim.start_nsec = real_now();
}

const char *real_run_one(const struct run *run, const char *daemon, const char *recorder, struct world *world)
{
    struct real_shared *shared;

    program = daemon;
    preloaded = recorder;
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    reset(run);
    if (!run->is_calm) {
        sim_leave_out("what the seed does to the kernel itself: errors of calls, cuts of the power, short reads");
    }
    if (!make_root() || !(shared = real_share()) || pipe2(log_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        sim_fail("no world can be made in /tmp: %s", strerror(errno));
        return sim.failure;
    }
    shared->seed = run->seed;
    (void)k_put_file("/calls", sim.seen, sizeof(sim.seen), 0600);
    world_init(world, run->scenario, run->is_calm);
    break_programs(world, shared);
    if (!run->is_calm && draw_chance(1, KILLED_OF)) {
        sim_wake_at(sim_add_actor("killer", k_proc_new("", 1), kill_broker, world), sim.now_nsec + draw_below(SEC));
    }
    run_broker(world);
    for (int restarts = 0; !*sim.failure && !world->term_nsec; restarts++) {
        if (restarts == 3) {
            sim_fail("the broker cannot be started again");
            break;
        }
        settle(world);
        sim.n_faults++;
        run_broker(world);
    }
    settle(world);
    real_end_backends(world);
    read_calls();
    remove_root();
    return *sim.failure ? sim.failure : NULL;
}
