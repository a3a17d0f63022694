/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several deviating nodes is named, and that nothing depends on their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "core/cause/cause.h"

#define ROWS 6
#define NODES 7

/* 0 front calls 1, 2 and 6; 1 and 2 call 3; 3 calls 4; 5 is called by nobody that matters. 3 is
 * slow for a while and so are all that wait for it; 6 and 5 deviate all the time. */
static const struct cause_edge edges[] = { { 0, 1 }, { 0, 2 }, { 0, 6 },
					   { 1, 3 }, { 2, 3 }, { 3, 4 } };
static const double deviations[NODES * ROWS] = {
	0, 1, 6, 7, 1, 0,						  /* front */
	0, 1, 5, 6, 1, 0, 0,  0,  7,  8,  1,  0,  0,  2,  15, 18, 2,  0,  /* 3 */
	1, 0, 1, 0, 1, 1, 20, 20, 20, 20, 20, 20, 19, 20, 19, 20, 19, 20, /* 6 */
};

static size_t rank(const struct cause_edge *e, size_t n_edges, const double *d, size_t symptom,
		   struct cause *ret)
{
	struct cause_input in = { NODES, ROWS, n_edges, d, e, symptom };
	size_t n;

	assert_int_equal(cause_rank(&in, ret, &n), 0);
	return n;
}

static void the_node_that_explains_the_others_comes_first(void **state)
{
	struct cause causes[NODES];
	double sum = 0;

	(void)state;
	size_t n = rank(edges, N_ELEMENTS(edges), deviations, 0, causes);
	assert_int_equal(n, 6); /* all but 5, which the front does not depend on */
	assert_int_equal(causes[0].node, 3);
	assert_int_equal(causes[0].hops, 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_not_equal(causes[i].node, 5);
		sum += causes[i].confidence;
	}
	assert_true(fabs(sum - 1) < 1e-9);
}

static void numbering_nodes_and_edges_otherwise_changes_nothing(void **state)
{
	struct cause expected[NODES];
	struct rng rng;

	(void)state;
	rank(edges, N_ELEMENTS(edges), deviations, 0, expected);
	rng_seed(&rng, 3);
	for (int round = 0; round < 50; round++) {
		size_t to[NODES], n_edges = N_ELEMENTS(edges);
		struct cause_edge moved[N_ELEMENTS(edges)];
		double d[NODES * ROWS];
		struct cause causes[NODES];

		for (size_t i = 0; i < NODES; i++) {
			size_t j = rng_below(&rng, i + 1);

			to[i] = to[j];
			to[j] = i;
		}
		for (size_t i = 0; i < NODES; i++)
			memcpy(d + to[i] * ROWS, deviations + i * ROWS, ROWS * sizeof(double));
		for (size_t i = 0; i < n_edges; i++)
			moved[(i * 5 + (size_t)round) % n_edges] =
				(struct cause_edge){ to[edges[i].from], to[edges[i].to] };
		size_t n = rank(moved, n_edges, d, to[0], causes);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(causes[i].node, to[expected[i].node]);
			assert_true(fabs(causes[i].explained - expected[i].explained) < 1e-9);
		}
	}
}

static void more_than_three_hops_away_is_no_candidate(void **state)
{
	static const struct cause_edge chain[] = {
		{ 0, 1 }, { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 0 }
	};
	struct cause causes[NODES];

	(void)state;
	assert_int_equal(rank(chain, N_ELEMENTS(chain), deviations, 0, causes), 4);
}

static void without_any_value_nothing_is_explained(void **state)
{
	double d[NODES * ROWS];
	struct cause causes[NODES];

	(void)state;
	for (size_t i = 0; i < NODES * ROWS; i++)
		d[i] = NAN;
	size_t n = rank(edges, N_ELEMENTS(edges), d, 0, causes);
	for (size_t i = 0; i < n; i++)
		assert_true(causes[i].explained == 0 && causes[i].confidence == 0);
}

static void inputs_out_of_bounds_are_refused(void **state)
{
	struct cause_edge wrong = { 0, NODES };
	double d[NODES * ROWS];
	struct cause_input in = { NODES, ROWS, 1, deviations, &wrong, 0 };
	struct cause causes[NODES];
	size_t n;

	(void)state;
	assert_int_equal(cause_rank(&in, causes, &n), -EINVAL);
	in.n_edges = 0;
	in.symptom = NODES;
	assert_int_equal(cause_rank(&in, causes, &n), -EINVAL);
	in.symptom = 0;
	in.n_nodes = CAUSE_NODES_MAX + 1;
	assert_int_equal(cause_rank(&in, causes, &n), -EINVAL);
	in.n_nodes = NODES;
	in.n_rows = CAUSE_ROWS_MAX + 1;
	assert_int_equal(cause_rank(&in, causes, &n), -EINVAL);
	in.n_rows = ROWS;
	in.n_edges = CAUSE_EDGES_MAX + 1;
	assert_int_equal(cause_rank(&in, causes, &n), -EINVAL);
	in.n_edges = 0;
	memcpy(d, deviations, sizeof(d));
	d[3] = -1;
	in.deviations = d;
	assert_int_equal(cause_rank(&in, causes, &n), -EINVAL);
	d[3] = INFINITY;
	assert_int_equal(cause_rank(&in, causes, &n), -EINVAL);
}

static void deviations_equal_those_of_numpy(void **state)
{
	double normal[] = { 10, NAN, 11, 9, 10, 12, 10, 8 };
	static const double now[] = { 10, 13, 7, NAN, INFINITY };
	double ret[5];

	(void)state;
	cause_deviations(normal, 8, now, 5, CAUSE_RISES, ret);
	assert_true(ret[0] == 0 && fabs(ret[1] - 2.023472278429786) < 1e-9 && ret[2] == 0);
	assert_true(isnan(ret[3]) && ret[4] == CAUSE_DEVIATION_MAX);

	double again[] = { 10, NAN, 11, 9, 10, 12, 10, 8 };
	cause_deviations(again, 8, now, 5, CAUSE_FALLS, ret);
	assert_true(ret[1] == 0 && fabs(ret[2] - 2.023472278429786) < 1e-9);

	double few[] = { 10, NAN, 11 };
	cause_deviations(few, 3, now, 5, CAUSE_BOTH_WAYS, ret);
	assert_true(isnan(ret[0]));
}

static void correlation_finds_the_cause_one_row_before(void **state)
{
	static const double effect[] = { 0, 1, 5, 6, 1, 0 }, cause[] = { 1, 4, 6, 2, 0, 0 },
			    flat[] = { 3, 3, 3, 3, 3, 3 };

	(void)state;
	assert_true(fabs(cause_correlation(effect, cause, 6) - 0.9682000987764182) < 1e-9);
	assert_true(cause_correlation(effect, flat, 6) == 0);
	assert_true(cause_correlation(effect, cause, 2) == 0);
	assert_true(cause_correlation(effect, cause, 0) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_node_that_explains_the_others_comes_first),
		cmocka_unit_test(numbering_nodes_and_edges_otherwise_changes_nothing),
		cmocka_unit_test(more_than_three_hops_away_is_no_candidate),
		cmocka_unit_test(without_any_value_nothing_is_explained),
		cmocka_unit_test(inputs_out_of_bounds_are_refused),
		cmocka_unit_test(deviations_equal_those_of_numpy),
		cmocka_unit_test(correlation_finds_the_cause_one_row_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
