/* SPDX-License-Identifier: MIT */
#pragma once

/* The commands that relay an admin verb to a broker and print its answer (spec 05 §10, decision 20). */

#include "cli/options.h"

int admin_status_command(const struct options *options);
int admin_healthz_command(const struct options *options);
int admin_readyz_command(const struct options *options);
int admin_shutdown_command(const struct options *options);
int admin_dump_command(const struct options *options);
int admin_list_instances_command(const struct options *options);
int admin_backend_health_command(const struct options *options);
int admin_config_command(const struct options *options);
int admin_diagnose_command(const struct options *options);
int admin_metrics_command(const struct options *options);
