/* SPDX-License-Identifier: MIT */

#include "backend/spawn_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define NAME "shared.svc-1.0.0-01020304.spawn.lock"

static int open_dir(const char *root)
{
    int fd = -1;

    check_fatal(spawn_lock_dir_open(root, &fd) == 0);
    return fd;
}

static void test_name(void)
{
    static const uint8_t hash[32] = {0xde, 0xad, 0xbe, 0xef, 1};
    char name[SPAWN_LOCK_NAME_SIZE], long_name[65];
    struct backend_key key;

    check(backend_key_make(SLICE("private:zccache"), SLICE("zccache"), SLICE("1.11.20"), hash, &key));
    spawn_lock_name(&key, name);
    check_str(name, "private_zccache.zccache-1.11.20-deadbeef.spawn.lock");
    memset(long_name, 'a', 64);
    long_name[64] = '\0';
    check(backend_key_make(SLICE("explicit:0123456789012345678901234567890123456789012345678901234567890123"),
                           slice_from(long_name), slice_from(long_name), hash, &key));
    spawn_lock_name(&key, name);
    check(strlen(name) < 255);
    check(strstr(name, "-deadbeef.spawn.lock") != NULL);
}

static void test_exclusion(void)
{
    int dir = open_dir(check_tmpdir()), first = -1, second = -1, other = -1;
    struct stat st;

    check_int(spawn_lock_acquire(dir, NAME, &first), 0);
    check_int(fcntl(first, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    check_int(fstat(first, &st), 0);
    check_int(st.st_mode & 07777, 0600);
    check_int(spawn_lock_acquire(dir, NAME, &second), SPAWN_LOCK_E_HELD);
    check_int(second, -1);
    check_int(spawn_lock_acquire(dir, "another.spawn.lock", &other), 0);
    spawn_lock_release(&first);
    check_int(first, -1);
    spawn_lock_release(&first);
    check_int(fstatat(dir, NAME, &st, 0), 0); /* the file stays */
    check_int(spawn_lock_acquire(dir, NAME, &second), 0);
    spawn_lock_release(&second);
    spawn_lock_release(&other);
    close(dir);
}

static void test_lost(void)
{
    const char *root = check_tmpdir();
    int dir = open_dir(root), fd = -1, other = -1;

    check(!spawn_lock_is_lost(root, NAME, -1));
    check_int(spawn_lock_acquire(dir, NAME, &fd), 0);
    check(!spawn_lock_is_lost(root, NAME, fd));
    check_int(unlinkat(dir, NAME, 0), 0);
    check(spawn_lock_is_lost(root, NAME, fd));
    check_int(spawn_lock_acquire(dir, NAME, &other), 0);
    check(spawn_lock_is_lost(root, NAME, fd));
    check(!spawn_lock_is_lost(root, NAME, other));
    spawn_lock_release(&fd);
    spawn_lock_release(&other);
    close(dir);
}

static void test_directory(void)
{
    const char *root = check_tmpdir();
    char path[512];
    struct stat st;
    int fd = -1;

    snprintf(path, sizeof(path), "%s/locks", root);
    close(open_dir(root));
    check_int(stat(path, &st), 0);
    check_int(st.st_mode & 07777, 0700);
    check_int(rmdir(path), 0);
    check_int(symlink("/tmp", path), 0);
    check(spawn_lock_dir_open(root, &fd) != 0);
    check_int(fd, -1);
}

static void test_replaced_file(void)
{
    const char *root = check_tmpdir();
    int dir = open_dir(root), first = -1, second = -1;

    check_int(spawn_lock_acquire(dir, NAME, &first), 0);
    check_int(unlinkat(dir, NAME, 0), 0);
    check_int(spawn_lock_acquire(dir, NAME, &second), 0); /* the new file is another lock */
    spawn_lock_release(&first);
    spawn_lock_release(&second);
    close(dir);
}

static void test_not_a_file(void)
{
    int dir = open_dir(check_tmpdir()), fd = -1;

    check_int(symlinkat("/etc/passwd", dir, NAME), 0);
    check_int(spawn_lock_acquire(dir, NAME, &fd), -ELOOP);
    check_int(unlinkat(dir, NAME, 0), 0);
    check_int(mkdirat(dir, NAME, 0700), 0);
    check_int(spawn_lock_acquire(dir, NAME, &fd), -EISDIR);
    check_int(fd, -1);
    close(dir);
}

static void test_gone_with_its_holder(void)
{
    int dir = open_dir(check_tmpdir()), fd = -1, status, ends[2];
    pid_t pid;
    char byte;

    check_int(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        _exit(spawn_lock_acquire(dir, NAME, &fd) == 0 && write(ends[1], "x", 1) == 1 && pause() ? 0 : 1);
    }
    close(ends[1]);
    check_int(read(ends[0], &byte, 1), 1);
    check_int(spawn_lock_acquire(dir, NAME, &fd), SPAWN_LOCK_E_HELD);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    check_int(spawn_lock_acquire(dir, NAME, &fd), 0);
    spawn_lock_release(&fd);
    close(ends[0]);
    close(dir);
}

CHECK_PROGRAM("backend/spawn_lock", {"the name carries eight digits of the build", test_name},
              {"one holder, the file stays", test_exclusion},
              {"a lock whose file was removed or replaced is lost", test_lost},
              {"the directory is private", test_directory}, {"a replaced file is another lock", test_replaced_file},
              {"no links, no directories", test_not_a_file}, {"it goes with its holder", test_gone_with_its_holder})
