/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs, training, model files and scores; the gradients have a test of their own. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/siphash.h"
#include "core/sage/rows.h"
#include "core/sage/sage.h"

#define SIDE 16
#define NODES (SIDE * SIDE)
#define FEATURES 3

static const struct sage_training small = {
	.hidden = 16,
	.heads = 4,
	.layers = 2,
	.rounds = 60,
	.check_every = 5,
	.patience = 60,
	.rate = 1e-2,
	.decay = 1e-4,
	.dropout = 0.1,
};

/* A grid of which a node's label is whether most of its neighbours have a positive first feature:
 * its own features say nothing of it. */
struct world {
	struct sage_graph *graph, *no_edges;
	float features[NODES * FEATURES];
	uint8_t labels[NODES], parts[NODES];
};

static struct sage_graph *grid(void)
{
	uint32_t edges[2 * NODES][2];
	struct sage_graph *g = NULL;
	size_t n = 0;

	for (uint32_t i = 0; i < NODES; i++) {
		if (i % SIDE + 1 < SIDE) {
			edges[n][0] = i;
			edges[n++][1] = i + 1;
		}
		if (i + SIDE < NODES) {
			edges[n][0] = i + SIDE;
			edges[n++][1] = i;
		}
	}
	assert_int_equal(sage_graph_new(NODES, (const uint32_t(*)[2])edges, n, &g), 0);
	return g;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct rng rng;

	assert_non_null(w);
	rng_seed(&rng, 7);
	w->graph = grid();
	assert_int_equal(sage_graph_new(NODES, NULL, 0, &w->no_edges), 0);
	for (size_t i = 0; i < (size_t)NODES * FEATURES; i++)
		w->features[i] = (float)(rng_unit(&rng) * 2 - 1);
	for (size_t i = 0; i < NODES; i++) {
		float sum = 0;

		for (size_t e = w->graph->begin[i]; e < w->graph->begin[i + 1]; e++)
			sum += w->features[(size_t)w->graph->to[e] * FEATURES];
		w->labels[i] = sum > 0;
		w->parts[i] = (uint8_t)rng_below(&rng, 3);
	}
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	sage_graph_free(w->graph);
	sage_graph_free(w->no_edges);
	free(w);
	return 0;
}

static struct sage_task task_of(const struct world *w, const struct sage_graph *g)
{
	return (struct sage_task){ .graph = g,
				   .features = w->features,
				   .labels = w->labels,
				   .parts = w->parts,
				   .n_features = FEATURES,
				   .names_hash = 42 };
}

static struct sage_model *train(const struct world *w, const struct sage_graph *g, uint64_t seed)
{
	struct sage_task task = task_of(w, g);
	struct sage_model *m = NULL;
	struct sage_outcome outcome;

	assert_int_equal(sage_train(&task, &small, seed, &m, &outcome), 0);
	assert_in_range(outcome.best_round, 1, small.rounds);
	return m;
}

static double test_auroc(const struct world *w, const struct sage_graph *g,
			 const struct sage_model *m)
{
	struct sage_scorer *s = NULL;
	double auroc = 0;

	assert_int_equal(sage_scorer_new(m, g, &s), 0);
	sage_scorer_all(s, w->features);
	assert_int_equal(
		sage_auroc(sage_scorer_scores(s), w->labels, w->parts, SAGE_UNSEEN, NODES, &auroc),
		0);
	sage_scorer_free(s);
	return auroc;
}

/* ---- graph ---- */

static void a_graph_has_each_edge_at_both_ends_in_order(void **state)
{
	static const uint32_t edges[][2] = { { 3, 0 }, { 0, 1 }, { 1, 3 } };
	static const uint32_t begin[] = { 0, 2, 4, 4, 6 }, to[] = { 1, 3, 0, 3, 0, 1 };
	struct sage_graph *g = NULL;

	(void)state;
	assert_int_equal(sage_graph_new(4, edges, 3, &g), 0);
	assert_memory_equal(g->begin, begin, sizeof(begin));
	assert_memory_equal(g->to, to, sizeof(to));
	assert_int_equal(g->degree_max, 2);
	sage_graph_free(g);
}

static void edges_that_are_none_are_refused(void **state)
{
	static const uint32_t twice[][2] = { { 0, 1 }, { 1, 0 } };
	static const uint32_t loop[][2] = { { 1, 1 } }, beyond[][2] = { { 0, 3 } };
	struct sage_graph *g = NULL;

	(void)state;
	assert_int_equal(sage_graph_new(3, twice, 2, &g), -EINVAL);
	assert_int_equal(sage_graph_new(3, loop, 1, &g), -EINVAL);
	assert_int_equal(sage_graph_new(3, beyond, 1, &g), -EINVAL);
	assert_int_equal(sage_graph_new(SAGE_NODES_MAX + 1, NULL, 0, &g), -ENOBUFS);
	assert_int_equal(sage_graph_new(3, beyond, SAGE_EDGES_MAX + 1, &g), -ENOBUFS);
	assert_null(g);
}

/* ---- figures ---- */

static void auroc_counts_ties_half(void **state)
{
	static const float scores[] = { 0.1F, 0.4F, 0.4F, 0.8F, 0.9F };
	static const uint8_t labels[] = { 0, 1, 0, 1, 0 }, parts[] = { 2, 2, 2, 2, 0 };
	double auroc = 0;

	(void)state;
	/* of 2 x 2 pairs three are won, and one is a tie */
	assert_int_equal(sage_auroc(scores, labels, parts, SAGE_UNSEEN, 5, &auroc), 0);
	assert_true(fabs(auroc - 3.5 / 4) < 1e-12);
	assert_int_equal(sage_auroc(scores, labels, parts, SAGE_LEARN, 5, &auroc), 0);
	assert_true(isnan(auroc)); /* one label only */
}

static void a_node_without_a_score_is_not_counted(void **state)
{
	static const float scores[] = { NAN, 0.4F, NAN, 0.8F, 0.3F };
	static const uint8_t labels[] = { 0, 0, 1, 1, 1 }, parts[5] = { 0 };
	double auroc = 0;

	(void)state;
	assert_int_equal(sage_auroc(scores, labels, parts, SAGE_LEARN, 5, &auroc), 0);
	assert_true(fabs(auroc - 0.5) < 1e-12);
}

static void training_that_was_never_looked_at_gives_no_model(void **state)
{
	struct world *w = *state;
	struct sage_training how = sage_training_default;
	struct sage_task task = task_of(w, w->graph);
	struct sage_model *m = NULL;

	how.rounds = 10;
	how.patience = 1; /* ends before the first look */
	assert_int_equal(sage_train(&task, &how, 1, &m, NULL), -ERANGE);
	assert_null(m);
}

/* ---- rows ---- */

static void fill(float *to, size_t n, struct rng *rng)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (float)(2 * rng_unit(rng) - 1);
}

/* All shapes of tile and what is left beside them, and a transposed matrix, against a plain sum. */
static void products_are_those_of_three_loops(void **state)
{
	static const size_t sizes[][3] = {
		{ 13, 5, 64 }, { 7, 300, 77 }, { 6, 64, 8 }, { 3, 9, 1 }
	};
	static float a[400 * 400], b[400 * 400], out[400 * 400];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	for (size_t c = 0; c < 2 * N_ELEMENTS(sizes); c++) {
		size_t m = sizes[c / 2][0], k = sizes[c / 2][1], n = sizes[c / 2][2];
		bool is_turned = c % 2;
		size_t row = is_turned ? 1 : k, column = is_turned ? m : 1;

		fill(a, m * k, &rng);
		fill(b, k * n, &rng);
		memset(out, 0, sizeof(out));
		sage_rows()->product(out, a, row, column, b, m, k, n);
		for (size_t i = 0; i < m; i++)
			for (size_t j = 0; j < n; j++) {
				double sum = 0;

				for (size_t p = 0; p < k; p++)
					sum += (double)a[i * row + p * column] *
					       (double)b[p * n + j];
				assert_true(fabs((double)out[i * n + j] - sum) < 1e-4);
			}
		assert_true(out[m * n] == 0); /* nothing behind */
	}
}

static void shares_of_attention_are_a_softmax(void **state)
{
	static const uint32_t begin[] = { 0, 3, 3 }, to[] = { 1, 2, 3 };
	static const float logits[4 * 4] = { 1, -2, 0, 0, 0, 0, -90, 1, 0, 0, 3, 1, 0, 0, 0, -5 };
	static const float rows[4 * 2] = { 9, 9, 1, 2, 3, 4, 5, 6 };
	struct attention a = { begin, to, rows, logits, 2, 2 };
	float shares[6 + SHARES_SPARE], out[2];
	double sums[2] = { 0 }, expected[2] = { 0 };

	(void)state;
	sage_rows()->attend(&a, 0, shares, out);
	for (size_t k = 0; k < 2; k++) {
		for (size_t e = 0; e < 3; e++) {
			double x = (double)logits[k] + (double)logits[to[e] * 4 + 2 + k];
			double w = exp(x > 0 ? x : ATTENTION_SLOPE * x);

			sums[k] += w;
			expected[k] += w * (double)rows[to[e] * 2 + k];
		}
		assert_true(fabs((double)out[k] - expected[k] / sums[k]) < 1e-5);
	}
	sage_rows()->attend(&a, 1, shares, out); /* alone */
	assert_true(out[0] == 0);
}

/* ---- training ---- */

static void what_neighbours_say_is_learnt(void **state)
{
	struct world *w = *state;
	struct sage_model *m = train(w, w->graph, 1), *blind = train(w, w->no_edges, 1);

	assert_true(test_auroc(w, w->graph, m) > 0.9);
	assert_true(test_auroc(w, w->no_edges, blind) < 0.65);
	sage_model_free(m);
	sage_model_free(blind);
}

static void one_seed_gives_the_same_bytes_twice_and_another_others(void **state)
{
	struct world *w = *state;
	uint8_t *files[3];
	size_t lens[3];

	for (size_t i = 0; i < 3; i++) {
		struct sage_model *m = train(w, w->graph, i < 2 ? 1 : 2);

		assert_int_equal(sage_model_save(m, &files[i], &lens[i]), 0);
		sage_model_free(m);
	}
	assert_int_equal(lens[0], lens[1]);
	assert_memory_equal(files[0], files[1], lens[0]);
	assert_memory_not_equal(files[0], files[2], lens[0]);
	for (size_t i = 0; i < 3; i++)
		free(files[i]);
}

/* Each level sums in an order of its own: the numbers differ, what is learnt does not. */
static void each_level_of_the_processor_learns(void **state)
{
	static const char *const names[] = { "portable", "avx2", "avx512" };
	struct world *w = *state;
	const char *before = sage_level();

	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		int r = sage_set_level(names[i]);

		if (r == -ENOTSUP) {
			print_message("skipped: %s is not on this machine\n", names[i]);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(sage_level(), names[i]);
		struct sage_model *m = train(w, w->graph, 1);

		assert_true(test_auroc(w, w->graph, m) > 0.9);
		sage_model_free(m);
	}
	assert_int_equal(sage_set_level(before), 0);
	assert_int_equal(sage_set_level("abacus"), -EINVAL);
}

static void labels_that_are_not_to_be_seen_change_nothing(void **state)
{
	struct world *w = *state;
	struct sage_model *m = train(w, w->graph, 1), *other;

	for (size_t i = 0; i < NODES; i++)
		w->labels[i] ^= w->parts[i] == SAGE_UNSEEN;
	other = train(w, w->graph, 1);
	for (size_t i = 0; i < NODES; i++)
		w->labels[i] ^= w->parts[i] == SAGE_UNSEEN;
	assert_memory_equal(m->weights, other->weights, m->n_weights * sizeof(float));
	sage_model_free(m);
	sage_model_free(other);
}

static void settings_and_data_out_of_range_are_refused(void **state)
{
	struct world *w = *state;
	struct sage_task task = task_of(w, w->graph);
	struct sage_training how = small;
	struct sage_model *m = NULL;
	float before = w->features[5];

	how.heads = 3; /* 16 is no multiple of it */
	assert_int_equal(sage_train(&task, &how, 1, &m, NULL), -EINVAL);
	how = small;
	how.layers = SAGE_LAYERS_MAX + 1;
	assert_int_equal(sage_train(&task, &how, 1, &m, NULL), -EINVAL);
	how = small;
	how.rate = NAN;
	assert_int_equal(sage_train(&task, &how, 1, &m, NULL), -EINVAL);
	w->features[5] = INFINITY;
	assert_int_equal(sage_train(&task, &small, 1, &m, NULL), -EINVAL);
	w->features[5] = before;
	for (size_t i = 0; i < NODES; i++)
		if (w->parts[i] == SAGE_CHOOSE)
			w->labels[i] = 1;
	assert_int_equal(sage_train(&task, &small, 1, &m, NULL), -EINVAL);
	assert_null(m);
}

/* ---- files ---- */

static void mend(uint8_t *file, size_t len)
{
	static const uint8_t key[16] = "x0 sage model";

	store_u64(file + len - 8, siphash64(key, &SPAN(file, len - 8), 1));
}

static int load(const uint8_t *file, size_t len, uint64_t names, const char **reason)
{
	struct sage_model *m = NULL;
	int r = sage_model_load(SPAN(file, len), FEATURES, names, &m, reason);

	sage_model_free(m);
	return r;
}

static void a_file_gives_back_the_model_and_is_refused_when_damaged(void **state)
{
	struct world *w = *state;
	struct sage_model *m = train(w, w->graph, 1), *again = NULL;
	const char *reason = NULL;
	uint8_t *file = NULL;
	size_t len = 0;

	assert_int_equal(sage_model_save(m, &file, &len), 0);
	assert_int_equal(sage_model_load(SPAN(file, len), FEATURES, 42, &again, &reason), 0);
	assert_memory_equal(again->weights, m->weights, m->n_weights * sizeof(float));
	assert_memory_equal(again->centres, m->centres, 2 * FEATURES * sizeof(float));
	for (size_t cut = 0; cut < len; cut += 1 + cut / 4)
		assert_int_equal(load(file, cut, 42, &reason), -EBADMSG);
	for (size_t at = 0; at < len; at += 1 + at / 16) {
		file[at] ^= 1;
		assert_true(load(file, len, 42, &reason) < 0);
		file[at] ^= 1;
	}
	sage_model_free(m);
	sage_model_free(again);
	free(file);
}

static void refuse(uint8_t *file, size_t len, uint64_t names, int error, const char *why)
{
	const char *reason = NULL;

	mend(file, len);
	assert_int_equal(load(file, len, names, &reason), error);
	assert_string_equal(reason, why);
}

/* With a checksum that is right: a file that somebody made so. */
static void a_file_is_refused_for_what_it_says(void **state)
{
	struct world *w = *state;
	struct sage_model *m = train(w, w->graph, 1);
	uint8_t *file = NULL;
	size_t len = 0;

	assert_int_equal(sage_model_save(m, &file, &len), 0);
	sage_model_free(m);
	refuse(file, len, 43, -EPROTO, "trained on other features");
	store_u32(file + 8, 2);
	refuse(file, len, 42, -EPROTO, "a model file of another version");
	store_u32(file + 8, 1);
	store_u32(file + 20, 5); /* heads */
	refuse(file, len, 42, -EBADMSG, "a shape out of bounds");
	store_u32(file + 20, UINT32_MAX);
	refuse(file, len, 42, -EBADMSG, "a shape out of bounds");
	store_u32(file + 20, 4);
	store_u32(file + 24, 1); /* layers */
	refuse(file, len, 42, -EBADMSG, "truncated, or longer than its shape says");
	store_u32(file + 24, 2);
	store_u32(file + 36 + 4 * FEATURES, 0); /* the first scale */
	refuse(file, len, 42, -EBADMSG, "a scale that is not positive");
	store_u32(file + 36 + 4 * FEATURES, 0x3f800000);
	store_u32(file + 100, 0x7fc00000);
	refuse(file, len, 42, -EBADMSG, "a number in it is not finite");
	file[0] = 'y';
	refuse(file, len, 42, -EBADMSG, "not a model file");
	free(file);
}

static void names_are_told_apart_by_order_and_by_where_one_ends(void **state)
{
	static const char *const one[] = { "cpu", "loss" }, *const other[] = { "loss", "cpu" };
	static const char *const shifted[] = { "cpul", "oss" };

	(void)state;
	assert_true(sage_names_hash(one, 2) != sage_names_hash(other, 2));
	assert_true(sage_names_hash(one, 2) != sage_names_hash(shifted, 2));
	assert_true(sage_names_hash(one, 2) != sage_names_hash(one, 1));
	assert_true(sage_names_hash(one, 2) == sage_names_hash(one, 2));
}

/* ---- scoring ---- */

static void changing_a_node_gives_the_scores_of_scoring_all(void **state)
{
	struct world *w = *state;
	struct sage_model *m = train(w, w->graph, 1);
	struct sage_scorer *changed = NULL, *whole = NULL;
	struct rng rng;

	rng_seed(&rng, 3);
	assert_int_equal(sage_scorer_new(m, w->graph, &changed), 0);
	assert_int_equal(sage_scorer_new(m, w->graph, &whole), 0);
	sage_scorer_all(changed, w->features);
	for (int round = 0; round < 40; round++) {
		size_t node = (size_t)rng_below(&rng, NODES);
		float *features = w->features + node * FEATURES;
		const uint32_t *nodes;

		/* now and then it is not known, or it is again */
		features[0] = round % 5 == 4 ? NAN : (float)(4 * rng_unit(&rng) - 2);
		size_t n = sage_scorer_change(changed, node, features, &nodes);

		assert_in_range(n, 6, 13); /* two hops on a grid, at a corner and inside */
		assert_int_equal(nodes[0], node);
		sage_scorer_all(whole, w->features);
		for (size_t i = 0; i < NODES; i++) {
			float x = sage_scorer_scores(changed)[i], y = sage_scorer_scores(whole)[i];

			assert_true((isnan(x) && isnan(y)) || fabsf(x - y) < 1e-5F);
		}
	}
	sage_scorer_free(changed);
	sage_scorer_free(whole);
	sage_model_free(m);
}

/* Its neighbours score as if it were not in the graph. */
static void a_node_that_is_not_known_is_not_heard(void **state)
{
	static const uint32_t edges[][2] = { { 0, 1 }, { 1, 2 }, { 2, 3 } };
	static const uint32_t without[][2] = { { 0, 1 } };
	struct world *w = *state;
	struct sage_model *m = train(w, w->graph, 1);
	struct sage_graph *chain = NULL, *rest = NULL;
	struct sage_scorer *s = NULL, *t = NULL;
	float features[4 * FEATURES];

	memcpy(features, w->features, sizeof(features));
	features[2 * FEATURES + 1] = NAN;
	assert_int_equal(sage_graph_new(4, edges, 3, &chain), 0);
	assert_int_equal(sage_graph_new(4, without, 1, &rest), 0);
	assert_int_equal(sage_scorer_new(m, chain, &s), 0);
	assert_int_equal(sage_scorer_new(m, rest, &t), 0);
	sage_scorer_all(s, features);
	sage_scorer_all(t, features);
	assert_true(isnan(sage_scorer_scores(s)[2]));
	for (size_t i = 0; i < 4; i++)
		if (i != 2)
			assert_float_equal(sage_scorer_scores(s)[i], sage_scorer_scores(t)[i],
					   1e-6);
	sage_scorer_free(s);
	sage_scorer_free(t);
	sage_graph_free(chain);
	sage_graph_free(rest);
	sage_model_free(m);
}

static void absurd_features_give_scores_between_0_and_1(void **state)
{
	struct world *w = *state;
	struct sage_model *m = train(w, w->graph, 1);
	struct sage_scorer *s = NULL;

	for (size_t i = 0; i < (size_t)NODES * FEATURES; i++)
		w->features[i] = i % 3 ? 3e38F : -3e38F;
	assert_int_equal(sage_scorer_new(m, w->graph, &s), 0);
	sage_scorer_all(s, w->features);
	for (size_t i = 0; i < NODES; i++)
		assert_true(sage_scorer_scores(s)[i] >= 0 && sage_scorer_scores(s)[i] <= 1);
	sage_scorer_free(s);
	sage_model_free(m);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_graph_has_each_edge_at_both_ends_in_order),
		cmocka_unit_test(edges_that_are_none_are_refused),
		cmocka_unit_test(auroc_counts_ties_half),
		cmocka_unit_test(a_node_without_a_score_is_not_counted),
		WITH_WORLD(training_that_was_never_looked_at_gives_no_model),
		cmocka_unit_test(products_are_those_of_three_loops),
		cmocka_unit_test(shares_of_attention_are_a_softmax),
		WITH_WORLD(what_neighbours_say_is_learnt),
		WITH_WORLD(one_seed_gives_the_same_bytes_twice_and_another_others),
		WITH_WORLD(each_level_of_the_processor_learns),
		WITH_WORLD(labels_that_are_not_to_be_seen_change_nothing),
		WITH_WORLD(settings_and_data_out_of_range_are_refused),
		WITH_WORLD(a_file_gives_back_the_model_and_is_refused_when_damaged),
		WITH_WORLD(a_file_is_refused_for_what_it_says),
		cmocka_unit_test(names_are_told_apart_by_order_and_by_where_one_ends),
		WITH_WORLD(changing_a_node_gives_the_scores_of_scoring_all),
		WITH_WORLD(a_node_that_is_not_known_is_not_heard),
		WITH_WORLD(absurd_features_give_scores_between_0_and_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
