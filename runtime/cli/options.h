/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The command line: one table of options (here) and one of commands (commands.c) feed the parser, its errors and
 * --help (spec 02 §15, spec 05 §10, decision 20).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Constant, spelling, what its value is called (NULL: a flag), may it be repeated, help. */
#define OPTIONS(X)                                                                                                     \
    X(SOCKET, "--socket", "PATH", false,                                                                               \
      "the broker to talk to (or RUNNING_PROCESS_BROKER_V1_SOCKET); with every command")                               \
    X(JSON, "--json", NULL, false, "JSON on one line")                                                                 \
    X(EFFECTIVE, "--effective", NULL, false, "with where each value comes from")                                       \
    X(LOCAL, "--local", NULL, false, "do not ask a broker: what this command knows by itself")                         \
    X(DEADLINE_MS, "--deadline-ms", "N", false, "how long the broker may drain, in ms (default 10000, at most 60000)") \
    X(INSTANCE, "--instance", "INSTANCE", false, "which broker: shared, private:SERVICE or explicit:NAME")             \
    X(SERVICE, "--service", "NAME", false, "name of the service")                                                      \
    X(VERSION, "--version", "VERSION", false, "version of the service")                                                \
    X(BACKEND_ENDPOINT, "--backend-endpoint", "PATH", false, "socket of the backend")                                  \
    X(HANDOFF_ENDPOINT, "--handoff-endpoint", "PATH", false, "socket that takes handed-over connections")              \
    X(SERVICE_DEF_DIR, "--service-def-dir", "DIR", false, "directory of the service definitions")                      \
    X(MAX_CONNECTIONS, "--max-connections", "N", false, "end after N connections")                                     \
    X(HELLO_RATE_LIMIT, "--hello-rate-limit", "N", false, "Hellos a process and second (default 256, 0: no limit)")    \
    X(BACKEND_LIFETIME, "--backend-lifetime", "WORD", false, "detached (default): backends outlive the broker; bound") \
    X(OUTPUT, "--output", "PATH", false, "where to write")                                                             \
    X(BINARY_PATH, "--binary-path", "PATH", false, "program of the service, absolute")                                 \
    X(MIN_VERSION, "--min-version", "VERSION", false, "lowest version that is served")                                 \
    X(PER_VERSION_BINARY_DIR, "--per-version-binary-dir", "DIR", false, "directory that programs must lie in")         \
    X(ISOLATION, "--isolation", "WORD", false, "private (default), shared or explicit")                                \
    X(EXPLICIT_INSTANCE, "--explicit-instance", "NAME", false, "name of the instance, with --isolation explicit")      \
    X(ALLOW_VERSION, "--allow-version", "VERSION", true, "serve this version and those named likewise, no other")      \
    X(LABEL, "--label", "KEY=VALUE", true, "a note of the operator's")                                                 \
    X(BROKER, "--broker", NULL, false, "the endpoint is a broker's")                                                   \
    X(LANE, "--lane", "N", false, "send a frame with the payload \"conform\" on this lane of the backend too")         \
    X(QUICK, "--quick", NULL, false, "leave out the rules that take seconds")                                          \
    X(WRITE, "--write", NULL, false, "change the files in place")                                                      \
    X(CHECK, "--check", NULL, false, "only say which files would change")

enum option {
#define OPTION_CONSTANT(NAME, spelling, value, repeats, help) OPTION_##NAME,
    OPTIONS(OPTION_CONSTANT)
#undef OPTION_CONSTANT
        OPTION_COUNT
};

#define OPTION_BIT(NAME) (UINT64_C(1) << OPTION_##NAME)

enum { OPTIONS_ARGUMENTS_MAX = 256 };

struct command;

/* One invocation, read and judged by its form; what values mean is up to the command. */
struct options {
    const struct command *command; /* NULL: --help or --version */
    const char *help_topic;        /* with OPTIONS_E_HELP, what options_print_help() takes */
    FILE *out, *err;               /* borrowed */
    const char *operands[OPTIONS_ARGUMENTS_MAX];
    size_t n_operands;
    struct {
        enum option option;
        const char *value; /* "" for a flag */
    } given[OPTIONS_ARGUMENTS_MAX];
    size_t n_given;
};

struct command {
    const char *name;     /* one word or two */
    const char *operands; /* for --help: "FILE..." */
    size_t operands_min, operands_max;
    uint64_t options; /* OPTION_BIT()s; --socket goes with every command */
    const char *help;
    int (*run)(const struct options *options); /* returns the exit status */
};

/* Ends with a command that has no name. */
extern const struct command command_table[];

enum {
    OPTIONS_E_USAGE = 1, /* said on options->err, and the help where the specification wants it: exit 2 */
    OPTIONS_E_HELP,      /* --help */
    OPTIONS_E_VERSION,   /* --version */
};

/*
 * Reads @argv (without the name of the program; ends with NULL). @out and @err are where the command will write;
 * mistakes are told on @err. 0, or OPTIONS_E_*. *@ret_options borrows from @argv.
 */
int options_parse(const char *const *argv, FILE *out, FILE *err, struct options *ret_options);

/* Value of @option, the first one given ("" for a flag); NULL: not given. */
const char *options_get(const struct options *options, enum option option);

/* Value of the @n-th of a repeated @option, from 0; NULL: there are no more. */
const char *options_nth(const struct options *options, enum option option, size_t n);

static inline bool options_has(const struct options *options, enum option option)
{
    return options_get(options, option) != NULL;
}

/* "--service" …; static. */
const char *option_spelling(enum option option);

/* --help, of the command or group of commands ("servicedef") named @topic, NULL: of all of them. */
void options_print_help(FILE *out, const char *topic);

/* Exit statuses (spec 02 §15); a broker's reply may carry others. */
enum {
    EXIT_STATUS_OK = 0,
    EXIT_STATUS_FAILED = 1,
    EXIT_STATUS_USAGE = 2,
};

/* Tells a mistake in the command line on options->err; returns EXIT_STATUS_USAGE. */
int options_usage_error(const struct options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));
