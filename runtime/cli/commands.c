/* SPDX-License-Identifier: MIT */

/* The table of commands. It says which options go with which command; what they do is elsewhere. */

#include "cli/admin_commands.h"
#include "cli/conform.h"
#include "cli/hello_command.h"
#include "cli/options.h"
#include "cli/serve_command.h"
#include "cli/servicedef.h"

#define ADMIN_OPTIONS (OPTION_BIT(JSON) | OPTION_BIT(EFFECTIVE))
#define SERVING_OPTIONS (OPTION_BIT(SERVICE_DEF_DIR) | OPTION_BIT(MAX_CONNECTIONS) | OPTION_BIT(HELLO_RATE_LIMIT))
#define LAUNCHING_OPTIONS (SERVING_OPTIONS | OPTION_BIT(INSTANCE) | OPTION_BIT(BACKEND_LIFETIME))

const struct command command_table[] = {
    {"serve", "[SOCKET]", 0, 1, LAUNCHING_OPTIONS,
     "run a broker that launches backends on demand: the shared one, unless told otherwise", serve_command},
    {"--serve-launch", "SOCKET", 1, 1, LAUNCHING_OPTIONS, "the same, for all instances unless one is named",
     serve_launch_command},
    {"--serve", "SOCKET", 1, 1,
     SERVING_OPTIONS | OPTION_BIT(SERVICE) | OPTION_BIT(VERSION) | OPTION_BIT(BACKEND_ENDPOINT) |
         OPTION_BIT(HANDOFF_ENDPOINT) | OPTION_BIT(INSTANCE),
     "run a broker in front of one backend that runs already", serve_registered_command},
    {"--serve-once", "SOCKET", 1, 1, 0, "answer one connection, knowing no service", serve_once_command},
    {"endpoint", "", 0, 0, OPTION_BIT(INSTANCE), "print the path of a broker's socket", endpoint_command},
    {"hello", "SERVICE VERSION", 2, 2, OPTION_BIT(JSON) | OPTION_BIT(SERVICE_DEF_DIR),
     "ask a broker for a backend and say what came of it", hello_command},
    {"conform", "ENDPOINT|SERVICE", 0, 1,
     OPTION_BIT(BROKER) | OPTION_BIT(SERVICE) | OPTION_BIT(VERSION) | OPTION_BIT(SERVICE_DEF_DIR) | OPTION_BIT(LANE) |
         OPTION_BIT(QUICK) | OPTION_BIT(JSON),
     "try the rules of the protocol on a backend or a broker"
     "\n                                    SERVICE is asked for in --version, else in the lowest of its definition,"
     "\n                                    else 1.0.0; a backend that this launches outlives the command",
     conform_command},
    {"status", "", 0, 0, ADMIN_OPTIONS | OPTION_BIT(LOCAL), "what the broker is doing", admin_status_command},
    {"healthz", "", 0, 0, ADMIN_OPTIONS | OPTION_BIT(LOCAL), "is it alive", admin_healthz_command},
    {"readyz", "", 0, 0, ADMIN_OPTIONS | OPTION_BIT(LOCAL), "does it take Hellos", admin_readyz_command},
    {"shutdown", "", 0, 0, ADMIN_OPTIONS | OPTION_BIT(DEADLINE_MS), "end the broker; wait until it is gone",
     admin_shutdown_command},
    {"dump", "", 0, 0, ADMIN_OPTIONS, "everything it knows", admin_dump_command},
    {"list-instances", "", 0, 0, ADMIN_OPTIONS, "the brokers of this user", admin_list_instances_command},
    {"backend-health", "[SERVICE]", 0, 1, ADMIN_OPTIONS, "the backends of one service", admin_backend_health_command},
    {"config", "", 0, 0, ADMIN_OPTIONS, "the values in force", admin_config_command},
    {"diagnose", "", 0, 0, ADMIN_OPTIONS | OPTION_BIT(OUTPUT), "collect what a report of a fault needs",
     admin_diagnose_command},
    {"metrics", "", 0, 0, ADMIN_OPTIONS, "OpenMetrics text", admin_metrics_command},
    {"servicedef install", "", 0, 0,
     OPTION_BIT(SERVICE) | OPTION_BIT(BINARY_PATH) | OPTION_BIT(MIN_VERSION) | OPTION_BIT(PER_VERSION_BINARY_DIR) |
         OPTION_BIT(ISOLATION) | OPTION_BIT(EXPLICIT_INSTANCE) | OPTION_BIT(ALLOW_VERSION) | OPTION_BIT(LABEL) |
         OPTION_BIT(SERVICE_DEF_DIR) | OPTION_BIT(JSON),
     "write a service definition", servicedef_install},
    {"servicedef check", "FILE...", 1, OPTIONS_ARGUMENTS_MAX, OPTION_BIT(SERVICE_DEF_DIR),
     "say what is wrong with definitions", servicedef_check},
    {"servicedef compile", "FILE", 1, 1, OPTION_BIT(OUTPUT) | OPTION_BIT(SERVICE_DEF_DIR),
     "turn a text definition into the binary form", servicedef_compile},
    {"servicedef show", "FILE|SERVICE", 1, 1, OPTION_BIT(JSON) | OPTION_BIT(SERVICE_DEF_DIR), "print a definition",
     servicedef_show},
    {"servicedef fmt", "FILE...", 1, OPTIONS_ARGUMENTS_MAX,
     OPTION_BIT(WRITE) | OPTION_BIT(CHECK) | OPTION_BIT(SERVICE_DEF_DIR), "bring text definitions into the usual form",
     servicedef_fmt},
    {"servicedef list", "", 0, 0, OPTION_BIT(JSON) | OPTION_BIT(SERVICE_DEF_DIR),
     "the definitions, and which file of each is in force", servicedef_list},
    {0},
};
