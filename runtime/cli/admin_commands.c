/* SPDX-License-Identifier: MIT */

/*
 * Every command of this file is one verb: ask the broker, print the body as it is, exit with what the reply says. With
 * --local nothing is asked; the verbs are answered as by a broker that does not run, from the same code that a broker
 * answers from. Nobody who named no socket is told about a broker that is not there in the words of a failed
 * connection.
 */

#include "cli/admin_commands.h"

#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "cli/admin_call.h"
#include "ops/admin.h"
#include "wire/protocol.h"

#define UNSUPPORTED_BODY "unsupported admin verb\n"
#define UNSUPPORTED_CODE 2u

int admin_print_body(const struct options *options, const char *body, uint32_t exit_code)
{
    size_t size = strlen(body);

    fwrite(body, 1, size, options->out);
    if (!size || body[size - 1] != '\n') {
        fputc('\n', options->out);
    }
    if (exit_code == UNSUPPORTED_CODE && !strcmp(body, UNSUPPORTED_BODY)) {
        fprintf(options->err, "this broker's release does not have the command \"%s\"\n", options->command->name);
    }
    return exit_code > INT_MAX ? EXIT_STATUS_FAILED : (int)exit_code;
}

static void local_facts(void *owner, struct admin_facts *ret_facts)
{
    char state_dir[PATH_MAX];

    *ret_facts = (struct admin_facts){.unix_msec = clock_unix_msec()};
    admin_inodes_look(admin_state_dir(state_dir, sizeof(state_dir)), &ret_facts->inodes);
}

static int answer_locally(const struct options *options, const AdminRequest *request)
{
    const struct admin admin = {.broker_instance = "local", .broker_pid = sys_getpid(), .facts = local_facts};
    _cleanup_(admin_reply_deinit) struct admin_reply reply = {0};

    if (admin_answer(&admin, request, &reply)) {
        fputs("out of memory\n", options->err);
        return EXIT_STATUS_FAILED;
    }
    return admin_print_body(options, reply.body, reply.exit_code);
}

static int relay(const struct options *options, const AdminRequest *request)
{
    _cleanup_(admin_call_deinit) struct admin_call call = {.fd = -1};
    int r;

    if (options_has(options, OPTION_LOCAL)) {
        return answer_locally(options, request);
    }
    r = admin_call_dial(&call, options);
    if (!r) {
        r = admin_call_ask(&call, options, request);
    }
    return r ? r : admin_print_body(options, call.reply->body, call.reply->exit_code);
}

static int relay_verb(const struct options *options, RunningProcess__Broker__V1__AdminVerb verb, bool json)
{
    AdminRequest request;

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    request.verb = verb;
    request.json = json;
    return relay(options, &request);
}

int admin_status_command(const struct options *options)
{
    return relay_verb(options, ADMIN_VERB(STATUS), options_has(options, OPTION_JSON));
}

int admin_healthz_command(const struct options *options)
{
    return relay_verb(options, ADMIN_VERB(HEALTHZ), false);
}

int admin_readyz_command(const struct options *options)
{
    return relay_verb(options, ADMIN_VERB(READYZ), false);
}

int admin_dump_command(const struct options *options)
{
    return relay_verb(options, ADMIN_VERB(DUMP), true);
}

int admin_list_instances_command(const struct options *options)
{
    return relay_verb(options, ADMIN_VERB(LIST_INSTANCES), true);
}

int admin_config_command(const struct options *options)
{
    return relay_verb(options, ADMIN_VERB(CONFIG), true);
}

int admin_metrics_command(const struct options *options)
{
    return relay_verb(options, ADMIN_VERB(METRICS), false);
}

int admin_backend_health_command(const struct options *options)
{
    const char *service = options->n_operands ? options->operands[0] : "unknown";
    AdminRequest request;

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    request.verb = ADMIN_VERB(BACKEND_HEALTH);
    request.json = true;
    request.service_name = (char *)(uintptr_t)service; /* protobuf-c has no const strings; it is only read */
    return relay(options, &request);
}

int admin_diagnose_command(const struct options *options)
{
    const char *output = options_get(options, OPTION_OUTPUT);
    AdminRequest request;

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    request.verb = ADMIN_VERB(DIAGNOSE);
    request.json = true;
    request.output_path = (char *)(uintptr_t)(output ? output : "bundle.tar.gz");
    return relay(options, &request);
}
