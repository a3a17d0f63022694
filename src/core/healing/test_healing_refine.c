/* SPDX-License-Identifier: Apache-2.0 */
/* Causes are ranked again when more is known, and nothing else changes by that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/units.h"
#include "core/healing/healing.h"

#define NOW SECONDS(1000)
#define B 0xb
#define D 0xd

static void graph_of(enum healing_vertex_kind guilty, struct healing_graph *ret)
{
	struct healing_vertex route = {
		.kind = VERTEX_ROUTE, .a = B, .b = D, .deviation = 0.2, .source = "test"
	};
	struct healing_vertex cause = {
		.kind = guilty, .a = B, .deviation = 0.2, .source = "test"
	};
	int from;

	*ret = (struct healing_graph){ 0 };
	from = graph_vertex(ret, &route);
	assert_int_equal(graph_edge(ret, from, graph_vertex(ret, &cause), 1), 0);
}

static void what_others_say_later_names_the_cause_and_changes_no_plan(void **state)
{
	struct healing_reading r = {
		.kind = HEALING_DELIVERY,
		.subject = B,
		.about = D,
		.value = 0.2,
		.at_us = NOW,
		.n_samples = 100,
		.source = "test",
	};
	const struct healing_incident *i;
	struct healing_facts facts = { 0 };
	struct healing_graph later;
	struct healing_order o;
	struct mandates m;
	struct healing *h;
	uint64_t cursor = 0;

	(void)state;
	assert_int_equal(healing_new(1, 1, &h), 0);
	mandates_default(&m);
	healing_set_mandates(h, &m);
	healing_set_power(h, true, "");
	assert_int_equal(healing_deadline_us(h), NEVER_US);
	assert_int_equal(healing_input(h, &r, NOW), 0);
	graph_of(VERTEX_LINK, &later);
	i = healing_next(h, &cursor);
	assert_int_equal(healing_refine(h, i->id, &later, NOW), -ENOENT); /* not explained yet */
	assert_true(healing_next_order(h, &o, NOW));
	assert_int_equal(o.type, HEALING_EXPLAIN);
	graph_of(VERTEX_NODE, &facts.graph);
	facts.is_possible[REMEDY_AVOID] = true;
	assert_int_equal(healing_explained(h, o.ticket, &facts, NOW), 0);
	assert_int_equal(i->causes.causes[0].vertex.kind, VERTEX_NODE);
	assert_int_equal(i->remedy, REMEDY_AVOID);
	assert_int_equal(i->state, HEALING_WAITING);
	/* it is due a tenth of a second later at most, and then it is done */
	assert_in_range(healing_deadline_us(h), NOW, NOW + MS(100));
	healing_tick(h, NOW + MS(100), 0);
	assert_int_equal(i->state, HEALING_INTENT);
	assert_int_equal(healing_deadline_us(h), NEVER_US);

	assert_int_equal(healing_refine(h, i->id, &later, NOW + SECONDS(2)), 0);
	assert_int_equal(i->causes.causes[0].vertex.kind, VERTEX_LINK);
	assert_int_equal(healing_graph_of(h, i->id)->n_vertices, 2);
	assert_int_equal(i->explained_us, NOW + SECONDS(2));
	assert_int_equal(i->remedy, REMEDY_AVOID);
	assert_int_equal(i->state, HEALING_INTENT);
	assert_int_equal(healing_refine(h, i->id + 1, &later, NOW), -ENOENT);
	healing_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_say_later_names_the_cause_and_changes_no_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
