/* SPDX-License-Identifier: MIT */

/*
 * The way of the last error, kept per thread as a short list of places. A birth empties the list, a trace appends to
 * it, so the list always describes one error; what does not fit is left out at the end. Nothing is printed here:
 * whoever handles the error decides whether its way is worth a line.
 */

#include "base/error.h"

#include <stdio.h>
#include <string.h>

enum { PLACES_MAX = 8 };

struct place {
    const char *file;
    int line;
};

static _Thread_local struct place places[PLACES_MAX];
static _Thread_local unsigned int n_places;

void error_note_birth(const char *file, int line)
{
    n_places = 0;
    error_note_passage(file, line);
}

void error_note_passage(const char *file, int line)
{
    if (n_places < PLACES_MAX) {
        places[n_places++] = (struct place){.file = file, .line = line};
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

const char *error_path(char *text, size_t size)
{
    size_t used = 0;

    if (size == 0) {
        return "";
    }
    text[0] = '\0';
    for (unsigned int i = 0; i < n_places && used < size; i++) {
        int n =
            snprintf(text + used, size - used, "%s%s:%d", i ? " < " : "", base_name(places[i].file), places[i].line);

        if (n < 0) {
            break;
        }
        used += (size_t)n;
    }
    return text;
}

const char *error_name(int r)
{
    const char *name = strerrorname_np(r < 0 ? -r : r);

    return name ? name : "E?";
}
