/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/forward/labels.h"
#include "core/forward/visited.h"

#define N_NEIGHBOURS 4

static const uint64_t neighbours[N_NEIGHBOURS] = { 11, 12, 13, 20 };
static enum link_state states[N_NEIGHBOURS];

static enum link_state state_of(void *arg, uint64_t id)
{
	(void)arg;
	for (size_t i = 0; i < N_NEIGHBOURS; i++)
		if (neighbours[i] == id)
			return states[i];
	return LINK_DOWN;
}

static bool neighbour_of(void *arg, size_t *cursor, uint64_t *ret, uint32_t *ret_metric)
{
	(void)arg;
	if (*cursor >= N_NEIGHBOURS)
		return false;
	*ret = neighbours[(*cursor)++];
	*ret_metric = 1;
	return true;
}

static struct forward_question at(uint64_t self, uint64_t from)
{
	for (size_t i = 0; i < N_NEIGHBOURS; i++)
		states[i] = LINK_UP;
	return (struct forward_question){
		.self = self, .from = from, .state = state_of, .neighbour = neighbour_of
	};
}

static struct wire_hop labelled(const uint64_t *nodes, size_t n)
{
	struct wire_hop hop = { .flow_hash = 0x1234 };

	assert_true(labels_set(&hop, nodes, n));
	assert_true(hop.has_options && hop.is_labelled);
	assert_int_equal(visited_check(&hop), 0);
	return hop;
}

static const uint64_t way[] = { 1, 12, 7, 13, 20 };

static void each_node_on_the_way_sends_to_the_next_label(void **state)
{
	(void)state;
	struct wire_hop hop = labelled(way, 5);
	struct forward_question q = at(1, 0);
	uint64_t hint = 0;

	assert_int_equal(labels_next(&q, &hop, &hint), 12);
	assert_int_equal(hint, 12);
	q = at(7, 12);
	assert_int_equal(labels_next(&q, &hop, &hint), 13); /* the hint was wrong here */
	q = at(13, 7);
	assert_int_equal(labels_next(&q, &hop, &hint), 20);
}

static void who_is_not_named_or_has_no_such_neighbour_knows_no_next(void **state)
{
	(void)state;
	struct wire_hop hop = labelled(way, 5);
	struct forward_question q = at(99, 0);
	uint64_t hint = 12;

	assert_int_equal(labels_next(&q, &hop, &hint), 0);
	q = at(12, 1); /* 7 is no neighbour of this one */
	assert_int_equal(labels_next(&q, &hop, &hint), 0);
	q = at(20, 13); /* the end */
	assert_int_equal(labels_next(&q, &hop, &hint), 0);
}

static void labels_are_followed_over_links_that_are_not_down_and_never_back(void **state)
{
	(void)state;
	struct wire_hop hop = labelled(way, 5);
	struct forward_question q = at(1, 0);
	uint64_t hint = 12;

	states[1] = LINK_SUSPECT; /* a copy goes elsewhere */
	assert_int_equal(labels_next(&q, &hop, &hint), 12);
	states[1] = LINK_DOWN;
	assert_int_equal(labels_next(&q, &hop, &hint), 0);
	q = at(1, 12);
	assert_int_equal(labels_next(&q, &hop, &hint), 0);
}

static bool is_12(void *arg, uint64_t neighbour)
{
	(void)arg;
	return neighbour == 12;
}

static void labels_do_not_lead_where_packets_turn_back(void **state)
{
	(void)state;
	struct wire_hop hop = labelled(way, 5);
	struct forward_question q = at(1, 0);
	uint64_t hint = 12;

	q.is_dead_end = is_12;
	assert_int_equal(labels_next(&q, &hop, &hint), 0);
	q = at(7, 12);
	q.is_dead_end = is_12; /* of others it says nothing */
	assert_int_equal(labels_next(&q, &hop, &hint), 13);
}

static void labels_that_are_left_are_the_record_of_where_the_packet_was(void **state)
{
	(void)state;
	struct wire_hop hop = labelled(way, 5);

	labels_drop(&hop, 7);
	assert_true(hop.has_options);
	assert_false(hop.is_labelled);
	assert_int_equal(visited_check(&hop), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(visited_place(&hop, way[i]), i);
	assert_false(visited_has(&hop, 13));
	assert_false(visited_has(&hop, 20)); /* it may go there by another way */
}

static void a_stranger_leaves_no_record_of_nodes_the_packet_may_not_have_seen(void **state)
{
	(void)state;
	struct wire_hop hop = labelled(way, 5);

	labels_drop(&hop, 99);
	assert_false(hop.has_options);
	assert_false(hop.is_labelled);
}

static void twelve_nodes_fit_and_thirteen_or_one_do_not(void **state)
{
	(void)state;
	uint64_t nodes[LABELS_MAX + 1];
	struct wire_hop hop = { .flow_hash = 5 };

	for (size_t i = 0; i < LABELS_MAX + 1; i++)
		nodes[i] = 100 + i;
	assert_false(labels_set(&hop, nodes, LABELS_MAX + 1));
	assert_false(labels_set(&hop, nodes, 1));
	assert_false(hop.has_options);
	assert_true(labels_set(&hop, nodes, LABELS_MAX));
	labels_drop(&hop, nodes[LABELS_MAX - 1]);
	assert_int_equal(visited_place(&hop, nodes[LABELS_MAX - 1]), LABELS_MAX - 1);
}

static void two_nodes_of_one_tag_are_refused_and_another_flow_hash_parts_them(void **state)
{
	(void)state;
	struct wire_hop hop = { .flow_hash = 1 };
	uint64_t pair[2] = { 1, 2 };

	while (visited_tag(&hop, pair[0]) != visited_tag(&hop, pair[1]))
		pair[1]++;
	assert_false(labels_set(&hop, pair, 2));
	hop.flow_hash++;
	assert_true(labels_set(&hop, pair, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_node_on_the_way_sends_to_the_next_label),
		cmocka_unit_test(who_is_not_named_or_has_no_such_neighbour_knows_no_next),
		cmocka_unit_test(labels_are_followed_over_links_that_are_not_down_and_never_back),
		cmocka_unit_test(labels_do_not_lead_where_packets_turn_back),
		cmocka_unit_test(labels_that_are_left_are_the_record_of_where_the_packet_was),
		cmocka_unit_test(a_stranger_leaves_no_record_of_nodes_the_packet_may_not_have_seen),
		cmocka_unit_test(twelve_nodes_fit_and_thirteen_or_one_do_not),
		cmocka_unit_test(two_nodes_of_one_tag_are_refused_and_another_flow_hash_parts_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
