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

/* Nobody nearer went around it in its time (core/watch), so the next hop may be avoided for what is
 * behind it, be it known or not; but not for a link elsewhere that has nothing to do with it. */
static void what_is_behind_the_next_hop_may_be_gone_around(void **state)
{
	struct healing_vertex route = { .kind = VERTEX_ROUTE, .a = B, .b = D, .deviation = 0.2 };
	struct healing_vertex behind = { .kind = VERTEX_BEHIND, .a = B, .b = D, .deviation = 0.2 };
	struct healing_vertex link = { .kind = VERTEX_LINK, .a = 0xc, .b = D, .deviation = 0.2 };
	struct healing_facts facts = { .is_possible[REMEDY_AVOID] = true };
	struct healing_graph *g = &facts.graph;
	char why[HEALING_WHY_SIZE];
	struct mandates m;
	struct healing *h;
	int from, at;

	(void)state;
	assert_int_equal(healing_new(1, 1, &h), 0);
	mandates_default(&m);
	healing_set_mandates(h, &m);
	healing_set_power(h, true, "");
	from = graph_vertex(g, &route);
	assert_int_equal(graph_edge(g, from, graph_vertex(g, &link), 1), 0);
	assert_int_equal(healing_simulate(h, HEALING_DELIVERY, B, &facts, NOW, why),
			 MANDATE_N_REMEDIES);
	*g = (struct healing_graph){ 0 };
	from = graph_vertex(g, &route);
	at = graph_vertex(g, &behind);
	assert_int_equal(graph_edge(g, from, at, HEALING_BEHIND_WEIGHT), 0);
	assert_int_equal(healing_simulate(h, HEALING_DELIVERY, B, &facts, NOW, why), REMEDY_AVOID);
	assert_int_equal(healing_simulate(h, HEALING_DELIVERY, 0xe, &facts, NOW, why),
			 MANDATE_N_REMEDIES); /* behind another */
	assert_int_equal(graph_edge(g, at, graph_vertex(g, &link), HEALING_LINK_WEIGHT), 0);
	g->vertices[at].deviation = 0;
	assert_int_equal(healing_simulate(h, HEALING_DELIVERY, B, &facts, NOW, why), REMEDY_AVOID);
	healing_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_say_later_names_the_cause_and_changes_no_plan),
		cmocka_unit_test(what_is_behind_the_next_hop_may_be_gone_around),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
