/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab: known-answer tests and benchmarks, one subcommand each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lab.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage, *help;
} commands[] = {
	{ "kat", lab_kat, LAB_KAT_USAGE, "run published test vectors: ACVP, Wycheproof, Noise" },
	{ "sim", lab_sim, LAB_SIM_USAGE, "run many nodes in virtual time" },
	{ "bench", lab_bench, LAB_BENCH_USAGE, "measure the cryptography of this machine" },
};

int lab_usage(bool asked_for, const char *line)
{
	(void)fprintf(asked_for ? stdout : stderr, "usage: %s\n", line);
	return asked_for ? EXIT_SUCCESS : LAB_EXIT_USAGE;
}

static int help(bool asked_for)
{
	FILE *to = asked_for ? stdout : stderr;

	(void)fprintf(to, "usage: x0-lab COMMAND ...\n");
	for (size_t i = 0; i < N_ELEMENTS(commands); i++)
		(void)fprintf(to, "  %-40s %s\n", commands[i].usage, commands[i].help);
	return asked_for ? EXIT_SUCCESS : LAB_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return help(false);
	if (strcmp(argv[1], "--help") == 0)
		return help(true);
	for (size_t i = 0; i < N_ELEMENTS(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	(void)fprintf(stderr, "x0-lab: no command \"%s\"\n", argv[1]);
	return help(false);
}
