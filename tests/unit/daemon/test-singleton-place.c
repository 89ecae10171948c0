/* SPDX-License-Identifier: MIT */

/* Where a control socket may be, and how it comes back to a place that was lost (spec 02 §5). */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "daemon/singleton.h"
#include "place.h"

static struct place place;

static int rebind_path(struct singleton *singleton, char text[SINGLETON_TEXT_MAX])
{
    struct singleton_config config = {.path = place.path};

    strcpy(text, "");
    return singleton_rebind(singleton, &config, text);
}

/* The name went: the lock is kept all the time, and the listening descriptor has its number still. */
static void test_rebind_name(void)
{
    struct singleton singleton = {0}, second = {0};
    char text[SINGLETON_TEXT_MAX];
    int number, n_fds;

    place_fresh(&place);
    check_int(place_bind(&place, &singleton, text), 0);
    check(singleton_is_in_place(&singleton));
    number = singleton.socket_fd;
    n_fds = check_count_fds();
    unlink(place.path);
    check(!singleton_is_in_place(&singleton));
    check_int(rebind_path(&singleton, text), 0);
    check(singleton_is_in_place(&singleton));
    check_int(singleton.socket_fd, number);
    check_int(check_count_fds(), n_fds);
    check(fcntl(singleton.socket_fd, F_GETFD) & FD_CLOEXEC);
    check(fcntl(singleton.socket_fd, F_GETFL) & O_NONBLOCK);
    check_int(place_connect(place.path), 0);
    check_int(place_bind(&place, &second, text), SINGLETON_E_BUSY);
    check(strstr(text, "lock") != NULL);
    singleton_deinit(&singleton);
    check(!place_has(place.path));
}

/* The whole directory went or was moved away: it is made again, and the lock is that of the new file. */
static void test_rebind_directory(void)
{
    struct singleton singleton = {0}, second = {0};
    char text[SINGLETON_TEXT_MAX], moved[220], old_socket[256];

    place_fresh(&place);
    check_int(place_bind(&place, &singleton, text), 0);
    unlink(place.path);
    unlink(place.lock_path);
    check_fatal(!rmdir(place.directory));
    check_int(rebind_path(&singleton, text), 0);
    check_int(place_connect(place.path), 0);
    check_int(place_bind(&place, &second, text), SINGLETON_E_BUSY);
    check(strstr(text, "lock") != NULL);

    snprintf(moved, sizeof(moved), "%s-moved", place.directory);
    snprintf(old_socket, sizeof(old_socket), "%s/b.sock", moved);
    check_fatal(!rename(place.directory, moved));
    check(!singleton_is_in_place(&singleton));
    check_int(rebind_path(&singleton, text), 0);
    check_int(place_connect(place.path), 0);
    check(!place_has(old_socket));
    singleton_deinit(&singleton);
    check(!place_has(place.path));
}

/* What cannot be bound leaves everything as it was: the lock, the number, whatever is at the path. */
static void test_rebind_refused(void)
{
    struct singleton singleton = {0}, second = {0};
    char text[SINGLETON_TEXT_MAX];
    int n_fds;

    place_fresh(&place);
    check_int(place_bind(&place, &singleton, text), 0);
    n_fds = check_count_fds();
    unlink(place.path);
    check_fatal(!mkdir(place.path, 0700));
    check_int(rebind_path(&singleton, text), SINGLETON_E_FOREIGN);
    check(place_has(place.path));
    rmdir(place.path);
    check_int(place_bind(&place, &second, text), SINGLETON_E_BUSY); /* the lock is held */
    unlink(place.lock_path);
    check_int(place_bind(&place, &second, text), 0); /* both names went, and somebody was quicker */
    check_int(rebind_path(&singleton, text), SINGLETON_E_BUSY);
    check_int(place_connect(place.path), 0);
    singleton_deinit(&second);
    check_int(check_count_fds(), n_fds);
    check_int(rebind_path(&singleton, text), 0);
    singleton_deinit(&singleton);
}

static void test_lax_directory(void)
{
    static const mode_t modes[] = {0755, 0750, 0770, 0777, 02777, 0500};
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX], want[400];

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        place_fresh(&place);
        check_fatal(!mkdir(place.directory, 0700) && !chmod(place.directory, modes[i]));
        check_int(place_bind(&place, &singleton, text), SINGLETON_E_DIRECTORY);
        snprintf(want, sizeof(want), "chmod 700 %s", place.directory);
        check(strstr(text, want) != NULL);
        check_int(place_mode_of(place.directory), modes[i]); /* not repaired */
        check(!place_has(place.path));
    }
}

/* Nobody is told to take /tmp away from the others. */
static void test_shared_directory(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700) && !chmod(place.directory, 01777));
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_DIRECTORY);
    check(strstr(text, "is shared (mode 1777)") != NULL);
    check(strstr(text, "chmod") == NULL);
    check_int(place_mode_of(place.directory), 01777);
    check(!place_has(place.path));
}

static void test_symlinked_directory(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX], real[256];

    place_fresh(&place);
    snprintf(real, sizeof(real), "%s-real", place.directory);
    check_fatal(!mkdir(real, 0700) && !symlink(real, place.directory));
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_DIRECTORY);
    unlink(place.directory);
    check_fatal(close(open(place.directory, O_CREAT | O_CLOEXEC, 0600)) == 0);
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_DIRECTORY);
}

static void test_only_one_level(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    place_fresh(&place);
    snprintf(place.path, sizeof(place.path), "%s/a/b.sock", place.directory);
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_DIRECTORY);
    check(!place_has(place.directory));
}

static void test_canonical_levels(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX], upper[220], broker[240];
    struct singleton_config config = {.path = place.path, .canonical_dir = broker, .patience_nsec = NSEC_PER_MSEC};

    place_fresh(&place);
    check_fatal(!mkdir(place.directory, 0700));
    snprintf(upper, sizeof(upper), "%s/running-process", place.directory);
    snprintf(broker, sizeof(broker), "%s/broker", upper);
    snprintf(place.path, sizeof(place.path), "%s/s.sock", broker);
    check_int(singleton_bind(&singleton, &config, text), 0);
    check_int(place_mode_of(upper), 0700);
    check_int(place_mode_of(broker), 0700);
    check(!singleton.narrowed_directory);
    singleton_deinit(&singleton);
    /* what an older broker left is narrowed, the level above may be read by others */
    check_fatal(!chmod(broker, 0755) && !chmod(upper, 0755));
    check_int(singleton_bind(&singleton, &config, text), 0);
    check(singleton.narrowed_directory);
    check_int(place_mode_of(broker), 0700);
    check_int(place_mode_of(upper), 0755);
    singleton_deinit(&singleton);
    check_fatal(!chmod(upper, 0775));
    check_int(singleton_bind(&singleton, &config, text), SINGLETON_E_DIRECTORY);
    check(text[0] != 0);
}

static void test_bad_paths(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];

    strcpy(place.path, "x.sock");
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_PATH);
    strcpy(place.path, "");
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_PATH);
    strcpy(place.path, "/tmp/");
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_PATH);
    strcpy(place.path, "/tmp/never-bound.sock"); /* /tmp is everybody's */
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_DIRECTORY);
    check(!place_has(place.path));
}

static void test_path_length(void)
{
    struct singleton singleton = {0};
    char text[SINGLETON_TEXT_MAX];
    size_t size;

    place_fresh(&place);
    size = strlen(place.directory);
    place.directory[size] = '/';
    snprintf(place.path, sizeof(place.path), "%s", place.directory);
    memset(place.path + size + 1, 'n', sizeof(place.path) - size - 1);
    place.path[108] = 0;
    place.directory[size] = 0;
    check_int(strlen(place.path), 108);
    check_int(place_bind(&place, &singleton, text), SINGLETON_E_PATH);
    check(strstr(text, "at most 107") != NULL);
    place.path[107] = 0;
    check_int(place_bind(&place, &singleton, text), 0);
    check_int(place_connect(place.path), 0);
    singleton_deinit(&singleton);
}

CHECK_PROGRAM("daemon/singleton-place", {"a lost name is bound anew", test_rebind_name},
              {"a lost directory is made anew", test_rebind_directory},
              {"what cannot be bound anew leaves everything as it was", test_rebind_refused},
              {"a lax directory is refused and not repaired", test_lax_directory},
              {"a shared directory is refused with another remedy", test_shared_directory},
              {"a directory behind a link, or none", test_symlinked_directory},
              {"elsewhere one level is made, not two", test_only_one_level},
              {"canonical levels are made, judged and narrowed", test_canonical_levels},
              {"paths that cannot be a socket's", test_bad_paths}, {"107 bytes fit, 108 do not", test_path_length})
