/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/link/doubt.h"
#include "core/link/lateness.h"
#include "core/link/link.h"

static void look_for(struct doubt *d, uint64_t *now_us, uint64_t for_us)
{
	for (uint64_t end_us = *now_us + for_us; *now_us < end_us;) {
		*now_us += MS(1);
		doubt_look(d, *now_us);
	}
}

static void a_doubt_lasts_for_the_least_or_for_ones_patience(void **state)
{
	(void)state;
	struct doubt d = { 0 };
	uint64_t now_us = SECONDS(5);

	assert_true(doubt_deadline_us(&d, MS(15)) == NEVER_US);
	doubt_begin(&d, now_us);
	look_for(&d, &now_us, MS(99));
	assert_false(doubt_is_over(&d, MS(15)));
	look_for(&d, &now_us, MS(1));
	assert_true(doubt_is_over(&d, MS(15)));
	assert_false(doubt_is_over(&d, MS(250)));
	look_for(&d, &now_us, MS(150));
	assert_true(doubt_is_over(&d, MS(250)));
}

static void time_in_which_nobody_looked_counts_little(void **state)
{
	(void)state;
	struct doubt d = { 0 };
	uint64_t now_us = SECONDS(5);

	doubt_begin(&d, now_us);
	assert_true(doubt_deadline_us(&d, MS(15)) == now_us + DOUBT_STEP_US);
	for (unsigned i = 0; i < 3; i++) {
		now_us += SECONDS(10);
		doubt_look(&d, now_us);
		assert_false(doubt_is_over(&d, MS(15)));
	}
	now_us += SECONDS(10);
	doubt_look(&d, now_us);
	assert_true(doubt_is_over(&d, MS(15)));
	doubt_look(&d, now_us - SECONDS(20)); /* backwards is nothing */
	assert_true(doubt_is_over(&d, MS(15)));
}

static void a_wrong_one_is_remembered_for_an_hour_and_two_at_most(void **state)
{
	(void)state;
	struct doubt d = { 0 };
	uint64_t now_us = SECONDS(5);

	doubt_look(&d, now_us);
	doubt_begin(&d, now_us);
	look_for(&d, &now_us, MS(90));
	doubt_was_wrong(&d, now_us);
	assert_false(d.is_on);
	assert_int_equal(doubt_needed_us(&d, MS(15)), MS(270));
	doubt_look(&d, now_us + SECONDS(3600));
	assert_int_equal(doubt_needed_us(&d, MS(15)), MS(270));
	doubt_look(&d, now_us + SECONDS(2 * 3600 + 1));
	assert_int_equal(doubt_needed_us(&d, MS(15)), LINK_DOUBT_MIN_US);
}

static void what_is_learnt_has_a_bound(void **state)
{
	(void)state;
	struct doubt d = { 0 };
	uint64_t now_us = SECONDS(5);

	doubt_look(&d, now_us);
	doubt_begin(&d, now_us);
	look_for(&d, &now_us, SECONDS(5));
	doubt_was_wrong(&d, now_us);
	assert_int_equal(doubt_needed_us(&d, MS(15)), LINK_DOUBT_MAX_US);
	doubt_was_wrong(&d, now_us + SECONDS(1)); /* of none, nothing */
	assert_int_equal(d.wrong_us[0], SECONDS(5));
}

static void many_wrong_ones_make_a_link_restless_for_some_seconds(void **state)
{
	(void)state;
	struct doubt d = { 0 };
	uint64_t now_us = SECONDS(5);

	for (unsigned i = 0; i < 100; i++) { /* 8 ms of 1,000: a hundredth is lost, say */
		doubt_begin(&d, now_us);
		look_for(&d, &now_us, MS(8));
		doubt_was_wrong(&d, now_us);
		now_us += MS(992);
	}
	assert_false(doubt_is_restless(&d, now_us));
	for (unsigned i = 0; i < 10; i++) {
		doubt_begin(&d, now_us);
		look_for(&d, &now_us, MS(30));
		doubt_was_wrong(&d, now_us);
		now_us += MS(100);
	}
	assert_true(doubt_is_restless(&d, now_us));
	assert_false(doubt_is_restless(&d, now_us + SECONDS(20)));
}

static void what_a_neighbour_doubts_anyway_need_not_be_promised(void **state)
{
	(void)state;
	struct lateness l = { 0 };

	assert_int_equal(lateness_promise_us(&l), 0);
	lateness_note(&l, MS(50), SECONDS(100));
	assert_int_equal(lateness_promise_us(&l), 0);
	lateness_note(&l, MS(60) + 300, SECONDS(101));
	lateness_note(&l, MS(1), SECONDS(102));
	assert_int_equal(lateness_promise_us(&l), MS(20));
	assert_int_equal(lateness_latest_us(&l), MS(60) + 300);
	lateness_note(&l, 0, SECONDS(131));
	assert_int_equal(lateness_promise_us(&l), MS(20)); /* remembered for a window more */
	lateness_note(&l, 0, SECONDS(162));
	assert_int_equal(lateness_promise_us(&l), 0);
	lateness_note(&l, SECONDS(9), SECONDS(163));
	assert_int_equal(lateness_promise_us(&l), LINK_LATENESS_MAX_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_doubt_lasts_for_the_least_or_for_ones_patience),
		cmocka_unit_test(time_in_which_nobody_looked_counts_little),
		cmocka_unit_test(a_wrong_one_is_remembered_for_an_hour_and_two_at_most),
		cmocka_unit_test(what_is_learnt_has_a_bound),
		cmocka_unit_test(what_a_neighbour_doubts_anyway_need_not_be_promised),
		cmocka_unit_test(many_wrong_ones_make_a_link_restless_for_some_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
