/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/forward/forward.h"
#include "core/forward/visited.h"

#define SELF 100
#define N 8 /* neighbours 1 to 7 */

static enum link_state states[N];
static uint32_t metrics[N];

static enum link_state state_of(void *arg, uint64_t neighbour)
{
	(void)arg;
	return states[neighbour];
}

static bool neighbour_of(void *arg, size_t *cursor, uint64_t *ret, uint32_t *ret_metric)
{
	(void)arg;
	if (++*cursor >= N)
		return false;
	*ret = *cursor;
	*ret_metric = metrics[*cursor];
	return true;
}

static int all_up(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N; i++) {
		states[i] = LINK_UP;
		metrics[i] = ROUTE_METRIC_INFINITY;
	}
	return 0;
}

static struct forward_question asking(const struct route *route, uint64_t from)
{
	return (struct forward_question){ .self = SELF,
					  .from = from,
					  .now_us = SECONDS(100),
					  .route = route,
					  .state = state_of,
					  .neighbour = neighbour_of };
}

static const struct wire_hop fresh = { .ttl = HOP_TTL_MAX };

static void an_old_next_hop_needs_no_record_and_a_new_one_does(void **state)
{
	(void)state;
	struct route r = { .next_hop = 1 };
	struct forward_question q = asking(&r, 2);
	struct forward_plan p;

	r.since_us = q.now_us - FORWARD_SETTLED_US;
	p = forward_next(&q, &fresh);
	assert_int_equal(p.way, FORWARD_PRIMARY);
	assert_int_equal(p.next, 1);
	assert_false(p.is_recorded);
	r.since_us++;
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 1);
	assert_true(p.is_recorded);
}

static void a_suspect_primary_gets_a_copy_on_the_alternate_and_a_dead_one_is_passed_by(void **state)
{
	(void)state;
	struct route r = { .next_hop = 1, .n_alternates = 2, .alternates = { 2, 3 } };
	struct forward_question q = asking(&r, 0);
	struct forward_plan p = forward_next(&q, &fresh);

	assert_int_equal(p.next, 1);
	assert_int_equal(p.duplicate, 0);
	states[1] = LINK_SUSPECT;
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 1);
	assert_int_equal(p.duplicate, 2);
	states[1] = LINK_DOWN;
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 2);
	assert_int_equal(p.way, FORWARD_ALTERNATE);
	assert_true(p.is_recorded); /* whatever is not the next hop is */
	q.from = 2;
	assert_int_equal(forward_next(&q, &fresh).next, 3); /* never back to it */
	states[2] = LINK_DOWN;
	states[3] = LINK_SUSPECT;
	q.from = 0;
	assert_int_equal(forward_next(&q, &fresh).next, 3);
	states[3] = LINK_DOWN;
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 0);
	assert_int_equal(p.way, FORWARD_NOWHERE);
}

static bool dead_ends[N];

static bool is_dead_end(void *arg, uint64_t neighbour)
{
	(void)arg;
	return dead_ends[neighbour];
}

static bool is_restless(void *arg, uint64_t neighbour)
{
	(void)arg;
	return neighbour == 1;
}

static void without_an_alternate_the_copy_goes_wherever_the_packet_would(void **state)
{
	(void)state;
	struct route r = { .next_hop = 1 };
	struct forward_question q = asking(&r, 5);
	struct wire_hop copy = fresh;
	struct forward_plan p;

	states[1] = LINK_SUSPECT;
	metrics[1] = 1;
	metrics[6] = 70;
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 1);
	assert_int_equal(p.duplicate, 6);
	assert_int_equal(p.tell, 0);
	metrics[6] = ROUTE_METRIC_INFINITY;
	assert_int_equal(forward_next(&q, &fresh).duplicate, 5); /* back */
	q.is_restless = is_restless;
	assert_int_equal(forward_next(&q, &fresh).duplicate, 0);
	r.n_alternates = 1;
	r.alternates[0] = 2;
	assert_int_equal(forward_next(&q, &fresh).duplicate, 2);
	copy.is_duplicate = true; /* one that is a copy goes round the suspect */
	p = forward_next(&q, &copy);
	assert_int_equal(p.next, 2);
	assert_int_equal(p.duplicate, 0);
	assert_true(p.is_recorded);
	r.n_alternates = 0;
	p = forward_next(&q, &copy);
	assert_int_equal(p.next, 1);
	assert_int_equal(p.duplicate, 0);
}

static void what_is_said_to_be_a_dead_end_is_passed_by_while_there_is_another_way(void **state)
{
	(void)state;
	struct route r = { .next_hop = 1, .n_alternates = 2, .alternates = { 2, 3 } };
	struct forward_question q = asking(&r, 5);
	struct forward_plan p;

	q.is_dead_end = is_dead_end;
	memset(dead_ends, 0, sizeof(dead_ends));
	assert_true(forward_straight(&q, &fresh, &p));
	dead_ends[1] = true;
	assert_false(forward_straight(&q, &fresh, &p));
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 2);
	assert_int_equal(p.way, FORWARD_ALTERNATE);
	assert_true(p.is_recorded);
	assert_int_equal(p.tell, 0);
	dead_ends[2] = true;
	assert_int_equal(forward_next(&q, &fresh).next, 3);
	dead_ends[3] = true;
	metrics[1] = 10;
	metrics[4] = 90;
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 4);
	assert_int_equal(p.tell, 5); /* whence it came */
	states[4] = LINK_DOWN;
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 1); /* better than nothing: its hint may be old */
	assert_true(p.is_recorded);
	metrics[1] = ROUTE_METRIC_INFINITY;
	assert_int_equal(forward_next(&q, &fresh).way, FORWARD_BACK);
	assert_int_equal(forward_next(&q, &fresh).tell, 5);
	q.from = 0;
	assert_int_equal(forward_next(&q, &fresh).tell, 0);
}

static void the_record_begins_with_whence_the_packet_came_and_goes_on_with_each_node(void **state)
{
	(void)state;
	struct route r = { .next_hop = 1 };
	struct forward_question q = asking(&r, 2);
	struct wire_hop hop = fresh;

	forward_record(&q, &hop);
	assert_int_equal(visited_place(&hop, 2), 0);
	assert_int_equal(visited_place(&hop, SELF), 1);
	q.from = 3;
	q.self = 101;
	forward_record(&q, &hop);
	assert_int_equal(visited_place(&hop, 3), -1);
	assert_int_equal(visited_place(&hop, 101), 2);
	hop = fresh;
	q.from = 0;
	forward_record(&q, &hop);
	assert_int_equal(visited_place(&hop, 101), 0);
}

static void a_recorded_packet_goes_neither_by_primary_nor_alternate_where_it_was(void **state)
{
	(void)state;
	struct route r = { .next_hop = 1, .n_alternates = 2, .alternates = { 2, 3 } };
	struct forward_question q = asking(&r, 5);
	struct wire_hop hop = fresh;

	visited_add(&hop, 1);
	assert_int_equal(forward_next(&q, &hop).next, 2);
	visited_add(&hop, 2);
	assert_int_equal(forward_next(&q, &hop).next, 3);
	assert_true(forward_next(&q, &hop).is_recorded);
	visited_add(&hop, 3);
	metrics[6] = 70;
	metrics[7] = 60;
	assert_int_equal(forward_next(&q, &hop).next, 7);
	assert_int_equal(forward_next(&q, &hop).way, FORWARD_DEFLECTED);
	states[7] = LINK_DOWN;
	assert_int_equal(forward_next(&q, &hop).next, 6);
}

static void without_a_route_a_packet_is_deflected_for_a_second_and_then_dropped(void **state)
{
	(void)state;
	struct route r = { .next_hop = 0 };
	struct forward_question q = asking(&r, 2);
	struct forward_plan p;

	metrics[2] = 1; /* it came from there */
	metrics[4] = 9;
	r.since_us = q.now_us - FORWARD_DEFLECTS_US + 1;
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 4);
	assert_int_equal(p.way, FORWARD_DEFLECTED);
	metrics[4] = ROUTE_METRIC_INFINITY; /* it never had a route */
	p = forward_next(&q, &fresh);
	assert_int_equal(p.next, 2);
	assert_int_equal(p.way, FORWARD_BACK);
	r.since_us--;
	assert_int_equal(forward_next(&q, &fresh).next, 0);
}

static void back_is_the_nearest_earlier_one_in_the_list_that_is_a_live_neighbour(void **state)
{
	(void)state;
	struct route r = { .next_hop = 0 };
	struct forward_question q = asking(&r, 3);
	struct wire_hop hop = fresh;

	visited_add(&hop, 50); /* no neighbour */
	visited_add(&hop, 1);
	visited_add(&hop, 51);
	visited_add(&hop, SELF);
	visited_add(&hop, 3); /* later: it came back from there */
	assert_int_equal(forward_next(&q, &hop).next, 1);
	assert_int_equal(forward_next(&q, &hop).way, FORWARD_BACK);
	assert_int_equal(forward_next(&q, &hop).tell,
			 1); /* who gets it back: the next turn there */
	states[1] = LINK_DOWN;
	assert_int_equal(forward_next(&q, &hop).next, 0);
}

static struct wire_hop filtered(void)
{
	struct wire_hop hop = fresh;

	for (uint64_t node = 1; node <= VISITED_TAGS_MAX + 1; node++)
		visited_add(&hop, node);
	assert_true(hop.is_filter);
	return hop;
}

static void with_a_filter_the_next_hop_is_taken_all_the_same(void **state)
{
	(void)state;
	struct route r = { .next_hop = 1, .n_alternates = 1, .alternates = { 2 } };
	struct forward_question q = asking(&r, 4);
	struct wire_hop hop = filtered();

	assert_int_equal(forward_next(&q, &hop).next, 1);
	states[1] = LINK_DOWN;
	assert_int_equal(forward_next(&q, &hop).way, FORWARD_BACK); /* the alternate is visited */
	states[1] = LINK_UP;
	q.from = 1;
	assert_int_equal(forward_next(&q, &hop).way, FORWARD_BACK);
	assert_int_not_equal(forward_next(&q, &hop).next, 1);
}

static void with_a_filter_back_is_another_neighbour_each_time_and_ends_after_its_hops(void **state)
{
	(void)state;
	struct route r = { .next_hop = 0, .since_us = SECONDS(100) };
	struct forward_question q = asking(&r, 3);
	struct wire_hop hop = filtered();
	bool was[N] = { false };

	states[5] = LINK_DOWN;
	for (unsigned i = 0; i < FORWARD_WANDERS_MAX; i++, hop.ttl--) {
		struct forward_plan p = forward_next(&q, &hop);

		assert_int_equal(p.way, FORWARD_BACK);
		assert_in_range(p.next, 1, N - 1);
		was[p.next] = true;
	}
	for (unsigned i = 1; i < N; i++)
		assert_int_equal(was[i], i != 3 && i != 5);
	assert_int_equal(forward_next(&q, &hop).next, 0);
	hop.ttl = HOP_TTL_MAX;
	r.since_us = q.now_us - FORWARD_DEFLECTS_US; /* nor when the route was lost long ago */
	assert_int_equal(forward_next(&q, &hop).next, 0);
}

static void a_packet_goes_straight_on_without_a_look_at_alternates(void **state)
{
	(void)state;
	struct route r = { .next_hop = 1 };
	struct forward_question q = asking(&r, 2);
	struct wire_hop hop = fresh;
	struct forward_plan p;

	assert_true(forward_straight(&q, &hop, &p));
	assert_int_equal(p.way, FORWARD_PRIMARY);
	assert_int_equal(p.next, 1);
	assert_false(p.is_recorded);
	r.since_us = q.now_us;
	assert_true(forward_straight(&q, &hop, &p));
	assert_true(p.is_recorded);
	visited_add(&hop, 1);
	assert_false(forward_straight(&q, &hop, &p));
	states[1] = LINK_SUSPECT; /* a copy is due */
	assert_false(forward_straight(&q, &fresh, &p));
	r.next_hop = 0;
	assert_false(forward_straight(&q, &fresh, &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_old_next_hop_needs_no_record_and_a_new_one_does, all_up),
		cmocka_unit_test_setup(
			a_suspect_primary_gets_a_copy_on_the_alternate_and_a_dead_one_is_passed_by,
			all_up),
		cmocka_unit_test_setup(without_an_alternate_the_copy_goes_wherever_the_packet_would,
				       all_up),
		cmocka_unit_test_setup(
			what_is_said_to_be_a_dead_end_is_passed_by_while_there_is_another_way,
			all_up),
		cmocka_unit_test_setup(
			the_record_begins_with_whence_the_packet_came_and_goes_on_with_each_node,
			all_up),
		cmocka_unit_test_setup(
			a_recorded_packet_goes_neither_by_primary_nor_alternate_where_it_was,
			all_up),
		cmocka_unit_test_setup(
			without_a_route_a_packet_is_deflected_for_a_second_and_then_dropped,
			all_up),
		cmocka_unit_test_setup(
			back_is_the_nearest_earlier_one_in_the_list_that_is_a_live_neighbour,
			all_up),
		cmocka_unit_test_setup(a_packet_goes_straight_on_without_a_look_at_alternates,
				       all_up),
		cmocka_unit_test_setup(with_a_filter_the_next_hop_is_taken_all_the_same, all_up),
		cmocka_unit_test_setup(
			with_a_filter_back_is_another_neighbour_each_time_and_ends_after_its_hops,
			all_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
