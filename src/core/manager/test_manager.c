/* SPDX-License-Identifier: Apache-2.0 */
/* What the loop makes of single figures; what comes of whole meshes is in lab/chaos/test_chaos.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/manager/internal.h"

static void a_link_is_slower_than_it_was_and_never_faster(void **state)
{
	static const struct {
		uint32_t rtt_us, rtt_min_us;
		uint32_t slower_ms;
	} cases[] = {
		{ 0, 0, 0 }, /* nothing measured */
		{ 5000, 5000, 0 },    { 105000, 5000, 100 },
		{ 98000, 100000, 0 }, /* the smoothed one lags behind what is least by now */
		{ 0, UINT32_MAX, 0 }, { UINT32_MAX, 0, 4294967 },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const struct link_quality q = { .rtt_us = cases[i].rtt_us,
						.rtt_min_us = cases[i].rtt_min_us };

		assert_int_equal((uint32_t)slower_by_ms(&q), cases[i].slower_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_is_slower_than_it_was_and_never_faster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
