/* SPDX-License-Identifier: MIT */
#pragma once

/* A broker's backends with a real loop, in a temporary directory, and backends to launch: tests/backend/test-backend.
 */

#include "backend/backends.h"
#include "check.h"
#include "fsm/fsm.h"
#include "loop/loop.h"
#include "service/definition.h"
#include "service/instance.h"

struct scene {
    struct loop loop;
    struct fsm_world world;
    struct backends backends;
    struct backends_config config;
    const char *dir;
    char runtime_dir[256]; /* mode 0700, as the daemon makes it */
    char bin_dir[256];
    struct loop_timer watchdog;
    bool is_timed_out;
};

/* One question and its answer. */
struct asked {
    struct backend_waiter waiter; /* first */
    int r;                        /* of backends_ask() */
    int n_answers;
    struct backend_answer answer;
    char endpoint[108];
};

/* Everything but the backends, whose configuration may be changed before scene_start(). */
void scene_init(struct scene *scene);
void scene_start(struct scene *scene);

/* Kills every backend that lives, waits for their end and takes everything down; checks that no child is left. */
void scene_deinit(struct scene *scene);

/* Puts test-backend at <bin_dir>/@name with @conf beside it; returns a definition of service @name for it. */
struct definition *scene_install(struct scene *scene, const char *name, const char *conf);

/* The same with a root that is written as a link, which is no part of the program's own path. */
struct definition *scene_install_behind_link(struct scene *scene, const char *name, const char *conf);

/* A definition of service @name for the file @binary below @root. */
struct definition *scene_define(const char *name, const char *binary, const char *root);

/* How most tests begin and end: everything up, with a backend of service "svc" installed; and everything down. */
struct definition *scene_begin(struct scene *scene, const char *conf);
void scene_end(struct scene *scene, struct definition *definition);

void scene_write(const char *path, const char *text);
void scene_touch(struct scene *scene, const char *name, char ret_path[256]);

/* Asks for @version of @definition in the instance `shared`. */
void scene_ask(struct scene *scene, const struct definition *definition, const char *version, struct asked *asked);

/* The same where the question itself may fail: asked->r says how. */
void scene_ask_quietly(struct scene *scene, const struct definition *definition, const char *version,
                       struct asked *asked);

/* The highest descriptor that is open. */
int scene_highest_fd(void);

/* Turns the loop until @is_true says so; a check fails after 20 s. */
void scene_run_until(struct scene *scene, bool (*is_true)(struct scene *scene, void *userdata), void *userdata);
void scene_run_until_answered(struct scene *scene, struct asked *asked);
void scene_run_until_live(struct scene *scene, uint32_t n);
void scene_run_until_quiet(struct scene *scene);

/* Sockets in the runtime directory. */
int scene_count_sockets(const struct scene *scene);

/* Lines of <bin_dir>/@name.log that start with @prefix. */
int scene_count_log(const struct scene *scene, const char *name, const char *prefix);
bool scene_log_has(const struct scene *scene, const char *name, const char *line);

/* Asks @definition and waits: its endpoint is proven to be there. */
void scene_up(struct scene *scene, const struct definition *definition, struct asked *asked);

/* Conditions for scene_run_until(): there is a launch; it has asked its child a second time. */
bool scene_has_launch(struct scene *scene, void *userdata);
bool scene_is_asked_twice(struct scene *scene, void *userdata);

/* @asked was answered with exactly this refusal. */
void scene_check_refused(const struct asked *asked, uint32_t code, uint64_t retry_ms, const char *reason);

/* Asks @definition: its launch fails with @reason and leaves nothing behind. */
void scene_check_failed(struct scene *scene, const struct definition *definition, const char *reason);

/* Removes the directory of spawn locks at @path with its files: what a cleaner of temporary files does. */
int scene_remove_locks(const char *path);
