/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/options.h"
#include "wire/message.h"

/* `hello SERVICE VERSION [--json]`: one Hello, the outcome in words or JSON; 0 negotiated, 1 refused (decision 20). */
int hello_command(const struct options *options);

/* Prints the outcome of @reply as the command does; returns its exit status. */
int hello_print(const struct options *options, const HelloReply *reply);
