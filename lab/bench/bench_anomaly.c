/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab bench anomaly: how long scores of a graph take, of all nodes and after one has changed.
 * 10,000 nodes at random places, each joined to those nearest to it until there are 40,000 edges;
 * the weights are random, since time does not depend on them. */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "bench/bench.h"
#include "core/sage/sage.h"
#include "lab.h"

#define NODES 10000
#define EDGES 40000
#define FEATURES 8
#define CELLS 70 /* a side; a disc of radius 1 / 70 about a node has 6 others, one cell 2 */
#define ALL_ROUNDS 500
#define CHANGES 20000
#define ALL_LIMIT_US 5000.0
#define CHANGE_LIMIT_US 50.0

struct pair {
	uint32_t ends[2];
	float distance;
};

struct world {
	struct sage_graph *graph;
	struct sage_model *model;
	struct sage_scorer *scorer;
	float *features;
};

struct times {
	double p50, p99, worst;
};

static void world_done(struct world *w)
{
	sage_scorer_free(w->scorer);
	sage_model_free(w->model);
	sage_graph_free(w->graph);
	free(w->features);
}

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return (x->distance > y->distance) - (x->distance < y->distance);
}

static int compare_places(const void *a, const void *b)
{
	const float *x = a, *y = b;
	int row_x = (int)(x[0] * CELLS), row_y = (int)(y[0] * CELLS);

	return row_x != row_y ? (row_x > row_y) - (row_x < row_y) : (x[1] > y[1]) - (x[1] < y[1]);
}

/* All pairs in reach of each other, the nearest EDGES of which are taken. Nodes are numbered by
 * place, as neighbours in a mesh that grew have near numbers; is_mixed: by chance. */
static int make_graph(struct rng *rng, bool is_mixed, struct sage_graph **ret)
{
	static float at[NODES][2];
	static uint32_t number[NODES];
	const float reach = 2.0F / CELLS;
	size_t size = (size_t)NODES * 32, n = 0;
	CLEANUP_FREE struct pair *pairs = calloc(size, sizeof(pairs[0]));
	CLEANUP_FREE uint32_t(*edges)[2] = calloc(EDGES, sizeof(edges[0]));

	if (!pairs || !edges)
		return -ENOMEM;
	for (size_t i = 0; i < NODES; i++) {
		at[i][0] = (float)rng_unit(rng);
		at[i][1] = (float)rng_unit(rng);
		number[i] = (uint32_t)i;
	}
	qsort(at, NODES, sizeof(at[0]), compare_places);
	for (size_t i = NODES - 1; is_mixed && i > 0; i--) {
		size_t other = (size_t)rng_below(rng, i + 1);
		uint32_t kept = number[i];

		number[i] = number[other];
		number[other] = kept;
	}
	for (uint32_t i = 0; i < NODES; i++)
		for (uint32_t j = i + 1; j < NODES && at[j][0] < at[i][0] + 2 * reach; j++) {
			float x = at[i][0] - at[j][0], y = at[i][1] - at[j][1];

			if (x * x + y * y < reach * reach && n < size)
				pairs[n++] =
					(struct pair){ { number[i], number[j] }, x * x + y * y };
		}
	if (n < EDGES)
		return -ERANGE;
	qsort(pairs, n, sizeof(pairs[0]), compare_pairs);
	for (size_t i = 0; i < EDGES; i++)
		memcpy(edges[i], pairs[i].ends, sizeof(edges[i]));
	return sage_graph_new(NODES, (const uint32_t(*)[2])edges, EDGES, ret);
}

/* One round of training makes a model of the shape. */
static int make_model(struct world *w, struct rng *rng)
{
	CLEANUP_FREE uint8_t *labels = calloc(NODES, 1), *parts = calloc(NODES, 1);
	struct sage_training how = sage_training_default;
	struct sage_task task = { .graph = w->graph,
				  .features = w->features,
				  .labels = labels,
				  .parts = parts,
				  .n_features = FEATURES };

	if (!labels || !parts)
		return -ENOMEM;
	for (size_t i = 0; i < NODES; i++) {
		labels[i] = (uint8_t)rng_below(rng, 2);
		parts[i] = (uint8_t)rng_below(rng, 2);
	}
	how.rounds = how.check_every = 1;
	return sage_train(&task, &how, 1, &w->model, NULL);
}

static int make_world(bool is_mixed, struct world *ret)
{
	struct rng rng;
	int r;

	rng_seed(&rng, 1);
	r = make_graph(&rng, is_mixed, &ret->graph);
	ret->features = calloc((size_t)NODES * FEATURES, sizeof(float));
	if (r == 0 && !ret->features)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < (size_t)NODES * FEATURES; i++)
		ret->features[i] = (float)(6 * rng_unit(&rng) - 3);
	if (r == 0)
		r = make_model(ret, &rng);
	return r < 0 ? r : sage_scorer_new(ret->model, ret->graph, &ret->scorer);
}

static double now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static struct times summary(double *us, size_t n)
{
	struct times t = { .p50 = bench_median(us, n) }; /* sorts */

	t.p99 = us[n * 99 / 100];
	t.worst = us[n - 1];
	return t;
}

static int measure(bool is_mixed, struct times *ret_all, struct times *ret_change)
{
	static double all[ALL_ROUNDS], change[CHANGES];
	CLEANUP(world_done) struct world w = { 0 };
	struct rng rng;
	int r = make_world(is_mixed, &w);

	if (r < 0)
		return r;
	rng_seed(&rng, 2);
	sage_scorer_all(w.scorer, w.features); /* memory is touched once */
	for (size_t i = 0; i < ALL_ROUNDS; i++) {
		double start = now_us();

		sage_scorer_all(w.scorer, w.features);
		all[i] = now_us() - start;
	}
	for (size_t i = 0; i < CHANGES; i++) {
		size_t node = (size_t)rng_below(&rng, NODES);
		const uint32_t *nodes;

		w.features[node * FEATURES] = (float)(6 * rng_unit(&rng) - 3);
		double start = now_us();

		(void)sage_scorer_change(w.scorer, node, w.features + node * FEATURES, &nodes);
		change[i] = now_us() - start;
	}
	*ret_all = summary(all, ALL_ROUNDS);
	*ret_change = summary(change, CHANGES);
	return 0;
}

static void tell(const char *what, const char *numbers, const struct times *t, double limit,
		 bool is_json, json_t *list)
{
	if (!is_json)
		(void)printf("%-24s numbered by %s: median %8.1f us, p99 %8.1f, worst %8.1f; "
			     "wanted: p99 below %.0f\n",
			     what, numbers, t->p50, t->p99, t->worst, limit);
	(void)json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "what", what,
						    "numbered_by", numbers, "p50_us", t->p50,
						    "p99_us", t->p99, "worst_us", t->worst,
						    "wanted_p99_us", limit));
}

int bench_anomaly(int argc, char **argv)
{
	bool is_json = argc == 2 && strcmp(argv[1], "--json") == 0;
	json_t *list = json_array();
	int cpu = bench_pin(), r = 0;

	if (argc > 1 && !is_json) {
		json_decref(list);
		return lab_usage(strcmp(argv[1], "--help") == 0, BENCH_ANOMALY_USAGE);
	}
	for (int is_mixed = 0; is_mixed < 2 && r == 0; is_mixed++) {
		const char *numbers = is_mixed ? "chance" : "place";
		struct times all, change;

		r = measure(is_mixed, &all, &change);
		if (r < 0)
			break;
		tell("10,000 nodes", numbers, &all, ALL_LIMIT_US, is_json, list);
		tell("one changed node", numbers, &change, CHANGE_LIMIT_US, is_json, list);
	}
	if (r == 0 && is_json) {
		json_t *whole = json_pack("{s:o, s:s, s:O}", "machine", bench_machine(cpu), "level",
					  sage_level(), "results", list);

		(void)json_dumpf(whole, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		(void)printf("\n");
		json_decref(whole);
	}
	json_decref(list);
	if (r < 0)
		(void)fprintf(stderr, "x0-lab bench anomaly: %s\n", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
