/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab train graph, x0-lab eval graph: labels of nodes in one graph, with fixed splits. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "core/sage/sage.h"
#include "graph/graph.h"
#include "lab.h"

#define SPLITS_MAX 64
#define MODEL_SIZE_MAX (64U << 20)

struct options {
	const char *dir, *model;
	unsigned long seed, split, splits;
	bool is_json;
	struct sage_training training;
};

/* A directory of the format of docs/anomaly-sage.md. */
struct data {
	struct sage_graph *graph;
	struct table splits;
	float *features;
	uint8_t *labels, *parts;
	uint32_t n_features;
	uint64_t names_hash;
};

static void data_done(struct data *d)
{
	sage_graph_free(d->graph);
	table_done(&d->splits);
	free(d->features);
	free(d->labels);
	free(d->parts);
}

/* Columns have no names in these files: they are called by their number. */
static uint64_t hash_of_columns(size_t n)
{
	char text[SAGE_FEATURES_MAX][8];
	const char *names[SAGE_FEATURES_MAX];

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "%zu", i);
		names[i] = text[i];
	}
	return sage_names_hash(names, n);
}

static int take_graph(const struct table *edges, size_t n_nodes, struct sage_graph **ret)
{
	CLEANUP_FREE uint32_t(*pairs)[2] = calloc(edges->n_rows + 1, sizeof(pairs[0]));

	if (!pairs)
		return -ENOMEM;
	if (edges->n_columns != 2)
		return -EBADMSG;
	for (size_t i = 0; i < 2 * edges->n_rows; i++) {
		double end = edges->values[i];

		if (!(end >= 0 && end < (double)n_nodes) || end != floor(end))
			return -EBADMSG;
		pairs[i / 2][i % 2] = (uint32_t)end;
	}
	return sage_graph_new(n_nodes, (const uint32_t(*)[2])pairs, edges->n_rows, ret);
}

static int take_nodes(struct data *d, const struct table *features, const struct table *labels)
{
	size_t n = features->n_rows;

	if (labels->n_rows != n || labels->n_columns != 1 || d->splits.n_rows != n ||
	    features->n_columns > SAGE_FEATURES_MAX || d->splits.n_columns > SPLITS_MAX)
		return -EBADMSG;
	d->n_features = (uint32_t)features->n_columns;
	d->names_hash = hash_of_columns(d->n_features);
	d->features = calloc(n * d->n_features, sizeof(float));
	d->labels = calloc(n, 1);
	d->parts = calloc(n, 1);
	if (!d->features || !d->labels || !d->parts)
		return -ENOMEM;
	for (size_t i = 0; i < n * d->n_features; i++)
		d->features[i] = (float)features->values[i];
	for (size_t i = 0; i < n; i++) {
		if (labels->values[i] != 0 && labels->values[i] != 1)
			return -EBADMSG;
		d->labels[i] = labels->values[i] == 1;
	}
	return 0;
}

static int data_read(const char *dir, struct data *ret)
{
	CLEANUP(table_done) struct table features = { 0 }, labels = { 0 }, edges = { 0 };
	int r = table_read(dir, "features", &features);

	if (r == 0)
		r = table_read(dir, "labels", &labels);
	if (r == 0)
		r = table_read(dir, "edges", &edges);
	if (r == 0)
		r = table_read(dir, "splits", &ret->splits);
	if (r == 0)
		r = take_nodes(ret, &features, &labels);
	if (r == 0)
		r = take_graph(&edges, features.n_rows, &ret->graph);
	if (r < 0 && r != -ENOENT)
		(void)fprintf(stderr, "x0-lab: %s: no graph of the format of eval graph: %s\n", dir,
			      strerror(-r));
	return r;
}

static int take_split(struct data *d, size_t split)
{
	if (split >= d->splits.n_columns)
		return -EINVAL;
	for (size_t i = 0; i < d->splits.n_rows; i++) {
		double value = d->splits.values[i * d->splits.n_columns + split];
		int part = value >= 0 && value <= UINT8_MAX ? (int)value : -1;

		if ((part != SAGE_LEARN && part != SAGE_CHOOSE && part != SAGE_UNSEEN) ||
		    value > part)
			return -EBADMSG; /* of no part, or a fraction */
		d->parts[i] = (uint8_t)part;
	}
	return 0;
}

/* ---- what is done with it ---- */

static int train(const struct options *o, struct data *d, size_t split, struct sage_model **ret,
		 struct sage_outcome *outcome)
{
	struct sage_task task = { .graph = d->graph,
				  .features = d->features,
				  .labels = d->labels,
				  .parts = d->parts,
				  .n_features = d->n_features,
				  .names_hash = d->names_hash };
	int r = take_split(d, split);

	return r < 0 ? r : sage_train(&task, &o->training, o->seed, ret, outcome);
}

static int test_auroc(const struct data *d, const struct sage_model *m, double *ret)
{
	CLEANUP(sage_scorer_freep) struct sage_scorer *s = NULL;
	int r = sage_scorer_new(m, d->graph, &s);

	if (r < 0)
		return r;
	sage_scorer_all(s, d->features);
	return sage_auroc(sage_scorer_scores(s), d->labels, d->parts, SAGE_UNSEEN,
			  d->graph->n_nodes, ret);
}

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void tell_split(const struct options *o, size_t split, double auroc,
		       const struct sage_outcome *outcome, double spent, json_t *list)
{
	if (!o->is_json)
		(void)printf("split %zu: AUROC %.4f, of the choosing part %.4f at round %u of %u, "
			     "%.1f s\n",
			     split, auroc, outcome->best_auroc, outcome->best_round,
			     outcome->rounds, spent);
	(void)fflush(stdout);
	(void)json_array_append_new(
		list, json_pack("{s:I, s:f, s:f, s:I, s:I, s:f}", "split", (json_int_t)split,
				"auroc", auroc, "chosen_auroc", outcome->best_auroc, "best_round",
				(json_int_t)outcome->best_round, "rounds",
				(json_int_t)outcome->rounds, "cpu_s", spent));
}

static void tell_all(const struct options *o, const double *aurocs, size_t n, json_t *list)
{
	double mean = 0, square = 0;

	for (size_t i = 0; i < n; i++)
		mean += aurocs[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		square += (aurocs[i] - mean) * (aurocs[i] - mean);
	double deviation = n > 1 ? sqrt(square / (double)(n - 1)) : 0;

	if (!o->is_json) {
		(void)printf("mean over %zu splits: AUROC %.4f, deviation %.4f\n", n, mean,
			     deviation);
		return;
	}
	json_t *whole =
		json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:O}", "level", sage_level(), "seed",
			  (json_int_t)o->seed, "hidden", (json_int_t)o->training.hidden, "layers",
			  (json_int_t)o->training.layers, "auroc_mean", mean, "auroc_deviation",
			  deviation, "splits", list);

	(void)json_dumpf(whole, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	(void)printf("\n");
	json_decref(whole);
}

static int evaluate_splits(const struct options *o, struct data *d)
{
	size_t n = o->splits && o->splits < d->splits.n_columns ? o->splits : d->splits.n_columns;
	double aurocs[SPLITS_MAX];
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		CLEANUP(sage_model_freep) struct sage_model *m = NULL;
		struct sage_outcome outcome;
		double start = seconds();

		r = train(o, d, i, &m, &outcome);
		if (r == 0)
			r = test_auroc(d, m, &aurocs[i]);
		if (r == 0)
			tell_split(o, i, aurocs[i], &outcome, seconds() - start, list);
	}
	if (r == 0)
		tell_all(o, aurocs, n, list);
	json_decref(list);
	return r;
}

static int write_file(const char *path, struct span bytes)
{
	FILE *f = fopen(path, "wbe");
	bool is_written = f && fwrite(bytes.at, 1, bytes.len, f) == bytes.len;

	if (!f || fclose(f) != 0 || !is_written)
		return errno ? -errno : -EIO;
	return 0;
}

static int read_file(const char *path, uint8_t **ret, size_t *ret_len)
{
	CLEANUP_FREE uint8_t *bytes = malloc(MODEL_SIZE_MAX);
	FILE *f = fopen(path, "rbe");

	if (!f || !bytes) {
		if (f)
			(void)fclose(f);
		return bytes ? -errno : -ENOMEM;
	}
	*ret_len = fread(bytes, 1, MODEL_SIZE_MAX, f);
	(void)fclose(f);
	*ret = TAKE(bytes);
	return 0;
}

static int evaluate_model(const struct options *o, struct data *d)
{
	CLEANUP(sage_model_freep) struct sage_model *m = NULL;
	CLEANUP_FREE uint8_t *bytes = NULL;
	const char *reason = NULL;
	double auroc = 0;
	size_t len = 0;
	int r = read_file(o->model, &bytes, &len);

	if (r == 0)
		r = sage_model_load(SPAN(bytes, len), d->n_features, d->names_hash, &m, &reason);
	if (r < 0) {
		(void)fprintf(stderr, "x0-lab: %s: %s\n", o->model, reason ? reason : strerror(-r));
		return r;
	}
	r = take_split(d, o->split);
	if (r == 0)
		r = test_auroc(d, m, &auroc);
	if (r == 0 && o->is_json)
		(void)printf("{\"split\": %lu, \"auroc\": %.6f}\n", o->split, auroc);
	else if (r == 0)
		(void)printf("split %lu: AUROC %.4f\n", o->split, auroc);
	return r;
}

static int train_model(const struct options *o, struct data *d)
{
	CLEANUP(sage_model_freep) struct sage_model *m = NULL;
	CLEANUP_FREE uint8_t *bytes = NULL;
	struct sage_outcome outcome;
	size_t len = 0;
	int r = train(o, d, o->split, &m, &outcome);

	if (r == 0)
		r = sage_model_save(m, &bytes, &len);
	if (r < 0)
		return r;
	r = write_file(o->model, SPAN(bytes, len));
	if (r < 0)
		(void)fprintf(stderr, "x0-lab: %s: %s\n", o->model, strerror(-r));
	else
		(void)printf("%s: %zu bytes, round %u of %u, AUROC of the choosing part %.4f\n",
			     o->model, len, outcome.best_round, outcome.rounds, outcome.best_auroc);
	return r;
}

/* ---- command line ---- */

static bool read_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *ret <= max;
}

static bool read_options(int argc, char **argv, struct options *ret)
{
	static const struct option longs[] = {
		{ "model", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' },
		{ "split", required_argument, NULL, 'p' },
		{ "splits", required_argument, NULL, 'n' },
		{ "layers", required_argument, NULL, 'l' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	unsigned long layers = ret->training.layers, rounds = ret->training.rounds;
	bool is_fine = true;
	int option;

	while (is_fine && (option = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (option) {
		case 'm':
			ret->model = optarg;
			break;
		case 's':
			is_fine = read_number(optarg, ULONG_MAX, &ret->seed);
			break;
		case 'p':
			is_fine = read_number(optarg, SPLITS_MAX - 1, &ret->split);
			break;
		case 'n':
			is_fine = read_number(optarg, SPLITS_MAX, &ret->splits);
			break;
		case 'l':
			is_fine = read_number(optarg, SAGE_LAYERS_MAX, &layers) && layers > 0;
			break;
		case 'r':
			is_fine = read_number(optarg, 100000, &rounds) && rounds > 0;
			break;
		case 'j':
			ret->is_json = true;
			break;
		default:
			is_fine = false;
		}
	ret->training.layers = (uint32_t)layers;
	ret->training.rounds = (uint32_t)rounds;
	ret->dir = argv[optind];
	return is_fine && optind + 1 == argc;
}

/* What the graphs of these directories get, all alike: minesweeper is told from six hops. */
static struct options options_default(void)
{
	struct options o = { .seed = 1, .training = sage_training_default };

	o.training.layers = 6;
	o.training.rounds = 400;
	return o;
}

static int run(const struct options *o, int (*what)(const struct options *o, struct data *d))
{
	CLEANUP(data_done) struct data d = { 0 };
	int r = data_read(o->dir, &d);

	if (r < 0)
		return EXIT_FAILURE;
	r = what(o, &d);
	if (r < 0)
		(void)fprintf(stderr, "x0-lab: %s: %s\n", o->dir, strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int lab_train_graph(int argc, char **argv)
{
	struct options o = options_default();

	if (!read_options(argc, argv, &o) || !o.model)
		return lab_usage(false, LAB_TRAIN_GRAPH_USAGE);
	return run(&o, train_model);
}

int lab_eval_graph(int argc, char **argv)
{
	struct options o = options_default();

	if (!read_options(argc, argv, &o))
		return lab_usage(false, LAB_EVAL_GRAPH_USAGE);
	return run(&o, o.model ? evaluate_model : evaluate_splits);
}
