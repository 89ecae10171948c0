/* SPDX-License-Identifier: MIT */

/* How a command line is read: frozen texts, order of complaints, exit codes (spec 02 §15, spec 05 §10). */

#include <stdlib.h>

#include "check.h"
#include "cli/options.h"

/* One reading and what it wrote. */
struct reading {
    struct options options;
    char *out_text, *err_text;
    size_t out_size, err_size;
    int result;
};

static void read_line(struct reading *reading, const char *const *argv)
{
    FILE *out = open_memstream(&reading->out_text, &reading->out_size);
    FILE *err = open_memstream(&reading->err_text, &reading->err_size);

    check_fatal(out && err);
    reading->result = options_parse(argv, out, err, &reading->options);
    fclose(out);
    fclose(err);
}

static void reading_deinit(struct reading *reading)
{
    free(reading->out_text);
    free(reading->err_text);
}

#define ARGV(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void check_refused(const char *const *argv, const char *err, bool shows_help)
{
    struct reading reading = {0};

    read_line(&reading, argv);
    check_int(reading.result, OPTIONS_E_USAGE);
    check_str(reading.err_text, err);
    check_int(reading.out_size > 0, shows_help);
    check_int(shows_help, strstr(reading.out_text, "Usage: running-process-broker-v1") != NULL);
    reading_deinit(&reading);
}

static void check_accepted(const char *const *argv, const char *command, struct reading *ret)
{
    *ret = (struct reading){0};
    read_line(ret, argv);
    check_int(ret->result, 0);
    check_str(ret->err_text, "");
    check_str(ret->out_text, "");
    check_fatal(ret->options.command != NULL);
    check_str(ret->options.command->name, command);
}

static void test_socket(void)
{
    struct reading reading;

    check_accepted(ARGV("--socket", "/s", "status"), "status", &reading);
    check_str(options_get(&reading.options, OPTION_SOCKET), "/s");
    reading_deinit(&reading);
    check_accepted(ARGV("status", "--json", "--socket=/s"), "status", &reading);
    check_str(options_get(&reading.options, OPTION_SOCKET), "/s");
    check(options_has(&reading.options, OPTION_JSON));
    reading_deinit(&reading);
    check_accepted(ARGV("--serve", "--socket", "/s", "/sock"), "--serve", &reading);
    check_str(reading.options.operands[0], "/sock");
    reading_deinit(&reading);
}

static void test_socket_mistakes(void)
{
    check_refused(ARGV("status", "--socket"), "--socket requires a socket path or pipe name\n", false);
    check_refused(ARGV("--socket", "--json", "status"), "--socket requires a socket path or pipe name\n", false);
    check_refused(ARGV("--socket", "", "status"), "--socket requires a non-empty socket path or pipe name\n", false);
    check_refused(ARGV("status", "--socket="), "--socket requires a non-empty socket path or pipe name\n", false);
    check_refused(ARGV("--socket", "a", "status", "--socket", "b"), "--socket may only be provided once\n", false);
    /* before everything else, even --help and nonsense */
    check_refused(ARGV("--help", "--socket"), "--socket requires a socket path or pipe name\n", false);
    check_refused(ARGV("nonsense", "--socket", ""), "--socket requires a non-empty socket path or pipe name\n", false);
}

static void test_no_command(void)
{
    check_refused(ARGV(), "no broker command provided\n", true);
    check_refused(ARGV("--socket", "/s"), "no broker command provided\n", true);
    check_refused(ARGV("frobnicate"), "unsupported argument \"frobnicate\"\n", true);
    check_refused(ARGV("--json", "status"), "unsupported argument \"--json\"\n", true);
    check_refused(ARGV("statu"), "unsupported argument \"statu\"\n", true);
    check_refused(ARGV("statuses"), "unsupported argument \"statuses\"\n", true);
    check_refused(ARGV(""), "unsupported argument \"\"\n", true);
}

static void test_help_and_version(void)
{
    static const char *const lines[][3] = {{"--help", NULL}, {"-h", NULL}, {"--version", NULL}, {"-V", NULL}};

    for (size_t i = 0; i < 4; i++) {
        struct reading reading = {0};

        read_line(&reading, lines[i]);
        check_int(reading.result, i < 2 ? OPTIONS_E_HELP : OPTIONS_E_VERSION);
        check(!reading.options.help_topic);
        check_str(reading.err_text, "");
        reading_deinit(&reading);
    }
    /* scripts put them before a whole command */
    for (size_t i = 0; i < 2; i++) {
        struct reading reading = {0};

        read_line(&reading, i ? ARGV("--version", "--json", "x") : ARGV("--help", "status", "--frob"));
        check_int(reading.result, i ? OPTIONS_E_VERSION : OPTIONS_E_HELP);
        check_str(reading.err_text, "");
        reading_deinit(&reading);
    }
}

/* Behind a command, or a group of them, --help is about that. */
static void check_help_about(const char *const *argv, const char *topic, const char *has, const char *lacks)
{
    struct reading reading = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    read_line(&reading, argv);
    check_int(reading.result, OPTIONS_E_HELP);
    check_str(reading.options.help_topic, topic);
    check_str(reading.err_text, "");
    options_print_help(out, reading.options.help_topic);
    fclose(out);
    check(strstr(text, has) != NULL);
    check(!strstr(text, lacks));
    free(text);
    reading_deinit(&reading);
}

static void test_help_about_a_command(void)
{
    check_help_about(ARGV("status", "--help"), "status", "--local", "healthz");
    check_help_about(ARGV("hello", "-h", "--nonsense"), "hello", "SERVICE VERSION", "--min-version");
    check_help_about(ARGV("servicedef", "fmt", "--help"), "servicedef fmt", "--write", "--output");
    check_help_about(ARGV("servicedef", "--help"), "servicedef", "servicedef compile", "--deadline-ms");
    check_help_about(ARGV("servicedef", "-h"), "servicedef", "servicedef list", "conform");
    check_help_about(ARGV("serve", "--help"), "serve", "--backend-lifetime", "--serve-once");
}

static void test_groups(void)
{
    check_refused(ARGV("servicedef"), "servicedef requires a subcommand (install, check, compile, show, fmt, list)\n",
                  true);
    check_refused(ARGV("servicedef", "chek", "x"),
                  "unsupported servicedef subcommand \"chek\" (expected install, check, compile, show, fmt, list)\n",
                  true);
}

static void test_values(void)
{
    struct reading reading;

    check_accepted(ARGV("serve", "/s", "--max-connections", "3", "--instance=private:a=b"), "serve", &reading);
    check_str(options_get(&reading.options, OPTION_MAX_CONNECTIONS), "3");
    check_str(options_get(&reading.options, OPTION_INSTANCE), "private:a=b");
    check(!options_get(&reading.options, OPTION_SERVICE_DEF_DIR));
    check_int(reading.options.n_operands, 1);
    reading_deinit(&reading);
    /* the first one counts; a single dash is no option sign in a value */
    check_accepted(ARGV("serve", "--max-connections", "-1", "--max-connections", "2"), "serve", &reading);
    check_str(options_get(&reading.options, OPTION_MAX_CONNECTIONS), "-1");
    reading_deinit(&reading);
    /* a value may be empty, what that means is the command's affair */
    check_accepted(ARGV("serve", "--service-def-dir", "", "--instance="), "serve", &reading);
    check_str(options_get(&reading.options, OPTION_SERVICE_DEF_DIR), "");
    check_str(options_get(&reading.options, OPTION_INSTANCE), "");
    reading_deinit(&reading);
}

static void test_value_mistakes(void)
{
    check_refused(ARGV("serve", "--max-connections"), "--max-connections requires a value\n", false);
    check_refused(ARGV("serve", "--instance", "--max-connections", "2"), "--instance requires a value\n", false);
    check_refused(ARGV("serve", "--instance=--x"), "--instance requires a value\n", false);
    check_refused(ARGV("status", "--json=yes"), "--json takes no value\n", false);
}

static void test_unknown_options(void)
{
#define TAKES " for status (it takes --socket, --json, --effective, --local)\n"
    check_refused(ARGV("status", "--frob"), "unknown option \"--frob\"" TAKES, false);
    check_refused(ARGV("status", "-x"), "unknown option \"-x\"" TAKES, false);
    check_refused(ARGV("status", "--jso"), "unknown option \"--jso\"" TAKES, false);
    check_refused(ARGV("status", "--jsonx"), "unknown option \"--jsonx\"" TAKES, false);
    /* known, but not to this command */
    check_refused(ARGV("status", "--instance", "shared"), "unknown option \"--instance\"" TAKES, false);
    check_refused(ARGV("status", "--"), "unknown option \"--\"" TAKES, false);
    check_refused(ARGV("--serve-once", "/s", "--json"),
                  "unknown option \"--json\" for --serve-once (it takes --socket)\n", false);
}

static void test_operands(void)
{
    struct reading reading;

    check_refused(ARGV("--serve"), "--serve requires a socket path or pipe name\n", false);
    check_refused(ARGV("--serve-once"), "--serve-once requires a socket path or pipe name\n", false);
    check_refused(ARGV("--serve-launch", "--max-connections", "1"),
                  "--serve-launch requires a socket path or pipe name\n", false);
    check_refused(ARGV("--serve", "", "--service", "a"), "--serve requires a socket path or pipe name\n", false);
    check_refused(ARGV("--serve-once", ""), "--serve-once requires a socket path or pipe name\n", false);
    check_refused(ARGV("serve", ""), "serve requires a socket path or pipe name\n", false);
    check_refused(ARGV("status", "now"), "unexpected argument \"now\" for status\n", false);
    check_refused(ARGV("hello", "zccache"), "hello requires SERVICE VERSION\n", false);
    check_accepted(ARGV("hello", "zccache", "1.0.0", "--json"), "hello", &reading);
    check_str(reading.options.operands[0], "zccache");
    check_str(reading.options.operands[1], "1.0.0");
    reading_deinit(&reading);
    check_accepted(ARGV("serve"), "serve", &reading);
    reading_deinit(&reading);
    check_accepted(ARGV("backend-health"), "backend-health", &reading);
    reading_deinit(&reading);
}

static void test_every_admin_command_knows_json(void)
{
    static const char *const names[] = {"status", "healthz", "readyz",   "shutdown",       "dump",
                                        "config", "metrics", "diagnose", "list-instances", "backend-health"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct reading reading;

        check_accepted(ARGV(names[i], "--json", "--effective"), names[i], &reading);
        reading_deinit(&reading);
    }
}

static void test_argument_limits(void)
{
    const char *argv[OPTIONS_ARGUMENTS_MAX + 2];

    for (size_t i = 0; i <= OPTIONS_ARGUMENTS_MAX; i++) {
        argv[i] = "status";
    }
    argv[OPTIONS_ARGUMENTS_MAX + 1] = NULL;
    check_refused(argv, "more than 256 arguments\n", false);
    check_refused(ARGV("status", "\xff"), "argument 2 is not valid UTF-8\n", false);
}

static void test_help_names_everything(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    options_print_help(out, NULL);
    fclose(out);
    for (const struct command *command = command_table; command->name; command++) {
        check(strstr(text, command->name) != NULL);
    }
    for (int option = 0; option < OPTION_COUNT; option++) {
        check(strstr(text, option_spelling((enum option)option)) != NULL);
    }
    free(text);
}

CHECK_PROGRAM("cli/options", {"--socket is found anywhere", test_socket},
              {"mistakes with --socket come first", test_socket_mistakes},
              {"no command, or none that is known", test_no_command}, {"--help and --version", test_help_and_version},
              {"--help about one command", test_help_about_a_command}, {"groups of commands", test_groups},
              {"values, beside and behind an equals sign", test_values}, {"forgotten values", test_value_mistakes},
              {"unknown options", test_unknown_options}, {"operands", test_operands},
              {"--json and --effective go with every admin command", test_every_admin_command_knows_json},
              {"too many arguments, and bytes that are no text", test_argument_limits},
              {"--help names every command and option", test_help_names_everything})
