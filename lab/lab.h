/* SPDX-License-Identifier: Apache-2.0 */
/* lab.h - the subcommands of x0-lab. Each is main() of its own: argv[0] is its name, the
 * result an exit status: 0, 1 for a failed test, 2 for a wrong command line. */
#pragma once

#include <stdbool.h>

#define LAB_EXIT_USAGE 2

#define LAB_KAT_USAGE "x0-lab kat [--json] DIR_OR_FILE..."
#define LAB_BENCH_USAGE "x0-lab bench crypto|handshake [--json]"

#define LAB_SIM_USAGE \
	"x0-lab sim [--nodes N] [--seed S] [--seeds N] [--scenario mixed|coldstart] [--json]"

int lab_sim(int argc, char **argv);
int lab_kat(int argc, char **argv);
int lab_bench(int argc, char **argv);
/* What is measured by `bench`; exit statuses. */
int bench_handshake(bool as_json);

/* Prints the line: to standard output where it was asked for, and returns 0, otherwise to
 * standard error, and returns LAB_EXIT_USAGE. */
int lab_usage(bool asked_for, const char *line);
