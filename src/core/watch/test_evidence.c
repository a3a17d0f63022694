/* SPDX-License-Identifier: Apache-2.0 */
/* How soon a loss is sure, and how long chance needs to look like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/units.h"
#include "core/watch/evidence.h"

#define PPM 1000000
#define LINK_LOSS_PPM 10000 /* a hundredth */

static uint32_t some_of(struct rng *rng, uint32_t n, uint32_t loss_ppm)
{
	uint32_t n_lost = 0;

	for (uint32_t i = 0; i < n; i++)
		n_lost += rng_below(rng, PPM) < loss_ppm;
	return n_lost;
}

/* Moments of so many packets until it is sure. */
static unsigned moments(struct rng *rng, uint32_t n_each, uint32_t loss_ppm, unsigned max)
{
	struct evidence e = { 0 };
	unsigned n = 0;

	while (n < max && !evidence_is_sure(&e)) {
		evidence_packets(&e, 2, n_each, some_of(rng, n_each, loss_ppm), false);
		n++;
	}
	return n;
}

/* 100 packets a second, asked for each 100 ms by then: a second and a half at most in 95 of 100. */
static void a_fifth_is_sure_after_some_hundred_packets(void **state)
{
	unsigned n_slow = 0, n_slow_tenth = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (unsigned i = 0; i < 1000; i++) {
		n_slow += moments(&rng, 10, 200000, 100) > 15;
		n_slow_tenth += moments(&rng, 10, 100000, 200) > 60;
	}
	assert_in_range(n_slow, 0, 50);
	assert_in_range(n_slow_tenth, 0, 50);
}

/* Three million packets at each of four rates: at 100 a second that is more than eight hours each.
 * By the law of such sums the time to a false alarm is exponential in the sum that is asked for, so
 * that none may reach three quarters of it here: the last quarter is worth a factor of 60. */
static void a_hundredth_on_each_link_is_not_taken_for_a_fault(void **state)
{
	static const uint32_t each[] = { 1, 5, 25, 250 };
	struct rng rng;

	(void)state;
	rng_seed(&rng, 2);
	for (unsigned hops = 2; hops <= 5; hops++) {
		for (size_t k = 0; k < 4; k++) {
			struct evidence e = { 0 };
			double highest = 0;

			for (uint32_t n = 0; n < 3000000 / 4; n += each[k]) {
				evidence_packets(&e, hops, each[k],
						 some_of(&rng, each[k], LINK_LOSS_PPM * hops),
						 false);
				highest = e.packets > highest ? e.packets : highest;
			}
			assert_true(highest < 0.75 * EVIDENCE_PACKETS_SURE);
		}
	}
}

/* A probe a second both ways, for a hundred hours, and ten a second while it is suspect. */
static void nor_of_probes(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (unsigned hops = 2; hops <= 4; hops++) {
		struct evidence e = { 0 };

		for (uint64_t us = 0; us < SECONDS(360000);
		     us += evidence_is_suspect(&e) ? MS(100) : SECONDS(1)) {
			evidence_probe(&e, hops, some_of(&rng, 1, 2 * hops * LINK_LOSS_PPM) != 0);
			assert_false(evidence_is_sure(&e));
		}
	}
}

static void a_short_outage_is_no_fault_however_much_was_sent(void **state)
{
	struct evidence e = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		evidence_packets(&e, 2, 1000, i % 10 < 3 ? 1000 : 0, false);
	assert_false(evidence_is_sure(&e));
	for (unsigned i = 0; i < 5; i++)
		evidence_packets(&e, 2, 1000, 1000, false);
	assert_true(evidence_is_sure(&e));
}

static void what_is_late_is_given_back(void **state)
{
	struct evidence e = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++) { /* half of each moment comes in the next */
		evidence_packets(&e, 2, 10, 5, false);
		evidence_packets(&e, 2, 10, -5, false);
		assert_false(evidence_is_sure(&e));
	}
	for (unsigned i = 0; i < 100; i++) {
		evidence_probe(&e, 2, true);
		evidence_late(&e, 2);
	}
	assert_false(evidence_is_suspect(&e));
	assert_int_equal(e.n_unanswered, 0);
}

static void it_is_forgotten_when_all_is_well_again(void **state)
{
	struct evidence e = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		evidence_packets(&e, 2, 100, 100, false);
	assert_true(evidence_is_sure(&e));
	for (unsigned i = 0; i < 5; i++)
		evidence_packets(&e, 2, 100, 0, false);
	assert_false(evidence_is_sure(&e));
	for (unsigned i = 0; i < 1000; i++)
		evidence_packets(&e, 2, 100, 0, false);
	assert_false(evidence_is_suspect(&e));
	assert_true(e.packets <= 0);
}

static void bulk_alone_is_not_enough_and_is_with_a_lost_probe(void **state)
{
	struct evidence e = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		evidence_packets(&e, 2, 100, 50, true);
	assert_false(evidence_is_sure(&e));
	assert_true(evidence_is_suspect(&e));
	evidence_probe(&e, 2, true);
	evidence_packets(&e, 2, 100, 50, true);
	assert_true(evidence_is_sure(&e));
}

/* The count is the other end's word. */
static void what_cannot_be_is_bounded(void **state)
{
	struct evidence e = { 0 };

	(void)state;
	evidence_packets(&e, 0, 0, 7, false);
	assert_int_equal(e.n_sent, 0);
	evidence_packets(&e, 0, 10, INT64_MAX, false);
	assert_int_equal(e.n_lost, 10);
	assert_true(e.packets <= EVIDENCE_MOMENT_MAX);
	evidence_packets(&e, UINT32_MAX, 10, INT64_MIN, false);
	assert_true(e.packets <= 0);
	evidence_packets(&e, 2, UINT32_MAX, UINT32_MAX, false);
	assert_true(e.packets <= EVIDENCE_MOMENT_MAX);
	for (unsigned i = 0; i < 1000; i++)
		evidence_probe(&e, UINT32_MAX, true);
	assert_true(e.probes <= EVIDENCE_PROBES_SURE * EVIDENCE_KEPT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fifth_is_sure_after_some_hundred_packets),
		cmocka_unit_test(a_hundredth_on_each_link_is_not_taken_for_a_fault),
		cmocka_unit_test(nor_of_probes),
		cmocka_unit_test(a_short_outage_is_no_fault_however_much_was_sent),
		cmocka_unit_test(what_is_late_is_given_back),
		cmocka_unit_test(it_is_forgotten_when_all_is_well_again),
		cmocka_unit_test(bulk_alone_is_not_enough_and_is_with_a_lost_probe),
		cmocka_unit_test(what_cannot_be_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
