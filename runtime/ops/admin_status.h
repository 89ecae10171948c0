/* SPDX-License-Identifier: MIT */
#pragma once

/* The document of `status --json` (spec 05 §3.2). */

struct admin;
struct admin_facts;

/* The document, from @facts and the backends of @admin; the text is the caller's. 0 or -ENOMEM. */
int admin_status_print(const struct admin *admin, const struct admin_facts *facts, char **ret_text);
