/* SPDX-License-Identifier: MIT */

#include "backend/local_paths.h"

#include <stdio.h>

#include "check.h"

static void test_put_find_forget(void)
{
    struct local_paths paths;
    dev_t dev = 7;

    local_paths_init(&paths);
    check(!local_paths_find(&paths, "/a", &dev));
    check_int(dev, 7);
    local_paths_put(&paths, "/a", 1);
    local_paths_put(&paths, "/b", 2);
    local_paths_put(&paths, "/a", 3);
    check_int(paths.n, 2);
    check(local_paths_find(&paths, "/a", &dev));
    check_int(dev, 3);
    local_paths_forget(&paths, "/a");
    local_paths_forget(&paths, "/a");
    check(!local_paths_find(&paths, "/a", &dev));
    check(local_paths_find(&paths, "/b", &dev));
    check_int(dev, 2);
    local_paths_deinit(&paths);
    local_paths_deinit(&paths);
    paths = (struct local_paths){0};
    local_paths_deinit(&paths);
}

static void test_least_recently_used_goes(void)
{
    struct local_paths paths;
    char path[32];
    dev_t dev;

    local_paths_init(&paths);
    for (int i = 0; i < LOCAL_PATHS_MAX; i++) {
        snprintf(path, sizeof(path), "/%d", i);
        local_paths_put(&paths, path, (dev_t)i);
    }
    check(local_paths_find(&paths, "/0", &dev)); /* used: not the oldest any more */
    local_paths_put(&paths, "/another", 1);
    check_int(paths.n, LOCAL_PATHS_MAX);
    check(local_paths_find(&paths, "/0", &dev));
    check(!local_paths_find(&paths, "/1", &dev));
    check(local_paths_find(&paths, "/2", &dev));
    check_int(dev, 2);
    local_paths_deinit(&paths);
}

CHECK_PROGRAM("backend/local_paths", {"put, find, forget", test_put_find_forget},
              {"the least recently used goes", test_least_recently_used_goes})
