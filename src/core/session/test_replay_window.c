/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "core/session/window.h"

static struct window w;
static bool is_newest;

static int set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	return 0;
}

static void the_first_packet_is_new_whatever_its_number(void **state)
{
	(void)state;
	static const uint64_t first[] = { 0, 1, 63, 64, 8191, 8192, (UINT64_C(1) << 56) - 1 };

	for (unsigned i = 0; i < 7; i++) {
		memset(&w, 0, sizeof(w));
		assert_true(window_accept(&w, first[i], &is_newest));
		assert_true(is_newest);
		assert_false(window_accept(&w, first[i], &is_newest));
	}
}

static void the_window_is_exactly_8192_wide(void **state)
{
	(void)state;
	/* at every offset within a word */
	for (uint64_t newest = 20000; newest < 20064; newest++) {
		memset(&w, 0, sizeof(w));
		assert_true(window_accept(&w, newest, &is_newest));
		assert_false(window_accept(&w, newest - 8192, &is_newest));
		assert_true(window_accept(&w, newest - 8191, &is_newest));
		assert_false(is_newest);
		assert_false(window_accept(&w, newest - 8191, &is_newest));
		assert_true(window_accept(&w, newest + 1, &is_newest));
		assert_false(window_accept(&w, newest - 8191, &is_newest));
	}
}

static void number_0_falls_out_with_8192(void **state)
{
	(void)state;
	assert_true(window_accept(&w, 8191, &is_newest));
	assert_true(window_accept(&w, 0, &is_newest));
	memset(&w, 0, sizeof(w));
	assert_true(window_accept(&w, 8192, &is_newest));
	assert_false(window_accept(&w, 0, &is_newest));
	assert_true(window_accept(&w, 1, &is_newest));
}

static void a_leap_forgets_all_that_was_marked(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 9000; i++)
		assert_true(window_accept(&w, i, &is_newest));
	assert_true(window_accept(&w, 1000000, &is_newest));
	for (uint64_t i = 1000000 - 8191; i < 1000000; i++)
		assert_true(window_accept(&w, i, &is_newest));
}

/* Against the plainest possible model: a list of all numbers seen. */
static void it_agrees_with_a_model_that_keeps_everything(void **state)
{
	(void)state;
	static uint8_t seen[1 << 18];
	struct rng rng;
	uint64_t newest = 0;
	bool any = false;

	rng_seed(&rng, 5);
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t back = rng_below(&rng, rng_below(&rng, 10) ? 100 : 9000);
		uint64_t sequence = newest + rng_below(&rng, 3);
		bool expected;

		sequence = sequence > back ? sequence - back : 0;
		if (rng_below(&rng, 5000) == 0)
			sequence = newest + rng_below(&rng, 2000);
		if (sequence >= sizeof(seen))
			break;
		expected = !seen[sequence] && (!any || sequence + 8192 > newest);
		assert_int_equal(window_accept(&w, sequence, &is_newest), expected);
		if (expected)
			assert_int_equal(is_newest, !any || sequence > newest);
		seen[sequence] = 1;
		if (sequence > newest)
			newest = sequence;
		any = true;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_packet_is_new_whatever_its_number, set_up),
		cmocka_unit_test_setup(the_window_is_exactly_8192_wide, set_up),
		cmocka_unit_test_setup(number_0_falls_out_with_8192, set_up),
		cmocka_unit_test_setup(a_leap_forgets_all_that_was_marked, set_up),
		cmocka_unit_test_setup(it_agrees_with_a_model_that_keeps_everything, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
