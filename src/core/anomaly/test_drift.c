/* SPDX-License-Identifier: Apache-2.0 */
/* Drift against values of NumPy and SciPy; trust is earned, lost and forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "core/anomaly/drift.h"
#include "core/anomaly/numbers.h"

static void both_tests_equal_those_of_scipy(void **state)
{
	double a[100], b[80], p;
	uint32_t s = 777;

	(void)state;
	for (unsigned i = 0; i < 180; i++) {
		s = (s * 1103515245U + 12345U) & 0x7fffffffU;
		if (i < 100)
			a[i] = s / 2147483648.0;
		else
			b[i - 100] = pow(s / 2147483648.0, 1.5);
	}
	numbers_sort(a, 100);
	numbers_sort(b, 80);
	assert_true(fabs(drift_psi(a, 100, b, 80) - 0.385712463462) < 1e-9);
	assert_true(fabs(drift_ks(a, 100, b, 80, &p) - 0.225) < 1e-12);
	assert_true(fabs(p - 0.022217962617) < 1e-9);
	assert_true(drift_ks(a, 100, a, 100, &p) == 0 && p == 1);
}

/* How many times drift is seen in some windows of scores with this shift from the third on. */
static unsigned seen(double shift)
{
	struct drift d = { 0 };
	struct rng rng;
	unsigned n = 0;

	rng_seed(&rng, 1);
	for (unsigned i = 0; i < 20 * DRIFT_WINDOW; i++) {
		n += drift_add(&d, rng_unit(&rng) + (i >= 3 * DRIFT_WINDOW ? shift : 0)) ? 1 : 0;
		assert_false(drift_add(&d, NAN));
	}
	return n;
}

static void a_shift_is_seen_once_and_none_without_one(void **state)
{
	(void)state;
	assert_int_equal(seen(0), 0);
	assert_int_equal(seen(0.5), 1);
	assert_int_equal(seen(-0.5), 1);
}

static void settle(struct trust *t, unsigned n, unsigned every)
{
	for (unsigned i = 1; i <= n; i++)
		trust_settled(t, i % every != 0);
}

static void trust_is_earned_by_precision_stage_by_stage(void **state)
{
	struct trust t = { 0 };

	(void)state;
	settle(&t, TRUST_ALARMS_MIN - 1, 1000);
	assert_int_equal(t.stage, TRUST_OBSERVE);
	settle(&t, 1, 1000);
	assert_int_equal(t.stage, TRUST_VALIDATE);
	settle(&t, TRUST_ALARMS_MIN, 1000);
	assert_int_equal(t.stage, TRUST_CONFIDENT);
	settle(&t, TRUST_ALARMS_MIN, 1000);
	assert_int_equal(t.stage, TRUST_ACTIVE);
	settle(&t, 10 * TRUST_ALARMS_MAX, 1000);
	assert_int_equal(t.stage, TRUST_ACTIVE);
}

static void half_right_is_not_enough_however_long(void **state)
{
	struct trust t = { 0 };

	(void)state;
	settle(&t, 10000, 2);
	assert_int_equal(t.stage, TRUST_OBSERVE);
	assert_true(t.n_alarms <= TRUST_ALARMS_MAX + 1);
}

static void trust_is_lost_by_false_alarms_and_by_drift(void **state)
{
	struct trust t = { .stage = TRUST_ACTIVE };

	(void)state;
	settle(&t, 2 * TRUST_ALARMS_MIN, 1); /* none is confirmed */
	assert_int_equal(t.stage, TRUST_VALIDATE);
	t.stage = TRUST_ACTIVE;
	trust_drifted(&t);
	assert_int_equal(t.stage, TRUST_OBSERVE);
	assert_int_equal(t.n_alarms, 0);
}

static void the_first_that_is_fit_is_chosen(void **state)
{
	struct trust_candidate c[] = {
		{ false, true, { .stage = TRUST_ACTIVE } },
		{ true, false, { .stage = TRUST_ACTIVE } },
		{ true, true, { .stage = TRUST_CONFIDENT } },
		{ true, true, { .stage = TRUST_ACTIVE } },
	};

	(void)state;
	assert_int_equal(trust_choose(c, N_ELEMENTS(c)), 3);
	assert_int_equal(trust_choose(c, 3), 3); /* none: rules */
	assert_int_equal(trust_choose(c, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_tests_equal_those_of_scipy),
		cmocka_unit_test(a_shift_is_seen_once_and_none_without_one),
		cmocka_unit_test(trust_is_earned_by_precision_stage_by_stage),
		cmocka_unit_test(half_right_is_not_enough_however_long),
		cmocka_unit_test(trust_is_lost_by_false_alarms_and_by_drift),
		cmocka_unit_test(the_first_that_is_fit_is_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
