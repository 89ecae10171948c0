/* SPDX-License-Identifier: MIT */
/*
 * Finds the directory of service definitions from the command line and the environment, once a program. Nothing is
 * opened or created.
 */
#include "service/definition_dir.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/env.h"
#include "base/fs.h"
#include "base/sys.h"

__attribute__((format(printf, 2, 3))) static int set_dir(char ret_dir[DEFINITION_DIR_SIZE], const char *format, ...)
{
    char dir[DEFINITION_DIR_SIZE];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(dir, sizeof(dir), format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof(dir))
        return DEFINITION_DIR_E_TOO_LONG;
    memcpy(ret_dir, dir, (size_t)size + 1);
    return 0;
}

/* Home directory of the user: the variable, else the password file, else the place for temporary files. */
static int home_dir(char ret_dir[DEFINITION_DIR_SIZE])
{
    const char *home = env_get("HOME");
    struct passwd entry, *found = NULL;
    char strings[4096];

    if (home)
        return set_dir(ret_dir, "%s", home);
    if (sys_getpwuid_r(sys_getuid(), &entry, strings, sizeof(strings), &found) == 0 && found &&
        found->pw_dir[0] != '\0')
        return set_dir(ret_dir, "%s", found->pw_dir);
    home = env_get("TMPDIR");
    return set_dir(ret_dir, "%s", home ? home : "/tmp");
}

/* What the command line says; a relative path is that from the directory in which the program was started. */
static int flag_dir(const char *flag, char ret_dir[DEFINITION_DIR_SIZE])
{
    _cleanup_free_ char *here = NULL;

    if (flag[0] == '/')
        return set_dir(ret_dir, "%s", flag);
    if (flag[0] == '\0')
        return DEFINITION_DIR_E_EMPTY;
    if (sys_realpath(".", &here) < 0 || !here)
        return DEFINITION_DIR_E_LOST;
    return set_dir(ret_dir, "%s%s%s", here, fs_joint(here), flag);
}

int definition_dir_resolve(const char *flag, char ret_dir[DEFINITION_DIR_SIZE], const char **ret_source)
{
    const char *variable = env_get(DEFINITION_DIR_VARIABLE);
    const char *config = env_get("XDG_CONFIG_HOME");
    char home[DEFINITION_DIR_SIZE];
    int r;

    if (flag) {
        r = flag_dir(flag, ret_dir);
        *ret_source = "flag:--service-def-dir";
    } else if (variable && variable[0] != '/') {
        return DEFINITION_DIR_E_RELATIVE;
    } else if (variable) {
        r = set_dir(ret_dir, "%s", variable);
        *ret_source = "env:" DEFINITION_DIR_VARIABLE;
    } else if (config && config[0] == '/') {
        r = set_dir(ret_dir, "%s%srunning-process/services", config, fs_joint(config));
        *ret_source = "platform-default";
    } else {
        r = home_dir(home);
        if (r == 0)
            r = set_dir(ret_dir, "%s%s.config/running-process/services", home, fs_joint(home));
        *ret_source = "platform-default";
    }
    return r;
}

const char *definition_dir_error_text(int code)
{
    switch (code) {
    case DEFINITION_DIR_E_RELATIVE:
        return DEFINITION_DIR_VARIABLE " is a relative path; it must be absolute";
    case DEFINITION_DIR_E_EMPTY:
        return "--service-def-dir must not be empty";
    case DEFINITION_DIR_E_LOST:
        return "--service-def-dir is a relative path, and the current directory cannot be found; give an absolute one";
    case DEFINITION_DIR_E_TOO_LONG:
        return "the path of the service-definition directory is too long";
    default:
        return "";
    }
}
