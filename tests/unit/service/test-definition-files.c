/* SPDX-License-Identifier: MIT */
/*
 * Where definitions are, and what can be wrong with one file of them before a byte of it means anything.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "service/definition_dir.h"
#include "service/definition_file.h"

static const char *home_of_user; /* in the password file; NULL: the user is not in it */

/* Found before the C library's. */
int getpwuid_r(uid_t uid, struct passwd *ret_entry, char *strings, size_t size, struct passwd **ret)
{
    *ret = NULL;
    if (home_of_user) {
        snprintf(strings, size, "%s", home_of_user);
        *ret_entry = (struct passwd){.pw_uid = uid, .pw_dir = strings};
        *ret = ret_entry;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ the directory */

static void check_dir(const char *flag, const char *want, const char *want_source)
{
    char dir[DEFINITION_DIR_SIZE] = "";
    const char *source = "";

    check_int(definition_dir_resolve(flag, dir, &source), 0);
    check_str(dir, want);
    check_str(source, want_source);
}

static void test_directory(void)
{
    char dir[DEFINITION_DIR_SIZE];
    const char *source;

    setenv("HOME", "/home/u", 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv(DEFINITION_DIR_VARIABLE);
    check_dir(NULL, "/home/u/.config/running-process/services", "platform-default");
    setenv("XDG_CONFIG_HOME", "/cfg", 1);
    check_dir(NULL, "/cfg/running-process/services", "platform-default");
    setenv("XDG_CONFIG_HOME", "/cfg/", 1); /* no slash is added to one: others derive the same bytes */
    check_dir(NULL, "/cfg/running-process/services", "platform-default");
    setenv("XDG_CONFIG_HOME", "", 1);
    setenv("HOME", "/home/u/", 1);
    check_dir(NULL, "/home/u/.config/running-process/services", "platform-default");
    setenv("HOME", "/home/u", 1);
    setenv("XDG_CONFIG_HOME", "cfg", 1);
    check_dir(NULL, "/home/u/.config/running-process/services", "platform-default");
    setenv("XDG_CONFIG_HOME", "", 1);
    setenv(DEFINITION_DIR_VARIABLE, "", 1);
    check_dir(NULL, "/home/u/.config/running-process/services", "platform-default");
    setenv(DEFINITION_DIR_VARIABLE, "/defs", 1);
    check_dir(NULL, "/defs", "env:RUNNING_PROCESS_SERVICE_DEF_DIR");
    check_dir("/flag", "/flag", "flag:--service-def-dir");
    setenv(DEFINITION_DIR_VARIABLE, "defs", 1);
    check_dir("/flag", "/flag", "flag:--service-def-dir");
    check_int(definition_dir_resolve(NULL, dir, &source), DEFINITION_DIR_E_RELATIVE);
    check_int(definition_dir_resolve("", dir, &source), DEFINITION_DIR_E_EMPTY);
    unsetenv(DEFINITION_DIR_VARIABLE);
}

/* Without HOME the password file knows; without that, definitions of nobody are among the temporary files. */
static void test_no_home(void)
{
    unsetenv(DEFINITION_DIR_VARIABLE);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HOME");
    home_of_user = "/home/v";
    check_dir(NULL, "/home/v/.config/running-process/services", "platform-default");
    setenv("TMPDIR", "/var/tmp", 1);
    home_of_user = "";
    check_dir(NULL, "/var/tmp/.config/running-process/services", "platform-default");
    home_of_user = NULL;
    check_dir(NULL, "/var/tmp/.config/running-process/services", "platform-default");
    unsetenv("TMPDIR");
    check_dir(NULL, "/tmp/.config/running-process/services", "platform-default");
}

static void test_current_directory(void)
{
    char dir[DEFINITION_DIR_SIZE], path[300];
    const char *source;

    check_fatal(!chdir("/tmp"));
    check_dir("flag/dir", "/tmp/flag/dir", "flag:--service-def-dir");
    check_fatal(!chdir("/"));
    check_dir("flag", "/flag", "flag:--service-def-dir");
    snprintf(path, sizeof(path), "%s/gone", check_tmpdir());
    check_fatal(!mkdir(path, 0700) && !chdir(path) && !rmdir(path));
    check_int(definition_dir_resolve("flag", dir, &source), DEFINITION_DIR_E_LOST);
    check_dir("/flag", "/flag", "flag:--service-def-dir");
    check_fatal(!chdir("/"));
}

/* The longest that fits, and one byte more. */
static void test_long_directory(void)
{
    char dir[DEFINITION_DIR_SIZE], path[DEFINITION_DIR_SIZE + 1];
    const char *source;

    memset(path, 'p', sizeof(path));
    path[0] = '/';
    path[DEFINITION_DIR_SIZE - 1] = '\0';
    check_dir(path, path, "flag:--service-def-dir");
    path[DEFINITION_DIR_SIZE - 1] = 'p';
    path[DEFINITION_DIR_SIZE] = '\0';
    check_int(definition_dir_resolve(path, dir, &source), DEFINITION_DIR_E_TOO_LONG);
    setenv("HOME", path, 1);
    check_int(definition_dir_resolve(NULL, dir, &source), DEFINITION_DIR_E_TOO_LONG);
    unsetenv("HOME");
}

static void test_error_texts(void)
{
    check_str(definition_dir_error_text(DEFINITION_DIR_E_EMPTY), "--service-def-dir must not be empty");
    check(strstr(definition_dir_error_text(DEFINITION_DIR_E_RELATIVE), DEFINITION_DIR_VARIABLE) != NULL);
    check(strstr(definition_dir_error_text(DEFINITION_DIR_E_LOST), "current directory") != NULL);
    check(strstr(definition_dir_error_text(DEFINITION_DIR_E_TOO_LONG), "too long") != NULL);
    check_str(definition_dir_error_text(0), "");
}

/* ------------------------------------------------------------------------------------------------ the file */

/* Loads @name from the test's directory; what it answers, and the detail in @file. */
static int load(const char *name, struct definition_file *file)
{
    const struct definition *definition = NULL;
    int dir_fd = open(check_tmpdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    check_fatal(dir_fd >= 0);
    r = definition_file_load(dir_fd, name, DEFINITION_FORM_TEXT, NULL, file, &definition);
    close(dir_fd);
    if (r == 0)
        definition_unrefp(&definition);
    return r;
}

static void test_cannot_be_opened(void)
{
    struct definition_file file;
    char name[300];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    check_int(load("tool.txtpb", &file), DEFINITION_FILE_E_ABSENT);
    check_int(load(name, &file), DEFINITION_FILE_E_UNREADABLE);
    check(strstr(file.detail, "cannot be opened: File name too long") != NULL || strlen(file.detail) > 200);
}

/* One that has grown since its size was looked at. */
static void test_read_limit(void)
{
    struct buffer buffer;
    int fd = open(check_tmpdir(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    check_fatal(fd >= 0 && write(fd, "0123456789", 10) == 10);
    buffer_init(&buffer, 1 << 16);
    check_int(lseek(fd, 0, SEEK_SET), 0);
    check_int(definition_file_read(fd, 10, &buffer), 0);
    check_int(buffer.size, 10);
    check_int(lseek(fd, 0, SEEK_SET), 0);
    check_int(definition_file_read(fd, 9, &buffer), -EFBIG);
    buffer_deinit(&buffer);
    close(fd);
}

CHECK_PROGRAM("service/definition-files", {"directory of definitions", test_directory},
              {"without a home", test_no_home}, {"relative to the current directory", test_current_directory},
              {"a long directory", test_long_directory}, {"what is wrong with a directory", test_error_texts},
              {"a file that cannot be opened", test_cannot_be_opened}, {"a file that is too long", test_read_limit})
