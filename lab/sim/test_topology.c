/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "sim/statistics.h"
#include "sim/svg.h"
#include "sim/topology.h"

static char error[TOPOLOGY_ERROR_SIZE];

static struct topology *parsed(const char *text)
{
	struct topology *t = NULL;

	assert_int_equal(topology_parse(text, strlen(text), &t, error), 0);
	assert_string_equal(error, "");
	return t;
}

static void refused(const char *text, const char *why)
{
	struct topology *t = NULL;

	assert_int_equal(topology_parse(text, strlen(text), &t, error), -EBADMSG);
	assert_null(t);
	assert_string_equal(error, why);
}

#define TWO "{\"nodes\":[{\"id\":0},{\"id\":1}],\"links\":["

static void a_file_gives_nodes_links_and_what_they_are_like(void **state)
{
	(void)state;
	struct topology *t = parsed(
		"{\"name\":\"a b\",\"nodes\":[{\"id\":70},{\"id\":9},{\"id\":8}],\"links\":["
		"{\"source\":9,\"target\":70,\"delay_ms\":2.5,\"loss_pct\":1.5,\"rate_mbit\":20},"
		"{\"source\":70,\"target\":8,\"type\":\"wifi\",\"source_tq\":0.5,\"target_tq\":1},"
		"{\"source\":8,\"target\":9,\"km\":200}]}");

	assert_string_equal(t->name, "a?b");
	assert_int_equal(t->n_nodes, 3);
	assert_int_equal(t->n_links, 3);
	assert_false(t->has_places);
	assert_int_equal(t->links[0].a, 1);
	assert_int_equal(t->links[0].b, 0);
	assert_int_equal(t->links[0].delay_us, 2500);
	assert_int_equal(t->links[0].loss_ppm[0], 15000);
	assert_int_equal(t->links[0].loss_ppm[1], 15000);
	assert_false(t->links[0].is_bursty);
	assert_int_equal(t->links[0].rate_bps, 20000000);
	assert_int_equal(t->links[1].delay_us, 2000);
	assert_int_equal(t->links[1].loss_ppm[0], 125000);
	assert_int_equal(t->links[1].loss_ppm[1], 0);
	assert_true(t->links[1].is_bursty);
	assert_int_equal(t->links[2].delay_us, 1300);
	assert_int_equal(t->links[2].rate_bps, 0);
	topology_free(t);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
	(void)state;
	refused("{", "line 1, column 1: string or '}' expected near end of file");
	refused("[]", "an object with the arrays nodes and links is needed");
	refused("{\"nodes\":[{\"id\":0}],\"links\":[]}", "nodes: 2 to 10000 are needed, not 1");
	refused("{\"nodes\":[{\"id\":0},7],\"links\":[]}", "nodes[1]: an object is needed");
	refused("{\"nodes\":[{\"id\":0},{\"id\":-1}],\"links\":[]}",
		"nodes[1].id: a whole number from 0 to 4294967295 is needed");
	refused("{\"nodes\":[{\"id\":5},{\"id\":6},{\"id\":5}],\"links\":[]}",
		"nodes[2].id: nodes[0] has the id 5 already");
	refused("{\"nodes\":[{\"id\":5,\"x\":1},{\"id\":6}],\"links\":[]}",
		"nodes[0]: x and y go together");
	refused(TWO "{\"source\":0,\"target\":1},{\"source\":0,\"target\":7}]}",
		"links[1].target: no node has the id 7");
	refused(TWO "{\"source\":0}]}",
		"links[0].target: a whole number from 0 to 4294967295 is needed");
	refused(TWO "{\"source\":1,\"target\":1}]}", "links[0]: it joins node 1 to itself");
	refused(TWO "{\"source\":0,\"target\":1},{\"source\":1,\"target\":0}]}",
		"links[1]: links[0] joins the same two nodes already");
	refused(TWO "{\"source\":0,\"target\":1,\"source_tq\":1.2}]}",
		"links[0].source_tq: a number from 0 to 1 is needed");
	refused(TWO "{\"source\":0,\"target\":1,\"delay_ms\":\"1\"}]}",
		"links[0].delay_ms: a number from 0 to 10000 is needed");
	refused(TWO "{\"source\":0,\"target\":1,\"type\":3}]}",
		"links[0].type: a string is needed");
}

static void a_file_beyond_the_bounds_is_refused(void **state)
{
	(void)state;
	struct topology *t = NULL;
	size_t n = TOPOLOGY_NODES_MAX + 1;
	char *text = malloc(32 * n);
	size_t len = 0;

	assert_non_null(text);
	assert_int_equal(topology_parse(text, TOPOLOGY_FILE_MAX + 1UL, &t, error), -EBADMSG);
	len += (size_t)sprintf(text + len, "{\"links\":[],\"nodes\":[{\"id\":0}");
	for (size_t i = 1; i < n; i++)
		len += (size_t)sprintf(text + len, ",{\"id\":%zu}", i);
	len += (size_t)sprintf(text + len, "]}");
	assert_int_equal(topology_parse(text, len, &t, error), -EBADMSG);
	assert_string_equal(error, "nodes: 2 to 10000 are needed, not 10001");
	free(text);
}

/* A hub of 256 neighbours is taken, one more is not. */
static void a_node_has_no_more_neighbours_than_routing_takes(void **state)
{
	(void)state;
	size_t n = TOPOLOGY_DEGREE_MAX + 2;
	struct topology *t = NULL;

	for (size_t degree = n - 2; degree <= n - 1; degree++) {
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);

		assert_non_null(f);
		(void)fputs("{\"nodes\":[{\"id\":0}", f);
		for (size_t i = 1; i < n; i++)
			(void)fprintf(f, ",{\"id\":%zu}", i);
		(void)fputs("],\"links\":[", f);
		for (size_t i = 1; i <= degree; i++)
			(void)fprintf(f, "%s{\"source\":0,\"target\":%zu}", i > 1 ? "," : "", i);
		(void)fputs("]}", f);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(topology_parse(text, len, &t, error),
				 degree > TOPOLOGY_DEGREE_MAX ? -EBADMSG : 0);
		free(text);
	}
	assert_string_equal(error, "links[256]: node 0 has more than 256 neighbours");
	topology_free(t);
}

static void loss_follows_from_transmit_quality(void **state)
{
	(void)state;
	assert_int_equal(topology_loss_of_tq(1), 0);
	assert_int_equal(topology_loss_of_tq(0.5), 125000);
	assert_int_equal(topology_loss_of_tq(0.25), 300000);
	assert_int_equal(topology_loss_of_tq(0), 300000);
}

/* ---- generators ---- */

static size_t reached(const struct topology *t)
{
	bool *is_in = calloc(t->n_nodes, sizeof(*is_in));
	size_t n = 1;
	size_t before = 0;

	assert_non_null(is_in);
	is_in[0] = true;
	while (n != before) {
		before = n;
		for (size_t i = 0; i < t->n_links; i++) {
			const struct topology_link *l = &t->links[i];

			if (is_in[l->a] == is_in[l->b])
				continue;
			is_in[l->a] = is_in[l->b] = true;
			n++;
		}
	}
	free(is_in);
	return n;
}

static void each_generator_makes_a_connected_graph_without_parallels(void **state)
{
	(void)state;
	static const size_t sizes[] = { 2, 3, 7, 50, 300 };

	for (unsigned kind = 0; kind < TOPOLOGY_N_KINDS; kind++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct topology *t;

			assert_int_equal(
				topology_generate((enum topology_kind)kind, sizes[i], i, &t), 0);
			assert_int_equal(t->n_nodes, kind == TOPOLOGY_DIAMOND ? 4 : sizes[i]);
			assert_int_equal(reached(t), t->n_nodes);
			for (size_t a = 0; a < t->n_links; a++)
				for (size_t b = 0; b < a; b++)
					assert_false((t->links[a].a == t->links[b].a &&
						      t->links[a].b == t->links[b].b) ||
						     (t->links[a].a == t->links[b].b &&
						      t->links[a].b == t->links[b].a));
			topology_free(t);
		}
}

static void the_same_seed_makes_the_same_graph(void **state)
{
	(void)state;
	struct topology *a, *b, *c;

	assert_int_equal(topology_generate(TOPOLOGY_GEO, 80, 7, &a), 0);
	assert_int_equal(topology_generate(TOPOLOGY_GEO, 80, 7, &b), 0);
	assert_int_equal(topology_generate(TOPOLOGY_GEO, 80, 8, &c), 0);
	assert_int_equal(a->n_links, b->n_links);
	assert_memory_equal(a->links, b->links, a->n_links * sizeof(*a->links));
	assert_true(a->n_links != c->n_links ||
		    memcmp(a->links, c->links, a->n_links * sizeof(*a->links)) != 0);
	topology_free(a);
	topology_free(b);
	topology_free(c);
}

static void generators_refuse_sizes_out_of_bounds(void **state)
{
	(void)state;
	struct topology *t;
	enum topology_kind kind;

	assert_int_equal(topology_generate(TOPOLOGY_RING, 1, 1, &t), -EINVAL);
	assert_int_equal(topology_generate(TOPOLOGY_RING, TOPOLOGY_NODES_MAX + 1, 1, &t), -EINVAL);
	assert_true(topology_kind_of("tiers", &kind));
	assert_int_equal(kind, TOPOLOGY_TIERS);
	assert_false(topology_kind_of("torus", &kind));
}

/* ---- statistics ---- */

static void percentiles_are_the_nearest_ranks(void **state)
{
	(void)state;
	struct samples s = { 0 };

	assert_int_equal(samples_percentile(&s, 50), 0);
	for (uint64_t i = 200; i > 0; i--)
		samples_add(&s, i);
	assert_int_equal(samples_percentile(&s, 0), 1);
	assert_int_equal(samples_percentile(&s, 50), 100);
	assert_int_equal(samples_percentile(&s, 95), 190);
	assert_int_equal(samples_percentile(&s, 99), 198);
	assert_int_equal(samples_percentile(&s, 100), 200);
	samples_add(&s, 5);
	assert_int_equal(samples_percentile(&s, 100), 200);
	samples_done(&s);
}

/* ---- pictures ---- */

static void a_picture_shows_what_failed_and_both_paths(void **state)
{
	(void)state;
	size_t before[] = { 0, 1, 3 };
	size_t after[] = { 0, 2, 3 };
	struct mesh_picture p = { .failed_links = { 1 },
				  .n_failed_links = 1,
				  .failed_nodes = { 2 },
				  .n_failed_nodes = 1,
				  .before = before,
				  .n_before = 3,
				  .after = after,
				  .n_after = 3 };
	struct topology *t;
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	assert_int_equal(topology_generate(TOPOLOGY_DIAMOND, 4, 1, &t), 0);
	assert_int_equal(svg_write(to, t, &p), 0);
	assert_int_equal(fclose(to), 0);
	assert_ptr_equal(strstr(text, "<svg "), text);
	assert_non_null(strstr(text, "stroke=\"#d00\""));
	assert_non_null(strstr(text, "fill=\"#d00\""));
	assert_non_null(strstr(text, "stroke=\"#06c\""));
	assert_non_null(strstr(text, "stroke=\"#0a3\""));
	assert_non_null(strstr(text, "</svg>\n"));
	assert_null(strstr(text, "nan"));
	free(text);
	topology_free(t);
}

static void a_layout_is_within_the_square_and_stable(void **state)
{
	(void)state;
	double x[2][120], y[2][120];
	struct topology *t;

	for (unsigned kind = 0; kind < TOPOLOGY_N_KINDS; kind++) {
		assert_int_equal(topology_generate((enum topology_kind)kind, 120, 3, &t), 0);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(svg_layout(t, x[i], y[i]), 0);
		for (size_t i = 0; i < t->n_nodes; i++)
			assert_true(x[0][i] >= 0 && x[0][i] <= 1 && y[0][i] >= 0 && y[0][i] <= 1);
		assert_memory_equal(x[0], x[1], t->n_nodes * sizeof(double));
		assert_memory_equal(y[0], y[1], t->n_nodes * sizeof(double));
		topology_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_gives_nodes_links_and_what_they_are_like),
		cmocka_unit_test(what_is_wrong_is_told_with_its_place),
		cmocka_unit_test(a_file_beyond_the_bounds_is_refused),
		cmocka_unit_test(a_node_has_no_more_neighbours_than_routing_takes),
		cmocka_unit_test(loss_follows_from_transmit_quality),
		cmocka_unit_test(each_generator_makes_a_connected_graph_without_parallels),
		cmocka_unit_test(the_same_seed_makes_the_same_graph),
		cmocka_unit_test(generators_refuse_sizes_out_of_bounds),
		cmocka_unit_test(percentiles_are_the_nearest_ranks),
		cmocka_unit_test(a_picture_shows_what_failed_and_both_paths),
		cmocka_unit_test(a_layout_is_within_the_square_and_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
