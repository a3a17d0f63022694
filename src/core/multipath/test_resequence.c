/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/units.h"
#include "core/multipath/resequence.h"

#define START_US SECONDS(1)
#define OUT_MAX 4096

static uint64_t out[OUT_MAX];
static size_t n_out;
static struct resequence *q;

static int make(void **state)
{
	(void)state;
	n_out = 0;
	return resequence_new(64, &q);
}

static int drop(void **state)
{
	(void)state;
	resequence_free(q);
	return 0;
}

static void drain(uint64_t now_us)
{
	struct span packet;
	uint32_t tag;

	while (resequence_next(q, now_us, &packet, &tag)) {
		assert_int_equal(packet.len, 8);
		assert_true(n_out < OUT_MAX);
		out[n_out] = load_u64(packet.at);
		assert_int_equal(tag, (uint32_t)out[n_out] + 1);
		n_out++;
	}
}

static void come(uint64_t sequence, uint64_t now_us)
{
	uint8_t bytes[8];

	store_u64(bytes, sequence);
	resequence_expect(q, sequence);
	drain(now_us);
	if (resequence_input(q, sequence, SPAN_OF(bytes), (uint32_t)sequence + 1, now_us))
		out[n_out++] = sequence;
	drain(now_us);
}

static void are_out(size_t n, const uint64_t *expected)
{
	assert_int_equal(n_out, n);
	for (size_t i = 0; i < n; i++)
		assert_true(out[i] == expected[i]);
}

static struct resequence_counters counted(void)
{
	struct resequence_counters c;

	resequence_counters(q, &c);
	return c;
}

static void in_order_nothing_waits(void **state)
{
	(void)state;
	for (uint64_t s = 100; s < 200; s++)
		come(s, START_US);
	assert_int_equal(n_out, 100);
	assert_int_equal(counted().held, 0);
	assert_true(resequence_deadline_us(q) == NEVER_US);
}

static void the_later_wait_for_the_missing_and_follow_it(void **state)
{
	(void)state;
	static const uint64_t expected[] = { 1, 2, 3, 4, 5, 6 };

	come(1, START_US);
	come(3, START_US);
	come(4, START_US + 1);
	come(6, START_US + 2);
	assert_int_equal(n_out, 1);
	assert_int_equal(resequence_deadline_us(q), START_US + RESEQUENCE_CAP_US);
	come(2, START_US + 3);
	assert_int_equal(n_out, 4);
	assert_int_equal(resequence_deadline_us(q), START_US + 2 + RESEQUENCE_CAP_US);
	come(5, START_US + 4);
	are_out(6, expected);
	assert_int_equal(counted().lost, 0);
}

static void nobody_waits_longer_than_the_cap(void **state)
{
	(void)state;
	static const uint64_t expected[] = { 1, 3, 4, 6 };

	come(1, START_US);
	come(4, START_US);
	come(3, START_US + MS(15)); /* before it in order, and shorter here */
	come(6, START_US + MS(15));
	drain(START_US + RESEQUENCE_CAP_US - 1);
	assert_int_equal(n_out, 1);
	drain(START_US + RESEQUENCE_CAP_US);
	assert_int_equal(n_out, 3);
	drain(START_US + MS(15) + RESEQUENCE_CAP_US);
	are_out(4, expected);
	assert_int_equal(counted().timed_out, 2);
	assert_int_equal(counted().lost, 2);
}

static void what_comes_too_late_goes_on_at_once(void **state)
{
	(void)state;
	static const uint64_t expected[] = { 1, 3, 2 };

	come(1, START_US);
	come(3, START_US);
	drain(START_US + RESEQUENCE_CAP_US);
	come(2, START_US + MS(30));
	are_out(3, expected);
	assert_int_equal(counted().late, 1);
}

static void what_is_known_to_be_lost_is_waited_for_no_longer(void **state)
{
	(void)state;
	static const uint64_t expected[] = { 1, 4, 6 };

	come(1, START_US);
	come(4, START_US);
	come(6, START_US);
	resequence_lost_below(q, 4);
	drain(START_US);
	assert_int_equal(n_out, 2);	/* of 5 nothing is known */
	resequence_lost_below(q, 1000); /* beyond what is held, to which it says nothing */
	drain(START_US);
	are_out(3, expected);
	come(8, START_US);
	assert_int_equal(n_out, 3);
}

static void a_full_window_gives_up_the_oldest_gap_and_keeps_the_order(void **state)
{
	(void)state;
	come(0, START_US);
	for (uint64_t s = 2; s <= RESEQUENCE_PACKETS_MAX; s++)
		come(s, START_US);
	assert_int_equal(n_out, 1);
	come(RESEQUENCE_PACKETS_MAX + 1, START_US); /* there is no place beyond */
	assert_int_equal(n_out, RESEQUENCE_PACKETS_MAX + 1);
	for (size_t i = 1; i < n_out; i++)
		assert_true(out[i] > out[i - 1]);
	assert_int_equal(counted().full, 1);
}

static void a_leap_far_ahead_is_no_gap_to_wait_in(void **state)
{
	(void)state;
	static const uint64_t expected[] = { 5, 1000000, 1000001 };

	come(5, START_US);
	come(1000000, START_US);
	come(1000001, START_US);
	are_out(3, expected);
	come(1000003, START_US);
	come(9000000, START_US);
	assert_int_equal(n_out, 5);
	assert_true(out[3] == 1000003 && out[4] == 9000000);
}

static void bytes_are_bounded_by_the_number_of_places(void **state)
{
	(void)state;
	struct resequence *big;
	static uint8_t packet[8000];

	assert_int_equal(resequence_new(sizeof(packet), &big), 0);
	assert_true(resequence_input(big, 0, SPAN_OF(packet), 0, START_US));
	for (uint64_t s = 2; s < 1 + RESEQUENCE_BYTES_MAX / sizeof(packet); s++)
		assert_false(resequence_input(big, s, SPAN_OF(packet), 0, START_US));
	assert_true(resequence_input(big, 1 + RESEQUENCE_BYTES_MAX / sizeof(packet),
				     SPAN_OF(packet), 0, START_US));
	assert_true(resequence_input(big, 1, SPAN_OF(packet), 0, START_US));
	resequence_free(big);
	assert_int_equal(resequence_new(0, &big), -EINVAL);
}

static void a_packet_too_long_for_a_place_goes_on_at_once(void **state)
{
	(void)state;
	static uint8_t packet[65];

	come(1, START_US);
	assert_true(resequence_input(q, 3, SPAN_OF(packet), 0, START_US));
}

static void new_numbers_begin_after_all_that_is_held(void **state)
{
	(void)state;
	static const uint64_t expected[] = { 70, 72, 75, 3, 4 };

	come(70, START_US);
	come(72, START_US);
	come(75, START_US);
	resequence_restart(q);
	drain(START_US);
	come(3, START_US);
	come(4, START_US);
	are_out(5, expected);
}

/* Two ways of different delay, loss on both: each comes out once, in order but for those too late.
 */
static void nothing_is_lost_or_made_by_any_disorder(void **state)
{
	(void)state;
	struct rng rng;

	rng_seed(&rng, 3);
	for (unsigned round = 0; round < 50; round++) {
		static struct {
			uint64_t at_us, sequence;
		} comes[1000];
		static bool has_come[1000];
		size_t n = 0;

		n_out = 0;
		for (uint64_t s = 0; s < 1000; s++) {
			if (rng_below(&rng, 100) < 2)
				continue;
			comes[n].sequence = s;
			comes[n++].at_us = START_US + s * 100 +
					   (rng_below(&rng, 2) ? 0 : rng_below(&rng, MS(30)));
		}
		for (size_t i = 1; i < n; i++)
			for (size_t k = i; k > 0 && comes[k].at_us < comes[k - 1].at_us; k--) {
				uint64_t at = comes[k].at_us, s = comes[k].sequence;

				comes[k] = comes[k - 1];
				comes[k - 1].at_us = at;
				comes[k - 1].sequence = s;
			}
		for (size_t i = 0; i < n; i++)
			come(comes[i].sequence, comes[i].at_us);
		drain(START_US + SECONDS(9));
		assert_int_equal(n_out, n);
		memset(has_come, 0, sizeof(has_come));
		for (size_t i = 0; i < n_out; i++) {
			assert_false(has_come[out[i]]);
			has_come[out[i]] = true;
		}
		resequence_restart(q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order_nothing_waits, make, drop),
		cmocka_unit_test_setup_teardown(the_later_wait_for_the_missing_and_follow_it, make,
						drop),
		cmocka_unit_test_setup_teardown(nobody_waits_longer_than_the_cap, make, drop),
		cmocka_unit_test_setup_teardown(what_comes_too_late_goes_on_at_once, make, drop),
		cmocka_unit_test_setup_teardown(what_is_known_to_be_lost_is_waited_for_no_longer,
						make, drop),
		cmocka_unit_test_setup_teardown(
			a_full_window_gives_up_the_oldest_gap_and_keeps_the_order, make, drop),
		cmocka_unit_test_setup_teardown(a_leap_far_ahead_is_no_gap_to_wait_in, make, drop),
		cmocka_unit_test(bytes_are_bounded_by_the_number_of_places),
		cmocka_unit_test_setup_teardown(a_packet_too_long_for_a_place_goes_on_at_once, make,
						drop),
		cmocka_unit_test_setup_teardown(new_numbers_begin_after_all_that_is_held, make,
						drop),
		cmocka_unit_test_setup_teardown(nothing_is_lost_or_made_by_any_disorder, make,
						drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
