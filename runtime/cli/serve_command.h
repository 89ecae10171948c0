/* SPDX-License-Identifier: MIT */
#pragma once

/* The commands that run a broker (spec 02 §16, decision 13). */

#include "cli/endpoint_choice.h"
#include "cli/options.h"

int serve_command(const struct options *options);
int serve_launch_command(const struct options *options);
int serve_registered_command(const struct options *options);
int serve_once_command(const struct options *options);
