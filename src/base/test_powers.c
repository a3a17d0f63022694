/* SPDX-License-Identifier: Apache-2.0 */
/* Logarithms and powers against those of libm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/powers.h"
#include "base/rng.h"

static void logarithms_and_powers_equal_those_of_libm(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 4);
	for (unsigned i = 0; i < 20000; i++) {
		double v = (rng_unit(&rng) - 0.5) * 2040, p = exp2(v);

		assert_true(fabs(powers_exp2(v) / p - 1) < 1e-14);
		assert_true(fabs(powers_log2(p) - log2(p)) <= 1e-14 * fmax(1, fabs(v)));
	}
	for (unsigned n = 1; n < 4096; n++)
		assert_true(fabs(powers_log2(n) - log2(n)) < 1e-14);
	assert_true(powers_log2(1) == 0 && powers_exp2(0) == 1 && powers_log2(0x1p-1074) == -1074);
	assert_true(powers_log2(1.7976931348623157e308) == 1024);
	assert_true(powers_exp2(1024) == INFINITY && powers_exp2(-INFINITY) == 0);
	assert_true(powers_exp2(1023.9) == exp2(1023.9) || powers_exp2(1023.9) > 1e308);
	assert_true(isnan(powers_exp2(NAN)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logarithms_and_powers_equal_those_of_libm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
