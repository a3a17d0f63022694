/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/units.h"
#include "core/forward/flowlets.h"

#define D 999

static enum link_state states[8];
static uint32_t costs[8];
static bool bad[8];
static struct flowlets f;
static struct route route;
static struct forward_question q;
static struct wire_hop hop;

static enum link_state state_of(void *arg, uint64_t neighbour)
{
	(void)arg;
	return states[neighbour];
}

static bool neighbour_of(void *arg, size_t *cursor, uint64_t *ret, uint32_t *ret_metric)
{
	(void)arg;
	if (++*cursor >= 8)
		return false;
	*ret = *cursor;
	*ret_metric = costs[*cursor];
	return true;
}

static bool is_bad(void *arg, uint64_t neighbour)
{
	(void)arg;
	return bad[neighbour];
}

/* The next hop is 1, of cost 100; 2 and 3 are feasible, 4 is loop-free alone. */
static int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	memset(bad, 0, sizeof(bad));
	for (unsigned i = 0; i < 8; i++) {
		states[i] = LINK_UP;
		costs[i] = 100;
	}
	route = (struct route){ .destination = D,
				.next_hop = 1,
				.metric = 100,
				.n_alternates = 3,
				.n_feasible = 2,
				.alternates = { 2, 3, 4 } };
	q = (struct forward_question){ .self = 50,
				       .from = 5,
				       .now_us = SECONDS(100),
				       .route = &route,
				       .state = state_of,
				       .neighbour = neighbour_of };
	hop = (struct wire_hop){ .destination = D, .flow_hash = 7, .ttl = 200 };
	return 0;
}

static void spread(unsigned n, unsigned ret[8])
{
	struct rng rng;

	rng_seed(&rng, 1);
	memset(ret, 0, 8 * sizeof(*ret));
	for (unsigned i = 0; i < n; i++)
		ret[flowlets_begin(&f, &q, &hop, is_bad, rng_next(&rng))]++;
}

static void bulk_without_a_record_over_a_settled_route_is_spread_and_nothing_else(void **state)
{
	(void)state;
	assert_true(flowlets_apply(&q, &hop));
	hop.class = CLASS_INTERACTIVE;
	assert_false(flowlets_apply(&q, &hop));
	hop.class = CLASS_BULK;
	hop.kind = KIND_CONTROL;
	assert_false(flowlets_apply(&q, &hop));
	hop.kind = KIND_DATA;
	hop.has_options = true;
	assert_false(flowlets_apply(&q, &hop));
	hop.has_options = false;
	route.since_us = q.now_us - FORWARD_SETTLED_US + 1;
	assert_false(flowlets_apply(&q, &hop));
	route.since_us = 0;
	states[1] = LINK_SUSPECT;
	assert_false(flowlets_apply(&q, &hop));
	states[1] = LINK_UP;
	route.next_hop = D; /* a neighbour */
	assert_false(flowlets_apply(&q, &hop));
}

static void runs_go_by_all_feasible_ways_and_by_no_other(void **state)
{
	(void)state;
	unsigned n[8];

	spread(3000, n);
	for (unsigned i = 0; i < 8; i++)
		assert_in_range(n[i], i == 0 || i == 2 || i == 3 ? 900 : 0,
				i == 0 || i == 2 || i == 3 ? 1100 : 0);
}

static void dearer_ways_get_less_and_those_over_twice_as_dear_nothing(void **state)
{
	(void)state;
	unsigned n[8];

	costs[2] = 200;
	costs[3] = 201;
	spread(3000, n);
	assert_in_range(n[0], 1900, 2100);
	assert_in_range(n[2], 900, 1100);
	assert_int_equal(n[3], 0);
}

static void bad_links_those_not_up_and_the_way_back_are_left_out(void **state)
{
	(void)state;
	unsigned n[8];

	bad[2] = true;
	states[3] = LINK_SUSPECT;
	spread(100, n);
	assert_int_equal(n[0], 100);
	bad[2] = false;
	states[3] = LINK_UP;
	q.from = 3;
	spread(100, n);
	assert_int_equal(n[3], 0);
	assert_true(n[2] > 20);
}

static void a_run_stays_on_its_way_until_a_pause_longer_than_ways_differ_by(void **state)
{
	(void)state;
	uint64_t gap_us = FLOWLET_GAP_US + 2000; /* 1 ms dearer at most, there and back */
	uint64_t next = 99;

	assert_false(flowlets_follow(&f, &q, &hop, &next));
	while (flowlets_begin(&f, &q, &hop, is_bad, q.now_us++) != 2)
		;
	q.now_us--;
	for (unsigned i = 0; i < 10; i++) {
		q.now_us += gap_us - 1;
		assert_true(flowlets_follow(&f, &q, &hop, &next));
		assert_int_equal(next, 2);
	}
	q.now_us += gap_us;
	assert_false(flowlets_follow(&f, &q, &hop, &next));
}

static void a_run_does_not_follow_a_link_that_is_no_longer_up(void **state)
{
	(void)state;
	uint64_t next;

	while (flowlets_begin(&f, &q, &hop, is_bad, q.now_us++) != 2)
		;
	q.now_us--;
	states[2] = LINK_SUSPECT;
	assert_false(flowlets_follow(&f, &q, &hop, &next));
}

static bool is_dead_end(void *arg, uint64_t neighbour)
{
	return neighbour == *(const uint64_t *)arg;
}

/* The arg is the dead end here, and nobody else looks at it. */
static void a_dead_end_gets_no_runs_and_those_it_has_go_elsewhere(void **state)
{
	(void)state;
	uint64_t dead = 2, next;
	unsigned n[8];

	while (flowlets_begin(&f, &q, &hop, is_bad, q.now_us++) != 2)
		;
	q.now_us--;
	q.arg = &dead;
	q.is_dead_end = is_dead_end;
	assert_false(flowlets_follow(&f, &q, &hop, &next));
	spread(100, n);
	assert_int_equal(n[2], 0);
	assert_true(n[3] > 20);
	dead = 1; /* the next hop: the packet is for core/forward to send */
	assert_false(flowlets_apply(&q, &hop));
}

static void another_flow_in_the_same_place_takes_it(void **state)
{
	(void)state;
	struct wire_hop other = hop;
	uint64_t next;

	(void)flowlets_begin(&f, &q, &hop, is_bad, 0);
	for (unsigned i = 0; i < 4 * FLOWLETS_MAX; i++) {
		other.flow_hash++;
		other.destination += 77;
		(void)flowlets_begin(&f, &q, &other, is_bad, i);
		assert_true(flowlets_follow(&f, &q, &other, &next));
	}
	assert_false(flowlets_follow(&f, &q, &hop, &next));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			bulk_without_a_record_over_a_settled_route_is_spread_and_nothing_else,
			set_up),
		cmocka_unit_test_setup(runs_go_by_all_feasible_ways_and_by_no_other, set_up),
		cmocka_unit_test_setup(dearer_ways_get_less_and_those_over_twice_as_dear_nothing,
				       set_up),
		cmocka_unit_test_setup(bad_links_those_not_up_and_the_way_back_are_left_out,
				       set_up),
		cmocka_unit_test_setup(
			a_run_stays_on_its_way_until_a_pause_longer_than_ways_differ_by, set_up),
		cmocka_unit_test_setup(a_run_does_not_follow_a_link_that_is_no_longer_up, set_up),
		cmocka_unit_test_setup(a_dead_end_gets_no_runs_and_those_it_has_go_elsewhere,
				       set_up),
		cmocka_unit_test_setup(another_flow_in_the_same_place_takes_it, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
