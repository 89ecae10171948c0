/* SPDX-License-Identifier: MIT */
/*
 * `servicedef list`: every service of the directory, the file in force for it, whether that one is good, and what the
 * files below it say differently (decision 5). Read-only; the directory is judged as a broker would judge it.
 */
#include "cli/servicedef.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/private_dir.h"
#include "base/sys.h"
#include "cli/servicedef_write.h"
#include "service/definition_dir.h"
#include "service/definition_file.h"
#include "service/instance.h"
#include "wire/text.h"

#define SERVICES_MAX 65536u

struct listing {
    const struct options *options;
    char dir[DEFINITION_DIR_SIZE];
    const char *dir_source;
    int dir_fd;
    char (*names)[NAME_SIZE_MAX + 1]; /* sorted, each once */
    size_t n_names;
    json_t *services; /* NULL: text is wanted */
    bool is_failed;
};

/* ------------------------------------------------------------------------------------------------ names */

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool add_name(struct listing *listing, struct slice stem)
{
    char(*larger)[NAME_SIZE_MAX + 1];

    if ((listing->n_names & (listing->n_names - 1)) == 0) {
        larger = realloc(listing->names, (listing->n_names ? listing->n_names * 2 : 1) * sizeof(*larger));
        if (!larger)
            return false;
        listing->names = larger;
    }
    memcpy(listing->names[listing->n_names], stem.data, stem.size);
    listing->names[listing->n_names++][stem.size] = '\0';
    return true;
}

static void sort_names(struct listing *listing)
{
    size_t n = 0;

    qsort(listing->names, listing->n_names, sizeof(*listing->names), compare_names);
    for (size_t i = 0; i < listing->n_names; i++) {
        if (n == 0 || strcmp(listing->names[n - 1], listing->names[i]) != 0)
            memmove(listing->names[n++], listing->names[i], sizeof(*listing->names));
    }
    listing->n_names = n;
}

static bool read_names(struct listing *listing)
{
    _cleanup_closedir_ DIR *dir = NULL;
    struct dirent *entry = NULL;
    int r;

    r = sys_fdopendir(sys_dup_cloexec(listing->dir_fd, 3), &dir);
    while (dir && (r = sys_readdir(dir, &entry)) == 0 && entry) {
        enum definition_form form;
        struct slice stem;

        if (!definition_file_form(entry->d_name, &form, &stem) || text_check_name(stem) != NAME_OK)
            continue;
        if (listing->n_names == SERVICES_MAX || !add_name(listing, stem)) {
            r = -ENOMEM;
            break;
        }
    }
    if (r < 0)
        fprintf(listing->options->err, "error: %s: %s\n", listing->dir, strerror(-r));
    else if (listing->n_names > 0)
        sort_names(listing);
    return r == 0;
}

/* ------------------------------------------------------------------------------------------------ rows */

/* What is said about one file: "in-force" and good, "broken", "same", "differs". A broken one's detail names the file.
 */
static void tell_file(struct listing *listing, json_t *files, const char *file, const char *state, const char *detail)
{
    if (files) {
        json_array_append_new(files, json_pack("{s:s,s:s,s:s}", "file", file, "state", state, "detail", detail));
        return;
    }
    if (strncmp(detail, file, strlen(file)) == 0)
        fprintf(listing->options->out, "  %-12s %s\n", state, detail);
    else
        fprintf(listing->options->out, "  %-12s %s%s%s\n", state, file, detail[0] != '\0' ? ": " : "", detail);
}

static void tell_service(struct listing *listing, const char *name, const struct definition *definition, json_t *files)
{
    struct instance_id id = {.text = ""};

    if (definition)
        (void)instance_resolve(definition, &id);
    if (!listing->services) {
        fprintf(listing->options->out, "%s%s%s\n", name, id.text[0] != '\0' ? "  " : "", id.text);
        return;
    }
    json_array_append_new(listing->services,
                          json_pack("{s:s,s:s,s:O}", "service_name", name, "instance", id.text, "files", files));
}

static void list_service(struct listing *listing, const char *name)
{
    const struct definition *loaded[DEFINITION_FORM_COUNT] = {NULL};
    struct definition_file files[DEFINITION_FORM_COUNT];
    int results[DEFINITION_FORM_COUNT], in_force = -1;
    char file_names[DEFINITION_FORM_COUNT][DEFINITION_FILE_NAME_SIZE], differences[256];
    json_auto_t *rows = listing->services ? json_array() : NULL;

    for (int form = 0; form < DEFINITION_FORM_COUNT; form++) {
        definition_file_name(slice_from(name), (enum definition_form)form, file_names[form]);
        results[form] = definition_file_load(listing->dir_fd, file_names[form], (enum definition_form)form, name,
                                             &files[form], &loaded[form]);
        if (results[form] < 0)
            listing->is_failed = true;
        if (in_force < 0 && results[form] != DEFINITION_FILE_E_ABSENT)
            in_force = form;
    }
    if (in_force < 0)
        return; /* gone since the directory was read */
    tell_service(listing, name, loaded[in_force], rows);
    for (int form = in_force; form < DEFINITION_FORM_COUNT; form++) {
        if (results[form] == DEFINITION_FILE_E_ABSENT)
            continue;
        if (!loaded[form])
            tell_file(listing, rows, file_names[form], form == in_force ? "broken" : "below-broken",
                      files[form].detail);
        else if (form == in_force)
            tell_file(listing, rows, file_names[form], "in-force", "");
        else if (!loaded[in_force])
            tell_file(listing, rows, file_names[form], "below", "");
        else
            tell_file(listing, rows, file_names[form],
                      definition_equal(loaded[in_force], loaded[form]) ? "same" : "differs",
                      definition_differences(loaded[in_force], loaded[form], differences, sizeof(differences)));
    }
    for (int form = 0; form < DEFINITION_FORM_COUNT; form++)
        definition_unref(loaded[form]);
}

/* ------------------------------------------------------------------------------------------------ command */

static bool write_listing(struct listing *listing)
{
    json_auto_t *document = NULL;

    if (!listing->services) {
        if (listing->n_names == 0)
            fprintf(listing->options->out, "no service definitions in %s (%s)\n", listing->dir, listing->dir_source);
        return fflush(listing->options->out) == 0;
    }
    document = json_pack("{s:s,s:s,s:O}", "dir", listing->dir, "dir_source", listing->dir_source, "services",
                         listing->services);
    return write_json(listing->options, document);
}

static bool list_all(struct listing *listing)
{
    struct private_dir_report report;
    int r;

    r = private_dir_open(listing->dir, PRIVATE_DIR_PRIVATE, false, &report, &listing->dir_fd);
    if (r != 0 && r != PRIVATE_DIR_E_ABSENT) {
        fprintf(listing->options->err, "error: %s\n", report.text);
        return false;
    }
    if (r == 0 && !read_names(listing))
        return false;
    for (size_t i = 0; i < listing->n_names; i++)
        list_service(listing, listing->names[i]);
    return write_listing(listing) && !listing->is_failed;
}

int servicedef_list(const struct options *options)
{
    struct listing listing = {.options = options, .dir_fd = -1};
    bool is_done;
    int r;

    r = definition_dir_resolve(options_get(options, OPTION_SERVICE_DEF_DIR), listing.dir, &listing.dir_source);
    if (r != 0)
        return options_usage_error(options, "%s", definition_dir_error_text(r));
    listing.services = options_has(options, OPTION_JSON) ? json_array() : NULL;
    is_done = list_all(&listing);
    close_fd(listing.dir_fd);
    free(listing.names);
    json_decref(listing.services);
    return is_done ? EXIT_STATUS_OK : EXIT_STATUS_FAILED;
}
