/* SPDX-License-Identifier: MIT */

/*
 * A backend starts in the environment of a fresh login, not in the broker's: what happened to be set where the broker
 * was started must not decide how a service runs. The baseline is made once, because looking a user up may block; each
 * launch adds its own variables, which are never in the baseline. Values from a client (the trace context) enter only
 * in their proper shape. Values are never logged.
 */

#include "backend/launcher.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/sys.h"
#include "wire/text.h"

enum {
    PASSWD_TEXT_MIN = 1024,
    PASSWD_TEXT_MAX = 1024 * 1024,
};

extern char **environ;

static bool passes(const char *variable)
{
    static const char *const names[] = {"LANG=", "TZ=", "TMPDIR=", "XDG_RUNTIME_DIR=", "LC_"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static int add(char **variables, size_t *n, const char *name, const char *value, size_t value_size)
{
    size_t name_size = strlen(name);
    char *variable = malloc(name_size + 1 + value_size + 1);

    if (!variable) {
        return error_origin(-ENOMEM);
    }
    memcpy(variable, name, name_size);
    variable[name_size] = '=';
    memcpy(variable + name_size + 1, value, value_size);
    variable[name_size + 1 + value_size] = '\0';
    variables[(*n)++] = variable;
    return 0;
}

static int add_text(char **variables, size_t *n, const char *name, const char *value)
{
    return add(variables, n, name, value, strlen(value));
}

static int copy(char **variables, size_t *n, const char *variable)
{
    variables[*n] = strdup(variable);
    if (!variables[*n]) {
        return error_origin(-ENOMEM);
    }
    (*n)++;
    return 0;
}

/* The broker's own variables never pass by way of the baseline: a nested broker would hand down its own launch, and
 * what a service manager tells this process is not for its children. */
static bool is_ours(const char *variable)
{
    return strncmp(variable, "RUNNING_PROCESS_BROKER_V1_", 26) == 0 ||
           strncmp(variable, "RUNNING_PROCESS_BROKER_LISTENER_FD=", 35) == 0 ||
           strncmp(variable, "RUNNING_PROCESS_IS_DAEMON=", 26) == 0 || strncmp(variable, "NOTIFY_SOCKET=", 14) == 0 ||
           strncmp(variable, "LISTEN_", 7) == 0 || strncmp(variable, "WATCHDOG_", 9) == 0;
}

static int add_login(struct child_baseline *baseline, const char *name, const char *home, const char *shell)
{
    int r;

    r = add_text(baseline->variables, &baseline->n, "USER", name);
    if (r == 0) {
        r = add_text(baseline->variables, &baseline->n, "LOGNAME", name);
    }
    if (r == 0) {
        r = add_text(baseline->variables, &baseline->n, "HOME", home);
    }
    if (r == 0) {
        r = add_text(baseline->variables, &baseline->n, "PATH",
                     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    }
    if (r == 0 && shell && *shell) {
        r = add_text(baseline->variables, &baseline->n, "SHELL", shell);
    }
    return r;
}

int child_baseline_make(struct child_baseline *baseline, const char *name, const char *home, const char *shell,
                        char *const *from)
{
    bool has_login = name && *name && home && *home;
    size_t n_from = 0;
    int r = 0;

    while (from[n_from]) {
        n_from++;
    }
    *baseline = (struct child_baseline){.variables = calloc(n_from + 6, sizeof(char *))};
    if (!baseline->variables) {
        return error_origin(-ENOMEM);
    }
    if (has_login) {
        r = add_login(baseline, name, home, shell);
    }
    for (size_t i = 0; r == 0 && i < n_from; i++) {
        if ((!has_login || passes(from[i])) && !is_ours(from[i])) {
            r = copy(baseline->variables, &baseline->n, from[i]);
        }
    }
    if (r < 0) {
        child_baseline_deinit(baseline);
    }
    return r;
}

int child_baseline_init(struct child_baseline *baseline)
{
    struct passwd entry, *found;
    size_t size = PASSWD_TEXT_MIN;
    char *text;
    int r;

    for (;;) {
        text = malloc(size);
        if (!text) {
            return error_origin(-ENOMEM);
        }
        found = NULL;
        r = sys_getpwuid_r(sys_getuid(), &entry, text, size, &found);
        if (r != -ERANGE || size >= PASSWD_TEXT_MAX) {
            break;
        }
        free(text);
        size *= 2;
    }
    if (r < 0) {
        found = NULL; /* no usable entry, as when there is none */
    }
    r = child_baseline_make(baseline, found ? found->pw_name : NULL, found ? found->pw_dir : NULL,
                            found ? found->pw_shell : NULL, environ);
    free(text);
    return error_trace(r);
}

void child_baseline_deinit(struct child_baseline *baseline)
{
    for (size_t i = 0; i < baseline->n; i++) {
        free(baseline->variables[i]);
    }
    free(baseline->variables);
    *baseline = (struct child_baseline){0};
}

/* Writes NAME=value at @text and returns where the next one begins. */
static char *put(char *text, const char *name, struct slice value)
{
    const size_t name_size = strlen(name);

    memcpy(text, name, name_size);
    text += name_size;
    *text++ = '=';
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    return text + value.size + 1;
}

int child_env_make(const struct child_baseline *baseline, const struct child_facts *facts, char ***ret)
{
    char number[16];
    const struct {
        const char *name;
        struct slice value;
        bool is_there;
    } rows[] = {
        {"RUNNING_PROCESS_BROKER_V1_SERVICE_NAME", slice_from(facts->service), true},
        {"RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION", slice_from(facts->version), true},
        {"RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE", slice_from(facts->path), true},
        {"RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE", slice_from(facts->instance), true},
        {"RUNNING_PROCESS_BROKER_V1_INSTANCE", slice_from(facts->instance), true},
        {"RUNNING_PROCESS_BROKER_V1_TRACEPARENT", facts->traceparent, text_is_traceparent(facts->traceparent)},
        {"RUNNING_PROCESS_BROKER_V1_TRACESTATE", facts->tracestate, text_is_tracestate(facts->tracestate)},
        {"RUNNING_PROCESS_IS_DAEMON", SLICE("1"), true},
        {"RUNNING_PROCESS_BROKER_LISTENER_FD",
         {number, (size_t)snprintf(number, sizeof(number), "%d", facts->listener_fd)},
         facts->listener_fd >= 0},
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    size_t n = baseline->n, size = (n + ROWS + 1) * sizeof(char *);
    char **variables, *text;

    for (size_t i = 0; i < ROWS; i++) {
        size += strlen(rows[i].name) + rows[i].value.size + 2;
    }
    variables = malloc(size);
    if (!variables) {
        return error_origin(-ENOMEM);
    }
    memcpy(variables, baseline->variables, n * sizeof(char *));
    text = (char *)(variables + n + ROWS + 1);
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].is_there) {
            variables[n++] = text;
            text = put(text, rows[i].name, rows[i].value);
        }
    }
    variables[n] = NULL;
    *ret = variables;
    return 0;
}
