/* SPDX-License-Identifier: Apache-2.0 */
/* The gradients of all weights, against finite differences in double. */
#define SAGE_DOUBLE
#include "core/sage/gradient.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define NODES 14
#define STEP 1e-5
#define TOLERANCE 1e-6

static uint8_t labels[NODES], parts[NODES];

/* A ring with chords, and node 0 alone, to whom nobody speaks. */
static struct sage_graph *make_graph(void)
{
	uint32_t edges[2 * NODES][2];
	struct sage_graph *g = NULL;
	size_t n = 0;

	for (uint32_t i = 1; i < NODES; i++) {
		uint32_t next = i + 1 < NODES ? i + 1 : 1;

		edges[n][0] = i;
		edges[n++][1] = next;
		if (i % 3 != 0)
			continue;
		edges[n][0] = i;
		edges[n++][1] = 1 + (i + 4) % (NODES - 1);
	}
	assert_int_equal(sage_graph_new(NODES, (const uint32_t(*)[2])edges, n, &g), 0);
	return g;
}

static struct sage_net *make_net(const struct sage_shape *shape, const struct sage_graph *g,
				 struct rng *rng)
{
	struct sage_net *n = NULL;

	assert_int_equal(net_new(shape, g, &sage_rows_double, &n), 0);
	for (size_t i = 0; i < n->map.n; i++)
		n->weights[i] = rng_unit(rng) - 0.5;
	for (size_t i = 0; i < NODES * shape->n_features; i++)
		n->x[i] = 2 * rng_unit(rng) - 1;
	for (size_t i = 0; i < NODES; i++) {
		labels[i] = (uint8_t)rng_below(rng, 2);
		parts[i] = i % 4 == 3 ? SAGE_UNSEEN : SAGE_LEARN;
	}
	return n;
}

static double loss(struct sage_net *n, double dropout)
{
	struct rng rng;

	rng_seed(&rng, 77); /* what is left out is the same each time */
	net_forward(n, dropout, &rng);
	return net_loss(n, labels, parts, 2.5);
}

static double slope(struct sage_net *n, double *weight, double dropout)
{
	double before = *weight, up, down;

	*weight = before + STEP;
	up = loss(n, dropout);
	*weight = before - STEP;
	down = loss(n, dropout);
	*weight = before;
	return (up - down) / (2 * STEP);
}

static void check(const struct sage_shape *shape, double dropout, uint64_t seed)
{
	struct rng rng;
	struct sage_graph *g = make_graph();

	rng_seed(&rng, seed);
	struct sage_net *n = make_net(shape, g, &rng);

	(void)loss(n, dropout);
	net_backward(n);
	for (size_t i = 0; i < n->map.n; i++) {
		double found = n->gradient[i], expected = slope(n, &n->weights[i], dropout);
		/* below 1e-4 the difference itself is known to some 1e-11 only */
		double scale = fmax(fmax(fabs(found), fabs(expected)), 1e-4);

		if (fabs(found - expected) > TOLERANCE * scale)
			fail_msg("weight %zu: %.12g, by differences %.12g", i, found, expected);
	}
	net_free(n);
	sage_graph_free(g);
}

static void gradients_are_those_of_finite_differences(void **state)
{
	(void)state;
	check(&(struct sage_shape){ .n_features = 3, .hidden = 8, .heads = 2, .layers = 2 }, 0, 1);
	check(&(struct sage_shape){ .n_features = 2, .hidden = 12, .heads = 3, .layers = 3 }, 0, 2);
	check(&(struct sage_shape){ .n_features = 8, .hidden = 16, .heads = 4, .layers = 1 }, 0, 3);
}

static void gradients_are_right_at_the_shape_of_the_mesh(void **state)
{
	(void)state;
	check(&(struct sage_shape){ .n_features = 2, .hidden = 64, .heads = 4, .layers = 1 }, 0, 4);
}

static void gradients_are_right_with_numbers_left_out(void **state)
{
	(void)state;
	check(&(struct sage_shape){ .n_features = 3, .hidden = 8, .heads = 2, .layers = 2 }, 0.3,
	      5);
}

static void a_network_of_no_layer_is_refused(void **state)
{
	struct sage_graph *g = make_graph();
	struct sage_net *n = NULL;

	(void)state;
	assert_int_equal(net_new(&(struct sage_shape){ 3, 8, 2, 0 }, g, &sage_rows_double, &n),
			 -22);
	assert_null(n);
	sage_graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_are_those_of_finite_differences),
		cmocka_unit_test(gradients_are_right_at_the_shape_of_the_mesh),
		cmocka_unit_test(gradients_are_right_with_numbers_left_out),
		cmocka_unit_test(a_network_of_no_layer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
