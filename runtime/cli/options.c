/* SPDX-License-Identifier: MIT */

/*
 * Reads a command line by the two tables. --socket is taken out first, wherever it stands, because its mistakes are
 * told before everything else; then the first word (or two) names the command, and the rest are its options and
 * operands. What a table does not know is a usage error. Values are not looked into here, but a value never begins
 * with `--`: that is an option whose value was forgotten.
 */

#include "cli/options.h"

#include <stdarg.h>
#include <string.h>

#include "base/slice.h"
#include "wire/text.h"

static const struct {
    const char *spelling, *value, *help;
    bool repeats;
} option_table[OPTION_COUNT] = {
#define OPTION_ROW(NAME, spelling_, value_, repeats_, help_)                                                           \
    [OPTION_##NAME] = {.spelling = spelling_, .value = value_, .help = help_, .repeats = repeats_},
    OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

_Static_assert(OPTION_COUNT <= 64, "a command names its options by bits");

const char *option_spelling(enum option option)
{
    return option_table[option].spelling;
}

const char *options_nth(const struct options *options, enum option option, size_t n)
{
    for (size_t i = 0; i < options->n_given; i++) {
        if (options->given[i].option == option && n-- == 0) {
            return options->given[i].value;
        }
    }
    return NULL;
}

const char *options_get(const struct options *options, enum option option)
{
    return options_nth(options, option, 0);
}

int options_usage_error(const struct options *options, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(options->err, format, arguments);
    va_end(arguments);
    fputc('\n', options->err);
    return EXIT_STATUS_USAGE;
}

/* ----------------------------------------------------------------------------------------------------------- --help */

/* "--instance INSTANCE", with an ellipsis for what may be repeated. Returns @ret_text. */
static const char *option_usage(int option, char *ret_text, size_t size)
{
    const char *value = option_table[option].value;

    snprintf(ret_text, size, "%s%s%s%s", option_table[option].spelling, value ? " " : "", value ? value : "",
             option_table[option].repeats ? " ..." : "");
    return ret_text;
}

static void print_command(FILE *out, const struct command *command)
{
    enum { MARGIN = 6, WIDTH = 100 };
    size_t column = 0;
    char text[80];

    snprintf(text, sizeof(text), "%s%s%s", command->name, *command->operands ? " " : "", command->operands);
    fprintf(out, "  %-32s  %s\n", text, command->help);
    for (int option = 0; option < OPTION_COUNT; option++) {
        size_t size;

        if (!(command->options & (UINT64_C(1) << option))) {
            continue;
        }
        size = strlen(option_usage(option, text, sizeof(text))) + 3;
        if (column == 0 || column + size > WIDTH) {
            fprintf(out, "%s%*s", column ? "\n" : "", MARGIN - 1, "");
            column = MARGIN;
        }
        fprintf(out, " [%s]", text);
        column += size;
    }
    if (column) {
        fputc('\n', out);
    }
}

/* Whether @command is called @topic, or is of the group of commands that is. */
static bool command_is_about(const struct command *command, const char *topic)
{
    size_t size = topic ? strlen(topic) : 0;

    return !topic ||
           (!strncmp(command->name, topic, size) && (command->name[size] == '\0' || command->name[size] == ' '));
}

void options_print_help(FILE *out, const char *topic)
{
    uint64_t used = OPTION_BIT(SOCKET);
    char text[80];

    fprintf(out, "Usage: running-process-broker-v1 [--socket PATH] %s [OPTION...]\n\n", topic ? topic : "COMMAND");
    if (!topic) {
        fputs("A broker of local backends: launches them on demand and tells clients where they are.\n\n"
              "  --help, -h                        this text; behind a command, what is said here about that one\n"
              "  --version, -V                     the version\n\nCommands:\n",
              out);
    }
    for (const struct command *command = command_table; command->name; command++) {
        if (command_is_about(command, topic)) {
            print_command(out, command);
            used |= command->options;
        }
    }
    fputs("\nOptions:\n", out);
    for (int option = 0; option < OPTION_COUNT; option++) {
        if (used & (UINT64_C(1) << option)) {
            fprintf(out, "  %-32s  %s\n", option_usage(option, text, sizeof(text)), option_table[option].help);
        }
    }
    fputs("\nExit status: 0 done, 1 failed or not ready, 2 a mistake in the command line.\n", out);
}

/* ----------------------------------------------------------------------------------------------------------- parser */

/* Where the parser stands. */
struct parser {
    struct options *options;
    const char *words[OPTIONS_ARGUMENTS_MAX];
    size_t n_words, next;
};

static void give(struct options *options, enum option option, const char *value)
{
    options->given[options->n_given].option = option;
    options->given[options->n_given].value = value;
    options->n_given++;
}

/* Whether @word is @spelling or @spelling=value; then *@ret_value is what stands behind the sign, or NULL. */
static bool word_is_option(const char *word, const char *spelling, const char **ret_value)
{
    size_t size = strlen(spelling);

    if (strncmp(word, spelling, size) != 0 || (word[size] && word[size] != '=')) {
        return false;
    }
    *ret_value = word[size] ? word + size + 1 : NULL;
    return true;
}

static bool is_value(const char *word)
{
    return word && strncmp(word, "--", 2) != 0;
}

/* Copies @argv to the parser's words without --socket. */
static int take_socket(struct parser *parser, const char *const *argv)
{
    struct options *options = parser->options;

    for (; *argv; argv++) {
        const char *value;

        if (!word_is_option(*argv, "--socket", &value)) {
            parser->words[parser->n_words++] = *argv;
            continue;
        }
        if (!value) {
            value = argv[1];
            if (!is_value(value)) {
                options_usage_error(options, "--socket requires a socket path or pipe name");
                return OPTIONS_E_USAGE;
            }
            argv++;
        }
        if (!*value) {
            options_usage_error(options, "--socket requires a non-empty socket path or pipe name");
            return OPTIONS_E_USAGE;
        }
        if (options_has(options, OPTION_SOCKET)) {
            options_usage_error(options, "--socket may only be provided once");
            return OPTIONS_E_USAGE;
        }
        give(options, OPTION_SOCKET, value);
    }
    return 0;
}

static int check_words(struct parser *parser, const char *const *argv)
{
    size_t n = 0;

    for (; argv[n]; n++) {
        if (n == OPTIONS_ARGUMENTS_MAX) {
            options_usage_error(parser->options, "more than %d arguments", OPTIONS_ARGUMENTS_MAX);
            return OPTIONS_E_USAGE;
        }
        if (!text_is_utf8(slice_from(argv[n]))) {
            options_usage_error(parser->options, "argument %zu is not valid UTF-8", n + 1);
            return OPTIONS_E_USAGE;
        }
    }
    return 0;
}

/* Whether @name (one word or two) is what the parser's words begin with; then *@ret_n is how many words it has. */
static bool command_is_named(const struct parser *parser, const char *name, size_t *ret_n)
{
    const char *space = strchr(name, ' ');
    size_t first = space ? (size_t)(space - name) : strlen(name);

    if (strlen(parser->words[0]) != first || strncmp(parser->words[0], name, first) != 0) {
        return false;
    }
    if (space && (parser->n_words < 2 || strcmp(parser->words[1], space + 1) != 0)) {
        return false;
    }
    *ret_n = space ? 2 : 1;
    return true;
}

static bool word_is(const char *word, const char *a, const char *b)
{
    return !strcmp(word, a) || !strcmp(word, b);
}

/* "install, check, …": the second words of the commands of a group. Empty: there is no group of this name. */
static void list_group(const char *group, char *ret_text, size_t size)
{
    size_t length = strlen(group), n = 0;

    ret_text[0] = '\0';
    for (const struct command *command = command_table; command->name; command++) {
        if (length && !strncmp(command->name, group, length) && command->name[length] == ' ') {
            n += (size_t)snprintf(ret_text + n, size - n, "%s%s", n ? ", " : "", command->name + length + 1);
        }
    }
}

/* The parser's words name no command: shows the help for which that asks, or says what is wrong and shows it too. */
static int refuse_command(struct parser *parser)
{
    struct options *options = parser->options;
    const char *word = parser->words[0], *second = parser->n_words > 1 ? parser->words[1] : NULL;
    char members[160];

    list_group(word, members, sizeof(members));
    if (*members) {
        options->help_topic = word;
    }
    if (*members && second && word_is(second, "--help", "-h")) {
        return OPTIONS_E_HELP;
    }
    if (!*members) {
        options_usage_error(options, "unsupported argument \"%s\"", word);
    } else if (second) {
        options_usage_error(options, "unsupported %s subcommand \"%s\" (expected %s)", word, second, members);
    } else {
        options_usage_error(options, "%s requires a subcommand (%s)", word, members);
    }
    options_print_help(options->out, options->help_topic);
    return OPTIONS_E_USAGE;
}

static int take_command(struct parser *parser)
{
    struct options *options = parser->options;
    size_t n;

    if (!parser->n_words) {
        options_usage_error(options, "no broker command provided");
        options_print_help(options->out, NULL);
        return OPTIONS_E_USAGE;
    }
    for (const struct command *command = command_table; command->name; command++) {
        if (command_is_named(parser, command->name, &n)) {
            options->command = command;
            parser->next = n;
            return 0;
        }
    }
    /* what stands behind these is not looked at, as ever */
    if (word_is(parser->words[0], "--help", "-h")) {
        return OPTIONS_E_HELP;
    }
    return word_is(parser->words[0], "--version", "-V") ? OPTIONS_E_VERSION : refuse_command(parser);
}

static int refuse_option(const struct options *options, const char *word)
{
    fprintf(options->err, "unknown option \"%s\" for %s (it takes --socket", word, options->command->name);
    for (int option = 0; option < OPTION_COUNT; option++) {
        if (options->command->options & (UINT64_C(1) << option)) {
            fprintf(options->err, ", %s", option_table[option].spelling);
        }
    }
    fputs(")\n", options->err);
    return OPTIONS_E_USAGE;
}

/* The option that stands at parser->next, with its value. */
static int take_option(struct parser *parser)
{
    struct options *options = parser->options;
    const char *word = parser->words[parser->next], *value = NULL;
    int option = 0;

    while (option < OPTION_COUNT && !word_is_option(word, option_table[option].spelling, &value)) {
        option++;
    }
    if (option == OPTION_COUNT || !(options->command->options & (UINT64_C(1) << option))) {
        return refuse_option(options, word);
    }
    parser->next++;
    if (!option_table[option].value) {
        if (value) {
            options_usage_error(options, "%s takes no value", option_table[option].spelling);
            return OPTIONS_E_USAGE;
        }
        give(options, option, "");
        return 0;
    }
    if (!value) {
        value = parser->next < parser->n_words ? parser->words[parser->next] : NULL;
        parser->next++;
    }
    if (!is_value(value)) {
        options_usage_error(options, "%s requires a value", option_table[option].spelling);
        return OPTIONS_E_USAGE;
    }
    give(options, option, value);
    return 0;
}

/* The serve modes, whose operand is the path of a socket. */
static bool takes_socket(const struct command *command)
{
    return strstr(command->operands, "SOCKET") != NULL;
}

static int check_operands(struct parser *parser)
{
    struct options *options = parser->options;
    const struct command *command = options->command;

    if (takes_socket(command) &&
        (options->n_operands < command->operands_min || (options->n_operands && !*options->operands[0]))) {
        options_usage_error(options, "%s requires a socket path or pipe name", command->name);
        return OPTIONS_E_USAGE;
    }
    if (options->n_operands < command->operands_min) {
        options_usage_error(options, "%s requires %s", command->name, command->operands);
        return OPTIONS_E_USAGE;
    }
    if (options->n_operands > command->operands_max) {
        options_usage_error(options, "unexpected argument \"%s\" for %s", options->operands[command->operands_max],
                            command->name);
        return OPTIONS_E_USAGE;
    }
    return 0;
}

int options_parse(const char *const *argv, FILE *out, FILE *err, struct options *ret_options)
{
    struct parser parser = {.options = ret_options};
    int r;

    *ret_options = (struct options){.out = out, .err = err};
    r = check_words(&parser, argv);
    if (!r) {
        r = take_socket(&parser, argv);
    }
    if (!r) {
        r = take_command(&parser);
    }
    while (!r && parser.next < parser.n_words) {
        const char *word = parser.words[parser.next];

        if (word[0] == '-' && word[1]) {
            if (word_is(word, "--help", "-h")) {
                ret_options->help_topic = ret_options->command->name;
                return OPTIONS_E_HELP;
            }
            r = take_option(&parser);
        } else {
            ret_options->operands[ret_options->n_operands++] = word;
            parser.next++;
        }
    }
    return r ? r : check_operands(&parser);
}
