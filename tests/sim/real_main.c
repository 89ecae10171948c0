/* SPDX-License-Identifier: MIT */

/*
 * rpb-sim-real: the simulation's scenarios against the daemon's real program on the real kernel, several worlds side by
 * side, since most of a world's time is spent waiting. Each is a process whose output goes to a file; that of a world
 * in which something did not hold is printed whole, for the real kernel cannot be asked to do the same once more.
 * Copies of this program are the backends of those worlds.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "real.h"

enum { RUNS_MAX = 4096, JOBS_DEFAULT = 12 };

struct job {
    struct run run;
    pid_t pid;
    FILE *output; /* the trace */
    bool has_failed;
    char world[64], failure[256];
};

extern char **environ;

static struct job jobs[RUNS_MAX];
static int n_jobs;
static bool is_quick, prints_trace, prints_outcome, prints_calls;
static const char *daemon_path, *recorder_path;

static struct {
    char text[128];
    int n;
} left_out[16];

/* ------------------------------------------------------------------------------------------------------- one world */

static void live(struct job *job)
{
    static struct world world;
    const char *failure;

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* the world then cleans up */
    if (dup2(fileno(job->output), STDOUT_FILENO) < 0) {
        _exit(5);
    }
    sim.is_tracing = true;
    sim.is_quick = is_quick;
    failure = real_run_one(&job->run, daemon_path, prints_calls ? recorder_path : NULL, &world);
    puts("outcome:");
    if (!failure && job->run.is_calm) {
        outcome_print(&job->run, &world);
        if (prints_calls) {
            outcome_print_calls();
        }
    }
    fflush(stdout);
    _exit(failure != NULL);
}

static bool start(struct job *job)
{
    job->output = tmpfile();
    if (!job->output || fcntl(fileno(job->output), F_SETFD, FD_CLOEXEC) < 0) {
        perror("tmpfile");
        return false;
    }
    fflush(stdout);
    job->pid = fork();
    if (job->pid == 0) {
        live(job);
    }
    return job->pid > 0;
}

/* --------------------------------------------------------------------------------------------------------- reports */

static void note_left_out(const char *text)
{
    size_t i = 0;

    while (i < 15 && left_out[i].n && strcmp(left_out[i].text, text) != 0) {
        i++;
    }
    snprintf(left_out[i].text, sizeof(left_out[i].text), "%.120s", text);
    left_out[i].n++;
}

/* One line of a world's output. */
static void take_line(struct job *job, char *line, bool *is_outcome)
{
    const char *broken = strstr(line, "BROKEN: ");

    if (!strncmp(line, "left out: ", 10)) {
        line[strcspn(line, "\n")] = '\0';
        note_left_out(line + 10);
        return;
    }
    if (!strcmp(line, "outcome:\n")) {
        *is_outcome = true;
        return;
    }
    if (broken && !*job->failure) {
        snprintf(job->failure, sizeof(job->failure), "%.250s", broken + 8);
        job->failure[strcspn(job->failure, "\n")] = '\0';
    }
    if (*is_outcome ? prints_outcome : prints_trace || job->has_failed) {
        fputs(line, stdout);
    }
}

static void report(struct job *job)
{
    bool is_outcome = false;
    char line[8192];

    snprintf(job->world, sizeof(job->world), "--seed %llu", (unsigned long long)job->run.seed);
    if (job->run.is_calm) {
        snprintf(job->world, sizeof(job->world), "--calm %d:%llu", job->run.scenario,
                 (unsigned long long)job->run.seed);
    }
    if (job->has_failed) {
        printf("the trace of %s, scenario %d, which failed:\n", job->world, job->run.scenario);
    }
    rewind(job->output);
    while (fgets(line, sizeof(line), job->output)) {
        take_line(job, line, &is_outcome);
    }
    if (prints_trace && !job->has_failed) {
        printf("%s, scenario %d: all held\n", job->world, job->run.scenario);
    }
}

/* What the last lines of a long output must say. */
static void sum_up(int n_failed)
{
    for (int i = 0; i < 16 && left_out[i].n && !prints_outcome; i++) {
        printf("left out in %d of %d worlds: %s\n", left_out[i].n, n_jobs, left_out[i].text);
    }
    for (int i = 0; i < n_jobs; i++) {
        if (jobs[i].has_failed) {
            printf("FAILED on the real kernel: %s\n    the same world again: rpb-sim-real %s --trace\n",
                   *jobs[i].failure ? jobs[i].failure : "the world crashed", jobs[i].world);
        }
    }
    if (!prints_outcome) {
        printf("%d passed, %d failed\n", n_jobs - n_failed, n_failed);
    }
    fflush(stdout);
}

static int make_runs(int n_at_once)
{
    int n_started = 0, n_done = 0, n_failed = 0;

    while (n_done < n_jobs) {
        int status;
        pid_t pid;

        while (n_started < n_jobs && n_started - n_done < n_at_once) {
            if (!start(&jobs[n_started++])) {
                return 1;
            }
        }
        pid = wait(&status);
        if (pid < 0) {
            perror("wait");
            return 1;
        }
        for (int i = 0; i < n_started; i++) {
            if (jobs[i].pid == pid) {
                jobs[i].has_failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
                n_failed += jobs[i].has_failed;
                n_done++;
            }
        }
    }
    for (int i = 0; i < n_jobs; i++) {
        report(&jobs[i]);
    }
    sum_up(n_failed);
    return n_failed != 0 || n_jobs == 0;
}

/* ---------------------------------------------------------------------------------------------------- command line */

static void add(const struct run *run)
{
    if (n_jobs == RUNS_MAX) {
        fprintf(stderr, "rpb-sim-real: more than %d worlds\n", RUNS_MAX);
        exit(2);
    }
    jobs[n_jobs++].run = *run;
}

static void add_calm(const char *text)
{
    char *end;
    struct run run = {.scenario = (enum scenario)strtoul(text, &end, 10), .is_calm = true};

    run.seed = *end == ':' ? strtoull(end + 1, NULL, 10) : 1;
    add(&run);
}

static void add_seed(uint64_t seed)
{
    const struct run run = {.seed = seed, .scenario = run_scenario(seed)};

    add(&run);
}

static const char *beside(const char *own, const char *name)
{
    size_t size = strlen(own) + strlen(name) + 1;
    char *path = sim_new(size);

    snprintf(path, size, "%.*s%s", (int)(strrchr(own, '/') - own), own, name);
    return path;
}

int main(int argc, char **argv)
{
    char own[4096] = "";
    int n_at_once = JOBS_DEFAULT;

    if (readlink("/proc/self/exe", own, sizeof(own) - 1) > 0 && strstr(own, "/opt/") &&
        (getenv("RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE") || getenv("RPB_SIM_EXTERNAL"))) {
        real_backend_main(own, environ);
    }
    daemon_path = beside(own, "/../running-process-broker-v1");
    recorder_path = beside(own, "/record.so");
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!strcmp(argv[i], "--trace")) {
            prints_trace = true;
        } else if (!strcmp(argv[i], "--outcome")) {
            prints_outcome = true;
        } else if (!strcmp(argv[i], "--quick")) {
            is_quick = true;
        } else if (!strcmp(argv[i], "--calls")) {
            prints_calls = true;
        } else if (value && !strcmp(argv[i], "--calm")) {
            add_calm(argv[++i]);
        } else if (value && !strcmp(argv[i], "--seed")) {
            add_seed(strtoull(argv[++i], NULL, 10));
        } else if (value && !strcmp(argv[i], "--count")) {
            for (unsigned long seed = 1, count = strtoul(argv[++i], NULL, 10); seed <= count; seed++) {
                add_seed(seed);
            }
        } else if (value && !strcmp(argv[i], "--daemon")) {
            daemon_path = argv[++i];
        } else if (value && !strcmp(argv[i], "--jobs")) {
            n_at_once = atoi(argv[++i]);
        } else {
            fputs("usage: rpb-sim-real [--calm SCENARIO[:SEED]]… [--seed N]… [--count N] [--jobs N] [--quick] "
                  "[--daemon PATH] [--trace] [--outcome [--calls]]\n",
                  stderr);
            return 2;
        }
    }
    return make_runs(n_at_once);
}
