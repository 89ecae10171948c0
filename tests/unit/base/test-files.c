/* SPDX-License-Identifier: MIT */

/* Files and directories: atomic replacement, private directories and their refusals, kinds of file systems, BLAKE3. */

#include "check.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/blake3sum.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/private_dir.h"

/* The path of @name in @dir, valid for the next fifteen calls. */
static const char *in(const char *dir, const char *name)
{
    static char paths[16][512];
    static unsigned int next;
    char *path = paths[next++ % 16], text[512];

    snprintf(text, sizeof(text), "%s/%s", dir, name);
    return memcpy(path, text, sizeof(text));
}

static unsigned int count_entries(const char *path)
{
    struct dirent *entry = NULL;
    unsigned int n = 0;
    DIR *dir = NULL;

    check_fatal(sys_opendir(path, &dir) == 0);
    while (sys_readdir(dir, &entry) == 0 && entry) {
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    sys_closedir(dir);
    return n;
}

static mode_t mode_of(const char *path)
{
    struct stat st = {0};

    check_int(sys_stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* ----------------------------------------------------------------------------------------------------- atomic files */

static void test_atomic_write(void)
{
    const char *dir = check_tmpdir(), *path = in(dir, "record");
    int dirfd = sys_open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), old_fd;
    mode_t mask = sys_umask(0777);
    char text[32] = "";

    check_int(atomic_file_write(dirfd, "record", "old", 3, 0600, false), 0);
    check_int(mode_of(path), 0600); /* whatever the umask */
    sys_umask(mask);
    old_fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    check_int(atomic_file_write(dirfd, "record", "the new one", 11, 0644, true), 0);
    check_int(mode_of(path), 0644);
    check_int(sys_read(old_fd, text, sizeof(text)), 3); /* a reader of the old file keeps it, whole */
    close_fd(old_fd);
    old_fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    check_int(sys_read(old_fd, text, sizeof(text)), 11);
    check_mem(text, "the new one", 11);
    check_int(count_entries(dir), 1); /* no temporary file is left */
    close_fd(old_fd);
    close_fd(dirfd);
}

static void test_atomic_write_fails(void)
{
    const char *dir = check_tmpdir();
    int dirfd = sys_open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    struct rlimit limit, tight;
    char name[NAME_MAX + 1];

    check_int(sys_mkdirat(dirfd, "taken", 0700), 0);
    check_int(atomic_file_write(dirfd, "taken", "x", 1, 0600, false), -EISDIR); /* the rename fails */
    check_int(count_entries(dir), 1);
    memset(name, 'a', NAME_MAX);
    name[NAME_MAX] = '\0';
    check_int(atomic_file_write(dirfd, name, "x", 1, 0600, false), -ENAMETOOLONG);
    check_int(atomic_file_write(-1, "name", "x", 1, 0600, false), -EBADF);
    /* the write fails half-way: a limit on the size of files stands for a full disk */
    check_int(atomic_file_write(dirfd, "file", "old", 3, 0600, false), 0);
    check_int(sys_sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), 0);
    check_int(sys_getrlimit(RLIMIT_FSIZE, &limit), 0);
    tight = (struct rlimit){.rlim_cur = 4, .rlim_max = limit.rlim_max};
    check_int(sys_setrlimit(RLIMIT_FSIZE, &tight), 0);
    check_int(atomic_file_write(dirfd, "file", "longer than that", 16, 0600, false), -EFBIG);
    check_int(sys_setrlimit(RLIMIT_FSIZE, &limit), 0);
    check_int(count_entries(dir), 2);
    close_fd(dirfd);
}

/* ----------------------------------------------------------------------------------------------- private directories
 */

static struct private_dir_report report;

static int open_dir(const char *path, enum private_dir_rule rule, bool create)
{
    int fd = -1, r;

    r = private_dir_open(path, rule, create, &report, &fd);
    check(r == 0 ? fd >= 0 : fd == -1);
    if (fd >= 0) {
        check_int(sys_fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
    }
    close_fd(fd);
    return r;
}

static const char *made(const char *dir, const char *name, mode_t mode)
{
    const char *path = in(dir, name);

    check_int(sys_mkdir(path, 0700), 0);
    check_int(sys_chmod(path, mode), 0);
    return path;
}

static void test_rules(void)
{
    static const struct {
        mode_t mode;
        int exact, owned, private, ensure;
        mode_t after_exact, after_ensure;
    } rows[] = {
        {0700, 0, 0, 0, 0, 0700, 0700},
        {0755, 0, 0, PRIVATE_DIR_E_REFUSED, 0, 0700, 0700},
        {0750, 0, 0, PRIVATE_DIR_E_REFUSED, 0, 0700, 0700},
        {0711, 0, 0, PRIVATE_DIR_E_REFUSED, 0, 0700, 0700},
        {02700, 0, 0, 0, 0, 0700, 02700},
        {0770, PRIVATE_DIR_E_REFUSED, PRIVATE_DIR_E_REFUSED, PRIVATE_DIR_E_REFUSED, 0, 0770, 0700},
        {0702, PRIVATE_DIR_E_REFUSED, PRIVATE_DIR_E_REFUSED, PRIVATE_DIR_E_REFUSED, 0, 0702, 0700},
        {01777, PRIVATE_DIR_E_REFUSED, PRIVATE_DIR_E_REFUSED, PRIVATE_DIR_E_REFUSED, 0, 01777, 0700},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *dir = check_tmpdir(), *path = made(dir, "d", rows[i].mode);

        check_int(open_dir(path, PRIVATE_DIR_OWNED, false), rows[i].owned);
        check_int(report.mode, rows[i].mode);
        check_int(open_dir(path, PRIVATE_DIR_PRIVATE, false), rows[i].private);
        check_int(mode_of(path), rows[i].mode); /* neither changes anything */
        check_int(open_dir(path, PRIVATE_DIR_EXACT, false), rows[i].exact);
        check_int(mode_of(path), rows[i].after_exact);
        check_int(report.was_narrowed, rows[i].mode != rows[i].after_exact);
        check_int(sys_chmod(path, rows[i].mode), 0);
        check_int(open_dir(path, PRIVATE_DIR_ENSURE, false), rows[i].ensure);
        check_int(mode_of(path), rows[i].after_ensure);
    }
}

static void test_refusals_say_what_to_do(void)
{
    const char *dir = check_tmpdir(), *path = made(dir, "lax", 0770), *link = in(dir, "link"), *file = in(dir, "file");
    char wanted[1024];

    check_int(open_dir(path, PRIVATE_DIR_EXACT, true), PRIVATE_DIR_E_REFUSED);
    snprintf(wanted, sizeof(wanted), "%s: has mode 0770, so other users can write it; make it private: chmod 700 '%s'",
             path, path);
    check_str(report.text, wanted);
    check_int(sys_symlinkat(path, AT_FDCWD, link), 0);
    check_int(open_dir(link, PRIVATE_DIR_ENSURE, true), PRIVATE_DIR_E_REFUSED);
    check(strstr(report.text, "is a symbolic link") != NULL);
    check_int(mode_of(path), 0770); /* nothing behind the link was touched */
    close_fd(sys_open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    check_int(open_dir(file, PRIVATE_DIR_OWNED, true), PRIVATE_DIR_E_REFUSED);
    check(strstr(report.text, "is not a directory") != NULL);
    check_int(open_dir(in(dir, "none"), PRIVATE_DIR_PRIVATE, false), PRIVATE_DIR_E_ABSENT);
    check_int(open_dir(in(dir, "no/ne"), PRIVATE_DIR_PRIVATE, false), PRIVATE_DIR_E_ABSENT);
    check_int(open_dir("relative/path", PRIVATE_DIR_PRIVATE, true), PRIVATE_DIR_E_REFUSED);
    check_int(open_dir("/", PRIVATE_DIR_ENSURE, true), PRIVATE_DIR_E_REFUSED);
    check_int(open_dir("", PRIVATE_DIR_ENSURE, true), PRIVATE_DIR_E_REFUSED);
}

/* A link before the last component is the user's own affair. */
static void test_links_on_the_way(void)
{
    const char *dir = check_tmpdir(), *real = made(dir, "real", 0700), *link = in(dir, "link");

    check_int(sys_mkdir(in(real, "d"), 0700), 0);
    check_int(sys_symlinkat(real, AT_FDCWD, link), 0);
    check_int(open_dir(in(link, "d"), PRIVATE_DIR_EXACT, false), 0);
    check_int(open_dir(in(link, "d///"), PRIVATE_DIR_EXACT, false), 0);
}

static void test_missing_levels_are_made(void)
{
    const char *dir = check_tmpdir();
    mode_t mask = sys_umask(0177);

    check_int(open_dir(in(dir, "x"), PRIVATE_DIR_ENSURE, true), 0);
    check(report.was_created);
    check_int(mode_of(in(dir, "x")), 0700); /* whatever the umask */
    sys_umask(0);
    check_int(open_dir(in(dir, "a/b/c"), PRIVATE_DIR_EXACT, true), 0);
    check_int(mode_of(in(dir, "a")), 0700);
    check_int(mode_of(in(dir, "a/b")), 0700);
    check_int(mode_of(in(dir, "a/b/c")), 0700);
    check_int(open_dir(in(dir, "a/b/c"), PRIVATE_DIR_EXACT, true), 0);
    check(!report.was_created);
    sys_umask(mask);
}

static int open_broker(const char *path, bool create)
{
    int fd = -1, r;

    r = private_dir_open_broker(path, create, &report, &fd);
    check(r == 0 ? fd >= 0 : fd == -1);
    close_fd(fd);
    return r;
}

static void test_broker_directory(void)
{
    const char *dir = check_tmpdir(), *path = in(dir, "run/running-process/broker");
    char run[256], upper[256];

    snprintf(run, sizeof(run), "%s/run", dir);
    snprintf(upper, sizeof(upper), "%s/run/running-process", dir);
    check_int(open_broker(path, false), PRIVATE_DIR_E_ABSENT);
    check_int(open_broker(path, true), PRIVATE_DIR_E_ABSENT); /* what holds the two levels is not made */
    check(strstr(report.text, "does not exist; make it") != NULL);
    check_int(sys_mkdir(run, 0700), 0);
    check_int(open_broker(path, false), PRIVATE_DIR_E_ABSENT);
    check_int(open_broker(path, true), 0);
    check_int(mode_of(path), 0700);
    check_int(mode_of(upper), 0700);
    check_int(sys_chmod(upper, 0755), 0); /* other components make it so */
    check_int(sys_chmod(path, 0755), 0);  /* and so did an older broker */
    check_int(open_broker(path, true), 0);
    check(report.was_narrowed);
    check_int(report.mode, 0755);
    check_int(mode_of(path), 0700);
    check_int(mode_of(upper), 0755);
    check_int(open_broker(path, true), 0);
    check(!report.was_narrowed);
    check_int(sys_chmod(upper, 0775), 0);
    check_int(open_broker(path, true), PRIVATE_DIR_E_REFUSED);
    check(strncmp(report.text, upper, strlen(upper)) == 0); /* the level that is wrong */
    check_int(sys_chmod(upper, 0700), 0);
    check_int(sys_chmod(run, 0777), 0);
    check_int(open_broker(path, true), PRIVATE_DIR_E_REFUSED);
    check(strncmp(report.text, run, strlen(run)) == 0);
    check_int(sys_chmod(run, 01777), 0); /* as /tmp is */
    check_int(open_broker(path, true), 0);
    check_int(sys_rmdir(path), 0);
    check_int(sys_symlinkat(run, AT_FDCWD, path), 0);
    check_int(open_broker(path, true), PRIVATE_DIR_E_REFUSED);
    check_int(open_broker("/broker", true), PRIVATE_DIR_E_REFUSED);
}

/* A directory of somebody else: only root can make one. */
static void test_foreign_owner(void)
{
    const char *dir = check_tmpdir(), *path = made(dir, "d", 0700);

    if (sys_geteuid() != 0) {
        check_int(open_dir("/root", PRIVATE_DIR_OWNED, false) != 0, 1);
        return;
    }
    check_int(chown(path, 4242, 4242), 0);
    check_int(open_dir(path, PRIVATE_DIR_EXACT, true), PRIVATE_DIR_E_REFUSED);
    check(strstr(report.text, "belongs to uid 4242") != NULL);
    check_int(open_dir(path, PRIVATE_DIR_ENSURE, true), PRIVATE_DIR_E_REFUSED);
    check_int(open_dir(path, PRIVATE_DIR_PRIVATE, true), PRIVATE_DIR_E_REFUSED);
}

/* ------------------------------------------------------------------------------------------------------ file systems
 */

static void test_file_systems(void)
{
    const char *dir = check_tmpdir(), *name = NULL;
    int fd = sys_open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    static const uint32_t unfit[] = {0x6969, 0x517B,     0xFF534D42, 0xFE534D42, 0x5346414F, 0x73757245,
                                     0x564C, 0x01021997, 0x00C36400, 0x0BD00BD0, 0x4D44,     0x2011BAB0};
    enum fs_kind kind = FS_UNFIT;

    check_int(fs_kind_of(0x6969, &name), FS_UNFIT);
    check_str(name, "nfs");
    check_int(fs_kind_of((uint64_t)(int64_t)(int32_t)0xFF534D42, &name),
              FS_UNFIT); /* sign-extended, as f_type may be */
    check_str(name, "cifs");
    for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
        check_int(fs_kind_of(unfit[i], &name), FS_UNFIT);
    }
    check_int(fs_kind_of(0x65735546, &name), FS_DOUBTFUL);
    check_int(fs_kind_of(0x01021994, &name), FS_LOCAL); /* tmpfs */
    check_str(name, "local");
    check_int(fs_kind_get(fd, &kind, &name), 0);
    check(kind != FS_UNFIT);
    check(!fs_is_network(fd));
    check(!fs_is_network(-1));
    check_int(fs_kind_get(-1, &kind, NULL), -EBADF);
    close_fd(fd);
}

/* ------------------------------------------------------------------------------------------------------------ BLAKE3
 */

/* What the independent program b3sum says of a file. */
static void ask_b3sum(const char *path, char *ret_hex)
{
    char command[600];
    FILE *out;

    snprintf(command, sizeof(command), "b3sum --no-names '%s'", path);
    out = popen(command, "r");
    check_fatal(out != NULL);
    ret_hex[0] = '\0';
    if (fscanf(out, "%64s", ret_hex) != 1) {
        ret_hex[0] = '\0';
    }
    pclose(out);
}

static void test_blake3_against_b3sum(void)
{
    static const size_t sizes[] = {0,     1,     2,     63,    64,     65,     127,    128,     1023,    1024,
                                   1025,  2047,  2048,  2049,  4095,   4096,   4097,   8192,    16383,   16384,
                                   16385, 65535, 65536, 65537, 262143, 262144, 262145, 1048575, 1048576, 1048577};
    static uint8_t bytes[1048577];
    const char *dir = check_tmpdir(), *path = in(dir, "data");
    char hex[65], wanted[65];
    uint8_t hash[BLAKE3_SIZE];
    uint64_t size;
    int fd;

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i % 251);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fd = sys_open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        check_int(sys_write(fd, bytes, sizes[i]), sizes[i]);
        ask_b3sum(path, wanted);
        blake3_sum(bytes, sizes[i], hash);
        check_str(hex_encode(hash, sizeof(hash), hex), wanted);
        memset(hash, 0, sizeof(hash));
        check_int(sys_lseek(fd, 0, SEEK_END), sizes[i]); /* the position does not matter, nor is it moved */
        check_int(blake3_sum_fd_sized(fd, hash, &size), 0);
        check_int(size, sizes[i]);
        check_str(hex_encode(hash, sizeof(hash), hex), wanted);
        check_int(sys_lseek(fd, 0, SEEK_CUR), sizes[i]);
        close_fd(fd);
    }
    check_int(blake3_sum_fd(-1, hash), -EBADF);
}

CHECK_PROGRAM("base/files", {"a file is replaced whole", test_atomic_write},
              {"a failed replacement leaves nothing", test_atomic_write_fails},
              {"each rule over each mode", test_rules}, {"refusals say what to do", test_refusals_say_what_to_do},
              {"links before the last component", test_links_on_the_way},
              {"missing levels are made", test_missing_levels_are_made},
              {"the broker directory", test_broker_directory}, {"a directory of somebody else", test_foreign_owner},
              {"kinds of file systems", test_file_systems}, {"BLAKE3 says what b3sum says", test_blake3_against_b3sum})
