/* SPDX-License-Identifier: MIT */

/*
 * Stands in for libFuzzer: feeds every file named on the command line, and every file of every directory named there,
 * to the target once. So the corpora are tests wherever there is no fuzzer. Last line: `N passed, 0 failed` (a target
 * that finds something wrong aborts).
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned n_replayed;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t size = 0, capacity = 1 << 16;
    uint8_t *data = malloc(capacity);
    for (size_t n; data && (n = fread(data + size, 1, capacity - size, file)) > 0;) {
        size += n;
        if (size == capacity) {
            capacity *= 2;
            data = realloc(data, capacity);
        }
    }
    fclose(file);
    if (!data) {
        fprintf(stderr, "%s: out of memory\n", path);
        exit(1);
    }
    /* an exact copy, so that a sanitizer sees one byte too many */
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    n_replayed++;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
            DIR *dir = opendir(argv[i]);
            for (struct dirent *entry; dir && (entry = readdir(dir));) {
                char path[4096];
                snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
                if (entry->d_name[0] != '.') {
                    replay_file(path);
                }
            }
            if (dir) {
                closedir(dir);
            }
        } else {
            replay_file(argv[i]);
        }
    }
    printf("%u passed, 0 failed\n", n_replayed);
    return n_replayed == 0;
}
