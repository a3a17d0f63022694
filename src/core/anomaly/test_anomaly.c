/* SPDX-License-Identifier: Apache-2.0 */
/* Detectors against values computed with NumPy, missing and absurd values, files of models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/anomaly/detector.h"
#include "core/anomaly/numbers.h"

#define N_ROWS 300
#define N_TRAIN 250
#define N 3

static const struct detector_ops *const learners[] = {
	&detector_robust_z,
	&detector_forest,
	&detector_forecast,
	&detector_ensemble,
};
static const struct rule rules[N] = { RULE_CPU_PERCENT, RULE_LOSS_PERCENT, { NAN, NAN } };
static const struct detector_settings settings = { .rules = rules };

/* Three waves with noise of a linear congruential generator; the second rises by 2 at the end.
 * The script behind the reference values makes the same. */
static void make(double *ret)
{
	uint32_t s = 12345;

	for (unsigned i = 0; i < N_ROWS * N; i++) {
		unsigned row = i / N, feature = i % N;

		s = (s * 1103515245U + 12345U) & 0x7fffffffU;
		ret[i] = sin(0.1 * (feature + 1) * row) + 0.3 * s / 2147483648.0;
		if (row >= 290 && feature == 1)
			ret[i] += 2;
	}
}

static void *fitted(const struct detector_ops *ops, const double *values)
{
	struct rows train = { values, N_TRAIN, N };
	struct rng rng;
	void *model = NULL;

	rng_seed(&rng, 7);
	assert_int_equal(ops->fit(&train, &settings, &rng, &model), 0);
	return model;
}

static void scored(const struct detector_ops *ops, const void *model, const double *values,
		   size_t n_rows, double *ret)
{
	struct rows in = { values, n_rows, N };

	assert_int_equal(ops->score(model, &in, ret), 0);
}

static void forecast_scores_equal_those_of_numpy(void **state)
{
	static const struct {
		size_t row;
		double score;
	} expected[] = {
		{ 0, 0.551081020980 },	 { 10, 0.511960535089 },  { 200, 0.379210291801 },
		{ 289, 0.718983775133 }, { 290, 1.302534018922 }, { 299, 1.839562786728 },
	};
	double values[N_ROWS * N], scores[N_ROWS];

	(void)state;
	make(values);
	void *model = fitted(&detector_forecast, values);
	scored(&detector_forecast, model, values, N_ROWS, scores);
	for (size_t i = 0; i < N_ELEMENTS(expected); i++)
		assert_true(fabs(scores[expected[i].row] - expected[i].score) < 1e-8);
	detector_forecast.free(model);
}

static void robust_scores_equal_those_of_numpy(void **state)
{
	double values[N_ROWS * N], scores[N_ROWS];

	(void)state;
	make(values);
	void *model = fitted(&detector_robust_z, values);
	scored(&detector_robust_z, model, values, N_ROWS, scores);
	assert_true(fabs(scores[0] - 0.075294102029) < 1e-9);
	assert_true(fabs(scores[200] - 0.745616228169) < 1e-9);
	assert_true(fabs(scores[299] - 1.345873292257) < 1e-9);
	detector_robust_z.free(model);
}

static void a_far_row_is_stranger_to_every_detector_and_explained_by_its_feature(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_ELEMENTS(learners); k++) {
		double values[N_ROWS * N], usual[N_ROWS], scores[N_ROWS], shares[N];

		make(values);
		void *model = fitted(learners[k], values);
		scored(learners[k], model, values, N_ROWS, usual);
		values[100 * N + 2] = 50;
		scored(learners[k], model, values, N_ROWS, scores);
		assert_true(scores[100] > usual[100]);
		assert_int_equal(learners[k]->explain(model, values + 100 * N, shares), 0);
		assert_true(shares[2] > shares[0] && shares[2] > shares[1]);
		assert_true(fabs(shares[0] + shares[1] + shares[2] - 1) < 1e-9);
		learners[k]->free(model);
	}
}

static void a_score_depends_on_no_later_row(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_ELEMENTS(learners); k++) {
		double values[N_ROWS * N], before[N_ROWS], after[N_ROWS];

		make(values);
		void *model = fitted(learners[k], values);
		scored(learners[k], model, values, N_ROWS, before);
		for (size_t i = 200 * N; i < N_ROWS * N; i++)
			values[i] = -1000;
		scored(learners[k], model, values, N_ROWS, after);
		assert_memory_equal(before, after, 200 * sizeof(double));
		learners[k]->free(model);
	}
}

static void a_missing_value_adds_nothing_and_an_empty_row_has_no_score(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_ELEMENTS(learners); k++) {
		double values[N_ROWS * N], scores[N_ROWS];

		make(values);
		void *model = fitted(learners[k], values);
		values[50 * N + 1] = NAN;
		for (size_t j = 0; j < N; j++)
			values[60 * N + j] = NAN;
		scored(learners[k], model, values, N_ROWS, scores);
		assert_true(isfinite(scores[50]) && isfinite(scores[61]));
		assert_true(isnan(scores[60]));
		learners[k]->free(model);
	}
}

static void absurd_values_give_finite_scores_and_never_low_ones(void **state)
{
	static const double absurd[] = { INFINITY, -INFINITY, 1e308, -1e308, -5, 1e-308 };

	(void)state;
	for (size_t k = 0; k < N_ELEMENTS(learners); k++) {
		double values[N_ROWS * N], scores[N_ROWS], usual[N_ROWS];

		make(values);
		void *model = fitted(learners[k], values);
		scored(learners[k], model, values, N_ROWS, usual);
		for (size_t i = 0; i < N_ELEMENTS(absurd); i++)
			values[(100 + 20 * i) * N] = absurd[i];
		scored(learners[k], model, values, N_ROWS, scores);
		for (size_t i = 0; i < N_ROWS; i++)
			assert_true(isfinite(scores[i]));
		for (size_t i = 0; i < 4; i++) /* those that are huge */
			assert_true(scores[100 + 20 * i] > usual[100 + 20 * i]);
		learners[k]->free(model);
	}
}

static void training_on_absurd_and_missing_values_still_judges(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_ELEMENTS(learners); k++) {
		double values[N_ROWS * N], scores[N_ROWS];

		make(values);
		values[5 * N] = INFINITY;
		values[6 * N] = -1e308;
		for (size_t i = 0; i < N_ROWS; i += 7)
			values[i * N + 1] = NAN;
		void *model = fitted(learners[k], values);
		scored(learners[k], model, values, N_ROWS, scores);
		for (size_t i = 0; i < N_ROWS; i++)
			assert_true(isfinite(scores[i]));
		learners[k]->free(model);
	}
}

static void a_feature_that_never_was_there_is_left_out(void **state)
{
	double values[N_ROWS * N], scores[N_ROWS];

	(void)state;
	make(values);
	for (size_t i = 0; i < N_TRAIN; i++)
		values[i * N + 2] = NAN;
	void *model = fitted(&detector_forecast, values);
	scored(&detector_forecast, model, values, N_ROWS, scores);
	for (size_t i = 0; i < N_ROWS; i++)
		assert_true(isfinite(scores[i]));
	detector_forecast.free(model);
}

static void too_little_or_too_much_is_refused(void **state)
{
	double values[N_ROWS * N];
	struct rng rng;
	void *model;

	(void)state;
	make(values);
	rng_seed(&rng, 1);
	for (size_t k = 0; k < N_ELEMENTS(learners); k++) {
		struct rows few = { values, 3, N }, none = { values, 10, 0 },
			    wide = { values, 1, DETECTOR_FEATURES_MAX + 1 };

		assert_int_equal(learners[k]->fit(&few, &settings, &rng, &model), -ENODATA);
		assert_int_equal(learners[k]->fit(&none, &settings, &rng, &model), -EINVAL);
		assert_int_equal(learners[k]->fit(&wide, &settings, &rng, &model), -EINVAL);

		struct rows other = { values, 10, N - 1 };
		double scores[10];
		model = fitted(learners[k], values);
		assert_int_equal(learners[k]->score(model, &other, scores), -EINVAL);
		learners[k]->free(model);
	}
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
	double values[N_ROWS * N];
	uint8_t *bytes[2];
	size_t len[2];

	(void)state;
	make(values);
	for (size_t i = 0; i < 2; i++) {
		struct detector d = { .ops = &detector_ensemble };

		d.model = fitted(d.ops, values);
		assert_int_equal(detector_save(&d, &bytes[i], &len[i]), 0);
		detector_done(&d);
	}
	assert_int_equal(len[0], len[1]);
	assert_memory_equal(bytes[0], bytes[1], len[0]);
	free(bytes[0]);
	free(bytes[1]);
}

static void a_loaded_model_scores_as_the_saved_one(void **state)
{
	double values[N_ROWS * N], scores[N_ROWS], again[N_ROWS];
	static const char *const names[N] = { "cpu", "loss", "rate" };
	uint64_t hash = detector_features_hash(names, N);

	(void)state;
	make(values);
	for (size_t k = 0; k < N_ELEMENTS(learners) + 1; k++) {
		struct rows train = { values, N_TRAIN, N };
		struct detector d, loaded;
		struct rng rng;
		uint8_t *bytes;
		size_t len;

		rng_seed(&rng, 1);
		assert_int_equal(
			detector_train(k < N_ELEMENTS(learners) ? learners[k] : &detector_rules,
				       &train, &settings, hash, 0.99, &rng, &d),
			0);
		assert_int_equal(detector_save(&d, &bytes, &len), 0);
		assert_int_equal(detector_load(SPAN(bytes, len), hash, &loaded), 0);
		scored(d.ops, d.model, values, N_ROWS, scores);
		scored(loaded.ops, loaded.model, values, N_ROWS, again);
		assert_memory_equal(scores, again, sizeof(scores));
		assert_true(loaded.threshold == d.threshold);
		detector_done(&d);
		detector_done(&loaded);
		free(bytes);
	}
}

static void a_file_cut_flipped_or_for_other_features_is_refused(void **state)
{
	double values[N_ROWS * N];
	struct rows train = { values, N_TRAIN, N };
	struct detector d, loaded;
	uint8_t *bytes;
	size_t len;

	(void)state;
	make(values);
	assert_int_equal(detector_train(&detector_forecast, &train, &settings, 5, 0.99, NULL, &d),
			 0);
	assert_int_equal(detector_save(&d, &bytes, &len), 0);
	assert_int_equal(detector_load(SPAN(bytes, len), 6, &loaded), -EPROTO);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(detector_load(SPAN(bytes, cut), 5, &loaded), -EBADMSG);
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(detector_load(SPAN(bytes, len), 5, &loaded), -EBADMSG);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	detector_done(&d);
	free(bytes);
}

static void names_and_their_order_make_the_hash(void **state)
{
	static const char *const a[] = { "ab", "c" }, *const b[] = { "a", "bc" },
				 *const c[] = { "c", "ab" };

	(void)state;
	assert_true(detector_features_hash(a, 2) != detector_features_hash(b, 2));
	assert_true(detector_features_hash(a, 2) != detector_features_hash(c, 2));
	assert_true(detector_features_hash(a, 2) != detector_features_hash(a, 1));
}

static void a_rule_fires_at_on_and_rests_below_off(void **state)
{
	struct rule r = RULE_CPU_PERCENT;

	(void)state;
	assert_false(rule_fires(&r, 89.9, false));
	assert_true(rule_fires(&r, 90, false));
	assert_true(rule_fires(&r, 85, true));
	assert_false(rule_fires(&r, 84.9, true));
	assert_true(rule_fires(&r, NAN, true)); /* missing: as it was */
	assert_false(rule_fires(&r, NAN, false));
	assert_true(rule_fires(&r, INFINITY, false));
	assert_false(rule_fires(&r, -1, false));
}

static void rules_count_what_fires_and_refuse_nonsense(void **state)
{
	static const double values[] = { 95, 1, 7, 86, 9, 7, NAN, NAN, 7, 10, 4, 7 };
	struct rows in = { values, 4, N };
	double scores[4];
	struct rule wrong[N] = { { 5, 6 }, { NAN, NAN }, { NAN, NAN } };
	void *model;

	(void)state;
	assert_int_equal(detector_rules.fit(&in, &settings, NULL, &model), 0);
	assert_int_equal(detector_rules.score(model, &in, scores), 0);
	assert_true(scores[0] == 1 && scores[1] == 2 && isnan(scores[2]) && scores[3] == 1);
	detector_rules.free(model);
	assert_int_equal(detector_rules.fit(&in, &(struct detector_settings){ .rules = wrong },
					    NULL, &model),
			 -EINVAL);
	assert_int_equal(detector_rules.fit(&in, &(struct detector_settings){ 0 }, NULL, &model),
			 -EINVAL);
}

/* Equation 1 of the paper: of a sample in which all rows are the same nothing can be cut, and
 * every path is c(n) long: the score is 2^-1. */
static void a_forest_of_equal_rows_scores_one_half(void **state)
{
	double values[N_ROWS * N] = { 0 }, scores[N_ROWS];

	(void)state;
	void *model = fitted(&detector_forest, values);
	scored(&detector_forest, model, values, N_ROWS, scores);
	assert_true(fabs(scores[0] - 0.5) < 1e-12);
	detector_forest.free(model);
}

static void numbers_equal_those_of_numpy(void **state)
{
	double a[] = { 4, 2, 0.6, 2, 5, 1.5, 0.6, 1.5, 3 }, x[] = { 1, 2, 3 };
	double bad[] = { 1, 2, 2, 1 }, v[] = { 9, 1, 5, 3 }, median, mad;

	(void)state;
	assert_true(numbers_cholesky(a, 3));
	assert_true(fabs(a[0] - 2) < 1e-12 && fabs(a[8] - 1.59687194) < 1e-8);
	numbers_solve_lower(a, 3, x);
	numbers_solve_upper(a, 3, x);
	assert_true(fabs(x[0] - 0.0625) < 1e-8 && fabs(x[1] - 0.09264706) < 1e-8 &&
		    fabs(x[2] - 0.94117647) < 1e-8);
	assert_false(numbers_cholesky(bad, 2));
	numbers_median_mad(v, 4, &median, &mad);
	assert_true(median == 4 && mad == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forecast_scores_equal_those_of_numpy),
		cmocka_unit_test(robust_scores_equal_those_of_numpy),
		cmocka_unit_test(
			a_far_row_is_stranger_to_every_detector_and_explained_by_its_feature),
		cmocka_unit_test(a_score_depends_on_no_later_row),
		cmocka_unit_test(a_missing_value_adds_nothing_and_an_empty_row_has_no_score),
		cmocka_unit_test(absurd_values_give_finite_scores_and_never_low_ones),
		cmocka_unit_test(training_on_absurd_and_missing_values_still_judges),
		cmocka_unit_test(a_feature_that_never_was_there_is_left_out),
		cmocka_unit_test(too_little_or_too_much_is_refused),
		cmocka_unit_test(the_same_seed_gives_the_same_bytes),
		cmocka_unit_test(a_loaded_model_scores_as_the_saved_one),
		cmocka_unit_test(a_file_cut_flipped_or_for_other_features_is_refused),
		cmocka_unit_test(names_and_their_order_make_the_hash),
		cmocka_unit_test(a_rule_fires_at_on_and_rests_below_off),
		cmocka_unit_test(rules_count_what_fires_and_refuse_nonsense),
		cmocka_unit_test(a_forest_of_equal_rows_scores_one_half),
		cmocka_unit_test(numbers_equal_those_of_numpy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
