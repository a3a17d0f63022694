/* SPDX-License-Identifier: Apache-2.0 */
/* Scores as bits of surprise. */
#include "core/anomaly/surprise.h"

#include <errno.h>
#include <math.h>

#include "base/powers.h"
#include "core/anomaly/numbers.h"

#define TAIL 0.75     /* where it begins; fewer rows than this leaves say little of its shape */
#define TAIL_BITS 2.0 /* of surprise there: a quarter is above */
#define SCORES_MIN 4

int surprise_learn(double *scores, size_t n, double excess_min, struct surprise *ret)
{
	size_t n_known = 0, n_above = 0;
	double at, sum = 0;

	for (size_t i = 0; i < n; i++)
		if (!isnan(scores[i]))
			scores[n_known++] = scores[i];
	if (n_known < SCORES_MIN)
		return -ENODATA;
	numbers_sort(scores, n_known);
	at = numbers_quantile(scores, n_known, TAIL);
	for (size_t i = 0; i < n_known; i++) {
		if (scores[i] <= at)
			continue;
		sum += scores[i] - at;
		n_above++;
	}
	*ret = (struct surprise){
		.at = at,
		.excess = powers_larger(n_above ? sum / (double)n_above : 0, excess_min),
	};
	return 0;
}

double surprise_bits(const struct surprise *s, double score)
{
	if (isnan(score) || score <= s->at)
		return isnan(score) ? (double)NAN : 0;
	return powers_smaller(TAIL_BITS + (score - s->at) / s->excess / M_LN2, SURPRISE_BITS_MAX);
}
