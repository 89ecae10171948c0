/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "cli/client.h"
#include "cli/options.h"
#include "service/instance.h"
#include "wire/message.h"

/* `hello SERVICE VERSION [--json]`: one Hello, the outcome in words or JSON; 0 negotiated, 1 refused (decision 20). */
int hello_command(const struct options *options);

/* Prints the outcome of @reply as the command does; returns its exit status. */
int hello_print(const struct options *options, const HelloReply *reply);

/*
 * The instance of @service by its definition; shared when there is none that could tell, or when the user has named a
 * socket and it does not matter. 0, or the exit status.
 */
int hello_find_instance(const struct options *options, const char *service, struct instance_id *ret_instance);

/* One Hello for @service in @version to the broker at @path. 0 and the reply in @arena; CLIENT_E_* and a text; -ENOMEM. */
int hello_ask_at(const char *path, const char *service, const char *version, struct arena *arena,
                 const HelloReply **ret_reply, char text[CLIENT_TEXT_MAX]);
