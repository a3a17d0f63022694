/* SPDX-License-Identifier: Apache-2.0 */
/* Which cause is named first, how far back is looked, and what is not known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "base/units.h"
#include "core/healing/causes.h"

static int add(struct healing_graph *g, enum healing_vertex_kind kind, uint64_t a, double deviation)
{
	return graph_vertex(
		g, &(struct healing_vertex){ .kind = kind, .a = a, .deviation = deviation });
}

static void the_one_that_explains_most_comes_first(void **state)
{
	struct healing_graph g = { 0 };
	struct healing_ranking r;
	int route = add(&g, VERTEX_ROUTE, 1, 0.2);

	(void)state;
	assert_int_equal(graph_edge(&g, route, add(&g, VERTEX_LINK, 1, 0.02), 1), 0);
	assert_int_equal(graph_edge(&g, route, add(&g, VERTEX_NODE, 1, 0.18), 1), 0);
	healing_rank(&g, &r);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.causes[0].vertex.kind, VERTEX_NODE);
	assert_true(r.causes[0].explained > 0.89 && r.causes[0].explained < 0.91);
	assert_true(r.causes[0].confidence > r.causes[1].confidence);
	assert_true(r.causes[0].confidence + r.causes[1].confidence < 1);
}

static void it_looks_three_hops_back_and_no_farther(void **state)
{
	struct healing_graph g = { 0 };
	struct healing_ranking r;
	int at = add(&g, VERTEX_ROUTE, 1, 0.2);

	(void)state;
	for (unsigned n = 1; n <= 5; n++) {
		int next = add(&g, VERTEX_NODE, n, n >= 3 ? 0.2 : 0);

		assert_int_equal(graph_edge(&g, at, next, 1), 0);
		at = next;
	}
	healing_rank(&g, &r);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.causes[0].vertex.a, 3);
	assert_int_equal(r.causes[0].n_hops, 3);
}

static void what_began_after_the_symptom_explains_it_half_as_well(void **state)
{
	struct healing_graph g = { 0 };
	struct healing_ranking r;
	struct healing_vertex v = {
		.kind = VERTEX_ROUTE, .a = 1, .deviation = 0.2, .since_us = SECONDS(100)
	};
	int route = graph_vertex(&g, &v);

	(void)state;
	v.kind = VERTEX_LINK;
	v.since_us = SECONDS(110);
	assert_int_equal(graph_edge(&g, route, graph_vertex(&g, &v), 1), 0);
	v.kind = VERTEX_NODE;
	v.since_us = SECONDS(90);
	assert_int_equal(graph_edge(&g, route, graph_vertex(&g, &v), 1), 0);
	healing_rank(&g, &r);
	assert_int_equal(r.causes[0].vertex.kind, VERTEX_NODE);
	assert_true(r.causes[1].explained == 0.5);
}

static void what_is_not_known_is_counted_and_never_a_cause(void **state)
{
	struct healing_graph g = { 0 };
	struct healing_ranking r;
	int route = add(&g, VERTEX_ROUTE, 1, 0.2);

	(void)state;
	assert_int_equal(graph_edge(&g, route, add(&g, VERTEX_LINK, 1, NAN), 1), 0);
	assert_int_equal(graph_edge(&g, route, add(&g, VERTEX_NODE, 2, -1), 1), 0);
	assert_int_equal(graph_edge(&g, route, add(&g, VERTEX_HOST, 3, INFINITY), 1), 0);
	healing_rank(&g, &r);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.n_unknown, 3);
}

static void a_circle_of_dependencies_ends(void **state)
{
	struct healing_graph g = { 0 };
	struct healing_ranking r;
	int a = add(&g, VERTEX_ROUTE, 1, 0.2), b = add(&g, VERTEX_NODE, 2, 0.1);

	(void)state;
	assert_int_equal(graph_edge(&g, a, b, 1), 0);
	assert_int_equal(graph_edge(&g, b, a, 1), 0);
	assert_int_equal(graph_edge(&g, b, b, 1), 0);
	healing_rank(&g, &r);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.causes[0].vertex.a, 2);
}

static void a_full_graph_and_edges_that_cannot_be_are_refused(void **state)
{
	struct healing_graph g = { 0 };
	struct healing_ranking r;

	(void)state;
	healing_rank(&g, &r); /* empty */
	assert_int_equal(r.n, 0);
	for (unsigned n = 0; n < HEALING_VERTICES_MAX; n++)
		assert_int_equal(add(&g, VERTEX_NODE, n + 1, 0.2), n);
	assert_int_equal(add(&g, VERTEX_NODE, 1, 0.2), 0); /* there already */
	assert_int_equal(add(&g, VERTEX_NODE, 999, 0.2), -ENOBUFS);
	assert_int_equal(graph_edge(&g, 0, -ENOBUFS, 1), -EINVAL);
	assert_int_equal(graph_edge(&g, 0, HEALING_VERTICES_MAX, 1), -EINVAL);
	assert_int_equal(graph_edge(&g, 0, 1, 0), -EINVAL);
	assert_int_equal(graph_edge(&g, 0, 1, NAN), -EINVAL);
	for (unsigned n = 0; n < HEALING_EDGES_MAX; n++)
		assert_int_equal(graph_edge(&g, 0, 1 + (int)(n % 20), 1), 0);
	assert_int_equal(graph_edge(&g, 0, 1, 1), -ENOBUFS);
	healing_rank(&g, &r);
	assert_int_equal(r.n, HEALING_CAUSES_MAX);
	assert_int_equal(r.causes[0].vertex.a, 2); /* of equals the one added first */
}

/* Far from the destination: half sure of what is behind the next hop, and less of the next hop. */
static void what_is_behind_a_next_hop_is_not_put_down_to_it(void **state)
{
	struct healing_graph g = { 0 };
	struct healing_ranking r;
	int route = add(&g, VERTEX_ROUTE, 1, 0.2), behind = add(&g, VERTEX_BEHIND, 1, 0.2), link;

	(void)state;
	assert_int_equal(graph_edge(&g, route, behind, HEALING_BEHIND_WEIGHT), 0);
	assert_int_equal(
		graph_edge(&g, route, add(&g, VERTEX_NODE, 1, 0.2), HEALING_AFAR_NODE_WEIGHT), 0);
	healing_rank(&g, &r);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.causes[0].vertex.kind, VERTEX_BEHIND);
	assert_true(r.causes[0].confidence < 0.6 && r.causes[1].confidence < 0.4);
	assert_string_equal(healing_vertex_kind_name(VERTEX_BEHIND), "behind");

	/* somebody tells of a link there that loses as much: it explains what nothing else does */
	link = add(&g, VERTEX_LINK, 2, 0.2);
	assert_int_equal(graph_edge(&g, behind, link, HEALING_LINK_WEIGHT), 0);
	g.vertices[behind].deviation = g.vertices[behind + 1].deviation = 0;
	healing_rank(&g, &r);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.causes[0].vertex.kind, VERTEX_LINK);
	assert_int_equal(r.causes[0].n_hops, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_behind_a_next_hop_is_not_put_down_to_it),
		cmocka_unit_test(the_one_that_explains_most_comes_first),
		cmocka_unit_test(it_looks_three_hops_back_and_no_farther),
		cmocka_unit_test(what_began_after_the_symptom_explains_it_half_as_well),
		cmocka_unit_test(what_is_not_known_is_counted_and_never_a_cause),
		cmocka_unit_test(a_circle_of_dependencies_ends),
		cmocka_unit_test(a_full_graph_and_edges_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
