/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The commands about service definitions (spec 02 §9.3, decision 7). Options and operands are those that the table in
 * commands.c gives them; the parser has refused all others. Each writes to options->out and options->err and returns
 * the exit status: 0 done, 1 failed or something is wrong, 2 usage (options_usage_error()).
 */

#include "cli/options.h"

int servicedef_install(const struct options *options);
int servicedef_check(const struct options *options);
int servicedef_compile(const struct options *options);
int servicedef_show(const struct options *options);
int servicedef_fmt(const struct options *options);
int servicedef_list(const struct options *options);
