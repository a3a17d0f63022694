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
	{ "kat", lab_kat, LAB_KAT_USAGE,
	  "run published test vectors: ACVP, Wycheproof, Noise, Merkle" },
	{ "sim", lab_sim, LAB_SIM_USAGE, "run many nodes in virtual time" },
	{ "chaos", lab_chaos, LAB_CHAOS_USAGE,
	  "run an episode of the fault bench in virtual time" },
	{ "bench", lab_bench, LAB_BENCH_USAGE, "measure the cryptography of this machine" },
	{ "train graph", lab_train_graph, LAB_TRAIN_GRAPH_USAGE, "learn the labels of a graph" },
	/* Before "eval", which takes any second word. */
	{ "eval graph", lab_eval_graph, LAB_EVAL_GRAPH_USAGE, "how well they are learnt" },
	{ "eval", lab_eval, LAB_EVAL_USAGE, "score detectors and causes on published data" },
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

/* How many words of the command line the name is: one, two, or none where it is another. */
static int words_of(const char *name, int argc, char **argv)
{
	size_t first = strcspn(name, " ");

	if (strlen(argv[1]) != first || strncmp(argv[1], name, first) != 0)
		return 0;
	if (name[first] == '\0')
		return 1;
	return argc > 2 && strcmp(argv[2], name + first + 1) == 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return help(false);
	if (strcmp(argv[1], "--help") == 0)
		return help(true);
	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		int words = words_of(commands[i].name, argc, argv);

		if (words > 0)
			return commands[i].run(argc - words, argv + words);
	}
	(void)fprintf(stderr, "x0-lab: no command \"%s\"\n", argv[1]);
	return help(false);
}
