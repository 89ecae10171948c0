/* SPDX-License-Identifier: MIT */
#pragma once

#include "daemon/broker.h"

/*
 * The registered mode's start (spec 02 §16 steps 1-7, decision 12): definition, version policy, instance, then the
 * backend at the endpoint is proved and registered; the loop runs meanwhile. Sets the broker's name to the instance.
 * 0 (also when a signal ended it: broker->is_interrupted), DAEMON_E_FAILED with the text, or a negative errno.
 */
int registered_start(struct broker *broker, char ret_text[DAEMON_TEXT_MAX]);
