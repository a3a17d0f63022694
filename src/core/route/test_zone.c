/* SPDX-License-Identifier: Apache-2.0 */
/* The zone limit, requests and subscriptions, on one table fed by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/link/stream.h"
#include "core/route/table.h"

#define ME 100
#define D 1000
#define ZONE 16

static struct routes *t;
static uint64_t now_us;

/* What was said of a destination to a neighbour, last. */
struct said {
	unsigned n;
	uint32_t metric;
	uint16_t seqno;
	uint8_t flags;
};

static struct said said[4][D + 64];
static unsigned n_requests;

static void note(uint64_t to, const struct route_action *a)
{
	struct reader r = reader_of(SPAN(a->body, a->len));
	struct entry e;

	n_requests += a->record_type == RECORD_SEQNO_REQUEST;
	while (a->record_type == RECORD_ROUTE_UPDATE && r.left > 0) {
		assert_int_equal(entry_decode(&r, &e), 0);
		said[to][e.destination].n++;
		said[to][e.destination].metric = e.metric;
		said[to][e.destination].seqno = e.seqno;
		said[to][e.destination].flags = e.flags;
	}
}

static void run(uint64_t for_us)
{
	struct route_action a;

	for (uint64_t end_us = now_us + for_us; now_us <= end_us; now_us += MS(5)) {
		routes_tick(t, now_us);
		while (routes_next_action(t, &a)) {
			if (a.type == ROUTE_SEND)
				note(a.neighbour, &a);
		}
	}
}

static void begin(size_t zone_max)
{
	struct route_config config = { .self = ME, .epoch = 7, .seed = 1, .zone_max = zone_max };

	now_us = SECONDS(10);
	n_requests = 0;
	memset(said, 0, sizeof(said));
	assert_int_equal(routes_new(&config, now_us, &t), 0);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(routes_neighbour_up(t, i, 10, now_us), 0);
	run(MS(20));
}

static void offer(uint64_t from, uint64_t destination, uint16_t seqno, uint32_t metric,
		  uint8_t flags)
{
	uint8_t body[RECORD_MAX];
	struct writer w = writer_of(body, sizeof(body));
	struct entry e = { .destination = destination,
			   .epoch = 1,
			   .seqno = seqno,
			   .metric = metric,
			   .flags = flags };

	assert_true(entry_encode(&w, &e));
	assert_int_equal(routes_input(t, from, RECORD_ROUTE_UPDATE, SPAN(body, w.len), now_us), 0);
	run(MS(20));
}

/* Destinations D to D + n - 1, each further away than the one before. */
static void offer_row(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		offer(1, D + i, 1, 100 * (i + 1), 0);
}

static bool is_told(uint64_t to, uint64_t destination)
{
	return said[to][destination].n > 0 && said[to][destination].metric < ROUTE_METRIC_INFINITY;
}

static void the_nearest_are_told_and_no_more_than_the_zone_holds(void **state)
{
	(void)state;
	unsigned n = 0;

	begin(ZONE);
	offer_row(40);
	for (unsigned i = 0; i < 40; i++)
		n += is_told(2, D + i);
	assert_in_range(n, ZONE - ZONE / 4, ZONE);
	assert_int_equal(routes_zone_count(t), n);
	for (unsigned i = 0; i < n; i++)
		assert_true(is_told(2, D + i));		 /* the nearest ones */
	assert_int_equal(routes_count_reachable(t), 40); /* all are used */
	routes_free(t);
}

static void what_leaves_the_zone_is_withdrawn_and_said_to_be_beyond(void **state)
{
	(void)state;
	begin(ZONE);
	offer_row(ZONE);
	assert_true(is_told(2, D + ZONE - 1));
	for (unsigned i = 0; i < 8; i++)
		offer(3, D + 40 + i, 1, 5, 0);
	assert_int_equal(said[2][D + ZONE - 1].metric, ROUTE_METRIC_INFINITY);
	assert_int_equal(said[2][D + ZONE - 1].flags, ENTRY_BEYOND);
	assert_true(routes_next_hop(t, D + ZONE - 1) == 1);
	assert_false(routes_is_in_zone(t, D + ZONE - 1));
	routes_set_zone(t, 0, now_us);
	run(MS(20));
	assert_true(is_told(2, D + ZONE - 1));
	routes_free(t);
}

static void a_doubt_is_told_and_puts_nothing_out_of_the_zone(void **state)
{
	(void)state;
	begin(ZONE);
	offer_row(40);
	routes_set_doubt(t, 1, D, true, now_us);
	run(SECONDS(1));
	assert_true(routes_is_in_zone(t, D));
	assert_in_range(said[2][D].metric, ROUTE_DOUBTED, ROUTE_METRIC_INFINITY - 1);
	routes_set_doubt(t, 1, D, false, now_us);
	run(SECONDS(1));
	assert_true(said[2][D].metric < ROUTE_DOUBTED);
	routes_free(t);
}

static void equal_distances_are_told_apart_by_id(void **state)
{
	(void)state;
	begin(ZONE);
	for (unsigned i = 0; i < 40; i++)
		offer(1, D + i, 1, 100, 0);
	assert_in_range(routes_zone_count(t), ZONE - ZONE / 4, ZONE);
	assert_true(routes_is_in_zone(t, D));
	assert_false(routes_is_in_zone(t, D + 39));
	routes_free(t);
}

static void a_cost_that_wavers_at_the_edge_is_no_news(void **state)
{
	(void)state;
	unsigned last = 0;
	unsigned n;

	begin(ZONE);
	offer_row(40);
	while (is_told(2, D + last + 1))
		last++;
	n = said[2][D + last].n;
	offer(1, D + last, 1, 100 * (last + 1) + 50, 0); /* further than the last one was */
	assert_true(is_told(2, D + last));
	assert_int_equal(said[2][D + last].n, n + 1); /* its new metric, and it stays in */
	routes_free(t);
}

static void a_destination_gone_beyond_is_not_asked_for(void **state)
{
	(void)state;
	begin(ZONE);
	offer_row(4);
	offer(1, D, 1, ROUTE_METRIC_INFINITY, ENTRY_BEYOND);
	run(SECONDS(2));
	assert_int_equal(routes_next_hop(t, D), 0);
	assert_int_equal(n_requests, 0);
	offer(1, D + 1, 1, ROUTE_METRIC_INFINITY, 0); /* this one is lost */
	run(SECONDS(1));
	assert_true(n_requests > 0);
	routes_free(t);
}

static void who_asked_is_told_for_a_minute_what_lies_beyond(void **state)
{
	(void)state;
	struct route_wanted wanted = { 0 };

	begin(ZONE);
	offer_row(40);
	assert_int_equal(routes_asked(t, 2, D + 39, &wanted, now_us), 0);
	assert_int_equal(wanted.epoch, 1);
	assert_int_equal(wanted.seqno, 2); /* newer than what is here */
	run(MS(20));
	assert_false(is_told(2, D + 39)); /* only the destination answers */
	offer(1, D + 39, 2, 4000, 0);
	assert_true(is_told(2, D + 39));
	assert_int_equal(said[2][D + 39].seqno, 2);
	assert_false(is_told(3, D + 39));
	run(SECONDS(40));
	assert_int_equal(routes_subscribe(t, 2, 2, D + 39, now_us), 0);
	run(SECONDS(40));
	assert_true(is_told(2, D + 39));
	run(SECONDS(30));
	assert_false(is_told(2, D + 39));
	assert_int_equal(said[2][D + 39].flags, ENTRY_BEYOND);
	routes_free(t);
}

static void an_unknown_destination_may_be_asked_for_and_is_forgotten_again(void **state)
{
	(void)state;
	struct route_wanted wanted = { .epoch = 3, .seqno = 9 };

	begin(ZONE);
	assert_int_equal(routes_asked(t, 2, D, &wanted, now_us), 0);
	assert_int_equal(wanted.epoch, 3);
	assert_int_equal(wanted.seqno, 9);
	run(SECONDS(20));
	assert_int_equal(table_find(t, D), NO_SLOT);
	assert_int_equal(routes_asked(t, 9, D, &wanted, now_us), -ENOENT);
	assert_int_equal(routes_subscribe(t, 9, 9, D, now_us), -ENOENT);
	routes_free(t);
}

static void asked_for_itself_a_node_answers_with_a_new_seqno(void **state)
{
	(void)state;
	struct route_wanted wanted = { 0 };
	uint16_t before;

	begin(ZONE);
	before = said[2][ME].seqno;
	assert_int_equal(routes_asked(t, 2, ME, &wanted, now_us), 0);
	run(MS(20));
	assert_int_equal(said[2][ME].seqno, before + 1);
	assert_int_equal(said[3][ME].seqno, before); /* nobody else */
	routes_free(t);
}

static void a_lost_route_beyond_is_asked_for_while_it_is_used(void **state)
{
	(void)state;
	struct route_wanted wanted = { 0 };

	begin(ZONE);
	offer_row(40);
	assert_int_equal(routes_asked(t, 2, D + 39, &wanted, now_us), 0);
	offer(1, D + 39, 2, 4000, 0);
	routes_used(t, D + 39, now_us);
	offer(1, D + 39, 2, ROUTE_METRIC_INFINITY, ENTRY_BEYOND);
	run(SECONDS(1));
	assert_true(n_requests > 0);
	assert_false(is_told(2, D + 39)); /* and who was told hears that it is gone */
	routes_free(t);
}

static void a_neighbour_fills_no_more_than_its_part_by_asking(void **state)
{
	(void)state;
	struct route_wanted wanted = { 0 };

	begin(ZONE);
	for (unsigned i = 0; i < ROUTE_INTRODUCED_MAX; i++)
		assert_int_equal(routes_asked(t, 2, 100000 + i, &wanted, now_us), 0);
	assert_int_equal(routes_asked(t, 2, 99999, &wanted, now_us), -ENOBUFS);
	assert_int_equal(routes_subscribe(t, 2, 2, 99999, now_us), -ENOBUFS);
	/* nor on the account of the one that is to tell */
	assert_int_equal(routes_subscribe(t, 1, 2, 99999, now_us), -ENOBUFS);
	assert_int_equal(routes_subscribe(t, 2, 1, 99999, now_us), 0);
	routes_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_are_told_and_no_more_than_the_zone_holds),
		cmocka_unit_test(what_leaves_the_zone_is_withdrawn_and_said_to_be_beyond),
		cmocka_unit_test(a_doubt_is_told_and_puts_nothing_out_of_the_zone),
		cmocka_unit_test(equal_distances_are_told_apart_by_id),
		cmocka_unit_test(a_cost_that_wavers_at_the_edge_is_no_news),
		cmocka_unit_test(a_destination_gone_beyond_is_not_asked_for),
		cmocka_unit_test(who_asked_is_told_for_a_minute_what_lies_beyond),
		cmocka_unit_test(an_unknown_destination_may_be_asked_for_and_is_forgotten_again),
		cmocka_unit_test(asked_for_itself_a_node_answers_with_a_new_seqno),
		cmocka_unit_test(a_lost_route_beyond_is_asked_for_while_it_is_used),
		cmocka_unit_test(a_neighbour_fills_no_more_than_its_part_by_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
