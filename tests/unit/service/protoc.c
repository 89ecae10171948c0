/* SPDX-License-Identifier: MIT */

/*
 * One protoc a text: its --encode reads one message and ends. Both files are in memory.
 */

#include "unit/service/protoc.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/service/read_text.h"

extern char **environ;

bool protoc_is_there(void)
{
    return access("/usr/bin/protoc", X_OK) == 0;
}

/* The test cannot go on. */
static void must(bool holds, const char *what)
{
    if (!holds) {
        perror(what);
        abort();
    }
}

static int spawn(int in, int out)
{
    static char *const argv[] = {(char *)(uintptr_t) "protoc", (char *)(uintptr_t) "--proto_path=proto",
                                 (char *)(uintptr_t) "--encode=running_process.broker.v1.ServiceDefinition",
                                 (char *)(uintptr_t) "broker_v1_service_def.proto", NULL};
    posix_spawn_file_actions_t actions;
    int status = -1;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    must(posix_spawn(&pid, "/usr/bin/protoc", &actions, NULL, argv, environ) == 0, "protoc");
    posix_spawn_file_actions_destroy(&actions);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    must(WIFEXITED(status), "protoc's end");
    return WEXITSTATUS(status);
}

/* True and its output in @out when protoc accepts. */
static bool is_accepted(struct slice text, uint8_t *out, size_t size, size_t *ret_size)
{
    int in_fd = memfd_create("text", MFD_CLOEXEC), out_fd = memfd_create("message", MFD_CLOEXEC);
    bool accepted;
    ssize_t n;

    must(in_fd >= 0 && out_fd >= 0, "memfd_create");
    must(pwrite(in_fd, text.data, text.size, 0) == (ssize_t)text.size, "the text");
    accepted = spawn(in_fd, out_fd) == 0;
    n = pread(out_fd, out, size, 0);
    must(n >= 0 && (size_t)n < size, "the message");
    *ret_size = (size_t)n;
    close(in_fd);
    close(out_fd);
    return accepted;
}

/* ------------------------------------------------------------------------------------------------ comparing */

static bool has(struct slice text, const char *word)
{
    return memmem(text.data, text.size, word, strlen(word)) != NULL;
}

/* Whether protoc may accept what was refused for @fault. */
static bool is_stricter(struct slice text, enum text_fault fault)
{
    switch (fault) {
    case TEXT_FAULT_NUL:
    case TEXT_FAULT_UTF8:
    case TEXT_FAULT_ESCAPE: /* above \377 and above U+10FFFF */
    case TEXT_FAULT_VALUE:  /* isolation outside 0 to 2 */
        return true;
    case TEXT_FAULT_DUPLICATE: /* behind a value that was the default */
        return has(text, "\"\"") || has(text, "''") || has(text, "PRIVATE_BROKER") || has(text, "0");
    default:
        return false;
    }
}

static bool may_refuse(struct slice text, const struct text_report *report)
{
    for (size_t i = 0; i < report->n_diagnostics; i++) {
        if (!report->diagnostics[i].is_warning && !is_stricter(text, report->diagnostics[i].fault))
            return false;
    }
    return true;
}

const char *protoc_difference(struct slice text, struct text_report *ret_report, bool *ret_both)
{
    static uint8_t bytes[1 << 18];
    struct definition *ours, *theirs = NULL;
    const char *what = NULL;
    size_t size = 0;
    bool accepted = is_accepted(text, bytes, sizeof(bytes), &size);

    ours = read_text(text, ret_report);
    *ret_both = ours && accepted;
    if (ours && !accepted)
        what = "only we accept";
    else if (!ours && accepted && !may_refuse(text, ret_report))
        what = "only protoc accepts";
    else if (*ret_both && (definition_unpack((struct slice){.data = (char *)bytes, .size = size}, &theirs) != 0 ||
                           !definition_equal(ours, theirs)))
        what = "the meaning differs";
    definition_unref(theirs);
    definition_unref(ours);
    return what;
}
