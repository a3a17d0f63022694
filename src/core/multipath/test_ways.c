/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/multipath/ways.h"

#define LANE_BULK 0
#define LEN 1250

static struct ways w;
static uint64_t now_us;
static struct report told; /* so far */
static uint64_t sequence[3];

static int make(void **state)
{
	(void)state;
	now_us = SECONDS(100);
	memset(&w, 0, sizeof(w));
	memset(&told, 0, sizeof(told));
	memset(sequence, 0, sizeof(sequence));
	w.spell_us = now_us;
	for (uint16_t i = 0; i < 2; i++) {
		assert_int_equal(ways_add(&w, (uint16_t)(10 + i), 50000, now_us), 0);
		told.ways[told.n++].name = (uint16_t)(10 + i);
	}
	return 0;
}

static int drop(void **state)
{
	(void)state;
	ways_done(&w);
	return 0;
}

/* Sent, and reported after its delay: time goes on by that. */
static void round_trip(size_t at, uint8_t lane, uint64_t delay_us)
{
	enum report_lane l = lane == LANE_BULK ? REPORT_BULK : REPORT_URGENT;
	struct report_way *r = &told.ways[at];

	ways_sent(&w, at, lane, ++sequence[lane], LEN, now_us);
	now_us += delay_us;
	r->has[l] = true;
	r->newest[l] = sequence[lane];
	r->bytes += LEN;
	r->packets++;
	told.at_us = (uint32_t)now_us;
	ways_reported(&w, &told, now_us);
}

static void both_known(uint64_t a_us, uint64_t b_us)
{
	for (unsigned lane = 0; lane <= WAYS_LANE_URGENT; lane += WAYS_LANE_URGENT) {
		round_trip(0, (uint8_t)lane, a_us);
		round_trip(1, (uint8_t)lane, b_us);
	}
}

static void bulk_waits_for_a_way_to_be_reported(void **state)
{
	(void)state;
	assert_true(ways_bulk(&w, LEN, now_us) == WAYS_NONE);
	assert_false(ways_are_known(&w));
	round_trip(1, WAYS_LANE_URGENT, MS(4));
	assert_int_equal(ways_bulk(&w, LEN, now_us), 1);
	round_trip(0, WAYS_LANE_URGENT, MS(2));
	assert_int_equal(ways_bulk(&w, LEN, now_us), 0);
	assert_true(ways_are_known(&w));
}

static void bulk_goes_where_it_arrives_first(void **state)
{
	(void)state;
	size_t n[2] = { 0 };

	both_known(MS(4), MS(6));
	now_us += SECONDS(1);
	w.list[0].rate_bps = 30000000;
	w.list[1].rate_bps = 10000000;
	for (unsigned i = 0; i < 400; i++) {
		size_t at = ways_bulk(&w, LEN, now_us);

		if (i < 6) /* 2 ms at 30 Mbit/s are six packets */
			assert_int_equal(at, 0);
		ways_sent(&w, at, LANE_BULK, ++sequence[LANE_BULK], LEN, now_us);
		n[at]++;
	}
	assert_in_range(n[0], 295, 310);
}

static void a_way_that_queues_is_sent_less_until_it_is_idle(void **state)
{
	(void)state;
	both_known(MS(4), MS(4));
	now_us += SECONDS(1);
	round_trip(0, LANE_BULK, MS(14));
	assert_true(w.list[0].is_queueing);
	ways_sent(&w, 0, LANE_BULK, ++sequence[LANE_BULK], LEN, now_us);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ways_bulk(&w, LEN, now_us), 1);
}

/* 1,250 bytes each so often, delivered as often, 10 ms after they were sent. */
static void queue_steadily(unsigned n, uint64_t every_us)
{
	for (unsigned i = 0; i < n; i++) {
		ways_sent(&w, 0, LANE_BULK, ++sequence[LANE_BULK], LEN, now_us - MS(10));
		now_us += every_us;
		told.ways[0].newest[REPORT_BULK] = sequence[LANE_BULK];
		told.ways[0].has[REPORT_BULK] = true;
		told.ways[0].bytes += LEN;
		told.ways[0].packets++;
		told.at_us = (uint32_t)now_us;
		ways_reported(&w, &told, now_us);
	}
}

static void the_rate_is_what_is_delivered_while_packets_queue(void **state)
{
	(void)state;
	both_known(MS(4), MS(4));
	queue_steadily(6000, 500);
	assert_true(w.list[0].is_rate_known);
	assert_in_range(w.list[0].rate_bps, 19500000, 20500000);
	assert_int_equal(w.list[1].rate_bps, WAYS_RATE_GUESS); /* nobody knows yet */
}

/* The machine was busy, or a link was: few packets that are late say nothing of a rate. */
static void a_delay_without_load_is_no_queue_of_ours(void **state)
{
	(void)state;
	both_known(MS(4), MS(4));
	queue_steadily(800, MS(5));
	assert_false(w.list[0].is_rate_known);
	assert_int_equal(w.list[0].rate_bps, WAYS_RATE_GUESS);
}

static void bulk_queues_on_the_slower_way_and_no_more_than_is_of_use(void **state)
{
	(void)state;
	size_t n[2] = { 0 };

	both_known(MS(4), MS(6));
	now_us += SECONDS(1);
	for (size_t i = 0; i < 2; i++) {
		w.list[i].is_rate_known = true;
		w.list[i].rate_bps = 10000000; /* 1 ms each */
	}
	for (unsigned i = 0; i < 7; i++) {
		size_t at = ways_bulk(&w, LEN, now_us);

		ways_sent(&w, at, LANE_BULK, ++sequence[LANE_BULK], LEN, now_us);
		n[at]++;
	}
	assert_int_equal(n[0], 2);
	assert_int_equal(n[1], 5);
	assert_true(ways_bulk(&w, LEN, now_us) < 2); /* a moment's queue is none */
	for (size_t i = 0; i < 2; i++)
		w.list[i].standing[0] = w.list[i].standing[1] = 10000;
	assert_true(ways_bulk(&w, LEN, now_us) == WAYS_FULL);
	assert_true(ways_bulk(&w, LEN, now_us) < 2); /* one is enough */
	now_us += WAYS_SHED_US;
	for (unsigned i = 0; i < 200; i++)
		ways_sent(&w, i % 2, LANE_BULK, ++sequence[LANE_BULK], LEN, now_us);
	assert_true(ways_bulk(&w, LEN, now_us) == WAYS_FULL);
	now_us += WAYS_SHED_US;
	w.list[1].is_silent = true; /* where there is no other, all goes by the first */
	assert_int_equal(ways_bulk(&w, LEN, now_us), 0);
}

static void a_way_much_slower_carries_no_bulk(void **state)
{
	(void)state;
	both_known(MS(4), MS(4) + WAYS_APART_US + MS(1));
	now_us += SECONDS(1);
	for (unsigned i = 0; i < 100; i++) {
		size_t at = ways_bulk(&w, LEN, now_us);

		assert_int_equal(at, 0);
		ways_sent(&w, at, LANE_BULK, ++sequence[LANE_BULK], LEN, now_us);
	}
	assert_non_null(ways_reason(&w, 1, now_us));
}

static void interactive_takes_the_least_delay_and_spills_when_that_is_full(void **state)
{
	(void)state;
	both_known(MS(6), MS(4));
	now_us += SECONDS(1);
	assert_int_equal(ways_interactive(&w, 7, now_us), 1);
	w.list[1].is_rate_known = true;
	w.list[1].rate_bps = 1000000;
	w.list[1].load_bps = 810000;
	assert_int_equal(ways_interactive(&w, 8, now_us), 0);
	w.list[0].is_rate_known = true;
	w.list[0].rate_bps = 1000000;
	w.list[0].load_bps = 990000;
	assert_int_equal(ways_interactive(&w, 9, now_us), 1); /* both are full */
}

static void a_flow_changes_its_way_in_a_gap_alone(void **state)
{
	(void)state;
	both_known(MS(6), MS(4));
	now_us += SECONDS(1);
	assert_int_equal(ways_interactive(&w, 7, now_us), 1);
	w.list[0].delay_us[REPORT_URGENT] = 1000;
	w.list[1].delay_us[REPORT_URGENT] = 6000;
	now_us += MS(5) + WAYS_GAP_US - 1; /* it would overtake what is 5 ms slower */
	assert_int_equal(ways_interactive(&w, 7, now_us), 1);
	now_us += MS(5) + WAYS_GAP_US;
	assert_int_equal(ways_interactive(&w, 7, now_us), 0);
	w.list[0].is_silent = true;
	assert_int_equal(ways_interactive(&w, 7, now_us), 1); /* at once */
}

static void critical_takes_two_and_not_a_silent_one(void **state)
{
	(void)state;
	size_t at[2];

	ways_critical(&w, at);
	assert_int_equal(at[0] + at[1], 1);
	w.list[0].is_silent = true;
	ways_critical(&w, at);
	assert_int_equal(at[0], 1);
	assert_true(at[1] == WAYS_NONE);
	w.list[1].is_silent = true;
	ways_critical(&w, at);
	assert_true(at[0] == WAYS_NONE && at[1] == WAYS_NONE);
}

static void a_way_of_which_nothing_is_reported_falls_silent_and_comes_back(void **state)
{
	(void)state;
	both_known(MS(4), MS(4));
	assert_true(ways_deadline_us(&w) == NEVER_US); /* all is reported */
	ways_sent(&w, 0, LANE_BULK, ++sequence[LANE_BULK], LEN, now_us);
	assert_int_equal(ways_deadline_us(&w), now_us + WAYS_SILENT_MIN_US);
	now_us += WAYS_SILENT_MIN_US - 1;
	assert_false(ways_tick(&w, now_us));
	now_us++;
	assert_true(ways_tick(&w, now_us));
	assert_false(ways_tick(&w, now_us));
	assert_true(w.list[0].is_silent);
	assert_int_equal(ways_bulk(&w, LEN, now_us), 1);
	round_trip(0, WAYS_LANE_URGENT, MS(4)); /* a probe */
	assert_false(w.list[0].is_silent);
	assert_int_equal(w.list[0].loss_ppm, 0);
}

static void a_way_that_loses_without_queueing_carries_no_bulk_for_a_while(void **state)
{
	(void)state;
	both_known(MS(4), MS(4));
	for (unsigned i = 0; i < 2 * WAYS_LOSS_PACKETS; i++) {
		if (i % 10 == 0) /* lost */
			ways_sent(&w, 0, LANE_BULK, ++sequence[LANE_BULK], LEN, now_us);
		round_trip(0, LANE_BULK, MS(4));
	}
	assert_in_range(w.list[0].loss_ppm, 80000, 100000);
	now_us += SECONDS(1);
	assert_int_equal(ways_bulk(&w, LEN, now_us), 1);
	now_us += WAYS_LOSSY_US;
	assert_int_equal(ways_bulk(&w, LEN, now_us), 0);
}

static void reports_of_strangers_and_repeated_ones_teach_nothing(void **state)
{
	(void)state;
	struct way before;

	both_known(MS(4), MS(4));
	before = w.list[0];
	told.ways[0].name = 999;
	now_us += SECONDS(2);
	ways_reported(&w, &told, now_us);
	assert_int_equal(w.list[0].delay_us[0], before.delay_us[0]);
	told.ways[0].name = 10;
	ways_reported(&w, &told, now_us); /* the same numbers as before */
	assert_int_equal(w.list[0].delay_us[0], before.delay_us[0]);
	told.ways[0].newest[REPORT_BULK] = 123456; /* never sent */
	ways_reported(&w, &told, now_us);
	assert_int_equal(w.list[0].delay_us[0], before.delay_us[0]);
}

static void there_are_three_at_most(void **state)
{
	(void)state;
	assert_int_equal(ways_add(&w, 1, 1, now_us), 0);
	assert_int_equal(ways_add(&w, 2, 1, now_us), -ENOBUFS);
	assert_int_equal(w.n, PATHS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bulk_waits_for_a_way_to_be_reported, make, drop),
		cmocka_unit_test_setup_teardown(bulk_goes_where_it_arrives_first, make, drop),
		cmocka_unit_test_setup_teardown(a_way_that_queues_is_sent_less_until_it_is_idle,
						make, drop),
		cmocka_unit_test_setup_teardown(the_rate_is_what_is_delivered_while_packets_queue,
						make, drop),
		cmocka_unit_test_setup_teardown(a_delay_without_load_is_no_queue_of_ours, make,
						drop),
		cmocka_unit_test_setup_teardown(
			bulk_queues_on_the_slower_way_and_no_more_than_is_of_use, make, drop),
		cmocka_unit_test_setup_teardown(a_way_much_slower_carries_no_bulk, make, drop),
		cmocka_unit_test_setup_teardown(
			interactive_takes_the_least_delay_and_spills_when_that_is_full, make, drop),
		cmocka_unit_test_setup_teardown(a_flow_changes_its_way_in_a_gap_alone, make, drop),
		cmocka_unit_test_setup_teardown(critical_takes_two_and_not_a_silent_one, make,
						drop),
		cmocka_unit_test_setup_teardown(
			a_way_of_which_nothing_is_reported_falls_silent_and_comes_back, make, drop),
		cmocka_unit_test_setup_teardown(
			a_way_that_loses_without_queueing_carries_no_bulk_for_a_while, make, drop),
		cmocka_unit_test_setup_teardown(
			reports_of_strangers_and_repeated_ones_teach_nothing, make, drop),
		cmocka_unit_test_setup_teardown(there_are_three_at_most, make, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
