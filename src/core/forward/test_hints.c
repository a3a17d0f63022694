/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/forward/hints.h"

static void a_hint_is_of_one_neighbour_and_destination_and_ends(void **state)
{
	(void)state;
	struct hints h = { 0 };

	assert_false(hints_are_there(&h, SECONDS(1)));
	assert_true(hints_put(&h, 1, 2, SECONDS(1), HINT_US));
	assert_false(hints_put(&h, 1, 2, SECONDS(1), HINT_US));
	assert_true(hints_are_there(&h, SECONDS(1)));
	assert_true(hints_has(&h, 1, 2, SECONDS(1)));
	assert_false(hints_has(&h, 2, 1, SECONDS(1)));
	assert_false(hints_has(&h, 1, 3, SECONDS(1)));
	assert_true(hints_has(&h, 1, 2, SECONDS(1) + HINT_US - 1));
	assert_false(hints_has(&h, 1, 2, SECONDS(1) + HINT_US));
	assert_false(hints_are_there(&h, SECONDS(1) + HINT_US));
	assert_true(hints_put(&h, 1, 2, SECONDS(1) + HINT_US, HINT_US));
}

static void a_flood_of_hints_has_a_bound_and_the_newest_stay(void **state)
{
	(void)state;
	struct hints h = { 0 };
	unsigned n = 0;

	for (uint64_t d = 1; d <= 10000; d++)
		assert_true(hints_put(&h, 7, d, SECONDS(1) + d, HINT_US));
	assert_true(hints_has(&h, 7, 10000, SECONDS(1) + 10000));
	for (uint64_t d = 1; d <= 10000; d++)
		n += hints_has(&h, 7, d, SECONDS(1) + 10000);
	assert_in_range(n, HINTS_MAX / 2, HINTS_MAX);
}

static void a_neighbour_may_say_so_many_a_second(void **state)
{
	(void)state;
	struct hints_rate r = { 0 };

	for (unsigned second = 1; second < 4; second++) {
		for (unsigned i = 0; i < HINTS_A_SECOND; i++)
			assert_true(hints_may(&r, SECONDS(second) + i));
		assert_false(hints_may(&r, SECONDS(second) + HINTS_A_SECOND));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hint_is_of_one_neighbour_and_destination_and_ends),
		cmocka_unit_test(a_flood_of_hints_has_a_bound_and_the_newest_stay),
		cmocka_unit_test(a_neighbour_may_say_so_many_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
