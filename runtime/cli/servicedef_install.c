/* SPDX-License-Identifier: MIT */
/*
 * `servicedef install`: writes the binary definition that the options describe (spec 02 §9). Everything is validated
 * before the directory is touched, and the file appears whole or not at all. What may surprise later is said as a
 * warning: an instance that the everyday broker does not serve, a socket path that nobody can bind, a file that goes
 * before the one written.
 */
#include "cli/servicedef.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/private_dir.h"
#include "base/sys.h"
#include "cli/servicedef_write.h"
#include "service/definition.h"
#include "service/definition_dir.h"
#include "service/definition_file.h"
#include "service/instance.h"

typedef RunningProcess__Broker__V1__ServiceDefinition__LabelsEntry LabelsEntry;

struct install {
    const struct options *options;
    ServiceDefinition message;
    char *versions[OPTIONS_ARGUMENTS_MAX];
    LabelsEntry entries[OPTIONS_ARGUMENTS_MAX];
    LabelsEntry *labels[OPTIONS_ARGUMENTS_MAX];
    char *keys[OPTIONS_ARGUMENTS_MAX]; /* owned; the part of --label before the sign */
    char dir[DEFINITION_DIR_SIZE];
    const char *dir_source;
};

static char *text_of(const struct options *options, enum option option)
{
    const char *value = options_get(options, option);

    return (char *)(uintptr_t)(value ? value : "");
}

static void release(struct install *install)
{
    for (size_t i = 0; i < install->message.n_labels; i++)
        free(install->keys[i]);
}

/* ------------------------------------------------------------------------------------------------ options */

static bool take_isolation(struct install *install)
{
    static const char *const words[] = {"private", "shared", "explicit"};
    const char *word = options_get(install->options, OPTION_ISOLATION);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!word || strcmp(word, words[i]) == 0) {
            install->message.isolation = (RunningProcess__Broker__V1__BrokerIsolation)i;
            return true;
        }
    }
    options_usage_error(install->options, "--isolation must be private, shared, or explicit; got \"%s\"", word);
    return false;
}

static bool take_label(struct install *install, const char *text)
{
    const char *sign = strchr(text, '=');
    size_t i = install->message.n_labels;

    if (!sign) {
        options_usage_error(install->options, "--label must be KEY=VALUE; got \"%s\"", text);
        return false;
    }
    install->keys[i] = strndup(text, (size_t)(sign - text));
    running_process__broker__v1__service_definition__labels_entry__init(&install->entries[i]);
    install->entries[i].key = install->keys[i]; /* NULL: reported when the message is copied */
    install->entries[i].value = (char *)(uintptr_t)(sign + 1);
    install->labels[i] = &install->entries[i];
    install->message.n_labels++;
    return install->keys[i] != NULL;
}

/* Fills the message; false after a usage error. */
static bool take_options(struct install *install)
{
    const struct options *options = install->options;
    ServiceDefinition *message = &install->message;
    const char *value;

    message_init(MESSAGE_SERVICE_DEFINITION, message);
    message->version_allow_list = install->versions;
    message->labels = install->labels;
    if (!options_has(options, OPTION_SERVICE) || !options_has(options, OPTION_BINARY_PATH)) {
        options_usage_error(options, "%s is required for servicedef install",
                            options_has(options, OPTION_SERVICE) ? "--binary-path" : "--service");
        return false;
    }
    if (!take_isolation(install))
        return false;
    message->service_name = text_of(options, OPTION_SERVICE);
    message->binary_path = text_of(options, OPTION_BINARY_PATH);
    message->explicit_instance = text_of(options, OPTION_EXPLICIT_INSTANCE);
    message->per_version_binary_dir = text_of(options, OPTION_PER_VERSION_BINARY_DIR);
    message->min_version = text_of(options, OPTION_MIN_VERSION);
    for (size_t i = 0; (value = options_nth(options, OPTION_ALLOW_VERSION, i)); i++)
        install->versions[message->n_version_allow_list++] = (char *)(uintptr_t)value;
    for (size_t i = 0; (value = options_nth(options, OPTION_LABEL, i)); i++) {
        if (!take_label(install, value))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ warnings */

static void warn_about_instance(const struct install *install, const struct definition *definition)
{
    char hash[] = "0000000000000000", dir[ENDPOINT_DIR_SIZE], path[ENDPOINT_PATH_SIZE];
    struct instance_id id;
    struct slice name;
    int r;

    if (instance_resolve(definition, &id) != 0)
        return;
    if (!options_has(install->options, OPTION_ISOLATION))
        fprintf(install->options->err,
                "warning: %s belongs to instance %s, but a broker serves shared unless told otherwise: start one with "
                "--instance %s, or install with --isolation shared\n",
                definition->service_name, id.text, id.text);
    r = instance_socket_path(&id, NULL, hash, path);
    if (r != ENDPOINT_E_TOO_LONG || endpoint_dir(dir) != 0)
        return;
    fprintf(
        install->options->err,
        "warning: the broker's socket for instance %s would be %zu bytes long in %s, and %u is the limit: no broker "
        "can serve it there\n",
        id.text, endpoint_path_size(dir, instance_endpoint(&id, &name), name), dir, ENDPOINT_PATH_MAX);
}

static void warn_about_root(const struct install *install, const struct definition *definition)
{
    if (!definition->per_version_binary_dir[0])
        fprintf(install->options->err,
                "warning: no broker launches %s while its definition has no --per-version-binary-dir, the directory "
                "that its program must lie in\n",
                definition->service_name);
}

static void warn_about_precedence(const struct install *install, const struct definition *definition, int dir_fd)
{
    for (int form = 0; form < DEFINITION_FORM_BINARY; form++) {
        char name[DEFINITION_FILE_NAME_SIZE];
        struct stat st;

        definition_file_name(slice_from(definition->service_name), (enum definition_form)form, name);
        if (sys_fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            fprintf(install->options->err, "warning: %s exists and goes before the file just written\n", name);
    }
}

/* ------------------------------------------------------------------------------------------------ writing */

__attribute__((format(printf, 2, 3))) static int failed(const struct install *install, const char *format, ...)
{
    va_list arguments;

    fputs("servicedef install failed: ", install->options->err);
    va_start(arguments, format);
    vfprintf(install->options->err, format, arguments);
    va_end(arguments);
    fputc('\n', install->options->err);
    return EXIT_STATUS_FAILED;
}

static int report_success(const struct install *install, const struct definition *definition, const char *path)
{
    json_auto_t *document = NULL;

    if (!options_has(install->options, OPTION_JSON)) {
        fprintf(install->options->out, "installed %s (service-definition dir source: %s)\n", path, install->dir_source);
        return fflush(install->options->out) == 0 ? EXIT_STATUS_OK : EXIT_STATUS_FAILED;
    }
    document = json_pack("{s:s,s:s,s:s,s:s}", "dir", install->dir, "dir_source", install->dir_source, "path", path,
                         "service_name", definition->service_name);
    return write_json(install->options, document) ? EXIT_STATUS_OK : EXIT_STATUS_FAILED;
}

static int write_definition(const struct install *install, const struct definition *definition)
{
    _cleanup_(buffer_deinit) struct buffer binary;
    _cleanup_close_ int dir_fd = -1;
    struct private_dir_report report;
    char path[DEFINITION_DIR_SIZE + DEFINITION_FILE_NAME_SIZE + 1], name[DEFINITION_FILE_NAME_SIZE];
    int r;

    buffer_init(&binary, DEFINITION_SIZE_MAX);
    r = definition_pack(definition, &binary);
    if (r < 0)
        return failed(install, "%s", r == -ENOBUFS ? "the definition is larger than 64 KiB" : strerror(-r));
    r = private_dir_open(install->dir, PRIVATE_DIR_ENSURE, true, &report, &dir_fd);
    if (r != 0)
        return failed(install, "%s", report.text);
    definition_file_name(slice_from(definition->service_name), DEFINITION_FORM_BINARY, name);
    snprintf(path, sizeof(path), "%s/%s", install->dir, name);
    r = atomic_file_write(dir_fd, name, binary.data, binary.size, 0600, true);
    if (r < 0)
        return failed(install, "%s: %s", path, strerror(-r));
    warn_about_precedence(install, definition, dir_fd);
    warn_about_instance(install, definition);
    warn_about_root(install, definition);
    return report_success(install, definition, path);
}

static int run(struct install *install)
{
    _cleanup_(definition_unrefp) const struct definition *definition = NULL;
    struct definition *made = NULL;
    struct definition_problem problem;
    int r;

    if (!take_options(install))
        return EXIT_STATUS_USAGE;
    r = definition_dir_resolve(options_get(install->options, OPTION_SERVICE_DEF_DIR), install->dir,
                               &install->dir_source);
    if (r != 0)
        return options_usage_error(install->options, "%s", definition_dir_error_text(r));
    r = definition_from_message(&install->message, &made);
    if (r < 0)
        return failed(install, "%s", strerror(-r));
    definition = made;
    if (!definition_check(definition, NULL, &problem))
        return failed(install, "%s", problem.detail);
    return write_definition(install, definition);
}

int servicedef_install(const struct options *options)
{
    struct install *install;
    int status;

    install = calloc(1, sizeof(*install));
    if (!install) {
        fputs("servicedef install failed: out of memory\n", options->err);
        return EXIT_STATUS_FAILED;
    }
    install->options = options;
    status = run(install);
    release(install);
    free(install);
    return status;
}
