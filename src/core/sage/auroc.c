/* SPDX-License-Identifier: Apache-2.0 */
/* The area under the curve, from ranks (Mann, Whitney 1947). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/sage/sage.h"

struct scored {
	float score;
	uint8_t label;
};

static int compare(const void *a, const void *b)
{
	float x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;

	return (x > y) - (x < y);
}

static double area(const struct scored *list, size_t n)
{
	double pairs_won = 0, n_zeros = 0, n_ones = 0;

	for (size_t i = 0, next; i < n; i = next) {
		double zeros = 0, ones = 0;

		for (next = i; next < n && list[next].score == list[i].score; next++) {
			zeros += list[next].label == 0;
			ones += list[next].label != 0;
		}
		pairs_won += ones * (n_zeros + zeros / 2);
		n_zeros += zeros;
		n_ones += ones;
	}
	return n_zeros > 0 && n_ones > 0 ? pairs_won / (n_zeros * n_ones) : (double)NAN;
}

int sage_auroc(const float *scores, const uint8_t *labels, const uint8_t *parts,
	       enum sage_part part, size_t n, double *ret)
{
	CLEANUP_FREE struct scored *list = calloc(n + 1, sizeof(list[0]));
	size_t count = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (parts[i] == part && !isnan(scores[i]))
			list[count++] = (struct scored){ scores[i], labels[i] };
	qsort(list, count, sizeof(list[0]), compare);
	*ret = area(list, count);
	return 0;
}
