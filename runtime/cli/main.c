/* SPDX-License-Identifier: MIT */

/*
 * The program: arranges the process, reads the command line, runs the command, and is the only place that ends the
 * process on purpose. A command that could not write all of its output has failed.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/sys.h"
#include "cli/options.h"
#include "daemon/startup.h"

static int run(const char *const *argv)
{
    struct options options;

    switch (options_parse(argv, stdout, stderr, &options)) {
    case 0:
        return options.command->run(&options);
    case OPTIONS_E_HELP:
        options_print_help(stdout, options.help_topic);
        return EXIT_STATUS_OK;
    case OPTIONS_E_VERSION:
        puts("running-process-broker-v1 " RPB_VERSION);
        return EXIT_STATUS_OK;
    default:
        return EXIT_STATUS_USAGE;
    }
}

int main(int argc, char **argv)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    char text[STARTUP_TEXT_MAX];
    int status;

    (void)sys_sigaction(SIGPIPE, &ignore, NULL);
    (void)sys_sigaction(SIGXFSZ, &ignore, NULL); /* a log at RLIMIT_FSIZE is a failed write, no death */
    if (startup_open_standard_fds() < 0) {
        exit(EXIT_STATUS_FAILED); /* there is nowhere to say it */
    }
    if (startup_make_crash_dir(text)) {
        fprintf(stderr, "%s\n", text);
        exit(EXIT_STATUS_FAILED);
    }
    log_set_level(LOG_NOTHING); /* commands speak for themselves; a daemon opens the log as its user wants it */
    status = run((const char *const *)(argc > 0 ? argv + 1 : argv));
    if ((fflush(stdout) || ferror(stdout)) && status == EXIT_STATUS_OK) {
        fputs("standard output could not be written\n", stderr);
        status = EXIT_STATUS_FAILED;
    }
    exit(status);
}
