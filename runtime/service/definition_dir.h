/* SPDX-License-Identifier: MIT */
#pragma once

/* Where service definitions are (spec 02 §8.1). */

#include <stddef.h>

#define DEFINITION_DIR_VARIABLE "RUNNING_PROCESS_SERVICE_DEF_DIR"
#define DEFINITION_DIR_SIZE 4096u

enum {
    DEFINITION_DIR_E_RELATIVE = 1, /* the variable holds a relative path: a usage error */
    DEFINITION_DIR_E_TOO_LONG,
    DEFINITION_DIR_E_EMPTY, /* the flag's value is empty */
    DEFINITION_DIR_E_LOST,  /* the flag's value is relative, and there is no current directory */
};

/*
 * The directory: @flag (value of --service-def-dir, made absolute; NULL when not given), else the variable, else
 * $XDG_CONFIG_HOME/running-process/services, else ~/.config/running-process/services. Empty values and relative XDG
 * ones count as unset. *@ret_source is the label of spec 02 §9.3 and static. 0 or DEFINITION_DIR_E_*.
 */
int definition_dir_resolve(const char *flag, char ret_dir[DEFINITION_DIR_SIZE], const char **ret_source);

/* The code as a sentence for the operator; static. */
const char *definition_dir_error_text(int code);
