/* SPDX-License-Identifier: MIT */

/*
 * What the scripted world asks of the simulated kernel beside its calls: the questions that on a real machine /proc,
 * poll() and a shell answer. real_kernel.c answers the same on the real kernel.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "sim.h"

const char *k_path(const char *path)
{
    return path;
}

int k_set_mode(const char *path, mode_t mode, uid_t uid)
{
    struct sim_inode *inode;
    int r = k_walk(AT_FDCWD, path, true, &inode, NULL, NULL);

    if (r == 0) {
        inode->mode = (inode->mode & (mode_t)S_IFMT) | mode;
        inode->uid = inode->gid = uid;
    }
    return r;
}

int k_put_program(const char *path, int service, uint32_t build)
{
    char text[64];

    snprintf(text, sizeof(text), "program %d, build %u", service, build);
    return k_put_file(path, text, strlen(text), 0755);
}

const uint8_t *k_program(struct sim_proc *proc, size_t *ret_size)
{
    *ret_size = proc->exe_inode->size;
    return proc->exe_inode->data;
}

const char *k_boot_id(void)
{
    static char text[40];
    int fd = k_openat(AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY, 0);

    memset(text, 0, sizeof(text));
    (void)k_read(fd, text, sizeof(text) - 1);
    (void)k_close(fd);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

bool k_has_strangers(void)
{
    return true;
}

const char *k_rest(struct world *world)
{
    return NULL; /* run.c counts when the broker has ended */
}

int k_hold_lock(struct sim_proc *holder, const char *path)
{
    struct sim_proc *before = sim.current;
    int fd, r;

    sim.current = holder;
    fd = k_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    r = fd < 0 ? fd : k_flock(fd, LOCK_EX | LOCK_NB);
    sim.current = before;
    return r;
}

bool k_is_listening(const char *path)
{
    struct sim_inode *inode;

    return k_walk(AT_FDCWD, path, true, &inode, NULL, NULL) == 0 && inode->socket &&
           inode->socket->state == SOCKET_LISTENING;
}

void k_clear(const char *path)
{
    struct sim_inode *dir;
    char name[1024];

    if (k_walk(AT_FDCWD, path, true, &dir, NULL, NULL) < 0) {
        return;
    }
    for (struct sim_dirent *entry = dir->entries, *next; entry; entry = next) {
        bool is_dir = S_ISDIR(entry->inode->mode);

        next = entry->next;
        snprintf(name, sizeof(name), "%s/%s", path, entry->name);
        if (is_dir) {
            k_clear(name);
        }
        (void)k_unlinkat(AT_FDCWD, name, is_dir ? AT_REMOVEDIR : 0);
    }
}

short k_ready_at(int fd)
{
    return k_ready(k_file(fd));
}
