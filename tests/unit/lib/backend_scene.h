/* SPDX-License-Identifier: MIT */
#pragma once

/* A backend and its clients in one process: the backend moves only while a test pumps it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpb/backend.h"

enum { SCENE_LANE = 0xF001, SCENE_LATERS = 100 };

/* What the scene's handler does with a request, by the first byte of its payload:
 *   'd' puts the answer off (scene.laters), 'n' gives none, 'x' returns an error, 'r' answers and then does,
 *   'L' answers with 1 MiB, 't' twice,
 *   anything else is echoed. */
struct scene {
    struct rpb_backend_config config;
    struct rpb_backend *backend;
    char path[108], notice[RPB_BACKEND_TEXT_MAX];
    int n_handled, n_notices, done;  /* done: last result of rpb_backend_step() */
    struct rpb_backend_request last; /* its pointers are dead */
    char last_trace[64];
    struct rpb_backend_later *laters[SCENE_LATERS];
    size_t n_laters;
    int legacy_fd;
    char legacy[64];
    size_t legacy_size;
};

/* Prepares @scene; change its config before scene_open(). */
void scene_init(struct scene *scene);
void scene_open(struct scene *scene);
void scene_begin(struct scene *scene); /* both */
void scene_close(struct scene *scene);

/* Steps the backend until nothing is left to do. */
void scene_pump(struct scene *scene);

/* Waits for what the backend waits for and steps it, until @condition holds; false after 20 s. */
bool scene_wait(struct scene *scene, bool (*condition)(struct scene *, int fd), int fd);
bool scene_is_closed(struct scene *scene, int fd);
bool scene_is_done(struct scene *scene, int fd);

/* A nonblocking connection, already accepted. */
int scene_dial(struct scene *scene);

/* Sends all of it (and checks that). */
void scene_send(int fd, const void *bytes, size_t size);

/* Bytes of a framed request on @lane; static. */
const void *scene_frame(uint32_t lane, uint64_t request_id, const char *payload, size_t *ret_size);

/* Sends a request on the scene's lane. */
void scene_ask(int fd, uint64_t request_id, const char *payload);

/* Sends a probe and pumps; whether it is answered. */
bool scene_probe(struct scene *scene, int fd);

/* Reads one response now: its request id and payload (NUL-terminated, cut to @size). False: none is there. */
bool scene_answer(int fd, uint64_t *ret_request_id, char *ret_payload, size_t size);

/* Whether the next response on @fd is @text for request @request_id. */
bool scene_answers(int fd, uint64_t request_id, const char *text);
