/* SPDX-License-Identifier: MIT */
/*
 * fsmgen [--check] [-o DIR] FILE…: compiles machine specifications (statemachines/LANGUAGE.md). All files are read,
 * checked and turned into text first; only when none was refused is anything written.
 * Exit: 0 done, 1 refused (reasons on stderr) or not writable, 2 bad usage.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsmgen/emit.h"
#include "fsmgen/model.h"

enum { FILES_MAX = 256, EMITTERS_MAX = 8 };

struct result {
    char machine[SPEC_NAME_MAX + 1];
    const char *file;
    struct out outs[EMITTERS_MAX];
};

static const char usage[] = "usage: fsmgen [--check] [-o DIR] FILE...\n";

/* Reads at most one byte more than a specification may have. */
static char *read_file(const char *path, size_t *ret_size, int *ret_error)
{
    FILE *f = fopen(path, "rbe");
    char *data;

    *ret_error = errno;
    if (!f)
        return NULL;
    data = malloc(SPEC_SIZE_MAX + 1);
    if (data) {
        *ret_size = fread(data, 1, SPEC_SIZE_MAX + 1, f);
        *ret_error = errno;
    }
    if (data && ferror(f)) {
        free(data);
        data = NULL;
    }
    fclose(f);
    return data;
}

static void emit_all(struct result *result, const struct model *model, struct diags *diags)
{
    for (unsigned int i = 0; i < n_emitters; i++) {
        emitters[i].emit(&result->outs[i], model);
        if (result->outs[i].has_failed)
            diag_add(diags, model->spec->machine, "out of memory");
    }
}

static void refuse_second(struct result *results, unsigned int n, const struct spec *spec, struct diags *diags)
{
    for (unsigned int i = 0; i < n; i++)
        if (strlen(results[i].machine) == spec->machine.size &&
            !memcmp(results[i].machine, spec->machine.text, spec->machine.size))
            diag_add(diags, spec->machine, "machine `%.*s` is already in %s", W(spec->machine), results[i].file);
}

/* Compiles one file into results[n]. True when it was not refused. */
static bool compile(struct result *results, unsigned int n, const char *path, bool only_check)
{
    struct diags diags = {.file = path};
    struct spec *spec = calloc(1, sizeof(*spec));
    struct model *model = calloc(1, sizeof(*model));
    size_t size = 0;
    int error = 0;
    char *data = read_file(path, &size, &error);
    bool refused;

    if (!data || !spec || !model) {
        diag_add(&diags, (struct word){0}, "%s", !data && error ? strerror(error) : "out of memory");
    } else {
        spec->diags = &diags;
        if (spec_parse(spec, data, size) && model_resolve(model, spec, &diags)) {
            model_check_cells(model);
            model_check_flow(model);
            refuse_second(results, n, spec, &diags);
        }
        if (diags.n == 0) {
            snprintf(results[n].machine, sizeof(results[n].machine), "%.*s", W(spec->machine));
            results[n].file = path;
            if (!only_check)
                emit_all(&results[n], model, &diags);
        }
    }
    refused = diags_print(&diags);
    diags_deinit(&diags);
    free(data);
    free(spec);
    free(model);
    return !refused;
}

static bool save(const struct result *result, const char *dir)
{
    for (unsigned int i = 0; i < n_emitters; i++) {
        char name[SPEC_NAME_MAX + 32];
        int r;

        snprintf(name, sizeof(name), "%s%s", result->machine, emitters[i].suffix);
        r = out_save(&result->outs[i], dir, name);
        if (r < 0) {
            fprintf(stderr, "%s/%s: error: %s\n", dir, name, strerror(-r));
            return false;
        }
    }
    return true;
}

static int run(char *const *files, unsigned int n_files, const char *dir, bool only_check)
{
    struct result *results = calloc(n_files, sizeof(*results));
    bool good = results != NULL;

    for (unsigned int i = 0; results && i < n_files; i++)
        good &= compile(results, i, files[i], only_check);
    for (unsigned int i = 0; good && !only_check && i < n_files; i++)
        good = save(&results[i], dir);
    for (unsigned int i = 0; results && i < n_files; i++)
        for (unsigned int k = 0; k < n_emitters; k++)
            out_deinit(&results[i].outs[k]);
    free(results);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *dir = ".";
    bool only_check = false;
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--check")) {
            only_check = true;
        } else if (!strcmp(argv[i], "-o") && i + 1 < argc) {
            dir = argv[++i];
        } else if (!strcmp(argv[i], "--")) {
            i++;
            break;
        } else {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (i >= argc || argc - i > FILES_MAX) {
        fputs(usage, stderr);
        return 2;
    }
    return run(argv + i, (unsigned int)(argc - i), dir, only_check);
}
