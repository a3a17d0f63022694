/* SPDX-License-Identifier: Apache-2.0 */
/* scoring.h - what scores and rankings are worth against labels. No point adjustment anywhere:
 * each row counts as it stands. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SCORING_BORDER_MAX 100 /* rows of soft border in VUS-PR */

struct scoring {
	double auroc, auprc;
	double best_f1; /* over all thresholds: picked with the labels, an upper bound */
	double f1, precision, recall, false_positive_rate; /* at the threshold given */
	double event_recall; /* share of runs of positive rows with one over the threshold */
	double delay;	     /* mean rows to the first such one; NaN where none was found */
	double fc1;	     /* F of row precision and event recall (Garg et al. 2021) */
	double vus_pr;	     /* Paparrizos et al. 2022, borders of 0 to 100 rows */
};

/* A NaN score is no alarm. labels are 0 or 1, with both among them: -ENODATA otherwise.
 * A row alarms when its score is above the threshold. */
int scoring_rows(const double *scores, const uint8_t *labels, size_t n, double threshold,
		 struct scoring *ret);

/* The area under the receiver operating characteristic, ties half; NaN without both labels. */
double scoring_auroc(const double *scores, const uint8_t *labels, size_t n);

/* Sorts the values, none of them NaN, and takes the quantile q (0..1), linear between two; NaN of
 * none. */
double scoring_quantile(double *v, size_t n, double q);

/* The chance that the answer is among the first k when equal scores are put in random order;
 * NaN scores come last. */
double scoring_within(const double *scores, size_t n, size_t answer, size_t k);
