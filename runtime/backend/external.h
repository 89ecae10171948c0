/* SPDX-License-Identifier: MIT */
#pragma once

/* The registration of a backend that somebody else runs, while it is under way. See backends_register_external(). */

struct external;

/* Ends it without a word: only when the broker ends. */
void external_discard(struct external *external);

/* Ends it and tells its owner @error. */
void external_give_up(struct external *external, const char *error);
