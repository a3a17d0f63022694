/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "core/multipath/disjoint.h"

#define SMALL_MAX 8
#define ALL_MAX 2000

/* ---- by trying everything ---- */

struct all {
	const struct graph *g;
	int to;
	size_t n;
	unsigned inner[ALL_MAX]; /* nodes between the ends, as bits */
	uint32_t cost[ALL_MAX];
};

static void walk(struct all *a, int at, unsigned seen, unsigned inner, uint32_t cost)
{
	if (at == a->to) {
		assert_true(a->n < ALL_MAX);
		a->inner[a->n] = inner;
		a->cost[a->n++] = cost;
		return;
	}
	for (size_t i = 0; i < a->g->nodes[at].n_links; i++) {
		unsigned to = a->g->nodes[at].links[i].to;

		if (!(seen & 1U << to))
			walk(a, (int)to, seen | 1U << to,
			     (int)to == a->to ? inner : inner | 1U << to,
			     cost + a->g->nodes[at].links[i].cost);
	}
}

/* The direct link has no inner node, and there is one at most. */
static bool are_apart(const struct all *a, size_t x, size_t y)
{
	return !(a->inner[x] & a->inner[y]) && (a->inner[x] || a->inner[y]);
}

static void best_of(const struct all *a, size_t n_wanted, size_t *ret_n, uint64_t *ret_cost)
{
	*ret_n = 0;
	*ret_cost = 0;
	for (size_t n = n_wanted; n > 0 && *ret_n == 0; n--) {
		uint64_t best = UINT64_MAX;

		for (size_t x = 0; x < a->n; x++) {
			if (n == 1 && a->cost[x] < best)
				best = a->cost[x];
			for (size_t y = x + 1; n >= 2 && y < a->n; y++) {
				if (!are_apart(a, x, y))
					continue;
				if (n == 2 && a->cost[x] + a->cost[y] < best)
					best = a->cost[x] + a->cost[y];
				for (size_t z = y + 1; n == 3 && z < a->n; z++)
					if (are_apart(a, x, z) && are_apart(a, y, z) &&
					    (uint64_t)a->cost[x] + a->cost[y] + a->cost[z] < best)
						best = (uint64_t)a->cost[x] + a->cost[y] +
						       a->cost[z];
			}
		}
		if (best != UINT64_MAX) {
			*ret_n = n;
			*ret_cost = best;
		}
	}
}

/* ---- what holds for any answer ---- */

static void paths_are_ways_of_the_graph(const struct graph *g, const struct path *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t cost = 0;

		assert_true(i == 0 || p[i].cost >= p[i - 1].cost);
		for (size_t k = 0; k + 1 < p[i].n; k++) {
			const struct graph_node *a = &g->nodes[graph_find(g, p[i].nodes[k])];
			uint32_t link = 0;

			for (size_t l = 0; l < a->n_links; l++)
				if (g->nodes[a->links[l].to].id == p[i].nodes[k + 1])
					link = a->links[l].cost;
			assert_true(link > 0);
			cost += link;
		}
		assert_int_equal(cost, p[i].cost);
		for (size_t other = 0; other < i; other++)
			for (size_t a = 1; a + 1 < p[i].n; a++)
				for (size_t b = 1; b + 1 < p[other].n; b++)
					assert_true(p[i].nodes[a] != p[other].nodes[b]);
	}
}

static void random_small_graphs_give_what_trying_everything_gives(void **state)
{
	(void)state;
	struct rng rng;
	size_t counts[PATHS_MAX + 1] = { 0 };

	rng_seed(&rng, 1);
	for (unsigned round = 0; round < 4000; round++) {
		size_t n = 2 + rng_below(&rng, SMALL_MAX - 3);
		uint64_t density = 20 + rng_below(&rng, 60);
		struct graph g = { 0 };
		struct path paths[PATHS_MAX];
		struct all all = { .g = &g, .to = 1 };
		uint64_t cost = 0, sum = 0;
		size_t wanted = 1 + rng_below(&rng, PATHS_MAX);
		size_t count, found;

		for (size_t i = 0; i < n; i++)
			(void)graph_node(&g, 100 + i);
		for (size_t a = 0; a < n; a++)
			for (size_t b = 0; b < n; b++)
				if (a != b && rng_below(&rng, 100) < density)
					assert_true(graph_link(&g, 100 + a, 100 + b,
							       1 + (uint32_t)rng_below(&rng, 9)));
		walk(&all, 0, 1, 0, 0);
		best_of(&all, wanted, &count, &cost);
		found = disjoint_paths(&g, 100, 101, wanted, paths);
		paths_are_ways_of_the_graph(&g, paths, found);
		for (size_t i = 0; i < found; i++)
			sum += paths[i].cost;
		assert_int_equal(found, count);
		assert_int_equal(sum, cost);
		counts[found]++;
	}
	for (size_t i = 0; i <= PATHS_MAX; i++)
		assert_true(counts[i] > 50);
}

static void both(struct graph *g, uint64_t a, uint64_t b, uint32_t cost)
{
	assert_true(graph_link(g, a, b, cost));
	assert_true(graph_link(g, b, a, cost));
}

/* The shortest path 1 2 3 4 is on neither of the two: to remove it would leave none. */
static void the_shortest_path_is_given_up_where_it_stands_in_the_way(void **state)
{
	(void)state;
	struct graph g = { 0 };
	struct path p[PATHS_MAX];

	both(&g, 1, 2, 1);
	both(&g, 2, 3, 1);
	both(&g, 3, 4, 1);
	both(&g, 1, 3, 5);
	both(&g, 2, 4, 6);
	assert_int_equal(disjoint_paths(&g, 1, 4, 1, p), 1);
	assert_int_equal(p[0].cost, 3);
	assert_int_equal(disjoint_paths(&g, 1, 4, PATHS_MAX, p), 2);
	assert_int_equal(p[0].cost, 6);
	assert_int_equal(p[0].nodes[1], 3);
	assert_int_equal(p[1].cost, 7);
	assert_int_equal(p[1].nodes[1], 2);
}

static void a_neighbour_is_reached_directly_and_by_others(void **state)
{
	(void)state;
	struct graph g = { 0 };
	struct path p[PATHS_MAX];

	both(&g, 1, 2, 9);
	both(&g, 1, 3, 2);
	both(&g, 3, 2, 2);
	assert_int_equal(disjoint_paths(&g, 1, 2, PATHS_MAX, p), 2);
	assert_int_equal(p[0].n, 3);
	assert_int_equal(p[1].n, 2);
}

static void a_path_of_more_nodes_than_labels_is_left_out(void **state)
{
	(void)state;
	struct graph g = { 0 };
	struct path p[PATHS_MAX];

	for (uint64_t i = 0; i < PATH_NODES_MAX; i++)
		both(&g, 1 + i, 2 + i, 1);
	assert_int_equal(disjoint_paths(&g, 1, PATH_NODES_MAX, PATHS_MAX, p), 1);
	assert_int_equal(p[0].n, PATH_NODES_MAX);
	assert_int_equal(disjoint_paths(&g, 1, PATH_NODES_MAX + 1, PATHS_MAX, p), 0);
}

static void who_is_not_in_the_graph_has_no_path(void **state)
{
	(void)state;
	struct graph g = { 0 };
	struct path p[PATHS_MAX];

	both(&g, 1, 2, 1);
	assert_int_equal(disjoint_paths(&g, 1, 3, PATHS_MAX, p), 0);
	assert_int_equal(disjoint_paths(&g, 3, 1, PATHS_MAX, p), 0);
	assert_int_equal(disjoint_paths(&g, 1, 1, PATHS_MAX, p), 0);
}

static void a_full_graph_takes_no_more_nodes_and_a_full_node_no_more_links(void **state)
{
	(void)state;
	struct graph g = { 0 };

	for (uint64_t i = 0; i < GRAPH_DEGREE_MAX; i++)
		assert_true(graph_link(&g, 1, 2 + i, 5));
	assert_false(graph_link(&g, 1, 1000, 5));
	assert_true(graph_link(&g, 1, 2, 3)); /* known, and now cheaper */
	assert_int_equal(g.nodes[0].links[0].cost, 3);
	while (g.n < GRAPH_NODES_MAX)
		assert_true(graph_node(&g, 5000 + g.n) >= 0);
	assert_int_equal(graph_node(&g, 9999), -1);
	assert_int_equal(graph_node(&g, 2), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_small_graphs_give_what_trying_everything_gives),
		cmocka_unit_test(the_shortest_path_is_given_up_where_it_stands_in_the_way),
		cmocka_unit_test(a_neighbour_is_reached_directly_and_by_others),
		cmocka_unit_test(a_path_of_more_nodes_than_labels_is_left_out),
		cmocka_unit_test(who_is_not_in_the_graph_has_no_path),
		cmocka_unit_test(a_full_graph_takes_no_more_nodes_and_a_full_node_no_more_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
