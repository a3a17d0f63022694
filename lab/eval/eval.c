/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab eval: how good the program's detectors and causes are on published data, beside simple
 * methods computed in the same run. */
#include "eval/eval.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lab.h"

#define N_FIGURES_MAX 16

static const struct {
	const char *name;
	json_t *(*run)(const char *dir);
} subjects[] = {
	{ "timeseries", eval_timeseries },
	{ "rca", eval_rca },
	{ "fabric", eval_fabric },
};

/* One line a method, one column a figure; the figures are those of the first method. */
static void print_set(const char *name, json_t *methods)
{
	const char *method, *figure;
	json_t *figures, *value;
	bool is_first = true;

	(void)printf("%s\n", name);
	json_object_foreach(methods, method, figures)
	{
		if (is_first) {
			(void)printf("  %-22s", "");
			json_object_foreach(figures, figure, value)(void) printf(
				" %*s", (int)(strlen(figure) > 6 ? strlen(figure) : 6), figure);
			(void)printf("\n");
			is_first = false;
		}
		(void)printf("  %-22s", method);
		json_object_foreach(figures, figure, value)
		{
			int width = (int)(strlen(figure) > 6 ? strlen(figure) : 6);

			if (json_is_number(value))
				(void)printf(" %*.3f", width, json_number_value(value));
			else
				(void)printf(" %*s", width, "-");
		}
		(void)printf("\n");
	}
	(void)printf("\n");
}

static int print(json_t *result, bool as_json)
{
	const char *name;
	json_t *set;

	if (as_json) {
		(void)json_dumpf(result, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		(void)printf("\n");
	} else {
		json_object_foreach(json_object_get(result, "sets"), name, set)
			print_set(name, json_object_get(set, "mean"));
	}
	json_decref(result);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int lab_eval(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool as_json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return lab_usage(c == 'h', LAB_EVAL_USAGE);
		as_json = true;
	}
	if (argc - optind != 2)
		return lab_usage(false, LAB_EVAL_USAGE);
	for (size_t i = 0; i < N_ELEMENTS(subjects); i++)
		if (strcmp(subjects[i].name, argv[optind]) == 0) {
			json_t *result = subjects[i].run(argv[optind + 1]);

			return result ? print(result, as_json) : EXIT_FAILURE;
		}
	(void)fprintf(stderr, "x0-lab eval: no subject \"%s\"\n", argv[optind]);
	return lab_usage(false, LAB_EVAL_USAGE);
}
