/* SPDX-License-Identifier: Apache-2.0 */
/* Scores as bits: against the exponential distribution, and for scores that are no use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "core/anomaly/surprise.h"

#define N 4096

/* Of this distribution -log2 of the share above s is s / ln 2. */
static void an_exponential_tail_is_told_as_it_is(void **state)
{
	static double scores[N];
	struct surprise s;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (size_t i = 0; i < N; i++)
		scores[i] = -log(1 - rng_unit(&rng));
	assert_int_equal(surprise_learn(scores, N, 1e-9, &s), 0);
	for (unsigned bits = 3; bits < 24; bits++)
		assert_true(fabs(surprise_bits(&s, bits * M_LN2) - bits) < 0.1 * bits);
}

static void what_never_moved_surprises_by_what_is_least(void **state)
{
	double scores[8] = { 1, 1, 1, 1, 1, 1, 1, NAN };
	struct surprise s;

	(void)state;
	assert_int_equal(surprise_learn(scores, 8, 0.5, &s), 0);
	assert_true(surprise_bits(&s, 1) == 0);
	assert_true(fabs(surprise_bits(&s, 1.5) - (2 + 1 / M_LN2)) < 1e-9);
	assert_true(surprise_bits(&s, -INFINITY) == 0);
	assert_true(surprise_bits(&s, INFINITY) == SURPRISE_BITS_MAX);
	assert_true(isnan(surprise_bits(&s, NAN)));
}

static void too_few_scores_teach_nothing(void **state)
{
	double scores[6] = { NAN, 1, 2, NAN, 3, NAN };
	struct surprise s = { .at = 7 };

	(void)state;
	assert_int_equal(surprise_learn(scores, 6, 1, &s), -ENODATA);
	assert_int_equal(surprise_learn(scores, 0, 1, &s), -ENODATA);
	assert_true(s.at == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exponential_tail_is_told_as_it_is),
		cmocka_unit_test(what_never_moved_surprises_by_what_is_least),
		cmocka_unit_test(too_few_scores_teach_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
