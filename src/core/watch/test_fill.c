/* SPDX-License-Identifier: Apache-2.0 */
/* When a way may be full, and what becomes of probes that were lost meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/watch/internal.h"

#define START SECONDS(10)
#define RTT MS(20)

/* Ten answers in a second, and so many bytes. */
static uint64_t carry(struct fill *f, size_t bytes, bool is_bulk, uint64_t rtt_us, uint64_t now_us)
{
	for (unsigned i = 0; i < 10; i++) {
		now_us += MS(100);
		fill_passed(f, bytes / 10, is_bulk, now_us);
		fill_answered(f, rtt_us, FILL_IN_TIME, now_us);
	}
	return now_us;
}

static void a_way_is_slow_where_answers_take_longer_than_ever_and_bulk_goes(void **state)
{
	static const struct {
		uint64_t least_us, rtt_us;
		bool is_bulk, is_slow;
	} cases[] = {
		{ RTT, RTT + WATCH_SLOW_MIN_US, true, false },
		{ RTT, RTT + WATCH_SLOW_MIN_US + 1, true, true },
		{ RTT, RTT + SECONDS(1), false, false },
		{ MS(400), MS(450), true, false },
		{ MS(400), MS(451), true, true },
		{ RTT, UINT64_MAX, true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fill f = { 0 };
		uint64_t now_us = carry(&f, 10000, cases[i].is_bulk, cases[i].least_us, START);

		fill_answered(&f, cases[i].rtt_us, FILL_IN_TIME, now_us);
		assert_int_equal(fill_is_slow(&f, now_us), cases[i].is_slow);
		assert_int_equal(fill_may_be_full(&f, now_us), cases[i].is_slow);
		now_us += WATCH_ACTIVE_US; /* no bulk goes any more */
		assert_false(fill_may_be_full(&f, now_us));
	}
}

static void what_was_held_counts_after_a_fast_answer_and_not_after_a_slow_or_late_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct fill f = { 0 };
		uint64_t now_us = carry(&f, 10000, true, RTT, START);

		fill_hold(&f, false);
		fill_hold(&f, true);
		fill_hold(&f, true);
		fill_answered(&f, i == 1 ? RTT + MS(50) : RTT, i == 2 ? FILL_LATE : FILL_IN_TIME,
			      now_us);
		assert_int_equal(fill_release(&f, false), i == 0 ? 1 : 0);
		assert_int_equal(fill_release(&f, true), i == 0 ? 2 : 0);
		assert_int_equal(fill_release(&f, true), 0);
	}
}

static void no_more_are_held_than_a_bound(void **state)
{
	struct fill f = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		fill_hold(&f, i % 2);
	assert_in_range(fill_release(&f, true), 1, 64);
}

static void more_than_twice_of_what_was_carried_may_be_too_much(void **state)
{
	(void)state;
	for (unsigned times = 1; times <= 4; times++) {
		struct fill f = { 0 };
		uint64_t now_us = carry(&f, 100000, true, RTT, START);

		now_us += SECONDS(1);
		fill_passed(&f, times * (size_t)100000, true, now_us);
		assert_int_equal(fill_may_be_full(&f, now_us), times > 2);
	}
}

/* Where all else goes before bulk it is fast though the way is full; if even it is slow, it is. */
static void a_second_probe_that_is_fast_says_nothing_of_room(void **state)
{
	(void)state;
	for (unsigned is_flood = 0; is_flood < 2; is_flood++) {
		struct fill f = { 0 };
		uint64_t now_us = carry(&f, 100000, true, RTT, START);

		if (!is_flood)
			fill_answered(&f, RTT + MS(50), FILL_IN_TIME, now_us);
		now_us += SECONDS(1);
		fill_passed(&f, (is_flood ? 4 : 1) * (size_t)100000, true, now_us);
		assert_true(fill_may_be_full(&f, now_us));
		fill_answered(&f, RTT, FILL_SECOND, now_us);
		assert_true(fill_may_be_full(&f, now_us));
		fill_answered(&f, RTT, FILL_IN_TIME, now_us);
		assert_false(fill_may_be_full(&f, now_us));
		fill_hold(&f, true);
		fill_answered(&f, RTT + MS(50), FILL_SECOND, now_us);
		assert_true(fill_is_slow(&f, now_us));
		assert_int_equal(fill_release(&f, true), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_way_is_slow_where_answers_take_longer_than_ever_and_bulk_goes),
		cmocka_unit_test(
			what_was_held_counts_after_a_fast_answer_and_not_after_a_slow_or_late_one),
		cmocka_unit_test(no_more_are_held_than_a_bound),
		cmocka_unit_test(a_second_probe_that_is_fast_says_nothing_of_room),
		cmocka_unit_test(more_than_twice_of_what_was_carried_may_be_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
