/* SPDX-License-Identifier: Apache-2.0 */
/* Scores against values computed with NumPy from the published definitions, and tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "csv.h"
#include "eval/scoring.h"

#define N 400

/* Two events and noise of a linear congruential generator, 0.5 higher within events. */
static void make(double *ret_scores, uint8_t *ret_labels)
{
	uint32_t s = 12345;

	for (unsigned i = 0; i < N; i++) {
		ret_labels[i] = (i >= 100 && i < 120) || (i >= 300 && i < 305);
		s = (s * 1103515245U + 12345U) & 0x7fffffffU;
		ret_scores[i] = s / 2147483648.0 + (ret_labels[i] ? 0.5 : 0);
	}
}

static void figures_equal_those_of_numpy(void **state)
{
	double scores[N];
	uint8_t labels[N];
	struct scoring s;

	(void)state;
	make(scores, labels);
	assert_int_equal(scoring_rows(scores, labels, N, 1.0, &s), 0);
	assert_true(fabs(s.auroc - 0.838293333333) < 1e-9);
	assert_true(fabs(s.auprc - 0.540805499695) < 1e-9);
	assert_true(fabs(s.best_f1 - 0.611111111111) < 1e-9);
	assert_true(fabs(s.f1 - 0.611111111111) < 1e-9);
	assert_true(s.precision == 1 && fabs(s.recall - 0.44) < 1e-12);
	assert_true(s.false_positive_rate == 0 && s.event_recall == 1 && s.fc1 == 1);
	assert_true(fabs(s.vus_pr - 0.512346458427) < 1e-9);
	assert_true(fabs(scoring_auroc(scores, labels, N) - s.auroc) < 1e-12);
}

static void a_whole_event_does_not_count_as_found_for_one_row(void **state)
{
	double scores[N] = { 0 };
	uint8_t labels[N];
	double unused[N];
	struct scoring s;

	(void)state;
	make(unused, labels);
	scores[110] = 1;
	assert_int_equal(scoring_rows(scores, labels, N, 0.5, &s), 0);
	assert_true(fabs(s.recall - 1.0 / 25) < 1e-12);
	assert_true(s.event_recall == 0.5 && s.delay == 10);
}

static void without_both_labels_there_is_no_figure(void **state)
{
	double scores[3] = { 1, 2, 3 };
	uint8_t none[3] = { 0 }, all[3] = { 1, 1, 1 };
	struct scoring s;

	(void)state;
	assert_int_equal(scoring_rows(scores, none, 3, 1, &s), -ENODATA);
	assert_int_equal(scoring_rows(scores, all, 3, 1, &s), -ENODATA);
	assert_true(isnan(scoring_auroc(scores, none, 3)));
}

static void a_missing_score_is_no_alarm(void **state)
{
	double scores[4] = { NAN, 1, 2, NAN };
	uint8_t labels[4] = { 1, 0, 1, 0 };
	struct scoring s;

	(void)state;
	assert_int_equal(scoring_rows(scores, labels, 4, 0, &s), 0);
	assert_true(s.recall == 0.5 && s.false_positive_rate == 0.5);
}

static void equal_ranks_count_in_parts_and_none_last(void **state)
{
	double scores[] = { 3, 2, 2, 1, NAN };

	(void)state;
	assert_true(scoring_within(scores, 5, 0, 1) == 1);
	assert_true(scoring_within(scores, 5, 1, 1) == 0);
	assert_true(scoring_within(scores, 5, 1, 2) == 0.5);
	assert_true(scoring_within(scores, 5, 2, 3) == 1);
	assert_true(scoring_within(scores, 5, 4, 4) == 0);
}

static int table(const char *text, struct csv *ret)
{
	char path[] = "/tmp/test_scoring_XXXXXX";
	int fd = mkstemp(path), r;
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	r = csv_read(path, ret);
	(void)unlink(path);
	return r;
}

static void a_table_reads_numbers_and_gaps(void **state)
{
	struct csv c;
	size_t column;

	(void)state;
	assert_int_equal(table("a,b\r\n1,\n-2.5e3,x", &c), 0);
	assert_true(c.n_rows == 3 && c.n_columns == 2);
	assert_true(csv_number(&c, 1, 0) == 1 && isnan(csv_number(&c, 1, 1)));
	assert_true(csv_number(&c, 2, 0) == -2500 && isnan(csv_number(&c, 2, 1)));
	assert_int_equal(csv_column(&c, "b", &column), 0);
	assert_int_equal(column, 1);
	assert_int_equal(csv_column(&c, "c", &column), -ENOENT);
	csv_done(&c);
}

static void a_broken_table_is_refused(void **state)
{
	struct csv c;

	(void)state;
	assert_int_equal(table("1,2\n3\n", &c), -EBADMSG);
	assert_int_equal(table("1,\"2\"\n", &c), -EBADMSG);
	assert_int_equal(table("1,2\n3,", &c), -EBADMSG);
	assert_int_equal(csv_read("/nonexistent", &c), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_equal_those_of_numpy),
		cmocka_unit_test(a_whole_event_does_not_count_as_found_for_one_row),
		cmocka_unit_test(without_both_labels_there_is_no_figure),
		cmocka_unit_test(a_missing_score_is_no_alarm),
		cmocka_unit_test(equal_ranks_count_in_parts_and_none_last),
		cmocka_unit_test(a_table_reads_numbers_and_gaps),
		cmocka_unit_test(a_broken_table_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
