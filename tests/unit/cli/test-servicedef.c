/* SPDX-License-Identifier: MIT */
/* The commands about service definitions: what they write where, and their exit statuses (spec 02 §9.3, decision 7). */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/options.h"

static char dir[200], path[400];
static char *out, *err;
static size_t out_size;

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void fresh(void)
{
    snprintf(dir, sizeof(dir), "%s", check_tmpdir());
    setenv("RUNNING_PROCESS_SERVICE_DEF_DIR", dir, 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(in_dir(name), "w");

    check_fatal(file != NULL);
    fputs(text, file);
    fclose(file);
}

static const char *get(const char *name)
{
    static char text[4096];
    FILE *file = fopen(in_dir(name), "r");

    text[0] = '\0';
    if (file) {
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fclose(file);
    }
    return text;
}

/* Runs `servicedef` with @arguments, separated by spaces; `@` stands for the directory. Returns the exit status. */
static int run(const char *arguments)
{
    char words[2300], expanded[2048] = "", *rest = words, *word;
    const char *argv[64] = {NULL};
    size_t n = 0, err_size;
    struct options *options = malloc(sizeof(*options));
    FILE *out_file, *err_file;
    int status;

    for (size_t i = 0, used = 0; arguments[i]; i++)
        used += (size_t)snprintf(expanded + used, sizeof(expanded) - used, arguments[i] == '@' ? "%s" : "%.1s",
                                 arguments[i] == '@' ? dir : arguments + i);
    snprintf(words, sizeof(words), "servicedef %s", expanded);
    while ((word = strsep(&rest, " ")))
        argv[n++] = word;
    free(out);
    free(err);
    out_file = open_memstream(&out, &out_size);
    err_file = open_memstream(&err, &err_size);
    status = options_parse(argv, out_file, err_file, options);
    status = status == 0 ? options->command->run(options) : EXIT_STATUS_USAGE;
    fclose(out_file);
    fclose(err_file);
    free(options);
    return status;
}

static void check_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        check_str(text, part);
}

static void check_out(const char *format, ...)
{
    char want[2048];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(want, sizeof(want), format, arguments);
    va_end(arguments);
    check_str(out, want);
}

/* ------------------------------------------------------------------------------------------------ install */

static void test_install(void)
{
    struct stat st;

    fresh();
    check_int(run("install --service tool --binary-path /opt/tool/bin/d --isolation shared "
                  "--per-version-binary-dir /opt/tool"),
              0);
    check_out("installed %s/tool.servicedef (service-definition dir source: env:RUNNING_PROCESS_SERVICE_DEF_DIR)\n",
              dir);
    check_str(err, "");
    check_str(get("tool.servicedef"), "\x0a\x04tool\x12\x0f/opt/tool/bin/d\x18\x01\x2a\x09/opt/tool");
    check_int(stat(in_dir("tool.servicedef"), &st), 0);
    check_int(st.st_mode & 07777, 0600);
    check_int(run("install --service=tool --binary-path=/x --isolation=shared --json --service-def-dir @"), 0);
    check_out(
        "{\"dir\":\"%s\",\"dir_source\":\"flag:--service-def-dir\",\"path\":\"%s/tool.servicedef\",\"service_name\":"
        "\"tool\"}\n",
        dir, dir);
    unsetenv("RUNNING_PROCESS_SERVICE_DEF_DIR");
    setenv("XDG_CONFIG_HOME", dir, 1);
    check_int(run("install --service tool --binary-path /x --isolation shared"), 0);
    check_out(
        "installed %s/running-process/services/tool.servicedef (service-definition dir source: platform-default)\n",
        dir);
    check_int(stat(in_dir("running-process/services"), &st), 0);
    check_int(st.st_mode & 07777, 0700);
    unsetenv("XDG_CONFIG_HOME");
}

static void test_install_everything(void)
{
    fresh();
    check_int(
        run("install --service tool --binary-path /opt/d --isolation explicit --explicit-instance ci --min-version "
            "1.0.0 "
            "--per-version-binary-dir /opt --allow-version 1.0.0 --allow-version 1.2.0-rc.1 --label b=2 --label a=x=y"),
        0);
    check_int(run("show tool"), 0);
    check_out(
        "service_name: \"tool\"\nbinary_path: \"/opt/d\"\nisolation: EXPLICIT_INSTANCE\nexplicit_instance: \"ci\"\n"
        "per_version_binary_dir: \"/opt\"\nmin_version: \"1.0.0\"\nversion_allow_list: \"1.0.0\"\n"
        "version_allow_list: \"1.2.0-rc.1\"\nlabels { key: \"a\" value: \"x=y\" }\nlabels { key: \"b\" value: \"2\" "
        "}\n");
}

static void test_install_usage(void)
{
    fresh();
    check_int(run("install --binary-path /x"), 2);
    check_str(err, "--service is required for servicedef install\n");
    check_int(run("install --isolation wrong"), 2);
    check_str(err, "--service is required for servicedef install\n");
    check_int(run("install --service tool"), 2);
    check_str(err, "--binary-path is required for servicedef install\n");
    check_int(run("install --service tool --binary-path /x --isolation open"), 2);
    check_str(err, "--isolation must be private, shared, or explicit; got \"open\"\n");
    check_int(run("install --service tool --binary-path /x --label nosign"), 2);
    check_int(run("install --service tool --binary-path /x --lable a=b"), 2);
    check_int(run("install --service --binary-path /x"), 2);
    setenv("RUNNING_PROCESS_SERVICE_DEF_DIR", "relative", 1);
    check_int(run("install --service tool --binary-path /x"), 2);
    check_int(access("relative", F_OK), -1);
}

static void test_install_fails(void)
{
    struct stat st;

    fresh();
    rmdir(dir);
    check_int(run("install --service tool --binary-path bin/d"), 1);
    check_str(err, "servicedef install failed: binary_path must be absolute, got \"bin/d\"\n");
    check_int(access(dir, F_OK), -1); /* nothing was touched */
    mkdir(dir, 0700);
    check_int(run("install --service Tool --binary-path /d"), 1);
    check_has(err, "servicedef install failed: service_name: invalid name \"Tool\"");
    check_int(run("install --service tool --binary-path /d --isolation explicit"), 1);
    check_has(err, "requires explicit_instance");
    check_int(run("install --service tool --binary-path /d --explicit-instance x"), 1);
    check_int(run("install --service tool --binary-path /d --min-version 1"), 1);
    check_int(run("install --service tool --binary-path /d --allow-version 1"), 1);
    check_int(run("install --service tool --binary-path /d --per-version-binary-dir rel"), 1);
    check_has(err, "must be absolute");
    check_str(get("tool.servicedef"), "");
    /* a lax directory of ours is repaired */
    chmod(dir, 0777);
    check_int(run("install --service tool --binary-path /d"), 0);
    check_int(stat(dir, &st), 0);
    check_int(st.st_mode & 07777, 0700);
}

static void test_install_warns(void)
{
    fresh();
    check_int(run("install --service tool --binary-path /d"), 0);
    check_has(err, "warning: tool belongs to instance private:tool");
    check_has(err, "no broker launches tool while its definition has no --per-version-binary-dir");
    check_int(run("install --service tool --binary-path /d --per-version-binary-dir / --isolation private"), 0);
    check_str(err, "");
    check_int(run("install --service aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --binary-path /d --per-version-binary-dir / "
                  "--isolation private"),
              0);
    check_str(err, "");
    check_int(run("install --service aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab --binary-path /d --per-version-binary-dir / "
                  "--isolation private"),
              0);
    check_has(err, "would be 108 bytes long");
    put("tool.txtpb", "");
    check_int(run("install --service tool --binary-path /d --per-version-binary-dir / --isolation shared"), 0);
    check_has(err, "warning: tool.txtpb exists and goes before");
}

/* ------------------------------------------------------------------------------------------------ the others */

static const char good_text[] = "service_name: \"tool\"\nbinary_path: \"/opt/tool/bin/d\"\n";

static void test_check(void)
{
    fresh();
    put("tool.txtpb", good_text);
    check_int(run("check @/tool.txtpb"), 0);
    check_str(out, "");
    check_str(err, "");
    check_int(run("install --service tool --binary-path /d --isolation shared"), 0);
    check_int(run("check @/tool.servicedef @/tool.txtpb"), 0);
    check_str(err, "");
    put("other.txtpb", good_text);
    check_int(run("check @/tool.txtpb @/other.txtpb"), 1);
    check_has(err, "other.txtpb:1:15: error: service_name mismatch");
    put("bad.txtpb", "service_name: \"bad\"\nbinary_pth: 1\n\tmin_version: 2 \xc3\xa9\n");
    check_int(run("check @/bad.txtpb @/missing @/tool.txtpb"), 1);
    check_has(err,
              "bad.txtpb:2:1: error: ServiceDefinition has no field \"binary_pth\"; did you mean \"binary_path\"?\n"
              "    2 | binary_pth: 1\n      | ^~~~~~~~~~\n");
    check_has(err, "bad.txtpb:3:15: error: ");
    check_has(err, "    3 | \tmin_version: 2 \xc3\xa9\n      | \t             ^\n");
    check_has(err, "/missing: error: No such file or directory\n");
    put("bad.servicedef", "\x0a\x07wrong");
    check_int(run("check @/bad.servicedef"), 1);
    check_has(err, "bad.servicedef: error: not a service definition");
    check_int(run("check"), 2);
}

static void test_long_lines(void)
{
    char text[3000];

    fresh();
    memset(text, ' ', sizeof(text));
    memcpy(text + 1500, "\x1b[31m", 5);
    text[sizeof(text) - 1] = '\0';
    put("x", text);
    check_int(run("check @/x"), 1);
    check(strlen(err) < 1200);
    check(!strchr(err, '\x1b'));
}

static void test_compile(void)
{
    fresh();
    put("tool.txtpb", good_text);
    check_int(run("compile @/tool.txtpb"), 0);
    check_str(get("tool.servicedef"), "\x0a\x04tool\x12\x0f/opt/tool/bin/d");
    check_int(run("compile @/tool.txtpb --output @/out"), 0);
    check_str(get("out"), "\x0a\x04tool\x12\x0f/opt/tool/bin/d");
    check_int(run("compile @/tool.txtpb --output -"), 0);
    check_str(out, "\x0a\x04tool\x12\x0f/opt/tool/bin/d");
    put("other.txtpb", good_text);
    check_int(run("compile @/other.txtpb"), 1);
    check_int(access(in_dir("other.servicedef"), F_OK), -1);
    put("No_Name.txtpb", good_text); /* no name that could mismatch */
    check_int(run("compile @/No_Name.txtpb"), 0);
    check_int(access(in_dir("No_Name.servicedef"), F_OK), 0);
    put("bad.txtpb", "service_name: \"bad\"\nbinary_path: \"d\"\n");
    put("bad.servicedef", "kept");
    check_int(run("compile @/bad.txtpb"), 1);
    check_has(err, "bad.txtpb:2:14: error: binary_path must be absolute");
    check_str(get("bad.servicedef"), "kept");
    check_int(run("compile @/tool.txtpb --output @/no/such/dir"), 1);
    put("text.servicedef",
        "service_name: \"text\" binary_path: \"/x\""); /* a source by another suffix is not replaced */
    check_int(run("compile @/text.servicedef"), 1);
    check_has(err, "would replace its own source");
    check_has(get("text.servicedef"), "service_name: ");
    check_int(run("compile"), 2);
}

static void test_show(void)
{
    fresh();
    put("tool.txtpb", "labels {key: 'k'} binary_path: '/opt/tool/bin/d' isolation: 1 service_name: 'to' 'ol'");
    check_int(run("show tool"), 0);
    check_out("%sisolation: SHARED_BROKER\nlabels { key: \"k\" value: \"\" }\n", good_text);
    check_int(run("show @/tool.txtpb --json"), 0);
    check_out(
        "{\"binary_path\":\"/opt/tool/bin/d\",\"explicit_instance\":\"\",\"file\":\"%s/"
        "tool.txtpb\",\"instance\":\"shared\","
        "\"isolation\":\"SHARED_BROKER\",\"labels\":{\"k\":\"\"},\"min_version\":\"\",\"per_version_binary_dir\":\"\","
        "\"service_name\":\"tool\",\"version_allow_list\":[]}\n",
        dir);
    check_int(run("show nothing"), 1);
    check_has(err, "no definition of service nothing");
    put("tool.txtpb", "x");
    check_int(run("show tool"), 1);
    check_has(err, "tool.txtpb:1:1: error: ");
    put("real", good_text);
    check_fatal(!remove(in_dir("tool.txtpb")) && !symlink("real", in_dir("tool.txtpb")));
    check_int(run("show tool"), 1); /* as a broker sees it */
    check_has(err, "not a regular file");
    check_int(run("show @/tool.txtpb"), 0);
    chmod(dir, 0755);
    check_int(run("show tool"), 1);
    check_has(err, "chmod 700");
}

static void test_fmt(void)
{
    static const char rough[] = "# top\nservice_name:'tool' # name\nbinary_path: \"/d\";isolation:2\n";
    static const char neat[] =
        "# top\nservice_name: \"tool\"  # name\nbinary_path: \"/d\"\nisolation: EXPLICIT_INSTANCE\n";
    struct stat before, after;

    fresh();
    put("a.txtpb", rough);
    put("b.txtpb", neat);
    check_int(run("fmt @/a.txtpb"), 0);
    check_str(out, neat);
    check_str(get("a.txtpb"), rough);
    check_int(run("fmt --check @/a.txtpb @/b.txtpb"), 1);
    check_out("%s/a.txtpb\n", dir);
    chmod(in_dir("a.txtpb"), 0640);
    check_int(stat(in_dir("b.txtpb"), &before), 0);
    check_int(run("fmt --write @/a.txtpb @/b.txtpb"), 0);
    check_str(get("a.txtpb"), neat);
    check_int(stat(in_dir("a.txtpb"), &after), 0);
    check_int(after.st_mode & 07777, 0640);
    check_int(stat(in_dir("b.txtpb"), &after), 0);
    check_int(before.st_ino, after.st_ino); /* unchanged: not written */
    check_int(run("fmt --check @/a.txtpb @/b.txtpb"), 0);
    check_str(out, "");
    put("c.txtpb", "service_name 1");
    check_int(run("fmt --write @/c.txtpb"), 1);
    check_str(get("c.txtpb"), "service_name 1");
    check_int(run("fmt --write --check @/c.txtpb"), 2);
}

static void test_list(void)
{
    fresh();
    check_int(run("list"), 0);
    check_has(out, "no service definitions in ");
    put("tool.txtpb", good_text);
    put("tool.servicedef.v2", "\x0a\x04tool\x12\x0f/opt/tool/bin/d");
    put("tool.servicedef", "\x0a\x04tool\x12\x0f/opt/tool/bin/e");
    put("bad.servicedef", "junk");
    put("README", "not a definition");
    put(".tool.servicedef.tmp-1-2", "");
    check_int(run("list"), 0);
    check_out("bad\n  broken       bad.servicedef: not a service definition (it does not decode)\n"
              "tool  private:tool\n  in-force     tool.txtpb\n  same         tool.servicedef.v2\n"
              "  differs      tool.servicedef: binary_path\n");
    check_int(run("list --json"), 0);
    check_has(
        out,
        "{\"files\":[{\"detail\":\"\",\"file\":\"tool.txtpb\",\"state\":\"in-force\"},{\"detail\":\"\",\"file\":"
        "\"tool.servicedef.v2\",\"state\":\"same\"},{\"detail\":\"binary_path\",\"file\":\"tool.servicedef\",\"state\":"
        "\"differs\"}],\"instance\":\"private:tool\",\"service_name\":\"tool\"}]}\n");
    chmod(dir, 0777);
    check_int(run("list"), 1);
    check_has(err, "chmod 700");
    check_int(run("list --service-def-dir @/none"), 0);
    check_int(run("nonsense"), 2);
    check_has(out, "Usage: ");
    free(out);
    free(err);
    out = err = NULL;
}

CHECK_PROGRAM("cli/servicedef", {"install", test_install}, {"install with every option", test_install_everything},
              {"install: mistakes in the command line", test_install_usage},
              {"install: what is refused", test_install_fails}, {"install: warnings", test_install_warns},
              {"check", test_check}, {"long and hostile lines", test_long_lines}, {"compile", test_compile},
              {"show", test_show}, {"fmt", test_fmt}, {"list", test_list})
