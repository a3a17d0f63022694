/* SPDX-License-Identifier: Apache-2.0 */
/* What is unusual by one's own past; what is absurd, masked, lasting, or too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "base/units.h"
#include "core/anomaly/drift.h"
#include "core/unusual/spoken.h"
#include "core/unusual/unusual.h"

#define SEED 11

struct world {
	struct unusual *u;
	struct rng rng;
	uint64_t now_us;
	struct unusual_verdict verdict;
};

static void begin(struct world *w)
{
	*w = (struct world){ .now_us = SECONDS(1) };
	rng_seed(&w->rng, SEED);
	assert_int_equal(unusual_new(SEED, UNUSUAL_LEARN_S, &w->u), 0);
}

/* About normal, of mean 0 and deviation 1: the sum of twelve. */
static double noise(struct world *w)
{
	double sum = -6;

	for (unsigned i = 0; i < 12; i++)
		sum += rng_unit(&w->rng);
	return sum;
}

static struct unusual_row link_row(struct world *w, uint64_t subject)
{
	return (struct unusual_row){
		.group = UNUSUAL_LINK,
		.subject = subject,
		.values = { [UNUSUAL_RTT] = 20 * exp(0.1 * noise(w)),
			    [UNUSUAL_JITTER] = 2 * exp(0.3 * noise(w)),
			    [UNUSUAL_LOSS] = fmax(0, 0.002 * noise(w)) },
	};
}

static struct unusual_row host_row(struct world *w)
{
	return (struct unusual_row){
		.group = UNUSUAL_HOST,
		.values = { [UNUSUAL_CPU] = fabs(0.2 + 0.05 * noise(w)),
			    [UNUSUAL_MEMORY] = 0.4 + 0.005 * noise(w),
			    [UNUSUAL_DISK] = 0.5,
			    [UNUSUAL_PRESSURE_CPU] = fmax(0, 0.02 * noise(w)),
			    [UNUSUAL_PRESSURE_MEMORY] = NAN, /* a kernel without */
			    [UNUSUAL_PRESSURE_IO] = fmax(0, 0.02 * noise(w)),
			    [UNUSUAL_LOOP_LATE] = fabs(0.3 * noise(w)),
			    [UNUSUAL_LINK_RTT] = 20 * exp(0.1 * noise(w)) },
	};
}

static int judge(struct world *w, struct unusual_row r)
{
	return unusual_judge(w->u, &r, w->now_us, &w->verdict);
}

static void live(struct world *w, unsigned s, enum unusual_group g)
{
	for (unsigned i = 0; i < s; i++) {
		w->now_us += SECONDS(1);
		assert_int_equal(judge(w, g == UNUSUAL_HOST ? host_row(w) : link_row(w, 5)), 0);
	}
}

static struct unusual_view view(const struct world *w, size_t at)
{
	struct unusual_view v = { 0 };

	for (size_t cursor = at; unusual_next(w->u, &cursor, &v);)
		break;
	return v;
}

static void too_little_is_known_at_first_and_it_says_so(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	live(&w, UNUSUAL_LEARN_S, UNUSUAL_HOST);
	assert_true(isnan(w.verdict.bits) && isnan(w.verdict.hint_bits));
	assert_int_equal(view(&w, 0).mode, UNUSUAL_RULES);
	assert_string_not_equal(view(&w, 0).why, "");
	live(&w, 2, UNUSUAL_HOST);
	assert_true(w.verdict.bits >= 0);
	assert_int_equal(view(&w, 0).mode, UNUSUAL_ROBUST);
	assert_int_equal(view(&w, 0).n_learned, UNUSUAL_N_HOST - 1); /* one is not there */
	live(&w, UNUSUAL_FOREST_ROWS, UNUSUAL_HOST);
	assert_int_equal(view(&w, 0).mode, UNUSUAL_ENSEMBLE);
	assert_string_equal(view(&w, 0).why, "");
	assert_int_equal(view(&w, 0).n_samples, UNUSUAL_LEARN_S + 2 + UNUSUAL_FOREST_ROWS);
	unusual_free(w.u);
}

static void a_longer_way_is_odd_though_no_rule_speaks_of_it(void **state)
{
	struct unusual_row r;
	struct world w;

	(void)state;
	begin(&w);
	live(&w, 300, UNUSUAL_LINK);
	assert_true(w.verdict.bits < UNUSUAL_BITS);
	r = link_row(&w, 5);
	r.values[UNUSUAL_RTT] = 60;
	w.now_us += SECONDS(1);
	assert_int_equal(judge(&w, r), 0);
	assert_true(w.verdict.bits >= UNUSUAL_BITS);
	assert_string_equal(w.verdict.mostly, "the round trip");
	assert_true(unusual_bits(w.u, UNUSUAL_LINK, 5, w.now_us) == w.verdict.bits);
	assert_true(isnan(unusual_bits(w.u, UNUSUAL_LINK, 6, w.now_us)));
	assert_true(
		isnan(unusual_bits(w.u, UNUSUAL_LINK, 5, w.now_us + UNUSUAL_FRESH_US))); /* old */
	unusual_free(w.u);
}

static void the_host_is_odd_to_both_detectors(void **state)
{
	struct unusual_row r;
	struct world w;

	(void)state;
	begin(&w);
	live(&w, 400, UNUSUAL_HOST);
	assert_true(w.verdict.bits < UNUSUAL_BITS);
	r = host_row(&w);
	r.values[UNUSUAL_PRESSURE_IO] = 0.6;
	r.values[UNUSUAL_LOOP_LATE] = 80;
	w.now_us += SECONDS(1);
	assert_int_equal(judge(&w, r), 0);
	assert_true(w.verdict.bits >= UNUSUAL_BITS);
	unusual_free(w.u);
}

static void absurd_values_are_bounded_or_missing(void **state)
{
	struct unusual_counters c;
	struct unusual_row r;
	struct world w;

	(void)state;
	begin(&w);
	live(&w, 300, UNUSUAL_LINK);
	r = link_row(&w, 5);
	r.values[UNUSUAL_RTT] = INFINITY;
	w.now_us += SECONDS(1);
	assert_int_equal(judge(&w, r), 0);
	assert_true(w.verdict.bits >= UNUSUAL_BITS && w.verdict.bits <= 32);
	r.values[UNUSUAL_RTT] = 1e300;
	w.now_us += SECONDS(1);
	assert_int_equal(judge(&w, r), 0);
	assert_true(w.verdict.bits >= UNUSUAL_BITS && w.verdict.bits <= 32);
	r = (struct unusual_row){ .group = UNUSUAL_LINK, .subject = 5, .values = { NAN, -1, NAN } };
	w.now_us += SECONDS(1);
	assert_int_equal(judge(&w, r), 0);
	assert_true(isnan(w.verdict.bits)); /* nothing is known, so nothing is said */
	r.values[UNUSUAL_LOSS] = -INFINITY;
	w.now_us += SECONDS(1);
	assert_int_equal(judge(&w, r), 0);
	unusual_counters(w.u, &c);
	assert_int_equal(c.refused, 3);
	live(&w, 1, UNUSUAL_LINK);
	assert_true(w.verdict.bits < UNUSUAL_BITS);

	assert_int_equal(judge(&w, r), -EALREADY); /* a second has not gone by */
	r.group = UNUSUAL_N_GROUPS;
	assert_int_equal(judge(&w, r), -EINVAL);
	unusual_free(w.u);
	assert_int_equal(unusual_new(1, UNUSUAL_LEARN_S_MIN - 1, &w.u), -EINVAL);
	assert_int_equal(unusual_new(1, UNUSUAL_SAMPLES + 1, &w.u), -EINVAL);
}

/* Rows in which loss is bad and an incident says so; what of the rest is learned meanwhile. */
static void an_incident_masks_its_own_features_alone(void **state)
{
	struct unusual_row r;
	struct world w;

	(void)state;
	begin(&w);
	live(&w, 300, UNUSUAL_LINK);
	for (unsigned s = 0; s < 4 * UNUSUAL_PAST_S; s++) {
		r = link_row(&w, 5);
		r.values[UNUSUAL_LOSS] = 0.3;
		r.values[UNUSUAL_RTT] *= 1 + s * (1.0 / UNUSUAL_PAST_S); /* five times, slowly */
		r.masked = 1U << UNUSUAL_LOSS;
		w.now_us += SECONDS(1);
		assert_int_equal(judge(&w, r), 0);
		assert_true(w.verdict.hint_bits < UNUSUAL_BITS);
		if (s == 0)
			assert_true(w.verdict.bits >= UNUSUAL_BITS); /* for the evidence */
	}
	/* the loss is over: it was never taken as usual, and what was usual is not forgotten */
	r = link_row(&w, 5);
	r.values[UNUSUAL_RTT] *= 5;
	w.now_us += SECONDS(1);
	assert_int_equal(judge(&w, r), 0);
	assert_true(w.verdict.bits < UNUSUAL_BITS);
	assert_int_equal(view(&w, 0).n_learned, UNUSUAL_N_LINK);
	unusual_free(w.u);
}

static void what_lasts_becomes_usual(void **state)
{
	struct unusual_counters c;
	struct unusual_row r;
	struct world w;
	unsigned s = 0;

	(void)state;
	begin(&w);
	live(&w, 600, UNUSUAL_LINK);
	for (unsigned n_usual = 0; n_usual < 30; s++) {
		r = link_row(&w, 5);
		r.values[UNUSUAL_RTT] *= 4; /* another way, for good */
		w.now_us += SECONDS(1);
		assert_int_equal(judge(&w, r), 0);
		n_usual = w.verdict.bits < UNUSUAL_BITS ? n_usual + 1 : 0;
		assert_true(s < 1200);
	}
	assert_true(s > UNUSUAL_LASTS_US / US_PER_S);
	unusual_counters(w.u, &c);
	assert_int_equal(c.adopted, 1);
	for (s = 0; s < 300; s++) { /* and is known like any other soon */
		r = link_row(&w, 5);
		r.values[UNUSUAL_RTT] *= 4;
		w.now_us += SECONDS(1);
		assert_int_equal(judge(&w, r), 0);
	}
	assert_int_equal(view(&w, 0).n_learned, UNUSUAL_N_LINK);
	live(&w, 1, UNUSUAL_LINK);
	assert_true(w.verdict.bits >= UNUSUAL_BITS); /* the old way is what would be odd now */
	unusual_free(w.u);
}

static void subjects_are_bounded_and_forgotten(void **state)
{
	struct unusual_counters c;
	struct world w;

	(void)state;
	begin(&w);
	for (uint64_t id = 1; id <= UNUSUAL_SUBJECTS_MAX; id++)
		assert_int_equal(judge(&w, link_row(&w, id)), 0);
	assert_int_equal(judge(&w, link_row(&w, 1000)), -ENOBUFS);
	unusual_counters(w.u, &c);
	assert_int_equal(c.left_out, 1);
	w.now_us += UNUSUAL_UNSEEN_US;
	assert_int_equal(judge(&w, link_row(&w, 7)), 0);
	w.now_us += 1;
	unusual_tick(w.u, w.now_us);
	assert_int_equal(view(&w, 0).subject, 7);
	assert_int_equal(view(&w, 1).subject, 0); /* none */
	assert_int_equal(judge(&w, link_row(&w, 1000)), 0);
	unusual_free(w.u);
	unusual_free(NULL);
}

static void with_all_subjects_each_is_fitted_in_its_turn(void **state)
{
	size_t cursor = 0, n = 0;
	struct unusual_view v;
	struct world w;

	(void)state;
	begin(&w);
	for (unsigned s = 0; s < 200; s++) {
		w.now_us += SECONDS(1);
		for (uint64_t id = 1; id < UNUSUAL_SUBJECTS_MAX; id++)
			assert_int_equal(judge(&w, link_row(&w, id)), 0);
		assert_int_equal(judge(&w, host_row(&w)), 0); /* the last to be asked */
	}
	for (; unusual_next(w.u, &cursor, &v); n++)
		assert_int_not_equal(v.mode, UNUSUAL_RULES);
	assert_int_equal(n, UNUSUAL_SUBJECTS_MAX);
	unusual_free(w.u);
}

static void the_same_seed_gives_the_same_verdicts(void **state)
{
	struct world a, b;

	(void)state;
	begin(&a);
	begin(&b);
	for (unsigned i = 0; i < 1500; i++) {
		live(&a, 1, UNUSUAL_HOST);
		live(&b, 1, UNUSUAL_HOST);
		assert_memory_equal(&a.verdict.bits, &b.verdict.bits, sizeof(double));
	}
	unusual_free(a.u);
	unusual_free(b.u);
}

static void the_host_drifts_and_its_past_is_renewed(void **state)
{
	const unsigned window_s = 10 * DRIFT_WINDOW; /* a score each 10 s */
	struct unusual_counters c;
	struct world w;

	(void)state;
	begin(&w);
	live(&w, 3 * window_s, UNUSUAL_HOST);
	unusual_counters(w.u, &c);
	assert_int_equal(c.drifts, 0);
	for (unsigned s = 0; s < 2 * window_s; s++) { /* more work each day: never odd, only more */
		struct unusual_row r = host_row(&w);

		r.values[UNUSUAL_CPU] += 0.3 * s / window_s;
		r.values[UNUSUAL_LINK_RTT] *= 1 + 1.5 * s / window_s;
		r.values[UNUSUAL_PRESSURE_IO] += 0.15 * s / window_s;
		w.now_us += SECONDS(1);
		assert_int_equal(judge(&w, r), 0);
	}
	unusual_counters(w.u, &c);
	assert_in_range(c.drifts, 1, 2);
	unusual_free(w.u);
}

static void each_kind_of_incident_speaks_of_its_own_features(void **state)
{
	static const struct unusual_spoken of[HEALING_N_KINDS] = {
		[HEALING_CPU] = { UNUSUAL_HOST, 1U << UNUSUAL_CPU | 1U << UNUSUAL_PRESSURE_CPU },
		[HEALING_MEMORY] = { UNUSUAL_HOST,
				     1U << UNUSUAL_MEMORY | 1U << UNUSUAL_PRESSURE_MEMORY },
		[HEALING_DISK] = { UNUSUAL_HOST, 1U << UNUSUAL_DISK },
		[HEALING_LINK_LOSS] = { UNUSUAL_LINK, 1U << UNUSUAL_LOSS },
		[HEALING_LINK_DOWN] = { UNUSUAL_LINK, (1U << UNUSUAL_N_LINK) - 1 },
	};

	(void)state;
	for (unsigned kind = 0; kind < HEALING_N_KINDS; kind++) {
		struct unusual_spoken s = unusual_spoken_of(kind);

		assert_int_equal(s.features, of[kind].features);
		if (s.features)
			assert_int_equal(s.group, of[kind].group);
	}
}

/* Hours of a healthy node with two links: how often fifteen rows in a row are odd, by which a hint
 * opens. A day by default, ten with X0_LONG=1, or X0_HOURS=n. */
static void a_healthy_day_has_no_hint(void **state)
{
	const char *is_long = getenv("X0_LONG"), *given = getenv("X0_HOURS");
	unsigned hours = is_long && strcmp(is_long, "1") == 0 ? 240 : 24;
	unsigned n_row[3] = { 0 }, n_hints = 0, n_odd = 0;
	double load = 0;
	struct world w;

	(void)state;
	if (given)
		hours = (unsigned)strtoul(given, NULL, 10);
	begin(&w);
	for (unsigned s = 0; s < hours * 3600; s++) {
		struct unusual_row rows[3] = { host_row(&w), link_row(&w, 5), link_row(&w, 6) };
		double day = sin(2 * M_PI * s / 86400.0);

		/* neighbouring seconds are alike, days have nights, and now and then there is a
		 * minute of work, of which healthy hosts have many */
		load = 0.95 * load + 0.05 * noise(&w);
		rows[0].values[UNUSUAL_CPU] += 0.1 * (1 + day) + 0.1 * fabs(load);
		if (s % 600 < 60)
			rows[0].values[UNUSUAL_CPU] += 0.3;
		rows[1].values[UNUSUAL_RTT] *= 1 + 0.2 * (1 + day) + 0.1 * fabs(load);
		rows[2].values[UNUSUAL_JITTER] *= 1 + 10 * (rng_below(&w.rng, 100) == 0);
		w.now_us += SECONDS(1);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(judge(&w, rows[i]), 0);
			n_odd += w.verdict.hint_bits >= UNUSUAL_BITS;
			n_row[i] = w.verdict.hint_bits >= UNUSUAL_BITS ? n_row[i] + 1 : 0;
			n_hints += n_row[i] == 15;
		}
	}
	print_message("%u hours: %u odd rows of %u, %u hints\n", hours, n_odd, 3 * hours * 3600,
		      n_hints);
	assert_int_equal(n_hints, 0);
	unusual_free(w.u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_little_is_known_at_first_and_it_says_so),
		cmocka_unit_test(a_longer_way_is_odd_though_no_rule_speaks_of_it),
		cmocka_unit_test(the_host_is_odd_to_both_detectors),
		cmocka_unit_test(absurd_values_are_bounded_or_missing),
		cmocka_unit_test(an_incident_masks_its_own_features_alone),
		cmocka_unit_test(what_lasts_becomes_usual),
		cmocka_unit_test(subjects_are_bounded_and_forgotten),
		cmocka_unit_test(with_all_subjects_each_is_fitted_in_its_turn),
		cmocka_unit_test(the_same_seed_gives_the_same_verdicts),
		cmocka_unit_test(the_host_drifts_and_its_past_is_renewed),
		cmocka_unit_test(each_kind_of_incident_speaks_of_its_own_features),
		cmocka_unit_test(a_healthy_day_has_no_hint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
