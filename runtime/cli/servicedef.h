/* SPDX-License-Identifier: MIT */
#pragma once

/* The commands about service definitions: install, check, compile, show, fmt, list (spec 02 §9.3, decision 7). */

/*
 * Runs `servicedef …`: @argv[0] is the subcommand (or @argc is 0). Writes to stdout and stderr; returns the exit status:
 * 0 done, 1 failed or something is wrong, 2 usage.
 */
int cli_servicedef(int argc, char **argv);
