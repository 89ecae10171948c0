/* SPDX-License-Identifier: MIT */
/*
 * `servicedef show`: a definition as canonical text or JSON, from a file or, by the name of a service, from the file
 * that is in force for it in the directory.
 */
#include "cli/servicedef.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/private_dir.h"
#include "base/sys.h"
#include "cli/servicedef_source.h"
#include "cli/servicedef_write.h"
#include "service/definition_dir.h"
#include "service/definition_file.h"
#include "service/definition_format.h"
#include "service/instance.h"
#include "wire/text.h"

static json_t *definition_json(const struct definition *definition, const char *shown)
{
    struct instance_id id = {.text = ""};
    json_t *document = json_object(), *versions = json_array(), *labels = json_object();
    int r = 0;

    for (size_t i = 0; i < definition->n_version_allow_list; i++)
        r |= json_array_append_new(versions, json_string(definition->version_allow_list[i]));
    for (size_t i = 0; i < definition->n_labels; i++)
        r |= json_object_set_new(labels, definition->labels[i].key, json_string(definition->labels[i].value));
    (void)instance_resolve(definition, &id);
    r |= json_object_set_new(document, "file", json_string(shown));
    r |= json_object_set_new(document, "isolation", json_string(definition_isolation_name(definition->isolation)));
    r |= json_object_set_new(document, "instance", json_string(id.text));
    r |= json_object_set_new(document, "version_allow_list", versions);
    r |= json_object_set_new(document, "labels", labels);
#define SET_STRING(number, name) r |= json_object_set_new(document, #name, json_string(definition->name));
    DEFINITION_STRINGS(SET_STRING)
#undef SET_STRING
    if (r == 0)
        return document;
    json_decref(document);
    return NULL;
}

static bool show_definition(const struct options *options, const struct definition *definition, const char *shown)
{
    _cleanup_(buffer_deinit) struct buffer text;
    json_auto_t *document = NULL;
    int r;

    buffer_init(&text, SIZE_MAX);
    if (options_has(options, OPTION_JSON)) {
        document = definition_json(definition, shown);
        return write_json(options, document);
    }
    r = definition_print(definition, &text);
    if (r < 0) {
        fprintf(options->err, "%s: error: %s\n", shown, strerror(-r));
        return false;
    }
    return write_output(options, "-", buffer_slice(&text), 0);
}

/* Path of the file in force for @service. 0; -1 for a usage error, 1 for a failure, both said. */
static int find_file(const struct options *options, const char *service, char *ret_path, size_t size)
{
    char dir[DEFINITION_DIR_SIZE], name[DEFINITION_FILE_NAME_SIZE];
    struct private_dir_report report;
    _cleanup_close_ int dir_fd = -1;
    const char *source;
    struct stat st;
    int r;

    r = definition_dir_resolve(options_get(options, OPTION_SERVICE_DEF_DIR), dir, &source);
    if (r != 0) {
        options_usage_error(options, "%s", definition_dir_error_text(r));
        return -1;
    }
    r = private_dir_open(dir, PRIVATE_DIR_PRIVATE, false, &report, &dir_fd);
    if (r != 0 && r != PRIVATE_DIR_E_ABSENT) {
        fprintf(options->err, "error: %s\n", report.text);
        return 1;
    }
    for (int form = 0; form < DEFINITION_FORM_COUNT && r == 0; form++) {
        definition_file_name(slice_from(service), (enum definition_form)form, name);
        if (sys_fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        snprintf(ret_path, size, "%s/%s", dir, name);
        if (S_ISREG(st.st_mode))
            return 0;
        fprintf(options->err,
                "error: %s is not a regular file (a symbolic link does not count as one): no broker reads it\n",
                ret_path);
        return 1;
    }
    fprintf(options->err, "error: no definition of service %s in %s (%s)\n", service, dir, source);
    return 1;
}

int servicedef_show(const struct options *options)
{
    const char *operand = options->operands[0];
    char path[DEFINITION_DIR_SIZE + DEFINITION_FILE_NAME_SIZE + 1];
    _cleanup_(definition_unrefp) const struct definition *definition = NULL;
    _cleanup_(source_deinit) struct source source = {0};
    int r;

    if (strcmp(operand, "-") != 0 && text_check_name(slice_from(operand)) == NAME_OK) {
        r = find_file(options, operand, path, sizeof(path));
        if (r != 0)
            return r < 0 ? EXIT_STATUS_USAGE : EXIT_STATUS_FAILED;
        operand = path;
    }
    if (source_read(options, operand, &source))
        definition = source_load(&source);
    if (!definition)
        return EXIT_STATUS_FAILED;
    return show_definition(options, definition, source.shown) ? EXIT_STATUS_OK : EXIT_STATUS_FAILED;
}
